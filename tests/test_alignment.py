"""Alignments: links from weights, Pharaoh lines, the error rate by hand, and grids that line up in a terminal."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seq2seq.errors import InputError
from seq2seq.evaluation.alignment import (
    NO_WORD,
    alignment_error_rate,
    display_width,
    format_pharaoh,
    links_from_weights,
    parse_pharaoh,
    text_grid,
    word_weights,
)

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
        with pytest.raises(ValueError, match=rf"shift = {shift}: 0 .* or 1"):
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


# --- text grid -----------------------------------------------------------------------------------------------------

GERMAN = ["Das", "neugierige", "Mädchen", "hat", "ihn", "gesehen", "."]
ENGLISH = ["The", "curious", "girl", "saw", "him", "."]
GRID_WEIGHTS = [
    [0.76, 0.20, 0.04, 0.00, 0.00, 0.00, 0.00],
    [0.06, 0.74, 0.20, 0.00, 0.00, 0.00, 0.00],
    [0.02, 0.22, 0.76, 0.00, 0.00, 0.00, 0.00],
    [0.00, 0.00, 0.00, 0.26, 0.10, 0.60, 0.04],
    [0.00, 0.00, 0.00, 0.04, 0.75, 0.21, 0.00],
    [0.00, 0.00, 0.00, 0.00, 0.049, 0.05, 0.901],
]


def trimmed(grid):
    return [line.rstrip() for line in grid.split("\n")]


def test_grid_snapshot():
    assert trimmed(text_grid(GRID_WEIGHTS, GERMAN, ENGLISH)) == [
        "         Das",
        "         │ neugierige",
        "         │ │ Mädchen",
        "         │ │ │ hat",
        "         │ │ │ │ ihn",
        "         │ │ │ │ │ gesehen",
        "         │ │ │ │ │ │ .",
        "    The [█]░ · · · · ·",
        "curious  ░[▓]░ · · · ·",
        "   girl  · ░[█]· · · ·",
        "    saw  · · · ▒ ░[▓]·",
        "    him  · · · ·[█]░ ·",
        "      .  · · · · · ░[█]",
        "",
        "         attention from: ░ 5%  ▒ 25%  ▓ 50%  █ 75%  [ ] most of a row",
    ]


def test_ascii_grid_snapshot():
    grid = text_grid(GRID_WEIGHTS[:4], GERMAN, ENGLISH[:4], width=40, ascii_only=True)
    assert trimmed(grid) == [
        "         Das",
        "         | neugierige",
        "         | | Mädchen",
        "         | | | hat",
        "         | | | | ihn",
        "         | | | | | gesehen",
        "         | | | | | | .",
        "    The [@]: . . . . .",
        "curious  :[#]: . . . .",
        "   girl  . :[@]. . . .",
        "    saw  . . . + :[#].",
        "",
        "attention from: : 5%  + 25%  # 50%",
        "@ 75%  [ ] most of a row",
    ]
    assert grid.replace("Mädchen", "").isascii()


def test_long_source_continues_below_and_long_words_are_cut():
    source = ["Donaudampfschifffahrt", "fährt", "weit", "nach", "Osten", "hinaus", "heute", "noch", "."]
    weights = np.eye(9)[[0, 8]]
    assert trimmed(text_grid(weights, source, ["Unquestionably", "."], width=24)) == [
        "        Donau…",
        "        │ fährt",
        "        │ │ weit",
        "        │ │ │ nach",
        "        │ │ │ │ Osten",
        "        │ │ │ │ │ hinaus",
        "Unque… [█]· · · · ·",
        "     .  · · · · · ·",
        "",
        "        heute",
        "        │ noch",
        "        │ │ .",
        "Unque…  · · ·",
        "     .  · ·[█]",
        "",
        "attention from: ░ 5%",
        "▒ 25%  ▓ 50%  █ 75%",
        "[ ] most of a row",
    ]


def test_chinese_snapshot():
    grid = text_grid([[0.9, 0.1, 0.0], [0.1, 0.3, 0.6]], ["我们", "看书", "。"], ["我們看", "。"], width=24)
    assert trimmed(grid)[:5] == [
        "        我们",
        "        │ 看书",
        "        │ │ 。",
        "我們看 [█]░ ·",
        "    。  ░ ▒[▓]",
    ]


def test_long_chinese_words_are_cut_by_width():
    # A quarter of 27 columns is 6: three characters, or two and the ellipsis; half a character is never shown.
    grid = text_grid([[1.0, 0.0]], ["阿富汗", "阿什拉夫"], ["援助协调机构"], width=27)
    assert trimmed(grid)[:3] == ["       阿富汗", "       │ 阿什…", "援助… [█]·"]


def test_signs_that_move_the_cursor_are_replaced():
    grid = text_grid([[1.0, 0.0]], ["a\tb\nc", "d\u202ee\u200df"], ["\x1b[31m\u2028"], width=30)
    assert trimmed(grid)[:3] == ["        a�b�c", "        │ def", "�[31m� [█]·"]
    assert "\u2028" not in grid


def test_grid_of_nothing():
    assert text_grid([], [], []) == ""
    assert text_grid([], ["a"], []) == ""
    assert text_grid([[]], [], ["a"]) == ""


def test_grid_refuses():
    with pytest.raises(ValueError, match=r"shape \(6, 7\); \(target, source\) = \(7, 6\) was expected"):
        text_grid(GRID_WEIGHTS, ENGLISH, GERMAN)
    with pytest.raises(InputError, match="23 columns wide is too narrow: at least 24"):
        text_grid(GRID_WEIGHTS, GERMAN, ENGLISH, width=23)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("Mädchen", 7),
        ("a\u0308", 1),
        ("科学家", 6),
        ("ｱ", 1),
        ("Ａ", 2),
        ("한", 2),
        ("\u1112\u1161\u11ab", 2),
    ],
)
def test_display_width(text, width):
    assert display_width(text) == width


SPACED = "abzÄß.,'科学家你。！Ａ한だ"
WORDS = st.builds("".join, st.tuples(st.sampled_from(SPACED), st.text(SPACED + "\u0301\u0308", max_size=16)))
GRIDS = st.tuples(
    st.lists(WORDS, min_size=1, max_size=29),
    st.lists(WORDS | st.sampled_from(["", "\u0301"]), min_size=1, max_size=5),
    st.integers(24, 101),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)


@given(GRIDS)
@example((["科学家"] * 11, ["a"], 25, False, 1))  # wide labels that would just not fit
@example((["a"] * 11, ["a"], 24, False, 1))  # an odd column left over, too little for a cell and its bracket
@settings(deadline=None)
def test_every_line_has_the_same_width_within_the_limit(grid):
    source, target, width, ascii_only, seed = grid
    weights = np.random.default_rng(seed).dirichlet(np.full(len(source), 0.3), len(target))
    lines = text_grid(weights, source, target, width=width, ascii_only=ascii_only).split("\n")
    assert len({cell_len(line) for line in lines}) == 1  # measured by another library's table
    assert cell_len(lines[0]) <= width


def on_screen(line):
    """The character that begins at each display column; "" in the second half of a wide one."""
    columns = []
    for character in line:
        columns += [character, ""][: cell_len(character)]
    return columns


@given(GRIDS)
@settings(deadline=None)
def test_every_word_stands_over_its_cells(grid):
    source, target, width, _, seed = grid
    weights = np.random.default_rng(seed).dirichlet(np.full(len(source), 0.3), len(target))
    lines = [on_screen(line) for line in text_grid(weights, source, target, width=width).split("\n")]
    start = lines[0].index(next(sign for sign in lines[0] if sign not in (" ", "")))
    column, marks = 0, [0] * len(target)
    while column < len(source):
        steps = next(n for n, line in enumerate(lines) if line[start - 1] == "[" or line[start] in "·░▒▓█")
        for step in range(steps):
            assert lines[step][start : start + 2 * step : 2] == ["│"] * step
            assert lines[step][start + 2 * step] == source[column + step][0]
        for row in range(len(target)):
            for step in range(steps):
                line, share = lines[steps + row], weights[row, column + step]
                assert line[start + 2 * step] == "·░▒▓█"[sum(share >= level for level in (0.05, 0.25, 0.5, 0.75))]
                best = share == weights[row].max()
                assert (line[start + 2 * step - 1] == "[") == (line[start + 2 * step + 1] == "]") == best
                marks[row] += best
        column += steps
        lines = lines[steps + len(target) + 1 :]
    assert marks == [1] * len(target)
