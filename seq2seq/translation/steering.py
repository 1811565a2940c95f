"""What the options of a search come to for the sentences of a batch: lengths, and rules with each sentence's prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import Any

from seq2seq.search.avoidance import Avoidance
from seq2seq.text.special_tokens import BOS, EOS
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.translation.options import SearchOptions
from seq2seq.translation.prefix import word_starts
from seq2seq.translation.tags import Tagged
from seq2seq.translation.translation import Source, forbidden_tokens


def search_arguments(sources: Sequence[Source], settings: SearchOptions, models: Sequence[Tagged]) -> dict[str, Any]:
    """Return the arguments that beam search and sampling share, for these sources."""
    writer = models[0].tokenizers.target
    rules, prefixes = settings.rules, [source.prefix for source in sources]
    if any(prefix.ids for prefix in prefixes):
        ends = [prefix.word_ends for prefix in prefixes]
        starts = word_starts(writer) if any(ends) else ()
        rules = replace(rules, prefixes=[prefix.ids for prefix in prefixes], word_ends=ends, word_starts=starts)
    if any(source.wanted.texts for source in sources):
        rules = replace(rules, constraints=[source.wanted.pieces for source in sources])
    if settings.avoid:
        rules = replace(rules, avoid=avoidance(writer, settings.avoid))
    return {
        "bos": BOS,
        "eos": EOS,
        "max_lengths": [
            settings.longest(len(source.ids), len(source.prefix.ids), source.wanted.pieces.total) for source in sources
        ],
        "min_lengths": [settings.min_length] * len(sources),
        "length_penalty": settings.penalty,
        "forbidden": forbidden_tokens(models),
        "rules": rules,
    }


def steered_tokens(sources: Sequence[Source]) -> list[list[int]]:
    """Return the pieces of each source's prefix and constraints, for a search among few pieces."""
    return [[*source.prefix.ids, *chain(*source.wanted.pieces.tokens)] for source in sources]


@lru_cache(maxsize=4)  # for the batches and chunks of a file
def avoidance(writer: Tokenizer, strings: tuple[str, ...]) -> Avoidance:
    """Return the automaton that knows these strings, as they are given and as the tokenizer normalises them."""
    forms = {form for each in strings for form in (each, writer.normalise(each).strip()) if form}
    return Avoidance(sorted(form.encode() for form in forms), writer.spellings)
