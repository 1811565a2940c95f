"""Plant known bugs in the package, one at a time, and check that the tests fail: a test that cannot fail is useless.

python tests/pitfalls.py [NUMBER ...] [--jobs N] [--timeout SECONDS] [--verbose]

The bugs are listed in bugs.py and promises.py with the number of their pitfall. The package and its tests are copied to
a temporary folder, where each bug replaces the correct text. Its tests are run once without any bug, when they must
pass, and once with the bug. The output has one line per bug: caught, NOT CAUGHT, or that the text to replace no longer
exists; then the bugs that only slow tests catch. The exit code is 0 if all are caught, 95 % of them without slow tests.

Every run is a fork of this process, which imports the large libraries once.
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

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; also, a fork is only safe with one thread
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from bugs import BUGS, Bug
from promises import PROMISES

REPOSITORY = Path(__file__).resolve().parents[1]
SLOW = ("slow", "scripts")  # marks of the tests that scripts/test leaves out
QUICK_SHARE = 0.95  # share of the bugs that must be caught without slow tests
COPIED = ("seq2seq", "tests", "data", "pyproject.toml")
LARGE = (
    "torch", "torch._dynamo", "accelerate", "datasets", "sacrebleu", "safetensors.torch", "sentencepiece", "pydantic",
    "typer", "hypothesis", "hypothesis.strategies", "jaxtyping", "beartype", "huggingface_hub", "filelock",
    "rich.progress",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Tests to run, with a planted bug or without."""

    tests: tuple[str, ...]
    bug: Bug | None = None

    def options(self) -> list[str]:
        """Return the arguments for pytest, which stops at the first failure unless every test must fail."""
        only = ["-k", self.bug.only] if self.bug and self.bug.only else []
        return [*self.tests, *only, *([] if self.bug and self.bug.every else ["-x"])]


class Recorder:
    """A pytest plugin that records which tests passed and which failed."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []
        self.quick = False  # whether a test failed that is not slow
        self.reason = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort quick tests first, so that a run that stops at the first failure has run all of them."""
        items.sort(key=lambda item: bool(set(SLOW) & {mark.name for mark in item.iter_markers()}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test as failed in any of its phases, and as passed after its call."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.reason = self.reason or str(crash.message if crash else report.longrepr).split("\n")[0]
            self.failed.append(report.nodeid)
            self.quick = self.quick or not set(SLOW) & set(report.keywords)
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)


def copy(folder: Path) -> None:
    """Copy the package and its tests without compiled files, which would hide a bug as long as the correct text."""
    for name in COPIED:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, folder / name)


def plant(bug: Bug, folder: Path) -> None:
    """Replace the correct text by the bug in a copy."""
    path = folder / "seq2seq" / bug.file
    path.write_text(path.read_text(encoding="utf-8").replace(bug.old, bug.new), encoding="utf-8")


def restore(bug: Bug, folder: Path) -> None:
    """Restore the correct text in a copy."""
    shutil.copy(REPOSITORY / "seq2seq" / bug.file, folder / "seq2seq" / bug.file)


def applies(bug: Bug) -> bool:
    """Whether the old text occurs exactly once, so that it is clear what is replaced."""
    path = REPOSITORY / "seq2seq" / bug.file
    return path.is_file() and path.read_text(encoding="utf-8").count(bug.old) == 1


def start(task: Task, folder: Path) -> int:
    """Run the tests in a new process and process group, and return its id."""
    sys.stdout.flush()  # else both processes would write the buffered output
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
    """Run the tests in this process, which must not have imported the package yet, and return the result."""
    mine = {str(REPOSITORY), str(REPOSITORY / "tests"), ""}
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in mine)]
    os.environ["PYTHONPATH"] = str(folder)  # for processes that tests start
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(folder)
    recorder = Recorder()
    quiet = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestWarning"]
    base = ["--slow", f"--basetemp={folder / 'basetemp'}", "--hypothesis-seed=1"]
    code = pytest.main([*quiet, *base, *task.options()], plugins=[recorder])
    return {"code": int(code), **vars(recorder)}


@dataclass
class Running:
    """A task that is being run by a process."""

    task: Task
    folder: Path
    process: int
    began: float

    def result(self, timeout: float) -> dict[str, Any] | None:
        """Return the result, None while the process still runs; a process that takes too long is killed."""
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
    """Run the tasks, one in each folder at a time, and yield each with its result as it ends."""
    waiting, free, running = list(reversed(tasks)), list(folders), list[Running]()
    while waiting or running:
        while waiting and free:
            task, folder = waiting.pop(), free.pop()
            (folder / "result").unlink(missing_ok=True)
            if task.bug:
                plant(task.bug, folder)
            running.append(Running(task, folder, start(task, folder), time.monotonic()))
        time.sleep(0.02)
        for one in list(running):
            result = one.result(timeout)
            if result is None:
                continue
            if one.task.bug:
                restore(one.task.bug, one.folder)
            running.remove(one)
            free.append(one.folder)
            if result["code"] not in (0, 1):
                result["output"] = (one.folder / "output").read_text(encoding="utf-8", errors="replace")[-3000:]
            yield one.task, result


def verdict(bug: Bug, result: dict[str, Any]) -> str:
    """Return the output for a bug: "caught ..." or "NOT CAUGHT ..."."""
    if result["code"] not in (0, 1):
        return f"NOT CAUGHT: the tests could not be run: {result['reason'] or result['output'][-300:]!r}"
    if not result["failed"]:
        return "NOT CAUGHT"
    if bug.every and result["passed"]:
        count = len(result["passed"]) + len(result["failed"])
        return f"NOT CAUGHT by {len(result['passed'])} of {count} tests, first {result['passed'][0]}"
    return f"caught by {len(result['failed'])} of {len(result['failed'])}" if bug.every else "caught"


def baseline(bugs: Sequence[Bug]) -> list[Task]:
    """Return tasks with the tests of all bugs, each test once, one task per file."""
    tests = dict.fromkeys(test for bug in bugs for test in bug.tests)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return [Task(tuple(test for test in tests if test.startswith(f"{file}::"))) for file in files]


def check(bugs: Sequence[Bug], jobs: int, timeout: float, verbose: bool) -> bool:
    """Run the tests with each bug; return whether all were caught, and enough of them without slow tests."""
    missing = [bug for bug in bugs if not applies(bug)]
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
            outcome = verdict(task.bug, result)
            if outcome.startswith("caught"):
                caught += 1
                slowly += [] if result["quick"] else [task.bug]
            reason = f" [{result['failed'][0]}: {result['reason'][:150]}]" if verbose and result["failed"] else ""
            print(f"{task.bug.pitfall:2} {task.bug.what}: {outcome}{reason}", flush=True)
    print(f"{caught} of {len(bugs)} bugs caught, {caught - len(slowly)} of them without slow tests")
    for bug in slowly:
        print(f"only by slow tests: {bug.pitfall:2} {bug.what}")
    return caught == len(bugs) and caught - len(slowly) >= QUICK_SHARE * len(bugs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="numbers of pitfalls (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="bugs at a time (default: one per core)")
    parser.add_argument("--timeout", type=float, default=600, help="most seconds for the tests of a bug (default: 600)")
    parser.add_argument("--verbose", action="store_true", help="show which test failed, and its message")
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
