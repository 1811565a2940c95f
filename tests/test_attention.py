"""Score functions against the formula written out by hand, and what attention promises for all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from mechanisms import MECHANISMS, SCORES, SUM_TO_ONE, TINY

from seq2seq.nn.attention import Attention, AttentionOutput, Memory, SingleHead, make_attention
from seq2seq.nn.loss import repetition
from seq2seq.nn.masking import length_mask
from seq2seq.nn.normalisation import NORMALISATIONS, Softmax
from seq2seq.nn.scores import SCORE_FUNCTIONS, Dot, score_function
from seq2seq.nn.windows import WINDOWS, NoWindow

BATCH, TARGET, SOURCE, QUERY, KEY, INNER = 2, 3, 5, 14, 14, 12


def build(mechanism: str, **changes: object) -> Attention:
    torch.manual_seed(3)
    parts = {"score", "window", "window_size", "normalisation", "heads"}
    own = {key: value for key, value in MECHANISMS[mechanism].items() if key in parts}
    sizes: dict[str, Any] = {"decoder_dim": QUERY, "encoder_dim": KEY // 2, "attention_dim": INNER}
    attention = make_attention(replace(TINY, **(sizes | own | changes)))
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return attention


def read(attention: Attention, query: torch.Tensor, memory: Memory) -> AttentionOutput:
    """All steps of the target, from the first on."""
    return attention.read(query, memory, attention.begin(memory))


def by_hand(name: str, score: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, place: int) -> float:
    """The energy of one pair, from the paper's formula."""
    parameters = {name: parameter.detach() for name, parameter in score.named_parameters()}
    match name:
        case "additive" | "coverage":  # which has no coverage yet
            inner = parameters["query_layer.weight"] @ query + parameters["key_layer.weight"] @ key
            return sum(float(v) * math.tanh(float(x)) for v, x in zip(parameters["v"], inner, strict=True))
        case "multiplicative":
            return float(query @ (parameters["key_layer.weight"] @ key))
        case "scaled_multiplicative":
            return float(query @ (parameters["key_layer.weight"] @ key)) / math.sqrt(len(query))
        case "dot":
            return sum(float(q) * float(k) for q, k in zip(query, key, strict=True))
        case "scaled_dot":
            return sum(float(q) * float(k) for q, k in zip(query, key, strict=True)) / math.sqrt(len(query))
        case "uniform":
            return 0.0
        case "location":
            return float(parameters["query_layer.weight"][place] @ query)
        case "concat":
            inner = parameters["layer.weight"] @ torch.cat([query, key])
            return sum(float(v) * math.tanh(float(x)) for v, x in zip(parameters["v"], inner, strict=True))
        case "cosine":
            return float(parameters["beta"] * (query @ key) / (query.norm() * key.norm()))
    raise AssertionError(f"write the formula of {name} here")


@pytest.mark.parametrize("name", SCORES)
def test_energies_follow_the_formula(name: str) -> None:
    score = build(name).get_submodule("score")
    query, states = torch.randn(BATCH, TARGET, QUERY), torch.randn(BATCH, SOURCE, KEY)
    energies = score(query, score.project(states)).detach()
    assert energies.shape == (BATCH, TARGET, SOURCE)
    for b in range(BATCH):
        for t in range(TARGET):
            for s in range(SOURCE):
                expected = by_hand(name, score, query[b, t], states[b, s], s)
                assert float(energies[b, t, s]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", MECHANISMS)
def test_weights_are_zero_on_padding_and_sum_to_one(name: str) -> None:
    """Pitfall 1: exactly 0, for every mechanism."""
    attention = build(name)
    mask = length_mask(torch.tensor([5, 2]), SOURCE)
    attended = read(attention, torch.randn(BATCH, TARGET, QUERY), attention.bind(torch.randn(BATCH, SOURCE, KEY), mask))
    assert torch.equal(attended.weights[1, :, 2:], torch.zeros(TARGET, 3))
    assert (attended.weights >= 0).all()
    if name in SUM_TO_ONE:
        torch.testing.assert_close(attended.weights.sum(-1), torch.ones(BATCH, TARGET))
    else:
        assert (attended.weights.sum(-1) <= 1).all()


@pytest.mark.parametrize("poison", [float("nan"), 1e3])
@pytest.mark.parametrize("name", MECHANISMS)
def test_padded_states_have_no_influence(name: str, poison: float) -> None:
    """Pitfall 3: whatever stands in padded states, in values and in gradients."""
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    mask = length_mask(torch.tensor([5, 2]), SOURCE)
    states = torch.randn(BATCH, SOURCE, KEY)
    clean = read(attention, query, attention.bind(states, mask))
    poisoned_states = states.masked_fill(~mask[:, :, None], poison).requires_grad_()
    poisoned = read(attention, query, attention.bind(poisoned_states, mask))
    assert torch.equal(clean.context, poisoned.context)
    assert torch.equal(clean.weights, poisoned.weights)
    poisoned.context.sum().backward()
    assert poisoned_states.grad is not None
    assert torch.isfinite(poisoned_states.grad).all()


def test_context_is_the_weighted_sum_of_the_values() -> None:
    attention = SingleHead(Dot(2, 2, 1), NoWindow(2, 1, 10), Softmax())
    states = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
    memory = attention.bind(states, torch.ones(1, 2, dtype=torch.bool))
    attended = read(attention, torch.tensor([[[math.log(3.0), 0.0]]]), memory)
    torch.testing.assert_close(attended.weights, torch.tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(attended.context, torch.tensor([[[0.75, 0.75]]]))


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_query_axis_is_many_single_looks(name: str) -> None:
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    memory = attention.bind(torch.randn(BATCH, SOURCE, KEY), length_mask(torch.tensor([5, 4]), SOURCE))
    together, past = read(attention, query, memory), attention.begin(memory)
    for t in range(TARGET):
        looked = attention.look(query[:, t : t + 1], memory, past)
        past = looked.past
        torch.testing.assert_close(looked.context, together.context[:, t : t + 1])
    for one, other in ((past.position, together.past.position), (past.coverage, together.past.coverage)):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", MECHANISMS)
def test_memory_selects_sentences_in_order(name: str) -> None:
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    memory = attention.bind(torch.randn(BATCH, SOURCE, KEY), length_mask(torch.tensor([5, 2]), SOURCE))
    swapped = read(attention, query.flip(0), memory.select(torch.tensor([1, 0])))
    torch.testing.assert_close(swapped.context.flip(0), read(attention, query, memory).context)


# ------------------------------------------------------------------------------------- against loops over the formulas


def softmax(energies: list[float]) -> list[float]:
    top = [math.exp(energy - max(energies)) for energy in energies]
    return [one / sum(top) for one in top]


def bound(attention: Attention) -> tuple[torch.Tensor, torch.Tensor, list[int], Memory]:
    """Queries, states, the numbers of real states, and the memory of one batch."""
    lengths = [5, 2]
    query, states = torch.randn(BATCH, TARGET, QUERY), torch.randn(BATCH, SOURCE, KEY)
    return query, states, lengths, attention.bind(states, length_mask(torch.tensor(lengths), SOURCE))


def test_predictive_window_follows_the_formula() -> None:
    """Luong et al. (2015), equations 9 and 10, with D = 1 and sigma = D / 2."""
    attention = build("predictive", score="dot", window_size=1)
    query, states, lengths, memory = bound(attention)
    found = read(attention, query, memory).weights.detach()
    matrix, v = (attention.window.get_parameter(name).detach() for name in ("query_layer.weight", "v"))
    for b in range(BATCH):
        for t in range(TARGET):
            inner = [math.tanh(float(row @ query[b, t])) for row in matrix]
            centre = lengths[b] / (1 + math.exp(-sum(float(x) * y for x, y in zip(v, inner, strict=True))))
            seen = [i for i in range(lengths[b]) if centre - 1 <= i <= centre + 1]
            shares = softmax([float(query[b, t] @ states[b, i]) for i in seen])
            expected = [0.0] * SOURCE
            for i, share in zip(seen, shares, strict=True):
                expected[i] = share * math.exp(-((i - centre) ** 2) / (2 * 0.5**2))
            assert found[b, t].tolist() == pytest.approx(expected, abs=1e-5)


def test_monotonic_window_follows_the_formula() -> None:
    attention = build("monotonic", score="dot", window_size=1)
    query, states, lengths, memory = bound(attention)
    found = read(attention, query, memory).weights.detach()
    for b in range(BATCH):
        for t in range(TARGET):
            centre = min(t, lengths[b] - 1)
            seen = [i for i in range(lengths[b]) if abs(i - centre) <= 1]
            expected = [0.0] * SOURCE
            for i, share in zip(seen, softmax([float(query[b, t] @ states[b, i]) for i in seen]), strict=True):
                expected[i] = share
            assert found[b, t].tolist() == pytest.approx(expected, abs=1e-5)


def test_coverage_follows_the_formula() -> None:
    """See et al. (2017), equations 10 to 12: energies, coverage and the loss, position by position."""
    attention = build("coverage")
    query, states, lengths, memory = bound(attention)
    found = read(attention, query, memory).weights.detach()
    p = {name.removeprefix("score."): parameter.detach() for name, parameter in attention.named_parameters()}
    loss = 0.0
    for b in range(BATCH):
        coverage = [0.0] * lengths[b]
        for t in range(TARGET):
            energies = []
            for i in range(lengths[b]):
                inner = p["query_layer.weight"] @ query[b, t] + p["key_layer.weight"] @ states[b, i]
                inner = [math.tanh(float(x) + float(w) * coverage[i]) for x, w in zip(inner, p["w"], strict=True)]
                energies.append(sum(float(v) * x for v, x in zip(p["v"], inner, strict=True)))
            shares = softmax(energies)
            assert found[b, t, : lengths[b]].tolist() == pytest.approx(shares, abs=1e-5)
            if (b, t) != (1, 2):  # as if the second target were a step shorter
                loss += sum(min(share, before) for share, before in zip(shares, coverage, strict=True))
            coverage = [share + before for share, before in zip(shares, coverage, strict=True)]
    real = length_mask(torch.tensor([3, 2]), TARGET)
    assert repetition(found, real).item() == pytest.approx(loss, abs=1e-5)


def test_heads_follow_the_formula() -> None:
    """Vaswani et al. (2017), section 3.2.2, with scaled dot products in each head."""
    attention = build("heads")
    query, states, lengths, memory = bound(attention)
    found = read(attention, query, memory)
    p = {name: parameter.detach() for name, parameter in attention.named_parameters()}
    size = QUERY // 2
    for b in range(BATCH):
        for t in range(TARGET):
            contexts, mean = [], [0.0] * SOURCE
            for head in range(2):
                rows = slice(head * size, (head + 1) * size)
                q = p["query_layer.weight"][rows] @ query[b, t]
                keys = [p["key_layer.weight"][rows] @ states[b, i] for i in range(lengths[b])]
                values = [p["value_layer.weight"][rows] @ states[b, i] for i in range(lengths[b])]
                shares = softmax([float(q @ key) / math.sqrt(size) for key in keys])
                contexts.append(sum(share * value for share, value in zip(shares, values, strict=True)))
                for i, share in enumerate(shares):
                    mean[i] += share / 2
            expected = p["output_layer.weight"] @ torch.cat(contexts)
            torch.testing.assert_close(found.context[b, t].detach(), expected, atol=1e-5, rtol=1e-4)
            assert found.weights[b, t].tolist() == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("score", sorted(set(SCORES) - {"coverage"}))
def test_any_score_function_can_be_a_head(score: str) -> None:
    attention = build("heads", score=score)
    query, _, _, memory = bound(attention)
    attended = read(attention, query, memory)
    torch.testing.assert_close(attended.weights.sum(-1), torch.ones(BATCH, TARGET))
    assert attended.weights[1, :, 2:].abs().sum() == 0


@pytest.mark.parametrize(("name", "power"), [("sparsemax", 1), ("entmax15", 2)])
def test_sparse_normalisations_follow_the_formula(name: str, power: int) -> None:
    """alpha = [(e or e / 2) - tau]₊, to the first or second power, with tau found by bisection."""
    energies = torch.randn(1, 4, 6, dtype=torch.float64) * 2
    allowed = torch.tensor([[[True, True, False, True, True, True]]])
    found = NORMALISATIONS[name]()(energies, allowed)
    for t in range(4):
        values = [float(energies[0, t, i]) / power for i in range(6) if i != 2]
        low, high = min(values) - 2, max(values)
        for _ in range(100):
            tau = (low + high) / 2
            low, high = (tau, high) if sum(max(v - tau, 0) ** power for v in values) > 1 else (low, tau)
        expected = [max(v - tau, 0) ** power for v in values]
        assert found[0, t, [0, 1, 3, 4, 5]].tolist() == pytest.approx(expected, abs=1e-6)
    assert found[0, :, 2].abs().sum() == 0
    assert (found[0, :, [0, 1, 3, 4, 5]] == 0).any()


def test_a_source_longer_than_the_positions_of_location() -> None:
    """Its rest is ignored; a window that leaves nothing else shares evenly instead of dividing by nothing."""
    attention = build("location", window="monotonic", window_size=1)
    memory = attention.bind(torch.randn(1, 20, KEY), torch.ones(1, 20, dtype=torch.bool))
    weights = read(attention, torch.randn(1, 16, QUERY), memory).weights
    assert weights[0, 11, 12] == 0
    torch.testing.assert_close(weights[0, 15, 14:17], torch.full((3,), 1 / 3))


def test_heads_that_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match=r"heads = 5 cannot share the 14 units of the decoder state evenly"):
        build("heads", heads=5)
    with pytest.raises(ValueError, match=r"'coverage' remembers where one head looked"):
        build("coverage", heads=2)


def test_monotonic_needs_the_step() -> None:
    with pytest.raises(ValueError, match="number of the step"):
        WINDOWS["monotonic"](1, 1, 1)(torch.zeros(1, 1, 1), torch.ones(1, 2, dtype=torch.bool), None)


def test_softmax_of_equal_energies_shares_evenly() -> None:
    weights = Softmax()(torch.zeros(1, 1, 3), torch.tensor([[[True, True, False]]]))
    assert weights.tolist() == [[[0.5, 0.5, 0.0]]]


@pytest.mark.parametrize("name", ["dot", "scaled_dot", "cosine"])
def test_unequal_sizes_are_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(ValueError, match=r"decoder state has 3 units and the encoder state 5.*'multiplicative'"):
        SCORE_FUNCTIONS[name](3, 5, 7)


def test_two_scores_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="two score functions are called 'dot'"):
        score_function("dot")(Dot)
    assert SCORE_FUNCTIONS["dot"] is Dot
