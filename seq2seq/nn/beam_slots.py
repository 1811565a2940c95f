"""Beam slots in a batch: those that hold a hypothesis, as rows of a matrix, and back.

What works on each slot by itself need not do so on the empty ones, of which a beam of 5 has one in eight.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Slots:
    """[sentences, beam] slots, of which some may be empty. taken: the others, numbered through; None: all are."""

    sentences: int
    beam: int
    taken: Int[Tensor, " rows"] | None = None

    @classmethod
    def of(cls, tokens: Int[Tensor, "sentences beam"]) -> "Slots":
        """All where tokens are given, 0 or above."""
        given = tokens.flatten() >= 0
        taken = None if bool(given.all()) else given.nonzero().squeeze(1)
        return cls(tokens.shape[0], tokens.shape[1], taken)

    def rows(self, slots: Shaped[Tensor, "sentences beam ..."]) -> Shaped[Tensor, "rows ..."]:
        """A row for each slot that is taken."""
        flat = slots.flatten(0, 1)
        return flat if self.taken is None else flat.index_select(0, self.taken)

    def owners(self, device: torch.device) -> Int[Tensor, " rows"]:
        """The sentence of each row."""
        if self.taken is not None:
            return self.taken // self.beam
        return torch.arange(self.sentences, device=device).repeat_interleave(self.beam)

    def spread(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "sentences beam dim"]:
        """Each row at its slot, zeros in the empty ones."""
        if self.taken is None:
            return rows.view(self.sentences, self.beam, -1)
        flat = rows.new_zeros(self.sentences * self.beam, rows.shape[1])
        return flat.index_copy_(0, self.taken, rows).view(self.sentences, self.beam, -1)
