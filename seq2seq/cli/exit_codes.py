"""The endings of a command: explained errors, an interrupt or a closed pipe, none of which shows a traceback."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from seq2seq.cli.display.console import is_main_process, say
from seq2seq.errors import LostProcess, Seq2SeqError, missing_package
from seq2seq.text.escaping import escape_line

_UsageError: type[Any] = typer.BadParameter.__mro__[1]  # click's class, or the copy of it in some versions of typer
_RENAME = "give files names in UTF-8, and set LC_ALL=C.UTF-8 or another locale of UTF-8"
_MEMORY = re.compile(r"(can't allocate|not enough|out of) memory")  # torch's wording, on CPUs and GPUs


class CommandGroup(TyperGroup):
    """The group of all commands. Exit codes: 1 failure, 2 bad usage or input, 128 + signal if a signal ended the
    command.
    """

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Run the program; bad usage prints a line with a pointer to the help, instead of typer's box."""
        try:
            code = super().main(*arguments, **{**options, "standalone_mode": False})
        except _UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help page
                error.show()
            else:
                _print_error(_usage(error))
            code = 2
        except typer.Abort:  # Ctrl-C before or after the command itself
            code = 128 + signal.SIGINT
        sys.exit(code)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the command line; help and version are printed during parsing."""
        with _explain_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. A missing package becomes a MissingPackage error that names its extra."""
        with _explain_errors():
            try:
                return super().invoke(ctx)
            except ImportError as error:
                found = missing_package(error, f"seq2seq {ctx.invoked_subcommand}")
                raise error if found is None else found from None


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Turn errors that a user can meet into a message and an exit code."""
    try:
        yield
    except Seq2SeqError as error:
        if is_main_process() or isinstance(error, LostProcess):
            _print_error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        raise typer.Exit(128 + signal.SIGPIPE) from None
    except OSError as error:  # an error of the system without a better explanation, such as a full disk
        _print_error(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
        raise typer.Exit(1) from None
    except UnicodeEncodeError as error:  # a file name, as text is checked when it is read
        _print_error(
            f"{escape_line(error.object)[:200]}: cannot be written in {error.encoding}, as is needed here; {_RENAME}"
        )
        raise typer.Exit(2) from None
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError when memory runs out
        if not isinstance(error, MemoryError) and not _MEMORY.search(str(error)):
            raise
        _print_error("not enough memory; smaller batches, beams or models need less")
        raise typer.Exit(1) from None


def _usage(error: Any) -> str:
    message = error.format_message().replace("Value error, ", "").replace("Input should", "should").rstrip(".")
    message = message[:1].lower() + message[1:]
    return message if error.ctx is None else f"{message}; see: {error.ctx.command_path} --help"


def _print_error(error: object) -> None:
    say(f"error: {error}")
