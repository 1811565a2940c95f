"""Translated files that wait to be fetched: in memory, for a while, under names that nobody guesses."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_BYTES = 32 << 20  # kept at a time
SECONDS = 600.0  # that each is kept
FORMATS = {".txt": "text", ".html": "html", ".htm": "html"}


class StoredFiles:
    """The oldest files go first where room is needed. Nothing is written to a disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def put(self, name: str, content: bytes) -> str:
        """Keep a file; return the name under which it is fetched, which ends like its own."""
        self._forget_old()
        key = f"{secrets.token_urlsafe(16)}.{safe_name(name)}"
        self._files[key] = self._clock(), content
        self._bytes += len(content)
        while self._bytes > MOST_BYTES and len(self._files) > 1:
            self._drop(next(iter(self._files)))
        return key

    def get(self, key: str) -> bytes | None:
        """Return a file; None where it is not, or no more, there."""
        self._forget_old()
        found = self._files.get(key)
        return None if found is None else found[1]

    def _forget_old(self) -> None:
        while self._files and self._clock() - next(iter(self._files.values()))[0] > SECONDS:
            self._drop(next(iter(self._files)))

    def _drop(self, key: str) -> None:
        self._bytes -= len(self._files.pop(key)[1])


def safe_name(name: str) -> str:
    """Return the last part of a name with letters, digits, dots, hyphens and underscores of ASCII alone."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-80:].lstrip(".") or "file"


def extension(name: str) -> str:
    """Return the ending of a name in small letters, with its dot; nothing where it has none."""
    return "." + name.lower().rpartition(".")[2] if "." in name else ""
