"""How fast a training goes, beside what the machine's matrix products reach at the same time."""

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

from seq2seq.comparison.flops import Work, training_flops, work_of
from seq2seq.config import Config
from seq2seq.errors import Seq2SeqError
from seq2seq.processes.children import Child

if TYPE_CHECKING:
    from seq2seq.training.epoch import Pool

T = TypeVar("T")

_MATMUL = 2048  # rows and columns
_READING_EVERY = 4.0  # seconds of training between two readings of the matmul


@dataclass(frozen=True, slots=True)
class Pace:
    """What training reached.

    tokens: real target tokens per second, ends counted. flops: real FLOP per second, as `training_flops` counts.
    matmul: FLOP/s of a matmul, the median of readings before, between and after. padding: share of the positions in all
    batches of the epoch, of both sides, that hold no token. peak: resident bytes of the process at their most.
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
        """Of the bound: the products of real tokens, over the matmul. In bfloat16 it may be above 1."""
        return self.flops / self.matmul


def matmul_rate() -> float:
    """FLOP/s of a float32 matmul of 2048 x 2048 matrices, into memory that is there: the median of five.

    Not the best of them, for what it is set beside is no best either: on a machine that others use too the two were
    3 to 15 % apart (2026-11-27), and into memory of its own each time as much again.
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
    """Most resident bytes that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _Training:
    """A config's training from fresh weights, a step at a time, on one batch or another of its first epoch.

    Tokenizers and encoded text are a run's, so that systems of one text and seed meet the very same batches.
    """

    def __init__(self, config: Config, run: Path) -> None:
        import torch

        from seq2seq.checkpoint.model import build_model, load_tokenizers
        from seq2seq.nn.initialisation import initialise
        from seq2seq.processes.group import Processes
        from seq2seq.training.data import prepare, read_texts
        from seq2seq.training.engine import make_accelerator, make_optimizer
        from seq2seq.training.epoch import Place, make_pools

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
        self.optimizer = make_optimizer(config, self.model.train())

    def step(self, number: int) -> tuple[float, Work]:
        """Take it. Seconds, and the work of the real tokens."""
        import torch

        began, settings = time.perf_counter(), self.config.training
        rows = self.pool.steps[number % len(self.pool.steps)]
        tokens, batch = self.pool.tokens(rows), self.pool.batch(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.mixed_precision == "bf16"):  # there the model is
            loss = self.model(*batch.tensors(), settings.label_smoothing, settings.coverage_loss)
        (loss.total / tokens).backward()
        del loss  # as in a training; its graph would stay beside the next step's
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad()
        spent = time.perf_counter() - began
        return spent, work_of(batch.source_lengths.tolist(), batch.target_lengths.tolist())

    def flops(self, work: Work) -> float:
        """Of the forward and backward pass."""
        return training_flops(self.model.architecture, self.vocabulary_size, work)


def training_pace(config: Config, run: Path, *, seconds: float = 0.0, steps: int = 1, warm_up: int = 3) -> Pace:
    """Take a config's first training steps, from fresh weights, at least so many and for so long.

    warm_up: steps before the clock starts.
    To be called in a process of its own (`apart`), whose peak of memory is then the training's.
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
        if spent - read_at >= _READING_EVERY:
            read_at, readings = spent, [*readings, matmul_rate()]
    return Pace(
        tokens=work.target / spent,
        flops=training.flops(work) / spent,
        matmul=statistics.median([*readings, matmul_rate()]),
        padding=_padding(training.pool),
        peak=peak_memory(),
        steps=number + 1,
        seconds=spent,
    )


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of one training. flops: FLOP/s of it, as `training_flops` counts. matmul: FLOP/s of matmuls that were
    read right before and right after.
    """

    seconds: float
    flops: float
    matmul: float

    @property
    def fraction(self) -> float:
        """Of the bound."""
        return self.flops / self.matmul


def training_turns(configs: Sequence[Config], run: Path, *, steps: int, warm_up: int = 3) -> list[list[Turn]]:
    """The steps of several trainings, one of each before the next of any, on the same batch; of each config, a list.

    What a shared machine gives changes within seconds, by more than what two systems differ by. Two steps that follow
    each other meet nearly the same machine. Who goes first turns with every step. To be called in a process of its own.
    """
    from seq2seq.nn.kernels.allocator import tune_memory

    tune_memory()
    trainings = [_Training(config, run) for config in configs]
    found: list[list[Turn]] = [[] for _ in trainings]
    before = matmul_rate()
    for number in range(-warm_up, steps):
        for place in range(len(trainings))[:: 1 if number % 2 else -1]:
            seconds, work = trainings[place].step(number)
            after = matmul_rate()
            if number >= 0:
                found[place].append(Turn(seconds, trainings[place].flops(work) / seconds, (before + after) / 2))
            before = after
    return found


def _padding(pool: Pool) -> float:
    """Of whole batches, as each side is padded to its longest."""
    tokens = cells = 0
    for rows in pool.steps:
        for side in (pool.source, pool.target):
            lengths = [len(side[row]) + 1 for row in rows]
            tokens, cells = tokens + sum(lengths), cells + len(rows) * max(lengths)
    return 1 - tokens / cells


def apart(name: str, function: Callable[..., T], *arguments: object) -> T:
    """What a function answers in a fresh process of its own. Raises Seq2SeqError as `side_by_side` does."""
    return side_by_side(name, function, [arguments])[0]


def side_by_side(name: str, function: Callable[..., T], arguments: Sequence[Sequence[object]]) -> list[T]:
    """What a function answers for each of these, in fresh processes that run at the same time.

    Raises the Seq2SeqError of a function that ends with one, and one that names what was measured where a process ends
    without an answer.
    """
    children, found = list[Child](), list[T]()
    try:
        for own in arguments:
            children.append(Child(f"{name}: its measurement", _answer, function, own, name=name))
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
        Child.kill_all(children)  # after an error the others would run on beside what is measured next
    return found


def _answer(there: Connection, function: Callable[..., Any], arguments: Sequence[object]) -> None:
    try:
        there.send(function(*arguments))
    except Seq2SeqError as error:
        there.send(error)


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)
