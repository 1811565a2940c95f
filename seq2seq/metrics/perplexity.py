"""Perplexity from summed negative log-probabilities."""

import math

_LARGEST = 700.0  # exp of 710 is more than a float holds


def perplexity(nats: float, tokens: int) -> float:
    """Return exp(nats / tokens), at most 1e304, so that a useless model has a finite perplexity too.

    nats: the summed negative log-probability, 0 or more. tokens: their number, end tokens included.
    """
    return math.exp(min(nats / max(tokens, 1), _LARGEST))
