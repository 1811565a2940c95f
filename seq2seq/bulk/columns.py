"""What an input line has: a sentence, and what its translation must have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seq2seq.errors import InputError
from seq2seq.text.arguments import check_sentence
from seq2seq.text.escaping import escape_text


class _Row(NamedTuple):
    """A line of an input."""

    sentence: str
    prefix: str = ""
    constraints: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """What the lines of an input have beside the sentence.

    In text, a tab and a prefix, then with `constraints` any number of them, each after a tab; without either, a line is
    a sentence, tabs and all. A column that is missing at the end of a line is empty. With `jsonl`, a line is an object
    with the keys source, prefix and constraints, of which only the first is needed; other keys are not read.
    """

    prefix: bool = False
    constraints: bool = False
    jsonl: bool = False

    def read(self, lines: Sequence[str], name: str, before: int) -> tuple[list[str], dict[str, Any]]:
        """Return the sentences of lines, and the keywords of a translator with an item for each.

        name, before: of the input and the number of lines before these, for messages. Raises InputError for a line with
        more columns than are read, for a prefix or constraint without a sentence, and for JSON that is none or of other
        types.
        """
        if not (self.prefix or self.constraints or self.jsonl):
            return list(lines), {}
        read = _read_object if self.jsonl else self._split
        rows = [read(line, f"{name}:{number}") for number, line in enumerate(lines, start=before + 1)]
        for number, row in enumerate(rows, start=before + 1):
            if not row.sentence.strip():
                given = "a prefix" if row.prefix.strip() else "a constraint" if row.constraints else None
                if given:
                    raise InputError(f"{name}:{number}: {given} without a sentence; there is nothing to translate")
        own: dict[str, Any] = {}
        if self.prefix or any(row.prefix for row in rows):
            own["prefixes"] = [row.prefix for row in rows]
        if self.constraints or any(row.constraints for row in rows):
            own["constraints"] = [row.constraints for row in rows]
        return [row.sentence for row in rows], own

    def _split(self, line: str, place: str) -> _Row:
        sentence, *rest = line.split("\t")
        if len(rest) > 1 and not self.constraints:
            raise InputError(f"{place}: {len(rest) + 1} columns; --prefix reads two, a sentence and a prefix")
        prefix = rest.pop(0) if self.prefix and rest else ""
        return _Row(sentence, prefix, [text for text in rest if text.strip()])


def _read_object(line: str, place: str) -> _Row:
    if not line.strip():
        return _Row("")
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{place}: not a JSON object in one line; --input-format jsonl reads nothing else") from None
    if not isinstance(tree, dict):
        raise InputError(
            f"{place}: {escape_text(line.strip()[:40])} is not a JSON object, as --input-format jsonl needs"
        )
    if "source" not in tree:
        raise InputError(f'{place}: no key "source", which has the sentence')
    constraints = tree.get("constraints", [])
    if not isinstance(constraints, list):
        raise InputError(f"{place}: constraints must be a list of strings")
    found = [check_sentence(text, f"{place}: constraint {number}") for number, text in enumerate(constraints, start=1)]
    return _Row(
        check_sentence(tree["source"], f"{place}: source"),
        check_sentence(tree.get("prefix", ""), f"{place}: prefix"),
        [text for text in found if text.strip()],
    )
