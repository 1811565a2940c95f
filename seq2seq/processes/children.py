"""Processes that this one starts, and that end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, TypeVar, cast

from seq2seq.errors import Seq2SeqError

T = TypeVar("T")
R = TypeVar("R")

POLL, PATIENCE = 1.0, 30  # seconds, and how many times a child may be found stopped (SIGSTOP) in a row


class Child:
    """A process that was spawned to call `work(connection, *arguments)`, and this end of the pipe to it.

    what: the process in messages. daemon: it ends when this process ends well, and may start no process itself.
    """

    def __init__(
        self, what: str, work: Callable[..., None], *arguments: object, name: str | None = None, daemon: bool = True
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
        self._what, self._times_stopped = what, 0
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), name=name, daemon=daemon)
        with without_ctrl_c():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of its pipe

    def fileno(self) -> int:
        """Of the pipe, which can be waited for."""
        return self._connection.fileno()

    def send(self, message: object) -> None:
        """Raises OSError where the process has ended."""
        self._connection.send(message)

    def receive(self) -> Any:
        """The next message. Raises EOFError or another OSError where the process has ended and there is none."""
        return self._connection.recv()

    def join(self, timeout: float | None = None) -> int | None:
        """Wait for the end of the process; its exit code, negative for a signal; None where it has not ended."""
        self._process.join(timeout)
        return self._process.exitcode

    def lost(self, timeout: float | None = None, *, if_killed: str = "") -> Seq2SeqError:
        """The error that says how the process ended.

        timeout: seconds to wait for its end. if_killed: what to add where SIGKILL ended it.
        """
        code = self.join(timeout)
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return Seq2SeqError(f"{self._what} {how}{if_killed if code == -signal.SIGKILL else ''}")

    def terminate(self) -> None:
        """Ask the process to end, by SIGTERM; one that is stopped is waked, or it would never hear of it."""
        self._process.terminate()
        if self._process.pid:
            os.kill(self._process.pid, signal.SIGCONT)

    def check_goes_on(self) -> None:
        """Raise Seq2SeqError where the process is stopped, for the PATIENCE-th time in a row.

        Times are counted, not seconds, for Ctrl-Z stops this process as well.
        """
        self._times_stopped = self._times_stopped + 1 if _is_stopped(self._process.pid) else 0
        if self._times_stopped > PATIENCE:
            raise Seq2SeqError(f"{self._what} ({self._process.pid}) was stopped from outside and does not go on")

    @staticmethod
    def end(children: Sequence[Child]) -> None:
        """End processes, whatever they do; one that is stopped takes no milder signal."""
        for child in children:
            child._process.kill()
        for child in children:
            child._process.join()
            child._connection.close()


def _is_stopped(process: int | None) -> bool:
    """Whether a process has been stopped, by SIGSTOP for one, and has not been told to go on."""
    try:
        return os.waitid(os.P_PID, process or 0, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except (ChildProcessError, AttributeError):  # it has ended; macOS has no waitid before Python 3.13
        return False


def readable(sources: Sequence[Child | int], timeout: float) -> list[Child | int]:
    """Those children and file descriptors that can be read, or have ended; none, where no one can within seconds."""
    return cast("list[Child | int]", wait(cast(Any, sources), timeout))


def wait_for(sources: Sequence[Child | int]) -> list[Child | int]:
    """Those children and file descriptors that can be read, when one can.

    Raises Seq2SeqError where a child is stopped, and so may never be read.
    """
    while not (ready := readable(sources, POLL)):
        for child in sources:
            if isinstance(child, Child):
                child.check_goes_on()
    return ready


@contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Start processes within it, and Ctrl-C never reaches them: it is for this one, which ends the others.

    A process begins with what is blocked here, so not even a signal during its first imports does.
    """
    # The tracker comes before, for the first start would start it, and that unblocks SIGINT on its way.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def map_in_processes(function: Callable[[T], R], items: Iterable[T], *, processes: int) -> Iterator[R]:
    """What the function gives for each item, in order, computed in so many processes that are spawned for it.

    The function is pickled once for each process, an item once. One process computes here, without a pool.
    """
    if processes < 2:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_keep, initargs=(function,))
    try:
        with without_ctrl_c():
            answers = pool.map(_apply_kept, items)  # which starts them
        yield from answers
    finally:
        pool.shutdown(cancel_futures=True)


_kept: list[Callable[[Any], Any]] = []  # in a process of the pool: its function


def _keep(function: Callable[[Any], Any]) -> None:
    _kept.append(function)


def _apply_kept(item: Any) -> Any:
    return _kept[0](item)
