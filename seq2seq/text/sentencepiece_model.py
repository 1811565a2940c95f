"""What SentencePiece in Python does not tell of a model: its kind, each piece's type, where it cuts words.

The format is a protocol buffer (sentencepiece_model.proto in the SentencePiece sources); few of its fields are needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from seq2seq.protobuf import fields

Kind = Literal["unigram", "bpe", "char", "word"]

SPACE = "\u2581"  # how a piece writes a space: "▁"

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # SentencePiece.Type

_KINDS: dict[int, Kind] = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}  # TrainerSpec.ModelType


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its id is its place in the list. `score` is a log probability or minus a rank."""

    text: str
    score: float
    type: int


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a model file says about itself."""

    kind: Kind
    pieces: list[Piece]


class WordSplitter:
    """Cuts normalized text before every space and around every user-defined symbol, as SentencePiece does.

    With `across_words`, for models whose pieces span spaces, the stretches between symbols stay whole.
    """

    def __init__(self, model: ModelDescription, across_words: bool = False) -> None:
        self._symbol = re.compile(any_of(piece.text for piece in model.pieces if piece.type == USER_DEFINED))
        self._word = re.compile(".+" if across_words else f"{SPACE}?[^{SPACE}]+|{SPACE}", re.DOTALL)

    def split(self, normalized: str) -> Iterator[str]:
        """Words, each with the space before it, and symbols, in order; joined they are the text."""
        start = 0
        for symbol in self._symbol.finditer(normalized):
            yield from self._word.findall(normalized, start, symbol.start())
            yield symbol[0]
            start = symbol.end()
        yield from self._word.findall(normalized, start)


def any_of(strings: Iterable[str]) -> str:
    """A regular expression for the longest of these strings; for none, one that matches nothing."""
    return "|".join(map(re.escape, sorted(strings, key=len, reverse=True))) or "(?!)"


def describe(model: bytes) -> ModelDescription:
    """Read kind and pieces. Raises ValueError where the bytes are no SentencePiece model."""
    kind: Kind = "unigram"  # the format's default
    pieces = []
    for number, value in fields(model):
        if number == 1 and isinstance(value, bytes):
            pieces.append(_piece(value))
        elif number == 2 and isinstance(value, bytes):
            types = [each for key, each in fields(value) if key == 3]
            kind = _KINDS[int(types[-1])] if types and types[-1] in _KINDS else kind
    return ModelDescription(kind, pieces)


def _piece(message: bytes) -> Piece:
    found = dict(fields(message))
    text, score, kind = found.get(1, b""), found.get(2, b"\0\0\0\0"), found.get(3, NORMAL)
    if not (isinstance(text, bytes) and isinstance(score, bytes) and isinstance(kind, int) and len(score) == 4):
        raise ValueError("a piece of the model is malformed")
    return Piece(text.decode("utf-8"), struct.unpack("<f", score)[0], kind)
