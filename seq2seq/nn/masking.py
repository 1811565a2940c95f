"""Masks. True = real token, False = padding; said once, here, and meant everywhere."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def length_mask(lengths: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """True where a position is inside its sentence."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def masked_softmax(
    energies: Float[Tensor, "batch target source"], mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch target source"]:
    """Softmax over the source: exactly 0 on padding, summing to 1 over real tokens.

    Every sentence needs a real token: a row without one has no distribution and comes out as NaN, which is why
    empty sources are answered before they reach the model.
    """
    return energies.masked_fill(~mask[:, None, :], float("-inf")).softmax(dim=-1)
