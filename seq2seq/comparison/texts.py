"""The tests of a comparison: their lines, and a fingerprint of all that the measurements of a run depend on.

Does not import torch, so that a bad file is reported at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seq2seq.comparison.plan import Grid, TestText
from seq2seq.errors import InputError
from seq2seq.metrics.bleu_tokenizer import TokenizerChoice, choose_tokenizer
from seq2seq.metrics.references import rows_without_reference
from seq2seq.metrics.scoring_rules import refuse_long_lines
from seq2seq.text.lines import read_lines
from seq2seq.text.word_links import Link, parse_pharaoh
from seq2seq.text.words import join_words
from seq2seq.translation.word_alignment import Join


@dataclass(frozen=True, slots=True)
class Test:
    """The lines of a test.

    raw_source: the source as in its file. source: as the model reads it, with words joined if the grid says so. gold:
    (sure, possible) links of each pair, counted from 0. join: the sides whose words are joined. tag: what is read
    before each source.
    """

    raw_source: list[str]
    source: list[str]
    reference: list[str]
    gold: list[tuple[set[Link], set[Link]]] | None
    join: Join | None
    tag: str | None = None


def load_tests(grid: Grid, root: Path) -> dict[str, Test]:
    """Read and check all tests of a grid; return them by name. Raises InputError with file and line."""
    tests = {name: _load(text, root) for name, text in grid.tests.items()}
    if grid.examples is not None:
        count = len(tests[grid.examples.test].source)
        if bad := [line for line in grid.examples.lines if not 1 <= line <= count]:
            raise InputError(f"examples.lines: {bad[0]}: the test {grid.examples.test!r} has lines 1 to {count}")
    return tests


def _load(text: TestText, root: Path) -> Test:
    given, reference = read_lines(root / text.source), read_lines(root / text.reference)
    if len(given) != len(reference):
        counts = f"{len(given)} and {len(reference)}"
        raise InputError(f"{root / text.source} and {root / text.reference} differ in length: {counts} lines")
    refuse_long_lines(str(root / text.reference), reference)
    if not given:
        raise InputError(f"{root / text.source}: no lines; a test needs sentences")
    for path, lines in ((text.source, given), (text.reference, reference)):
        if rows := rows_without_reference([lines]):
            raise InputError(f"{root / path}:{rows[0] + 1}: blank; a test needs both sides: leave the pair out")
    joins = text.join in ("source", "both")
    source = [join_words(line).text for line in given] if joins else given
    gold = None if text.alignment is None else list(_read_gold(root / text.alignment, text.alignment_inverse))
    if gold is not None and len(gold) != len(given):
        raise InputError(f"{root / str(text.alignment)}: {len(gold)} lines of links for {len(given)} pairs")
    return Test(given, source, reference, gold, text.join, text.tag)


def _read_gold(path: Path, inverse: bool) -> Iterator[tuple[set[Link], set[Link]]]:
    for number, line in enumerate(read_lines(path), start=1):
        yield parse_pharaoh(line, f"{path}:{number}", inverse=inverse)


def bleu_tokenizer(grid: Grid, tests: Mapping[str, Test]) -> TokenizerChoice:
    """Return BLEU's tokenizer, one for all tests of a grid: the grid's own, or one that fits the references."""
    if grid.search.tokenize:
        return TokenizerChoice(grid.search.tokenize)
    return choose_tokenizer(line for test in tests.values() for line in test.reference)


def fingerprint(grid: Grid, tests: Mapping[str, Test], weights: bytes) -> str:
    """Return a hash of everything that a run's measurements depend on: settings, tests and the bytes of the weights."""
    settings = {name: grid.model_dump()[name] for name in ("tests", "noise", "examples", "search")}
    for given in settings["tests"].values():
        if given["tag"] is None:  # earlier versions had none, and what they measured still counts
            del given["tag"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for test in tests.values():
        gold = [(sorted(sure), sorted(possible)) for sure, possible in test.gold or []]
        digest.update(repr((test.raw_source, test.reference, gold)).encode())
    if (chosen := bleu_tokenizer(grid, tests).name) not in (grid.search.tokenize, "13a", "zh"):
        # The choice depends on what is installed, which may change before the command is run again.
        digest.update(chosen.encode())
    digest.update(weights)
    return digest.hexdigest()
