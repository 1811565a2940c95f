"""Tables of mechanisms: a class enters one under the name that configs use."""

from collections.abc import Callable
from typing import TypeVar

Kind = TypeVar("Kind", bound=type)


def enter(table: dict[str, Kind], kind: str, name: str) -> Callable[[Kind], Kind]:
    """Put a class into a table, and its name on the class. Raises ValueError where two classes share a name."""

    def register(cls: Kind) -> Kind:
        if name in table:
            raise ValueError(f"two {kind}s are called {name!r}")
        cls.name = name  # type: ignore[attr-defined]  # every base class declares it, which `type` cannot say
        table[name] = cls
        return cls

    return register
