"""How a command ends: explained errors, an interrupt or a closed pipe never show a traceback."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from seq2seq.errors import LostProcess, Seq2SeqError, missing_package, printable

_UsageError: type[Any] = typer.BadParameter.__mro__[1]  # click's, of which some versions of typer have a copy
_MEMORY = re.compile(r"(can't allocate|not enough|out of) memory")  # how torch says it, on CPUs and GPUs


def speaks() -> bool:
    """Whether this process prints: the only one, or the first of those that torchrun or accelerate launch started."""
    return os.environ.get("RANK", "0") == "0"


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
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:
        """Run the command and turn what a user can meet into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except Seq2SeqError as error:
            if speaks() or isinstance(error, LostProcess):
                _tell(error)
            raise typer.Exit(error.exit_code) from None
        except ImportError as error:
            found = missing_package(error, f"seq2seq {ctx.invoked_subcommand}")
            if found is None:
                raise
            _tell(found)
            raise typer.Exit(found.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            raise typer.Exit(128 + signal.SIGPIPE) from None
        except OSError as error:  # what the system refuses where no one has a better word for it: a full disk, say
            _tell(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
            raise typer.Exit(1) from None
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
    typer.echo(f"error: {printable(str(error))}", err=True)
