"""sacreBLEU's statistics per sentence, and resamples of sentences: a resample's score is a formula over a sum.

Only sacreBLEU counts n-grams and computes scores here, and all draws come from its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.metrics.references import Lines
from seq2seq.metrics.scorers import clip_score, make_scorer, resampling_seed
from seq2seq.metrics.scoring_rules import check_texts

SAMPLES = 1000

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The statistics of each sentence of one run, which add up to those of the corpus score.

    counts [sentences, statistics]: sacreBLEU's sufficient statistics, whole numbers. A corpus score depends on their
    sum over the sentences alone.
    """

    metric: str
    scorer: Any
    counts: Counts

    @property
    def score(self) -> float:
        """The corpus score over all sentences, as `scores.evaluate` computes it."""
        return clip_score(self.metric, self.scores(self.counts.sum(axis=0)[None])[0])

    def take(self, sentences: Sequence[int] | NDArray[np.intp]) -> Segments:
        """Return the same run on some of the sentences, chosen by their numbers."""
        return replace(self, counts=self.counts[sentences])

    def scores(self, totals: Counts) -> Counts:
        """Return the corpus score of each row of summed counts [trials, statistics]."""
        return np.array([float(self.scorer._compute_score_from_stats(row).score) for row in totals.tolist()])

    def score_resamples(self, times: Counts) -> Counts:
        """Return the corpus score of each resample; times [samples, sentences] as `draw_resamples` returns them.

        The sums are in single precision, as in sacreBLEU, so that intervals agree to the last digit.
        """
        totals = (times @ self.counts).astype(np.float32)
        return np.array([float(self.scorer._compute_score_from_stats(row).score) for row in totals])


def count_segments(
    *,
    hypotheses: Sequence[Sequence[str]],
    references: Sequence[Lines],
    metric: str = "BLEU",
    tokenize: str | None = None,
    lowercase: bool = False,
) -> list[Segments]:
    """Count n-grams for several runs on one test, hypotheses[run][i]; the references are counted once for all runs.

    metric: BLEU, chrF2 or chrF2++. Other arguments and errors as in `scores.evaluate`.
    """
    systems = {f"hypotheses of run {number}": lines for number, lines in enumerate(hypotheses, start=1)}
    rules = check_texts(tokenize, [metric], systems, references)
    scorer = make_scorer(metric, rules, lowercase)
    scorer._ref_cache = scorer._cache_references(rules.references)
    extract = scorer._extract_corpus_statistics
    return [Segments(metric, scorer, np.array(extract(lines, None), dtype=np.float64)) for lines in hypotheses]


def draw_resamples(sentences: int, samples: int = SAMPLES) -> Counts:
    """Return how often each bootstrap resample holds each sentence [samples, sentences].

    The draws are sacreBLEU's.
    """
    drawn = np.random.default_rng(resampling_seed(samples)).choice(sentences, size=(samples, sentences), replace=True)
    cells = drawn + sentences * np.arange(samples)[:, None]
    return np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def draw_swaps(sentences: int, samples: int = SAMPLES) -> NDArray[np.bool_]:
    """Return where each randomisation trial takes the baseline's translation [samples, sentences].

    The draws are sacreBLEU's.
    """
    return np.random.default_rng(resampling_seed(samples)).integers(2, size=(samples, sentences), dtype=np.bool_)
