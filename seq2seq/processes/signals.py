"""Ctrl-C and SIGTERM as a request to stop after the step."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, Self

from seq2seq.errors import LostProcess


class StopRequest:
    """While entered, the first signal asks; a second one of the same kind acts as it would have without us."""

    def __init__(self) -> None:
        self.requested: int | None = None  # the signal's number
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; elsewhere whoever started the thread decides how it stops.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for number, handler in self._before.items():
            # A launcher that sees a process die ends the others at once, perhaps before they have said what happened.
            if number != signal.SIGTERM or not isinstance(error, LostProcess):
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        signal.signal(number, self._before[number])


@contextmanager
def termination_raises() -> Iterator[None]:
    """SIGTERM as an exception, so that what is half-written is removed, or put in order for a resume."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
