"""vᵀ tanh(q + k) for every query and key, without the tensor of all pairs.

That tensor, [batch, target, source, attention_dim], is the largest that attention makes: 1.3 GB for 64 sentences of
100 tokens to 100 with 512 units. Here pairs exist a block at a time, forwards and again on the way back, so memory
is linear in target + source, and a block stays in a processor's cache.

tanh x = 2 σ(2x) - 1, as torch's σ takes a third of its tanh's time on a CPU. Where no number is so large that exp would
leave float32, σ(2(q + k)) = 1 / (1 + exp(-2q) exp(-2k)), which needs no exp for a pair, but for a query or a key: 0.3
against 0.9 ns a pair. Sums over pairs are made by torch.sum or by batched products, never by a matrix times a vector,
for which MKL took longer than all else together.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.loop_gradients import Repeatable, Repeated, StepFactors, plain
from seq2seq.nn.kernels.torch_internals import sigmoid_backward

BLOCK = {"cpu": 1 << 20}  # numbers in a block, 4 MiB of float32; elsewhere:
LARGE_BLOCK = 1 << 26
LARGEST = 43.0  # exp(-2 x) of both signs is a normal float32; a product beyond float32 is ∞ or 0, and so σ 0 or 1

Pairs = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # of blocks that broadcast, and a factor for them


def _blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Cut sentences and their queries into blocks; few sentences each, so that many queries read the same keys."""
    (batch, target, dim), source = query.shape, keys.shape[1]
    budget = BLOCK.get(query.device.type, LARGE_BLOCK)
    columns = max(1, min(target, budget // (source * dim)))
    rows = max(1, budget // (columns * source * dim))
    for row in range(0, batch, rows):
        for column in range(0, target, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def _sigma_of_sums(query: Tensor, keys: Tensor, factor: Tensor | None) -> Tensor:
    """Return σ(2 (q + k)) for the pairs of a block, times the factor where there is one."""
    pairs = (query + keys).mul_(2).sigmoid_()
    return pairs if factor is None else pairs.mul_(factor)


def _sigma_of_exponentials(query: Tensor, keys: Tensor, factor: Tensor | None) -> Tensor:
    """Return the same from exp(-2 q) and exp(-2 k)."""
    sums = torch.addcmul(query.new_ones(()), query, keys)
    return sums.reciprocal_() if factor is None else torch.div(factor, sums, out=sums)


def _exponential(values: Tensor) -> Tensor | None:
    """Return exp(-2 x) where that is exact enough: on a CPU, for float numbers of which none is large; else None."""
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return None
    return torch.exp(-2 * values) if values.numel() and float(values.abs().amax()) <= LARGEST else None


def _prepare(query: Tensor, keys: Tensor, derived: dict[str, Any]) -> tuple[Tensor, Tensor, Pairs]:
    """Return what pairs are made of, and how; `derived` keeps what is made of repeated keys for the whole loop."""
    if "exponential" not in derived:
        derived["exponential"] = _exponential(keys)
    of_keys = derived["exponential"]
    of_query = None if of_keys is None else _exponential(query)
    if of_keys is None or of_query is None:
        return query, keys, _sigma_of_sums
    return of_query, of_keys, _sigma_of_exponentials


def _energies(query: Tensor, keys: Tensor, v: Tensor, of: Pairs) -> Tensor:
    """Return the energies of prepared queries and keys."""
    energies = query.new_empty(*query.shape[:2], keys.shape[1])
    for sentences, queries in _blocks(query, keys):
        pairs = of(query[sentences, queries, None], keys[sentences, None], v)
        torch.sum(pairs, dim=-1, out=energies[sentences, queries])
        del pairs  # or the next block would not be made where this one was
    return energies.mul_(2).sub_(v.sum())


class _AdditiveEnergies(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, v: Tensor, factors: StepFactors | None, derived: dict[str, Any]
    ) -> Tensor:
        query, keys, ctx.pairs = _prepare(query, keys, derived)
        ctx.save_for_backward(query, keys, v)
        ctx.factors = factors
        return _energies(query, keys, v, ctx.pairs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, keys, v = ctx.saved_tensors
        gradient, to_query, to_v = gradients[0], torch.empty_like(query), torch.zeros_like(v)
        before = None
        if ctx.factors is not None:
            ctx.factors.begin_pass()
            before = ctx.factors.sum
        to_keys = torch.zeros_like(keys) if before is None else before
        for sentences, queries in _blocks(query, keys):
            pairs = ctx.pairs(query[sentences, queries, None], keys[sentences, None], None)
            weights = gradient[sentences, queries]
            to_v += (weights[:, :, None] @ pairs).sum(dim=(0, 1, 2))
            slopes = sigmoid_backward(weights[..., None], pairs, out=pairs)  # tanh' is 4 of σ'; that and v come last
            torch.sum(slopes, dim=2, out=to_query[sentences, queries])
            # in a loop a block has one query, and a sum of one would be a copy
            to_keys[sentences].add_(slopes.sum(dim=1) if slopes.shape[1] > 1 else slopes[:, 0])
            del pairs, slopes
        scale = 4 * v
        to_query, to_v = to_query.mul_(scale), to_v.mul_(2).sub_(gradient.sum())
        if ctx.factors is None:
            return to_query, to_keys.mul_(scale), to_v, None, None
        ctx.factors.sum, ctx.factors.scale = to_keys, scale
        return to_query, None, to_v, None, None


def additive_energies(
    query: Float[Tensor, "batch target dim"], keys: Repeatable, v: Float[Tensor, " dim"]
) -> Float[Tensor, "batch target source"]:
    """Return Σ_d v_d tanh(q_d + k_d) of projected queries and keys [batch, source, dim], in at least float32.

    Bahdanau et al. (2015), appendix A.1.2.
    """
    states = plain(keys)
    if torch.onnx.is_in_onnx_export():  # blocks would be as many as the traced sizes need
        return torch.tanh(query[:, :, None] + states[:, None]) @ v
    dtype = torch.promote_types(query.dtype, states.dtype)
    dtype = torch.float32 if dtype.itemsize < 4 else dtype  # 2 σ - 1 and the sums over pairs have more than 8 bits
    query, states, v = query.to(dtype), states.to(dtype), v.to(dtype)
    # 2026-11-30, a pair of 2,100 pieces without gradients: 4.0 GB by nodes of autograd, 1.7 to 2.0 GB without, although
    # neither keeps a tensor: nodes between large tensors fragment the heap.
    if not torch.is_grad_enabled():
        query, states, of = _prepare(query, states, {})
        return _energies(query, states, v, of)
    factors, derived = (keys.factors, keys.derived) if isinstance(keys, Repeated) else (None, {})
    run: Callable[..., Tensor] = _AdditiveEnergies.apply
    return run(query, states, v, factors, derived)
