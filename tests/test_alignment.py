"""Alignments: links from weights, Pharaoh lines, and the error rate, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.errors import InputError
from seq2seq.metrics.links import (
    NO_WORD,
    alignment_error_rate,
    alignment_intervals,
    links_from_threshold,
    merge_weights,
    strongest_links,
    word_weights,
)
from seq2seq.text.word_links import format_pharaoh, parse_pharaoh

LINKS = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=11)

# --- Pharaoh lines -------------------------------------------------------------------------------------------------


def test_parse_pharaoh():
    sure = {(0, 0), (2, 1), (11, 13)}
    assert parse_pharaoh("0-0 2-1 3p1  11-13\n", "gold:1") == (sure, {*sure, (3, 1)})
    assert parse_pharaoh("", "gold:2") == (set(), set())
    assert parse_pharaoh("4p5 4-5", "gold:3") == ({(4, 5)}, {(4, 5)})


@pytest.mark.parametrize("item", ["1", "1-", "-1", "1--2", "1-2-3", "a-b", "1:2", "1P2", "1-2/0.5", "１-2"])
def test_parse_pharaoh_refuses(item):
    with pytest.raises(InputError, match=rf"gold\.txt:17: '{item}' is no link; write i-j \(sure\) or ipj \(possible\)"):
        parse_pharaoh(f"0-0 {item} 1-1", "gold.txt:17")


def test_format_pharaoh_sorts_by_number():
    assert format_pharaoh([(10, 2), (2, 10), (2, 3), (10, 2)]) == "2-3 2-10 10-2"
    assert (
        format_pharaoh({(n, n % 7) for n in range(23, -1, -1)}) == " ".join(f"{n}-{n % 7}" for n in range(23)) + " 23-2"
    )
    assert format_pharaoh([]) == ""


@given(LINKS)
def test_pharaoh_round_trip(links):
    assert parse_pharaoh(format_pharaoh(links), "line") == (links, links)


# --- weights to links ----------------------------------------------------------------------------------------------

# Seven source pieces: words 0 0 1 2 2 2 and the end; five target pieces: words 0 1 1 2 and the end.
SOURCE_WORDS = [0, 0, 1, 2, 2, 2, NO_WORD]
TARGET_WORDS = [0, 1, 1, 2, NO_WORD]
WEIGHTS = [
    [0.05, 0.05, 0.35, 0.20, 0.15, 0.10, 0.10],  # the best piece is word 1's, the best word is 2, by its three pieces
    [0.30, 0.30, 0.10, 0.10, 0.05, 0.05, 0.10],  # word 0 here ...
    [0.00, 0.10, 0.70, 0.00, 0.10, 0.00, 0.10],  # ... but word 1 in the mean of the two
    [0.10, 0.05, 0.05, 0.00, 0.00, 0.00, 0.80],  # the end has most and is no word
    [0.00, 0.00, 0.00, 0.50, 0.20, 0.20, 0.10],
]


def test_word_weights_by_hand():
    expected = [[0.10, 0.35, 0.45], [0.35, 0.40, 0.15], [0.15, 0.05, 0.00]]
    assert word_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS) == pytest.approx(np.array(expected))


def links_from_weights(weights, source_words, target_words, shift=0):
    return strongest_links(word_weights(weights, source_words, target_words, shift=shift))


def test_links_by_hand():
    assert links_from_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS) == {(2, 0), (1, 1), (0, 2)}


def test_shifted_links_by_hand():
    expected = [[0.6, 0.1, 0.2], [0.125, 0.375, 0.05], [0.0, 0.0, 0.9]]
    assert word_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS, shift=1) == pytest.approx(np.array(expected))
    assert links_from_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS, shift=1) == {(0, 0), (1, 1), (2, 2)}


def test_shift_without_a_row_for_the_end():
    # Word 1 keeps the row of its first piece alone, and word 2 has none.
    weights, target_words = WEIGHTS[:3], [0, 1, 1]
    assert word_weights(weights, SOURCE_WORDS, target_words, shift=1)[1] == pytest.approx([0.1, 0.7, 0.1])
    assert links_from_weights(WEIGHTS[:4], SOURCE_WORDS, TARGET_WORDS[:4], shift=1) == {(0, 0), (1, 1)}


def test_the_first_of_equals_is_linked():
    assert links_from_weights([[0.2, 0.4, 0.4]], [0, 1, 2], [0]) == {(1, 0)}


def test_words_in_any_order():
    assert links_from_weights([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]], [1, 0, 1], [1, 0]) == {(1, 0), (1, 1)}


def test_no_words():
    assert links_from_weights([], [], []) == set()
    assert links_from_weights([[], []], [], [0, 1]) == set()
    assert links_from_weights([], [0, 1, 2], []) == set()
    assert links_from_weights([[1.0]], [NO_WORD], [0]) == set()
    assert links_from_weights([[1.0]], [0], [0], shift=1) == set()


def test_lengths_must_fit_the_weights():
    with pytest.raises(ValueError, match=r"shape \(5, 7\); \(target, source\) = \(5, 6\) was expected"):
        links_from_weights(WEIGHTS, SOURCE_WORDS[:6], TARGET_WORDS)
    with pytest.raises(ValueError, match=r"shape \(5, 7\); \(target, source\) = \(7, 5\) was expected"):
        links_from_weights(WEIGHTS, TARGET_WORDS, SOURCE_WORDS)
    for shift in (-1, 2):
        with pytest.raises(InputError, match=rf"shift = {shift}: 0 .* or 1"):
            links_from_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS, shift=shift)


def words_of(lengths):
    return [word for word, length in enumerate(lengths) for _ in range(length)]


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_merging_keeps_attention_whole(source_lengths, target_lengths, seed):
    source_words, target_words = words_of(source_lengths), words_of(target_lengths)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(source_words)), len(target_words))
    merged = word_weights(weights, source_words, target_words)
    assert merged.shape == (len(target_lengths), len(source_lengths))
    assert merged.sum(axis=1) == pytest.approx(1.0)
    links = links_from_weights(weights, source_words, target_words)
    assert sorted(target for _, target in links) == list(range(len(target_lengths)))


@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_whole_words_are_left_alone(size, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(size), 3)
    assert word_weights(weights, range(size), range(3)) == pytest.approx(weights)


def test_shared_pieces_by_hand():
    # Source piece 1 is half word 0's; target piece 0 is a quarter word 1's. The last column is the sentence's end.
    source = np.array([[1, 0.5, 0, 0], [0, 0.5, 1, 0]])
    target = np.array([[0.75, 0, 0], [0.25, 1, 0]])
    weights = [[0.4, 0.2, 0.3, 0.1], [0.1, 0.4, 0.3, 0.2], [0.0, 0.0, 0.1, 0.9]]
    first, second = np.array([0.5, 0.4]), np.array([0.3, 0.5])
    assert merge_weights(weights, source, target) == pytest.approx(np.array([first, (first / 4 + second) / 1.25]))
    end = np.array([0.0, 0.1])
    assert merge_weights(weights, source, target, shift=1) == pytest.approx(
        np.array([second, (second / 4 + end) / 1.25])
    )


def test_threshold_by_hand():
    merged = word_weights(WEIGHTS, SOURCE_WORDS, TARGET_WORDS)  # 0.10 0.35 0.45; 0.35 0.40 0.15; 0.15 0.05 0
    assert links_from_threshold(merged, 0.3) == {(1, 0), (2, 0), (0, 1), (1, 1)}
    assert links_from_threshold(merged, 0.42) == {(2, 0)}
    assert links_from_threshold(np.array([[0.25, 0.5]]), 0.5) == {(1, 0)}
    assert links_from_threshold(np.zeros((0, 3)), 0.5) == set()


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, math.nan, math.inf])
def test_threshold_out_of_range(threshold):
    with pytest.raises(InputError, match=rf"threshold = {threshold}: must be above 0 and at most 1"):
        links_from_threshold(np.ones((1, 1)), threshold)


# --- alignment error rate ------------------------------------------------------------------------------------------


def test_error_rate_by_hand():
    # Sentence 1: of 3 links 1 is sure, 2 are possible; 2 are sure in all. Sentence 2: both right, of 3 sure ones.
    sure = [{(0, 0), (1, 1)}, {(0, 0), (1, 2), (2, 1)}]
    possible = [{(0, 0), (1, 1), (2, 1), (2, 2)}, {(0, 0), (1, 2), (2, 1)}]
    hypothesis = [{(0, 0), (2, 1), (1, 2)}, {(0, 0), (1, 2)}]
    scores = alignment_error_rate(hypothesis=hypothesis, sure=sure, possible=possible)
    assert (scores.hypothesis_links, scores.sure_links, scores.possible_links) == (5, 5, 7)
    assert scores.precision == pytest.approx(4 / 5)
    assert scores.recall == pytest.approx(3 / 5)
    assert scores.aer == pytest.approx(1 - (3 + 4) / (5 + 5))
    assert scores.f1 == pytest.approx(2 * 0.8 * 0.6 / 1.4)
    first = alignment_error_rate(hypothesis=hypothesis[:1], sure=sure[:1], possible=possible[:1])
    assert (first.precision, first.recall, first.aer) == pytest.approx((2 / 3, 1 / 2, 1 - 3 / 5))


def test_error_rates_that_others_publish():
    """From NLTK's documentation: nltk.translate.metrics (3.9), and AlignedSent of nltk.align (3.0)."""
    true, found = {(0, 0), (1, 1), (2, 2)}, {(0, 0), (1, 2), (2, 1)}
    assert alignment_error_rate(hypothesis=[found], sure=[true], possible=[true]).aer == pytest.approx(
        0.6666666666666667
    )
    # klein ist das Haus: the house is small. One of four links differs.
    true, found = parse_pharaoh("0-2 1-3 2-1 3-0", "a")[0], parse_pharaoh("0-2 1-3 2-1 3-3", "b")[0]
    scores = alignment_error_rate(hypothesis=[found], sure=[true], possible=[true])
    assert (scores.precision, scores.recall, scores.aer) == (0.75, 0.75, 0.25)


def test_sure_links_are_possible_even_if_not_repeated():
    lone = alignment_error_rate(hypothesis=[{(0, 0), (1, 0)}], sure=[{(0, 0)}], possible=[{(1, 0)}])
    assert (lone.aer, lone.precision, lone.recall, lone.possible_links) == (0.0, 1.0, 1.0, 2)


def test_error_rate_from_pharaoh_lines():
    gold = [parse_pharaoh(line, "gold") for line in ("0-0 1p1 2-2", "0-1 1-0")]
    sure, possible = zip(*gold, strict=True)
    scores = alignment_error_rate(hypothesis=[{(0, 0), (1, 1)}, {(0, 1), (1, 0), (1, 1)}], sure=sure, possible=possible)
    assert scores.aer == pytest.approx(1 - (3 + 4) / (5 + 4))


def test_error_rate_of_nothing():
    silent = alignment_error_rate(hypothesis=[set()], sure=[{(0, 0)}], possible=[set()])
    assert (silent.aer, silent.precision, silent.recall, silent.f1) == (1.0, 1.0, 0.0, 0.0)
    unasked = alignment_error_rate(hypothesis=[{(0, 0)}], sure=[set()], possible=[set()])
    assert (unasked.aer, unasked.precision, unasked.recall, unasked.f1) == (1.0, 0.0, 1.0, 0.0)
    nothing = alignment_error_rate(hypothesis=[set()], sure=[set()], possible=[set()])
    assert (nothing.aer, nothing.precision, nothing.recall, nothing.f1) == (0.0, 1.0, 1.0, 1.0)
    wrong = alignment_error_rate(hypothesis=[{(0, 0)}], sure=[{(1, 1)}], possible=[set()])
    assert (wrong.aer, wrong.f1) == (1.0, 0.0)


def test_error_rate_refuses():
    with pytest.raises(InputError, match="differ in length: 2 hypothesis, 1 sure, 3 possible"):
        alignment_error_rate(hypothesis=[set()] * 2, sure=[set()], possible=[set()] * 3)
    with pytest.raises(InputError, match="differ in length: 1 hypothesis, 1 sure, 3 possible"):
        alignment_error_rate(hypothesis=[set()], sure=[set()], possible=[set()] * 3)
    with pytest.raises(InputError, match="no alignments: at least one sentence is needed"):
        alignment_error_rate(hypothesis=[], sure=[], possible=[])
    with pytest.raises(TypeError, match="positional"):
        alignment_error_rate([set()], [set()], [set()])


@given(st.lists(st.tuples(LINKS, LINKS), min_size=1, max_size=5))
def test_perfect_links_have_error_rate_0(gold):
    sure, extra = (list(side) for side in zip(*gold, strict=True))
    possible = [s | p for s, p in zip(sure, extra, strict=True)]
    for hypothesis in (sure, possible):
        scores = alignment_error_rate(hypothesis=hypothesis, sure=sure, possible=possible)
        assert (scores.aer, scores.precision, scores.recall, scores.f1) == (0.0, 1.0, 1.0, 1.0)


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=5))
def test_bounds_and_symmetry(rows):
    hypothesis, sure, possible = (list(side) for side in zip(*rows, strict=True))
    scores = alignment_error_rate(hypothesis=hypothesis, sure=sure, possible=possible)
    for value in (scores.aer, scores.precision, scores.recall, scores.f1):
        assert -1e-12 <= value <= 1
    # The sides may be swapped: turning every link around changes nothing.
    turned = [[{(t, s) for s, t in links} for links in side] for side in (hypothesis, sure, possible)]
    assert alignment_error_rate(hypothesis=turned[0], sure=turned[1], possible=turned[2]) == scores
    # Where all links are sure, AER is 1 - F1, and gold and hypothesis may change places.
    plain = alignment_error_rate(hypothesis=hypothesis, sure=sure, possible=sure)
    back = alignment_error_rate(hypothesis=sure, sure=hypothesis, possible=hypothesis)
    assert (plain.aer, plain.precision, plain.recall) == pytest.approx((back.aer, back.recall, back.precision))
    if plain.hypothesis_links and plain.sure_links:
        assert math.isclose(plain.aer, 1 - plain.f1, abs_tol=1e-12)


# --- confidence intervals ------------------------------------------------------------------------------------------

RIGHT, WRONG, GOLD = {(0, 0)}, {(0, 1)}, {(0, 0)}


def test_interval_is_the_middle_of_resampled_corpora():
    draw = np.random.default_rng(3)
    rows = [[{(int(a), int(b)) for a, b in draw.integers(0, 3, (size, 2))} for size in (4, 3, 2)] for _ in range(7)]
    names = ("hypothesis", "sure", "possible")
    found = alignment_intervals(**dict(zip(names, zip(*rows, strict=True), strict=True)), samples=40, seed=11)
    generator, scores = np.random.default_rng(11), []
    for _ in range(40):
        chosen = [rows[row] for row in generator.integers(7, size=7)]
        scores.append(alignment_error_rate(**dict(zip(names, zip(*chosen, strict=True), strict=True))))
    for name in ("aer", "precision", "recall", "f1"):
        expected = np.percentile([getattr(each, name) for each in scores], [2.5, 97.5])
        assert getattr(found, name) == pytest.approx(tuple(expected))
    assert (found.samples, found.seed) == (40, 11)


def test_interval_has_the_width_that_theory_says():
    # Of 400 sentences with a link each, 100 are wrong: the standard error of the rate is sqrt(p (1 - p) / n) = 0.0217.
    found = [WRONG] * 100 + [RIGHT] * 300
    low, high = alignment_intervals(hypothesis=found, sure=[GOLD] * 400, possible=[GOLD] * 400).aer
    assert (low, high) == pytest.approx((0.25 - 1.96 * 0.0217, 0.25 + 1.96 * 0.0217), abs=0.006)


def test_interval_is_a_point_where_all_sentences_are_alike():
    found = alignment_intervals(hypothesis=[{(0, 0), (1, 2)}] * 9, sure=[{(0, 0), (1, 1)}] * 9, possible=[set()] * 9)
    assert (found.aer, found.precision, found.recall, found.f1) == ((0.5, 0.5),) * 4


def test_intervals_are_seeded_and_meet_the_same_corpora():
    found = [WRONG] * 30 + [RIGHT] * 60
    gold = {"sure": [GOLD] * 90, "possible": [GOLD] * 90}
    one = alignment_intervals(hypothesis=found, **gold)
    assert one == alignment_intervals(hypothesis=found, **gold)
    assert one.aer != alignment_intervals(hypothesis=found, **gold, seed=1).aer
    mirrored = alignment_intervals(hypothesis=[WRONG if each == RIGHT else RIGHT for each in found], **gold)
    assert mirrored.aer == pytest.approx((1 - one.aer[1], 1 - one.aer[0]))


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=5))
@settings(deadline=None)
def test_intervals_are_ordered_shares(rows):
    hypothesis, sure, possible = (list(side) for side in zip(*rows, strict=True))
    found = alignment_intervals(hypothesis=hypothesis, sure=sure, possible=possible, samples=20)
    for low, high in (found.aer, found.precision, found.recall, found.f1):
        assert -1e-12 <= low <= high <= 1 + 1e-12


def test_intervals_refuse_as_the_rate_does():
    with pytest.raises(InputError, match="no alignments: at least one sentence is needed"):
        alignment_intervals(hypothesis=[], sure=[], possible=[])
