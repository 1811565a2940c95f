"""Small models over every score, wiring and cell, for tests that run over all of them."""

from __future__ import annotations

import torch

from seq2seq.nn.attention import SCORE_FUNCTIONS
from seq2seq.nn.model import Seq2Seq, initialise

SCORES = sorted(SCORE_FUNCTIONS)
WIRINGS = [("bahdanau", False), ("luong", False), ("luong", True)]
CELLS = ["gru", "lstm"]
SOURCE_VOCABULARY, TARGET_VOCABULARY = 29, 23


def tiny_model(
    score: str = "additive",
    wiring: tuple[str, bool] = ("luong", True),
    cell: str = "gru",
    seed: int = 1,
    **changes: object,
) -> Seq2Seq:
    """A model with another prime for every dimension; scores without a matrix get equal sizes, as they must."""
    settings: dict[str, object] = {
        "source_vocabulary": SOURCE_VOCABULARY,
        "target_vocabulary": TARGET_VOCABULARY,
        "cell": cell,
        "score": score,
        "wiring": wiring[0],
        "input_feeding": wiring[1],
        "embedding_dim": 13,
        "encoder_dim": 7,
        "decoder_dim": 14 if score in ("dot", "scaled_dot") else 11,
        "attention_dim": 5,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "bidirectional": True,
        "residual": False,
        "layer_norm": False,
        "tie": "none",
        "dropout_embedding": 0.0,
        "dropout_layer": 0.0,
        "dropout_output": 0.0,
        "variational": False,
    }
    model = Seq2Seq(**(settings | changes))
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
