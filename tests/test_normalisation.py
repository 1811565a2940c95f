"""Text before it is cut: composed and with plain spaces, or by a rule of SentencePiece's; words stay those given."""

import random
import unicodedata
from functools import lru_cache
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seq2seq.config import TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.text.normalisation import compose, original_offsets
from seq2seq.text.sentencepiece_model import describe_model
from seq2seq.text.special_tokens import UNK
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.text.words import split_words, word_owners, word_shares

PLAIN = ["Die Frau schläft nicht.", "Der schöne Hund läuft über die Straße.", "Mein Café kostet 2 Euro ½ … ™ ＡＢ１"]
SPACES = [chr(point) for point in range(0x110000) if chr(point).isspace() and chr(point) != "\n"]
SENTENCEPIECES = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
KINDS = ["unigram", "bpe", "char", "word"]

DECOMPOSED = [c for c in map(chr, range(0x110000)) if (d := unicodedata.decomposition(c)) and not d.startswith("<")]
PARTS = sorted({part for c in DECOMPOSED for part in unicodedata.normalize("NFD", c)})
JAMO = [chr(point) for point in range(0x1100, 0x1200)]
ANY = st.one_of(
    st.sampled_from(DECOMPOSED),
    st.sampled_from(PARTS),
    st.sampled_from(JAMO),
    st.sampled_from([*"aeo=<", "\uac00", *SPACES]),
    st.characters(exclude_categories=["Cs"]),
)


@lru_cache
def trained(kind: str = "bpe", rule: str = "nfc", *, byte_fallback: bool = False) -> Tokenizer:
    size = 400 if byte_fallback else 120
    config = TokenizerConfig(kind=kind, vocabulary_size=size, normalisation=rule, byte_fallback=byte_fallback)
    return Tokenizer.train(PLAIN * 3, config)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.lists(ANY, max_size=13).map("".join))
@example("\u0f73")
@example("=\u0f73\u0338")
@example("e\u0301\u0323\u0302\u0307 \u0301")
def test_composed_is_unicodes_composition_with_plain_spaces(text: str) -> None:
    expected = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", text))
    assert compose(text) == expected
    assert compose(unicodedata.normalize("NFD", text)) == expected
    assert compose(expected) == expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.lists(ANY, max_size=13).map("".join))
def test_places_of_what_was_composed(text: str) -> None:
    found = compose(text)
    borders = original_offsets(text) or range(len(text) + 1)
    assert len(borders) == len(found) + 1
    assert (borders[0], borders[-1], list(borders)) == (0, len(text), sorted(borders))
    spaces = [place for place, character in enumerate(text) if character.isspace()]
    assert [borders[place] for place, character in enumerate(found) if character == " "] == spaces
    for place in range(len(found) + 1):  # what can be cut from the text is what can be cut from its composition
        if compose(text[: borders[place]]) + compose(text[borders[place] :]) == found:
            assert compose(text[: borders[place]])[:place] == found[:place]


def test_a_line_of_marks_takes_no_more_time_than_it_has_characters() -> None:
    """Ordering the marks on one letter takes the square of their number."""
    text = "a" + "\u0301\u0323" * 30_000  # 4 s at once
    assert unicodedata.is_normalized("NFC", compose(text)[:900])
    assert len(original_offsets(text) or []) == len(compose(text)) + 1
    words = "schla\u0308ft \u1100\u1161\u11a8 " * 500  # cut where nothing is torn apart
    assert compose(words) == unicodedata.normalize("NFC", words)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_has_the_same_pieces_however_it_is_written(kind: str) -> None:
    tokenizer = trained(kind)
    text = PLAIN[1]
    assert UNK not in tokenizer.encode(text)
    for space in SPACES:
        for form in ("NFC", "NFD"):
            other = unicodedata.normalize(form, text).replace(" ", space)
            ids, spans = tokenizer.encode_spans([other])[0]
            assert ids == tokenizer.encode(text) == tokenizer.encode(other)
            assert "".join(other[start:end] for start, end in spans) == other
            assert word_owners(word_shares(spans, split_words(other).spans)) == word_owners(
                word_shares(tokenizer.encode_spans([text])[0][1], split_words(text).spans)
            )
            if kind in ("bpe", "unigram"):
                assert tokenizer.sample_batch([other], 0.5, 3) == tokenizer.sample_batch([text], 0.5, 3)


def test_a_tokenizer_learns_from_the_composed_text() -> None:
    config = TokenizerConfig(vocabulary_size=120, symbols=["<u\u0308>"])
    texts = [unicodedata.normalize("NFD", text).replace(" ", "\u00a0") for text in PLAIN * 3]
    plain = Tokenizer.train(PLAIN * 3, config.model_copy(update={"symbols": ["<\u00fc>"]}))
    assert Tokenizer.train(texts, config).model_bytes == plain.model_bytes
    assert "<\u00fc>" in plain.to_pieces(plain.encode("a <u\u0308> b"))
    with pytest.raises(InputError, match=r"tokenizer\.symbols: 'ü' is given twice"):
        Tokenizer.train(texts, TokenizerConfig(vocabulary_size=120, symbols=["u\u0308", "\u00fc"]))


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_typographic_signs_stay(kind: str) -> None:
    text = "½ … ™ ＡＢ１"
    assert trained(kind).decode(trained(kind).encode(text)) == text
    assert trained(kind, "nfkc").decode(trained(kind, "nfkc").encode(text)) == "1⁄2 ... TM AB1"


@pytest.mark.parametrize("rule", SENTENCEPIECES)
@pytest.mark.parametrize("kind", KINDS)
def test_sentencepieces_own_rules(kind: str, rule: str) -> None:
    """As SentencePiece alone reads the model; every character that it learned from is known."""
    tokenizer = trained(kind, rule)
    assert tokenizer.normalisation == rule
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)
    texts = [*PLAIN, "DIE\u3000Straße\u200bkostet ½"]
    if kind != "word":  # which is cut here: see Tokenizer.encode_batch
        assert tokenizer.encode_batch(texts) == processor.encode(texts)
    assert not any(UNK in ids for ids in tokenizer.encode_batch(PLAIN))
    assert (tokenizer.encode("DIE FRAU") == tokenizer.encode("die frau")) == rule.endswith("cf")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("rule", ["nfc", *SENTENCEPIECES])
def test_with_byte_fallback_the_normalised_text_comes_back(kind: str, rule: str) -> None:
    tokenizer = trained(kind, rule, byte_fallback=True)
    for text in ["Die\u00a0Frau schla\u0308ft", "文字 ½ Ⅳ \u200b", *PLAIN]:
        assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalise(text)


@pytest.mark.parametrize("rule", ["nfc", *SENTENCEPIECES])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_words_are_those_of_the_text_as_given(kind: str, rule: str, data: st.DataObject) -> None:
    """However much a rule makes of a character, or leaves of it."""
    strange = ["½", "ﬁ", "¨", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0308", "u\u0308", "Ａ", "文", "İ", *SPACES]
    text = "".join(data.draw(st.lists(st.sampled_from([*"Frau", " ", *strange]), max_size=12)))
    words = split_words(text)
    assert words.words == text.split()
    ids, spans = trained(kind, rule).encode_spans([text])[0]
    assert ids == trained(kind, rule).encode(text)
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    owners = word_owners(word_shares(spans, words.spans))
    assert owners == sorted(owners)
    assert set(owners) <= set(range(len(words.words))) or not words.words


def test_the_rule_is_part_of_the_model(tmp_path: Path) -> None:
    """A model of before this rule, or of another's making, keeps its own; the name alone tells."""
    assert trained().normalisation == "nfc"
    trained().save(tmp_path / "model")
    loaded = Tokenizer.load(tmp_path / "model")
    assert (loaded.normalisation, loaded.sha256) == ("nfc", trained().sha256)
    assert loaded.encode("scho\u0308ne\tFrau") == trained().encode("schöne Frau")
    older = trained(rule="identity")
    assert older.normalisation == describe_model(older.model_bytes).normalisation == "identity"
    assert older.pieces == trained().pieces
    assert UNK in older.encode("scho\u0308ne\tFrau")
    assert older.encode_batch(PLAIN) == trained().encode_batch(PLAIN)


def test_a_rule_for_a_given_model_is_refused() -> None:
    data = {"train": {"tsv": "a"}, "validation": {"tsv": "b"}}
    with pytest.raises(InputError, match="normalisation has no effect when source_model gives a trained tokenizer"):
        parse_config({"data": data, "tokenizer": {"source_model": "x", "normalisation": "nfkc"}}, "test")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unknown_of_a_text(kind: str) -> None:
    text = "Die Frøu 文字 schla\u0308ft\u00a0文"
    unknown = ["Frøu", "文字", "文"] if kind == "word" else ["ø", "文", "字", "文"]
    assert [each for each in trained(kind).find_unknown(text) if each != "schla\u0308ft"] == unknown
    assert trained(kind).find_unknown(text, 1) == trained(kind).find_unknown(PLAIN[0]) == []
    assert trained(kind).find_unknown(f" {PLAIN[0].replace(' ', '  ')} ") == []


def test_random_text_of_the_corpus_alphabet_is_left_alone() -> None:
    """Composed text with plain spaces has the ids that it had without a rule."""
    draw = random.Random(1)
    alphabet = sorted(set("".join(PLAIN)))
    texts = ["".join(draw.choices(alphabet, k=30)) for _ in range(50)]
    for kind in ("unigram", "bpe", "char"):
        assert trained(kind).encode_spans(texts) == trained(kind, "identity").encode_spans(texts)


def test_the_phrasebook_is_composed_already() -> None:
    """What was measured on it holds with this rule and without."""
    texts = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "data/phrasebook").iterdir()]
    assert len(texts) > 3
    assert all(compose(line) == line for text in texts for line in text.split("\n"))
