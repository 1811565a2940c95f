"""Files that are written whole or not at all, and never through a link into another file."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import BinaryIO


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
