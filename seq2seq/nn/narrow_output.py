"""The output layer, read for a few tokens of each sentence."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.decoder import DecoderState


@runtime_checkable
class Divisible(Protocol):
    """A layer that can make a smaller one of some of its outputs."""

    def part(self, outputs: Int[Tensor, " outputs"]) -> nn.Module:
        """The layer that gives these outputs alone, as this one gives them."""


def _part(layer: nn.Module, outputs: Int[Tensor, " outputs"]) -> nn.Module:
    if isinstance(layer, Divisible):
        return layer.part(outputs)
    assert isinstance(layer, nn.Linear)
    with torch.device("meta"):  # without values, which would be drawn
        made = nn.Linear(layer.in_features, len(outputs))
    made.weight, made.bias = (nn.Parameter(each[outputs], requires_grad=False) for each in (layer.weight, layer.bias))
    return made


@dataclass(frozen=True, slots=True)
class NarrowOutput:
    """An output layer of each sentence's own tokens.

    The products are made for all tokens that any sentence of the batch uses, and each sentence reads its own: 128
    sentences of Multi30k (8,000 pieces) with 338 tokens each use 3,300 different ones together. To gather the rows of
    the weights for each sentence instead, and read them anew at each step, took as long as the whole output layer.

    tokens: what each column stands for; of one that pads, anything. columns: their places in the products.
    """

    tokens: Int[Tensor, "sentences width"]
    layer: nn.Module
    columns: Int[Tensor, "sentences width"]
    padding: Bool[Tensor, "sentences width"]

    @classmethod
    def of(cls, layer: nn.Module, tokens: Int[Tensor, "sentences width"]) -> "NarrowOutput":
        """Of tokens padded with -1."""
        padding = tokens < 0
        union, columns = torch.unique(tokens.masked_fill(padding, int(tokens.amax())), return_inverse=True)
        return cls(tokens.clamp(min=0), _part(layer, union), columns, padding)

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"], slots: Slots) -> Float[Tensor, "*_ width"]:
        """In nats, normalised over each sentence's own tokens; a row for each slot taken, where not all are."""
        rows = slots.rows(outputs)
        owners = slots.owners(rows.device)
        columns, padding = self.columns.index_select(0, owners), self.padding.index_select(0, owners)
        log_probs = self.layer(rows).gather(1, columns).masked_fill_(padding, -torch.inf).log_softmax(dim=-1)
        return slots.spread(log_probs) if slots.taken is None else log_probs

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowOutput":
        """Only these sentences.

        The products stay those of all: to make and lay out a smaller layer takes as long as it would save.
        """
        return NarrowOutput(self.tokens[sentences], self.layer, self.columns[sentences], self.padding[sentences])


@dataclass(frozen=True, slots=True)
class NarrowState:
    """A decoder's state with what its sentences use of the output layer."""

    state: DecoderState
    output: NarrowOutput

    def select(self, parents: Int[Tensor, "sentences beam"]) -> "NarrowState":
        """The outputs are the sentence's and stay."""
        return NarrowState(self.state.select(parents), self.output)

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowState":
        """Only these sentences."""
        return NarrowState(self.state.keep(sentences), self.output.keep(sentences))
