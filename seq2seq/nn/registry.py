"""Tables of mechanisms, in which a class is registered under the name that configs use."""

from collections.abc import Callable
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)


def register(table: dict[Any, Kind], kind: str, name: str, key: object = None) -> Callable[[Kind], Kind]:
    """Return a decorator that puts a class into a table and sets its attribute `name`.

    key: the class's key in the table, where that is not the name alone. Raises ValueError where two classes share a
    key.
    """
    place = name if key is None else key

    def decorate(cls: Kind) -> Kind:
        if place in table:
            raise ValueError(f"two {kind}s are called {name!r}")
        cls.name = name  # type: ignore[attr-defined]  # every base class declares it, which `type` cannot say
        table[place] = cls
        return cls

    return decorate
