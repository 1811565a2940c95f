"""Line charts of a comparison: learning curves, quality by source length, quality under noise.

Up to six systems share a panel and differ in colour, marker and line style. With more, every system has a small panel
of its own, which also shows the range of all systems and the line of the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, isfinite, nan
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from seq2seq.comparison.report.pictures import BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, WIDTH, Picture, shorten, style
from seq2seq.comparison.results import CurvePoint, Results, SeedStatistics, System

SHARED_PANEL_LIMIT = 6
"""Most systems in one panel; with more, the lines could not be followed."""

_COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
# Points of a line in a shared panel and in a small one; more cannot be seen and make files large.
_POINTS, _FEW_POINTS = 40, 16


@dataclass(frozen=True, slots=True)
class Line:
    """The line of one system in one panel: x, and y with the ends of its interval."""

    system: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same axes. ticks: names of the positions 0, 1, ... on x; empty for numbers on x."""

    name: str
    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    ticks: list[str] = field(default_factory=list)
    logarithmic: bool = False


def learning_curves(results: Results) -> list[Picture]:
    """Return the charts of perplexity and BLEU on the validation text by training step, with the range of the seeds."""
    panels = []
    for name, label in (("perplexity", "perplexity per target piece"), ("bleu", "BLEU (0 to 100)")):
        points = _POINTS if len(results.systems) <= SHARED_PANEL_LIMIT else _FEW_POINTS
        lines = [_learning_line(system, name, points) for system in results.systems]
        if any(line.x for line in lines):
            panels.append(Panel(name, name.replace("bleu", "BLEU"), "training steps", label, lines, [], name != "bleu"))
    caption = (
        "Validation text during training. Line: mean over the seeds; band: from the lowest seed to the highest. A line "
        "ends where the first of its seeds does."
    )
    return _pictures(results, "learning", "Learning curves", caption, panels)


def length_curves(results: Results, metric: str) -> list[Picture]:
    """Return the chart of BLEU ("bleu") or exact matches in % ("exact") by source length, one panel per test."""
    label, factor = {"bleu": ("BLEU (0 to 100)", 1.0), "exact": ("exact matches (%)", 100.0)}[metric]
    panels = []
    for test in results.tests:
        runs = [run.tests[test] for system in results.systems for run in system.runs if test in run.tests]
        if runs and runs[0].buckets:
            ticks = [_range_label(bucket.shortest, bucket.longest) for bucket in runs[0].buckets]
            lines = [_length_line(system, test, metric, factor) for system in results.systems]
            panels.append(Panel(test, test, "source length (words)", label, lines, ticks))
    title = {"bleu": "BLEU by source length", "exact": "Exact matches by source length"}[metric]
    caption = "Mean over the seeds; bars: 95 % bootstrap interval over sentences, the mean of the seeds' intervals."
    return _pictures(results, f"length-{metric}", title, caption, panels)


def noise_curves(results: Results) -> list[Picture]:
    """Return the chart of BLEU by the share of changed source words, one panel per kind of noise."""
    panels = []
    for kind in dict.fromkeys(kind for system in results.systems for kind in system.noise):
        lines = []
        for system in results.systems:
            points = system.noise.get(kind, [])
            statistics = [each for _, each in points]
            lines.append(_band_line(system.name, [100 * rate for rate, _ in points], statistics))
        panels.append(Panel(kind, kind, "changed source words (%)", "BLEU (0 to 100)", lines))
    caption = "Line: mean over the seeds; band: one standard deviation to either side."
    return _pictures(results, "noise", "BLEU under noise", caption, panels)


def _learning_line(system: System, metric: str, points: int) -> Line:
    curves = [
        {point.step: value for point in run.curve if isfinite(value := _metric_of(point, metric))}
        for run in system.runs
    ]
    shared = sorted(set.intersection(*map(set, curves))) if curves else []
    steps = (
        [shared[int(place)] for place in np.unique(np.linspace(0, len(shared) - 1, points).round())] if shared else []
    )
    values = np.array([[curve[step] for step in steps] for curve in curves]).reshape(len(curves), len(steps))
    if not steps:
        return Line(system.name, [], [], [], [])
    return Line(system.name, steps, values.mean(0).tolist(), values.min(0).tolist(), values.max(0).tolist())


def _metric_of(point: CurvePoint, metric: str) -> float:
    value: float | None = getattr(point, metric)
    return nan if value is None else value


def _length_line(system: System, test: str, metric: str, factor: float) -> Line:
    found = [run.tests[test].buckets for run in system.runs if test in run.tests]
    intervals = [[getattr(bucket, metric) for bucket in buckets] for buckets in found]
    if not intervals:
        return Line(system.name, [], [], [], [])
    y, low, high = (
        [factor * float(np.mean([getattr(one, part) for one in place])) for place in zip(*intervals, strict=True)]
        for part in ("value", "low", "high")
    )
    return Line(system.name, list(range(len(y))), y, low, high)


def _band_line(name: str, x: Sequence[float], statistics: Sequence[SeedStatistics]) -> Line:
    means = [each.mean for each in statistics]
    deviations = [each.deviation or 0.0 for each in statistics]
    pairs = list(zip(means, deviations, strict=True))
    return Line(name, x, means, [max(0.0, mean - sd) for mean, sd in pairs], [mean + sd for mean, sd in pairs])


def _range_label(shortest: int, longest: int) -> str:
    return str(shortest) if shortest == longest else f"{shortest}–{longest}"


def _pictures(results: Results, name: str, title: str, caption: str, panels: Sequence[Panel]) -> list[Picture]:
    """Return one picture with all panels if the systems can share them, else one picture of small panels for each."""
    if not panels:
        return []
    if len(results.systems) <= SHARED_PANEL_LIMIT:
        return [Picture(name, title, caption, partial(_shared_panels, results, panels))]
    caption += " Grey: the range of all systems."
    names = [_file_name(panel.name) for panel in panels]
    if len(set(names)) < len(names):
        names = [str(number) for number in range(1, len(names) + 1)]
    return [
        Picture(f"{name}-{part}", f"{title}: {panel.title}", caption, partial(_small_multiples, results, panel))
        for part, panel in zip(names, panels, strict=True)
    ]


def _shared_panels(results: Results, panels: Sequence[Panel]) -> Figure:
    columns = min(3, len(panels))
    rows = ceil(len(panels) / columns)
    with style():
        figure = Figure(
            figsize=(max(3.8, WIDTH * columns / 3 if columns > 1 else 0), 2.1 * rows + 0.6), layout="constrained"
        )
        if columns == 2:
            figure.set_figwidth(WIDTH)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, ax in zip(panels, axes, strict=False):
            for number, line in enumerate(panel.lines):
                shift = 0.11 * (number - (len(panel.lines) - 1) / 2) if panel.ticks else 0.0
                _draw_line(ax, line, number, panel, shift)
            _format_axes(ax, panel)
            ax.set_title(shorten(panel.title))
        for ax in axes[len(panels) :]:
            ax.remove()
        handles = [
            Line2D([], [], **_line_style(number), label=shorten(system.name, 70))
            for number, system in enumerate(results.systems)
        ]
        widest = max(min(70, len(system.name)) for system in results.systems)
        across = max(1, min(len(handles), int(figure.get_figwidth() * 13 / (widest + 8))))
        figure.legend(handles=handles, loc="outside lower center", ncols=across, handlelength=3.2)
    return figure


def _draw_line(ax: Axes, line: Line, number: int, panel: Panel, shift: float = 0.0) -> None:
    """Draw a line and its interval, as bars if x has names, else as a band.

    Nothing is clipped, because all of it lies within the panel.
    """
    if not line.x:
        return
    colour, x = _COLOURS[number], np.asarray(line.x) + shift
    if panel.ticks:
        ax.vlines(x, line.low, line.high, color=colour, linewidth=0.9, clip_on=False)
    else:
        _draw_band(ax, x, line.low, line.high, colour, 0.18)
    ax.plot(x, line.y, **_line_style(number), markevery=max(1, ceil(len(x) / 8)), clip_on=False)


def _line_style(number: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[number],
        "marker": _MARKERS[number],
        "linestyle": _DASHES[number],
        "markersize": 3.2,
        "linewidth": 1.2,
    }


def _draw_band(ax: Axes, x: ArrayLike, low: Sequence[float], high: Sequence[float], colour: str, alpha: float) -> None:
    across = np.concatenate([np.asarray(x), np.asarray(x)[::-1]])
    ax.fill(across, [*low, *reversed(high)], color=colour, alpha=alpha, linewidth=0, clip_on=False)


def _small_multiples(results: Results, panel: Panel) -> Figure:
    """Return a figure with a small panel for every system."""
    columns = 4
    rows = ceil(len(panel.lines) / columns)
    baseline = next((line for line in panel.lines if line.system == results.baseline), None)
    with style():
        tall = 1.2 * rows + 0.85
        figure = Figure(figsize=(WIDTH, tall))
        # In inches, because an automatic layout takes seconds for 24 panels.
        edges = {"left": 0.55 / WIDTH, "right": 1 - 0.12 / WIDTH, "top": 1 - 0.55 / tall, "bottom": 0.6 / tall}
        room = {"wspace": 0.1, "hspace": 0.5}
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True, gridspec_kw=edges | room)
        envelope = _envelope(panel.lines)
        for line, ax in zip(panel.lines, axes.ravel(), strict=False):
            _draw_band(ax, *envelope, GREY, 0.25)
            if baseline is not None and baseline.x and baseline is not line:
                ax.plot(baseline.x, baseline.y, color=ORANGE, linestyle="--", linewidth=1, clip_on=False)
            _draw_line(ax, line, 0, panel)
            _format_axes(ax, panel)
            ax.set(xlabel="", ylabel="")
            ax.set_title("\n".join(wrap(line.system, 26)[:2]), fontsize=7)
        _label_the_edges(axes, len(panel.lines))
        figure.supxlabel(panel.x_label, fontsize=8, y=0.08 / tall, va="bottom")
        figure.supylabel(panel.y_label, fontsize=8, x=0.05 / WIDTH, ha="left")
        handles: list[Line2D | Patch] = [Line2D([], [], **_line_style(0), label="the system")]
        if baseline is not None:
            handles.append(
                Line2D(
                    [], [], color=ORANGE, linestyle="--", linewidth=1, label=f"baseline: {shorten(baseline.system, 50)}"
                )
            )
        handles.append(Patch(color=GREY, alpha=0.25, linewidth=0, label="all systems"))
        figure.legend(handles=handles, loc="upper center", ncols=3, handlelength=3)
    return figure


def _label_the_edges(axes: NDArray[np.object_], count: int) -> None:
    """Label the last panel of each column and the first of each row; hide the panels without a system."""
    columns = axes.shape[1]
    for place, ax in enumerate(axes.ravel()):
        if place >= count:
            ax.set_axis_off()
        lowest, first = count - columns <= place < count, place % columns == 0
        ax.tick_params("x", labelbottom=lowest, length=2.5 if lowest else 0)
        ax.tick_params("y", length=2.5 if first else 0)


def _envelope(lines: Sequence[Line]) -> tuple[list[float], list[float], list[float]]:
    """Return every x with the lowest and the highest mean of a system there."""
    found: dict[float, list[float]] = {}
    for line in lines:
        for x, y in zip(line.x, line.y, strict=True):
            found.setdefault(x, []).append(y)
    xs = sorted(found)
    return xs, [min(found[x]) for x in xs], [max(found[x]) for x in xs]


def _format_axes(ax: Axes, panel: Panel) -> None:
    ax.set(xlabel=panel.x_label, ylabel=panel.y_label)
    ax.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.4, clip_on=False)
    if panel.ticks:
        crowded = len(panel.ticks) > 6 or max(map(len, panel.ticks)) > 5
        ax.set_xticks(
            range(len(panel.ticks)), panel.ticks, rotation=45 if crowded else 0, ha="right" if crowded else "center"
        )
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.10g}"))
    ends = [end for line in panel.lines for end in (*line.low, *line.high)]
    if panel.logarithmic and max(ends) > 3 * min(ends) > 0:
        ax.set_yscale("log")
        ax.set_yticks(_log_ticks(min(ends), max(ends)))
        ax.set_yticks([], minor=True)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.10g}"))
    else:
        ax.set_ylim(bottom=max(0.0, ax.get_ylim()[0]))
        ax.yaxis.set_major_locator(MaxNLocator(5))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return at most six round numbers between two ends that are a factor of 3 or more apart."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 1.2, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**power for power in powers for step in steps if low * 0.95 <= step * 10.0**power <= high * 1.05
        ]
        if len(ticks) <= 6:
            return ticks
    return ticks[:: ceil(len(ticks) / 6)]


def _file_name(name: str) -> str:
    """Return a user's name as part of a file name: ASCII letters, digits, - and _, at most 60 characters."""
    return "".join(each if (each.isascii() and each.isalnum()) or each in "-_" else "-" for each in name)[:60]
