"""The annotated shapes of the tensor code are enforced in tests, but where one asks for speed."""

from __future__ import annotations

import conftest
import torch
from jaxtyping import TypeCheckError

from seq2seq.nn.masking import length_mask

WRONG = torch.ones(2, 1, dtype=torch.long)  # lengths have one dimension


def refused() -> bool:
    try:
        length_mask(WRONG, 4)
    except TypeCheckError:
        return True
    return False


def test_shapes_are_checked() -> None:
    assert refused()


def test_a_test_may_go_without() -> None:
    """And those after it have them again."""
    part = conftest.shape_checks_off()
    next(part)
    assert not refused()
    next(part, None)
    assert refused()
