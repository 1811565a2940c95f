"""Measuring one run of a comparison: its translations, scores, forced attention, and robustness to noise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.checkpoint.files import CONFIG
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.comparison.attention_numbers import attention_numbers
from seq2seq.comparison.lengths import length_buckets
from seq2seq.comparison.noise import apply_noise
from seq2seq.comparison.plan import Grid
from seq2seq.comparison.results import (
    AlignmentNumbers,
    CurvePoint,
    Interval,
    NoisePoint,
    ResultModel,
    RunResult,
    TestResult,
)
from seq2seq.comparison.statistics import exact_matches, interval, proportion
from seq2seq.comparison.texts import Test, bleu_tokenizer
from seq2seq.errors import InputError, short_repr
from seq2seq.metrics.bleu_tokenizer import detect_writing
from seq2seq.metrics.links import alignment_error_rate, alignment_intervals
from seq2seq.metrics.perplexity import perplexity
from seq2seq.metrics.segments import count_segments
from seq2seq.text.word_links import Link
from seq2seq.translation.translation import PairScore
from seq2seq.translation.translator import Translator
from seq2seq.translation.word_alignment import Alignment

READINGS = {"step": 0, "shifted": 1}  # whose weights align a piece: the step that predicts it, or the next one


class ExampleTranslation(ResultModel):
    """The translation of an example and its attention weights [hypothesis][source].

    Both sides are in words, or in pieces where a side is written without spaces.
    """

    source: list[str]
    hypothesis: list[str]
    weights: list[list[float]]


class RunMeasurement(ResultModel):
    """The stored measurements of a run: its numbers, and the translations for the tests of significance."""

    fingerprint: str
    parameters: int
    result: RunResult
    hypotheses: dict[str, list[str]]
    examples: list[ExampleTranslation]


@dataclass(frozen=True, slots=True)
class Measurer:
    """A measurement of one run. report_progress: called with the number of finished sentences and of all."""

    grid: Grid
    tests: dict[str, Test]
    translator: Translator
    report_progress: Callable[[int, int], None] = lambda done, total: None

    def measure(self, directory: Path, name: str, seed: int, fingerprint: str) -> RunMeasurement:
        """Return all measurements that the grid asks for.

        directory: the run's. name: the same, relative to the comparison's directory, for the results.
        fingerprint: a hash of everything that the numbers depend on.
        """
        hypotheses = {test: self._translate(lines.source, lines.tag) for test, lines in self.tests.items()}
        history = read_history(directory / "log.jsonl")
        result = RunResult(
            seed=seed,
            directory=name,
            step=_kept_step(self.translator.models[0]),
            **history,
            tests={test: self._test(lines, hypotheses[test]) for test, lines in self.tests.items()},
            noise=self._noise(hypotheses),
        )
        return RunMeasurement(
            fingerprint=fingerprint,
            parameters=sum(parameter.numel() for parameter in self.translator.models[0].model.parameters()),
            result=result,
            hypotheses=hypotheses,
            examples=self._examples(),
        )

    @property
    def _counting_options(self) -> dict[str, Any]:
        """The tokenizer and the case setting with which all n-grams are counted."""
        tokenize = bleu_tokenizer(self.grid, self.tests).name
        return {"tokenize": tokenize, "lowercase": self.grid.search.lowercase}

    def _translate(self, sources: Sequence[str], tag: str | None) -> list[str]:
        found, beam = [], self.grid.search.beam_size
        for translation in self.translator.stream(iter(sources), chunk=256, beam_size=beam, tag=tag):
            found.append(translation[0].text)
            self.report_progress(len(found), len(sources))
        return found

    def _test(self, test: Test, hypotheses: list[str]) -> TestResult:
        references = [test.reference]
        (bleu,) = count_segments(
            hypotheses=[hypotheses], references=references, metric="BLEU", **self._counting_options
        )
        (chrf,) = count_segments(
            hypotheses=[hypotheses],
            references=references,
            metric="chrF2++",
            lowercase=self.grid.search.lowercase,
        )
        scored = self.translator.score(test.source, test.reference, tag=test.tag)
        exact = exact_matches(hypotheses=hypotheses, references=references)
        forced = self.translator.align(test.raw_source, test.reference, join=test.join, tag=test.tag)
        lengths = [len(self.translator.tokenizers.source.encode(line)) for line in test.source] if test.join else None
        return TestResult(
            bleu=interval(bleu),
            chrf=interval(chrf),
            perplexity=_perplexity(scored),
            exact=proportion(sum(exact), len(exact)),
            attention=attention_numbers([one.piece_weights[:-1] for one in forced]),
            buckets=length_buckets(
                sources=test.source,
                hypotheses=hypotheses,
                references=references,
                lengths=lengths,
                **self._counting_options,
            ),
            alignment={} if test.gold is None else _alignment_numbers(forced, test.gold),
        )

    def _noise(self, hypotheses: dict[str, list[str]]) -> dict[str, list[NoisePoint]]:
        noise = self.grid.noise
        if noise is None:
            return {}
        test = self.tests[noise.test]
        clean, references = test.source[: noise.sentences], [test.reference[: noise.sentences]]

        def point(rate: float, lines: list[str]) -> NoisePoint:
            (found,) = count_segments(
                hypotheses=[lines], references=references, metric="BLEU", **self._counting_options
            )
            return NoisePoint(rate=rate, bleu=interval(found))

        first = point(0.0, hypotheses[noise.test][: noise.sentences])
        return {
            kind: [
                first,
                *(
                    point(rate, self._translate(apply_noise(clean, kind, rate, noise.seed), test.tag))
                    for rate in noise.rates
                ),
            ]
            for kind in noise.kinds
        }

    def _examples(self) -> list[ExampleTranslation]:
        examples = self.grid.examples
        if examples is None:
            return []
        test = self.tests[examples.test]
        source = [test.source[line - 1] for line in examples.lines]
        given = [test.raw_source[line - 1] for line in examples.lines]
        beam = self.grid.search.beam_size
        written = [one.text for one in self.translator.translate(source, beam_size=beam, tag=test.tag)]
        return [self._example(line, text, test) for line, text in zip(given, written, strict=True)]

    def _example(self, given: str, written: str, test: Test) -> ExampleTranslation:
        """Return the example with the model's attention when forced to produce its own translation."""
        if not given.strip() or not written.strip():
            return ExampleTranslation(source=given.split(), hypothesis=[], weights=[])
        joins = test.join in ("source", "both")
        (found,) = self.translator.align([given], [written], join="source" if joins else None, tag=test.tag)
        weights = found.piece_weights[:-1, :-1].astype(np.float64)
        source, hypothesis = found.source.pieces, found.target.pieces
        if joins or not _unspaced(test.source):
            source, weights = found.source.words, weights @ found.source.shares[:, :-1].T
        if not _unspaced(test.reference):
            hypothesis, weights = found.target.words, _merge_pieces(weights, found.target.shares[:, :-1])
        return ExampleTranslation(source=source, hypothesis=hypothesis, weights=np.round(weights, 4).tolist())


def read_history(path: Path) -> dict[str, Any]:
    """Return steps, seconds and the learning curve from a run's log. Raises InputError for a damaged log."""
    try:
        log = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
        finish = next(event for event in reversed(log) if event["event"] == "finish")
        validations = [event for event in log if event["event"] == "validation"]
        curve = [CurvePoint(**{key: each[key] for key in ("step", "perplexity", "bleu")}) for each in validations]
        return {"steps": int(finish["step"]), "seconds": float(finish["seconds"]), "curve": curve}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError):
        raise InputError(f"{path}: damaged: not the log of a training that ended; train this run anew") from None


def _unspaced(lines: Sequence[str]) -> bool:
    """Return whether the words of a text are written without spaces between them."""
    return detect_writing(lines) not in ("spaced", "Korean")


def _merge_pieces(weights: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn rows of pieces into rows of words, each the mean over the pieces of a word."""
    pieces = shares.sum(axis=1, keepdims=True)
    merged: NDArray[np.float64] = (shares @ weights) / np.maximum(pieces, 1e-12)
    return merged


def _kept_step(loaded: LoadedModel) -> int:
    step = loaded.card.get("step")
    if type(step) is not int:
        raise InputError(f"{loaded.directory / CONFIG}: damaged: record.step = {short_repr(step)}: a number is needed")
    return step


def _perplexity(scored: Sequence[PairScore]) -> float:
    """Return the perplexity per target piece over all pairs."""
    return perplexity(-sum(one.log_prob for one in scored), sum(one.tokens for one in scored))


def _alignment_numbers(
    forced: Sequence[Alignment], gold: Sequence[tuple[set[Link], set[Link]]]
) -> dict[str, AlignmentNumbers]:
    """Return the alignment error rate against gold links, by the step whose weights are read (READINGS)."""
    found = {}
    for name, shift in READINGS.items():
        parts: dict[str, Any] = {
            "hypothesis": [set(one.read(shift=shift).links) for one in forced],
            "sure": [sure for sure, _ in gold],
            "possible": [possible for _, possible in gold],
        }
        scores, ends = alignment_error_rate(**parts), alignment_intervals(**parts)
        found[name] = AlignmentNumbers(
            aer=Interval(value=scores.aer, low=ends.aer[0], high=ends.aer[1]),
            precision=scores.precision,
            recall=scores.recall,
            f1=scores.f1,
        )
    return found
