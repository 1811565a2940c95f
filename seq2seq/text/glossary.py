"""Glossaries: terms of the source language, and what a translation must have where a sentence has one."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seq2seq.errors import InputError
from seq2seq.text.escaping import escape_text
from seq2seq.text.normalisation import compose

# Starts of the Unicode names of letters that are written without spaces between words.
_UNSPACED = (
    "CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA ", "HALFWIDTH KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ",
    "TIBETAN ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """One line of a glossary; line: its number in the file, from 1."""

    source: str
    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Glossary:
    """The terms of a glossary, found in sentences from left to right, the longest first where several begin.

    A term is found where it stands as whole words, in the case in which the glossary has it. Text is compared in NFC,
    with one space for white space of any length. Letters of scripts without spaces between words, such as Chinese, are
    words by themselves. name: of the file, for messages.
    """

    name: str
    terms: tuple[Term, ...]
    _known: dict[str, Term] = field(init=False, repr=False, compare=False)
    _lengths: dict[str, list[int]] = field(init=False, repr=False, compare=False)  # by the first character, falling

    def __post_init__(self) -> None:
        lengths = defaultdict[str, set[int]](set)
        for term in self.terms:
            lengths[term.source[0]].add(len(term.source))
        object.__setattr__(self, "_known", {term.source: term for term in self.terms})
        object.__setattr__(self, "_lengths", {first: sorted(found, reverse=True) for first, found in lengths.items()})

    @classmethod
    def read(cls, lines: Iterable[str], name: str) -> Glossary:
        """Read lines with a source term, a tab and a target term; blank lines are no terms.

        Raises InputError, with name and line, for another number of columns, a blank term, a source term that came
        before, and a glossary without a term.
        """
        known = dict[str, Term]()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            columns = line.split("\t")
            if len(columns) != 2 or not all(column.strip() for column in columns):
                wanted = "a line has a source term, a tab and a target term"
                raise InputError(f"{name}:{number}: {len(columns)} columns, blank ones counted; {wanted}")
            term = Term(_plain(columns[0]), columns[1].lstrip(), number)
            if (before := known.setdefault(term.source, term)) is not term:
                raise InputError(
                    f"{name}:{number}: the term {escape_text(term.source)} is in line {before.line} already; "
                    "give it one target term"
                )
        if not known:
            raise InputError(f"{name}: has no term; leave the glossary out")
        return cls(name, tuple(known.values()))

    def find(self, sentence: str) -> list[Term]:
        """Return the terms in a sentence, in the order in which they first come, each once."""
        return list(dict.fromkeys(self._matches(_plain(sentence))))

    def _matches(self, text: str) -> Iterator[Term]:
        place = 0
        while place < len(text):
            term = self._longest(text, place) if _is_border(text, place) else None
            if term is not None:
                yield term
            place += len(term.source) if term is not None else 1

    def _longest(self, text: str, start: int) -> Term | None:
        """Return the longest term that begins here."""
        for length in self._lengths.get(text[start], ()):
            term = self._known.get(text[start : start + length])
            if term is not None and _is_border(text, start + length):
                return term
        return None


def _plain(text: str) -> str:
    return " ".join(compose(text).split())


def _is_border(text: str, place: int) -> bool:
    """Return whether a word may end or begin at a place in the text; a mark belongs to the letter before it."""
    if place in (0, len(text)):
        return True
    return not _is_mark(text[place]) and not (_is_of_word(text[place - 1]) and _is_of_word(text[place]))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_of_word(character: str) -> bool:
    """Return whether a character makes one word with another such character beside it."""
    letter = unicodedata.category(character)[0] in "LNM"
    return letter and not is_unspaced(character)


def is_unspaced(character: str) -> bool:
    """Return whether a character is of a script without spaces between words."""
    return unicodedata.name(character, "").startswith(_UNSPACED)
