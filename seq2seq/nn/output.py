"""The output layer, read for a few tokens of each sentence."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.slots import Slots


@runtime_checkable
class NarrowOutput(Protocol):
    """An output layer of each sentence's own tokens."""

    @property
    def tokens(self) -> Int[Tensor, "sentences width"]:
        """What each column stands for; of one that pads, anything."""

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"], slots: Slots) -> Float[Tensor, "*_ width"]:
        """In nats, normalised over each sentence's own tokens, with a row for each slot or for those taken."""

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowOutput":
        """Only these sentences."""


@runtime_checkable
class Divisible(Protocol):
    """A layer that can make a smaller one of some of its outputs."""

    def part(self, outputs: Int[Tensor, " outputs"]) -> nn.Module:
        """The layer that gives these outputs alone, as this one gives them."""


def narrow_output(layer: nn.Module, tokens: Int[Tensor, "sentences width"]) -> NarrowOutput:
    """The layer for each sentence's own tokens, padded with -1."""
    if isinstance(layer, Divisible):
        return OutputUnion.of(layer, tokens)
    assert isinstance(layer, nn.Linear)
    return OutputRows.gather(layer, tokens)


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

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"], slots: Slots) -> Float[Tensor, "*_ width"]:
        """A row for each slot, an empty one too."""
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
class OutputUnion:
    """The outputs of all tokens that any sentence may use, of which each sentence reads its own.

    For a layer whose products cost less than gathering its weights anew for every sentence: 128 sentences of Multi30k
    (8,000 pieces) with 338 tokens each use 3,300 different ones together. columns: of `part`, by sentence.
    """

    tokens: Int[Tensor, "sentences width"]
    part: nn.Module
    columns: Int[Tensor, "sentences width"]
    padding: Bool[Tensor, "sentences width"]

    @classmethod
    def of(cls, layer: Divisible, tokens: Int[Tensor, "sentences width"]) -> "OutputUnion":
        """Of tokens padded with -1."""
        padding = tokens < 0
        union, columns = torch.unique(tokens.masked_fill(padding, int(tokens.amax())), return_inverse=True)
        return cls(tokens.clamp(min=0), layer.part(union), columns, padding)

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"], slots: Slots) -> Float[Tensor, "*_ width"]:
        """A row for each slot that is taken, or [sentences, beam, width] where all are."""
        rows = slots.rows(outputs)
        owners = slots.owners(rows.device)
        columns, padding = self.columns.index_select(0, owners), self.padding.index_select(0, owners)
        log_probs = self.part(rows).gather(1, columns).masked_fill_(padding, -torch.inf).log_softmax(dim=-1)
        return slots.spread(log_probs) if slots.taken is None else log_probs

    def keep(self, sentences: Int[Tensor, " kept"]) -> "OutputUnion":
        """Only these sentences.

        The union stays that of all: to make and pack a smaller one takes as long as it would save.
        """
        return OutputUnion(self.tokens[sentences], self.part, self.columns[sentences], self.padding[sentences])


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
