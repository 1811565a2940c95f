"""Minimum Bayes risk: of many samples, those that are most like all others (Eikema and Aziz 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seq2seq.metrics.utility import expected_utilities
from seq2seq.translation.translation import Translation

SAMPLES = 30  # of each sentence; the time to compare them grows with the square


def least_risk(samples: Sequence[Translation], utility: str, n_best: int) -> list[Translation]:
    """Return the n best distinct samples by expected utility, which becomes their score; of equal ones the first."""
    expected = expected_utilities([each.text for each in samples], utility)
    first = {each.text: each for each in reversed(samples)}
    order = sorted(dict.fromkeys(each.text for each in samples), key=lambda text: -expected[text])
    return [replace(first[text], score=expected[text]) for text in order[:n_best]]
