"""The states of a model at the words of its training text, as a file in its directory: states.safetensors.

Like a shortlist, it is no part of the model, and is refused beside other weights than those that it was made with. It
has the sentences themselves, so it is never uploaded with a model.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from seq2seq.checkpoint.files import STATES, read_file
from seq2seq.durable import explain_write_errors, replace_durably, sha256, sync_names
from seq2seq.errors import InputError


@dataclass(frozen=True, slots=True)
class KnownStates:
    """States at the pieces of pairs, of both sides, and the pairs.

    source_states, target_states: of length 1 each, so that their products are cosines. source_places, target_places:
    the number of each state's pair and the number of its piece there, both from 0. sources, targets: the sentences of
    all pairs in UTF-8, one a line.
    """

    source_states: NDArray[np.float16]  # [states, key_dim]
    target_states: NDArray[np.float16]  # [states, output_dim]
    source_places: NDArray[np.int32]  # [states, 2]
    target_places: NDArray[np.int32]
    sources: NDArray[np.uint8]
    targets: NDArray[np.uint8]


_ARRAYS = tuple(field.name for field in fields(KnownStates))
_KINDS = {"states": (2, "float16"), "places": (2, "int32")}  # axes and type, by the end of the name


def write_states(directory: Path, states: KnownStates, files: Mapping[str, str]) -> None:
    """Write states into the directory of their model, in place of older ones, as a whole or not at all.

    files: names and SHA-256 of the model's files (`LoadedModel.files`). Raises Seq2SeqError when it cannot be written.
    """
    arrays = {name: getattr(states, name) for name in _ARRAYS}
    labels = {"format": "1", "files": json.dumps(dict(files), sort_keys=True), "sha256": _digest(states)}
    with explain_write_errors(str(directory / STATES)):
        replace_durably(directory / STATES, safetensors.numpy.save(arrays, labels))
        sync_names(directory)


def read_states(directory: Path, files: Mapping[str, str]) -> KnownStates:
    """Return the states in a model directory.

    files: names and SHA-256 of the model's files (`LoadedModel.files`). Raises InputError for a file that is missing,
    damaged, or made with another model.
    """
    path = directory / STATES
    build = f"build it from its training text: {shlex.join(['seq2seq', 'index', str(directory)])}"
    build += " --source FILE --target FILE"
    if not path.exists():
        raise InputError(f"{directory}: the model has no index of states; {build}")
    content = read_file(path, path.stat().st_size)  # as long as it is, which is up to its user
    try:
        arrays = safetensors.numpy.load(content)
        labels = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from None
    if set(arrays) != set(_ARRAYS):
        raise InputError(f"{path}: not an index of seq2seq, which has {', '.join(_ARRAYS)}")
    if labels.get("files") != json.dumps(dict(files), sort_keys=True):
        raise InputError(
            f"{path}: made with other weights or another tokenizer than the model's; delete it, or {build}"
        )
    for name, array in arrays.items():
        kind = _KINDS.get(name.partition("_")[2], (1, "uint8"))
        if (array.ndim, array.dtype.name) != kind:
            raise InputError(f"{path}: {name} is no array of {kind[1]} with {kind[0]} axes; {build}")
    states = KnownStates(**arrays)
    if labels.get("sha256") != _digest(states):
        raise InputError(f"{path}: damaged or edited; delete it, or {build}")
    return states


def _digest(states: KnownStates) -> str:
    """Return the SHA-256 of all contents."""
    parts = ((name, getattr(states, name)) for name in _ARRAYS)
    return sha256("".join(f"{name} {part.shape} {sha256(part.tobytes())} " for name, part in parts).encode())
