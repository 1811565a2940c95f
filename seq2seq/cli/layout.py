"""How translations are written: text for people and cut(1), or JSON lines for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seq2seq.translation import Translation


@dataclass(frozen=True, slots=True)
class Layout:
    """What is told of a translation.

    Text: columns with a tab between them: the line number, from 1 (`numbered`), the translation, score and log_prob
    (`scores`), the links (`alignment`). JSON: one object a translation.
    """

    jsonl: bool
    numbered: bool
    scores: bool
    alignment: bool

    def lines(self, number: int, found: Sequence[Translation]) -> str:
        """The translations of line `number`, best first, each on a line of its own."""
        one = self._object if self.jsonl else self._columns
        return "".join(one(number, rank, translation) + "\n" for rank, translation in enumerate(found, start=1))

    def _columns(self, number: int, rank: int, translation: Translation) -> str:
        columns = [str(number)] if self.numbered else []
        columns.append(self._text(translation))
        if self.scores:
            columns += [f"{translation.score:.6f}", f"{translation.log_prob:.6f}"]
        if self.alignment:
            columns.append(pharaoh(translation))
        return "\t".join(columns)

    def _text(self, translation: Translation) -> str:
        """On one line, and in one column where there are several."""
        columns = self.numbered or self.scores or self.alignment
        text = translation.text.replace("\n", " ").replace("\r", " ")
        return text.replace("\t", " ") if columns else text

    def _object(self, number: int, rank: int, translation: Translation) -> str:
        entry: dict[str, Any] = {
            "line": number,
            "rank": rank,
            "source": translation.source,
            "text": translation.text,
            "finished": translation.finished,
            "truncated": translation.truncated,
            "source_pieces": translation.source_pieces,
            "pieces": translation.pieces,
        }
        if self.scores:
            entry |= {"score": translation.score, "log_prob": translation.log_prob}
        if self.alignment:
            entry["alignment"] = translation.alignment
        return json.dumps(entry, ensure_ascii=False)


def pharaoh(translation: Translation) -> str:
    """Links as `source word-target word`, from 0."""
    from seq2seq.evaluation.alignment import format_pharaoh

    return format_pharaoh(translation.alignment)
