"""Weights as text: drawings that line up in a terminal."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seq2seq.errors import InputError
from seq2seq.metrics.drawing import display_width, draw_weights

GERMAN = ["Das", "neugierige", "Mädchen", "hat", "ihn", "gesehen", "."]
ENGLISH = ["The", "curious", "girl", "saw", "him", "."]
WEIGHTS = [
    [0.76, 0.20, 0.04, 0.00, 0.00, 0.00, 0.00],
    [0.06, 0.74, 0.20, 0.00, 0.00, 0.00, 0.00],
    [0.02, 0.22, 0.76, 0.00, 0.00, 0.00, 0.00],
    [0.00, 0.00, 0.00, 0.26, 0.10, 0.60, 0.04],
    [0.00, 0.00, 0.00, 0.04, 0.75, 0.21, 0.00],
    [0.00, 0.00, 0.00, 0.00, 0.049, 0.05, 0.901],
]


def trimmed(drawing):
    return [line.rstrip() for line in drawing.split("\n")]


def test_drawing_snapshot():
    assert trimmed(draw_weights(WEIGHTS, GERMAN, ENGLISH)) == [
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


def test_ascii_drawing_snapshot():
    drawing = draw_weights(WEIGHTS[:4], GERMAN, ENGLISH[:4], width=40, ascii_only=True)
    assert trimmed(drawing) == [
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
    assert drawing.replace("Mädchen", "").isascii()


def test_long_source_continues_below_and_long_words_are_cut():
    source = ["Donaudampfschifffahrt", "fährt", "weit", "nach", "Osten", "hinaus", "heute", "noch", "."]
    weights = np.eye(9)[[0, 8]]
    assert trimmed(draw_weights(weights, source, ["Unquestionably", "."], width=24)) == [
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
    drawing = draw_weights([[0.9, 0.1, 0.0], [0.1, 0.3, 0.6]], ["我们", "看书", "。"], ["我們看", "。"], width=24)
    assert trimmed(drawing)[:5] == [
        "        我们",
        "        │ 看书",
        "        │ │ 。",
        "我們看 [█]░ ·",
        "    。  ░ ▒[▓]",
    ]


def test_long_chinese_words_are_cut_by_width():
    # A quarter of 27 columns is 6: three characters, or two and the ellipsis; half a character is never shown.
    drawing = draw_weights([[1.0, 0.0]], ["阿富汗", "阿什拉夫"], ["援助协调机构"], width=27)
    assert trimmed(drawing)[:3] == ["       阿富汗", "       │ 阿什…", "援助… [█]·"]


def test_signs_that_move_the_cursor_are_replaced():
    drawing = draw_weights([[1.0, 0.0]], ["a\tb\nc", "d\u202ee\u200df"], ["\x1b[31m\u2028"], width=30)
    assert trimmed(drawing)[:3] == ["        a�b�c", "        │ def", "�[31m� [█]·"]
    assert "\u2028" not in drawing


def test_drawing_of_nothing():
    assert draw_weights([], [], []) == ""
    assert draw_weights([], ["a"], []) == ""
    assert draw_weights([[]], [], ["a"]) == ""


def test_drawing_refuses():
    with pytest.raises(ValueError, match=r"shape \(6, 7\); \(target, source\) = \(7, 6\) was expected"):
        draw_weights(WEIGHTS, ENGLISH, GERMAN)
    with pytest.raises(InputError, match="23 columns wide is too narrow: at least 24"):
        draw_weights(WEIGHTS, GERMAN, ENGLISH, width=23)


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
def test_every_line_has_the_same_width_within_the_limit(drawing):
    source, target, width, ascii_only, seed = drawing
    weights = np.random.default_rng(seed).dirichlet(np.full(len(source), 0.3), len(target))
    lines = draw_weights(weights, source, target, width=width, ascii_only=ascii_only).split("\n")
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
def test_every_word_stands_over_its_cells(drawing):
    source, target, width, _, seed = drawing
    weights = np.random.default_rng(seed).dirichlet(np.full(len(source), 0.3), len(target))
    lines = [on_screen(line) for line in draw_weights(weights, source, target, width=width).split("\n")]
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
