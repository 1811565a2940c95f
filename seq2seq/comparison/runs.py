"""The runs of a comparison, several at a time: each in its own process, which trains what is missing and measures it.

A process ends with its parent, however that ends, and loses no more than a kill of `seq2seq train` does.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from seq2seq.comparison.measuring import Measured, Measurer
from seq2seq.comparison.plan import Cell, Grid
from seq2seq.comparison.texts import Test, fingerprint, load_tests
from seq2seq.config import Config
from seq2seq.durable import replace_durably, seal, unseal
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.processes.children import Child, poll_readable
from seq2seq.processes.signals import StopRequest
from seq2seq.training.run import FREE, with_new_defaults
from seq2seq.training.state import find_state, load_note

RUNS, MEASURED = "runs", "measured"
_TOLD_EVERY = 10  # steps between reports of progress

Observe = Callable[[str, dict[str, Any]], None]  # run, event


@dataclass(frozen=True, slots=True)
class Task:
    """One run for a process. Plain values, as they travel."""

    name: str
    system: str
    seed: int
    config: Config
    grid: Grid
    directory: Path

    @property
    def run(self) -> Path:
        """The directory of the training."""
        return self.directory / RUNS / self.name

    @property
    def measured(self) -> Path:
        """The file of the numbers."""
        return self.directory / MEASURED / f"{self.name}.json"


def task(cell: Cell, grid: Grid, directory: Path) -> Task:
    """What a process needs to know of a cell."""
    return Task(cell.name, cell.system, cell.seed, cell.config, grid, directory)


def trained(task: Task) -> bool:
    """Whether the run has ended as its config says, so that there is nothing to train."""
    state = task.run / "training" / "state"
    found = find_state(state)
    if found is None:
        return False
    note = load_note(found)
    before, now = with_new_defaults(note.config), task.config.model_dump(mode="json")
    return bool(note.progress.kept) and _binding(before) == _binding(now)


def _binding(config: dict[str, Any]) -> dict[str, Any]:
    """The keys that a finished run must share with the grid's: all but where its text lies and how it is watched."""
    free = FREE - {"training.max_steps", "training.max_epochs", "training.patience"}
    return {
        name: {key: value for key, value in section.items() if f"{name}.{key}" not in free}
        for name, section in config.items()
    }


def finished(task: Task, tests: Mapping[str, Test]) -> bool:
    """Whether nothing remains to be done for a run. A damaged one is not: its process will say what is wrong."""
    try:
        return trained(task) and up_to_date(task.measured, _mark(task, tests))
    except (OSError, Seq2SeqError):
        return False


def _mark(task: Task, tests: Mapping[str, Test]) -> str:
    return fingerprint(task.grid, tests, (task.run / "model.safetensors").read_bytes())


def carry_out(
    tasks: Sequence[Task], tests: Mapping[str, Test], workers: int, observe: Observe, stop: StopRequest
) -> dict[str, str]:
    """Train and measure, `workers` at a time; what went wrong, by the name of the run.

    Once `stop` asks, every process ends after its step, and nothing more is begun.
    """
    waiting, failed = list(tasks), dict[str, str]()
    at_work, passed_on = dict[Child, Task](), False
    while at_work or (waiting and not stop.requested):
        while waiting and len(at_work) < workers and not stop.requested:
            one = waiting.pop(0)
            if finished(one, tests):  # a process would import torch to find that out
                observe(one.name, {"event": "begin"})
                observe(one.name, {"event": "end", "failed": False})
                continue
            child = Child(
                "the process", _work, one, workers, name=one.name, daemon=False
            )  # a training may start others
            at_work[child] = one
            observe(one.name, {"event": "begin"})
        if stop.requested and not passed_on:
            passed_on = True
            for child in at_work:
                child.terminate()
        for ready in poll_readable(list(at_work), timeout=0.5):
            assert isinstance(ready, Child)
            one = at_work[ready]
            try:
                event = ready.receive()
            except EOFError:
                del at_work[ready]
                if ready.join() and not stop.requested:
                    failed.setdefault(one.name, str(ready.exit_error()))
                observe(one.name, {"event": "end", "failed": one.name in failed})
                continue
            if event["event"] == "failed":
                failed[one.name] = event["message"]
            else:
                observe(one.name, event)
    return failed


def _work(parent: Connection, task: Task, workers: int) -> None:
    """A process: train, measure, and tell the parent."""
    os.setsid()  # what the terminal sends goes to the parent alone, which asks each of us once
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _train_and_measure(task, parent, workers)
    except Seq2SeqError as error:
        parent.send({"event": "failed", "message": str(error)})
    except OSError as error:
        parent.send({"event": "failed", "message": f"{error.filename or task.run}: {error.strerror or error}"})


def _end_with(parent: Connection) -> None:
    """Nothing ever comes from the parent but its end."""
    try:
        parent.recv()
    except EOFError:
        os._exit(128 + signal.SIGHUP)


def _train_and_measure(task: Task, parent: Connection, workers: int) -> None:
    import torch

    from seq2seq.checkpoint.model import load_model
    from seq2seq.checkpoint.owners import LOG
    from seq2seq.training.parts import lost_parts
    from seq2seq.training.trainer import train
    from seq2seq.translation.translator import Translator

    threads = task.config.training.threads or max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    if not trained(task):
        training = task.config.training.model_copy(update={"threads": threads})
        config = task.config.model_copy(update={"training": training})
        record = train(config, task.run, resume=task.run.exists(), observe=lambda event: _report(event, parent))
        if record["reason"] == "interrupted":
            return
    tests = load_tests(task.grid, Path(task.config.data.root))
    mark = _mark(task, tests)
    if up_to_date(task.measured, mark):
        return
    if lost := lost_parts(task.run, task.config.training).get(LOG):  # which the results have their curve from
        hint = "put it back, or remove the run's directory to train it anew"
        raise InputError(f"{task.run / LOG}: {lost} since the training; {hint}")
    translator = Translator([load_model(task.run)])
    tell = lambda done, total: parent.send({"event": "measure", "done": done, "total": total})  # noqa: E731
    with StopRequest() as stop:
        found = Measurer(task.grid, tests, translator, _interruptible(tell, stop)).measure(
            task.run, f"{RUNS}/{task.name}", task.seed, mark
        )
    task.measured.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(task.measured, seal(found.model_dump(mode="json")))


def _interruptible(tell: Callable[[int, int], None], stop: StopRequest) -> Callable[[int, int], None]:
    def checked(done: int, total: int) -> None:
        if stop.requested:
            raise SystemExit(0)
        tell(done, total)

    return checked


def _report(event: dict[str, Any], parent: Connection) -> None:
    if event["event"] != "progress" or event["step"] % _TOLD_EVERY == 0:
        parent.send(event)


def up_to_date(path: Path, mark: str) -> bool:
    """Whether the numbers in a file are of these weights, texts and settings, and as they were measured."""
    return _read_measured(path, mark) is not None


def load_measured(task: Task, tests: Mapping[str, Test]) -> Measured | None:
    """The numbers of a run; None where it is not finished, or they are of other weights, texts or settings."""
    try:
        return _read_measured(task.measured, _mark(task, tests))
    except OSError:
        return None


def _read_measured(path: Path, mark: str) -> Measured | None:
    """The numbers in a file; None where there are none, or they are another's or edited, and so are taken anew."""
    try:
        found = Measured.model_validate(unseal(path.read_bytes()))
    except (OSError, ValueError):
        return None
    return found if found.fingerprint == mark else None
