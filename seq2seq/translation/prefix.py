"""Prefixes: the text with which a translation begins, as pieces for the search and as given in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.errors import InputError
from seq2seq.text.sentencepiece_model import SPACE
from seq2seq.text.special_tokens import EOS
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.text.words import Span


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a translation.

    The tokenizer cuts it as it cuts a text of its own, as scoring does. The model may go on within its last word, or
    begin another; white space at the end of the prefix says that the last word is complete (word_ends). spans: the
    stretch of the text that each id stands for.
    """

    text: str
    ids: list[int]
    spans: list[Span]

    @property
    def word_ends(self) -> bool:
        """Whether the last word is complete, so that the next piece begins a word."""
        return self.text[-1:].isspace()

    def join(self, text: str, spans: list[Span]) -> tuple[str, list[Span]]:
        """Return the text and spans of a translation with its beginning exactly as it was given.

        Pieces spell it as the tokenizer normalises it, and what the vocabulary lacks as an unknown piece.
        """
        if not self.ids:
            return text, spans
        end = spans[len(self.ids) - 1][1]
        end += self.word_ends and text[end : end + 1] == " "
        shift = len(self.text) - end
        rest = [(max(start, end) + shift, max(stop, end) + shift) for start, stop in spans[len(self.ids) :]]
        return self.text + text[end:], [*self.spans, *rest]


NO_PREFIX = Prefix("", [], [])


def read_prefixes(tokenizer: Tokenizer, sources: Sequence[str], texts: Sequence[str] | None) -> list[Prefix]:
    """Return the prefix of each source; a blank text is no prefix.

    Raises InputError for another number of prefixes than of sources, and for a prefix beside a blank source.
    """
    if texts is None:
        return [NO_PREFIX] * len(sources)
    if len(texts) != len(sources):
        raise InputError(f"{len(sources)} sentences but {len(texts)} prefixes; give one for each, '' for none")
    for number, (source, text) in enumerate(zip(sources, texts, strict=True), start=1):
        if text.strip() and not source.strip():
            raise InputError(f"sentence {number}: it is blank but its prefix is not; there is nothing to translate")
    found = tokenizer.encode_spans([text.rstrip() for text in texts])
    return [Prefix(text, *pieces) if text.strip() else NO_PREFIX for text, pieces in zip(texts, found, strict=True)]


def word_starts(tokenizer: Tokenizer) -> list[bool]:
    """Return for each piece whether it may follow a complete word: it begins a word, is a word, or is the end."""
    words = tokenizer.kind == "word"
    return [words or id_ == EOS or piece.startswith(SPACE) for id_, piece in enumerate(tokenizer.pieces)]
