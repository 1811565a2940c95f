"""sacreBLEU's scorers, their scale, and the seed of their bootstrap."""

from __future__ import annotations

import os
from typing import Any

from sacrebleu import CHRF, TER

from seq2seq.errors import InputError
from seq2seq.metrics.bleu_tokenizer import make_bleu
from seq2seq.metrics.scoring_rules import Rules


def make_scorer(name: str, rules: Rules, lowercase: bool, effective_order: bool = False) -> Any:
    """sacreBLEU's object for a metric; failures to load a tokenizer (a missing package or download) as Seq2SeqError."""
    if name == "TER":
        return TER(case_sensitive=not lowercase, normalized=rules.ideographic, asian_support=rules.ideographic)
    if name != "BLEU":
        return CHRF(word_order=name.count("+"), lowercase=lowercase)
    return make_bleu(rules.tokenize, lowercase=lowercase, effective_order=effective_order)


def plain_floats(scorer: Any) -> Any:
    """Make a scorer's numbers Python's own.

    Resampled statistics are numpy's float32, but a resample of blank references scores a plain 0.0 or 1.0, and the
    mean that sacreBLEU 2.6 takes of both kinds raises TypeError.
    """
    compute = scorer._compute_score_from_stats

    def plain(statistics: Any) -> Any:
        score = compute(statistics)
        score.score = float(score.score)
        return score

    scorer._compute_score_from_stats = plain
    return scorer


def on_scale(name: str, value: float) -> float:
    """Cut at 0, and for BLEU and chrF at 100: rounding makes 100.00000000000004 of a perfect BLEU."""
    value = max(0.0, float(value))
    return value if name == "TER" else min(value, 100.0)


def interval_ends(name: str, mean: Any, half_width: Any) -> tuple[float, float]:
    """Low and high, from what sacreBLEU prints as μ ± half width."""
    return on_scale(name, mean - half_width), on_scale(name, mean + half_width)


def resampling_seed(samples: int) -> int | None:
    """The seed of every draw: sacreBLEU's, whole and positive, or None for a new draw each time. Raises InputError."""
    if samples < 2:
        raise InputError(f"samples = {samples}: a bootstrap takes at least 2 resamples; 1000 is usual")
    seed = os.environ.get("SACREBLEU_SEED", "12345")
    # sacreBLEU's paired test takes 0 for "no seed", and still writes seed:0 into the signature.
    if seed.lower() != "none" and not (seed.isdecimal() and int(seed) > 0):
        raise InputError(f"environment variable SACREBLEU_SEED = {seed!r}: a whole number from 1 on, or 'none'")
    return None if seed.lower() == "none" else int(seed)
