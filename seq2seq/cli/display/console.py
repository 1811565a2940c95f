"""What people read, and the only place that prints it: answers on standard output, messages on standard error.

Answers that are data are UTF-8 whatever the locale, as translations are. What is for people is written in the locale's
encoding, with escapes for what that lacks. A string that a file, a name or a model brought along is text and nothing
else: no markup of rich's, and nothing that steers the terminal.
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


class Answers(FileIO):
    """Standard output. It takes all that is written; a closed pipe ends the program as its signal would."""

    def write(self, data: Any) -> int:
        """Write all of it. Raises Seq2SeqError where the system refuses, and SystemExit where no one reads on."""
        rest = memoryview(data)
        while rest:
            try:
                taken = super().write(rest)
            except BrokenPipeError:
                raise SystemExit(128 + signal.SIGPIPE) from None
            except OSError as error:
                why = "it is closed" if error.errno == errno.EBADF else error.strerror
                raise Seq2SeqError(f"standard output: cannot be written: {why}") from None
            if taken is None:  # another program made it non-blocking, and it is full
                select.select([], [self], [])
            rest = rest[taken or 0 :]
        return len(data)


class Messages(FileIO):
    """Standard error. That no one can read what is told is no reason to end the work."""

    def write(self, data: Any) -> int:
        """Write what can be written."""
        with suppress(OSError):
            super().write(data)
        return len(data)


def open_streams() -> None:
    """Put our own streams in the place of Python's, before anything else is opened."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file to be opened would get its number, and what libraries print there
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if descriptor < 2 else os.O_WRONLY), True)
    for name, stream in (("stdout", Answers(1, "w", closefd=False)), ("stderr", Messages(2, "w", closefd=False))):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        setattr(sys, name, TextIOWrapper(stream, encoding, "backslashreplace", write_through=True))


def say(*messages: object) -> None:
    """Tell on standard error, a line or more each."""
    for message in messages:
        print(escape_text(str(message)), file=sys.stderr, flush=True)


def answer(text: str) -> None:
    """Lines for people, on standard output. What came from others in them is `visible`."""
    print(text, flush=True)


def answer_json(facts: Any) -> None:
    """One object, for scripts, on standard output."""
    _answer_bytes(json_text(facts).encode())


def answer_path(path: Path) -> None:
    """The name of a file on standard output: to a script its very bytes, of whatever encoding."""
    if sys.stdout.isatty():
        answer(escape_text(str(path)))
    else:
        _answer_bytes(os.fsencode(path))


def _answer_bytes(line: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()


def speaks_unicode() -> bool:
    """Whether standard output can show every character."""
    return sys.stdout.encoding.lower().replace("-", "").startswith("utf")


def console(*, messages: bool = False, width: int | None = None) -> Console:
    """Where tables and bars are drawn: standard output, or standard error for messages."""
    return Console(stderr=messages, width=width, markup=False, emoji=False, highlight=False)


def drawn(*parts: Any, width: int | None = None) -> str:
    """What rich makes of tables and lines, as text for standard output; lines are not broken."""
    board = console(width=width)
    with board.capture() as shown:
        for part in parts:
            board.print(part, soft_wrap=isinstance(part, str))
    return shown.get().rstrip("\n")


def column(text: str) -> TextColumn:
    """A column of a progress bar, with text in the braces' places."""
    return TextColumn(text, markup=False)


def speaks() -> bool:
    """Whether this process prints: the only one, or the first of those that torchrun or accelerate launch started."""
    return os.environ.get("RANK", "0") == "0"
