"""Attention: weights α over the source states h, and the context vector c = Σ α_i h_i.

It has four parts, each of which a config chooses on its own: the score function gives energies e_i = f(s, h_i)
(scores.py), a window limits the positions that a step may attend to (windows.py), a normalisation turns energies into
weights (normalisation.py), and several heads may attend side by side. This module defines their order, the mask and
the weighted sum.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.kernels.loop_gradients import Repeatable, plain, repeat_keys, repeat_values, weighted_sum
from seq2seq.nn.normalisation import NORMALISATIONS, Normalisation
from seq2seq.nn.override import Override
from seq2seq.nn.score_function import ScoreFunction
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS, View, Window


@dataclass(frozen=True, slots=True)
class Memory:
    """The source of a batch, prepared for attention: keys to compare, values to sum, and the mask of real tokens."""

    keys: Repeatable  # [batch, source, projected_dim]
    values: Repeatable  # [batch, source, value_dim]
    mask: Bool[Tensor, "batch source"]
    pieces: Int[Tensor, "batch source"] | None = None  # what can be copied, -1 elsewhere; None: the model cannot copy
    override: Override | None = None  # weights that stand in for those of the model

    def select(self, rows: Int[Tensor, " selected"]) -> "Memory":
        """Return the memory of the sentences with these row numbers, in their order."""
        keys, values, mask = (plain(part).index_select(0, rows) for part in (self.keys, self.values, self.mask))
        pieces = None if self.pieces is None else self.pieces.index_select(0, rows)
        return Memory(keys, values, mask, pieces, None if self.override is None else self.override.select(rows))


@dataclass(frozen=True, slots=True)
class Past:
    """The history that attention uses, for each slot (one, or those of the beam); None where no part needs it."""

    position: Int[Tensor, "batch slots"] | None  # number of the next step, from 0
    coverage: Float[Tensor, "batch slots source"] | None  # sum of the weights of all steps so far

    def map(self, change: Callable[[Tensor], Tensor]) -> "Past":
        """Return a copy with `change` applied to each tensor."""
        return Past(
            None if self.position is None else change(self.position),
            None if self.coverage is None else change(self.coverage),
        )


@dataclass(frozen=True, slots=True)
class AttentionOutput:
    """Contexts and weights of one or more steps, and the history that the next step needs.

    carried: where the output layer alone reads an override, the model's own context, which goes wherever else the
    wiring leads it; None: the same context everywhere.
    """

    context: Float[Tensor, "batch target key_dim"]
    weights: Float[Tensor, "batch target source"]
    past: Past
    carried: Float[Tensor, "batch target key_dim"] | None = None


class Attention(nn.Module, ABC):
    """The base of all attentions: α = softmax(e) over real source tokens and c = Σ α_i h_i.

    Bahdanau et al. (2015), equations 5 and 6; other normalisations can take the place of softmax.
    """

    def __init__(self, window: Window, normalisation: Normalisation) -> None:
        super().__init__()
        self.window, self.normalisation = window, normalisation

    @property
    @abstractmethod
    def reads_coverage(self) -> bool:
        """Whether the energies depend on the weights of earlier steps."""

    @abstractmethod
    def bind(self, states: Float[Tensor, "batch source key_dim"], mask: Bool[Tensor, "batch source"]) -> Memory:
        """Prepare the source once for all steps; keys are projected here and nowhere else.

        Padded states are set to zero first: a weight of exactly 0 would not remove a NaN from the sum.
        """

    def repeat(self, memory: Memory, steps: int) -> Memory:
        """Return the memory prepared for a training loop of `steps` steps, with the same gradients."""
        _refuse_apart(memory)
        return memory

    @abstractmethod
    def attend(
        self,
        query: Float[Tensor, "batch target query_dim"],
        memory: Memory,
        view: View,
        coverage: Float[Tensor, "batch target source"] | None,
    ) -> tuple[Float[Tensor, "batch target key_dim"], Float[Tensor, "batch target source"]]:
        """Return the context and the weights of every query, restricted to its view."""

    def begin(self, memory: Memory) -> Past:
        """Return the history before the first step, with one slot."""
        batch, source = memory.mask.shape
        reads_position = self.window.reads_position or memory.override is not None
        return Past(
            memory.mask.new_zeros(batch, 1, dtype=torch.long) if reads_position else None,
            plain(memory.values).new_zeros(batch, 1, source) if self.reads_coverage else None,
        )

    def look(self, query: Float[Tensor, "batch slots query_dim"], memory: Memory, past: Past) -> AttentionOutput:
        """Attend for one step of every slot, each with its own history."""
        view, carried = self.window(query, memory.mask, past.position), None
        context, weights = self.attend(query, memory, self._overridden(view, memory, past, False), past.coverage)
        after = Past(
            None if past.position is None else past.position + 1,
            None if past.coverage is None else past.coverage + weights,
        )
        if memory.override is not None and memory.override.outputs_alone:
            carried = context
            context, weights = self.attend(query, memory, self._overridden(view, memory, past, True), past.coverage)
        return AttentionOutput(context, weights, after, carried)

    @staticmethod
    def _overridden(view: View, memory: Memory, past: Past, outputs_alone: bool) -> View:
        """Return the view with the override of its steps, where there is one of this kind."""
        if memory.override is None or memory.override.outputs_alone is not outputs_alone:
            return view
        if past.position is None:
            raise ValueError("an override needs the number of the step; give it before the first (`Attention.begin`)")
        return replace(view, override=memory.override.at(past.position))

    def read(self, query: Float[Tensor, "batch target query_dim"], memory: Memory, past: Past) -> AttentionOutput:
        """Attend for all steps of a target whose queries are known, from a history with one slot.

        All steps are computed at once, unless the energies depend on the weights of earlier steps.
        """
        _refuse_apart(memory)
        if past.coverage is None:
            steps = torch.arange(query.shape[1], device=query.device)
            looked = self.look(query, memory, past.map(lambda position: position + steps))
            return replace(looked, past=looked.past.map(lambda position: position[:, -1:]))
        looks = []
        for one in torch.split(query, 1, dim=1):
            looks.append(self.look(one, memory, past))
            past = looks[-1].past
        return AttentionOutput(
            torch.cat([one.context for one in looks], 1), torch.cat([one.weights for one in looks], 1), past
        )

    def weights(
        self, energies: Float[Tensor, "batch target source"], view: View
    ) -> Float[Tensor, "batch target source"]:
        """Return the energies normalised within the view, times the view's factor, unless other weights are given."""
        weights: Tensor = self.normalisation(energies, view.allowed)
        weights = weights if view.factor is None else weights * view.factor
        return weights if view.override is None else view.override.apply(weights)


class SingleHead(Attention):
    """Attention with one head and one score function."""

    def __init__(self, score: ScoreFunction, window: Window, normalisation: Normalisation) -> None:
        super().__init__(window, normalisation)
        self.score = score

    @property
    def reads_coverage(self) -> bool:
        """Whether the score function reads the coverage."""
        return self.score.reads_coverage

    def bind(self, states: Float[Tensor, "batch source key_dim"], mask: Bool[Tensor, "batch source"]) -> Memory:
        """Prepare the source: keys as the score function projects them, and the states themselves as values."""
        values = states.masked_fill(~mask[:, :, None], 0.0)
        return Memory(keys=self.score.project(values), values=values, mask=mask)

    def repeat(self, memory: Memory, steps: int) -> Memory:
        """Prepare keys and values so that each gets one gradient for all steps."""
        memory = super().repeat(memory, steps)
        keys = repeat_keys(plain(memory.keys), steps) if self.score.repeats_keys else memory.keys
        return replace(memory, keys=keys, values=repeat_values(plain(memory.values), steps))

    def attend(
        self,
        query: Float[Tensor, "batch target query_dim"],
        memory: Memory,
        view: View,
        coverage: Float[Tensor, "batch target source"] | None,
    ) -> tuple[Float[Tensor, "batch target key_dim"], Float[Tensor, "batch target source"]]:
        """Return the context and the weights of every query, by the score function's energies."""
        if coverage is None:
            energies = self.score(query, memory.keys)
        else:
            energies = self.score.forward_with_coverage(query, plain(memory.keys), coverage)
        weights = self.weights(energies, view)
        return weighted_sum(weights, memory.values), weights


class MultiHead(Attention):
    """c = W_o [c_1; …; c_H], c_j from W_q,j q over W_k,j h and W_v,j h. Vaswani et al. (2017), section 3.2.2.

    Each head has a score function of its own, of the same class, between vectors of 1/H of the sizes; all heads share
    one window. The weights returned are the mean over the heads.
    """

    def __init__(
        self,
        base: type[ScoreFunction],
        sizes: tuple[int, int, int],
        heads: int,
        window: Window,
        normalisation: Normalisation,
    ) -> None:
        """Make heads that share `sizes`: query_dim, key_dim and attention_dim of all heads together.

        Raises ValueError where a size is no multiple of `heads`, and for a score function that reads the coverage.
        """
        super().__init__(window, normalisation)
        for name, size in zip(("decoder state", "encoder state", "attention"), sizes, strict=True):
            if size % heads:
                raise ValueError(f"heads = {heads} cannot share the {size} units of the {name} evenly")
        if base.reads_coverage:
            raise ValueError(f"score = {base.name!r} remembers where one head looked; with it, heads must be 1")
        query_dim, key_dim, attention_dim = (size // heads for size in sizes)
        self.scores = nn.ModuleList(base(query_dim, key_dim, attention_dim) for _ in range(heads))
        self.query_layer = nn.Linear(sizes[0], sizes[0], bias=False)
        self.key_layer = nn.Linear(sizes[1], sizes[1], bias=False)
        self.value_layer = nn.Linear(sizes[1], sizes[1], bias=False)
        self.output_layer = nn.Linear(sizes[1], sizes[1], bias=False)

    @property
    def reads_coverage(self) -> bool:
        """Always False: the constructor refuses score functions that read the coverage."""
        return False

    def bind(self, states: Float[Tensor, "batch source key_dim"], mask: Bool[Tensor, "batch source"]) -> Memory:
        """Project keys and values of all heads, side by side in the last axis."""
        states = states.masked_fill(~mask[:, :, None], 0.0)
        keys = self.key_layer(states).chunk(len(self.scores), dim=-1)
        projected = [score.project(part) for score, part in zip(self._heads(), keys, strict=True)]
        return Memory(keys=torch.cat(projected, dim=-1), values=self.value_layer(states), mask=mask)

    def attend(
        self,
        query: Float[Tensor, "batch target query_dim"],
        memory: Memory,
        view: View,
        coverage: Float[Tensor, "batch target source"] | None,
    ) -> tuple[Float[Tensor, "batch target key_dim"], Float[Tensor, "batch target source"]]:
        """Attend with each head by itself, then join all contexts through one matrix."""
        whole = self.query_layer(query), plain(memory.keys), plain(memory.values)
        parts = (part.chunk(len(self.scores), dim=-1) for part in whole)
        contexts, weights = [], []
        for score, own, keys, values in zip(self._heads(), *parts, strict=True):
            weights.append(self.weights(score(own, keys), view))
            contexts.append(weights[-1] @ values)
        context: Tensor = self.output_layer(torch.cat(contexts, dim=-1))
        return context, torch.stack(weights).mean(dim=0)

    def _heads(self) -> Iterator[ScoreFunction]:
        for score in self.scores:
            assert isinstance(score, ScoreFunction)  # the type of a ModuleList does not say so
            yield score


def _refuse_apart(memory: Memory) -> None:
    """Raise ValueError for an override that the output layer alone reads, which decoding known targets cannot do."""
    if memory.override is not None and memory.override.outputs_alone:
        raise ValueError("an override for the outputs alone is for steps one by one, not for known targets at once")


def make_attention(architecture: Architecture) -> Attention:
    """Make the attention that an architecture names. Raises ValueError for parts that do not fit together."""
    base, heads = SCORE_FUNCTIONS[architecture.score], architecture.heads
    sizes = architecture.decoder_dim, architecture.key_dim, architecture.attention_dim
    window = WINDOWS[architecture.window](
        architecture.decoder_dim, architecture.attention_dim, architecture.window_size
    )
    normalisation = NORMALISATIONS[architecture.normalisation]()
    if heads == 1:
        return SingleHead(base(*sizes), window, normalisation)
    return MultiHead(base, sizes, heads, window, normalisation)
