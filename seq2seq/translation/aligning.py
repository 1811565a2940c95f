"""Alignment of pairs of texts by the attention of teacher forcing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch

from seq2seq.checkpoint.model import LoadedModel
from seq2seq.errors import InputError
from seq2seq.metrics.links import check_link_options
from seq2seq.text.arguments import check_choice, check_pairs
from seq2seq.text.words import join_words, split_words
from seq2seq.translation.forcing import attend, evaluation_mode, forced_batches
from seq2seq.translation.tags import tag_ids
from seq2seq.translation.translation import truncate
from seq2seq.translation.word_alignment import Alignment, Join, encode_sides, read_alignment


def align_pairs(
    models: Sequence[LoadedModel],
    device: torch.device,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    shift: int,
    threshold: float | None,
    join: Join | None,
    max_length: int | None,
    tag: str | None,
) -> list[Alignment]:
    """Return the alignment of each pair, as `Translator.align` describes it, by the mean of the models."""
    tokenizers, networks = models[0].tokenizers, [loaded.model for loaded in models]
    check_link_options(shift, threshold)
    truncate([], max_length)
    if join is not None:
        check_choice("join", join, get_args(Join))
    check_pairs(sources, targets)
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), start=1):
        if bool(source.strip()) != bool(target.strip()):
            raise InputError(f"pair {number}: one side is blank, the other is not; nothing to align it with")
    segment = [join_words if join in (side, "both") else split_words for side in ("source", "target")]
    texts = [[cut(text) for text in side] for cut, side in zip(segment, (sources, targets), strict=True)]
    read = encode_sides(tokenizers.source, texts[0], max_length, tag_ids(models, tag))
    written = encode_sides(tokenizers.target, texts[1], max_length)
    weights = [np.ones((len(side.ids) + 1, 1), dtype=np.float32) for side in written]  # blank: all on the end
    with evaluation_mode(networks):
        for rows, batch in forced_batches([side.ids for side in read], [side.ids for side in written]):
            for row, found in zip(rows, attend(networks, batch.to(device)), strict=True):
                weights[row] = found.numpy()
    return [
        read_alignment(*pair, shift=shift, threshold=threshold) for pair in zip(read, written, weights, strict=True)
    ]
