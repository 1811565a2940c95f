"""sacreBLEU's scorer objects, the scale of their scores, and the seed of their bootstrap."""

from __future__ import annotations

import os
from typing import Any

from seq2seq.errors import InputError
from seq2seq.metrics.metric import METRICS, Rules


def make_scorer(name: str, rules: Rules, lowercase: bool) -> Any:
    """Return sacreBLEU's scorer for a metric; raise Seq2SeqError for a tokenizer that cannot be loaded."""
    return METRICS[name].make(rules, lowercase)


def with_python_floats(scorer: Any) -> Any:
    """Make a scorer return Python floats, and return the scorer.

    Resampled statistics are numpy's float32, but a resample of blank references scores a plain 0.0 or 1.0, and the mean
    that sacreBLEU 2.6 takes of both types raises TypeError.
    """
    compute = scorer._compute_score_from_stats

    def plain(statistics: Any) -> Any:
        score = compute(statistics)
        score.score = float(score.score)
        return score

    scorer._compute_score_from_stats = plain
    return scorer


def clip_score(name: str, value: float) -> float:
    """Clip a score at the ends of the metric's scale: rounding makes a perfect BLEU 100.00000000000004."""
    return min(max(0.0, float(value)), METRICS[name].most)


def interval_ends(name: str, mean: Any, half_width: Any) -> tuple[float, float]:
    """Return low and high of what sacreBLEU prints as μ ± half width, clipped to the metric's scale."""
    return clip_score(name, mean - half_width), clip_score(name, mean + half_width)


def resampling_seed(samples: int) -> int | None:
    """Return the seed of every bootstrap: sacreBLEU's, a whole number from 1 on, or None for a new draw each time.

    Raises InputError for a bad SACREBLEU_SEED and for fewer than 2 samples.
    """
    if samples < 2:
        raise InputError(f"samples = {samples}: a bootstrap takes at least 2 resamples; 1000 is usual")
    seed = os.environ.get("SACREBLEU_SEED", "12345")
    # sacreBLEU's paired test takes 0 for "no seed", and still writes seed:0 into the signature.
    if seed.lower() != "none" and not (seed.isdecimal() and int(seed) > 0):
        raise InputError(f"environment variable SACREBLEU_SEED = {seed!r}: a whole number from 1 on, or 'none'")
    return None if seed.lower() == "none" else int(seed)
