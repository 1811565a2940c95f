"""What the network promises for every score, wiring and cell."""

from __future__ import annotations

import itertools

import pytest
import torch
from mechanisms import (
    CASES,
    CELLS,
    EVERY,
    MECHANISMS,
    SCORES,
    SOURCE_VOCABULARY,
    SUM_TO_ONE,
    TARGET_VOCABULARY,
    WIRINGS,
    mark_slow,
    perturb,
    random_ids,
    tiny_model,
)

from seq2seq.batching import make_batch, source_batch
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.recurrent import SourceLayer

SOURCES = random_ids([1, 9, 4], SOURCE_VOCABULARY, seed=5)
TARGETS = random_ids([6, 1, 3], TARGET_VOCABULARY, seed=6)
# By name, what is changed. Attention does not know how many layers there are, so three mechanisms meet every shape.
SHAPES: dict[str, dict[str, int]] = {
    "plain": {},
    "deep": {"encoder_layers": 3, "decoder_layers": 2, "residual": True, "layer_norm": True},
    "oneway": {"bidirectional": False, "encoder_dim": 14},
}
SHAPED = mark_slow(
    (*case, shape)
    for shape, case in itertools.product(SHAPES, CASES)
    if shape == "plain" or case[0] in ("additive", "coverage", "monotonic")
)


def forced(model: Seq2Seq, sources: list[list[int]], targets: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and weights under teacher forcing."""
    batch = make_batch(sources, targets)
    output = model.force(batch.source, batch.source_lengths, batch.target_input)
    return output.outputs, output.weights


@pytest.mark.parametrize(("mechanism", "wiring", "cell", "shape"), SHAPED)
def test_a_sequence_equals_its_steps(mechanism: str, wiring: tuple[str, bool], cell: str, shape: str) -> None:
    """Pitfall 6: teacher forcing and search are one computation."""
    model = tiny_model(mechanism, wiring, cell, **SHAPES[shape]).eval()
    batch = make_batch(SOURCES, TARGETS)
    together = model.force(batch.source, batch.source_lengths, batch.target_input)
    state = model.start(batch.source, batch.source_lengths)
    for position in range(batch.target_input.shape[1]):
        _, output = model.step(batch.target_input[:, position : position + 1], state)
        state = output.state
        torch.testing.assert_close(output.outputs[:, 0], together.outputs[:, position], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(output.weights[:, 0], together.weights[:, position], atol=1e-5, rtol=1e-5)
        assert (output.gate is None) == (together.gate is None) == (mechanism != "copy")
        if output.gate is not None and together.gate is not None:
            torch.testing.assert_close(output.gate[:, 0], together.gate[:, position], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("mechanism", "wiring", "cell", "shape"), SHAPED)
def test_a_sentence_does_not_feel_its_batch(mechanism: str, wiring: tuple[str, bool], cell: str, shape: str) -> None:
    """Pitfalls 1 to 5: alone or padded, in any order: same outputs, weights zero on padding, summing to one."""
    model = (
        perturb(tiny_model(mechanism, wiring, cell, **SHAPES[shape])).double().eval()
    )  # perturb, its rounding is large
    outputs, weights = forced(model, SOURCES, TARGETS)
    if mechanism in SUM_TO_ONE:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:2], dtype=weights.dtype))
    assert (weights >= 0).all()
    assert (weights.sum(-1) < 1 + 1e-5).all()
    for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        alone, looked = forced(model, [source], [target])
        torch.testing.assert_close(outputs[row, : len(target) + 1], alone[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(weights[row, : len(target) + 1, : len(source) + 1], looked[0], atol=1e-5, rtol=1e-5)
        assert (weights[row, :, len(source) + 1 :] == 0).all()


@pytest.mark.parametrize("poison", [float("nan"), 1e3])
@pytest.mark.parametrize(("wiring", "cell"), list(itertools.product(WIRINGS, CELLS)))
def test_padding_does_not_leak_through_the_encoder(wiring: tuple[str, bool], cell: str, poison: float) -> None:
    """Pitfall 3: whatever the embedding of the padding token holds, in values and in gradients."""
    model = perturb(tiny_model(wiring=wiring, cell=cell, encoder_layers=2))
    clean, _ = forced(model, SOURCES, TARGETS)
    with torch.no_grad():
        model.source_embedding.weight[0] = poison
    poisoned, _ = forced(model, SOURCES, TARGETS)
    assert torch.equal(clean, poisoned)
    poisoned.sum().backward()
    for name, parameter in model.named_parameters():
        if not name.startswith(("target_embedding", "output_layer", "source_embedding")):
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("cell", CELLS)
def test_the_initial_state_is_read_from_real_tokens(cell: str) -> None:
    """Pitfall 4: the state of a sentence read alone, and beside longer ones."""
    model = perturb(tiny_model(cell=cell))
    together = model.start(*source_batch(SOURCES))
    for row, source in enumerate(SOURCES):
        alone = model.start(*source_batch([source]))
        for part, other in zip(together.cells[0], alone.cells[0], strict=True):
            torch.testing.assert_close(part[row], other[0])


def test_each_direction_ends_on_its_own_last_token() -> None:
    """Pitfalls 4 and 5: the forward final state is the output at the last token, the backward one that at the first."""
    layer = SourceLayer("gru", 3, 5, bidirectional=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    outputs, final = layer(torch.randn(2, 3, 3), mask)
    for row, last in enumerate((1, 2)):
        torch.testing.assert_close(final[row, :5], outputs[row, last, :5])
        torch.testing.assert_close(final[row, 5:], outputs[row, 0, 5:])
    assert (outputs[0, 2] == 0).all()


def test_a_source_layer_equals_torch_on_packed_sequences() -> None:
    layer = SourceLayer("lstm", 3, 5, bidirectional=True)
    rnn = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    assert layer.backwards is not None
    pairs = [("", layer.forwards), ("_reverse", layer.backwards)]
    rnn.load_state_dict({f"{k}{end}": v for end, side in pairs for k, v in side.rnn.state_dict().items()})
    inputs, lengths = torch.randn(3, 7, 3), torch.tensor([2, 7, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], batch_first=True)
    outputs, _ = layer(inputs, torch.arange(7) < lengths[:, None])
    torch.testing.assert_close(outputs, expected)


@pytest.mark.parametrize(("wiring", "cell"), list(itertools.product(WIRINGS, CELLS)))
def test_every_part_of_the_state_follows_its_hypothesis(wiring: tuple[str, bool], cell: str) -> None:
    """Pitfall 8: rows with different random states, compared element by element."""
    model = tiny_model("coverage", wiring, cell, decoder_layers=2, window="monotonic")
    start = model.start(*source_batch(SOURCES))
    wide = start.select(torch.zeros(3, 2, dtype=torch.long))
    _, output = model.step(torch.tensor([[4, 5], [6, 7], [8, 9]]), wide)
    swapped = output.state.select(torch.tensor([[1, 0], [1, 1], [0, 0]]))
    kept = swapped.keep(torch.tensor([2, 0]))

    def tensors(state: DecoderState) -> list[torch.Tensor]:
        carried = [state.fed, state.past.position, state.past.coverage]
        return [part for layer in state.cells for part in layer] + [one for one in carried if one is not None]

    assert len(tensors(kept)) == 2 * (2 if cell == "lstm" else 1) + wiring[1] + 2
    for before, after in zip(tensors(output.state), tensors(kept), strict=True):
        assert torch.equal(after[0], before[2][[0, 0]])
        assert torch.equal(after[1], before[0][[1, 0]])
    for name in ("keys", "values", "mask"):
        assert torch.equal(getattr(kept.memory, name), getattr(start.memory, name)[[2, 0]])


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_beam_slots_are_independent(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Two steps, so that what a slot remembers is its own."""
    model = perturb(tiny_model(mechanism, wiring, cell)).eval()
    first, second = torch.tensor([[4, 5], [6, 7], [8, 9]]), torch.tensor([[10, 11], [12, 13], [14, 15]])
    wide = model.start(*source_batch(SOURCES)).select(torch.zeros(3, 2, dtype=torch.long))
    together, _ = model.step(second, model.step(first, wide)[1].state)
    for slot in range(2):
        own = slice(slot, slot + 1)
        narrow = model.step(first[:, own], model.start(*source_batch(SOURCES)))[1].state
        torch.testing.assert_close(together[:, slot], model.step(second[:, own], narrow)[0][:, 0])


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_empty_slots_change_nothing(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """A step for the taken slots alone, and one more from what it leaves."""
    model = perturb(tiny_model(mechanism, wiring, cell, decoder_layers=2)).eval()
    first, second = torch.tensor([[4, 5], [6, 7], [8, 9]]), torch.tensor([[10, 11], [12, 13], [14, 15]])
    plain = wide = model.start(*source_batch(SOURCES)).select(torch.zeros(3, 2, dtype=torch.long))
    empty = torch.tensor([[False, False], [False, True], [True, True]])
    slots = Slots.of(first.masked_fill(empty, -1))
    assert slots.occupied is not None
    assert slots.owners(first.device).tolist() == [0, 0, 1]
    for tokens in (first, second):
        everything, expected = model.step(tokens, plain)
        found, output = model.step(tokens.masked_fill(empty, -1), wide, slots)
        plain, wide = expected.state, output.state
        torch.testing.assert_close(found, everything[~empty])
        torch.testing.assert_close(output.outputs[~empty], expected.outputs[~empty])
        torch.testing.assert_close(output.weights[~empty], expected.weights[~empty])
        assert output.outputs[empty].eq(0).all()
        assert not output.weights.isnan().any()


@pytest.mark.parametrize(("wiring", "cell"), list(itertools.product(WIRINGS, CELLS)))
def test_switching_the_score_changes_the_score_alone(wiring: tuple[str, bool], cell: str) -> None:
    """Pitfall 19: same names, shapes and initial values outside the attention, the score's own part of it, or the gate
    of copies.
    """

    def outside(mechanism: str) -> dict[str, torch.Tensor]:
        own = ("decoder.attention.score." if mechanism in SCORES else "decoder.attention.", "decoder.copy_gate.")
        sizes = {"decoder_dim": 14, "target_vocabulary": SOURCE_VOCABULARY}
        named = tiny_model(mechanism, wiring, cell, **sizes).named_parameters()
        return {name: value for name, value in named if not name.startswith(own)}

    expected = outside("uniform")
    for mechanism in MECHANISMS:
        found = outside(mechanism)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected), mechanism


def test_wirings_of_one_family_share_parameters_outside_the_cell() -> None:
    plain = dict(tiny_model(wiring=("luong", False)).named_parameters())
    feeding = dict(tiny_model(wiring=("luong", True)).named_parameters())
    changed = {name for name in plain if plain[name].shape != feeding[name].shape}
    assert changed == {"decoder.layers.0.rnn.weight_ih_l0"}


def test_initial_values_depend_on_the_seed() -> None:
    first, second, again = (tiny_model(seed=seed).output_layer.weight for seed in (1, 2, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_the_forget_gate_starts_open() -> None:
    bias = tiny_model(cell="lstm").decoder.layers[0].rnn.bias_ih_l0
    assert bias.view(4, 11).sum(dim=1).tolist() == [0.0, 11.0, 0.0, 0.0]


@pytest.mark.parametrize(("tie", "tensors"), [("none", 3), ("target", 2), ("all", 1)])
def test_tying(tie: str, tensors: int) -> None:
    model = tiny_model(source_vocabulary=23, tie=tie)
    weights = (model.source_embedding.weight, model.target_embedding.weight, model.output_layer.weight)
    assert len({id(weight) for weight in weights}) == tensors


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_loss_counts_real_positions_only(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Pitfall 14: the loss of a batch is the sum over its sentences; padding columns change nothing."""
    model = tiny_model(mechanism, wiring, cell)
    batch = make_batch(SOURCES, TARGETS)
    together = model(*batch.tensors(), smoothing=0.1)
    alone = [model(*make_batch([s], [t]).tensors(), smoothing=0.1) for s, t in zip(SOURCES, TARGETS, strict=True)]
    assert int(together.tokens) == sum(len(target) + 1 for target in TARGETS)
    torch.testing.assert_close(together.total, sum(loss.total for loss in alone))
    torch.testing.assert_close(together.nll, sum(loss.nll for loss in alone))


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_loss_is_what_the_steps_of_search_say(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Pitfall 6: forced-decode loss = minus the sum of the step log-probs fed the reference."""
    model = tiny_model(mechanism, wiring, cell).eval()
    batch = make_batch([SOURCES[1]], [TARGETS[0]])
    state, total = model.start(batch.source, batch.source_lengths), 0.0
    for token, wanted in zip(batch.target_input[0], batch.target_output[0], strict=True):
        log_probs, output = model.step(token.view(1, 1), state)
        state, total = output.state, total + log_probs[0, 0, wanted].item()
    assert model(*batch.tensors()).nll.item() == pytest.approx(-total, abs=1e-4)


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_gradients_reach_every_parameter(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    model = tiny_model(mechanism, wiring, cell, encoder_layers=2, decoder_layers=2, residual=True, layer_norm=True)
    model(*make_batch(SOURCES, TARGETS).tensors()).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("kind", ["dropout_embedding", "dropout_layer", "dropout_output"])
def test_each_dropout_acts_in_training_only(kind: str, wiring: tuple[str, bool]) -> None:
    model, batch = tiny_model(wiring=wiring, **{kind: 0.5}), make_batch(SOURCES, TARGETS)
    torch.manual_seed(1)
    first, second = (model(*batch.tensors()).total.item() for _ in range(2))
    assert first != second
    model.eval()
    assert model(*batch.tensors()).total.item() == model(*batch.tensors()).total.item()


def test_variational_dropout_is_one_mask_for_all_positions() -> None:
    torch.manual_seed(1)
    values = SequenceDropout(0.5, variational=True)(torch.ones(3, 11, 7))
    assert (values == values[:, :1]).all()
    assert len({tuple(row) for row in values[:, 0].tolist()}) > 1
    plain = SequenceDropout(0.5, variational=False)(torch.ones(3, 11, 7))
    assert not (plain == plain[:, :1]).all()
    assert set(plain.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_factors_of_a_loop_equal_dropout_of_the_sequence(variational: bool) -> None:
    dropout = SequenceDropout(0.5, variational)
    torch.manual_seed(1)
    factors = dropout.draw(torch.zeros(2, 3, 9), 5)
    torch.manual_seed(1)
    assert factors is not None
    assert torch.equal(factors, dropout(torch.ones(2, 3, 5)))
    assert dropout.eval().draw(torch.zeros(2, 3, 9), 5) is None


def test_luong_without_feeding_runs_each_layer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No loop over target positions in training: the whole sequence goes through each layer in one call."""
    model, calls = tiny_model(wiring=("luong", False), decoder_layers=2), []
    for layer in model.decoder.layers:
        monkeypatch.setattr(layer, "step", lambda *inputs: calls.append("step"))
    forced(model, SOURCES, TARGETS)
    assert calls == []


def test_feeding_needs_its_state() -> None:
    model = tiny_model(wiring=("luong", True))
    state = model.start(*source_batch(SOURCES))
    bare = DecoderState(state.memory, state.cells, None, state.past)
    with pytest.raises(ValueError, match="without input feeding"):
        model.step(torch.tensor([[2], [2], [2]]), bare)


def gru(layer: torch.nn.Module, inputs: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """torch's GRU equations, written out."""
    p = dict(layer.named_parameters())
    of_input = (p["rnn.weight_ih_l0"] @ inputs + p["rnn.bias_ih_l0"]).chunk(3)
    of_state = (p["rnn.weight_hh_l0"] @ hidden + p["rnn.bias_hh_l0"]).chunk(3)
    reset, update = (torch.sigmoid(x + h) for x, h in zip(of_input[:2], of_state[:2], strict=True))
    return update * hidden + (1 - update) * torch.tanh(of_input[2] + reset * of_state[2])


@pytest.mark.parametrize("wiring", WIRINGS)
def test_wirings_follow_their_papers(wiring: tuple[str, bool]) -> None:
    """Two steps of one sentence, each equation written out: which state asks, and where the context goes."""
    model = tiny_model("multiplicative", wiring).eval()
    decoder = model.decoder
    source, lengths = source_batch([SOURCES[2]])
    encoded = model.encoder(model.source_embedding(source), lengths)
    states = encoded.states[0]
    matrix = decoder.attention.score.key_layer.weight

    def attend(query: torch.Tensor) -> torch.Tensor:
        return torch.softmax((states @ matrix.T) @ query, dim=0) @ states

    def readout(*parts: torch.Tensor) -> torch.Tensor:
        return torch.tanh(decoder.readout.weight @ torch.cat(parts) + decoder.readout.bias)

    hidden = torch.tanh(decoder.bridge.weight @ encoded.final[0] + decoder.bridge.bias)
    fed, state = torch.zeros(decoder.output_dim), model.start(source, lengths)
    for token in (5, 7):
        embedded = model.target_embedding.weight[token]
        if wiring[0] == "bahdanau":
            context = attend(hidden)
            hidden = gru(decoder.layers[0], torch.cat([embedded, context]), hidden)
            expected = readout(hidden, context, embedded)
        else:
            hidden = gru(decoder.layers[0], torch.cat([embedded, fed]) if wiring[1] else embedded, hidden)
            expected = fed = readout(attend(hidden), hidden)
        log_probs, output = model.step(torch.tensor([[token]]), state)
        state = output.state
        torch.testing.assert_close(output.outputs[0, 0], expected)
        logits = model.output_layer.weight @ expected + model.output_layer.bias
        torch.testing.assert_close(log_probs[0, 0], torch.log_softmax(logits, dim=0))


def test_residual_and_normalisation_change_the_upper_layers() -> None:
    batch = make_batch(SOURCES, TARGETS)
    plain, residual, normalised = (
        tiny_model(encoder_layers=2, decoder_layers=2, **changes).eval()(*batch.tensors()).total.item()
        for changes in ({}, {"residual": True}, {"layer_norm": True})
    )
    assert len({plain, residual, normalised}) == 3
