"""Normalisations: from energies to weights that are exactly 0 where the mask is False and sum to 1 elsewhere.

Every row needs an allowed position: a row without one has no distribution and becomes NaN. This is why blank sources
are answered without the model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import entmax
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.nn.registry import register


class Normalisation(nn.Module, ABC):
    """The base of all normalisations, which turn energies into weights along the source."""

    name: ClassVar[str]

    def forward(
        self, energies: Float[Tensor, "batch target source"], allowed: Bool[Tensor, "batch rows source"]
    ) -> Float[Tensor, "batch target source"]:
        """Return weights that are exactly 0 where `allowed` is False; it has one row for all queries, or one per query.

        16-bit energies are normalised in float32: 8 bits are too few for a long sentence's small weights.
        """
        if energies.dtype in (torch.bfloat16, torch.float16):
            energies = energies.float()
        return self.normalise(energies.masked_fill(~allowed, float("-inf")))

    @abstractmethod
    def normalise(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Return the weights of energies, which are -∞ where attention is not allowed."""


NORMALISATIONS: dict[str, type[Normalisation]] = {}
Kind = TypeVar("Kind", bound=type[Normalisation])


def normalisation(name: str) -> Callable[[Kind], Kind]:
    """Register a normalisation under the name that configs use."""
    table: dict[str, Any] = NORMALISATIONS
    return register(table, "normalisation", name)


@normalisation("softmax")
class Softmax(Normalisation):
    """α = exp(e) / Σ exp(e): no weight is ever 0. Bahdanau et al. (2015), equation 6."""

    def normalise(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Return the softmax of the energies."""
        return energies.softmax(dim=-1)


@normalisation("sparsemax")
class Sparsemax(Normalisation):
    """The nearest point of the simplex to e: many weights are exactly 0. Martins & Astudillo (2016), equation 2."""

    def normalise(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Return the sparsemax of the energies."""
        weights: Tensor = entmax.sparsemax(energies, dim=-1)
        return weights


@normalisation("entmax15")
class Entmax15(Normalisation):
    """α = [e / 2 - τ]₊²: between softmax and sparsemax. Peters et al. (2019), section 3, with their α = 1.5."""

    def normalise(self, energies: Float[Tensor, "batch target source"]) -> Float[Tensor, "batch target source"]:
        """Return the 1.5-entmax of the energies."""
        weights: Tensor = entmax.entmax15(energies, dim=-1)
        return weights
