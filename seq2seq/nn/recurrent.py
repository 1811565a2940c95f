"""One recurrent layer, run over a whole sequence or step by step with the same parameters."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.kernels.cells import CellWeights, run_sequence
from seq2seq.nn.kernels.loop_steps import CellLoop

State = tuple[Tensor, ...]  # the state of a cell: (h,) for a GRU, (h, c) for an LSTM


class RecurrentLayer(nn.Module):
    """A GRU (Cho et al. 2014) or LSTM (Hochreiter & Schmidhuber 1997) layer in one direction.

    The parameters are torch's own. A whole sequence runs in torch's kernels on a GPU and in those of nn/kernels on a
    CPU, where torch's took 520 ms of a training step for products that take 305 ms (reference model, two threads).
    """

    states: ClassVar[dict[str, int]] = {"gru": 1, "lstm": 2}

    def __init__(self, cell: str, input_dim: int, dim: int) -> None:
        super().__init__()
        layers = {"gru": nn.GRU, "lstm": nn.LSTM}
        self.rnn = layers[cell](input_dim, dim, batch_first=True)
        self.cell = cell
        self.state_count = self.states[cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """Return the outputs at every position and the state after the last; no row is padded."""
        if inputs.device.type != "cpu":
            return self._torch_sequence(inputs, state)
        outputs, last = run_sequence(self.cell, self.weights(), inputs.transpose(0, 1), state)
        return outputs.transpose(0, 1), last

    def _torch_sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        first = tuple(part[None].contiguous() for part in state)
        outputs, last = self.rnn(inputs, first if self.state_count == 2 else first[0])
        return outputs, tuple(part[0] for part in (last if self.state_count == 2 else (last,)))

    def weights(self) -> CellWeights:
        """Return the layer's weights in the form that the kernels read."""
        return CellWeights.of(self.cell, self._own())

    def _own(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.rnn.weight_ih_l0, self.rnn.weight_hh_l0, self.rnn.bias_ih_l0, self.rnn.bias_hh_l0

    def loop(self, known: Float[Tensor, "rows time known_dim"]) -> CellLoop:
        """Return the layer for a training loop; `known` are the first columns of its inputs, at all steps."""
        return CellLoop(self.cell, self.weights(), known)

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """Return the state one position later."""
        if self.state_count == 2:
            return torch.lstm_cell(inputs, list(state), *self._own())
        return (torch.gru_cell(inputs, state[0], *self._own()),)


class SourceLayer(nn.Module):
    """A layer that reads padded sentences in one direction or both, each from its own first to its own last token.

    Sentences are reversed by index, and every row then runs at full width. torch's packed sequences skip padding, but
    their backward pass clears a tensor of all time steps at each step, which takes a third of a training step.
    """

    def __init__(self, cell: str, input_dim: int, dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = RecurrentLayer(cell, input_dim, dim)
        self.backwards = RecurrentLayer(cell, input_dim, dim) if bidirectional else None
        self.dim = dim

    def forward(
        self, inputs: Float[Tensor, "batch source input_dim"], mask: Bool[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch source output_dim"], Float[Tensor, "batch output_dim"]]:
        """Return outputs, zero on padding, and the outputs of each direction at its own last token, side by side."""
        # Padding is set to zero on the way in and on the way out: a NaN there would come back through the gradient.
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
    """Return where each position's token comes from when every sentence is reversed within its own length."""
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)
