"""Pitfall 18: a training killed at any moment and resumed ends as one that was left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).with_name("crash.py")


def crash(*options: str) -> None:
    done = subprocess.run([sys.executable, str(CRASH), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_few_killed_trainings_end_as_if_they_had_not_been() -> None:
    crash("--random", "2", "--events", "4")


@pytest.mark.slow
@pytest.mark.long
def test_fifty_killed_trainings_end_as_if_they_had_not_been() -> None:
    crash("--random", "50", "--events", "50", "--seed", "3")
