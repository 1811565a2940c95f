"""A stranger's string as plain text, for whatever would read more into it: a terminal, Markdown, a spreadsheet."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

_JOINERS = "\u200c\u200d"  # Persian and the scripts of India are spelt with them, and so are emoji
_LONGEST_LINE = 1000  # characters


def escape_line(text: str) -> str:
    """Text on one line, with an escape in place of each character that does something other than being seen.

    Such are line breaks, control characters, marks that turn the direction of writing, and bytes that were no UTF-8.
    """
    return _escaped(text, lambda character: character.encode("unicode_escape").decode())


def escape_text(text: str) -> str:
    """Text for a terminal: what a stranger's file put into it can neither steer the terminal nor flood it."""
    lines = map(escape_line, text.split("\n"))
    return "\n".join(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..." for line in lines)


def escape_columns(text: str) -> str:
    """Lines with tabs between their columns, as long as they are, with nothing else that steers a terminal."""
    return "\n".join("\t".join(map(escape_line, line.split("\t"))) for line in text.split("\n"))


def json_text(facts: Any) -> str:
    """Indented JSON that a terminal shows as it is, with escapes in place of the characters that `escape_line` replaces."""
    written = json.dumps(facts, ensure_ascii=False, indent=2)
    return "\n".join(_escaped(line, lambda character: json.dumps(character)[1:-1]) for line in written.split("\n"))


def escape_markdown(text: str) -> str:
    """Words as Markdown shows them as they are: nothing is markup, a link or the end of a cell."""
    return re.sub(r"([\\`*_\[\]<>|#&~$])", r"\\\1", " ".join(escape_line(text).split()))


def code_span(text: str) -> str:
    """Text in a code span of Markdown, which it cannot end."""
    return f"`{' '.join(escape_line(text).replace('`', chr(39)).split())}`"


def escape_csv_cell(text: str) -> str:
    """Text for a cell of a CSV file, with an apostrophe before it where a spreadsheet would read a formula."""
    return f"'{text}" if re.match(r"\s*[=+\-@＝＋－＠]|[\t\r\n]", text) else text


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(character if _is_plain(character) else escape(character) for character in text)


def _is_plain(character: str) -> bool:
    """Whether a character is only seen: no control or format character, no half of a pair, no line break."""
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
