"""The files that belong to a model, a run or a comparison, which no command may overwrite.

A name belongs to its owner whether the file exists or not, because a training may still write it. All other files in
these directories belong to the user.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from seq2seq.checkpoint.files import CARD, CONFIG, HASHED, SHORTLIST, STATES
from seq2seq.durable import final_name

EXPORT = frozenset({CONFIG, CARD, *HASHED})
MODEL = EXPORT | {SHORTLIST, STATES}
LOG = "log.jsonl"  # of a run: the only file that is appended to rather than replaced
RUN = MODEL | {LOG, ".lock", "training", "checkpoints", "cache"}
REPORT = frozenset({"report.html", "report.md", "results.csv", "figures"})
COMPARISON = REPORT | {"results.json", "costs.json", ".lock", "runs", "measured"}
_MARKS = ("training/state", f"checkpoints/last/{CONFIG}", f"checkpoints/best/{CONFIG}")
LOG_START = b'{"event": "start"'  # the first bytes of a run's log


class Owner(NamedTuple):
    """The model, run or comparison that a file belongs to; kind: its name in messages."""

    kind: str
    directory: Path


def owner(path: Path) -> Owner | None:
    """Return the innermost model, run or comparison that a path belongs to, or would belong to; else None."""
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
    """Return whether a directory holds a model, or files that are left of one."""
    return any(os.path.lexists(directory / name) for name in HASHED)


def is_run(directory: Path) -> bool:
    """Return whether a directory is that of a training run, finished or not."""
    if any(os.path.exists(directory / name) for name in _MARKS):
        return True
    try:
        with open(directory / LOG, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as log:
            return log.read(len(LOG_START)) == LOG_START
    except OSError:
        return False


def is_comparison(directory: Path) -> bool:
    """Return whether a directory is that of a comparison, finished or not."""
    if not os.path.isdir(directory / "runs"):
        return False
    return os.path.isdir(directory / "measured") or os.path.exists(directory / ".lock")


def existing_files(directory: str, names: Collection[str] = MODEL) -> list[Path]:
    """Return the paths of the files with these names that exist in a directory, sorted by name."""
    paths = [Path(directory) / name for name in sorted(names)]
    return [path for path in paths if os.path.isfile(path)]
