"""Processes that this one starts, and that end with it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
