"""One recurrent layer, run over a whole sequence or step by step with the same parameters; and dropout over time."""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, ...]  # what a cell carries: (h,) of a GRU, (h, c) of an LSTM; h comes first


class RecurrentLayer(nn.Module):
    """A GRU (Cho et al. 2014) or LSTM (Hochreiter & Schmidhuber 1997) layer in one direction.

    The parameters are torch's own, so that a whole sequence runs in torch's kernels; `step` uses the fused cell.
    """

    states: ClassVar[dict[str, int]] = {"gru": 1, "lstm": 2}

    def __init__(self, cell: str, input_dim: int, dim: int) -> None:
        super().__init__()
        kinds = {"gru": nn.GRU, "lstm": nn.LSTM}
        self.rnn = kinds[cell](input_dim, dim, batch_first=True)
        self.state_count = self.states[cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """Outputs at every position, and the state after the last; every row is as long as the time axis."""
        first = tuple(part[None].contiguous() for part in state)
        outputs, last = self.rnn(inputs, first if self.state_count == 2 else first[0])
        return outputs, tuple(part[0] for part in (last if self.state_count == 2 else (last,)))

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """The state one position later."""
        weights = (self.rnn.weight_ih_l0, self.rnn.weight_hh_l0, self.rnn.bias_ih_l0, self.rnn.bias_hh_l0)
        if self.state_count == 2:
            return torch.lstm_cell(inputs, list(state), *weights)
        return (torch.gru_cell(inputs, state[0], *weights),)


class BidirectionalLayer(nn.Module):
    """A layer that reads padded sentences in one direction or both, each from its own first to its own last token."""

    def __init__(self, cell: str, input_dim: int, dim: int, bidirectional: bool) -> None:
        super().__init__()
        kinds = {"gru": nn.GRU, "lstm": nn.LSTM}
        self.rnn = kinds[cell](input_dim, dim, batch_first=True, bidirectional=bidirectional)
        self.output_dim = dim * (2 if bidirectional else 1)

    def forward(
        self, inputs: Float[Tensor, "batch source input_dim"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch source output_dim"], Float[Tensor, "batch output_dim"]]:
        """Outputs (zero on padding) and each direction's own last state h, side by side."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, last = self.rnn(packed)
        padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
        hidden = last[0] if isinstance(last, tuple) else last
        return padded, hidden.transpose(0, 1).reshape(inputs.shape[0], -1)


class SequenceDropout(nn.Module):
    """Dropout over [batch, time, dim]; `variational` draws one mask a sentence for all positions (Gal & Ghahramani 2016)."""

    def __init__(self, rate: float, variational: bool) -> None:
        super().__init__()
        self.rate = rate
        self.variational = variational

    def forward(self, values: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        """The values with dropout in training, unchanged otherwise."""
        if not self.active:
            return values
        if not self.variational:
            return nn.functional.dropout(values, self.rate)
        return values * nn.functional.dropout(torch.ones_like(values[:, :1]), self.rate)

    @property
    def active(self) -> bool:
        """Whether anything is dropped now."""
        return self.training and self.rate > 0

    def draw(self, like: Float[Tensor, "batch time any"], dim: int) -> Float[Tensor, "batch time dim"] | None:
        """Factors for every position of a loop at once, so that the loop itself draws nothing; None when inactive."""
        return self(like.new_ones(like.shape[0], like.shape[1], dim)) if self.active else None
