"""Drawing of attention as HTML, for notebooks: one inline SVG, without script, style sheet or network.

Text and cells take the colour of the page's text, so that the drawing is read on a light page and on a dark one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

from numpy.typing import ArrayLike

from seq2seq.metrics.drawing import display_width
from seq2seq.metrics.links import weight_matrix

_CELL = 18  # pixels
_LETTER = 7  # pixels of a column of a terminal, in the font below
_LONGEST = 24  # columns of a label
_MOST = 200  # pieces of a side; more would be slow to draw, and nobody reads them
_LEAST = 0.005  # a weight below it cannot be seen
_FONT = 'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="12"'


def attention_html(
    title: str,
    weights: ArrayLike,
    source: Sequence[str],
    target: Sequence[str],
    probabilities: Sequence[float] | None = None,
    marked: Sequence[bool] | None = None,
) -> str:
    """Return HTML that draws weights [target, source]: a row for each target piece, darker for more attention.

    probabilities: of each target piece, written beside it. marked: rows that get a frame. All text is escaped, and what
    is longer than 200 pieces is cut; a note says so.
    """
    matrix = weight_matrix(weights, len(target), len(source))
    rows, columns = list(target[:_MOST]), list(source[:_MOST])
    above = 10 + _LETTER * max(map(_width, columns), default=0)
    left = 10 + _LETTER * max(map(_width, rows), default=0)
    width, height = left + _CELL * len(columns) + 60 + above, above + _CELL * len(rows) + 6
    parts = [f'<svg width="{width}" height="{height}" role="img" fill="currentColor" {_FONT}>']
    parts.append(f"<title>{_clean('Attention: ' + title)}</title>")
    for column, label in enumerate(columns):
        place = f"{left + _CELL * column + 13} {above - 6}"
        parts.append(f'<text transform="translate({place}) rotate(-60)">{_label(label)}</text>')
    for row, label in enumerate(rows):
        top = above + _CELL * row
        parts.append(f'<text x="{left - 6}" y="{top + 13}" text-anchor="end">{_label(label)}</text>')
        for column, source_label in enumerate(columns):
            weight = float(matrix[row, column])
            if weight >= _LEAST:
                where = f'x="{left + _CELL * column + 1}" y="{top + 1}" width="{_CELL - 2}" height="{_CELL - 2}"'
                told = f"{_clean(label)} ← {_clean(source_label)}: {weight:.2f}"
                parts.append(f'<rect {where} fill-opacity="{min(1.0, weight):.2f}"><title>{told}</title></rect>')
        if marked is not None and marked[row]:
            frame = f'x="{left}" y="{top}" width="{_CELL * len(columns)}" height="{_CELL}"'
            parts.append(f'<rect {frame} fill="none" stroke="#d55e00" stroke-width="1.5"/>')
        if probabilities is not None:
            end = left + _CELL * len(columns) + 6
            parts.append(f'<text x="{end}" y="{top + 13}" fill-opacity="0.7">{probabilities[row]:.2f}</text>')
    frame = f'x="{left}" y="{above}" width="{_CELL * len(columns)}" height="{_CELL * len(rows)}"'
    parts.append(f'<rect {frame} fill="none" stroke="currentColor" stroke-opacity="0.3"/></svg>')
    cut = max(len(target), len(source)) > _MOST
    note = f"<div>Only the first {_MOST} pieces of a side are drawn.</div>" if cut else ""
    return f'<div style="overflow-x:auto"><div dir="auto">{_clean(title)}</div>{"".join(parts)}{note}</div>'


def _width(label: str) -> int:
    return min(_LONGEST, display_width(label))


def _label(label: str) -> str:
    return _clean(label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…")


def _clean(text: str) -> str:
    """Return text for HTML: no character in it is markup, ends an attribute, or has an effect instead of a shape."""
    shown = (c if unicodedata.category(c) not in ("Cc", "Cs") else "\N{REPLACEMENT CHARACTER}" for c in text)
    return escape("".join(shown), quote=True)
