"""Small models with every attention mechanism, wiring and cell, for tests that are parametrised over them."""

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


# Keys of [model] by the name of a mechanism: every score function; every window and normalisation with `additive`;
# several heads; and copying, which needs one vocabulary (in `tiny_model`, the source's). Encoder states have 14 units,
# and scores that need equal sizes get decoder states of 14.
MECHANISMS: dict[str, dict[str, object]] = {
    **{name: {"score": name} | ({} if _takes_unequal_sizes(name) else {"decoder_dim": 14}) for name in SCORES},
    **{name: {"window": name, "window_size": 2} for name in sorted(WINDOWS) if name != "none"},
    **{name: {"normalisation": name} for name in sorted(NORMALISATIONS) if name != "softmax"},
    "heads": {"heads": 2, "score": "scaled_dot", "decoder_dim": 14, "attention_dim": 6},
    "copy": {"copy": True},
}
# (mechanism, wiring, cell). Attention does not depend on the cell, so most mechanisms are tested with one of the two
# cells in each wiring, alternately.
CASES = [
    (mechanism, wiring, cell)
    for place, (mechanism, wiring) in enumerate(itertools.product(MECHANISMS, WIRINGS))
    for cell in (CELLS if mechanism in ("additive", "coverage") else CELLS[place % 2 :][:1])
]
# Those that are not slow: one wiring per mechanism, alternately, and additive attention in all wirings, with one cell
# each. A mistake in a mechanism, a wiring or a cell shows in these; one in a pair of them may show only with --slow.
QUICK_CASES = []
for place, pair in enumerate(itertools.product(MECHANISMS, WIRINGS)):
    row, column = divmod(place, len(WIRINGS))
    if pair[0] == "additive" or row % len(WIRINGS) == column:
        found = [case for case in CASES if case[:2] == pair]
        QUICK_CASES.append(found[place % len(found)])


def mark_slow(cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Return the cases as pytest parameters; those whose mechanism, wiring and cell are not in QUICK_CASES are slow."""
    return [pytest.param(*case, marks=[] if case[:3] in QUICK_CASES else [pytest.mark.slow]) for case in cases]


EVERY = mark_slow(CASES)
SUM_TO_ONE = sorted(set(MECHANISMS) - {"predictive"})  # mechanisms whose weights sum to one


# A different number for every dimension, so that a mix-up shows; with tied weights, output_dim is embedding_dim.
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
    copy=False,
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
    """Return an initialised model of TINY with this mechanism, (wiring, input feeding), cell and other changes."""
    settings: dict[str, Any] = {"cell": cell, "wiring": wiring[0], "input_feeding": wiring[1]}
    settings |= {} if changes.get("tie", "none") == "none" else {"output_dim": TINY.embedding_dim}
    settings |= MECHANISMS[mechanism] | changes
    if settings.get("copy"):
        settings["target_vocabulary"] = settings.get("source_vocabulary", SOURCE_VOCABULARY)
    model = Seq2Seq(replace(TINY, **settings))
    initialise(model, seed)
    return model


def perturb(model: Seq2Seq) -> Seq2Seq:
    """Add noise to every parameter, as training would, and return the model.

    Initial biases are 0, so a cell would map zeros to zeros and hide mistakes.
    """
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def random_ids(lengths: list[int], vocabulary: int, seed: int) -> list[list[int]]:
    """Return sentences of these lengths with random ids of ordinary tokens, 4 and above."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, vocabulary, (length,), generator=generator).tolist() for length in lengths]
