"""Invented results of a comparison, with everything that a report must handle, or with as little as possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from statistics import mean, stdev

import numpy as np

from seq2seq.comparison.results import (
    AlignmentNumbers,
    AttentionNumbers,
    Bucket,
    Contrast,
    Cost,
    CurvePoint,
    Example,
    ExampleRow,
    Interval,
    Machine,
    NoisePoint,
    Results,
    RunResult,
    SeedStatistics,
    Summary,
    System,
    TestResult,
)

SCORES = ("additive", "multiplicative", "dot", "scaled_dot", "uniform")
WIRINGS = ("bahdanau", "luong")
CELLS = ("gru", "lstm")
DIMENSIONS = (128, 256)
KINDS = ("drop", "swap", "typo")
RATES = (0.0, 0.1, 0.2, 0.3)
SIGNATURES = {
    "BLEU": "nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "chrF2++": "nrefs:1|bs:1000|seed:12345|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0",
}
TEXTS = [
    ("Die höflichen Männer probieren das Hemd an.", "The polite men are trying on the shirt."),
    ("Das Mädchen schläft nicht.", "The girl does not sleep."),
    ("Der alte Hund sieht das Kind.", "那 只 老 狗 看见 孩子 。"),
]


def make_results(
    count: int = 5,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    tests: Sequence[str] = ("test", "long", "recombined"),
    kinds: Sequence[str] = KINDS,
    examples: int = 3,
    links: bool = True,
    curve: int = 12,
    buckets: int = 5,
    seed: int = 1,
) -> Results:
    """Return random results of `count` systems, at most 40.

    With three or more systems and two or more seeds, the results have gaps: the second system has no gold links, the
    third no cost, and the last seed of the last is missing.
    """
    generator = np.random.default_rng(seed)
    cells = list(product(SCORES, WIRINGS, CELLS, DIMENSIONS) if count > len(SCORES) else product(SCORES, ["luong"]))
    chosen = [cells[number * len(cells) // count] for number in range(count)]
    gaps = count >= 3 and len(seeds) >= 2
    systems = [
        _system(
            generator,
            cell,
            seeds[:-1] if gaps and number == count - 1 else seeds,
            tests,
            kinds,
            links and not (gaps and number == 1),
            curve,
            buckets,
            bool(gaps and number == 2),
        )
        for number, cell in enumerate(chosen)
    ]
    return Results(
        title="Scores, wirings and cells",
        date="2026-11-24",
        grid={"model.score": list(SCORES), "training.seed": list(seeds), "training.max_steps": 1200},
        baseline=systems[0].name,
        seeds=list(seeds),
        tests=list(tests),
        signatures=SIGNATURES,
        search={"beam_size": 5, "length_penalty": "average", "length_alpha": 1.0},
        machine=Machine(processor="x86_64", cores=2, threads=1, matmul_gflops=107.25, torch="2.13.0", python="3.11.9"),
        systems=systems,
        contrasts=[
            _contrast(generator, systems[0], system, test, metric)
            for test in tests
            for metric in ("BLEU", "chrF2++")
            for system in systems[1:]
        ],
        examples=[_example(generator, tests[0], number, systems) for number in range(min(examples, len(TEXTS)))],
        missing=[f"{systems[-1].name}, seed {seeds[-1]}: stopped at step 400 of 1,200"] if gaps else [],
    )


def minimal_results() -> Results:
    """Return results of one system, one seed and one test: no noise, gold links, examples or validation BLEU."""
    results = make_results(1, seeds=[7], tests=["test"], kinds=[], examples=0, links=False, curve=1)
    (system,) = results.systems
    run = system.runs[0].model_copy(update={"curve": [CurvePoint(step=100, perplexity=9.5, bleu=None)]})
    return results.model_copy(update={"systems": [system.model_copy(update={"runs": [run], "cost": None})]})


def _system(
    generator: np.random.Generator,
    cell: Sequence[str | int],
    seeds: Sequence[int],
    tests: Sequence[str],
    kinds: Sequence[str],
    links: bool,
    curve: int,
    buckets: int,
    costless: bool,
) -> System:
    keys = ("model.score", "model.wiring", "model.cell", "model.decoder_dim")
    skill = (0.45 if cell[0] == "uniform" else 0.9) + float(generator.normal(0, 0.02))
    runs = [
        _run(generator, "-".join(map(str, cell)), seed, skill, tests, kinds, links, curve, buckets) for seed in seeds
    ]
    return System(
        name=" ".join(map(str, cell)),
        values=dict(zip(keys, cell, strict=False)),
        parameters=int(generator.integers(900_000, 4_200_000)),
        runs=runs,
        summary={test: _summary([run.tests[test] for run in runs]) for test in tests},
        noise={
            kind: [
                (point.rate, seed_statistics([run.noise[kind][place].bleu.value for run in runs]))
                for place, point in enumerate(runs[0].noise[kind])
            ]
            for kind in kinds
        },
        cost=None
        if costless
        else Cost(
            training_tokens=float(generator.uniform(3e3, 9e3)),
            training_peak=int(generator.integers(600 << 20, 900 << 20)),
            translation_sentences=float(generator.uniform(20, 90)),
            training_spread=float(generator.uniform(0.01, 0.2)),
            translation_spread=None,
        ),
    )


def _run(
    generator: np.random.Generator,
    name: str,
    seed: int,
    skill: float,
    tests: Sequence[str],
    kinds: Sequence[str],
    links: bool,
    curve: int,
    buckets: int,
) -> RunResult:
    level = skill + float(generator.normal(0, 0.015))
    steps = [100 * (place + 1) for place in range(curve)]
    return RunResult(
        seed=seed,
        directory=f"runs/{name}-{seed}",
        step=steps[-1],
        steps=steps[-1],
        seconds=float(generator.uniform(300, 500)),
        curve=[
            CurvePoint(
                step=step,
                perplexity=1.2 / level + 60 * math.exp(-step / 150) + float(generator.uniform(0, 0.1)),
                bleu=100 * level * (1 - math.exp(-step / 300)),
            )
            for step in steps
        ],
        tests={test: _test(generator, level * 0.6**place, links, buckets) for place, test in enumerate(tests)},
        noise={
            kind: [
                NoisePoint(rate=rate, bleu=interval_around(100 * level * math.exp(-(place + 2) * rate), 1.5))
                for rate in RATES
            ]
            for place, kind in enumerate(kinds)
        },
    )


def _test(generator: np.random.Generator, level: float, links: bool, buckets: int) -> TestResult:
    jitter: Callable[[float], float] = lambda width: float(generator.normal(0, width))  # noqa: E731
    return TestResult(
        bleu=interval_around(100 * level, 1.1),
        chrf=interval_around(100 * level**0.7, 0.8),
        perplexity=1.1 / level + abs(jitter(0.05)),
        exact=interval_around(level * 0.8, 0.02),
        attention=AttentionNumbers(
            entropy=abs(0.6 + jitter(0.1)),
            relative_entropy=abs(0.25 + jitter(0.05)),
            coverage=min(1, 0.9 + jitter(0.03)),
            diagonal=abs(0.12 + jitter(0.02)),
        ),
        buckets=[
            Bucket(
                shortest=5 * place + 1,
                longest=5 * place + 5,
                sentences=200 - 30 * place,
                bleu=interval_around(100 * level * (1 - 0.08 * place) + jitter(1), 2.0),
                exact=interval_around(level * (0.8 - 0.12 * place), 0.04),
            )
            for place in range(buckets)
        ],
        alignment={
            side: AlignmentNumbers(
                aer=interval_around(0.5 - 0.2 * (side == "shifted") + jitter(0.03), 0.02),
                precision=0.6 + jitter(0.02),
                recall=0.55 + jitter(0.02),
                f1=0.57 + jitter(0.02),
            )
            for side in (("step", "shifted") if links else ())
        },
    )


def interval_around(value: float, half: float) -> Interval:
    return Interval(value=value, low=value - half, high=value + half)


def seed_statistics(values: Sequence[float]) -> SeedStatistics:
    return SeedStatistics(mean=mean(values), deviation=stdev(values) if len(values) > 1 else None, count=len(values))


def _summary(results: Sequence[TestResult]) -> Summary:
    return Summary(
        bleu=seed_statistics([one.bleu.value for one in results]),
        chrf=seed_statistics([one.chrf.value for one in results]),
        perplexity=seed_statistics([one.perplexity for one in results]),
        exact=seed_statistics([one.exact.value for one in results]),
        entropy=seed_statistics([one.attention.entropy for one in results]),
        coverage=seed_statistics([one.attention.coverage for one in results]),
        diagonal=seed_statistics([one.attention.diagonal for one in results]),
        aer={
            side: seed_statistics([one.alignment[side].aer.value for one in results]) for side in results[0].alignment
        },
    )


def _contrast(generator: np.random.Generator, baseline: System, system: System, test: str, metric: str) -> Contrast:
    field = {"BLEU": "bleu", "chrF2++": "chrf"}[metric]
    difference = getattr(system.summary[test], field).mean - getattr(baseline.summary[test], field).mean
    values = sorted(float(value) for value in generator.uniform(0, 0.2, size=3) ** 2)
    corrected = min(1.0, 3 * values[-1])
    found = f"{'better' if difference > 0 else 'worse'} than" if corrected < 0.05 else "not told apart from"
    return Contrast(
        test=test,
        metric=metric,
        baseline=baseline.name,
        system=system.name,
        difference=difference,
        p_bootstrap=values[0],
        p_randomisation=values[1],
        p_seeds=values[2] if len(system.runs) > 1 else None,
        p_corrected=corrected,
        verdict=f"On {test}, {system.name} is {found} {baseline.name}: {difference:+.1f} {metric}, p {corrected:.3f}.",
    )


def _example(generator: np.random.Generator, test: str, number: int, systems: Sequence[System]) -> Example:
    source, reference = (text.split() for text in TEXTS[number])
    return Example(
        test=test,
        number=number,
        source=source,
        reference=" ".join(reference),
        rows=[_row(generator, system, source, reference) for system in systems],
    )


def _row(generator: np.random.Generator, system: System, source: Sequence[str], reference: Sequence[str]) -> ExampleRow:
    words = [word for place, word in enumerate(reference) if place != int(generator.integers(0, 2 * len(reference)))]
    flat = "uniform" in system.name
    centres = np.linspace(0, len(source) - 1, len(words))
    energies = np.array(
        [[0.0 if flat else -1.5 * abs(column - centre) for column in range(len(source))] for centre in centres]
    )
    weights = np.exp(energies) / np.exp(energies).sum(axis=1, keepdims=True)
    return ExampleRow(system=system.name, hypothesis=words, weights=weights.round(4).tolist())
