"""One epoch of the training text as pools of pairs: one pool for a text in memory, as many as it takes for a stream."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from seq2seq.batching import Batch, make_batch, plan_batches
from seq2seq.config import Config
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.text.streaming import EncodedPair, Stream
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.data import TrainingText, no_pairs_error


@dataclass(frozen=True, slots=True)
class Place:
    """Position in an epoch at which a pool begins. rows: rows of the stream before it. removed: reason -> how many of
    these were left out.
    """

    pool: int = 0
    rows: int = 0
    removed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """Pairs that are shuffled and bucketed by length together.

    A pool is a pure function of config, epoch and place, so a resumed run builds the same one. It does not depend on
    the number of processes or on accumulation, which only divide the rows of a step.
    """

    source: Sequence[Sequence[int]]
    target: Sequence[Sequence[int]]
    steps: list[list[int]]  # the rows of each step
    last: bool = True  # whether the epoch ends with this pool
    end: Place = field(default_factory=Place)  # where the next pool begins

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the number of target tokens of these rows, end tokens included."""
        return sum(len(self.target[row]) + 1 for row in rows)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return these rows as padded tensors."""
        return make_batch([self.source[row] for row in rows], [self.target[row] for row in rows])


def make_pools(text: TrainingText, config: Config, number: int, start: Place) -> Iterator[Pool]:
    """Yield the pools of an epoch from a place on: at least one, and none of them empty."""
    if isinstance(text.train, Stream):
        return _stream_pools(text.train, text.tokenizers, config, number, start)
    return iter([_text_pool(text.train, text.tokenizers, config, number)])


def _text_pool(train: EncodedCorpus, tokenizers: TokenizerPair, config: Config, number: int) -> Pool:
    """Return the one pool of a text in memory, segmented anew if subword regularisation is on."""
    amount, seed = config.tokenizer.sampling, config.training.seed
    source: Sequence[Sequence[int]] = train.source_ids
    target: Sequence[Sequence[int]] = train.target_ids
    if amount:
        source = tokenizers.source.sample_batch(train.source, amount, derive_seed(seed, number, "source"))
        target = tokenizers.target.sample_batch(train.target, amount, derive_seed(seed, number, "target"))
    return Pool(source, target, _plan(source, target, config, seed, number))


def _stream_pools(
    stream: Stream, tokenizers: TokenizerPair, config: Config, number: int, start: Place
) -> Iterator[Pool]:
    """Yield pools of data.shuffle_buffer consecutive pairs each, from shards whose order is shuffled for each epoch."""
    generator = torch.Generator().manual_seed(derive_seed(config.training.seed, number, "shards"))
    order = torch.randperm(len(stream.shards), generator=generator).tolist()
    rows, index, removed, pairs = start.rows, start.pool, Counter(start.removed), list[EncodedPair]()
    for item in stream.read(tokenizers, order, start.rows):
        if isinstance(item, str):
            removed[item] += 1
        else:
            if len(pairs) == config.data.shuffle_buffer:  # only now is it known that this pool is not the last
                index += 1
                full, pairs = pairs, []
                yield _pool(full, tokenizers, config, number, False, Place(index, rows, dict(removed)))
                del full
            pairs.append(item)
        rows += 1
    if not pairs:
        raise no_pairs_error(dict(removed))
    yield _pool(pairs, tokenizers, config, number, True, Place(index + 1, rows, dict(removed)))


def _pool(
    pairs: Sequence[EncodedPair], tokenizers: TokenizerPair, config: Config, number: int, last: bool, end: Place
) -> Pool:
    source: Sequence[Sequence[int]] = [pair.source_ids for pair in pairs]
    target: Sequence[Sequence[int]] = [pair.target_ids for pair in pairs]
    amount, seed = config.tokenizer.sampling, config.training.seed
    if amount:
        seeds = [derive_seed(seed, number, f"{side} {end.pool}") for side in ("source", "target")]
        source = tokenizers.source.sample_batch([pair.source for pair in pairs], amount, seeds[0])
        target = tokenizers.target.sample_batch([pair.target for pair in pairs], amount, seeds[1])
    steps = _plan(source, target, config, derive_seed(seed, number, f"pool {end.pool}"), number)
    return Pool(source, target, steps, last, end)


def _plan(
    source: Sequence[Sequence[int]], target: Sequence[Sequence[int]], config: Config, seed: int, number: int
) -> list[list[int]]:
    lengths = [torch.tensor([len(row) for row in side]) for side in (source, target)]
    return plan_batches(lengths[0], lengths[1], config.training.batch_tokens, seed, number)


def derive_seed(seed: int, epoch: int, side: str) -> int:
    """Return a seed in [0, 2³²) for one epoch and one use (a side, a process), independent of every other."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}/{side}".encode()).digest()[:4], "little")
