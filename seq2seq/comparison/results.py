"""What a comparison found, as `results.json` holds it: the one seam between measuring and reporting.

Shares are of 1, BLEU and chrF2++ on sacreBLEU's scale of 100, intervals 95 %, times in seconds, memory in bytes.
None stands for what could not be measured (no gold links, no such test).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ResultModel(BaseModel):
    """A piece of the results: immutable, and nothing beside what is declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(ResultModel):
    """A value between the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class SeedStatistics(ResultModel):
    """Mean and sample standard deviation (n - 1) over the seeds; no deviation from one seed."""

    mean: float
    deviation: float | None
    count: int


class Bucket(ResultModel):
    """Test sentences whose source has from `shortest` to `longest` words, both included.

    Whitespace words, or the unit of the lengths that were given for a source without spaces.
    """

    shortest: int
    longest: int
    sentences: int
    bleu: Interval
    exact: Interval = Field(description="share of sentences translated exactly as the reference")


class AttentionNumbers(ResultModel):
    """What the weights look like, a mean over the test's sentences (blank ones left out).

    Rows are the target's pieces without its end, each scaled to sum to 1. Columns are the source's pieces and its end,
    which the decoder reads like any other state.
    """

    entropy: float = Field(description="of the weights, in nats per target piece, the source's end included")
    relative_entropy: float = Field(description="entropy / log(source pieces + 1 for the end): 1 is uniform")
    coverage: float = Field(
        description="share of source pieces, the end not among them, whose weights sum to 0.5 or more over the target"
    )
    diagonal: float = Field(
        description="distance, weighted by attention, from the diagonal between the first pieces and the two ends, "
        "as a share of the source's length"
    )


class AlignmentNumbers(ResultModel):
    """Agreement of forced attention with gold links."""

    aer: Interval
    precision: float
    recall: float
    f1: float


class TestResult(ResultModel):
    """One run on one test text."""

    bleu: Interval
    chrf: Interval
    perplexity: float = Field(description="per target piece, teacher forcing")
    exact: Interval
    attention: AttentionNumbers
    buckets: list[Bucket]
    alignment: dict[str, AlignmentNumbers] = Field(
        description="'step': weights of the step that predicts a piece; 'shifted': of the next one; empty without gold"
    )


class NoisePoint(ResultModel):
    """BLEU where a share `rate` of the words was changed by noise of one kind."""

    rate: float
    bleu: Interval


class CurvePoint(ResultModel):
    """One validation in training."""

    step: int
    perplexity: float
    bleu: float | None


class RunResult(ResultModel):
    """One training of one system."""

    seed: int
    directory: str = Field(description="relative to the comparison's own directory")
    step: int = Field(description="of the checkpoint that was kept")
    steps: int = Field(description="that were trained")
    seconds: float = Field(description="of training, validation included, on a machine that may have been shared")
    curve: list[CurvePoint]
    tests: dict[str, TestResult]
    noise: dict[str, list[NoisePoint]] = Field(description="by kind of noise, from rate 0 on")


class Cost(ResultModel):
    """Measured in interleaved repeats: medians, and the matmul rate beside them."""

    training_tokens: float | None = Field(description="real target tokens per second of training steps")
    training_peak: int | None = Field(description="peak resident bytes of a process that trains")
    translation_sentences: float | None = Field(description="sentences per second, the comparison's own search")
    training_spread: float | None = Field(description="(largest - smallest) / median over the repeats")
    translation_spread: float | None


class Summary(ResultModel):
    """One test over all seeds of a system."""

    bleu: SeedStatistics
    chrf: SeedStatistics
    perplexity: SeedStatistics
    exact: SeedStatistics
    entropy: SeedStatistics
    coverage: SeedStatistics
    diagonal: SeedStatistics
    aer: dict[str, SeedStatistics]


class System(ResultModel):
    """One cell of the grid: what was set, and every seed's run."""

    name: str = Field(description="short and unique, from the values that the grid varies")
    values: dict[str, Any] = Field(description="config keys that the grid varies")
    parameters: int
    runs: list[RunResult]
    summary: dict[str, Summary] = Field(description="by test")
    noise: dict[str, list[tuple[float, SeedStatistics]]] = Field(description="by kind: (rate, BLEU)")
    cost: Cost | None


class Contrast(ResultModel):
    """A system against the baseline on one test and metric, over all seeds together."""

    test: str
    metric: str = Field(description="BLEU or chrF2++")
    baseline: str
    system: str
    difference: float = Field(description="system - baseline, of the means over the seeds")
    p_bootstrap: float
    p_randomisation: float
    p_seeds: float | None = Field(
        description="Welch's t-test over the seeds; None with fewer than two of each, or where no score differs by seed"
    )
    p_corrected: float = Field(description="the larger of bootstrap, randomisation and seeds, Holm-corrected")
    verdict: str = Field(description="a plain sentence")


class ExampleRow(ResultModel):
    """What one system did with an example: the attention over its own translation."""

    system: str
    hypothesis: list[str] = Field(description="words")
    weights: list[list[float]] = Field(description="[hypothesis words][source words]")


class Example(ResultModel):
    """A sentence of a test, chosen by its number, with every system's heat-map (first seed)."""

    test: str
    number: int
    source: list[str]
    reference: str
    rows: list[ExampleRow]


class Machine(ResultModel):
    """What the comparison ran on."""

    processor: str
    cores: int
    threads: int
    matmul_gflops: float
    torch: str
    python: str


class Results(ResultModel):
    """A whole comparison."""

    version: int = 1
    title: str
    date: str
    grid: dict[str, Any] = Field(description="the grid as it was given")
    baseline: str
    seeds: list[int]
    tests: list[str]
    signatures: dict[str, str] = Field(description="metric -> sacreBLEU's signature")
    search: dict[str, Any]
    machine: Machine
    systems: list[System]
    contrasts: list[Contrast]
    examples: list[Example]
    missing: list[str] = Field(description="runs that are not finished, and so in no number")


def load_results(path: Path) -> Results:
    """Read results.json. Raises InputError for a file that is none."""
    from pydantic import ValidationError

    from seq2seq.errors import InputError

    try:
        return Results.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot read the results: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise InputError(f"{path}: no results of 'seq2seq compare': {place}: {problem['msg']}") from None
