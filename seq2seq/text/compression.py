"""Text that may be compressed: gzip, bzip2, xz or Zstandard, told by its first bytes and not by a file's name.

Python's own bz2.open and lzma.open pass over whatever follows a whole stream, so that half of a file whose second
stream is damaged would be read as all of it. Here it is an error, as is an end within a stream.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

BLOCK = 1 << 16  # bytes
_HEAD = 10  # bytes, which tell every kind
_MOST_MEMORY = 256 << 20  # bytes that unpacking xz may take; `xz -9` makes files that take 65 MiB
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zstd": "Zstandard"}
_MARKS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "Zstandard": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # or a frame that is to be passed over
}


def strip_compression_suffix(path: Path) -> Path:
    """The path as it would be without compression: x.jsonl for x.jsonl.GZ."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


@contextmanager
def open_text(path: Path) -> Iterator[io.BufferedReader]:
    """A file to read text from, unpacked. Reading raises OSError where the file is damaged or belies its name."""
    with path.open("rb") as file:
        yield unpack(file, path.suffix)


def unpack(stream: io.BufferedIOBase, suffix: str = "") -> io.BufferedReader:
    """A stream, unpacked if it is compressed. Nothing is read of it before the first reading from the answer."""
    return io.BufferedReader(_Unpacked(stream, suffix), BLOCK)


class _Unpacked(io.RawIOBase):
    """Bytes as they arrive; the stream beneath stays open when this is closed."""

    def __init__(self, stream: io.BufferedIOBase, suffix: str) -> None:
        self._stream, self._left = stream, b""
        self._blocks = _blocks(stream, suffix)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._blocks, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _blocks(stream: io.BufferedIOBase, suffix: str) -> Iterator[bytes]:
    """The text, block by block, none of them empty."""
    head = b""
    while len(head) < _HEAD and b"\n" not in head and (block := stream.read1(BLOCK)):
        head += block
    kind = next((kind for kind, mark in _MARKS.items() if mark.match(head)), None)
    if kind is None and (named := _SUFFIXES.get(suffix.lower())):
        raise OSError(f"its name says {named}, but its content is not compressed; is it damaged, or misnamed?")
    packed = _Begun(head, stream)
    if kind is None:
        yield from iter(packed.read, b"")
        return
    try:
        if kind == "gzip":
            with gzip.GzipFile(fileobj=packed, mode="rb") as file:  # type: ignore[call-overload]  # it only reads
                yield from iter(lambda: file.read1(BLOCK), b"")
        else:
            yield from _streams(packed.read, _decompressor(kind))
    except _errors(kind) as error:
        if isinstance(error, OSError) and error.errno:  # of the file system
            raise
        raise OSError(f"the {kind} data is damaged: {error}") from None


class _Begun:
    """A stream of which some bytes have been read."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = BLOCK) -> bytes:
        """As many bytes as are there, at most `size`; none at the end."""
        if not self._head:
            return self._stream.read1(size)
        taken, self._head = self._head[:size], self._head[size:]
        return taken


def _streams(read: Callable[[], bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """The content of compressed streams that follow each other, with nothing but zero bytes between them."""
    packed = read()
    while packed:
        stream = make()
        while not stream.eof:
            if stream.needs_input and not (packed := packed or read()):
                raise EOFError("it ends before the end-of-stream marker")
            block, packed = stream.decompress(packed, BLOCK), b""
            if block:
                yield block
        packed = stream.unused_data.lstrip(b"\0")
        while not packed and (more := read()):
            packed = more.lstrip(b"\0")


def _decompressor(kind: str) -> Callable[[], Any]:
    if kind == "bzip2":
        return bz2.BZ2Decompressor
    if kind == "xz":
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
    return cast(Callable[[], Any], _zstandard().ZstdDecompressor)


def _errors(kind: str) -> tuple[type[Exception], ...]:
    """What unpacking damaged data raises."""
    if kind == "Zstandard":
        return EOFError, OSError, _zstandard().ZstdError
    return EOFError, OSError, zlib.error, lzma.LZMAError


def _zstandard() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise OSError("Zstandard data; unpack it, or pip install backports.zstd") from None
    return zstd
