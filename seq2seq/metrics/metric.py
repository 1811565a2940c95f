"""The metrics by name: what makes a scorer of each, and what must be known of its scale.

To add one, write one function with `@metric("name")` that returns an object of a subclass of sacreBLEU's own base class
(`sacrebleu.metrics.base.Metric`), which counts sentence by sentence. `seq2seq evaluate --metric` then takes its name,
with intervals and comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu import CHRF, TER

from seq2seq.metrics.bleu_tokenizer import make_bleu
from seq2seq.metrics.references import Lines


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which a score is counted, after the checks.

    tokenize: BLEU's tokenizer. references: the sets with None for a blank line. spaced: whether spaces separate the
    words of the references. ideographic: whether TER counts characters instead of words. notes: sentences on choices
    made for the user.
    """

    tokenize: str
    references: Sequence[Lines]
    spaced: bool
    ideographic: bool
    notes: tuple[str, ...]


MakeScorer = Callable[[Rules, bool], Any]  # rules, lowercase


@dataclass(frozen=True, slots=True)
class MetricKind:
    """One metric. make: returns its scorer. most: where its scale, which begins at 0, ends."""

    make: MakeScorer
    most: float
    lower_is_better: bool


METRICS: dict[str, MetricKind] = {}


def metric(name: str, *, most: float = 100.0, lower_is_better: bool = False) -> Callable[[MakeScorer], MakeScorer]:
    """Register the function that makes a metric's scorer. Raises ValueError where two metrics share a name."""

    def register(make: MakeScorer) -> MakeScorer:
        if name in METRICS:
            raise ValueError(f"two metrics are called {name!r}")
        METRICS[name] = MetricKind(make, most, lower_is_better)
        return make

    return register


@metric("BLEU")
def _bleu(rules: Rules, lowercase: bool) -> Any:
    return make_bleu(rules.tokenize, lowercase=lowercase)


@metric("chrF2")
def _chrf(rules: Rules, lowercase: bool) -> Any:
    return CHRF(lowercase=lowercase)


@metric("chrF2++")
def _chrf_with_words(rules: Rules, lowercase: bool) -> Any:
    return CHRF(word_order=2, lowercase=lowercase)


@metric("TER", most=math.inf, lower_is_better=True)
def _ter(rules: Rules, lowercase: bool) -> Any:
    return TER(case_sensitive=not lowercase, normalized=rules.ideographic, asian_support=rules.ideographic)
