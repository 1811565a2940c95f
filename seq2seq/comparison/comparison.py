"""A comparison from plan to results: train the missing runs, measure all alike, and summarise them over the seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seq2seq.comparison.costs import describe_machine, measure_costs
from seq2seq.comparison.measuring import RunMeasurement
from seq2seq.comparison.plan import Grid, PlannedRun
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
from seq2seq.comparison.runs import MEASURED, RUNS, Observe, Task, has_state, load_measurement, make_task, run_tasks
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
from seq2seq.training.start import load_start
from seq2seq.training.trainer import check_config
from seq2seq.training.vectors import check_vectors

RESULTS, COSTS, LOCK = "results.json", "costs.json", ".lock"


class StoppedBySignal(Exception):
    """A signal ended the comparison; finished work is kept. The argument is the signal's number."""


def compare(
    grid: Grid,
    plan: Sequence[PlannedRun],
    tests: Mapping[str, Test],
    directory: Path,
    *,
    workers: int,
    resume: bool = False,
    observe: Observe = lambda run, event: None,
) -> tuple[Results, dict[str, str]]:
    """Train and measure all runs of a plan; return the results and the error message of each failed run by its name.

    The results are also written to results.json in the directory. Runs that are already trained and measured there are
    not repeated. workers: how many runs are trained at a time. observe: called with a run's name ("" for the whole
    comparison) and an event. Raises InputError for a bad directory or training text, StoppedBySignal after a signal.
    """
    _check_configs(plan, grid, directory)
    _check_scoring(grid, tests)
    with _hold_directory(directory, resume), StopRequest() as stop:
        tasks = [make_task(run, grid, directory) for run in plan]
        failed = run_tasks(tasks, tests, workers, observe, stop)
        if stop.requested:
            raise StoppedBySignal(stop.requested)
        measured = {}
        for one in tasks:
            if one.name not in failed:
                if found := load_measurement(one, tests):
                    measured[one.name] = found
                else:
                    failed[one.name] = "it was stopped before its numbers were measured; go on with --resume"
        if not measured:
            raise InputError(f"no run ended well; {next(iter(failed.items()), ('', ''))[1]}")
        costs, machine = _costs(grid, [one for one in tasks if one.name in measured], directory, observe, stop)
        if stop.requested:
            raise StoppedBySignal(stop.requested)
        observe("", {"event": "summarise"})
        results = assemble(grid, plan, measured, tests, costs, machine)
        replace_durably(directory / RESULTS, (results.model_dump_json(indent=1) + "\n").encode())
    return results, failed


def _check_configs(plan: Sequence[PlannedRun], grid: Grid, directory: Path) -> None:
    """Raise an error for a system that cannot be trained, before others are trained for hours."""
    checked = dict[tuple[str, ...], PlannedRun]()  # by all in which the seeds of a system may differ here
    for run in plan:
        training = run.config.training
        begun = has_state(make_task(run, grid, directory))  # then it does not need these any more
        needed = ("",) if begun else (training.start, training.source_vectors, training.target_vectors)
        checked.setdefault((run.system, *needed), run)
    for (_, *files), run in checked.items():
        try:
            check_config(run.config)
            if any(files):
                check_vectors(run.config)
                if run.config.training.start:
                    load_start(run.config)
        except Seq2SeqError as error:
            raise type(error)(f"system {run.system!r}: {error}") from None


def _check_scoring(grid: Grid, tests: Mapping[str, Test]) -> None:
    """Raise an error for tests and settings that cannot be scored, before anything is trained."""
    resampling_seed(SAMPLES)
    tokenize = bleu_tokenizer(grid, tests).name
    for name, test in tests.items():
        try:
            make_scorer("BLEU", check_texts(tokenize, METRICS, {}, [test.reference]), grid.search.lowercase)
        except Seq2SeqError as error:
            raise type(error)(f"tests.{name}: {error}") from None


@contextmanager
def _hold_directory(directory: Path, resume: bool) -> Iterator[None]:
    """Create or reopen the directory and hold its lock, so that no second comparison works there."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --output takes a directory")
    occupied = directory.is_dir() and any(entry.name != LOCK for entry in directory.iterdir())
    begun = (directory / RUNS).is_dir() and any((directory / name).exists() for name in (LOCK, MEASURED, RESULTS))
    if occupied and not begun:  # other programs have folders called "runs" too
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
    """Return the costs of all systems by name, and the machine; read them from costs.json if measured before.

    Costs of other systems or settings than these are measured again.
    """
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
    except (OSError, ValueError):  # no file, or an edited one
        pass
    tell: Callable[[int, int], None] = lambda done, total: observe("", {"event": "cost", "done": done, "total": total})  # noqa: E731
    costs, machine = measure_costs(chosen, tell, lambda: stop.requested is not None)
    if not stop.requested:
        found = {name: cost.model_dump() for name, cost in costs.items()}
        replace_durably(path, seal({"asked": asked, "costs": found, "machine": machine.model_dump()}))
    return costs, machine


def assemble(
    grid: Grid,
    plan: Sequence[PlannedRun],
    measured: Mapping[str, RunMeasurement],
    tests: Mapping[str, Test],
    costs: Mapping[str, Cost],
    machine: Machine,
) -> Results:
    """Summarise the measured runs in `Results`. A system without a finished run is only listed among the missing."""
    names = list(dict.fromkeys(run.system for run in plan if run.name in measured))
    own = {name: [run for run in plan if run.system == name and run.name in measured] for name in names}
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
        missing=[run.name for run in plan if run.name not in measured],
    )


def _options(grid: Grid, tests: Mapping[str, Test]) -> dict[str, Any]:
    return {"tokenize": bleu_tokenizer(grid, tests).name, "lowercase": grid.search.lowercase}


def _signatures(grid: Grid, found: RunMeasurement, tests: Mapping[str, Test]) -> dict[str, str]:
    name, test = next(iter(tests.items()))
    metrics = evaluate(
        hypotheses=found.hypotheses[name],
        references=[test.reference],
        metrics=("BLEU", "chrF2++"),
        **_options(grid, tests),
    )
    return {metric.name: metric.signature for metric in metrics}


def _system(
    name: str, planned: Sequence[PlannedRun], measured: Mapping[str, RunMeasurement], cost: Cost | None
) -> System:
    runs = [measured[run.name].result for run in planned]
    kinds = runs[0].noise
    return System(
        name=name,
        values=planned[0].values,
        parameters=measured[planned[0].name].parameters,
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
    own: Mapping[str, Sequence[PlannedRun]],
    measured: Mapping[str, RunMeasurement],
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
    grid: Grid,
    own: Mapping[str, Sequence[PlannedRun]],
    measured: Mapping[str, RunMeasurement],
    tests: Mapping[str, Test],
) -> list[Example]:
    """Return each chosen sentence with its translation and attention by the first seed of every system."""
    if grid.examples is None:
        return []
    test, found = tests[grid.examples.test], []
    translations = {name: measured[planned[0].name].examples for name, planned in own.items()}
    for place, line in enumerate(grid.examples.lines):
        rows = [
            ExampleRow(system=name, hypothesis=of[place].hypothesis, weights=of[place].weights)
            for name, of in translations.items()
        ]
        source = next(iter(translations.values()))[place].source
        found.append(
            Example(test=grid.examples.test, number=line, source=source, reference=test.reference[line - 1], rows=rows)
        )
    return found
