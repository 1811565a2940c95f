"""A count of translations that were cut at their maximum length, for one warning at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seq2seq.translation.translation import Translation


@dataclass(slots=True)
class CutCounter:
    """Number of lines with a translation that reached its maximum length, so that its end may be missing, and the first
    such line.
    """

    lines: int = 0
    first: int = 0

    def update(self, number: int, translations: Iterable[Translation]) -> None:
        """Count a line if any of its translations was cut."""
        if not all(each.finished for each in translations):
            self.merge(CutCounter(1, number))

    def merge(self, other: CutCounter) -> None:
        """Add the count of later lines."""
        self.lines, self.first = self.lines + other.lines, self.first or other.first

    def describe(self, name: str) -> str:
        """Return a warning of one line about the input of this name."""
        if self.lines == 1:
            return f"{name}:{self.first}: the translation was cut at its maximum length (--max-length)"
        which = f"{self.lines:,} lines, the first of them {self.first:,}"
        return f"{name}: translations were cut at their maximum length in {which} (--max-length)"
