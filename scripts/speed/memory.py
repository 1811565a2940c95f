"""Peak memory of additive attention, forward and backward, compared with a literal implementation of its formula."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.comparison.pace import call_in_process, peak_memory
from seq2seq.nn.scores import SCORE_FUNCTIONS, Additive
from speed.turns import Show

SHAPE = {"batch": 64, "target": 100, "source": 100, "units": 512}  # units: the sizes of query, key and attention_dim


class LiteralAdditive(Additive):
    """vᵀ tanh(W q + U k), computed with the whole [batch, target, source, attention_dim] tensor in memory."""

    def forward(
        self, query: Float[Tensor, "batch target query_dim"], keys: Float[Tensor, "batch source attention_dim"]
    ) -> Float[Tensor, "batch target source"]:
        """Return the energies."""
        return (self.query_layer(query)[:, :, None, :] + keys[:, None, :, :]).tanh() @ self.v


def measure(show: Show) -> dict[str, Any]:
    """Return the increase of the memory peak in bytes and the error of the gradients, for both implementations.

    Each is measured in a process of its own.
    """
    taken, plain = (
        call_in_process("additive", peak_increase, False),
        call_in_process("plain additive", peak_increase, True),
    )
    error, plain_error = call_in_process("gradients", gradient_errors)
    sizes = f"{taken / 1e6:.0f} MB, the plain formula {plain / 1e6:.0f} MB"
    show("additive attention", f"{sizes}; gradients off by {error:.1e} and {plain_error:.1e}")
    return {
        "shape": SHAPE,
        "bytes": taken,
        "plain_bytes": plain,
        "gradient_error": error,
        "plain_gradient_error": plain_error,
    }


def peak_increase(plain: bool) -> int:
    """Return by how many bytes the resident peak exceeds that of the process with only inputs and parameters."""
    gradients(plain, {name: min(size, 3) for name, size in SHAPE.items()})
    parts = inputs(plain, SHAPE)
    before = peak_memory()
    forward_backward(*parts)
    return peak_memory() - before


def gradient_errors(batch: int = 8) -> tuple[float, float]:
    """Return the relative gradient_errors of our gradients and of the literal formula's, against double precision."""
    shape = {**SHAPE, "batch": batch}
    exact = gradients(True, shape, torch.float64)
    return relative_error(gradients(False, shape), exact), relative_error(gradients(True, shape), exact)


def relative_error(found: list[Tensor], exact: list[Tensor]) -> float:
    """Return the largest |a - b| / max |b| over all pairs of gradients."""
    pairs = zip(found, exact, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def inputs(plain: bool, shape: dict[str, int]) -> tuple[Any, Tensor, Tensor]:
    """Return score function, query and states, with the same random numbers each time."""
    from seq2seq.nn.initialisation import initialise

    units = shape["units"]
    score = (LiteralAdditive if plain else SCORE_FUNCTIONS["additive"])(units, units, units)
    initialise(score, 1)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(shape["batch"], shape["target"], units, generator=generator).requires_grad_()
    states = torch.randn(shape["batch"], shape["source"], units, generator=generator).requires_grad_()
    return score, query, states


def forward_backward(score: Any, query: Tensor, states: Tensor) -> None:
    """Compute the energies and the gradients of a softmax over them."""
    energies = score(query, score.project(states))
    energies.softmax(dim=-1).square().sum().backward()


def gradients(plain: bool, shape: dict[str, int], dtype: torch.dtype | None = None) -> list[Tensor]:
    """Return the gradients of the inputs and of every parameter."""
    score, query, states = inputs(plain, shape)
    if dtype is not None:
        score = score.to(dtype)
        query, states = (part.detach().to(dtype).requires_grad_() for part in (query, states))
    forward_backward(score, query, states)
    return [found.grad for found in (query, states, *score.parameters()) if found.grad is not None]
