"""What on the disk belongs to a model, a run or a comparison, so that no command writes over it.

A name belongs whether its file is there yet or not: what is missing may still be written by a training. Other files
in these directories are their owner's own.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from seq2seq.checkpoint.files import CARD, CONFIG, HASHED, SHORTLIST
from seq2seq.durable import final_name

EXPORT = frozenset({CONFIG, CARD, *HASHED})
MODEL = EXPORT | {SHORTLIST}
LOG = "log.jsonl"  # of a run: the one file that is added to where it is, and not replaced
RUN = MODEL | {LOG, ".lock", "training", "checkpoints", "cache"}
REPORT = frozenset({"report.html", "report.md", "results.csv", "figures"})
COMPARISON = REPORT | {"results.json", "costs.json", ".lock", "runs", "measured"}
_MARKS = ("training/state", f"checkpoints/last/{CONFIG}", f"checkpoints/best/{CONFIG}")
BEGINS = b'{"event": "start"'  # a run's log


class Owner(NamedTuple):
    """Whose a file is. kind: as in messages."""

    kind: str
    directory: Path


def owner(path: Path) -> Owner | None:
    """The innermost model, run or comparison that a name belongs to, or would belong to."""
    inner = path
    for directory in path.parents:
        name = final_name(inner.name)
        for kind, names, found in (
            ("run", RUN, is_run),
            ("model", MODEL, is_model),
            ("comparison", COMPARISON, is_comparison),
        ):
            if name in names and found(directory):
                return Owner(kind, directory)
        inner = directory
    return None


def is_model(directory: Path) -> bool:
    """Whether a model lies there, or what is left of one."""
    return any(os.path.lexists(directory / name) for name in HASHED)


def is_run(directory: Path) -> bool:
    """Whether a training has been at work there."""
    if any(os.path.exists(directory / name) for name in _MARKS):
        return True
    try:
        with open(directory / LOG, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as log:
            return log.read(len(BEGINS)) == BEGINS
    except OSError:
        return False


def is_comparison(directory: Path) -> bool:
    """Whether a comparison has been at work there."""
    if not os.path.isdir(directory / "runs"):
        return False
    return os.path.isdir(directory / "measured") or os.path.exists(directory / ".lock")


def belonging(directory: str, names: Collection[str] = MODEL) -> list[Path]:
    """The files of these names that a directory has."""
    paths = [Path(directory) / name for name in sorted(names)]
    return [path for path in paths if os.path.isfile(path)]
