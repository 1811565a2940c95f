"""The table of known bugs is whole; and, slowly, every bug in it is caught."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from bugs import BUGS, Bug
from promises import PROMISES

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "seq2seq"
EVERY = [*BUGS, *PROMISES]


@cache
def functions(file: str) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse((TESTS.parent / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_pitfall_has_its_bugs() -> None:
    assert {bug.pitfall for bug in BUGS} == set(range(1, 28))
    assert min(bug.pitfall for bug in PROMISES) == 28
    assert len({bug.what for bug in EVERY}) == len(EVERY)


@pytest.mark.parametrize("bug", EVERY, ids=lambda bug: f"{bug.pitfall}: {bug.what}")
def test_a_bug_has_its_place_and_its_tests(bug: Bug) -> None:
    """What it replaces is there once; what it puts in is Python; and the tests that catch it exist."""
    content = (PACKAGE / bug.file).read_text(encoding="utf-8")
    assert content.count(bug.old) == 1
    assert bug.old != bug.new
    ast.parse(content.replace(bug.old, bug.new))
    assert bug.tests
    for test in bug.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions(file), test


@pytest.mark.slow
@pytest.mark.long
def test_every_bug_is_caught() -> None:
    done = subprocess.run([sys.executable, str(TESTS / "pitfalls.py")], capture_output=True, text=True)
    print(done.stdout)  # which of them the quick tests miss
    assert done.returncode == 0, done.stdout + done.stderr
