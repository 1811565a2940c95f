"""The columns of an input line: a sentence, and what its translation must have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq.errors import InputError


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns the lines of an input have after the sentence, with a tab between them.

    Without any, a line is a sentence, tabs and all. A column that is missing at the end of a line is empty.
    """

    prefix: bool = False

    def read(self, lines: Sequence[str], name: str, before: int) -> tuple[list[str], dict[str, Any]]:
        """Return the sentences of lines, and the keywords of a translator with an item for each.

        name, before: of the input and the number of lines before these, for messages. Raises InputError for a line
        with more columns than are read, and for a prefix without a sentence.
        """
        if not self.prefix:
            return list(lines), {}
        rows = [line.split("\t") for line in lines]
        for number, row in enumerate(rows, start=before + 1):
            if len(row) > 2:
                raise InputError(f"{name}:{number}: {len(row)} columns; --prefix reads two, a sentence and a prefix")
            if not row[0].strip() and any(column.strip() for column in row):
                raise InputError(f"{name}:{number}: a prefix without a sentence; there is nothing to translate")
        return [row[0] for row in rows], {"prefixes": [row[1] if len(row) > 1 else "" for row in rows]}
