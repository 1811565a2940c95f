"""Subword regularisation: pairs segmented anew, with the links between their new pieces."""

from __future__ import annotations

from collections.abc import Sequence

from seq2seq.config import Config
from seq2seq.text.encoding import Ids
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.text.word_links import piece_links
from seq2seq.training.seeds import derive_seed

SegmentedPairs = tuple[list[list[int]], list[list[int]], Sequence[Sequence[int]] | None]
"""The ids of both sides and, where words are linked, the links between pieces, flat."""


def sample_pairs(
    source: list[str],
    target: list[str],
    word_links: Sequence[Sequence[int]] | None,
    tokenizers: TokenizerPair,
    config: Config,
    epoch: int,
    use: str = "",
) -> SegmentedPairs:
    """Return a random segmentation of each pair; it follows from the seed, the epoch and the use alone.

    word_links: the links between the words of each pair, flat; None where no text of the run has any.
    """
    amount, seed = config.tokenizer.sampling, config.training.seed
    seeds = [derive_seed(seed, epoch, f"{side}{use}") for side in ("source", "target")]
    if word_links is None:
        read = tokenizers.source.sample_batch(source, amount, seeds[0])
        return read, tokenizers.target.sample_batch(target, amount, seeds[1]), None
    sampled = (
        tokenizers.source.sample_spans(source, amount, seeds[0]),
        tokenizers.target.sample_spans(target, amount, seeds[1]),
    )
    rows = zip(source, sampled[0], target, sampled[1], word_links, strict=True)
    links = Ids(piece_links(one, spans, other, others, linked) for one, (_, spans), other, (_, others), linked in rows)
    return [ids for ids, _ in sampled[0]], [ids for ids, _ in sampled[1]], links
