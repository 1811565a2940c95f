"""The command line: one module per command, and the only part of the package that prints.

Read any command first, such as translate.py, then options.py and files.py, which the commands share, and exit_codes.py,
which turns errors into messages and exit codes. Must not import torch, or whatever imports it, before a command runs,
so that help and usage errors appear at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from seq2seq.cli import (
    align,
    compare,
    config,
    evaluate,
    export,
    index,
    inspect,
    plot,
    push,
    score,
    shortlist,
    train,
    translate,
)
from seq2seq.cli.display.console import open_streams, print_text
from seq2seq.cli.examples import epilog
from seq2seq.cli.exit_codes import CommandGroup
from seq2seq.cli.files import Command

EXAMPLES = """
seq2seq config --source train.de --target train.en --output run.toml \\
    --validation-source valid.de --validation-target valid.en
seq2seq train run.toml --output runs/demo
seq2seq translate runs/demo < test.de > test.hypothesis.en
seq2seq evaluate --hypothesis test.hypothesis.en --reference test.en
"""

app = typer.Typer(
    name="seq2seq",
    cls=CommandGroup,
    help="Train translators with attention on your own parallel text, translate with them, and score the result.",
    epilog=epilog(EXAMPLES),
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (config, train, translate, score, align, evaluate, shortlist, index, compare, export, inspect, push):
    name = command.__name__.rpartition(".")[2]
    app.command(name, cls=Command, epilog=epilog(command.EXAMPLES))(getattr(command, name))
app.add_typer(plot.plot, name="plot")


def _print_version(asked: bool) -> None:
    if asked:
        from seq2seq import __version__

        print_text(f"seq2seq {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options that belong to no command in particular."""


def main() -> None:
    """Run the command line on the standard streams of this process."""
    open_streams()
    app(prog_name="seq2seq")
