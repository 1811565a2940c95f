"""`seq2seq translate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.cli import options
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.translator import Translation, Translator

EXAMPLES = """
echo "ein Mann schläft ." | seq2seq translate runs/demo
seq2seq translate runs/demo --input test.de --output test.hypothesis.en
seq2seq translate runs/demo --n-best 5 --scores < test.de | head -5
seq2seq translate runs/demo --alignment < test.de | cut -f 2 > links.txt
seq2seq translate runs/demo --format jsonl --scores --alignment < test.de
seq2seq translate runs/a runs/b runs/c --beam-size 8 < test.de
seq2seq translate runs/demo --sample --n-best 3 --temperature 0.7 < test.de
"""

_SAMPLING = "Sampling"
Find = Callable[[list[str], int], list[list["Translation"]]]


def translate(
    models: options.Models,
    source: Annotated[str, typer.Option("--input", "-i", metavar="FILE", help="Sentences, one a line (plain or .gz).", show_default="standard input")] = "-",
    output: options.Output = "-",
    n_best: Annotated[int, typer.Option("--n-best", min=1, help="Translations of each sentence, at most the beam size.")] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="Tell score and log-probability (nats, the end counted).")] = False,
    alignment: Annotated[bool, typer.Option("--alignment", help="Tell word links, 'source-target' from 0, by attention.")] = False,
    form: options.Format = "text",
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    length_alpha: options.LengthAlpha = None,
    min_length: options.MinLength = None,
    max_length: options.MaxLength = None,
    max_source_length: options.MaxSourceLength = 1000,
    sample: Annotated[bool, typer.Option("--sample", help="Draw translations at random instead.", rich_help_panel=_SAMPLING)] = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Below 1 bolder, above 1 flatter.", show_default="1", rich_help_panel=_SAMPLING)] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Draw from the K best pieces only.", show_default="all", rich_help_panel=_SAMPLING)] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Draw from the fewest pieces that hold this probability.", show_default="all", rich_help_panel=_SAMPLING)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Same seed, same draws.", show_default="1", rich_help_panel=_SAMPLING)] = None,
    batch_size: options.BatchSize = 128,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """x"""
