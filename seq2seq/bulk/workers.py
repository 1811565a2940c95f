"""Translation of chunks by this process, by several worker processes, or by those of torchrun, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Protocol

from seq2seq.bulk.chunks import Chunk, Chunks
from seq2seq.bulk.job import ChunkResult, Job, LoadedJob
from seq2seq.errors import Seq2SeqError, missing_package
from seq2seq.processes.children import Child, wait_for

IN_FLIGHT = 3  # chunks per worker: one being translated, and finished ones that wait for an earlier chunk


class Executor(Protocol):
    """The interface of everything that translates chunks."""

    def identity(self) -> dict[str, Any]:
        """Return what the output depends on besides the input; see LoadedJob."""

    def results(self, chunks: Chunks) -> Iterator[ChunkResult]:
        """Yield the output of every chunk, in their order. Raises the error of a chunk when its turn comes."""


class LocalExecutor:
    """Translates in this process."""

    def __init__(self, job: LoadedJob) -> None:
        self._job = job

    def identity(self) -> dict[str, Any]:
        """Return what the output depends on besides the input; see LoadedJob."""
        return self._job.identity()

    def results(self, chunks: Chunks) -> Iterator[ChunkResult]:
        """Yield the output of each chunk, one after the other."""
        return map(self._job.translate, iter(chunks))


class WorkerPool:
    """Translates in worker processes, each with a copy of the models; at most IN_FLIGHT chunks per worker are in
    memory.
    """

    def __init__(self, job: Job, count: int) -> None:
        self._limit = IN_FLIGHT * count
        self._identity: dict[str, Any] = {}
        self._children = [Child("a worker process", _work, job) for _ in range(count)]

    def identity(self) -> dict[str, Any]:
        """Return what the output depends on besides the input (see LoadedJob), when all workers have loaded their
        models. Raises Seq2SeqError if they differ.
        """
        if not self._identity:
            first, *others = [_value(self._receive(child)) for child in self._children]
            if any(other != first for other in others):
                raise Seq2SeqError("the models were replaced while the workers loaded them; start again")
            self._identity = first
        return self._identity

    def results(self, chunks: Chunks) -> Iterator[ChunkResult]:
        """Yield the output of every chunk, in their order; each chunk goes to the next free worker."""
        self.identity()
        lines, free, busy = iter(chunks), list(self._children), dict[Child, int]()
        done, taken, given, more = dict[int, ChunkResult | Seq2SeqError](), 0, 0, True
        while more or given < taken:
            room = more and bool(free) and taken - given < self._limit
            if room and (chunks.ready() or not (busy or given in done)):
                chunk = next(lines, None)
                if chunk is None:
                    more = False
                    continue
                busy[self._send(free.pop(), chunk)] = taken
                taken += 1
            elif given in done:
                yield _value(done.pop(given))
                given += 1
            else:
                arrivals = [chunks.fileno] if room and chunks.fileno is not None else []
                for child in wait_for([*busy, *arrivals]):
                    if isinstance(child, Child):
                        done[busy.pop(child)] = self._receive(child)
                        free.append(child)

    def _send(self, child: Child, chunk: Chunk) -> Child:
        try:
            child.send(chunk)
        except OSError:
            raise _lost(child) from None
        return child

    def _receive(self, child: Child) -> Any:
        wait_for([child])
        try:
            return child.receive()
        except (EOFError, OSError):
            raise _lost(child) from None

    def close(self) -> None:
        """Kill the workers."""
        Child.kill_all(self._children)


def _lost(child: Child) -> Seq2SeqError:
    return child.exit_error(timeout=5, if_killed=": out of memory? try fewer --workers")


def _value(value: Any) -> Any:
    if isinstance(value, Seq2SeqError):
        raise value
    return value


def _work(connection: Connection, job: Job) -> None:
    """Translate chunks in a worker process until the other end of the pipe is closed, even by a kill."""
    os.dup2(2, 1)  # standard output is for translations, which only the first process writes
    try:
        loaded = _attempt(replace(job, threads=job.threads or 1).load)
        connection.send(loaded if isinstance(loaded, Seq2SeqError) else loaded.identity())
        while isinstance(loaded, LoadedJob):
            chunk = connection.recv()
            connection.send(_attempt(loaded.translate, chunk))
    except (EOFError, OSError):
        return


def _attempt(act: Any, *arguments: Any) -> Any:
    """Return what `act` returns, or the Seq2SeqError that explains its failure."""
    try:
        return act(*arguments)
    except Seq2SeqError as error:
        return error
    except ImportError as error:
        if found := missing_package(error, "seq2seq translate"):
            return found
        raise


class DistributedExecutor:
    """Translates in the processes that torchrun started: process k of n translates chunks k, k + n, k + 2n, …; all
    processes read the whole input.
    """

    def __init__(self, processes: Any, job: LoadedJob) -> None:
        self.processes, self._job = processes, job

    def identity(self) -> dict[str, Any]:
        """Return what the output depends on besides the input; see LoadedJob. Raises Seq2SeqError if the processes
        differ.
        """
        found: list[dict[str, Any]] = self.processes.gather(self._job.identity())
        if any(one != found[0] for one in found):
            raise Seq2SeqError("the processes of this job have different models, versions or threads; they must agree")
        return found[0]

    def results(self, chunks: Chunks) -> Iterator[ChunkResult]:
        """Yield the output of every chunk, in their order, in every process."""
        lines = iter(chunks)
        while turn := list(islice(lines, self.processes.count)):
            mine = turn[self.processes.index] if self.processes.index < len(turn) else None
            given = None if mine is None else _attempt(self._job.translate, mine)
            for result in self.processes.gather(given)[: len(turn)]:
                yield _value(result)


@contextmanager
def open_executor(job: Job, workers: int | None) -> Iterator[Executor]:
    """Load the models into this process (`workers` None) or into worker processes, which end with the block."""
    if workers is None:
        yield LocalExecutor(job.load())
        return
    with closing(WorkerPool(job, workers)) as team:
        yield team


@contextmanager
def open_distributed(job: Job, tell: Callable[[str], None]) -> Iterator[DistributedExecutor]:
    """Load the models in each process of a torchrun job. Raises LostProcess in those that remain if one ends early.

    A process that is translating when another one ends learns of it by torchrun's SIGTERM, and reports it as well: if
    the first process is gone, no other would say how to resume.
    """
    from accelerate import Accelerator

    from seq2seq.processes.group import Processes, join

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        join("gloo")
    processes = Processes(Accelerator(cpu=True))
    if job.device == "cuda":
        job = replace(job, device=f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
    hint = "--resume goes on after what is translated"
    try:
        with processes.explain_lost_process(hint):
            yield DistributedExecutor(processes, job.load())
    except SystemExit:
        if not processes.first:  # the first process says more
            tell(f"stopped: process {processes.index + 1} of {processes.count}; {hint}")
        raise
    processes.accelerator.end_training()
