"""Lines in and out: standard streams or files, UTF-8 whatever the locale, split at \\n only, nothing half-written."""

from __future__ import annotations

import gzip
import os
import signal
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn, cast

from seq2seq.errors import InputError, Seq2SeqError

STANDARD = "-"
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read lines from. name: as in messages."""

    name: str
    stream: BufferedIOBase

    def chunks(self, size: int) -> Iterator[list[str]]:
        """The lines that have arrived, at most `size` at a time, so that no answer waits for lines still to come.

        Lines end at \\n alone; a \\r before it and a byte order mark at the very start are no text. Raises InputError,
        with the line, for what is not UTF-8.
        """
        number, rest, block = 0, b"", b"\n"
        while block:
            block = self._read()
            *lines, rest = (rest + block).split(b"\n")
            if rest and not block:
                lines.append(rest)
            for start in range(0, len(lines), size):
                part = lines[start : start + size]
                yield [self._decode(line, number + row) for row, line in enumerate(part, start=1)]
                number += len(part)

    def _read(self) -> bytes:
        try:
            return self.stream.read1(_BLOCK)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{self.name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def _decode(self, line: bytes, number: int) -> str:
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            place = f"{self.name}:{number}: byte {error.start + 1}"
            raise InputError(f"{place} is not valid UTF-8; convert the text to UTF-8 first") from None
        return text.removesuffix("\r")


@contextmanager
def open_input(path: str) -> Iterator[Source]:
    """A file (plain or .gz), or standard input for '-'."""
    if path == STANDARD:
        yield Source("standard input", cast(BufferedIOBase, sys.stdin.buffer))
        return
    opener: Callable[..., BufferedIOBase] = gzip.open if path.endswith(".gz") else open
    try:
        file = opener(path, "rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        yield Source(path, file)


def read_lines(path: str) -> list[str]:
    """All lines."""
    with open_input(path) as source:
        return [line for chunk in source.chunks(_BLOCK) for line in chunk]


def count_lines(path: str) -> int | None:
    """For a progress bar: how many lines a file has; None where reading it twice is not possible."""
    if path == STANDARD or not Path(path).is_file():
        return None
    with open_input(path) as source:
        return sum(len(chunk) for chunk in source.chunks(_BLOCK))


@contextmanager
def open_output(path: str, *inputs: str) -> Iterator[Callable[[str], None]]:
    """A function that writes text: to standard output ('-') at once, to a file that appears when all is written.

    inputs: what is read meanwhile; the output may be none of it. Raises Seq2SeqError where the disk refuses.
    """
    if path == STANDARD:
        yield _write_standard
        return
    target = Path(os.path.realpath(path))
    _check_target(target, path, inputs)
    # A device or a named pipe is there to write to, not to replace.
    kept = target.exists() and not target.is_file()
    waiting = target if kept else target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _termination_raises(), _open_to_write(waiting, path) as file:
            yield lambda text: _write(file, text, path)
        if not kept:
            with _refusals(path):
                waiting.replace(target)
    finally:
        if not kept:
            waiting.unlink(missing_ok=True)


def _open_to_write(file: Path, name: str) -> BinaryIO:
    with _refusals(name):
        return file.open("wb")


def _write_standard(text: str) -> None:
    _write(sys.stdout.buffer, text, "standard output")


def _write(file: BinaryIO, text: str, name: str) -> None:
    with _refusals(name):
        file.write(text.encode("utf-8"))
        file.flush()


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What the system says when a file cannot be written, in the user's terms; a closed pipe is no error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Seq2SeqError(f"{name}: cannot be written: {error.strerror or error}") from None


def _check_target(target: Path, path: str, inputs: tuple[str, ...]) -> None:
    if target.is_dir():
        raise InputError(f"{path}: is a directory; --output takes a file")
    if not target.parent.is_dir():
        raise InputError(f"{path}: cannot be written: there is no directory {Path(path).parent}")
    for other in inputs:
        if other != STANDARD and target.is_file() and Path(other).exists() and target.samefile(other):
            raise InputError(f"{path}: --output is a file that is read; choose another name")


@contextmanager
def _termination_raises() -> Iterator[None]:
    """SIGTERM as an exception, so that what is half-written is removed."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
