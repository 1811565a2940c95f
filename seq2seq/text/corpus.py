"""Parallel text from files, TSV, JSONL, translators' files and Hugging Face datasets, checked pair by pair."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import seq2seq.text.translators_files  # noqa: F401  # registers its formats
from seq2seq.config import CorpusConfig, DataConfig
from seq2seq.errors import InputError
from seq2seq.text.datasets import read_dataset
from seq2seq.text.delimited import read_delimited
from seq2seq.text.encoding import EncodedCorpus, Ids, encode_corpus, fingerprint
from seq2seq.text.lines import iter_lines, read_lines
from seq2seq.text.readers import BOTH_BLANK, Row, SentencePair, read_aligned, read_jsonl
from seq2seq.text.word_links import read_links

__all__ = [
    "Corpus",
    "EncodedCorpus",
    "SentencePair",
    "encode_corpus",
    "fingerprint",
    "iter_lines",
    "read_corpus",
    "read_lines",
]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentence pairs in the order of the text.

    dropped: reason -> number of pairs left out for it. notes: sentences on how the text was understood. links: those
    between the words of each pair, flat, where the config names a file of them.
    """

    source: list[str]
    target: list[str]
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()
    links: Ids | None = None

    def __len__(self) -> int:
        return len(self.source)


def read_corpus(spec: CorpusConfig, data: DataConfig) -> Corpus:
    """Read one parallel text; relative paths start from data.root.

    Pairs with two blank sides are dropped and counted. Other bad pairs are too where data.problems is "drop"; where it
    is "refuse", the first one raises InputError with its place. Unequal line counts, missing and empty files, and a
    text without any good pair always raise InputError, and so do bad links of a pair that is not dropped.
    """
    source: list[str] = []
    target: list[str] = []
    dropped: Counter[str] = Counter()
    notes: list[str] = []
    kept, number = array("q"), -1
    for number, row in enumerate(_rows(spec, data, notes)):
        if isinstance(row, SentencePair):
            kept.append(number)
            source.append(row.source)
            target.append(row.target)
        elif data.problems == "drop" or row.reason == BOTH_BLANK:
            dropped[row.reason] += 1
        else:
            raise InputError(f"{row.message} (data.problems = 'drop' leaves such pairs out)")
    if not source:
        counts = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise InputError(
            f"{spec.file}: no usable pair"
            + (f"; dropped {counts}" if counts else "")
            + "".join(f"; {note}" for note in notes[:1])
        )
    links = None
    if spec.alignment is not None:
        path, pairs = Path(data.root) / spec.alignment, zip(source, target, strict=True)
        links = Ids(read_links(path, spec.file, kept, number + 1, pairs, inverse=spec.alignment_inverse))
    return Corpus(source, target, dict(dropped), tuple(notes), links)


def _rows(spec: CorpusConfig, data: DataConfig, notes: list[str]) -> Iterator[Row]:
    root, languages = Path(data.root), data.languages(spec)
    if spec.source is not None and spec.target is not None:
        return read_aligned(root / spec.source, root / spec.target)
    if spec.tsv is not None:
        return read_delimited(root / spec.tsv, "tsv", spec, languages, notes)
    if spec.jsonl is not None:
        return read_jsonl(root / spec.jsonl, languages)
    return read_dataset(spec, root, languages, notes)
