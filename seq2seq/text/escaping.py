"""Escapes for strings of unknown origin, which a terminal, Markdown or a spreadsheet could read as more than text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

_JOINERS = "\u200c\u200d"  # Persian and the scripts of India are spelt with them, and so are emoji
_LONGEST_LINE = 1000  # characters


def escape_line(text: str) -> str:
    """Return text on one line, with an escape in place of each character that has an effect instead of a shape.

    Such are line breaks, control characters, marks that change the direction of writing, and bytes that were not UTF-8.
    """
    return _escaped(text, lambda character: character.encode("unicode_escape").decode())


def escape_text(text: str) -> str:
    """Return text of several lines for a terminal: each line escaped, and cut after 1,000 characters.

    So no file can steer the terminal or flood it.
    """
    lines = map(escape_line, text.split("\n"))
    return "\n".join(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..." for line in lines)


def escape_columns(text: str) -> str:
    """Return lines of tab-separated columns for a terminal: each field escaped, whatever its length."""
    return "\n".join("\t".join(map(escape_line, line.split("\t"))) for line in text.split("\n"))


def json_text(facts: Any) -> str:
    """Return indented JSON for a terminal, with JSON escapes for the characters that `escape_line` replaces."""
    written = json.dumps(facts, ensure_ascii=False, indent=2)
    return "\n".join(_escaped(line, lambda character: json.dumps(character)[1:-1]) for line in written.split("\n"))


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, with no markup, link or end of a table's cell in it."""
    return re.sub(r"([\\`*_\[\]<>|#&~$])", r"\\\1", " ".join(escape_line(text).split()))


def code_span(text: str) -> str:
    """Return a code span of Markdown that the text cannot end."""
    return f"`{' '.join(escape_line(text).replace('`', chr(39)).split())}`"


def escape_csv_cell(text: str) -> str:
    """Return text for a cell of a CSV file, with an apostrophe before it where a spreadsheet would read a formula."""
    return f"'{text}" if re.match(r"\s*[=+\-@＝＋－＠]|[\t\r\n]", text) else text


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(character if _is_plain(character) else escape(character) for character in text)


def _is_plain(character: str) -> bool:
    """Return whether a character only has a shape: no control or format character, no half of a pair, no line break."""
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
