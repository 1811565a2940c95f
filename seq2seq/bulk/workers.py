"""Who translates: this process, several worker processes, or the processes of torchrun. Answers come in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Protocol

from seq2seq.bulk.chunks import Chunk, Chunks
from seq2seq.bulk.job import Answer, Job, LoadedJob
from seq2seq.errors import Seq2SeqError, missing_package
from seq2seq.processes.children import Child, wait_for

IN_FLIGHT = 3  # chunks a worker: one that it translates, others that are done and wait for an earlier one


class Crew(Protocol):
    """Something that translates."""

    def identity(self) -> dict[str, Any]:
        """See LoadedJob."""

    def answers(self, chunks: Chunks) -> Iterator[Answer]:
        """An answer for every chunk, in their order. Raises what a chunk raised, when its turn comes."""


class Alone:
    """This process."""

    def __init__(self, job: LoadedJob) -> None:
        self._job = job

    def identity(self) -> dict[str, Any]:
        """See LoadedJob."""
        return self._job.identity()

    def answers(self, chunks: Chunks) -> Iterator[Answer]:
        """One after the other."""
        return map(self._job.answer, iter(chunks))


class Workers:
    """Processes with a copy of the models each. No more than IN_FLIGHT chunks for each are in memory."""

    def __init__(self, job: Job, count: int) -> None:
        self._limit = IN_FLIGHT * count
        self._identity: dict[str, Any] = {}
        self._children = [Child("a worker process", _work, job) for _ in range(count)]

    def identity(self) -> dict[str, Any]:
        """See LoadedJob. Returns when all have loaded their models."""
        if not self._identity:
            first, *others = [_value(self._receive(child)) for child in self._children]
            if any(other != first for other in others):
                raise Seq2SeqError("the models were replaced while the workers loaded them; start again")
            self._identity = first
        return self._identity

    def answers(self, chunks: Chunks) -> Iterator[Answer]:
        """Whoever is free takes the next chunk."""
        self.identity()
        lines, free, busy = iter(chunks), list(self._children), dict[Child, int]()
        done, taken, given, more = dict[int, Answer | Seq2SeqError](), 0, 0, True
        while more or given < taken:
            room = more and bool(free) and taken - given < self._limit
            if room and (chunks.at_hand() or not (busy or given in done)):
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
        """End them, whatever they do."""
        Child.end(self._children)


def _lost(child: Child) -> Seq2SeqError:
    return child.lost(timeout=5, if_killed=": out of memory? try fewer --workers")


def _value(value: Any) -> Any:
    if isinstance(value, Seq2SeqError):
        raise value
    return value


def _work(connection: Connection, job: Job) -> None:
    """What a worker process does, until the other end of the pipe is closed, even by a kill."""
    os.dup2(2, 1)  # nothing but translations belongs on standard output, and only the first process writes them
    try:
        loaded = _attempt(replace(job, threads=job.threads or 1).load)
        connection.send(loaded if isinstance(loaded, Seq2SeqError) else loaded.identity())
        while isinstance(loaded, LoadedJob):
            chunk = connection.recv()
            connection.send(_attempt(loaded.answer, chunk))
    except (EOFError, OSError):
        return


def _attempt(act: Any, *arguments: Any) -> Any:
    """What it returns, or the error that it explains."""
    try:
        return act(*arguments)
    except Seq2SeqError as error:
        return error
    except ImportError as error:
        if found := missing_package(error, "seq2seq translate"):
            return found
        raise


class Ranks:
    """The processes that torchrun started, each with every so-manieth chunk of an input that all of them read."""

    def __init__(self, processes: Any, job: LoadedJob) -> None:
        self.processes, self._job = processes, job

    def identity(self) -> dict[str, Any]:
        """See LoadedJob."""
        found: list[dict[str, Any]] = self.processes.gather(self._job.identity())
        if any(one != found[0] for one in found):
            raise Seq2SeqError("the processes of this job have different models, versions or threads; they must agree")
        return found[0]

    def answers(self, chunks: Chunks) -> Iterator[Answer]:
        """All answers, in every process."""
        lines = iter(chunks)
        while turn := list(islice(lines, self.processes.count)):
            mine = turn[self.processes.index] if self.processes.index < len(turn) else None
            given = None if mine is None else _attempt(self._job.answer, mine)
            for answer in self.processes.gather(given)[: len(turn)]:
                yield _value(answer)


@contextmanager
def crew(job: Job, workers: int | None) -> Iterator[Crew]:
    """Those who translate, with their models loaded or loading, until they are no longer needed."""
    if workers is None:
        yield Alone(job.load())
        return
    with closing(Workers(job, workers)) as team:
        yield team


@contextmanager
def ranked(job: Job, tell: Callable[[str], None]) -> Iterator[Ranks]:
    """The processes of a job of torchrun. Raises LostProcess in those that are left where one goes away.

    One that translates when another goes away hears of it by torchrun's SIGTERM, and says so too: where the first is
    gone, no one else would tell how to go on.
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
        with processes.explained(hint):
            yield Ranks(processes, job.load())
    except SystemExit:
        if not processes.first:  # which says more
            tell(f"stopped: process {processes.index + 1} of {processes.count}; {hint}")
        raise
    processes.accelerator.end_training()
