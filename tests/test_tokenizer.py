"""SentencePiece models: exact round trip, reproducible sampling, and errors a user can act on."""

import io
import itertools
import math
import os
import pickle
import random
import subprocess
import sys
from collections import Counter
from functools import lru_cache

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.config import TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.regularisation import DropoutSampler, LatticeSampler
from seq2seq.text.sentencepiece_model import CONTROL, NORMAL, UNKNOWN, ModelDescription, Piece, describe_model
from seq2seq.text.special_tokens import BOS, EOS, PAD, UNK
from seq2seq.text.tokenizer import Tokenizer, train_tokenizers
from seq2seq.text.words import split_words, word_owners, word_shares

KINDS = ["unigram", "bpe", "char", "word"]
SAMPLED = ["unigram", "bpe"]

STRANGE = [
    " a leading space",
    "a trailing one ",
    "two  and   three",
    "a\ttab",
    "no\u00a0break",
    "ideographic\u3000space",
    "line\u2028separator and \u0085 next line",
    "carriage\rreturn",
    "cafe\u0301 is not caf\u00e9",  # combining, composed
    "\u1100\u1161 and \uac00",  # Hangul in parts and whole
    "a family: \U0001f469\u200d\U0001f469\u200d\U0001f467 and a flag \U0001f1e9\U0001f1ea",
    "\u5979\u628a\u4e66\u653e\u5728\u684c\u5b50\u4e0a\u3002",  # Chinese without spaces
    "\u6211\u4eec \u5728 \uff21\uff22\uff23\uff0c\uff11\uff12",  # with spaces, and full-width letters
    "\u202eright to left\u202c \u05d0\u05d1",
    "a literal <s> </s> <pad> and <unk>",
    "\ufeffmark inside",
    "\ufb01 ligature \u00bd",
]
PLAIN = [
    f"{subject} {verb} {thing}."
    for subject in ("Der Mann", "Eine Frau", "The dog", "Nobody")
    for verb in ("sieht", "kauft", "watches", "buys")
    for thing in ("das Haus", "einen Ball", "the house", "a red ball")
]
TEXTS = PLAIN + STRANGE
ALPHABET = sorted(set("".join(TEXTS)))
SPACES = "\t\r\x1c\x85\u00a0\u2002\u202f\u3000\u2028"


def config(kind="bpe", size=300, **options):
    """With text as it is, which shows what SentencePiece does; test_normalisation.py has the rules."""
    return TokenizerConfig(**{"kind": kind, "vocabulary_size": size, "normalisation": "identity", **options})


@lru_cache
def trained(kind):
    return Tokenizer.train(TEXTS, config(kind))


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return trained(request.param)


@pytest.fixture(scope="module", params=SAMPLED)
def sampled(request):
    return trained(request.param)


@pytest.fixture(scope="module", params=SAMPLED)
def with_bytes(request):
    return Tokenizer.train(PLAIN, config(request.param, 400, byte_fallback=True))


@pytest.fixture(scope="module")
def bpe():
    return trained("bpe")


# Vocabulary


def test_special_pieces_come_first(tokenizer):
    assert tokenizer.pieces[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_says_its_kind(kind):
    assert Tokenizer.train(PLAIN, config(kind)).kind == kind


def test_the_vocabulary_is_what_sentencepiece_reads_from_the_model(tokenizer):
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)
    ids = range(processor.vocab_size())
    assert tokenizer.vocabulary_size == len(ids)
    assert tokenizer.pieces == [processor.id_to_piece(id_) for id_ in ids]
    pieces = describe_model(tokenizer.model_bytes).pieces
    assert [piece.score for piece in pieces] == [processor.get_score(id_) for id_ in ids]
    assert {id_ for id_ in ids if pieces[id_].type == CONTROL} == {id_ for id_ in ids if processor.is_control(id_)}
    assert [piece.type for piece in pieces[:4]] == [CONTROL, UNKNOWN, CONTROL, CONTROL]


@pytest.mark.parametrize("kind", SAMPLED)
def test_the_size_asked_for(kind):
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcde ", k=41)) for _ in range(200)]
    assert Tokenizer.train(texts, config(kind, 61)).vocabulary_size == 61


@pytest.mark.parametrize(("kind", "size"), [("char", 7), ("word", 6), ("unigram", 9), ("bpe", 9)])
def test_fewer_pieces_where_the_text_has_fewer(kind, size):
    assert Tokenizer.train(["a", "b", "a b"], config(kind, 1000)).vocabulary_size == size


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_a_vocabulary_too_small_for_the_alphabet(kind):
    texts = ["abcdefgh hgfedcba"]  # 8 letters, the space and 4 special pieces
    with pytest.raises(InputError, match=r"vocabulary_size = 12 cannot hold .* at least 13 are needed"):
        Tokenizer.train(texts, config(kind, 12))
    trained = Tokenizer.train(texts, config(kind, 13))
    assert trained.vocabulary_size == 13
    assert trained.decode(trained.encode("h g a")) == "h g a"


def test_character_coverage_leaves_rare_characters_out():
    texts = ["abababab"] * 50 + ["z"]
    whole = Tokenizer.train(texts, config("char"))
    most = Tokenizer.train(texts, config("char", character_coverage=0.99))
    assert set(whole.pieces) - set(most.pieces) == {"z"}


@pytest.mark.parametrize("texts", [[], [""], ["", " "]])
def test_nothing_to_train_on(texts):
    with pytest.raises(InputError, match="no text to train a tokenizer on"):
        Tokenizer.train(texts, config())


def test_joint_training_sees_both_sides():
    pair = train_tokenizers(["aaa bbb"], ["ccc ddd"], config())
    assert pair.joint
    assert pair.source is pair.target
    assert {"a", "b", "c", "d"} <= set(pair.source.pieces)


def test_one_vocabulary_a_side():
    pair = train_tokenizers(["aaa bbb"], ["ccc ddd"], config(joint=False))
    assert not pair.joint
    assert "c" not in "".join(pair.source.pieces[4:])
    assert "a" not in "".join(pair.target.pieces[4:])


# Training


@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_gives_the_same_bytes(kind):
    first, second = (Tokenizer.train(iter(TEXTS), config(kind)) for _ in range(2))
    assert first.model_bytes == second.model_bytes
    assert first.sha256 == second.sha256


def test_another_text_gives_another_hash(bpe):
    assert bpe.sha256 != Tokenizer.train(PLAIN, config()).sha256


@pytest.mark.parametrize("kind", KINDS)
def test_an_enormous_line_is_trained_on(kind):
    line = "long " * 2000 + "\u00f8"  # SentencePiece leaves out lines above 4192 bytes by default
    tokenizer = Tokenizer.train([*PLAIN, line], config(kind))
    assert UNK not in tokenizer.encode("long \u00f8")


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("line", ["<s> \u00f8", "</s>\u00f8", "<unk> \u00f8", "\u2585 \u00f8"])
def test_characters_beside_the_trainers_own_marks_are_in_the_alphabet(kind, line):
    tokenizer = Tokenizer.train([*PLAIN, line], config(kind))
    wanted = line.replace("\u2585", "")
    assert tokenizer.decode(tokenizer.encode(wanted)) == wanted


def test_training_and_loading_say_nothing(capfd, tmp_path):
    for kind in KINDS:
        Tokenizer.train(TEXTS, config(kind)).save(tmp_path / "model")
        Tokenizer.load(tmp_path / "model").encode("a b")
    with pytest.raises(InputError):
        Tokenizer.train(TEXTS, config(size=8))
    assert capfd.readouterr() == ("", "")


# Round trip


@pytest.mark.parametrize("text", ["", " ", "   ", *STRANGE])
@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_strange_text_comes_back_exactly(kind, text):
    tokenizer = trained(kind)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_text_in_the_alphabet_comes_back_exactly(tokenizer, data):
    if tokenizer.kind == "word":
        words = [piece[1:] for piece in tokenizer.pieces[4:]]
        text = " ".join(data.draw(st.lists(st.sampled_from(words))))
    else:
        text = data.draw(st.text(alphabet=ALPHABET))
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not {PAD, UNK, BOS, EOS} & set(ids)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\u2581")))
def test_with_byte_fallback_all_text_comes_back_exactly(with_bytes, text):
    assert with_bytes.decode(with_bytes.encode(text)) == text
    assert with_bytes.decode(with_bytes.sample_batch([text], 0.5, 3)[0]) == text


def test_encode_batch_is_encode_of_each(tokenizer):
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]
    assert tokenizer.encode_batch([]) == []


def test_pieces_of_ids(bpe):
    ids = bpe.encode("Nobody sieht")
    assert "".join(bpe.to_pieces([BOS, *ids, EOS])) == "<s>\u2581Nobody\u2581sieht</s>"


def test_special_ids_leave_no_trace_in_text(tokenizer):
    ids = tokenizer.encode("Nobody buys the house.")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "Nobody buys the house."
    assert tokenizer.decode([PAD, BOS, EOS]) == ""


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
@pytest.mark.parametrize(
    ("text", "shown"), [("a\u00f8\u00f8b", "a\u2047b"), ("\u00f8 a", "\u2047 a"), ("\u00f8", "\u2047")]
)
def test_unknown_characters_show(kind, text, shown):
    tokenizer = trained(kind)
    assert tokenizer.decode(tokenizer.encode(text)) == shown


def test_unknown_words_show_one_by_one():
    tokenizer = Tokenizer.train(PLAIN, config("word"))
    ids = tokenizer.encode("xx yy Nobody zz")
    assert ids == [UNK, UNK, tokenizer.pieces.index("\u2581Nobody"), UNK]
    assert tokenizer.decode([BOS, *ids, EOS]) == "\u2047 \u2047 Nobody \u2047"


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_looks_like_special_pieces_is_not(kind):
    ids = trained(kind).encode("<s> </s> <pad> <unk><s></s><pad><unk>")
    assert not {PAD, BOS, EOS} & set(ids)


def test_the_two_characters_that_sentencepiece_keeps(bpe):
    assert bpe.decode(bpe.encode("a\u2581b")) == "a b"
    assert bpe.decode(bpe.encode("a\u2585b")) == "a\u2047b"


# Symbols


@pytest.mark.parametrize("kind", KINDS)
def test_symbols_are_one_piece_wherever_they_stand(kind):
    symbols = ["<de>", 'x,"y', "Frau", "<d"]
    tokenizer = Tokenizer.train(PLAIN, config(kind, symbols=symbols))
    text = 'Eine<de> x,"y<de>Frau <d <de>'
    samples = [tokenizer.encode(text)]
    samples += tokenizer.sample_batch([text] * 20, 0.9, 5) if kind in SAMPLED else []
    for ids in samples:
        pieces = [piece.removeprefix("\u2581") for piece in tokenizer.to_pieces(ids)]
        assert [piece for piece in pieces if piece in symbols] == ["<de>", 'x,"y', "<de>", "Frau", "<d", "<de>"]
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_a_symbol_may_be_a_character_of_the_text(kind):
    """Whose characters are pieces anyway; SentencePiece calls that defined twice."""
    tokenizer = Tokenizer.train([*PLAIN, "\U0001f600 é"], config(kind, symbols=["e", "\U0001f600"]))
    assert not {"e", "\U0001f600"} - set(tokenizer.pieces)
    assert tokenizer.decode(tokenizer.encode("e \U0001f600 é")) == "e \U0001f600 é"


def test_what_sentencepiece_says_is_told_without_its_source_lines():
    with pytest.raises(InputError, match=r"^cannot train the tokenizer: <0x41> is already defined"):
        Tokenizer.train(PLAIN, config("bpe", symbols=["<0x41>"], byte_fallback=True))


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        ([""], "'' is empty"),
        (["<s>"], "'<s>' is a special piece"),
        (["<a>", "<a>"], "'<a>' is given twice"),
        (["a b"], "'a b' has a space"),
        (["a\u2581"], "has a space or a character that SentencePiece keeps"),
    ],
)
def test_symbols_that_cannot_be(symbols, message):
    with pytest.raises(InputError, match=f"tokenizer.symbols: .*{message}"):
        Tokenizer.train(PLAIN, config(symbols=symbols))


# Sampling


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(alphabet=ALPHABET), amount=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_samples_are_segmentations_of_the_text(sampled, text, amount, seed):
    ids = sampled.sample_batch([text], amount, seed)[0]
    assert sampled.decode(ids) == text
    assert UNK not in ids


def test_samples_depend_on_the_arguments_alone(sampled):
    first = sampled.sample_batch(TEXTS, 0.3, 7)
    random.seed(1)
    sentencepiece.set_random_generator_seed(3)
    assert sampled.sample_batch(TEXTS, 0.3, 8) != first
    assert sampled.sample_batch(TEXTS, 0.4, 7) != first
    assert sampled.sample_batch(TEXTS, 0.3, 7) == first
    assert Tokenizer.from_bytes(sampled.model_bytes).sample_batch(TEXTS, 0.3, 7) == first


def test_samples_are_the_same_in_another_process(sampled, tmp_path):
    sampled.save(tmp_path / "model")
    program = (
        "import sys; from pathlib import Path; from seq2seq.text.tokenizer import Tokenizer;"
        "tokenizer = Tokenizer.load(Path(sys.argv[1])); tokenizer.sample_batch(['Nobody buys'], 0.9, 1);"
        "print(tokenizer.sample_batch(['Eine Frau kauft das Haus.'] * 31, 0.3, 7))"
    )
    seen = set()
    for hash_seed in ("0", "11"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program, str(tmp_path / "model")]
        seen.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip())
    assert seen == {str(sampled.sample_batch(["Eine Frau kauft das Haus."] * 31, 0.3, 7))}


def test_dropout_0_is_encoding_and_dropout_1_is_spelling(bpe):
    assert bpe.sample_batch(TEXTS, 0, 5) == bpe.encode_batch(TEXTS)
    spelt = bpe.to_pieces(bpe.sample_batch(["Eine Frau"], 1, 5)[0])
    assert spelt == list("\u2581Eine\u2581Frau")


def test_a_large_exponent_is_encoding():
    tokenizer = Tokenizer.train(PLAIN, config("unigram", 97))
    words = sorted({word for text in PLAIN for word in text.split()})
    best = tokenizer.encode_batch(words)
    scores = [piece.score for piece in describe_model(tokenizer.model_bytes).pieces]
    for ids, wanted in zip(tokenizer.sample_batch(words, 1e6, 5), best, strict=True):
        assert sum(scores[id_] for id_ in ids) == pytest.approx(sum(scores[id_] for id_ in wanted), abs=1e-4)


def description(kind, **scores):
    special = [
        Piece("<pad>", 0, CONTROL),
        Piece("<unk>", 0, UNKNOWN),
        Piece("<s>", 0, CONTROL),
        Piece("</s>", 0, CONTROL),
    ]
    return ModelDescription(kind, special + [Piece(text, score, NORMAL) for text, score in scores.items()])


def frequencies(sampler, model, text, amount, draws=10000):
    samples = sampler(model, UNK).sample([text] * draws, amount, 13)
    return {
        key: count / draws
        for key, count in Counter(tuple(model.pieces[id_].text for id_ in ids) for ids in samples).items()
    }


def test_unigram_samples_follow_the_powers_of_the_probabilities():
    scores = {"a": -1.0, "b": -2.0, "c": -1.5, "ab": -1.7, "bc": -2.9, "abc": -3.1}
    seen = frequencies(LatticeSampler, description("unigram", **scores), "abc", 0.7)
    ways = [("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("abc",)]
    weights = [math.exp(0.7 * sum(scores[piece] for piece in way)) for way in ways]
    assert seen == {
        way: pytest.approx(weight / sum(weights), abs=0.02) for way, weight in zip(ways, weights, strict=True)
    }


def test_every_segmentation_can_be_drawn():
    model = description("unigram", a=-1.0, b=-1.0, aa=-1.0, ab=-1.0, ba=-1.0, aab=-1.0)
    known = {piece.text for piece in model.pieces[4:]}
    text = "aaba"
    ways = set()
    for cuts in itertools.product([False, True], repeat=3):
        ends = [index + 1 for index, cut in enumerate(cuts) if cut] + [4]
        way = tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False))
        ways |= {way} if set(way) <= known else set()
    assert set(frequencies(LatticeSampler, model, text, 0.0)) == ways


def test_exponent_0_makes_all_segmentations_alike():
    model = description("unigram", a=-1.0, b=-20.0, ab=-3.0)
    assert frequencies(LatticeSampler, model, "ab", 0.0) == {
        ("a", "b"): pytest.approx(0.5, abs=0.02),
        ("ab",): pytest.approx(0.5, abs=0.02),
    }


def test_each_merge_is_dropped_with_the_probability_given():
    model = description("bpe", ab=-0.0, abc=-1.0, a=-2.0, b=-3.0, c=-4.0)
    drop = 0.3
    assert frequencies(DropoutSampler, model, "abc", drop) == {
        ("abc",): pytest.approx((1 - drop) ** 2, abs=0.02),
        ("ab", "c"): pytest.approx((1 - drop) * drop, abs=0.02),
        ("a", "b", "c"): pytest.approx(drop, abs=0.02),
    }


def test_a_dropped_merge_comes_back_when_a_neighbour_changes():
    model = description("bpe", ab=-0.0, bc=-1.0, a=-2.0, b=-3.0, c=-4.0)
    drop = 0.4
    assert frequencies(DropoutSampler, model, "abc", drop) == {
        ("ab", "c"): pytest.approx(1 - drop, abs=0.02),
        ("a", "bc"): pytest.approx(drop * (1 - drop), abs=0.02),
        ("a", "b", "c"): pytest.approx(drop**2, abs=0.02),
    }


@settings(max_examples=100, deadline=None, derandomize=True)
@given(words=st.lists(st.text(alphabet="ab", min_size=1, max_size=17), min_size=1, max_size=5))
def test_merging_agrees_with_sentencepiece_where_many_pieces_overlap(words):
    tokenizer = overlapping()
    text = " ".join(words)
    assert tokenizer.sample_batch([text], 0, 1) == [tokenizer.encode(text)]


@lru_cache
def overlapping():
    draw = random.Random(5)
    texts = ["".join(draw.choices("ab", k=draw.randint(1, 13))) for _ in range(300)]
    return Tokenizer.train(texts, config("bpe", 60))


def test_unknown_characters_are_written_as_when_encoding(sampled, with_bytes):
    texts = ["a\u00f8\u00f8b \u00f8", "\u00f8", "\u0e01\u0e02 c", "\u00f8 \u00f8"]
    amount = {"bpe": 0.0, "unigram": 1e6}
    for tokenizer in (sampled, with_bytes):
        assert tokenizer.sample_batch(texts, amount[tokenizer.kind], 3) == tokenizer.encode_batch(texts)


def test_an_enormous_text_can_be_sampled(sampled):
    text = "\u5979\u628a\u4e66\u653e\u5728\u684c\u5b50\u4e0a" * 2000
    assert sampled.decode(sampled.sample_batch([text], 0.2, 1)[0]) == text


def test_models_with_pieces_across_words_are_sampled_as_they_encode():
    model = train_elsewhere(TEXTS, model_type="bpe", vocab_size=300, split_by_whitespace="false", **SPECIAL)
    tokenizer = Tokenizer.from_bytes(model)
    assert any("\u2581" in piece[1:] for piece in tokenizer.pieces)
    assert tokenizer.sample_batch(PLAIN, 0, 1) == tokenizer.encode_batch(PLAIN)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_one_segmentation_cannot_be_sampled(kind):
    with pytest.raises(InputError, match=f"kind '{kind}' has one segmentation only"):
        Tokenizer.train(PLAIN, config(kind)).sample_batch(["a"], 0.1, 1)


@pytest.mark.parametrize(("kind", "amount"), [("bpe", 1.1), ("bpe", -0.1), ("unigram", -0.1), ("unigram", math.nan)])
def test_amounts_out_of_range(kind, amount):
    with pytest.raises(InputError, match=r"sampling = .* is out of range for kind .*; allowed: 0 to"):
        Tokenizer.train(PLAIN, config(kind)).sample_batch(["a"], amount, 1)


# Words


def words_of(text, spans):
    return word_owners(word_shares(spans, split_words(text).spans))


def words_read(tokenizer, text):
    return words_of(text, tokenizer.encode_spans([text])[0][1])


def words_written(tokenizer, ids):
    return words_of(*tokenizer.decode_spans(ids))


def test_words_of_pieces_by_hand():
    tokenizer = Tokenizer.train(TEXTS, config("char"))
    assert words_read(tokenizer, "ab  c ") == [0, 0, 0, 1, 1, 1, 1]  # the pieces: _ a b _ _ c _
    assert words_read(tokenizer, "  ") == [-1, -1, -1]
    assert words_read(tokenizer, "") == words_written(tokenizer, []) == []
    assert words_written(tokenizer, [BOS, *tokenizer.encode("ab  c "), EOS, PAD])[1:-2] == [0, 0, 0, 1, 1, 1, 1]


def test_words_of_unknown_words_and_characters(bpe):
    assert words_read(bpe, "\u00f8\u00f8 a") == [0, 0, 1]  # _ <unk> _a
    words = Tokenizer.train(PLAIN, config("word"))
    assert words_read(words, "xx yy Nobody") == words_written(words, words.encode("xx yy Nobody")) == [0, 1, 2]


def test_words_of_bytes(with_bytes):
    assert words_read(with_bytes, "\u00f8 \u00f8") == [0, 0, 0, 1, 1, 1]


def test_chinese_without_spaces_is_one_word(bpe):
    assert set(words_read(bpe, "\u5979\u628a\u4e66\u653e")) == {0}


@pytest.mark.parametrize("space", SPACES, ids=ascii)
def test_every_space_separates_words(with_bytes, space):
    """Also one that the vocabulary lacks, and one that a model spells in bytes."""
    lacking = Tokenizer.train(PLAIN, config())
    text = f"Frau{space}sieht\u200bdas{space}"
    for tokenizer in (lacking, with_bytes, trained("char")):
        ids, spans = tokenizer.encode_spans([text])[0]
        words = words_of(text, spans)
        assert words == sorted(words)
        assert set(words) == {0, 1}
        pieces = "".join(piece for piece, word in zip(tokenizer.to_pieces(ids), words, strict=True) if not word)
        assert pieces == "\u2581Frau"
        if UNK not in ids:
            assert words_written(tokenizer, ids) == words


def test_spans_by_hand(with_bytes):
    char = Tokenizer.train(TEXTS, config("char"))
    assert char.encode_spans(["ab  c"])[0][1] == [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    words = Tokenizer.train(PLAIN, config("word"))
    assert words.encode_spans(["xx  yy Nobody ", ""])[0][1] == [(0, 2), (2, 3), (3, 6), (6, 13), (13, 14)]
    assert words.encode_spans([""]) == [([], [])]
    # The bytes of a character: all but the last are nowhere.
    assert with_bytes.encode_spans(["\u00f8 \u00f8"])[0][1][-2:] == [(2, 2), (2, 3)]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_spans_cover_the_text_as_its_pieces_do(tokenizer, data):
    texts = data.draw(st.lists(st.text(alphabet=[*ALPHABET, *" " * 30, "\u00a0", "\u732b"]), max_size=3))
    for text, (ids, spans) in zip(texts, tokenizer.encode_spans(texts), strict=True):
        assert ids == tokenizer.encode(text)
        assert "".join(text[start:end] for start, end in spans) == text
        for piece, id_, (start, end) in zip(tokenizer.to_pieces(ids), ids, spans, strict=True):
            if id_ != UNK:
                assert piece.replace("\u2581", " ").removeprefix(" ") == text[start:end].removeprefix(" ")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_written_has_the_spans_of_what_is_read(tokenizer, data):
    text = (
        " ".join(data.draw(st.lists(st.sampled_from(PLAIN))))
        if tokenizer.kind == "word"
        else data.draw(st.text(alphabet=[*ALPHABET, *" " * 30]))
    )
    ids, spans = tokenizer.encode_spans([text])[0]
    assert tokenizer.decode_spans(ids) == (text, spans)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_spans_of_any_ids_cover_the_text(tokenizer, with_bytes, data):
    for each in (tokenizer, with_bytes):
        ids = data.draw(st.lists(st.integers(0, each.vocabulary_size - 1), max_size=9))
        text, spans = each.decode_spans(ids)
        assert text == each.decode(ids)
        assert len(spans) == len(ids)
        assert "".join(text[start:end] for start, end in spans) == text


# Files


def test_a_saved_model_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "model")
    loaded = Tokenizer.load(tmp_path / "model")
    for copy in (loaded, pickle.loads(pickle.dumps(tokenizer)), Tokenizer.from_bytes(tokenizer.model_bytes)):
        assert copy.sha256 == tokenizer.sha256
        assert copy.encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"none\.model: cannot read the tokenizer model: No such file"):
        Tokenizer.load(tmp_path / "none.model")
    with pytest.raises(InputError, match="cannot read the tokenizer model: Is a directory"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda model: b"", lambda model: model[:-5], lambda model: model[:100], lambda model: b"PK\3\4 zip"]
)
def test_damaged_files_are_named(bpe, tmp_path, damage):
    (tmp_path / "broken.model").write_bytes(damage(bpe.model_bytes))
    with pytest.raises(InputError, match=r"broken\.model: not a SentencePiece model, or a damaged one"):
        Tokenizer.load(tmp_path / "broken.model")


def test_any_damage_is_an_input_error_or_harmless(bpe):
    draw = random.Random(7)
    refused = 0
    for _ in range(200):
        model = bytearray(bpe.model_bytes)
        model[draw.randrange(len(model))] ^= 1 << draw.randrange(8)
        try:
            Tokenizer.from_bytes(bytes(model)).encode("Eine Frau")
        except InputError:
            refused += 1
    assert refused


SPECIAL = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}


def train_elsewhere(texts, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, minloglevel=3, hard_vocab_limit=False, **options
    )
    return model.getvalue()


def test_models_with_other_special_ids_are_refused(tmp_path):
    (tmp_path / "usual.model").write_bytes(train_elsewhere(TEXTS, vocab_size=300))  # unk 0, bos 1, eos 2, no pad
    message = r"usual\.model: .*are \(-1, 0, 1, 2\), needed are \(0, 1, 2, 3\); train it with --pad_id=0 --unk_id=1"
    with pytest.raises(InputError, match=message):
        Tokenizer.load(tmp_path / "usual.model")


def test_given_models_are_loaded_from_the_root(tmp_path):
    Tokenizer.train(PLAIN, config("unigram")).save(tmp_path / "a.model")
    Tokenizer.train(PLAIN, config("char")).save(tmp_path / "b.model")
    joint = train_tokenizers([], [], TokenizerConfig(source_model="a.model"), tmp_path)
    assert joint.joint
    assert joint.source is joint.target
    pair = train_tokenizers([], [], TokenizerConfig(source_model="a.model", target_model="b.model"), tmp_path)
    assert not pair.joint
    assert (pair.source.kind, pair.target.kind) == ("unigram", "char")


def test_given_models_that_cannot_be_sampled(tmp_path):
    Tokenizer.train(PLAIN, config("unigram")).save(tmp_path / "a.model")
    Tokenizer.train(PLAIN, config("char")).save(tmp_path / "b.model")
    given_models = TokenizerConfig(source_model="a.model", target_model="b.model", sampling=0.1)
    with pytest.raises(InputError, match=r"b\.model: the model's kind is 'char', which has one segmentation only"):
        train_tokenizers([], [], given_models, tmp_path)
