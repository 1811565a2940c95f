"""What SentencePiece's Python API does not tell of a model: kind, normalisation, types of pieces, where words are cut.

The format is a protocol buffer (sentencepiece_model.proto in the SentencePiece sources); few of its fields are needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from seq2seq.text.protobuf import FOUR_BYTES, iter_fields, make_field

Kind = Literal["unigram", "bpe", "char", "word"]

SPACE = "\u2581"  # how a piece writes a space: "▁"

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # SentencePiece.Type

_KINDS: dict[int, Kind] = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}  # TrainerSpec.ModelType
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3  # fields of ModelProto: its pieces, the TrainerSpec and the NormalizerSpec
_VOCABULARY_SIZE = 4  # field of the TrainerSpec
_DUMMY_PREFIX, _REMOVE_SPACES = 3, 4  # fields of the NormalizerSpec


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its id is its index in the list.

    score: a log-probability (unigram) or minus the rank of the merge (bpe).
    """

    text: str
    score: float
    type: int


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The contents of a model file.

    normalisation: the name of its rule, which may be any text.
    """

    kind: Kind
    pieces: list[Piece]
    normalisation: str = "identity"


class WordSplitter:
    """A splitter of normalised text before every space and around every user-defined symbol, as in SentencePiece.

    With `across_words`, for models whose pieces span spaces, the text between symbols stays whole.
    """

    def __init__(self, model: ModelDescription, across_words: bool = False) -> None:
        self._symbol = re.compile(regex_of_any(piece.text for piece in model.pieces if piece.type == USER_DEFINED))
        self._word = re.compile(".+" if across_words else f"{SPACE}?[^{SPACE}]+|{SPACE}", re.DOTALL)

    def split(self, normalized: str) -> Iterator[str]:
        """Yield words, each with the space before it, and symbols, in order; joined they are the text."""
        start = 0
        for symbol in self._symbol.finditer(normalized):
            yield from self._word.findall(normalized, start, symbol.start())
            yield symbol[0]
            start = symbol.end()
        yield from self._word.findall(normalized, start)


def regex_of_any(strings: Iterable[str]) -> str:
    """Return a regular expression for the longest of these strings, or one that matches nothing if there are none."""
    return "|".join(map(re.escape, sorted(strings, key=len, reverse=True))) or "(?!)"


def describe_model(model: bytes) -> ModelDescription:
    """Parse a model file; raise ValueError where the bytes are not a SentencePiece model."""
    kind: Kind = "unigram"  # the format's default
    normalisation, pieces = "identity", []
    for number, value in iter_fields(model):
        if number == _PIECES and isinstance(value, bytes):
            pieces.append(_piece(value))
        elif number == _TRAINER and isinstance(value, bytes):
            types = [each for key, each in iter_fields(value) if key == 3]
            kind = _KINDS[int(types[-1])] if types and types[-1] in _KINDS else kind
        elif number == _NORMALIZER and isinstance(value, bytes):
            names = [name.decode("utf-8") for key, name in iter_fields(value) if key == 1 and isinstance(name, bytes)]
            normalisation = names[-1] if names else normalisation
    return ModelDescription(kind, pieces, normalisation)


def set_normalisation_name(model: bytes, name: str) -> bytes:
    """Return the model with another name for its normalisation.

    The new field is appended: the last value of a field is the one that counts.
    """
    return model + make_field(_NORMALIZER, make_field(1, name.encode("ascii")))


def without_added_spaces(model: bytes) -> bytes:
    """Return the model as one that cuts a string as it is: no space is put before it, and none is removed."""
    return model + make_field(_NORMALIZER, make_field(_DUMMY_PREFIX, 0) + make_field(_REMOVE_SPACES, 0))


def append_pieces(model: bytes, pieces: Sequence[Piece]) -> bytes:
    """Return the model with further pieces; all ids that it has stay as they are."""
    size = len(describe_model(model).pieces) + len(pieces)
    made = [
        make_field(
            _PIECES,
            make_field(1, piece.text.encode())
            + bytes([2 << 3 | FOUR_BYTES])
            + struct.pack("<f", piece.score)
            + make_field(3, piece.type),
        )
        for piece in pieces
    ]
    return model + b"".join(made) + make_field(_TRAINER, make_field(_VOCABULARY_SIZE, size))


def _piece(message: bytes) -> Piece:
    found = dict(iter_fields(message))
    text, score, kind = found.get(1, b""), found.get(2, b"\0\0\0\0"), found.get(3, NORMAL)
    if not (isinstance(text, bytes) and isinstance(score, bytes) and isinstance(kind, int) and len(score) == 4):
        raise ValueError("a piece of the model is malformed")
    return Piece(text.decode("utf-8"), struct.unpack("<f", score)[0], kind)
