"""Masks. True = real token, False = padding; said once, here, and meant everywhere."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def length_mask(lengths: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """True where a position is inside its sentence."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]
