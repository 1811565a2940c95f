"""`seq2seq evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.cli import options
from seq2seq.cli.display import progress_over
from seq2seq.cli.streams import open_output, read_lines
from seq2seq.cli.translate import translated
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.evaluation.metrics import Comparison, Metric
    from seq2seq.translator import SearchOptions

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
        typer.Argument(metavar="[MODEL]...", help="Model (or ensemble) that translates --source.", show_default=False),
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
    tokenize: Annotated[
        str | None,
        typer.Option(
            "--tokenize",
            metavar="NAME",
            help="sacreBLEU's tokenizer for BLEU: 13a, zh, ja-mecab, char, intl, none, ...",
            show_default="the model's, else 13a",
        ),
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Ignore case, in all metrics.")] = False,
    samples: Annotated[
        int, typer.Option("--samples", min=0, help="Bootstrap resamples for intervals and comparison; 0: none.")
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
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Score a model or a file of translations: BLEU, chrF2++ and TER.

    Text is scored as people read it, by sacreBLEU, with its signature and a
    95 % confidence interval. With --against, a paired bootstrap tells whether
    the choice of test sentences may explain the gap; it knows nothing of the
    luck of a training, which only several seeds can show.
    """
    given = options.given(
        beam_size=beam_size,
        length_penalty=length_penalty,
        length_alpha=length_alpha,
        min_length=min_length,
        max_length=max_length,
        max_source_length=max_source_length,
        batch_size=batch_size,
    )
    _check_combination(models or [], source, hypothesis, references or [], against, output, given)
    answers = [read_lines(reference) for reference in references or []]
    exam = _Exam(references or [], answers, tokenize, lowercase, samples)
    load = _Loading(given, device, threads)
