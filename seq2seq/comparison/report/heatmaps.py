"""Attention as heat-maps: one hue that darkens evenly with the weight, words on both axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq.comparison.report.pictures import BLUE, GREY, WIDTH, Picture, shorten, style
from seq2seq.comparison.results import Example, Results
from seq2seq.metrics.drawing import display_width
from seq2seq.text.escaping import escape_line

_CELL = 0.17  # inches


def attention_maps(results: Results) -> list[Picture]:
    """Return one picture per example, with the heat-maps of all systems side by side."""
    found = []
    for number, example in enumerate(results.examples, start=1):
        title = f"Attention, example {number}"
        caption = (
            f"Sentence {example.number} of {example.test}: {' '.join(example.source)} Down: each system's own "
            "translation; across: the source; the darker, the more attention."
        )
        found.append(Picture(f"attention-{number}", title, caption, partial(attention_side_by_side, example)))
    return found


def attention_map(weights: ArrayLike, source: Sequence[str], target: Sequence[str], title: str = "") -> Figure:
    """Return a figure with one heat-map of weights [target words, source words], the words on the axes."""
    source, target = list(map(escape_line, source)), list(map(escape_line, target))
    across, up = _label_inches(target), _label_inches(source) + (0.3 if title else 0.0)
    width, height = max(1, len(source)) * _CELL, max(1, len(target)) * _CELL
    with style():
        figure = Figure(figsize=(across + width + 0.8, up + max(height, 1.0) + 0.1))
        ax = _add_axes(figure, across, up, width, height)
        _draw_map(ax, weights, source, target)
        ax.set_title(title)
        bar = _add_axes(figure, across + width + 0.12, up, 0.1, max(height, 1.0))
        colours = figure.colorbar(ax.images[0], cax=bar, ticks=[0, 0.25, 0.5, 0.75, 1])
        colours.set_label("attention weight")
    return figure


def attention_graph(weights: ArrayLike, source: Sequence[str], target: Sequence[str], mass: float) -> Figure:
    """Return a figure with lines from each target piece to the source pieces it looks at, and the heat-map beside it.

    A line is as wide as its weight. Of each target piece, the strongest lines are drawn that together have the share
    `mass` of its attention.
    """
    source, target = list(map(escape_line, source)), list(map(escape_line, target))
    matrix = np.asarray(weights, dtype=np.float64).reshape(len(target), len(source))
    across, up = _label_inches(target), _label_inches(source)
    width, height = max(1, len(source)) * _CELL, max(1, len(target)) * _CELL
    graph, tall = _label_inches(source) + 1.4 + across, max(len(source), len(target), 1) * _CELL
    with style():
        figure = Figure(figsize=(graph + 0.2 + across + width + 0.1, up + max(tall, height) + 0.1))
        ax = _add_axes(figure, 0.0, up, graph, tall)
        ax.set_axis_off()
        ax.set(xlim=(0, graph), ylim=(tall, 0))
        begin, end = _label_inches(source), graph - across
        places = [[(number + 0.5) * tall / max(1, count) for number in range(count)] for count in matrix.shape]
        for labels, lines, x, side in ((source, places[1], begin, "right"), (target, places[0], end, "left")):
            for label, y in zip(labels, lines, strict=True):
                ax.text(x, y, shorten(label), ha=side, va="center", fontsize=7)
        for row, column in strongest_edges(matrix, mass):
            ends = [begin + 0.05, end - 0.05], [places[1][column], places[0][row]]
            ax.plot(*ends, color=BLUE, linewidth=4 * matrix[row, column], alpha=0.75, solid_capstyle="butt")
        _draw_map(_add_axes(figure, graph + 0.2 + across, up, width, height), matrix, source, target)
    return figure


def strongest_edges(weights: ArrayLike, mass: float) -> list[tuple[int, int]]:
    """Return (row, column) of the fewest weights above 0 of each row that together have the share `mass` of it."""
    found = []
    for row, numbers in enumerate(np.asarray(weights, dtype=np.float64)):
        taken, total = 0.0, float(numbers.sum())
        for column in np.argsort(-numbers, kind="stable").tolist():
            if taken >= mass * total - 1e-9 or numbers[column] == 0:
                break
            found.append((row, column))
            taken += float(numbers[column])
    return found


def attention_side_by_side(example: Example) -> Figure:
    """Return a figure with the heat-maps of all systems for one source sentence, all cells of one size."""
    across = max(_label_inches(row.hypothesis) for row in example.rows) if example.rows else 1.0
    up, longest = _label_inches(example.source) + 0.35, max([1, *(len(row.hypothesis) for row in example.rows)])
    width, height = max(1, len(example.source)) * _CELL, longest * _CELL
    step = max(across + width + 0.15, 1.75)  # the width of a title
    columns = max(1, min(len(example.rows), int(WIDTH / step)))
    rows = max(1, ceil(len(example.rows) / columns))
    with style():
        figure = Figure(figsize=(columns * step, rows * (up + height + 0.1)))
        for place, row in enumerate(example.rows):
            down, right = divmod(place, columns)
            tall = max(1, len(row.hypothesis)) * _CELL
            ax = _add_axes(figure, right * step + across, down * (up + height + 0.1) + up, width, tall)
            _draw_map(ax, row.weights, example.source, row.hypothesis)
            ax.set_title("\n".join(wrap(row.system, 26)[:2]), fontsize=7)
    return figure


def _label_inches(words: Sequence[str]) -> float:
    """Return the inches that the longest of the words takes beside or over a heat-map."""
    return 0.1 + 0.061 * max((display_width(shorten(word)) for word in words), default=0)


def _add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at this distance from the figure's left and top edge; all arguments in inches."""
    whole, tall = figure.get_size_inches()
    return figure.add_axes((left / whole, 1 - (top + height) / tall, width / whole, height / tall))


def _draw_map(ax: Axes, weights: ArrayLike, source: Sequence[str], target: Sequence[str]) -> None:
    matrix = np.asarray(weights, dtype=np.float64).reshape(len(target), len(source))
    if not matrix.size:
        ax.set_axis_off()
        ax.text(0, 0, "no words", va="bottom")
        matrix = np.zeros((1, 1))
    ax.imshow(matrix, cmap="Blues", norm=Normalize(0, 1), interpolation="none", aspect="auto")
    ax.set_xticks(range(len(source)), [shorten(word) for word in source], rotation=90)
    ax.set_yticks(range(len(target)), [shorten(word) for word in target])
    ax.tick_params(length=0, pad=2, top=False, labeltop=True, labelbottom=False)
    ax.spines[:].set(visible=True, linewidth=0.4, color=GREY)
