"""Input and output of lines: standard streams or files, UTF-8 in any locale, written at once and never half."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, FileIO
from pathlib import Path
from typing import BinaryIO, cast

from seq2seq.durable import explain_write_errors, open_replacement, write_all
from seq2seq.errors import InputError
from seq2seq.processes.signals import raise_on_sigterm
from seq2seq.text.compression import BLOCK, unpack
from seq2seq.text.escaping import escape_columns
from seq2seq.text.lines import READ_LIMIT, iter_lines, read_error

STANDARD = "-"
STANDARD_INPUT = "standard input"  # name in messages


class Arrivals:
    """The lines of a stream as bytes; `pending` is how many more can be read without blocking.

    Of a line that is too long (see seq2seq.text.lines), the first READ_LIMIT bytes are yielded as soon as they arrive,
    without a line end; the rest is read and dropped.
    """

    def __init__(self, name: str, stream: BufferedIOBase) -> None:
        self._name, self._stream, self.pending, self._count = name, stream, 0, 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines():
            self._count += 1
            yield line

    def _lines(self) -> Iterator[bytes]:
        begun, size, dropping = list[bytes](), 0, False  # parts of the line whose end has not arrived
        while block := self._read():
            *lines, rest = block.split(b"\n")
            if lines:
                lines[0] = b"".join([*begun, lines[0]])
                ended = lines[1:] if dropping else lines
                begun, size, dropping = [], 0, False
                for self.pending, line in zip(reversed(range(len(ended))), ended, strict=True):
                    yield line[:READ_LIMIT] if len(line) >= READ_LIMIT else line + b"\n"
            if rest and not dropping:
                begun, size = [*begun, rest], size + len(rest)
            if size >= READ_LIMIT:
                yield b"".join(begun)[:READ_LIMIT]
                begun, size, dropping = [], 0, True
        if begun:
            yield b"".join(begun)

    def _read(self) -> bytes:
        try:
            return self._stream.read1(BLOCK)
        except OSError as error:
            raise read_error(self._name, self._count, error) from None


@dataclass(frozen=True, slots=True)
class LineStream:
    """A source of lines. name: its name in messages."""

    name: str
    stream: BufferedIOBase

    def chunks(self, size: int) -> Iterator[list[str]]:
        """Yield the lines that have arrived, at most `size` at a time, so that no translation waits for later lines.

        What a line is, and which are refused, is the same as in training text: see seq2seq.text.lines.
        """
        arrivals, chunk = Arrivals(self.name, self.stream), list[str]()
        for line in iter_lines(cast(BinaryIO, arrivals), self.name):
            chunk.append(line)
            if len(chunk) == size or not arrivals.pending:
                yield chunk
                chunk = []

    def count(self) -> int:
        """Read all lines, and return their number."""
        return sum(1 for _ in Arrivals(self.name, self.stream))


@contextmanager
def open_input(path: str) -> Iterator[LineStream]:
    """Open a file, or standard input for '-', and decompress it if needed. Raises InputError if it cannot be read."""
    if path == STANDARD:
        if sys.stdin is None:  # the process was started with it closed
            raise InputError("standard input is closed; give a file")
        yield LineStream(STANDARD_INPUT, unpack(cast(BufferedIOBase, sys.stdin.buffer)))
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise read_error(path, 0, error) from None
        yield LineStream(path, unpack(file, Path(path).suffix))


def read_input_lines(path: str) -> list[str]:
    """Return all lines of a file, or of standard input for '-'."""
    with open_input(path) as source:
        return [line for chunk in source.chunks(BLOCK) for line in chunk]


def count_lines(path: str) -> int | None:
    """Return the number of lines of a file, for a progress bar; None if it cannot be read twice."""
    if path == STANDARD or not os.path.isfile(path):
        return None
    with open_input(path) as source:
        return source.count()


@contextmanager
def open_output(path: str) -> Iterator[Callable[[str | bytes], None]]:
    """Return a function that writes text, or a document's bytes: to standard output ('-') at once, or to a file that
    appears when all is written.

    Raises Seq2SeqError when the disk refuses.
    """
    if path == STANDARD:
        yield _write_standard
        return
    target = resolve_output(path)
    opened = open_replacement(target, path) if is_replaced(path) else _open_device(target, path)
    with raise_on_sigterm(), opened as file:
        yield lambda text: _write(file, text, path)


def _open_device(path: Path, name: str) -> AbstractContextManager[FileIO]:
    """Open without a buffer: a buffer whose content cannot be written fails once more when it is closed."""
    with explain_write_errors(name):
        return path.open("wb", buffering=0)


def _write_standard(text: str | bytes) -> None:
    shown = escape_columns(text) if isinstance(text, str) and sys.stdout.isatty() else text
    _write(sys.stdout.buffer, shown, "standard output")


def _write(file: FileIO | BinaryIO, text: str | bytes, name: str) -> None:
    with explain_write_errors(name):
        write_all(file, text.encode("utf-8") if isinstance(text, str) else text)
        file.flush()


def is_replaced(path: str) -> bool:
    """Return whether an output is a file, existing or new; a device or a pipe is written to, not replaced."""
    # os.path, because Path.exists raises for a name that is too long
    return path != STANDARD and (os.path.isfile(path) or not os.path.exists(path))


def resolve_output(path: str) -> Path:
    """Return the real path of an output, with links followed. Raises InputError if it is a directory or lies in none.

    That it is no file which the command reads is checked before: see seq2seq.cli.files.
    """
    # Links are not followed from /dev/stdout, which may lead to a pipe without a name.
    target = Path(os.path.realpath(path)) if is_replaced(path) else Path(path)
    if os.path.isdir(target):
        raise InputError(f"{path}: is a directory; --output takes a file")
    if not os.path.isdir(target.parent):
        raise InputError(f"{path}: cannot be written: there is no directory {Path(path).parent}")
    return target
