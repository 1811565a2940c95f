"""Everything that a resumed run needs, in safetensors and JSON: no pickle."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seq2seq.errors import InputError


@dataclass(slots=True)
class Progress:
    """Where a run stands. Plain numbers, so that JSON holds all of it."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # steps done in this pool
    pool: int = 0  # pools done in this epoch; a text in memory is one pool
    rows: int = 0  # rows of the stream read for them
    removed: dict[str, int] = field(default_factory=dict)  # reason -> rows of these left out
    seconds: float = 0.0  # spent so far, over all sittings
    best: float | None = None  # criterion at its best; higher is better
    waited: int = 0  # validations since then
    validated: int = 0  # step of the last validation
    schedule_reductions: int = 0
    schedule_waited: int = 0
    averaged: list[int] = field(default_factory=list)  # steps whose weights wait to be averaged
    log_bytes: int = 0  # length of log.jsonl at this point
    best_record: dict[str, Any] = field(default_factory=dict)
    tally: dict[str, float] = field(default_factory=dict)  # sums since the last progress line
    kept: dict[str, Any] = field(default_factory=dict)  # record of the model that a finished run kept


def save_state(
    directory: Path,
    progress: Progress,
    weights: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    random_states: dict[str, Tensor],
    note: dict[str, Any],
) -> None:
    """Write a complete state beside the old one, then put it in its place; the old one survives a crash until then."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = directory.with_name(directory.name + ".new"), directory.with_name(directory.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    tensors = {f"weights/{name}": value.detach().contiguous() for name, value in weights.items()}
    slots = optimizer.state_dict()["state"]
    tensors |= {f"optimizer/{index}/{name}": value for index, slot in slots.items() for name, value in slot.items()}
    tensors |= {f"random/{name}": state for name, state in random_states.items()}
    save_file(_unshared(tensors), str(fresh / "state.safetensors"))
    (fresh / "state.json").write_text(json.dumps({"progress": asdict(progress), **note}, indent=1), encoding="utf-8")
    for part in [*fresh.iterdir(), fresh]:
        _sync(part)
    if directory.exists():
        directory.rename(old)
    fresh.rename(directory)
    _sync(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def find_state(directory: Path) -> Path | None:
    """The newest complete state: the directory itself, or what a crash between two renames left of it."""
    for candidate in (
        directory,
        directory.with_name(directory.name + ".new"),
        directory.with_name(directory.name + ".old"),
    ):
        if (candidate / "state.json").is_file() and (candidate / "state.safetensors").is_file():
            return candidate
    return None


def load_note(directory: Path) -> dict[str, Any]:
    """The JSON part of a state."""
    try:
        note = json.loads((directory / "state.json").read_text(encoding="utf-8"))
        note["progress"] = Progress(**note["progress"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory / 'state.json'}: the training state is damaged ({error}); start anew") from None
    return dict(note)


def load_tensors(directory: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Put weights and optimiser back, bit for bit; the states of the random generators, by name."""
    try:
        tensors = load_file(str(directory / "state.safetensors"))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{directory / 'state.safetensors'}: the training state is damaged ({error})") from None
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"weights/{name}"])
    state = optimizer.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            index, _, name = rest.partition("/")
            slots.setdefault(int(index), {})[name] = value
    state["state"] = slots
    optimizer.load_state_dict(state)
    return {key.removeprefix("random/"): value for key, value in tensors.items() if key.startswith("random/")}


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """safetensors refuses tensors that share memory; a copy of each settles it."""
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}


def _sync(path: Path) -> None:
    """Make sure that it is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
