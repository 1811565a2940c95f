"""Rules on what a hypothesis may write: a prefix, constraints, no n-gram twice, and a penalty on repetition.

A rule looks at one hypothesis alone, so no rule lets a sentence feel its batch. written.py applies them; this module
needs no torch, as options hold rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from seq2seq.bounds import LARGEST_COUNT, LARGEST_DIVERSITY, LARGEST_REPETITION_PENALTY
from seq2seq.errors import InputError
from seq2seq.search.avoidance import Avoidance
from seq2seq.search.constraints import Constraints

T = TypeVar("T")
GROUPED = "constraints share the beam out by how many are met, diverse_groups in groups; choose one of the two"
GREEDY = "constraints need a beam size of 2 or more, a glossary's too: greedy search would write them before all else"


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
    vocabulary) or the end.

    avoid: strings that no hypothesis may write outside its prefix. constraints: what the hypotheses of each sentence
    must have, none for all sentences if empty; its tokens count at their own log-probability too, and may be strings to
    avoid no more than others. groups, diversity: of a diverse beam search (see groups.py). Sampling has neither
    constraints nor groups. Raises InputError for values out of range, and for constraints of several groups.
    """

    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    prefixes: Sequence[Sequence[int]] = ()
    word_ends: Sequence[bool] = ()
    word_starts: Sequence[bool] = ()
    avoid: Avoidance | None = None
    constraints: Sequence[Constraints] = ()
    groups: int = 1
    diversity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.no_repeat_ngram <= LARGEST_COUNT:
            raise InputError(f"no_repeat_ngram must be 1 or more (0 allows all), given {self.no_repeat_ngram}")
        check_repetition_penalty(self.repetition_penalty)
        if self.groups < 1:
            raise InputError(f"diverse_groups must be 1 or more (1 is one beam), given {self.groups}")
        if not 0 <= self.diversity <= LARGEST_DIVERSITY:
            raise InputError(f"diversity must lie between 0 and {LARGEST_DIVERSITY} nats, given {self.diversity}")

        if self.groups > 1 and any_constraint(self.constraints):
            raise InputError(GROUPED)

    def check_beam(self, beam_size: int) -> None:
        """Raise InputError for a beam that the groups cannot share evenly, or that is too small for constraints."""
        if beam_size < 2 and any_constraint(self.constraints):
            raise InputError(GREEDY)
        if beam_size % self.groups:
            shares = f"{self.groups} groups cannot share a beam of {beam_size} evenly"
            raise InputError(f"diverse_groups: {shares}; choose a beam size that is a multiple of {self.groups}")

    def any(self) -> bool:
        """Return whether any rule is set."""
        chosen = self.no_repeat_ngram > 0 or self.repetition_penalty != 1 or self.avoid is not None
        return chosen or any(self.prefixes) or any_constraint(self.constraints)


def any_constraint(constraints: Sequence[Constraints]) -> bool:
    """Return whether any sentence has a constraint."""
    return any(each.tokens for each in constraints)


def check_repetition_penalty(penalty: float) -> None:
    """Raise InputError for a repetition penalty out of range."""
    if not 1 <= penalty <= LARGEST_REPETITION_PENALTY:
        limits = f"between 1 (no penalty) and {LARGEST_REPETITION_PENALTY}"
        raise InputError(f"the repetition penalty must lie {limits}, given {penalty}")


def repeat(values: Sequence[T], times: int) -> list[T]:
    """Return each value so many times in a row."""
    return [value for value in values for _ in range(times)]
