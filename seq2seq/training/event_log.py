"""What happened: every event to the observer, and all but the fleeting ones to log.jsonl."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq2seq.durable import sha256


class EventLog:
    """One JSON object a line, appended and flushed at once.

    observe is None in all processes but the first, which neither write nor tell.
    """

    def __init__(self, path: Path, observe: Callable[[dict[str, Any]], None] | None) -> None:
        self.path, self.observe = path, observe

    def write(self, event: str, **values: Any) -> None:
        """Keep an event and tell of it; `time` is seconds since 1970."""
        if self.observe is None:
            return
        entry = {"event": event, **values, "time": round(time.time(), 3)}
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self.observe(entry)

    def tell(self, event: str, **values: Any) -> None:
        """Tell of an event that is not kept."""
        if self.observe is not None:
            self.observe({"event": event, **values})

    def settle(self) -> tuple[int, str]:
        """Bring to the disk what has been written; its bytes and their SHA-256."""
        if not self.path.exists():
            return 0, sha256(b"")
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            content = file.read()
        return len(content), sha256(content)

    def cut(self, size: int) -> None:
        """Forget what was written after a point, so that a resumed run does not tell things twice."""
        if self.observe is not None and self.path.exists() and self.path.stat().st_size > size:
            os.truncate(self.path, size)  # never longer, which would fill the file with NUL bytes

    def end_line(self) -> None:
        """Let what comes next begin a line, after a log that is not as this run left it."""
        if self.observe is not None and self.path.exists() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")
