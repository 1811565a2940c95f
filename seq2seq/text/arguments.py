"""Checks for arguments of the Python interface; an error names the argument, or the sentence by its place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.errors import InputError, WrongType, nearest, short_repr
from seq2seq.text.lines import NUL, describe_problem

_SURROGATE = re.compile("[\ud800-\udfff]")


def list_sentences(values: Iterable[str], what: str = "sentence") -> list[str]:
    """Return all sentences of `iter_sentences` as a list."""
    return list(iter_sentences(values, what))


def iter_sentences(values: Iterable[str], what: str = "sentence") -> Iterator[str]:
    """Iterate over sentences as `seq2seq translate` reads lines: each without the line break at its end.

    Raises InputError, with the place of the sentence counted from 1, for an item that is not a string, and for a string
    that is not one line of text: with a line break inside, a NUL character or half a surrogate pair. A single string,
    or an object that cannot be iterated over, is refused at the call, a sentence when its turn comes.
    """
    several = f"{what}es" if what.endswith("x") else f"{what}s"
    if isinstance(values, str):
        raise WrongType("a list of sentences is needed, not one string; for one sentence, write [text]")
    if isinstance(values, Mapping) or hasattr(values, "columns"):  # a pandas table iterates over its column names
        raise WrongType(f"an iterable of {several} is needed, not a table with the columns {short_repr(list(values))}")
    places = enumerate(iter_items(values, f"an iterable of {several}"), start=1)
    return (check_sentence(value, f"{what} {number}") for number, value in places)


def iter_items(values: Iterable[Any], needed: str) -> Iterator[Any]:
    """Return an iterator over values; raise WrongType, with what is needed, for bytes and what is not iterable."""
    try:
        if not isinstance(values, (bytes, bytearray)):
            return iter(values)
    except TypeError:
        pass
    raise WrongType(f"{needed} is needed, not {short_repr(values)}")


def check_sentence(value: Any, place: str) -> str:
    """Return a sentence without the line break at its end; raise InputError as `iter_sentences` does."""
    if not isinstance(value, str):
        raise WrongType(f"{place}: {short_repr(value)} is no string{_remedy(value)}")
    text = str.__str__(value).removesuffix("\n").removesuffix("\r")  # a subclass, such as numpy's, becomes a plain one
    if "\n" in text:
        raise InputError(f"{place}: a line break within a sentence; one sentence is one line")
    if "\0" in text:
        raise InputError(f"{place}: {describe_problem(NUL)}")
    if not text.isascii() and _SURROGATE.search(text):
        raise InputError(f"{place}: a lone surrogate, no valid Unicode; decode the text as UTF-8")
    return text


def _remedy(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return "; decode it as UTF-8, or open its file as text"
    if value is None or (isinstance(value, float) and isnan(value)):
        return "; where a text is missing, leave it out or give ''"
    return ""


def check_token_ids(rows: Iterable[Iterable[int]], vocabulary: int, what: str = "target") -> list[list[int]]:
    """Return rows of token ids as lists of ints, each id below `vocabulary`, the number of pieces.

    Raises InputError with the place of the row, counted from 1.
    """
    numbered = enumerate(iter_items(rows, f"an iterable of {what}s, each with its ids,"), start=1)
    return [_ids(row, vocabulary, f"{what} {number}") for number, row in numbered]


def _ids(row: Iterable[int], vocabulary: int, place: str) -> list[int]:
    ids = list[int]()
    for id_ in iter_items(row, f"{place}: an iterable of ids"):
        if not isinstance(id_, Integral) and not hasattr(id_, "__index__"):  # what iterates over tensors yields tensors
            raise WrongType(f"{place}: {short_repr(id_)} is no id of a piece; `score` takes text")
        ids.append(int(id_))
        if not 0 <= ids[-1] < vocabulary:
            raise InputError(f"{place}: the id {ids[-1]} is none of the vocabulary, which has 0 to {vocabulary - 1}")
    return ids


def check_pairs(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    """Raise InputError unless there are as many sources as targets."""
    if len(sources) != len(targets):
        raise InputError(f"{len(sources)} sources but {len(targets)} targets; pairs are needed")


def check_integer(name: str, value: Any, minimum: int | None = None, maximum: int | None = LARGEST_COUNT) -> int:
    """Return a whole number, Python's or numpy's, as an int.

    Raises InputError, naming the argument, for another type and for a number out of bounds.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise WrongType(f"{name} must be a whole number, given {short_repr(value)}")
    number = int(value)
    if minimum is not None and maximum not in (None, LARGEST_COUNT) and not minimum <= number <= maximum:
        raise InputError(f"{name} must lie between {minimum} and {maximum}, given {short_repr(number)}")
    if minimum is not None and number < minimum:
        raise InputError(f"{name} must be {minimum} or more, given {short_repr(number)}")
    if maximum is not None and number > maximum:
        raise InputError(f"{name} must be {maximum:,} or less, given {short_repr(number)}")
    return number


def check_number(name: str, value: Any) -> float:
    """Return a number, Python's or numpy's, as a float; the caller checks its bounds.

    Raises InputError, naming the argument, for another type.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise WrongType(f"{name} must be a number, given {short_repr(value)}")
    return float(value)


def check_bool(name: str, value: Any) -> bool:
    """Return True or False, Python's or numpy's, as a bool.

    Raises InputError, naming the argument, for anything else, such as the string "no".
    """
    if type(value).__name__ not in ("bool", "bool_") or value not in (
        True,
        False,
    ):  # numpy's is bool_ before version 2, then bool
        raise WrongType(f"{name} must be True or False, given {short_repr(value)}")
    return bool(value)


def check_choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """Return the value if it is one of the allowed names; raise InputError, naming the argument, if it is not."""
    options = list(allowed)
    if not isinstance(value, str):
        raise WrongType(f"{name} must be one of {', '.join(options)}, given {short_repr(value)}")
    if value not in options:
        raise InputError(f"{name} {value!r} is unknown; {nearest(value, options)}")
    return value


def check_path(value: Any, what: str) -> str:
    """Return a path as a string; raise InputError for an empty one and for another type."""
    if not isinstance(value, (str, Path, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise WrongType(f"{what} must be a string or a Path, given {short_repr(value)}")
    if not os.fspath(value):
        raise InputError(f"{what} is empty")
    return os.fspath(value)
