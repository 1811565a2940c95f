"""The likely translations of each source piece, counted from a model's attention over pairs of its training text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.batching import Batch
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.checkpoint.shortlist import MOST_TOKENS
from seq2seq.errors import InputError
from seq2seq.nn.masking import length_mask
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.search.shortlist import Shortlist
from seq2seq.text.arguments import check_pairs, list_sentences
from seq2seq.text.special_tokens import EOS, SPECIAL_IDS
from seq2seq.translation.forcing import check_finite, evaluation_mode, forced_batches
from seq2seq.translation.options import MAX_SOURCE_LENGTH
from seq2seq.translation.tags import tag_ids

LEAST_WEIGHT = 0.01  # least attention weight that counts; smaller ones are nearly all noise, and most of the links
MOST_LINKS = 1 << 23  # most pairs of pieces counted, 128 MiB; beyond, only half as many are kept, the heaviest


class Lexicon:
    """A model's attention to each source piece, summed over the steps that predict each target piece.

    Sums of weights were chosen over counting the piece with most of the weight. Measured on Multi30k test_2016 (6,000
    pieces, BLEU 29), the recall of references was 95.2 % on lists of 410 pieces, against 93.5 % on lists of 361 and
    95.3 % on lists of 581. Counting all weights above 0.1 or 0.25 alike came between. Leaving the common pieces out of
    the pieces' own lists gave longer lists and no better recall for their length, and so did dividing by a power of a
    piece's frequency. A least share of 0.002 of a source piece's weight gave 95.3 % on 364 pieces, too little gain for
    one more setting. With the weights of the step after the one that predicts a piece, lists of 50 pieces per source
    piece had a recall of 93.1 % in place of 95.2 %.

    Memory is bounded by the vocabularies and MOST_LINKS, not by the text.
    """

    def __init__(self, loaded: LoadedModel, tag: str | None = None) -> None:
        """Make an empty lexicon of a model, which reads the tag, if any, before each source. Raises InputError for a
        model that cannot attend, and as `tag_ids` does.
        """
        score = loaded.config.model.score
        if not SCORE_FUNCTIONS[score].attends:
            raise InputError(
                f"{loaded.directory}: model.score = {score!r} looks at every source piece alike, so there are no links "
                "to learn a shortlist from; use a model with any other score"
            )
        self._loaded, self._tag = loaded, tag
        tag_ids([loaded], tag)
        # source piece * size of the target vocabulary + target piece, ascending
        self._keys: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sums: NDArray[np.float64] = np.zeros(0, dtype=np.float64)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._frequencies = np.zeros(loaded.vocabulary.target, dtype=np.int64)
        self.pairs = self.left_out = 0

    def learn(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Count the attention of pairs. Pairs with a blank side, or over 1,000 pieces on one, are left out and counted.

        Raises InputError, as `Translator.score` does, for items that are no sentences and for unequal numbers.
        """
        sources, targets = list_sentences(sources, "source"), list_sentences(targets, "target")
        check_pairs(sources, targets)
        pairs = encode_pairs(self._loaded, sources, targets, self._tag)
        self.pairs, self.left_out = self.pairs + len(pairs), self.left_out + len(sources) - len(pairs)
        network = self._loaded.model
        device = next(network.parameters()).device
        with evaluation_mode([network]):
            for _, batch in forced_batches([source for source, _ in pairs], [target for _, target in pairs]):
                self._count(batch.to(device))
        if sum(len(keys) for keys, _ in self._waiting) > len(self._keys):
            self._merge()

    def _count(self, batch: Batch) -> None:
        weights = self._loaded.model.force(batch.source, batch.source_lengths, batch.target_input).weights
        check_finite(weights)
        real = length_mask(batch.target_lengths, batch.target_output.shape[1])
        # Special tokens are never produced, except the end, which is on every list.
        real &= ~torch.isin(batch.target_output, torch.tensor(list(SPECIAL_IDS.values()), device=real.device))
        frequencies = torch.bincount(batch.target_output[real], minlength=len(self._frequencies))
        self._frequencies += frequencies.cpu().numpy()
        row, step, position = ((weights >= LEAST_WEIGHT) & real[:, :, None]).nonzero(as_tuple=True)
        keys = batch.source[row, position] * len(self._frequencies) + batch.target_output[row, step]
        self._waiting.append((keys.cpu().numpy(), weights[row, step, position].double().cpu().numpy()))

    def _merge(self) -> None:
        """Add the waiting weights to the sorted sums."""
        all_keys = np.concatenate([self._keys, *(keys for keys, _ in self._waiting)])
        weights = np.concatenate([self._sums, *(weights for _, weights in self._waiting)])
        self._waiting = []
        keys, places = np.unique(all_keys, return_inverse=True)
        sums = np.bincount(places, weights=weights, minlength=len(keys)).astype(np.float64)
        if len(keys) > MOST_LINKS:
            kept = np.sort(np.argsort(-sums, kind="stable")[: MOST_LINKS // 2])
            keys, sums = keys[kept], sums[kept]
        self._keys, self._sums = keys, sums

    def shortlist(self, size: int, common: int) -> Shortlist:
        """Return a shortlist: `size` likeliest target pieces for each source piece, and common ones for all.

        The common ones are the `common` most frequent target pieces and the end. Among equals, pieces with lower
        ids come first. Raises InputError for a size or count out of range, and where no pair was counted.
        """
        if not 1 <= size <= MOST_TOKENS:
            raise InputError(f"--size must lie between 1 and {MOST_TOKENS:,}, given {size}")
        if common < 1:
            raise InputError(f"--common must be 1 or more, given {common}")
        if not self.pairs:
            raise InputError("no pair with two sides to learn from; a shortlist is built from the training text")
        self._merge()
        sources, targets = np.divmod(self._keys, len(self._frequencies))
        order = np.lexsort((targets, -self._sums, sources))
        rank = np.arange(len(order)) - np.searchsorted(sources, sources)  # among the links of the same source piece
        kept = order[rank < size]
        per_source = np.bincount(sources[kept], minlength=self._loaded.vocabulary.source)
        frequent = np.argsort(-self._frequencies, kind="stable")[: min(common, np.count_nonzero(self._frequencies))]
        return Shortlist(
            offsets=np.concatenate([[0], per_source.cumsum()]).astype(np.int32),
            tokens=targets[kept].astype(np.int32),
            common=np.unique([EOS, *frequent]).astype(np.int32),
        )


def encode_pairs(
    loaded: LoadedModel, sources: Sequence[str], targets: Sequence[str], tag: str | None = None
) -> list[tuple[list[int], list[int]]]:
    """Return pairs as ids without specials, sources after the tag, if any, but none with a blank side or one of over
    MAX_SOURCE_LENGTH pieces.
    """
    prefix = tag_ids([loaded], tag)
    read = loaded.tokenizers.source.encode_batch(list(sources))
    written = loaded.tokenizers.target.encode_batch(list(targets))
    texts = zip(sources, targets, strict=True)
    return [
        ([*prefix, *pair[0]], pair[1])
        for pair, (source, target) in zip(zip(read, written, strict=True), texts, strict=True)
        if source.strip() and target.strip() and all(1 <= len(ids) <= MAX_SOURCE_LENGTH for ids in pair)
    ]


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of human translations that a shortlist allows; ends are not counted, as they are on every list."""

    sentences: int
    pieces: int  # of the references
    found: int  # pieces of the references that are on their sentence's shortlist
    whole: int  # sentences with all their pieces found
    tokens: int  # on the shortlists of all sentences together

    @classmethod
    def measure(
        cls, shortlist: Shortlist, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, copies: bool = False
    ) -> Recall:
        """Measure the recall of a shortlist on pairs of source and reference, as ids without specials.

        copies: the source's own pieces are on its list, as they are for a model that copies.
        """
        lists = [shortlist.tokens_for([*source, EOS]) for source, _ in pairs]
        if copies:
            lists = [np.union1d(own, source).astype(np.int32) for own, (source, _) in zip(lists, pairs, strict=True)]
        missed = [int((~np.isin(target, own)).sum()) for (_, target), own in zip(pairs, lists, strict=True)]
        pieces = sum(len(target) for _, target in pairs)
        return cls(len(pairs), pieces, pieces - sum(missed), missed.count(0), sum(map(len, lists)))

    def __add__(self, other: Recall) -> Recall:
        """Return the recall on both texts together."""
        return Recall(
            self.sentences + other.sentences,
            self.pieces + other.pieces,
            self.found + other.found,
            self.whole + other.whole,
            self.tokens + other.tokens,
        )

    @property
    def rate(self) -> float:
        """The share of the pieces that are on their sentence's list."""
        return self.found / self.pieces

    @property
    def mean_size(self) -> float:
        """The mean number of tokens on a sentence's list."""
        return self.tokens / self.sentences
