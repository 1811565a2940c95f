"""How much arithmetic a model asks for: floating-point operations of its matrix products, counted from the shapes.

A product of [m, k] and [k, n] costs 2 m n k. Element-wise work (gates, tanh, softmax, dropout, the optimiser) is not
counted, and neither is padding, for that is waste and not work. So FLOP per second over a matmul's FLOP per second is a
fraction of what the machine could do, and whatever keeps it below 1 is there to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.decoder import decoder_class
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS

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


def forward_flops(architecture: Architecture, vocabulary: int, work: Work) -> dict[str, int]:
    """FLOP of reading the sources and producing the targets, by part of the network.

    vocabulary: pieces that the output layer scores, of the target side.
    """
    key_dim, decoder = architecture.key_dim, decoder_class(architecture)
    counts = {
        "encoder": _encoder(architecture) * work.source,
        "bridge": key_dim * architecture.decoder_layers * architecture.decoder_dim * work.sentences,
        "decoder cells": _cells(architecture) * work.target,
        "attention": _attention(architecture, work),
        "readout": decoder.readout_input(architecture) * architecture.output_dim * work.target,
        "output layer": architecture.output_dim * vocabulary * work.target,
    }
    return {part: 2 * count for part, count in counts.items()}


def training_flops(architecture: Architecture, vocabulary: int, work: Work) -> int:
    """FLOP of loss and gradients: every product forward, and one for the gradient of either factor.

    Too many by what no gradient is asked for: that of the first states, which are zeros, and of uniform's weights. In
    the reference model both are below 0.5 %.
    """
    return (1 + _BACKWARD) * sum(forward_flops(architecture, vocabulary, work).values())


def _cell(architecture: Architecture, inputs: int, dim: int) -> int:
    """Multiplications of a recurrent cell: its gates read the input and the state before."""
    return _GATES[architecture.cell] * dim * (inputs + dim)


def _encoder(architecture: Architecture) -> int:
    """For each source token."""
    dim, inputs, total = architecture.encoder_dim, architecture.embedding_dim, 0
    for _ in range(architecture.encoder_layers):
        total += architecture.key_dim // dim * _cell(architecture, inputs, dim)
        inputs = architecture.key_dim
    return total


def _cells(architecture: Architecture) -> int:
    """For each target token; the first layer reads more than the embedding where something is fed back."""
    dim, fed = architecture.decoder_dim, decoder_class(architecture).extra_input(architecture)
    first = _cell(architecture, architecture.embedding_dim + fed, dim)
    return first + (architecture.decoder_layers - 1) * _cell(architecture, dim, dim)


def _attention(architecture: Architecture, work: Work) -> int:
    """Projections, energies and weighted sums, of all heads together, and the window's own prediction."""
    heads, key = architecture.heads, architecture.key_dim
    sizes = architecture.decoder_dim, key, architecture.attention_dim
    cost = SCORE_FUNCTIONS[architecture.score].multiplications(*(size // heads for size in sizes))
    query, _, attention = sizes
    per_source, per_target = heads * cost.source, heads * cost.query
    if heads > 1:  # W_k and W_v of every source token, W_q and W_o of every query
        per_source, per_target = per_source + 2 * key**2, per_target + query**2 + key**2
    per_target += WINDOWS[architecture.window].multiplications(query, attention)
    return per_source * work.source + per_target * work.target + (heads * cost.pair + key) * work.pairs
