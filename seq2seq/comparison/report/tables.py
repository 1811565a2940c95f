"""The numbers of a comparison as tables of text, the same for every format of the report.

A cell is "mean ± standard deviation over the seeds", the mean alone for a single seed, and "–" if nothing was measured.
BLEU, chrF2++ and shares have two decimals, shares are in per cent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from seq2seq.comparison.results import AlignmentNumbers, Cost, Results, SeedStatistics, System

NONE = "–"

_UNMEASURED = Cost(
    training_tokens=None,
    training_peak=None,
    translation_sentences=None,
    training_spread=None,
    translation_spread=None,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title, and a note that explains its numbers.

    words: the number of columns at the left that hold words; the others hold numbers.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    words: int = 1


def number(value: float | None, decimals: int = 2, scale: float = 1.0) -> str:
    """Return scale * value with so many decimals and commas between thousands; "–" for None."""
    return NONE if value is None else f"{scale * value:,.{decimals}f}"


def plus_minus(value: SeedStatistics | None, decimals: int = 2, scale: float = 1.0) -> str:
    """Return "mean ± standard deviation", the mean alone for one seed, "–" for None."""
    if value is None:
        return NONE
    middle = number(value.mean, decimals, scale)
    return middle if value.deviation is None else f"{middle} ± {number(value.deviation, decimals, scale)}"


def probability(value: float | None) -> str:
    """Return a p-value with four decimals, "< 0.0001" if it is smaller, "–" for None."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def quality(results: Results) -> list[Table]:
    """Return a table of BLEU, chrF2++, perplexity and exact matches for each test."""
    columns = ["system", "seeds", "parameters", "BLEU", "chrF2++", "perplexity", "exact (%)"]
    tables = []
    for test in results.tests:
        rows = []
        for system in results.systems:
            found = system.summary.get(test)
            cells = [NONE] * 4
            if found is not None:
                cells = [plus_minus(found.bleu), plus_minus(found.chrf), plus_minus(found.perplexity, 3)]
                cells.append(plus_minus(found.exact, 2, 100))
            rows.append([system.name, str(found.bleu.count if found else 0), f"{system.parameters:,}", *cells])
        tables.append(Table(f"Quality on {test}", columns, rows, "Mean ± standard deviation over the seeds."))
    return tables


def contrasts(results: Results) -> list[Table]:
    """Return a table of differences and p-values for each test and metric."""
    columns = ["system", "difference", "p, bootstrap", "p, randomisation", "p, seeds", "p, corrected"]
    groups = dict.fromkeys((each.test, each.metric, each.baseline) for each in results.contrasts)
    note = (
        "Difference of the means over the seeds. Paired bootstrap and randomisation, Welch's t-test over the seeds; "
        "corrected: the largest of the three after Holm's correction for several comparisons."
    )
    return [
        Table(
            f"{metric} on {test} against {baseline}",
            columns,
            [
                [
                    each.system,
                    f"{each.difference:+.2f}",
                    *map(probability, (each.p_bootstrap, each.p_randomisation, each.p_seeds, each.p_corrected)),
                ]
                for each in results.contrasts
                if (each.test, each.metric, each.baseline) == (test, metric, baseline)
            ],
            note,
        )
        for test, metric, baseline in groups
    ]


def lengths(results: Results) -> list[Table]:
    """Return a table of BLEU and exact matches by source length for each test, means over the seeds."""
    tables = []
    for test in results.tests:
        tested = {each.name: [run.tests[test] for run in each.runs if test in run.tests] for each in results.systems}
        buckets = next((found[0].buckets for found in tested.values() if found), [])
        columns = ["system", "measure", *(f"{each.shortest}–{each.longest} words" for each in buckets)]
        rows = [["", "sentences", *(f"{each.sentences:,}" for each in buckets)]]
        for name, found in tested.items():
            places = list(zip(*(one.buckets for one in found), strict=True)) or [()] * len(buckets)
            bleu = [number(mean(each.bleu.value for each in place)) if place else NONE for place in places]
            exact = [number(mean(each.exact.value for each in place), 2, 100) if place else NONE for place in places]
            rows += [[name, "BLEU", *bleu], [name, "exact (%)", *exact]]
        if buckets:
            tables.append(Table(f"By source length on {test}", columns, rows, "Means over the seeds.", words=2))
    return tables


def noise(results: Results) -> list[Table]:
    """Return a table of BLEU at every rate of noise for each kind of noise, means and deviations over the seeds."""
    tables = []
    for kind in dict.fromkeys(kind for system in results.systems for kind in system.noise):
        found = {system.name: dict(system.noise.get(kind, [])) for system in results.systems}
        rates = sorted({rate for points in found.values() for rate in points})
        columns = ["system", *(f"BLEU at {100 * rate:.10g} %" for rate in rates)]
        rows = [[name, *(plus_minus(points.get(rate)) for rate in rates)] for name, points in found.items()]
        note = "Share of the source words that were changed; mean ± standard deviation over the seeds."
        tables.append(Table(f"Noise: {kind}", columns, rows, note))
    return tables


def alignment(results: Results) -> list[Table]:
    """Return a table of alignment error rate, precision, recall and F1 for each test with gold links.

    The weights of the step that predicts a piece and those of the next step (shifted) have a row each.
    """
    columns = ["system", "weights of", "AER (%)", "precision (%)", "recall (%)", "F1 (%)"]
    note = (
        "Forced attention against gold links. Step: the step that predicts a piece; shifted: the next one. AER: mean ± "
        "standard deviation over the seeds; the others: means."
    )
    tables = []
    for test in results.tests:
        rows = [row for system in results.systems for row in _alignment_rows(system, test)]
        if any(row[2] != NONE for row in rows):
            tables.append(Table(f"Alignment on {test}", columns, rows, note, words=2))
    return tables


def _alignment_rows(system: System, test: str) -> Iterator[list[str]]:
    aer = system.summary[test].aer if test in system.summary else {}
    for side in aer or ("step",):
        found = [run.tests[test].alignment[side] for run in system.runs if test in run.tests and aer]
        yield [system.name, side if aer else NONE, plus_minus(aer.get(side), 2, 100), *_rates(found)]


def _rates(found: Sequence[AlignmentNumbers]) -> Iterator[str]:
    for name in ("precision", "recall", "f1"):
        yield number(mean(getattr(each, name) for each in found), 2, 100) if found else NONE


def attention(results: Results) -> list[Table]:
    """Return a table of entropy, coverage and distance from the diagonal of the attention for each test."""
    columns = ["system", "entropy (nats)", "relative entropy", "coverage (%)", "distance from diagonal (%)"]
    note = (
        "Entropy per target piece; relative: divided by that of uniform weights, mean over the seeds. Coverage: source "
        "pieces whose weights sum to 0.5 or more. Distance from the diagonal as a share of the source's length."
    )
    tables = []
    for test in results.tests:
        rows = []
        for system in results.systems:
            found = system.summary.get(test)
            cells = [NONE] * 4
            if found is not None:
                relative = [run.tests[test].attention.relative_entropy for run in system.runs if test in run.tests]
                cells = [plus_minus(found.entropy, 3), number(mean(relative), 3) if relative else NONE]
                cells += [plus_minus(found.coverage, 2, 100), plus_minus(found.diagonal, 2, 100)]
            rows.append([system.name, *cells])
        tables.append(Table(f"Attention on {test}", columns, rows, note))
    return tables


def cost(results: Results) -> list[Table]:
    """Return the table of speed and memory; none if nothing was measured."""
    if all(system.cost is None for system in results.systems):
        return []
    columns = ["system", "training (target tokens/s)", "spread (%)", "peak memory (MiB)"]
    columns += ["translation (sentences/s)", "spread (%)"]
    rows = []
    for system in results.systems:
        found = system.cost or _UNMEASURED
        rows.append(
            [
                system.name,
                number(found.training_tokens, 0),
                number(found.training_spread, 1, 100),
                number(found.training_peak, 0, 1 / (1 << 20)),
                number(found.translation_sentences, 1),
                number(found.translation_spread, 1, 100),
            ]
        )
    machine = results.machine
    note = (
        f"Medians of interleaved repeats on {machine.processor} with {machine.threads} of {machine.cores} cores; "
        "spread: (largest - smallest) / median."
    )
    return [Table("Cost", columns, rows, note)]


def runs(results: Results) -> list[Table]:
    """Return the table of all runs behind the numbers: directory, seed, steps and minutes of training."""
    columns = ["system", "directory", "seed", "step kept", "steps", "minutes"]
    rows = [
        [
            system.name,
            run.directory,
            str(run.seed),
            f"{run.step:,}",
            f"{run.steps:,}",
            number(run.seconds, 1, 1 / 60),
        ]
        for system in results.systems
        for run in system.runs
    ]
    return [Table("Runs", columns, rows, "Minutes of training, validation included.", words=2)]
