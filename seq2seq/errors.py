"""The errors a user can meet. The command line prints them as one or two lines and never as a traceback."""

from __future__ import annotations

import difflib
import importlib.util
import reprlib
from collections.abc import Iterable


class Seq2SeqError(Exception):
    """Something went wrong that the message explains; the command line exits with 1."""

    exit_code = 1


class InputError(Seq2SeqError):
    """Bad usage or bad input: what is wrong, where, what is allowed, what to do; the command line exits with 2."""

    exit_code = 2


class WrongType(InputError, TypeError):
    """An argument of another type than a function takes: an InputError like any other, and Python's TypeError too."""


class LostProcess(Seq2SeqError):
    """Another process of the job went away; every one that is left says so, for the first may be the one that went."""


class MissingPackage(InputError, ImportError):
    """A package that this needs is not installed: an InputError like any other, and Python's ImportError too."""


_EXTRAS = {"onnx": "export", "onnxruntime": "onnx"}
_BESIDE_TORCH = ("torch", "accelerate", "datasets", "entmax", "filelock", "huggingface_hub", "jaxtyping", "safetensors")
_EXPORT = "export the model where torch is (seq2seq export), and translate with the export"


def missing_package(error: ImportError, what: str) -> MissingPackage | None:
    """What to tell where `what` needs a package that is not installed; None for an import that failed otherwise.

    A machine set up for exports alone lacks torch and more; then torch is named, whichever was missed first.
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
