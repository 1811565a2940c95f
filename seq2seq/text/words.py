"""The words of a text as people count them, and the share of each piece that belongs to each word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]  # offset of the first character, and of the one after the last


@dataclass(frozen=True, slots=True)
class SegmentedText:
    """A text as a model reads it, its words, and the span of each word in the text."""

    text: str
    words: list[str]
    spans: list[Span]


def split_words(line: str) -> SegmentedText:
    """Return the line as it is; its words are separated by whitespace."""
    return SegmentedText(line, line.split(), [word.span() for word in re.finditer(r"\S+", line)])


def join_words(line: str) -> SegmentedText:
    """Return the line without whitespace, for a script that writes none and where it only marks the ends of words."""
    words = line.split()
    return SegmentedText("".join(words), words, list(pairwise(accumulate(map(len, words), initial=0))))


def word_shares(pieces: Sequence[Span], words: Sequence[Span]) -> NDArray[np.float64]:
    """Return the share [words, pieces] of each piece's characters, spaces aside, that lies in each word.

    A column sums to 1. A piece across a border is shared, so with `join_words` no link is lost or decided by chance
    where the tokenizer's pieces ignore the words. A piece without characters of its own (a space, a byte of a
    character) belongs to the word that it begins in or before, at the end of the text to the last word. All zeros where
    there are no words.
    """
    shares = np.zeros((len(words), len(pieces)))
    if not words or not pieces:
        return shares
    first, last = np.array(pieces).T
    start, end = np.array(words).T[:, :, None]
    shares += np.maximum(np.minimum(last, end) - np.maximum(first, start), 0)
    owners = np.minimum((end <= first).sum(axis=0), len(words) - 1)
    empty = shares.sum(axis=0) == 0
    shares[owners[empty], np.flatnonzero(empty)] = 1.0
    shares /= shares.sum(axis=0)
    return shares


def word_owners(shares: NDArray[np.float64]) -> list[int]:
    """Return for each piece of [words, pieces] the first word with its largest share; -1 where there are no words."""
    owners: list[int] = shares.argmax(axis=0).tolist() if len(shares) else [-1] * shares.shape[1]
    return owners
