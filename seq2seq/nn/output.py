"""The output layer, read for a few tokens of each sentence."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.decoder import DecoderState


@dataclass(frozen=True, slots=True)
class OutputRows:
    """The rows of an output layer that belong to each sentence's own tokens, gathered once for all steps.

    bias is -inf in a column that pads, so that it has no probability.
    """

    tokens: Int[Tensor, "sentences width"]
    weight: Float[Tensor, "sentences width output_dim"]
    bias: Float[Tensor, "sentences width"]

    @classmethod
    def gather(cls, layer: nn.Linear, tokens: Int[Tensor, "sentences width"]) -> "OutputRows":
        """Of tokens padded with -1."""
        read = tokens.clamp(min=0)
        weight = layer.weight.index_select(0, read.flatten()).view(*read.shape, -1)
        return cls(read, weight, layer.bias[read].masked_fill(tokens < 0, -torch.inf))

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"]) -> Float[Tensor, "sentences beam width"]:
        """In nats, normalised over each sentence's own tokens."""
        return torch.baddbmm(self.bias[:, None], outputs, self.weight.transpose(1, 2)).log_softmax(dim=-1)

    def keep(self, sentences: Int[Tensor, " kept"]) -> "OutputRows":
        """Only these sentences."""
        return OutputRows(self.tokens[sentences], self.weight[sentences], self.bias[sentences])


@dataclass(frozen=True, slots=True)
class NarrowState:
    """A decoder's state with the rows of the output layer that its sentences use."""

    state: DecoderState
    rows: OutputRows

    def select(self, parents: Int[Tensor, "sentences beam"]) -> "NarrowState":
        """The rows are the sentence's and stay."""
        return NarrowState(self.state.select(parents), self.rows)

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowState":
        """Only these sentences."""
        return NarrowState(self.state.keep(sentences), self.rows.keep(sentences))
