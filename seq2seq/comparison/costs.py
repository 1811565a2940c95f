"""What systems cost: speed and memory, measured in turns so that a noisy machine harms all alike.

Each measurement is a process of its own, whose peak of memory is the system's; a matmul beside it says what the machine
gave at that moment.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seq2seq.comparison.pace import apart, matmul_rate, spread, training_pace
from seq2seq.comparison.results import Cost, Machine
from seq2seq.comparison.runs import Task
from seq2seq.comparison.texts import load_tests


def measure_costs(
    tasks: Sequence[Task], tell: Callable[[int, int], None], stopped: Callable[[], bool]
) -> tuple[dict[str, Cost], Machine]:
    """Costs by system, from finished runs, one a system, and the machine at its median over all turns.

    Raises Seq2SeqError where a measurement fails.
    """
    repeats, found = tasks[0].grid.cost.repeats, dict[str, list[dict[str, Any]]]()
    for turn in range(repeats):
        for place, task in enumerate(tasks):
            if stopped():
                break
            found.setdefault(task.system, []).append(apart(f"cost of {task.name}", _measure, task))
            tell(turn * len(tasks) + place + 1, repeats * len(tasks))
    costs = {system: _cost(turns) for system, turns in found.items()}
    return costs, _machine([turn for turns in found.values() for turn in turns])


def describe_machine() -> Machine:
    """The machine as it is now."""
    import torch

    return _machine([{"matmul": matmul_rate(), "threads": torch.get_num_threads()}])


def _machine(turns: Sequence[dict[str, Any]]) -> Machine:
    import torch

    return Machine(
        processor=platform.machine(),
        cores=os.cpu_count() or 1,
        threads=max(turn["threads"] for turn in turns),
        matmul_gflops=round(statistics.median(turn["matmul"] for turn in turns) / 1e9, 1),
        torch=torch.__version__.partition("+")[0],
        python=platform.python_version(),
    )


def _cost(turns: Sequence[dict[str, Any]]) -> Cost:
    training, translation = ([turn[key] for turn in turns] for key in ("training", "translation"))
    return Cost(
        training_tokens=statistics.median(training),
        training_peak=max(turn["peak"] for turn in turns),
        translation_sentences=statistics.median(translation),
        training_spread=spread(training),
        translation_spread=spread(translation),
    )


def _measure(task: Task) -> dict[str, Any]:
    """Training first, for then the peak of memory is its own."""
    import torch

    pace = training_pace(task.config, task.run, seconds=task.grid.cost.seconds)
    return {
        "training": pace.tokens,
        "peak": pace.peak,
        "translation": _translate(task),
        "matmul": pace.matmul,
        "threads": torch.get_num_threads(),
    }


def _translate(task: Task) -> float:
    """Sentences per second of the comparison's own search on the first test's first sentences."""
    from seq2seq.checkpoint.model import load_model
    from seq2seq.translation.translator import Translator

    translator = Translator([load_model(task.run)])
    test = next(iter(load_tests(task.grid, Path(task.config.data.root)).values()))
    lines = test.source[: task.grid.cost.sentences]
    began = time.perf_counter()
    translator.translate(lines, beam_size=task.grid.search.beam_size)
    return len(lines) / (time.perf_counter() - began)
