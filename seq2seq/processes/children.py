"""Child processes that end with this process."""

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

POLL, PATIENCE = 1.0, 30  # seconds between checks; checks in a row that may find a child stopped (SIGSTOP)


class Child:
    """A spawned process that calls `work(connection, *arguments)`, and this end of the pipe to it.

    what: how messages call the process. daemon: whether the process ends when this one exits normally; it may then
    start no processes itself.
    """

    def __init__(
        self, what: str, work: Callable[..., None], *arguments: object, name: str | None = None, daemon: bool = True
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
        self._what, self._times_stopped = what, 0
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), name=name, daemon=daemon)
        with block_ctrl_c():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def fileno(self) -> int:
        """Return the file descriptor of the pipe, which can be waited for."""
        return self._connection.fileno()

    def send(self, message: object) -> None:
        """Send an object to the process. Raises OSError if it has ended."""
        self._connection.send(message)

    def receive(self) -> Any:
        """Return the next object from the process, waiting for it. Raises EOFError or another OSError if the process
        has ended and none is left.
        """
        return self._connection.recv()

    def join(self, timeout: float | None = None) -> int | None:
        """Wait for the end of the process, at most `timeout` seconds; return its exit code, negative for a signal, or
        None if it has not ended.
        """
        self._process.join(timeout)
        return self._process.exitcode

    def exit_error(self, timeout: float | None = None, *, if_killed: str = "") -> Seq2SeqError:
        """Return the error that says how the process ended.

        timeout: most seconds to wait for its end. if_killed: text to add if SIGKILL ended it.
        """
        code = self.join(timeout)
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return Seq2SeqError(f"{self._what} {how}{if_killed if code == -signal.SIGKILL else ''}")

    def terminate(self) -> None:
        """Ask the process to end, by SIGTERM; a stopped process is continued, as it would not receive the signal
        otherwise.
        """
        self._process.terminate()
        if self._process.pid:
            os.kill(self._process.pid, signal.SIGCONT)

    def check_running(self) -> None:
        """Raise Seq2SeqError if the process was found stopped more than PATIENCE times in a row.

        Checks are counted, not seconds, because Ctrl-Z stops this process as well.
        """
        self._times_stopped = self._times_stopped + 1 if _is_stopped(self._process.pid) else 0
        if self._times_stopped > PATIENCE:
            raise Seq2SeqError(f"{self._what} ({self._process.pid}) was stopped from outside and does not go on")

    @staticmethod
    def kill_all(children: Sequence[Child]) -> None:
        """Kill processes and wait for their ends; SIGKILL is the only signal that also ends a stopped process."""
        for child in children:
            child._process.kill()
        for child in children:
            child._process.join()
            child._connection.close()


def _is_stopped(process: int | None) -> bool:
    """Return whether a process has been stopped, by SIGSTOP for example, and not been continued."""
    try:
        return os.waitid(os.P_PID, process or 0, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except (ChildProcessError, AttributeError):  # it has ended; macOS has no waitid before Python 3.13
        return False


def poll_readable(sources: Sequence[Child | int], timeout: float) -> list[Child | int]:
    """Return the children and file descriptors that can be read or have ended; none if that is true of none within
    `timeout` seconds.
    """
    return cast("list[Child | int]", wait(cast(Any, sources), timeout))


def wait_for(sources: Sequence[Child | int]) -> list[Child | int]:
    """Wait until at least one child or file descriptor can be read, and return those that can.

    Raises Seq2SeqError if a child is stopped, and so may never become readable.
    """
    while not (ready := poll_readable(sources, POLL)):
        for child in sources:
            if isinstance(child, Child):
                child.check_running()
    return ready


@contextmanager
def block_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C from child processes that are started in this block: it is for this process, which ends them.

    A child inherits the signals blocked here, so it is protected even during its first imports.
    """
    # The resource tracker is started before: the first child would start it otherwise, which unblocks SIGINT.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def map_in_processes(function: Callable[[T], R], items: Iterable[T], *, processes: int) -> Iterator[R]:
    """Yield `function(item)` for each item, in order, computed in `processes` spawned processes.

    The function is pickled once per process, each item once. With fewer than two processes, all is computed in this
    one.
    """
    if processes < 2:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_set_function, initargs=(function,))
    try:
        with block_ctrl_c():
            results = pool.map(_apply, items)  # starts the processes
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


_function: list[Callable[[Any], Any]] = []  # in a process of the pool: the function that it applies


def _set_function(function: Callable[[Any], Any]) -> None:
    _function.append(function)


def _apply(item: Any) -> Any:
    return _function[0](item)
