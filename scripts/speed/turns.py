"""Interleaved measurements: every system once, then every system again, so that a noisy machine affects all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from seq2seq.comparison.pace import relative_spread

T = TypeVar("T")
Show = Callable[[str, str], None]  # the name of a measurement and its result


def run_in_turns(
    jobs: Mapping[str, tuple[Any, ...]], function: Callable[..., T], repeats: int, show: Callable[[str, T], None]
) -> dict[str, list[T]]:
    """Call a function, which starts its own processes, with each job's arguments in turn; return results by name."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, arguments in jobs.items():
            found[name].append(function(*arguments))
            show(name, found[name][-1])
    return found


def summary(values: list[float], digits: int) -> dict[str, Any]:
    """Return the median, the spread (largest - smallest) / median, and all values in the order of measurement."""
    middle = statistics.median(values)
    return {
        "median": round(middle, digits),
        "spread": round(relative_spread(values), 4),
        "values": [round(value, digits) for value in values],
    }
