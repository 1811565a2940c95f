"""A count of what a model's vocabulary lacks of an input, for one warning at the end."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seq2seq.text.escaping import escape_text

if TYPE_CHECKING:
    from seq2seq.text.tokenizer import Tokenizer
    from seq2seq.translation.translation import Translation

_EXAMPLES = 5  # the first ones, which the warning names


@dataclass(slots=True)
class UnknownCounter:
    """Characters (or words, with a vocabulary of words) that were read as unknown: how many, in how many lines, and
    examples.
    """

    count: int = 0
    lines: int = 0
    words: bool = False
    examples: list[str] = field(default_factory=list)

    def update(self, translation: Translation, reader: Tokenizer) -> None:
        """Count what was unknown of a sentence, in the part of it that was read."""
        from seq2seq.text.special_tokens import UNK

        if reader.pieces[UNK] in translation.source_pieces:
            found = reader.find_unknown(translation.source, len(translation.source_pieces) - bool(translation.tag))
            self.merge(UnknownCounter(len(found), int(bool(found)), reader.kind == "word", found))

    def merge(self, other: UnknownCounter) -> None:
        """Add the count of other lines."""
        self.count += other.count
        self.lines += other.lines
        self.words |= other.words
        self.examples = list(dict.fromkeys([*self.examples, *other.examples]))[:_EXAMPLES]

    def describe(self, name: str) -> str:
        """Return a warning of one line about the input of this name."""
        what = ("word" if self.words else "character") + "s" * (self.count > 1)
        lines = f"{self.lines:,} line" + "s" * (self.lines > 1)
        shown = ", ".join(escape_text(each[:40]) if self.words else _format_character(each) for each in self.examples)
        return f"{name}: unknown to the model: {self.count:,} {what} in {lines}, such as {shown}"


def _format_character(character: str) -> str:
    """Return a character's code point, followed by the character itself if it is visible on its own."""
    visible = unicodedata.category(character)[0] in "LNPS"
    return f"U+{ord(character):04X}" + (f" {character}" if visible else "")
