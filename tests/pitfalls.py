"""Put known bugs into the package, one at a time, and see the tests fail: a test that cannot fail guards nothing.

python tests/pitfalls.py [NUMBER ...] [--jobs N] [--timeout SECONDS] [--verbose]

The bugs are those of bugs.py and promises.py, by the number of the pitfall. The package and its tests are copied to a
temporary folder, and there each bug takes the place of the right text. Its tests are run once without any bug, where
they must pass, and once with each. One line a bug: caught, NOT CAUGHT, or that the old text is no longer there; then
those that only tests marked slow catch. The exit code is 0 where all are caught, and 95 % without slow tests.

Every run is a fork of this process, which has imported the large libraries once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; with one thread a fork is safe as well
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from bugs import BUGS, Bug
from promises import PROMISES

REPOSITORY = Path(__file__).resolve().parents[1]
SLOW = ("slow", "scripts")  # what scripts/test leaves out
LEAST = 0.95  # of the bugs, to be caught without them
COPIED = ("seq2seq", "tests", "data", "pyproject.toml")
LARGE = (
    "torch", "torch._dynamo", "accelerate", "datasets", "sacrebleu", "safetensors.torch", "sentencepiece", "pydantic",
    "typer", "hypothesis", "hypothesis.strategies", "jaxtyping", "beartype", "huggingface_hub", "filelock",
    "rich.progress",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Tests to run, with a bug or without."""

    tests: tuple[str, ...]
    bug: Bug | None = None

    def options(self) -> list[str]:
        """For pytest. Where every test must fail, it goes on after the first failure."""
        only = ["-k", self.bug.only] if self.bug and self.bug.only else []
        return [*self.tests, *only, *([] if self.bug and self.bug.every else ["-x"])]


class Tally:
    """A pytest plugin that notes which tests passed and which failed."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []
        self.quick = False  # whether one that failed is not slow
        self.reason = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Quick tests first, so that what stops at the first failure has seen them all."""
        items.sort(key=lambda item: bool(set(SLOW) & {mark.name for mark in item.iter_markers()}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test fails in any of its phases, and passes in its call."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.reason = self.reason or str(crash.message if crash else report.longrepr).split("\n")[0]
            self.failed.append(report.nodeid)
            self.quick = self.quick or not set(SLOW) & set(report.keywords)
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)


def copy(folder: Path) -> None:
    """The package and its tests, without what Python has compiled: a bug may be as long as the right text."""
    for name in COPIED:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, folder / name)


def put_in(bug: Bug, folder: Path) -> None:
    """Put the bug into a copy."""
    path = folder / "seq2seq" / bug.file
    path.write_text(path.read_text(encoding="utf-8").replace(bug.old, bug.new), encoding="utf-8")


def take_out(bug: Bug, folder: Path) -> None:
    """The right text again."""
    shutil.copy(REPOSITORY / "seq2seq" / bug.file, folder / "seq2seq" / bug.file)


def is_there(bug: Bug) -> bool:
    """Whether the old text occurs exactly once, so that it is clear what is replaced."""
    path = REPOSITORY / "seq2seq" / bug.file
    return path.is_file() and path.read_text(encoding="utf-8").count(bug.old) == 1


def start(task: Task, folder: Path) -> int:
    """Run the tests in a process of its own, and in a group of its own with all that it starts; its number."""
    sys.stdout.flush()  # else both processes would write what waits
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        with (folder / "output").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        (folder / "result").write_text(json.dumps(run_here(task, folder)), encoding="utf-8")
        sys.stdout.flush()
    finally:
        os._exit(0)


def run_here(task: Task, folder: Path) -> dict[str, Any]:
    """Run the tests in this process, which must not have imported the package yet; what came of it."""
    mine = {str(REPOSITORY), str(REPOSITORY / "tests"), ""}
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in mine)]
    os.environ["PYTHONPATH"] = str(folder)  # for the processes that tests start
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(folder)
    tally = Tally()
    quiet = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestWarning"]
    base = ["--slow", f"--basetemp={folder / 'basetemp'}", "--hypothesis-seed=1"]
    code = pytest.main([*quiet, *base, *task.options()], plugins=[tally])
    return {"code": int(code), **vars(tally)}


@dataclass
class Running:
    """A task at work."""

    task: Task
    folder: Path
    process: int
    began: float

    def result(self, timeout: float) -> dict[str, Any] | None:
        """What came of it, None while it is still at work; one that takes too long is killed."""
        ended, _ = os.waitpid(self.process, os.WNOHANG)
        if not ended and time.monotonic() - self.began < timeout:
            return None
        if not ended:
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            return {"code": -1, "passed": [], "failed": [], "reason": f"took longer than {timeout:g} s"}
        path = self.folder / "result"
        if not path.exists():
            return {"code": -1, "passed": [], "failed": [], "reason": "the process ended early"}
        return dict(json.loads(path.read_text(encoding="utf-8")))


def run_all(tasks: Sequence[Task], folders: list[Path], timeout: float) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Run the tasks, one in each folder at a time, and give out each with its result as it ends."""
    waiting, free, running = list(reversed(tasks)), list(folders), list[Running]()
    while waiting or running:
        while waiting and free:
            task, folder = waiting.pop(), free.pop()
            (folder / "result").unlink(missing_ok=True)
            if task.bug:
                put_in(task.bug, folder)
            running.append(Running(task, folder, start(task, folder), time.monotonic()))
        time.sleep(0.02)
        for one in list(running):
            result = one.result(timeout)
            if result is None:
                continue
            if one.task.bug:
                take_out(one.task.bug, one.folder)
            running.remove(one)
            free.append(one.folder)
            if result["code"] not in (0, 1):
                result["output"] = (one.folder / "output").read_text(encoding="utf-8", errors="replace")[-3000:]
            yield one.task, result


def verdict(bug: Bug, result: dict[str, Any]) -> str:
    """What to say of a bug."""
    if result["code"] not in (0, 1):
        return f"NOT CAUGHT: the tests could not be run: {result['reason'] or result['output'][-300:]!r}"
    if not result["failed"]:
        return "NOT CAUGHT"
    if bug.every and result["passed"]:
        count = len(result["passed"]) + len(result["failed"])
        return f"NOT CAUGHT by {len(result['passed'])} of {count} tests, first {result['passed'][0]}"
    return f"caught by {len(result['failed'])} of {len(result['failed'])}" if bug.every else "caught"


def baseline(bugs: Sequence[Bug]) -> list[Task]:
    """The tests of all bugs, each once, by file."""
    tests = dict.fromkeys(test for bug in bugs for test in bug.tests)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return [Task(tuple(test for test in tests if test.startswith(f"{file}::"))) for file in files]


def check(bugs: Sequence[Bug], jobs: int, timeout: float, verbose: bool) -> bool:
    """Put in each bug; whether all were caught, and enough of them without slow tests."""
    missing = [bug for bug in bugs if not is_there(bug)]
    for bug in missing:
        print(f"{bug.pitfall:2} {bug.what}: THE OLD TEXT IS NO LONGER THERE (once) in {bug.file}: {bug.old!r}")
    present = [bug for bug in bugs if bug not in missing]
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / str(number) for number in range(jobs)]
        for folder in folders:
            folder.mkdir()
            copy(folder)
        for task, result in run_all(baseline(present), folders, timeout):
            if result["code"] != 0:
                print(f"without any bug, {' '.join(task.tests)} fail: {result}")
                return False
        caught, slowly = 0, list[Bug]()
        for task, result in run_all([Task(bug.tests, bug) for bug in present], folders, timeout):
            assert task.bug is not None
            told = verdict(task.bug, result)
            if told.startswith("caught"):
                caught += 1
                slowly += [] if result["quick"] else [task.bug]
            reason = f" [{result['failed'][0]}: {result['reason'][:150]}]" if verbose and result["failed"] else ""
            print(f"{task.bug.pitfall:2} {task.bug.what}: {told}{reason}", flush=True)
    print(f"{caught} of {len(bugs)} bugs caught, {caught - len(slowly)} of them without slow tests")
    for bug in slowly:
        print(f"only by slow tests: {bug.pitfall:2} {bug.what}")
    return caught == len(bugs) and caught - len(slowly) >= LEAST * len(bugs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="pitfalls (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="bugs at a time (default: one a core)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that the tests of a bug may take")
    parser.add_argument("--verbose", action="store_true", help="tell which test failed, and how")
    options = parser.parse_args()
    every = [*BUGS, *PROMISES]
    known = {bug.pitfall for bug in every}
    for number in options.numbers:
        if number not in known:
            parser.error(f"pitfall {number}: no such pitfall")
    for name in LARGE:
        __import__(name)
    bugs = [bug for bug in every if not options.numbers or bug.pitfall in options.numbers]
    sys.exit(not check(bugs, max(1, min(options.jobs, len(bugs))), options.timeout, options.verbose))


if __name__ == "__main__":
    main()
