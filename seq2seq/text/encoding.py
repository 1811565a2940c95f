"""Piece ids of a corpus, encoded chunk by chunk and cached, and the filters of the training text."""

from __future__ import annotations

import hashlib
import operator
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from seq2seq.config import DataConfig
from seq2seq.durable import own_part_path, replace_durably
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.text.word_links import piece_links

CHUNK_PAIRS = 10_000  # pairs that are encoded at a time
PARTS = ("source", "target", "links")  # what is encoded; the last only where words are linked

Texts = tuple[list[str], list[str], "Ids | None"]
"""Source sentences, their target sentences, and the links between their words, if there are any."""

Encoded = tuple["Ids", ...]
"""The ids of source and target sentences, and the links between their pieces, if there are any."""

Map = Callable[[Callable[[Texts], Encoded], Iterable[Texts]], Iterable[Encoded]]
"""A function like the built-in `map`: applies a function to each chunk and yields the results in order."""

Report = Callable[[int, int], None]
"""A function that is called with the number of encoded pairs and of all pairs."""

EMPTY, TOO_LONG, RATIO, DUPLICATE = "empty", "too long", "length ratio", "duplicate"


class ParallelText(Protocol):
    """A text with two sides of the same length."""

    @property
    def source(self) -> list[str]: ...

    @property
    def target(self) -> list[str]: ...

    @property
    def links(self) -> Ids | None: ...


class Ids(Sequence[list[int]]):
    """Token ids of many sentences at 4 bytes per id, where a list of Python ints takes 8 to 36."""

    def __init__(self, rows: Iterable[Sequence[int]] = ()) -> None:
        self._flat, self._ends = array("i"), array("q")
        self.extend(rows)

    @classmethod
    def from_arrays(cls, flat: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]) -> Ids:
        """Rebuild the ids from the two arrays that `arrays` returns."""
        made = cls()
        made._flat.frombytes(flat.astype(np.int32, copy=False).tobytes())
        made._ends.frombytes(ends.astype(np.int64, copy=False).tobytes())
        return made

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all ids as one flat array, `ids`, and for each sentence the position in it where it ends, `ends`."""
        return {"ids": np.array(self._flat, dtype=np.int32), "ends": np.array(self._ends, dtype=np.int64)}

    def extend(self, rows: Iterable[Sequence[int]]) -> None:
        """Append sentences."""
        if isinstance(rows, Ids):
            first = len(self._flat)
            self._flat.extend(rows._flat)
            self._ends.extend(first + end for end in rows._ends)
            return
        for row in rows:
            self._flat.extend(row)
            self._ends.append(len(self._flat))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> list[int]: ...

    @overload
    def __getitem__(self, index: slice) -> Ids: ...

    def __getitem__(self, index: int | slice) -> list[int] | Ids:
        if isinstance(index, slice):
            return Ids(self[row] for row in range(*index.indices(len(self))))
        row = range(len(self))[index]
        return self._flat[self._ends[row - 1] if row else 0 : self._ends[row]].tolist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """The pairs that the filters leave: as ids without begin and end, and as text in the same order.

    removed: reason -> number of pairs removed, for every filter. word_links, links: those between the words, and
    between the pieces, of each pair, flat as source, target, ...; None for a text without links.
    """

    source_ids: Sequence[Sequence[int]]
    target_ids: Sequence[Sequence[int]]
    source: list[str]
    target: list[str]
    removed: dict[str, int]
    word_links: Sequence[Sequence[int]] | None = None
    links: Sequence[Sequence[int]] | None = None


def fingerprint(corpus: ParallelText) -> str:
    """Return the SHA-256 of the text of both sides, in hexadecimal."""
    digest = hashlib.sha256()
    for side in (corpus.source, corpus.target):
        for text in side:
            digest.update(text.encode("utf-8") + b"\n")  # no sentence has a line break or a NUL, so that different
        digest.update(b"\0")  # texts never give the same bytes
    return digest.hexdigest()


def links_fingerprint(links: Ids) -> str:
    """Return the SHA-256 of the links of all pairs, in hexadecimal."""
    return _digest(links.arrays()).hex()


def encode_corpus(
    corpus: ParallelText,
    tokenizers: TokenizerPair,
    data: DataConfig,
    cache_dir: Path | None = None,
    *,
    filters: bool = True,
    seen: set[tuple[str, str]] | None = None,
    apply: Map = map,
    report: Report = lambda done, total: None,
) -> EncodedCorpus:
    """Encode both sides and, with `filters`, remove pairs by data.max_length, max_ratio and drop_duplicates.

    seen: pairs of which these would be duplicates; kept pairs are added to it, for the next of several texts.
    With `cache_dir` the ids are stored there and read back for the same text and tokenizers. Otherwise the text is
    encoded in chunks of CHUNK_PAIRS pairs by `apply`, which may share the chunks among processes; `report` is called
    after each.
    """
    source_ids, target_ids, *more = _find_or_encode(corpus, tokenizers, cache_dir, apply, report)
    links = (None, None) if corpus.links is None else (corpus.links, more[0])
    removed = dict.fromkeys((EMPTY, TOO_LONG, RATIO, DUPLICATE), 0)
    if not filters:
        return EncodedCorpus(source_ids, target_ids, list(corpus.source), list(corpus.target), removed, *links)
    kept = []
    for row, reason in enumerate(filter_reasons(corpus, source_ids, target_ids, data, seen)):
        if reason is None:
            kept.append(row)
        else:
            removed[reason] += 1
    return EncodedCorpus(
        Ids(source_ids[row] for row in kept),
        Ids(target_ids[row] for row in kept),
        [corpus.source[row] for row in kept],
        [corpus.target[row] for row in kept],
        removed,
        *(None if rows is None else Ids(rows[row] for row in kept) for rows in links),
    )


def filter_reasons(
    corpus: ParallelText,
    source_ids: Sequence[Sequence[int]],
    target_ids: Sequence[Sequence[int]],
    data: DataConfig,
    seen: set[tuple[str, str]] | None = None,
) -> Iterator[str | None]:
    """Yield for each pair the reason of the first filter that removes it, or None.

    A removed pair does not make a later one a duplicate. seen: as in `encode_corpus`.
    """
    seen = set() if seen is None else seen
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


def _find_or_encode(
    corpus: ParallelText, tokenizers: TokenizerPair, cache_dir: Path | None, apply: Map, report: Report
) -> Encoded:
    inputs = f"{tokenizers.source.sha256} {tokenizers.target.sha256} {fingerprint(corpus)}"
    if corpus.links is not None:
        inputs += f" {links_fingerprint(corpus.links)}"
    parts = PARTS[: 2 if corpus.links is None else 3]
    name = f"ids-{hashlib.sha256(inputs.encode()).hexdigest()[:32]}.safetensors"
    found = None if cache_dir is None else _read(cache_dir / name, parts)
    if found is None:
        found = tuple(Ids() for _ in parts)
        starts = range(0, len(corpus.source), CHUNK_PAIRS)
        chunks = (_chunk(corpus, slice(start, start + CHUNK_PAIRS)) for start in starts)
        for encoded in apply(partial(_encode, tokenizers), chunks):
            for ids, more in zip(found, encoded, strict=True):
                ids.extend(more)
            report(len(found[0]), len(corpus.source))
        if cache_dir is not None:
            _write(cache_dir / name, dict(zip(parts, found, strict=True)))
    return found


def _chunk(corpus: ParallelText, rows: slice) -> Texts:
    return corpus.source[rows], corpus.target[rows], None if corpus.links is None else corpus.links[rows]


def _encode(tokenizers: TokenizerPair, texts: Texts) -> Encoded:
    source, target, links = texts
    if links is None:
        return Ids(tokenizers.source.encode_batch(source)), Ids(tokenizers.target.encode_batch(target))
    read, written = tokenizers.source.encode_spans(source), tokenizers.target.encode_spans(target)
    rows = zip(source, read, target, written, links, strict=True)
    return (
        Ids(ids for ids, _ in read),
        Ids(ids for ids, _ in written),
        Ids(piece_links(one, spans, other, others, linked) for one, (_, spans), other, (_, others), linked in rows),
    )


def _read(path: Path, parts: Sequence[str]) -> Encoded | None:
    """Return the ids cached in a file, None where it is missing or its digest does not fit its content."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        held = load_file(path)
        if held.pop("sha256").tobytes() != _digest(held):
            return None
        return tuple(Ids.from_arrays(held[f"{part} ids"], held[f"{part} ends"]) for part in parts)
    except (FileNotFoundError, SafetensorError, KeyError):
        return None


def _digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the SHA-256 of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, held in sorted(arrays.items()):
        digest.update(f"{name} {held.dtype} {held.shape}\n".encode() + held.tobytes())
    return digest.digest()


def _write(path: Path, found: Mapping[str, Ids]) -> None:
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{part} {what}": array for part, ids in found.items() for what, array in ids.arrays().items()}
    tensors["sha256"] = np.frombuffer(_digest(tensors), dtype=np.uint8)
    replace_durably(path, save(tensors), own_part_path(path))
