"""The events of a training: all go to an observer, and all but the transient ones to log.jsonl."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq2seq.durable import sha256


class EventLog:
    """A log file of one JSON object per line, each flushed as it is written.

    observe: called with every event; None in all processes but the first, where nothing is written or passed on.
    """

    def __init__(self, path: Path, observe: Callable[[dict[str, Any]], None] | None) -> None:
        self.path, self.observe = path, observe

    def write(self, event: str, **values: Any) -> None:
        """Append an event to the log and pass it to the observer; its `time` is in seconds since 1970."""
        if self.observe is None:
            return
        entry = {"event": event, **values, "time": round(time.time(), 3)}
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self.observe(entry)

    def notify(self, event: str, **values: Any) -> None:
        """Pass an event to the observer without writing it to the log."""
        if self.observe is not None:
            self.observe({"event": event, **values})

    def sync(self) -> tuple[int, str]:
        """Force the log to the disk, and return its length in bytes and its SHA-256."""
        if not self.path.exists():
            return 0, sha256(b"")
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            content = file.read()
        return len(content), sha256(content)

    def truncate(self, size: int) -> None:
        """Truncate the log to `size` bytes, so that a resumed run does not write events twice."""
        if self.observe is not None and self.path.exists() and self.path.stat().st_size > size:
            os.truncate(self.path, size)  # a greater size would fill the file with NUL bytes

    def end_line(self) -> None:
        """Append a line break if the log does not end with one, as after an edit by hand, so that the next event begins
        a line.
        """
        if self.observe is not None and self.path.exists() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")
