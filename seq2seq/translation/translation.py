"""The data of translation: sources, their batches, and results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seq2seq.metrics.links import NO_WORD, merge_weights, strongest_links
from seq2seq.text.arguments import check_integer, list_sentences
from seq2seq.text.budget import cut_by_budget
from seq2seq.text.special_tokens import BOS, EOS, PAD, SPECIAL_PIECES, UNK
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from seq2seq.text.words import Span, split_words, word_owners, word_shares
from seq2seq.translation.attention_html import attention_html
from seq2seq.translation.constraints import NOTHING_WANTED, Wanted, read_constraints
from seq2seq.translation.options import SearchOptions
from seq2seq.translation.plain_data import PlainData, matrix
from seq2seq.translation.prefix import NO_PREFIX, Prefix, read_prefixes
from seq2seq.translation.tags import Tagged, tag_ids

FORBIDDEN = (PAD, UNK, BOS)  # never produced
HYPOTHESES = 1024  # most in a batch at a time; each has a row of the vocabulary's size


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a search in torch or onnxruntime: a seq2seq.search.stepping.Hypothesis with weights as an array."""

    tokens: list[int]
    log_prob: float
    score: float
    weights: NDArray[np.float32]  # [length, source], as wide as the batch
    finished: bool
    copied: NDArray[np.float32] | None = None  # [length, source]: the probability of copying each position
    log_probs: list[float] | None = None  # of each token, the end included; given with `copied` alone


@dataclass(frozen=True, slots=True, eq=False)
class Translation(PlainData):
    """One translation of one sentence.

    text: detokenised, on one line. log_prob: its log-probability in nats, the end included when it is finished; with a
    shortlist, under the distribution over the sentence's shortlist, which is no less than the model's (`score_tokens`).
    score: log_prob over the length penalty. For a blank source, whose translation is blank, both are 0.
    tokens, pieces: the translation as ids and as subword strings, without specials; source_pieces: the source as read.
    source_words, target_words: for each piece the number of its word in source.split() or text.split(), from 0; for a
    piece in several words, the word with most of its characters; -1 where the text has no words, and for a tag.
    weights: attention [len(pieces) + 1, len(source_pieces) + 1], rows summing to 1. The last column is the end of the
    source; the last row, the step that ended the translation, is missing when it is not finished.
    alignment: (source word, target word), from 0: each target word with the source word that got most of its attention.
    finished: False when the maximum length ended the translation. truncated: the source was longer than
    max_source_length pieces, and only the first of them were read. tag: what was read before the source, the first of
    source_pieces. prefix: the beginning that was asked for.
    copied: with model.copy, for each piece the probability that it was copied from the source and not taken from the
    vocabulary, given that it was written: g Σ α / p, of the mean of an ensemble's models. None for a model without
    copy, and for a blank source.
    constraints: the strings that it must have. unmet: those that it lacks, as the maximum length ended it.
    """

    source: str
    text: str
    score: float
    log_prob: float
    tokens: list[int]
    pieces: list[str]
    source_pieces: list[str]
    source_words: list[int]
    target_words: list[int]
    weights: NDArray[np.float32]
    alignment: list[tuple[int, int]]
    finished: bool
    truncated: bool
    copied: list[float] | None = None
    tag: str = ""
    prefix: str = ""
    constraints: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", matrix(self.weights))

    def _repr_html_(self) -> str:
        """Return a drawing of the attention for Jupyter, which needs no network and runs no script."""
        end = SPECIAL_PIECES[EOS]
        rows = [*self.pieces, *([end] if self.finished else [])]
        return attention_html(self.text, self.weights, [*self.source_pieces, end], rows)


@dataclass(frozen=True, slots=True)
class PairScore:
    """The probability of a given translation under a model.

    log_prob: nats, the end included. tokens: pieces, the end counted; exp(-log_prob / tokens) is the perplexity.
    log_probs: the log-probability of each piece, and of the end as the last. truncated: a side was longer than
    max_length pieces, and only its first were read.
    """

    log_prob: float
    tokens: int
    log_probs: list[float]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A sentence as input of a model; a blank sentence has no ids.

    row: its number among the texts, from 0. spans: the stretch of the text that each id stands for, without those of
    the tag, the first `tag` ids, 0 or 1. truncated: only the first of its pieces are here.
    """

    row: int
    text: str
    ids: list[int]
    spans: list[Span]
    truncated: bool
    tag: int = 0
    prefix: Prefix = NO_PREFIX
    wanted: Wanted = NOTHING_WANTED


def forbidden_tokens(models: Sequence[Tagged]) -> tuple[int, ...]:
    """Return the ids that no translation has: special pieces, and the tags of the models, which belong to sources."""
    tags = {tag for model in models for tag in model.config.data.tags}
    found = (id_ for id_, piece in enumerate(models[0].tokenizers.target.pieces) if piece in tags) if tags else ()
    return (*FORBIDDEN, *found)


def batches(sources: Sequence[Source], options: SearchOptions) -> Iterator[list[Source]]:
    """Yield the sentences that are not blank in batches of similar length, within all limits of a batch."""
    order = sorted((source.row for source in sources if source.ids), key=lambda row: len(sources[row].ids))
    size = max(1, min(options.batch_size, HYPOTHESES // options.slots))
    for rows in cut_by_budget(order, [len(source.ids) for source in sources], options.batch_tokens, size):
        yield [sources[row] for row in rows]


def blank_translation(text: str) -> Translation:
    """Return the translation of a blank text, which is blank."""
    return Translation(
        source=text,
        text="",
        score=0.0,
        log_prob=0.0,
        tokens=[],
        pieces=[],
        source_pieces=[],
        source_words=[],
        target_words=[],
        weights=np.ones((1, 1), dtype=np.float32),
        alignment=[],
        finished=True,
        truncated=False,
    )


def read_sources(models: Sequence[Tagged], texts: Iterable[str], options: SearchOptions) -> list[Source]:
    """Encode the texts, cut each to its first max_source_length pieces, and put the tag before each that is not blank.
    Raises InputError as `tag_ids` does.
    """
    sentences, tag, tokenizers = list_sentences(texts), tag_ids(models, options.tag), models[0].tokenizers
    most = options.max_source_length
    encoded = zip(sentences, encode_spans(tokenizers.source, sentences), strict=True)
    prefixes = read_prefixes(tokenizers.target, sentences, options.prefixes)
    wanted = read_constraints(tokenizers.target, sentences, options.constraints, options.avoid)
    return [
        Source(
            row,
            text,
            [*(tag if ids else ()), *ids[:most]],
            spans[:most],
            len(ids) > most,
            len(tag) if ids else 0,
            prefix,
            constraints,
        )
        for row, ((text, (ids, spans)), prefix, constraints) in enumerate(zip(encoded, prefixes, wanted, strict=True))
    ]


def write_translation(tokenizers: TokenizerPair, source: Source, found: Outcome) -> Translation:
    """Make a translation of a search's result, with weights cut from the batch's width to the sentence's own."""
    reader, writer = tokenizers.source, tokenizers.target
    weights = found.weights[:, : len(source.ids) + 1].copy()
    text, spans = source.prefix.join(*writer.decode_spans(found.tokens))
    source_shares = word_shares(source.spans, split_words(source.text).spans)
    target_shares = word_shares(spans, split_words(text).spans)
    ends = [(0, 0), (source.tag, 1)], [(0, 0), (0, int(found.finished))]  # tag and ends, which are in no word
    shares = [np.pad(each, end) for each, end in zip((source_shares, target_shares), ends, strict=True)]
    return Translation(
        source=source.text,
        # A vocabulary with byte pieces can spell a line break, and a translation is one line.
        text=text.replace("\n", " "),
        score=found.score,
        log_prob=found.log_prob,
        tokens=found.tokens,
        pieces=writer.to_pieces(found.tokens),
        source_pieces=reader.to_pieces(source.ids),
        source_words=[*[NO_WORD] * source.tag, *word_owners(source_shares)],
        target_words=word_owners(target_shares),
        weights=weights,
        alignment=sorted(strongest_links(merge_weights(weights, *shares))),
        finished=found.finished,
        truncated=source.truncated,
        copied=_copied_shares(source.ids, found),
        tag=reader.pieces[source.ids[0]] if source.tag else "",
        prefix=source.prefix.text,
        constraints=list(source.wanted.texts),
        unmet=source.wanted.unmet(found.tokens),
    )


def _copied_shares(source: Sequence[int], found: Outcome) -> list[float] | None:
    """Return for each token the part of its probability that copies of the source gave."""
    if found.copied is None or found.log_probs is None:
        return None
    ids, shares = np.array(source), list[float]()
    for token, row, log_prob in zip(found.tokens, found.copied, found.log_probs, strict=False):  # not the end's
        copied = float(row[: len(ids)][ids == token].sum(dtype=np.float64))
        shares.append(math.exp(min(0.0, math.log(copied) - log_prob)) if copied else 0.0)
    return shares


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text; a blank text has none."""
    return [ids for ids, _ in encode_spans(tokenizer, texts)]


def encode_spans(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[list[int], list[Span]]]:
    """Return the ids of each text, and the stretch of the text that each stands for; a blank text has none."""
    found = tokenizer.encode_spans(list(texts))
    return [pieces if text.strip() else ([], []) for text, pieces in zip(texts, found, strict=True)]


def truncate(ids: Sequence[Sequence[int]], max_length: int | None) -> tuple[list[Sequence[int]], list[bool]]:
    """Return the first max_length pieces of each text (None: all of them), and whether each had more."""
    if max_length is not None:
        check_integer("max_length", max_length, 1)
    return [row[:max_length] for row in ids], [max_length is not None and len(row) > max_length for row in ids]
