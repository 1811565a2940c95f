"""The command `seq2seq index`."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.bounds import LARGEST_COUNT, LARGEST_STATES, MOST_STATES
from seq2seq.bulk import engines
from seq2seq.bulk.line_pairs import check_standard_input
from seq2seq.cli import options
from seq2seq.cli.display.console import print_json, print_text
from seq2seq.cli.display.training import progress_over
from seq2seq.cli.training_text import read_training_text
from seq2seq.errors import EXTRAS, InputError, require
from seq2seq.processes.signals import raise_on_sigterm
from seq2seq.text.escaping import escape_text

if TYPE_CHECKING:
    pass

EXAMPLES = """
seq2seq index runs/demo --source train.de --target train.en
seq2seq serve runs/demo --open
"""


def index(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model directory, where the index is kept.")],
    source: options.TrainingSource,
    target: options.TrainingTarget,
    most: Annotated[
        int,
        typer.Option(
            "--most",
            metavar="N",
            min=1,
            max=LARGEST_STATES,
            help="Most pieces of each side; of a longer text, pairs are drawn at random.",
        ),
    ] = MOST_STATES,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, max=LARGEST_COUNT, help="Seed of that draw.")] = 1,
    tag: options.Tag = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Index what a model's states were at the words of its training text.

    The page of 'seq2seq serve' then shows, for a word, the words of the
    training text at which the model was in nearly the same state, with their
    sentences: what this decision was learnt from.

    The index lies in the model directory, with the sentences themselves. It is
    no part of the model: 'seq2seq push' leaves it here, and a model that is
    trained on needs another one.
    """
    if not os.path.isdir(model):
        raise InputError(f"{model}: no such directory; the index is kept in the model directory, so give one")
    check_standard_input(source=source, target=target)
    require("seq2seq index", "torch", *EXTRAS["index"])
    from seq2seq.checkpoint.known_states import write_states
    from seq2seq.checkpoint.model import load_model
    from seq2seq.translation.neighbours import PairSample, join_states, states_of_pairs

    engines.set_threads(threads)
    loaded = load_model(model, device=device)
    sample = PairSample(loaded, most, seed, tag)
    with raise_on_sigterm():
        read_training_text(source, target, sample.add)
        parts = []
        with progress_over(lambda: len(sample.pairs)) as progress:
            for done, part in states_of_pairs(loaded, sample.pairs, tag):
                parts.append(part)
                progress(done)
        states = join_states(parts)
        write_states(loaded.directory, states, loaded.files)
    facts: dict[str, Any] = {"model": str(loaded.directory), "pairs": len(sample.pairs), "pairs_read": sample.read}
    facts |= {"pairs_left_out": sample.left_out, "source_states": len(states.source_states)}
    facts |= {"target_states": len(states.target_states)}
    if as_json:
        print_json(facts)
    else:
        print_text(escape_text("\n".join(_lines(facts))))


def _lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts in words, one line each."""
    out = f", {facts['pairs_left_out']:,} left out" if facts["pairs_left_out"] else ""
    states = f"{facts['source_states']:,} states of source pieces, {facts['target_states']:,} of target pieces"
    return [
        f"{states}, from {facts['pairs']:,} of {facts['pairs_read']:,} pairs{out}",
        f"to use it: {shlex.join(['seq2seq', 'serve', facts['model'], '--open'])}",
    ]
