"""Word alignment of given pairs, from a model's attention under teacher forcing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq.metrics.links import links_from_threshold, merge_weights, strongest_links
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.text.word_links import Link
from seq2seq.text.words import SegmentedText, word_shares
from seq2seq.translation.plain_data import PlainData, matrix

Join = Literal["source", "target", "both"]


@dataclass(frozen=True, slots=True, eq=False)
class Side(PlainData):
    """One side of a pair: its words, to which links refer, and the pieces that a model reads or writes.

    shares [words, pieces + 1]: the share of each piece that belongs to each word; the columns of a tag and
    of the end, the last, are 0.
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

    links: (source word, target word), from 0, sorted. weights [target words, source words]: attention between words; a
    row sums to 1 minus the attention on the end of the source. piece_weights [target pieces + 1, source pieces + 1]:
    the model's attention, ends included; rows sum to 1, and row t is the step that predicts piece t. truncated: a side
    was longer than max_length pieces, and only its first are here, with their words.
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
        """Return the alignment that `Translator.align` would give with these arguments, from the same attention."""
        weights = merge_weights(self.piece_weights, self.source.shares, self.target.shares, shift=shift)
        links = strongest_links(weights) if threshold is None else links_from_threshold(weights, threshold)
        return replace(self, weights=weights, links=sorted(links))


def encode_sides(
    tokenizer: Tokenizer, texts: Sequence[SegmentedText], max_length: int | None = None, tag: tuple[int, ...] = ()
) -> list[Side]:
    """Encode each text, up to its first max_length pieces and the words that they reach; None: all of it.

    tag: ids put before those of each text, in no word. A text without words has no pieces, as a blank text in `encode`.
    """
    found = []
    for text, (ids, spans) in zip(texts, tokenizer.encode_spans([text.text for text in texts]), strict=True):
        words, word_spans, truncated = text.words, text.spans, max_length is not None and len(ids) > max_length
        if not words:
            ids, spans = [], []
        elif truncated:
            ids, spans = ids[:max_length], spans[:max_length]
            reached = sum(start < spans[-1][1] for start, _ in word_spans) or 1
            words, word_spans = words[:reached], word_spans[:reached]
        before = tag if words else ()
        shares = np.pad(word_shares(spans, word_spans), ((0, 0), (len(before), 1)))
        ids = [*before, *ids]
        found.append(Side(words, ids, tokenizer.to_pieces(ids), shares, truncated))
    return found


def read_alignment(
    source: Side, target: Side, piece_weights: ArrayLike, *, shift: int, threshold: float | None
) -> Alignment:
    """Make the alignment of a pair from attention weights [target pieces + 1, source pieces + 1]."""
    unread = np.zeros((len(target.words), len(source.words)))
    weights = np.asarray(piece_weights, dtype=np.float32)
    truncated = source.truncated or target.truncated
    return Alignment(source, target, weights, unread, [], truncated).read(shift=shift, threshold=threshold)
