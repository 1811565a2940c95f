"""Drawing of attention weights as text, for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq.errors import InputError
from seq2seq.metrics.links import weight_matrix

# Weight from which a cell gets the next darker shade.
_LEVELS = (0.05, 0.25, 0.5, 0.75)
_NARROWEST = 24


def draw_weights(
    weights: ArrayLike,
    source: Sequence[str],
    target: Sequence[str],
    *,
    width: int = 80,
    ascii_only: bool = False,
) -> str:
    """Draw weights [target, source] for a terminal: a row per target word, a column per source word, darker for more.

    Source words stand over their columns like a staircase, brackets mark the largest weight of each row, and a legend
    ends the drawing. Columns line up with wide (Chinese) characters and combining marks as well. All lines are padded
    to the same display width, at most `width` columns; longer source sentences continue in further panels below, longer
    words are cut. ascii_only draws with ASCII characters but leaves the words as they are. The result is "" if a side
    has no words.

    Raises ValueError where weights do not fit the words, InputError for a width below 24.
    """
    if width < _NARROWEST:
        raise InputError(f"a drawing {width} columns wide is too narrow: at least {_NARROWEST} are needed")
    matrix = weight_matrix(weights, len(target), len(source))
    if not source or not target:
        return ""
    style = _ASCII if ascii_only else _BLOCKS
    # A quarter for the longest label leaves 20 columns and their labels within 80.
    row_labels = [_cut(word, width // 4, style) for word in target]
    column_labels = [_cut(word, width // 4, style) for word in source]
    margin = max(map(display_width, row_labels))
    lines: list[str] = []
    for columns in _panels(column_labels, width - margin - 2):
        lines += _staircase([column_labels[column] for column in columns], margin, style)
        lines += [_row(label, row, columns, margin, style) for label, row in zip(row_labels, matrix, strict=True)]
        lines.append("")
    lines += _legend(margin, width, style)
    widest = max(map(display_width, lines))
    return "\n".join(line + " " * (widest - display_width(line)) for line in lines)


def display_width(text: str) -> int:
    """Return the columns that a text takes in a terminal: 2 per wide character, 0 per combining one, else 1."""
    return sum(_character_width(character) for character in text)


@dataclass(frozen=True, slots=True)
class _Style:
    """The characters of a drawing; shades go from light to dark and are one more than the levels."""

    shades: str
    wire: str
    cut: str


_BLOCKS = _Style(shades="·░▒▓█", wire="│", cut="…")
_ASCII = _Style(shades=".:+#@", wire="|", cut="~")


def _panels(labels: Sequence[str], width: int) -> Iterator[list[int]]:
    """Yield runs of columns whose cells and labels fit into `width`, at least one column each.

    A cell and its gap take two columns of the terminal.
    """
    panel: list[int] = []
    for column, label in enumerate(labels):
        if 2 * len(panel) + max(2, display_width(label)) > width:
            yield panel
            panel = []
        panel.append(column)
    yield panel


def _staircase(labels: Sequence[str], margin: int, style: _Style) -> list[str]:
    return [" " * (margin + 2) + f"{style.wire} " * step + label for step, label in enumerate(labels)]


def _row(label: str, row: NDArray[np.float64], columns: Sequence[int], margin: int, style: _Style) -> str:
    """Return the line of one target word: its label, then the cells with gaps around them that may hold a bracket."""
    best = int(row.argmax())
    cells = [" "]
    for column in columns:
        shade = style.shades[int(np.searchsorted(_LEVELS, row[column], side="right"))]
        cells += [shade, " "]
        if column == best:
            cells[-3:] = ["[", shade, "]"]
    return " " * (margin - display_width(label)) + label + " " + "".join(cells)


def _legend(margin: int, width: int, style: _Style) -> list[str]:
    """Return the legend in lines that fit, indented to the cells as far as there is space."""
    shares = [f"{shade} {level:.0%}" for shade, level in zip(style.shades[1:], _LEVELS, strict=True)]
    items = [f"attention from: {shares[0]}", *shares[1:], "[ ] most of a row"]
    indent = " " * min(margin + 2, max(0, width - display_width("  ".join(items))))
    lines = [indent + items[0]]
    for item in items[1:]:
        if display_width(f"{lines[-1]}  {item}") <= width:
            lines[-1] += f"  {item}"
        else:
            lines.append(indent + item)
    return lines


def _character_width(character: str) -> int:
    # The vowels and finals of decomposed Hangul are drawn into the syllable's first character.
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(word: str, width: int, style: _Style) -> str:
    """Return the word without what would move a cursor, and with an ellipsis in place of what does not fit."""
    clean = "".join("\N{REPLACEMENT CHARACTER}" if _moves_cursor(c) else c for c in word if _visible(c))
    if display_width(clean) <= width:
        return clean
    taken = ""
    for character in clean:
        if display_width(taken + character) > width - 1:
            break
        taken += character
    return taken + style.cut


def _visible(character: str) -> bool:
    """Return whether a character is not a format character.

    Those join emoji or change the writing direction, and terminals differ over their width.
    """
    return unicodedata.category(character) != "Cf"


def _moves_cursor(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
