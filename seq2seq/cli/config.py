"""The command `seq2seq config`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.options import decode_text
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.config import Config

EXAMPLES = """
seq2seq config > run.toml
seq2seq config --source train.de --target train.en \\
    --validation-source valid.de --validation-target valid.en \\
    --source-language de --target-language en --output run.toml
"""
SEVERAL = (
    "To learn from several texts, write [[data.train]] in place of [data.train], once for each, as in",
    "  [[data.train]]                        # 2 of 3 draws are from this text",
    '  source = "clean.de"',
    '  target = "clean.en"',
    "  weight = 2",
    "  [[data.train]]",
    '  source = "backtranslated.de"',
    '  target = "backtranslated.en"',
    "  weight = 1",
    '  tag = "<bt>"                          # what the model reads before each source',
    "Several texts to validate on are written as [[data.validation]].",
)


def config(
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="FILE", callback=decode_text, help="Source sentences to learn from, one a line."
        ),
    ] = "train.source",
    target: Annotated[
        str, typer.Option("--target", metavar="FILE", callback=decode_text, help="Their translations, line by line.")
    ] = "train.target",
    validation_source: Annotated[
        str,
        typer.Option(
            "--validation-source",
            metavar="FILE",
            callback=decode_text,
            help="Source sentences to choose the best checkpoint by.",
        ),
    ] = "validation.source",
    validation_target: Annotated[
        str,
        typer.Option(
            "--validation-target", metavar="FILE", callback=decode_text, help="Their translations, line by line."
        ),
    ] = "validation.target",
    source_language: Annotated[
        str, typer.Option("--source-language", metavar="CODE", callback=decode_text, help="For example de.")
    ] = "source",
    target_language: Annotated[
        str,
        typer.Option("--target-language", metavar="CODE", callback=decode_text, help="For example en."),
    ] = "target",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; '-' is standard output.")
    ] = "-",
) -> None:
    """Write a config for 'seq2seq train': every key with its meaning, its choices and its default.

    Edit the file, or leave it and override single keys with
    'seq2seq train --set'. Text can also come from one TSV or JSONL file, or
    from a Hugging Face dataset: see the keys of data.train.
    """
    from seq2seq.bulk.streams import open_output
    from seq2seq.cli.template import render
    from seq2seq.config_file import parse_config
    from seq2seq.metrics.bleu_tokenizer import TOKENIZERS
    from seq2seq.nn.model import mechanisms

    data = {
        "source_language": source_language,
        "target_language": target_language,
        "train": {"source": source, "target": target},
        "validation": {"source": validation_source, "target": validation_target},
    }
    settings = parse_config({"data": data}, "seq2seq config")
    names: dict[str, Iterable[str]] = {f"model.{key}": found for key, found in mechanisms().items()}
    names["training.validation_tokenize"] = TOKENIZERS
    with open_output(output) as write:
        write(render(settings, names, {"training.learning_rate_factors": _own_rates(settings), "data.train": SEVERAL}))


def _own_rates(settings: Config) -> Iterator[str]:
    """Yield, for every score function that can have these sizes, the rates that it gives its parameters."""
    from seq2seq.checkpoint.model import outline
    from seq2seq.nn.initialisation import parametrisations
    from seq2seq.nn.scores import SCORE_FUNCTIONS

    for score in SCORE_FUNCTIONS:
        model = settings.model.model_copy(update={"score": score})
        try:
            found = parametrisations(outline(settings.model_copy(update={"model": model})))
        except InputError:
            continue
        for name, own in found.items():
            if own.rate != 1:
                yield f'score = "{score}" has of itself, at the sizes above: {{"{name}" = {own.rate:.4g}}}'
