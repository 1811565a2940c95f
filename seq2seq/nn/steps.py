"""The affine maps of a loop in training, and what follows each of them: a recurrent cell, or the readout's tanh.

A step of a loop computes x_t M + b_t, where only x_t is new. What the gradient of M needs, every x_t and the gradient
of every result, is written side by side where the steps make it, so that one product of the whole remains for the end
and nothing has to be joined for it. `Shared` is M with this record; each step is one node of autograd.

2026-11-26, reference model with input feeding: what autograd's own steps left was joined in 40 ms of 1,230.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.cells import gru_gates, gru_gates_back, lstm_gates, lstm_gates_back


class Shared:
    """A matrix M and the offsets b_t of all steps, with the record of what the steps did.

    offset: [steps, rows, n], which is used up, or [n], the same at each step. Under autocast the products are made in
    its precision.
    """

    def __init__(self, matrix: Tensor, offset: Tensor, steps: int, rows: int) -> None:
        kind = matrix.device.type
        if torch.is_autocast_enabled(kind):
            matrix = matrix.to(torch.get_autocast_dtype(kind))
        self.left = matrix.new_empty(steps, rows, matrix.shape[0])
        self.right: Tensor | None = None  # gradients of the results, made on the way back
        self.taken: set[int] = set()  # steps that there were
        self.reached: set[int] = set()  # those that a gradient has come to
        self.offset = offset.detach()
        share: Callable[..., Tensor] = _Share.apply  # torch leaves it untyped
        self.matrix = share(matrix, offset, self)

    def join(self, position: int, *parts: Tensor) -> Tensor:
        """x_t, from its parts."""
        self.taken.add(position)
        return torch.cat(parts, dim=-1, out=self.left[position])

    def apply(self, position: int, matrix: Tensor, joined: Tensor) -> Tensor:
        """x_t M + b_t."""
        offset = self.offset if self.offset.ndim == 1 else self.offset[position]
        if matrix.dtype != offset.dtype:
            return (joined @ matrix).to(offset.dtype).add_(offset)
        if self.offset.ndim == 1:
            return torch.addmm(offset, joined, matrix)
        return torch.addmm(offset, joined, matrix, out=offset)

    def room(self, position: int) -> Tensor:
        """Where the gradient of the result of this step belongs."""
        if self.right is None:
            self.right = self.left.new_empty(*self.left.shape[:2], self.offset.shape[-1])
        self.reached.add(position)
        return self.right[position]

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Of the matrix and of the offset, and the record forgotten."""
        right, self.right = self.right, None
        assert right is not None  # a step has been here
        for held, good in ((self.left, self.taken), (right, self.reached)):
            for position in set(range(len(right))) - good:
                held[position] = 0
        self.reached = set()
        flat = right.flatten(0, 1)
        to_offset = right if self.offset.ndim == 3 else flat.sum(dim=0)
        return self.left.flatten(0, 1).t() @ flat, to_offset.to(self.offset.dtype)


class _Share(torch.autograd.Function):
    """The matrix itself. Its gradient and the offset's come from the record, after the last step on the way back."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, offset: Tensor, shared: Shared) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.shared = shared
        return matrix.view_as(matrix)

    @staticmethod
    def backward(ctx: Any, *gradients: None) -> tuple[Tensor, Tensor, None]:
        return *ctx.shared.gradients(), None


class _LSTMStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, late: Tensor, state: Tensor, before: Tensor, matrix: Tensor, shared: Shared, position: int
    ) -> tuple[Tensor, Tensor]:
        gates = shared.apply(position, matrix, shared.join(position, late, state)).to(before.dtype)
        cell, squashed, output = (torch.empty_like(before) for _ in range(3))
        lstm_gates(gates, before, cell, squashed, output)
        ctx.save_for_backward(before, squashed, matrix)
        ctx.gates = gates  # not saved: other steps write beside it, which torch would take for a change
        ctx.shared, ctx.position, ctx.widths = shared, position, (late.shape[-1], state.shape[-1])
        return output, cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (before, squashed, matrix) = ctx.gates, ctx.saved_tensors
        to_output, to_cell = gradients[0], gradients[1].clone()
        room = ctx.shared.room(ctx.position)
        to_gates = room if room.dtype == gates.dtype else torch.empty_like(gates)
        lstm_gates_back(gates, before, squashed, to_output, to_cell, to_gates)
        if to_gates is not room:
            room.copy_(to_gates)
        to_late, to_state = (room @ matrix.t()).split(ctx.widths, dim=-1)
        return to_late, to_state, to_cell, None, None, None


class _GRUStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        late: Tensor,
        state: Tensor,
        matrix: Tensor,
        inner_matrix: Tensor,
        shared: Shared,
        inner_shared: Shared,
        position: int,
    ) -> Tensor:
        gates = shared.apply(position, matrix, shared.join(position, late)).to(state.dtype)
        inner = inner_shared.apply(position, inner_matrix, inner_shared.join(position, state)).to(state.dtype)
        output = torch.empty_like(state)
        gru_gates(gates, inner, state, output)
        ctx.save_for_backward(inner[..., 2 * state.shape[-1] :], state, matrix, inner_matrix)
        ctx.gates = gates  # as above
        ctx.shared, ctx.inner_shared, ctx.position = shared, inner_shared, position
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, (inner, before, matrix, inner_matrix) = ctx.gates, ctx.saved_tensors
        rooms = ctx.shared.room(ctx.position), ctx.inner_shared.room(ctx.position)
        made = rooms if rooms[0].dtype == gates.dtype else (torch.empty_like(gates), torch.empty_like(gates))
        kept = gru_gates_back(gates, inner, before, gradients[0], *made)
        if made is not rooms:
            for room, values in zip(rooms, made, strict=True):
                room.copy_(values)
        to_state = kept.add_(rooms[1] @ inner_matrix.t())
        return rooms[0] @ matrix.t(), to_state, None, None, None, None, None


class _TanhStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, matrix: Tensor, shared: Shared, position: int) -> Tensor:
        output = shared.apply(position, matrix, shared.join(position, first, second)).tanh_()
        ctx.save_for_backward(output, matrix)
        ctx.shared, ctx.position, ctx.widths = shared, position, (first.shape[-1], second.shape[-1])
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        output, matrix = ctx.saved_tensors
        room = ctx.shared.room(ctx.position)
        room.copy_(torch.ops.aten.tanh_backward(gradients[0], output))
        to_first, to_second = (room @ matrix.t()).split(ctx.widths, dim=-1)
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
    return run(late, state, cell, shared.matrix, shared, position)


def gru_step(
    shared: Shared,
    inner: Shared,
    position: int,
    late: Float[Tensor, "rows late_dim"],
    state: Float[Tensor, "rows dim"],
) -> Float[Tensor, "rows dim"]:
    """The new state, where the gates are made of late M + b, and of state M + b with the matrix and bias of `inner`."""
    run: Callable[..., Tensor] = _GRUStep.apply
    return run(late, state, shared.matrix, inner.matrix, shared, inner, position)


def tanh_step(
    shared: Shared, position: int, first: Float[Tensor, "rows first_dim"], second: Float[Tensor, "rows second_dim"]
) -> Float[Tensor, "rows output_dim"]:
    """tanh([first; second] M + b)."""
    run: Callable[..., Tensor] = _TanhStep.apply
    return run(first, second, shared.matrix, shared, position)
