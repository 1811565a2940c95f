"""The text of a run: read, cut into pieces, and dealt out an epoch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seq2seq.batching import Batch, make_batch, plan_batches
from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.text.corpus import Corpus, EncodedCorpus, encode_corpus, fingerprint, read_corpus
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.training.processes import Processes


@dataclass(frozen=True, slots=True)
class TrainingText:
    """What a run reads."""

    train: EncodedCorpus
    validation: EncodedCorpus
    tokenizers: TokenizerPair
    fingerprint: dict[str, str]  # what is read -> its hash
    dropped: dict[str, int]


def read_texts(config: Config) -> tuple[Corpus, Corpus]:
    """Training and validation text."""
    return read_corpus(config.data.train, config.data), read_corpus(config.data.validation, config.data)


def prepare(
    config: Config,
    texts: tuple[Corpus, Corpus],
    tokenizers: TokenizerPair | None,
    cache: Path,
    processes: Processes,
) -> TrainingText:
    """Train the tokenizers where none are given, and encode both texts: the first process does, the others take it."""
    train, validation = texts

    def lead() -> TokenizerPair:
        pair = tokenizers or train_tokenizers(train.source, train.target, config.tokenizer, Path(config.data.root))
        if processes.count > 1:  # what is encoded now, all find in the cache
            for corpus in texts:
                encode_corpus(corpus, pair, config.data, cache, filters=False)
        return pair

    tokenizers = processes.lead(lead)
    encoded = encode_corpus(train, tokenizers, config.data, cache, filters=True)
    if not len(encoded.source):
        counts = ", ".join(f"{reason}: {count}" for reason, count in encoded.removed.items() if count)
        raise InputError(f"no training pair is left after the filters ({counts}); see data.max_length, data.max_ratio")
    return TrainingText(
        train=encoded,
        validation=encode_corpus(validation, tokenizers, config.data, cache, filters=False),
        tokenizers=tokenizers,
        fingerprint={
            "training text": fingerprint(train),
            "validation text": fingerprint(validation),
            "source tokenizer": tokenizers.source.sha256,
            "target tokenizer": tokenizers.target.sha256,
        },
        dropped=train.dropped,
    )


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training text: a pure function of config and number, so that a resumed run finds its place.

    Nothing in it depends on the number of processes or on accumulation, which only divide the rows of a step.
    """

    source: Sequence[Sequence[int]]
    target: Sequence[Sequence[int]]
    steps: list[list[int]]  # the rows of each step

    def tokens(self, rows: Sequence[int]) -> int:
        """Target tokens of these rows, the ends counted."""
        return sum(len(self.target[row]) + 1 for row in rows)

    def batch(self, rows: Sequence[int]) -> Batch:
        """These rows in tensors."""
        return make_batch([self.source[row] for row in rows], [self.target[row] for row in rows])


def make_epoch(text: TrainingText, config: Config, number: int) -> Epoch:
    """Cut the text anew where subword regularisation is on, and deal it into steps."""
    train, amount, seed = text.train, config.tokenizer.sampling, config.training.seed
    source, target = train.source_ids, train.target_ids
    if amount:
        source = text.tokenizers.source.sample_batch(train.source, amount, draw(seed, number, "source"))
        target = text.tokenizers.target.sample_batch(train.target, amount, draw(seed, number, "target"))
    lengths = [torch.tensor([len(row) for row in side]) for side in (source, target)]
    return Epoch(source, target, plan_batches(lengths[0], lengths[1], config.training.batch_tokens, seed, number))


def draw(seed: int, epoch: int, side: str) -> int:
    """A seed for one epoch and one use (a side, a process), apart from every other."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}/{side}".encode()).digest()[:4], "little")
