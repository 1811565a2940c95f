"""How much arithmetic a model asks for: floating-point operations of its matrix products, counted from the shapes.

A product of [m, k] and [k, n] costs 2 m n k. Element-wise work (gates, tanh, softmax, dropout, the optimiser) is not
counted, and neither is padding, for that is waste and not work. So FLOP per second over a matmul's FLOP per second is a
fraction of what the machine could do, and whatever keeps it below 1 is there to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seq2seq.config import ModelConfig

_GATES = {"lstm": 4, "gru": 3}
_BACKWARD = 2  # of C = A B, the gradients of A and of B are a product each, both as large


@dataclass(frozen=True, slots=True)
class Work:
    """What was read and written, all of it real.

    source, target: tokens of the sentences, each side's end counted. target, in a search: steps of live hypotheses, so
    a beam of 5 that lives 7 steps has 35. pairs: Σ over sentences of source x target, the cells of attention.
    """

    sentences: int
    source: int
    target: int
    pairs: int

    def __add__(self, other: Work) -> Work:
        return Work(
            self.sentences + other.sentences,
            self.source + other.source,
            self.target + other.target,
            self.pairs + other.pairs,
        )


def work_of(source_lengths: Sequence[int], target_lengths: Sequence[int]) -> Work:
    """The work of pairs of sentences, given their tokens with the ends."""
    pairs = sum(source * target for source, target in zip(source_lengths, target_lengths, strict=True))
    return Work(len(source_lengths), sum(source_lengths), sum(target_lengths), pairs)


class Sizes(NamedTuple):
    """Of what a score function stands between."""

    query: int
    key: int
    attention: int


class ScoreCost(NamedTuple):
    """Multiplications of a score function: for each source token, for each query, and for each pair of the two."""

    key: Callable[[Sizes], int]
    query: Callable[[Sizes], int]
    pair: Callable[[Sizes], int]


def _none(sizes: Sizes) -> int:
    return 0


def _query(sizes: Sizes) -> int:
    return sizes.query


_ADDITIVE = ScoreCost(lambda s: s.key * s.attention, lambda s: s.query * s.attention, lambda s: s.attention)
_MULTIPLICATIVE = ScoreCost(lambda s: s.key * s.query, _none, _query)
SCORE_COSTS: dict[str, ScoreCost] = {
    "additive": _ADDITIVE,
    "coverage": _ADDITIVE,
    "concat": ScoreCost(lambda s: s.key * s.query, lambda s: s.query**2, _query),
    "multiplicative": _MULTIPLICATIVE,
    "scaled_multiplicative": _MULTIPLICATIVE,
    "dot": ScoreCost(_none, _none, _query),
    "scaled_dot": ScoreCost(_none, _none, _query),
    "cosine": ScoreCost(_none, _none, _query),
    "location": ScoreCost(_none, lambda s: s.query * s.attention, _none),
    "uniform": ScoreCost(_none, _none, _none),
}


def forward_flops(model: ModelConfig, vocabulary: int, work: Work) -> dict[str, int]:
    """FLOP of reading the sources and producing the targets, by part of the network.

    vocabulary: pieces that the output layer scores, of the target side. Raises ValueError for a score function that
    SCORE_COSTS does not know.
    """
    key_dim = _key_dim(model)
    counts = {
        "encoder": _encoder(model) * work.source,
        "bridge": key_dim * model.decoder_layers * model.decoder_dim * work.sentences,
        "decoder cells": _cells(model) * work.target,
        "attention": _attention(model, work),
        "readout": _readout_input(model) * model.outputs * work.target,
        "output layer": model.outputs * vocabulary * work.target,
    }
    return {part: 2 * count for part, count in counts.items()}


def training_flops(model: ModelConfig, vocabulary: int, work: Work) -> int:
    """FLOP of loss and gradients: every product forward, and one for the gradient of either factor.

    Too many by what no gradient is asked for: that of the first states, which are zeros, and of uniform's weights. In
    the reference model both are below 0.5 %.
    """
    return (1 + _BACKWARD) * sum(forward_flops(model, vocabulary, work).values())


def _key_dim(model: ModelConfig) -> int:
    return model.encoder_dim * (2 if model.bidirectional else 1)


def _cell(model: ModelConfig, inputs: int, dim: int) -> int:
    """Multiplications of a recurrent cell: its gates read the input and the state before."""
    return _GATES[model.cell] * dim * (inputs + dim)


def _encoder(model: ModelConfig) -> int:
    """For each source token."""
    directions, inputs = (2 if model.bidirectional else 1), model.embedding_dim
    total = 0
    for _ in range(model.encoder_layers):
        total += directions * _cell(model, inputs, model.encoder_dim)
        inputs = _key_dim(model)
    return total


def _cells(model: ModelConfig) -> int:
    """For each target token; the first layer reads more than the embedding where something is fed back."""
    fed = model.outputs if model.input_feeding else _key_dim(model) if model.wiring == "bahdanau" else 0
    first = _cell(model, model.embedding_dim + fed, model.decoder_dim)
    return first + (model.decoder_layers - 1) * _cell(model, model.decoder_dim, model.decoder_dim)


def _readout_input(model: ModelConfig) -> int:
    return model.decoder_dim + _key_dim(model) + (model.embedding_dim if model.wiring == "bahdanau" else 0)


def _attention(model: ModelConfig, work: Work) -> int:
    """Projections, energies and weighted sums, of all heads together, and the window's own prediction."""
    if model.score not in SCORE_COSTS:
        raise ValueError(f"score {model.score!r} has no entry in SCORE_COSTS, which says what it multiplies")
    cost, heads = SCORE_COSTS[model.score], model.heads
    query, key, attention = model.decoder_dim, _key_dim(model), model.attention_dim
    each = Sizes(query // heads, key // heads, attention // heads)
    per_source, per_target = heads * cost.key(each), heads * cost.query(each)
    if heads > 1:  # W_k and W_v of every source token, W_q and W_o of every query
        per_source, per_target = per_source + 2 * key**2, per_target + query**2 + key**2
    if model.window == "predictive":
        per_target += query * attention + attention
    return per_source * work.source + per_target * work.target + (heads * cost.pair(each) + key) * work.pairs
