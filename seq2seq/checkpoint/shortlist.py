"""The lexical shortlist of a model, as a file in its directory: shortlist.safetensors.

It is no part of the model, which translates without it, and it stays when a later version of the model is saved. So it
records the weights and tokenizers that it was made for, and is refused beside any others. It has a hash of its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from seq2seq.checkpoint.files import SHORTLIST, Vocabulary, read_file
from seq2seq.durable import explain_write_errors, replace_durably, sha256, sync_names
from seq2seq.errors import InputError
from seq2seq.search.shortlist import Shortlist
from seq2seq.text.special_tokens import EOS

MOST_TOKENS = 1000  # target tokens that one source token allows; more are of no use, and the limit bounds the file

_ARRAYS = ("offsets", "tokens", "common")
_HEADER = 1 << 16  # bytes; far more than a header with three tensors and a few hashes needs


def write_shortlist(directory: Path, shortlist: Shortlist, files: Mapping[str, str]) -> None:
    """Write a shortlist into the directory of its model, in place of an older one, as a whole or not at all.

    files: names and SHA-256 of the model's files (`LoadedModel.files`). Raises Seq2SeqError when it cannot be written.
    """
    arrays = {name: getattr(shortlist, name) for name in _ARRAYS}
    labels = {"format": "1", "files": json.dumps(dict(files), sort_keys=True), "sha256": digest(shortlist)}
    with explain_write_errors(str(directory / SHORTLIST)):
        replace_durably(directory / SHORTLIST, safetensors.numpy.save(arrays, labels))
        sync_names(directory)


def read_shortlist(directory: Path, files: Mapping[str, str], vocabulary: Vocabulary) -> Shortlist:
    """Return the shortlist in a model directory.

    files: names and SHA-256 of the model's files (`LoadedModel.files`). Raises InputError for a shortlist that is
    missing, damaged, or made for another model.
    """
    path = directory / SHORTLIST
    build = f"build one from its training text: {shlex.join(['seq2seq', 'shortlist', str(directory)])}"
    build += " --source FILE --target FILE"
    if not path.exists():
        raise InputError(f"{directory}: the model has no shortlist; {build}")
    source, target = vocabulary.source, vocabulary.target
    content = read_file(path, 4 * (source + 1 + source * min(target, MOST_TOKENS) + target) + _HEADER)
    arrays, labels = _unpack(path, content)
    if labels.get("files") != json.dumps(dict(files), sort_keys=True):
        raise InputError(f"{path}: made for other weights or another tokenizer than the model's; delete it, or {build}")
    found = Shortlist(**arrays)
    if labels.get("sha256") != digest(found) or not _fits(found, vocabulary):
        raise InputError(f"{path}: damaged or edited; delete it, or {build}")
    return found


def digest(shortlist: Shortlist) -> str:
    """Return the SHA-256 of a shortlist's contents."""
    arrays = [(name, getattr(shortlist, name)) for name in _ARRAYS]
    return sha256(b"".join(f"{name} {len(array)} ".encode() + array.tobytes() for name, array in arrays))


def _unpack(path: Path, content: bytes) -> tuple[dict[str, NDArray[np.int32]], dict[str, str]]:
    """Return the arrays and the metadata of the header. Raises InputError for a file that is no shortlist."""
    try:
        arrays = safetensors.numpy.load(content)
        labels = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from None
    if set(arrays) != set(_ARRAYS) or any(each.ndim != 1 or each.dtype != np.int32 for each in arrays.values()):
        raise InputError(f"{path}: not a shortlist of seq2seq, which has {', '.join(_ARRAYS)} as lists of int32")
    return arrays, labels


def _fits(shortlist: Shortlist, vocabulary: Vocabulary) -> bool:
    """Return whether every index is in range; the hash alone proves nothing for a file from a stranger."""
    offsets, tokens, common = shortlist.offsets, shortlist.tokens, shortlist.common
    whole = len(offsets) == vocabulary.source + 1 and offsets[0] == 0 and offsets[-1] == len(tokens)
    named = np.concatenate([tokens, common])
    inside = named.min(initial=0) >= 0 and named.max(initial=0) < vocabulary.target
    return bool(whole and (np.diff(offsets) >= 0).all() and inside and EOS in common)
