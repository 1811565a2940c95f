"""Constraints as text: the strings that a translation must have, as pieces for the search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seq2seq.bounds import LARGEST_CONSTRAINTS
from seq2seq.errors import InputError, WrongType, short_repr
from seq2seq.search.constraints import NO_CONSTRAINTS, Constraints
from seq2seq.text.arguments import iter_items, list_sentences
from seq2seq.text.escaping import escape_text
from seq2seq.text.glossary import is_unspaced
from seq2seq.text.special_tokens import UNK
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.translation.prefix import word_starts


@dataclass(frozen=True, slots=True)
class Wanted:
    """The constraints of one sentence: texts, and the pieces that spell each.

    The tokenizer cuts each as a text of its own, so that it begins a word, unless it is of a script without spaces. The
    model may go on within its last word; white space at the end of a text says that the last word is complete.
    """

    texts: tuple[str, ...] = ()
    pieces: Constraints = NO_CONSTRAINTS

    def unmet(self, tokens: Sequence[int]) -> list[str]:
        """Return the constraints that a translation with these ids lacks."""
        met = self.pieces.read(tokens).met
        return [text for text, is_met in zip(self.texts, met, strict=True) if not is_met]


NOTHING_WANTED = Wanted()


def iter_constraints(values: Iterable[Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Iterate over the constraints of each sentence, without blank ones; raise InputError for an item of wrong type."""
    places = enumerate(iter_items(values, "an iterable with the constraints of each sentence"), start=1)
    return (_strings(value, f"sentence {number}") for number, value in places)


def _strings(value: Iterable[str], place: str) -> tuple[str, ...]:
    if isinstance(value, str):
        raise WrongType(f"{place}: its constraints must be a list of strings, not the string {short_repr(value)}")
    items = iter_items(value, f"{place}: a list of strings")
    return tuple(text for text in list_sentences(list(items), f"{place}, constraint") if text.strip())


def spell(writer: Tokenizer, text: str) -> list[int]:
    """Return the ids of a constraint: those of a text of its own, which begins a word, or, where it begins with a
    script without spaces, such as Chinese, those of the text inside another.
    """
    stripped = text.strip()
    return writer.encode_inside(stripped) if is_unspaced(stripped[:1] or " ") else writer.encode(stripped)


def describe_constraint(writer: Tokenizer, text: str, avoid: Sequence[str] = ()) -> str | None:
    """Return why a translation cannot have this string, or None if it can.

    avoid: strings that no translation may have.
    """
    ids = spell(writer, text)
    if UNK in ids:
        lacking = ", ".join(dict.fromkeys(escape_text(each) for each in writer.find_unknown(text.strip())))
        return f"the model cannot write the constraint {escape_text(text.strip())}: its vocabulary lacks {lacking}"
    written = writer.decode(ids)
    if found := next((each for each in avoid if each in written or each in text), None):
        return f"the constraint {escape_text(text.strip())} has {escape_text(found)}, which is to be avoided"
    return None


def describe_constraints(writer: Tokenizer, texts: Sequence[str], avoid: Sequence[str] = ()) -> str | None:
    """Return why a translation cannot have all of these strings, or None if it can."""
    total = sum(len(spell(writer, text)) for text in texts)
    if total > LARGEST_CONSTRAINTS:
        return f"its constraints have {total:,} pieces; a sentence may have {LARGEST_CONSTRAINTS:,}"
    return next((why for text in texts if (why := describe_constraint(writer, text, avoid))), None)


def read_constraints(
    writer: Tokenizer, sources: Sequence[str], given: Sequence[Sequence[str]] | None, avoid: Sequence[str]
) -> list[Wanted]:
    """Return the constraints of each source.

    Raises InputError for another number of lists than of sources, for constraints beside a blank source, and for those
    that a translation cannot have.
    """
    if given is None or not any(given):
        if given is not None and len(given) != len(sources):
            raise InputError(_unequal(sources, given))
        return [NOTHING_WANTED] * len(sources)
    if len(given) != len(sources):
        raise InputError(_unequal(sources, given))
    starts = word_starts(writer) if any(text[-1:].isspace() for texts in given for text in texts) else ()
    return [
        _read(writer, source, texts, avoid, starts, f"sentence {number}")
        for number, (source, texts) in enumerate(zip(sources, given, strict=True), start=1)
    ]


def _unequal(sources: Sequence[str], given: Sequence[Sequence[str]]) -> str:
    return f"{len(sources)} sentences but {len(given)} lists of constraints; give one for each, [] for none"


def _read(
    writer: Tokenizer, source: str, texts: Sequence[str], avoid: Sequence[str], starts: Sequence[bool], place: str
) -> Wanted:
    if texts and not source.strip():
        raise InputError(f"{place}: it is blank but has constraints; there is nothing to translate")
    if why := describe_constraints(writer, texts, avoid):
        raise InputError(f"{place}: {why}")
    pieces = tuple(tuple(spell(writer, text)) for text in texts)
    return Wanted(tuple(texts), Constraints(pieces, tuple(text[-1:].isspace() for text in texts), starts))
