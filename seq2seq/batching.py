"""The seam between text and tensors: token ids in, padded batches of similar lengths within a token budget out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.nn.loss import Guide
from seq2seq.text.budget import cut_by_budget
from seq2seq.text.special_tokens import BOS, EOS, PAD


@dataclass(frozen=True, slots=True)
class Batch:
    """The padded token ids of a batch of sentence pairs.

    source and target_output end with the end token, target_input starts with BOS; the lengths count the end token.
    """

    source: Tensor  # [batch, source]
    source_lengths: Tensor  # [batch], the end token counted
    target_input: Tensor  # [batch, target]
    target_output: Tensor  # [batch, target]
    target_lengths: Tensor  # [batch], the end token counted

    def to(self, device: torch.device) -> Batch:
        """Return a copy of the batch on another device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the five tensors in the order in which the model takes them."""
        return tuple(getattr(self, field.name) for field in fields(self))


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad rows of ids to one tensor [batch, longest row]; return it with the rows' lengths [batch].

    Raises ValueError for an empty row, which no model can attend to.
    """
    lengths = [len(row) for row in rows]
    width = max(lengths)
    if min(lengths) == 0:
        raise ValueError("an empty sentence cannot be attended to; answer it before the model")
    padded = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    return padded, torch.tensor(lengths)


def source_batch(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Append the end token to source sentences; return their padded ids [batch, source] and lengths [batch]."""
    return pad([[*row, EOS] for row in rows])


def make_batch(source: Sequence[Sequence[int]], target: Sequence[Sequence[int]]) -> Batch:
    """Build a batch from sentence pairs given as ids without special tokens."""
    source_ids, source_lengths = source_batch(source)
    target_input, target_lengths = pad([[BOS, *row] for row in target])
    target_output, _ = pad([[*row, EOS] for row in target])
    return Batch(source_ids, source_lengths, target_input, target_output, target_lengths)


def make_guide(links: Sequence[Sequence[int]]) -> Guide:
    """Build the guide of a batch from the links between the pieces of each pair, flat: source, target, source, ..."""
    places, shares = list[NDArray[np.int64]](), list[NDArray[np.float64]]()
    for sentence, row in enumerate(links):
        sources, targets = np.array(row, dtype=np.int64).reshape(-1, 2).T
        places.append(np.stack([np.full_like(targets, sentence), targets, sources], axis=1))
        shares.append(1 / np.bincount(targets)[targets])
    return Guide(torch.from_numpy(np.concatenate(places)), torch.from_numpy(np.concatenate(shares)).float())


def plan_batches(source_lengths: Tensor, target_lengths: Tensor, budget: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the rows of each batch of an epoch; the plan depends on the arguments alone.

    The lengths, one per row, do not count the end token. Rows are shuffled, sorted by target length (the shuffle
    decides the order among equals, anew each epoch), cut where the number of rows times the longest side would exceed
    `budget` tokens, and the batches are shuffled. A sentence longer than the budget is a batch of its own.

    From one target length to the next, the source lengths alternate between rising and falling, so that a batch across
    the border holds sources of similar length: on Multi30k with 4,096 tokens padding falls from 6.5 % to 4.5 %.
    """
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    shuffled = torch.randperm(len(source_lengths), generator=generator)
    turning = torch.where(target_lengths % 2 == 0, source_lengths, -source_lengths)
    by_source = shuffled[torch.argsort(turning[shuffled], stable=True)]
    order = by_source[torch.argsort(target_lengths[by_source], stable=True)]
    batches = cut_by_budget(order.tolist(), torch.maximum(source_lengths, target_lengths).tolist(), budget)
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def split_round_robin(rows: Sequence[int], parts: int) -> list[list[int]]:
    """Split rows, sorted by length, into `parts` lists of similar size and lengths; some are empty if rows are few."""
    return [list(rows[part::parts]) for part in range(parts)]
