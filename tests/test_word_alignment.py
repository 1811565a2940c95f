"""Translator.align: the attention of teacher forcing, counted in the words of the given text."""

import gc
import io
import itertools
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from mechanisms import WIRINGS
from test_translator import TARGETS, make_config, sentences, tiny

from seq2seq.batching import make_batch
from seq2seq.checkpoint.model import LoadedModel, build_model
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.metrics.links import word_weights
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.kernels import additive_energies
from seq2seq.nn.model import Seq2Seq
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair, train_tokenizers
from seq2seq.text.words import word_owners
from seq2seq.translation.translator import Translator
from seq2seq.translation.word_alignment import Alignment, Join

SOURCES = sentences(9)
WRITTEN = [TARGETS[row % len(TARGETS)] + " green" * (row % 3) for row in range(9)]


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(scope="module")
def loaded(pair: TokenizerPair) -> LoadedModel:
    torch.set_num_threads(1)
    return tiny(pair)


@pytest.fixture
def translator(loaded: LoadedModel) -> Translator:
    return Translator([loaded])


def same(first: Alignment, second: Alignment) -> bool:
    alike = np.allclose(first.piece_weights, second.piece_weights, atol=1e-5)
    words = (first.source.words, first.target.words) == (second.source.words, second.target.words)
    return alike and words and first.links == second.links


def test_weights_are_those_of_teacher_forcing(translator: Translator, loaded: LoadedModel, pair: TokenizerPair) -> None:
    for source, target, found in zip(SOURCES, WRITTEN, translator.align(SOURCES, WRITTEN), strict=True):
        batch = make_batch([pair.source.encode(source)], [pair.target.encode(target)])
        with torch.no_grad():
            expected = loaded.model.force(batch.source, batch.source_lengths, batch.target_input).weights[0]
        assert found.piece_weights.shape == (len(found.target.pieces) + 1, len(found.source.pieces) + 1)
        assert found.piece_weights == pytest.approx(expected.numpy(), abs=1e-5)
        assert found.source.pieces == pair.source.to_pieces(pair.source.encode(source))
        assert found.target.ids == pair.target.encode(target)


@pytest.mark.parametrize("options", [{}, {"shift": 1}, {"threshold": 0.2}, {"join": "both"}], ids=str)
def test_links_name_words_of_the_text(translator: Translator, options: dict[str, object]) -> None:
    """Also where the text has spaces, and signs, that a tokenizer takes for others."""
    sources = [*SOURCES, "ein\u00a0hund  x", " a▁b 中文", "\u3000der\tmann\x1c", "x\u2028y"]
    targets = [*WRITTEN, "a  man ", "▁ ▁x", "中 文", "🙂🙂 🙂"]
    found = translator.align(sources, targets, **options)  # type: ignore[arg-type]
    for source, target, one in zip(sources, targets, found, strict=True):
        assert (one.source.words, one.target.words) == (source.split(), target.split())
        assert one.weights.shape == (len(target.split()), len(source.split()))
        assert one.links == sorted(set(one.links))
        for link in one.links:
            assert link[0] in range(len(source.split()))
            assert link[1] in range(len(target.split()))
        if "threshold" not in options:
            assert [target for _, target in sorted(one.links, key=lambda link: link[1])] == list(
                range(len(one.weights))
            )


def test_words_sum_and_average_their_pieces(translator: Translator) -> None:
    for shift, threshold in itertools.product((0, 1), (None, 0.3)):
        for found in translator.align(SOURCES, WRITTEN, shift=shift, threshold=threshold):
            words = [[*word_owners(side.shares[:, :-1]), -1] for side in (found.source, found.target)]
            expected = word_weights(found.piece_weights, *words, shift=shift)
            assert found.weights == pytest.approx(expected)
            rows = expected if threshold is None else expected >= threshold
            best = {(int(row.argmax()), word) for word, row in enumerate(rows)}
            assert set(found.links) == (best if threshold is None else {(s, t) for t, s in np.argwhere(rows)})


def test_reading_anew_is_aligning_anew(translator: Translator) -> None:
    first = translator.align(SOURCES, WRITTEN)
    options = {"shift": 1, "threshold": 0.15}
    again = translator.align(SOURCES, WRITTEN, shift=1, threshold=0.15)
    assert all(same(one.read(shift=1, threshold=0.15), other) for one, other in zip(first, again, strict=True)), options
    assert all(same(other.read(), one) for one, other in zip(first, again, strict=True))
    assert [one.links for one in first] != [other.links for other in again]


def test_the_batch_changes_no_alignment(translator: Translator) -> None:
    together = translator.align(SOURCES, WRITTEN)
    alone = [translator.align([source], [target])[0] for source, target in zip(SOURCES, WRITTEN, strict=True)]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))
    backwards = translator.align(SOURCES[::-1], WRITTEN[::-1])[::-1]
    assert all(same(one, other) for one, other in zip(together, backwards, strict=True))


def test_a_translation_carries_the_links_of_its_forced_alignment(translator: Translator, pair: TokenizerPair) -> None:
    """What beam search noted on its way, hypotheses reordered at every step, is what teacher forcing finds."""
    found = [each for each in translator.translate(sentences(40, 2), beam_size=4, max_length=12) if each.text.strip()]
    # Where search spelt the text in other pieces than the tokenizer does, forcing is about other pieces.
    found = [each for each in found if pair.target.encode(each.text) == each.tokens and each.finished]
    assert len(found) > 10
    aligned = translator.align([each.source for each in found], [each.text for each in found])
    for each, one in zip(found, aligned, strict=True):
        assert each.alignment == one.links
        assert each.weights == pytest.approx(one.piece_weights, abs=1e-5)


def test_an_ensemble_is_aligned_by_the_mean(pair: TokenizerPair, loaded: LoadedModel) -> None:
    other = tiny(pair, "dot", ("bahdanau", False), seed=5)
    both = Translator([loaded, other]).align(SOURCES, WRITTEN)
    each = [Translator([model]).align(SOURCES, WRITTEN) for model in (loaded, other)]
    for found, first, second in zip(both, *each, strict=True):
        assert found.piece_weights == pytest.approx((first.piece_weights + second.piece_weights) / 2, abs=1e-5)


def test_joined_words_are_read_without_spaces(translator: Translator, pair: TokenizerPair) -> None:
    (found,) = translator.align(["der hund läuft"], ["the dog runs"], join="source")
    assert found.source.ids == pair.source.encode("derhundläuft")
    assert found.target.ids == pair.target.encode("the dog runs")
    assert found.weights.shape == (3, 3)
    assert found.source.shares.sum(axis=0) == pytest.approx([1] * len(found.source.ids) + [0])
    (found,) = translator.align(["der hund läuft"], ["the dog runs"], join="target")
    assert (found.source.ids, found.target.ids) == (
        pair.source.encode("der hund läuft"),
        pair.target.encode("thedogruns"),
    )


def test_a_piece_across_a_border_is_shared() -> None:
    """A tokenizer that has learnt "ab" and "cd" as pieces reads "a bc d" as them."""
    texts = ["abcd", "ab", "cd"] * 20
    tree = {**make_config().model_dump(), "tokenizer": {"vocabulary_size": 12, "kind": "bpe"}}
    config = parse_config(tree, "test")
    pair = train_tokenizers(texts, texts, config.tokenizer)
    model = build_model(config, pair)
    initialise(model, 1)
    translator = Translator([LoadedModel(Path("tiny"), config, pair, model.eval(), {})])
    (found,) = translator.align(["a bc d"], ["ab"], join="source")
    assert found.source.pieces == ["▁ab", "cd"]
    assert found.source.shares.tolist() == [[0.5, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0]]
    rows = found.piece_weights[: len(found.target.pieces)].mean(axis=0)
    assert found.weights[0] == pytest.approx([rows[0] / 2, (rows[0] + rows[1]) / 2, rows[1] / 2])
    assert found.links == [(1, 0)]


def test_blank_pairs_never_reach_the_model(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded.model, "force_on", lambda *_: pytest.fail("the model was asked"))
    joins: list[Join | None] = [None, "both"]
    for join in joins:
        for found in Translator([loaded]).align(["", " \t", "\u3000"], ["  ", "", "\u2028"], join=join):
            assert (found.source.pieces, found.target.pieces, found.piece_weights.shape) == ([], [], (1, 1))


def test_blank_pairs_have_no_links(translator: Translator) -> None:
    blank, full = translator.align(["", "der hund"], [" \u3000", "the dog"])
    assert (blank.source.words, blank.target.words, blank.links, blank.weights.shape) == ([], [], [], (0, 0))
    assert len(full.links) == 2
    assert blank.read(shift=1, threshold=0.5).links == []
    assert translator.align([], []) == []


def test_text_without_pieces_has_words_and_no_links() -> None:
    """A tokenizer of another's making may drop characters, here controls: such a source gets no attention."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["der hund", "ein mann"] * 9),
        model_writer=model,
        vocab_size=30,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=3,
    )
    tokenizer = Tokenizer.from_bytes(model.getvalue())
    assert tokenizer.encode("\x01") == []
    config = make_config()
    pair = TokenizerPair(tokenizer, tokenizer, joint=True)
    network = build_model(config, pair)
    initialise(network, 1)
    translator = Translator([LoadedModel(Path("tiny"), config, pair, network.eval(), {})])
    first, second, third = translator.align(["\x01", "der \x01", "ﬁn der"], ["ein mann", "\x01 hund", "hund"])
    assert (first.links, first.weights.tolist()) == ([], [[0], [0]])
    assert second.weights.shape == (2, 2)
    assert 1 in {target for _, target in second.links}
    # One character of the text became two, and the words are still those of the text.
    assert third.weights.shape == (1, 2)
    assert third.source.shares.sum(axis=0) == pytest.approx([1] * len(third.source.ids) + [0])


def test_what_cannot_be_aligned_is_refused(translator: Translator) -> None:
    with pytest.raises(InputError, match="2 sources but 1 targets; pairs are needed"):
        translator.align(["a", "b"], ["c"])
    for source, target in (("", "x"), ("x", " ")):
        with pytest.raises(InputError, match="pair 2: one side is blank, the other is not"):
            translator.align(["a", source], ["b", target])
    with pytest.raises(InputError, match=r"shift = 2: 0 .* or 1"):
        translator.align([], [], shift=2)
    with pytest.raises(InputError, match=r"threshold = 0: must be above 0 and at most 1"):
        translator.align([], [], threshold=0)
    with pytest.raises(InputError, match="target 1: a lone surrogate"):
        translator.align(["a"], ["\ud800"])
    for sources, targets in (("ab", ["a", "b"]), (["a", "b"], "ab")):
        with pytest.raises(TypeError, match="a list of sentences is needed"):
            translator.align(sources, targets)


def test_a_model_in_training_is_aligned_without_dropout(pair: TokenizerPair) -> None:
    translator = Translator([tiny(pair)])
    (network,) = [loaded.model for loaded in translator.models]
    before = translator.align(SOURCES, WRITTEN)
    network.train()
    assert all(same(one, other) for one, other in zip(before, translator.align(SOURCES, WRITTEN), strict=True))
    assert network.training


def test_answers_that_are_no_numbers_are_refused(pair: TokenizerPair) -> None:
    """Of a model that was not loaded, so that nobody has looked at its weights."""
    loaded = tiny(pair)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.fill_(torch.nan)
    translator = Translator([loaded])
    for attempt in (translator.align, translator.score):
        with pytest.raises(Seq2SeqError, match="the model answered NaN"):
            attempt(SOURCES, WRITTEN)


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("mechanism", ["additive", "coverage", "monotonic", "dot", "heads"])
def test_stretches_change_nothing(
    pair: TokenizerPair, mechanism: str, wiring: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is forced in stretches goes on where the last one ended: past, cells and what is fed back."""
    translator = Translator([tiny(pair, mechanism, wiring, "gru")])
    whole = translator.score(SOURCES, WRITTEN), translator.align(SOURCES, WRITTEN)
    monkeypatch.setattr("seq2seq.translation.forcing.STRETCH", 2)
    for one, other in zip(whole[0], translator.score(SOURCES, WRITTEN), strict=True):
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-5)
    assert all(same(*both) for both in zip(whole[1], translator.align(SOURCES, WRITTEN), strict=True))


def test_a_length_cuts_both_sides_and_the_words_with_them(translator: Translator) -> None:
    every, first = (translator.align(SOURCES, WRITTEN, max_length=most) for most in (None, 2))
    row = next(row for row, one in enumerate(every) if min(len(one.source.ids), len(one.target.ids)) > 2)
    whole, cut = every[row], first[row]
    assert (whole.truncated, cut.truncated) == (False, True)
    assert cut.source.pieces == whole.source.pieces[:2]
    assert cut.target.pieces == whole.target.pieces[:2]
    assert cut.piece_weights.shape == (3, 3)
    assert 1 <= len(cut.source.words) <= 2
    assert cut.source.words == whole.source.words[: len(cut.source.words)]
    assert cut.source.shares.sum(axis=0) == pytest.approx([1, 1, 0])
    longest = max(len(side.ids) for found in every for side in (found.source, found.target))
    assert translator.score(SOURCES, WRITTEN, max_length=longest) == translator.score(SOURCES, WRITTEN)
    scored = translator.score(SOURCES, WRITTEN, max_length=2)
    assert max(one.tokens for one in scored) == 3
    assert [one.truncated for one in scored] == [one.truncated for one in first]
    for refused in (translator.align, translator.score):
        with pytest.raises(InputError, match="max_length must be 1 or more, given 0"):
            refused(SOURCES, WRITTEN, max_length=0)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_forcing_keeps_nothing_of_the_steps_before(
    pair: TokenizerPair, wiring: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory is linear in both lengths. A pair of 2,100 pieces a side once took 2.75 GB."""
    prepared, widths = list[weakref.ref[torch.Tensor]](), set[int]()
    prepare, force_on = additive_energies._prepare, Seq2Seq.force_on

    def watched(*arguments: Any) -> Any:
        found = prepare(*arguments)
        prepared.append(weakref.ref(found[1]))
        return found

    def measured(*arguments: Any) -> Any:
        output = force_on(*arguments)
        widths.add(output.weights.shape[1])
        return output

    monkeypatch.setattr(additive_energies, "_prepare", watched)
    monkeypatch.setattr(Seq2Seq, "force_on", measured)
    monkeypatch.setattr("seq2seq.translation.forcing.STRETCH", 8)
    translator = Translator([tiny(pair, "additive", wiring)])
    gc.disable()
    try:
        translator.score(["der hund " * 9], ["hund mann " * 9])
        alive = [each for each in prepared if each() is not None]
    finally:
        gc.enable()
    assert len(prepared) > 2
    assert len(alive) <= 1  # of repeated keys that need no preparing
    assert max(widths) == 8
