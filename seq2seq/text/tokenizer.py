"""SentencePiece tokenizers: train, load, encode (with sampling), decode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

import sentencepiece

from seq2seq.config import TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.normalisation import COMPOSED, compose, original_offsets
from seq2seq.text.regularisation import DropoutSampler, LatticeSampler, Sampler
from seq2seq.text.sentencepiece_model import (
    BYTE,
    SPACE,
    Kind,
    ModelDescription,
    Piece,
    WordSplitter,
    describe_model,
    without_added_spaces,
)
from seq2seq.text.special_tokens import BOS, EOS, PAD, UNK
from seq2seq.text.tokenizer_training import train_model
from seq2seq.text.words import Span

LARGEST_TOKENIZER = 64 << 20  # bytes of a model; a million pieces take some 20 MiB


class Tokenizer:
    """An immutable tokenizer between text and piece ids, for one side or both.

    decode(encode(text)) == normalise(text) for every text in the alphabet of a tokenizer trained here: no space is
    lost. Outside the alphabet, an unknown stretch decodes to "⁇" (with byte_fallback it is spelt in bytes and
    survives). Two characters are SentencePiece's own: "▁" (U+2581) decodes to a space, "▅" (U+2585) is always unknown.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, model: bytes) -> None:
        self._processor = processor
        self._model = model
        self._description = describe_model(model)

    @classmethod
    def train(cls, texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
        """Train on texts; the same texts and config give the same model, byte for byte.

        Raises InputError where the vocabulary cannot hold the text's characters, where a symbol cannot be kept whole,
        and where there is no text.
        """
        return cls.from_bytes(train_model(texts, config), "the tokenizer just trained")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a model file; raise InputError, naming it, where it is missing, damaged or has other special ids."""
        try:
            with path.open("rb") as file:
                model = file.read(LARGEST_TOKENIZER + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot read the tokenizer model: {error.strerror}") from None
        return cls.from_bytes(model, str(path))

    @classmethod
    def from_bytes(cls, model: bytes, name: str = "tokenizer model") -> Tokenizer:
        """Rebuild a tokenizer from `model_bytes`; raise InputError, naming the model `name`, as `load` does."""
        if len(model) > LARGEST_TOKENIZER:
            raise InputError(f"{name}: more than {LARGEST_TOKENIZER:,} bytes; a tokenizer may have no more")
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model)
            tokenizer = cls(processor, model)
        except (RuntimeError, ValueError):  # UnicodeDecodeError included
            raise InputError(f"{name}: not a SentencePiece model, or a damaged one") from None
        _check_special_ids(processor, name)
        return tokenizer

    def save(self, path: Path) -> None:
        """Write the model file."""
        path.write_bytes(self._model)

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return Tokenizer.from_bytes, (self._model,)

    @property
    def model_bytes(self) -> bytes:
        """The serialized SentencePiece model."""
        return self._model

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of `model_bytes`, in hexadecimal; tokenizers with equal hashes are equal."""
        return hashlib.sha256(self._model).hexdigest()

    @property
    def kind(self) -> Kind:
        """The segmentation algorithm: unigram, bpe, char or word."""
        return self._description.kind

    @property
    def normalisation(self) -> str:
        """The normalisation before segmentation: "nfc", or the name of one of SentencePiece's rules."""
        return "nfc" if self._composes else self._description.normalisation[:80]  # the name may be any text

    @property
    def _composes(self) -> bool:
        return self._description.normalisation == COMPOSED

    def normalise(self, text: str) -> str:
        """Return the text as its pieces spell it, without the space that SentencePiece puts before it."""
        alone, found = self.normalise_batch(["x", text])
        return found.removeprefix(alone.removesuffix("x")).replace(SPACE, " ")

    @property
    def vocabulary_size(self) -> int:
        """The number of pieces, special ones included; ids run from 0 to this minus 1."""
        return len(self._description.pieces)

    @cached_property
    def pieces(self) -> list[str]:
        """The vocabulary in the order of ids; "▁" stands for a space."""
        return [piece.text for piece in self._description.pieces]

    @cached_property
    def spellings(self) -> list[bytes]:
        """The bytes that each piece adds to a text, in the order of ids; a text loses the space at its beginning."""
        return [_spelling(id_, piece) for id_, piece in enumerate(self._description.pieces)]

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return {piece: id_ for id_, piece in enumerate(self.pieces) if id_ not in (PAD, UNK, BOS, EOS)}

    @property
    def description(self) -> ModelDescription:
        """The contents of the model file: kind, pieces with their scores and types, normalisation."""
        return self._description

    @cached_property
    def _splitter(self) -> WordSplitter:
        return WordSplitter(self._description)

    def symbol_id(self, symbol: str) -> int:
        """Return the id of the piece that is this string. Raises InputError where there is none."""
        text = compose(symbol) if self._composes else symbol
        if text not in self._word_ids:
            raise InputError(f"{symbol!r} is no piece of the vocabulary of {self.vocabulary_size:,} pieces")
        return self._word_ids[text]

    def split_words(self, normalised: str) -> list[str]:
        """Return the words of a normalised text, each with the space before it, and its user-defined symbols."""
        return list(self._splitter.split(normalised))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without begin and end."""
        return self.encode_batch([text])[0]

    def encode_inside(self, text: str) -> list[int]:
        """Return the ids of a text within another: no space is put before it, and none is removed.

        For kind "word" the text is one word.
        """
        if self.kind == "word":
            return [self._word_ids.get(text.replace(" ", SPACE), UNK)]
        return list(self._inside.encode(compose(text) if self._composes else text))

    @cached_property
    def _inside(self) -> sentencepiece.SentencePieceProcessor:
        processor = sentencepiece.SentencePieceProcessor()
        processor.LoadFromSerializedProto(without_added_spaces(self._model))
        return processor

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of each text, without begin and end."""
        if self.kind == "word":  # SentencePiece would write neighbouring unknown words as one
            split, ids_of = self._splitter.split, self._word_ids
            return [[ids_of.get(word, UNK) for word in split(each)] for each in self.normalise_batch(texts)]
        ids: list[list[int]] = self._processor.encode(self._composed(texts), out_type=int, num_threads=1)
        return ids

    def encode_spans(self, texts: list[str]) -> list[tuple[list[int], list[Span]]]:
        """Return the ids of each text, as `encode_batch` does, and the span of the text that each id stands for.

        Spans are offsets into the text before any normalisation. A span is empty where no character of its own stands
        behind the id: for the space put before a text, and for all but the last byte of a character spelt in bytes.
        """
        read = self._composed(texts)
        if self.kind == "word":
            found = [(ids, self._word_spans(text)) for ids, text in zip(self.encode_batch(texts), read, strict=True)]
        else:
            cut = self._processor.encode(read, return_type="offset_mapping", num_threads=1)
            found = [(each["ids"], each["offsets"]) for each in cut]
        return [(ids, self._original_spans(text, spans)) for text, (ids, spans) in zip(texts, found, strict=True)]

    def _original_spans(self, text: str, spans: list[Span]) -> list[Span]:
        """Map spans of the composed text to spans of the text."""
        origins = original_offsets(text) if self._composes else None
        return spans if origins is None else [(origins[start], origins[end]) for start, end in spans]

    def find_unknown(self, text: str, pieces: int | None = None) -> list[str]:
        """Return what the vocabulary lacks of the text: characters or, for kind "word", whole words.

        pieces: how many of the text's first pieces are looked at; None: all.
        """
        ((ids, spans),) = self.encode_spans([text])
        found = [text[start:end] for id_, (start, end) in list(zip(ids, spans, strict=True))[:pieces] if id_ == UNK]
        if self.kind == "word":
            return [
                word for stretch in found if (word := stretch.strip())
            ]  # a second space between words is not a word
        return [character for stretch in found for character in stretch]

    def _word_spans(self, text: str) -> list[Span]:
        ((normalized, places),) = self._processor.normalize([text], with_offsets=True)
        ends = list(accumulate(map(len, self._splitter.split(normalized)), initial=0))
        return [(places[start], places[end]) for start, end in pairwise(ends)]

    def _composed(self, texts: list[str]) -> list[str]:
        return [compose(text) for text in texts] if self._composes else list(texts)

    def normalise_batch(self, texts: list[str]) -> list[str]:
        """Return each text as it is cut: normalised, with "▁" for each space and one before the text."""
        normalized: list[str] = self._processor.normalize(self._composed(texts))
        return normalized

    @cached_property
    def _sampler(self) -> Sampler:
        samplers = {"bpe": DropoutSampler, "unigram": LatticeSampler}
        if self.kind not in samplers:
            raise InputError(f"a tokenizer of kind {self.kind!r} has one segmentation only; set tokenizer.sampling = 0")
        return samplers[self.kind](self._description, UNK)

    def sample_batch(self, texts: list[str], amount: float, seed: int) -> list[list[int]]:
        """Return a random segmentation of each text; it depends on the three arguments alone.

        `amount` is the dropout probability for bpe (0: as encode_batch), for unigram the exponent on the pieces'
        probabilities (0: all segmentations equally likely; the larger, the nearer to encode_batch). Raises InputError
        for char and word, and for an amount out of range.
        """
        self._check_amount(amount)
        return self._sampler.sample(self.normalise_batch(texts), amount, seed)

    def sample_spans(self, texts: list[str], amount: float, seed: int) -> list[tuple[list[int], list[Span]]]:
        """Return the ids that `sample_batch` returns, and the span of the text that each stands for, as in
        `encode_spans`.
        """
        self._check_amount(amount)
        read = self._processor.normalize(self._composed(texts), with_offsets=True)
        sampled = self._sampler.sample_with_ends([normalized for normalized, _ in read], amount, seed)
        return [
            (ids, self._original_spans(text, [(places[start], places[end]) for start, end in pairwise([0, *ends])]))
            for text, (_, places), (ids, ends) in zip(texts, read, sampled, strict=True)
        ]

    def _check_amount(self, amount: float) -> None:
        limit = 1.0 if self.kind == "bpe" else float("inf")
        if not 0 <= amount <= limit:
            raise InputError(f"sampling = {amount} is out of range for kind {self.kind!r}; allowed: 0 to {limit:g}")

    def to_pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the piece of each id, special ones included."""
        pieces = self.pieces
        return [pieces[id_] for id_ in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; pad, begin and end are skipped, an unknown piece becomes "⁇"."""
        return self.decode_spans(ids)[0]

    def decode_spans(self, ids: Sequence[int]) -> tuple[str, list[Span]]:
        """Return the text as `decode` does, and the span of it that each id stands for; empty for special tokens.

        Unlike pad, begin and end, an unknown piece has a span: that of its "⁇".
        """
        kept = [int(id_) for id_ in ids if id_ not in (PAD, BOS, EOS)]
        found = self._processor.decode(kept, return_type="offset_mapping")
        text, offsets = found["text"], iter(found["offsets"])
        lost = int(self.kind == "word" and kept[:1] == [UNK] and text.startswith(" "))
        spans, end = list[Span](), 0
        for id_ in ids:
            start, end = (end, end) if id_ in (PAD, BOS, EOS) else (max(place - lost, 0) for place in next(offsets))
            spans.append((start, end))
        return text[lost:], spans


def _spelling(id_: int, piece: Piece) -> bytes:
    if id_ in (PAD, BOS, EOS):
        return b""
    if id_ == UNK:
        return "⁇".encode()
    if piece.type == BYTE:  # written as <0x0A>
        return bytes([int(piece.text[3:5], 16)])
    return piece.text.replace(SPACE, " ").encode()


@dataclass(frozen=True, slots=True)
class TokenizerPair:
    """The tokenizers of the two sides; with `joint` they are one and the same vocabulary."""

    source: Tokenizer
    target: Tokenizer
    joint: bool


def train_tokenizers(
    source: Iterable[str],
    target: Iterable[str],
    config: TokenizerConfig,
    root: str | Path = ".",
    tags: Sequence[str] = (),
) -> TokenizerPair:
    """Return the tokenizers that a config asks for: trained on the two sides of the training text, or loaded.

    Paths start from `root`. tags: further symbols of the source, if its tokenizer is trained. Raises InputError as
    `Tokenizer.train` and `Tokenizer.load` do.
    """
    if config.source_model is not None:
        return _load_pair(config.source_model, config.target_model, config.sampling, Path(root))
    tagged = config.model_copy(update={"symbols": list(dict.fromkeys([*config.symbols, *tags]))})
    if config.joint:
        tokenizer = Tokenizer.train([*source, *target], tagged)
        return TokenizerPair(tokenizer, tokenizer, joint=True)
    return TokenizerPair(Tokenizer.train(source, tagged), Tokenizer.train(target, config), joint=False)


def _load_pair(source_model: str, target_model: str | None, sampling: float, root: Path) -> TokenizerPair:
    source = Tokenizer.load(root / source_model)
    target = source if target_model is None else Tokenizer.load(root / target_model)
    for path, tokenizer in ((source_model, source), (target_model, target)):
        check_sampling(sampling, tokenizer, str(path))
    return TokenizerPair(source, target, joint=target_model is None)


def check_sampling(sampling: float, tokenizer: Tokenizer, name: str) -> None:
    """Refuse tokenizer.sampling for a tokenizer that has no other segmentations. Raises InputError, with its `name`."""
    if sampling and tokenizer.kind in ("char", "word"):
        raise InputError(
            f"{name}: the model's kind is {tokenizer.kind!r}, which has one segmentation only; "
            "set tokenizer.sampling = 0, or use a unigram or bpe model"
        )


def _check_special_ids(processor: sentencepiece.SentencePieceProcessor, name: str) -> None:
    found = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    if found != (PAD, UNK, BOS, EOS):
        raise InputError(
            f"{name}: its special ids (pad, unk, bos, eos) are {found}, needed are {(PAD, UNK, BOS, EOS)}; "
            "train it with --pad_id=0 --unk_id=1 --bos_id=2 --eos_id=3"
        )
