"""Statistics: sacreBLEU's numbers for one seed, hand-made ones for several, and sentences that say what was found."""

import itertools
import math
import random

import numpy as np
import pytest
import sacrebleu
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.significance import PairedTest

from seq2seq.comparison import statistics
from seq2seq.comparison.results import Contrast, SeedStatistics
from seq2seq.comparison.statistics import (
    METRICS,
    contrasts,
    exact_matches,
    holm,
    interval,
    p_over_seeds,
    proportion,
    seed_statistics,
)
from seq2seq.errors import InputError
from seq2seq.metrics.scores import evaluate
from seq2seq.metrics.segments import count_segments, draw_resamples, draw_swaps

WORDS = [
    "the",
    "a",
    "old",
    "small",
    "red",
    "house",
    "dog",
    "girl",
    "man",
    "sees",
    "gives",
    "buys",
    "finds",
    "book",
    "letter",
    "apple",
    "train",
    ",",
    ".",
    "today",
    "never",
]
SAMPLES = 199


def text(seed: int, sentences: int = 41) -> list[str]:
    generator = random.Random(f"text {seed}")
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 13))) for _ in range(sentences)]


REFERENCES = text(1)


def translation(quality: float, seed: int) -> list[str]:
    """The references with each word kept with a probability; seeds 0 and 1 of one quality differ as trainings do."""
    generator = random.Random(f"translation {seed}")
    lines = [line.split() for line in REFERENCES]
    return [" ".join(w if generator.random() < quality else generator.choice(WORDS) for w in line) for line in lines]


def counted(runs, metric="BLEU", references=REFERENCES, **options):
    return count_segments(hypotheses=runs, references=[references], metric=metric, **options)


def sacrebleu_scorers(lowercase=False):
    return {
        "BLEU": sacrebleu.BLEU(lowercase=lowercase, force=True),
        "chrF2++": sacrebleu.CHRF(word_order=2, lowercase=lowercase),
    }


# ---------------------------------------------------------------------------------------------------- values, intervals


def test_spread_by_hand():
    assert seed_statistics([1.0, 2.0, 6.0]) == SeedStatistics(mean=3.0, deviation=math.sqrt((4 + 1 + 9) / 2), count=3)
    assert seed_statistics([37.5]) == SeedStatistics(mean=37.5, deviation=None, count=1)
    assert seed_statistics([0.1, 0.1, 0.1]).deviation == 0
    with pytest.raises(InputError, match="no run is finished"):
        seed_statistics([])


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sets", [[REFERENCES], [REFERENCES, text(2)]], ids=["one set", "two sets"])
def test_scores_and_intervals_are_those_of_the_metrics(metric, sets, lowercase):
    lines = [line.upper() if number % 5 == 0 else line for number, line in enumerate(translation(0.7, 0))]
    (want,) = evaluate(hypotheses=lines, references=sets, metrics=[metric], samples=SAMPLES, lowercase=lowercase)
    (run,) = count_segments(hypotheses=[lines], references=sets, metric=metric, lowercase=lowercase)
    got = interval(run, SAMPLES)
    assert (run.score, got.value) == (want.value, want.value)
    assert (got.low, got.high) == pytest.approx((want.low, want.high), rel=1e-7)
    assert got.low < got.value < got.high


def test_tokenizer_counts():
    lines = ["红苹果在桌子上面"]
    (run,) = count_segments(hypotheses=[lines], references=[lines], tokenize="zh")
    assert run.score == 100
    assert count_segments(hypotheses=[lines], references=[lines], tokenize="13a")[0].score == 0  # one word, of no four


def test_intervals_are_cut_to_the_scale():
    """Pitfall: a perfect translation scores 100.00000000000004 in sacreBLEU."""
    for metric in METRICS:
        found = interval(counted([REFERENCES], metric)[0], SAMPLES)
        assert (found.low, found.value, found.high) == (100, 100, 100)
    blank = interval(counted([[""] * len(REFERENCES)])[0], SAMPLES)
    assert (blank.low, blank.value, blank.high) == (0, 0, 0)


def test_part_of_a_run_scores_as_that_part_alone():
    lines, chosen = translation(0.6, 3), [0, 2, 3, 7, 11, 40]
    (run,) = counted([lines], "chrF2++")
    alone = counted([[lines[i] for i in chosen]], "chrF2++", [REFERENCES[i] for i in chosen])[0]
    assert run.take(chosen).score == alone.score != run.score


def test_seed_of_the_draws_is_sacrebleus(monkeypatch):
    usual = draw_resamples(17, 5), draw_swaps(17, 5)
    assert (usual[0].sum(axis=1) == 17).all()
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert all(
        (one != other).any() for one, other in zip(usual, (draw_resamples(17, 5), draw_swaps(17, 5)), strict=True)
    )
    monkeypatch.setenv("SACREBLEU_SEED", "0")
    with pytest.raises(InputError, match="SACREBLEU_SEED = '0'"):
        draw_resamples(17, 5)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_proportion_is_wilsons(case):
    """Wilson (1927): the shares p with |k/n - p| = z sqrt(p (1 - p) / n)."""
    successes, trials = case
    z = scipy.stats.norm.ppf(0.975)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    found = proportion(successes, trials)
    assert found.value == share
    assert (found.low, found.high) == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=1e-12)


def test_exact_matches():
    hypotheses = ["a b", "a  b ", "A b", "x", ""]
    sets = [["a b", "a b", "a b", "y", "z"], ["c", "c", "c", "x", "z"]]
    assert exact_matches(hypotheses=hypotheses, references=sets) == [True, True, False, True, False]


# --------------------------------------------------------------------------------------------------------- paired tests


def paired_bootstrap(baseline, system, samples):
    times = draw_resamples(len(baseline[0].counts), samples)
    means = [np.mean([run.score_resamples(times) for run in runs], axis=0) for runs in (baseline, system)]
    difference = np.mean([run.score for run in system]) - np.mean([run.score for run in baseline])
    return statistics.paired_bootstrap(*means, difference)


def paired_randomisation(baseline, system, samples):
    return statistics.paired_randomisation(baseline, system, draw_swaps(len(baseline[0].counts), samples))


@pytest.mark.parametrize(("kind", "test"), [("bs", paired_bootstrap), ("ar", paired_randomisation)])
@pytest.mark.parametrize("qualities", [(0.6, 0.6), (0.6, 0.63), (0.7, 0.6), (0.5, 0.9)])
@pytest.mark.parametrize("seed", ["12345", "99"])
def test_one_seed_each_gives_sacrebleus_p(kind, test, qualities, seed, monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    before, after = translation(qualities[0], 0), translation(qualities[1], 1)
    named = [("baseline", before), ("system", after)]
    _, want = PairedTest(named, sacrebleu_scorers(), [REFERENCES], test_type=kind, n_samples=SAMPLES)()
    for metric in METRICS:
        baseline, system = counted([before, after], metric)
        assert test([baseline], [system], SAMPLES) == want[metric][1].p_value


@pytest.mark.parametrize("test", [paired_bootstrap, paired_randomisation])
def test_copies_of_one_seed_say_what_one_says(test):
    before, after = counted([translation(0.6, 0), translation(0.66, 1)])
    one = test([before], [after], SAMPLES)
    assert test([before] * 3, [after] * 3, SAMPLES) == one
    assert test([before] * 2, [after] * 3, SAMPLES) == one
    assert 1 / (SAMPLES + 1) < one < 1


@pytest.mark.parametrize("test", [paired_bootstrap, paired_randomisation])
def test_system_against_itself_is_no_finding(test):
    runs = counted([translation(0.6, seed) for seed in range(3)])
    assert test(runs[:1], runs[:1], SAMPLES) == 1
    assert test(runs, [runs[2], runs[0], runs[1]], SAMPLES) == 1


@pytest.mark.parametrize("differing", [1, 2, 4])
def test_few_sentences_that_differ_are_no_finding(differing):
    """All of them better: as a sign test has it, and not as if trials that find the difference again were none."""
    for start in range(3):
        before = [translation(0.6, seed)[:5] for seed in range(start, start + 3)]
        after = [[*lines[: 5 - differing], *REFERENCES[5 - differing : 5]] for lines in before]
        baseline, system = (counted(runs, references=REFERENCES[:5]) for runs in (before, after))
        assert paired_randomisation(baseline, system, SAMPLES) == pytest.approx(2 * 0.5**differing, abs=0.08)


def by_hand(lines):
    return sacrebleu.corpus_bleu(lines, [REFERENCES[: len(lines)]], force=True).score


@pytest.mark.parametrize("seeds", [1, 2])
def test_randomisation_of_several_seeds_by_hand(seeds):
    """Every sentence swaps for all seeds together; the statistic is the difference of the mean corpus scores.

    A single seed meets every seed of the other system.
    """
    one = [translation(0.6, seed)[:11] for seed in range(seeds)]
    other = [translation(0.75, seed)[:11] for seed in range(2, 4)]
    gaps = []
    for keep in draw_swaps(11, SAMPLES):
        gap = 0.0
        for a, b in zip(one * (2 // seeds), other, strict=True):
            first = [x if kept else y for x, y, kept in zip(a, b, keep, strict=True)]
            second = [y if kept else x for x, y, kept in zip(a, b, keep, strict=True)]
            gap += by_hand(first) - by_hand(second)
        gaps.append(abs(gap / 2))
    found = abs(np.mean([by_hand(b) for b in other]) - np.mean([by_hand(a) for a in one]))
    want = (sum(gap > found - 1e-9 for gap in gaps) + 1) / (SAMPLES + 1)
    baseline, system = (counted(runs, references=REFERENCES[:11]) for runs in (one, other))
    assert paired_randomisation(baseline, system, SAMPLES) == want
    assert 2 / (SAMPLES + 1) < want < 0.9


def test_bootstrap_of_several_seeds_by_hand():
    one = [translation(0.6, seed)[:11] for seed in range(3)]
    other = [translation(0.66, seed)[:11] for seed in range(3, 5)]
    gaps = []
    for times in draw_resamples(11, SAMPLES).astype(int):
        chosen = np.repeat(np.arange(11), times)
        references = [REFERENCES[i] for i in chosen]
        means = [
            np.mean([sacrebleu.corpus_bleu([run[i] for i in chosen], [references], force=True).score for run in runs])
            for runs in (one, other)
        ]
        gaps.append(abs(means[1] - means[0]))
    found = abs(np.mean([by_hand(b) for b in other]) - np.mean([by_hand(a) for a in one]))
    want = (np.sum(np.array(gaps) - np.mean(gaps) > found) + 1) / (SAMPLES + 1)
    baseline, system = (counted(runs, references=REFERENCES[:11]) for runs in (one, other))
    assert paired_bootstrap(baseline, system, SAMPLES) == pytest.approx(want, abs=1e-12)
    assert 2 / (SAMPLES + 1) < want < 0.9


def test_seeds_welch():
    one, other = [37.1, 38.0, 36.2, 37.7], [38.9, 38.4, 39.6]
    want = scipy.stats.ttest_ind(other, one, equal_var=False).pvalue
    assert p_over_seeds(seed_statistics(one), seed_statistics(other)) == pytest.approx(want, rel=1e-9)
    assert want != pytest.approx(scipy.stats.ttest_ind(other, one).pvalue, rel=0.01)


def test_seeds_that_cannot_speak():
    several, same, single = seed_statistics([1.0, 2.0]), seed_statistics([0.1, 0.1, 0.1]), seed_statistics([1.0])
    assert p_over_seeds(single, several) is None
    assert p_over_seeds(several, single) is None
    assert p_over_seeds(single, single) is None
    assert p_over_seeds(single, same) is None
    assert p_over_seeds(same, same) is None
    assert 0 < p_over_seeds(same, several) < 1


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.022, 0.5 times 4, 3, 2, 1: 0.04, 0.06, 0.044 (raised to 0.06), 0.5."""
    assert holm([0.022, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.3, 0.9]) == pytest.approx([0.6, 0.9])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=11), st.randoms(use_true_random=False))
def test_holm_properties(p_values, generator):
    corrected = holm(p_values)
    for (p, q), (other_p, other_q) in itertools.combinations(zip(p_values, corrected, strict=True), 2):
        assert (q <= other_q) if p <= other_p else (q >= other_q)
    assert all(p <= q <= min(1, len(p_values) * p) for p, q in zip(p_values, corrected, strict=True))
    order = list(range(len(p_values)))
    generator.shuffle(order)
    assert holm([p_values[place] for place in order]) == [corrected[place] for place in order]


# ------------------------------------------------------------------------------------------------------------ contrasts

GRID = {
    "additive": [translation(0.72, seed) for seed in (0, 1, 2)],
    "dot": [translation(0.45, seed) for seed in (3, 4, 5)],
    "bilinear": [translation(0.74, seed) for seed in (6, 7, 8)],
    "twin": [translation(0.72, seed) for seed in (0, 1, 2)],
}


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Contrast]:
    list_ = contrasts(GRID, references=[REFERENCES], baseline="additive", test="short", samples=SAMPLES)
    assert [(each.metric, each.system) for each in list_] == list(
        itertools.product(METRICS, ["dot", "bilinear", "twin"])
    )
    return {(each.metric, each.system): each for each in list_}


@pytest.mark.parametrize("metric", METRICS)
def test_contrasts_put_the_tests_together(found, metric):
    family = [each for each in found.values() if each.metric == metric]
    baseline = counted(GRID["additive"], metric)
    for each in family:
        system = counted(GRID[each.system], metric)
        by_seed = [seed_statistics([run.score for run in runs]) for runs in (baseline, system)]
        assert (each.test, each.baseline) == ("short", "additive")
        assert each.difference == pytest.approx(by_seed[1].mean - by_seed[0].mean, abs=1e-9)
        assert each.p_bootstrap == paired_bootstrap(baseline, system, SAMPLES)
        assert each.p_randomisation == paired_randomisation(baseline, system, SAMPLES)
        assert each.p_seeds == p_over_seeds(*by_seed)
    worst = [max(each.p_bootstrap, each.p_randomisation, each.p_seeds) for each in family]
    assert [each.p_corrected for each in family] == holm(worst)


UNEQUAL = {"additive": [translation(q, 0) for q in (0.5, 0.8)], "dot": [translation(q, 1) for q in (0.8, 0.95)]}
ONE_SENTENCE = {"additive": GRID["additive"][:1], "dot": [[*GRID["additive"][0][:40], GRID["dot"][0][40]]]}
NEAR = {"additive": GRID["additive"][:1], "dot": [translation(0.7, 9)]}


FEW = ", more than the choice of test sentences explains, but so few seeds cannot tell it from the variation between "
NOISE = ": the difference cannot be told from noise (p = "


@pytest.mark.parametrize(
    ("systems", "largest", "finding"),
    [(UNEQUAL, "p_seeds", FEW), (ONE_SENTENCE, "p_randomisation", NOISE), (NEAR, "p_randomisation", NOISE)],
)
def test_the_largest_p_counts(systems, largest, finding):
    each = contrasts(systems, references=[REFERENCES], baseline="additive", test="short", samples=SAMPLES)[0]
    others = {each.p_bootstrap, each.p_randomisation, each.p_seeds or 0} - {getattr(each, largest)}
    assert each.p_corrected == getattr(each, largest) > max(others)
    assert each.p_corrected > 0.05
    assert finding in each.verdict


@pytest.mark.parametrize(("quality", "p", "finding"), [(0.61, 0.045, ", more than"), (0.57, 0.065, ": the difference")])
def test_the_level_is_a_twentieth(quality, p, finding):
    each = contrasts(
        {"additive": GRID["additive"][:1], "dot": [translation(quality, 9)]},
        references=[REFERENCES],
        baseline="additive",
        test="short",
        samples=SAMPLES,
    )[0]
    assert each.p_corrected == p
    assert f"one seed each){finding}" in each.verdict
    assert f"(p = {p})" in each.verdict


def test_order_of_the_seeds_moves_no_difference(found):
    turned = {name: runs[::-1] for name, runs in GRID.items()}
    for each in contrasts(turned, references=[REFERENCES], baseline="additive", test="short", samples=SAMPLES):
        assert each == found[each.metric, each.system]


def said(systems, **options):
    options = {"baseline": "additive", "test": "short", "references": [REFERENCES], "samples": SAMPLES} | options
    return {each.system: each.verdict for each in contrasts(systems, **options) if each.metric == "BLEU"}


def test_verdicts_of_several_seeds(found):
    dot, bilinear, twin = (found["BLEU", name] for name in ("dot", "bilinear", "twin"))
    base, own = (np.mean([run.score for run in counted(GRID[name])]) for name in ("additive", "dot"))
    assert dot.p_corrected < 0.05 < bilinear.p_corrected
    assert dot.verdict == (
        f"dot scores {base - own:.1f} BLEU below additive ({own:.1f} against {base:.1f}, 3 seeds each), more than "
        f"chance explains (p = {dot.p_corrected:.2g} after correction for 3 comparisons)."
    )
    assert bilinear.verdict.endswith(
        f"3 seeds each): the difference cannot be told from noise (p = {bilinear.p_corrected:.2g} after correction for "
        "3 comparisons)."
    )
    assert f"{'above' if bilinear.difference > 0 else 'below'} additive" in bilinear.verdict
    assert twin.verdict == (
        f"twin scores within 0.1 BLEU of additive ({base:.1f} against {base:.1f}, 3 seeds each): the difference cannot "
        "be told from noise (p = 1 after correction for 3 comparisons)."
    )
    assert found["chrF2++", "dot"].verdict.startswith(
        f"dot scores {-found['chrF2++', 'dot'].difference:.1f} chrF2++ below"
    )


def test_one_seed_cannot_speak_for_training():
    verdict = said({"additive": GRID["dot"][:1], "bilinear": GRID["bilinear"][:1]})["bilinear"]
    assert "above additive" in verdict
    assert "one seed each), more than the choice of test sentences explains (p = 0.005); one seed cannot" in verdict
    assert verdict.endswith("; one seed cannot speak for the variation between trainings.")
    mixed = said({"additive": GRID["additive"], "bilinear": GRID["bilinear"][:1]})["bilinear"]
    assert "one seed against 3): the difference cannot be told from noise (p = " in mixed
    assert mixed.endswith("; one seed cannot speak for the variation between trainings.")
    assert "3 seeds against 1)" in said({"additive": GRID["additive"][:1], "dot": GRID["dot"]})["dot"]


def test_smallest_p_is_no_zero():
    systems = {"additive": [REFERENCES], "dot": [[""] * len(REFERENCES)]}
    assert "(p < 0.001)" in said(systems, samples=2000)["dot"]


def test_contrasts_refuse():
    with pytest.raises(InputError, match=r"the baseline 'aditive' is none of the systems; .*additive"):
        said(GRID, baseline="aditive")
    with pytest.raises(InputError, match="dot: no run is finished"):
        said(GRID | {"dot": []})
    with pytest.raises(InputError, match=r"hypotheses of run 3 .* differ in length: 40 and 41 lines"):
        said({"additive": [REFERENCES, REFERENCES], "dot": [REFERENCES[1:]]})
    assert said({"additive": GRID["additive"]}) == {}
