"""The seam between text and tensors: token ids in, length-bucketed and token-budgeted batches out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from seq2seq.text.budget import cut_by_budget
from seq2seq.text.special_tokens import BOS, EOS, PAD


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded token ids. Sources and target_output end with the end token; target_input starts with BOS."""

    source: Tensor  # [batch, source]
    source_lengths: Tensor  # [batch], the end token counted
    target_input: Tensor  # [batch, target]
    target_output: Tensor  # [batch, target]
    target_lengths: Tensor  # [batch], the end token counted

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def tensors(self) -> tuple[Tensor, ...]:
        """In the order in which the model takes them."""
        return tuple(getattr(self, field.name) for field in fields(self))


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of ids as one padded tensor [batch, longest], and their lengths."""
    lengths = [len(row) for row in rows]
    width = max(lengths)
    if min(lengths) == 0:
        raise ValueError("an empty sentence cannot be attended to; answer it before the model")
    padded = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
    return padded, torch.tensor(lengths)


def source_batch(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Source sentences without their end token -> padded ids and lengths, the end token added."""
    return pad([[*row, EOS] for row in rows])


def make_batch(source: Sequence[Sequence[int]], target: Sequence[Sequence[int]]) -> Batch:
    """Pairs of sentences, without special tokens, as a batch."""
    source_ids, source_lengths = source_batch(source)
    target_input, target_lengths = pad([[BOS, *row] for row in target])
    target_output, _ = pad([[*row, EOS] for row in target])
    return Batch(source_ids, source_lengths, target_input, target_output, target_lengths)


def plan_batches(source_lengths: Tensor, target_lengths: Tensor, budget: int, seed: int, epoch: int) -> list[list[int]]:
    """Which rows go together in an epoch: a pure function of its arguments.

    Rows are shuffled, sorted by length (so that ties are mixed anew each epoch), cut where rows x longest side
    would pass the budget of tokens, and the batches shuffled. From one target length to the next, source lengths rise
    and fall in turns: a batch across the border then holds like sources. 2026-11-26, Multi30k, 4,096 tokens: padding on
    both sides 6.5 % to 4.5 %, the target's 0.5 to 0.7 %. Lengths are given without the end token; a sentence longer
    than the budget is a batch of its own.
    """
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    shuffled = torch.randperm(len(source_lengths), generator=generator)
    turning = torch.where(target_lengths % 2 == 0, source_lengths, -source_lengths)
    by_source = shuffled[torch.argsort(turning[shuffled], stable=True)]
    order = by_source[torch.argsort(target_lengths[by_source], stable=True)]
    batches = cut_by_budget(order.tolist(), torch.maximum(source_lengths, target_lengths).tolist(), budget)
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def split_round_robin(rows: Sequence[int], parts: int) -> list[list[int]]:
    """Rows, sorted by length, as so many parts of much the same size and lengths; some empty where rows are few."""
    return [list(rows[part::parts]) for part in range(parts)]
