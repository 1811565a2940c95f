"""The highest of many numbers, in an order that nothing but the numbers decides: of equal ones the lower index first.

torch.topk promises no order among equal numbers, and what it does depends on the shape, so on the rest of the batch.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def rank(
    numbers: Float[Tensor, "rows candidates"], count: int
) -> tuple[Float[Tensor, "rows count"], Int[Tensor, "rows count"], Bool[Tensor, ""]]:
    """The `count` highest of each row, falling; their indices; whether finite ties make this choice arbitrary.

    Where they do, rank_in_order gives the answer. The two are apart so that a caller can learn of ties together with
    whatever else it transfers from the device.
    """
    values, indices = numbers.topk(min(count + 1, numbers.shape[1]))
    tied = (values[:, 1:] == values[:, :-1]) & values[:, 1:].isfinite()
    return values[:, :count], indices[:, :count], tied.any()


def rank_in_order(
    numbers: Float[Tensor, "rows candidates"], count: int
) -> tuple[Float[Tensor, "rows count"], Int[Tensor, "rows count"], Bool[Tensor, ""]]:
    """As rank, never arbitrary, but it sorts everything, which takes several times as long."""
    values, indices = numbers.sort(dim=1, descending=True, stable=True)
    return values[:, :count], indices[:, :count], torch.zeros((), dtype=torch.bool, device=values.device)
