"""The command `seq2seq push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.display.console import print_text
from seq2seq.text.escaping import escape_line

EXAMPLES = """
hf auth login
seq2seq push runs/demo your-name/de-en-demo --private
"""


def push(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model directory.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Where it goes on the Hugging Face hub.")],
    private: Annotated[bool, typer.Option("--private", help="Only you and those you invite can see it.")] = False,
) -> None:
    """Upload a model directory to the Hugging Face hub.

    Only the model's own files travel (config.json, weights, tokenizer,
    README.md), not the training state. The token is the one that
    'hf auth login' stored, or the environment variable HF_TOKEN.
    """
    from seq2seq.checkpoint.model import push_model

    print_text(escape_line(push_model(model, repository, private=private)))
