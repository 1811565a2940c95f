"""The affine maps of a loop in training, and what follows each of them: a recurrent cell, or the readout's tanh.

A step of a loop computes x_t M + b_t, where only x_t is new. What the gradient of M needs, every x_t and the gradient
of every result, is written side by side where the steps make it, so that one product of the whole remains for the end
and nothing has to be joined for it. `Shared` is M with this `Record`; each step is one node of autograd.

2026-11-26, reference model with input feeding: what autograd's own steps left was joined in 40 ms of 1,230.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.cells import gru_gates, gru_gates_back, lstm_gates, lstm_gates_back
from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.products import exact_onednn, step_affine, step_multiply, summed


class Record:
    """What the steps did: every x_t, every b_t, and on the way back the gradient of every result.

    It knows no node of autograd, or both would live until Python looks for cycles.
    """

    def __init__(self, matrix: Tensor, offset: Tensor, steps: int, rows: int, dtype: torch.dtype) -> None:
        self.left = matrix.new_empty(steps, rows, matrix.shape[0], dtype=dtype)
        self.right: Tensor | None = None
        self.taken: set[int] = set()  # steps that there were
        self.reached: set[int] = set()  # those that a gradient has come to in this backward pass
        self.backward_pass: int | None = None
        self.offset = offset.detach()

    def join(self, position: int, *parts: Tensor) -> Tensor:
        """x_t, from its parts."""
        self.taken.add(position)
        return torch.cat(parts, dim=-1, out=self.left[position])

    def apply(self, position: int, matrix: Tensor, joined: Tensor) -> Tensor:
        """x_t M + b_t."""
        offset = self.offset if self.offset.ndim == 1 else self.offset[position]
        with exact_onednn():
            return step_affine(joined, matrix, offset, out=None if self.offset.ndim == 1 else offset)

    def room(self, position: int) -> Tensor:
        """Where the gradient of the result of this step belongs."""
        if self.right is None:
            self.right = self.left.new_empty(*self.left.shape[:2], self.offset.shape[-1])
        current = torch._C._current_graph_task_id()
        if self.backward_pass != current:  # an earlier one may not have asked for the matrix
            self.backward_pass, self.reached = current, set()
        self.reached.add(position)
        return self.right[position]

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Of the matrix and of the offset; the gradients of the results are forgotten."""
        right, self.right = self.right, None
        assert right is not None  # a step has been here
        for held, good in ((self.left, self.taken), (right, self.reached)):
            for position in set(range(len(right))) - good:
                held[position] = 0
        self.reached = set()
        flat = right.flatten(0, 1)
        of_all = torch.promote_types(flat.dtype, torch.float32)
        to_offset = right if self.offset.ndim == 3 else flat.sum(dim=0, dtype=of_all)
        return summed(self.left.flatten(0, 1), flat, flat.dtype), to_offset.to(self.offset.dtype)


def back(gradient: Tensor, matrix: Tensor) -> Tensor:
    """The gradient of what stood left of the matrix."""
    with exact_onednn():
        return step_multiply(gradient, matrix.t(), out=gradient.new_empty(len(gradient), len(matrix)))


class _Share(torch.autograd.Function):
    """The matrix, in the precision of products. Its gradient, which is not rounded to that, and the offset's come from
    the record, after the last step on the way back.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, offset: Tensor, record: Record, dtype: torch.dtype) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.record = record
        return matrix.view_as(matrix) if matrix.dtype == dtype else matrix.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: None) -> tuple[Tensor, Tensor, None, None]:
        return *ctx.record.gradients(), None, None


class Shared:
    """A matrix M and the offsets b_t of all steps.

    offset: [steps, rows, n], which is used up, or [n], the same at each step. Under autocast the products are made in
    its precision.
    """

    def __init__(self, matrix: Tensor, offset: Tensor, steps: int, rows: int) -> None:
        dtype = product_dtype(matrix)
        self.record = Record(matrix, offset, steps, rows, dtype)
        share: Callable[..., Tensor] = _Share.apply  # torch leaves it untyped
        self.matrix = share(matrix, offset, self.record, dtype)


class _LSTMStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, late: Tensor, state: Tensor, before: Tensor, matrix: Tensor, record: Record, position: int
    ) -> tuple[Tensor, Tensor]:
        gates = record.apply(position, matrix, record.join(position, late, state)).to(before.dtype)
        cell, squashed, output = (torch.empty_like(before) for _ in range(3))
        lstm_gates(gates, before, cell, squashed, output)
        ctx.save_for_backward(before, squashed, matrix)
        ctx.gates = gates  # not saved: other steps write beside it, which torch would take for a change
        ctx.record, ctx.position, ctx.widths = record, position, (late.shape[-1], state.shape[-1])
        return output, cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (before, squashed, matrix) = ctx.gates, ctx.saved_tensors
        to_output, to_cell = gradients[0], gradients[1].clone()
        room = ctx.record.room(ctx.position)
        to_gates = room if room.dtype == gates.dtype else torch.empty_like(gates)
        lstm_gates_back(gates, before, squashed, to_output, to_cell, to_gates)
        if to_gates is not room:
            room.copy_(to_gates)
        to_late, to_state = torch.split(back(room, matrix), ctx.widths, dim=-1)
        return to_late, to_state, to_cell, None, None, None


class _GRUStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        late: Tensor,
        state: Tensor,
        matrix: Tensor,
        inner_matrix: Tensor,
        record: Record,
        inner_record: Record,
        position: int,
    ) -> Tensor:
        gates = record.apply(position, matrix, record.join(position, late)).to(state.dtype)
        inner = inner_record.apply(position, inner_matrix, inner_record.join(position, state)).to(state.dtype)
        output = torch.empty_like(state)
        gru_gates(gates, inner, state, output)
        ctx.save_for_backward(inner[..., 2 * state.shape[-1] :], state, matrix, inner_matrix)
        ctx.gates = gates  # as above
        ctx.record, ctx.inner_record, ctx.position = record, inner_record, position
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (inner, before, matrix, inner_matrix) = ctx.gates, ctx.saved_tensors
        rooms = ctx.record.room(ctx.position), ctx.inner_record.room(ctx.position)
        made = rooms if rooms[0].dtype == gates.dtype else (torch.empty_like(gates), torch.empty_like(gates))
        kept = gru_gates_back(gates, inner, before, gradients[0], *made)
        if made is not rooms:
            for room, values in zip(rooms, made, strict=True):
                room.copy_(values)
        to_state = kept.add_(back(rooms[1], inner_matrix))
        return back(rooms[0], matrix), to_state, None, None, None, None, None


class _TanhStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, matrix: Tensor, record: Record, position: int) -> Tensor:
        output = record.apply(position, matrix, record.join(position, first, second)).tanh_()
        ctx.save_for_backward(output, matrix)
        ctx.record, ctx.position, ctx.widths = record, position, (first.shape[-1], second.shape[-1])
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        output, matrix = ctx.saved_tensors
        room = ctx.record.room(ctx.position)
        room.copy_(torch.ops.aten.tanh_backward(gradients[0], output))
        to_first, to_second = torch.split(back(room, matrix), ctx.widths, dim=-1)
        return to_first, to_second, None, None, None


def lstm_step(
    shared: Shared,
    position: int,
    late: Float[Tensor, "rows late_dim"],
    state: Float[Tensor, "rows dim"],
    cell: Float[Tensor, "rows dim"],
) -> tuple[Float[Tensor, "rows dim"], Float[Tensor, "rows dim"]]:
    """Output and cell, where the gates are [late; state] M + b."""
    run: Callable[..., tuple[Tensor, Tensor]] = _LSTMStep.apply
    return run(late, state, cell, shared.matrix, shared.record, position)


def gru_step(
    shared: Shared,
    inner: Shared,
    position: int,
    late: Float[Tensor, "rows late_dim"],
    state: Float[Tensor, "rows dim"],
) -> Float[Tensor, "rows dim"]:
    """The new state, where the gates are made of late M + b, and of state M + b with the matrix and bias of `inner`."""
    run: Callable[..., Tensor] = _GRUStep.apply
    return run(late, state, shared.matrix, inner.matrix, shared.record, inner.record, position)


def tanh_step(
    shared: Shared, position: int, first: Float[Tensor, "rows first_dim"], second: Float[Tensor, "rows second_dim"]
) -> Float[Tensor, "rows output_dim"]:
    """tanh([first; second] M + b)."""
    run: Callable[..., Tensor] = _TanhStep.apply
    return run(first, second, shared.matrix, shared.record, position)
