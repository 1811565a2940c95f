"""What a model's probabilities are reported as."""

import math

_LARGEST = 700.0  # exp of 710 is more than a float holds


def perplexity(nats: float, tokens: int) -> float:
    """exp(nats / tokens), at most 1e304: a useless model has one as well. tokens: ends counted; nats: 0 or more."""
    return math.exp(min(nats / max(tokens, 1), _LARGEST))
