"""Overrides: attention weights that stand in for a model's own at some steps of some sentences.

Who asks what a model would say if it looked elsewhere gives the weights of a step, or the positions that a step must
not look at. Attention applies them after score function, window and normalisation, so they mean the same in every
model; all heads get the same ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

EVERY_STEP = -1  # stands for all steps that have no override of their own


class StepWeights(NamedTuple):
    """The override of one step: weights that add up to 1, or None for the model's own, and positions left out of them.

    Given weights have no weight on a position that is left out.
    """

    weights: Sequence[float] | None = None
    without: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """The overrides of a batch. A sentence without any keeps the weights of its model, bit for bit.

    rows: the row that each step reads, the last of them for all later steps. weights: those of a row, where `given`.
    kept: the real positions that a row may look at; where that are fewer than its sentence has (`masked`), the model's
    own weights of the others are divided among them. outputs_alone: the output layer alone reads what is overridden,
    and the decoder carries the model's own context on; in the steps of a search only.
    """

    rows: Int[Tensor, "batch steps"]
    weights: Float[Tensor, "batch rows source"]
    given: Bool[Tensor, "batch rows"]
    kept: Bool[Tensor, "batch rows source"]
    masked: Bool[Tensor, "batch rows"]
    outputs_alone: bool = False

    @classmethod
    def of(
        cls,
        sentences: Sequence[Mapping[int, StepWeights]],
        mask: Bool[Tensor, "batch source"],
        outputs_alone: bool = False,
    ) -> "Override":
        """Make the overrides of each sentence, by the number of the step from 0; EVERY_STEP stands for all others.

        mask: the real positions. Weights may be shorter than it, by its padding.
        """
        batch, width = mask.shape
        steps = 2 + max((step for each in sentences for step in each), default=-1)
        rows = torch.zeros(batch, steps, dtype=torch.long)
        weights = torch.zeros(batch, 1 + max(map(len, sentences), default=0), width, dtype=torch.float64)
        given = torch.zeros(weights.shape[:2], dtype=torch.bool)
        kept = mask.cpu()[:, None].repeat(1, weights.shape[1], 1)
        for number, overrides in enumerate(sentences):
            for row, (step, override) in enumerate(overrides.items(), start=1):
                place = 0 if step == EVERY_STEP else row
                if step != EVERY_STEP:
                    rows[number, step] = row
                kept[number, place, list(override.without)] = False
                if override.weights is not None:
                    given[number, place] = True
                    weights[number, place, : len(override.weights)] = torch.tensor(override.weights).to(weights)
        masked = (kept != mask.cpu()[:, None]).any(dim=2)
        rows, weights, given, kept, masked = (each.to(mask.device) for each in (rows, weights, given, kept, masked))
        return cls(rows, weights, given, kept, masked, outputs_alone)

    def select(self, sentences: Int[Tensor, " selected"]) -> "Override":
        """Return the overrides of the sentences with these row numbers, in their order."""
        parts = self.rows, self.weights, self.given, self.kept, self.masked
        rows, weights, given, kept, masked = (part.index_select(0, sentences) for part in parts)
        return Override(rows, weights, given, kept, masked, self.outputs_alone)

    def at(self, position: Int[Tensor, "batch target"]) -> "StepOverride":
        """Return what the steps with these numbers are to read."""
        rows = self.rows.gather(1, position.clamp(max=self.rows.shape[1] - 1))
        sentences = torch.arange(len(rows), device=rows.device)[:, None]
        flags = self.given[sentences, rows], self.masked[sentences, rows]
        return StepOverride(self.weights[sentences, rows], *flags, self.kept[sentences, rows])


@dataclass(frozen=True, slots=True)
class StepOverride:
    """The rows of an override that some steps read."""

    weights: Float[Tensor, "batch target source"]
    given: Bool[Tensor, "batch target"]
    masked: Bool[Tensor, "batch target"]
    kept: Bool[Tensor, "batch target source"]

    def apply(self, own: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Return the weights to read in place of a model's own, which stay as they are where nothing is overridden.

        Positions that are masked lose their weight to the others, in proportion to the others' own; where the others
        have none, to all of them alike.
        """
        left = own.masked_fill(~self.kept, 0)
        total = left.sum(dim=-1, keepdim=True)
        alike = self.kept.to(own) / self.kept.sum(dim=-1, keepdim=True).clamp(min=1)
        share = torch.where(total > 0, left / total.clamp(min=torch.finfo(own.dtype).tiny), alike)
        renormalised = share * own.sum(dim=-1, keepdim=True)
        found = torch.where(self.masked[:, :, None], renormalised, own)
        return torch.where(self.given[:, :, None], self.weights.to(own), found)
