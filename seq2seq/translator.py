"""Text in, translations out: the public Python API.

A sentence's translation does not depend on its batch: maximum lengths, samples and scores are its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.batching import cut_by_budget, make_batch, source_batch
from seq2seq.checkpoint import LoadedModel, load_model
from seq2seq.errors import InputError
from seq2seq.evaluation.alignment import NO_WORD, links_from_weights
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.masking import length_mask
from seq2seq.nn.model import Seq2Seq
from seq2seq.search.beam import beam_search
from seq2seq.search.penalty import LengthPenalty
from seq2seq.search.stepping import Hypothesis, Step
from seq2seq.text.tokenizer import BOS, EOS, PAD, UNK

FORBIDDEN = (PAD, UNK, BOS)  # never produced


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of one sentence.

    text: detokenised, on one line. log_prob: its log-probability in nats, that of the end included when it is finished.
    score: log_prob over the length penalty; 0 for a blank source, whose translation is blank.
    tokens, pieces: what was produced, as ids and as subword strings, without specials; source_pieces: what was read.
    source_words, target_words: for each piece, the number of its whitespace word, from 0.
    weights: attention [len(pieces) + 1, len(source_pieces) + 1], rows summing to 1. The last column is the end of the source;
    the last row, the step that ended the translation, is missing when it is not finished.
    alignment: (source word, target word), both from 0: for each target word the source word that got most of its attention.
    finished: False when the maximum length cut it. truncated: the source was longer than max_source_length pieces, and only
    the first of them were read.
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


@dataclass(frozen=True, slots=True)
class PairScore:
    """How probable a model finds a given translation.

    log_prob: nats, the end included. tokens: pieces, the end counted, so that exp(-log_prob / tokens) is the perplexity.
    log_probs: of each piece, and of the end as the last.
    """

    log_prob: float
    tokens: int
    log_probs: list[float]


class SearchOptions(TypedDict, total=False):
    """What `translate` and its relatives take by keyword. Left out or None: what the model's config says."""

    beam_size: int | None  # live hypotheses; 1 is greedy search
    length_penalty: str | None  # 'average', 'gnmt' or 'none'
    length_alpha: float | None  # exponent of the penalty
    min_length: int | None  # fewest pieces, the end not counted
    max_length: int | None  # most pieces, the end counted; else by the length of the source
    max_source_length: int  # pieces of a source that are read (1000); the rest is cut off, and `truncated` says so
    batch_size: int  # most sentences in a batch (128)
    batch_tokens: int  # most source pieces in a batch, padding counted (4096)


@dataclass(frozen=True, slots=True)
class _Source:
    """A sentence ready for the model; without ids it is blank."""

    text: str
    ids: list[int]
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Settings:
    """SearchOptions with nothing left open."""

    beam_size: int
    penalty: LengthPenalty
    min_length: int
    max_length: int | None
    ratio: float
    offset: int
    max_source_length: int
    batch_size: int
    batch_tokens: int

    def longest(self, source: _Source) -> int:
        """Most pieces for this sentence, the end counted: a matter of its own length alone."""
        if self.max_length is not None:
            return self.max_length
        return max(int(self.ratio * len(source.ids)) + self.offset, self.min_length + 1)


class Translator:
    """One model, or several as an ensemble, that translate text.

    The models are used as they are, not copied: a model in training can be validated, and is left in training mode.
    """

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        """Raises InputError where models of an ensemble differ in their vocabulary."""
        if not models:
            raise ValueError("a translator needs at least one model")
        _check_vocabularies(models)
        self.models = list(models)
        self.config, self.tokenizers = models[0].config, models[0].tokenizers

    @classmethod
    def load(cls, *names: str | Path, device: str = "cpu") -> Translator:
        """From model directories or hub names; several make an ensemble. Raises InputError as `load_model` does."""
        return cls([load_model(name, device=device) for name in names])

    def translate(self, texts: Sequence[str], **options: Unpack[SearchOptions]) -> list[Translation]:
        """The best translation of each text, in their order. A blank text gives a blank translation."""
        return [found[0] for found in self.translate_nbest(texts, 1, **options)]

    def translate_nbest(
        self, texts: Sequence[str], n_best: int, **options: Unpack[SearchOptions]
    ) -> list[list[Translation]]:
        """The best translations of each text: distinct, by falling score, the unfinished last; one for a blank text.

        Raises InputError for options out of range; n_best may not pass beam_size.
        """
        settings = self._settings(options)

        def search(sources: list[_Source]) -> list[list[Hypothesis]]:
            step, state = self._start(sources)
            return beam_search(
                step,
                state,
                sentences=len(sources),
                beam_size=settings.beam_size,
                bos=BOS,
                eos=EOS,
                max_lengths=[settings.longest(source) for source in sources],
                min_lengths=[settings.min_length] * len(sources),
                length_penalty=settings.penalty,
                nbest=n_best,
                forbidden=FORBIDDEN,
                device=self._device,
            )

        return self._search_all(texts, settings, search)
