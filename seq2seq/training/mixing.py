"""Several texts to learn from as one: how many pairs an epoch draws from each, and which ones.

An epoch has as many draws as there are pairs in all texts together. Without weights each text gives as many as it has,
so every pair is drawn once. With weights, or a temperature above 1, a text gives its share of them; it is gone through
in an order of its own, and begins anew, in another order, when it runs out, which may be within an epoch or across
several. Which pairs an epoch draws follows from seed, label and epoch alone: a resumed run needs no further state.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import overload

import torch

from seq2seq.config import DataConfig
from seq2seq.errors import InputError
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.text.streaming import Stream
from seq2seq.training.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class MixedText:
    """One of the texts to learn from.

    tag: ids that are read before each source, one or none. draws: pairs drawn from it in an epoch. dropped: reason ->
    pairs left out when it was read.
    """

    label: str
    text: EncodedCorpus | Stream
    dropped: dict[str, int]
    tag: tuple[int, ...] = ()
    draws: int = 0

    @property
    def pairs(self) -> int:
        """Number of sentence pairs; for a stream, which filters as it is read, before the filters."""
        return self.text.pairs if isinstance(self.text, Stream) else len(self.text.source)

    @property
    def removed(self) -> dict[str, int]:
        """Number of pairs that the filters removed, by reason; empty for a stream, which reports it after each pass."""
        return {} if isinstance(self.text, Stream) else self.text.removed


def add_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sum of counts by name; names stay in the order in which they come, also those of 0."""
    total = dict[str, int]()
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def epoch_draws(sizes: Sequence[int], data: DataConfig) -> list[int]:
    """Return how many pairs an epoch draws from each text, of these numbers of pairs.

    Shares are the weights, or size ** (1 / data.temperature) (Arivazhagan et al. 2019), normalised. The draws sum to
    the number of all pairs: shares are rounded down, and the largest remainders up. Raises InputError for a share that
    is too small for a single draw.
    """
    weights = [text.weight for text in data.texts]
    if None in weights and data.temperature == 1:
        return list(sizes)
    total = sum(sizes)
    shares = [
        size ** (1 / data.temperature) if weight is None else weight
        for size, weight in zip(sizes, weights, strict=True)
    ]
    exact = [total * share / sum(shares) for share in shares]
    draws = [int(number) for number in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda index: draws[index] - exact[index])
    for index in by_remainder[: total - sum(draws)]:
        draws[index] += 1
    if 0 in draws:
        text = data.texts[draws.index(0)]
        raise InputError(
            f"data.train: the share of {text.called!r} is {exact[draws.index(0)]:.2g} of an epoch's {total:,} draws, "
            "which is none; raise its weight, or leave the text out"
        )
    return draws


def has_shares(data: DataConfig) -> bool:
    """Return whether texts are drawn from by shares, and not each pair once an epoch."""
    return data.temperature != 1 or data.texts[0].weight is not None


def drawn_rows(text: MixedText, seed: int, epoch: int) -> Sequence[int]:
    """Return the rows of a text that an epoch draws, ascending; a row that is drawn twice is there twice."""
    size, rows = text.pairs, list[int]()
    if text.draws == size:  # the whole text, in whatever order
        return range(size)
    start, end = epoch * text.draws, (epoch + 1) * text.draws
    for turn in range(start // size, -(-end // size)):  # passes over the text, counted from the run's beginning
        low, high = max(start - turn * size, 0), min(end - turn * size, size)
        rows += range(size) if high - low == size else pass_order(text, seed, turn)[low:high]
    return sorted(rows)


def pass_order(text: MixedText, seed: int, turn: int) -> list[int]:
    """Return the order in which one pass over a text in memory goes through its rows."""
    generator = torch.Generator().manual_seed(derive_seed(seed, turn, f"order {text.label}"))
    order: list[int] = torch.randperm(text.pairs, generator=generator).tolist()
    return order


class Rows(Sequence[Sequence[int]]):
    """One side of the drawn pairs: rows of several texts' ids, one text after the other, none of them copied.

    Each part is (ids, rows, prefix): the ids of a text by row, the rows that are drawn, and the ids put before each.
    """

    def __init__(self, parts: Iterable[tuple[Sequence[Sequence[int]], Sequence[int], tuple[int, ...]]]) -> None:
        self._parts = list(parts)
        self._ends = list(accumulate(len(rows) for _, rows, _ in self._parts))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Sequence[int]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sequence[int]]: ...

    def __getitem__(self, index: int | slice) -> Sequence[int] | list[Sequence[int]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        part = bisect_right(self._ends, place)
        ids, rows, prefix = self._parts[part]
        row = ids[rows[place - (self._ends[part - 1] if part else 0)]]
        return self._prefixed(row, prefix) if prefix else row

    def _prefixed(self, row: Sequence[int], prefix: tuple[int, ...]) -> Sequence[int]:
        return [*prefix, *row]


class LinkRows(Rows):
    """The links between the pieces of the drawn pairs, where source pieces are counted from the prefix on."""

    def _prefixed(self, row: Sequence[int], prefix: tuple[int, ...]) -> Sequence[int]:
        return [piece if place % 2 else piece + len(prefix) for place, piece in enumerate(row)]


def with_tags(rows: Sequence[Sequence[int]], tags: Sequence[tuple[int, ...]]) -> Sequence[Sequence[int]]:
    """Return rows of ids, each after its tag."""
    return [[*tag, *row] for row, tag in zip(rows, tags, strict=True)] if any(tags) else rows


def shift_links(
    links: Sequence[Sequence[int]] | None, tags: Sequence[tuple[int, ...]]
) -> Sequence[Sequence[int]] | None:
    """Return links between pieces, each pair's with its source pieces counted from the tag on."""
    if links is None or not any(tags):
        return links
    return [LinkRows([(links, [row], tag)])[0] for row, tag in enumerate(tags)]
