"""How a command ends: explained errors, an interrupt or a closed pipe never show a traceback."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from seq2seq.errors import Seq2SeqError


class QuietEndings(TyperGroup):
    """The group of all commands. Exit codes: 1 failure, 2 bad usage or input, 128 + signal where one ended it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and turn what a user can meet into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except Seq2SeqError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            # What is still buffered would raise again when Python closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + signal.SIGPIPE) from None
