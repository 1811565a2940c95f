"""The base class of all sections of settings files: strict keys, and no value that a library below could not take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

_LARGEST_NUMBER = 2**31 - 1  # the largest that every library below takes
_SURROGATE = re.compile("[\ud800-\udfff]")


def _elements(value: Any) -> Iterator[Any]:
    """Yield a value's elements: those of a list, the keys and values of a table, or the value itself."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    else:
        yield from value if isinstance(value, list) else [value]


class _Hidden:
    """An attribute that its class does not seem to have: pydantic would warn of a field with the name of one."""

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError


class Section(BaseModel):
    """A section of a settings file: immutable, with no keys but the declared ones."""

    copy: ClassVar[Any] = _Hidden()  # pydantic's deprecated method, in whose place is model_copy
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: Any, field: ValidationInfo) -> Any:
        """Refuse true and false for numbers, as pydantic would take them for 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(field.field_name)].annotation in (int, float):
            raise ValueError(f"a number is needed, given {str(value).lower()}")
        return value

    @field_validator("*")
    @classmethod
    def _usable(cls, value: Any) -> Any:
        """Refuse values that a library below could not take: too large numbers, NUL characters, invalid Unicode."""
        for text in _elements(value):
            if type(text) is int and text > _LARGEST_NUMBER:
                raise ValueError(f"too large; allowed: up to {_LARGEST_NUMBER}")
            if not isinstance(text, str):
                continue
            if "\0" in text:
                raise ValueError("a NUL character, which no path and no name can have")
            if not text.isascii() and _SURROGATE.search(text):  # how Python represents arguments that are not UTF-8
                raise ValueError("not valid Unicode; write it in UTF-8")
        return value

    def refuse_idle(self, keys: Sequence[str], reason: str) -> None:
        """Refuse keys that differ from their default although nothing would read them. Raises ValueError with the
        reason.
        """
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                raise ValueError(f"{key} has no effect {reason}")
