"""Durable files: written whole or not at all, never through a link into another file, hashed, and sealed.

Until it is complete, content waits beside its final name under one of these names: `.NAME.part`; `.NAME.PID.part`,
which no other process writes; `NAME.new`, which a reader or a later run knows how to complete or remove.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from seq2seq.errors import Seq2SeqError


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file in place of whatever has the name, and return only when it is on the disk."""
    with create(path) as file:
        write_all(file, content)
        os.fsync(file.fileno())


def create(path: Path) -> FileIO:
    """Create a new, empty, unbuffered file of this name.

    Whatever had the name loses it and is not written into: a link to another file, or a further name of one.
    """
    path.unlink(missing_ok=True)
    return path.open("xb", buffering=0)


def write_all(file: FileIO | BinaryIO, content: bytes) -> None:
    """Write all bytes, even to an unbuffered file, where one write may take only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def replace_durably(path: Path, content: bytes, waiting: Path | None = None) -> None:
    """Replace a file, or create it: whole, or not at all.

    waiting: path of the content until then; by default `.NAME.part`.
    """
    waiting = waiting or part_path(path)
    try:
        write_durably(waiting, content)
        os.replace(waiting, path)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise


def replace_together(files: Mapping[Path, bytes]) -> None:
    """Replace several files: none is replaced before the contents of all are on the disk.

    Raises Seq2SeqError that names the file which cannot be written.
    """
    waiting = {path: own_part_path(path) for path in files}
    try:
        for path, content in files.items():
            with explain_write_errors(str(path)):
                write_durably(waiting[path], content)
        for path in files:
            with explain_write_errors(str(path)):
                os.replace(waiting[path], path)
    finally:
        for part in waiting.values():
            part.unlink(missing_ok=True)


@contextmanager
def open_replacement(path: Path, name: str) -> Iterator[FileIO]:
    """Yield an unbuffered file to be written in the block, which takes its name at the block's end.

    If the block raises, whatever had the name stays. name: how the Seq2SeqError calls the file if it cannot be created
    or renamed; errors of the block itself are passed on.
    """
    waiting = own_part_path(path)
    try:
        with explain_write_errors(name):
            file = create(waiting)
        with file:
            yield file
            with explain_write_errors(name):
                os.fsync(file.fileno())
        with explain_write_errors(name):
            os.replace(waiting, path)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise


def part_path(path: Path) -> Path:
    """Return the waiting path of a file that one process at a time writes."""
    return path.with_name(f".{path.name}.part")


def own_part_path(path: Path) -> Path:
    """Return the waiting path of a file that several processes may write, a different one in each process."""
    return path.with_name(f".{path.name[:_LONGEST]}.{os.getpid()}.part")


def new_path(path: Path) -> Path:
    """Return the waiting path of content that a reader or a later run may find, and complete or remove."""
    return path.with_name(f"{path.name}.new")


def unfinished_paths(path: Path) -> tuple[Path, Path, Path]:
    """Return the waiting paths of an output that a later run may continue: its part, the journal of the part, and the
    next journal.
    """
    part = part_path(path)
    journal = part.with_name(f"{part.name}.json")
    return part, journal, new_path(journal)


def final_name(name: str) -> str:
    """Return the final name of a waiting file; any other name as it is."""
    found = _WAITING.fullmatch(name)
    return (found[1] or found[2]) if found else name


def sync_names(directory: Path) -> None:
    """Force the names in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


_WAITING = re.compile(r"\.(.*[^.].*)\.part(?:\.json)?(?:\.new)?|(.*[^.].*)\.new", re.DOTALL)
_LONGEST = 200  # characters of a name that its waiting file repeats; file systems take 255 bytes
_SEAL = "seal"  # key of a sealed document, for the SHA-256 of all its other keys


def seal(tree: Mapping[str, Any]) -> bytes:
    """Return a JSON object that includes the SHA-256 of all its other keys, by which `unseal` finds whether it was
    edited or damaged.
    """
    plain = json.loads(json.dumps(tree))  # as read back: keys are strings, tuples are lists
    return (json.dumps({**plain, _SEAL: _digest(plain)}, indent=1) + "\n").encode()


def unseal(content: bytes, *, unsealed_too: bool = False) -> dict[str, Any]:
    """Return the tree of a sealed document. Raises ValueError for content that is none, or differs from what was
    sealed.

    unsealed_too: also accept a JSON object without a seal, as written by versions before seals existed.
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
def explain_write_errors(name: str, what: str = "cannot be written", hint: str = "") -> Iterator[None]:
    """Raise the system's errors as Seq2SeqError "NAME: cannot be written: REASON; HINT".

    A closed pipe is passed on: it is that of standard output or error, and ends a command without a message.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        after = f"; {hint}" if hint else ""
        raise Seq2SeqError(f"{name}: {what}: {error.strerror or error}{after}") from None
