"""Word vectors in word2vec's text format: a word and its numbers on each line, and perhaps the sizes on the first.

fastText's .vec files are of this format, and GloVe's are, without a first line of sizes. Words are compared as they are
written: nothing is normalised, and case counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.errors import InputError, short_repr
from seq2seq.text.lines import decode_line, iter_byte_lines
from seq2seq.text.sentencepiece_model import SPACE

_SIZES = re.compile(rb"\s*(\d{1,12})\s+(\d{1,9})\s*")  # word2vec's first line: words, and numbers of each
_REPORT_LINES = 100_000  # lines between two reports
_NEEDED = "a word and {} numbers are needed, as in word2vec's text format"
NO_WORD = "no word"
Vector = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class WordVectors:
    """The wanted vectors of a file.

    lines: how many vectors the file has. stated: how many its first line says; None where it says nothing. duplicates:
    lines of a wanted word after its first, which counts. skipped: reason -> lines whose word cannot be read.
    """

    vectors: dict[str, Vector]
    lines: int
    stated: int | None
    duplicates: int
    skipped: dict[str, int]


def spellings(piece: str) -> list[str]:
    """Return the words whose vector a piece may have, the better one first: "▁haus", then "haus"; for others itself."""
    word = piece.removeprefix(SPACE)
    return [piece, word] if word and word != piece else [piece]


def match_pieces(pieces: Sequence[str], vectors: dict[str, Vector]) -> dict[int, str]:
    """Return for each piece that has a vector its id and the word that the vector is of."""
    found = {}
    for row, piece in enumerate(pieces):
        word = next((word for word in spellings(piece) if word in vectors), None)
        if word is not None:
            found[row] = word
    return found


def check_dimension(path: Path, dimension: int) -> None:
    """Read the first line of a file and refuse vectors of another dimension. Raises InputError.

    A pipe is left alone, as it can be read once only.
    """
    if not path.is_fifo():
        _stated_words(path, next(iter_byte_lines(path), b""), dimension)


def read_vectors(
    path: Path,
    dimension: int,
    wanted: Collection[str],
    report: Callable[[int, int | None], None] = lambda done, total: None,
) -> WordVectors:
    """Read the vectors of the wanted words as float32 from a file, compressed or not, line by line.

    The last `dimension` parts of a line are its numbers, and what is before them is the word, which may hold spaces;
    only the numbers of wanted words are looked at. report: called with the number of vectors read and the number
    stated, at the end with the first of them twice. Raises InputError with file and line for vectors of another
    dimension, for a line that is no vector, and for numbers that are not finite in float32.
    """
    lines = iter_byte_lines(path)
    first = next(lines, b"")
    stated = _stated_words(path, first, dimension)
    numbered = enumerate(chain([first], lines), start=1) if stated is None else enumerate(lines, start=2)
    vectors, skipped, duplicates, read = dict[str, Vector](), Counter[str](), 0, 0
    for number, line in numbered:
        parts = line.rsplit(None, dimension)
        if not parts:
            continue
        if len(parts) == dimension and line[:1].isspace():
            skipped[NO_WORD] += 1
        elif len(parts) <= dimension:
            raise InputError(f"{path}:{number}: {_NEEDED.format(dimension)}; the line has {len(parts)} parts")
        else:
            word, problem = decode_line(parts[0])
            if problem:
                skipped[problem] += 1
            elif word in vectors:
                duplicates += 1
            elif word in wanted:
                vectors[word] = _parse(f"{path}:{number}", word, parts[1:])
        read += 1
        if read % _REPORT_LINES == 0:
            report(read, stated)
    report(read, read)
    return WordVectors(vectors, read, stated, duplicates, dict(skipped))


def _stated_words(path: Path, first: bytes, dimension: int) -> int | None:
    """Return how many words the first line says there are; None where it is a vector, too. Raises InputError for
    vectors of another dimension, and for a line that is neither.
    """
    parts = first.split()
    if sizes := _SIZES.fullmatch(first):
        found = int(sizes[2])
    elif len(parts) == dimension + 1:
        return None
    else:  # the word may hold spaces
        found = sum(1 for _ in takewhile(_is_number, reversed(parts if first[:1].isspace() else parts[1:])))
    if not found:
        raise InputError(f"{path}:1: {_NEEDED.format(dimension)}, or the sizes of the file on its first line")
    if found != dimension:
        raise InputError(
            f"{path}:1: vectors of {found} numbers, and model.embedding_dim = {dimension}; "
            f"set it to {found}, or take another file"
        )
    return int(sizes[1]) if sizes else None


def _is_number(part: bytes) -> bool:
    try:
        float(part)
    except ValueError:
        return False
    return True


def _parse(place: str, word: str, parts: Sequence[bytes]) -> Vector:
    try:
        with np.errstate(over="ignore"):
            vector = np.array([float(part) for part in parts]).astype(np.float32)
    except ValueError:
        wrong = next(part for part in parts if not _is_number(part)).decode("utf-8", "backslashreplace")
        raise InputError(f"{place}: {short_repr(wrong)} is no number; {_NEEDED.format(len(parts))}") from None
    if not np.isfinite(vector).all():
        raise InputError(
            f"{place}: the vector of {short_repr(word)} has NaN or infinite numbers; mend the line, or take it out"
        )
    return vector
