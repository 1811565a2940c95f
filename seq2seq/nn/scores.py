"""Score functions: the rule f of the energies e_i = f(s, h_i), between a query s and the encoder states h_i.

To add one, write one class with `@score_function("name")`. Configs can then choose it, the property tests run
over it, the README's table shows it, and a comparison counts its FLOP. Its other properties are those of ScoreFunction
(score_function.py).
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.nn.kernels.additive_energies import additive_energies
from seq2seq.nn.kernels.loop_gradients import Repeatable, compare
from seq2seq.nn.kernels.products import SequenceLinear, linear
from seq2seq.nn.registry import register
from seq2seq.nn.score_function import Multiplications, Parametrisation, ScoreFunction

SCORE_FUNCTIONS: dict[str, type[ScoreFunction]] = {}
Score = TypeVar("Score", bound=type[ScoreFunction])


def score_function(name: str) -> Callable[[Score], Score]:
    """Register a score function under the name that configs use."""
    table: dict[str, Any] = SCORE_FUNCTIONS
    return register(table, "score function", name)


@score_function("additive")
class Additive(ScoreFunction):
    """e = vᵀ tanh(W q + U k). Bahdanau et al. (2015), appendix A.1.2."""

    repeats_keys: ClassVar[bool] = True

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.query_layer = SequenceLinear(query_dim, attention_dim, bias=False)
        self.key_layer = SequenceLinear(key_dim, attention_dim, bias=False)
        self.v = nn.Parameter(torch.empty(attention_dim))

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count W q, U h, and v with the tanh of each pair."""
        return Multiplications(key_dim * attention_dim, query_dim * attention_dim, attention_dim)

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source attention_dim"]:
        """Return U h."""
        keys: Tensor = self.key_layer(states)
        return keys

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return vᵀ tanh(W q + U k) for each pair."""
        return additive_energies(self.query_layer(query), keys, self.v)


@score_function("multiplicative")
class Multiplicative(ScoreFunction):
    """e = qᵀ W k. Luong et al. (2015), section 3.1, "general"."""

    repeats_keys: ClassVar[bool] = True
    RATE: ClassVar[float] = 32.0

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.key_layer = SequenceLinear(key_dim, query_dim, bias=False)

    def parametrisation(self) -> dict[str, Parametrisation]:
        """Let W begin at 1/√query_dim of the usual values, and learn at 32/√(query_dim key_dim) of the common rate.

        A step of Adam moves every entry of W by about the learning rate, and an energy sums over query_dim key_dim of
        them, so at one rate for all widths attention turns hard before it knows where to look. A rate that falls with
        the fan-in is what Yang et al. (2021, Table 3) derive for hidden matrices under Adam; the 32, and the geometric
        mean of the matrix's two sizes, are measured (scripts/study/README.md). Luong et al. (2015, section 4.1) trained
        by plain SGD, whose steps shrink with the gradient, and Britz et al. (2017) by Adam at a rate of 0.0001.
        """
        dim, fan_in = self.key_layer.weight.shape
        return {"key_layer.weight": Parametrisation(scale=dim**-0.5, rate=self.RATE / math.sqrt(dim * fan_in))}

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count W h, and its product with q for each pair."""
        return Multiplications(source=key_dim * query_dim, pair=query_dim)

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source query_dim"]:
        """Return W h."""
        keys: Tensor = self.key_layer(states)
        return keys

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return qᵀ (W k) for each pair."""
        return compare(query, keys)


@score_function("dot")
class Dot(ScoreFunction):
    """e = qᵀ k, without parameters. Luong et al. (2015), section 3.1, "dot"."""

    repeats_keys: ClassVar[bool] = True

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.require_equal_sizes(query_dim, key_dim)

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count the product of q and k for each pair."""
        return Multiplications(pair=query_dim)

    def forward(
        self, query: Float[Tensor, "batch target dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return qᵀ k for each pair."""
        return compare(query, keys)


@score_function("scaled_dot")
class ScaledDot(ScoreFunction):
    """e = qᵀ k / √dim, so that the spread of the energies does not grow with dim. Vaswani et al. (2017), equation 1."""

    repeats_keys: ClassVar[bool] = True

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.require_equal_sizes(query_dim, key_dim)

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count the product of q and k for each pair."""
        return Multiplications(pair=query_dim)

    def forward(
        self, query: Float[Tensor, "batch target dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return qᵀ k / √dim for each pair."""
        return compare(query, keys) / math.sqrt(query.shape[-1])


@score_function("scaled_multiplicative")
class ScaledMultiplicative(Multiplicative):
    """e = qᵀ W k / √dim, dim being the query's: the scale of Vaswani et al. (2017), equation 1, on Luong's "general".

    It is meant for wide states: in Britz et al. (2017), Table 5, unscaled multiplicative attention fails at 1,024
    units.
    """

    def parametrisation(self) -> dict[str, Parametrisation]:
        """Let W learn at 32/√key_dim of the common rate: as W/√dim does in `multiplicative`, in other units."""
        return {"key_layer.weight": Parametrisation(rate=self.RATE / math.sqrt(self.key_layer.in_features))}

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source query_dim"]:
        """Return W h / √dim, scaled here once for all steps."""
        return super().project(states) / math.sqrt(self.key_layer.out_features)


@score_function("uniform")
class Uniform(ScoreFunction):
    """e = 0: every source state weighs the same at every step. The control that cannot attend."""

    attends: ClassVar[bool] = False

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count nothing."""
        return Multiplications()

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source key_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """Return zero for each pair."""
        return query.new_zeros(query.shape[0], query.shape[1], keys.shape[1])


@score_function("location")
class Location(ScoreFunction):
    """e_i = (W q)_i, from the query alone, for the first attention_dim positions i. Luong et al. (2015), equation 8.

    As in the paper, the rest of a longer sentence is ignored: its energies are so low that the weights are 0. They are
    finite, because a window may leave no other position.
    """

    IGNORED: ClassVar[float] = -1e4

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.query_layer = SequenceLinear(query_dim, attention_dim, bias=False)

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count W q alone."""
        return Multiplications(query=query_dim * attention_dim)

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source key_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """Return (W q)_i for each position i."""
        energies: Tensor = self.query_layer(query)[:, :, : keys.shape[1]]
        return F.pad(energies, (0, keys.shape[1] - energies.shape[2]), value=self.IGNORED)


@score_function("concat")
class Concat(ScoreFunction):
    """e = vᵀ tanh(W [q; k]). Luong et al. (2015), section 3.1, "concat".

    It can represent the same functions as `additive`, because W [q; k] = W₁ q + W₂ k. Two things differ: the inner size
    is the query's, not attention_dim, and the two halves are one matrix, whose greater width gives it smaller initial
    values.
    """

    repeats_keys: ClassVar[bool] = True

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.layer = nn.Linear(query_dim + key_dim, query_dim, bias=False)
        self.v = nn.Parameter(torch.empty(query_dim))
        self.query_dim = query_dim

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count W₁ q, W₂ h, and v with the tanh of each pair."""
        return Multiplications(key_dim * query_dim, query_dim**2, query_dim)

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source query_dim"]:
        """Return W₂ h."""
        return linear(states, self.layer.weight[:, self.query_dim :])

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return vᵀ tanh(W₁ q + W₂ k) for each pair."""
        return additive_energies(linear(query, self.layer.weight[:, : self.query_dim]), keys, self.v)


@score_function("cosine")
class Cosine(ScoreFunction):
    """e = β cos(q, k), with one learned β: lengths of states say nothing. Graves et al. (2014), equations 5 and 6.

    In the paper the controller gives β at every step; here β is a parameter that begins at 10, because energies between
    -1 and 1 could not give one position of a sentence much more weight than another.
    """

    repeats_keys: ClassVar[bool] = True

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.require_equal_sizes(query_dim, key_dim)
        self.beta = nn.Parameter(torch.empty(1))

    def parametrisation(self) -> dict[str, Parametrisation]:
        """Let β begin at 10."""
        return {"beta": Parametrisation(value=10.0)}

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Count the product of q and k for each pair, but not the division by their lengths."""
        return Multiplications(pair=query_dim)

    def project(self, states: Float[Tensor, "batch source dim"]) -> Float[Tensor, "batch source dim"]:
        """Return h / |h|."""
        return F.normalize(states, dim=-1)

    def forward(
        self, query: Float[Tensor, "batch target dim"], keys: Repeatable
    ) -> Float[Tensor, "batch target source"]:
        """Return β qᵀ k / |q| |k| for each pair."""
        return self.beta * compare(F.normalize(query, dim=-1), keys)


@score_function("coverage")
class Coverage(Additive):
    """e = vᵀ tanh(W q + U k + w c_i), c_i = Σ_{t' < t} α_{t'i}. See et al. (2017), equations 10 and 11.

    It is `additive` with the attention that each state has received so far, after Tu et al. (2016), and without See's
    bias, as `additive` has none. `training.coverage_loss` adds the loss for repeated attention.
    """

    reads_coverage: ClassVar[bool] = True
    repeats_keys: ClassVar[bool] = False

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.w = nn.Parameter(torch.empty(attention_dim))

    def forward_with_coverage(
        self,
        query: Float[Tensor, "batch target query_dim"],
        keys: Float[Tensor, "batch source attention_dim"],
        coverage: Float[Tensor, "batch target source"],
    ) -> Float[Tensor, "batch target source"]:
        """Return vᵀ tanh(W q + U k + w c) for each pair."""
        inner = self.query_layer(query)[:, :, None, :] + keys[:, None, :, :]
        return torch.tanh(inner + coverage[:, :, :, None] * self.w) @ self.v
