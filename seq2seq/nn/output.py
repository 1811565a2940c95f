"""The output layer, read for a few tokens of each sentence."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.decoder import DecoderState


@dataclass(frozen=True, slots=True)
class OutputRows:
    """The rows of an output layer that belong to each sentence's own tokens, gathered once for all steps.

    places: of each sentence among those stored, of which some may have left. bias is -inf in a column that pads, so
    that it has no probability.
    """

    tokens: Int[Tensor, "sentences width"]
    weight: Float[Tensor, "stored width output_dim"]
    bias: Float[Tensor, "stored width"]
    places: Int[Tensor, " sentences"]

    @classmethod
    def gather(cls, layer: nn.Linear, tokens: Int[Tensor, "sentences width"]) -> "OutputRows":
        """Of tokens padded with -1."""
        read = tokens.clamp(min=0)
        weight = layer.weight.index_select(0, read.flatten()).view(*read.shape, -1)
        bias = layer.bias[read].masked_fill(tokens < 0, -torch.inf)
        return cls(read, weight, bias, torch.arange(len(tokens), device=tokens.device))

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"]) -> Float[Tensor, "sentences beam width"]:
        """In nats, normalised over each sentence's own tokens."""
        partial = len(self.places) < len(self.weight)
        if partial:
            outputs = outputs.new_zeros(len(self.weight), *outputs.shape[1:]).index_copy_(0, self.places, outputs)
        # In this order, for with the large matrix transposed it took up to twice as long.
        logits = torch.bmm(self.weight, outputs.transpose(1, 2)).transpose(1, 2).contiguous().add_(self.bias[:, None])
        return (logits[self.places] if partial else logits).log_softmax(dim=-1)

    def keep(self, sentences: Int[Tensor, " kept"]) -> "OutputRows":
        """Only these sentences.

        What is stored is not touched until half of it is idle: one copy takes as long as several steps.
        """
        tokens, places = self.tokens[sentences], self.places[sentences]
        if 2 * len(places) > len(self.weight):
            return OutputRows(tokens, self.weight, self.bias, places)
        order = torch.arange(len(places), device=places.device)
        return OutputRows(tokens, self.weight.index_select(0, places), self.bias[places], order)


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
