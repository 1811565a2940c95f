"""Missing references: a blank line is not a translation, and nothing may be scored against it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from seq2seq.errors import InputError

Lines = Sequence[str | None]
"""The references of one set, a line per sentence; None or a blank line: the set has none for the sentence."""

_UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")


def is_blank(line: str | None) -> bool:
    """Return whether a line is missing or has nothing but spaces and invisible characters."""
    return line is None or all(unicodedata.category(each) in _UNSEEN for each in line)


def rows_without_reference(references: Sequence[Lines]) -> list[int]:
    """Return the rows, counted from 0, for which no set has a reference."""
    return [row for row, lines in enumerate(zip(*references, strict=True)) if all(map(is_blank, lines))]


def blanks_to_none(references: Sequence[Lines], hint: str = "leave the sentence out") -> list[Lines]:
    """Return the sets with None for every blank line; raise InputError for a sentence without any reference.

    hint: the end of the message, what to do.
    """
    if rows := rows_without_reference(references):
        raise InputError(f"{_place(references, rows)}; {hint}")
    return [[None if is_blank(line) else line for line in lines] for lines in references]


def _place(references: Sequence[Lines], rows: Sequence[int]) -> str:
    more = f" (and in {len(rows) - 1:,} more lines)" if len(rows) > 1 else ""
    if len(references) == 1:
        return f"reference set 1, line {rows[0] + 1}: blank{more}, so there is nothing to score against"
    return f"reference sets, line {rows[0] + 1}: blank in every set{more}, so there is nothing to score against"


def notes_on_blanks(references: Sequence[Lines]) -> list[str]:
    """Return a sentence for each of several sets that lacks references for some sentences."""
    notes = []
    for number, lines in enumerate(references, start=1):
        rows = [row for row, line in enumerate(lines) if is_blank(line)]
        if rows:
            few = ", ".join(str(row + 1) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
            counts = f"{len(rows):,} of {len(lines):,} lines are blank (line {few})"
            notes.append(f"reference set {number}: {counts}; those sentences are scored against the other sets alone.")
    return notes
