"""The command `seq2seq shortlist`."""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.bulk import engines
from seq2seq.bulk.line_pairs import check_standard_input
from seq2seq.bulk.streams import read_input_lines
from seq2seq.cli import options
from seq2seq.cli.display.console import print_json, print_text
from seq2seq.cli.training_text import read_training_text
from seq2seq.errors import InputError
from seq2seq.processes.signals import raise_on_sigterm
from seq2seq.text.escaping import escape_text

if TYPE_CHECKING:
    from seq2seq.checkpoint.model import LoadedModel
    from seq2seq.search.shortlist import Shortlist

EXAMPLES = """
seq2seq shortlist runs/demo --source train.de --target train.en
seq2seq shortlist runs/demo --source train.de --target train.en \\
    --validation-source valid.de --validation-target valid.en --bleu
seq2seq translate runs/demo --shortlist < test.de
"""


def shortlist(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model directory, where the shortlist is kept.")],
    source: options.TrainingSource,
    target: options.TrainingTarget,
    size: Annotated[
        int, typer.Option("--size", metavar="N", min=1, max=1000, help="Target pieces that each source piece allows.")
    ] = 50,
    common: Annotated[
        int,
        typer.Option(
            "--common",
            metavar="K",
            min=1,
            max=LARGEST_COUNT,
            help="Most frequent target pieces, which are on every list.",
        ),
    ] = 100,
    validation_source: Annotated[
        str | None, typer.Option("--validation-source", metavar="FILE", help="Other text to measure the lists on.")
    ] = None,
    validation_target: Annotated[
        str | None, typer.Option("--validation-target", metavar="FILE", help="Its human translations.")
    ] = None,
    bleu: Annotated[
        bool, typer.Option("--bleu", help="Translate --validation-source without and with the lists, and compare.")
    ] = False,
    tag: options.Tag = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Build a model's lexical shortlist, for translating faster.

    The model reads its training text again; what it looks at while it is made
    to write the translations tells what each source piece may become. With
    'translate --shortlist' a sentence is then written in what its own pieces
    allow and in the most frequent pieces, some hundred of thousands.

    Recall is the share of the pieces of human translations that are on their
    sentence's list.

    A model that is trained on needs another shortlist; the old one is refused.
    """
    _check_options(model, source, target, validation_source, validation_target, bleu)
    validation = None
    if validation_source is not None and validation_target is not None:
        validation = _validation(validation_source, validation_target, bleu)
    from seq2seq.checkpoint.model import load_model
    from seq2seq.checkpoint.shortlist import write_shortlist
    from seq2seq.translation.lexicon import Lexicon

    engines.set_threads(threads)
    loaded = load_model(model, device=device)
    lexicon = Lexicon(loaded, tag)
    with raise_on_sigterm():
        read_training_text(source, target, lexicon.learn)
        built = lexicon.shortlist(size, common)
        write_shortlist(loaded.directory, built, loaded.files)
    facts: dict[str, Any] = {"model": str(loaded.directory), "size": size, "common": common}
    facts |= {"pairs": lexicon.pairs, "pairs_left_out": lexicon.left_out, "links": len(built.tokens)}
    if validation is not None:
        facts["validation"] = _measure(loaded, built, str(validation_source), *validation, bleu, tag)
    if as_json:
        print_json(facts)
    else:
        print_text(escape_text("\n".join(_lines(facts))))


def _check_options(
    model: str, source: str, target: str, validation_source: str | None, validation_target: str | None, bleu: bool
) -> None:
    """Refuse options that lack their counterpart, before anything is read."""
    if not os.path.isdir(model):
        raise InputError(f"{model}: no such directory; the shortlist is kept in the model directory, so give one")
    check_standard_input(source=source, target=target)
    if (validation_source is None) != (validation_target is None):
        raise InputError("--validation-source and --validation-target belong together; give both or none")
    if bleu and validation_source is None:
        raise InputError("--bleu has no effect without --validation-source and --validation-target")


def _validation(source: str, target: str, bleu: bool) -> tuple[list[str], list[str]]:
    """Return the text to measure on, checked before the long reading of the training text."""
    from seq2seq.metrics.references import rows_without_reference

    sources, references = read_input_lines(source), read_input_lines(target)
    if len(sources) != len(references):
        numbers = f"{source} has {len(sources):,} lines, {target} {len(references):,}"
        raise InputError(f"{numbers}; they must be aligned line by line")
    if bleu and (rows := rows_without_reference([references])):
        raise InputError(f"{target}:{rows[0] + 1}: blank, so --bleu has nothing to score against; leave the pair out")
    return sources, references


def _measure(
    loaded: LoadedModel,
    built: Shortlist,
    source: str,
    sources: list[str],
    references: list[str],
    bleu: bool,
    tag: str | None,
) -> dict[str, Any]:
    """Return how well the lists cover text that they were not built from."""
    from seq2seq.translation.lexicon import Recall, encode_pairs

    pairs = encode_pairs(loaded, sources, references, tag)
    if not pairs:
        raise InputError(f"{source}: no pair with two sides to measure the shortlist on")
    recall = Recall.measure(built, pairs, copies=loaded.config.model.copy)
    return {
        "sentences": recall.sentences,
        "pieces": recall.pieces,
        "recall": recall.rate,
        "whole_sentences": recall.whole / recall.sentences,
        "mean_size": recall.mean_size,
        "vocabulary": loaded.vocabulary.target,
        **(_compare(loaded, built, sources, references, tag) if bleu else {}),
    }


def _compare(
    loaded: LoadedModel, built: Shortlist, sources: list[str], references: list[str], tag: str | None
) -> dict[str, Any]:
    """Return scores and times of translations without and with the lists."""
    import torch

    from seq2seq.metrics.scores import bleu
    from seq2seq.translation.translator import Translator

    translator, texts, seconds = Translator([loaded], [built]), list[list[str]](), list[float]()
    for shortlist in (False, True):
        began = time.perf_counter()
        texts.append([found.text for found in translator.translate(sources, shortlist=shortlist, tag=tag)])
        seconds.append(time.perf_counter() - began)
    tokenize = loaded.config.training.validation_tokenize or None
    scores = [bleu(hypotheses=found, references=[references], tokenize=tokenize) for found in texts]
    same = sum(one == other for one, other in zip(*texts, strict=True))
    return {
        "bleu": scores[0].value,
        "bleu_shortlist": scores[1].value,
        "signature": scores[0].signature,
        "notes": list(scores[0].notes),
        "identical": same / len(sources),
        "seconds": seconds[0],
        "seconds_shortlist": seconds[1],
        "beam_size": loaded.config.search.beam_size,
        "threads": torch.get_num_threads(),
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts in words, one line each."""
    out = f", {facts['pairs_left_out']:,} left out" if facts["pairs_left_out"] else ""
    lines = [f"{facts['links']:,} links from {facts['pairs']:,} pairs{out}"]
    if found := facts.get("validation"):
        sizes = f"{found['mean_size']:.0f} of {found['vocabulary']:,} pieces a sentence"
        lines.append(f"recall {found['recall']:.2%} of {found['pieces']:,} pieces; {sizes}")
    if found and "bleu" in found:
        change = f"BLEU {found['bleu']:.2f} without, {found['bleu_shortlist']:.2f} with the shortlist"
        lines.append(f"{change} ({found['signature']}); {found['identical']:.1%} of the lines are the same")
        lines += [f"note: {note}" for note in found["notes"]]
        spent = f"{found['seconds']:.1f} s without, {found['seconds_shortlist']:.1f} s with the shortlist"
        lines.append(f"translated in {spent} (beam {found['beam_size']}, threads: {found['threads']})")
    return [*lines, f"to use it: {shlex.join(['seq2seq', 'translate', facts['model']])} --shortlist"]
