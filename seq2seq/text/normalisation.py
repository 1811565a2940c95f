"""Normalisation before tokenization by a tokenizer trained here: Unicode's NFC, and a plain space for every space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

COMPOSED = "seq2seq-nfc"  # name of this rule in a model file; SentencePiece's rules have other names

_SPACE = re.compile(r"\s")  # what str.split() splits at: tabs, no-break and ideographic spaces, U+2028 and others
_LONGEST = 1000  # characters; ordering the marks on one letter takes the square of their number
_FIRST_MARK = "\u0300"  # every character before this one stands for itself


def compose(text: str) -> str:
    """Return the NFC of the text, with a plain space for each character that Python takes for a space.

    Typographic signs stay as they are, for NFC changes none of them. More than a thousand marks on one letter are
    composed a thousand at a time.
    """
    if text.isascii():
        found = text
    elif len(text) <= _LONGEST:
        found = unicodedata.normalize("NFC", text)
    else:
        found = "".join(unicodedata.normalize("NFC", stretch) for stretch in _composable_parts(text))
    return _SPACE.sub(" ", found)


def is_decomposed(text: str) -> bool:
    """Return whether the text has letters in several code points (as in Unicode's NFD) that NFC writes as one."""
    return len(compose(text)) < len(text)


def original_offsets(text: str) -> list[int] | None:
    """Return for each border between characters of `compose(text)` its offset in the text; None where all are equal.

    A border inside a group of characters that were composed or reordered together keeps its distance from the start of
    the group.
    """
    if text.isascii() or compose(text) == _SPACE.sub(" ", text):
        return None
    found, start = list[int](), 0
    for stretch in _composable_parts(text):
        length = len(unicodedata.normalize("NFC", stretch))
        found += [start + min(offset, len(stretch)) for offset in range(length)]
        start += len(stretch)
    return [*found, start]


def _composable_parts(text: str) -> Iterator[str]:
    """Yield the shortest parts of the text that can be composed independently."""
    start = 0
    for place in range(1, len(text)):
        if place - start >= _LONGEST or _starts_part(text, start, place):
            yield text[start:place]
            start = place
    if text:
        yield text[start:]


def _starts_part(text: str, start: int, place: int) -> bool:
    """Return whether no character from `place` on interacts with those since `start`."""
    character = text[place]
    if character < _FIRST_MARK:
        return True
    if unicodedata.combining(unicodedata.normalize("NFD", character)[0]):
        return False
    apart = (unicodedata.normalize("NFC", part) for part in (text[start:place], character))
    return unicodedata.normalize("NFC", text[start : place + 1]) == "".join(apart)
