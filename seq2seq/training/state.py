"""Save and load everything that a resumed run needs, in safetensors and JSON: no pickle.

A state is a folder. The new one is written beside the old and takes its name when it is complete and on the disk, so
wherever a save is interrupted, one of the two is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seq2seq.checkpoint.files import read_file
from seq2seq.config import TrainingConfig
from seq2seq.durable import new_path, replace_durably, seal, sha256, sync_names, unseal, write_durably
from seq2seq.errors import InputError

NOTE, TENSORS = _FILES = "state.json", "state.safetensors"


_LARGEST_NOTE = 64 << 20  # bytes; more than the keys of a config and the numbers of a run can take


def _check_record(record: dict[str, Any]) -> dict[str, Any]:
    """Refuse a model's record that lacks, or has of a wrong type, a value that is reported at the end of a run."""
    kinds = {"kind": (str,), "perplexity": (int, float), "bleu": (int, float, NoneType), "signature": (str, NoneType)}
    wrong = [key for key, kind in kinds.items() if key not in record or not isinstance(record[key], kind)]
    if record and wrong:
        raise ValueError(f"{wrong[0]} is missing, or of a wrong type")
    return record


Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
ModelRecord = Annotated[dict[str, Any], AfterValidator(_check_record)]


@dataclass(slots=True)
class TextPlace:
    """How far one of several texts is. turns: passes over it that have ended. rows: rows read of the present one. read:
    rows read in this epoch. removed: reason -> how many of these were left out.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    turns: Count = 0
    rows: Count = 0
    read: Count = 0
    removed: dict[str, Count] = field(default_factory=dict)


@dataclass(slots=True)
class StartRecord:
    """What a run remembers of the model that it started from: its name, the SHA-256 of its weights, the sizes of its
    vocabularies in pieces, and its scores on the run's validation text, once they are measured.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    sha256: str
    source_vocabulary: Count
    target_vocabulary: Count
    perplexity: float | None = None
    bleu: float | None = None
    signature: str | None = None


@dataclass(slots=True)
class Progress:
    """How far a run has come. All values are plain numbers, texts and containers of them, so that JSON can hold them;
    their types are checked on reading.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    step: Count = 0
    epoch: Count = 0
    position: Count = 0  # steps done in this pool
    pool: Count = 0  # pools done in this epoch; a text in memory is one pool
    rows: Count = 0  # rows of the stream read for these pools
    removed: dict[str, Count] = field(default_factory=dict)  # reason -> how many of these rows were left out
    draws: Count = 0  # pairs of several texts, of which one is a stream, drawn for these pools
    texts: dict[str, TextPlace] = field(default_factory=dict)  # label of each of these texts -> how far it is
    seconds: Amount = 0.0  # spent so far, over all sittings
    best: float | None = None  # criterion at its best; higher is better
    waited: Count = 0  # validations since the best
    silent: Count = 0  # validations in a row whose BLEU was 0
    validated: Count = 0  # step of the last validation
    schedule_reductions: Count = 0
    schedule_waited: Count = 0
    averaged: list[Count] = field(default_factory=list)  # steps whose weights are saved, to be averaged
    averaged_sha256: dict[str, str] = field(default_factory=dict)  # step -> SHA-256 of its weights' file
    log_bytes: Count = 0  # length of log.jsonl when the state was saved
    log_sha256: str = ""  # SHA-256 of these bytes; empty in states of versions that stored none
    best_record: ModelRecord = field(default_factory=dict)
    tally: dict[str, Amount] = field(default_factory=dict)  # sums since the last progress line
    kept: ModelRecord = field(default_factory=dict)  # record of the model that a finished run kept
    start: StartRecord | None = None  # the model of training.start

    def limit(self, training: TrainingConfig) -> str | None:
        """Return the name of the config's limit that has been reached, or None."""
        if self.step >= training.max_steps:
            return "max_steps"
        if training.max_epochs and self.epoch >= training.max_epochs:
            return "max_epochs"
        if training.patience and self.waited >= training.patience:
            return "patience"
        return None


class Note(BaseModel):
    """The JSON part of a state."""

    model_config = ConfigDict(strict=True)

    progress: Progress
    sha256: str  # of the tensors' file
    config: dict[str, dict[str, Any]]
    text: dict[str, str]  # name of a text or tokenizer -> its SHA-256
    rates: dict[str, Amount] = {}  # parameter -> learning-rate factor of its own, where that is not 1


def save_state(
    directory: Path,
    progress: Progress,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    random_states: dict[str, Tensor],
    note: dict[str, Any],
) -> None:
    """Write a complete state beside the old one, then replace that one. Raises OSError when the disk refuses."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = new_path(directory), _old(directory)
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    tensors: dict[str, Tensor] = {f"weights/{name}": parameter for name, parameter in model.named_parameters()}
    tensors |= {f"optimizer/{name}/{slot}": value for name, slot, value in _slots(model, optimizer)}
    tensors |= {f"random/{name}": state for name, state in random_states.items()}
    content = save(_copies(tensors))
    write_durably(fresh / TENSORS, content)
    document = seal({"progress": asdict(progress), "sha256": sha256(content), **note})
    replace_durably(fresh / NOTE, document)  # written last, so a folder that has it is complete
    sync_names(fresh)
    if directory.exists():
        directory.rename(old)
    fresh.rename(directory)
    sync_names(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_state(directory: Path) -> bool:
    """Return whether there is a state, after completing or undoing a save that was interrupted, so that no other name
    is left.
    """
    found = find_state(directory)
    if found is not None and found != directory:
        found.rename(directory)
        sync_names(directory.parent)
    for leftover in (new_path(directory), _old(directory)):
        shutil.rmtree(leftover, ignore_errors=True)
    return found is not None


def find_state(directory: Path) -> Path | None:
    """Return the folder of the state: under its own name or, after an interrupted save, another; None if there is none.

    No save leaves an incomplete folder under the name itself, so one that is there counts, and is damaged.
    """
    waiting = (path for path in (new_path(directory), _old(directory)) if all((path / n).is_file() for n in _FILES))
    return directory if directory.exists() else next(waiting, None)


def load_note(directory: Path) -> Note:
    """Read the JSON part of a state. Raises InputError if it is missing, damaged or edited."""
    path = directory / NOTE
    try:
        tree = unseal(read_file(path, _LARGEST_NOTE), unsealed_too=True)
        return Note.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        problem = error.errors()[0]
        reason = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    except ValueError as error:
        reason = str(error)
    raise InputError(f"{path}: the training state is damaged ({reason}); start anew")


def load_tensors(
    directory: Path, digest: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Restore weights and optimiser bit for bit, and return the states of the random generators by name.

    digest: the SHA-256 of the tensors' file that the note states. Raises InputError for a file that is missing,
    damaged, another, or does not fit the model.
    """
    path = directory / TENSORS
    try:
        content = read_file(path, path.stat().st_size)
        if sha256(content) != digest:
            raise InputError(f"{path}: not the file that {NOTE} lists (SHA-256 differs); start anew")
        tensors = load(content)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: the training state is damaged ({error}); start anew") from None
    slots: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            name, _, slot = rest.rpartition("/")
            slots.setdefault(name, {})[slot] = value
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            saved = tensors.get(f"weights/{name}")
            if saved is None or saved.shape != parameter.shape:
                found = "is missing" if saved is None else f"has shape {list(saved.shape)}"
                raise InputError(f"{path}: {name} {found}, the model needs {list(parameter.shape)}; start anew")
            parameter.copy_(saved)
    state = optimizer.state_dict()
    state["state"] = {index: slots[name] for index, name in enumerate(_names(model, optimizer)) if name in slots}
    optimizer.load_state_dict(state)
    return {key.removeprefix("random/"): value for key, value in tensors.items() if key.startswith("random/")}


def _slots(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, str, Tensor]]:
    """Yield (parameter name, slot, value) of the optimiser's state: names, because its own numbering changes when the
    groups change.
    """
    names = _names(model, optimizer)
    for index, slot in optimizer.state_dict()["state"].items():
        for kind, value in slot.items():
            yield names[index], kind, value


def _names(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Return the parameters' names in the order of the optimiser's numbering."""
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    return [known[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _old(directory: Path) -> Path:
    return directory.with_name(directory.name + ".old")


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of each tensor on the CPU, as safetensors refuses tensors that share memory."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
