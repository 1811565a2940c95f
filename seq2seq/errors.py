"""The errors a user can meet. The command line prints them as one or two lines and never as a traceback."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable


class Seq2SeqError(Exception):
    """Something went wrong that the message explains; the command line exits with 1."""

    exit_code = 1


class InputError(Seq2SeqError):
    """Bad usage or bad input: what is wrong, where, what is allowed, what to do; the command line exits with 2."""

    exit_code = 2


class LostProcess(Seq2SeqError):
    """Another process of the job went away; every one that is left says so, for the first may be the one that went."""


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80


def shown(value: object) -> str:
    """A value as a message shows it: cut where it is long or nested deep, as only mistakes and attacks are."""
    try:
        return _REPR.repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return f"(a huge {type(value).__name__})"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint for an unknown name: the near one when there is one, and always the allowed ones."""
    choices = sorted(allowed)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(choices)}"
