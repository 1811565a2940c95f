"""What a score function is: the rule f of e_i = f(s, h_i), with what it says of its cost, first values and rates."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Parametrisation(NamedTuple):
    """How a parameter of a rule begins, and how fast it learns beside the rest of the network.

    scale: factor of the initial values that `initialise` draws. value: initial value of all its entries instead.
    rate: factor of the schedule's learning rate.
    """

    scale: float = 1.0
    value: float | None = None
    rate: float = 1.0


class Multiplications(NamedTuple):
    """The multiplications of a rule: for each source token, for each query, and for each pair of the two."""

    source: int = 0
    query: int = 0
    pair: int = 0


class ScoreFunction(nn.Module, ABC):
    """The rule f of e_i = f(s, h_i), and nothing else: no mask, no softmax.

    All score functions have the same constructor; a rule without use for attention_dim ignores it.

    attends: False where the energies of all positions are equal, whatever the source.
    reads_coverage: whether the energies depend on the coverage, so that `forward_with_coverage` is to be called.
    repeats_keys: whether `forward` passes the keys to a kernel, and so takes `Repeated` ones.
    """

    name: ClassVar[str]
    attends: ClassVar[bool] = True
    reads_coverage: ClassVar[bool] = False
    repeats_keys: ClassVar[bool] = False

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__()

    @classmethod
    @abstractmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        """Return the multiplications between states of these sizes, from which comparison/flops.py counts FLOP."""

    def parametrisation(self) -> dict[str, Parametrisation]:
        """Return how the rule's parameters begin and learn, by name; one that is left out does as any other parameter.

        A part that `training.learning_rate_factors` names learns by that factor instead.
        """
        return {}

    def project(self, states: Float[Tensor, "batch source key_dim"]) -> Float[Tensor, "batch source projected_dim"]:
        """Return the keys: the part of the rule that depends on the source alone, computed once per sentence."""
        return states

    @abstractmethod
    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Any
    ) -> Float[Tensor, "batch target source"]:
        """Return unmasked energies of every query against every key, [batch, source, projected_dim] from `project`."""

    def forward_with_coverage(
        self,
        query: Float[Tensor, "batch target query_dim"],
        keys: Float[Tensor, "batch source projected_dim"],
        coverage: Float[Tensor, "batch target source"],
    ) -> Float[Tensor, "batch target source"]:
        """Return energies as `forward` does, given the attention that every key received before each query."""
        energies: Tensor = self(query, keys)
        return energies

    def require_equal_sizes(self, query_dim: int, key_dim: int) -> None:
        if query_dim != key_dim:
            raise ValueError(
                f"score {self.name!r} needs equal sizes, but the decoder state has {query_dim} units and the encoder "
                f"state {key_dim}; make them equal, or use 'multiplicative', which has a matrix between them"
            )
