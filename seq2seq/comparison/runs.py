"""The runs of a comparison, several at a time: each in its own process, which trains and measures what is missing.

A process ends with its parent, however the parent ends, and loses no more work than a killed `seq2seq train` does.
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

from seq2seq.comparison.measuring import Measurer, RunMeasurement
from seq2seq.comparison.plan import Grid, PlannedRun
from seq2seq.comparison.texts import Test, fingerprint, load_tests
from seq2seq.config import Config
from seq2seq.durable import replace_durably, seal, unseal
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.processes.children import Child, poll_readable
from seq2seq.processes.signals import StopRequest
from seq2seq.training.run import FREE, with_new_defaults
from seq2seq.training.state import find_state, load_note

RUNS, MEASURED = "runs", "measured"
_PROGRESS_INTERVAL = 10  # steps between reports of progress

Observe = Callable[[str, dict[str, Any]], None]  # run, event


@dataclass(frozen=True, slots=True)
class Task:
    """One run, in plain values that can be pickled and sent to a process."""

    name: str
    system: str
    seed: int
    config: Config
    grid: Grid
    directory: Path

    @property
    def run(self) -> Path:
        """The run's directory."""
        return self.directory / RUNS / self.name

    @property
    def measurement_file(self) -> Path:
        """The file with the run's measurements."""
        return self.directory / MEASURED / f"{self.name}.json"


def make_task(run: PlannedRun, grid: Grid, directory: Path) -> Task:
    """Return the task of training and measuring a run in a comparison's directory."""
    return Task(run.name, run.system, run.seed, run.config, grid, directory)


def has_state(task: Task) -> bool:
    """Return whether the training of the run was begun, so that it goes on from its state."""
    return find_state(task.run / "training" / "state") is not None


def is_trained(task: Task) -> bool:
    """Return whether the run has ended with the config of the task, so that there is nothing to train."""
    state = task.run / "training" / "state"
    found = find_state(state)
    if found is None:
        return False
    note = load_note(found)
    before, now = with_new_defaults(note.config), task.config.model_dump(mode="json")
    return bool(note.progress.kept) and _must_match(before) == _must_match(now)


def _must_match(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config without the keys that may differ between a finished run and the grid.

    These are where the text lies, how many processes and threads train, and which trackers follow; not the limits of
    the training's length.
    """
    free = FREE - {"training.max_steps", "training.max_epochs", "training.patience"}
    return {
        name: {key: value for key, value in section.items() if f"{name}.{key}" not in free}
        for name, section in config.items()
    }


def is_finished(task: Task, tests: Mapping[str, Test]) -> bool:
    """Return whether the run is trained and measured; False for a damaged run, whose process reports the damage."""
    try:
        return is_trained(task) and is_up_to_date(task.measurement_file, _fingerprint(task, tests))
    except (OSError, Seq2SeqError):
        return False


def _fingerprint(task: Task, tests: Mapping[str, Test]) -> str:
    return fingerprint(task.grid, tests, (task.run / "model.safetensors").read_bytes())


def run_tasks(
    tasks: Sequence[Task], tests: Mapping[str, Test], workers: int, observe: Observe, stop: StopRequest
) -> dict[str, str]:
    """Train and measure the runs, `workers` at a time; return the error message of each failed run by its name.

    Once `stop` is requested, every process ends after its current step, and no other run is started.
    """
    waiting, failed = list(tasks), dict[str, str]()
    at_work, passed_on = dict[Child, Task](), False
    while at_work or (waiting and not stop.requested):
        while waiting and len(at_work) < workers and not stop.requested:
            one = waiting.pop(0)
            if is_finished(one, tests):  # checked here, because a process would import torch for it
                observe(one.name, {"event": "begin"})
                observe(one.name, {"event": "end", "failed": False, "stopped": False})
                continue
            child = Child(
                "the process", _run_task, one, workers, name=one.name, daemon=False
            )  # because a training may start processes itself
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
                stopped = stop.requested is not None and not is_finished(one, tests)
                observe(one.name, {"event": "end", "failed": one.name in failed, "stopped": stopped})
                continue
            if event["event"] == "failed":
                failed[one.name] = event["message"]
            else:
                observe(one.name, event)
    return failed


def _run_task(parent: Connection, task: Task, workers: int) -> None:
    """Train and measure a run in this process, and send its events and errors to the parent."""
    os.setsid()  # a terminal's signals reach the parent alone, which signals each process once
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    try:
        _train_and_measure(task, parent, workers)
    except Seq2SeqError as error:
        parent.send({"event": "failed", "message": str(error)})
    except OSError as error:
        parent.send({"event": "failed", "message": f"{error.filename or task.run}: {error.strerror or error}"})


def _exit_with_parent(parent: Connection) -> None:
    """Wait for the parent to end, then exit; the parent never sends anything."""
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
    if not is_trained(task):
        training = task.config.training.model_copy(update={"threads": threads})
        config = task.config.model_copy(update={"training": training})
        record = train(config, task.run, resume=task.run.exists(), observe=lambda event: _send_event(event, parent))
        if record["reason"] == "interrupted":
            return
    tests = load_tests(task.grid, Path(task.config.data.root))
    mark = _fingerprint(task, tests)
    if is_up_to_date(task.measurement_file, mark):
        return
    if lost := lost_parts(task.run, task.config.training).get(LOG):  # the learning curve of the results is read from it
        hint = "put it back, or remove the run's directory to train it anew"
        raise InputError(f"{task.run / LOG}: {lost} since the training; {hint}")
    translator = Translator([load_model(task.run)])
    tell = lambda done, total: parent.send({"event": "measure", "done": done, "total": total})  # noqa: E731
    with StopRequest() as stop:
        found = Measurer(task.grid, tests, translator, _interruptible(tell, stop)).measure(
            task.run, f"{RUNS}/{task.name}", task.seed, mark
        )
    task.measurement_file.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(task.measurement_file, seal(found.model_dump(mode="json")))


def _interruptible(tell: Callable[[int, int], None], stop: StopRequest) -> Callable[[int, int], None]:
    def checked(done: int, total: int) -> None:
        if stop.requested:
            raise SystemExit(0)
        tell(done, total)

    return checked


def _send_event(event: dict[str, Any], parent: Connection) -> None:
    if event["event"] != "progress" or event["step"] % _PROGRESS_INTERVAL == 0:
        parent.send(event)


def is_up_to_date(path: Path, mark: str) -> bool:
    """Return whether a file holds unedited measurements with this fingerprint of weights, texts and settings."""
    return _read_measured(path, mark) is not None


def load_measurement(task: Task, tests: Mapping[str, Test]) -> RunMeasurement | None:
    """Return the measurements of a run; None if it is not finished, or they are of other weights, texts or settings."""
    try:
        return _read_measured(task.measurement_file, _fingerprint(task, tests))
    except OSError:
        return None


def _read_measured(path: Path, mark: str) -> RunMeasurement | None:
    """Return the measurements in a file; None if it is missing, edited or has another fingerprint."""
    try:
        found = RunMeasurement.model_validate(unseal(path.read_bytes()))
    except (OSError, ValueError):
        return None
    return found if found.fingerprint == mark else None
