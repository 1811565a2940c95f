"""Top-k selection in a defined order: of equal numbers the one with the lower index comes first.

torch.topk promises no order among equal numbers, and its order depends on the shape, so on the rest of the batch.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK = 64  # numbers whose maximum is taken at once


class TopK(NamedTuple):
    """The highest numbers of each row, falling, and their indices; tied: whether equal ones made it arbitrary."""

    values: Float[Tensor, "rows count"]
    indices: Int[Tensor, "rows count"]
    tied: Bool[Tensor, " rows"]


def topk(numbers: Float[Tensor, "rows candidates"], count: int) -> TopK:
    """Return the `count` highest of each row by torch.topk; where a row is tied, `stable_topk` has the defined answer.

    The two are separate so that a caller can transfer `tied` from the device together with other numbers.
    """
    values, indices = numbers.topk(min(count + 1, numbers.shape[1]))
    tied = (values[:, 1:] == values[:, :-1]) & values[:, 1:].isfinite()
    return TopK(values[:, :count], indices[:, :count], tied.any(1))


def stable_topk(numbers: Float[Tensor, "rows candidates"], count: int) -> TopK:
    """Return the `count` highest of each row in the defined order.

    It sorts all numbers, which takes several times as long as `topk`.
    """
    values, indices = numbers.sort(dim=1, descending=True, stable=True)
    return TopK(values[:, :count], indices[:, :count], torch.zeros_like(values[:, 0], dtype=torch.bool))


def topk_of_sums(
    offsets: Float[Tensor, "groups members"],
    numbers: Float[Tensor, "rows columns"],
    rows: Int[Tensor, "groups members"],
    count: int,
) -> TopK:
    """Return the `count` highest of each group's sums offsets[g, m] + numbers[rows[g, m]], as `topk` would.

    An index counts the columns of a group's members side by side. Only the blocks of BLOCK columns with the highest
    maxima are added up, for the highest `count` sums lie in at most `count` of them: 1.5 ms against 8.1 ms for topk of
    all sums (128 groups of 5 rows, 8,000 columns, one thread).
    """
    members = offsets.shape[1]
    width = numbers.shape[1]
    if width <= BLOCK:
        return topk((numbers[rows] + offsets[:, :, None]).flatten(1), count)
    maxima = _block_maxima(numbers)
    blocks = maxima.shape[1]
    sums = (maxima.index_select(0, rows.flatten()).view(*rows.shape, blocks) + offsets[:, :, None]).flatten(1)
    chosen = sums.topk(min(count + 1, members * blocks)).indices
    member, block = chosen // blocks, chosen % blocks
    columns = block[:, :, None] * BLOCK + torch.arange(BLOCK, device=numbers.device)
    places = rows.gather(1, member)[:, :, None] * width + columns.clamp(max=width - 1)
    found = numbers.take(places) + offsets.gather(1, member)[:, :, None]
    if width % BLOCK:
        found = found.masked_fill(columns >= width, -torch.inf)
    best = topk(found.flatten(1), count)
    # Beyond the last column there is none but for impossible sums, whose index only has to lie within the numbers.
    column = columns.flatten(1).gather(1, best.indices).clamp(max=width - 1)
    return best._replace(indices=member.gather(1, best.indices // BLOCK) * width + column)


def _block_maxima(numbers: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows blocks"]:
    """Return the maximum of each block of BLOCK columns; the last block may be narrower."""
    whole = numbers.shape[1] // BLOCK * BLOCK
    maxima = numbers[:, :whole].view(len(numbers), -1, BLOCK).amax(2)
    if whole == numbers.shape[1]:
        return maxima
    return torch.cat([maxima, numbers[:, whole:].amax(1, keepdim=True)], dim=1)
