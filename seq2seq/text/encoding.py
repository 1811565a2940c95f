"""From text to piece ids, in several processes and cached, and the filters of the training text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from seq2seq.config import DataConfig
from seq2seq.text.hub import quiet_datasets
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair

EMPTY, TOO_LONG, RATIO, DUPLICATE = "empty", "too long", "length ratio", "duplicate"


class ParallelText(Protocol):
    """Two sides of the same length."""

    @property
    def source(self) -> list[str]: ...

    @property
    def target(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """The pairs that the filters leave, as ids without begin and end, and as text, in the same order.

    removed: reason -> pairs removed, for every filter.
    """

    source_ids: list[list[int]]
    target_ids: list[list[int]]
    source: list[str]
    target: list[str]
    removed: dict[str, int]


def fingerprint(corpus: ParallelText) -> str:
    """sha256 of the text of both sides, in hexadecimal."""
    digest = hashlib.sha256()
    for side in (corpus.source, corpus.target):
        for text in side:
            digest.update(text.encode("utf-8") + b"\n")  # no sentence has a line break or a NUL, so texts cannot run
        digest.update(b"\0")  # into each other
    return digest.hexdigest()


def encode_corpus(
    corpus: ParallelText,
    tokenizers: TokenizerPair,
    data: DataConfig,
    cache_dir: Path | None = None,
    *,
    filters: bool = True,
) -> EncodedCorpus:
    """Encode both sides, and with `filters` remove pairs as data.max_length, max_ratio and drop_duplicates say.

    With `cache_dir` the ids are kept there and found again for the same text and tokenizers.
    """
    source_ids, target_ids = _encode(corpus, tokenizers, data.processes, cache_dir)
    removed = dict.fromkeys((EMPTY, TOO_LONG, RATIO, DUPLICATE), 0)
    if not filters:
        return EncodedCorpus(source_ids, target_ids, list(corpus.source), list(corpus.target), removed)
    kept = []
    for row, reason in enumerate(verdicts(corpus, source_ids, target_ids, data)):
        if reason is None:
            kept.append(row)
        else:
            removed[reason] += 1
    return EncodedCorpus(
        [source_ids[row] for row in kept],
        [target_ids[row] for row in kept],
        [corpus.source[row] for row in kept],
        [corpus.target[row] for row in kept],
        removed,
    )


def verdicts(
    corpus: ParallelText, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]], data: DataConfig
) -> Iterator[str | None]:
    """For each pair the first filter that removes it, or None. A removed pair does not make another a duplicate."""
    seen: set[tuple[str, str]] = set()
    for source, target, *pair in zip(corpus.source, corpus.target, source_ids, target_ids, strict=True):
        shorter, longer = sorted(len(ids) for ids in pair)
        if not shorter:
            yield EMPTY
        elif longer > data.max_length:
            yield TOO_LONG
        elif data.max_ratio and longer > data.max_ratio * shorter:
            yield RATIO
        elif data.drop_duplicates and (source, target) in seen:
            yield DUPLICATE
        else:
            if data.drop_duplicates:
                seen.add((source, target))
            yield None


def _encode(
    corpus: ParallelText, tokenizers: TokenizerPair, processes: int, cache_dir: Path | None
) -> tuple[list[list[int]], list[list[int]]]:
    import datasets
    import pyarrow

    text = datasets.Dataset.from_dict({"source": corpus.source, "target": corpus.target})
    ids = datasets.Sequence(datasets.Value("int32"))
    inputs = f"{tokenizers.source.sha256} {tokenizers.target.sha256} {fingerprint(corpus)}"
    key = hashlib.sha256(inputs.encode()).hexdigest()[:32]
    options: dict[str, Any] = {
        "batched": True,
        "remove_columns": ["source", "target"],
        "features": datasets.Features({"source": ids, "target": ids}),
        "num_proc": processes if processes > 1 else None,
        # Given, so that datasets need not hash the tokenizers, nor draw a random one where it cannot.
        "new_fingerprint": key,
        "keep_in_memory": cache_dir is None,
        "desc": "Encoding",
    }
    if cache_dir is not None:
        cache_dir.mkdir(parents=True, exist_ok=True)
        options["cache_file_name"] = str(cache_dir / f"ids-{key}.arrow")
    encode = partial(_encode_rows, tokenizers.source, tokenizers.target)
    with quiet_datasets():
        try:
            encoded = text.map(encode, load_from_cache_file=cache_dir is not None, **options)
        except pyarrow.ArrowInvalid:  # the cache is damaged
            encoded = text.map(encode, load_from_cache_file=False, **options)
        return encoded["source"][:], encoded["target"][:]


def _encode_rows(source: Tokenizer, target: Tokenizer, rows: dict[str, list[str]]) -> dict[str, list[list[int]]]:
    """Encode a batch; in a worker process the tokenizers arrive as their model's bytes."""
    return {"source": source.encode_batch(rows["source"]), "target": target.encode_batch(rows["target"])}
