"""The command `seq2seq train`."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.display.console import say
from seq2seq.cli.options import decode_text

EXAMPLES = """
seq2seq train run.toml --output runs/additive
seq2seq train run.toml --output runs/dot --set model.score=scaled_dot
seq2seq train run.toml --output runs/additive --resume
"""


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train; 'seq2seq config' writes one.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the run, and of its model.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            callback=decode_text,
            help="Set a key of the config, e.g. model.score=dot. May be repeated.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped, or begin it.")] = False,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="With --resume: even if config or text differ, where the weights fit."),
    ] = False,
) -> None:
    """Train a translator as a config says.

    Ctrl-C (or SIGTERM) stops after the current step and leaves a run that
    --resume takes up where it stood. DIR holds the best model so far, ready
    for 'seq2seq translate DIR', every event in log.jsonl, and the state.
    """
    from seq2seq.cli.files import check_folder, config_files
    from seq2seq.config_file import load_config, locate_errors
    from seq2seq.errors import InputError

    if allow_changes and not resume:
        raise InputError("--allow-changes has no effect without --resume")
    settings = load_config(config, overrides or [])
    check_folder("train", str(output), config_files(settings))

    from seq2seq.cli.display.console import is_main_process
    from seq2seq.cli.display.training import training_display
    from seq2seq.training.trainer import train as run

    if is_main_process():
        say("reading the text")
    with locate_errors(config, overrides or []), training_display() as observe:
        record = run(settings, output, resume=resume, allow_changes=allow_changes, observe=observe)
    if not is_main_process():
        raise typer.Exit(128 + record["signal"] if record["reason"] == "interrupted" else 0)
    if record.get("reason") != "interrupted":
        say(f"the model is in {output}; try: {shlex.join(['seq2seq', 'translate', str(output)])}")
        return
    repeated = [part for override in overrides or [] for part in ("--set", override)]
    again = shlex.join(["seq2seq", "train", str(config), "--output", str(output), *repeated, "--resume"])
    say(f"stopped; to go on: {again}")
    raise typer.Exit(128 + (record.get("signal") or signal.SIGINT))
