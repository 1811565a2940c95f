"""The input of a bulk translation, cut into chunks in the same way by every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase, UnsupportedOperation
from select import select
from typing import Any

from seq2seq.bulk.streams import Arrivals, LineStream
from seq2seq.errors import InputError
from seq2seq.text.lines import ENDLESS, iter_lines_with_problems

AFRESH = "without --resume all is translated afresh"
_MOST_BYTES = 1 << 22  # bytes of a chunk's lines, which bounds the memory that long lines take


class ResumeMismatch(InputError):
    """What a stopped run has left does not match the beginning of this run; it is left unchanged."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines of the input.

    before: number of lines before the chunk. texts: decoded lines; "" for a line that is not text. problems: index in
    the chunk -> what is wrong with that line (see seq2seq.text.lines). source_sha256: SHA-256 of all bytes of the input
    up to the chunk's end, without those that Arrivals drops.
    """

    before: int
    texts: list[str]
    problems: dict[int, str]
    source_sha256: str

    @property
    def end(self) -> int:
        """Number of lines up to the chunk's end."""
        return self.before + len(self.texts)


@dataclass(slots=True)
class _HashedLines:
    """The lines of a stream, counted in bytes and hashed as they are read."""

    arrivals: Arrivals
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.arrivals:
            self.digest.update(line)
            self.size += len(line)
            yield line


class Chunks:
    """All lines of an input in chunks of at most `size` lines.

    fixed: whether the cuts depend on the text alone, so that a second run forms the same batches and reproduces the
    last digit of every score. Otherwise a chunk ends where reading on would block, so that no translation waits for
    later lines. fileno: file descriptor on which the next lines arrive, if reading may block; else None.
    """

    def __init__(self, source: LineStream, size: int, *, fixed: bool) -> None:
        self._arrivals = Arrivals(source.name, source.stream)
        self._chunks = self._cut(size, fixed)
        self.name, self.fileno = source.name, None if fixed else _fileno(source.stream)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def ready(self) -> bool:
        """Return whether the next chunk can be read without blocking, as far as this can be known."""
        return self.fileno is None or self._arrivals.pending > 0 or bool(select([self.fileno], [], [], 0)[0])

    def _cut(self, size: int, fixed: bool) -> Iterator[Chunk]:
        lines = _HashedLines(self._arrivals)
        before, begin, texts, problems = 0, 0, list[str](), dict[int, str]()
        for text, problem in iter_lines_with_problems(lines, self.name):  # a line that may never end closes its chunk
            if problem:
                problems[len(texts)] = problem
            texts.append("" if problem else text)
            full = len(texts) == size or lines.size - begin >= _MOST_BYTES or problem == ENDLESS
            if full or not (fixed or self._arrivals.pending):
                yield Chunk(before, texts, problems, lines.digest.hexdigest())
                before, begin, texts, problems = before + len(texts), lines.size, [], {}
        if texts:
            yield Chunk(before, texts, problems, lines.digest.hexdigest())

    def skip(self, lines: int, sha256: str) -> None:
        """Skip lines. Raises ResumeMismatch unless they have the SHA-256 of the lines that the stopped run read."""
        end, found = 0, hashlib.sha256().hexdigest()
        while end < lines:
            chunk = next(self._chunks, None)
            if chunk is None:
                ends = f"ends after line {end:,}, but the stopped run has read {lines:,} lines"
                raise ResumeMismatch(f"{self.name}: {ends}; {AFRESH}")
            end, found = chunk.end, chunk.source_sha256
        if (end, found) != (lines, sha256):
            raise ResumeMismatch(
                f"{self.name}: its first {lines:,} lines are not those that the stopped run read; {AFRESH}"
            )


def _fileno(stream: BufferedIOBase) -> int | None:
    try:
        return stream.fileno()
    except UnsupportedOperation:
        return None
