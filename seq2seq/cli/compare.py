"""The command `seq2seq compare`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.cli.display.console import say
from seq2seq.cli.options import decode_text
from seq2seq.errors import EXTRAS, require

if TYPE_CHECKING:
    from seq2seq.comparison.plan import Grid, PlannedRun

EXAMPLES = """
seq2seq compare grid.toml --output comparisons/scores
seq2seq compare grid.toml --output comparisons/scores --resume
seq2seq compare grid.toml --output comparisons/short \\
    --set training.max_steps=500 --workers 8
"""

Observe = Callable[[str, dict[str, Any]], None]


def compare(
    grid: Annotated[Path, typer.Argument(metavar="GRID.toml", help="Systems, seeds and tests; see below.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of all runs, numbers and the report.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Take what is there: go on with what was stopped, add what is missing.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=0,
            max=1024,
            help="Runs at a time; each gets an equal share of the cores.",
            show_default="one a core",
        ),
    ] = 0,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            callback=decode_text,
            help="Set a key of the config in every run. May be repeated.",
        ),
    ] = None,
) -> None:
    """Train, measure and compare systems over several seeds.

    GRID.toml names a config, the keys that differ, the seeds and the tests:

    \b
      title = "Scores and wirings"
      config = "run.toml"
      seeds = [1, 2, 3]
      \\[grid]
      "model.score" = ["additive", "dot"]
      "model.wiring" = ["bahdanau", "luong"]
      \\[tests.test]
      source = "test.de"
      reference = "test.en"

    DIR/report.html holds the answers: quality with its spread over the seeds,
    whether differences can be told from chance, alignment, length, noise and
    cost; report.md, results.json, results.csv and figures/ the same. Ctrl-C
    stops all runs after their step, and --resume goes on.
    """  # fmt: skip
    require("seq2seq compare", "torch", *EXTRAS["compare"])  # checked now, not when the trainings are done
    from seq2seq.cli.files import check_folder
    from seq2seq.comparison.plan import load_grid, planned_runs
    from seq2seq.comparison.texts import bleu_tokenizer, load_tests

    settings = load_grid(grid)
    plan = planned_runs(settings, grid, overrides or [])
    check_folder("compare", str(output), _input_files(grid, settings, plan))
    tests = load_tests(settings, Path(plan[0].config.data.root))
    if note := bleu_tokenizer(settings, tests).note:
        say(f"note: {note}")

    from seq2seq.comparison.comparison import StoppedBySignal
    from seq2seq.comparison.comparison import compare as run_comparison
    from seq2seq.comparison.report.report import write_report

    count = min(workers or os.cpu_count() or 1, len(plan))
    try:
        with runs_display(len(plan)) as observe:
            results, failed = run_comparison(
                settings, plan, tests, output, workers=count, resume=resume, observe=observe
            )
            say(*(f"warning: {warning}" for warning in write_report(results, output)))
    except StoppedBySignal as stopped:
        repeated = [part for override in overrides or [] for part in ("--set", override)]
        again = shlex.join(["seq2seq", "compare", str(grid), "--output", str(output), *repeated, "--resume"])
        say(f"stopped; to go on: {again}")
        raise typer.Exit(128 + stopped.args[0]) from None
    for name, message in failed.items():
        say(f"error: {name}: {message}")
    say(f"the report is {output / 'report.html'}")
    if failed:
        raise typer.Exit(1)


def _input_files(path: Path, grid: Grid, plan: Sequence[PlannedRun]) -> Iterator[str]:
    """Yield the files that are read besides the grid itself: its config and all texts."""
    from seq2seq.cli.files import config_files

    yield str(path.parent / grid.config)
    for config in {run.system: run.config for run in plan}.values():
        yield from config_files(config)
    root = Path(plan[0].config.data.root)
    for test in grid.tests.values():
        yield from (str(root / name) for name in (test.source, test.reference, test.alignment) if name is not None)


@contextmanager
def runs_display(runs: int) -> Iterator[Observe]:
    """Yield an observer of runs: bars for the running ones on a terminal, else plain lines on what has
    begun and ended.
    """
    from seq2seq.cli.display.comparison import LiveRuns, PlainRuns
    from seq2seq.cli.display.training import on_terminal

    if not on_terminal():
        yield PlainRuns(runs)
        return
    display = LiveRuns(runs)
    with display.progress:
        yield display
