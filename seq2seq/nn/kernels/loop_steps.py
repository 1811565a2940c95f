"""The steps of a loop in training, each one node of autograd: a recurrent cell, or the readout's tanh.

A step computes x_t M + b_t, where only x_t is new, and what follows: the gates of a cell, or a tanh. M's gradient is
made once for all steps (`AffineSteps` in loop_gradients.py).
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.cells import gru_gates, gru_gates_back, lstm_gates, lstm_gates_back
from seq2seq.nn.kernels.loop_gradients import AffineSteps, StepFactors
from seq2seq.nn.kernels.products import step_matmul
from seq2seq.nn.kernels.torch_internals import tanh_backward


def _affine(position: int, entered: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Return x_t M + b_t; offsets of single steps are overwritten by it."""
    if offset.ndim == 1:
        return step_matmul(entered, matrix, offset)
    return step_matmul(entered, matrix, offset[position], out=offset[position])


def _back(gradient: Tensor, matrix: Tensor) -> Tensor:
    """Return the gradient of x_t."""
    return step_matmul(gradient, matrix.t(), out=gradient.new_empty(len(gradient), len(matrix)))


class _LSTMStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, late: Tensor, state: Tensor, before: Tensor, matrix: Tensor, offset: Tensor, factors: StepFactors
    ) -> tuple[Tensor, Tensor]:
        ctx.position, entered = factors.enter(matrix.dtype, late, state)
        gates = _affine(ctx.position, entered, matrix, offset).to(before.dtype)
        cell, squashed, output = (torch.empty_like(before) for _ in range(3))
        lstm_gates(gates, before, cell, squashed, output)
        ctx.save_for_backward(before, squashed, matrix)
        ctx.gates = gates  # not saved: other steps write beside it, which torch would take for a change
        ctx.factors, ctx.widths = factors, (late.shape[-1], state.shape[-1])
        return output, cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (before, squashed, matrix) = ctx.gates, ctx.saved_tensors
        to_output, to_cell = gradients[0], gradients[1].clone()
        row = ctx.factors.gradient_row(ctx.position, gates.shape[-1])
        to_gates = row if row.dtype == gates.dtype else torch.empty_like(gates)
        lstm_gates_back(gates, before, squashed, to_output, to_cell, to_gates)
        if to_gates is not row:
            row.copy_(to_gates)
        to_late, to_state = torch.split(_back(row, matrix), ctx.widths, dim=-1)
        return to_late, to_state, to_cell, None, None, None


class _GRUStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        late: Tensor,
        state: Tensor,
        matrix: Tensor,
        offset: Tensor,
        factors: StepFactors,
        inner_matrix: Tensor,
        inner_offset: Tensor,
        inner_factors: StepFactors,
    ) -> Tensor:
        ctx.position, entered = factors.enter(matrix.dtype, late)
        gates = _affine(ctx.position, entered, matrix, offset).to(state.dtype)
        _, inner_entered = inner_factors.enter(inner_matrix.dtype, state)
        inner = _affine(ctx.position, inner_entered, inner_matrix, inner_offset).to(state.dtype)
        output = torch.empty_like(state)
        gru_gates(gates, inner, state, output)
        ctx.save_for_backward(inner[..., 2 * state.shape[-1] :], state, matrix, inner_matrix)
        ctx.gates = gates  # as above
        ctx.factors, ctx.inner_factors = factors, inner_factors
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (inner, before, matrix, inner_matrix) = ctx.gates, ctx.saved_tensors
        rows = [factors.gradient_row(ctx.position, gates.shape[-1]) for factors in (ctx.factors, ctx.inner_factors)]
        written = rows if rows[0].dtype == gates.dtype else [torch.empty_like(gates), torch.empty_like(gates)]
        kept = gru_gates_back(gates, inner, before, gradients[0], *written)
        if written is not rows:
            for row, values in zip(rows, written, strict=True):
                row.copy_(values)
        to_state = kept.add_(_back(rows[1], inner_matrix))
        return _back(rows[0], matrix), to_state, *[None] * 6


class _TanhStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, matrix: Tensor, offset: Tensor, factors: StepFactors
    ) -> Tensor:
        ctx.position, entered = factors.enter(matrix.dtype, first, second)
        output = _affine(ctx.position, entered, matrix, offset).tanh_()
        ctx.save_for_backward(output, matrix)
        ctx.factors, ctx.widths = factors, (first.shape[-1], second.shape[-1])
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        output, matrix = ctx.saved_tensors
        row = ctx.factors.gradient_row(ctx.position, output.shape[-1])
        if row.dtype == output.dtype == gradients[0].dtype:
            tanh_backward(gradients[0], output, row)
        else:
            row.copy_(tanh_backward(gradients[0], output, torch.empty_like(output)))
        to_first, to_second = torch.split(_back(row, matrix), ctx.widths, dim=-1)
        return to_first, to_second, None, None, None


def lstm_step(
    steps: AffineSteps,
    late: Float[Tensor, "rows late_dim"],
    state: Float[Tensor, "rows dim"],
    cell: Float[Tensor, "rows dim"],
) -> tuple[Float[Tensor, "rows dim"], Float[Tensor, "rows dim"]]:
    """Return output and cell of the next step, where the gates are [late; state] M + b_t."""
    run: Callable[..., tuple[Tensor, Tensor]] = _LSTMStep.apply
    return run(late, state, cell, steps.matrix, steps.offset, steps.factors)


def gru_step(
    steps: AffineSteps, inner: AffineSteps, late: Float[Tensor, "rows late_dim"], state: Float[Tensor, "rows dim"]
) -> Float[Tensor, "rows dim"]:
    """Return the state after the next step, where the gates are made of late M + b_t and of state M' + b'.

    inner: M' and b', the state's share.
    """
    run: Callable[..., Tensor] = _GRUStep.apply
    return run(late, state, steps.matrix, steps.offset, steps.factors, inner.matrix, inner.offset, inner.factors)


def tanh_step(
    steps: AffineSteps, first: Float[Tensor, "rows first_dim"], second: Float[Tensor, "rows second_dim"]
) -> Float[Tensor, "rows output_dim"]:
    """Return tanh([first; second] M + b_t) of the next step."""
    run: Callable[..., Tensor] = _TanhStep.apply
    return run(first, second, steps.matrix, steps.offset, steps.factors)
