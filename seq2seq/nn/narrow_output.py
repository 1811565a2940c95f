"""The output layer, restricted to a few tokens per sentence."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.copying import narrow_columns
from seq2seq.nn.decoder import DecoderState


@runtime_checkable
class OutputSelection(Protocol):
    """A layer from which a smaller layer with some of its outputs can be made."""

    def select_outputs(self, outputs: Int[Tensor, " outputs"]) -> nn.Module:
        """Return a layer that computes these outputs alone, with the same numbers."""


def _select_outputs(layer: nn.Module, outputs: Int[Tensor, " outputs"]) -> nn.Module:
    if isinstance(layer, OutputSelection):
        return layer.select_outputs(outputs)
    assert isinstance(layer, nn.Linear)
    with torch.device("meta"):  # torch would draw random values
        made = nn.Linear(layer.in_features, len(outputs))
    made.weight, made.bias = (nn.Parameter(each[outputs], requires_grad=False) for each in (layer.weight, layer.bias))
    return made


@dataclass(frozen=True, slots=True)
class NarrowOutput:
    """An output layer that computes, for each sentence, its own tokens alone.

    The products are computed for all tokens that any sentence of the batch uses, and each sentence reads its own: 128
    sentences of Multi30k (8,000 pieces) with 338 tokens each use 3,300 different tokens together. To gather the rows
    of the weights for each sentence instead, and read them again at each step, took as long as the whole output layer.

    tokens: the token of each column; without meaning for padding. columns: the tokens' columns in the products.
    copied: the column of each source position, -1 where it cannot be copied; None for a model that does not copy.
    """

    tokens: Int[Tensor, "sentences width"]
    layer: nn.Module
    columns: Int[Tensor, "sentences width"]
    padding: Bool[Tensor, "sentences width"]
    copied: Int[Tensor, "sentences source"] | None = None

    @classmethod
    def of(
        cls,
        layer: nn.Module,
        tokens: Int[Tensor, "sentences width"],
        pieces: Int[Tensor, "sentences source"] | None = None,
    ) -> "NarrowOutput":
        """Make the restricted layer for each sentence's tokens, padded with -1; pieces: what it can copy, if anything.

        Where pieces are given, a sentence's tokens must be ascending.
        """
        padding = tokens < 0
        union, columns = torch.unique(tokens.masked_fill(padding, int(tokens.amax())), return_inverse=True)
        copied = None if pieces is None else narrow_columns(pieces, tokens)
        return cls(tokens.clamp(min=0), _select_outputs(layer, union), columns, padding, copied)

    def log_probs(self, outputs: Float[Tensor, "sentences beam output_dim"], slots: Slots) -> Float[Tensor, "*_ width"]:
        """Return log-probabilities in nats, normalised over each sentence's own tokens.

        They are [sentences, beam, width], or, where `slots` has empty slots, one row per occupied slot.
        """
        rows = slots.rows(outputs)
        owners = slots.owners(rows.device)
        columns, padding = self.columns.index_select(0, owners), self.padding.index_select(0, owners)
        log_probs = self.layer(rows).gather(1, columns).masked_fill_(padding, -torch.inf).log_softmax(dim=-1)
        return slots.scatter(log_probs) if slots.occupied is None else log_probs

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowOutput":
        """Return the output layer of the sentences with these row numbers alone.

        The products stay those of all sentences: to make a smaller layer takes as long as it would save.
        """
        copied = None if self.copied is None else self.copied[sentences]
        parts = self.tokens[sentences], self.layer, self.columns[sentences], self.padding[sentences]
        return NarrowOutput(*parts, copied)


@dataclass(frozen=True, slots=True)
class NarrowState:
    """A decoder state with the restricted output layer of its sentences."""

    state: DecoderState
    output: NarrowOutput

    def select(self, parents: Int[Tensor, "sentences beam"]) -> "NarrowState":
        """Return the state reordered within each sentence: new slot k continues old slot parents[:, k]."""
        return NarrowState(self.state.select(parents), self.output)

    def keep(self, sentences: Int[Tensor, " kept"]) -> "NarrowState":
        """Return the state of the sentences with these row numbers alone."""
        return NarrowState(self.state.keep(sentences), self.output.keep(sentences))
