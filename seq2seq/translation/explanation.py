"""The data of an explanation: what a search read, wrote, considered and cut, as plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seq2seq.metrics.links import NO_WORD
from seq2seq.text.special_tokens import EOS, SPECIAL_PIECES
from seq2seq.translation.attention_html import attention_html
from seq2seq.translation.plain_data import PlainData, matrix
from seq2seq.translation.translation import Translation

VERSION = 1
END = SPECIAL_PIECES[EOS]
EVERY_STEP = -1


@dataclass(frozen=True, slots=True)
class AttentionEdit:
    """Another attention of one step, the number of a target piece from 0, or of every step (-1, for a mask alone).

    weights: one for each source piece, with its end (and its tag, if it has one); they are divided by their sum, unless
    that is 1 but for rounding. mask: numbers of source pieces, from 0, that the step must not look at; their weight
    goes to the others in proportion to the model's own weights.
    """

    step: int
    weights: Sequence[float] | None = None
    mask: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class PieceChoice:
    """A piece that a step could write, and its log-probability in nats by the model."""

    piece: str
    log_prob: float


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One step of a translation: the piece that it wrote, and the most probable ones.

    log_prob: nats, by the model as it is, whatever the search allows. rank: 1 for the most probable piece of the
    vocabulary.
    """

    piece: str
    log_prob: float
    rank: int
    best: list[PieceChoice]


@dataclass(frozen=True, slots=True)
class BeamNode:
    """A hypothesis at one step of the search: its last piece, and the number of the hypothesis that it continues.

    log_prob: nats, of the whole hypothesis by the model. score: what the search compares at that step, over the length
    penalty. state: 'open' is the root, which has no piece; 'winner' are all on the way to the best translation,
    'finished' held a slot of the beam to the end, 'kept' held one for a step or more, 'pruned' was cut at once.
    """

    id: int
    parent: int | None
    step: int
    piece: str
    log_prob: float
    score: float
    state: Literal["open", "winner", "finished", "kept", "pruned"]


@dataclass(frozen=True, slots=True, eq=False)
class Explanation(PlainData):
    """How a search came to the translation of a text.

    translation: the best one, the first of `nbest`. attention [len(pieces) + 1, len(source_pieces) + 1]: what the
    output layer read, edits included; its last row, of the end, is missing where the translation is not finished.
    steps: one for each row of the attention. tree: the hypotheses that the beam kept, and the next best that it cut.
    forced: how many pieces were given. state: where edited contexts go, 'following' or 'fixed'.
    beam, model, score, wiring, input_feeding: of the search and the model, or of all models of an ensemble.
    """

    translation: Translation
    nbest: list[Translation]
    attention: NDArray[np.float32]
    steps: list[ExplainedStep]
    tree: list[BeamNode]
    edits: list[AttentionEdit]
    state: str
    forced: int
    beam: int
    model: str
    score: str
    wiring: str
    input_feeding: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "attention", matrix(self.attention))

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as plain data for JSON: version 1 of a format that only grows."""
        best = self.translation
        return {
            "version": VERSION,
            "score": self.score,
            "wiring": self.wiring,
            "input_feeding": self.input_feeding,
            "beam": self.beam,
            "model": self.model,
            "source": {
                "text": best.source,
                "pieces": [*best.source_pieces, END],
                "words": list(_stretches(best.source_words)),
            },
            "target": {
                "text": best.text,
                "pieces": list(best.pieces),
                "words": list(_stretches(best.target_words)),
                "finished": best.finished,
                "log_prob": best.log_prob,
                "score": best.score,
                "forced": self.forced,
            },
            "attention": self.attention.tolist(),
            "steps": [
                {
                    "piece": step.piece,
                    "log_prob": step.log_prob,
                    "rank": step.rank,
                    "best": [{"piece": each.piece, "log_prob": each.log_prob} for each in step.best],
                }
                for step in self.steps
            ],
            "nbest": [{"text": each.text, "log_prob": each.log_prob, "score": each.score} for each in self.nbest],
            "tree": [
                {
                    "id": node.id,
                    "parent": node.parent,
                    "step": node.step,
                    "piece": node.piece,
                    "log_prob": node.log_prob,
                    "score": node.score,
                    "state": node.state,
                }
                for node in self.tree
            ],
            "edits": [_edit(edit) for edit in self.edits],
            "state": self.state,
            "truncated": best.truncated,
        }

    def _repr_html_(self) -> str:
        """Return a drawing of the attention for Jupyter, which needs no network and runs no script."""
        rows = [step.piece for step in self.steps]
        shares = [float(np.exp(step.log_prob)) for step in self.steps]
        edited = {edit.step for edit in self.edits}
        marked = [EVERY_STEP in edited or row in edited for row in range(len(rows))]
        columns = [*self.translation.source_pieces, END]
        return attention_html(self.translation.text, self.attention, columns, rows, shares, marked)


def _edit(edit: AttentionEdit) -> dict[str, Any]:
    return {
        "step": int(edit.step),
        "weights": None if edit.weights is None else [float(weight) for weight in edit.weights],
        "mask": None if edit.mask is None else [int(place) for place in edit.mask],
    }


def _stretches(words: Sequence[int]) -> Iterator[list[int]]:
    """Yield the first piece of each word and the one after its last; words: the number of each piece's word."""
    for word, places in groupby(range(len(words)), key=lambda place: words[place]):
        found = list(places)
        if word != NO_WORD:
            yield [found[0], found[-1] + 1]
