"""Results as plain data: they compare with ==, and `dataclasses.asdict` makes of them what json.dumps can write."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(init=False, repr=False, eq=False)
class _Rows:
    """Declares what `asdict` shall take of an array, which it would otherwise copy as it is."""

    rows: list[Any]


class Matrix(np.ndarray[Any, np.dtype[Any]], _Rows):
    """An array of numpy that `dataclasses.asdict` gives as {"rows": [[...], ...]}."""

    @property
    def rows(self) -> list[Any]:  # type: ignore[override]  # a field there, which asdict asks for
        """The numbers as nested lists."""
        return self.tolist()  # type: ignore[no-any-return]  # numpy does not say how deep the lists are


def matrix(values: ArrayLike) -> NDArray[Any]:
    """The same numbers, in the same memory where they are an array, as a `Matrix`."""
    return np.asarray(values).view(Matrix)


class PlainData:
    """A dataclass with arrays whose instances compare with ==; to be declared with eq=False."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # its heirs are dataclasses
        return all(_alike(getattr(self, name), getattr(other, name)) for name in names)


def _alike(one: Any, other: Any) -> bool:
    both = isinstance(one, np.ndarray), isinstance(other, np.ndarray)
    return np.array_equal(one, other) if any(both) else bool(one == other)
