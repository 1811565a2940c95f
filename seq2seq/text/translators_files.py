"""TMX, XLIFF and PO files as parallel text.

Fuzzy, untranslated and obsolete entries are left out, and counted in notes.
Line breaks within an entry become spaces, since a sentence is one line.
"""

from __future__ import annotations

import gettext
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seq2seq.config import CorpusConfig
from seq2seq.errors import InputError, nearest
from seq2seq.text.datasets import text_reader
from seq2seq.text.documents import is_swapped, nearest_code, open_po, open_tmx, open_xliff, xliff_units
from seq2seq.text.readers import Row, check_pair

TAGS = ("inline_tags",)  # keys of the config that formats with inline tags know


@text_reader("tmx", ".tmx", keys=TAGS)
def read_tmx(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    """Yield the pairs of a translation memory; its language variants are chosen by `nearest_code`."""
    store, text = open_tmx(path), _reader_of_tags(path, spec)
    left_out, read, seen = Counter[str](), Counter[tuple[str, str]](), dict[str, None]()
    for unit in store.units:
        place = f"{path}:{unit.xmlelement.sourceline}"
        variants = {_language(node): node for node in reversed(unit.getlanguageNodes())}  # the first of a code counts
        codes = list(reversed(variants))
        seen |= dict.fromkeys(codes)
        chosen = [nearest_code(wanted, codes) for wanted in languages]
        if None in chosen or chosen[0] == chosen[1]:
            left_out["without one of the languages"] += 1
            continue
        found = [codes[index] for index in chosen if index is not None]
        values = [text(variants[code].find(unit.namespaced("seg")), place) for code in found]
        if not values[1].strip():
            left_out["untranslated"] += 1
            continue
        read.update((wanted, code) for wanted, code in zip(languages, found, strict=True) if wanted != code)
        yield check_pair((values[0], values[1]), (place, place))
    for wanted, key in zip(languages, ("data.source_language", "data.target_language"), strict=True):
        if seen and nearest_code(wanted, list(seen)) is None:
            raise InputError(f"{path}: no text in {wanted!r} ({key}); {nearest(wanted, seen)}")
    _note(
        notes, path, left_out, [f"{wanted} is read from {code} ({count:,})" for (wanted, code), count in read.items()]
    )


@text_reader("xliff", ".xlf", ".xliff", keys=TAGS)
def read_xliff(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    """Yield the pairs of an XLIFF file, which may go from the source to the target or the other way."""
    store, text, left_out = open_xliff(path), _reader_of_tags(path, spec), Counter[str]()
    for unit in xliff_units(store):
        place = f"{path}:{unit.line}"
        swapped = is_swapped(place, unit.languages, languages)
        if unit.state:
            left_out[unit.state] += 1
            continue
        values = text(unit.source, place), text(unit.target, place)
        yield check_pair(values[::-1] if swapped else values, (place, place))
    _note(notes, path, left_out)


@text_reader("po", ".po")
def read_po(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    """Yield the pairs of a PO file; an entry with plural forms gives one pair for each form.

    The language of msgstr is the header's; where it names none, msgid is the source and msgstr the target.
    """
    from seq2seq.text.markup import one_line

    file, left_out = open_po(path), Counter[str]()
    found = file.header.get("X-Source-Language") or None, file.header.get("Language") or None
    swapped = is_swapped(str(path), found, languages)
    for unit in file.units:
        place = f"{path}:{unit._line_number}"
        targets = [str(each) for each in getattr(unit.target, "strings", [unit.target])]
        state = "obsolete" if unit.isobsolete() else "fuzzy" if unit.isfuzzy() else ""
        if state := state or ("" if all(each.strip() for each in targets) else "untranslated"):
            left_out[state] += 1
            continue
        for source, target in plural_pairs(unit, targets, file.header):
            values = one_line(source), one_line(target)
            yield check_pair(values[::-1] if swapped else values, (place, place))
    unnamed = "its header names no language; msgid is read as the source, msgstr as the target"
    _note(notes, path, left_out, [] if found[1] else [unnamed])


def plural_pairs(unit: Any, targets: list[str], header: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield msgid with the form for one, and msgid_plural with each other form, or with the only one."""
    sources = [str(each) for each in getattr(unit.source, "strings", [unit.source])]
    if len(sources) == 1:
        yield sources[0], targets[0]
        return
    one = min(singular_form(header), len(targets) - 1)
    yield sources[0], targets[one]
    yield from ((sources[1], target) for form, target in enumerate(targets) if form != one or len(targets) == 1)


def singular_form(header: dict[str, str]) -> int:
    """Return the number of the plural form that stands for one thing, by the header's formula; else 0."""
    _, _, formula = header.get("Plural-Forms", "").partition("plural=")
    try:
        return int(gettext.c2py(formula.strip().rstrip(";"))(1))
    except ValueError:
        return 0


def _reader_of_tags(path: Path, spec: CorpusConfig) -> Callable[[Any, str], str]:
    """Return a function that gives the text of an element on one line, with its inline tags where the config says."""
    from seq2seq.text.markup import UnknownEntity, inline_parts, join_parts, one_line

    def text(element: Any, place: str) -> str:
        if element is None:
            return ""
        try:
            return one_line(join_parts(inline_parts(element), spec.inline_tags or "strip"))
        except UnknownEntity as error:
            raise InputError(f"{place}: {error} is no entity of XML; write the character itself") from None

    return text


def _language(node: Any) -> str:
    return node.get("{http://www.w3.org/XML/1998/namespace}lang") or node.get("lang") or ""


def _note(notes: list[str], path: Path, left_out: Counter[str], more: list[str] | None = None) -> None:
    told = more or []
    if left_out:
        counts = ", ".join(f"{count:,} {state}" for state, count in sorted(left_out.items()))
        told = [*told, f"entries left out: {counts}"]
    notes.extend(f"{path}: {each}" for each in told)
