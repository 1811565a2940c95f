"""One epoch of the training text as pools of pairs: one pool for a text in memory, as many as it takes for a stream."""

from __future__ import annotations

from array import array
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
from seq2seq.training.mixing import MixedText, Rows, drawn_rows, with_tags
from seq2seq.training.seeds import derive_seed


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
    texts: Sequence[int] = ()  # for each row the number of its text, from 0; empty where there is one text
    labels: tuple[str, ...] = ()  # of these texts

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the number of target tokens of these rows, end tokens included."""
        return sum(len(self.target[row]) + 1 for row in rows)

    def counts(self, rows: Sequence[int]) -> dict[str, float]:
        """Return the numbers of pairs and of target tokens among these rows by text, as "pairs LABEL"; empty where
        there is one text.
        """
        found = dict[str, float]()
        for row in rows if self.texts else ():
            label = self.labels[self.texts[row]]
            found[f"pairs {label}"] = found.get(f"pairs {label}", 0) + 1
            found[f"tokens {label}"] = found.get(f"tokens {label}", 0) + len(self.target[row]) + 1
        return found

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return these rows as padded tensors."""
        return make_batch([self.source[row] for row in rows], [self.target[row] for row in rows])


def make_pools(text: TrainingText, config: Config, number: int, start: Place) -> Iterator[Pool]:
    """Yield the pools of an epoch from a place on: at least one, and none of them empty."""
    stream = text.train[0].text
    if isinstance(stream, Stream):
        return _stream_pools(stream, text.tokenizers, config, number, start)
    return iter([_text_pool(text.train, text.tokenizers, config, number)])


def _text_pool(texts: Sequence[MixedText], tokenizers: TokenizerPair, config: Config, number: int) -> Pool:
    """Return the one pool of texts in memory, segmented anew if subword regularisation is on."""
    amount, seed = config.tokenizer.sampling, config.training.seed
    drawn = [(one.text, drawn_rows(one, seed, number), one.tag) for one in texts if isinstance(one.text, EncodedCorpus)]
    source: Sequence[Sequence[int]] = Rows((text.source_ids, rows, tag) for text, rows, tag in drawn)
    target: Sequence[Sequence[int]] = Rows((text.target_ids, rows, ()) for text, rows, _ in drawn)
    if amount:
        read = [text.source[row] for text, rows, _ in drawn for row in rows]
        written = [text.target[row] for text, rows, _ in drawn for row in rows]
        tags = [tag for _, rows, tag in drawn for _ in rows]
        source = with_tags(tokenizers.source.sample_batch(read, amount, derive_seed(seed, number, "source")), tags)
        target = tokenizers.target.sample_batch(written, amount, derive_seed(seed, number, "target"))
    steps = _plan(source, target, config, seed, number)
    if len(drawn) == 1:
        return Pool(source, target, steps)
    owners = array("i", (place for place, (_, rows, _) in enumerate(drawn) for _ in rows))
    return Pool(source, target, steps, texts=owners, labels=tuple(one.label for one in texts))


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
