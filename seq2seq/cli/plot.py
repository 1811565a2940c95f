"""The commands `seq2seq plot attention`, `plot explanation`, and `plot results`, the report of a comparison again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.bulk import engines
from seq2seq.bulk.layout import aligned_weights, draw_to_width, unit_weights
from seq2seq.bulk.streams import STANDARD, is_replaced, resolve_output
from seq2seq.cli import options
from seq2seq.cli.display.console import print_text, say, supports_unicode
from seq2seq.cli.display.training import progress_over
from seq2seq.cli.examples import epilog
from seq2seq.cli.files import Command
from seq2seq.durable import explain_write_errors, own_part_path, replace_durably
from seq2seq.errors import InputError, Seq2SeqError, require
from seq2seq.processes.signals import raise_on_sigterm

if TYPE_CHECKING:
    from seq2seq.comparison.report.pictures import Form

ATTENTION = """
seq2seq plot attention runs/demo --source "Die Frau schläft nicht."
seq2seq plot attention runs/demo --source "Die Frau schläft nicht." \\
    --output attention.svg
seq2seq plot attention runs/demo --source "Die Frau schläft nicht." \\
    --target "The woman does not sleep." --shift 1 --output attention.pdf
"""
EXPLANATION = """
seq2seq plot explanation explanation.json
seq2seq plot explanation explanation.json --mass 0.8 --output attention.svg
seq2seq plot explanation explanation.json --tree --output tree.svg
"""
RESULTS = """
seq2seq plot results runs/comparison/results.json --output report
"""
EXAMPLES = ATTENTION.rstrip() + EXPLANATION.rstrip() + RESULTS
MASS = 0.9
FORMATS: dict[str, Form] = {".svg": "svg", ".pdf": "pdf", ".png": "png"}

plot = typer.Typer(
    help="Draw what a model looked at, how a search went, or the results of a comparison.",
    epilog=epilog(EXAMPLES),
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@plot.command(cls=Command, epilog=epilog(ATTENTION))
def attention(
    models: options.Models,
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", callback=options.decode_text, help="The sentence to translate.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TEXT",
            callback=options.decode_text,
            help="What the model is made to write.",
            show_default="its own translation",
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            "--shift",
            metavar="0|1",
            min=0,
            max=1,
            help="With --target, draw the step that predicts a piece (0), or the next one, which reads it (1).",
            show_default="0",
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="An .svg, .pdf or .png file.", show_default="drawn in the terminal"
        ),
    ] = STANDARD,
    tag: options.Tag = None,
    beam_size: options.BeamSize = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Draw what a model looks at while it translates a sentence, or writes a given one.

    A row for every word that it writes, a column for every word that it
    reads, darker for more attention; pieces in place of words on a side that
    has no spaces. In an SVG, words stay text.
    """
    form = _format_of(output)
    if form is not None:  # the terminal needs no matplotlib
        require("seq2seq plot attention --output", "torch", "matplotlib")
    _check_texts(source, target, shift, beam_size)
    translator = engines.load_translator(models, device, threads)
    if target is None:
        (translation,) = translator.translate([source], **options.search_options(beam_size=beam_size, tag=tag))
        options.warn_truncated("--source", 0, [translation])
        drawing = unit_weights(translation)
    else:
        (alignment,) = translator.align([source], [target], shift=shift or 0, tag=tag)
        drawing = aligned_weights(alignment, shift=shift or 0)
    if not drawing[2]:
        raise Seq2SeqError("the translation is empty: there is no attention to draw")
    if form is None:
        print_text(draw_to_width(*drawing, ascii_only=not supports_unicode()))
        return
    from seq2seq.comparison.report.heatmaps import attention_map
    from seq2seq.comparison.report.pictures import encode, missing_glyphs

    content, missing = encode(attention_map(*drawing), form)
    _write(output, content)
    if missing and form != "svg":
        say(f"warning: {missing_glyphs(missing)}")


@plot.command(cls=Command, epilog=epilog(EXPLANATION))
def explanation(
    file: Annotated[
        str, typer.Argument(metavar="EXPLANATION.json", help="What Explanation.as_json gave, or the server answered.")
    ],
    mass: Annotated[
        float | None,
        typer.Option(
            "--mass",
            metavar="SHARE",
            help="Of each piece, draw the strongest lines that together have this share of its attention.",
            show_default="0.9",
        ),
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Draw the hypotheses of the beam instead.")] = False,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="An .svg, .pdf or .png file.", show_default="drawn in the terminal"
        ),
    ] = STANDARD,
) -> None:
    """Draw a saved explanation: what each piece looked at, or the tree of the beam.

    In a file, lines lead from each piece to what it looked at, as wide as
    its attention, beside the matrix that the terminal shows. In the tree, the
    way to the translation is blue, and what was cut at once grey.
    """
    form = _format_of(output)
    if form is None and (tree or mass is not None):
        raise InputError(f"{'--tree' if tree else '--mass'} has no effect in the terminal; give a file with --output")
    if tree and mass is not None:
        raise InputError("--mass has no effect with --tree, which draws no attention")
    if mass is not None and not 0 < mass <= 1:
        raise InputError(f"--mass must be above 0 and at most 1, given {mass}")
    from seq2seq.translation.saved_explanation import load_explanation

    found = load_explanation(Path(file))
    if tree and not found.tree:
        raise InputError(f"{file}: it has no tree of the beam; explain with tree=True")
    drawing = found.attention, found.source.pieces, found.rows
    if form is None:
        import numpy as np

        print_text(draw_to_width(np.array(drawing[0]), *drawing[1:], ascii_only=not supports_unicode()))
        return
    require("seq2seq plot explanation --output", "matplotlib")
    from seq2seq.comparison.report.heatmaps import attention_graph
    from seq2seq.comparison.report.pictures import encode, missing_glyphs
    from seq2seq.comparison.report.trees import beam_tree

    content, missing = encode(beam_tree(found.tree) if tree else attention_graph(*drawing, mass or MASS), form)
    _write(output, content)
    if missing and form != "svg":
        say(f"warning: {missing_glyphs(missing)}")


@plot.command(cls=Command, epilog=epilog(RESULTS))
def results(
    file: Annotated[str, typer.Argument(metavar="RESULTS.json", help="What seq2seq compare wrote.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Where the report goes.")],
) -> None:
    """Write the report of a comparison again, from its numbers alone.

    report.html (one file, needs no network), report.md, results.csv, and
    figures/ with every figure as SVG and PDF. Files of these names are
    replaced when all of them are ready.
    """
    require("seq2seq plot results", "jinja2", "matplotlib")
    from seq2seq.comparison.results import load_results

    found = load_results(Path(file))
    if os.path.lexists(output) and not os.path.isdir(output):
        raise InputError(f"{output}: is a file; --output takes a directory")

    from seq2seq.comparison.report.plots import pictures
    from seq2seq.comparison.report.report import write_report

    with raise_on_sigterm(), progress_over(lambda: len(list(pictures(found)))) as tell:
        notes = write_report(found, Path(output), tell)
    say(*(f"warning: {note}" for note in notes))


def _check_texts(source: str, target: str | None, shift: int | None, beam_size: int | None) -> None:
    for name, text in (("--source", source), ("--target", target)):
        if text is not None and not text.strip():
            raise InputError(f"{name} is blank: there is nothing to look at")
    if target is None and shift is not None:
        raise InputError("--shift has no effect without --target")
    if target is not None and beam_size is not None:
        raise InputError("--beam-size has no effect with --target, which leaves nothing to search")


def _format_of(output: str) -> Form | None:
    """Return the format that a file's ending asks for; None for the terminal. Raises InputError if the file cannot be
    written.
    """
    if output == STANDARD:
        return None
    ending = Path(output).suffix.lower()
    if ending not in FORMATS:
        raise InputError(f"{output}: --output ends in {', '.join(FORMATS)}, given {ending or 'no ending'}")
    resolve_output(output)
    return FORMATS[ending]


def _write(output: str, content: bytes) -> None:
    """Write a file that appears when all is written; a device is written to directly."""
    target = resolve_output(output)
    with raise_on_sigterm(), explain_write_errors(output):
        if is_replaced(output):
            replace_durably(target, content, own_part_path(target))
        else:
            target.write_bytes(content)
