"""Attention in numbers: matrices that a person can do by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.comparison.attention_numbers import attention_numbers
from seq2seq.comparison.results import AttentionNumbers
from seq2seq.errors import InputError


def numbers(*weights) -> tuple[float, float, float, float]:
    found = attention_numbers(weights)
    assert isinstance(found, AttentionNumbers)
    return found.entropy, found.relative_entropy, found.coverage, found.diagonal


def test_uniform():
    """Two target pieces, three of the source and its end: log 4 nats, two quarters on each, distances 0 to 1."""
    first = (0 + 1 / 3 + 2 / 3 + 1) / 4
    second = (1 / 2 + 1 / 6 + 1 / 6 + 1 / 2) / 4
    assert numbers(np.full((2, 4), 0.25)) == pytest.approx((math.log(4), 1, 1, (first + second) / 2))
    assert numbers(np.full((1, 4), 0.25))[2] == 0  # a quarter each is not half


def test_diagonal():
    assert numbers(np.eye(5)[:4]) == (0, 0, 1, 0)
    assert numbers(np.eye(5)[3::-1]) == pytest.approx((0, 0, 1, (3 + 1 + 1 + 3) / 16))


def test_diagonal_of_unequal_lengths():
    """Four steps over two pieces: at 0, 1/4, 1/2 and 3/4 of the way they look at 0, 0, 1/2 and 1/2."""
    assert numbers([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]) == (0, 0, 1, 1 / 8)


def test_all_on_one_piece():
    assert numbers([[1, 0, 0], [1, 0, 0]]) == (0, 0, 1 / 2, (0 + 1 / 2) / 2)


def test_the_sources_end_is_read_but_need_not_be_covered():
    assert numbers([[0, 0, 1], [0, 0, 1]]) == (0, 0, 0, (1 + 1 / 2) / 2)
    half = math.log(2)
    assert numbers([[0.5, 0, 0.5]]) == pytest.approx((half, half / math.log(3), 1 / 2, 1 / 2))


def test_single_source_piece():
    assert numbers([[1.0, 0.0]]) == (0, 0, 1, 0)
    assert numbers([[0.5, 0.5]]) == pytest.approx((math.log(2), 1, 1, 1 / 2))
    assert numbers([[0.0, 1.0]]) == (0, 0, 0, 1)


def test_every_sentence_counts_the_same():
    short, long = np.full((1, 2), 0.5), np.eye(8)[:7]
    assert numbers(short, long) == pytest.approx(
        [(a + b) / 2 for a, b in zip(numbers(short), numbers(long), strict=True)]
    )


def test_blank_sentences_do_not_count():
    """What a blank source, and an empty translation of a real one, leave when the row of the end is cut off."""
    real = [[0.5, 0.25, 0.25]]
    assert numbers(real, np.ones((1, 1))[:0], np.full((1, 5), 0.2)[:0], np.ones((1, 1))) == numbers(real)
    with pytest.raises(InputError, match="no sentence has both a source and a translation"):
        attention_numbers([np.ones((1, 1))[:0]])
    with pytest.raises(InputError, match="no sentence has both"):
        attention_numbers([])


def test_rows_of_a_window_are_scaled():
    """A predictive window lets through less than the whole attention."""
    weights = np.random.default_rng(7).dirichlet(np.ones(5), size=6)
    assert numbers(weights * [[0.9], [0.2], [0.5], [1], [0.4], [0.7]]) == pytest.approx(numbers(weights))


@pytest.mark.parametrize("row", [[0.0, 0.0], [0.7, 0.4], [float("nan"), 1.0]])
def test_rows_that_are_no_attention_are_refused(row):
    with pytest.raises(ValueError, match="rows of attention must sum to 1, or less in a window; found"):
        attention_numbers([[[0.5, 0.5], row]])


def test_takes_the_translators_single_precision():
    weights = np.random.default_rng(3).dirichlet(np.ones(12), size=7)
    assert numbers(weights.astype(np.float32)) == pytest.approx(numbers(weights), rel=1e-5)


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 1000))
def test_numbers_stay_in_their_ranges(target, source, seed):
    weights = np.random.default_rng(seed).dirichlet(np.full(source + 1, 0.3), size=target)
    entropy, relative, coverage, diagonal = numbers(weights)
    assert 0 <= entropy <= math.log(source + 1) + 1e-9
    assert relative == pytest.approx(entropy / math.log(source + 1))
    assert 0 <= coverage <= 1
    assert 0 <= diagonal <= 1
