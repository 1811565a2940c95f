"""How a command ends: explained errors, an interrupt or a closed pipe never show a traceback."""

from __future__ import annotations

import os
import signal
from typing import Any

import typer
from typer.core import TyperGroup

from seq2seq.errors import LostProcess, Seq2SeqError


def speaks() -> bool:
    """Whether this process prints: the only one, or the first of those that torchrun or accelerate launch started."""
    return os.environ.get("RANK", "0") == "0"


class QuietEndings(TyperGroup):
    """The group of all commands. Exit codes: 1 failure, 2 bad usage or input, 128 + signal where one ended it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and turn what a user can meet into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except Seq2SeqError as error:
            if speaks() or isinstance(error, LostProcess):
                typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            raise typer.Exit(128 + signal.SIGPIPE) from None
