"""Copying of source pieces: the mixture against plain Python, wherever probabilities are made, and what it is for."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mechanisms import MECHANISMS, SOURCE_VOCABULARY, TINY, WIRINGS, perturb, tiny_model
from test_loss import parts
from test_model import gru
from test_translator import TARGETS, close, make_config, sentences, tiny

from seq2seq import Translator
from seq2seq.batching import make_batch, source_batch
from seq2seq.bulk.layout import Layout
from seq2seq.checkpoint.model import LoadedModel, build_model, check_model_config
from seq2seq.config import TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.nn import kernels
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.copying import FIRST_ORDINARY, CopyTerms, copied_weights, copy_terms
from seq2seq.nn.decoder import DecoderOutput
from seq2seq.nn.loss import cross_entropy
from seq2seq.nn.model import Seq2Seq
from seq2seq.search.shortlist import Shortlist
from seq2seq.text.special_tokens import BOS, EOS, PAD, SPECIAL_IDS, UNK
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.training.engine import own_rate_factors
from seq2seq.translation.lexicon import Recall

# A piece twice, an unknown one, and sources of different lengths; targets with and without copies.
SOURCES = [[7, 9, 7, UNK, 12], [5], [11, 28, 4, 11, 11, 6, 20]]
TARGETS_OF = [[7, 8, 12, UNK], [5, 5], [11, 28, 3 + 1, 14, 27, 11]]
OTHERS = sorted(set(MECHANISMS) - {"copy", "additive"})  # each of which can copy as well


def mixture(vocabulary: list[float], gate: float, weights: list[float], source: list[int]) -> list[float]:
    """p(w) = (1 - g m) p_vocabulary(w) + g Σ α_i [x_i = w], over the positions whose piece is not special."""
    able = [place for place, piece in enumerate(source) if piece not in (PAD, UNK, BOS, EOS)]
    mass = sum(weights[place] for place in able)
    found = [(1 - gate * mass) * p for p in vocabulary]
    for place in able:
        found[source[place]] += gate * weights[place]
    return found


def by_hand(model: Seq2Seq, output: DecoderOutput, row: int, position: int, source: list[int]) -> list[float]:
    """The mixture of one position, from what the decoder gives for it."""
    assert output.gate is not None
    logits = model.output_layer(output.outputs[row, position]).tolist()
    exps = [math.exp(logit - max(logits)) for logit in logits]
    gate = 1 / (1 + math.exp(-output.gate[row, position].item()))
    return mixture([each / sum(exps) for each in exps], gate, output.weights[row, position].tolist(), source)


def copying(mechanism: str = "additive", wiring: tuple[str, bool] = ("luong", True), **changes: Any) -> Seq2Seq:
    return perturb(tiny_model(mechanism, wiring, copy=True, **changes)).double().eval()


def test_a_worked_example() -> None:
    """Two of five pieces in the source, one of them twice, and an end that keeps its weight for the vocabulary."""
    p = mixture([0.1, 0.0, 0.0, 0.2, 0.3, 0.4], 0.5, [0.2, 0.4, 0.1, 0.3], [4, 5, 4, EOS])
    assert p == pytest.approx([0.065, 0, 0, 0.13, 0.195 + 0.15, 0.26 + 0.2])
    assert sum(p) == pytest.approx(1)


def test_special_pieces_are_those_of_every_vocabulary() -> None:
    assert sorted(SPECIAL_IDS.values()) == list(range(FIRST_ORDINARY))


@pytest.mark.parametrize("mechanism", ["additive", *OTHERS])
def test_a_step_is_the_mixture_written_out(mechanism: str) -> None:
    """With every score, window and normalisation: weights that sum to less than 1 leave the rest to the vocabulary."""
    model = copying(mechanism, WIRINGS[len(mechanism) % 3])
    ids, lengths = source_batch(SOURCES)
    state = model.start(ids, lengths).select(torch.zeros(3, 2, dtype=torch.long))
    for tokens in ([[BOS, BOS]] * 3, [[7, 8], [5, 9], [11, 28]]):
        log_probs, output = model.step(torch.tensor(tokens), state)
        state = output.state
        copied = copied_weights(output)
        assert copied is not None
        for row, slot in itertools.product(range(3), range(2)):
            expected = by_hand(model, output, row, slot, ids[row].tolist())
            assert log_probs[row, slot].exp().tolist() == pytest.approx(expected, abs=1e-12)
            assert sum(expected) == pytest.approx(1)
            kept = model.output_layer(output.outputs[row, slot]).softmax(-1)[PAD].item()
            assert copied[row, slot].sum().item() == pytest.approx(1 - expected[PAD] / kept)
        assert (log_probs <= 0).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_gate_reads_state_context_and_input(wiring: tuple[str, bool]) -> None:
    """See et al. (2017), equation 8, two steps of one sentence written out."""
    model = tiny_model("multiplicative", wiring, copy=True).eval()
    decoder = model.decoder
    source, lengths = source_batch([SOURCES[2]])
    encoded = model.encoder(model.source_embedding(source), lengths)
    states, matrix = encoded.states[0], decoder.attention.score.key_layer.weight

    def attend(query: torch.Tensor) -> torch.Tensor:
        return torch.softmax((states @ matrix.T) @ query, dim=0) @ states

    hidden = torch.tanh(decoder.bridge.weight @ encoded.final[0] + decoder.bridge.bias)
    fed, state = torch.zeros(decoder.output_dim), model.start(source, lengths)
    for token in (BOS, 11):
        embedded = model.target_embedding.weight[token]
        if wiring[0] == "bahdanau":
            context = attend(hidden)
            hidden = gru(decoder.layers[0], torch.cat([embedded, context]), hidden)
        else:
            hidden = gru(decoder.layers[0], torch.cat([embedded, fed]) if wiring[1] else embedded, hidden)
            context = attend(hidden)
            fed = torch.tanh(decoder.readout.weight @ torch.cat([context, hidden]) + decoder.readout.bias)
        expected = decoder.copy_gate.weight[0] @ torch.cat([hidden, context, embedded]) + decoder.copy_gate.bias[0]
        _, output = model.step(torch.tensor([[token]]), state)
        state = output.state
        torch.testing.assert_close(output.gate[0, 0, 0], expected)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_training_has_the_gradients_of_the_steps_of_search(wiring: tuple[str, bool]) -> None:
    """Of gate and weights, which in training are made for all positions at once."""
    model, batch = copying("heads", wiring, decoder_layers=2), make_batch(SOURCES, TARGETS_OF)
    forced = model.force(batch.source, batch.source_lengths, batch.target_input)
    state, steps = model.start(batch.source, batch.source_lengths), list[DecoderOutput]()
    for column in batch.target_input.split(1, dim=1):
        steps.append(model.decoder.step(model.target_embedding(column[:, 0]), state, Slots(len(column), 1)))
        state = steps[-1].state
    gates = torch.cat([step.gate for step in steps if step.gate is not None], 1)
    assert forced.gate is not None
    torch.testing.assert_close(forced.gate, gates)
    used = [value for name, value in model.named_parameters() if not name.startswith("output_layer")]
    one, other = (
        torch.autograd.grad((gate * weights.square()).sum(), used, allow_unused=True)
        for gate, weights in ((forced.gate, forced.weights), (gates, torch.cat([step.weights for step in steps], 1)))
    )
    torch.testing.assert_close([each for each in one if each is not None], [each for each in other if each is not None])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mechanism", ["additive", "predictive", "sparsemax", "coverage"])
def test_the_loss_written_out(mechanism: str, smoothing: float) -> None:
    """Pitfall 14: -(1 - ε) log p_mixture(target) - ε / V Σ log p_vocabulary, over real positions."""
    model, batch = copying(mechanism), make_batch(SOURCES, TARGETS_OF)
    loss = model(*batch.tensors(), smoothing=smoothing)
    forced = model.force(batch.source, batch.source_lengths, batch.target_input)
    total = nll = 0.0
    for row, target in enumerate(TARGETS_OF):
        for position, wanted in enumerate([*target, EOS]):
            p = by_hand(model, forced, row, position, batch.source[row].tolist())
            vocabulary = model.output_layer(forced.outputs[row, position]).log_softmax(-1)
            nll -= math.log(p[wanted])
            total -= (1 - smoothing) * math.log(p[wanted]) + smoothing * vocabulary.mean().item()
    assert loss.total.item() == pytest.approx(total)
    assert loss.nll.item() == pytest.approx(nll)


def test_a_closed_gate_is_no_gate() -> None:
    """Pitfall 19: and the other parameters are the same: names, shapes, first values, and how fast they learn."""
    plain = tiny_model("multiplicative", target_vocabulary=SOURCE_VOCABULARY)
    gated = tiny_model("multiplicative", copy=True)
    assert own_rate_factors(gated) == own_rate_factors(plain) != {}
    own = dict(plain.named_parameters())
    for name, value in gated.named_parameters():
        assert name.startswith("decoder.copy_gate.") or torch.equal(value, own.pop(name)), name
    assert not own
    with torch.no_grad():
        gated.decoder.copy_gate.bias.fill_(-1e4)
    batch = make_batch(SOURCES, TARGETS_OF)
    one, other = (model(*batch.tensors(), 0.1) for model in (plain, gated))
    assert one.total.item() == pytest.approx(other.total.item(), rel=1e-6)
    assert one.nll.item() == pytest.approx(other.nll.item(), rel=1e-6)


@pytest.mark.parametrize("bias", [-1e4, -40.0, 40.0, 1e4])
@pytest.mark.parametrize("mechanism", ["additive", "sparsemax", "location", "monotonic", "predictive"])
def test_a_sure_gate_has_finite_losses_and_gradients(mechanism: str, bias: float) -> None:
    """Also where the weights of all that can be copied are 0, or so small that float32 has no inverse of them."""
    model = tiny_model(mechanism, copy=True)
    with torch.no_grad():
        model.decoder.copy_gate.bias.fill_(bias)
        for name, parameter in model.decoder.attention.named_parameters():
            parameter.mul_(300 if name.startswith("score") else 1)
    batch = make_batch(SOURCES, TARGETS_OF)
    loss = model(*batch.tensors(), 0.1)
    loss.total.backward()
    assert math.isfinite(loss.total.item())
    assert math.isfinite(loss.nll.item())
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name


# ------------------------------------------------------------------------------------------------------ the loss alone


def terms() -> tuple[torch.Tensor, torch.Tensor]:
    """Terms of seven targets, of which the third and the last cannot be copied."""
    generator = torch.Generator().manual_seed(3)
    copied = torch.rand(7, generator=generator, dtype=torch.float64) / 2
    kept = (1 - copied) * 0.8
    return kept.log().requires_grad_(), copied.index_fill(0, torch.tensor([2, 6]), 0).log().requires_grad_()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [2, 4, 100])
def test_value_and_gradients_are_those_of_torch(smoothing: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 14, in chunks or at once, each in blocks of 3 rows."""
    monkeypatch.setattr(kernels.cross_entropy, "LEAST", chunk)
    monkeypatch.setattr(kernels.cross_entropy, "LOGITS", 1)
    monkeypatch.setattr(kernels.cross_entropy, "BLOCK", 15)
    (outputs, weight, bias, targets), (kept, copied) = parts(), terms()
    inputs = outputs, weight, bias, kept
    loss = cross_entropy(outputs, weight, bias, targets, smoothing, CopyTerms(kept, copied))
    log_probs = (outputs @ weight.T + bias).log_softmax(-1)
    there = copied.isfinite()
    vocabulary = kept + log_probs.gather(1, targets[:, None])[:, 0]
    mixed = torch.where(there, torch.logaddexp(vocabulary, copied.masked_fill(~there, 0)), vocabulary)
    total = -(1 - smoothing) * mixed.sum() - smoothing * log_probs.mean(1).sum()
    torch.testing.assert_close(loss.total, total)
    torch.testing.assert_close(loss.nll, -mixed.sum())
    assert not loss.nll.requires_grad
    ours, theirs = (torch.autograd.grad(each, (*inputs, copied)) for each in (loss.total, total))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradients_of_the_loss_numerically() -> None:
    """Of what the decoder gives: gate and weights, through the terms and the output layer's kernel."""
    model, batch = copying(), make_batch(SOURCES, TARGETS_OF)
    forced = model.force(batch.source, batch.source_lengths, batch.target_input)
    assert forced.gate is not None
    given = [each.detach().requires_grad_() for each in (forced.outputs, forced.weights, forced.gate)]
    layer = model.output_layer

    def loss(outputs: torch.Tensor, weights: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        found = copy_terms(replace(forced, weights=weights, gate=gate), batch.target_output)
        flat = CopyTerms(*(term.flatten() for term in found))
        wanted = batch.target_output.flatten()
        return cross_entropy(outputs.flatten(0, 1), layer.weight, layer.bias, wanted, 0.1, flat).total

    assert torch.autograd.gradcheck(loss, given)


@pytest.mark.parametrize("size", [10.0, 1e3, 1e6])
def test_energies_of_any_size(size: float) -> None:
    """Targets so unlikely that float32 has no number for them, which a copy saves or does not."""
    (outputs, weight, bias, targets), (kept, copied) = parts(torch.float32), terms()
    wide = (size * outputs).detach().requires_grad_()
    loss = cross_entropy(wide, weight, bias, targets, 0.0, CopyTerms(kept.float(), copied.float()))
    (ours,) = torch.autograd.grad(loss.total, wide)
    exact = wide.detach().double().requires_grad_()
    log_probs = (exact @ weight.double().T + bias.double()).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    wanted = -torch.logaddexp(kept + log_probs, copied).sum()
    torch.testing.assert_close(loss.total.double(), wanted, rtol=1e-5, atol=1e-5)
    (theirs,) = torch.autograd.grad(wanted, exact)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-5 * size)


# ------------------------------------------------------------------------------------------------------------- searches


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def joint() -> TokenizerPair:
    return train_tokenizers(sentences(40), TARGETS, make_config().tokenizer)


def copier(wiring: tuple[str, bool] = ("luong", True), seed: int = 1) -> LoadedModel:
    return tiny(joint(), "copy", wiring, seed=seed)


def few() -> Shortlist:
    """The same three tokens for every source."""
    nothing = np.zeros(joint().source.vocabulary_size + 1, dtype=np.int32)
    return Shortlist(nothing, nothing[:0], np.array([EOS, 7, 11], dtype=np.int32))


def everything() -> Shortlist:
    return replace(few(), common=np.arange(joint().target.vocabulary_size, dtype=np.int32))


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_shortlist_has_the_sentences_own_pieces(wiring: tuple[str, bool], int8: bool) -> None:
    """Pitfall 26: and no other sentence's, in any batch; a list of everything changes nothing."""
    loaded, texts = copier(wiring), sentences(9)
    translator = Translator([loaded], [few()])
    options: dict[str, Any] = {"shortlist": True, "min_length": 2, "int8": int8}
    alone = [translator.translate([text], **options)[0] for text in texts]
    for found in alone:
        own = {7, 11, *joint().source.encode(found.source)} - {UNK}
        assert set(found.tokens) <= own
        assert found.copied is not None
        assert len(found.copied) == len(found.tokens)
    assert any(set(found.tokens) - {7, 11} for found in alone)
    order = random.Random(1).sample(range(len(texts)), len(texts))
    together = translator.translate([texts[row] for row in order], **options)
    assert all(close(alone[row], found) for row, found in zip(order, together, strict=True))
    whole = Translator([loaded], [everything()])
    exact, narrow = (whole.translate(texts, shortlist=choice, int8=int8) for choice in (False, True))
    assert all(map(close, exact, narrow))


def test_the_recall_of_a_shortlist_counts_what_can_be_copied() -> None:
    pairs = [([5, 9, UNK], [7, 9, 8]), ([6], [11, 6])]
    plain, copies = (Recall.measure(few(), pairs, copies=choice) for choice in (False, True))
    assert (plain.found, plain.whole, plain.tokens) == (2, 0, 6)
    assert (copies.found, copies.whole, copies.tokens) == (4, 1, 6 + 3 + 1)


def test_a_narrow_output_without_a_piece_cannot_copy_it() -> None:
    """By hand: its attention stays with the vocabulary, of which the tokens are those given."""
    model = copying()
    ids, lengths = source_batch(SOURCES)
    tokens = torch.tensor([[3, 7, 8, -1], [3, 6, -1, -1], [3, 4, 11, 28]])
    log_probs, output = model.narrow_step(torch.full((3, 1), BOS), model.narrow(model.start(ids, lengths), tokens))
    assert output.gate is not None
    for row in range(3):
        own = [token for token in tokens[row].tolist() if token >= 0]
        logits = model.output_layer(output.outputs[row, 0])[own].softmax(0).tolist()
        vocabulary = [dict(zip(own, logits, strict=True)).get(token, 0.0) for token in range(SOURCE_VOCABULARY)]
        gate = torch.sigmoid(output.gate[row, 0, 0]).item()
        source = [piece if piece in own else PAD for piece in ids[row].tolist()]
        expected = mixture(vocabulary, gate, output.weights[row, 0].tolist(), source)
        assert log_probs[row, 0].exp().tolist()[: len(own)] == pytest.approx([expected[token] for token in own])
        assert (log_probs[row, 0, len(own) :] == -torch.inf).all()


def test_copied_is_the_part_of_each_piece_that_the_source_gave() -> None:
    """By teacher forcing of what a search and samples wrote: g Σ α / p. Without copying there is none."""
    loaded, texts = copier(), sentences(9)
    translator = Translator([loaded])
    shares = []
    for found in [*translator.translate(texts), *(one for (one,) in translator.sample(texts))]:
        ids = joint().source.encode(found.source)
        batch = make_batch([ids], [found.tokens])
        forced = loaded.model.force(batch.source, batch.source_lengths, batch.target_input)
        assert forced.gate is not None
        expected = []
        for position, token in enumerate(found.tokens):
            looked = sum(forced.weights[0, position, place].item() for place, piece in enumerate(ids) if piece == token)
            p = by_hand(loaded.model, forced, 0, position, [*ids, EOS])[token]
            expected.append(torch.sigmoid(forced.gate[0, position, 0]).item() * looked / p)
        assert found.copied == pytest.approx(expected, abs=1e-4)
        shares += expected
    assert min(shares) == 0
    assert max(shares) > 0.5
    plain = tiny(joint())
    assert all(found.copied is None for found in Translator([plain]).translate(["", *texts]))


def test_an_ensemble_of_a_copying_model_and_a_plain_one() -> None:
    """The mean of probabilities; what is copied is half of what one copies, as a part of the mean."""
    first, second, texts = copier(), tiny(joint(), "dot", ("bahdanau", False), seed=2), sentences(9)
    both = Translator([first, second], [everything()] * 2)
    found = both.translate(texts)
    assert all(map(close, found, both.translate(texts, shortlist=True)))
    pairs = [each.source for each in found], [each.tokens for each in found]
    one, other, mean = (Translator(each).score_tokens(*pairs) for each in ([first], [second], [first, second]))
    for each, ours, theirs, scored in zip(found, one, other, mean, strict=True):
        expected = np.log((np.exp(ours.log_probs) + np.exp(theirs.log_probs)) / 2)
        assert scored.log_probs == pytest.approx(expected, abs=1e-5)
        assert each.log_prob == pytest.approx(sum(expected[: len(each.weights)]), abs=1e-4)
        ids = joint().source.encode(each.source)
        batch = make_batch([ids], [each.tokens])
        copied = copied_weights(first.model.force(batch.source, batch.source_lengths, batch.target_input))
        assert copied is not None
        assert each.copied is not None
        for position, (token, share) in enumerate(zip(each.tokens, each.copied, strict=True)):
            looked = sum(copied[0, position, place].item() for place, piece in enumerate(ids) if piece == token)
            assert share == pytest.approx(looked / 2 / math.exp(scored.log_probs[position]), abs=1e-4)


def test_json_names_what_was_copied_where_a_model_copies() -> None:
    layout = Layout("jsonl", numbered=False, scores=False, alignment=False)
    (copies,) = Translator([copier()]).translate(["der hund"])
    (plain,) = Translator([tiny(joint())]).translate(["der hund"])
    entries = [json.loads(layout.lines(1, [found])) for found in (copies, plain)]
    assert copies.copied is not None
    assert entries[0]["copied"] == pytest.approx(copies.copied, abs=1e-6)
    assert len(entries[0]["copied"]) == len(entries[0]["pieces"])
    assert "copied" not in entries[1]


def test_an_export_copies_as_the_model_does(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from seq2seq.onnx.export import export_onnx
    from seq2seq.onnx.translator import OnnxTranslator

    loaded = copier(("bahdanau", False))
    loaded.model.float()
    export_onnx(loaded, tmp_path / "export")
    exported, texts = OnnxTranslator.load(tmp_path / "export"), ["", *sentences(9)]
    expected, found = (each.translate_nbest(texts, 2) for each in (Translator([loaded]), exported))
    for ours, theirs in zip(found, expected, strict=True):
        assert [each.text for each in ours] == [each.text for each in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
            assert one.copied == (other.copied and pytest.approx(other.copied, abs=1e-3))


@pytest.mark.parametrize(
    "tokenizer", [{"joint": False}, {"source_model": "a", "target_model": "b"}], ids=["joint", "target_model"]
)
def test_two_vocabularies_are_refused(tokenizer: dict[str, Any]) -> None:
    tree = make_config(copy=True).model_dump() | {"tokenizer": tokenizer}
    with pytest.raises(InputError, match=r"^model.copy = true needs one vocabulary for both sides"):
        check_model_config(parse_config(tree, "test"))
    with pytest.raises(ValueError, match="one vocabulary"):
        Seq2Seq(replace(TINY, copy=True))
    two = train_tokenizers(sentences(40), TARGETS, TokenizerConfig(vocabulary_size=83, joint=False))
    with pytest.raises(InputError, match="needs one vocabulary"):
        build_model(make_config(copy=True), two)


# ---------------------------------------------------------------------------------------------------- what it is for


def pairs_of_names(names: list[int], count: int, seed: int) -> tuple[list[list[int]], list[list[int]]]:
    """Sources "4 x 5 y 6", targets "7 y 8 x", with random names x and y."""
    draw = random.Random(seed)
    drawn = [draw.sample(names, 2) for _ in range(count)]
    return [[4, x, 5, y, 6] for x, y in drawn], [[7, y, 8, x] for x, y in drawn]


@pytest.mark.usefixtures("without_shape_checks")
def test_names_that_no_target_had_are_copied() -> None:
    """A plain model has never written them; one that copies has only to point."""
    known, unseen = list(range(10, 60)), list(range(60, 110))
    rights = {}
    for copy in (False, True):
        sizes = {"embedding_dim": 24, "encoder_dim": 16, "decoder_dim": 32, "attention_dim": 24, "output_dim": 24}
        sizes |= {"source_vocabulary": 110, "target_vocabulary": 110}
        model = tiny_model("additive", ("luong", False), copy=copy, **sizes)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for step in range(80):
            loss = model(*make_batch(*pairs_of_names(known, 24, step)).tensors(), 0.1)
            optimizer.zero_grad()
            (loss.total / loss.tokens).backward()
            optimizer.step()
        sources, targets = pairs_of_names(unseen, 100, 1000)
        batch = make_batch(sources, targets)
        with torch.no_grad():
            state, right = model.start(batch.source, batch.source_lengths), torch.ones(100, dtype=torch.bool)
            for read, wanted in zip(batch.target_input.unbind(1), batch.target_output.unbind(1), strict=True):
                log_probs, output = model.step(read[:, None], state)
                state, right = output.state, right & (log_probs[:, 0].argmax(-1) == wanted)
        rights[copy] = right.float().mean().item()
    assert rights[False] < 0.05
    assert rights[True] > 0.9, rights
