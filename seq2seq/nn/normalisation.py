"""Normalisations: energies to weights, exactly 0 where the mask is False, summing to 1 over the rest.

Every row needs a position that is allowed: one without has no distribution and comes out as NaN, which is why empty
sources are answered before they reach the model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import entmax
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.nn.registry import enter


class Normalisation(nn.Module, ABC):
    """From energies to weights, along the source."""

    name: ClassVar[str]

    def forward(
        self, energies: Float[Tensor, "batch target source"], allowed: Bool[Tensor, "batch rows source"]
    ) -> Float[Tensor, "batch target source"]:
        """Weights that are exactly 0 where looking is not allowed; allowed has 1 row for all queries, or one each.

        Energies in 16 bits come out as weights in 32: of them, a long sentence needs more than 8 bits are precise to.
        """
        if energies.dtype in (torch.bfloat16, torch.float16):
            energies = energies.float()
        return self.share(energies.masked_fill(~allowed, float("-inf")))

    @abstractmethod
    def share(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Weights of energies, -∞ among them."""


NORMALISATIONS: dict[str, type[Normalisation]] = {}
Kind = TypeVar("Kind", bound=type[Normalisation])


def normalisation(name: str) -> Callable[[Kind], Kind]:
    """Register a normalisation under the name that configs use."""
    table: dict[str, Any] = NORMALISATIONS
    return enter(table, "normalisation", name)


@normalisation("softmax")
class Softmax(Normalisation):
    """α = exp(e) / Σ exp(e): no weight is ever 0. Bahdanau et al. (2015), equation 6."""

    def share(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Softmax."""
        return energies.softmax(dim=-1)


@normalisation("sparsemax")
class Sparsemax(Normalisation):
    """The nearest point of the simplex to e: many weights are exactly 0. Martins & Astudillo (2016), equation 2."""

    def share(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Sparsemax."""
        weights: Tensor = entmax.sparsemax(energies, dim=-1)
        return weights


@normalisation("entmax15")
class Entmax15(Normalisation):
    """α = [e / 2 - τ]₊²: between softmax and sparsemax. Peters et al. (2019), section 3, with their α = 1.5."""

    def share(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """1.5-entmax."""
        weights: Tensor = entmax.entmax15(energies, dim=-1)
        return weights
