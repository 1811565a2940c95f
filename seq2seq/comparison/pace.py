"""Speed and memory of training steps, and the speed of a matmul on the same machine at the same time."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seq2seq.comparison.flops import Work, pair_work, training_flops
from seq2seq.config import Config
from seq2seq.errors import Seq2SeqError
from seq2seq.processes.children import Child

if TYPE_CHECKING:
    from seq2seq.training.epoch import Pool

T = TypeVar("T")

_MATMUL = 2048  # rows and columns
_MATMUL_INTERVAL = 4.0  # seconds of training between two measurements of the matmul


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """The measured speed and memory of a training.

    tokens: target tokens per second without padding, ends counted. flops: FLOP per second as counted by
    `training_flops`. matmul: FLOP per second of a matmul, the median of measurements before, between and after the
    steps. padding: share of the positions in all batches of the epoch, of both sides, that hold no token. peak: peak
    resident memory of the process in bytes. steps, seconds: what was measured.
    """

    tokens: float
    flops: float
    matmul: float
    padding: float
    peak: int
    steps: int
    seconds: float

    @property
    def fraction(self) -> float:
        """The FLOP per second of the training divided by those of the matmul. In bfloat16 it may exceed 1."""
        return self.flops / self.matmul


def matmul_rate() -> float:
    """Return the FLOP per second of a float32 matmul of 2048 x 2048 matrices into allocated memory: the median of five.

    The median, because the training that it is compared with is not measured at its best either: on a shared machine
    the best and the median were 3 to 15 % apart (2026-11-27); allocating the product each time made as much of a
    difference again.
    """
    import torch

    left, right, product = (torch.ones(_MATMUL, _MATMUL) for _ in range(3))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(left, right, out=product)
        seconds.append(time.perf_counter() - began)
    return 2 * _MATMUL**3 / statistics.median(seconds)


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _Training:
    """A training of a config from fresh weights, one step at a time, on batches of its first epoch.

    Tokenizers and encoded text are those of a finished run, so that systems with one text and seed train on the very
    same batches.
    """

    def __init__(self, config: Config, run: Path) -> None:
        import torch

        from seq2seq.checkpoint.model import build_model, load_tokenizers
        from seq2seq.nn.initialisation import initialise
        from seq2seq.processes.group import Processes
        from seq2seq.training.data import prepare, read_texts
        from seq2seq.training.engine import make_accelerator, make_optimizer
        from seq2seq.training.epoch import Place, make_pools
        from seq2seq.training.freezing import freeze

        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        torch.manual_seed(config.training.seed)
        tokenizers = load_tokenizers(run)
        processes = Processes(make_accelerator(config, run / "training"))
        text = prepare(config, read_texts(config), tokenizers, run / "cache", processes)
        self.config, self.vocabulary_size = config, tokenizers.target.vocabulary_size
        self.pool = next(make_pools(text, config, 0, Place()))
        self.model = build_model(config, tokenizers)
        initialise(self.model, config.training.seed)
        freeze(config.training, self.model)
        self.optimizer = make_optimizer(config, self.model.train())

    def step(self, number: int) -> tuple[float, Work]:
        """Take a training step on batch `number` of the epoch; return its seconds, and its work without padding."""
        import torch

        began, settings = time.perf_counter(), self.config.training
        rows = self.pool.steps[number % len(self.pool.steps)]
        tokens, batch = self.pool.tokens(rows), self.pool.batch(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.mixed_precision == "bf16"):
            extra = settings.coverage_loss, self.pool.guide(rows), settings.guided_alignment_weight
            loss = self.model(*batch.tensors(), settings.label_smoothing, *extra)
        (loss.total / tokens).backward()
        del loss  # as in a training; else its graph would live until the next step's is built
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad()
        spent = time.perf_counter() - began
        return spent, pair_work(batch.source_lengths.tolist(), batch.target_lengths.tolist())

    def flops(self, work: Work) -> float:
        """Return the FLOP of a forward and backward pass over this work."""
        return training_flops(self.model.architecture, self.vocabulary_size, work)


def measure_training(
    config: Config, run: Path, *, seconds: float = 0.0, steps: int = 1, warm_up: int = 3
) -> TrainingSpeed:
    """Measure a config's first training steps from fresh weights: at least `steps`, and for at least `seconds`.

    run: a run whose tokenizers and encoded text are used. warm_up: steps before the clock starts. Call it in a process
    of its own (`call_in_process`), so that the peak of memory is that of the training.
    """
    from seq2seq.nn.kernels.allocator import tune_memory

    tune_memory()
    training = _Training(config, run)
    work, spent, read_at, readings = Work(0, 0, 0, 0), 0.0, 0.0, [matmul_rate()]
    for number in count(-warm_up):
        taken, done = training.step(number)
        if number < 0:
            continue
        spent, work = spent + taken, work + done
        if spent >= seconds and number + 1 >= steps:
            break
        if spent - read_at >= _MATMUL_INTERVAL:
            read_at, readings = spent, [*readings, matmul_rate()]
    return TrainingSpeed(
        tokens=work.target / spent,
        flops=training.flops(work) / spent,
        matmul=statistics.median([*readings, matmul_rate()]),
        padding=_padding_share(training.pool),
        peak=peak_memory(),
        steps=number + 1,
        seconds=spent,
    )


@dataclass(frozen=True, slots=True)
class StepSpeed:
    """The speed of one training step.

    flops: FLOP per second as counted by `training_flops`. matmul: FLOP per second of matmuls, the mean of one right
    before the step and one right after.
    """

    seconds: float
    flops: float
    matmul: float

    @property
    def fraction(self) -> float:
        """The FLOP per second of the step divided by those of the matmuls."""
        return self.flops / self.matmul


def measure_interleaved_steps(
    configs: Sequence[Config], run: Path, *, steps: int, warm_up: int = 3
) -> list[list[StepSpeed]]:
    """Measure the steps of several trainings in turns, one step of each on the same batch; return a list per config.

    The speed of a shared machine changes within seconds, by more than two systems differ. Two steps that follow each
    other meet nearly the same speed. The order of the systems is reversed with every step. Call it in a process of its
    own (`call_in_process`).
    """
    from seq2seq.nn.kernels.allocator import tune_memory

    tune_memory()
    trainings = [_Training(config, run) for config in configs]
    found: list[list[StepSpeed]] = [[] for _ in trainings]
    before = matmul_rate()
    for number in range(-warm_up, steps):
        for place in range(len(trainings))[:: 1 if number % 2 else -1]:
            seconds, work = trainings[place].step(number)
            after = matmul_rate()
            if number >= 0:
                found[place].append(StepSpeed(seconds, trainings[place].flops(work) / seconds, (before + after) / 2))
            before = after
    return found


def _padding_share(pool: Pool) -> float:
    """Return the share of padding in all batches of the epoch, each side padded to the longest sentence of a batch."""
    tokens = cells = 0
    for rows in pool.steps:
        for side in (pool.source, pool.target):
            lengths = [len(side[row]) + 1 for row in rows]
            tokens, cells = tokens + sum(lengths), cells + len(rows) * max(lengths)
    return 1 - tokens / cells


def call_in_process(name: str, function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a new process and return its result. Raises Seq2SeqError as `call_in_processes` does."""
    return call_in_processes(name, function, [arguments])[0]


def call_in_processes(name: str, function: Callable[..., T], arguments: Sequence[Sequence[object]]) -> list[T]:
    """Call a function once per sequence of arguments, in new processes at the same time; return the results in order.

    Raises the Seq2SeqError that a function raises, and one with `name`, which says what is measured, if a process ends
    without a result.
    """
    children, found = list[Child](), list[T]()
    try:
        for own in arguments:
            children.append(Child(f"{name}: its measurement", _send_result, function, own, name=name))
        for child in children:
            try:
                answer = child.receive()
            except EOFError:
                raise child.exit_error() from None
            child.join()
            if isinstance(answer, Seq2SeqError):
                raise answer
            found.append(answer)
    finally:
        Child.kill_all(children)  # after an error, the others would disturb the next measurement
    return found


def _send_result(there: Connection, function: Callable[..., Any], arguments: Sequence[object]) -> None:
    try:
        there.send(function(*arguments))
    except Seq2SeqError as error:
        there.send(error)


def relative_spread(values: Sequence[float]) -> float:
    """Return (largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)
