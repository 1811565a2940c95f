"""Masks: in all modules, True marks a real token and False padding."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def length_mask(lengths: Int[Tensor, " batch"], width: int) -> Bool[Tensor, "batch width"]:
    """Return a mask that is True at the positions inside each sentence."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]
