"""The training and validation text of a run: read, checked and encoded as pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seq2seq.config import Config, CorpusConfig
from seq2seq.errors import InputError
from seq2seq.metrics.scoring_rules import refuse_long_lines
from seq2seq.processes.children import map_in_processes
from seq2seq.processes.group import Processes
from seq2seq.text.corpus import Corpus, EncodedCorpus, encode_corpus, fingerprint, read_corpus
from seq2seq.text.encoding import CHUNK_PAIRS, Ids, links_fingerprint
from seq2seq.text.extension import extend_pair
from seq2seq.text.streaming import Stream, open_stream
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.training.mixing import MixedText, add_counts, epoch_draws
from seq2seq.translation.options import MAX_SOURCE_LENGTH


@dataclass(frozen=True, slots=True)
class ValidationText:
    """One of the texts to validate on, its tag among the ids of each source."""

    label: str
    text: EncodedCorpus
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingText:
    """The encoded text of a run, its tokenizers, and what was left out of it."""

    train: tuple[MixedText, ...]
    validation: tuple[ValidationText, ...]
    tokenizers: TokenizerPair
    fingerprint: dict[str, str]  # name of a text or tokenizer -> its SHA-256
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Number of sentence pairs to learn from; for a stream, which filters as it is read, before the filters."""
        return sum(each.pairs for each in self.train)

    @property
    def dropped(self) -> dict[str, int]:
        """Number of pairs left out when the texts to learn from were read, by reason."""
        return add_counts(each.dropped for each in self.train)

    @property
    def removed(self) -> dict[str, int]:
        """Number of pairs that the filters removed, by reason; empty for a stream, which reports it after each pass."""
        return add_counts(each.removed for each in self.train)


ReadTexts = tuple[list[Corpus | Stream], list[Corpus]]
"""The texts to learn from, and those to validate on."""


def read_texts(config: Config) -> ReadTexts:
    """Read the training texts (or open their streams) and the validation texts, and return all. Raises InputError for
    text that cannot be read, or whose lines are too long for BLEU.
    """
    data = config.data
    validation = [read_corpus(text, data) for text in data.validations]
    for number, text in enumerate(validation if config.training.validation_bleu else [], start=1):
        which = "" if len(validation) == 1 else f".{number}"
        refuse_long_lines(f"the target of data.validation{which}", text.target)
    return [open_stream(config, text) if text.streaming else read_corpus(text, data) for text in data.texts], validation


def prepare(
    config: Config,
    texts: ReadTexts,
    tokenizers: TokenizerPair | None,
    cache: Path,
    processes: Processes,
    report: Callable[[int, int], None] = lambda done, total: None,
    start: TokenizerPair | None = None,
) -> TrainingText:
    """Train the tokenizers unless they are given, and encode all texts; the first process does this, the others use
    its results.

    cache: directory of encoded text. report: called in the first process with the numbers of pairs encoded and of all
    pairs. start: tokenizers of the model that a new run starts from, which are taken as they are or extended. Raises
    InputError if the filters leave no training pair of a text.
    """
    read, validation = texts
    progress = report if processes.first else lambda done, total: None

    def encode(corpus: Corpus, pair: TokenizerPair, filters: set[tuple[str, str]] | None = None) -> EncodedCorpus:
        parts = -(-len(corpus.source) // CHUNK_PAIRS)
        apply = partial(map_in_processes, processes=min(config.data.processes, parts))
        return encode_corpus(
            corpus, pair, config.data, cache, filters=filters is not None, seen=filters, apply=apply, report=progress
        )

    def build() -> TokenizerPair:
        pair = tokenizers or _make_tokenizers(config, read, start)
        if processes.count > 1:  # the first process fills the cache, from which all processes read
            for corpus in (text for text in (*read, *validation) if isinstance(text, Corpus)):
                encode(corpus, pair)
        return pair

    tokenizers = processes.on_first(build)
    encoded = [
        ValidationText(spec.called, _tagged(encode(text, tokenizers), _tag_ids(spec, tokenizers)), spec.tag)
        for spec, text in zip(config.data.validations, validation, strict=True)
    ]
    specs, seen = config.data.texts, defaultdict[str | None, set[tuple[str, str]]](set)
    train = list[MixedText]()
    for spec, text in zip(specs, read, strict=True):
        # A stream is encoded as it is read; its sample was only for training the tokenizers.
        kept = replace(text, sample=None) if isinstance(text, Stream) else encode(text, tokenizers, seen[spec.tag])
        if not isinstance(kept, Stream) and not kept.source:
            raise no_pairs_error(kept.removed, spec.called if len(specs) > 1 else None)
        if config.guided and not isinstance(kept, Stream) and kept.links is None:
            unlinked: list[tuple[int, ...]] = [()] * len(kept.source)
            kept = replace(kept, word_links=unlinked, links=unlinked)
        train.append(MixedText(spec.called, kept, text.dropped or {}, _tag_ids(spec, tokenizers)))
    draws = epoch_draws([each.pairs for each in train], config.data)
    return TrainingText(
        train=tuple(replace(each, draws=number) for each, number in zip(train, draws, strict=True)),
        validation=tuple(encoded),
        tokenizers=tokenizers,
        fingerprint={
            **dict(zip(_names("training text", specs), map(_fingerprint, read), strict=True)),
            **{
                name: links_fingerprint(text.links)
                for name, text in zip(_names("word links", specs), read, strict=True)
                if isinstance(text, Corpus) and text.links is not None
            },
            **dict(zip(_names("validation text", config.data.validations), map(fingerprint, validation), strict=True)),
            "source tokenizer": tokenizers.source.sha256,
            "target tokenizer": tokenizers.target.sha256,
        },
        notes=(
            *_notes(specs, read),
            *_notes(config.data.validations, validation),
            *_truncation_notes(config, encoded),
        ),
    )


def _names(what: str, specs: Sequence[CorpusConfig]) -> list[str]:
    """Return the names of texts among the fingerprints: with their labels if there are several."""
    return [what] if len(specs) == 1 else [f"{what} {spec.called}" for spec in specs]


def _tag_ids(spec: CorpusConfig, tokenizers: TokenizerPair) -> tuple[int, ...]:
    """Return the id of a text's tag, if it has one. Raises InputError where the vocabulary lacks it."""
    try:
        return () if spec.tag is None else (tokenizers.source.symbol_id(spec.tag),)
    except InputError as error:
        way = "choose one of them, or let tokenizer.extend add it to a start model's"
        raise InputError(f"data.train: tag {error}; {way}") from None


def _tagged(text: EncodedCorpus, tag: tuple[int, ...]) -> EncodedCorpus:
    """Return the text with the tag before each source's ids."""
    return replace(text, source_ids=Ids([*tag, *row] for row in text.source_ids)) if tag else text


def _notes(specs: Sequence[CorpusConfig], read: Sequence[Corpus | Stream]) -> Iterator[str]:
    """Yield the notes on texts, after the text's label if there are several."""
    for spec, text in zip(specs, read, strict=True):
        yield from (note if len(specs) == 1 else f"{spec.called}: {note}" for note in text.notes)


def _truncation_notes(config: Config, validation: Sequence[ValidationText]) -> Iterator[str]:
    """Yield a note if validations translate no more than the beginnings of some sentences."""
    long = sum(len(ids) - bool(each.tag) > MAX_SOURCE_LENGTH for each in validation for ids in each.text.source_ids)
    if long and config.training.validation_bleu:
        limit = f"{MAX_SOURCE_LENGTH:,} pieces"
        yield f"validation sources of more than {limit}: {long:,}; for BLEU, {limit} of each are translated"


def _fingerprint(train: Corpus | Stream) -> str:
    return train.fingerprint if isinstance(train, Stream) else fingerprint(train)


def _make_tokenizers(config: Config, read: Sequence[Corpus | Stream], start: TokenizerPair | None) -> TokenizerPair:
    """Train the tokenizers on every pair of the texts in memory, and on the samples of streams; or take those of the
    start model, which such texts extend if tokenizer.extend says so.
    """
    if start is not None and not config.tokenizer.extend:
        return start
    texts = [text.sample if isinstance(text, Stream) else text for text in read]
    source = [line for text in texts if text is not None for line in text.source]
    target = [line for text in texts if text is not None for line in text.target]
    if start is not None:
        return extend_pair(start, source, target, config.tokenizer, config.data.tags)
    return train_tokenizers(source, target, config.tokenizer, Path(config.data.root), config.data.tags)


def no_pairs_error(removed: dict[str, int], label: str | None = None) -> InputError:
    """Return the error that the filters removed every pair, with the count of each filter. label: of the text, if there
    are several.
    """
    counts = ", ".join(f"{reason}: {count}" for reason, count in removed.items() if count)
    which = "" if label is None else f" of {label!r}"
    return InputError(
        f"no training pair{which} is left after the filters ({counts}); see data.max_length, data.max_ratio"
    )
