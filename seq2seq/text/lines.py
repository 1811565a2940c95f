"""Lines of text files: UTF-8, split at \\n only, plain or compressed.

Python's text mode and str.splitlines() also split at \\r, U+0085, U+2028 and others, which shifts every later line of
one side against the other; so files are read as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from seq2seq.errors import InputError
from seq2seq.text.compression import open_text

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

LONGEST_LINE = 64 << 20  # bytes, of a file that is read whole; more is no text, and /dev/zero has no end
LONGEST_SENTENCE = 1 << 20  # bytes, of a stream, without the line's end; more is none, and could fill the memory
READ_LIMIT = LONGEST_SENTENCE + 8  # of a line in a stream; so much of it is still too long without a mark and its end

INVALID_UTF8, NUL, ENDLESS = "invalid UTF-8", "NUL", "endless"
TO_UTF8 = "convert it to UTF-8, as iconv does"
_OTHER_KINDS = {  # how a file begins -> what it is, and what to do
    re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"): f"UTF-32; {TO_UTF8}",
    re.compile(rb"\xff\xfe|\xfe\xff"): f"UTF-16; {TO_UTF8}",
    re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a|\x04\x22M\x18|\x1f\x9d"): (
        "an archive of a kind that is not read; unpack it, or pack it with gzip, bzip2, xz or zstd"
    ),
    re.compile(rb"(?s).{257}ustar"): "a tar archive; unpack it",
    re.compile(rb"PAR1\x15|ARROW1\0\0"): "a Parquet or Arrow file; give it as dataset",
}


def read_lines(path: Path) -> list[str]:
    """All lines of a text file, unpacked if need be. Raises InputError with file and line, as iter_lines does."""
    return list(_decoded(map(decode, read_byte_lines(path)), str(path)))


def iter_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a stream as they arrive; `name` stands for it in messages.

    A \\r before the \\n and a byte order mark at the start are removed; a missing last \\n is fine. Raises InputError
    with the line number on invalid UTF-8, NUL and more than LONGEST_SENTENCE bytes, and for a stream that is no UTF-8
    text at all: UTF-16, an archive.
    """
    return _decoded(iter_lines_with_problems(stream, name), name)


def iter_lines_with_problems(stream: Iterable[bytes], name: str) -> Iterator[tuple[str, str | None]]:
    """As `iter_lines`, but every line comes with what is wrong with it, if anything, for the caller to decide."""
    return (decode(line) if len(line) <= LONGEST_SENTENCE else ("", ENDLESS) for line in _byte_lines(stream, name))


def read_byte_lines(path: Path) -> list[bytes]:
    """The lines of a file, undecoded, so that a bad one can be judged by the caller."""
    return list(iter_byte_lines(path))


def iter_byte_lines(path: Path) -> Iterator[bytes]:
    """As `read_byte_lines`, one after the other."""
    read = 0
    try:
        with open_text(path) as stream:
            for line in _byte_lines(_bounded(stream, str(path)), str(path)):
                read += 1
                yield line
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; a text file is needed") from None
    except OSError as error:
        raise read_error(str(path), read, error) from None


def read_error(name: str, lines: int, error: OSError) -> InputError:
    """What to say when reading fails after so many lines."""
    place = f" after line {lines:,}" if lines else ""
    return InputError(f"{name}: cannot be read{place}: {error.strerror or error}")


def _bounded(stream: BufferedReader, name: str) -> Iterator[bytes]:
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


def detect_other_format(begin: bytes) -> str | None:
    """What a file is that begins with this line, and what to do, where it is certainly no UTF-8 text."""
    if found := next((kind for mark, kind in _OTHER_KINDS.items() if mark.match(begin)), None):
        return found
    nuls = begin[0::2].count(0), begin[1::2].count(0)  # of letters in the Latin alphabet, UTF-16 leaves one byte zero
    if min(nuls) == 0 and max(nuls) > 1 and max(nuls) > len(begin) // 4:
        return f"probably UTF-16; {TO_UTF8}"
    return None


def _decoded(lines: Iterable[tuple[str, str | None]], name: str) -> Iterator[str]:
    for number, (text, problem) in enumerate(lines, start=1):
        if problem:
            raise InputError(f"{name}:{number}: {describe_problem(problem)}")
        yield text


def describe_problem(problem: str) -> str:
    """A problem of `decode` or `iter_lines_with_problems` as the end of a sentence."""
    if problem == INVALID_UTF8:
        return "the line is not valid UTF-8; convert the file to UTF-8"
    if problem == ENDLESS:
        return f"a line of more than {LONGEST_SENTENCE:,} bytes; a sentence is needed"
    return "the line has a NUL character (byte 0), which is no text"


def _byte_lines(stream: Iterable[bytes], name: str) -> Iterator[bytes]:
    for index, line in enumerate(stream):
        if index == 0:
            if kind := detect_other_format(line):
                raise InputError(f"{name}: is {kind}")
            line = line.removeprefix(BYTE_ORDER_MARK)
            if not line:  # a mark and nothing else: an empty file
                return
        yield line.removesuffix(b"\n").removesuffix(b"\r")
