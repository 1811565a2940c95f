"""Documents that are given back translated: PO, XLIFF and plain text, of which only the translations change."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import InputError
from seq2seq.text.compression import strip_compression_suffix
from seq2seq.text.documents import PoFile, open_po, open_xliff, read_document, same_language, xliff_units
from seq2seq.text.lines import decode_line, describe_problem, detect_other_format
from seq2seq.text.translators_files import singular_form
from seq2seq.text.words import Span

MARKED = {"po": "fuzzy", "xliff": "in need of review"}  # the state of what a machine translated


class Entry(NamedTuple):
    """A text to translate. line: its first, in the document. tags: spans of the text that are inline tags.

    fill: writes the translation into the document; it is given the text and the spans of the tags in it, in order, and
    returns False where they do not nest, when the text alone was written.
    """

    line: int
    text: str
    tags: list[Span]
    fill: Callable[[str, list[Span]], bool]


@dataclass(slots=True)
class Document:
    """A document and its entries to translate.

    content: returns the document as bytes, with what the entries were filled with. left: number of entries that stay as
    they are. languages: what the document says of its source and its target, None where it says nothing.
    """

    kind: str
    content: Callable[[], bytes]
    entries: list[Entry] = field(default_factory=list)
    left: int = 0
    languages: tuple[str | None, str | None] = (None, None)

    def language_notes(self, languages: tuple[str, str]) -> Iterator[str]:
        """Yield a sentence if the document is in other languages than the model, as far as both name them."""
        known = [wanted not in ("source", "target") for wanted in languages]
        if all(known) and not all(map(same_language, languages, self.languages)):
            named = " to ".join(code or "(unnamed)" for code in self.languages)
            yield f"it is from {named}, and the model translates from {languages[0]} to {languages[1]}"


def open_document(name: str, target_language: str, *, retranslate: bool) -> Document:
    """Open a document by the suffix of its name: .po, .pot, .xlf, .xliff, else plain text in UTF-8.

    Of PO and XLIFF, the entries without translation are to be translated; with `retranslate` all but those that are
    obsolete or not to be translated. Raises InputError, with the line, for a file that is not of its kind.
    """
    path = Path(name)
    suffix = strip_compression_suffix(path).suffix.lower()
    if suffix == ".tmx":
        raise InputError(f"{name}: a translation memory has nothing to fill in; allowed: PO, XLIFF and plain text")
    if suffix in (".po", ".pot"):
        return _open_po(path, retranslate)
    if suffix in (".xlf", ".xliff"):
        return _open_xliff(path, target_language, retranslate)
    return _open_text(path)


# ----------------------------------------------------------------------------------------------------------- plain text


def _open_text(path: Path) -> Document:
    content = read_document(path)
    if kind := detect_other_format(content[:512]):
        raise InputError(f"{path}: is {kind}")
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    lines = list[str]()
    for number, line in enumerate(content.removeprefix(mark).split(b"\n"), start=1):
        text, problem = decode_line(line)
        if problem:
            raise InputError(f"{path}:{number}: {describe_problem(problem)}")
        lines.append(text)
    document = Document("text", lambda: mark + "\n".join(lines).encode())

    def fill(index: int) -> Callable[[str, list[Span]], bool]:
        def write(text: str, tags: list[Span]) -> bool:
            lines[index] = text
            return True

        return write

    document.entries += [Entry(index + 1, line, [], fill(index)) for index, line in enumerate(lines) if line.strip()]
    return document


# ------------------------------------------------------------------------------------------------------------------- PO


def _open_po(path: Path, retranslate: bool) -> Document:
    file = open_po(path)
    targets = dict[int, dict[int, str]]()  # index of the unit -> form -> translation

    def content() -> bytes:
        text = "".join(_filled_lines(file, targets))
        try:
            return file.mark + text.encode(file.charset)
        except UnicodeEncodeError as error:
            lacking = f"its charset {file.charset} has no {error.object[error.start]!r}"
            raise InputError(f"{path}: {lacking}; convert it first: msgconv -t UTF-8") from None

    languages = file.header.get("X-Source-Language") or None, file.header.get("Language") or None
    document = Document("po", content, languages=languages)

    def fill(index: int, form: int) -> Callable[[str, list[Span]], bool]:
        def write(text: str, tags: list[Span]) -> bool:
            targets.setdefault(index, {})[form] = text
            return True

        return write

    for index, unit in enumerate(file.units):
        strings = [str(each) for each in getattr(unit.target, "strings", [unit.target])]
        if unit.isobsolete() or (any(each.strip() for each in strings) and not retranslate):
            document.left += 1
            continue
        for form, source in enumerate(_sources_of_forms(unit, len(strings), file.header)):
            document.entries.append(Entry(unit._line_number, source, [], fill(index, form)))
    return document


def _sources_of_forms(unit: Any, forms: int, header: dict[str, str]) -> list[str]:
    """Return the source of each plural form, msgid for the form of one thing; a unit without plural has one form."""
    sources = [str(each) for each in getattr(unit.source, "strings", [unit.source])]
    if len(sources) == 1:
        return sources
    named = re.search(r"nplurals\s*=\s*(\d)", header.get("Plural-Forms", ""))
    count = int(named[1]) if named and named[1] != "0" else forms
    one = singular_form(header) if count > 1 else -1
    return [sources[form != one] for form in range(count)]


def _filled_lines(file: PoFile, targets: dict[int, dict[int, str]]) -> Iterator[str]:
    """Yield the lines of a PO file with the targets of the units filled in, and these units marked fuzzy."""
    done = 0
    for index, forms in sorted(targets.items()):
        first = file.units[index]._line_number - 1
        yield from file.lines[done:first]
        begin = _find(file.lines, first, "msgstr")
        end = _find(file.lines, begin, "msgstr", '"', other=True)
        yield from _marked_fuzzy(file.lines[first:begin])
        newline = "\r\n" if file.lines[begin].endswith("\r\n") else "\n"
        for form, text in sorted(forms.items()):
            keyword = f"msgstr[{form}]" if file.lines[begin].startswith("msgstr[") else "msgstr"
            yield from (line + newline for line in _quoted(keyword, text))
        done = end
    yield from file.lines[done:]


def _find(lines: Sequence[str], start: int, *words: str, other: bool = False) -> int:
    """Return the index of the first line from `start` on that begins with one of the words, or (`other`) with none."""
    places = (index for index in range(start, len(lines)) if lines[index].lstrip().startswith(words) != other)
    return next(places, len(lines))


def _marked_fuzzy(lines: Sequence[str]) -> Iterator[str]:
    flags = _find(lines, 0, "#,")
    before = _find(lines, 0, "#|", "msgctxt", "msgid")
    for index, line in enumerate(lines):
        if flags == len(lines) and index == before:
            yield "#, fuzzy" + ("\r\n" if line.endswith("\r\n") else "\n")
        if index == flags and not re.search(r"\bfuzzy\b", line):
            line = line.replace("#,", "#, fuzzy,", 1)
        if not (line.startswith("#|")):  # what a translation that is gone was made of
            yield line


def _quoted(keyword: str, text: str) -> Iterator[str]:
    """Yield the lines of a string in PO, one for each line of the text."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    quoted = [f'"{_escaped(line)}"' for line in lines] or ['""']
    if len(quoted) == 1:
        yield f"{keyword} {quoted[0]}"
    else:
        yield f'{keyword} ""'
        yield from quoted


def _escaped(text: str) -> str:
    for sign, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(sign, escape)
    return text


# ---------------------------------------------------------------------------------------------------------------- XLIFF


def _open_xliff(path: Path, target_language: str, retranslate: bool) -> Document:
    from lxml import etree

    from seq2seq.text.markup import UnknownEntity, inline_parts

    store = open_xliff(path)
    from translate.misc.xml_helpers import extract_xml_prolog

    tree, original = store.document, read_document(path)

    def content() -> bytes:
        encoding, root = tree.docinfo.encoding or "UTF-8", tree.getroot()
        if codecs.lookup(encoding).name not in ("utf-8", "ascii"):
            whole: bytes = etree.tostring(tree, encoding=encoding, xml_declaration=True)
            return whole
        after = b"".join(etree.tostring(each, encoding=encoding) for each in root.itersiblings())
        ends = b"\n" if original.endswith(b"\n") else b""
        inside: bytes = etree.tostring(root, encoding=encoding, xml_declaration=False, with_tail=False)
        return bytes(extract_xml_prolog(original)) + inside + after + ends

    document = Document("xliff", content)
    for unit in xliff_units(store):
        document.languages = unit.languages
        if unit.state == "not to be translated" or (unit.state != "untranslated" and not retranslate):
            document.left += 1
            continue
        try:
            parts = inline_parts(unit.source)
        except UnknownEntity as error:
            raise InputError(f"{path}:{unit.line}: {error} is no entity of XML; write the character itself") from None
        text, spans, tags = _text_and_tags(parts, _keeps_space(unit.source))
        if text.strip():
            newer = store.bodyNode == "file"
            fill = _XliffTarget(unit.element, unit.source, tags, target_language, newer)
            document.entries.append(Entry(unit.line, text, spans, fill))
        else:
            document.left += 1
    return document


def _keeps_space(element: Any) -> bool:
    name = "{http://www.w3.org/XML/1998/namespace}space"
    ways = (each.get(name) for each in (element, *element.iterancestors()))
    return next((way for way in ways if way), "default") == "preserve"


def _text_and_tags(parts: Iterable[Any], keep_space: bool) -> tuple[str, list[Span], list[Any]]:
    text, spans, tags = "", list[Span](), list[Any]()
    for part in parts:
        if isinstance(part, str):
            text += part if keep_space else re.sub(r"[ \t\r\n]+", " ", part)
        else:
            spans.append((len(text), len(text) + len(part.xml)))
            tags.append(part)
            text += part.xml
    return text, spans, tags


class _XliffTarget:
    """Writes a unit's target, and marks it as a machine's suggestion that needs review."""

    def __init__(self, element: Any, source: Any, tags: list[Any], language: str, newer: bool) -> None:
        self._element, self._source, self._tags, self._language, self._newer = element, source, tags, language, newer

    def __call__(self, text: str, spans: list[Span]) -> bool:
        """Write the text, with the tags at their spans."""
        from seq2seq.text.markup import set_parts

        parts, done = list[Any](), 0
        for tag, (start, end) in sorted(zip(self._tags, spans, strict=True), key=lambda each: each[1]):
            parts += [text[done:start], tag]
            done = end
        parts.append(text[done:])
        target = self._target()
        if self._newer:
            self._element.set("state", "initial")
        else:
            target.set("state", "needs-review-translation")
            target.set("state-qualifier", "leveraged-mt")
            if self._element.get("approved") == "yes":
                self._element.set("approved", "no")
        self._name_language()
        return set_parts(target, parts) or not set_parts(target, [part for part in parts if isinstance(part, str)])

    def _target(self) -> Any:
        """Return the unit's target, a new one after its source where it has none."""
        space = self._source.tag.removesuffix("source")
        found = self._element.find(f"{space}target")
        if found is None:
            segmented = self._element.find(f"{space}seg-source")
            before = self._source if segmented is None else segmented
            found = self._element.makeelement(f"{space}target")
            before.addnext(found)  # which takes the space after `before` along
            found.tail, before.tail = before.tail, self._element.text
        return found

    def _name_language(self) -> None:
        """Name the target's language where the file does not, as a file with targets must."""
        key = "trgLang" if self._newer else "target-language"
        where = ("xliff",) if self._newer else ("file",)
        owner = next((one for one in self._element.iterancestors() if str(one.tag).rpartition("}")[2] in where), None)
        if owner is not None and owner.get(key) is None and self._language != "target":
            owner.set(key, self._language)
