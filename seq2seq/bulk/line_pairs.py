"""Files that are aligned line by line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from seq2seq.bulk.streams import STANDARD, LineStream
from seq2seq.errors import InputError


def check_standard_input(**files: str | None) -> None:
    """Refuse two files that are both standard input; the keywords are the names of the options that give them."""
    standard = [f"--{option}" for option, file in files.items() if file == STANDARD]
    if len(standard) > 1:
        raise InputError(f"{standard[0]} and {standard[1]} cannot both be standard input")


def iter_aligned(size: int, *sources: LineStream) -> Iterator[list[tuple[str, ...]]]:
    """Yield tuples of line n of every source, in lists of `size`. Raises InputError if their lengths differ."""
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(zip_longest(*map(_lines, sources)), start=1):
        if None in row:
            short = sources[row.index(None)]
            long = next(source for source, line in zip(sources, row, strict=True) if line is not None)
            raise InputError(
                f"{short.name} ends before line {number}, {long.name} does not; they must be aligned line by line"
            )
        rows.append(row)
        if len(rows) == size:
            yield rows
            rows = []
    if rows:
        yield rows


def _lines(source: LineStream) -> Iterator[str]:
    for chunk in source.chunks(1024):
        yield from chunk
