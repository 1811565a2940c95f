"""The command `seq2seq score`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seq2seq.bulk import engines
from seq2seq.bulk.line_pairs import check_standard_input, iter_aligned
from seq2seq.bulk.streams import open_input, open_output
from seq2seq.cli import options
from seq2seq.cli.display.console import say
from seq2seq.errors import InputError
from seq2seq.metrics.perplexity import perplexity

if TYPE_CHECKING:
    from seq2seq.translation.translation import PairScore

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
            "--source", metavar="FILE", help="Source sentences, one a line (plain or compressed; '-': standard input)."
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="FILE", help="Their translations, line by line.")],
    output: options.Output = "-",
    form: Annotated[Literal["text", "jsonl"], typer.Option("--format", help="Columns, or JSON objects.")] = "text",
    tag: options.Tag = None,
    max_length: options.MaxPieces = options.MAX_PIECES,
    too_long: options.TooLong = "refuse",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Tell how probable a model finds given translations.

    A line for each pair, with tabs between its columns: log-probability
    (nats), tokens, perplexity of a token. The end of the sentence counts as
    a token. The perplexity of all follows on standard error.

    With --format jsonl, an object for each pair: line, log_prob, tokens,
    perplexity; or line and error, where --too-long blank leaves it out. A
    pair of blank lines has no tokens, and perplexity 1.
    """
    check_standard_input(source=source, target=target)
    log_prob, tokens, pairs = 0.0, 0, 0
    with open_input(source) as sources, open_input(target) as targets, open_output(output) as write:
        translator = engines.load_translator(models, device, threads)
        for rows in iter_aligned(engines.chunk_size({}), sources, targets):
            for number, row in enumerate(rows, start=pairs + 1):
                _check(row, number, sources.name)
            lines = list[str]()
            for one in translator.score(*zip(*rows, strict=True), max_length=max_length, tag=tag):
                pairs += 1
                error = options.check_truncation(one.truncated, too_long, max_length, f"{sources.name}:{pairs}")
                lines.append(_line(pairs, one, form, error) + "\n")
                if error is None:
                    log_prob, tokens = log_prob + one.log_prob, tokens + one.tokens
            write("".join(lines))
        if not pairs:
            raise InputError(f"{sources.name}: no lines, nothing to score")
    summary = f"perplexity {perplexity(-log_prob, tokens):.4f} per token, log-probability {log_prob:.4f} nats"
    say(f"{pairs:,} pairs, {tokens:,} tokens (ends counted): {summary}")


def _line(number: int, pair: PairScore, form: str, error: str | None) -> str:
    if error is not None:
        return json.dumps({"line": number, "error": error}) if form == "jsonl" else ""
    value = perplexity(-pair.log_prob, pair.tokens)
    if form == "text":
        return f"{pair.log_prob:.6f}\t{pair.tokens}\t{value:.6f}"
    return json.dumps({"line": number, "log_prob": pair.log_prob, "tokens": pair.tokens, "perplexity": value})


def _check(row: Sequence[str], number: int, name: str) -> None:
    """Refuse a pair with a blank source and a target that is not blank."""
    text, translation = row
    if translation.strip() and not text.strip():
        raise InputError(f"{name}:{number}: blank, but its translation is not; nothing to score that by")
