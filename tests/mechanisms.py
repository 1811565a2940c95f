"""Small models over every mechanism of attention, every wiring and cell, for tests that run over all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.decoder import DECODERS
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.normalisation import NORMALISATIONS
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS

SCORES = sorted(SCORE_FUNCTIONS)
WIRINGS = list(DECODERS)
CELLS = ["gru", "lstm"]
SOURCE_VOCABULARY, TARGET_VOCABULARY = 29, 23


def _takes_unequal_sizes(score: str) -> bool:
    try:
        SCORE_FUNCTIONS[score](2, 3, 1)
    except ValueError:
        return False
    return True


# What is set in [model], by a name for it: every score function; every window, normalisation and number of heads over
# `additive`. Encoder states have 14 units, and scores that need equal sizes get them.
MECHANISMS: dict[str, dict[str, object]] = {
    **{name: {"score": name} | ({} if _takes_unequal_sizes(name) else {"decoder_dim": 14}) for name in SCORES},
    **{name: {"window": name, "window_size": 2} for name in sorted(WINDOWS) if name != "none"},
    **{name: {"normalisation": name} for name in sorted(NORMALISATIONS) if name != "softmax"},
    "heads": {"heads": 2, "score": "scaled_dot", "decoder_dim": 14, "attention_dim": 6},
}
# (mechanism, wiring, cell). Attention does not know the cell, so most meet one cell in each wiring, in turns.
CASES = [
    (mechanism, wiring, cell)
    for place, (mechanism, wiring) in enumerate(itertools.product(MECHANISMS, WIRINGS))
    for cell in (CELLS if mechanism in ("additive", "coverage") else CELLS[place % 2 :][:1])
]
# Of those, one wiring a mechanism, in turns, and additive attention in all, with one cell each. A mistake in a
# mechanism, a wiring or a cell shows in these; one in a pair of them may show only with --slow.
IN_TURNS = []
for place, pair in enumerate(itertools.product(MECHANISMS, WIRINGS)):
    row, column = divmod(place, len(WIRINGS))
    if pair[0] == "additive" or row % len(WIRINGS) == column:
        found = [case for case in CASES if case[:2] == pair]
        IN_TURNS.append(found[place % len(found)])


def thinned(cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Parameters that begin with a mechanism, a wiring and a cell: all but those in turns are slow."""
    return [pytest.param(*case, marks=[] if case[:3] in IN_TURNS else [pytest.mark.slow]) for case in cases]


EVERY = thinned(CASES)
SPENDS_ALL = sorted(set(MECHANISMS) - {"predictive"})  # whose weights sum to one


# Another prime for every dimension; output_dim is that of an embedding where weights are tied.
TINY = Architecture(
    source_vocabulary=SOURCE_VOCABULARY,
    target_vocabulary=TARGET_VOCABULARY,
    cell="gru",
    score="additive",
    window="none",
    window_size=10,
    normalisation="softmax",
    heads=1,
    wiring="luong",
    input_feeding=True,
    embedding_dim=13,
    encoder_dim=7,
    decoder_dim=11,
    attention_dim=5,
    output_dim=9,
    encoder_layers=1,
    decoder_layers=1,
    bidirectional=True,
    residual=False,
    layer_norm=False,
    tie="none",
    dropout_embedding=0.0,
    dropout_layer=0.0,
    dropout_output=0.0,
    variational=False,
)


def tiny_model(
    mechanism: str = "additive",
    wiring: tuple[str, bool] = ("luong", True),
    cell: str = "gru",
    seed: int = 1,
    **changes: Any,
) -> Seq2Seq:
    """TINY with a mechanism, a wiring and a cell, and other changes."""
    tied = {} if changes.get("tie", "none") == "none" else {"output_dim": TINY.embedding_dim}
    settings: dict[str, Any] = {"cell": cell, "wiring": wiring[0], "input_feeding": wiring[1], **tied}
    model = Seq2Seq(replace(TINY, **(settings | MECHANISMS[mechanism] | changes)))
    initialise(model, seed)
    return model


def stirred(model: Seq2Seq) -> Seq2Seq:
    """The model with every parameter moved, as training does: fresh biases are 0, so that zeros pass through a cell."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def random_ids(lengths: list[int], vocabulary: int, seed: int) -> list[list[int]]:
    """Sentences of ordinary tokens."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, vocabulary, (length,), generator=generator).tolist() for length in lengths]
