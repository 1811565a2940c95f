"""Word alignments: links from attention weights, and their agreement with a human's.

A link is (source word, target word), both counted from 0. This module knows no tokenizer: the caller says which piece
belongs to which word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq.errors import InputError
from seq2seq.text.arguments import check_integer, check_number
from seq2seq.text.word_links import Link

NO_WORD = -1
"""The word index of a piece that belongs to no word, such as the end of the sentence."""


@dataclass(frozen=True, slots=True)
class AlignmentScores:
    """Agreement with a human's links over a whole corpus, as shares of 1, with the numbers of links behind it."""

    aer: float
    precision: float
    recall: float
    f1: float
    hypothesis_links: int
    sure_links: int
    possible_links: int


@dataclass(frozen=True, slots=True)
class AlignmentIntervals:
    """95 % bootstrap intervals of the scores of AlignmentScores: (low, high), as shares of 1."""

    aer: tuple[float, float]
    precision: tuple[float, float]
    recall: tuple[float, float]
    f1: tuple[float, float]
    samples: int
    seed: int


def merge_weights(
    weights: ArrayLike, source_shares: NDArray[np.float64], target_shares: NDArray[np.float64], *, shift: int = 0
) -> NDArray[np.float64]:
    """Merge weights [target pieces, source pieces] into [target words, source words].

    source_shares and target_shares [words, pieces] are the share of each piece that belongs to each word: 1 or 0, a
    fraction where a piece crosses the border of two words, 0 throughout for what is in no word (the end of the
    sentence). A word pair gets the sum over the source word's pieces, since their shares of the attention add up, and
    the mean over the target word's pieces, since each of these had a whole attention to spend.

    shift selects the decoder step for a target piece: 0 the step that predicts it, 1 the next one, which reads it as
    input and may look at its source only then (Shift-Att of Chen et al. 2020, "Accurate Word Alignment Induction from
    Neural Machine Translation"). Which is better depends on the wiring: the query of `bahdanau` is one step older than
    that of `luong`. With shift 1 the row of the sentence's end serves the last piece; a piece with no row after it is
    left out of its word's mean. A word left without any row gets zeros.

    Raises InputError for another shift, ValueError where the lengths do not fit the weights.
    """
    check_link_options(shift)
    matrix = weight_matrix(weights, target_shares.shape[1], source_shares.shape[1])
    target = target_shares[:, : target_shares.shape[1] - shift]
    rows = target.sum(axis=1, keepdims=True)
    merged: NDArray[np.float64] = target @ matrix[shift:] @ source_shares.T / np.where(rows > 0, rows, 1.0)
    return merged


def word_weights(
    weights: ArrayLike, source_words: Sequence[int], target_words: Sequence[int], *, shift: int = 0
) -> NDArray[np.float64]:
    """Merge weights as `merge_weights` does where every piece belongs to one word.

    source_words and target_words: the word of each column and of each row, or NO_WORD.
    """
    return merge_weights(weights, _membership(source_words), _membership(target_words), shift=shift)


def strongest_links(weights: NDArray[np.float64]) -> set[Link]:
    """Link every target word of weights [target words, source words] to the source word with most of its attention.

    Among equal source words the first is linked. A target word without attention on any word gets no link.
    """
    if not weights.size:
        return set()
    targets = np.flatnonzero(weights.any(axis=1))
    return set(zip(weights.argmax(axis=1)[targets].tolist(), targets.tolist(), strict=True))


def links_from_threshold(weights: NDArray[np.float64], threshold: float) -> set[Link]:
    """Link every pair of words whose weight in [target words, source words] is at least `threshold`.

    A word may get many links, one or none. Raises InputError for a threshold that is not above 0 and at most 1.
    """
    check_link_options(0, threshold)
    return {(int(source), int(target)) for target, source in np.argwhere(weights >= threshold)}


def check_link_options(shift: int, threshold: float | None = None) -> None:
    """Raise InputError for a shift or threshold out of range."""
    if check_integer("shift", shift) not in (0, 1):
        raise InputError(f"shift = {shift}: 0 (the step that predicts the piece) or 1 (the step that reads it)")
    if threshold is not None and not 0 < check_number("threshold", threshold) <= 1:
        raise InputError(f"threshold = {threshold}: must be above 0 and at most 1, a share of a word's attention")


def alignment_error_rate(
    *, hypothesis: Iterable[set[Link]], sure: Iterable[set[Link]], possible: Iterable[set[Link]]
) -> AlignmentScores:
    """Score the links of a corpus, one set per sentence, against sure and possible ones (Och & Ney 2003, section 5).

    With hypothesis A, sure S and possible P (S counts into P): precision = |A∩P| / |A|, recall = |A∩S| / |S|, AER = 1 -
    (|A∩S| + |A∩P|) / (|A| + |S|), all counts summed over the corpus first. f1 is the harmonic mean of precision and
    recall. Precision is 1 where A is empty, recall where S is: nothing is wrong there, nothing missed. Raises
    InputError when the numbers of sentences differ or are 0.
    """
    totals = _counts(hypothesis, sure, possible).sum(axis=0)
    aer, precision, recall, f1 = map(float, _rates(totals))
    links, wanted, allowed = map(int, totals[:3])
    return AlignmentScores(aer, precision, recall, f1, links, wanted, allowed)


def alignment_intervals(
    *,
    hypothesis: Iterable[set[Link]],
    sure: Iterable[set[Link]],
    possible: Iterable[set[Link]],
    samples: int = 1000,
    seed: int = 12345,
) -> AlignmentIntervals:
    """Return 95 % confidence intervals of the scores of `alignment_error_rate` over the choice of sentences.

    `samples` corpora of as many sentences are drawn with replacement; an interval holds the middle 95 % of their scores
    (percentile bootstrap; Koehn 2004 does so for BLEU). The draws depend on `seed` and the number of sentences alone,
    so that two alignments of the same sentences are scored on the same corpora. Other arguments and errors as in
    `alignment_error_rate`.
    """
    counts = _counts(hypothesis, sure, possible)
    generator = np.random.default_rng(seed)
    drawn = [counts[generator.integers(len(counts), size=len(counts))].sum(axis=0) for _ in range(samples)]
    low, high = np.percentile(_rates(np.array(drawn)), [2.5, 97.5], axis=1)
    aer, precision, recall, f1 = ((float(a), float(b)) for a, b in zip(low, high, strict=True))
    return AlignmentIntervals(aer, precision, recall, f1, samples, seed)


def _counts(
    hypothesis: Iterable[set[Link]], sure: Iterable[set[Link]], possible: Iterable[set[Link]]
) -> NDArray[np.int64]:
    """Return counts [sentences, 5]: links of hypothesis A, sure S, possible P, and of A∩S, A∩P."""
    hypotheses, sures, possibles = list(hypothesis), list(sure), list(possible)
    if not len(hypotheses) == len(sures) == len(possibles):
        counts = f"{len(hypotheses)} hypothesis, {len(sures)} sure, {len(possibles)} possible"
        raise InputError(f"alignments differ in length: {counts}; one set of links per sentence is needed")
    if not hypotheses:
        raise InputError("no alignments: at least one sentence is needed")
    rows = zip(hypotheses, sures, possibles, strict=True)
    return np.array([[len(a), len(s), len(p | s), len(a & s), len(a & (p | s))] for a, s, p in rows])


def _rates(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return AER, precision, recall and F1 from the last axis of counts."""
    links, wanted, _, hits_sure, hits_possible = np.moveaxis(counts, -1, 0)
    precision, recall = _share(hits_possible, links), _share(hits_sure, wanted)
    right = _share(hits_sure + hits_possible, links + wanted)
    both = precision + recall
    return 1 - right, precision, recall, 2 * precision * recall / np.where(both > 0, both, 1.0)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole, 1 where whole is 0."""
    shares: NDArray[np.float64] = np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
    return shares


def weight_matrix(weights: ArrayLike, rows: int, columns: int) -> NDArray[np.float64]:
    """Return weights as an array [rows, columns]; raise ValueError where they have another shape."""
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.size == rows * columns == 0:  # [] stands for no rows, however many columns
        return np.zeros((rows, columns))
    if matrix.shape != (rows, columns):
        raise ValueError(f"weights have the shape {matrix.shape}; (target, source) = ({rows}, {columns}) was expected")
    return matrix


def _membership(words: Sequence[int]) -> NDArray[np.float64]:
    """Return an array [words, pieces] that is 1 where the piece belongs to the word."""
    count = max(words, default=NO_WORD) + 1
    members: NDArray[np.bool_] = np.arange(count)[:, None] == np.asarray(words, dtype=np.int64)
    return members.astype(np.float64)
