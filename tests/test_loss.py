"""The loss by hand, against torch's own, and its gradients."""

from __future__ import annotations

import math

import pytest
import torch

from seq2seq.nn import kernels
from seq2seq.nn.loss import cross_entropy

TOKENS, DIM, VOCABULARY = 7, 3, 5


def parts(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    outputs = torch.randn(TOKENS, DIM, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(VOCABULARY, DIM, generator=generator, dtype=dtype, requires_grad=True)
    bias = torch.randn(VOCABULARY, generator=generator, dtype=dtype, requires_grad=True)
    return outputs, weight, bias, torch.tensor([0, 1, 2, 3, 4, 0, 1])


def test_value_by_hand() -> None:
    """Pitfall 14: p = (0.7, 0.2, 0.1), correct 0, smoothing 0.3: q = (0.8, 0.1, 0.1)."""
    p = [0.7, 0.2, 0.1]
    bias = torch.tensor([math.log(value) for value in p])
    loss = cross_entropy(torch.zeros(1, 2), torch.zeros(3, 2), bias, torch.tensor([0]), 0.3)
    expected = -(0.8 * math.log(0.7) + 0.1 * math.log(0.2) + 0.1 * math.log(0.1))
    assert loss.total.item() == pytest.approx(expected, abs=1e-6)
    assert loss.nll.item() == pytest.approx(-math.log(0.7), abs=1e-6)
    assert int(loss.tokens) == 1


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [2, 4, 100])
def test_equals_torch_in_value_and_gradient(smoothing: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 14: smoothed or not, in chunks or at once, each in blocks of 3 rows."""
    monkeypatch.setattr(kernels.cross_entropy, "LEAST", chunk)
    monkeypatch.setattr(kernels.cross_entropy, "LOGITS", 1)
    monkeypatch.setattr(kernels.cross_entropy, "BLOCK", 3 * VOCABULARY)
    outputs, weight, bias, targets = parts()
    loss = cross_entropy(outputs, weight, bias, targets, smoothing)
    ours = torch.autograd.grad(loss.total, (outputs, weight, bias))
    logits = outputs @ weight.T + bias
    reference = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    theirs = torch.autograd.grad(reference, (outputs, weight, bias))
    torch.testing.assert_close(loss.total, reference)
    torch.testing.assert_close(loss.nll, torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradients_numerically() -> None:
    outputs, weight, bias, targets = parts()
    assert torch.autograd.gradcheck(
        lambda *inputs: cross_entropy(inputs[0], inputs[1], inputs[2], targets, 0.2).total, (outputs, weight, bias)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("size", [10.0, 1e3, 1e6])
def test_energies_of_any_size(smoothing: float, size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the targets are so unlikely that float32 has no number for it, others certain."""
    monkeypatch.setattr(kernels.cross_entropy, "LEAST", 2)
    outputs, weight, bias, targets = parts(torch.float32)
    wide = (size * outputs).detach().requires_grad_()
    loss = cross_entropy(wide, weight, bias, targets, smoothing)
    ours = torch.autograd.grad(loss.total, (wide, weight, bias))
    assert (torch.softmax(wide @ weight.T + bias, dim=-1).gather(1, targets[:, None]) == 0).any() == (size > 10)
    exact = [part.detach().double().requires_grad_() for part in (wide, weight, bias)]
    logits = exact[0] @ exact[1].T + exact[2]
    wanted = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    theirs = torch.autograd.grad(wanted, exact)
    torch.testing.assert_close(loss.total.double(), wanted, rtol=1e-5, atol=1e-5)
    nll = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(loss.nll.double(), nll, rtol=1e-5, atol=1e-5)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-5 * size)
