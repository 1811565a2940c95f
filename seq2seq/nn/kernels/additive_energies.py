"""vᵀ tanh(q + k) for every query and key, without the tensor of all pairs.

That tensor, [batch, target, source, attention_dim], is the largest that attention makes: 1.3 GB for 64 sentences of
100 tokens to 100 with 512 units. Here pairs exist a block at a time, forwards and again on the way back, so memory
is linear in target + source, and a block stays in a processor's cache.

tanh x = 2 σ(2x) - 1, as torch's σ takes a third of its tanh's time on a CPU; and where no number is so large that exp
would leave float32, σ(2(q + k)) = 1 / (1 + exp(-2q) exp(-2k)), which needs no exp for a pair, but for a query or a key.
2026-11-26, one thread, nanoseconds a pair: tanh 3.1, σ 0.9, product, sum and reciprocal together 0.3.

What is summed over pairs is summed by torch.sum, or by products of a batch: for a matrix times a vector MKL took, with
AVX2 and two threads, longer than all else together (2026-11-28, 27 million pairs: 15 ms where torch.sum takes 4).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.loop_gradients import left_by_this_pass, node_of

BLOCK = {"cpu": 1 << 20}  # numbers in a block, 4 MiB of float32; elsewhere:
LARGE_BLOCK = 1 << 26
LARGEST = 43.0  # exp(-2 x) of both signs is a normal float32; a product beyond float32 is ∞ or 0, and so σ 0 or 1

Pairs = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # of blocks that broadcast, and a factor for them

_slopes = torch.ops.aten.sigmoid_backward.grad_input  # g y (1 - y) of what σ gave, y


def _blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Which sentences and which of their queries make a block: few sentences, so that many queries read their keys."""
    (batch, target, dim), source = query.shape, keys.shape[1]
    budget = BLOCK.get(query.device.type, LARGE_BLOCK)
    columns = max(1, min(target, budget // (source * dim)))
    rows = max(1, budget // (columns * source * dim))
    for row in range(0, batch, rows):
        for column in range(0, target, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def _of_sum(query: Tensor, keys: Tensor, factor: Tensor | None) -> Tensor:
    """σ(2 (q + k)) of queries and keys, times the factor where there is one."""
    pairs = (query + keys).mul_(2).sigmoid_()
    return pairs if factor is None else pairs.mul_(factor)


def _of_exponentials(query: Tensor, keys: Tensor, factor: Tensor | None) -> Tensor:
    """The same of their exp(-2 x)."""
    sums = torch.addcmul(query.new_ones(()), query, keys)
    return sums.reciprocal_() if factor is None else torch.div(factor, sums, out=sums)


def _exponential(values: Tensor) -> Tensor | None:
    """exp(-2 x), where that is exact enough: on a CPU, where looking costs nothing, for numbers that are not large."""
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return None
    return torch.exp(-2 * values) if values.numel() and float(values.abs().amax()) <= LARGEST else None


def _prepare(query: Tensor, keys: Tensor, node: Any) -> tuple[Tensor, Tensor, Pairs]:
    """What pairs are made of, and how. Repeated keys are prepared once."""
    notes = {} if node is None else node.notes
    if "exponential" not in notes:
        notes["exponential"] = _exponential(keys)
    ready = notes["exponential"]
    asked = None if ready is None else _exponential(query)
    return (query, keys, _of_sum) if ready is None or asked is None else (asked, ready, _of_exponentials)


def _energies(query: Tensor, keys: Tensor, v: Tensor, of: Pairs) -> Tensor:
    """Of queries and keys that are prepared."""
    energies = query.new_empty(*query.shape[:2], keys.shape[1])
    for sentences, queries in _blocks(query, keys):
        pairs = of(query[sentences, queries, None], keys[sentences, None], v)
        torch.sum(pairs, dim=-1, out=energies[sentences, queries])
        del pairs  # or the next block would not be made where this one was
    return energies.mul_(2).sub_(v.sum())


class _AdditiveEnergies(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, v: Tensor, node: Any) -> Tensor:
        query, keys, ctx.pairs = _prepare(query, keys, node)
        ctx.save_for_backward(query, keys, v)
        ctx.node = node
        return _energies(query, keys, v, ctx.pairs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, keys, v = ctx.saved_tensors
        gradient, to_query, to_v = gradients[0], torch.empty_like(query), torch.zeros_like(v)
        before = None if ctx.node is None else left_by_this_pass(ctx.node).sum
        to_keys = torch.zeros_like(keys) if before is None else before
        for sentences, queries in _blocks(query, keys):
            pairs = ctx.pairs(query[sentences, queries, None], keys[sentences, None], None)
            weights = gradient[sentences, queries]
            to_v += (weights[:, :, None] @ pairs).sum(dim=(0, 1, 2))
            slopes = _slopes(weights[..., None], pairs, grad_input=pairs)  # tanh' is 4 of σ'; that and v come last
            torch.sum(slopes, dim=2, out=to_query[sentences, queries])
            # in a loop a block has one query, and a sum of one would be a copy
            to_keys[sentences].add_(slopes.sum(dim=1) if slopes.shape[1] > 1 else slopes[:, 0])
            del pairs, slopes
        scale = 4 * v
        to_query, to_v = to_query.mul_(scale), to_v.mul_(2).sub_(gradient.sum())
        if ctx.node is None:
            return to_query, to_keys.mul_(scale), to_v, None
        ctx.node.sum, ctx.node.scale = to_keys, scale
        return to_query, None, to_v, None


def additive_energies(
    query: Float[Tensor, "batch target dim"], keys: Float[Tensor, "batch source dim"], v: Float[Tensor, " dim"]
) -> Float[Tensor, "batch target source"]:
    """Σ_d v_d tanh(q_d + k_d). Bahdanau et al. (2015), appendix A.1.2, of query and keys that have been projected."""
    if torch.onnx.is_in_onnx_export():  # blocks would be as many as the traced sizes need
        return torch.tanh(query[:, :, None] + keys[:, None]) @ v
    dtype = torch.promote_types(query.dtype, keys.dtype)
    dtype = torch.float32 if dtype.itemsize < 4 else dtype  # 2 σ - 1 and the sums over pairs have more than 8 bits
    query, prepared, v, node = query.to(dtype), keys.to(dtype), v.to(dtype), node_of(keys)
    # Without a node of autograd. 2026-11-30, a pair of 2,100 pieces forced whole: 4.0 GB with one a step, 1.7 to 2.0
    # without, though neither keeps a tensor: what lives between large tensors leaves room that fits no other.
    if not torch.is_grad_enabled():
        query, prepared, of = _prepare(query, prepared, node)
        return _energies(query, prepared, v, of)
    run: Callable[..., Tensor] = _AdditiveEnergies.apply
    return run(query, prepared, v, node)
