"""A comparison: train what is missing, measure all runs alike, and put the answers together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seq2seq.comparison.costs import describe_machine, measure_costs
from seq2seq.comparison.measuring import Measured
from seq2seq.comparison.plan import Cell, Grid
from seq2seq.comparison.results import (
    Contrast,
    Cost,
    Example,
    ExampleRow,
    Machine,
    Results,
    SeedStatistics,
    Summary,
    System,
)
from seq2seq.comparison.runs import MEASURED, RUNS, Observe, Task, carry_out, load_measured, task
from seq2seq.comparison.statistics import contrasts, seed_statistics
from seq2seq.comparison.texts import Test, bleu_tokenizer
from seq2seq.durable import replace_durably, seal, unseal
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.metrics.metric import METRICS
from seq2seq.metrics.scorers import make_scorer, resampling_seed
from seq2seq.metrics.scores import evaluate
from seq2seq.metrics.scoring_rules import check_texts
from seq2seq.metrics.segments import SAMPLES
from seq2seq.processes.signals import StopRequest
from seq2seq.training.trainer import check_config

RESULTS, COSTS, LOCK = "results.json", "costs.json", ".lock"


class Stopped(Exception):
    """A signal ended the comparison; what is done is kept. Its number is the argument."""


def compare(
    grid: Grid,
    plan: Sequence[Cell],
    tests: Mapping[str, Test],
    directory: Path,
    *,
    workers: int,
    resume: bool = False,
    observe: Observe = lambda run, event: None,
) -> tuple[Results, dict[str, str]]:
    """Carry out a plan in a directory; the results, also written there, and what went wrong, by run.

    What is trained and measured already is taken as it is. Raises InputError for a bad directory or training text, and
    Stopped after a signal.
    """
    _check_configs(plan)
    _check_scoring(grid, tests)
    with _own(directory, resume), StopRequest() as stop:
        tasks = [task(cell, grid, directory) for cell in plan]
        failed = carry_out(tasks, tests, workers, observe, stop)
        if stop.requested:
            raise Stopped(stop.requested)
        measured = {}
        for one in tasks:
            if one.name not in failed:
                if found := load_measured(one, tests):
                    measured[one.name] = found
                else:
                    failed[one.name] = "it was stopped before its numbers were measured; go on with --resume"
        if not measured:
            raise InputError(f"no run ended well; {next(iter(failed.items()), ('', ''))[1]}")
        costs, machine = _costs(grid, [one for one in tasks if one.name in measured], directory, observe, stop)
        if stop.requested:
            raise Stopped(stop.requested)
        observe("", {"event": "summarise"})
        results = assemble(grid, plan, measured, tests, costs, machine)
        replace_durably(directory / RESULTS, (results.model_dump_json(indent=1) + "\n").encode())
    return results, failed


def _check_configs(plan: Sequence[Cell]) -> None:
    """Refuse a system that cannot be trained, before others are trained for hours."""
    for cell in {cell.system: cell for cell in plan}.values():
        try:
            check_config(cell.config)
        except Seq2SeqError as error:
            raise type(error)(f"system {cell.system!r}: {error}") from None


def _check_scoring(grid: Grid, tests: Mapping[str, Test]) -> None:
    """Refuse tests and settings that no score can be computed with, before anything is trained."""
    resampling_seed(SAMPLES)
    tokenize = bleu_tokenizer(grid, tests).name
    for name, test in tests.items():
        try:
            make_scorer("BLEU", check_texts(tokenize, METRICS, {}, [test.reference]), grid.search.lowercase)
        except Seq2SeqError as error:
            raise type(error)(f"tests.{name}: {error}") from None


@contextmanager
def _own(directory: Path, resume: bool) -> Iterator[None]:
    """Make or reopen the directory, and keep others out."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --output takes a directory")
    occupied = directory.is_dir() and any(entry.name != LOCK for entry in directory.iterdir())
    begun = (directory / RUNS).is_dir() and any((directory / name).exists() for name in (LOCK, MEASURED, RESULTS))
    if occupied and not begun:  # many a folder has one called "runs"
        raise InputError(f"{directory}: the directory holds something else; choose another")
    if occupied and not resume:
        raise InputError(f"{directory}: the directory is not empty; go on with --resume, or choose another")
    try:
        (directory / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: cannot make the directory: {error.strerror}") from None
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"{directory}: another comparison is at work there; wait for it, or choose another") from None
    try:
        yield
    finally:
        lock.release()


def _costs(
    grid: Grid, tasks: Sequence[Task], directory: Path, observe: Observe, stop: StopRequest
) -> tuple[dict[str, Cost], Machine]:
    """Costs of all systems, measured together once; those of other systems or settings are measured anew."""
    first = {one.system: one for one in reversed(tasks)}
    chosen = sorted(first.values(), key=lambda one: tasks.index(one))
    if not grid.cost.repeats:
        return {}, describe_machine()
    asked = {"systems": [one.name for one in chosen], "settings": grid.cost.model_dump(), "beam": grid.search.beam_size}
    path = directory / COSTS
    try:
        kept = unseal(path.read_bytes())
        if kept.get("asked") == asked:
            costs = {name: Cost.model_validate(cost) for name, cost in kept["costs"].items()}
            return costs, Machine.model_validate(kept["machine"])
    except (OSError, ValueError):  # none, or edited
        pass
    tell: Callable[[int, int], None] = lambda done, total: observe("", {"event": "cost", "done": done, "total": total})  # noqa: E731
    costs, machine = measure_costs(chosen, tell, lambda: stop.requested is not None)
    if not stop.requested:
        found = {name: cost.model_dump() for name, cost in costs.items()}
        replace_durably(path, seal({"asked": asked, "costs": found, "machine": machine.model_dump()}))
    return costs, machine


def assemble(
    grid: Grid,
    plan: Sequence[Cell],
    measured: Mapping[str, Measured],
    tests: Mapping[str, Test],
    costs: Mapping[str, Cost],
    machine: Machine,
) -> Results:
    """The answers, from what every run measured. Systems without a finished run are only among the missing."""
    names = list(dict.fromkeys(cell.system for cell in plan if cell.name in measured))
    own = {name: [cell for cell in plan if cell.system == name and cell.name in measured] for name in names}
    wanted = grid.baseline or plan[0].system
    baseline = wanted if wanted in names else names[0]
    return Results(
        title=grid.title,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        grid=grid.model_dump(exclude_none=True),
        baseline=baseline,
        seeds=grid.seeds,
        tests=list(tests),
        signatures=_signatures(grid, next(iter(measured.values())), tests),
        search={"beam_size": grid.search.beam_size, **plan[0].config.search.model_dump(exclude={"beam_size"})},
        machine=machine,
        systems=[_system(name, own[name], measured, costs.get(name)) for name in names],
        contrasts=_contrasts(grid, own, measured, tests, baseline),
        examples=_examples(grid, own, measured, tests),
        missing=[cell.name for cell in plan if cell.name not in measured],
    )


def _options(grid: Grid, tests: Mapping[str, Test]) -> dict[str, Any]:
    return {"tokenize": bleu_tokenizer(grid, tests).name, "lowercase": grid.search.lowercase}


def _signatures(grid: Grid, found: Measured, tests: Mapping[str, Test]) -> dict[str, str]:
    name, test = next(iter(tests.items()))
    metrics = evaluate(
        hypotheses=found.hypotheses[name],
        references=[test.reference],
        metrics=("BLEU", "chrF2++"),
        **_options(grid, tests),
    )
    return {metric.name: metric.signature for metric in metrics}


def _system(name: str, cells: Sequence[Cell], measured: Mapping[str, Measured], cost: Cost | None) -> System:
    runs = [measured[cell.name].result for cell in cells]
    kinds = runs[0].noise
    return System(
        name=name,
        values=cells[0].values,
        parameters=measured[cells[0].name].parameters,
        runs=runs,
        summary={test: _summary([run.tests[test] for run in runs]) for test in runs[0].tests},
        noise={
            kind: [
                (point.rate, seed_statistics([run.noise[kind][place].bleu.value for run in runs]))
                for place, point in enumerate(points)
            ]
            for kind, points in kinds.items()
        },
        cost=cost,
    )


def _summary(tests: Sequence[Any]) -> Summary:
    def over(value: Callable[[Any], float]) -> SeedStatistics:
        return seed_statistics([value(test) for test in tests])

    return Summary(
        bleu=over(lambda test: test.bleu.value),
        chrf=over(lambda test: test.chrf.value),
        perplexity=over(lambda test: test.perplexity),
        exact=over(lambda test: test.exact.value),
        entropy=over(lambda test: test.attention.entropy),
        coverage=over(lambda test: test.attention.coverage),
        diagonal=over(lambda test: test.attention.diagonal),
        aer={
            reading: seed_statistics([test.alignment[reading].aer.value for test in tests])
            for reading in tests[0].alignment
        },
    )


def _contrasts(
    grid: Grid,
    own: Mapping[str, Sequence[Cell]],
    measured: Mapping[str, Measured],
    tests: Mapping[str, Test],
    baseline: str,
) -> list[Contrast]:
    if len(own) < 2:
        return []
    found = []
    for name, test in tests.items():
        systems = {
            system: [measured[run.name].hypotheses[name] for run in sorted(runs, key=lambda run: run.seed)]
            for system, runs in own.items()
        }
        found += contrasts(systems, references=[test.reference], baseline=baseline, test=name, **_options(grid, tests))
    return found


def _examples(
    grid: Grid, own: Mapping[str, Sequence[Cell]], measured: Mapping[str, Measured], tests: Mapping[str, Test]
) -> list[Example]:
    """Each chosen sentence with what the first seed of every system made of it."""
    if grid.examples is None:
        return []
    test, found = tests[grid.examples.test], []
    looks = {name: measured[cells[0].name].examples for name, cells in own.items()}
    for place, line in enumerate(grid.examples.lines):
        rows = [
            ExampleRow(system=name, hypothesis=of[place].hypothesis, weights=of[place].weights)
            for name, of in looks.items()
        ]
        source = next(iter(looks.values()))[place].source
        found.append(
            Example(test=grid.examples.test, number=line, source=source, reference=test.reference[line - 1], rows=rows)
        )
    return found
