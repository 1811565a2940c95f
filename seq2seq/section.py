"""What the sections of settings files share: strict keys, and no value that a library below could not take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

_LARGEST_NUMBER = 2**31 - 1  # what every library below takes
_SURROGATE = re.compile("[\ud800-\udfff]")


def _within(value: Any) -> Iterator[Any]:
    """A value's own values: those of a list, keys and values of a table, or itself."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    else:
        yield from value if isinstance(value, list) else [value]


class Section(BaseModel):
    """A part of a settings file: immutable, and no key beside those declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: Any, field: ValidationInfo) -> Any:
        """Refuse true and false for numbers, which pydantic takes for 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(field.field_name)].annotation in (int, float):
            raise ValueError(f"a number is needed, given {str(value).lower()}")
        return value

    @field_validator("*")
    @classmethod
    def _usable(cls, value: Any) -> Any:
        """Refuse what no library below could take."""
        for text in _within(value):
            if type(text) is int and text > _LARGEST_NUMBER:
                raise ValueError(f"too large; allowed: up to {_LARGEST_NUMBER}")
            if not isinstance(text, str):
                continue
            if "\0" in text:
                raise ValueError("a NUL character, which no path and no name can have")
            if not text.isascii() and _SURROGATE.search(text):  # as Python takes arguments that are no UTF-8
                raise ValueError("not valid Unicode; write it in UTF-8")
        return value

    def refuse_idle(self, keys: Sequence[str], reason: str) -> None:
        """Refuse keys that differ from their default although nothing would read them."""
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                raise ValueError(f"{key} has no effect {reason}")
