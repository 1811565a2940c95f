"""`seq2seq compare`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = """
seq2seq compare grid.toml --output comparisons/scores
seq2seq compare grid.toml --output comparisons/scores --resume
seq2seq compare grid.toml --output comparisons/short \\
    --set training.max_steps=500 --workers 8
"""

Told = Callable[[str, dict[str, Any]], None]


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
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the config in every run. May be repeated."),
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
    from seq2seq.evaluation.plan import cells, load_grid
    from seq2seq.evaluation.test_sets import load_tests

    settings = load_grid(grid)
    plan = cells(settings, grid, overrides or [])
    tests = load_tests(settings, Path(plan[0].config.data.root))

    from seq2seq.evaluation.comparison import Stopped
    from seq2seq.evaluation.comparison import compare as carry_out
    from seq2seq.evaluation.report import write_report

    count = min(workers or os.cpu_count() or 1, len(plan))
    try:
        with told(len(plan)) as observe:
            results, failed = carry_out(settings, plan, tests, output, workers=count, resume=resume, observe=observe)
            for warning in write_report(results, output):
                typer.echo(f"warning: {warning}", err=True)
    except Stopped as stopped:
        repeated = [part for override in overrides or [] for part in ("--set", override)]
        again = shlex.join(["seq2seq", "compare", str(grid), "--output", str(output), *repeated, "--resume"])
        typer.echo(f"stopped; to go on: {again}", err=True)
        raise typer.Exit(128 + stopped.args[0]) from None
    for name, message in failed.items():
        typer.echo(f"error: {name}: {message}", err=True)
    typer.echo(f"the report is {output / 'report.html'}", err=True)
    if failed:
        raise typer.Exit(1)


@contextmanager
def told(runs: int) -> Iterator[Told]:
    """Bars for the runs at work on a terminal; plain lines for what is begun and done elsewhere."""
    from seq2seq.cli.comparison_display import LiveRuns, PlainRuns
    from seq2seq.cli.display import on_terminal

    if not on_terminal():
        yield PlainRuns(runs)
        return
    display = LiveRuns(runs)
    with display.progress:
        yield display
