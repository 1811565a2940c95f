"""Placeholders stay intact: what stands for something else, or is no language, is put into the translation as it is.

Any model can translate such text, because it never reads a placeholder that it does not know. `translate_protected` is
the one function to use; where a caller knows better than `find_placeholders` what is to be kept, as with the tags of an
HTML page, it gives the spans. placing.py has the mechanism.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Unpack
from weakref import WeakKeyDictionary

from seq2seq.text.arguments import list_sentences
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from seq2seq.text.words import Span
from seq2seq.translation.options import SearchKeywords
from seq2seq.translation.placing import UNKNOWN, candidate_names, plan_text, put_back
from seq2seq.translation.translation import Translation

_KINDS = (
    r"<!--.*?-->",
    r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>",  # tags
    r"&(?:#\d+|#x[0-9A-Fa-f]+|[A-Za-z]\w*);",  # HTML entities
    r"(?:https?|ftp)://[^\s<>\"]*[^\s<>\".,;:!?)\]}']|www\.[^\s<>\"]*[^\s<>\".,;:!?)\]}']",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    r"\$?\{\{?[\w.:!,\[\]<>^=+-]*\}?\}|%\{\w+\}",  # {0}, {name}, {{name}}, ${name}, %{name}
    # %s, %(name)d, %1$s, %-5.2f, %1 and %L1 of Qt, %%; but neither the 5% of a text nor its 100%ig.
    r"(?<![\d%])%(?:(?:\(\w+\)|\d+\$)?[-+#0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGcrsan@]"
    r"|L?\d{1,2}|%)",
)
_PLACEHOLDER = re.compile("|".join(f"(?:{kind})" for kind in _KINDS), re.DOTALL)
_NUMBER = re.compile(r"\d(?:[\d.,:/-]*\d)?")
_LETTER = re.compile(r"[^\W_]")
_ORDERED = re.compile(r"<|%[^%({L\d]|%\d+[a-zA-Z]")  # tags, and formats that take the next value: their order counts


class _Engine(Protocol):
    """What translates: a Translator or an OnnxTranslator."""

    tokenizers: TokenizerPair

    def translate(self, texts: Iterable[str], **options: Unpack[SearchKeywords]) -> list[Translation]: ...


@dataclass(frozen=True, slots=True)
class ProtectedTranslation:
    """A translation with the placeholders of its source.

    spans: where each of them stands in `text`, in the order of the source. problems: sentences about placeholders that
    may stand in the wrong place, and about what looks like a placeholder and is none of the source's. translation: that
    of the text without placeholders, None where there was nothing to translate.
    """

    text: str
    spans: list[Span]
    problems: list[str]
    translation: Translation | None


def find_placeholders(text: str, reader: Tokenizer | None = None) -> list[Span]:
    """Return the spans of all that must not be translated, in order.

    These are format placeholders (%s, %(name)d, {0}, {name}), tags, HTML entities, URLs and e-mail addresses. With the
    tokenizer that reads the text, also numbers which its vocabulary cannot spell; the model translates all others.
    """
    found = [match.span() for match in _PLACEHOLDER.finditer(text)]
    if reader is not None:
        inside = [end for _, end in found]
        for match in _NUMBER.finditer(text):
            free = all(match.end() <= start or match.start() >= end for start, end in found[: len(inside)])
            if free and reader.find_unknown(match[0]):
                found.append(match.span())
    return sorted(found)


def translate_protected(
    translator: _Engine,
    texts: Iterable[str],
    spans: Sequence[Sequence[Span]] | None = None,
    **options: Unpack[SearchKeywords],
) -> list[ProtectedTranslation]:
    """Translate each text, and put every placeholder of it into its translation exactly once.

    spans: the placeholders of each text, in order and without overlaps; None: those of `find_placeholders`. A model
    that knows every character of a text's placeholders is first asked to translate the text as it is, which is taken if
    all of them are there, and tags and unnumbered formats in the same order. Otherwise the model reads the text without
    tags and entities, and with a stand-in for each other placeholder, and each is put where the attention leads. Where
    that changes the order of tags or of unnumbered formats, the text is translated without stand-ins, and the order is
    the source's. A placeholder that was not read, or whose place was not written, is at the end; `problems` says so.
    """
    sources = list_sentences(texts)
    reader = translator.tokenizers.source
    given = [find_placeholders(text, reader) for text in sources] if spans is None else [list(each) for each in spans]
    results: list[ProtectedTranslation | None] = [None] * len(sources)
    known = [row for row, text in enumerate(sources) if given[row] and _is_spelt(text, given[row], translator)]
    for row, translation in zip(known, translator.translate([sources[row] for row in known], **options), strict=True):
        results[row] = _as_copied(sources[row], given[row], translation)
    rest = [row for row, result in enumerate(results) if result is None]
    stand_in = find_stand_in(translator, options.get("tag")) if any(given[row] for row in rest) else None
    for row in _translate_plans(translator, sources, given, rest, stand_in, options, results):
        results[row] = None  # formats in another order
    rest = [row for row, result in enumerate(results) if result is None]
    _translate_plans(translator, sources, given, rest, None, options, results)
    return [result for result in results if result is not None]


def _translate_plans(
    translator: _Engine,
    sources: Sequence[str],
    spans: Sequence[Sequence[Span]],
    rows: Sequence[int],
    stand_in: str | None,
    options: SearchKeywords,
    results: list[ProtectedTranslation | None],
) -> list[int]:
    """Translate the texts of these rows without their placeholders, and put them back, into `results`.

    Returns the rows in which tags or formats that take the next value have changed places.
    """
    plans = {row: plan_text(sources[row], spans[row], stand_in) for row in rows}
    bare = {row: plan_text(sources[row], spans[row], None).text for row in rows}
    asked = [row for row in rows if _LETTER.search(bare[row]) or not spans[row]]
    found = dict(zip(asked, translator.translate([plans[row].text for row in asked], **options), strict=True))
    moved = []
    for row in rows:
        if row not in found:  # nothing but placeholders, and signs between them
            results[row] = ProtectedTranslation(sources[row], list(spans[row]), [], None)
            continue
        placed = put_back(plans[row], found[row], translator.tokenizers)
        problems = [
            f"the place of {group.text!r:.80} is unknown, for the translation was cut; it is at the end"
            for group in placed.lost
        ]
        surplus = _count_placeholders(found[row].text) - _count_placeholders(plans[row].text)
        problems += [f"{each!r:.80} is in the translation and not in the source" for each in surplus]
        results[row] = ProtectedTranslation(placed.text, placed.spans, problems, found[row])
        kept = [placed.text[start:end] for start, end in placed.spans]
        order = sorted(range(len(kept)), key=lambda number: placed.spans[number])
        if _in_order(kept) != _in_order([kept[number] for number in order]):
            moved.append(row)
    return moved


def _count_placeholders(text: str) -> Counter[str]:
    return Counter(text[start:end] for start, end in find_placeholders(text))


def _in_order(placeholders: Sequence[str]) -> list[str]:
    """Return those whose order counts."""
    return [each for each in placeholders if _ORDERED.match(each)]


def find_stand_in(translator: _Engine, tag: str | None = None) -> str:
    """Return a word for the model to read in place of a placeholder: a name that it copies, else an unknown character.

    It is looked for once for each translator and tag, by translating words that may be names.
    """
    known = _STAND_INS.setdefault(translator, {})
    if tag not in known:
        names = candidate_names(translator.tokenizers)
        words = [Counter(re.findall(r"\w+", answer.text)) for answer in translator.translate(names, tag=tag)]
        seen = sum(words, Counter[str]())
        # A word such as "The" is in the translation of many.
        copied = (name for name, found in zip(names, words, strict=True) if found[name] == seen[name] == 1)
        known[tag] = next(copied, UNKNOWN)
    return known[tag]


_STAND_INS: WeakKeyDictionary[_Engine, dict[str | None, str]] = WeakKeyDictionary()


# ------------------------------------------------------------------------------------------ a model that copies them


def _is_spelt(text: str, spans: Sequence[Span], translator: _Engine) -> bool:
    """Return whether both vocabularies know all characters of the placeholders, so that the model may copy them."""
    joined = " ".join(text[start:end] for start, end in spans)
    return not any(each.find_unknown(joined) for each in (translator.tokenizers.source, translator.tokenizers.target))


def _as_copied(text: str, spans: Sequence[Span], translation: Translation) -> ProtectedTranslation | None:
    """Return a translation in which the model itself has copied the placeholders; None where one is lost or too many.

    The order of tags and of formats that take the next value must be the source's.
    """
    wanted = [text[start:end] for start, end in spans]
    pattern = re.compile("|".join(re.escape(each) for each in sorted(set(wanted), key=len, reverse=True)))
    copies = list(pattern.finditer(translation.text))
    copied = [match[0] for match in copies]
    if Counter(wanted) != Counter(copied) or _in_order(wanted) != _in_order(copied) or not translation.finished:
        return None
    if len(find_placeholders(translation.text)) > len(find_placeholders(text)):
        return None
    places = {each: [match.span() for match in copies if match[0] == each] for each in copied}
    return ProtectedTranslation(translation.text, [places[each].pop(0) for each in wanted], [], translation)
