"""The command `seq2seq align`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seq2seq.bulk import engines
from seq2seq.bulk.line_pairs import check_standard_input, iter_aligned
from seq2seq.bulk.streams import STANDARD, count_lines, open_input, open_output
from seq2seq.cli import options
from seq2seq.cli.display.agreement import Agreement
from seq2seq.cli.display.console import say
from seq2seq.cli.display.training import progress_over
from seq2seq.errors import InputError, nearest
from seq2seq.metrics.symmetrisation import METHODS

if TYPE_CHECKING:
    from seq2seq.bulk.streams import LineStream
    from seq2seq.config import DataConfig
    from seq2seq.translation.aligner import AlignedPair
    from seq2seq.translation.translator import Translator

EXAMPLES = """
seq2seq align runs/demo --source test.de --target test.en > links
seq2seq align runs/demo --source test.de --target test.en --format grid
seq2seq align runs/demo --source test.de --target test.en \\
    --gold test.en-de.align --gold-inverse > /dev/null
seq2seq align runs/de-en --reverse runs/en-de --source test.de \\
    --target test.en --symmetrise intersection > links
seq2seq align runs/zh-en --source test.zh-words --target test.en \\
    --join source > links
"""

_DEFAULT_METHOD = "grow-diag-final-and"
_LARGEST_AREA = 1 << 23  # source characters times target characters, summed over pairs that are held together


def align(
    models: options.Models,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="FILE", help="Source sentences, one a line (plain or compressed; '-': standard input)."
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="FILE", help="Their translations, line by line.")],
    gold: Annotated[
        str | None,
        typer.Option(
            "--gold",
            metavar="FILE",
            help="A human's links, line by line: i-j is sure, ipj possible. Error rates go to standard error.",
        ),
    ] = None,
    gold_inverse: Annotated[
        bool, typer.Option("--gold-inverse", help="Links of --gold are target-source, as of the other direction.")
    ] = False,
    join: Annotated[
        Literal["source", "target", "both"] | None,
        typer.Option(
            "--join",
            help="Side whose spaces only show its words: the model reads it without them, as Chinese is written.",
            show_default="neither",
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            "--shift",
            metavar="0|1",
            min=0,
            max=1,
            help="Read the step that predicts a piece (0), or the next one, which reads it (1).",
            show_default="0",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="X",
            help="Link all word pairs with a weight of X or more, above 0 and at most 1.",
            show_default="to the word with most",
        ),
    ] = None,
    reverse: Annotated[
        list[str] | None,
        typer.Option(
            "--reverse",
            metavar="MODEL",
            help="Model of the other direction, whose links are joined with these. Repeat it for an ensemble.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--symmetrise", metavar="|".join(METHODS), help="How they are joined.", show_default=_DEFAULT_METHOD
        ),
    ] = None,
    tag: options.Tag = None,
    reverse_tag: Annotated[
        str | None,
        typer.Option(
            "--reverse-tag",
            metavar="TAG",
            callback=options.decode_text,
            help="The same for the model of --reverse, before each target.",
            show_default="none",
        ),
    ] = None,
    output: options.Output = "-",
    form: Annotated[
        Literal["pharaoh", "jsonl", "grid"],
        typer.Option("--format", help="Links, JSON objects, or links and a drawing of the weights."),
    ] = "pharaoh",
    max_length: options.MaxPieces = options.MAX_PIECES,
    too_long: options.TooLong = "refuse",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Link the words of given translations, by where a model looks.

    A line for each pair: links i-j between source word i and target word j,
    from 0; words are what spaces separate. Each target word is linked to
    the source word that got most of its attention while the model was made
    to write it.

    Whether the step that predicts a word or the next one looks at its
    source depends on how the model is wired. With --gold and without
    --shift, the error rates of both are shown.

    With --format jsonl, an object for each pair: line, source and target
    (the words), links, weights (a row for each target word); reverse_weights
    (a row for each source word) with --reverse; or line and error, where
    --too-long blank leaves it out. A grid draws the weights of MODEL.

    Translations carry links of their own: seq2seq translate --alignment.
    """
    if gold_inverse and gold is None:
        raise InputError("--gold-inverse has no effect without --gold, a file of links")
    _check_options(source, target, gold, shift, threshold, reverse, method)
    if reverse_tag is not None and not reverse:
        raise InputError("--reverse-tag has no effect without --reverse, a model of the other direction")
    from seq2seq.translation.aligner import Aligner

    with ExitStack() as stack:
        files = [stack.enter_context(open_input(path)) for path in (source, target, gold) if path is not None]
        write = stack.enter_context(open_output(output))
        forward, backward = _load(models, reverse or [], device, threads, tagged=reverse_tag is not None)
        aligner = Aligner(
            forward, backward, method or _DEFAULT_METHOD, join, shift or 0, threshold, max_length, tag, reverse_tag
        )
        agreement = Agreement((0, 1) if shift is None else (shift,), inverse=gold_inverse)
        progress = stack.enter_context(progress_over(lambda: _length(source, output)))
        done = 0
        for rows in iter_aligned(engines.chunk_size({}), *files):
            for number, row in enumerate(rows, start=done + 1):
                _check_pair(row, number, files, gold_inverse)
            for group in _groups(rows):
                lines = list[str]()
                for row, pair in zip(group, aligner.align(*zip(*(row[:2] for row in group), strict=True)), strict=True):
                    done += 1
                    error = options.check_truncation(pair.truncated, too_long, max_length, f"{files[0].name}:{done}")
                    lines.append(_lines(done, pair, form, error))
                    if gold is not None and error is None:
                        agreement.add(row[2], pair)
                write("".join(lines))
            progress(done)
        if not done:
            raise InputError(f"{files[0].name}: no lines, nothing to align")
    if gold is not None:
        say(agreement.report(gold))


def _check_options(
    source: str,
    target: str,
    gold: str | None,
    shift: int | None,
    threshold: float | None,
    reverse: list[str] | None,
    method: str | None,
) -> None:
    """Refuse options that are out of range, or that would have no effect."""
    from seq2seq.metrics.links import check_link_options

    check_standard_input(source=source, target=target, gold=gold)
    check_link_options(shift or 0, threshold)
    if method is not None and method not in METHODS:
        raise InputError(f"--symmetrise {method}: unknown; {nearest(method, METHODS)}")
    if method is not None and not reverse:
        raise InputError("--symmetrise has no effect without --reverse, a model of the other direction")


def _load(
    models: list[str], reverse: list[str], device: str, threads: int | None, *, tagged: bool
) -> tuple[Translator, Translator | None]:
    """Load both models. tagged: whether a tag tells the reverse model its direction, which then is not checked."""
    forward = engines.load_translator(models, device, threads)
    backward = engines.load_translator(reverse, device, threads) if reverse else None
    if backward is not None and not tagged:
        check_direction(forward.config.data, backward.config.data, models[0], reverse[0])
    return forward, backward


def _groups(rows: Sequence[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Yield consecutive rows whose alignments fit in memory together: each takes a weight per source and target word,
    so long sentences come in small groups.
    """
    group, size = list[tuple[str, ...]](), 0
    for row in rows:
        area = (len(row[0]) + 1) * (len(row[1]) + 1)
        if group and size + area > _LARGEST_AREA:
            yield group
            group, size = [], 0
        group, size = [*group, row], size + area
    yield group


def check_direction(forward: DataConfig, backward: DataConfig, name: str, reverse: str) -> None:
    """Refuse a reverse model that translates in the same direction. Configs need not name their languages."""
    from seq2seq.config import DataConfig

    there, back = ((each.source_language, each.target_language) for each in (forward, backward))
    unnamed = tuple(DataConfig.model_fields[side].default for side in ("source_language", "target_language"))
    if there == back != unnamed:
        raise InputError(
            f"{reverse}: translates {back[0]} into {back[1]} as {name} does; "
            f"--reverse takes a model from {back[1]} to {back[0]}"
        )


def _check_pair(row: Sequence[str], number: int, files: Sequence[LineStream], inverse: bool) -> None:
    """Refuse a pair of which one side is blank, and links to words that do not exist."""
    from seq2seq.text.word_links import parse_pharaoh, refuse_outside

    words = [len(text.split()) for text in row[:2]]
    if bool(words[0]) != bool(words[1]):
        blank, other = (0, 1) if not words[0] else (1, 0)
        where = f"{files[blank].name}:{number}: blank, but {files[other].name}:{number} is not"
        raise InputError(f"{where}; there is nothing to align with")
    if len(row) == 2:
        return
    where = f"{files[2].name}:{number}"
    order = "target-source with --gold-inverse" if inverse else "source-target, or with --gold-inverse the reverse"
    refuse_outside(parse_pharaoh(row[2], where, inverse=inverse)[1], (words[0], words[1]), where, inverse, order)


def _lines(number: int, pair: AlignedPair, form: str, error: str | None) -> str:
    """Return the output for a pair."""
    if error is not None:
        return json.dumps({"line": number, "error": error}) + "\n" if form == "jsonl" else "\n"
    from seq2seq.metrics.drawing import draw_weights
    from seq2seq.text.word_links import format_pharaoh

    if form == "jsonl":
        return json.dumps(_object(number, pair), ensure_ascii=False) + "\n"
    line = format_pharaoh(pair.links) + "\n"
    if form == "pharaoh":
        return line
    forward, width = pair.forward, shutil.get_terminal_size().columns
    drawn = draw_weights(forward.weights, forward.source.words, forward.target.words, width=width)
    return line + "".join(f"{each.rstrip()}\n" for each in drawn.split("\n"))


def _object(number: int, pair: AlignedPair) -> dict[str, Any]:
    forward, backward = pair.forward, pair.backward
    entry = {
        "line": number,
        "source": forward.source.words,
        "target": forward.target.words,
        "links": pair.links,
        "weights": forward.weights.round(6).tolist(),
    }
    return entry if backward is None else entry | {"reverse_weights": backward.weights.round(6).tolist()}


def _length(source: str, output: str) -> int | None:
    """Return the number of lines to align, for a progress bar; None if links on the same terminal already show the
    progress.
    """
    return None if output == STANDARD and sys.stdout.isatty() else count_lines(source)
