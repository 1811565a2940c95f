"""The translator: what it gives does not depend on the batch, agrees with teacher forcing, and fits the text."""

import itertools
import random
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mechanisms import EVERY, MECHANISMS

import seq2seq
from seq2seq.batching import make_batch, source_batch
from seq2seq.bulk.layout import unit_weights
from seq2seq.checkpoint.model import LoadedModel, build_model, load_model, save_model
from seq2seq.config import Config, TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.nn.initialisation import initialise
from seq2seq.text.special_tokens import BOS, EOS
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.text.words import word_owners
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator

WORDS = "der hund läuft ein mann 😀 schläft heute nicht 中文 ist schön und grün während café".split()  # noqa: SIM905
TARGETS = ["the dog runs quickly", "a man 😀 does not sleep today", "中文 is nice and green", "the café , q\u0301"]


def sentences(number: int, seed: int = 1) -> list[str]:
    """Different lengths, a single piece and a long one among them."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 7))) for _ in range(number - 2)]
    return [*texts[: number // 2], "x", *texts[number // 2 :], " ".join(draw.choices(WORDS, k=17))]


def make_config(**model: Any) -> Config:
    sizes = {"embedding_dim": 13, "encoder_dim": 7, "decoder_dim": 14, "attention_dim": 5}
    tree = {
        "data": {"train": {"tsv": "train.tsv"}, "validation": {"tsv": "validation.tsv"}},
        "tokenizer": {"vocabulary_size": 83},
        "model": {**sizes, **model},
        "search": {"beam_size": 3, "max_length_ratio": 1.0, "max_length_offset": 3},
    }
    return parse_config(tree, "test")


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tiny(
    pair: TokenizerPair,
    mechanism: str = "additive",
    wiring: tuple[str, bool] = ("luong", True),
    cell: str = "gru",
    seed: int = 1,
) -> LoadedModel:
    """A random model that is sure of itself: flat distributions would be full of ties.

    In double precision, as such a model makes the rounding of a batch's shape large. One that copies gets one
    vocabulary for both sides, whatever the pair has.
    """
    config = make_config(**MECHANISMS[mechanism], cell=cell, wiring=wiring[0], input_feeding=wiring[1])
    pair = train_tokenizers(sentences(40), TARGETS, config.tokenizer) if config.model.copy and not pair.joint else pair
    model = build_model(config, pair)
    initialise(model, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("decoder.attention.value_layer"):  # which is followed by another matrix
                parameter *= 2.5
        model.output_layer.bias[EOS] += 2.0
    return LoadedModel(Path("tiny"), config, pair, model.double().eval(), {})


def close(first: Translation, second: Translation) -> bool:
    """The same text with the same numbers."""
    numbers = abs(first.score - second.score) < 1e-5 and abs(first.log_prob - second.log_prob) < 1e-4
    weights = first.weights.shape == second.weights.shape and np.allclose(first.weights, second.weights, atol=1e-5)
    weights = weights and np.allclose(first.copied or [], second.copied or [], atol=1e-4)
    kept = ("source", "text", "tokens", "pieces", "source_pieces", "alignment", "finished", "truncated")
    return numbers and weights and all(getattr(first, key) == getattr(second, key) for key in kept)


# ------------------------------------------------------------------------------------------- pitfalls 2, 6 and 7


@pytest.mark.usefixtures("without_shape_checks")  # the next tests have them on
@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_the_batch_changes_nothing(pair: TokenizerPair, mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Pitfalls 2 and 5: alone, in batches, shuffled: the same texts, in order, with the same numbers."""
    translator = Translator([tiny(pair, mechanism, wiring, cell)])
    texts = sentences(11)
    alone = [translator.translate([text])[0] for text in texts]
    assert any(translation.finished for translation in alone)
    assert len({translation.text for translation in alone}) > 5
    for batch_size in (7, 64):
        order = random.Random(batch_size).sample(range(len(texts)), len(texts))
        together = translator.translate([texts[row] for row in order], batch_size=batch_size)
        assert all(close(alone[row], found) for row, found in zip(order, together, strict=True))


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_every_hypothesis_rescored(pair: TokenizerPair, mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Pitfalls 7, 8 and 12: what search says of a hypothesis is what scoring says."""
    translator = Translator([tiny(pair, mechanism, wiring, cell)])
    texts = sentences(7)
    found = [translation for each in translator.translate_nbest(texts, 3) for translation in each]
    assert len(found) == 21
    assert not all(translation.finished for translation in found)
    assert any(translation.finished for translation in found) or mechanism == "copy"  # which seldom ends
    scores = translator.score_tokens([each.source for each in found], [each.tokens for each in found])
    for translation, scored in zip(found, scores, strict=True):
        assert scored.tokens == len(scored.log_probs) == len(translation.tokens) + 1
        assert scored.log_prob == pytest.approx(sum(scored.log_probs))
        expected = scored.log_probs if translation.finished else scored.log_probs[:-1]
        assert translation.log_prob == pytest.approx(sum(expected), abs=1e-4)
        assert translation.score == pytest.approx(sum(expected) / len(expected), abs=1e-4)


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_forced_loss_is_the_sum_of_the_steps(
    pair: TokenizerPair, mechanism: str, wiring: tuple[str, bool], cell: str
) -> None:
    """Pitfall 6: the reference fed to the search code, shifted here by hand."""
    loaded = tiny(pair, mechanism, wiring, cell)
    pair, sources, targets = loaded.tokenizers, sentences(5), [*TARGETS, ""]
    source = pair.source.encode_batch(sources)
    target = pair.target.encode_batch(targets)
    model, batch = loaded.model, make_batch(source, target)
    stepped = []
    for ids, reference in zip(source, target, strict=True):
        state, log_prob = model.start(*source_batch([ids])), 0.0
        for read, wanted in itertools.pairwise([BOS, *reference, EOS]):
            with torch.no_grad():
                log_probs, output = model.step(torch.tensor([[read]]), state)
            state, log_prob = output.state, log_prob + float(log_probs[0, 0, wanted])
        stepped.append(log_prob)
    assert float(model(*batch.tensors()).nll) == pytest.approx(-sum(stepped), abs=1e-4)
    scores = Translator([loaded]).score(sources, targets)
    assert [each.log_prob for each in scores] == pytest.approx(stepped, abs=1e-4)
    assert [each.tokens for each in scores] == [len(ids) + 1 for ids in target]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_integer_weights_do_not_let_the_batch_in(pair: TokenizerPair, cell: str) -> None:
    """Pitfall 2, where a scale for the whole batch would be the easy way; and they do round."""
    translator, texts = Translator([tiny(pair, "additive", ("luong", True), cell)]), sentences(11)
    alone = [translator.translate([text], int8=True)[0] for text in texts]
    assert all(map(close, alone, translator.translate(texts, int8=True)))
    exact = translator.translate(texts)
    assert not any(map(close, alone, exact))
    sampled = [translator.sample(texts, int8=int8) for int8 in (False, True)]
    assert sampled[0][0][0].log_prob != sampled[1][0][0].log_prob


def test_integer_weights_are_for_the_cpu(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator([tiny(pair)])
    monkeypatch.setattr(Translator, "_device", torch.device("cuda"))
    with pytest.raises(InputError, match="int8 is for translating on the CPU, and the model is on cuda; leave it out"):
        translator.translate(["hund"], int8=True)


@pytest.mark.slow
def test_every_cut_into_batches_gives_the_same(pair: TokenizerPair) -> None:
    loaded = tiny(pair, "multiplicative", ("luong", False), "lstm")
    translator, texts = Translator([loaded]), sentences(37)
    expected = translator.translate(texts)
    started = []
    start = loaded.model.start

    def count(source: torch.Tensor, lengths: torch.Tensor) -> Any:
        started.append(source.shape)
        return start(source, lengths)

    for options, batches in (({"batch_size": 1}, 37), ({"batch_size": 10}, 4), ({"batch_tokens": 1}, 37), ({}, 1)):
        started.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loaded.model, "start", count)
            found = translator.translate(texts, **options)
        assert all(map(close, expected, found))
        assert len(started) == batches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded.model, "start", count)
        translator.translate(texts, batch_tokens=100)
    assert all(rows * width <= 100 or rows == 1 for rows, width in started[1:])


# ------------------------------------------------------------------------------------------------- what is given back


@pytest.fixture(scope="module")
def loaded(pair: TokenizerPair) -> LoadedModel:
    return tiny(pair)


@pytest.fixture(scope="module")
def translator(loaded: LoadedModel) -> Translator:
    return Translator([loaded])


def test_a_translation_fits_its_text(translator: Translator, pair: TokenizerPair) -> None:
    for found in itertools.chain.from_iterable(translator.translate_nbest(sentences(17), 3)):
        assert found.text == pair.target.decode(found.tokens)
        assert found.pieces == pair.target.to_pieces(found.tokens)
        assert found.source_pieces == pair.source.to_pieces(pair.source.encode(found.source))
        assert not {"<pad>", "<unk>", "<s>", "</s>"} & set(found.pieces)
        assert found.weights.shape == (len(found.pieces) + found.finished, len(found.source_pieces) + 1)
        assert found.weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert len(found.source_words) == len(found.source_pieces)
        assert len(found.target_words) == len(found.pieces)
        assert found.alignment == sorted(set(found.alignment))
        assert all(
            source in range(len(found.source.split())) and target in range(len(found.text.split()))
            for source, target in found.alignment
        )
        assert not found.truncated


@pytest.mark.parametrize("kind", ["bpe", "word"])
@pytest.mark.parametrize("rule", ["nfc", "identity", "nmt_nfkc"])
def test_words_are_those_of_the_text_as_given(rule: str, kind: str) -> None:
    """Whatever separates them, whether the vocabulary has it or not, and whatever a tokenizer makes of it."""
    config = TokenizerConfig(kind=kind, vocabulary_size=120, normalisation=rule)
    tokenizers = train_tokenizers(sentences(40), TARGETS, config)
    translator = Translator([tiny(tokenizers)])
    texts = [f"der{space}hund la\u0308uft\u200b ½ﬁ" for space in "\t\r\x1c\u00a0\u202f\u3000\u2028"]
    found = translator.translate([*texts, "\u200bder hund", " der", "¨ der hund"], max_length=7)
    aligned = translator.align([each.source for each in found], [each.text or "x" for each in found])
    for each, one in zip(found, aligned, strict=True):
        words = each.source.split()
        if kind == "bpe":  # a word of a vocabulary of words may be several here: "der\thund" is one, which is unknown
            assert set(each.source_words) == set(range(len(words))), each.source
        assert each.source_words == word_owners(one.source.shares[:, :-1])
        spelt = "".join(
            piece for piece, word in zip(each.source_pieces, each.source_words, strict=True) if words[word] == "hund"
        )
        assert spelt.replace("\u2581", "").replace("<unk>", "") in ("hund", "")
        assert len({target for _, target in each.alignment}) == len(each.text.split())
        _, names, _ = unit_weights(each)
        assert names == words or len(words) == 1


def test_links_name_the_word_that_got_most(translator: Translator) -> None:
    found = translator.translate(sentences(17))
    checked = 0
    for each in found:
        for source, target in each.alignment:
            rows = [row for row, word in enumerate(each.target_words) if word == target]
            shares = np.zeros(max(each.source_words) + 1)
            for column, word in enumerate(each.source_words):
                shares[word] += each.weights[rows, column].sum()
            assert shares[source] == pytest.approx(shares.max())
            checked += 1
    assert checked > 10


def test_weights_belong_to_their_own_sentence(translator: Translator, loaded: LoadedModel) -> None:
    """Pitfalls 5 and 8: each row as teacher forcing gives it for the same pieces."""
    texts = sentences(9)
    for found in translator.translate(texts):
        ids = loaded.tokenizers.source.encode(found.source)
        batch = make_batch([ids], [found.tokens])
        with torch.no_grad():
            weights = loaded.model.force(batch.source, batch.source_lengths, batch.target_input).weights[0]
        assert np.allclose(found.weights, weights[: len(found.weights)], atol=1e-5)


def test_nbest_is_distinct_and_sorted(translator: Translator) -> None:
    """Pitfall 11: distinct, finished before unfinished, then by falling score."""
    for found in translator.translate_nbest(sentences(17), 3):
        assert len({tuple(each.tokens) for each in found}) == 3
        assert found == sorted(found, key=lambda each: (not each.finished, -each.score))
    best = translator.translate(sentences(17))
    assert all(close(a, b[0]) for a, b in zip(best, translator.translate_nbest(sentences(17), 3), strict=True))


def test_emoji_and_chinese_come_out_whole(pair: TokenizerPair) -> None:
    """A model that can only repeat one piece writes that piece."""
    for character in ("😀", "文", "\u0301"):
        loaded = tiny(pair)
        token = next(id_ for id_, piece in enumerate(pair.target.pieces) if character in piece)
        with torch.no_grad():
            loaded.model.output_layer.bias[token] += 1e4
        found = Translator([loaded]).translate(["ein hund"], max_length=3)[0]
        assert found.text.count(character) == 3
        assert found.text == pair.target.decode([token] * 3)
        assert not found.finished


# ------------------------------------------------------------------------------------------------------ odd sentences


@pytest.mark.parametrize("blank", ["", " ", "\t \u3000", "\u2028"])
def test_blank_gives_blank_without_the_model(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """Pitfall 21: all kinds of blank."""
    translator = Translator([loaded])
    monkeypatch.setattr(loaded.model, "start", lambda *_: pytest.fail("the model was asked"))
    monkeypatch.setattr(loaded.model, "force_on", lambda *_: pytest.fail("the model was asked"))
    (found,) = translator.translate([blank])
    assert (found.source, found.text, found.score, found.log_prob, found.finished) == (blank, "", 0.0, 0.0, True)
    assert (found.tokens, found.pieces, found.alignment) == ([], [], [])
    assert found.weights.shape == (1, 1)
    assert translator.translate_nbest([blank], 2) == [[found]]
    assert translator.score([blank], [blank])[0].tokens == 0


def test_blanks_keep_their_place(translator: Translator) -> None:
    """Pitfall 17: blank in, blank out, in place."""
    texts = sentences(7)
    mixed = ["", *texts[:3], " ", *texts[3:], "\t"]
    found = translator.translate(mixed)
    assert [each.source for each in found] == mixed
    assert [bool(each.pieces) or bool(each.source.strip()) for each in found] == [bool(text.strip()) for text in mixed]
    assert all(map(close, [each for each in found if each.source.strip()], translator.translate(texts)))
    assert translator.translate([]) == []


def test_too_long_a_source_is_cut_and_flagged(translator: Translator) -> None:
    text = sentences(5)[-1]
    whole, cut = translator.translate([text])[0], translator.translate([text], max_source_length=7)[0]
    assert (whole.truncated, cut.truncated) == (False, True)
    assert cut.source == text
    assert cut.source_pieces == whole.source_pieces[:7]
    assert cut.weights.shape[1] == 8
    assert not translator.translate([text], max_source_length=len(whole.source_pieces))[0].truncated
    assert translator.translate(["a" * 1001])[0].truncated


def test_no_line_break_comes_out(pair: TokenizerPair) -> None:
    bytewise = {"vocabulary_size": 400, "byte_fallback": True}
    config = parse_config({**make_config().model_dump(), "tokenizer": bytewise}, "test")
    tokenizers = train_tokenizers(sentences(40), TARGETS, config.tokenizer)
    model = build_model(config, tokenizers)
    initialise(model, 1)
    with torch.no_grad():
        model.output_layer.bias[tokenizers.target.pieces.index("<0x0A>")] += 1e4
    found = Translator([LoadedModel(Path("x"), config, tokenizers, model, {})]).translate(["hund"], max_length=3)[0]
    assert found.pieces == ["<0x0A>"] * 3
    assert found.target_words == [-1] * 3
    assert found.text.strip(" ") == ""
    assert "\n" not in found.text


def test_a_lone_surrogate_is_refused(translator: Translator) -> None:
    with pytest.raises(InputError, match=r"sentence 2: a lone surrogate, no valid Unicode"):
        translator.translate(["hund", "hund \udcff"])


# ------------------------------------------------------------------------------------------------------------ options


def test_options_left_out_are_the_configs(loaded: LoadedModel, translator: Translator) -> None:
    """Pitfall 20: no key of [search] is ignored."""
    texts = sentences(9)
    changed = {"beam_size": 2, "length_penalty": "gnmt", "length_alpha": 0.5, "min_length": 4}
    config = loaded.config.model_copy(update={"search": loaded.config.search.model_copy(update=changed)})
    others = Translator([replace(loaded, config=config)]).translate(texts)
    assert all(map(close, others, translator.translate(texts, **changed)))
    assert not all(map(close, others, translator.translate(texts)))
    assert all(map(close, translator.translate(texts), translator.translate(texts, beam_size=None, min_length=None)))


def test_lengths(translator: Translator) -> None:
    texts = sentences(9)
    for found in translator.translate(texts, min_length=6):
        assert len(found.pieces) >= 6
    for found in translator.translate(texts, max_length=4):
        assert len(found.pieces) + found.finished <= 4
    for found in translator.translate(texts):  # ratio 1, offset 3
        assert len(found.pieces) + found.finished <= len(found.source_pieces) + 3
    assert all(len(found.pieces) >= 50 for found in translator.translate(["x"], min_length=50))


def test_penalties(translator: Translator) -> None:
    for kind, alpha, length in (("none", None, None), ("average", 1.0, 1.0), ("gnmt", 0.6, 0.6)):
        for found in translator.translate(sentences(5), length_penalty=kind, length_alpha=alpha):
            tokens = len(found.pieces) + found.finished
            divisor = {"none": 1.0, "average": tokens, "gnmt": ((5 + tokens) / 6) ** (length or 0)}[kind]
            assert found.score == pytest.approx(found.log_prob / divisor, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, r"beam_size must lie between 1 and 1024, given 0"),
        ({"max_length": 0}, r"max_length must be 1 or more, given 0"),
        ({"min_length": -1}, r"min_length must lie between 0 and 1000, given -1"),
        ({"min_length": 4, "max_length": 4}, r"max_length 4 leaves no room for min_length 4 .* must be 5 or more"),
        ({"max_source_length": 0}, r"max_source_length must be 1 or more"),
        ({"batch_size": 0}, r"batch_size must be 1 or more"),
        ({"batch_tokens": 0}, r"batch_tokens must be 1 or more"),
        ({"length_penalty": "mean"}, r"length penalty 'mean' is unknown; .*allowed: average, gnmt, none"),
        ({"length_alpha": -1.0}, r"alpha must .*given -1.0"),
        ({"length_penalty": "none", "length_alpha": 0.5}, r"length_alpha has no effect with length_penalty 'none'"),
    ],
)
def test_options_out_of_range(translator: Translator, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        translator.translate([""], **options)


def test_wrong_usage(translator: Translator) -> None:
    with pytest.raises(TypeError, match=r"unknown option 'beam'; did you mean 'beam_size'\?"):
        translator.translate(["hund"], beam=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"a list of sentences is needed, not one string"):
        translator.translate("hund")
    with pytest.raises(TypeError, match=r"a list of sentences is needed, not one string"):
        translator.score(["hund"], "dog")
    with pytest.raises(InputError, match=r"n-best must lie between 1 and the beam size 3, given 4"):
        translator.translate_nbest(["hund"], 4)
    with pytest.raises(InputError, match=r"2 sources but 1 targets"):
        translator.score(["hund", "mann"], ["dog"])
    with pytest.raises(InputError, match=r"pair 2: the source is blank but the target is not"):
        translator.score(["hund", " "], ["dog", "man"])
    with pytest.raises(ValueError, match=r"at least one model"):
        Translator([])


# ---------------------------------------------------------------------------------------------- ensembles and samples


def test_an_ensemble_of_one_model_twice_is_that_model(loaded: LoadedModel, translator: Translator) -> None:
    texts = ["", *sentences(9)]
    twice = Translator([loaded, loaded])
    assert all(map(close, translator.translate(texts), twice.translate(texts)))
    for first, second in zip(translator.score(texts, texts), twice.score(texts, texts), strict=True):
        assert first.log_probs == pytest.approx(second.log_probs, abs=1e-5)


def test_an_ensemble_takes_the_mean_of_probabilities_and_rescores_alike(pair: TokenizerPair) -> None:
    models = [tiny(pair, "additive", ("luong", True), "gru"), tiny(pair, "dot", ("bahdanau", False), "lstm", seed=2)]
    texts = sentences(9)
    both, (first, second) = Translator(models), (Translator([model]) for model in models)
    found = [each for nbest in both.translate_nbest(texts, 3) for each in nbest]
    pairs = [each.source for each in found], [each.tokens for each in found]
    separate = zip(first.score_tokens(*pairs), second.score_tokens(*pairs), strict=True)
    for each, scored, (one, other) in zip(found, both.score_tokens(*pairs), separate, strict=True):
        mean = np.log((np.exp(one.log_probs) + np.exp(other.log_probs)) / 2)
        assert scored.log_probs == pytest.approx(mean, abs=1e-4)
        assert each.log_prob == pytest.approx(mean[: len(each.weights)].sum(), abs=1e-4)
        assert each.weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert not all(map(close, both.translate(texts), first.translate(texts)))


def test_an_ensemble_needs_one_vocabulary(pair: TokenizerPair, loaded: LoadedModel) -> None:
    """Pitfall 22: by hash, for sizes may agree by chance."""
    config = parse_config({**loaded.config.model_dump(), "tokenizer": {"vocabulary_size": 83, "kind": "unigram"}}, "x")
    other = train_tokenizers(sentences(40), TARGETS, config.tokenizer)
    for side in ("source", "target"):
        mixed = replace(loaded, directory=Path("runs/b"), tokenizers=replace(pair, **{side: getattr(other, side)}))
        with pytest.raises(InputError, match=f"tiny and runs/b: their {side} tokenizers differ"):
            Translator([loaded, loaded, mixed])
    characters = parse_config({**loaded.config.model_dump(), "tokenizer": {"kind": "char"}}, "x").tokenizer
    twins = [train_tokenizers([text], [text], characters) for text in ("abc", "abd")]
    assert twins[0].source.vocabulary_size == twins[1].source.vocabulary_size
    with pytest.raises(InputError, match="their source tokenizers differ"):
        Translator([replace(loaded, tokenizers=twin) for twin in twins])


def test_samples_do_not_depend_on_the_batch(translator: Translator) -> None:
    """Pitfall 24: nor on other texts or the number of samples."""
    texts = ["", *sentences(13)]
    found = translator.sample(texts, seed=3, count=3)
    assert [len(each) for each in found] == [1] + [3] * 13
    for options in ({"batch_size": 1}, {"batch_size": 7}, {"batch_tokens": 40}):
        again = translator.sample(texts, seed=3, count=3, **options)
        assert all(all(map(close, a, b)) for a, b in zip(found, again, strict=True))
    assert all(map(close, [each[0] for each in found], [each[0] for each in translator.sample(texts, seed=3)]))
    shorter = translator.sample(texts[:5], seed=3, count=3)  # other texts
    assert all(all(map(close, a, b)) for a, b in zip(found[:5], shorter, strict=True))
    rest = translator.sample(texts[5:], seed=3, count=3, first=5)
    assert all(all(map(close, a, b)) for a, b in zip(found[5:], rest, strict=True))
    tokens = [tuple(each.tokens) for each in found[-1]]
    assert len(set(tokens)) == 3
    assert tokens != [tuple(each.tokens) for each in translator.sample(texts, seed=4, count=3)[-1]]
    alike = translator.sample(["ein hund"] * 3, seed=3)
    assert len({tuple(each[0].tokens) for each in alike}) > 1  # a seed a place, not one for all


def test_samples_are_scored_by_the_unchanged_model(translator: Translator) -> None:
    texts = sentences(9)
    found = [each for some in translator.sample(texts, temperature=1.7, top_k=5, top_p=0.9, count=2) for each in some]
    scores = translator.score_tokens([each.source for each in found], [each.tokens for each in found])
    for each, scored in zip(found, scores, strict=True):
        assert each.log_prob == pytest.approx(sum(scored.log_probs[: len(each.weights)]), abs=1e-4)


def test_a_cold_sample_is_greedy(translator: Translator) -> None:
    texts = sentences(9)
    greedy = translator.translate(texts, beam_size=1)
    for options in ({"temperature": 1e-4}, {"top_k": 1}, {"top_p": 1e-6}):
        assert all(map(close, greedy, [each[0] for each in translator.sample(texts, **options)]))


def test_options_of_sampling(translator: Translator) -> None:
    with pytest.raises(TypeError, match=r"unknown option 'beam_size'"):
        translator.sample(["hund"], beam_size=3)  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"count must be 1 or more, given 0"):
        translator.sample([""], count=0)
    with pytest.raises(InputError, match=r"temperature must be above 0"):
        translator.sample(["hund"], temperature=0.0)


def test_many_hypotheses_make_small_batches(translator: Translator, loaded: LoadedModel) -> None:
    start, rows = loaded.model.start, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded.model, "start", lambda ids, lengths: rows.append(len(ids)) or start(ids, lengths))
        translator.sample(["ein hund"] * 5, count=500, max_length=2)
    assert rows == [2, 2, 1]


# ------------------------------------------------------------------------------------------------------------- stream


def test_a_stream_is_the_same_in_order_and_reads_no_further_than_its_chunk(translator: Translator) -> None:
    texts = [*sentences(9), "", "hund"]
    read = []

    def lines() -> Iterator[str]:
        for text in texts:
            read.append(text)
            yield text + random.Random(len(read)).choice(["\n", "\r\n", ""])

    stream = translator.stream(lines(), chunk=4, n_best=2)
    first = next(stream)
    assert read == texts[:4]
    found = [first, *stream]
    assert [each[0].source for each in found] == texts
    expected = translator.translate_nbest(texts, 2)
    assert all(all(map(close, a, b)) for a, b in zip(expected, found, strict=True))
    with pytest.raises(InputError, match="chunk must be 1 or more"):
        next(translator.stream(texts, chunk=0))


# ------------------------------------------------------------------------------------------------ models in and out


def test_a_model_in_training_is_translated_with_as_it_is_and_left_in_training(pair: TokenizerPair) -> None:
    """Pitfall 7: without dropout."""
    texts = sentences(5)
    loaded = tiny(pair)
    expected = Translator([loaded]).translate(texts)
    loaded.model.train()
    translator = Translator([loaded])
    assert loaded.model.training
    assert all(map(close, expected, translator.translate(texts)))  # no dropout
    assert loaded.model.training
    before = translator.score(texts, [*TARGETS, "x"])
    with pytest.raises(InputError):
        translator.translate_nbest(texts, 99)
    assert loaded.model.training
    with torch.no_grad():
        loaded.model.output_layer.bias[EOS] += 9.0
    assert not all(map(close, expected, translator.translate(texts)))  # nothing was copied
    loaded.model(*make_batch([[5, 6]], [[7]]).tensors()).total.backward()  # nor left without gradients
    loaded.model.eval()
    translator.translate(texts)
    assert not loaded.model.training
    assert before[0].log_prob != translator.score(texts, [*TARGETS, "x"])[0].log_prob


def test_scoring_keeps_no_gradients(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    force, enabled = loaded.model.force_on, []
    monkeypatch.setattr(loaded.model, "force_on", lambda *ids: enabled.append(torch.is_grad_enabled()) or force(*ids))
    Translator([loaded]).score(["hund"], ["dog"])
    assert enabled == [False]


def test_saved_and_loaded_it_translates_the_same(tmp_path: Path, pair: TokenizerPair) -> None:
    loaded = tiny(pair)
    loaded.model.float()
    translator = Translator([loaded])
    weights = loaded.model.state_dict()
    for name in ("a", "b"):
        save_model(tmp_path / name, config=loaded.config, weights=weights, tokenizers=loaded.tokenizers, record={})
    texts = sentences(9)
    again = seq2seq.Translator.load(tmp_path / "a")
    assert all(map(close, translator.translate(texts), again.translate(texts)))
    assert len(Translator.load(tmp_path / "a", str(tmp_path / "b")).models) == 2
    assert torch.equal(load_model(tmp_path / "b").model.output_layer.bias, loaded.model.output_layer.bias)


# ------------------------------------------------------------------------------------------------------------ package


def test_the_package_is_imported_without_torch() -> None:
    program = (
        "import sys, seq2seq; dir(seq2seq); "
        "print({'torch', 'datasets', 'matplotlib', 'numpy', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_package_offers_what_it_says() -> None:
    for name in seq2seq.__all__:
        assert getattr(seq2seq, name) is not None
        assert name in dir(seq2seq)
    assert seq2seq.Translator is Translator
    with pytest.raises(AttributeError, match="module 'seq2seq' has no attribute 'Translater'"):
        seq2seq.Translater  # noqa: B018
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == seq2seq.__version__
