"""Ensembles: the mean of probabilities by hand, states kept apart, members that do not fit."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_beam import BOS, EOS, A, B, LogProbs, Table, Walk, plain, random_table, start, tree
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.search.beam import beam_search
from seq2seq.search.ensemble import Ensemble, EnsembleState
from seq2seq.search.sampling import sample
from seq2seq.search.stepping import Hypothesis, Step

LENGTHS = [7, 5, 3]


def search(*members: LogProbs | Table, beam_size: int = 2) -> list[list[Hypothesis]]:
    steps = [member if isinstance(member, Table) else Table(member) for member in members]
    state = EnsembleState(tuple(start([0, 1, 2]) for _ in steps))
    return beam_search(
        Ensemble(steps),
        state,
        sentences=3,
        beam_size=beam_size,
        nbest=beam_size,
        bos=BOS,
        eos=EOS,
        max_lengths=LENGTHS,
    )


def one_step(*members: Table) -> Step[EnsembleState[Walk]]:
    return Ensemble(members)(torch.full((1, 1), BOS), EnsembleState(tuple(start([0]) for _ in members)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), beam_size=st.sampled_from([1, 2, 5]))
def test_an_ensemble_of_one_is_its_member(seed: int, beam_size: int) -> None:
    alone = beam_search(
        Table(random_table(seed)),
        start([0, 1, 2]),
        sentences=3,
        beam_size=beam_size,
        nbest=beam_size,
        bos=BOS,
        eos=EOS,
        max_lengths=LENGTHS,
    )
    found = search(random_table(seed), beam_size=beam_size)
    assert [plain(group) for group in found] == [plain(group) for group in alone]


def test_two_members_by_hand() -> None:
    """Probabilities are averaged, not log-probabilities: what one member excludes stays possible."""
    answer = one_step(Table(tree({(): {A: 0.2, EOS: 0.8}})), Table(tree({(): {A: 0.6, B: 0.4}})))
    assert answer.log_probs[0, 0].exp().tolist() == pytest.approx([0, 0, 0, 0.4, 0.4, 0.2, 0])


def test_three_members_and_their_mean_weights() -> None:
    class Constant(Table):
        """Looks at one place of three."""

        def __init__(self, log_probs: LogProbs, place: int) -> None:
            super().__init__(log_probs)
            self.place = place

        def __call__(self, tokens: Tensor, state: Walk) -> Step[Walk]:
            answer = super().__call__(tokens, state)
            weights = torch.zeros(*tokens.shape, 3)
            weights[:, :, self.place] = 1
            return Step(answer.log_probs, weights, answer.state)

    members = [Constant(tree({(): {A: share, B: 1 - share}}), place) for share, place in [(0.1, 0), (0.2, 2), (0.6, 2)]]
    answer = one_step(*members)
    assert answer.log_probs[0, 0].exp().tolist() == pytest.approx([0, 0, 0, 0, 0.3, 0.7, 0])
    assert answer.weights[0, 0].tolist() == pytest.approx([1 / 3, 0, 2 / 3])


@settings(max_examples=15, deadline=None)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=2, max_size=3), beam_size=st.sampled_from([1, 2, 5]))
def test_a_search_by_several_is_a_search_of_their_mean(seeds: list[int], beam_size: int) -> None:
    """Pitfall 8: every member's state follows the hypotheses: each reads a history that only it keeps."""
    tables = [random_table(seed) for seed in seeds]

    def mean(sentence: int, history: tuple[int, ...]) -> list[float]:
        columns = zip(*(table(sentence, history) for table in tables), strict=True)
        return [math.log(sum(math.exp(number) for number in column) / len(tables)) for column in columns]

    found, expected = search(*tables, beam_size=beam_size), search(mean, beam_size=beam_size)
    for group, expected_group in zip(found, expected, strict=True):
        assert [h.tokens for h in group] == [h.tokens for h in expected_group]
        assert [h.log_prob for h in group] == pytest.approx([h.log_prob for h in expected_group])
        assert [h.weights.tolist() for h in group] == [h.weights.tolist() for h in expected_group]


def test_an_ensemble_can_be_sampled() -> None:
    tables = [random_table(1), random_table(2)]
    state = EnsembleState((start([0, 1]), start([0, 1])))
    found = sample(
        Ensemble([Table(table) for table in tables]),
        state,
        seeds=[1, 2],
        count=3,
        bos=BOS,
        eos=EOS,
        max_lengths=[5, 5],
    )
    assert [len(group) for group in found] == [3, 3]


def test_certainty_stays_within_0() -> None:
    """Half precision rounds log 3 up, but a log-probability above 0 would break the early exit."""
    member = Table(tree({(): {EOS: 1.0}}), dtype=torch.bfloat16)
    assert one_step(member, member, member).log_probs.max() == 0


def test_no_member() -> None:
    with pytest.raises(InputError, match="at least one model"):
        Ensemble([])


def test_members_with_different_vocabularies() -> None:
    with pytest.raises(InputError, match=r"size of the vocabulary: 7, 11; .*same tokenizer"):
        one_step(Table(random_table(1)), Table(random_table(1, vocabulary=11)))


def test_members_with_different_sources() -> None:
    def narrow(tokens: Tensor, state: Walk) -> Step[Walk]:
        answer = Table(random_table(1))(tokens, state)
        return Step(answer.log_probs, answer.weights[:, :, :5], answer.state)

    with pytest.raises(InputError, match="size of the source: 11, 5"):
        Ensemble([Table(random_table(1)), narrow])(torch.full((1, 1), BOS), EnsembleState((start([0]), start([0]))))


def test_a_state_for_each_member() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Ensemble([Table(random_table(1))] * 2)(torch.full((1, 1), BOS), EnsembleState((start([0]),)))
