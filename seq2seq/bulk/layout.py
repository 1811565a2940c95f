"""Formats of translations: text for people and cut(1), JSON lines for scripts, drawings of the attention."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seq2seq.translation.translation import Translation
    from seq2seq.translation.word_alignment import Alignment, Side


@dataclass(frozen=True, slots=True)
class Layout:
    """The format of the output of a translation.

    text: columns separated by tabs: the line number, from 1 (`numbered`), the translation, score and log_prob
    (`scores`), the links (`alignment`). jsonl: one JSON object per translation. grid: as text, with a drawing after
    each line. moses: the n-best lists of Moses, lines numbered from 0, with log_prob and length as features.
    """

    form: Literal["text", "jsonl", "grid", "moses"]
    numbered: bool
    scores: bool
    alignment: bool

    def lines(self, number: int, found: Sequence[Translation]) -> str:
        """Return the output for line `number` with its translations, best first."""
        one = {"text": self._columns, "jsonl": self._object, "grid": self._with_drawing, "moses": self._moses}[
            self.form
        ]
        return "".join(one(number, rank, translation) + "\n" for rank, translation in enumerate(found, start=1))

    def error_line(self, number: int, source: str, error: str) -> str:
        """Return the output for a line without a translation: a blank line, or in JSON an object with the error."""
        from seq2seq.translation.translation import blank_translation

        if self.form == "jsonl":
            return self._object(number, 1, blank_translation(source), error) + "\n"
        return self.lines(number, [blank_translation("")])

    def _columns(self, number: int, rank: int, translation: Translation) -> str:
        from seq2seq.text.word_links import format_pharaoh

        columns = [str(number)] if self.numbered else []
        columns.append(translation.text.replace("\r", " "))
        if self.scores:
            columns += [f"{translation.score:.6f}", f"{translation.log_prob:.6f}"]
        if self.alignment:
            columns.append(format_pharaoh(translation.alignment))
        # A tab within the text would shift the columns; in the only column it is harmless.
        return "\t".join(column.replace("\t", " ") for column in columns) if len(columns) > 1 else columns[0]

    def _object(self, number: int, rank: int, translation: Translation, error: str | None = None) -> str:
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
        if translation.prefix:
            entry["prefix"] = translation.prefix
        if translation.constraints:
            entry |= {"constraints": translation.constraints, "unmet": translation.unmet}
        if error:
            entry["error"] = error
        if translation.copied is not None:
            entry["copied"] = [round(share, 6) for share in translation.copied]
        if self.scores:
            entry |= {"score": translation.score, "log_prob": translation.log_prob}
        if self.alignment:
            entry["alignment"] = translation.alignment
        return json.dumps(entry, ensure_ascii=False)

    def _moses(self, number: int, rank: int, translation: Translation) -> str:
        from seq2seq.text.word_links import format_pharaoh

        length = len(translation.pieces) + translation.finished
        parts = [str(number - 1), translation.text.replace("\r", " ").replace("|", "&#124;")]
        parts += [f"log_prob= {translation.log_prob:.6f} length= {length}", f"{translation.score:.6f}"]
        parts += [format_pharaoh(translation.alignment)] if self.alignment else []
        return " ||| ".join(parts)

    def _with_drawing(self, number: int, rank: int, translation: Translation) -> str:
        picture = "".join(f"{line.rstrip()}\n" for line in draw_attention(translation).split("\n"))
        return f"{self._columns(number, rank, translation)}\n{picture}"


def draw_attention(translation: Translation) -> str:
    """Return a drawing of a translation's attention for a terminal."""
    return draw_to_width(*unit_weights(translation))


def draw_to_width(
    weights: NDArray[np.float64], source: Sequence[str], target: Sequence[str], *, ascii_only: bool = False
) -> str:
    """Return a drawing of weights [target, source] with the names of columns and rows, as wide as the terminal."""
    from seq2seq.metrics.drawing import draw_weights

    return draw_weights(weights, source, target, width=shutil.get_terminal_size().columns, ascii_only=ascii_only)


def unit_weights(translation: Translation) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Return weights [target, source] and the names of columns and rows: words, or pieces on a side without spaces."""
    from seq2seq.metrics.links import NO_WORD, word_weights

    source_units, source_labels = _units(translation.source, translation.source_pieces, translation.source_words)
    target_units, target_labels = _units(translation.text, translation.pieces, translation.target_words)
    rows = [*target_units, NO_WORD] if translation.finished else target_units
    return word_weights(translation.weights, [*source_units, NO_WORD], rows), source_labels, target_labels


def aligned_weights(alignment: Alignment, *, shift: int) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Return the same as `unit_weights` for a given target, whose pieces are read at the step `shift` (see
    Translator.align).
    """
    from seq2seq.metrics.links import merge_weights

    source_labels, source_shares = _shares(alignment.source)
    target_labels, target_shares = _shares(alignment.target)
    weights = merge_weights(alignment.piece_weights, source_shares, target_shares, shift=shift)
    return weights, source_labels, target_labels


def _shares(side: Side) -> tuple[list[str], NDArray[np.float64]]:
    """Return the name of each unit, and the share of each piece, and of the end, that belongs to it."""
    import numpy as np

    if len(side.words) > 1:
        return side.words, side.shares
    return _piece_labels(side.pieces), np.eye(len(side.pieces), len(side.pieces) + 1)


def _units(text: str, pieces: Sequence[str], words: Sequence[int]) -> tuple[Sequence[int], list[str]]:
    """Return the unit index of each piece, and the name of each unit; words that were not read are left out."""
    last = max(words, default=0)
    if last > 0:
        return words, text.split()[: last + 1]
    return range(len(pieces)), _piece_labels(pieces)


def _piece_labels(pieces: Sequence[str]) -> list[str]:
    return [piece.replace("▁", "") or "▁" for piece in pieces]
