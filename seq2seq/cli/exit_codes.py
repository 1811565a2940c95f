"""How a command ends: explained errors, an interrupt or a closed pipe never show a traceback."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from seq2seq.cli.display.console import say, speaks
from seq2seq.errors import LostProcess, Seq2SeqError, missing_package
from seq2seq.text.escaping import escape_line

_UsageError: type[Any] = typer.BadParameter.__mro__[1]  # click's, of which some versions of typer have a copy
_RENAME = "give files names in UTF-8, and set LC_ALL=C.UTF-8 or another locale of UTF-8"
_MEMORY = re.compile(r"(can't allocate|not enough|out of) memory")  # how torch says it, on CPUs and GPUs


class QuietEndings(TyperGroup):
    """The group of all commands. Exit codes: 1 failure, 2 bad usage or input, 128 + signal where one ended it."""

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Run the program; bad usage is a line that says where to read on, where typer draws a box."""
        try:
            code = super().main(*arguments, **{**options, "standalone_mode": False})
        except _UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # whose message is the help
                error.show()
            else:
                _tell(_usage(error))
            code = 2
        except typer.Abort:  # Ctrl-C before or after the command itself
            code = 128 + signal.SIGINT
        sys.exit(code)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line; help and version are printed while it is read."""
        with _explained():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _explained():
            try:
                return super().invoke(ctx)
            except ImportError as error:
                found = missing_package(error, f"seq2seq {ctx.invoked_subcommand}")
                raise error if found is None else found from None


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a user can meet into a message and an exit code."""
    try:
        yield
    except Seq2SeqError as error:
        if speaks() or isinstance(error, LostProcess):
            _tell(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        raise typer.Exit(128 + signal.SIGPIPE) from None
    except OSError as error:  # what the system refuses where no one has a better word for it: a full disk, say
        _tell(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
        raise typer.Exit(1) from None
    except UnicodeEncodeError as error:  # a name, since text is checked when it is read
        _tell(f"{escape_line(error.object)[:200]}: cannot be written in {error.encoding}, as is needed here; {_RENAME}")
        raise typer.Exit(2) from None
    except (MemoryError, RuntimeError) as error:  # torch says it by a RuntimeError
        if not isinstance(error, MemoryError) and not _MEMORY.search(str(error)):
            raise
        _tell("not enough memory; smaller batches, beams or models need less")
        raise typer.Exit(1) from None


def _usage(error: Any) -> str:
    message = error.format_message().replace("Value error, ", "").replace("Input should", "should").rstrip(".")
    message = message[:1].lower() + message[1:]
    return message if error.ctx is None else f"{message}; see: {error.ctx.command_path} --help"


def _tell(error: object) -> None:
    say(f"error: {error}")
