"""FLOPs that are counted from the shapes are those that a model's matrices ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch
from mechanisms import CELLS, EVERY, MECHANISMS, TARGET_VOCABULARY, WIRINGS, random_ids, tiny_model
from torch.utils.flop_counter import FlopCounterMode

from seq2seq.batching import make_batch
from seq2seq.comparison.flops import Work, forward_flops, pair_work, training_flops
from seq2seq.nn.kernels.products import kernel_preparation, onednn_is_better
from seq2seq.nn.model import Seq2Seq

SENTENCES, SOURCE, TARGET = 3, 17, 19  # every sentence as long, so that nothing is padding
WORK = pair_work([SOURCE] * SENTENCES, [TARGET] * SENTENCES)


def by_matrices(model: Seq2Seq, work: Work, pair: int) -> int:
    """2 x (entries of each matrix) x (how many vectors it meets), and so much for each pair of tokens."""
    meets = [  # the first pattern that a parameter's name matches
        (r".*embedding|.*bias", 0),
        (r"encoder\.|.*\.(key|value)_layer\.", work.source),
        (r"decoder\.bridge\.", work.sentences),
        (r"decoder\.|output_layer\.", work.target),
    ]
    total = pair * work.pairs
    for name, parameter in model.named_parameters():
        if name.endswith("score.layer.weight"):  # concat's matrix: its left columns meet queries, its right ones keys
            query = parameter.shape[0]
            total += query * (query * work.target + (parameter.shape[1] - query) * work.source)
        elif parameter.ndim == 2:
            total += parameter.numel() * next(rows for pattern, rows in meets if re.match(pattern, name))
        elif name.endswith("window.v"):
            total += parameter.numel() * work.target
    return 2 * total


def pair_width(model: Seq2Seq, mechanism: str) -> int:
    """Units that meet in an energy, and those of the context that it weighs."""
    settings = {"score": "additive"} | MECHANISMS[mechanism]
    query, key = model.decoder.dim, model.encoder.output_dim
    energy = {"additive": 5, "coverage": 5, "uniform": 0, "location": 0}.get(str(settings["score"]), query)
    return energy + key


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_forward_is_every_matrix_times_what_it_meets(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    work = pair_work([3, 8, 5], [7, 2, 4])
    assert work.pairs == 3 * 7 + 8 * 2 + 5 * 4
    for layers in ({}, {"encoder_layers": 2, "decoder_layers": 3}, {"bidirectional": False, "decoder_dim": 14}):
        if layers.get("bidirectional") is False and "decoder_dim" in MECHANISMS[mechanism]:
            layers = layers | {"encoder_dim": 14}
        model = tiny_model(mechanism, wiring, cell, **layers)
        counted = sum(forward_flops(model.architecture, model.architecture.target_vocabulary, work).values())
        assert counted == by_matrices(model, work, pair_width(model, mechanism))


@pytest.fixture
def open_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch's own recurrent layers instead of oneDNN's, into which no counter can look, and no preparation of kernels
    for what other tests' batches multiplied.
    """
    onednn_is_better()  # whose probe is a product too
    monkeypatch.setattr(kernel_preparation, "prepare", lambda matrix, rows, *, adds: None)
    before = torch.backends.mkldnn.set_flags(_enabled=False)[0]
    yield
    torch.backends.mkldnn.set_flags(_enabled=before)


def seen(model: Seq2Seq) -> tuple[int, int]:
    """What torch's own counter sees forward, and in loss and gradients, with torch's kernels that it can look into."""
    ids = [random_ids([length] * SENTENCES, TARGET_VOCABULARY, 1) for length in (SOURCE - 1, TARGET - 1)]
    batch = make_batch(*ids)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model.output_layer(model.force(batch.source, batch.source_lengths, batch.target_input).outputs)
    with FlopCounterMode(display=False) as both:
        model(*batch.tensors(), 0.1, 0.0).total.backward()
    return forward.get_total_flops(), both.get_total_flops()


@pytest.mark.usefixtures("open_kernels")
@pytest.mark.parametrize(
    ("mechanism", "wiring", "cell"),
    [(mechanism, WIRINGS[place % len(WIRINGS)], CELLS[place % 2]) for place, mechanism in enumerate(MECHANISMS)],
)
def test_torch_sees_as_many(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Forward to the last one, but for products with a vector (v of an energy), which torch's counter leaves out.

    Of the backward pass it also leaves out what accumulates in place, and the first states have no gradient: 15 %.
    """
    model = tiny_model(mechanism, wiring, cell)
    counted = model.architecture
    forward, both = seen(model)
    vectors = [2 * counted.attention_dim * WORK.target * (counted.window == "predictive")]
    energies = {"additive": counted.attention_dim, "coverage": counted.attention_dim, "concat": counted.decoder_dim}
    vectors += [2 * energies.get(counted.score, 0) * WORK.pairs]
    assert sum(forward_flops(counted, counted.target_vocabulary, WORK).values()) - forward in (0, sum(vectors))
    assert 0.85 < both / training_flops(counted, counted.target_vocabulary, WORK) < 1.05
