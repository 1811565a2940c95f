"""One epoch of the training text as pools of pairs: one pool for texts in memory, as many as it takes with a stream."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from seq2seq.config import Config
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.data import TrainingText
from seq2seq.training.mixing import LinkRows, MixedText, Rows, drawn_rows, shift_links, with_tags
from seq2seq.training.pool import Place, Pool, plan
from seq2seq.training.segmentation import sample_pairs
from seq2seq.training.streams import stream_pools

__all__ = ["Place", "Pool", "make_pools"]


def make_pools(text: TrainingText, config: Config, number: int, start: Place) -> Iterator[Pool]:
    """Yield the pools of an epoch from a place on: at least one, and none of them empty."""
    if config.data.streaming:
        return stream_pools(text.train, text.tokenizers, config, number, start)
    return iter([_text_pool(text.train, text.tokenizers, config, number)])


def _text_pool(texts: Sequence[MixedText], tokenizers: TokenizerPair, config: Config, number: int) -> Pool:
    """Return the one pool of texts in memory, segmented anew if subword regularisation is on."""
    drawn = [
        (one.text, drawn_rows(one, config.training.seed, number), one.tag)
        for one in texts
        if isinstance(one.text, EncodedCorpus)
    ]
    source: Sequence[Sequence[int]] = Rows((text.source_ids, rows, tag) for text, rows, tag in drawn)
    target: Sequence[Sequence[int]] = Rows((text.target_ids, rows, ()) for text, rows, _ in drawn)
    links: Sequence[Sequence[int]] | None = None
    if config.guided:
        links = LinkRows((text.links or (), rows, tag) for text, rows, tag in drawn)
    if config.tokenizer.sampling:
        read = [text.source[row] for text, rows, _ in drawn for row in rows]
        written = [text.target[row] for text, rows, _ in drawn for row in rows]
        tags = [tag for _, rows, tag in drawn for _ in rows]
        linked = [(text.word_links or ())[row] for text, rows, _ in drawn for row in rows] if links else None
        source, target, links = sample_pairs(read, written, linked, tokenizers, config, number)
        source, links = with_tags(source, tags), shift_links(links, tags)
    steps = plan(source, target, config, config.training.seed, number)
    if len(drawn) == 1:
        return Pool(source, target, steps, links=links)
    owners = array("i", (place for place, (_, rows, _) in enumerate(drawn) for _ in rows))
    return Pool(source, target, steps, texts=owners, labels=tuple(one.label for one in texts), links=links)
