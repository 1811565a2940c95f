"""The results of a comparison, in the form of `results.json`: the only interface between measuring and reporting.

Shares are of 1, BLEU and chrF2++ on sacreBLEU's scale of 100, intervals 95 %, times in seconds, memory in bytes.
None stands for what could not be measured (no gold links, no such test).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ResultModel(BaseModel):
    """The base class of all parts of the results: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(ResultModel):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class SeedStatistics(ResultModel):
    """Mean and sample standard deviation (n - 1) over the seeds; the deviation of one seed is None."""

    mean: float
    deviation: float | None
    count: int


class Bucket(ResultModel):
    """Test sentences whose source has from `shortest` to `longest` words, both included.

    Words are separated by whitespace; for a source without spaces, the caller of `length_buckets` chooses the unit.
    """

    shortest: int
    longest: int
    sentences: int
    bleu: Interval
    exact: Interval = Field(description="share of sentences translated exactly as the reference")


class AttentionNumbers(ResultModel):
    """Numbers that describe the attention weights, means over the test's sentences (blank ones left out).

    The rows of a sentence's weights are the target's pieces without its end, each scaled to sum to 1. The columns are
    the source's pieces and its end, which the decoder reads like any other state.
    """

    entropy: float = Field(description="entropy of the weights, in nats per target piece, the source's end included")
    relative_entropy: float = Field(description="entropy / log(source pieces + 1 for the end): 1 is uniform")
    coverage: float = Field(
        description="share of source pieces, the end not among them, whose weights sum to 0.5 or more over the target"
    )
    diagonal: float = Field(
        description="distance, weighted by attention, from the diagonal between the first pieces and the two ends, "
        "as a share of the source's length"
    )


class AlignmentNumbers(ResultModel):
    """Agreement of forced attention with gold links, all numbers as shares of 1."""

    aer: Interval
    precision: float
    recall: float
    f1: float


class TestResult(ResultModel):
    """The measurements of one run on one test."""

    bleu: Interval
    chrf: Interval
    perplexity: float = Field(description="perplexity per target piece, with teacher forcing")
    exact: Interval
    attention: AttentionNumbers
    buckets: list[Bucket]
    alignment: dict[str, AlignmentNumbers] = Field(
        description="'step': weights of the step that predicts a piece; 'shifted': of the next one; empty without gold"
    )


class NoisePoint(ResultModel):
    """BLEU on a source in which noise of one kind changed a share `rate` of the words."""

    rate: float
    bleu: Interval


class CurvePoint(ResultModel):
    """The result of one validation during training."""

    step: int
    perplexity: float
    bleu: float | None


class RunResult(ResultModel):
    """One trained run of a system, and its measurements."""

    seed: int
    directory: str = Field(description="relative to the comparison's own directory")
    step: int = Field(description="step of the checkpoint that was kept")
    steps: int = Field(description="number of training steps")
    seconds: float = Field(description="seconds of training with validation, on a machine that may have been shared")
    curve: list[CurvePoint]
    tests: dict[str, TestResult]
    noise: dict[str, list[NoisePoint]] = Field(description="points by kind of noise, from rate 0 on")


class Cost(ResultModel):
    """Speed and memory of a system: medians over interleaved repeats, the peak of memory the largest."""

    training_tokens: float | None = Field(description="real target tokens per second of training steps")
    training_peak: int | None = Field(description="peak resident bytes of a process that trains")
    translation_sentences: float | None = Field(description="sentences per second with the comparison's own search")
    training_spread: float | None = Field(description="(largest - smallest) / median over the repeats")
    translation_spread: float | None


class Summary(ResultModel):
    """The statistics of a system's scores on one test over all its seeds."""

    bleu: SeedStatistics
    chrf: SeedStatistics
    perplexity: SeedStatistics
    exact: SeedStatistics
    entropy: SeedStatistics
    coverage: SeedStatistics
    diagonal: SeedStatistics
    aer: dict[str, SeedStatistics]


class System(ResultModel):
    """One system of the grid: the config keys that it sets, the runs of all seeds, and their statistics."""

    name: str = Field(description="short and unique, from the values that the grid varies")
    values: dict[str, Any] = Field(description="config keys that the grid varies")
    parameters: int
    runs: list[RunResult]
    summary: dict[str, Summary] = Field(description="statistics by test")
    noise: dict[str, list[tuple[float, SeedStatistics]]] = Field(description="(rate, BLEU) by kind of noise")
    cost: Cost | None


class Contrast(ResultModel):
    """The difference between a system and the baseline on one test and metric, over all seeds together."""

    test: str
    metric: str = Field(description="BLEU or chrF2++")
    baseline: str
    system: str
    difference: float = Field(description="mean over the system's seeds minus mean over the baseline's")
    p_bootstrap: float
    p_randomisation: float
    p_seeds: float | None = Field(
        description="Welch's t-test over the seeds; None with fewer than two of each, or where no score differs by seed"
    )
    p_corrected: float = Field(description="the largest p of bootstrap, randomisation and seeds, Holm-corrected")
    verdict: str = Field(description="a sentence that says what the difference and the p-values mean")


class ExampleRow(ResultModel):
    """The translation of an example by one system, and the attention over it."""

    system: str
    hypothesis: list[str] = Field(description="words")
    weights: list[list[float]] = Field(description="[hypothesis words][source words]")


class Example(ResultModel):
    """A sentence of a test, chosen by its number, with the attention of every system's first seed."""

    test: str
    number: int
    source: list[str]
    reference: str
    rows: list[ExampleRow]


class Machine(ResultModel):
    """The machine on which costs were measured."""

    processor: str
    cores: int
    threads: int
    matmul_gflops: float
    torch: str
    python: str


class Results(ResultModel):
    """The results of a whole comparison."""

    version: int = 1
    title: str
    date: str
    grid: dict[str, Any] = Field(description="contents of the grid file")
    baseline: str
    seeds: list[int]
    tests: list[str]
    signatures: dict[str, str] = Field(description="sacreBLEU's signature by metric")
    search: dict[str, Any]
    machine: Machine
    systems: list[System]
    contrasts: list[Contrast]
    examples: list[Example]
    missing: list[str] = Field(description="names of the runs that are not finished, and therefore not in any number")


def load_results(path: Path) -> Results:
    """Return the results in a results.json. Raises InputError for a file that is missing, damaged or something else."""
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
