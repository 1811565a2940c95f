"""Tables of mechanisms: a class enters one under the name that configs use."""

from collections.abc import Callable
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)


def enter(table: dict[Any, Kind], kind: str, name: str, key: object = None) -> Callable[[Kind], Kind]:
    """Put a class into a table, and its name on the class. Raises ValueError where two classes share a name.

    key: what the class is found under, where that is more than its name.
    """
    place = name if key is None else key

    def register(cls: Kind) -> Kind:
        if place in table:
            raise ValueError(f"two {kind}s are called {name!r}")
        cls.name = name  # type: ignore[attr-defined]  # every base class declares it, which `type` cannot say
        table[place] = cls
        return cls

    return register
