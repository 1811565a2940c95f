"""Four numbers that describe attention weights: entropy, relative entropy, coverage and distance from the diagonal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from seq2seq.comparison.results import AttentionNumbers
from seq2seq.errors import InputError

COVERAGE_THRESHOLD = 0.5
"""Sum of the weights over the target from which a source piece counts as covered."""


def attention_numbers(weights: Sequence[ArrayLike]) -> AttentionNumbers:
    """Return the mean entropy, relative entropy, coverage and diagonal distance of the attention on a test.

    weights: one matrix [target pieces, source pieces + 1] per sentence. The last column is the end of the source, as in
    `Translation.weights`; the decoder reads it like any other state. The caller leaves out the row of the target's end,
    which only finished translations have: `translation.weights[: len(translation.pieces)]`. Rows are scaled to sum
    to 1, because the weights of a predictive window do not.

    With T target and S source pieces, i = 0 ... T - 1 and j = 0 ... S (the end is j = S), and a mean over i:
    entropy = -Σⱼ wᵢⱼ log wᵢⱼ; relative_entropy = entropy / log(S + 1); diagonal = Σⱼ wᵢⱼ |j/S - i/T|, as the diagonal
    runs from the first pieces to both ends. coverage is the share of j < S with Σᵢ wᵢⱼ ≥ 0.5; the end is not counted,
    because nothing has to be translated from it. All sentences have the same weight, long or short; those with a blank
    source or a blank translation are left out.

    Raises InputError when no sentence is left, ValueError for a row that sums to 0, or to more than 1.
    """
    matrices = [np.asarray(each, dtype=np.float64) for each in weights]
    numbers = [_sentence_numbers(matrix) for matrix in matrices if matrix.shape[0] > 0 and matrix.shape[1] > 1]
    if not numbers:
        raise InputError("no sentence has both a source and a translation: there is no attention to describe")
    entropy, relative_entropy, coverage, diagonal = map(float, np.mean(numbers, axis=0))
    return AttentionNumbers(entropy=entropy, relative_entropy=relative_entropy, coverage=coverage, diagonal=diagonal)


def _sentence_numbers(matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    sums = matrix.sum(axis=1, keepdims=True)
    if not ((sums > 0) & (sums < 1.001)).all():
        raise ValueError(
            f"rows of attention must sum to 1, or less in a window; found {sums.min():.4g} to {sums.max():.4g}"
        )
    matrix = matrix / sums
    target, source = matrix.shape[0], matrix.shape[1] - 1
    entropy = float(entr(matrix).sum(axis=1).mean())
    covered = matrix[:, :source].sum(axis=0) >= COVERAGE_THRESHOLD
    distance = np.abs(np.arange(source + 1) / source - np.arange(target)[:, None] / target)
    return entropy, entropy / np.log(source + 1), float(covered.mean()), float((matrix * distance).sum(axis=1).mean())
