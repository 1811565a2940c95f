"""The constraints of a chunk of lines: checked, joined by those of a glossary, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seq2seq.errors import InputError
from seq2seq.text.glossary import Glossary

if TYPE_CHECKING:
    from seq2seq.text.tokenizer import Tokenizer
    from seq2seq.translation.translation import Translation


@dataclass(slots=True)
class TermCounter:
    """The number of terms of a glossary that were applied, and of lines with any."""

    terms: int = 0
    lines: int = 0

    def update(self, terms: int) -> None:
        """Count the terms of a line."""
        self.merge(TermCounter(terms, int(terms > 0)))

    def merge(self, other: TermCounter) -> None:
        """Add the count of other lines."""
        self.terms, self.lines = self.terms + other.terms, self.lines + other.lines

    def describe(self, name: str) -> str:
        """Return a note of one line about the glossary of this name."""
        return f"{name}: {_count(self.terms, 'term')} applied in {_count(self.lines, 'line')}"


@dataclass(slots=True)
class UnmetCounter:
    """The number of lines whose translation lacks a constraint, and the first such line."""

    lines: int = 0
    first: int = 0

    def update(self, number: int, translation: Translation) -> None:
        """Count a line if its translation lacks a constraint."""
        if translation.unmet:
            self.merge(UnmetCounter(1, number))

    def merge(self, other: UnmetCounter) -> None:
        """Add the count of later lines."""
        self.lines, self.first = self.lines + other.lines, self.first or other.first

    def describe(self, name: str) -> str:
        """Return a warning of one line about the input of this name."""
        if self.lines == 1:
            return (
                f"{name}:{self.first}: the translation lacks a constraint, as its maximum length cut it (--max-length)"
            )
        which = f"{self.lines:,} lines, the first of them {self.first:,}"
        return f"{name}: translations lack a constraint, as their maximum length cut them (--max-length): in {which}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def check_glossary(glossary: Glossary, writer: Tokenizer, avoid: Sequence[str]) -> None:
    """Raise InputError, with file and line, for a target term that no translation can have."""
    from seq2seq.translation.constraints import describe_constraints

    for term in glossary.terms:
        if why := describe_constraints(writer, [term.target], avoid):
            raise InputError(f"{glossary.name}:{term.line}: {why}")


def add_terms(
    glossary: Glossary, sentences: Iterable[str], constraints: Iterable[Sequence[str]], counter: TermCounter
) -> list[list[str]]:
    """Return the constraints of each sentence and the target terms of what it has of a glossary, each text once."""
    found = []
    for sentence, given in zip(sentences, constraints, strict=True):
        terms, known = glossary.find(sentence), {text.strip() for text in given}
        counter.update(len(terms))
        targets = {term.target.strip(): term.target for term in terms}
        found.append([*given, *(target for key, target in targets.items() if key not in known)])
    return found


def check_constraints(
    writer: Tokenizer, constraints: Sequence[Sequence[str]], avoid: Sequence[str], name: str, before: int
) -> None:
    """Raise InputError, with the line of the input `name`, for constraints that no translation can have."""
    from seq2seq.translation.constraints import describe_constraints

    for number, texts in enumerate(constraints, start=before + 1):
        if why := describe_constraints(writer, texts, avoid):
            raise InputError(f"{name}:{number}: {why}")
