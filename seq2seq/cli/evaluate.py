"""The command `seq2seq evaluate`."""

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
from seq2seq.cli.display.console import print_json, say
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
    tag: options.Tag = None,
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
        tag=tag,
    )
    systems = [_System(models or [], hypothesis)] + ([] if against is None else [_parse_system(against)])
    _check_combination(systems, source, references or [], output, search, samples)
    texts = _Texts(source, references or [], blank_references)
    _check_before_work(texts.references, tokenize, lowercase, metrics)
    with nullcontext() if output is None else open_output(output) as write:
        loaded = [_load_system(system, texts, search, device, threads) for system in systems]
        translations = [system.translate() for system in loaded]
        if write is not None:
            write("".join(f"{line}\n" for line in translations[0]))
    tokenize = tokenize or next((system.tokenize for system in loaded if system.tokenize), None)
    rules: dict[str, Any] = {"tokenize": tokenize, "lowercase": lowercase, "samples": samples}
    if metrics:
        rules["metrics"] = metrics
    report = _report(loaded, translations, texts, rules)
    if as_json:
        print_json(report.facts())
    else:
        report.show()


@dataclass(frozen=True, slots=True)
class _System:
    """A system as the command line names it: models that translate, or a file with its translations."""

    models: list[str]
    file: str | None

    @property
    def name(self) -> str:
        return self.file if self.file is not None else " + ".join(self.models)


def _parse_system(name: str) -> _System:
    return _System([], name) if os.path.isfile(name) or name == "-" else _System([name], None)


@dataclass(frozen=True, slots=True)
class _LoadedSystem:
    """A system that is ready to translate: its files or models are loaded and checked before any system starts."""

    name: str
    tokenize: str | None
    translate: Callable[[], list[str]]


class _Texts:
    """The texts that all systems share, aligned line by line."""

    def __init__(self, source: str | None, references: Sequence[str], blank: BlankReferences) -> None:
        self.first = references[0]
        first = read_input_lines(self.first)
        if not first:
            raise InputError(f"{self.first}: no lines, nothing to score")
        self.lines = len(first)
        self.references = [first, *(self.read_aligned(path) for path in references[1:])]
        self._leave_out(references, blank)
        self.source_name = source or ""
        self.source = [] if source is None else self.read_aligned(source)

    def _leave_out(self, names: Sequence[str], blank: BlankReferences) -> None:
        """Remove sentences without a reference from all references, or refuse them, as --blank-references says."""
        rows = rows_without_reference(self.references)
        if rows and blank == "refuse":
            also = " in every reference file" if len(names) > 1 else ""
            more = f" (as are {len(rows) - 1:,} more)" if len(rows) > 1 else ""
            hint = "mend it, or leave such sentences out with --blank-references leave-out"
            raise InputError(f"{names[0]}:{rows[0] + 1}: the reference is blank{also}{more}; {hint}")
        if len(rows) == self.lines:
            raise InputError(f"{self.first}: all lines are blank, nothing to score against")
        self.left_out = set(rows)
        self.references = [self.select_scored(lines) for lines in self.references]

    def select_scored(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of the sentences that are scored, from the lines of all sentences."""
        return [line for row, line in enumerate(lines) if row not in self.left_out]

    @property
    def notes(self) -> list[str]:
        """A sentence on what was left out, if anything was."""
        count = len(self.left_out)
        return [f"{count:,} of {self.lines:,} sentences have no reference and are left out."] if count else []

    def read_aligned(self, path: str) -> list[str]:
        """Return the lines of a file. Raises InputError unless there are as many as in the first reference."""
        lines = read_input_lines(path)
        if len(lines) != self.lines:
            counts = f"{len(lines):,} lines, but {self.first} has {self.lines:,}"
            raise InputError(f"{path}: {counts}; they must be aligned line by line")
        return lines


def _check_combination(
    systems: Sequence[_System],
    source: str | None,
    references: Sequence[str],
    output: str | None,
    search: SearchKeywords,
    samples: int,
) -> None:
    """Refuse options that are missing, or that would have no effect."""
    if bool(systems[0].models) == (systems[0].file is not None):
        raise InputError("evaluate takes either MODEL with --source, or --hypothesis FILE")
    if not references:
        raise InputError("--reference FILE is missing: the human translations to compare with")
    translating = any(system.models for system in systems)
    if translating and source is None:
        named = next(system for system in systems if system.models).name
        raise InputError(f"--source FILE is missing: the sentences that the model {named} is to translate")
    idle = [] if translating else [f"--{name.replace('_', '-')}" for name in search]
    idle += ["--source"] if source is not None and not translating else []
    idle += ["--output"] if output is not None and not systems[0].models else []
    if idle:
        raise InputError(f"{idle[0]} has no effect with --hypothesis, which is scored as it is")
    read = [path for path in (source, *references, *(system.file for system in systems)) if path == "-"]
    if len(read) > 1:
        raise InputError("only one of the files can be standard input")
    if len(systems) > 1 and not samples:
        raise InputError("--samples 0 leaves nothing to compare with; --against needs 2 or more, 1000 is usual")


def _check_before_work(
    references: list[list[str]], tokenize: str | None, lowercase: bool, metrics: list[str] | None
) -> None:
    """Let the metrics refuse references and names now, not after a long translation."""
    from seq2seq.metrics.scores import bleu
    from seq2seq.metrics.scoring_rules import check_texts

    check_texts(tokenize, metrics or ["BLEU"], {}, references)
    bleu(hypotheses=references[0], references=references, tokenize=tokenize, lowercase=lowercase)


def _load_system(
    system: _System, texts: _Texts, search: SearchKeywords, device: str, threads: int | None
) -> _LoadedSystem:
    if system.file is not None:
        lines = texts.read_aligned(system.file)
        return _LoadedSystem(system.name, None, lambda: lines)
    translator = engines.load_translator(system.models, device, threads)
    tokenize = translator.config.training.validation_tokenize or None
    return _LoadedSystem(system.name, tokenize, lambda: _translate(translator, texts, search))


def _translate(translator: Translator, texts: _Texts, search: SearchKeywords) -> list[str]:
    """Return the best translation of each sentence."""
    size, found, cut = engines.chunk_size(search), list[str](), CutCounter()
    with progress_over(lambda: len(texts.source)) as report:
        for start in range(0, len(texts.source), size):
            translations = translator.translate(texts.source[start : start + size], **search)
            options.warn_truncated(texts.source_name, start, translations)
            for translation in translations:
                found.append(translation.text)
                cut.update(len(found), [translation])
            report(len(found))
    if cut.lines:
        say(f"warning: {cut.describe(texts.source_name)}")
    return found


def _report(
    loaded: Sequence[_LoadedSystem],
    translations: Sequence[list[str]],
    texts: _Texts,
    rules: dict[str, Any],
) -> Report:
    """Score the translations and return the report. rules: keywords of the metrics."""
    from seq2seq.cli.display.scores import Report
    from seq2seq.metrics import scores

    references = texts.references
    rules = rules | {"references": references}
    system, sizes = texts.select_scored(translations[0]), (len(references[0]), len(references))
    if len(translations) == 1:
        measured = scores.evaluate(hypotheses=system, confidence=rules["samples"] > 0, **rules)
        return Report(loaded[0].name, *sizes, measured, None, (), texts.notes)
    compared = scores.compare_paired(baseline=texts.select_scored(translations[1]), system=system, **rules)
    measured = [one.system for one in compared]
    return Report(loaded[0].name, *sizes, measured, loaded[1].name, compared, texts.notes)
