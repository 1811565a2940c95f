"""A step asks torch for what it asked before: operators, allocations and bytes, the same on every processor.

They are compared once more under a restricted instruction set (scripts/test), where torch has other kernels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from speed.counts import COUNTS, KINDS, SCORES, WIRINGS, RequestCounter, step_counts

RECORDED = json.loads(COUNTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wiring", WIRINGS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("score", SCORES)
def test_a_step_takes_what_it_took(score: str, wiring: str, kind: str) -> None:
    found, recorded = step_counts(kind, score, wiring), RECORDED[f"{kind}, {score}, {wiring}"]
    changed = {name: (recorded[name], count) for name, count in found.items() if count != recorded[name]}
    assert not changed, (
        f"not as in tests/operator_counts.json (was, is); where it is meant, scripts/benchmark --counts: {changed}"
    )


def test_what_is_counted() -> None:
    """Operators that are asked for, autograd's too; storages, views being none; the most bytes that lived at a time."""
    with RequestCounter() as found:
        left = torch.ones(2, 3, requires_grad=True)  # 24 bytes
        right = torch.ones(2, 5)  # 40 bytes
        product = left.t() @ right  # t, mm: 60 bytes
        del right  # which autograd keeps for the gradient
        product = product.detach()  # detach, and autograd lets go
        doubled = product * 2  # mul: 60 bytes
    assert found.operators == 6
    assert found.allocations == 4
    assert found.bytes == 24 + 40 + 60 + 60
    assert found.peak_bytes == 24 + 60 + 60
    assert doubled.sum() == 60
    with RequestCounter() as backwards:
        (left * left).backward(torch.ones(2, 3))
    with RequestCounter() as forwards:
        _ = left * left
    assert backwards.operators > forwards.operators + 2  # ones, and products of the gradient
