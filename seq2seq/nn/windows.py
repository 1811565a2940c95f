"""Windows: which part of the source a step may look at. Independent of score function, normalisation and wiring."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.registry import enter


@dataclass(frozen=True, slots=True)
class View:
    """Where looking is allowed (rows: one for all queries, or one each), and what multiplies the weights afterwards."""

    allowed: Bool[Tensor, "batch rows source"]
    factor: Float[Tensor, "batch target source"] | None = None


class Window(nn.Module, ABC):
    """Positions of a source of S tokens, the end of sentence among them, are counted from 0.

    All share one constructor signature. half_width: D of Luong et al. (2015); D positions to either side are seen.
    """

    name: ClassVar[str]
    reads_position: ClassVar[bool] = False  # whether the number of the step matters
    attends: ClassVar[bool] = False  # whether it learns where to look

    def __init__(self, query_dim: int, attention_dim: int, half_width: int) -> None:
        super().__init__()
        self.half_width = half_width

    @classmethod
    def multiplications(cls, query_dim: int, attention_dim: int) -> int:
        """What it multiplies for each query, by which FLOP are counted."""
        return 0

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """The view of every query; position: the number of its step from 0, for a window that reads it."""

    def _around(
        self, centre: Float[Tensor, "batch target"], mask: Bool[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch target source"], Bool[Tensor, "batch target source"]]:
        """Distances from the centre, and where looking is allowed."""
        distance = torch.arange(mask.shape[1], device=mask.device) - centre[:, :, None]
        return distance, (distance.abs() <= self.half_width) & mask[:, None, :]


WINDOWS: dict[str, type[Window]] = {}
Kind = TypeVar("Kind", bound=type[Window])


def window(name: str) -> Callable[[Kind], Kind]:
    """Register a window under the name that configs use."""
    table: dict[str, Any] = WINDOWS
    return enter(table, "window", name)


@window("none")
class NoWindow(Window):
    """The whole source: global attention."""

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Every real token."""
        return View(mask[:, None, :])


@window("monotonic")
class Monotonic(Window):
    """[t - D, t + D] at step t. Luong et al. (2015), section 3.2, "local-m".

    Behind the end of the source the window stays at the last token, where the paper would have none left to look at.
    """

    reads_position: ClassVar[bool] = True

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Around the step's own number."""
        if position is None:
            raise ValueError("the window 'monotonic' needs the number of the step")
        last = mask.sum(dim=1, keepdim=True) - 1
        return View(self._around(torch.minimum(position, last).float(), mask)[1])


@window("predictive")
class Predictive(Window):
    """[p - D, p + D] with p = S sigmoid(vᵀ tanh(W q)), weights times exp(-(i - p)² / 2σ²), σ = D / 2.

    Luong et al. (2015), equations 9 and 10 of section 3.2, "local-p". As there, the weights are not shared out again
    after the factor: they sum to less than 1, and the gradient reaches p through it.
    """

    attends: ClassVar[bool] = True

    def __init__(self, query_dim: int, attention_dim: int, half_width: int) -> None:
        super().__init__(query_dim, attention_dim, half_width)
        self.query_layer = nn.Linear(query_dim, attention_dim, bias=False)
        self.v = nn.Parameter(torch.empty(attention_dim))

    @classmethod
    def multiplications(cls, query_dim: int, attention_dim: int) -> int:
        """W q, and v with its tanh."""
        return query_dim * attention_dim + attention_dim

    def forward(
        self,
        query: Float[Tensor, "batch target query_dim"],
        mask: Bool[Tensor, "batch source"],
        position: Int[Tensor, "batch target"] | None,
    ) -> View:
        """Around the predicted position."""
        share = torch.sigmoid(torch.tanh(self.query_layer(query)) @ self.v).float()
        distance, allowed = self._around(mask.sum(dim=1, keepdim=True) * share, mask)
        factor = torch.exp(-(distance**2) / (2 * (self.half_width / 2) ** 2))
        return View(allowed, factor.to(query.dtype))
