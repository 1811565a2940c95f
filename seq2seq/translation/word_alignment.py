"""Which words of a given pair belong together, by where a model looks while it is made to write the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq.metrics.links import Link, links_from_threshold, merge_weights, strongest_links
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.text.words import SegmentedText, word_shares
from seq2seq.translation.plain_data import PlainData, matrix

Join = Literal["source", "target", "both"]


@dataclass(frozen=True, slots=True, eq=False)
class Side(PlainData):
    """One side of a pair: the words that links count, and the pieces that a model reads or writes.

    shares [words, pieces + 1]: how much of each piece belongs to each word; the last column, 0, is that of the end.
    """

    words: list[str]
    ids: list[int]
    pieces: list[str]
    shares: NDArray[np.float64]
    truncated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", matrix(self.shares))


@dataclass(frozen=True, slots=True, eq=False)
class Alignment(PlainData):
    """Links between the words of a pair, and the attention that they were read from.

    links: (source word, target word), from 0, sorted. weights [target words, source words]: attention in words; a row
    sums to 1 less what went to the end of the source. piece_weights [target pieces + 1, source pieces + 1]: as the
    model gave it, ends included; rows sum to 1, and row t is the step that predicts piece t. truncated: a side was
    longer than max_length pieces, and only its first are here, with their words.
    """

    source: Side
    target: Side
    piece_weights: NDArray[np.float32]
    weights: NDArray[np.float64]
    links: list[Link]
    truncated: bool = False

    def __post_init__(self) -> None:
        for name in ("piece_weights", "weights"):
            object.__setattr__(self, name, matrix(getattr(self, name)))

    def read(self, *, shift: int = 0, threshold: float | None = None) -> Alignment:
        """The same attention read anew, as `Translator.align` would with these arguments."""
        weights = merge_weights(self.piece_weights, self.source.shares, self.target.shares, shift=shift)
        links = strongest_links(weights) if threshold is None else links_from_threshold(weights, threshold)
        return replace(self, weights=weights, links=sorted(links))


def sides(tokenizer: Tokenizer, texts: Sequence[SegmentedText], most: int | None = None) -> list[Side]:
    """What a model meets of each text, up to `most` pieces and the words that they reach.

    Of a text without words it reads nothing, as of a blank one elsewhere.
    """
    found = []
    for text, (ids, spans) in zip(texts, tokenizer.encode_spans([text.text for text in texts]), strict=True):
        words, word_spans, truncated = text.words, text.spans, most is not None and len(ids) > most
        if not words:
            ids, spans = [], []
        elif truncated:
            ids, spans = ids[:most], spans[:most]
            reached = sum(start < spans[-1][1] for start, _ in word_spans) or 1
            words, word_spans = words[:reached], word_spans[:reached]
        shares = np.pad(word_shares(spans, word_spans), ((0, 0), (0, 1)))
        found.append(Side(words, ids, tokenizer.to_pieces(ids), shares, truncated))
    return found


def read_alignment(
    source: Side, target: Side, piece_weights: ArrayLike, *, shift: int, threshold: float | None
) -> Alignment:
    """The alignment of a pair from the weights of a forced target [target pieces + 1, source pieces + 1]."""
    unread = np.zeros((len(target.words), len(source.words)))
    weights = np.asarray(piece_weights, dtype=np.float32)
    truncated = source.truncated or target.truncated
    return Alignment(source, target, weights, unread, [], truncated).read(shift=shift, threshold=threshold)
