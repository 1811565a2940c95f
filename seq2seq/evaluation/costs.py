"""What systems cost: speed and memory, measured in turns so that a noisy machine harms all alike.

Each measurement is a process of its own, whose peak of memory is the system's; a matmul beside it says what the machine
gave at that moment.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from seq2seq.errors import Seq2SeqError
from seq2seq.evaluation.measuring import load_tests
from seq2seq.evaluation.results import Cost, Machine
from seq2seq.evaluation.runs import Task

_WARM_UP = 2  # steps before the clock starts
_MATMUL = 2048  # rows and columns


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
            found.setdefault(task.system, []).append(_apart(task))
            tell(turn * len(tasks) + place + 1, repeats * len(tasks))
    costs = {system: _cost(turns) for system, turns in found.items()}
    return costs, _machine([turn for turns in found.values() for turn in turns])


def describe_machine() -> Machine:
    """The machine as it is now."""
    import torch

    return _machine([{"matmul": matmul_rate(), "threads": torch.get_num_threads()}])


def matmul_rate() -> float:
    """FLOP/s of a float32 matmul of 2048 x 2048 matrices: the best of five."""
    import torch

    left, right = torch.ones(_MATMUL, _MATMUL), torch.ones(_MATMUL, _MATMUL)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - began)
    return 2 * _MATMUL**3 / min(seconds)


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
        training_spread=_spread(training),
        translation_spread=_spread(translation),
    )


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / statistics.median(values)


def _apart(task: Task) -> dict[str, Any]:
    """One measurement in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(task, there), name=f"cost of {task.name}")
    process.start()
    there.close()
    try:
        found: dict[str, Any] = here.recv()
    except EOFError:
        process.join()
        raise Seq2SeqError(f"{task.name}: measuring its cost ended with code {process.exitcode}") from None
    process.join()
    return found


def _measure(task: Task, answer: Connection) -> None:
    import torch

    if task.config.training.threads:
        torch.set_num_threads(task.config.training.threads)
    training, peak = _train(task)
    answer.send(
        {
            "training": training,
            "peak": peak,
            "translation": _translate(task),
            "matmul": matmul_rate(),
            "threads": torch.get_num_threads(),
        }
    )


def _train(task: Task) -> tuple[float, int]:
    """Real target tokens per second of whole steps, a run's first, and the peak of memory in bytes."""
    import torch

    from seq2seq.checkpoint import load_model
    from seq2seq.training.allocator import keep_freed_memory
    from seq2seq.training.data import prepare, read_texts
    from seq2seq.training.engine import make_accelerator, make_optimizer
    from seq2seq.training.epoch import Place, make_pools
    from seq2seq.training.processes import Processes

    config, loaded = task.config, load_model(task.run)
    keep_freed_memory()
    torch.manual_seed(config.training.seed)
    processes = Processes(make_accelerator(config, task.run / "training"))
    text = prepare(config, read_texts(config), loaded.tokenizers, task.run / "cache", processes)
    pool = next(make_pools(text, config, 0, Place()))
    optimizer, training = make_optimizer(config, loaded.model), config.training
    loaded.model.train()
    done, began = 0, 0.0
    for number in count():
        if number == _WARM_UP:
            done, began = 0, time.perf_counter()
        rows = pool.steps[number % len(pool.steps)]
        tokens = pool.tokens(rows)
        loss = loaded.model(*pool.batch(rows).tensors(), training.label_smoothing, training.coverage_loss)
        (loss.total / tokens).backward()
        torch.nn.utils.clip_grad_norm_(loaded.model.parameters(), training.clip_norm or float("inf"))
        optimizer.step()
        optimizer.zero_grad()
        done += tokens
        if number > _WARM_UP and time.perf_counter() - began >= task.grid.cost.seconds:
            break
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    return done / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _translate(task: Task) -> float:
    """Sentences per second of the comparison's own search on the first test's first sentences."""
    from seq2seq.checkpoint import load_model
    from seq2seq.translator import Translator

    translator = Translator([load_model(task.run)])
    test = next(iter(load_tests(task.grid, Path(task.config.data.root)).values()))
    lines = test.source[: task.grid.cost.sentences]
    began = time.perf_counter()
    translator.translate(lines, beam_size=task.grid.search.beam_size)
    return len(lines) / (time.perf_counter() - began)
