"""The pictures of a comparison, each a matplotlib figure made from `Results` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seq2seq.comparison.report.curves import learning_curves, length_curves, noise_curves
from seq2seq.comparison.report.heatmaps import attention_maps
from seq2seq.comparison.report.pictures import BLUE, GREY, INK, ORANGE, RED, WIDTH, Picture, shorten, style
from seq2seq.comparison.results import Results, RunResult, SeedStatistics, System


def pictures(results: Results) -> Iterator[Picture]:
    """Yield all pictures of a report in its order, without those of what was not measured."""
    yield from quality(results)
    yield from learning_curves(results)
    yield from length_curves(results, "bleu")
    yield from length_curves(results, "exact")
    yield from noise_curves(results)
    yield from alignment_errors(results)
    yield from attention_maps(results)


def quality(results: Results) -> list[Picture]:
    """Return the picture of every system's BLEU: the seeds, their mean and standard deviation, one panel per test."""
    tests = [test for test in results.tests if any(test in system.summary for system in results.systems)]

    def draw(ax: Axes, row: int, system: System, test: str) -> None:
        colour = ORANGE if system.name == results.baseline else BLUE
        marker = "s" if system.name == results.baseline else "D"
        seeds = [run.tests[test].bleu.value for run in system.runs if test in run.tests]
        _draw_seeds(ax, row, seeds, system.summary[test].bleu if test in system.summary else None, colour, marker)
        if system.name == results.baseline and seeds:
            ax.axvline(float(np.mean(seeds)), color=ORANGE, linestyle="--", linewidth=0.8, zorder=0)

    handles = [
        Line2D([], [], color=BLUE, marker="D", markersize=4, linewidth=1.2, label="mean ± standard deviation"),
        Line2D(
            [],
            [],
            color=ORANGE,
            marker="s",
            markersize=4,
            linestyle="--",
            label=f"baseline: {shorten(results.baseline, 50)}",
        ),
        Line2D([], [], color=INK, marker="o", markersize=3.2, markerfacecolor="none", linestyle="", label="one seed"),
    ]
    caption = (
        "Small circles: seeds; filled: their mean, with one standard deviation to either side. Dashed: the mean of "
        f"{results.baseline}, the baseline."
    )
    figure = partial(_figure_by_system, results, tests, "BLEU (0 to 100)", draw, handles)
    return [Picture("quality", "BLEU", caption, figure)] if tests else []


def alignment_errors(results: Results) -> list[Picture]:
    """Return the picture of the attention's alignment error rate, one panel per test with gold links.

    It compares the weights of the step that predicts a piece with those of the next step (shifted).
    """
    tests = [
        test
        for test in results.tests
        if any(system.summary[test].aer for system in results.systems if test in system.summary)
    ]
    looks = {"step": (BLUE, "o"), "shifted": (RED, "D")}

    def draw(ax: Axes, row: int, system: System, test: str) -> None:
        aer = system.summary[test].aer if test in system.summary else {}
        for place, (side, (colour, marker)) in enumerate(looks.items()):
            seeds = [
                100 * run.tests[test].alignment[side].aer.value
                for run in system.runs
                if _has_alignment(run, test, side)
            ]
            statistics = aer.get(side)
            scaled = statistics and statistics.model_copy(
                update={"mean": 100 * statistics.mean, "deviation": statistics.deviation and 100 * statistics.deviation}
            )
            _draw_seeds(ax, row + 0.12 * (2 * place - 1), seeds, scaled, colour, marker)
        if not aer:
            ax.text(
                0.02,
                row,
                "not measured",
                transform=ax.get_yaxis_transform(),
                va="center",
                in_layout=False,
                fontsize=6.5,
                color=INK,
            )

    handles = [
        Line2D([], [], color=looks["step"][0], marker="o", markersize=4, label="step that predicts the piece"),
        Line2D([], [], color=looks["shifted"][0], marker="D", markersize=4, label="step after it (shifted)"),
    ]
    caption = (
        "Alignment error rate of forced attention against gold links; lower is better. Small circles: seeds; filled: "
        "their mean, with one standard deviation."
    )
    figure = partial(_figure_by_system, results, tests, "alignment error rate (%)", draw, handles)
    return [Picture("alignment", "Alignment error rate", caption, figure)] if tests else []


def _has_alignment(run: RunResult, test: str, side: str) -> bool:
    return test in run.tests and side in run.tests[test].alignment


def _figure_by_system(
    results: Results,
    tests: Sequence[str],
    label: str,
    draw: Callable[[Axes, int, System, str], None],
    handles: Sequence[Line2D],
) -> Figure:
    """Return a figure with a panel per test, three beside each other, and in each a row per system."""
    columns = max(1, min(3, len(tests)))
    rows = max(1, ceil(len(tests) / columns))
    names = ["\n".join(wrap(shorten(system.name, 44), 22)) for system in results.systems]
    tall = 0.2 + 0.11 * max(name.count("\n") for name in names)
    with style():
        below = 0.4 if columns > 1 else 0.25 * len(handles) + 0.2  # for the legend
        size = (WIDTH if columns > 1 else 4.5, rows * (tall * len(names) + 0.95) + below)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for place, ax in enumerate(axes.ravel()):
            if place >= len(tests):
                ax.set_axis_off()
                continue
            for row, system in enumerate(results.systems):
                draw(ax, row, system, tests[place])
            ax.set_yticks(range(len(names)), names)
            ax.set_ylim(len(names) - 0.5, -0.5)
            ax.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.4, clip_on=False)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.set(xlabel=label, title=shorten(tests[place]))
        figure.legend(handles=list(handles), loc="outside lower center", ncols=len(handles) if columns > 1 else 1)
    return figure


def _draw_seeds(
    ax: Axes, row: float, seeds: Sequence[float], own: SeedStatistics | None, colour: str, marker: str
) -> None:
    if seeds:
        circle: dict[str, Any] = {"markersize": 3.2, "markerfacecolor": "none", "markeredgewidth": 0.6, "color": INK}
        ax.plot(seeds, [row] * len(seeds), "o", clip_on=False, **circle)
    if own is not None:
        reach = own.deviation or 0.0
        ax.plot([own.mean - reach, own.mean + reach], [row, row], color=colour, linewidth=1.4, clip_on=False)
        ax.plot([own.mean], [row], marker=marker, markersize=4, color=colour, clip_on=False)
