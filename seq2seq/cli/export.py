"""The command `seq2seq export`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.display.console import print_path
from seq2seq.errors import InputError, nearest, require

EXAMPLES = """
seq2seq export runs/demo --output demo-onnx
seq2seq translate demo-onnx < test.de
"""


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model directory, or OWNER/NAME\\[@REVISION] on the hub.")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="A new directory.", show_default="MODEL-onnx"),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="onnx", help="What to write: onnx, for onnxruntime on the CPU.")
    ] = "onnx",
) -> None:
    """Write a model in a form that translates without torch.

    The directory holds two graphs (encoder.onnx, step.onnx), the tokenizer,
    and config.json with their hashes. 'seq2seq translate DIR' and
    OnnxTranslator.load(DIR) in Python translate with it, given onnxruntime
    (pip install onnxruntime). An export only translates, with --scores,
    --alignment, n-best lists and grids.
    """
    if form != "onnx":
        raise InputError(f"--format {form!r} is unknown; {nearest(form, ['onnx'])}")
    require("seq2seq export", "torch", "onnx")
    from seq2seq.checkpoint.model import load_model
    from seq2seq.onnx.export import check_export_directory, export_onnx

    target = Path(os.path.expanduser(output or f"{model.rstrip('/').replace('@', '-')}-onnx"))
    check_export_directory(target)
    export_onnx(load_model(model), target)
    print_path(target)
