"""Windows: the part of the source that a step may attend to, whatever the score function, normalisation and wiring."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.override import StepOverride
from seq2seq.nn.registry import register


@dataclass(frozen=True, slots=True)
class View:
    """The positions a step may attend to, and a factor on the weights after the normalisation.

    allowed has one row for all queries, or one per query. override: what then stands in for the weights, if anything.
    """

    allowed: Bool[Tensor, "batch rows source"]
    factor: Float[Tensor, "batch target source"] | None = None
    override: StepOverride | None = None


class Window(nn.Module, ABC):
    """The base of all windows over a source of S tokens, the end of sentence included, counted from 0.

    All windows have the same constructor. half_width: D of Luong et al. (2015); the window has D positions to either
    side of its centre.
    """

    name: ClassVar[str]
    reads_position: ClassVar[bool] = False  # whether it depends on the number of the step
    attends: ClassVar[bool] = False  # whether its position is learnt

    def __init__(self, query_dim: int, attention_dim: int, half_width: int) -> None:
        super().__init__()
        self.half_width = half_width

    @classmethod
    def multiplications(cls, query_dim: int, attention_dim: int) -> int:
        """Return the multiplications for each query, from which comparison/flops.py counts FLOP."""
        return 0

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Return the view of every query; position: the number of its step from 0, for a window that reads it."""

    def _around(
        self, centre: Float[Tensor, "batch target"], mask: Bool[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch target source"], Bool[Tensor, "batch target source"]]:
        """Return the distances from the centre, and the mask of the real tokens within half_width of it."""
        distance = torch.arange(mask.shape[1], device=mask.device) - centre[:, :, None]
        return distance, (distance.abs() <= self.half_width) & mask[:, None, :]


WINDOWS: dict[str, type[Window]] = {}
Kind = TypeVar("Kind", bound=type[Window])


def window(name: str) -> Callable[[Kind], Kind]:
    """Register a window under the name that configs use."""
    table: dict[str, Any] = WINDOWS
    return register(table, "window", name)


@window("none")
class NoWindow(Window):
    """The whole source: global attention."""

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Return a view of every real token."""
        return View(mask[:, None, :])


@window("monotonic")
class Monotonic(Window):
    """[t - D, t + D] at step t. Luong et al. (2015), section 3.2, "local-m".

    Beyond the end of the source the window stays at the last token, where the paper's window would be empty.
    """

    reads_position: ClassVar[bool] = True

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Return a view around the position with the number of the step."""
        if position is None:
            raise ValueError("the window 'monotonic' needs the number of the step")
        last = mask.sum(dim=1, keepdim=True) - 1
        return View(self._around(torch.minimum(position, last).float(), mask)[1])


@window("predictive")
class Predictive(Window):
    """[p - D, p + D] with p = S sigmoid(vᵀ tanh(W q)), weights times exp(-(i - p)² / 2σ²), σ = D / 2.

    Luong et al. (2015), equations 9 and 10 of section 3.2, "local-p". As in the paper, the weights are not
    normalised again after the factor: they sum to less than 1, and the gradient reaches p through the factor.
    """

    attends: ClassVar[bool] = True

    def __init__(self, query_dim: int, attention_dim: int, half_width: int) -> None:
        super().__init__(query_dim, attention_dim, half_width)
        self.query_layer = nn.Linear(query_dim, attention_dim, bias=False)
        self.v = nn.Parameter(torch.empty(attention_dim))

    @classmethod
    def multiplications(cls, query_dim: int, attention_dim: int) -> int:
        """Count W q, and v with its tanh."""
        return query_dim * attention_dim + attention_dim

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Return a view around the predicted position p."""
        share = torch.sigmoid(torch.tanh(self.query_layer(query)) @ self.v).float()
        distance, allowed = self._around(mask.sum(dim=1, keepdim=True) * share, mask)
        factor = torch.exp(-(distance**2) / (2 * (self.half_width / 2) ** 2))
        return View(allowed, factor.to(query.dtype))
