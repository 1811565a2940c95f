"""`seq2seq translate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from seq2seq.cli import options
from seq2seq.cli.display import progress_over
from seq2seq.cli.layout import Layout
from seq2seq.cli.streams import count_lines, open_input, open_output
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.translation import SampleOptions, SearchOptions, Translation
    from seq2seq.translator import Translator

EXAMPLES = """
echo "ein Mann schläft ." | seq2seq translate runs/demo
seq2seq translate runs/demo --input test.de --output test.hypothesis.en
seq2seq translate runs/demo --n-best 5 --scores < test.de | head -5
seq2seq translate runs/demo --alignment < test.de | cut -f 2 > links.txt
seq2seq translate runs/demo --format jsonl --scores --alignment < test.de
seq2seq translate runs/demo --format grid < test.de | less
seq2seq translate runs/a runs/b runs/c --beam-size 8 < test.de
seq2seq translate runs/demo --sample --n-best 3 --temperature 0.7 < test.de
"""

_SAMPLING = "Sampling"
_Find = Callable[[list[str], int], list[list["Translation"]]]


def translate(
    models: options.Models,
    source: Annotated[
        str,
        typer.Option("--input", "-i", metavar="FILE", help="Sentences, one a line.", show_default="standard input"),
    ] = "-",
    output: options.Output = "-",
    n_best: Annotated[
        int,
        typer.Option("--n-best", min=1, max=1_000_000, metavar="N", help="Translations of each sentence, best first."),
    ] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="Add score and log-probability.")] = False,
    alignment: Annotated[bool, typer.Option("--alignment", help="Add word links, by attention.")] = False,
    form: Annotated[
        Literal["text", "jsonl", "grid"],
        typer.Option("--format", help="Lines, JSON objects, or drawings of where the model looked."),
    ] = "text",
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    length_alpha: options.LengthAlpha = None,
    min_length: options.MinLength = None,
    max_length: options.MaxLength = None,
    max_source_length: options.MaxSourceLength = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw translations at random, not by search.", rich_help_panel=_SAMPLING)
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            metavar="X",
            help="Below 1, likely pieces become likelier; above 1, all more alike.",
            show_default="1",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k",
            metavar="N",
            min=1,
            help="Draw from the K best pieces.",
            show_default="all",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p",
            metavar="X",
            help="Draw from the fewest pieces that hold this probability together.",
            show_default="1",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="The same seed draws the same.",
            show_default="1",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Translate, one sentence a line: a line out for every line in, in order.

    Lines are translated as they arrive and written at once. A blank line
    stays blank. Text is UTF-8, input plain or .gz; '-' is standard
    input or output.

    Text has columns with a tab between them: the line number, from 1 (with
    --n-best above 1 only), the translation, score and log-probability in nats
    (with --scores), links (with --alignment) as 0-0 1-2: source word, target
    word, both from 0. --n-best N writes up to N lines for each line in.

    With --format jsonl, each translation is an object: line, rank, source,
    text, finished, truncated, source_pieces, pieces; with --scores also score
    and log_prob, with --alignment also alignment.

    With --format grid, a drawing follows each line of text: a row for every
    word written, a column for every word read, darker for more attention.
    """
    search = options.search_options(
        beam_size=beam_size,
        length_penalty=length_penalty,
        length_alpha=length_alpha,
        min_length=min_length,
        max_length=max_length,
        max_source_length=max_source_length,
        batch_size=batch_size,
    )
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    drawing = {name: value for name, value in drawing.items() if value is not None}
    if drawing and not sample:
        raise InputError(f"--{next(iter(drawing)).replace('_', '-')} has no effect without --sample")
    layout = Layout(form, numbered=n_best > 1, scores=scores, alignment=alignment)
    with open_input(source) as lines, open_output(output, source) as write:
        translator = options.load_translator(models, device, threads)
        find = _sampler(translator, n_best, search, drawing) if sample else _searcher(translator, n_best, search)
        if source == "-" and sys.stdin.isatty():
            print("reading from the terminal, one sentence a line; Ctrl-D ends", file=sys.stderr)
        number = 0
        with progress_over(lambda: _length(source, output)) as report:
            for texts in lines.chunks(options.chunk_size(search)):
                found = find(texts, number)
                options.warn_truncated(lines.name, number, (several[0] for several in found))
                write("".join(layout.lines(number, several) for number, several in enumerate(found, start=number + 1)))
                number += len(found)
                report(number)


def _length(source: str, output: str) -> int | None:
    """Lines to come, where a bar over them is no nuisance: translations on the same terminal are progress enough."""
    return None if output == "-" and sys.stdout.isatty() else count_lines(source)


def _searcher(translator: Translator, n_best: int, search: SearchOptions) -> _Find:
    return lambda texts, before: translator.translate_nbest(texts, n_best, **search)


def _sampler(translator: Translator, count: int, search: SearchOptions, drawing: dict[str, Any]) -> _Find:
    """Draws that depend on the seed and the number of the line alone, not on how lines arrive."""
    if "beam_size" in search:
        raise InputError("--beam-size has no effect with --sample, which draws --n-best translations")
    shared = cast("SampleOptions", search)
    return lambda texts, before: translator.sample(texts, first=before, count=count, **drawing, **shared)
