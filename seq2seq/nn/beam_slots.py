"""Beam slots of a batch: from slots to a matrix with one row per hypothesis, and back.

Layers that work on each slot by itself can skip the empty ones: with a beam of 5, one slot in eight is empty.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a batch, [sentences, beam], some of which may be empty.

    occupied: the numbers of the slots that hold a hypothesis, counted through the batch; None where all do.
    """

    sentences: int
    beam: int
    occupied: Int[Tensor, " rows"] | None = None

    @classmethod
    def of(cls, tokens: Int[Tensor, "sentences beam"]) -> "Slots":
        """Make the slots of a batch from their last tokens; a slot whose token is negative is empty."""
        given = tokens.flatten() >= 0
        occupied = None if bool(given.all()) else given.nonzero().squeeze(1)
        return cls(tokens.shape[0], tokens.shape[1], occupied)

    def rows(self, slots: Shaped[Tensor, "sentences beam ..."]) -> Shaped[Tensor, "rows ..."]:
        """Return a row for each occupied slot."""
        flat = slots.flatten(0, 1)
        return flat if self.occupied is None else flat.index_select(0, self.occupied)

    def owners(self, device: torch.device) -> Int[Tensor, " rows"]:
        """Return the number of the sentence that each row belongs to."""
        if self.occupied is not None:
            return self.occupied // self.beam
        return torch.arange(self.sentences, device=device).repeat_interleave(self.beam)

    def scatter(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "sentences beam dim"]:
        """Return the rows at their slots, with zeros in the empty slots."""
        if self.occupied is None:
            return rows.view(self.sentences, self.beam, -1)
        flat = rows.new_zeros(self.sentences * self.beam, rows.shape[1])
        return flat.index_copy_(0, self.occupied, rows).view(self.sentences, self.beam, -1)
