"""Reading of text that may be compressed with gzip, bzip2, xz or Zstandard, as its first bytes tell, not its name.

Python's own bz2.open and lzma.open ignore whatever follows a complete stream, so a file whose second stream is damaged
would be read as if its first half were all of it. Here that is an error, as is a stream that ends early.
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
_HEAD = 10  # bytes that suffice to recognise every format
_MEMORY_LIMIT = 256 << 20  # bytes for unpacking xz; a file of `xz -9` needs 65 MiB
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zstd": "Zstandard"}
_MARKS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "Zstandard": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # or a skippable frame
}


def strip_compression_suffix(path: Path) -> Path:
    """Return the path without a suffix of compression: x.jsonl for x.jsonl.GZ."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


@contextmanager
def open_text(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file and yield a stream of its uncompressed bytes.

    Reading from the stream raises OSError where the file is damaged, or not compressed although its name says so.
    """
    with path.open("rb") as file:
        yield unpack(file, path.suffix)


def unpack(stream: io.BufferedIOBase, suffix: str = "") -> io.BufferedReader:
    """Return a stream of the uncompressed bytes of `stream`, which may be compressed or not.

    Nothing is read from `stream` before the first read from the result. suffix: of the file's name; if it is one of
    compression, content that is not compressed raises OSError.
    """
    return io.BufferedReader(_Unpacked(stream, suffix), BLOCK)


class _Unpacked(io.RawIOBase):
    """A raw stream of uncompressed bytes; closing it leaves the stream beneath open."""

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
    """Yield the uncompressed bytes in non-empty blocks."""
    head = b""
    while len(head) < _HEAD and b"\n" not in head and (block := stream.read1(BLOCK)):
        head += block
    kind = next((kind for kind, mark in _MARKS.items() if mark.match(head)), None)
    if kind is None and (named := _SUFFIXES.get(suffix.lower())):
        raise OSError(f"its name says {named}, but its content is not compressed; is it damaged, or misnamed?")
    packed = _Peeked(head, stream)
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
        if isinstance(error, OSError) and error.errno:  # raised by the file system
            raise
        raise OSError(f"the {kind} data is damaged: {error}") from None


class _Peeked:
    """A stream whose first bytes have been read already, and are read from it once more."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = BLOCK) -> bytes:
        """Return the bytes that are available, at most `size`; none at the end."""
        if not self._head:
            return self._stream.read1(size)
        taken, self._head = self._head[:size], self._head[size:]
        return taken


def _streams(read: Callable[[], bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """Yield the content of consecutive compressed streams, between which zero bytes are allowed and nothing else."""
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
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
    return cast(Callable[[], Any], _zstandard().ZstdDecompressor)


def _errors(kind: str) -> tuple[type[Exception], ...]:
    """Return the exceptions that decompression of damaged data raises."""
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
