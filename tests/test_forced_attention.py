"""Overrides of attention: weights that stand in for the model's own, in every mechanism, wiring and cell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from mechanisms import EVERY, SOURCE_VOCABULARY, TARGET_VOCABULARY, WIRINGS, perturb, random_ids, tiny_model

from seq2seq.batching import make_batch, source_batch
from seq2seq.nn.attention import MultiHead
from seq2seq.nn.decoder import DecoderOutput
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.override import EVERY_STEP, Override, StepWeights

SOURCES = random_ids([1, 9, 4], SOURCE_VOCABULARY, seed=5)
TARGETS = random_ids([6, 6, 6], TARGET_VOCABULARY, seed=6)
STEPS = 7
NOTHING: Mapping[int, StepWeights] = {}
Overrides = list[Mapping[int, StepWeights]]


def model_of(mechanism: str, wiring: tuple[str, bool], cell: str = "gru") -> Seq2Seq:
    return perturb(tiny_model(mechanism, wiring, cell)).eval()


@torch.no_grad()
def stepwise(
    model: Seq2Seq, overrides: Overrides | None, *, alone: bool = False, rows: list[int] | None = None
) -> list[tuple[torch.Tensor, DecoderOutput]]:
    """The log-probabilities and the output of every step of the targets."""
    chosen = list(range(len(SOURCES))) if rows is None else rows
    batch = make_batch([SOURCES[row] for row in chosen], [TARGETS[row] for row in chosen])
    state, found = model.start(batch.source, batch.source_lengths), []
    if overrides is not None:
        state = model.with_override(state, Override.of(overrides, state.memory.mask, alone))
    for position in range(STEPS):
        log_probs, output = model.step(batch.target_input[:, position : position + 1], state)
        state = output.state
        found.append((log_probs, output))
    return found


def own_weights(plain: list[tuple[torch.Tensor, DecoderOutput]]) -> Overrides:
    """The model's own weights as an override of every step of every sentence."""
    return [
        {step: StepWeights(output.weights[row, 0].tolist()) for step, (_, output) in enumerate(plain)}
        for row in range(len(SOURCES))
    ]


def equal(one: tuple[torch.Tensor, DecoderOutput], other: tuple[torch.Tensor, DecoderOutput], row: int) -> bool:
    """Whether two steps gave one sentence the same numbers, bit for bit."""
    pairs = [(one[0], other[0]), (one[1].outputs, other[1].outputs), (one[1].weights, other[1].weights)]
    return all(torch.equal(first[row], second[row]) for first, second in pairs)


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_a_models_own_weights_change_nothing(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Bit for bit, whether they go wherever contexts go or to the output layer alone; several heads differ, so for
    these an override of nothing is tried.
    """
    model = model_of(mechanism, wiring, cell)
    plain = stepwise(model, None)
    own = [NOTHING] * len(SOURCES) if mechanism == "heads" else own_weights(plain)
    for alone in (False, True):
        again = stepwise(model, own, alone=alone)
        assert all(equal(*pair, row) for pair in zip(plain, again, strict=True) for row in range(len(SOURCES)))


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_given_weights_are_read_at_their_step_and_sentence_alone(
    mechanism: str, wiring: tuple[str, bool], cell: str
) -> None:
    """Batch invariance: others stay bit for bit, and the edited one is as if it were alone; nothing is edited early."""
    model = model_of(mechanism, wiring, cell)
    given = [0.5, 0.0, 0.25, 0.0, 0.25]
    overrides: Overrides = [NOTHING, NOTHING, {2: StepWeights(given)}]
    plain, edited = stepwise(model, None), stepwise(model, overrides)
    alone = stepwise(model, overrides[2:], rows=[2])
    for step in range(STEPS):
        assert equal(plain[step], edited[step], 0)
        assert equal(plain[step], edited[step], 1)
        assert equal(plain[step], edited[step], 2) or step >= 2
        torch.testing.assert_close(edited[step][0][2], alone[step][0][0], atol=1e-5, rtol=1e-5)
    weights = edited[2][1].weights[2, 0]
    assert torch.equal(weights, torch.tensor([*given, 0, 0, 0, 0, 0]))
    assert not torch.equal(plain[2][0][2], edited[2][0][2])


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_a_mask_leaves_the_models_own_weights_of_the_others(
    mechanism: str, wiring: tuple[str, bool], cell: str
) -> None:
    """At one step, and at every step; the total stays that of the model."""
    model = model_of(mechanism, wiring, cell)
    hidden = [0, 2, 7]
    plain = stepwise(model, None)
    once = stepwise(model, [NOTHING, {0: StepWeights(without=hidden)}, NOTHING])
    always = stepwise(model, [NOTHING, {EVERY_STEP: StepWeights(without=hidden)}, NOTHING])
    own = plain[0][1].weights[1, 0]
    left = own.clone()
    left[hidden] = 0
    if mechanism != "heads" and left.sum() > 0:  # each head renormalises its own
        torch.testing.assert_close(once[0][1].weights[1, 0], left * (own.sum() / left.sum()), atol=1e-6, rtol=1e-5)
    assert equal(once[0], always[0], 1)
    for _, output in always:
        weights = output.weights[1, 0]
        assert (weights[hidden] == 0).all()
        assert (weights >= 0).all()
        if mechanism != "predictive":
            assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    assert all(equal(*pair, row) for pair in zip(plain, always, strict=True) for row in (0, 2))


@pytest.mark.parametrize("wiring", WIRINGS)
def test_where_the_others_have_no_weight_they_share_it_alike(wiring: tuple[str, bool]) -> None:
    """Of a window: the mask hides all that it shows, and never the padding or what else is masked comes in."""
    model = model_of("monotonic", wiring)  # [t - 2, t + 2]
    hidden = [0, 1, 2, 3]
    found = stepwise(model, [NOTHING, {EVERY_STEP: StepWeights(without=hidden)}, NOTHING])
    expected = torch.tensor([0.0] * 4 + [1 / 6] * 6)
    torch.testing.assert_close(found[0][1].weights[1, 0], expected)
    short = stepwise(model, [NOTHING, NOTHING, {0: StepWeights(without=[0, 1, 2])}])[0][1]
    torch.testing.assert_close(short.weights[2, 0], torch.tensor([0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_a_sequence_equals_its_steps_with_an_override(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """Teacher forcing and search are one computation, here too."""
    model = model_of(mechanism, wiring, cell)
    overrides: Overrides = [
        NOTHING,
        {1: StepWeights([0, 1]), 4: StepWeights(without=[3]), EVERY_STEP: StepWeights(without=[1])},
        {3: StepWeights([0.25] * 4)},
    ]
    batch = make_batch(SOURCES, TARGETS)
    with torch.no_grad():
        state = model.start(batch.source, batch.source_lengths)
        state = model.with_override(state, Override.of(overrides, state.memory.mask))
        whole = model.force_on(batch.target_input, state)
    for position, (_, output) in enumerate(stepwise(model, overrides)):
        torch.testing.assert_close(output.outputs[:, 0], whole.outputs[:, position], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(output.weights[:, 0], whole.weights[:, position], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("mechanism", ["additive", "coverage"])
def test_what_the_output_layer_alone_reads_goes_nowhere_else(
    mechanism: str, wiring: tuple[str, bool], cell: str
) -> None:
    """Every later step is the model's own bit for bit; an override that is carried on changes later steps wherever the
    wiring or the score leads contexts or weights on.
    """
    model = model_of(mechanism, wiring, cell)
    overrides: Overrides = [NOTHING, {2: StepWeights([0, 0, 0, 0, 1])}, NOTHING]
    plain, carried = stepwise(model, None), stepwise(model, overrides)
    alone = stepwise(model, overrides, alone=True)
    for step in range(STEPS):
        assert equal(plain[step], alone[step], 1) is (step != 2)
    assert alone[2][1].weights[1, 0, 4] == 1
    remembers = mechanism == "coverage" or wiring != ("luong", False)
    assert equal(plain[3], carried[3], 1) is not remembers
    # At the edited step itself the recurrent cell of Bahdanau reads the context too; that of Luong has run before.
    assert equal(alone[2], carried[2], 1) is (wiring[0] == "luong")


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_output_layer_reads_the_given_context_beside_the_models_own_state(wiring: tuple[str, bool]) -> None:
    """By hand, from the state that the model's own attention leads to."""
    model = model_of("additive", wiring)
    overrides: Overrides = [NOTHING, {2: StepWeights([0, 0, 0, 0, 1])}, NOTHING]
    plain, alone = stepwise(model, None), stepwise(model, overrides, alone=True)
    values = model.start(*source_batch(SOURCES)).memory.values
    assert isinstance(values, torch.Tensor)
    top, context = plain[2][1].state.cells[-1][0][1, 0], values[1, 4]
    embedded = model.target_embedding(make_batch(SOURCES, TARGETS).target_input[1, 2])
    parts = [top, context, embedded] if wiring[0] == "bahdanau" else [context, top]
    expected = torch.tanh(model.decoder.readout(torch.cat(parts)))
    torch.testing.assert_close(alone[2][1].outputs[1, 0], expected)


def test_all_heads_read_an_override() -> None:
    """c = W_o [W_v,1 h; W_v,2 h] of the only position that is looked at."""
    model = model_of("heads", ("luong", False))
    attention = model.decoder.attention
    assert isinstance(attention, MultiHead)
    with torch.no_grad():
        state = model.start(*source_batch(SOURCES))
        memory = model.with_override(
            state, Override.of([NOTHING, {0: StepWeights([0, 0, 1])}, NOTHING], state.memory.mask)
        ).memory
        found = attention.look(torch.randn(3, 1, 14), memory, attention.begin(memory))
    assert isinstance(memory.values, torch.Tensor)
    torch.testing.assert_close(found.context[1, 0], attention.output_layer(memory.values[1, 2]))
    assert torch.equal(found.weights[1, 0], torch.eye(10)[2])


def test_an_override_follows_its_sentence() -> None:
    """Where sentences leave the batch, and where the beam widens."""
    model = model_of("additive", ("luong", True))
    batch = make_batch(SOURCES, TARGETS)
    overrides: Overrides = [NOTHING, NOTHING, {1: StepWeights([0, 0, 1])}]
    with torch.no_grad():
        state = model.start(batch.source, batch.source_lengths)
        state = model.with_override(state, Override.of(overrides, state.memory.mask))
        _, output = model.step(batch.target_input[:, :1], state)
        state = output.state.keep(torch.tensor([2, 0])).select(torch.zeros(2, 3, dtype=torch.long))
        _, output = model.step(batch.target_input[[2, 0], 1:2].expand(2, 3), state)
    assert torch.equal(output.weights[0], torch.eye(10)[2].expand(3, 10))
    assert (output.weights[1] != torch.eye(10)[2]).any()


def test_known_targets_refuse_an_override_of_the_outputs_alone() -> None:
    for wiring in WIRINGS:
        model, batch = model_of("additive", wiring), make_batch(SOURCES, TARGETS)
        state = model.start(batch.source, batch.source_lengths)
        state = model.with_override(state, Override.of([NOTHING] * 3, state.memory.mask, True))
        with pytest.raises(ValueError, match="steps one by one"):
            model.force_on(batch.target_input, state)
