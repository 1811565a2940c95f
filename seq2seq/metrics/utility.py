"""Utility of a candidate against samples, for minimum Bayes risk decoding; sacreBLEU counts it sentence by sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sacrebleu import BLEU, CHRF

# BLEU of one sentence counts only the orders of n-grams that the sentence is long enough for.
UTILITIES: dict[str, Callable[[], BLEU | CHRF]] = {"chrf": CHRF, "bleu": lambda: BLEU(effective_order=True)}


def expected_utilities(samples: Sequence[str], utility: str) -> dict[str, float]:
    """Return the mean score of each distinct sample against all samples as references, itself among them, 0 to 100."""
    metric, times = UTILITIES[utility](), Counter(samples)
    return {
        candidate: sum(metric.sentence_score(candidate, [other]).score * count for other, count in times.items())
        / len(samples)
        for candidate in times
    }
