"""Tensors that every step of a loop multiplies by, with one gradient for all steps instead of one each.

Autograd would make, for every step, a gradient as large as the matrix and add it to the last one's. The sum over steps
of xᵀ g is one product of all x with all g, so the steps leave both here, and the product is made when the last is done.

For what attention compares and sums, which it asks for in ways of its own, and the matrix that its query goes through.
Those of a loop's cells and readout, whose steps are always the same, have steps.py, which spares the joining as well.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.products import exact_onednn, linear, step_multiply, summed


class _Repeated(torch.autograd.Function):
    """The tensor, in the precision of products. Its gradient is what autograd brings, and what the products below have
    left on this node; the sum is not rounded to that precision.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.kind = tensor.dtype
        ctx.factors = []  # pairs (x, g) of products x M, whose gradient for M is Σ xᵀ g
        ctx.sum = None  # of gradients made in place, which lack the factor `scale`
        ctx.notes = {}  # what a rule has made of the tensor once
        ctx.backward_pass = None  # that left this
        return tensor.view_as(tensor) if tensor.dtype == dtype else tensor.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        made = [] if gradients[0] is None else [gradients[0]]
        ctx = left_by_this_pass(ctx)
        if ctx.factors:
            left, right = (torch.cat(parts, dim=-2) for parts in zip(*ctx.factors, strict=True))
            batched = left.ndim > 2
            made.append(left.transpose(-2, -1) @ right if batched else summed(left, right, left.dtype))
        if ctx.sum is not None:
            made.append(ctx.sum * ctx.scale)
        ctx.factors, ctx.sum = [], None
        return reduce(torch.add, made).to(ctx.kind) if made else None, None


def left_by_this_pass(node: Any) -> Any:
    """The node, without what a backward pass left that did not come to it, as nobody had asked for its gradient."""
    current = torch._C._current_graph_task_id()
    if node.backward_pass != current:
        node.backward_pass, node.factors, node.sum = current, [], None
    return node


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    if right.ndim > 2:
        return left @ right
    with exact_onednn():
        return step_multiply(left, right, out=left.new_empty(len(left), right.shape[1]))


class _Product(torch.autograd.Function):
    """x M, where M is repeated."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, matrix: Tensor, node: Any) -> Tensor:
        ctx.save_for_backward(left, matrix)
        ctx.node = node
        return _multiply(left, matrix)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        left, matrix = ctx.saved_tensors
        gradient = gradients[0]
        left_by_this_pass(ctx.node).factors.append((left, gradient))
        return _multiply(gradient, matrix.transpose(-2, -1)) if ctx.needs_input_grad[0] else None, None, None


_repeat: Callable[..., Tensor] = _Repeated.apply  # torch leaves them untyped
_product: Callable[..., Tensor] = _Product.apply


def repeat(tensor: Tensor) -> Tensor:
    """The tensor, prepared for `product` in a loop; where no gradient is wanted, just the tensor.

    Under autocast it is cast here, once.
    """
    dtype = product_dtype(tensor)
    return _repeat(tensor, dtype) if torch.is_grad_enabled() and tensor.requires_grad else tensor.to(dtype)


def node_of(tensor: Tensor) -> Any:
    """The node that gathers a repeated tensor's gradients; None for any other tensor."""
    node = tensor.grad_fn
    return node if isinstance(node, _Repeated._backward_cls) else None


def product(left: Float[Tensor, "*rows m k"], matrix: Float[Tensor, "*rows k n"]) -> Float[Tensor, "*rows m n"]:
    """left @ matrix, of matrices or of batches of them."""
    node = node_of(matrix)
    return left @ matrix if node is None else _product(left.to(matrix.dtype), matrix, node)


def looped(
    inputs: Float[Tensor, "batch target inputs"], weight: Float[Tensor, "outputs inputs"], beside: Tensor
) -> Float[Tensor, "batch target outputs"]:
    """x Wᵀ. In a loop, which repeats the tensor that stands `beside` x, W is repeated as well."""
    node = node_of(beside)
    if node is None:
        return linear(inputs, weight)
    name = (weight.data_ptr(), weight.shape, weight.stride())  # a part of a matrix is a new tensor at each step
    if name not in node.notes:
        node.notes[name] = repeat(weight.t().contiguous())
    return product(inputs.flatten(0, 1), node.notes[name]).view(*inputs.shape[:2], len(weight))


class _Comparison(torch.autograd.Function):
    """x Mᵀ, where M is repeated."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, matrix: Tensor, node: Any) -> Tensor:
        ctx.save_for_backward(left, matrix)
        ctx.node = node
        return left @ matrix.transpose(-2, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        left, matrix = ctx.saved_tensors
        gradient = gradients[0]
        left_by_this_pass(ctx.node).factors.append((gradient, left))
        return gradient @ matrix if ctx.needs_input_grad[0] else None, None, None


_comparison: Callable[..., Tensor] = _Comparison.apply


def comparison(left: Float[Tensor, "*rows m k"], matrix: Float[Tensor, "*rows n k"]) -> Float[Tensor, "*rows m n"]:
    """left @ matrixᵀ, of matrices or of batches of them."""
    node = node_of(matrix)
    if node is None:
        return left @ matrix.transpose(-2, -1)
    return _comparison(left.to(matrix.dtype), matrix, node)
