"""The tree of a beam search: each hypothesis to the right of the one that it continues, the way to the best in blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from seq2seq.comparison.report.pictures import BLUE, GREEN, GREY, INK, shorten, style
from seq2seq.metrics.drawing import display_width
from seq2seq.text.escaping import escape_line

_LINE = 0.16  # inches from one leaf to the next
_LETTER = 0.055  # inches of a column of a terminal
_COLOURS = {"open": INK, "winner": BLUE, "finished": GREEN, "kept": INK, "pruned": GREY}


class Node(Protocol):
    """A hypothesis: the number of the one that it continues (None: the root), its step, last piece, score and state."""

    @property
    def id(self) -> int: ...
    @property
    def parent(self) -> int | None: ...
    @property
    def step(self) -> int: ...
    @property
    def piece(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def state(self) -> str: ...


def beam_tree(nodes: Sequence[Node]) -> Figure:
    """Return a figure of a tree whose nodes are numbered from 0, each after its parent; scores stand beside leaves."""
    height = _heights(nodes)
    labels = [escape_line(shorten(node.piece)) for node in nodes]
    steps = 2 + max(node.step for node in nodes)
    widths = [0.25 + _LETTER * _widest(nodes, labels, step) for step in range(-1, steps - 1)]
    left = [sum(widths[:step]) for step in range(steps + 1)]
    inner = {node.parent for node in nodes}
    with style():
        figure = Figure(figsize=(left[-1] + 0.6, 0.45 + _LINE * (1 + max(height))))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        ax.set(xlim=(-0.1, left[-1] + 0.5), ylim=(1 + max(height), -1.8))
        lines, colours, thick = [], [], []
        for node, label in zip(nodes, labels, strict=True):
            x, y, colour = left[node.step + 1], height[node.id], _COLOURS[node.state]
            if node.parent is not None:
                end = left[node.step + 1] - 0.03
                start = left[node.step] + 0.05 + _LETTER * display_width(labels[node.parent])
                lines.append([(start, height[node.parent]), (end, y)])
                colours.append(colour)
                thick.append(1.4 if node.state == "winner" else 0.5)
            bold = "bold" if node.state == "winner" else "normal"
            ax.text(x, y, label, color=colour, fontsize=7, va="center", fontweight=bold)
            if node.id not in inner:
                place = x + 0.06 + _LETTER * display_width(label)
                ax.text(place, y, f"{node.score:.2f}", color=GREY, fontsize=5.5, va="center")
        ax.add_collection(LineCollection(lines, colors=colours, linewidths=thick))
        place = 0.0
        for name in ("winner", "finished", "kept", "pruned"):
            ax.text(place, -1.2, name, color=_COLOURS[name], fontsize=7, va="center")
            place += 0.2 + _LETTER * len(name)
    return figure


def _widest(nodes: Sequence[Node], labels: Sequence[str], step: int) -> int:
    """Return the columns of the widest label of a step, with the score beside it."""
    return 6 + max(display_width(label) for node, label in zip(nodes, labels, strict=True) if node.step == step)


def _heights(nodes: Sequence[Node]) -> list[float]:
    """Return the line of each node: leaves one below the other, a parent in the middle of its children."""
    children: list[list[int]] = [[] for _ in nodes]
    for node in nodes:
        if node.parent is not None:
            children[node.parent].append(node.id)
    heights, leaves, waiting = [0.0] * len(nodes), 0, [0]
    while waiting:
        number = waiting.pop()
        if not children[number]:
            heights[number] = float(leaves)
            leaves += 1
        waiting.extend(reversed(children[number]))
    for node in reversed(nodes):
        if own := children[node.id]:
            heights[node.id] = (heights[own[0]] + heights[own[-1]]) / 2
    return heights
