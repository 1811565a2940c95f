"""One recurrent layer, run over a whole sequence or step by step with the same parameters; and dropout over time."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.kernels.cells import doubled, gru_sequence, lstm_sequence
from seq2seq.nn.kernels.loop_gradients import AffineSteps
from seq2seq.nn.kernels.loop_steps import gru_step, lstm_step
from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.products import linear

State = tuple[Tensor, ...]  # what a cell carries: (h,) of a GRU, (h, c) of an LSTM; h comes first


class RecurrentLayer(nn.Module):
    """A GRU (Cho et al. 2014) or LSTM (Hochreiter & Schmidhuber 1997) layer in one direction.

    The parameters are torch's own. A whole sequence runs in torch's kernels on a GPU and in ours (cells.py) on a CPU:
    of torch's there, that for LSTMs reaches 0.6 of a matmul's speed on the way back, and the others add up a gradient
    of the matrices at each step. 2026-11-26, reference model, two threads: 520 ms of a step for three LSTMs, whose
    products take 305 ms.
    """

    states: ClassVar[dict[str, int]] = {"gru": 1, "lstm": 2}

    def __init__(self, cell: str, input_dim: int, dim: int) -> None:
        super().__init__()
        kinds = {"gru": nn.GRU, "lstm": nn.LSTM}
        self.rnn = kinds[cell](input_dim, dim, batch_first=True)
        self.cell = cell
        self.state_count = self.states[cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """Outputs at every position, and the state after the last; every row is as long as the time axis."""
        if inputs.device.type != "cpu":
            return self._torch_sequence(inputs, state)
        dtype = product_dtype(self.rnn.weight_ih_l0)
        with torch.autocast("cpu", enabled=False):
            outputs, rest = self._own_sequence(inputs.transpose(0, 1), state, dtype)
        return outputs.transpose(0, 1), (outputs[-1], *rest)

    def _own_sequence(
        self, inputs: Float[Tensor, "time rows input_dim"], state: State, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "time rows dim"], State]:
        """dtype: of products; all else is in the precision of the weights."""
        weight, matrix, bias, inner_bias = self.doubled()
        matrix, state = matrix.t().contiguous().to(dtype), tuple(part.to(weight.dtype) for part in state)
        known = bias + inner_bias if self.state_count == 2 else bias
        gates = linear(inputs.to(weight.dtype), weight, known, dtype=dtype, result_dtype=weight.dtype)
        if self.state_count == 2:
            outputs, last = lstm_sequence(gates, matrix, *state)
            return outputs, (last,)
        return gru_sequence(gates, matrix, inner_bias, state[0]), ()

    def _torch_sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        first = tuple(part[None].contiguous() for part in state)
        outputs, last = self.rnn(inputs, first if self.state_count == 2 else first[0])
        return outputs, tuple(part[0] for part in (last if self.state_count == 2 else (last,)))

    def doubled(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """weight_ih, weight_hh, bias_ih, bias_hh, as cells.py wants them."""
        rnn = self.rnn
        weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
        weight, matrix, bias, inner_bias = (doubled(self.cell, parameter) for parameter in weights)
        return weight, matrix, bias, inner_bias

    def loop(self, known: Float[Tensor, "rows time known_dim"]) -> "Loop":
        """The layer for a loop whose inputs are these (of 0 units, where none is known before), with the rest, which
        come after them, given step by step.
        """
        return Loop(self.cell, self.doubled(), known)

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """The state one position later."""
        weights = (self.rnn.weight_ih_l0, self.rnn.weight_hh_l0, self.rnn.bias_ih_l0, self.rnn.bias_hh_l0)
        if self.state_count == 2:
            return torch.lstm_cell(inputs, list(state), *weights)
        return (torch.gru_cell(inputs, state[0], *weights),)


class Loop:
    """A recurrent layer in training, step by step, with all that can be done for the steps together done together.

    The share of the inputs that are known before is one product for all steps, and the gradients of the matrices are
    made once (`AffineSteps`).
    """

    def __init__(self, cell: str, parameters: tuple[Tensor, Tensor, Tensor, Tensor], known: Tensor) -> None:
        weight, matrix, bias, inner_bias = parameters
        (_, steps, known_dim), late = known.shape, weight[:, known.shape[-1] :]
        self._inner: AffineSteps | None = None
        offset = bias + inner_bias if cell == "lstm" else bias
        if known_dim:
            offset = linear(known.transpose(0, 1), weight[:, :known_dim], offset)
        if cell == "lstm":
            late = torch.cat([late, matrix], dim=1)
        else:
            self._inner = AffineSteps(matrix.t().contiguous(), inner_bias, steps)
        self._steps = AffineSteps(late.t().contiguous(), offset, steps)

    def step(self, late: Float[Tensor, "rows late_dim"], state: State) -> State:
        """Return the state after the next position; late: its inputs that were not known before the loop."""
        if self._inner is None:
            return lstm_step(self._steps, late, *state)
        return (gru_step(self._steps, self._inner, late, *state),)


class SourceLayer(nn.Module):
    """A layer that reads padded sentences in one direction or both, each from its own first to its own last token.

    Reversal is by index and every row then runs at full width. torch's packed sequences do the same without the
    padding, but their backward pass clears a tensor of all time steps at each step: a third of a training step on
    2026-11-22 (batch 128 x 16, GRU 2 x 256, one thread).
    """

    def __init__(self, cell: str, input_dim: int, dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = RecurrentLayer(cell, input_dim, dim)
        self.backwards = RecurrentLayer(cell, input_dim, dim) if bidirectional else None
        self.dim = dim

    def forward(
        self, inputs: Float[Tensor, "batch source input_dim"], mask: Bool[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch source output_dim"], Float[Tensor, "batch output_dim"]]:
        """Outputs (zero on padding), and what each direction had at its own last token, side by side."""
        # Padding is silenced on the way in and on the way out: a NaN there would come back through the gradient.
        inputs = inputs.masked_fill(~mask[:, :, None], 0.0)
        last = (mask.sum(dim=1) - 1)[:, None, None]
        first = tuple(inputs.new_zeros(inputs.shape[0], self.dim) for _ in range(self.forwards.state_count))
        outputs, _ = self.forwards.sequence(inputs, first)
        sides, finals = [outputs], [outputs.gather(1, last.expand(-1, 1, self.dim))]
        if self.backwards is not None:
            reverse = _reversal(mask)[:, :, None]
            outputs, _ = self.backwards.sequence(inputs.gather(1, reverse.expand_as(inputs)), first)
            sides.append(outputs.gather(1, reverse.expand_as(outputs)))
            finals.append(outputs.gather(1, last.expand(-1, 1, self.dim)))
        return torch.cat(sides, dim=-1).masked_fill(~mask[:, :, None], 0.0), torch.cat(finals, dim=-1)[:, 0]


def _reversal(mask: Bool[Tensor, "batch source"]) -> Int[Tensor, "batch source"]:
    """Where each position's token comes from when every sentence is reversed within its own length."""
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)
