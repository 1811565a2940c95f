"""Streams of lines, translated in chunks; options with an item for each sentence are cut with the lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Protocol, Unpack, cast

from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.text.arguments import check_integer, iter_sentences
from seq2seq.translation.constraints import iter_constraints
from seq2seq.translation.options import SearchKeywords, SearchOptions
from seq2seq.translation.translation import Translation

PER_SENTENCE: dict[str, Callable[[Any], Iterator[Any]]] = {  # keywords with an item for each sentence, and how to read
    "prefixes": partial(iter_sentences, what="prefix"),
    "constraints": iter_constraints,
}


class Engine(Protocol):
    """The part of a translator that a stream needs."""

    config: Config

    def translate_nbest(
        self, texts: Iterable[str], n_best: int, **options: Unpack[SearchKeywords]
    ) -> list[list[Translation]]:
        """Return the n best translations of each text."""


def stream(
    engine: Engine, lines: Iterable[str], n_best: int, chunk: int, options: Mapping[str, Any]
) -> Iterator[list[Translation]]:
    """Iterate over the n best translations of each line, in order, with at most `chunk` lines in memory.

    Wrong options raise InputError at the call, not at the first line.
    """
    chunks = iter_chunks(lines, chunk)
    lists = {name: read(options[name]) for name, read in PER_SENTENCE.items() if options.get(name) is not None}
    shared = {name: value for name, value in options.items() if name not in lists}
    nothing: dict[str, list[Any]] = {name: [] for name in lists}
    SearchOptions.of(engine.config.search, shared | nothing).check_nbest(n_best)
    return _translate(engine, chunks, n_best, shared, lists)


def _translate(
    engine: Engine,
    chunks: Iterator[list[str]],
    n_best: int,
    shared: dict[str, Any],
    lists: dict[str, Iterator[Any]],
) -> Iterator[list[Translation]]:
    for texts in chunks:
        own = {name: list(islice(items, len(texts))) for name, items in lists.items()}
        yield from engine.translate_nbest(texts, n_best, **cast(SearchKeywords, {**shared, **own}))
    if longer := next((name for name, items in lists.items() if next(items, None) is not None), None):
        raise InputError(f"there are more {longer} than sentences; give one for each")


def iter_chunks(lines: Iterable[str], chunk: int) -> Iterator[list[str]]:
    """Iterate over lists of `chunk` lines, read when needed. Raises InputError at once for arguments of wrong type."""
    texts, size = iter_sentences(lines), check_integer("chunk", chunk, 1)
    return iter(lambda: list(islice(texts, size)), [])
