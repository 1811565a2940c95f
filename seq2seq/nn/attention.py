"""Attention: a score function gives energies e_i = f(s, h_i); Attention owns mask, softmax and weighted sum.

To add a score function, write one class with `@score_function("name")`. Its name then is a choice of the config, and
the property tests run over it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.masking import masked_softmax


class ScoreFunction(nn.Module, ABC):
    """The rule f of e_i = f(s, h_i), and nothing else: no mask, no softmax.

    All share one constructor signature; a rule that has no use for attention_dim ignores it.
    """

    name: ClassVar[str]

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__()

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source projected_dim"]:
        """The part of the rule that depends on the source alone, done once per sentence."""
        return states

    @abstractmethod
    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source projected_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """Unmasked energies of every query against every key, as `project` made them."""

    def _require_equal(self, query_dim: int, key_dim: int) -> None:
        if query_dim != key_dim:
            raise ValueError(
                f"score {self.name!r} needs equal sizes, but the decoder state has {query_dim} units and the encoder "
                f"state {key_dim}; make them equal, or use 'multiplicative', which has a matrix between them"
            )


SCORE_FUNCTIONS: dict[str, type[ScoreFunction]] = {}
Score = TypeVar("Score", bound=type[ScoreFunction])


def score_function(name: str) -> Callable[[Score], Score]:
    """Register a score function under the name that configs use."""

    def register(cls: Score) -> Score:
        if name in SCORE_FUNCTIONS:
            raise ValueError(f"two score functions are called {name!r}")
        cls.name = name
        SCORE_FUNCTIONS[name] = cls
        return cls

    return register


@score_function("additive")
class Additive(ScoreFunction):
    """e = vᵀ tanh(W q + U k). Bahdanau et al. (2015), appendix A.1.2."""

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.query_layer = nn.Linear(query_dim, attention_dim, bias=False)
        self.key_layer = nn.Linear(key_dim, attention_dim, bias=False)
        self.v = nn.Parameter(torch.empty(attention_dim))

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source attention_dim"]:
        """U h."""
        keys: Tensor = self.key_layer(states)
        return keys

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source attention_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """vᵀ tanh(W q + U k) for each pair."""
        return torch.tanh(self.query_layer(query)[:, :, None, :] + keys[:, None, :, :]) @ self.v


@score_function("multiplicative")
class Multiplicative(ScoreFunction):
    """e = qᵀ W k. Luong et al. (2015), equation 8, "general"."""

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.key_layer = nn.Linear(key_dim, query_dim, bias=False)

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source query_dim"]:
        """W h."""
        keys: Tensor = self.key_layer(states)
        return keys

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source query_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """qᵀ (W k) for each pair."""
        return query @ keys.transpose(1, 2)


@score_function("dot")
class Dot(ScoreFunction):
    """e = qᵀ k, without parameters. Luong et al. (2015), equation 8, "dot"."""

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self._require_equal(query_dim, key_dim)

    def forward(
        self, query: Float[Tensor, "batch target dim"], keys: Float[Tensor, "batch source dim"]
    ) -> Float[Tensor, "batch target source"]:
        """qᵀ k for each pair."""
        return query @ keys.transpose(1, 2)


@score_function("scaled_dot")
class ScaledDot(ScoreFunction):
    """e = qᵀ k / √dim, so that the spread of the energies does not grow with dim. Vaswani et al. (2017), equation 1."""

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self._require_equal(query_dim, key_dim)

    def forward(
        self, query: Float[Tensor, "batch target dim"], keys: Float[Tensor, "batch source dim"]
    ) -> Float[Tensor, "batch target source"]:
        """qᵀ k / √dim for each pair."""
        return (query @ keys.transpose(1, 2)) / math.sqrt(query.shape[-1])


@score_function("uniform")
class Uniform(ScoreFunction):
    """e = 0: every source state weighs the same at every step. The control that cannot attend."""

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source key_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """Zero for each pair."""
        return query.new_zeros(query.shape[0], query.shape[1], keys.shape[1])


@dataclass(frozen=True, slots=True)
class Memory:
    """The source of a batch, bound for attention: what is compared, what is summed, and which of it is real."""

    keys: Float[Tensor, "batch source projected_dim"]
    values: Float[Tensor, "batch source key_dim"]
    mask: Bool[Tensor, "batch source"]

    def select(self, rows: Int[Tensor, " selected"]) -> "Memory":
        """The memory of these sentences, in this order."""
        return Memory(self.keys[rows], self.values[rows], self.mask[rows])


@dataclass(frozen=True, slots=True)
class Attended:
    """What one look at the source gives."""

    context: Float[Tensor, "batch target key_dim"]
    weights: Float[Tensor, "batch target source"]


class Attention(nn.Module):
    """α = softmax(e) over real source tokens; c = Σ α_i h_i. Bahdanau et al. (2015), equations 5 and 6."""

    def __init__(self, score: ScoreFunction) -> None:
        super().__init__()
        self.score = score

    def bind(self, states: Float[Tensor, "batch source key_dim"], mask: Bool[Tensor, "batch source"]) -> Memory:
        """Prepare the source once; keys are projected here and nowhere else.

        Padded states are set to zero first: a weight of exactly 0 would not silence a NaN in the sum.
        """
        values = states.masked_fill(~mask[:, :, None], 0.0)
        return Memory(keys=self.score.project(values), values=values, mask=mask)

    def forward(self, query: Float[Tensor, "batch target query_dim"], memory: Memory) -> Attended:
        """Context and weights for every query; a single step is target length 1."""
        weights = masked_softmax(self.score(query, memory.keys), memory.mask)
        return Attended(context=weights @ memory.values, weights=weights)
