"""Sentences of a text: what a model translates one by one, and what stands between them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seq2seq.text.words import Span

# Ends of sentences, with the quotes and brackets that close after them. Where no space follows, only those of Chinese
# and Japanese end one. Possessive, and begun only at the first mark of several: linear in the length of any text.
_END = re.compile(r"(?<![.!?…])([.!?…]++)[\"'”’“‘»)\]]*+\s++|(?<![。！？])[。！？]++[”’」』）]*+\s*+")
_CLOSING = "\"'”’“‘»)]"
_ABBREVIATIONS = frozenset((
    "bzw", "ca", "dr", "etc", "evtl", "fr", "gen", "ggf", "hr", "inkl", "jr", "max", "min", "mio", "mr", "mrd",
    "mrs", "ms", "nr", "no", "prof", "sr", "st", "str", "tel", "usw", "vgl", "vs", "zzgl",
))  # fmt: skip


def has_words(text: str) -> bool:
    """Return whether there is a letter or a digit to translate; emoji and marks alone are no text."""
    return any(character.isalnum() for character in text)


def sentence_spans(line: str) -> Iterator[Span]:
    """Yield the span of each sentence of one line, without the space around it.

    A full stop ends none after a number, a single letter or a common abbreviation, nor before a small letter: two
    sentences in one are translated better than half a one.
    """
    begin = 0
    for end in _END.finditer(line):
        following = line[end.end() : end.end() + 1]
        if end[1] and (following.islower() or (end[1] == "." and _is_abbreviation(line[begin : end.start()][-24:]))):
            continue
        yield from _stripped(line, begin, end.end())
        begin = end.end()
    yield from _stripped(line, begin, len(line))


def _is_abbreviation(before: str) -> bool:
    word = before.rpartition(" ")[2].lstrip("(\"'„“«[")
    last = word.rpartition(".")[2]
    return last.isdigit() or len(last) == 1 or last.lower() in _ABBREVIATIONS


def _stripped(line: str, begin: int, end: int) -> Iterator[Span]:
    part = line[begin:end]
    left, right = len(part) - len(part.lstrip()), len(part.rstrip())
    if left < right:
        yield begin + left, begin + right


def join(parts: Sequence[str], places: Sequence[int]) -> list[str]:
    """Return the parts of a text, those at `places` translated, with a space where two sentences would touch.

    Chinese and Japanese sentences have no space between them, those of other scripts do.
    """
    joined = list(parts)
    for place in places[1:]:
        before = joined[place - 1] or joined[place - 2]  # nothing, and the sentence before it
        last = before.rstrip(_CLOSING)[-1:] or " "
        if not last.isspace() and unicodedata.east_asian_width(last) not in "WF":
            joined[place] = f" {joined[place]}"
    return joined


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text as parts, of which those at `places` are sentences and the others are kept."""

    parts: list[str]
    places: list[int]

    @classmethod
    def read(cls, text: str) -> PlainText:
        """Cut a text into sentences; a line break ends one."""
        parts, places = list[str](), list[int]()
        for line in text.splitlines(keepends=True):
            done = 0
            for begin, end in sentence_spans(line):
                if has_words(line[begin:end]):
                    parts += [line[done:begin]] if done < begin else []
                    places.append(len(parts))
                    parts.append(line[begin:end])
                    done = end
            parts += [line[done:]] if done < len(line) else []
        return cls(parts, places)

    @property
    def sentences(self) -> list[str]:
        """The sentences, in order."""
        return [self.parts[place] for place in self.places]

    def fill(self, translations: Sequence[str]) -> str:
        """Return the text with a translation in place of each sentence."""
        parts = list(self.parts)
        for place, text in zip(self.places, translations, strict=True):
            parts[place] = text
        return "".join(join(parts, self.places))
