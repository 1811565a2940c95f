"""Word alignments: links from attention weights or Pharaoh lines, their error rate, and weights drawn as text.

A link is (source word, target word), both counted from 0. Nothing here knows a tokenizer: who calls says which piece
belongs to which word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq.errors import InputError

Link = tuple[int, int]

NO_WORD = -1
"""Word index of a piece that belongs to no word, such as the end of the sentence."""

_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")

# Weight from which a cell gets the next darker shade.
_LEVELS = (0.05, 0.25, 0.5, 0.75)
_NARROWEST = 24


@dataclass(frozen=True, slots=True)
class AlignmentScores:
    """Agreement with a human's links over a whole corpus, as shares of 1, and the numbers of links behind it."""

    aer: float
    precision: float
    recall: float
    f1: float
    hypothesis_links: int
    sure_links: int
    possible_links: int


def parse_pharaoh(line: str, where: str) -> tuple[set[Link], set[Link]]:
    """Read one line of links into (sure, possible): `i-j` is sure, `ipj` possible only; i source, j target, from 0.

    The possible set holds the sure links too, as Och & Ney (2003) define it. A blank line has no links. `where`
    (file:line) opens the InputError for anything else.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for item in line.split():
        match = _LINK.fullmatch(item)
        if match is None:
            raise InputError(f"{where}: {item!r} is no link; write i-j (sure) or ipj (possible), both numbers from 0")
        link = (int(match[1]), int(match[3]))
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return sure, possible


def format_pharaoh(links: Iterable[Link]) -> str:
    """Write links as a Pharaoh line, `0-0 1-2`, each once, sorted by source word, then target word."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))


def word_weights(
    weights: ArrayLike, source_words: Sequence[int], target_words: Sequence[int], *, shift: int = 0
) -> NDArray[np.float64]:
    """Merge weights [target pieces, source pieces] into [target words, source words].

    source_words and target_words give the word of each column and each row, NO_WORD for one to leave out (the end of
    the sentence). A word pair gets the sum over the source word's pieces, as their shares of the attention add up, and
    the mean over the target word's pieces, as each of these had a whole attention to spend.

    shift tells which decoder step speaks for a target piece: 0 the step that predicts it, 1 the next one, which reads
    it as input and may look at its source only then (Shift-Att of Chen et al. 2020, "Accurate Word Alignment Induction
    from Neural Machine Translation"). Which is better depends on the wiring: the query of `bahdanau` is one step older
    than that of `luong`. With shift 1 the row of the sentence's end serves the last piece; a piece with no row after it
    is left out of its word's mean. A word left without any row gets zeros.

    Raises ValueError where the lengths do not fit the weights.
    """
    if shift not in (0, 1):
        raise ValueError(f"shift = {shift}: 0 (the step that predicts the piece) or 1 (the step that reads it)")
    matrix = _matrix(weights, len(target_words), len(source_words))
    target = _membership(target_words)[:, : len(target_words) - shift]
    rows = np.maximum(target.sum(axis=1, keepdims=True), 1.0)
    merged: NDArray[np.float64] = target @ matrix[shift:] @ _membership(source_words).T / rows
    return merged


def links_from_weights(
    weights: ArrayLike, source_words: Sequence[int], target_words: Sequence[int], *, shift: int = 0
) -> set[Link]:
    """Link every target word to the source word that got most of its attention; the first one where several did.

    Arguments as in `word_weights`. A target word without attention on any word gets no link.
    """
    merged = word_weights(weights, source_words, target_words, shift=shift)
    return {(int(row.argmax()), target) for target, row in enumerate(merged) if row.any()}


def alignment_error_rate(
    *, hypothesis: Iterable[set[Link]], sure: Iterable[set[Link]], possible: Iterable[set[Link]]
) -> AlignmentScores:
    """Score the links of a corpus, one set a sentence, against sure and possible ones (Och & Ney 2003, section 5).

    With hypothesis A, sure S and possible P (S counts into P): precision = |A∩P| / |A|, recall = |A∩S| / |S|,
    AER = 1 - (|A∩S| + |A∩P|) / (|A| + |S|), all counts summed over the corpus first. f1 is the harmonic mean of
    precision and recall. Precision is 1 where A is empty, recall where S is: nothing wrong there, nothing missed.
    Raises InputError when the numbers of sentences differ or are 0.
    """
    hypotheses, sures, possibles = list(hypothesis), list(sure), list(possible)
    if not len(hypotheses) == len(sures) == len(possibles):
        counts = f"{len(hypotheses)} hypothesis, {len(sures)} sure, {len(possibles)} possible"
        raise InputError(f"alignments differ in length: {counts}; one set of links per sentence is needed")
    if not hypotheses:
        raise InputError("no alignments: at least one sentence is needed")
    links = wanted = allowed = hits_sure = hits_possible = 0
    for a, s, p in zip(hypotheses, sures, possibles, strict=True):
        links, wanted, allowed = links + len(a), wanted + len(s), allowed + len(p | s)
        hits_sure, hits_possible = hits_sure + len(a & s), hits_possible + len(a & (p | s))
    precision = hits_possible / links if links else 1.0
    recall = hits_sure / wanted if wanted else 1.0
    aer = 1 - (hits_sure + hits_possible) / (links + wanted) if links + wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return AlignmentScores(aer, precision, recall, f1, links, wanted, allowed)


def text_grid(
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
    words are cut. ascii_only draws with ASCII characters; the words stay what they are. "" if a side has no words.

    Raises ValueError where weights do not fit the words, InputError for a width below 24.
    """
    if width < _NARROWEST:
        raise InputError(f"a grid {width} columns wide is too narrow: at least {_NARROWEST} are needed")
    matrix = _matrix(weights, len(target), len(source))
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
    """Columns that a text takes in a terminal: 2 for wide and full-width characters, 0 for combining ones, else 1."""
    return sum(_character_width(character) for character in text)


@dataclass(frozen=True, slots=True)
class _Style:
    """What a grid is drawn with; shades go from light to dark, one more than there are levels."""

    shades: str
    wire: str
    cut: str


_BLOCKS = _Style(shades="·░▒▓█", wire="│", cut="…")
_ASCII = _Style(shades=".:+#@", wire="|", cut="~")


def _matrix(weights: ArrayLike, rows: int, columns: int) -> NDArray[np.float64]:
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.size == rows * columns == 0:  # [] stands for no rows, however many columns
        return np.zeros((rows, columns))
    if matrix.shape != (rows, columns):
        raise ValueError(f"weights have the shape {matrix.shape}; (target, source) = ({rows}, {columns}) was expected")
    return matrix


def _membership(words: Sequence[int]) -> NDArray[np.float64]:
    """[words, pieces]: 1 where the piece belongs to the word."""
    count = max(words, default=NO_WORD) + 1
    members: NDArray[np.bool_] = np.arange(count)[:, None] == np.asarray(words, dtype=np.int64)
    return members.astype(np.float64)


def _panels(labels: Sequence[str], room: int) -> Iterator[list[int]]:
    """Runs of columns whose cells and labels fit into `room`, which takes one at least; a cell and its gap take two."""
    panel: list[int] = []
    for column, label in enumerate(labels):
        if 2 * len(panel) + max(2, display_width(label)) > room:
            yield panel
            panel = []
        panel.append(column)
    yield panel


def _staircase(labels: Sequence[str], margin: int, style: _Style) -> list[str]:
    return [" " * (margin + 2) + f"{style.wire} " * step + label for step, label in enumerate(labels)]


def _row(label: str, row: NDArray[np.float64], columns: Sequence[int], margin: int, style: _Style) -> str:
    """One target word: its label and, behind a gap that may hold a bracket, the cells with such gaps between them."""
    best = int(row.argmax())
    cells = [" "]
    for column in columns:
        shade = style.shades[int(np.searchsorted(_LEVELS, row[column], side="right"))]
        cells += [shade, " "]
        if column == best:
            cells[-3:] = ["[", shade, "]"]
    return " " * (margin - display_width(label)) + label + " " + "".join(cells)


def _legend(margin: int, width: int, style: _Style) -> list[str]:
    """What the signs mean, broken into lines that fit, and set under the cells where there is room."""
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


def _cut(word: str, room: int, style: _Style) -> str:
    """The word without what would move a cursor, and with an ellipsis in place of what does not fit."""
    clean = "".join("\N{REPLACEMENT CHARACTER}" if _moves_cursor(c) else c for c in word if _visible(c))
    if display_width(clean) <= room:
        return clean
    taken = ""
    for character in clean:
        if display_width(taken + character) > room - 1:
            break
        taken += character
    return taken + style.cut


def _visible(character: str) -> bool:
    """Format characters go: they join emoji or turn the writing direction, and terminals differ over the width."""
    return unicodedata.category(character) != "Cf"


def _moves_cursor(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
