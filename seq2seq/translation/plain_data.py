"""Results as plain data: they compare with ==, and json.dumps can write what `dataclasses.asdict` makes of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(init=False, repr=False, eq=False)
class _Rows:
    """Declaration of the field that `asdict` reads of an array, which it would otherwise copy unchanged."""

    rows: list[Any]


class Matrix(np.ndarray[Any, np.dtype[Any]], _Rows):
    """A numpy array that `dataclasses.asdict` turns into {"rows": [[...], ...]}."""

    @property
    def rows(self) -> list[Any]:  # type: ignore[override]  # a field in _Rows, which asdict reads
        """The numbers as nested lists."""
        return self.tolist()  # type: ignore[no-any-return]  # numpy does not say how deep the lists are


def matrix(values: ArrayLike) -> NDArray[Any]:
    """Return values as a `Matrix`, which shares the memory of an array."""
    return np.asarray(values).view(Matrix)


class PlainData:
    """The base of dataclasses with arrays whose instances compare with ==; declare them with eq=False."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # subclasses are dataclasses
        return all(_alike(getattr(self, name), getattr(other, name)) for name in names)


def _alike(one: Any, other: Any) -> bool:
    both = isinstance(one, np.ndarray), isinstance(other, np.ndarray)
    return np.array_equal(one, other) if any(both) else bool(one == other)
