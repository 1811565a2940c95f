"""First values of the embeddings from files of word vectors: training.source_vectors and training.target_vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.nn.model import Seq2Seq
from seq2seq.text.encoding import Ids
from seq2seq.text.streaming import Stream
from seq2seq.text.vectors import check_dimension, match_pieces, read_vectors, spellings
from seq2seq.training.data import TrainingText
from seq2seq.training.start import is_taken

_SIDES = ("source", "target")

Report = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class PieceVectors:
    """The vectors of the pieces of one side.

    rows: ids of the pieces that have one. values: float32 [rows, embedding_dim]. facts: what the log tells of them.
    """

    side: str
    rows: list[int]
    values: np.ndarray[Any, np.dtype[np.float32]]
    facts: dict[str, Any]

    def copy_into(self, model: Seq2Seq) -> None:
        """Make the vectors the rows of their pieces in the embedding, and in all that shares its weights."""
        with torch.no_grad():
            model.get_parameter(_weight(self.side))[self.rows] = torch.from_numpy(self.values)


def check_vectors_of_start(config: Config, model: Seq2Seq) -> None:
    """Refuse vectors for an embedding that has the start model's values. Raises InputError.

    model: any network of this config, as only its names are looked at.
    """
    named = list(model.named_parameters(remove_duplicate=False))
    for side, _ in _files(config) if config.training.start else ():
        shared = [name for name, parameter in named if parameter is model.get_parameter(_weight(side))]
        if taken := next((name for name in shared if is_taken(name, config.training)), None):
            raise InputError(
                f"training.{side}_vectors: {taken} has the values of training.start's model; "
                "name the parts to take in training.start_parts, without it, or leave the vectors out"
            )


def check_vectors(config: Config) -> None:
    """Refuse files that are missing, or have vectors of another dimension than the embeddings. Raises InputError."""
    for side, path in _files(config):
        with _named_in_errors(side):
            check_dimension(path, config.model.embedding_dim)


def find_vectors(config: Config, text: TrainingText, report: Report) -> list[PieceVectors]:
    """Read the vectors of all pieces that have one, for each side with a file. report: as in `read_vectors`.

    Raises InputError as `read_vectors` does, and for a file that has no piece at all.
    """
    return [_find(config, text, side, path, report) for side, path in _files(config)]


def _find(config: Config, text: TrainingText, side: str, path: Path, report: Report) -> PieceVectors:
    pieces = getattr(text.tokenizers, side).pieces
    wanted = {word for piece in pieces for word in spellings(piece)}
    with _named_in_errors(side):
        read = read_vectors(path, config.model.embedding_dim, wanted, report)
        found = match_pieces(pieces, read.vectors)
        if not found:
            raise InputError(
                f"{path}: none of its {read.lines:,} words is one of the {len(pieces):,} pieces of the vocabulary; "
                "is it of another language, or in another case?"
            )
    facts = {
        "side": "both" if config.model.tie == "all" else side,
        "file": getattr(config.training, f"{side}_vectors"),
        "pieces": len(found),
        "vocabulary": len(pieces),
        "share": _share_of_text(list(found), _SIDES if config.model.tie == "all" else (side,), text),
        "words": read.lines,
        "stated": read.stated,
        "duplicates": read.duplicates,
        "skipped": read.skipped,
    }
    return PieceVectors(side, list(found), np.stack([read.vectors[word] for word in found.values()]), facts)


def _share_of_text(rows: list[int], sides: tuple[str, ...], text: TrainingText) -> float | None:
    """Return the share of these pieces among all that the training texts are cut into; None if one is a stream."""
    known = total = 0
    for each in text.train:
        if isinstance(each.text, Stream):
            return None
        for side in sides:
            counts = np.bincount(Ids(getattr(each.text, f"{side}_ids")).arrays()["ids"], minlength=max(rows) + 1)
            known, total = known + int(counts[rows].sum()), total + int(counts.sum())
    return known / total


def _files(config: Config) -> list[tuple[str, Path]]:
    """Return each side that has a file of vectors, and the file."""
    named = [(side, getattr(config.training, f"{side}_vectors")) for side in _SIDES]
    return [(side, Path(config.data.root) / name) for side, name in named if name]


def _weight(side: str) -> str:
    return f"{side}_embedding.weight"


@contextmanager
def _named_in_errors(side: str) -> Iterator[None]:
    """Begin the message of an InputError with the key that names the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"training.{side}_vectors: {error}") from None
