"""Translators' files, TMX, XLIFF 1.2 and 2.0 and PO, opened by translate-toolkit so that they can do no harm.

An XML file that declares entities is refused: they can stand for other files, or for more text than fits in memory.
Nothing outside the file is ever read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import InputError, imports_for, require
from seq2seq.text.compression import open_text
from seq2seq.text.lines import read_error

LARGEST_DOCUMENT = 1 << 29  # bytes, unpacked; a document is held whole, in some five times as many
_FUZZY_STATES = re.compile("new|needs-.*")  # XLIFF 1.2
_GUESSES = {"fuzzy-match", "leveraged-mt", "leveraged-tm", "mt-suggestion", "tm-suggestion"}  # XLIFF 1.2


class Unit(NamedTuple):
    """One unit of an XLIFF file. source, target: lxml elements; target is None where there is none.

    state: "" for a translation that is ready; "fuzzy", "untranslated" or "not to be translated".
    languages: the codes that the file names, None where it names none.
    """

    line: int
    source: Any
    target: Any
    state: str
    languages: tuple[str | None, str | None]
    element: Any  # trans-unit, or in XLIFF 2.0 segment


def read_document(path: Path) -> bytes:
    """Return the content of a file, unpacked where it is compressed. Raises InputError where it cannot be read."""
    try:
        with open_text(path) as file:
            content = file.read(LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise read_error(str(path), 0, error) from None
    if len(content) > LARGEST_DOCUMENT:
        raise InputError(f"{path}: more than {LARGEST_DOCUMENT:,} bytes; cut it, for it would be held whole")
    if not content.strip():
        raise InputError(f"{path}: the file is empty")
    return content


def _require_toolkit(path: Path) -> None:
    require(path.name if re.fullmatch(r"[\w' .-]+", path.name) else "the file", "translate")


def open_tmx(path: Path) -> Any:
    """Return a TMX file as translate-toolkit's store of units; raise InputError where it is none."""
    _require_toolkit(path)
    with imports_for("a TMX file"):
        from translate.storage.tmx import tmxfile
    return _open_xml(path, read_document(path), "TMX", tmxfile)


def open_xliff(path: Path) -> Any:
    """Return an XLIFF file, of version 1 or 2, as translate-toolkit's store; raise InputError where it is none."""
    _require_toolkit(path)
    with imports_for("an XLIFF file"):
        from translate.storage.xliff import Xliff1File
        from translate.storage.xliff2 import Xliff2File
    content = read_document(path)
    newer = re.search(rb"<xliff\b[^>]*?\bversion\s*=\s*[\"']2\.", content)
    return _open_xml(path, content, "XLIFF", Xliff2File if newer else Xliff1File)


def _open_xml(path: Path, content: bytes, kind: str, store: Any) -> Any:
    from io import BytesIO

    from lxml import etree

    try:
        found = store(BytesIO(content))
    except etree.XMLSyntaxError as error:
        line = error.lineno or 1
        message = re.sub(r", line \d+, column \d+.*", "", error.msg or "not XML", flags=re.DOTALL)
        raise InputError(f"{path}:{line}: not {kind}: {message}") from None
    except (AssertionError, StopIteration, AttributeError, ValueError, TypeError):  # what the toolkit raises for others
        raise InputError(f"{path}: not {kind}; its outermost element is another, or lacks what {kind} needs") from None
    declared = found.document.docinfo.internalDTD
    if declared is not None and (entity := next(declared.iterentities(), None)) is not None:
        hint = "they can stand for other files or for endless text; write out what they stand for"
        raise InputError(f"{path}: declares entities, such as {entity.name!r:.80}; {hint}")
    if getattr(found, "body", None) is None:
        raise InputError(f"{path}: not {kind}: it has no body")
    return found


def xliff_units(store: Any) -> Iterator[Unit]:
    """Yield the units of an XLIFF store that have a source, with what state their translation is in."""
    for unit in store.units:
        element = unit.xmlelement
        source = element.find(unit.namespaced("source"))
        if source is None:
            continue
        target = element.find(unit.namespaced("target"))
        versions = (_state_of_2, _languages_of_2) if store.bodyNode == "file" else (_state_of_1, _languages_of_1)
        kept = any(each.get("translate") == "no" for each in (element, *element.iterancestors()))
        state = "not to be translated" if kept else _untranslated(target) or versions[0](element, target)
        yield Unit(element.sourceline or 0, source, target, state, versions[1](element), element)


def _untranslated(target: Any) -> str:
    blank = target is None or not (any(each.strip() for each in target.itertext()) or len(target))
    return "untranslated" if blank else ""


def _state_of_1(element: Any, target: Any) -> str:
    state = target.get("state")
    if state is None:
        return "fuzzy" if element.get("approved") == "no" else ""
    return "fuzzy" if _FUZZY_STATES.fullmatch(state) or target.get("state-qualifier") in _GUESSES else ""


def _state_of_2(element: Any, target: Any) -> str:
    return "fuzzy" if element.get("state") == "initial" else ""


def _languages_of_1(element: Any) -> tuple[str | None, str | None]:
    file = next(each for each in element.iterancestors() if str(each.tag).rpartition("}")[2] in ("file", "xliff"))
    return file.get("source-language"), file.get("target-language")


def _languages_of_2(element: Any) -> tuple[str | None, str | None]:
    root = element.getroottree().getroot()
    return root.get("srcLang"), root.get("trgLang")


class PoFile(NamedTuple):
    """A PO file. units: translate-toolkit's, without the header. lines: its text, with line ends, as decoded.

    mark: the byte order mark before them, or nothing.
    """

    units: list[Any]
    header: dict[str, str]
    lines: list[str]
    charset: str
    mark: bytes


def open_po(path: Path) -> PoFile:
    """Return a PO file, decoded as its header says, else as UTF-8. Raises InputError, with the line, where it is none.

    A unit's first line is `unit._line_number`, from 1.
    """
    _require_toolkit(path)
    with imports_for("a PO file"):
        from translate.storage.poparser import PoParseError, PoParseState, parse_units
        from translate.storage.pypo import pofile
    content = read_document(path)
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    content = content.removeprefix(mark)
    named = re.search(rb"(?m)^\s*\"Content-Type:[^\"]*?charset=\s*([\w.:-]+)", content)
    charset = named[1].decode("ascii") if named and named[1] != b"CHARSET" else "utf-8"
    text = _decode(content, charset, path)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    store = pofile()
    store.units = []
    state = PoParseState([line.removesuffix("\r\n") + "\n" if line.endswith("\r\n") else line for line in lines],
                         store.create_unit, "utf-8")  # fmt: skip
    try:
        parse_units(state, store)
    except PoParseError as error:
        place = re.search(r" on line (\d+)", str(error))
        reason = str(error)[: place.start()] if place else str(error)
        raise InputError(f"{path}:{place[1] if place else state.lineno}: not PO: {reason}") from None
    except (ValueError, IndexError, KeyError):
        raise InputError(f"{path}:{state.lineno}: not PO; each entry needs msgid and msgstr") from None
    header = next((unit for unit in store.units if unit.isheader()), None)
    fields = (line.partition(":") for line in str(header.target).splitlines()) if header is not None else ()
    named_fields = {name.strip(): value.strip() for name, colon, value in fields if colon}
    entries = [unit for unit in store.units if unit is not header and len(unit.msgid)]
    return PoFile(entries, named_fields, lines, charset, mark)


def _decode(content: bytes, charset: str, path: Path) -> str:
    try:
        return content.decode(charset)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not valid {charset}, which its header names, or is the default") from None
    except LookupError:
        raise InputError(f"{path}: its header names the charset {charset!r:.80}, which is unknown; use UTF-8") from None


# ----------------------------------------------------------------------------------------------------------- languages


def _parts_of(code: str) -> tuple[str, ...]:
    return tuple(code.partition("@")[0].replace("_", "-").lower().split("-"))


def same_language(wanted: str, code: str | None) -> bool:
    """Return whether text in `code` may stand for `wanted`: the same, or one of the two is the other without region.

    A file that does not name its language may have any.
    """
    if code is None:
        return True
    one, other = _parts_of(wanted), _parts_of(code)
    return one == other or one == other[:1] or one[:1] == other


def nearest_code(wanted: str, codes: list[str]) -> int | None:
    """Return the index of the code that stands for `wanted`: itself, else without its region, else with any region."""
    same = [_parts_of(code) == _parts_of(wanted) for code in codes]
    if True in same:
        return same.index(True)
    return next((index for index, code in enumerate(codes) if same_language(wanted, code)), None)


def is_swapped(place: str, found: tuple[str | None, str | None], languages: tuple[str, str]) -> bool:
    """Return whether a file from one language to another is to be read backwards for `languages`.

    Raises InputError where it is not between these two languages.
    """
    if all(map(same_language, languages, found)):
        return False
    if all(map(same_language, languages, reversed(found))):
        return True
    named = " to ".join(code or "(a language that it does not name)" for code in found)
    wanted = f"{languages[0]!r} (data.source_language) and {languages[1]!r} (data.target_language)"
    raise InputError(f"{place}: from {named}; needed are {wanted}")
