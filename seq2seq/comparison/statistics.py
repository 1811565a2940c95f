"""Tests of whether systems differ by more than chance, and intervals of scores.

A score depends on chance in two ways. Other test sentences would give another score: the bootstrap and the
randomisation test account for these, but not for training. Another seed would give another model: only several
trainings show how much the score varies from one to the next. A difference is called significant here only if it passes
both.

Random numbers start from sacreBLEU's seed: with one seed of each system, its own paired tests give the same p-values,
except for ties (see `paired_randomisation`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.significance import estimate_ci

from seq2seq.comparison.results import Contrast, Interval, SeedStatistics
from seq2seq.errors import InputError, nearest
from seq2seq.metrics.references import Lines, is_blank
from seq2seq.metrics.scorers import interval_ends
from seq2seq.metrics.scores import SIGNIFICANCE_LEVEL
from seq2seq.metrics.segments import SAMPLES, Counts, Segments, count_segments, draw_resamples, draw_swaps

METRICS = ("BLEU", "chrF2++")
# A trial that swaps nothing gives the same difference again, except for the rounding of means over seeds.
_TIE = 1e-9


def seed_statistics(values: Sequence[float]) -> SeedStatistics:
    """Return mean and sample standard deviation (n - 1) of one value per seed. Raises InputError without values."""
    if not values:
        raise InputError("no values to take the mean of: no run is finished")
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return SeedStatistics(mean=statistics.fmean(values), deviation=deviation, count=len(values))


# ----------------------------------------------------------------------------------------------------------- intervals


def interval(run: Segments, samples: int = SAMPLES) -> Interval:
    """Return a corpus score with its 95 % bootstrap interval, the same as `scores.evaluate` returns."""
    mean, half_width = estimate_ci(run.score_resamples(draw_resamples(len(run.counts), samples)))
    low, high = interval_ends(run.metric, mean, half_width)
    return Interval(value=run.score, low=low, high=high)


def proportion(successes: int, trials: int) -> Interval:
    """Return successes / trials with its 95 % score interval (Wilson 1927), valid for few trials, and near 0 or 1."""
    from scipy.stats import binomtest

    ends = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(value=successes / trials, low=float(ends.low), high=float(ends.high))


def exact_matches(*, hypotheses: Sequence[str], references: Sequence[Lines]) -> list[bool]:
    """Return for each translation whether it equals a reference, except for whitespace.

    References as in `scores.evaluate`.
    """
    rows = zip(hypotheses, zip(*references, strict=True), strict=True)
    return [
        hypothesis.split() in [line.split() for line in row if line and not is_blank(line)] for hypothesis, row in rows
    ]


# --------------------------------------------------------------------------------------------------------------- tests


def p_over_seeds(baseline: SeedStatistics, system: SeedStatistics) -> float | None:
    """Return the two-sided p-value of Welch's t-test for the difference between two systems' mean scores over seeds.

    It covers the variation from seed to seed on these very test sentences. None with fewer than two seeds of either
    system, and if all seeds of both score the same.
    """
    from scipy.stats import ttest_ind_from_stats

    if baseline.deviation is None or system.deviation is None or baseline.deviation == system.deviation == 0:
        return None
    both = (each for part in (system, baseline) for each in (part.mean, part.deviation, part.count))
    return float(ttest_ind_from_stats(*both, equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the corrected p-values of a family of tests (Holm 1979), which bounds the chance of any false positive.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none falls below a smaller one, none exceeds 1.
    """
    corrected = [0.0] * len(p_values)
    floor = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = floor
    return corrected


def _mean_score(runs: Sequence[Segments]) -> float:
    return statistics.fmean(run.score for run in runs)


def _difference(baseline: Sequence[Segments], system: Sequence[Segments]) -> float:
    return _mean_score(system) - _mean_score(baseline)


def _resampled_mean(runs: Sequence[Segments], times: Counts) -> Counts:
    mean: Counts = np.mean([run.score_resamples(times) for run in runs], axis=0)
    return mean


def paired_bootstrap(baseline: Counts, system: Counts, difference: float) -> float:
    """Return the p-value of the difference between two systems' mean scores, by resampling the test sentences.

    baseline, system: their mean scores over the seeds on each resample. difference: on the whole test. Koehn (2004), in
    the form that sacreBLEU computes: the share of resamples whose absolute difference exceeds the mean over all
    resamples by more than the observed difference. With one seed each this is sacreBLEU's p-value, except that equal
    scores get p = 1.

    It covers the choice of test sentences: would the difference remain on others? It does not cover training, because
    the seeds are fixed: two trainings of one system may well differ "significantly". See `p_over_seeds`.
    """
    gaps = np.abs(system - baseline)
    return _p_value(gaps - gaps.mean(), difference, least=_TIE)


def paired_randomisation(baseline: Sequence[Segments], system: Sequence[Segments], kept: NDArray[np.bool_]) -> float:
    """Return the p-value of the difference between two systems' mean scores, by swapping their translations.

    kept: for every trial and sentence, whether it stays unswapped. Approximate randomisation (Riezler & Maxwell 2005)
    as in sacreBLEU: if the systems were the same, it would not matter which of them a translation came from. Each
    trial tosses a coin for each sentence and swaps the two systems' translations of it, for all seeds together. Seeds
    are paired in the given order; the shorter list is repeated until both end together. Equal scores get p = 1.

    Unlike in sacreBLEU, trials with exactly the observed difference count too, not only those with a larger one: where
    systems differ in a few sentences most trials are such ties, and without them p would be 1 / (samples + 1) for a
    single sentence. So p is that of a sign test there, and sacreBLEU's where there are no ties. It covers the choice of
    test sentences, not training, like `paired_bootstrap`.
    """
    chosen = kept.astype(np.float64)
    rounds = math.lcm(len(baseline), len(system))
    gaps = np.zeros(len(chosen))
    for number in range(rounds):
        one, other = baseline[number % len(baseline)], system[number % len(system)]
        first = chosen @ one.counts + (1 - chosen) @ other.counts
        second = one.counts.sum(axis=0) + other.counts.sum(axis=0) - first
        gaps += one.scores(first) - one.scores(second)
    return _p_value(np.abs(gaps / rounds), _difference(baseline, system), least=-_TIE)


def _p_value(gaps: Counts, difference: float, *, least: float) -> float:
    """Return the share of gaps that exceed the difference by more than `least`.

    The observed difference is counted as one of them, so the share is never 0.
    """
    if abs(difference) < _TIE:
        return 1.0  # sacreBLEU's strict comparison would call a system significantly different from itself
    return float((np.sum(gaps > abs(difference) + least) + 1) / (len(gaps) + 1))


# ----------------------------------------------------------------------------------------------------------- contrasts


def contrasts(
    systems: Mapping[str, Sequence[Sequence[str]]],
    *,
    references: Sequence[Sequence[str]],
    baseline: str,
    test: str,
    tokenize: str | None = None,
    lowercase: bool = False,
    samples: int = SAMPLES,
) -> list[Contrast]:
    """Return the contrast of every system with the baseline on one test, by BLEU and by chrF2++.

    systems: name -> translations of the test [seed][sentence], seeds in the same order everywhere. The comparisons of
    one metric are a family: the largest p of each is corrected for their number (`holm`). Other arguments and errors
    as in `scores.evaluate`; also InputError for a system without runs and an unknown baseline.
    """
    if baseline not in systems:
        raise InputError(f"the baseline {baseline!r} is none of the systems; {nearest(baseline, systems)}")
    for name, lines in systems.items():
        if not lines:
            raise InputError(f"{name}: no run is finished, nothing to compare")
    hypotheses = [lines for runs in systems.values() for lines in runs]
    found: list[Contrast] = []
    for metric in METRICS:
        options: dict[str, Any] = {"metric": metric, "tokenize": tokenize, "lowercase": lowercase}
        counted = iter(count_segments(hypotheses=hypotheses, references=references, **options))
        runs = {name: [next(counted) for _ in lines] for name, lines in systems.items()}
        found += _contrast_family(runs, baseline, test, samples)
    return found


def _contrast_family(runs: Mapping[str, Sequence[Segments]], baseline: str, test: str, samples: int) -> list[Contrast]:
    first = runs[baseline]
    times, kept = draw_resamples(len(first[0].counts), samples), draw_swaps(len(first[0].counts), samples)
    resampled = _resampled_mean(first, times)
    by_seed = {name: seed_statistics([run.score for run in own]) for name, own in runs.items()}
    found = []
    for name in (each for each in runs if each != baseline):
        difference = _difference(first, runs[name])
        p_bootstrap = paired_bootstrap(resampled, _resampled_mean(runs[name], times), difference)
        p_randomisation = paired_randomisation(first, runs[name], kept)
        p_seeds = p_over_seeds(by_seed[baseline], by_seed[name])
        found.append(
            Contrast(
                test=test,
                metric=first[0].metric,
                baseline=baseline,
                system=name,
                difference=difference,
                p_bootstrap=p_bootstrap,
                p_randomisation=p_randomisation,
                p_seeds=p_seeds,
                p_corrected=max(p_bootstrap, p_randomisation, p_seeds or 0.0),
                verdict="",
            )
        )
    corrected = [
        contrast.model_copy(update={"p_corrected": p})
        for contrast, p in zip(found, holm([contrast.p_corrected for contrast in found]), strict=True)
    ]
    sentences = holm([max(contrast.p_bootstrap, contrast.p_randomisation) for contrast in found])
    return [
        contrast.model_copy(update={"verdict": _verdict(contrast, by_seed, len(found), p)})
        for contrast, p in zip(corrected, sentences, strict=True)
    ]


def _verdict(contrast: Contrast, by_seed: Mapping[str, SeedStatistics], comparisons: int, p_sentences: float) -> str:
    """Return the verdict in one sentence. p_sentences: the corrected p-value of the tests over sentences alone."""
    own, other = by_seed[contrast.system], by_seed[contrast.baseline]
    gap = f"{abs(contrast.difference):.1f} {contrast.metric}"
    place = f"{gap} {'above' if contrast.difference > 0 else 'below'}"
    if abs(contrast.difference) < 0.05:
        place = f"within 0.1 {contrast.metric} of"
    seeds = f"{_seeds(own.count)} each" if own.count == other.count else f"{_seeds(own.count)} against {other.count}"
    claim = f"{contrast.system} scores {place} {contrast.baseline} ({own.mean:.1f} against {other.mean:.1f}, {seeds})"
    p = f"p = {contrast.p_corrected:.2g}" if contrast.p_corrected >= 0.001 else "p < 0.001"
    p += f" after correction for {comparisons} comparisons" if comparisons > 1 else ""
    alone = min(own.count, other.count) < 2
    if contrast.p_corrected >= SIGNIFICANCE_LEVEL > p_sentences:
        finding = (
            ", more than the choice of test sentences explains, but so few seeds cannot tell it from the variation "
        )
        finding += f"between trainings ({p})"
    elif contrast.p_corrected >= SIGNIFICANCE_LEVEL:
        finding = f": the difference cannot be told from noise ({p})"
    else:
        finding = f", more than {'the choice of test sentences' if alone else 'chance'} explains ({p})"
    return f"{claim}{finding}{'; one seed cannot speak for the variation between trainings' if alone else ''}."


def _seeds(count: int) -> str:
    return f"{count} seeds" if count > 1 else "one seed"
