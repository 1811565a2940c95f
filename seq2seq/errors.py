"""The errors a user can meet; the command line prints them as one or two lines and never as a traceback."""

from __future__ import annotations

import difflib
import importlib.util
import reprlib
from collections.abc import Iterable


class Seq2SeqError(Exception):
    """A failure that the message explains; the command line exits with 1."""

    exit_code = 1


class InputError(Seq2SeqError):
    """Bad usage or bad input; the message says what is wrong, where, what is allowed and what to do.

    The command line exits with 2.
    """

    exit_code = 2


class WrongType(InputError, TypeError):
    """An argument of a type that a function does not take; Python's TypeError as well as an InputError."""


class LostProcess(Seq2SeqError):
    """The loss of another process of the job.

    Every process that is left reports it, because the first to report may be the next to go.
    """


class MissingPackage(InputError, ImportError):
    """A package that is needed and not installed; Python's ImportError as well as an InputError."""


_EXTRAS = {"onnx": "export", "onnxruntime": "onnx"}
_BESIDE_TORCH = ("torch", "accelerate", "datasets", "entmax", "filelock", "huggingface_hub", "jaxtyping", "safetensors")
_EXPORT = "export the model where torch is (seq2seq export), and translate with the export"


def missing_package(error: ImportError, what: str) -> MissingPackage | None:
    """Return the error to show where `what` needs a package that is not installed; None for another import error.

    A machine set up for exports alone lacks torch and more; the message then names torch, whichever package was missed
    first.
    """
    if isinstance(error, MissingPackage):
        return error
    name = (error.name or str(error)).partition(".")[0]
    if name == "seq2seq" or _installed(name):
        return None
    without_torch = not _installed("torch")
    if name in _BESIDE_TORCH and without_torch:
        return MissingPackage(f"{what} needs torch: pip install -e . installs it and all else; or {_EXPORT}")
    extra = f"'.[{_EXTRAS[name]}]'" if name in _EXTRAS else "."
    told = f"{what} needs {name}: pip install {name}, or all that it can need: pip install -e {extra}"
    return MissingPackage(f"{told} (a model that is no export needs torch, too)" if without_torch else told)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80


def short_repr(value: object) -> str:
    """Return repr(value), cut to some 80 characters and a few levels of nesting, for use in a message.

    Only mistakes and attacks are longer.
    """
    try:
        return _REPR.repr(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return f"(a huge {type(value).__name__})"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar allowed name, if one is similar, and all allowed names."""
    choices = sorted(allowed)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(choices)}"
