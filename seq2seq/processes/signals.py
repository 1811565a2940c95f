"""Ctrl-C and SIGTERM as a request to stop after the current step."""

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
    """Within its block, the first SIGINT or SIGTERM sets `requested`; a second one of the same kind acts as it would
    outside.
    """

    def __init__(self) -> None:
        self.requested: int | None = None  # number of the signal, None before one arrives
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; other threads are stopped by whoever started them.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for number, handler in self._before.items():
            # A launcher ends all processes as soon as one dies, perhaps before they have said what happened.
            if number != signal.SIGTERM or not isinstance(error, LostProcess):
                signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        signal.signal(number, self._before[number])


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit in this block, so that what is half-written is removed, or prepared for a resume."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
