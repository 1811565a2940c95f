"""Rules on what may follow what a hypothesis has written: a prefix, no n-gram twice, and a penalty on repetition.

A rule looks at one hypothesis alone, so no rule lets a sentence feel its batch. written.py applies them; this module
needs no torch, as options hold rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.bounds import LARGEST_COUNT, LARGEST_REPETITION_PENALTY
from seq2seq.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one search, which it applies at every step to the model's log-probabilities.

    no_repeat_ngram: no n-gram of this many tokens is written twice in a hypothesis; 0 allows all. repetition_penalty:
    the log-probability of a token that the hypothesis has written before is multiplied by this number, 1 or more
    (Keskar et al. 2019, section 4.1, with log-probabilities as the scores, which are never above 0). Both leave the
    end alone, which a hypothesis has once.

    prefixes: the tokens with which the hypotheses of each sentence begin, none for all sentences if empty. They count
    at their own log-probability, even where they break the other rules or are forbidden. word_ends: whether the last
    word of each prefix is complete, so that the next token must be one of word_starts (one bool for every token of the
    vocabulary) or the end. Raises InputError for values out of range.
    """

    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    prefixes: Sequence[Sequence[int]] = ()
    word_ends: Sequence[bool] = ()
    word_starts: Sequence[bool] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.no_repeat_ngram <= LARGEST_COUNT:
            raise InputError(f"no_repeat_ngram must be 1 or more (0 allows all), given {self.no_repeat_ngram}")
        check_repetition_penalty(self.repetition_penalty)

    def any(self) -> bool:
        """Return whether any rule is set."""
        return self.no_repeat_ngram > 0 or self.repetition_penalty != 1 or any(self.prefixes)


def check_repetition_penalty(penalty: float) -> None:
    """Raise InputError for a repetition penalty out of range."""
    if not 1 <= penalty <= LARGEST_REPETITION_PENALTY:
        limits = f"between 1 (no penalty) and {LARGEST_REPETITION_PENALTY}"
        raise InputError(f"the repetition penalty must lie {limits}, given {penalty}")
