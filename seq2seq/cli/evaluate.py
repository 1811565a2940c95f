"""`seq2seq evaluate`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.bulk import engines
from seq2seq.bulk.cut import CutCounter
from seq2seq.bulk.streams import open_output, read_input_lines
from seq2seq.cli import options
from seq2seq.cli.display.console import answer_json, say
from seq2seq.cli.display.training import progress_over
from seq2seq.errors import InputError
from seq2seq.metrics.references import rows_without_reference

if TYPE_CHECKING:
    from seq2seq.cli.display.scores import Report
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator

BlankReferences = Literal["refuse", "leave-out"]

EXAMPLES = """
seq2seq evaluate runs/demo --source test.de --reference test.en
seq2seq evaluate --hypothesis test.hypothesis.en --reference test.en --json
seq2seq evaluate runs/dot --source test.de --reference test.en \\
    --against runs/additive
seq2seq evaluate --hypothesis a.zh --reference test.zh --tokenize zh
seq2seq evaluate runs/demo --source test.de --reference test.en \\
    --reference test.second.en --beam-size 10 --output hypothesis.en
"""


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Model (or ensemble) that translates --source.", show_default=False),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="FILE", help="Source sentences for the model, one a line.")
    ] = None,
    hypothesis: Annotated[
        str | None, typer.Option("--hypothesis", metavar="FILE", help="Translations to score, in place of a model.")
    ] = None,
    references: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="FILE", help="Human translations. Repeat it for several of each sentence."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="OTHER", help="Baseline: a file of translations, or a model for --source."),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="What to compute: BLEU, chrF2, chrF2++, TER. Repeat it for several.",
            show_default="BLEU, chrF2++ and TER",
        ),
    ] = None,
    tokenize: Annotated[
        str | None,
        typer.Option(
            "--tokenize",
            metavar="NAME",
            help="sacreBLEU's tokenizer for BLEU: 13a, zh, ja-mecab, char, intl, none, ...",
            show_default="the model's, else one that fits the script",
        ),
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Ignore case, in all metrics.")] = False,
    blank_references: Annotated[
        BlankReferences,
        typer.Option(
            "--blank-references",
            help="A sentence that no reference file has a line for ends the command, or is not scored.",
        ),
    ] = "refuse",
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            metavar="N",
            min=0,
            max=LARGEST_COUNT,
            help="Bootstrap resamples for intervals and comparison; 0: none.",
        ),
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the model's translations in a file.")
    ] = None,
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    length_alpha: options.LengthAlpha = None,
    min_length: options.MinLength = None,
    max_length: options.MaxLength = None,
    max_source_length: options.MaxSourceLength = None,
    shortlist: options.Shortlist = False,
    int8: options.Int8 = False,
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Score a model or a file of translations: BLEU, chrF2++ and TER.

    Text is scored as people read it, by sacreBLEU, with its signature and a
    95 % confidence interval. With --against, a paired bootstrap tells whether
    the choice of test sentences may explain the gap; it knows nothing of the
    luck of a training, which only several seeds can show.

    A blank line is no reference: of several, the others count for its
    sentence.
    """
    search = options.search_options(
        beam_size=beam_size,
        length_penalty=length_penalty,
        length_alpha=length_alpha,
        min_length=min_length,
        max_length=max_length,
        max_source_length=max_source_length,
        batch_size=batch_size,
        shortlist=shortlist or None,
        int8=int8 or None,
    )
    sides = [_Side(models or [], hypothesis)] + ([] if against is None else [_side_of(against)])
    _check_combination(sides, source, references or [], output, search, samples)
    reading = _Reading(source, references or [], blank_references)
    _check_before_work(reading.references, tokenize, lowercase, metrics)
    with nullcontext() if output is None else open_output(output) as write:
        entrants = [_enter(side, reading, search, device, threads) for side in sides]
        answers = [entrant.translate() for entrant in entrants]
        if write is not None:
            write("".join(f"{line}\n" for line in answers[0]))
    tokenize = tokenize or next((entrant.tokenize for entrant in entrants if entrant.tokenize), None)
    rules: dict[str, Any] = {"tokenize": tokenize, "lowercase": lowercase, "samples": samples}
    if metrics:
        rules["metrics"] = metrics
    report = _report(entrants, answers, reading, rules)
    if as_json:
        answer_json(report.facts())
    else:
        report.show()


@dataclass(frozen=True, slots=True)
class _Side:
    """A system as it was named: models that translate, or a file with its translations."""

    models: list[str]
    file: str | None

    @property
    def name(self) -> str:
        return self.file if self.file is not None else " + ".join(self.models)


def _side_of(name: str) -> _Side:
    return _Side([], name) if os.path.isfile(name) or name == "-" else _Side([name], None)


@dataclass(frozen=True, slots=True)
class _Entrant:
    """A system that is ready: what is wrong with its files or models has been said before any of them works."""

    name: str
    tokenize: str | None
    translate: Callable[[], list[str]]


class _Reading:
    """The texts that all systems share, aligned line by line."""

    def __init__(self, source: str | None, references: Sequence[str], blank: BlankReferences) -> None:
        self.first = references[0]
        first = read_input_lines(self.first)
        if not first:
            raise InputError(f"{self.first}: no lines, nothing to score")
        self.lines = len(first)
        self.references = [first, *(self.aligned(path) for path in references[1:])]
        self._leave_out(references, blank)
        self.source_name = source or ""
        self.source = [] if source is None else self.aligned(source)

    def _leave_out(self, names: Sequence[str], blank: BlankReferences) -> None:
        """Take sentences without a reference out of all sets where that is wanted; refuse them elsewhere."""
        rows = rows_without_reference(self.references)
        if rows and blank == "refuse":
            also = " in every reference file" if len(names) > 1 else ""
            more = f" (as are {len(rows) - 1:,} more)" if len(rows) > 1 else ""
            hint = "mend it, or leave such sentences out with --blank-references leave-out"
            raise InputError(f"{names[0]}:{rows[0] + 1}: the reference is blank{also}{more}; {hint}")
        if len(rows) == self.lines:
            raise InputError(f"{self.first}: all lines are blank, nothing to score against")
        self.left_out = set(rows)
        self.references = [self.scored(lines) for lines in self.references]

    def scored(self, lines: Sequence[str]) -> list[str]:
        """Of an answer to every sentence, those that are scored."""
        return [line for row, line in enumerate(lines) if row not in self.left_out]

    @property
    def notes(self) -> list[str]:
        """What was left out, in a sentence."""
        count = len(self.left_out)
        return [f"{count:,} of {self.lines:,} sentences have no reference and are left out."] if count else []

    def aligned(self, path: str) -> list[str]:
        """The lines of a file, as many as the first reference has."""
        lines = read_input_lines(path)
        if len(lines) != self.lines:
            counts = f"{len(lines):,} lines, but {self.first} has {self.lines:,}"
            raise InputError(f"{path}: {counts}; they must be aligned line by line")
        return lines


def _check_combination(
    sides: Sequence[_Side],
    source: str | None,
    references: Sequence[str],
    output: str | None,
    search: SearchKeywords,
    samples: int,
) -> None:
    """Refuse what is missing, and what would be read by nothing."""
    if bool(sides[0].models) == (sides[0].file is not None):
        raise InputError("evaluate takes either MODEL with --source, or --hypothesis FILE")
    if not references:
        raise InputError("--reference FILE is missing: the human translations to compare with")
    translating = any(side.models for side in sides)
    if translating and source is None:
        named = next(side for side in sides if side.models).name
        raise InputError(f"--source FILE is missing: the sentences that the model {named} is to translate")
    idle = [] if translating else [f"--{name.replace('_', '-')}" for name in search]
    idle += ["--source"] if source is not None and not translating else []
    idle += ["--output"] if output is not None and not sides[0].models else []
    if idle:
        raise InputError(f"{idle[0]} has no effect with --hypothesis, which is scored as it is")
    read = [path for path in (source, *references, *(side.file for side in sides)) if path == "-"]
    if len(read) > 1:
        raise InputError("only one of the files can be standard input")
    if len(sides) > 1 and not samples:
        raise InputError("--samples 0 leaves nothing to compare with; --against needs 2 or more, 1000 is usual")


def _check_before_work(
    references: list[list[str]], tokenize: str | None, lowercase: bool, metrics: list[str] | None
) -> None:
    """Let the metrics refuse references and names now, and not after a long translation."""
    from seq2seq.metrics.scores import bleu
    from seq2seq.metrics.scoring_rules import check_texts

    check_texts(tokenize, metrics or ["BLEU"], {}, references)
    bleu(hypotheses=references[0], references=references, tokenize=tokenize, lowercase=lowercase)


def _enter(side: _Side, reading: _Reading, search: SearchKeywords, device: str, threads: int | None) -> _Entrant:
    if side.file is not None:
        lines = reading.aligned(side.file)
        return _Entrant(side.name, None, lambda: lines)
    translator = engines.load_translator(side.models, device, threads)
    tokenize = translator.config.training.validation_tokenize or None
    return _Entrant(side.name, tokenize, lambda: _translate(translator, reading, search))


def _translate(translator: Translator, reading: _Reading, search: SearchKeywords) -> list[str]:
    """The best translation of each sentence."""
    size, found, cut = engines.chunk_size(search), list[str](), CutCounter()
    with progress_over(lambda: len(reading.source)) as report:
        for start in range(0, len(reading.source), size):
            translations = translator.translate(reading.source[start : start + size], **search)
            options.warn_truncated(reading.source_name, start, translations)
            for translation in translations:
                found.append(translation.text)
                cut.update(len(found), [translation])
            report(len(found))
    if cut.lines:
        say(f"warning: {cut.describe(reading.source_name)}")
    return found


def _report(
    entrants: Sequence[_Entrant],
    answers: Sequence[list[str]],
    reading: _Reading,
    rules: dict[str, Any],
) -> Report:
    """rules: what the metrics take by keyword."""
    from seq2seq.cli.display.scores import Report
    from seq2seq.metrics import scores

    references = reading.references
    rules = rules | {"references": references}
    system, sizes = reading.scored(answers[0]), (len(references[0]), len(references))
    if len(answers) == 1:
        measured = scores.evaluate(hypotheses=system, confidence=rules["samples"] > 0, **rules)
        return Report(entrants[0].name, *sizes, measured, None, (), reading.notes)
    compared = scores.compare_paired(baseline=reading.scored(answers[1]), system=system, **rules)
    measured = [one.system for one in compared]
    return Report(entrants[0].name, *sizes, measured, entrants[1].name, compared, reading.notes)
