"""The training and validation text of a run: read, checked and encoded as pieces."""

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
    """The encoded text of a run, its tokenizers, and what was left out of it."""

    train: EncodedCorpus | Stream
    validation: EncodedCorpus
    tokenizers: TokenizerPair
    fingerprint: dict[str, str]  # name of a text or tokenizer -> its SHA-256
    dropped: dict[str, int]  # reason -> pairs left out when the training text was read
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Number of sentence pairs to learn from; for a stream, which filters as it is read, before the filters."""
        return self.train.pairs if isinstance(self.train, Stream) else len(self.train.source)

    @property
    def removed(self) -> dict[str, int]:
        """Number of pairs that the filters removed, by reason; empty for a stream, which reports it after each pass."""
        return {} if isinstance(self.train, Stream) else self.train.removed


def read_texts(config: Config) -> tuple[Corpus | Stream, Corpus]:
    """Read the training text (or open its stream) and the validation text, and return both. Raises InputError for text
    that cannot be read, or whose lines are too long for BLEU.
    """
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
    """Train the tokenizers unless they are given, and encode both texts; the first process does this, the others use
    its results.

    cache: directory of encoded text. report: called in the first process with the numbers of pairs encoded and of all
    pairs. Raises InputError if the filters leave no training pair.
    """
    train, validation = texts
    progress = report if processes.first else lambda done, total: None

    def encode(corpus: Corpus, pair: TokenizerPair, *, filters: bool) -> EncodedCorpus:
        parts = -(-len(corpus.source) // CHUNK_PAIRS)
        apply = partial(map_in_processes, processes=min(config.data.processes, parts))
        return encode_corpus(corpus, pair, config.data, cache, filters=filters, apply=apply, report=progress)

    def build() -> TokenizerPair:
        pair = tokenizers or _train_tokenizers(config, train)
        if processes.count > 1:  # the first process fills the cache, from which all processes read
            for corpus in (text for text in texts if isinstance(text, Corpus)):
                encode(corpus, pair, filters=False)
        return pair

    tokenizers = processes.on_first(build)
    encoded = encode(validation, tokenizers, filters=False)
    if isinstance(train, Stream):
        # A stream is encoded as it is read; its sample was only for training the tokenizers.
        training: EncodedCorpus | Stream = replace(train, sample=None)
    else:
        training = encode(train, tokenizers, filters=True)
        if not training.source:
            raise no_pairs_error(training.removed)
    return TrainingText(
        train=training,
        validation=encoded,
        tokenizers=tokenizers,
        fingerprint={
            "training text": _fingerprint(train),
            "validation text": fingerprint(validation),
            "source tokenizer": tokenizers.source.sha256,
            "target tokenizer": tokenizers.target.sha256,
        },
        dropped=train.dropped or {},
        notes=(*train.notes, *validation.notes, *_truncation_notes(config, encoded)),
    )


def _truncation_notes(config: Config, validation: EncodedCorpus) -> Iterator[str]:
    """Yield a note if validations translate no more than the beginnings of some sentences."""
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


def no_pairs_error(removed: dict[str, int]) -> InputError:
    """Return the error that the filters removed every pair, with the count of each filter."""
    counts = ", ".join(f"{reason}: {count}" for reason, count in removed.items() if count)
    return InputError(f"no training pair is left after the filters ({counts}); see data.max_length, data.max_ratio")
