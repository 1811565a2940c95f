"""Files that last: written whole or not at all, never through a link into another file, hashed, and sealed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from seq2seq.errors import Seq2SeqError


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file in the place of whatever has the name, and return only when it is on the disk."""
    with create(path) as file:
        write_all(file, content)
        os.fsync(file.fileno())


def create(path: Path) -> FileIO:
    """A new, empty file of this name, without a buffer.

    What had the name loses it and is not written into: a link to another file, or a further name of one.
    """
    path.unlink(missing_ok=True)
    return path.open("xb", buffering=0)


def write_all(file: FileIO | BinaryIO, content: bytes) -> None:
    """Write, also where there is no buffer and one write may take but a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def replace_durably(path: Path, content: bytes) -> None:
    """Put a file in the place of another, or of none: whole, or not at all."""
    part = path.with_name(f".{path.name}.part")
    write_durably(part, content)
    part.replace(path)


def sync_names(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes) -> str:
    """As it stands in config.json."""
    return hashlib.sha256(content).hexdigest()


_SEAL = "seal"  # key of a sealed document, for the SHA-256 of all its other keys


def seal(tree: Mapping[str, Any]) -> bytes:
    """A JSON object with the SHA-256 of itself, so that `unseal` finds whether it was edited or damaged since."""
    plain = json.loads(json.dumps(tree))  # as a reader will find it: keys are strings, tuples are lists
    return (json.dumps({**plain, _SEAL: _digest(plain)}, indent=1) + "\n").encode()


def unseal(content: bytes, *, unsealed_too: bool = False) -> dict[str, Any]:
    """The tree of a sealed document. Raises ValueError for content that is none, or that is not what was sealed.

    unsealed_too: also take a JSON object without a seal, as versions before there were seals wrote it.
    """
    try:
        tree = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(tree, dict):
        raise ValueError("not a JSON object")
    stated = tree.pop(_SEAL, None)
    if stated != _digest(tree) and not (stated is None and unsealed_too):
        raise ValueError("its SHA-256 differs: edited or damaged" if stated else "it has no seal")
    return tree


def _digest(tree: Mapping[str, Any]) -> str:
    return sha256(json.dumps(tree, sort_keys=True).encode())


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """What the system says when a file cannot be written, in the user's terms; a closed pipe is no error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Seq2SeqError(f"{name}: cannot be written: {error.strerror or error}") from None
