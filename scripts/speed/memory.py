"""What additive attention takes in memory, forward and backward, beside the formula written down as it stands."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.comparison.pace import apart, peak_memory
from seq2seq.nn.scores import SCORE_FUNCTIONS, Additive
from speed.turns import Show

SHAPE = {"batch": 64, "target": 100, "source": 100, "units": 512}  # units: of query, key and attention_dim


class Plain(Additive):
    """vᵀ tanh(W q + U k) with all its [batch, target, source, attention_dim] in memory at once."""

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source attention_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """The formula."""
        return (self.query_layer(query)[:, :, None, :] + keys[:, None, :, :]).tanh() @ self.v


def measure(show: Show) -> dict[str, Any]:
    """Bytes that the peak rises by, in a process of its own, and how far the gradients lie from exact ones."""
    taken, plain = apart("additive", rise, False), apart("plain additive", rise, True)
    error, plain_error = apart("gradients", errors)
    sizes = f"{taken / 1e6:.0f} MB, the plain formula {plain / 1e6:.0f} MB"
    show("additive attention", f"{sizes}; gradients off by {error:.1e} and {plain_error:.1e}")
    return {
        "shape": SHAPE,
        "bytes": taken,
        "plain_bytes": plain,
        "gradient_error": error,
        "plain_gradient_error": plain_error,
    }


def rise(plain: bool) -> int:
    """Of the resident peak, over what the process had with inputs and parameters in place."""
    gradients(plain, {name: min(size, 3) for name, size in SHAPE.items()})
    parts = inputs(plain, SHAPE)
    before = peak_memory()
    run(*parts)
    return peak_memory() - before


def errors(batch: int = 8) -> tuple[float, float]:
    """Ours and the plain formula's: the largest |a - b| / max |b| over all gradients, b in double precision."""
    shape = {**SHAPE, "batch": batch}
    exact = gradients(True, shape, torch.float64)
    return error(gradients(False, shape), exact), error(gradients(True, shape), exact)


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    """The largest |a - b| / max |b|."""
    pairs = zip(found, exact, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def inputs(plain: bool, shape: dict[str, int]) -> tuple[Any, Tensor, Tensor]:
    """Score function, query and states, the same numbers each time."""
    from seq2seq.nn.initialisation import initialise

    units = shape["units"]
    score = (Plain if plain else SCORE_FUNCTIONS["additive"])(units, units, units)
    initialise(score, 1)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(shape["batch"], shape["target"], units, generator=generator).requires_grad_()
    states = torch.randn(shape["batch"], shape["source"], units, generator=generator).requires_grad_()
    return score, query, states


def run(score: Any, query: Tensor, states: Tensor) -> None:
    """Energies, and the gradients of a softmax over them."""
    energies = score(query, score.project(states))
    energies.softmax(dim=-1).square().sum().backward()


def gradients(plain: bool, shape: dict[str, int], dtype: torch.dtype | None = None) -> list[Tensor]:
    """Of the inputs and every parameter."""
    score, query, states = inputs(plain, shape)
    if dtype is not None:
        score = score.to(dtype)
        query, states = (part.detach().to(dtype).requires_grad_() for part in (query, states))
    run(score, query, states)
    return [found.grad for found in (query, states, *score.parameters()) if found.grad is not None]
