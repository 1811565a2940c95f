"""Tags: symbols that some models read before a source, such as the language to translate into (data.train.tag)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from seq2seq.config import Config
from seq2seq.errors import InputError, WrongType, nearest, short_repr
from seq2seq.text.tokenizer import TokenizerPair


class Direction(NamedTuple):
    """What a model translates: codes of two languages, and the tag that it reads before such sources, if any."""

    source: str
    target: str
    tag: str | None = None


class Tagged(Protocol):
    """A model, or an export of one, as far as tags go."""

    @property
    def config(self) -> Config: ...

    @property
    def tokenizers(self) -> TokenizerPair: ...


def tag_ids(models: Sequence[Tagged], tag: str | None) -> tuple[int, ...]:
    """Return the ids that models read before each source: that of the tag, or none without one.

    Raises InputError for a tag that a model was not trained with, and for none where it never saw a source without.
    """
    if tag is not None and not isinstance(tag, str):
        raise WrongType(f"tag: a string is needed, given {short_repr(tag)}")
    for model in models:
        texts, known = model.config.data.texts, model.config.data.tags
        if tag is None and all(text.tag for text in texts):
            raise InputError(
                f"the model reads a tag before every source: choose one by tag (--tag): {', '.join(known)}"
            )
        if tag is not None and tag not in known:
            told = nearest(tag, known) if known else "it knows none: leave the tag out"
            raise InputError(f"tag {tag!r}: the model was not trained with it; {told}")
    return () if tag is None else (models[0].tokenizers.source.symbol_id(tag),)


def find_directions(config: Config) -> list[Direction]:
    """Return the directions that a model was trained for, each once, in the order of its texts.

    A text without a tag is of the languages of all texts. Where texts of one direction have different tags, as with
    back-translations, the direction is read without a tag, or with the first of them where each text has one.
    """
    data, found = config.data, dict[tuple[str, str], str | None]()
    for text in data.texts:
        pair = data.languages(text) if text.tag else (data.source_language, data.target_language)
        found[pair] = None if text.tag is None else found.get(pair, text.tag)
    return [Direction(*pair, tag) for pair, tag in found.items()]
