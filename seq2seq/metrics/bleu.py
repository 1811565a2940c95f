"""BLEU, chrF and TER by sacreBLEU, with its traps turned into our errors and notes.

Everything here works on detokenised text, as people read it. A number never travels without its signature: what was
counted, with which tokenizer and case, by which version, and, for intervals, with how many resamples and which seed.

sacreBLEU's own seed (12345, or the environment variable SACREBLEU_SEED) drives every bootstrap, so the same text gives
the same intervals and p-values as sacreBLEU's command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sacrebleu import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest, Result

from seq2seq.errors import InputError, nearest
from seq2seq.metrics.bleu_tokenizer import TOKENIZERS, detect_writing, make_bleu, tokenizer_for_writing
from seq2seq.metrics.references import Lines, blanks_to_none, notes_on_blanks
from seq2seq.text.normalisation import is_decomposed

METRICS = ("BLEU", "chrF2", "chrF2++", "TER")
DEFAULT_METRICS = ("BLEU", "chrF2++", "TER")

SIGNIFICANCE_LEVEL = 0.05
FEW = 10  # sentences that differ, of which a bootstrap says more than a sign test would
# sacreBLEU counts every n-gram of a line (30 MB for chrF2++ of 100,000 characters), and for TER keeps a row of edits
# for every word of it (136 MB and half a minute for 1,000 words against 1,000 quite different ones; 6 GB for 20,000).
LONGEST_LINE = 100_000  # characters
LONGEST_EDITED = 1000  # words
# From this share of the lines on, pieces or detached full stops are the form of a text and no accident.
_SHARE = 0.1
_PIECE = re.compile(r"▁|@@(?: |$)")


@dataclass(frozen=True, slots=True)
class Metric:
    """One corpus-level score, on sacreBLEU's scale (BLEU and chrF: 0 to 100; TER: 0 and up).

    low and high bound the 95 % confidence interval: the mean over bootstrap resamples of the sentences, minus and plus
    half the width of the resamples' middle 95 % (what sacreBLEU prints as μ ± ...), cut where the scale ends.
    None: not asked for. notes say, in whole sentences, why the value may not mean what it seems to mean.
    """

    name: str
    value: float
    signature: str
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def lower_is_better(self) -> bool:
        return self.name == "TER"


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """One score per sentence. They rank and group sentences; their mean is not the corpus score."""

    name: str
    values: tuple[float, ...]
    signature: str


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
        return self.system.signature

    @property
    def difference(self) -> float:
        """System minus baseline; whether that is good depends on the metric."""
        return self.system.value - self.baseline.value

    @property
    def significant(self) -> bool:
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


@dataclass(frozen=True, slots=True)
class Rules:
    """How a score is counted, after checks: BLEU's tokenizer, and the references with None for a blank line.

    spaced: whether spaces separate the words of the references. notes: on the choices made for the user.
    """

    tokenize: str
    references: Sequence[Lines]
    spaced: bool
    ideographic: bool
    notes: tuple[str, ...]


def evaluate(
    *,
    hypotheses: Sequence[str],
    references: Sequence[Lines],
    tokenize: str | None = None,
    lowercase: bool = False,
    confidence: bool = True,
    samples: int = 1000,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[Metric]:
    """Score detokenised hypotheses against one or more reference sets; references[k][i] belongs to hypotheses[i].

    A blank line, or None, is no reference: of several sets, the others count for that sentence, which a note says.
    tokenize is BLEU's tokenizer (None: one that fits the script of the references, as `choose_tokenizer` judges it).
    TER counts the characters of Chinese and Japanese, for want of spaces. lowercase holds for all metrics: TER is
    cased here unless asked otherwise, against sacreBLEU's default. confidence adds intervals from `samples` bootstrap
    resamples; they take memory in proportion to sentences times samples.

    BLEU is 0 where no hypothesis has four tokens, however good (it counts sequences of four): the value stays as
    sacreBLEU gives it, and a note says so. TER is left out, and a note says so, where a line has more than 1,000 words.
    Raises InputError for empty or unequal inputs, a sentence without a reference, lines of more than 100,000
    characters, text in subword pieces and unknown names; Seq2SeqError for a tokenizer that cannot be loaded.
    """
    rules = check_texts(tokenize, metrics, {"hypotheses": hypotheses}, references)
    if confidence:
        resampling_seed(samples)
    metrics, left_out = _without_endless_edits(rules, metrics, {"hypotheses": hypotheses}, references)
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
    """BLEU alone, without an interval: for validation during training. Arguments as in `evaluate`."""
    options: dict[str, Any] = {"tokenize": tokenize, "lowercase": lowercase, "confidence": False, "metrics": ["BLEU"]}
    return evaluate(hypotheses=hypotheses, references=references, **options)[0]


def sentence_scores(
    *,
    hypotheses: Sequence[str],
    references: Sequence[Lines],
    metric: str = "chrF2++",
    tokenize: str | None = None,
    lowercase: bool = False,
) -> SentenceScores:
    """Score each sentence by itself; BLEU then counts no longer n-grams than the sentence has (eff:yes).

    Other arguments and errors as in `evaluate`.
    """
    rules = check_texts(tokenize, [metric], {"hypotheses": hypotheses}, references)
    _without_endless_edits(rules, [metric], {"hypotheses": hypotheses}, references)
    scorer = make_scorer(metric, rules, lowercase, effective_order=True)
    rows = zip(hypotheses, zip(*rules.references, strict=True), strict=True)
    values = tuple(on_scale(metric, scorer.sentence_score(hypothesis, list(row)).score) for hypothesis, row in rows)
    return SentenceScores(metric, values, scorer.get_signature().format())


def compare_paired(
    *,
    baseline: Sequence[str],
    system: Sequence[str],
    references: Sequence[Lines],
    tokenize: str | None = None,
    lowercase: bool = False,
    samples: int = 1000,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[PairedComparison]:
    """Is the system better than the baseline, beyond the choice of test sentences? Other arguments as in `evaluate`.

    The numbers are those of sacreBLEU's paired bootstrap, but for one: equal scores get p = 1, where sacreBLEU finds
    1 / (samples + 1), a significant result, for a system compared with itself.
    """
    rules = check_texts(tokenize, metrics, {"baseline": baseline, "system": system}, references)
    resampling_seed(samples)
    metrics, left_out = _without_endless_edits(rules, metrics, {"baseline": baseline, "system": system}, references)
    scorers = {name: make_scorer(name, rules, lowercase) for name in metrics}
    systems = [("baseline", baseline), ("system", system)]
    references = cast(list[list[str]], rules.references)  # None for a missing one is allowed
    signatures, results = PairedTest(systems, scorers, references, test_type="bs", n_samples=samples)()
    comparisons, few = list[PairedComparison](), tuple(_note_on_few(baseline, system))
    for name, scorer in scorers.items():
        before, after = cast(list[Result], results[name])
        signature = signatures[name].format()
        comparisons.append(
            PairedComparison(
                name,
                _result_metric(name, before, signature, (*_notes(scorer, rules, baseline), *left_out)),
                _result_metric(name, after, signature, (*_notes(scorer, rules, system), *few, *left_out)),
                p_value=1.0 if before.score == after.score else float(after.p_value or 0.0),
            )
        )
    return comparisons


def _note_on_few(baseline: Sequence[str], system: Sequence[str]) -> Iterator[str]:
    """That p is too small, where it is: of four sentences that differ, all better, a sign test has 0.125, this 0.04."""
    differing = sum(one != other for one, other in zip(baseline, system, strict=True))
    if 0 < differing < FEW:
        differ = f"the two systems differ in {differing:,} of {len(system):,} sentences"
        yield f"{differ}: of so few the bootstrap's p is too small."


def _result_metric(name: str, result: Result, signature: str, notes: tuple[str, ...]) -> Metric:
    low, high = interval_ends(name, result.mean, result.ci)
    return Metric(name, on_scale(name, result.score), signature, low, high, notes)


def _score(
    name: str,
    rules: Rules,
    lowercase: bool,
    hypotheses: Sequence[str],
    samples: int | None,
) -> Metric:
    scorer = _plain(make_scorer(name, rules, lowercase))
    score = scorer.corpus_score(hypotheses, rules.references, n_bootstrap=samples or 1)
    # sacreBLEU keeps mean and half width in private fields, and publishes them only rounded, in its JSON.
    low, high = interval_ends(name, score._mean, score._ci) if samples else (None, None)
    notes = _notes(scorer, rules, hypotheses)
    return Metric(name, on_scale(name, score.score), scorer.get_signature().format(), low, high, notes)


def _plain(scorer: Any) -> Any:
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


def interval_ends(name: str, mean: Any, half_width: Any) -> tuple[float, float]:
    """Low and high, from what sacreBLEU prints as μ ± half width."""
    return on_scale(name, mean - half_width), on_scale(name, mean + half_width)


def on_scale(name: str, value: float) -> float:
    """Cut at 0, and for BLEU and chrF at 100: rounding makes 100.00000000000004 of a perfect BLEU."""
    value = max(0.0, float(value))
    return value if name == "TER" else min(value, 100.0)


def make_scorer(name: str, rules: Rules, lowercase: bool, effective_order: bool = False) -> Any:
    """sacreBLEU's object for a metric; failures to load a tokenizer (a missing package or download) as Seq2SeqError."""
    if name == "TER":
        return TER(case_sensitive=not lowercase, normalized=rules.ideographic, asian_support=rules.ideographic)
    if name != "BLEU":
        return CHRF(word_order=name.count("+"), lowercase=lowercase)
    return make_bleu(rules.tokenize, lowercase=lowercase, effective_order=effective_order)


def check_texts(
    tokenize: str | None,
    metrics: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Lines],
) -> Rules:
    """Refuse what sacreBLEU would crash on or score as nonsense; say how the rest is counted."""
    for name in metrics:
        if name not in METRICS:
            raise InputError(f"unknown metric {name!r}; {nearest(name, METRICS)}")
    if not metrics:
        raise InputError(f"no metric to compute; allowed: {', '.join(METRICS)}")
    if tokenize is not None and tokenize not in TOKENIZERS:
        raise InputError(f"unknown BLEU tokenizer {tokenize!r}; {nearest(tokenize, TOKENIZERS)}")
    _check_lines(systems, references)
    lines = [line for each in references for line in each if line is not None]
    writing = detect_writing(lines)
    choice = None if tokenize else tokenizer_for_writing(writing)
    # The same model under its new name; sacreBLEU warns on standard error about the old one.
    name = choice.name if choice else {"spm": "flores101"}.get(str(tokenize), str(tokenize))
    return Rules(
        tokenize=name,
        references=blanks_to_none(references),
        spaced=writing != "unspaced",
        ideographic=writing in ("Chinese", "Japanese") or name in ("zh", "ja-mecab"),
        notes=(*notes_on_blanks(references), *([choice.note] if choice and choice.note else [])),
    )


def _without_endless_edits(
    rules: Rules, metrics: Sequence[str], systems: Mapping[str, Sequence[str]], references: Sequence[Lines]
) -> tuple[list[str], tuple[str, ...]]:
    """The metrics less TER where a line is too long for it, and a note of that. Raises InputError for TER alone."""
    if "TER" not in metrics:
        return list(metrics), ()
    texts: dict[str, Lines] = {**systems, **_named(references)}
    for label, lines in texts.items():
        for number, line in enumerate(lines, start=1):
            if line and len(line) > LONGEST_EDITED and (words := _edited(line, rules)) > LONGEST_EDITED:
                told = f"TER is left out: line {number} of {label} has {words:,} words, and TER is computed of up to "
                told += f"{LONGEST_EDITED:,}, for its memory and time grow with their square."
                if set(metrics) == {"TER"}:
                    raise InputError(told)
                return [name for name in metrics if name != "TER"], (told,)
    return list(metrics), ()


def _edited(line: str, rules: Rules) -> int:
    """How many words, or characters in a script without spaces, TER edits in a line."""
    return len("".join(line.split())) if rules.ideographic else len(line.split())


def refuse_long(label: str, lines: Lines) -> None:
    """Raise InputError for a line that is none: counting its n-grams could fill the memory."""
    for number, line in enumerate(lines, start=1):
        if line and len(line) > LONGEST_LINE:
            has = f"{label}, line {number}: {len(line):,} characters"
            raise InputError(f"{has}; a line is scored up to {LONGEST_LINE:,}: one sentence a line is needed")


def _named(references: Sequence[Lines]) -> dict[str, Lines]:
    return {f"reference set {number}": lines for number, lines in enumerate(references, start=1)}


def _check_lines(systems: Mapping[str, Sequence[str]], references: Sequence[Lines]) -> None:
    if any(isinstance(lines, str) for lines in references):
        raise InputError("references must be a list of reference sets, each a list of lines; for one set pass [lines]")
    if not references:
        raise InputError("no references: at least one set is needed")
    named_references = _named(references)
    for system, hypotheses in systems.items():
        if isinstance(hypotheses, str):
            raise InputError(f"{system} must be a list of lines, not one string")
        if not hypotheses:
            raise InputError(f"{system}: no lines, nothing to score")
        for label, lines in named_references.items():
            if len(lines) != len(hypotheses):
                raise InputError(f"{system} and {label} differ in length: {len(hypotheses)} and {len(lines)} lines")
    for label, lines in {**systems, **named_references}.items():
        refuse_long(label, lines)
        _refuse_pieces(label, lines)


def resampling_seed(samples: int) -> int | None:
    """The seed of every draw: sacreBLEU's, whole and positive, or None for a new draw each time. Raises InputError."""
    if samples < 2:
        raise InputError(f"samples = {samples}: a bootstrap takes at least 2 resamples; 1000 is usual")
    seed = os.environ.get("SACREBLEU_SEED", "12345")
    # sacreBLEU's paired test takes 0 for "no seed", and still writes seed:0 into the signature.
    if seed.lower() != "none" and not (seed.isdecimal() and int(seed) > 0):
        raise InputError(f"environment variable SACREBLEU_SEED = {seed!r}: a whole number from 1 on, or 'none'")
    return None if seed.lower() == "none" else int(seed)


def _refuse_pieces(label: str, lines: Lines) -> None:
    """BLEU over subword pieces is another and mostly higher number; nobody asks for it on purpose."""
    numbers = [number for number, line in enumerate(lines, start=1) if line and _PIECE.search(line)]
    if numbers and len(numbers) >= _SHARE * len(lines):
        raise InputError(
            f"{label}, line {numbers[0]}: subword pieces ('▁' or '@@'), as in {len(numbers)} of {len(lines)} lines: "
            f"{str(lines[numbers[0] - 1])[:40]!r}; decode them to plain text first"
        )


def _notes(scorer: Any, rules: Rules, hypotheses: Sequence[str]) -> tuple[str, ...]:
    """What a reader of this score must know."""
    notes = [*rules.notes, *_notes_on_parts(hypotheses, rules.references)]
    if isinstance(scorer, TER) and not rules.spaced:
        return (*notes, "TER takes what stands between spaces for words, which this script does not separate.")
    if not isinstance(scorer, BLEU):
        return tuple(notes)
    if all(len(scorer.tokenizer(line.rstrip()).split()) < scorer.max_ngram_order for line in hypotheses):
        notes.append("BLEU is 0 because no hypothesis has four tokens, and it counts sequences of four; read chrF2++.")
    if rules.tokenize != "none":
        for label, lines in [("hypotheses", hypotheses), *(("reference lines", lines) for lines in rules.references)]:
            detached = sum(line is not None and line.endswith(" .") for line in lines)
            if detached and detached >= _SHARE * len(lines):
                notes.append(
                    f"{detached} of {len(lines)} {label} end in ' .' and look tokenised: BLEU wants plain text, "
                    "or tokenize 'none' if both sides are tokenised alike."
                )
    return tuple(notes)


def _notes_on_parts(hypotheses: Lines, references: Sequence[Lines]) -> list[str]:
    """Sides that write the same letters in other code points, which sacreBLEU takes for other letters."""
    sides = [("hypotheses", hypotheses), *(("reference lines", lines) for lines in references)]
    counts = [sum(is_decomposed(line or "") for line in lines) for _, lines in sides]
    if all(counts):
        return []
    return [
        f"{count} of {len(lines)} {label} have letters in parts (Unicode's NFD), as the other side has not: they count "
        "as different; compose them (NFC)."
        for (label, lines), count in zip(sides, counts, strict=True)
        if count
    ]
