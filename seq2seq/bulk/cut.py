"""Translations that were cut at their maximum length, counted to be told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seq2seq.translation.translation import Translation


@dataclass(slots=True)
class Cut:
    """Lines with a translation that reached its maximum length, so that its end may be missing: how many, the first."""

    lines: int = 0
    first: int = 0

    def see(self, number: int, translations: Iterable[Translation]) -> None:
        """Look at what was written for a line."""
        if not all(each.finished for each in translations):
            self.add(Cut(1, number))

    def add(self, other: Cut) -> None:
        """Count what was found in later lines."""
        self.lines, self.first = self.lines + other.lines, self.first or other.first

    def describe(self, name: str) -> str:
        """One line about an input of this name."""
        if self.lines == 1:
            return f"{name}:{self.first}: the translation was cut at its maximum length (--max-length)"
        which = f"{self.lines:,} lines, the first of them {self.first:,}"
        return f"{name}: translations were cut at their maximum length in {which} (--max-length)"
