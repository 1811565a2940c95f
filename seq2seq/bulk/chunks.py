"""The input of a bulk translation, cut into chunks that the next run cuts alike."""

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
_MOST_BYTES = 1 << 22  # of a chunk's lines, so that long lines do not fill the memory


class OtherRun(InputError):
    """What a stopped run left is not the beginning of this one; it stays as it is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of the input.

    before: lines that come before. texts: decoded; "" for a line that is no text. problems: what is wrong with a line
    (see seq2seq.text.lines), by its place here. source_sha256: of all bytes of the input up to the chunk's end,
    without those that Arrivals drops.
    """

    before: int
    texts: list[str]
    problems: dict[int, str]
    source_sha256: str

    @property
    def end(self) -> int:
        """Lines up to the chunk's end."""
        return self.before + len(self.texts)


@dataclass(slots=True)
class _Watched:
    """The lines of a stream, counted and hashed as they are taken."""

    arrivals: Arrivals
    digest: Any = field(default_factory=hashlib.sha256)
    taken: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.arrivals:
            self.digest.update(line)
            self.taken += len(line)
            yield line


class Chunks:
    """All lines, at most `size` a chunk.

    fixed: the cuts depend on the text alone, so that a second run finds the same batches, and with them the last digit
    of every score. Else a chunk ends where reading on would wait, so that no answer waits for lines still to come.
    fileno: where the next lines arrive, if they may have to be waited for.
    """

    def __init__(self, source: LineStream, size: int, *, fixed: bool) -> None:
        self._arrivals = Arrivals(source.name, source.stream)
        self._chunks = self._cut(size, fixed)
        self.name, self.fileno = source.name, None if fixed else _fileno(source.stream)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def at_hand(self) -> bool:
        """Whether the next chunk can be had without waiting, as far as this can be known."""
        return self.fileno is None or self._arrivals.pending > 0 or bool(select([self.fileno], [], [], 0)[0])

    def _cut(self, size: int, fixed: bool) -> Iterator[Chunk]:
        watched = _Watched(self._arrivals)
        before, begin, texts, problems = 0, 0, list[str](), dict[int, str]()
        for text, problem in iter_lines_with_problems(watched, self.name):  # a line that may never end ends its chunk
            if problem:
                problems[len(texts)] = problem
            texts.append("" if problem else text)
            full = len(texts) == size or watched.taken - begin >= _MOST_BYTES or problem == ENDLESS
            if full or not (fixed or self._arrivals.pending):
                yield Chunk(before, texts, problems, watched.digest.hexdigest())
                before, begin, texts, problems = before + len(texts), watched.taken, [], {}
        if texts:
            yield Chunk(before, texts, problems, watched.digest.hexdigest())

    def skip(self, lines: int, sha256: str) -> None:
        """Go on after so many lines. Raises OtherRun where these are not the lines that a stopped run has read."""
        end, found = 0, hashlib.sha256().hexdigest()
        while end < lines:
            chunk = next(self._chunks, None)
            if chunk is None:
                ends = f"ends after line {end:,}, but the stopped run has read {lines:,} lines"
                raise OtherRun(f"{self.name}: {ends}; {AFRESH}")
            end, found = chunk.end, chunk.source_sha256
        if (end, found) != (lines, sha256):
            raise OtherRun(f"{self.name}: its first {lines:,} lines are not those that the stopped run read; {AFRESH}")


def _fileno(stream: BufferedIOBase) -> int | None:
    try:
        return stream.fileno()
    except UnsupportedOperation:
        return None
