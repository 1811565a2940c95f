"""Measurements in turns: every system once, then every system again, so that a noisy machine harms all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from seq2seq.comparison.pace import spread

T = TypeVar("T")
Show = Callable[[str, str], None]  # a measurement's name, and what it gave


def in_turns(
    jobs: Mapping[str, tuple[Any, ...]], function: Callable[..., T], repeats: int, show: Callable[[str, T], None]
) -> dict[str, list[T]]:
    """What the function, which starts processes of its own, answers for each job's arguments, turn after turn."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, arguments in jobs.items():
            found[name].append(function(*arguments))
            show(name, found[name][-1])
    return found


def summary(values: list[float], digits: int) -> dict[str, Any]:
    """The median, the spread (largest - smallest) / median, and all values in the order measured."""
    middle = statistics.median(values)
    return {
        "median": round(middle, digits),
        "spread": round(spread(values), 4),
        "values": [round(value, digits) for value in values],
    }
