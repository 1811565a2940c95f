"""BLEU, chrF and TER by sacreBLEU, with its pitfalls turned into errors and notes.

Everything here works on detokenised text, as people read it. A number never travels without its signature: what was
counted, with which tokenizer and case, by which version, and, for intervals, with how many resamples and which seed.

sacreBLEU's own seed (12345, or the environment variable SACREBLEU_SEED) drives every bootstrap, so the same text gives
the same intervals and p-values as sacreBLEU's command line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sacrebleu.significance import PairedTest, Result

from seq2seq.metrics.metric import METRICS, Rules
from seq2seq.metrics.references import Lines
from seq2seq.metrics.scorers import clip_score, interval_ends, make_scorer, resampling_seed, with_python_floats
from seq2seq.metrics.scoring_rules import check_texts, leave_out_ter, score_notes

DEFAULT_METRICS = ("BLEU", "chrF2++", "TER")

SIGNIFICANCE_LEVEL = 0.05
FEW = 10  # differing sentences; with fewer the bootstrap's p is too small


@dataclass(frozen=True, slots=True)
class Metric:
    """One corpus-level score, on sacreBLEU's scale (BLEU and chrF: 0 to 100; TER: 0 and up).

    low and high bound the 95 % confidence interval: the mean over bootstrap resamples of the sentences, minus and plus
    half the width of the resamples' middle 95 % (what sacreBLEU prints as μ ± ...), clipped to the scale; None without
    an interval. notes: whole sentences on why the value may not mean what it seems to mean.
    """

    name: str
    value: float
    signature: str
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower value is the better one, as for TER."""
        return METRICS[self.name].lower_is_better


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """A system against a baseline on the same sentences.

    p_value: how often resampling the sentences alone makes a gap this large (paired bootstrap, Koehn 2004, as sacreBLEU
    computes it). It knows nothing of training: two runs of one system differ by 0.3 to 0.5 BLEU as well, which only
    several seeds can show.
    """

    name: str
    baseline: Metric
    system: Metric
    p_value: float

    @property
    def signature(self) -> str:
        """The signature of the metric."""
        return self.system.signature

    @property
    def difference(self) -> float:
        """The system's score minus the baseline's; the metric decides whether that is good."""
        return self.system.value - self.baseline.value

    @property
    def significant(self) -> bool:
        """Whether the p-value is below SIGNIFICANCE_LEVEL."""
        return self.p_value < SIGNIFICANCE_LEVEL

    @property
    def sentence(self) -> str:
        """The result in words."""
        scores = f"{self.name}: {self.system.value:.2f} against the baseline's {self.baseline.value:.2f}"
        if self.difference == 0:
            return f"{scores}: no difference."
        word = "better" if (self.difference < 0) == self.system.lower_is_better else "worse"
        verdict = "hardly explains" if self.significant else "may well explain"
        gap = f"{self.difference:+.2f}, {word}; p = {self.p_value:.4f}"
        return f"{scores} ({gap}): the choice of test sentences {verdict} the gap."


def evaluate(
    *,
    hypotheses: Sequence[str],
    references: Sequence[Lines],
    tokenize: str | None = None,
    lowercase: bool = False,
    confidence: bool = True,
    samples: int = 1000,
    metrics: Collection[str] = DEFAULT_METRICS,
) -> list[Metric]:
    """Score detokenised hypotheses against one or more reference sets; references[k][i] belongs to hypotheses[i].

    A blank line, or None, is not a reference: of several sets, the others count for that sentence, which a note says.
    tokenize is BLEU's tokenizer (None: one that fits the script of the references, as `choose_tokenizer` judges it).
    TER counts the characters of Chinese and Japanese, for want of spaces. lowercase holds for all metrics: TER is cased
    here unless asked otherwise, against sacreBLEU's default. confidence adds intervals from `samples` bootstrap
    resamples; they take memory in proportion to sentences times samples.

    BLEU is 0 where no hypothesis has four tokens, however good (it counts sequences of four): the value stays as
    sacreBLEU gives it, and a note says so. TER is left out, and a note says so, where a line has more than 1,000 words.
    Raises InputError for empty or unequal inputs, a sentence without a reference, lines of more than 100,000
    characters, text in subword pieces and unknown names; Seq2SeqError for a tokenizer that cannot be loaded.
    """
    rules = check_texts(tokenize, metrics, {"hypotheses": hypotheses}, references)
    if confidence:
        resampling_seed(samples)
    metrics, left_out = leave_out_ter(rules, metrics, {"hypotheses": hypotheses}, references)
    found = [
        _score(name, rules, lowercase, hypotheses, samples if confidence else None) for name in dict.fromkeys(metrics)
    ]
    return [replace(metric, notes=(*metric.notes, *left_out)) for metric in found]


def bleu(
    *,
    hypotheses: Sequence[str],
    references: Sequence[Lines],
    tokenize: str | None = None,
    lowercase: bool = False,
) -> Metric:
    """Return BLEU alone, without an interval, as validation during training needs it; arguments as in `evaluate`."""
    options: dict[str, Any] = {"tokenize": tokenize, "lowercase": lowercase, "confidence": False, "metrics": ["BLEU"]}
    return evaluate(hypotheses=hypotheses, references=references, **options)[0]


def compare_paired(
    *,
    baseline: Sequence[str],
    system: Sequence[str],
    references: Sequence[Lines],
    tokenize: str | None = None,
    lowercase: bool = False,
    samples: int = 1000,
    metrics: Collection[str] = DEFAULT_METRICS,
) -> list[PairedComparison]:
    """Test whether the system is better than the baseline beyond the choice of test sentences.

    The numbers are those of sacreBLEU's paired bootstrap, with one exception: equal scores get p = 1, where sacreBLEU
    finds 1 / (samples + 1), a significant result, for a system compared with itself. Other arguments as in `evaluate`.
    """
    rules = check_texts(tokenize, metrics, {"baseline": baseline, "system": system}, references)
    resampling_seed(samples)
    metrics, left_out = leave_out_ter(rules, metrics, {"baseline": baseline, "system": system}, references)
    scorers = {name: make_scorer(name, rules, lowercase) for name in metrics}
    systems = [("baseline", baseline), ("system", system)]
    references = cast(list[list[str]], rules.references)  # sacreBLEU accepts None for a missing one
    signatures, results = PairedTest(systems, scorers, references, test_type="bs", n_samples=samples)()
    comparisons, few = list[PairedComparison](), tuple(_note_on_few(baseline, system))
    for name, scorer in scorers.items():
        before, after = cast(list[Result], results[name])
        signature = signatures[name].format()
        comparisons.append(
            PairedComparison(
                name,
                _result_metric(name, before, signature, (*score_notes(scorer, rules, baseline), *left_out)),
                _result_metric(name, after, signature, (*score_notes(scorer, rules, system), *few, *left_out)),
                p_value=1.0 if before.score == after.score else float(after.p_value or 0.0),
            )
        )
    return comparisons


def _note_on_few(baseline: Sequence[str], system: Sequence[str]) -> Iterator[str]:
    """Yield a note that p is too small where few sentences differ.

    Of four sentences that differ, all better, a sign test has p = 0.125, this bootstrap 0.04.
    """
    differing = sum(one != other for one, other in zip(baseline, system, strict=True))
    if 0 < differing < FEW:
        differ = f"the two systems differ in {differing:,} of {len(system):,} sentences"
        yield f"{differ}: of so few the bootstrap's p is too small."


def _result_metric(name: str, result: Result, signature: str, notes: tuple[str, ...]) -> Metric:
    low, high = interval_ends(name, result.mean, result.ci)
    return Metric(name, clip_score(name, result.score), signature, low, high, notes)


def _score(
    name: str,
    rules: Rules,
    lowercase: bool,
    hypotheses: Sequence[str],
    samples: int | None,
) -> Metric:
    scorer = with_python_floats(make_scorer(name, rules, lowercase))
    score = scorer.corpus_score(hypotheses, rules.references, n_bootstrap=samples or 1)
    # sacreBLEU keeps mean and half width in private fields, and publishes them only rounded, in its JSON.
    low, high = interval_ends(name, score._mean, score._ci) if samples else (None, None)
    notes = score_notes(scorer, rules, hypotheses)
    return Metric(name, clip_score(name, score.score), scorer.get_signature().format(), low, high, notes)
