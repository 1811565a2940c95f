"""Lines of text files: UTF-8, split at \\n only, plain or .gz.

Python's text mode and str.splitlines() also split at \\r, U+0085, U+2028 and others, which shifts every later line of
one side against the other; so files are read as bytes.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from seq2seq.errors import InputError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

LONGEST_LINE = 64 << 20  # bytes, of a file that is read whole; more is no text, and /dev/zero has no end
LONGEST_SENTENCE = 1 << 20  # bytes, of a stream, without the line's end; more is none, and could fill the memory
CUT = LONGEST_SENTENCE + 8  # of a line in a stream; so much of it is still too long without a mark and its end

INVALID_UTF8, NUL, ENDLESS = "invalid UTF-8", "NUL", "endless"


def read_lines(path: Path) -> list[str]:
    """All lines of a text file (plain or .gz). Raises InputError with file and line, as iter_lines does."""
    return list(_decoded(map(decode, read_byte_lines(path)), str(path)))


def iter_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a stream as they arrive; `name` stands for it in messages.

    A \\r before the \\n and a byte order mark at the start are removed; a missing last \\n is fine. Raises InputError
    with the line number on invalid UTF-8, NUL and more than LONGEST_SENTENCE bytes.
    """
    return _decoded(judged_lines(stream), name)


def judged_lines(stream: Iterable[bytes]) -> Iterator[tuple[str, str | None]]:
    """As `iter_lines`, but every line comes with what is wrong with it, if anything, for the caller to decide."""
    return (decode(line) if len(line) <= LONGEST_SENTENCE else ("", ENDLESS) for line in _byte_lines(stream))


def read_byte_lines(path: Path) -> list[bytes]:
    """The lines of a file, undecoded, so that a bad one can be judged by the caller."""
    return list(iter_byte_lines(path))


def iter_byte_lines(path: Path) -> Iterator[bytes]:
    """As `read_byte_lines`, one after the other."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield from _byte_lines(_bounded(stream, str(path)))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a text file is needed") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _bounded(stream: BinaryIO | gzip.GzipFile, name: str) -> Iterator[bytes]:
    """The lines of a stream with their ends. Raises InputError for one that is too long before more of it is read."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise InputError(f"{name}:{number}: a line of more than {LONGEST_LINE:,} bytes; a sentence is needed")
        yield line


def decode(line: bytes) -> tuple[str, str | None]:
    """The text of a line and what is wrong with it, if anything (INVALID_UTF8 or NUL)."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "", INVALID_UTF8
    return text, NUL if "\0" in text else None


def _decoded(lines: Iterable[tuple[str, str | None]], name: str) -> Iterator[str]:
    for number, (text, problem) in enumerate(lines, start=1):
        if problem:
            raise InputError(f"{name}:{number}: {describe(problem)}")
        yield text


def describe(problem: str) -> str:
    """A problem of `decode` or `judged_lines` as the end of a sentence."""
    if problem == INVALID_UTF8:
        return "the line is not valid UTF-8; convert the file to UTF-8"
    if problem == ENDLESS:
        return f"a line of more than {LONGEST_SENTENCE:,} bytes; a sentence is needed"
    return "the line has a NUL character (byte 0), which is no text"


def _byte_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    for index, line in enumerate(stream):
        if index == 0:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            if not line:  # a mark and nothing else: an empty file
                return
        yield line.removesuffix(b"\n").removesuffix(b"\r")
