"""A config as TOML, every key with its meaning, choices and default, generated from the classes that read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seq2seq.config import Config

Names = Mapping[str, Iterable[str]]
_SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def render(config: Config, names: Names, notes: Names) -> str:
    """Return the TOML text. names: dotted key -> allowed values, for keys whose classes do not list them. notes: dotted
    key -> further lines about it.
    """
    lines = [
        "# Config of `seq2seq train`. Only the texts, [data.train] and [data.validation], are required;",
        "# a key that is left out has the value it has here, unless it was set for you.",
    ]
    for key in type(config).model_fields:
        lines += _section(key, getattr(config, key), _summary(type(getattr(config, key))), names, notes)
    return "\n".join(lines) + "\n"


def _section(
    path: str, section: BaseModel, summary: str, names: Names, notes: Names, *, several: bool = False
) -> Iterator[str]:
    yield from ("", f"# {summary}", *(f"# {note}" for note in notes.get(path, ())))
    yield f"[[{path}]]" if several else f"[{path}]"
    fields = type(section).model_fields
    inner = [key for key in fields if isinstance(_tables(section, key)[0], BaseModel)]
    for key, field in fields.items():
        if key not in inner:
            yield from _entry(path, key, getattr(section, key), field, names, notes)
    for key in inner:
        tables = _tables(section, key)
        about = f"{_capital(str(fields[key].description))}. {_summary(type(tables[0]))}"
        for table in tables:
            yield from _section(f"{path}.{key}", table, about, names, notes, several=len(tables) > 1)


def _tables(section: BaseModel, key: str) -> list[Any]:
    """Return the values of a key: those of an array of tables, else one."""
    value = getattr(section, key)
    return value if isinstance(value, list) and value and isinstance(value[0], BaseModel) else [value]


def _entry(path: str, key: str, value: Any, field: FieldInfo, names: Names, notes: Names) -> Iterator[str]:
    yield f"# {_capital(str(field.description))}{_allowed(field, names.get(f'{path}.{key}', ()))}"
    yield from (f"#   {note}" for note in notes.get(f"{path}.{key}", ()))
    example = field.examples[0] if field.examples else ""
    yield f"# {key} = {_toml(example)}" if value is None else f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    # JSON's strings, numbers, booleans and arrays are valid TOML, except for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _allowed(field: FieldInfo, names: Iterable[str]) -> str:
    """Return the allowed values or range of a key in parentheses; empty if any text or number is allowed."""
    choices = [*names, *(get_args(field.annotation) if get_origin(field.annotation) is Literal else ())]
    bounds = {name: bound for mark in field.metadata for name, bound in asdict(mark).items()}
    limits = [f"{sign} {bounds[name]}" for name, sign in _SIGNS.items() if name in bounds]
    words = " | ".join(choices) or ", ".join(limits)
    return f" ({words})" if words else ""


def _summary(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").split("\n")[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
