"""The directory of a run: whether it may be used, and what it already holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from seq2seq.checkpoint.model import load_tokenizers
from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.parts import START, check_no_remains, lost_parts
from seq2seq.training.state import Progress, find_state, load_note, recover_state

# Keys that may change between the sittings of a run: they set how long it goes on and how it is watched, not what is
# learnt.
FREE = {
    "training.max_steps", "training.max_epochs", "training.patience", "training.threads", "training.trackers",
    "data.processes", "data.root",
}  # fmt: skip
# What determines the order of an epoch's steps: if any of it changes, the run goes on with the next epoch.
_PLAN = ("data.", "training text", "tokenizer.sampling", "training.batch_tokens", "training.seed")
# What determines the criterion: if any of it changes, the best value so far is no longer comparable.
_CRITERION = ("validation text", "training.criterion", "training.validation_", "search.")
# What determines the first values, which a run does not get a second time.
_START = {"training.start", "training.start_parts", "training.source_vectors", "training.target_vectors"}
_TOKENIZER = ("tokenizer.", "source tokenizer", "target tokenizer")
_VALIDATION_TAG = r"data\.validation(\.\d+)?(\.tag)?"  # the table itself: there are more or fewer of them
LOCK = ".lock"
_OURS = {"cache", LOCK}  # names that a failed start leaves behind


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory that this process has locked."""

    directory: Path
    config: Config
    resumed: bool
    allow_changes: bool
    lost: dict[str, str] = field(default_factory=dict)  # part -> its problem, for parts that a resume does not need

    @property
    def state(self) -> Path:
        """Folder of the state for a resume."""
        return self.directory / "training" / "state"

    @property
    def start(self) -> Path:
        """Directory of the model that a run with training.start began with."""
        return self.directory / START

    def tokenizers(self) -> TokenizerPair | None:
        """Return the tokenizers of the stopped run; None before its first validation, when they are to be trained
        (again), unless it started from a model.
        """
        last = self.directory / "checkpoints" / "last"
        for place in (*([last] if "checkpoints/last" not in self.lost else []), self.start) if self.resumed else ():
            if (place / "config.json").is_file():
                return load_tokenizers(place)
        return None

    def rates(self) -> dict[str, float] | None:
        """Return the stopped run's own learning-rate factors by parameter name, empty for a run of a version in which
        parts had none; None for a new run, and for one that goes on with another score function.
        """
        if not self.resumed:
            return None
        note = load_note(self.state)
        return note.rates if note.config["model"].get("score") == self.config.model.score else None

    def load_progress(self, text: dict[str, str]) -> tuple[Progress, str, list[str]]:
        """Return the stopped run's progress, the SHA-256 of its tensors, and what has changed since, if changes are
        allowed.

        text: name -> SHA-256 of each text and tokenizer that is read now. Raises InputError that lists every change if
        changes are not allowed, and for a change that a run cannot continue with at all.
        """
        note = load_note(self.state)
        # With the cosine schedule, the rate of every step depends on max_steps.
        free = FREE - {"training.max_steps"} if self.config.training.schedule == "cosine" else FREE
        changes = dict(_differences(with_new_defaults(note.config), self.config.model_dump(mode="json"), free))
        changes |= {name: "has changed" for name in sorted(text) if note.text.get(name) != text[name]}
        changes |= self.lost
        listed = [f"{name}: {change}" for name, change in sorted(changes.items())]
        fixed = [name for name in changes if name.startswith(_TOKENIZER) and name != "tokenizer.sampling"]
        if fixed:
            raise InputError(f"--resume: {'; '.join(listed)}; a run keeps its vocabulary: undo that, or start anew")
        if _START & changes.keys():
            raise InputError(f"--resume: {'; '.join(listed)}; a run keeps its start: undo that, or start anew")
        if listed and not self.allow_changes:
            raise InputError(
                f"--resume: this differs from the stopped run: {'; '.join(listed)}; "
                "undo that, start anew, or accept it with --allow-changes"
            )
        progress = note.progress
        if (progress.position or progress.pool) and any(name.startswith(_PLAN) for name in changes):
            progress.epoch += 1
            progress.position, progress.pool, progress.rows, progress.removed = 0, 0, 0, {}
            progress.draws, progress.texts = 0, {}
        if any(name.startswith(_CRITERION) or re.fullmatch(_VALIDATION_TAG, name) for name in changes):
            progress.best, progress.waited, progress.silent = None, 0, 0
        return progress, note.sha256, listed


@contextmanager
def open_run(config: Config, directory: Path, resume: bool, allow_changes: bool) -> Iterator[Run]:
    """Create or reopen a run directory and lock it for the block. Raises InputError for a directory that is in use,
    holds something else, or cannot be created.
    """
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --output takes a directory")
    _check(directory, resume)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / LOCK)
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"{directory}: another training is at work there; wait for it, or choose another") from None
    except OSError as error:
        raise InputError(f"{directory}: cannot make the directory: {error.strerror}") from None
    try:
        _check(directory, resume)
        # A directory without a state was stopped before its first step, or never started: begin anew.
        resumed = recover_state(directory / "training" / "state")
        yield Run(directory, config, resumed, allow_changes, lost_parts(directory, config.training) if resumed else {})
    finally:
        lock.release()


def _check(directory: Path, resume: bool) -> None:
    """Refuse a directory that holds something else, or nothing that could be resumed. Changes nothing."""
    if not directory.is_dir() or all(entry.name in _OURS for entry in directory.iterdir()):
        return
    state = find_state(directory / "training" / "state")
    if not resume:
        hint = "go on with --resume, or choose another" if state else "choose another"
        raise InputError(f"{directory}: the directory is not empty; {hint}")
    if state is None:
        check_no_remains(directory)


def with_new_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """Return a stopped run's config with the keys that its version did not have yet, at their defaults, which it used
    in effect.
    """
    try:
        return Config.model_validate(config).model_dump(mode="json")
    except ValidationError:  # written by a version with other keys
        return config


def _differences(
    before: dict[str, Any], now: dict[str, Any], free: set[str], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield (key, 'old -> new') for every key that differs and is not in `free`."""
    for key in before.keys() | now.keys():
        name, old, new = (
            prefix + key,
            _numbered(before.get(key), now.get(key)),
            _numbered(now.get(key), before.get(key)),
        )
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, free, name + ".")
        elif old != new and name not in free:
            yield name, " -> ".join(json.dumps(value, ensure_ascii=False) for value in (old, new))


def _numbered(value: Any, other: Any) -> Any:
    """Return an array of tables as a table of its tables by number, from 1, if the other value is one of as many."""
    both = [value, other]
    if all(isinstance(each, list) and each and isinstance(each[0], dict) for each in both) and len(value) == len(other):
        return {str(number): table for number, table in enumerate(value, start=1)}
    return value
