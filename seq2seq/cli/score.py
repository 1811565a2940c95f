"""`seq2seq score`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seq2seq.cli import options
from seq2seq.cli.streams import Source, open_input, open_output
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.translation import PairScore

EXAMPLES = """
seq2seq score runs/demo --source test.de --target test.en > scores.tsv
seq2seq score runs/demo --source test.de --target test.en --format jsonl
cut -f 1 bitext.tsv | seq2seq score runs/demo --source - --target test.en
"""


def score(
    models: options.Models,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="FILE", help="Source sentences, one a line (plain or .gz; '-': standard input)."
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="FILE", help="Their translations, line by line.")],
    output: options.Output = "-",
    form: Annotated[Literal["text", "jsonl"], typer.Option("--format", help="Columns, or JSON objects.")] = "text",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Tell how probable a model finds given translations.

    A line for each pair, with tabs between its columns: log-probability
    (nats), tokens, perplexity of a token. The end of the sentence counts as
    a token. The perplexity of all follows on standard error.

    With --format jsonl, an object for each pair: line, log_prob, tokens,
    perplexity. A pair of blank lines has no tokens, and perplexity 1.
    """
    if source == target == "-":
        raise InputError("--source and --target cannot both be standard input")
    log_prob, tokens, pairs = 0.0, 0, 0
    with open_input(source) as sources, open_input(target) as targets, open_output(output, source, target) as write:
        translator = options.load_translator(models, device, threads)
        for texts, translations in _pairs(sources, targets, options.chunk_size({})):
            found = translator.score(texts, translations)
            write("".join(_line(number, one, form) + "\n" for number, one in enumerate(found, start=pairs + 1)))
            log_prob += sum(one.log_prob for one in found)
            tokens, pairs = tokens + sum(one.tokens for one in found), pairs + len(found)
    if not pairs:
        raise InputError(f"{sources.name}: no lines, nothing to score")
    summary = f"perplexity {_perplexity(log_prob, tokens):.4f} per token, log-probability {log_prob:.4f} nats"
    typer.echo(f"{pairs:,} pairs, {tokens:,} tokens (ends counted): {summary}", err=True)


def _line(number: int, pair: PairScore, form: str) -> str:
    perplexity = _perplexity(pair.log_prob, pair.tokens)
    if form == "text":
        return f"{pair.log_prob:.6f}\t{pair.tokens}\t{perplexity:.6f}"
    return json.dumps({"line": number, "log_prob": pair.log_prob, "tokens": pair.tokens, "perplexity": perplexity})


def _perplexity(log_prob: float, tokens: int) -> float:
    return math.exp(min(-log_prob / max(tokens, 1), 700.0))  # 700: the largest exponent that a float holds


def _pairs(sources: Source, targets: Source, size: int) -> Iterator[tuple[list[str], list[str]]]:
    """Both sides in step, `size` lines at a time."""
    texts: list[str] = []
    translations: list[str] = []
    for number, (text, translation) in enumerate(zip_longest(_lines(sources), _lines(targets)), start=1):
        if text is None or translation is None:
            short, long = (sources, targets) if text is None else (targets, sources)
            raise InputError(
                f"{short.name} ends before line {number}, {long.name} does not; they must be aligned line by line"
            )
        if translation.strip() and not text.strip():
            raise InputError(f"{sources.name}:{number}: blank, but its translation is not; nothing to score that by")
        texts.append(text)
        translations.append(translation)
        if len(texts) == size:
            yield texts, translations
            texts, translations = [], []
    if texts:
        yield texts, translations


def _lines(source: Source) -> Iterator[str]:
    for chunk in source.chunks(1024):
        yield from chunk
