"""Pools of texts of which one or more are streamed: each is read on from where it is, and their pairs take turns."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch

from seq2seq.config import Config
from seq2seq.text.streaming import EncodedPair, Stream
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.data import no_pairs_error
from seq2seq.training.mixing import MixedText, add_counts, has_shares, pass_order, shift_links, with_tags
from seq2seq.training.pool import Place, Pool, plan
from seq2seq.training.seeds import derive_seed
from seq2seq.training.segmentation import sample_pairs
from seq2seq.training.state import TextPlace


def stream_pools(
    texts: Sequence[MixedText], tokenizers: TokenizerPair, config: Config, number: int, start: Place
) -> Iterator[Pool]:
    """Yield pools of data.shuffle_buffer pairs each, in the order in which the texts' turns bring them.

    The turns of each text are spread evenly over an epoch's draws. Without shares an epoch reads each text once, and
    ends when all have ended; what the filters remove is missing. With shares, a text that ends begins anew, and each
    draw is of a pair that has passed the filters. A pool is found again from its place: no generator goes on.
    """
    repeats = len(texts) > 1 and has_shares(config.data)
    readers = [
        _Reader(text, tokenizers, config, _first_place(text, texts, number, start, repeats), number, repeats)
        for text in texts
    ]
    pairs, draws, index = list[tuple[int, EncodedPair]](), start.draws, start.pool
    for owner in _turns(texts, readers, repeats, start.draws):
        pair = readers[owner].next_pair()
        if pair is not None:
            if len(pairs) == config.data.shuffle_buffer:  # only now is it known that this pool is not the last
                index += 1
                full, pairs = pairs, []
                yield _pool(full, texts, tokenizers, config, number, False, _place(index, draws, readers, owner))
                del full
            pairs.append((owner, pair))
        draws += 1
    end = _place(index + 1, draws, readers, None)
    if not pairs:
        raise no_pairs_error(end.removed)
    yield _pool(pairs, texts, tokenizers, config, number, True, end)


def _first_place(text: MixedText, texts: Sequence[MixedText], number: int, start: Place, repeats: bool) -> TextPlace:
    """Return how far a text is: in its own passes if it repeats, else in the pass of this epoch."""
    if len(texts) == 1:
        return TextPlace(number, start.rows, start.rows, dict(start.removed))
    found = start.texts.get(text.label, TextPlace(0 if repeats else number))
    return replace(found, removed=dict(found.removed))


def _place(pool: int, draws: int, readers: Sequence[_Reader], owner: int | None) -> Place:
    """Return the place after all pairs that were read, but for the last one of the text `owner`, if any."""
    found = [reader.place_before() if index == owner else reader.place_after() for index, reader in enumerate(readers)]
    rows, removed = sum(each.read for each in found), add_counts(each.removed for each in found)
    if len(readers) == 1:
        return Place(pool, rows, removed)
    return Place(pool, rows, removed, draws, {one.label: each for one, each in zip(readers, found, strict=True)})


def _turns(texts: Sequence[MixedText], readers: Sequence[_Reader], repeats: bool, skip: int) -> Iterator[int]:
    """Yield the number of the text whose turn it is, without the first `skip` turns; where texts do not repeat, go on
    until all have ended.
    """
    spread = [_spread(index, text.draws) for index, text in enumerate(texts)]
    yield from (index for _, index in islice(heapq.merge(*spread), skip, None))
    for index, reader in enumerate(() if repeats else readers):
        while not reader.ended:
            yield index


def _spread(index: int, draws: int) -> Iterator[tuple[float, int]]:
    """Yield the turns of a text, evenly over an epoch from 0 to 1."""
    return (((2 * turn + 1) / (2 * draws), index) for turn in range(draws))


class _Reader:
    """Reads the pairs of one text, and knows how far it is."""

    def __init__(
        self, text: MixedText, tokenizers: TokenizerPair, config: Config, place: TextPlace, epoch: int, repeats: bool
    ) -> None:
        self.label, self._text, self._tokenizers = text.label, text, tokenizers
        self._seed, self._alone, self._repeats = config.training.seed, len(config.data.texts) == 1, repeats
        self._place, self._waiting = place, 0  # rows of the pair that was given last, which the place does not count
        self._items: Iterator[EncodedPair | str] | None = None
        self._fruitless = False  # whether this pass has been read from its beginning without a pair
        self.ended = not repeats and place.turns > epoch

    def place_before(self) -> TextPlace:
        """Return the place before the pair that was given last."""
        return replace(self._place, removed=dict(self._place.removed))

    def place_after(self) -> TextPlace:
        """Return the place after the pair that was given last."""
        return replace(
            self.place_before(), rows=self._place.rows + self._waiting, read=self._place.read + self._waiting
        )

    def next_pair(self) -> EncodedPair | None:
        """Return the next pair that passes the filters; None if the text has ended and is not to begin anew."""
        place = self._place
        while not self.ended:
            place.rows, place.read, self._waiting = place.rows + self._waiting, place.read + self._waiting, 0
            if self._items is None:
                self._items, self._fruitless = self._open(), place.rows == 0
            item = next(self._items, None)
            if isinstance(item, EncodedPair):
                self._waiting, self._fruitless = 1, False
                return item
            if item is not None:
                place.removed[item] = place.removed.get(item, 0) + 1
                place.rows, place.read = place.rows + 1, place.read + 1
                continue
            if self._repeats and self._fruitless:
                raise no_pairs_error(place.removed, self.label)
            place.turns, place.rows, self._items = place.turns + 1, 0, None
            self.ended = not self._repeats
        return None

    def _open(self) -> Iterator[EncodedPair | str]:
        """Yield the rest of the present pass; each has an order of its own, of shards or, in memory, of pairs."""
        text, place = self._text.text, self._place
        if isinstance(text, Stream):
            use = "shards" if self._alone else f"shards {self.label}"
            generator = torch.Generator().manual_seed(derive_seed(self._seed, place.turns, use))
            order = torch.randperm(len(text.shards), generator=generator).tolist()
            yield from text.read(self._tokenizers, order, place.rows)
            return
        for row in pass_order(self._text, self._seed, place.turns)[place.rows :]:
            ids = array("i", text.source_ids[row]), array("i", text.target_ids[row])
            links = [array("i", side[row]) for side in (text.word_links, text.links) if side is not None]
            yield EncodedPair(text.source[row], text.target[row], *ids, *links)


def _pool(
    drawn: Sequence[tuple[int, EncodedPair]],
    texts: Sequence[MixedText],
    tokenizers: TokenizerPair,
    config: Config,
    number: int,
    last: bool,
    end: Place,
) -> Pool:
    """Make a pool of pairs, each with the number of its text."""
    source: Sequence[Sequence[int]] = [pair.source_ids for _, pair in drawn]
    target: Sequence[Sequence[int]] = [pair.target_ids for _, pair in drawn]
    seed, guided, links = config.training.seed, config.guided, None
    if config.tokenizer.sampling:
        texts_of_pairs = [pair.source for _, pair in drawn], [pair.target for _, pair in drawn]
        word_links = [pair.word_links for _, pair in drawn] if guided else None
        source, target, links = sample_pairs(*texts_of_pairs, word_links, tokenizers, config, number, f" {end.pool}")
    elif guided:
        links = [pair.links for _, pair in drawn]
    tags = [texts[owner].tag for owner, _ in drawn]
    source, links = with_tags(source, tags), shift_links(links, tags)
    steps = plan(source, target, config, derive_seed(seed, number, f"pool {end.pool}"), number)
    if len(texts) == 1:
        return Pool(source, target, steps, last, end)
    owners = array("i", (owner for owner, _ in drawn))
    return Pool(source, target, steps, last, end, owners, tuple(text.label for text in texts), links)
