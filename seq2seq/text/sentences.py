"""Sentences of a text of several, since a model translates one at a time, and the text put together again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seq2seq.text.words import Span

# Ends of sentences, with the quotes and brackets that close after them. Where no space follows, only those of Chinese
# and Japanese end one. Possessive, and begun only at the first mark of several: linear in the length of any text.
_END = re.compile(r"(?<![.!?…])([.!?…]++)[\"'”’“‘»)\]]*+(?=\s)|(?<![。！？])[。！？]++[”’」』）]*+")
_BEFORE_NEXT = re.compile(r"\s*+[\"'„“‘«(\[¿¡]*+")  # what stands before the first letter of the next sentence
_CLOSING = "\"'”’“‘»)]"
# Before numbers no full stop ends a sentence, so that words such as No. and max. need no place here.
_ABBREVIATIONS = frozenset((
    "bzw", "ca", "dr", "etc", "evtl", "fr", "ggf", "hr", "inkl", "jr", "mio", "mr", "mrd", "mrs", "ms", "nr", "prof",
    "sr", "st", "str", "tel", "usw", "vgl", "vs", "zzgl",
))  # fmt: skip


def has_words(text: str) -> bool:
    """Return whether there is a letter or a digit to translate; emoji and marks alone are no text."""
    return any(character.isalnum() for character in text)


def cut_sentences(text: str, whole: Sequence[Span] = ()) -> Iterator[Span]:
    """Yield the span of each sentence, without the space around it; a line break always ends one.

    A full stop ends none after a number, a single letter or a common abbreviation, nor before a number, and no mark
    does before a small letter: two sentences in one are translated better than half a one. whole: spans within which no
    sentence ends, such as those of URLs.
    """
    start = 0
    for line in text.splitlines(keepends=True):
        yield from _cut_line(text, start, start + len(line), whole)
        start += len(line)


def _cut_line(text: str, start: int, stop: int, whole: Sequence[Span]) -> Iterator[Span]:
    for mark in _END.finditer(text, start, stop):
        end = mark.end()
        inside = any(one < end < other for one, other in whole)
        if inside or (mark[1] and _goes_on(text, start, mark, stop)):
            continue
        yield from _stripped(text, start, end)
        start = end
    yield from _stripped(text, start, stop)


def _goes_on(text: str, start: int, mark: re.Match[str], stop: int) -> bool:
    """Return whether the sentence from `start` goes on after a mark at which one could end."""
    before_next = _BEFORE_NEXT.match(text, mark.end(), stop)
    place = before_next.end() if before_next else mark.end()
    following = text[place : min(place + 1, stop)]
    if following.islower():
        return True
    before = text[max(start, mark.start() - 24) : mark.start()]
    return mark[1] == "." and (following.isdigit() or _is_abbreviation(before))


def _is_abbreviation(before: str) -> bool:
    word = before.rpartition(" ")[2].lstrip("(\"'„“«[")
    last = word.rpartition(".")[2]
    return last.isdigit() or len(last) == 1 or last.lower() in _ABBREVIATIONS


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    part = text[start:end]
    left, right = len(part) - len(part.lstrip()), len(part.rstrip())
    if left < right:
        yield start + left, start + right


def space_after(sentence: str) -> str:
    """Return the space between a sentence and the next one, where the source has none: none in Chinese and Japanese.

    sentence: all that stands before the next sentence; where that ends in space, no more is needed.
    """
    last = sentence[-64:].rstrip(_CLOSING)[-1:] or " "
    return "" if last.isspace() or unicodedata.east_asian_width(last) in "WF" else " "


def join(parts: Sequence[str], places: Sequence[int]) -> list[str]:
    """Return the parts of a text, those at `places` translated, with a space where two sentences would touch."""
    joined = list(parts)
    for place in places[1:]:
        before = joined[place - 1] or joined[place - 2]  # nothing, and the sentence before it
        joined[place] = space_after(before) + joined[place]
    return joined


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text as parts, of which those at `places` are sentences and the others are kept."""

    parts: list[str]
    places: list[int]

    @classmethod
    def read(cls, text: str) -> PlainText:
        """Cut a text into sentences; what has no words is kept."""
        parts, places, done = list[str](), list[int](), 0
        for start, end in cut_sentences(text):
            if has_words(text[start:end]):
                parts += [text[done:start]] if done < start else []
                places.append(len(parts))
                parts.append(text[start:end])
                done = end
        return cls([*parts, *([text[done:]] if done < len(text) else [])], places)

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
