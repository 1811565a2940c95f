"""The directory of a run: whether it may be used, and what it already holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.checkpoint import load_tokenizers
from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.state import Progress, find_state, load_note

# Keys that may change between the sittings of a run: they say how long to go on and how to watch, not what is learnt.
FREE = {
    "training.max_steps", "training.max_epochs", "training.patience", "training.threads", "training.trackers",
    "data.processes", "data.root",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory that is ours for now."""

    directory: Path
    config: Config
    resumed: bool

    @property
    def state(self) -> Path:
        """Where the state for a resume is."""
        return self.directory / "training" / "state"

    def tokenizers(self) -> TokenizerPair | None:
        """Those of the stopped run; None at the start, when they have yet to be trained."""
        return load_tokenizers(self.directory / "checkpoints" / "last") if self.resumed and self._has_model() else None

    def _has_model(self) -> bool:
        return (self.directory / "checkpoints" / "last" / "config.json").is_file()

    def check_note(self, state: Path, fingerprint: str) -> Progress:
        """The progress of the stopped run, if config and text are still those it began with."""
        note = load_note(state)
        changed = sorted(_differences(note["config"], self.config.model_dump(mode="json")))
        if changed:
            raise InputError(
                f"--resume: the config differs from the stopped run's: {'; '.join(changed)}; undo that, or start anew"
            )
        if note["text"] != fingerprint:
            raise InputError("--resume: the training or validation text differs from the stopped run's; start anew")
        progress: Progress = note["progress"]
        return progress


@contextmanager
def open_run(config: Config, directory: Path, resume: bool) -> Iterator[Run]:
    """Make or reopen the directory; refuse one that holds something else."""
    state = directory / "training" / "state"
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --output takes a directory")
    # A cache alone is what a start that failed leaves behind.
    occupied = directory.is_dir() and any(entry.name != "cache" for entry in directory.iterdir())
    if occupied and not resume:
        hint = "go on with --resume, or choose another" if find_state(state) else "choose another"
        raise InputError(f"{directory}: the directory is not empty; {hint}")
    if resume and not find_state(state):
        if (directory / "log.jsonl").exists() or not occupied:
            resume = False  # stopped before its first validation, or never started: begin
        else:
            raise InputError(f"{directory}: nothing to resume there; leave --resume out, or choose another directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: cannot make the directory: {error.strerror}") from None
    yield Run(directory, config, resume)


def _differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """`key: old -> new` for every key that matters and differs."""
    for key in before.keys() | now.keys():
        name, old, new = prefix + key, before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, name + ".")
        elif old != new and name not in FREE:
            yield f"{name}: {json.dumps(old)} -> {json.dumps(new)}"
