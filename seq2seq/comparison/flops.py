"""Floating-point operations (FLOP) of a model's matrix products, counted from the shapes.

A product of [m, k] and [k, n] costs 2 m n k. Element-wise operations (gates, tanh, softmax, dropout, the optimiser) are
not counted, and neither is padding, which is waste. So the FLOP per second of a training, divided by those of a matmul,
is the fraction of the machine's speed that is used; whatever keeps it below 1 can in principle be found and mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.decoder import decoder_class
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS

_GATES = {"lstm": 4, "gru": 3}
_BACKWARD = 2  # for C = A B, the gradients of A and of B are one product each, both as large as A B


@dataclass(frozen=True, slots=True)
class Work:
    """Amount of text that a model processed, without padding.

    source, target: tokens of the sentences, the end of each counted. In a search, target is the number of steps of live
    hypotheses: a beam of 5 that lives 7 steps has 35. pairs: Σ over sentences of source x target, the number of
    attention weights.
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


def pair_work(source_lengths: Sequence[int], target_lengths: Sequence[int]) -> Work:
    """Return the work of sentence pairs from their lengths in tokens, the ends counted."""
    pairs = sum(source * target for source, target in zip(source_lengths, target_lengths, strict=True))
    return Work(len(source_lengths), sum(source_lengths), sum(target_lengths), pairs)


def forward_flops(architecture: Architecture, vocabulary: int, work: Work) -> dict[str, int]:
    """Return the FLOP of a forward pass over sources and targets, by part of the network.

    vocabulary: number of target pieces that the output layer scores.
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
    if architecture.copy:
        gate_input = architecture.decoder_dim + key_dim + architecture.embedding_dim
        counts["copy gate"] = gate_input * work.target
    return {part: 2 * count for part, count in counts.items()}


def training_flops(architecture: Architecture, vocabulary: int, work: Work) -> int:
    """Return the FLOP of loss and gradients: each forward product, and one more for the gradient of either factor.

    This also counts gradients that are never computed, those of the initial states, which are zeros, and of the weights
    of `uniform`. In the reference model both are below 0.5 %.
    """
    return (1 + _BACKWARD) * sum(forward_flops(architecture, vocabulary, work).values())


def _cell(architecture: Architecture, inputs: int, dim: int) -> int:
    """Return the multiplications of one step of a recurrent cell, whose gates read the input and the previous state."""
    return _GATES[architecture.cell] * dim * (inputs + dim)


def _encoder(architecture: Architecture) -> int:
    """Return the multiplications of the encoder per source token."""
    dim, inputs, total = architecture.encoder_dim, architecture.embedding_dim, 0
    for _ in range(architecture.encoder_layers):
        total += architecture.key_dim // dim * _cell(architecture, inputs, dim)
        inputs = architecture.key_dim
    return total


def _cells(architecture: Architecture) -> int:
    """Return the multiplications of the decoder's cells per target token.

    The first layer reads the embedding and what the wiring feeds back (`extra_input`).
    """
    dim, fed = architecture.decoder_dim, decoder_class(architecture).extra_input(architecture)
    first = _cell(architecture, architecture.embedding_dim + fed, dim)
    return first + (architecture.decoder_layers - 1) * _cell(architecture, dim, dim)


def _attention(architecture: Architecture, work: Work) -> int:
    """Return the multiplications of attention: projections, energies, weighted sums of all heads, and the window's."""
    heads, key = architecture.heads, architecture.key_dim
    sizes = architecture.decoder_dim, key, architecture.attention_dim
    cost = SCORE_FUNCTIONS[architecture.score].multiplications(*(size // heads for size in sizes))
    query, _, attention = sizes
    per_source, per_target = heads * cost.source, heads * cost.query
    if heads > 1:  # W_k and W_v per source token, W_q and W_o per query
        per_source, per_target = per_source + 2 * key**2, per_target + query**2 + key**2
    per_target += WINDOWS[architecture.window].multiplications(query, attention)
    return per_source * work.source + per_target * work.target + (heads * cost.pair + key) * work.pairs
