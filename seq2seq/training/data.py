"""The text of a run: read, checked and cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seq2seq.config import Config
from seq2seq.errors import InputError
from seq2seq.metrics.scoring_rules import refuse_long_lines
from seq2seq.processes.children import map_in_processes
from seq2seq.processes.group import Processes
from seq2seq.text.corpus import Corpus, EncodedCorpus, encode_corpus, fingerprint, read_corpus
from seq2seq.text.encoding import CHUNK_PAIRS
from seq2seq.text.streaming import Stream, open_stream
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.options import MAX_SOURCE_LENGTH


@dataclass(frozen=True, slots=True)
class TrainingText:
    """What a run reads."""

    train: EncodedCorpus | Stream
    validation: EncodedCorpus
    tokenizers: TokenizerPair
    fingerprint: dict[str, str]  # what is read -> its hash
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """To learn from; of a stream, whose filters work as it is read, before the filters."""
        return self.train.pairs if isinstance(self.train, Stream) else len(self.train.source)

    @property
    def removed(self) -> dict[str, int]:
        """Reason -> pairs that the filters removed; of a stream, told after each pass instead."""
        return {} if isinstance(self.train, Stream) else self.train.removed


def read_texts(config: Config) -> tuple[Corpus | Stream, Corpus]:
    """Training and validation text."""
    data = config.data
    validation = read_corpus(data.validation, data)
    if config.training.validation_bleu:
        refuse_long_lines("the target of data.validation", validation.target)
    return open_stream(config) if data.train.streaming else read_corpus(data.train, data), validation


def prepare(
    config: Config,
    texts: tuple[Corpus | Stream, Corpus],
    tokenizers: TokenizerPair | None,
    cache: Path,
    processes: Processes,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> TrainingText:
    """Train the tokenizers where none are given, and encode both texts: the first process does, the others take it.

    report: is told how many pairs of how many are encoded, in the first process.
    """
    train, validation = texts
    told = report if processes.first else lambda done, total: None

    def encode(corpus: Corpus, pair: TokenizerPair, *, filters: bool) -> EncodedCorpus:
        parts = -(-len(corpus.source) // CHUNK_PAIRS)
        apply = partial(map_in_processes, processes=min(config.data.processes, parts))
        return encode_corpus(corpus, pair, config.data, cache, filters=filters, apply=apply, report=told)

    def lead() -> TokenizerPair:
        pair = tokenizers or _train_tokenizers(config, train)
        if processes.count > 1:  # what is encoded now, all find in the cache
            for corpus in (text for text in texts if isinstance(text, Corpus)):
                encode(corpus, pair, filters=False)
        return pair

    tokenizers = processes.lead(lead)
    encoded = encode(validation, tokenizers, filters=False)
    if isinstance(train, Stream):
        # It is encoded as it is read, and has no more need of its sample.
        learned: EncodedCorpus | Stream = replace(train, sample=None)
    else:
        learned = encode(train, tokenizers, filters=True)
        if not learned.source:
            raise nothing_left(learned.removed)
    return TrainingText(
        train=learned,
        validation=encoded,
        tokenizers=tokenizers,
        fingerprint={
            "training text": _fingerprint(train),
            "validation text": fingerprint(validation),
            "source tokenizer": tokenizers.source.sha256,
            "target tokenizer": tokenizers.target.sha256,
        },
        dropped=train.dropped or {},
        notes=(*train.notes, *validation.notes, *_cut(config, encoded)),
    )


def _cut(config: Config, validation: EncodedCorpus) -> Iterator[str]:
    """A note where validations translate no more than the beginnings of some sentences."""
    long = sum(len(ids) > MAX_SOURCE_LENGTH for ids in validation.source_ids)
    if long and config.training.validation_bleu:
        limit = f"{MAX_SOURCE_LENGTH:,} pieces"
        yield f"validation sources of more than {limit}: {long:,}; for BLEU, {limit} of each are translated"


def _fingerprint(train: Corpus | Stream) -> str:
    return train.fingerprint if isinstance(train, Stream) else fingerprint(train)


def _train_tokenizers(config: Config, train: Corpus | Stream) -> TokenizerPair:
    text = train.sample if isinstance(train, Stream) else train
    assert text is not None  # a stream that was opened has a sample
    return train_tokenizers(text.source, text.target, config.tokenizer, Path(config.data.root))


def nothing_left(removed: dict[str, int]) -> InputError:
    """Says that the filters removed every pair, and which did."""
    counts = ", ".join(f"{reason}: {count}" for reason, count in removed.items() if count)
    return InputError(f"no training pair is left after the filters ({counts}); see data.max_length, data.max_ratio")
