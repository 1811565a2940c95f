"""Config files: TOML, overrides of single keys, and errors that name the line, the key and what is allowed."""

from __future__ import annotations

import codecs
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from seq2seq.config import Config
from seq2seq.errors import InputError, WrongType, nearest, short_repr

LARGEST_FILE = 1 << 20  # bytes of a config; a larger file, or /dev/zero, is not read further


def load_config(path: str | Path, overrides: Iterable[str] = (), values: Mapping[str, Any] | None = None) -> Config:
    """Read a TOML config, set `values` by their dotted keys, then apply `key=value` overrides (`model.score=dot`).

    Raises InputError with file and line for bad TOML, unknown keys (with the nearest known one) and bad values.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongType(f"the path of a config must be a string or a Path, given {short_repr(path)}")
    if isinstance(overrides, str):
        raise WrongType(f"a list of overrides is needed, not one string; write [{overrides!r}]")
    path, overrides = Path(path), list(overrides)
    tree, text = read_toml(path)
    if "config" in tree and "data" not in tree:
        raise InputError(
            f"{path}: the grid of a comparison, for `seq2seq compare`; a training takes the config it names"
        )
    for key, value in (values or {}).items():
        _set_key(tree, key, value, key)
    for override in overrides:
        _override(tree, override)
    return parse_config(tree, str(path), text, overrides, values or {})


def read_toml(path: Path, what: str = "config") -> tuple[dict[str, Any], str]:
    """Return the tree of a settings file, and its text. Raises InputError, which calls the file `what`."""
    text = _read(path, what)
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError) as error:  # ValueError: bad TOML, or an integer of thousands of digits
        hint = "; text is written in quotation marks" if "Invalid value" in str(error) else ""
        raise InputError(f"{path}: not valid TOML: {error}{hint}") from None


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot read the {what}: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path}: cannot read the {what}: more than {LARGEST_FILE:,} bytes, which no {what} has")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: cannot read the {what}: it is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")  # a byte order mark, which TOML does not allow
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: cannot read the {what}: not valid UTF-8; convert it to UTF-8") from None


def parse_config(
    tree: dict[str, Any],
    where: str,
    text: str = "",
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
) -> Config:
    """Return the config in a tree of keys. Raises InputError; all other arguments serve its message only."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        keys = _keys(problem["loc"])
        key = ".".join(keys)
        given = any(f"{key}.".startswith(f"{name}.") for name in values or {})  # then the value comes from no file
        inner = _key_in_message(problem["msg"]) if problem["type"] == "value_error" else []
        # A rule about two sections is at none of them, and its message names the key.
        place = _place(where, text, overrides, keys or inner, inner if keys else (), in_file=not given)
        raise InputError(f"{place}{_explain(problem, keys)}") from None


def _keys(location: Sequence[str | int]) -> list[str]:
    """Return pydantic's location of a problem as keys: tables of an array by their number from 1."""
    found = list[str]()
    for before, key in zip(("", *location), location, strict=False):
        if isinstance(key, int) and before == "tables":
            found.append(str(key + 1))
        elif key not in ("table", "tables"):  # which of the two forms of a text was read is no key
            found.append(str(key))
    return found


def _key_in_message(message: str) -> list[str]:
    """Return the keys that the message of a rule begins with, as in "train.2.weight is missing" or "model.tie has"."""
    found = re.match(r"Value error, ((?:train|validation)\b(?:\.\w+)*|\w+\.\w+)", message)
    return found[1].split(".") if found else []


@contextmanager
def locate_errors(path: Path, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Begin the message of an InputError about a key of a config file with the file and line, or the --set, of the key.

    It serves checks that see only the values of a config; their messages begin with `section.key` or `section: key`.
    """
    text = _read(path, "config") if path.is_file() else ""  # a pipe cannot be read again
    try:
        yield
    except InputError as error:
        found = re.match(r"(\w+)(?:\.|: )(\w+)", str(error))
        if found and found[1] in Config.model_fields and found[2] in _allowed_keys([found[1]]):
            error.args = (f"{_place(str(path), text, overrides, [found[1], found[2]])}{error}",)
        raise


def _place(
    where: str,
    text: str,
    overrides: Sequence[str],
    keys: list[str],
    inner: Sequence[str] = (),
    *,
    in_file: bool = True,
) -> str:
    """Return the beginning of a message about a key: the --set that gives it, or the file and line.

    inner: keys below it that the message is about, for the line.
    """
    key = ".".join(keys)
    if any(override.split("=", 1)[0] == key for override in overrides):
        return f"--set {key}: "
    line = _line_of(text, [*keys, *inner])
    return "" if not in_file else f"{where}:{line}: " if line else f"{where}: "


def _override(tree: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in the tree.

    The value is read as TOML. It is taken as text if it is not TOML, or if the key takes only text and the value would
    be a number, a date or true: so 1984 may be a file and nan a language.
    """
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: expected key=value, for example --set model.score=multiplicative")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):  # as in load_config
        value = raw
    *sections, last = key.split(".")
    if not isinstance(value, str) and _is_text(_section_at(sections), last):
        value = raw
    _set_key(tree, key, value, f"--set {override}")


def _set_key(tree: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set a value under a dotted key; `place` is for the message."""
    *sections, last = key.split(".")
    for position, section in enumerate(sections):
        found = tree.setdefault(section, {})
        if isinstance(found, list) and found and all(isinstance(each, dict) for each in found):
            several = ".".join(sections[: position + 1])
            number = (sections[position + 1 :] or [""])[0]
            if not number.isdecimal() or not 1 <= int(number) <= len(found):
                raise InputError(
                    f"{place}: {several} has {len(found)} tables; name one by its number from 1: {several}.1"
                )
            found = {str(place): each for place, each in enumerate(found, start=1)}
        tree = found
        if not isinstance(tree, dict):
            raise InputError(f"{place}: {section} is a value, not a section")
    tree[last] = value


def _is_text(section: type[BaseModel], key: str) -> bool:
    """Return whether a key takes strings and nothing else."""
    annotation = section.model_fields[key].annotation if key in section.model_fields else None
    parts, origin = get_args(annotation), get_origin(annotation)
    kinds = {type(part) for part in parts} if origin is Literal else set(parts if origin is UnionType else [annotation])
    return str in kinds and kinds <= {str, type(None)}


def _explain(problem: Any, keys: list[str]) -> str:
    """Return one validation problem in the user's terms."""
    key = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}; {nearest(keys[-1], _allowed_keys(keys[:-1]))}"
    if problem["type"] == "missing":
        return f"{key} is missing: {_description(keys)}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message  # no key: a rule about several sections
    if problem["type"] == "string_type" and isinstance(problem["input"], (bool, int, float, date, time)):
        message = f"{message}; write it in quotation marks"
    return f"{key} = {short_repr(problem['input'])}: {message}"


def _section_at(keys: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = Config
    for key in keys:
        if key.isdecimal():  # a table of an array, which the key before has named
            continue
        kind = _section_in(section.model_fields[key].annotation) if key in section.model_fields else None
        if kind is None:
            break
        section = kind
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key holds, alone or in a list; None if it holds plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)


def _allowed_keys(keys: list[str]) -> list[str]:
    return list(_section_at(keys).model_fields)


def _description(keys: list[str]) -> str:
    field = _section_at(keys[:-1]).model_fields.get(keys[-1])
    return (field.description or f"the section [{'.'.join(keys)}]") if field else "required"


def _line_of(text: str, keys: list[str]) -> int | None:
    """Return the line of a key in the TOML text, else of its section; None if neither is written there."""
    section: list[str] = []
    best, tables = None, Counter[str]()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := re.match(r"\s*(\[?)\[([^\[\]]+)\]", line):
            section = [part.strip() for part in header[2].split(".")]
            if header[1]:  # a table of an array, known by its number
                tables[header[2]] += 1
                section.append(str(tables[header[2]]))
            best = number if section == keys[: len(section)] else best
        elif (entry := re.match(r"\s*([\w.-]+)\s*=", line)) and [*section, *entry[1].split(".")] == keys:
            return number
    return best
