"""The only module that prints: output on standard output, messages on standard error.

Output that is data is UTF-8 in any locale, as translations are. Text for people is in the locale's encoding, with
escapes for characters that it lacks. Strings from a file, a name or a model are printed as plain text: rich reads no
markup in them, and control characters do not reach the terminal.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TextColumn

from seq2seq.errors import Seq2SeqError
from seq2seq.text.escaping import escape_text, json_text


class OutputStream(FileIO):
    """Standard output. It writes all bytes; a closed pipe ends the program as SIGPIPE would."""

    def write(self, data: Any) -> int:
        """Write all bytes. Raises Seq2SeqError if the system refuses, and SystemExit if the pipe's reader has gone."""
        rest = memoryview(data)
        while rest:
            try:
                taken = super().write(rest)
            except BrokenPipeError:
                raise SystemExit(128 + signal.SIGPIPE) from None
            except OSError as error:
                why = "it is closed" if error.errno == errno.EBADF else error.strerror
                raise Seq2SeqError(f"standard output: cannot be written: {why}") from None
            if taken is None:  # it is full, and another program has made it non-blocking
                select.select([], [self], [])
            rest = rest[taken or 0 :]
        return len(data)


class MessageStream(FileIO):
    """Standard error. A message that cannot be written does not end the program."""

    def write(self, data: Any) -> int:
        """Write what can be written."""
        with suppress(OSError):
            super().write(data)
        return len(data)


def open_streams() -> None:
    """Replace sys.stdout and sys.stderr by these streams, before any other file is opened."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened would get its number, and the output of libraries
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if descriptor < 2 else os.O_WRONLY), True)
    for name, stream in (
        ("stdout", OutputStream(1, "w", closefd=False)),
        ("stderr", MessageStream(2, "w", closefd=False)),
    ):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        setattr(sys, name, TextIOWrapper(stream, encoding, "backslashreplace", write_through=True))


def say(*messages: object) -> None:
    """Print messages on standard error, each on a line or more."""
    for message in messages:
        print(escape_text(str(message)), file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print text for people on standard output. Foreign strings in it must be escaped (see seq2seq.text.escaping)."""
    print(text, flush=True)


def print_json(facts: Any) -> None:
    """Print one JSON object, for scripts, on standard output."""
    _print_bytes(json_text(facts).encode())


def print_path(path: Path) -> None:
    """Print the name of a file on standard output; for a script, its exact bytes in whatever encoding."""
    if sys.stdout.isatty():
        print_text(escape_text(str(path)))
    else:
        _print_bytes(os.fsencode(path))


def _print_bytes(line: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()


def supports_unicode() -> bool:
    """Return whether standard output can show every character."""
    return sys.stdout.encoding.lower().replace("-", "").startswith("utf")


def console(*, messages: bool = False, width: int | None = None) -> Console:
    """Return the rich console for tables and bars: on standard output, or on standard error for messages."""
    return Console(stderr=messages, width=width, markup=False, emoji=False, highlight=False)


def render(*parts: Any, width: int | None = None) -> str:
    """Return tables and lines as rich renders them for standard output; lines are not wrapped."""
    board = console(width=width)
    with board.capture() as shown:
        for part in parts:
            board.print(part, soft_wrap=isinstance(part, str))
    return shown.get().rstrip("\n")


def column(text: str) -> TextColumn:
    """Return a text column of a progress bar; fields in braces are filled in."""
    return TextColumn(text, markup=False)


def is_main_process() -> bool:
    """Return whether this process prints: it is alone, or the first of those that torchrun or accelerate launch
    started.
    """
    return os.environ.get("RANK", "0") == "0"
