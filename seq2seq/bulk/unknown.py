"""What of an input a model's vocabulary lacks, counted to be told once."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seq2seq.text.escaping import escape_text

if TYPE_CHECKING:
    from seq2seq.text.tokenizer import Tokenizer
    from seq2seq.translation.translation import Translation

_EXAMPLES = 5  # that are named, the first ones


@dataclass(slots=True)
class Unknown:
    """Characters, or words of a vocabulary of words, that were read as unknown: how many, in how many lines."""

    count: int = 0
    lines: int = 0
    words: bool = False
    examples: list[str] = field(default_factory=list)

    def see(self, translation: Translation, reader: Tokenizer) -> None:
        """Count what was unknown of a sentence, as far as it was read."""
        from seq2seq.text.special_tokens import UNK

        if reader.pieces[UNK] in translation.source_pieces:
            found = reader.find_unknown(translation.source, len(translation.source_pieces))
            self.add(Unknown(len(found), int(bool(found)), reader.kind == "word", found))

    def add(self, other: Unknown) -> None:
        """Count what was found elsewhere too."""
        self.count += other.count
        self.lines += other.lines
        self.words |= other.words
        self.examples = list(dict.fromkeys([*self.examples, *other.examples]))[:_EXAMPLES]

    def describe(self, name: str) -> str:
        """One line about an input of this name."""
        what = ("word" if self.words else "character") + "s" * (self.count > 1)
        lines = f"{self.lines:,} line" + "s" * (self.lines > 1)
        shown = ", ".join(escape_text(each[:40]) if self.words else _named(each) for each in self.examples)
        return f"{name}: unknown to the model: {self.count:,} {what} in {lines}, such as {shown}"


def _named(character: str) -> str:
    """A character by its number, and as it is where that can be seen by itself."""
    seen = unicodedata.category(character)[0] in "LNPS"
    return f"U+{ord(character):04X}" + (f" {character}" if seen else "")
