"""Training of SentencePiece models: the same text and config give the same file, byte for byte."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import sentencepiece

from seq2seq.config import TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.normalisation import COMPOSED, compose
from seq2seq.text.sentencepiece_model import SPACE, regex_of_any, set_normalisation_name
from seq2seq.text.special_tokens import SPECIAL_IDS, SPECIAL_PIECES, UNKNOWN_SURFACE

_RULES_BEFORE_SENTENCEPIECE = ("nfc", "identity")  # they leave it no text to normalise
_TRAINING_MARK = "\u2585"  # SentencePiece skips training lines with this character, "▅"
_SILENT = 3  # of the log levels, only fatal is above; failures arrive as exceptions


def train_model(texts: Iterable[str], config: TokenizerConfig) -> bytes:
    """Train a SentencePiece model and return its file; the same texts and config give the same bytes.

    Raises InputError where the vocabulary cannot hold the text's characters, where a symbol cannot be kept whole, and
    where there is no text.
    """
    check_symbols(config.symbols)
    lines = [text.replace(_TRAINING_MARK, " ") for text in texts]
    symbols = list(config.symbols)
    if config.normalisation == "nfc":
        lines, symbols = [compose(line) for line in lines], [compose(symbol) for symbol in symbols]
    check_symbols(symbols)  # two symbols may be equal once composed
    if config.kind == "word" and symbols:  # SentencePiece would leave out the words beside symbols
        lines = [re.sub(f" ?(?:{regex_of_any(symbols)}) ?", " ", line) for line in lines]
    model = _train(lines, symbols, config)
    if config.normalisation == "nfc":
        model = set_normalisation_name(model, COMPOSED)
    return model


def _train(lines: list[str], symbols: list[str], config: TokenizerConfig) -> bytes:
    alphabet = sorted(set().union(*_normalise_as_sentencepiece(lines, config.normalisation)) - {" ", SPACE, "\0"})
    if not alphabet:
        raise InputError("there is no text to train a tokenizer on: every sentence is empty")
    if config.kind == "char" and config.character_coverage == 1:
        _check_size(config, len(alphabet) + 1 + len(SPECIAL_PIECES))
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            **_training_options(config, alphabet, symbols),
        )
    except RuntimeError as error:
        if sizes := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
            _check_size(config, int(sizes[1]))
        reason = re.sub(r"^INTERNAL: (\S+\.cc\(\d+\) )?(\[.*?\] )?", "", " ".join(str(error).split()))
        raise InputError(f"cannot train the tokenizer: {reason}") from None
    return model.getvalue()


def _normalise_as_sentencepiece(lines: list[str], rule: str) -> list[str]:
    """Return the lines as SentencePiece will see them, if it is to normalise them itself."""
    if rule in _RULES_BEFORE_SENTENCEPIECE:
        return lines
    normaliser = sentencepiece.SentencePieceNormalizer(
        rule_name=rule, add_dummy_prefix=False, escape_whitespaces=False, remove_extra_whitespaces=False
    )
    normalised: list[str] = normaliser.normalize(lines)
    return normalised


def _training_options(config: TokenizerConfig, alphabet: list[str], symbols: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "model_type": config.kind,
        "vocab_size": config.vocabulary_size,
        "hard_vocab_limit": False,  # fewer pieces where the text yields fewer
        "character_coverage": config.character_coverage,
        "byte_fallback": config.byte_fallback,
        **{f"{name}_id": id_ for name, id_ in SPECIAL_IDS.items()},
        # An unknown word swallows its own space, an unknown character does not.
        "unk_surface": f" {UNKNOWN_SURFACE}" if config.kind == "word" else UNKNOWN_SURFACE,
        "normalization_rule_name": "identity" if config.normalisation == "nfc" else config.normalisation,
        "remove_extra_whitespaces": False,
        "max_sentence_length": 2**30,  # bytes; longer lines, by default above 4192, would be dropped silently
        "num_threads": 1,  # a unigram model depends on the number of threads
        "minloglevel": _SILENT,
    }
    if symbols:
        options["user_defined_symbols"] = symbols
    if config.character_coverage == 1 and config.kind != "word":
        # Otherwise characters seen only inside a literal "<s>", "</s>" or "<unk>" of the text would be left out.
        options["required_chars"] = "".join(sorted(set(alphabet) - set(symbols)))  # symbols are pieces already
    return options


def _check_size(config: TokenizerConfig, minimum: int) -> None:
    if config.vocabulary_size < minimum:
        raise InputError(
            f"tokenizer.vocabulary_size = {config.vocabulary_size} cannot hold every character of the text: "
            f"at least {minimum} are needed, special pieces included; raise it or lower tokenizer.character_coverage"
        )


def check_symbols(symbols: Sequence[str], key: str = "tokenizer.symbols") -> None:
    """Raise InputError, which names the key, for symbols that SentencePiece cannot keep whole."""
    for symbol in symbols:
        if not symbol or symbol in SPECIAL_PIECES or symbols.count(symbol) > 1:
            why = "is empty" if not symbol else "is a special piece" if symbol in SPECIAL_PIECES else "is given twice"
        elif SPACE in symbol or _TRAINING_MARK in symbol or "\0" in symbol or any(each.isspace() for each in symbol):
            why = "has a space or a character that SentencePiece keeps for itself"
        else:
            continue
        raise InputError(f"{key}: {symbol!r} {why}; allowed: distinct strings without spaces")
