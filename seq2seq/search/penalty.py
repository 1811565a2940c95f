"""Length penalties: without one a search prefers short hypotheses, since every token lowers the log-probability."""

from collections.abc import Callable
from dataclasses import dataclass

from seq2seq.bounds import LARGEST_ALPHA
from seq2seq.errors import InputError, nearest

# No formula may fall with the length: the early exit of beam search relies on that.
PENALTIES: dict[str, Callable[[int, float], float]] = {
    "average": lambda length, alpha: float(length**alpha),
    "gnmt": lambda length, alpha: float(((5 + length) / 6) ** alpha),
    "none": lambda length, alpha: 1.0,
}


@dataclass(frozen=True, slots=True)
class LengthPenalty:
    """The divisor that turns a log_prob into a score; the length counts every token produced, end included.

    kind: 'average', length ** alpha (with alpha 1 the mean log-probability of a token); 'gnmt', ((5 + length) / 6) **
    alpha (Wu et al. 2016, equation 14); 'none', 1. alpha: the exponent, without effect on 'none', from 0 to 10: beyond
    that, long hypotheses overflow. Raises InputError for an unknown kind or an alpha out of range.
    """

    kind: str = "average"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in PENALTIES:
            raise InputError(f"length penalty {self.kind!r} is unknown; {nearest(self.kind, PENALTIES)}")
        if not 0 <= self.alpha <= LARGEST_ALPHA:
            raise InputError(f"length penalty: alpha must lie between 0 and {LARGEST_ALPHA}, given {self.alpha}")

    def __call__(self, length: int) -> float:
        if length < 1:
            raise ValueError(f"a hypothesis has at least one token, the end counted; given length {length}")
        return PENALTIES[self.kind](length, self.alpha)


AVERAGE = LengthPenalty("average", 1.0)
