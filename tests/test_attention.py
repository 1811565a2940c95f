"""Score functions against the formula written out by hand, and what attention promises for all of them."""

from __future__ import annotations

import math

import pytest
import torch
from mechanisms import SCORES

from seq2seq.nn.attention import SCORE_FUNCTIONS, Attention, Dot, score_function
from seq2seq.nn.masking import length_mask, masked_softmax

BATCH, TARGET, SOURCE, QUERY, KEY, INNER = 2, 3, 5, 7, 7, 11


def build(name: str) -> Attention:
    torch.manual_seed(3)
    score = SCORE_FUNCTIONS[name](QUERY, KEY, INNER)
    for parameter in score.parameters():
        torch.nn.init.normal_(parameter)
    return Attention(score)


def by_hand(name: str, score: torch.nn.Module, query: torch.Tensor, key: torch.Tensor) -> float:
    """The energy of one pair, from the paper's formula."""
    parameters = {name: parameter.detach() for name, parameter in score.named_parameters()}
    match name:
        case "additive":
            inner = parameters["query_layer.weight"] @ query + parameters["key_layer.weight"] @ key
            return sum(float(v) * math.tanh(float(x)) for v, x in zip(parameters["v"], inner, strict=True))
        case "multiplicative":
            return float(query @ (parameters["key_layer.weight"] @ key))
        case "dot":
            return sum(float(q) * float(k) for q, k in zip(query, key, strict=True))
        case "scaled_dot":
            return sum(float(q) * float(k) for q, k in zip(query, key, strict=True)) / math.sqrt(len(query))
        case "uniform":
            return 0.0
    raise AssertionError(f"write the formula of {name} here")


@pytest.mark.parametrize("name", SCORES)
def test_energies_follow_the_formula(name: str) -> None:
    score = build(name).score
    query, states = torch.randn(BATCH, TARGET, QUERY), torch.randn(BATCH, SOURCE, KEY)
    energies = score(query, score.project(states)).detach()
    assert energies.shape == (BATCH, TARGET, SOURCE)
    for b in range(BATCH):
        for t in range(TARGET):
            for s in range(SOURCE):
                expected = by_hand(name, score, query[b, t], states[b, s])
                assert float(energies[b, t, s]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", SCORES)
def test_weights_are_zero_on_padding_and_sum_to_one(name: str) -> None:
    """Pitfall 1: exactly 0, for every score."""
    attention = build(name)
    mask = length_mask(torch.tensor([5, 2]), SOURCE)
    attended = attention(torch.randn(BATCH, TARGET, QUERY), attention.bind(torch.randn(BATCH, SOURCE, KEY), mask))
    assert torch.equal(attended.weights[1, :, 2:], torch.zeros(TARGET, 3))
    torch.testing.assert_close(attended.weights.sum(-1), torch.ones(BATCH, TARGET))


@pytest.mark.parametrize("poison", [float("nan"), 1e3])
@pytest.mark.parametrize("name", SCORES)
def test_padded_states_have_no_influence(name: str, poison: float) -> None:
    """Pitfall 3: whatever stands in padded states, in values and in gradients."""
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    mask = length_mask(torch.tensor([5, 2]), SOURCE)
    states = torch.randn(BATCH, SOURCE, KEY)
    clean = attention(query, attention.bind(states, mask))
    poisoned_states = states.masked_fill(~mask[:, :, None], poison).requires_grad_()
    poisoned = attention(query, attention.bind(poisoned_states, mask))
    assert torch.equal(clean.context, poisoned.context)
    assert torch.equal(clean.weights, poisoned.weights)
    poisoned.context.sum().backward()
    assert poisoned_states.grad is not None
    assert torch.isfinite(poisoned_states.grad).all()


def test_context_is_the_weighted_sum_of_the_values() -> None:
    attention = Attention(Dot(2, 2, 1))
    states = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
    memory = attention.bind(states, torch.ones(1, 2, dtype=torch.bool))
    attended = attention(torch.tensor([[[math.log(3.0), 0.0]]]), memory)
    torch.testing.assert_close(attended.weights, torch.tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(attended.context, torch.tensor([[[0.75, 0.75]]]))


@pytest.mark.parametrize("name", SCORES)
def test_a_query_axis_is_many_single_queries(name: str) -> None:
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    memory = attention.bind(torch.randn(BATCH, SOURCE, KEY), length_mask(torch.tensor([5, 4]), SOURCE))
    together = attention(query, memory)
    for t in range(TARGET):
        torch.testing.assert_close(attention(query[:, t : t + 1], memory).context, together.context[:, t : t + 1])


@pytest.mark.parametrize("name", SCORES)
def test_memory_selects_sentences_in_order(name: str) -> None:
    attention, query = build(name), torch.randn(BATCH, TARGET, QUERY)
    memory = attention.bind(torch.randn(BATCH, SOURCE, KEY), length_mask(torch.tensor([5, 2]), SOURCE))
    swapped = attention(query.flip(0), memory.select(torch.tensor([1, 0])))
    torch.testing.assert_close(swapped.context.flip(0), attention(query, memory).context)


def test_masked_softmax_of_equal_energies_shares_evenly() -> None:
    weights = masked_softmax(torch.zeros(1, 1, 3), torch.tensor([[True, True, False]]))
    assert weights.tolist() == [[[0.5, 0.5, 0.0]]]


@pytest.mark.parametrize("name", ["dot", "scaled_dot"])
def test_unequal_sizes_are_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(ValueError, match=r"decoder state has 3 units and the encoder state 5.*'multiplicative'"):
        SCORE_FUNCTIONS[name](3, 5, 7)


def test_two_scores_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="two score functions are called 'dot'"):
        score_function("dot")(Dot)
    assert SCORE_FUNCTIONS["dot"] is Dot
