"""Processes that this one starts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


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
