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


@dataclass(frozen=True, slots=True)
class TrainingText:
    """What a run reads."""

    train: EncodedCorpus
    validation: EncodedCorpus
    tokenizers: TokenizerPair
    fingerprint: str  # of both texts, as read
    dropped: dict[str, int]


def read_texts(config: Config) -> tuple[Corpus, Corpus]:
    """Training and validation text."""
    return read_corpus(config.data.train, config.data), read_corpus(config.data.validation, config.data)


def prepare(
    config: Config, texts: tuple[Corpus, Corpus], tokenizers: TokenizerPair | None, cache: Path
) -> TrainingText:
    """Train the tokenizers where none are given, and encode both texts."""
    train, validation = texts
    if tokenizers is None:
        tokenizers = train_tokenizers(train.source, train.target, config.tokenizer, Path(config.data.root))
    encoded = encode_corpus(train, tokenizers, config.data, cache, filters=True)
    if not len(encoded.source):
        counts = ", ".join(f"{reason}: {count}" for reason, count in encoded.removed.items() if count)
        raise InputError(f"no training pair is left after the filters ({counts}); see data.max_length, data.max_ratio")
    return TrainingText(
        train=encoded,
        validation=encode_corpus(validation, tokenizers, config.data, cache, filters=False),
        tokenizers=tokenizers,
        fingerprint=hashlib.sha256(f"{fingerprint(train)} {fingerprint(validation)}".encode()).hexdigest(),
        dropped=train.dropped,
    )


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training text. A pure function of config and number, so that a resumed run finds its place."""

    source: Sequence[Sequence[int]]
    target: Sequence[Sequence[int]]
    steps: list[list[list[int]]]  # per step, per accumulated batch: rows

    def batches(self, step: int) -> list[Batch]:
        """The batches of one step, in tensors."""
        return [
            make_batch([self.source[row] for row in rows], [self.target[row] for row in rows])
            for rows in self.steps[step]
        ]


def make_epoch(text: TrainingText, config: Config, number: int) -> Epoch:
    """Cut the text anew where subword regularisation is on, and deal it into steps."""
    train, amount, seed = text.train, config.tokenizer.sampling, config.training.seed
    source, target = train.source_ids, train.target_ids
    if amount:
        source = text.tokenizers.source.sample_batch(train.source, amount, _draw(seed, number, "source"))
        target = text.tokenizers.target.sample_batch(train.target, amount, _draw(seed, number, "target"))
    lengths = [torch.tensor([len(row) for row in side]) for side in (source, target)]
    batches = plan_batches(lengths[0], lengths[1], config.training.batch_tokens, seed, number)
    group = config.training.accumulation
    return Epoch(source, target, [batches[start : start + group] for start in range(0, len(batches), group)])


def _draw(seed: int, epoch: int, side: str) -> int:
    """A seed for one epoch and side, apart from every other."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}/{side}".encode()).digest()[:4], "little")
