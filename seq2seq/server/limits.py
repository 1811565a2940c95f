"""What a request may ask for, with the answer where it asks for more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.server.refusal import Refusal

FILE_FACTOR = 20  # a file may have so many times the characters of a text
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a server.

    characters: of a text, or of all texts of a list together. texts: in a list. body: bytes of a request. sentences:
    that wait in the queue, which is also the most of one request. deadline: seconds from a request to its answer.
    batch: sentences that are translated together.
    """

    characters: int = 5000
    texts: int = 100
    body: int = 1 << 20
    sentences: int = 1000
    deadline: float = 30.0
    batch: int = 32

    def check_texts(self, texts: Sequence[str]) -> None:
        """Raise Refusal for too many texts, too much text, or what is no text."""
        if len(texts) > self.texts:
            raise Refusal(400, f"Invalid request: a list of {len(texts):,} texts; at most {self.texts:,} are allowed")
        self.check_characters(sum(map(len, texts)), self.characters)
        for text in texts:
            check_text(text)

    def check_file(self, text: str) -> None:
        """Raise Refusal for a file with too much text."""
        self.check_characters(len(text), self.characters * FILE_FACTOR)
        check_text(text)

    def check_characters(self, count: int, most: int) -> None:
        """Raise Refusal for more characters than are allowed."""
        if count > most:
            raise Refusal(400, f"Invalid request: {count:,} characters; at most {most:,} are allowed")

    def check_sentences(self, count: int) -> None:
        """Raise Refusal for more sentences than the queue can ever hold."""
        if count > self.sentences:
            raise Refusal(400, f"Invalid request: {count:,} sentences; at most {self.sentences:,} are allowed")


def check_text(text: str) -> None:
    """Raise Refusal for characters that no text has."""
    if "\0" in text:
        raise Refusal(400, "Invalid request: the text has a NUL character; take it out")
    if not text.isascii() and _SURROGATE.search(text):
        raise Refusal(400, "Invalid request: the text has half a surrogate pair, which is no character")


def too_long_sentence() -> Refusal:
    """Return the answer where a sentence has more pieces than are read: half a translation would look like a whole."""
    return Refusal(400, "Invalid request: a sentence is too long to be translated; put line breaks into the text")
