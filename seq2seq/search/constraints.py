"""Constraints: sequences of tokens that a hypothesis must have, and the sharing of a beam among those who meet some.

Dynamic beam allocation (Post and Vilar 2018): hypotheses that have met equally many tokens of their constraints are in
a bank of their own, and the slots of a beam are shared among the banks. allocation.py searches with it; this module
needs no torch, as rules hold constraints.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a hypothesis has come with its constraints.

    met: whether each is written. current, written: the constraint of which the last token is a part, and how many of
    its tokens are written; -1 and 0 where the last token is a part of none.
    """

    met: tuple[bool, ...]
    current: int = -1
    written: int = 0


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of one sentence.

    tokens: of each constraint, at least one. whole: whether the last word of each is complete, so that a token of
    word_starts must follow it: one bool for every token of the vocabulary, the same for all sentences of a search; they
    may be left out where none is whole.
    """

    tokens: tuple[tuple[int, ...], ...] = ()
    whole: tuple[bool, ...] = ()
    word_starts: Sequence[bool] = ()

    def __post_init__(self) -> None:
        if not all(self.tokens):
            raise ValueError("a constraint without a token is met by every text")

    @property
    def total(self) -> int:
        """The number of tokens of all constraints."""
        return sum(map(len, self.tokens))

    @property
    def start(self) -> Progress:
        """The progress of a hypothesis without a token."""
        return Progress((False,) * len(self.tokens))

    def advance(self, progress: Progress, token: int) -> Progress:
        """Return the progress after one more token.

        A constraint that is begun goes on with its next token; with another it is given up, and so is a whole one whose
        last word goes on. What belongs to no constraint that is begun begins the first unmet one that starts with it.
        """
        met, current, written = progress
        if current >= 0 and not met[current]:
            if token == self.tokens[current][written]:
                return self._write(met, current, written + 1)
        elif self.must_end_word(progress) and not self.word_starts[token]:
            met = (*met[:current], False, *met[current + 1 :])
        for number, tokens in enumerate(self.tokens):
            if not met[number] and token == tokens[0]:
                return self._write(met, number, 1)
        return Progress(met)

    def _write(self, met: tuple[bool, ...], current: int, written: int) -> Progress:
        if written == len(self.tokens[current]):
            met = (*met[:current], True, *met[current + 1 :])
        return Progress(met, current, written)

    def next_tokens(self, progress: Progress) -> list[int]:
        """Return the tokens that meet one more token: the next of a constraint that is begun, or the first of each."""
        if progress.current >= 0 and not progress.met[progress.current]:
            return [self.tokens[progress.current][progress.written]]
        return [tokens[0] for tokens, met in zip(self.tokens, progress.met, strict=True) if not met]

    def must_end_word(self, progress: Progress) -> bool:
        """Return whether the next token must begin a word, because the last one ended a whole constraint."""
        return progress.current >= 0 and progress.met[progress.current] and self.whole[progress.current]

    def count(self, progress: Progress) -> int:
        """Return how many tokens of constraints are met, those of one that is begun included."""
        whole = sum(len(tokens) for tokens, met in zip(self.tokens, progress.met, strict=True) if met)
        begun = progress.current >= 0 and not progress.met[progress.current]
        return whole + (progress.written if begun else 0)

    def read(self, tokens: Sequence[int]) -> Progress:
        """Return the progress of a hypothesis with these tokens."""
        progress = self.start
        for token in tokens:
            progress = self.advance(progress, token)
        return progress


NO_CONSTRAINTS = Constraints()


def allocate(slots: int, candidates: Sequence[int]) -> list[int]:
    """Return how many slots of a beam each bank gets; candidates: how many hypotheses could go into each.

    All banks get the same, and the last one what is left over (section 3.2 of the paper). Then each bank with more
    slots than candidates, the last bank first, gives the rest to banks with fewer: first to the nearest, and of two
    that are equally near to the one with more tokens met.
    """
    banks = len(candidates)
    sizes = [slots // banks] * banks
    sizes[-1] += slots % banks
    for bank in reversed(range(banks)):
        rest = sizes[bank] - candidates[bank]
        if rest <= 0:
            continue
        sizes[bank] -= rest
        needy = [other for other in range(banks) if candidates[other] > sizes[other]]
        for other in sorted(needy, key=lambda other: (abs(other - bank), -other)):
            given = min(rest, candidates[other] - sizes[other])
            sizes[other] += given
            rest -= given
    return sizes


def share(slots: int, banks: Sequence[int], number: int) -> list[int]:
    """Return which candidates get the slots of a beam, best first.

    banks: the bank of each candidate, best candidate first. number: how many banks there are.
    """
    counts = Counter(banks)
    sizes = allocate(slots, [counts[bank] for bank in range(number)])
    chosen = []
    for place, bank in enumerate(banks):
        if sizes[bank] > 0:
            sizes[bank] -= 1
            chosen.append(place)
    return chosen
