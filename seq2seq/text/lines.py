"""Lines of text files: UTF-8, split at \\n only, plain or compressed.

Python's text mode and str.splitlines() also split at \\r, U+0085, U+2028 and others, which would shift every later line
of one side against the other; so files are read as bytes.
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

LONGEST_LINE = 64 << 20  # bytes, in a file that is read whole; more is not text, and /dev/zero never ends
LONGEST_SENTENCE = 1 << 20  # bytes, in a stream, without the line's end; more could fill the memory
READ_LIMIT = LONGEST_SENTENCE + 8  # bytes read of a line; still too long without a byte order mark and \r\n

INVALID_UTF8, NUL, ENDLESS = "invalid UTF-8", "NUL", "endless"
TO_UTF8 = "convert it to UTF-8, as iconv does"
_OTHER_FORMATS = {  # start of a file -> its format, and what to do
    re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"): f"UTF-32; {TO_UTF8}",
    re.compile(rb"\xff\xfe|\xfe\xff"): f"UTF-16; {TO_UTF8}",
    re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a|\x04\x22M\x18|\x1f\x9d"): (
        "an archive of a kind that is not read; unpack it, or pack it with gzip, bzip2, xz or zstd"
    ),
    re.compile(rb"(?s).{257}ustar"): "a tar archive; unpack it",
    re.compile(rb"PAR1\x15|ARROW1\0\0"): "a Parquet or Arrow file; give it as dataset",
}


def read_lines(path: Path) -> list[str]:
    """Return all lines of a text file, compressed or not; raise InputError with file and line as `iter_lines` does."""
    return list(_decoded(map(decode_line, read_byte_lines(path)), str(path)))


def iter_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of a stream as they arrive; `name` stands for the stream in messages.

    A \\r before the \\n and a byte order mark at the start are removed; the last \\n may be missing. Raises InputError
    with the line number for invalid UTF-8, NUL and more than LONGEST_SENTENCE bytes, and at once for a stream that is
    not UTF-8 text at all: UTF-16, an archive.
    """
    return _decoded(iter_lines_with_problems(stream, name), name)


def iter_lines_with_problems(stream: Iterable[bytes], name: str) -> Iterator[tuple[str, str | None]]:
    """Yield each line as `iter_lines` does, together with its problem or None; the caller decides what follows."""
    return (decode_line(line) if len(line) <= LONGEST_SENTENCE else ("", ENDLESS) for line in _byte_lines(stream, name))


def read_byte_lines(path: Path) -> list[bytes]:
    """Return the lines of a file undecoded, so that the caller can judge a bad one."""
    return list(iter_byte_lines(path))


def iter_byte_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file undecoded, as `read_byte_lines` returns them."""
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
    """Return the error for a read that failed after `lines` lines."""
    place = f" after line {lines:,}" if lines else ""
    return InputError(f"{name}: cannot be read{place}: {error.strerror or error}")


def _bounded(stream: BufferedReader, name: str) -> Iterator[bytes]:
    """Yield the lines of a stream with their ends; raise InputError for one that is too long before all is read."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise InputError(f"{name}:{number}: a line of more than {LONGEST_LINE:,} bytes; a sentence is needed")
        yield line


def decode_line(line: bytes) -> tuple[str, str | None]:
    """Return the text of a line and its problem: INVALID_UTF8, NUL or None."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "", INVALID_UTF8
    return text, NUL if "\0" in text else None


def detect_other_format(begin: bytes) -> str | None:
    """Return what a file is, and what to do, if this first line shows that it is not UTF-8 text; else None."""
    if found := next((kind for mark, kind in _OTHER_FORMATS.items() if mark.match(begin)), None):
        return found
    nuls = begin[0::2].count(0), begin[1::2].count(0)  # UTF-16 has a zero byte in each Latin letter
    if min(nuls) == 0 and max(nuls) > 1 and max(nuls) > len(begin) // 4:
        return f"probably UTF-16; {TO_UTF8}"
    return None


def _decoded(lines: Iterable[tuple[str, str | None]], name: str) -> Iterator[str]:
    for number, (text, problem) in enumerate(lines, start=1):
        if problem:
            raise InputError(f"{name}:{number}: {describe_problem(problem)}")
        yield text


def describe_problem(problem: str) -> str:
    """Return a problem of `decode_line` or `iter_lines_with_problems` as the end of a sentence."""
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
            if not line:  # a file with a byte order mark alone is empty
                return
        yield line.removesuffix(b"\n").removesuffix(b"\r")
