"""Speed and memory of systems, measured in interleaved repeats so that a noisy machine affects all alike.

Each measurement runs in a process of its own, so that the peak of memory is the system's. The speed of a matmul,
measured at the same time, tells what the machine could do then.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seq2seq.comparison.pace import call_in_process, matmul_rate, measure_training, relative_spread
from seq2seq.comparison.results import Cost, Machine
from seq2seq.comparison.runs import Task
from seq2seq.comparison.texts import load_tests


def measure_costs(
    tasks: Sequence[Task], report_progress: Callable[[int, int], None], should_stop: Callable[[], bool]
) -> tuple[dict[str, Cost], Machine]:
    """Measure one finished run of each system; return the costs by system and the machine with its median matmul.

    report_progress: called with the number of finished measurements and of all. should_stop: called before each
    measurement; True ends the work early. Raises Seq2SeqError if a measurement fails.
    """
    repeats, found = tasks[0].grid.cost.repeats, dict[str, list[dict[str, Any]]]()
    for turn in range(repeats):
        for place, task in enumerate(tasks):
            if should_stop():
                break
            found.setdefault(task.system, []).append(call_in_process(f"cost of {task.name}", _measure_run, task))
            report_progress(turn * len(tasks) + place + 1, repeats * len(tasks))
    costs = {system: _cost(turns) for system, turns in found.items()}
    return costs, _machine([turn for turns in found.values() for turn in turns])


def describe_machine() -> Machine:
    """Measure a matmul and return the description of this machine."""
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
        training_spread=relative_spread(training),
        translation_spread=relative_spread(translation),
    )


def _measure_run(task: Task) -> dict[str, Any]:
    """Measure a run's training and translation: training first, so that the peak of memory is that of training."""
    import torch

    pace = measure_training(task.config, task.run, seconds=task.grid.cost.seconds)
    return {
        "training": pace.tokens,
        "peak": pace.peak,
        "translation": _translation_speed(task),
        "matmul": pace.matmul,
        "threads": torch.get_num_threads(),
    }


def _translation_speed(task: Task) -> float:
    """Return sentences per second on the first sentences of the first test, with the comparison's own search."""
    from seq2seq.checkpoint.model import load_model
    from seq2seq.translation.translator import Translator

    translator = Translator([load_model(task.run)])
    test = next(iter(load_tests(task.grid, Path(task.config.data.root)).values()))
    lines = test.source[: task.grid.cost.sentences]
    began = time.perf_counter()
    translator.translate(lines, beam_size=task.grid.search.beam_size, tag=test.tag)
    return len(lines) / (time.perf_counter() - began)
