"""One run of a comparison, measured: translations, forced attention, noise, and what they say."""

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
from seq2seq.metrics.links import Link, alignment_error_rate, alignment_intervals
from seq2seq.metrics.perplexity import perplexity
from seq2seq.metrics.segments import count_segments
from seq2seq.translation.translation import PairScore
from seq2seq.translation.translator import Translator
from seq2seq.translation.word_alignment import Alignment

READINGS = {"step": 0, "shifted": 1}


class Look(ResultModel):
    """An example's translation and its attention, in words, or in pieces on a side that is written without spaces."""

    source: list[str]
    hypothesis: list[str]
    weights: list[list[float]]


class Measured(ResultModel):
    """What is kept of a run: its numbers, and the translations that comparisons are made of."""

    fingerprint: str
    parameters: int
    result: RunResult
    hypotheses: dict[str, list[str]]
    examples: list[Look]


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures one run. `tell` is told how many sentences are done of how many."""

    grid: Grid
    tests: dict[str, Test]
    translator: Translator
    tell: Callable[[int, int], None] = lambda done, total: None

    def measure(self, directory: Path, name: str, seed: int, mark: str) -> Measured:
        """Everything the grid asks for. `directory` is the run's, `name` what the results call it."""
        hypotheses = {test: self._translate(lines.source) for test, lines in self.tests.items()}
        history = read_history(directory / "log.jsonl")
        result = RunResult(
            seed=seed,
            directory=name,
            step=_kept_step(self.translator.models[0]),
            **history,
            tests={test: self._test(lines, hypotheses[test]) for test, lines in self.tests.items()},
            noise=self._noise(hypotheses),
        )
        return Measured(
            fingerprint=mark,
            parameters=sum(parameter.numel() for parameter in self.translator.models[0].model.parameters()),
            result=result,
            hypotheses=hypotheses,
            examples=self._examples(),
        )

    @property
    def _options(self) -> dict[str, Any]:
        """Of every count of n-grams."""
        tokenize = bleu_tokenizer(self.grid, self.tests).name
        return {"tokenize": tokenize, "lowercase": self.grid.search.lowercase}

    def _translate(self, sources: Sequence[str]) -> list[str]:
        found = []
        for translation in self.translator.stream(iter(sources), chunk=256, beam_size=self.grid.search.beam_size):
            found.append(translation[0].text)
            self.tell(len(found), len(sources))
        return found

    def _test(self, test: Test, hypotheses: list[str]) -> TestResult:
        references = [test.reference]
        (bleu,) = count_segments(hypotheses=[hypotheses], references=references, metric="BLEU", **self._options)
        (chrf,) = count_segments(
            hypotheses=[hypotheses],
            references=references,
            metric="chrF2++",
            lowercase=self.grid.search.lowercase,
        )
        scored = self.translator.score(test.source, test.reference)
        exact = exact_matches(hypotheses=hypotheses, references=references)
        forced = self.translator.align(test.given, test.reference, join=test.join)
        lengths = [len(self.translator.tokenizers.source.encode(line)) for line in test.source] if test.join else None
        return TestResult(
            bleu=interval(bleu),
            chrf=interval(chrf),
            perplexity=_perplexity_of(scored),
            exact=proportion(sum(exact), len(exact)),
            attention=attention_numbers([one.piece_weights[:-1] for one in forced]),
            buckets=length_buckets(
                sources=test.source, hypotheses=hypotheses, references=references, lengths=lengths, **self._options
            ),
            alignment={} if test.gold is None else _agreement(forced, test.gold),
        )

    def _noise(self, hypotheses: dict[str, list[str]]) -> dict[str, list[NoisePoint]]:
        noise = self.grid.noise
        if noise is None:
            return {}
        test = self.tests[noise.test]
        clean, references = test.source[: noise.sentences], [test.reference[: noise.sentences]]

        def point(rate: float, lines: list[str]) -> NoisePoint:
            (found,) = count_segments(hypotheses=[lines], references=references, metric="BLEU", **self._options)
            return NoisePoint(rate=rate, bleu=interval(found))

        first = point(0.0, hypotheses[noise.test][: noise.sentences])
        return {
            kind: [
                first,
                *(point(rate, self._translate(apply_noise(clean, kind, rate, noise.seed))) for rate in noise.rates),
            ]
            for kind in noise.kinds
        }

    def _examples(self) -> list[Look]:
        examples = self.grid.examples
        if examples is None:
            return []
        test = self.tests[examples.test]
        source = [test.source[line - 1] for line in examples.lines]
        given = [test.given[line - 1] for line in examples.lines]
        written = [one.text for one in self.translator.translate(source, beam_size=self.grid.search.beam_size)]
        return [self._look(line, text, test) for line, text in zip(given, written, strict=True)]

    def _look(self, given: str, written: str, test: Test) -> Look:
        """Forced attention of the model over what it wrote itself."""
        if not given.strip() or not written.strip():
            return Look(source=given.split(), hypothesis=[], weights=[])
        joins = test.join in ("source", "both")
        (found,) = self.translator.align([given], [written], join="source" if joins else None)
        weights = found.piece_weights[:-1, :-1].astype(np.float64)
        source, hypothesis = found.source.pieces, found.target.pieces
        if joins or not _unspaced(test.source):
            source, weights = found.source.words, weights @ found.source.shares[:, :-1].T
        if not _unspaced(test.reference):
            hypothesis, weights = found.target.words, _by_words(weights, found.target.shares[:, :-1])
        return Look(source=source, hypothesis=hypothesis, weights=np.round(weights, 4).tolist())


def read_history(path: Path) -> dict[str, Any]:
    """What a run's log tells of it: steps, seconds and the learning curve. Raises InputError for a damaged log."""
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
    """Whether a text's words are not separated by spaces."""
    return detect_writing(lines) not in ("spaced", "Korean")


def _by_words(weights: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of pieces as rows of words: the mean over a word's pieces."""
    pieces = shares.sum(axis=1, keepdims=True)
    merged: NDArray[np.float64] = (shares @ weights) / np.maximum(pieces, 1e-12)
    return merged


def _kept_step(loaded: LoadedModel) -> int:
    step = loaded.card.get("step")
    if type(step) is not int:
        raise InputError(f"{loaded.directory / CONFIG}: damaged: record.step = {short_repr(step)}: a number is needed")
    return step


def _perplexity_of(scored: Sequence[PairScore]) -> float:
    """Of all pairs together."""
    return perplexity(-sum(one.log_prob for one in scored), sum(one.tokens for one in scored))


def _agreement(forced: Sequence[Alignment], gold: Sequence[tuple[set[Link], set[Link]]]) -> dict[str, AlignmentNumbers]:
    """AER of both readings of the attention."""
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
