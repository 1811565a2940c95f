"""Recurrent cells on a CPU: whole sequences, and the gates of single steps, in few passes over memory.

tanh x = 2 σ(2x) - 1, and torch's σ takes 0.9 ns a value where its tanh takes 3.1 ns. So the weights of the gate that
passes a tanh are doubled beforehand (`double_tanh_gate`), and one σ serves all gates, with the derivative σ - σ² for
each. Gates stand in torch's order: i f g o of an LSTM, r z n of a GRU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.products import linear, step_matmul, sum_of_products

TANH_GATE = {"lstm": 2, "gru": 2}  # which gate passes a tanh
GATES = {"lstm": 4, "gru": 3}


def double_tanh_gate(cell: str, parameter: Tensor) -> Tensor:
    """Return a weight or bias of a cell, stacked by gate, with the rows of the tanh gate times 2."""
    scale = torch.ones(GATES[cell], device=parameter.device, dtype=parameter.dtype)
    scale[TANH_GATE[cell]] = 2.0
    by_gate = parameter.view(GATES[cell], -1)
    return (by_gate * scale[:, None]).view_as(parameter)


def lstm_gates(gates: Tensor, before: Tensor, cell: Tensor, squashed: Tensor, output: Tensor) -> None:
    """Apply σ to the gates in place, and write the new cell, its tanh (`squashed`) and the output.

    before: the cell of the step before.
    """
    i, f, g, o = gates.sigmoid_().chunk(4, dim=-1)
    torch.mul(f, before, out=cell)
    cell.addcmul_(i, g, value=2).sub_(i)
    torch.mul(cell, 2, out=squashed)
    squashed.sigmoid_().mul_(2).sub_(1)
    torch.mul(o, squashed, out=output)


def lstm_gates_back(
    gates: Tensor, before: Tensor, squashed: Tensor, to_output: Tensor, to_cell: Tensor, to_gates: Tensor
) -> None:
    """Write the gradient of the gates before σ into `to_gates`, and turn `to_cell` into that of the cell before."""
    i, f, g, o = gates.chunk(4, dim=-1)
    to_i, to_f, to_g, to_o = to_gates.chunk(4, dim=-1)
    torch.mul(to_output, squashed, out=to_o)
    through = to_output * o
    to_cell.add_(through).addcmul_(through.mul_(squashed), squashed, value=-1)
    torch.mul(to_cell, g, out=to_i).mul_(2).sub_(to_cell)
    torch.mul(to_cell, before, out=to_f)
    torch.mul(to_cell, i, out=to_g).mul_(2)
    to_cell.mul_(f)
    to_gates.mul_(torch.addcmul(gates, gates, gates, value=-1))


def gru_gates(gates: Tensor, inner: Tensor, before: Tensor, output: Tensor) -> None:
    """Add the state's share to the input's share of the gates, apply σ in place, and write the new state into `output`.

    inner: W_hh h + b_hh, gates r z n; only read.
    """
    pair, new = gates.tensor_split([2 * before.shape[-1]], dim=-1)
    r, z = pair.add_(inner[..., : pair.shape[-1]]).sigmoid_().chunk(2, dim=-1)
    new.addcmul_(r, inner[..., pair.shape[-1] :]).sigmoid_()
    torch.mul(new, 2, out=output)
    output.sub_(1)  # n; the state is n + z (before - n)
    output.addcmul_(z, before - output)


def gru_gates_back(
    gates: Tensor, inner: Tensor, before: Tensor, to_output: Tensor, to_gates: Tensor, to_inner: Tensor
) -> Tensor:
    """Write the gradients of both shares of the gates, and return that of the state before as far as it goes through z.

    inner: the part of W_hh h + b_hh that belongs to the gate n.
    """
    r, z, s = gates.chunk(3, dim=-1)
    to_r, to_z, to_n = to_gates.chunk(3, dim=-1)
    torch.mul(to_output, before.add(1).sub_(s, alpha=2), out=to_z)
    torch.mul(to_output, 1 - z, out=to_n).mul_(2)
    slope = torch.addcmul(gates, gates, gates, value=-1)
    to_n.mul_(slope.chunk(3, dim=-1)[2])
    torch.mul(to_n, inner, out=to_r).mul_(slope.chunk(3, dim=-1)[0])
    to_z.mul_(slope.chunk(3, dim=-1)[1])
    to_inner.copy_(to_gates)
    to_inner.chunk(3, dim=-1)[2].mul_(r)
    return to_output * z


def lstm_cell(gates: Float[Tensor, "rows gates"], before: Float[Tensor, "rows dim"]) -> tuple[Tensor, Tensor]:
    """Return output and cell of one step without gradients; overwrites the gates."""
    cell, squashed, output = (torch.empty_like(before) for _ in range(3))
    lstm_gates(gates, before, cell, squashed, output)
    return output, cell


def gru_cell(
    gates: Float[Tensor, "rows gates"], inner: Float[Tensor, "rows gates"], before: Float[Tensor, "rows dim"]
) -> Float[Tensor, "rows dim"]:
    """Return the state after one step without gradients; overwrites `gates`, the input's share."""
    output = torch.empty_like(before)
    gru_gates(gates, inner, before, output)
    return output


class _LSTMSequence(torch.autograd.Function):
    """All steps of an LSTM, which overwrite the gates; one product of all steps makes the gradient of the matrix.

    Products are in the matrix's dtype, all else is in that of the gates.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, matrix: Tensor, first: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        time, rows, dim = gates.shape[0], *first.shape
        states, cells = first.new_empty(time + 1, rows, dim), first.new_empty(time + 1, rows, dim)
        squashed = first.new_empty(time, rows, dim)
        states[0], cells[0] = first, cell
        # All views at once: to index takes 2 µs, and a step would have to eight times.
        outputs, all_cells = states.unbind(0), cells.unbind(0)
        for step, (own, tanh) in enumerate(zip(gates.unbind(0), squashed.unbind(0), strict=True)):
            step_matmul(outputs[step], matrix, own, out=own)
            lstm_gates(own, all_cells[step], all_cells[step + 1], tanh, outputs[step + 1])
        ctx.save_for_backward(gates, matrix, states, cells, squashed)
        return states[1:], cells[time].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gates, matrix, states, cells, squashed = ctx.saved_tensors
        to_outputs, to_cell = gradients[0], gradients[1].clone()
        to_gates, to_state = torch.empty_like(gates), torch.zeros_like(to_cell)
        parts = [part.unbind(0) for part in (to_outputs, gates, cells[:-1], squashed, to_gates)]
        back = matrix.t()
        for to_output, own, before, tanh, to_own in reversed(list(zip(*parts, strict=True))):
            to_state.add_(to_output)
            lstm_gates_back(own, before, tanh, to_state, to_cell, to_own)
            step_matmul(to_own, back, out=to_state)
        to_matrix = sum_of_products(states[:-1].flatten(0, 1), to_gates.flatten(0, 1), matrix.dtype)
        return to_gates, to_matrix, to_state, to_cell


class _GRUSequence(torch.autograd.Function):
    """All steps of a GRU, as `_LSTMSequence`; here the state's share of the gates has a bias of its own."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, matrix: Tensor, bias: Tensor, first: Tensor) -> Tensor:
        time, rows, dim = gates.shape[0], *first.shape
        states, inners = first.new_empty(time + 1, rows, dim), first.new_empty(time, rows, dim)
        states[0] = first
        for step in range(time):
            inner = step_matmul(states[step], matrix, bias)
            gru_gates(gates[step], inner, states[step], states[step + 1])
            inners[step] = inner[:, 2 * dim :]
        ctx.save_for_backward(gates, matrix, states, inners)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gates, matrix, states, inners = ctx.saved_tensors
        to_outputs, to_gates, to_inner = gradients[0], torch.empty_like(gates), torch.empty_like(gates)
        to_state = torch.zeros_like(states[0])
        for step in reversed(range(gates.shape[0])):
            to_state.add_(to_outputs[step])
            kept = gru_gates_back(gates[step], inners[step], states[step], to_state, to_gates[step], to_inner[step])
            step_matmul(to_inner[step], matrix.t(), kept, out=to_state)
        flat = to_inner.flatten(0, 1)
        return to_gates, sum_of_products(states[:-1].flatten(0, 1), flat, matrix.dtype), flat.sum(dim=0), to_state


def lstm_sequence(
    gates: Float[Tensor, "time rows gates"],
    matrix: Float[Tensor, "dim gates"],
    first: Float[Tensor, "rows dim"],
    cell: Float[Tensor, "rows dim"],
) -> tuple[Float[Tensor, "time rows dim"], Float[Tensor, "rows dim"]]:
    """Return the outputs of all steps and the last cell.

    gates: the inputs' share, biases included; overwritten. Hochreiter & Schmidhuber (1997), with the forget gate of
    Gers et al. (2000).
    """
    run: Callable[..., tuple[Tensor, Tensor]] = _LSTMSequence.apply
    return run(gates, matrix, first, cell)


def gru_sequence(
    gates: Float[Tensor, "time rows gates"],
    matrix: Float[Tensor, "dim gates"],
    bias: Float[Tensor, " gates"],
    first: Float[Tensor, "rows dim"],
) -> Float[Tensor, "time rows dim"]:
    """Return the states of all steps. gates: the inputs' share, with their bias; overwritten. Cho et al. (2014)."""
    run: Callable[..., Tensor] = _GRUSequence.apply
    return run(gates, matrix, bias, first)


@dataclass(frozen=True, slots=True)
class CellWeights:
    """The weights of a recurrent layer as the functions here want them: those of the tanh gate doubled."""

    inputs: Float[Tensor, "gates input_dim"]  # W_ih
    states: Float[Tensor, "gates dim"]  # W_hh
    bias: Float[Tensor, " gates"]  # b_ih
    inner_bias: Float[Tensor, " gates"]  # b_hh

    @classmethod
    def of(cls, cell: str, parameters: tuple[Tensor, Tensor, Tensor, Tensor]) -> "CellWeights":
        """Double the tanh gate in W_ih, W_hh, b_ih and b_hh, with gradients to them."""
        return cls(*(double_tanh_gate(cell, parameter) for parameter in parameters))


def run_sequence(
    cell: str, weights: CellWeights, inputs: Float[Tensor, "time rows input_dim"], state: tuple[Tensor, ...]
) -> tuple[Float[Tensor, "time rows dim"], tuple[Tensor, ...]]:
    """Return the outputs of all steps, and the state after the last: (h,) of a GRU, (h, c) of an LSTM.

    Under autocast products are made in its dtype; all else is in that of the weights.
    """
    dtype, precise = product_dtype(weights.inputs), weights.inputs.dtype
    with torch.autocast("cpu", enabled=False):
        matrix, state = weights.states.t().contiguous().to(dtype), tuple(part.to(precise) for part in state)
        offset = weights.bias + weights.inner_bias if cell == "lstm" else weights.bias
        gates = linear(inputs.to(precise), weights.inputs, offset, dtype=dtype, result_dtype=precise)
        if cell == "lstm":
            outputs, last = lstm_sequence(gates, matrix, *state)
            return outputs, (outputs[-1], last)
        outputs = gru_sequence(gates, matrix, weights.inner_bias, state[0])
        return outputs, (outputs[-1],)
