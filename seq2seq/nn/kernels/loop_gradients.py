"""Tensors that every step of a loop multiplies by, with one gradient for all steps instead of one each.

Autograd would make, at every step, a gradient as large as the matrix and add it to the last one. The sum over steps of
x_tᵀ g_t is one product of all x with all g, so the steps write both side by side (`StepFactors`), and the product is
made when the last of them is done on the way back.

Three kinds of tensors are repeated: what attention compares and what it sums (`Repeated`, with `compare` and
`weighted_sum`), and the affine maps of recurrent cells and of the readout (`AffineSteps`, whose steps are in
loop_steps.py). 2026-11-26, reference model with input feeding: joining the factors at the end instead of writing them
side by side took 40 ms of a step's 1,230.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.products import sum_of_products
from seq2seq.nn.kernels.torch_internals import backward_pass_number


class StepFactors:
    """The factors x_t and g_t of Σ_t x_tᵀ g_t, as the steps of a loop write them.

    It refers to no node of autograd: a node and it would live until Python looks for cycles.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps  # that are expected; more find room too
        self._inputs: Tensor | None = None  # [*batch, steps * m, inputs]
        self._gradients: Tensor | None = None  # [*batch, steps * m, outputs]
        self._entered: list[tuple[int, int]] = []  # first row of each step, and how many
        self._reached: set[int] = set()  # steps that a gradient has come to in this backward pass
        self._pass: int | None = None  # number of that pass
        self.sum: Tensor | None = None  # of gradients accumulated by additive_energies; to be multiplied by `scale`
        self.scale: Tensor | None = None

    def enter(self, dtype: torch.dtype, *parts: Tensor) -> tuple[int, Tensor]:
        """Write x_t, made of parts side by side, and return the number of the step with what was written."""
        *batch, rows, _ = parts[0].shape
        width = sum(part.shape[-1] for part in parts)
        start = sum(self._entered[-1]) if self._entered else 0
        if self._inputs is None:
            self._inputs = parts[0].new_empty(*batch, self._steps * rows, width, dtype=dtype)
        elif start + rows > self._inputs.shape[-2]:
            self._inputs = torch.cat([self._inputs, torch.empty_like(self._inputs)], dim=-2)
        self._entered.append((start, rows))
        slot = self._inputs.narrow(-2, start, rows)
        return len(self._entered) - 1, torch.cat(parts, dim=-1, out=slot)

    def gradient_row(self, position: int, width: int) -> Tensor:
        """Return where step `position` must write the gradient of its result, [*batch, m, width]."""
        assert self._inputs is not None  # the step has been entered
        self.begin_pass()
        if self._gradients is None:
            self._gradients = self._inputs.new_empty(*self._inputs.shape[:-1], width)
        self._reached.add(position)
        return self._gradients.narrow(-2, *self._entered[position])

    def begin_pass(self) -> None:
        """Forget gradient parts of an earlier backward pass, which never asked for this tensor's gradient."""
        current = backward_pass_number()
        if self._pass != current:
            self._pass, self._reached, self.sum = current, set(), None

    def take(self) -> tuple[Tensor, Tensor] | None:
        """Return all x and all g of this backward pass, zeros where no gradient came to a step, and forget the g.

        None where no gradient came to any.
        """
        self.begin_pass()
        inputs, gradients, reached = self._inputs, self._gradients, self._reached
        self._gradients, self._reached = None, set()
        if inputs is None or gradients is None or not reached:
            return None
        for position, rows in enumerate(self._entered):
            if position not in reached:
                gradients.narrow(-2, *rows).zero_()
        used = sum(self._entered[-1])
        for held in (inputs, gradients):
            held.narrow(-2, used, held.shape[-2] - used).zero_()
        return inputs, gradients


class _Gather(torch.autograd.Function):
    """The tensor in the dtype of products. Its gradient is what autograd brings and what the steps have gathered.

    With an offset [steps, m, n], or [n] that is the same at each step, the offset's gradient comes from there too.
    """

    @staticmethod
    def forward(
        ctx: Any, tensor: Tensor, offset: Tensor | None, factors: StepFactors, dtype: torch.dtype, transposed: bool
    ) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.factors, ctx.dtype, ctx.transposed = factors, tensor.dtype, transposed
        ctx.offset = None if offset is None else (offset.shape, offset.dtype)
        return tensor.view_as(tensor) if tensor.dtype == dtype else tensor.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        parts, to_offset, factors = [part for part in gradients if part is not None], None, ctx.factors
        if (found := factors.take()) is not None:
            left, right = reversed(found) if ctx.transposed else found
            batched = left.ndim > 2
            parts.append(left.transpose(-2, -1) @ right if batched else sum_of_products(left, right, right.dtype))
            if ctx.offset is not None:
                shape, dtype = ctx.offset
                at_least = torch.promote_types(right.dtype, torch.float32)
                to_offset = right.view(shape) if len(shape) == 3 else right.sum(dim=0, dtype=at_least)
                to_offset = to_offset.to(dtype)
        if factors.sum is not None:
            parts.append(factors.sum * factors.scale)
            factors.sum = None
        return sum(parts[1:], parts[0]).to(ctx.dtype) if parts else None, to_offset, None, None, None


_gather: Callable[..., Tensor] = _Gather.apply  # torch leaves it untyped


@dataclass(frozen=True, slots=True)
class Repeated:
    """A tensor that the steps of a loop use, with the factors of its one gradient.

    derived: cache of values made of the tensor once per loop, by name.
    """

    tensor: Tensor
    factors: StepFactors
    derived: dict[str, Any] = field(default_factory=dict)


Repeatable: TypeAlias = Tensor | Repeated
"""What attention compares or sums: a tensor, or in the loops of training a repeated one."""


def repeat_keys(keys: Float[Tensor, "batch n k"], steps: int) -> Repeatable:
    """Prepare keys for `compare` or `additive_energies` in a loop of so many steps, in the dtype of products.

    Where no gradient is wanted, the result is a plain tensor.
    """
    return _repeat(keys, steps, transposed=True)


def repeat_values(values: Float[Tensor, "batch k n"], steps: int) -> Repeatable:
    """Prepare values for `weighted_sum`, as `repeat_keys` prepares keys."""
    return _repeat(values, steps, transposed=False)


def _repeat(tensor: Tensor, steps: int, *, transposed: bool) -> Repeatable:
    dtype = product_dtype(tensor)
    if not (torch.is_grad_enabled() and tensor.requires_grad):
        return tensor.to(dtype)
    factors = StepFactors(steps)
    return Repeated(_gather(tensor, None, factors, dtype, transposed), factors)


class AffineSteps:
    """A matrix M and offsets b_t, for a loop whose every step computes x_t M + b_t (see loop_steps.py).

    offset: [steps, rows, outputs], which the steps overwrite, or [outputs], the same at each step. Under autocast
    products are made in its dtype.
    """

    def __init__(self, matrix: Float[Tensor, "inputs outputs"], offset: Tensor, steps: int) -> None:
        self.factors = StepFactors(steps)
        self.offset = offset.detach()
        self.matrix = _gather(matrix, offset, self.factors, product_dtype(matrix), False)


def plain(tensor: Repeatable) -> Tensor:
    """Return the tensor alone, for uses whose gradients autograd adds up."""
    return tensor.tensor if isinstance(tensor, Repeated) else tensor


class _WeightedSum(torch.autograd.Function):
    """x M, where M is repeated."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, matrix: Tensor, factors: StepFactors) -> Tensor:
        ctx.position, entered = factors.enter(matrix.dtype, left)
        ctx.save_for_backward(matrix)
        ctx.factors = factors
        return entered @ matrix

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        (matrix,), gradient = ctx.saved_tensors, gradients[0]
        ctx.factors.gradient_row(ctx.position, matrix.shape[-1]).copy_(gradient)
        return gradient @ matrix.transpose(-2, -1) if ctx.needs_input_grad[0] else None, None, None


class _Comparison(torch.autograd.Function):
    """x Mᵀ, where M is repeated."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, matrix: Tensor, factors: StepFactors) -> Tensor:
        ctx.position, entered = factors.enter(matrix.dtype, left)
        ctx.save_for_backward(matrix)
        ctx.factors = factors
        return entered @ matrix.transpose(-2, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        (matrix,), gradient = ctx.saved_tensors, gradients[0]
        ctx.factors.gradient_row(ctx.position, matrix.shape[-2]).copy_(gradient)
        return gradient @ matrix if ctx.needs_input_grad[0] else None, None, None


def weighted_sum(weights: Float[Tensor, "batch m k"], values: Repeatable) -> Float[Tensor, "batch m n"]:
    """Return Σ_i α_i v_i for rows of weights α over values [batch, k, n]."""
    if not isinstance(values, Repeated):
        return weights @ values
    run: Callable[..., Tensor] = _WeightedSum.apply
    return run(weights, values.tensor, values.factors)


def compare(query: Float[Tensor, "batch m k"], keys: Repeatable) -> Float[Tensor, "batch m n"]:
    """Return qᵀ k for every query and every key of [batch, n, k]."""
    if not isinstance(keys, Repeated):
        return query @ keys.transpose(-2, -1)
    run: Callable[..., Tensor] = _Comparison.apply
    return run(query, keys.tensor, keys.factors)
