"""Sampling: the right distribution, the right filters, and the same draws whatever the batch."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_beam import (
    BOS,
    EOS,
    VOCABULARY,
    A,
    B,
    C,
    LogProbs,
    Table,
    assert_weights,
    lengths_by_sentence,
    plain,
    random_table,
    start,
    tree,
)

from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.search.beam import beam_search
from seq2seq.search.penalty import LengthPenalty
from seq2seq.search.sampling import sample
from seq2seq.search.stepping import Hypothesis

ONE_STEP = {EOS: 0.1, A: 0.5, B: 0.25, C: 0.15}
TREE = tree({(): ONE_STEP, (A,): {A: 0.2, B: 0.8}, (B,): {C: 1.0}, (C,): {EOS: 0.5, A: 0.5}})


def draw(
    log_probs: LogProbs | Table,
    seeds: Sequence[int] = (1,),
    sentences: Sequence[int] | None = None,
    length: int = 5,
    **options: object,
) -> list[list[Hypothesis]]:
    table = log_probs if isinstance(log_probs, Table) else Table(log_probs)
    state = start(range(len(seeds)) if sentences is None else sentences)
    settings = {"max_lengths": [length] * len(seeds)} | options
    return sample(table, state, seeds=seeds, bos=BOS, eos=EOS, **settings)


def first_tokens(groups: list[list[Hypothesis]]) -> Counter[int]:
    return Counter(h.tokens[0] if h.tokens else EOS for group in groups for h in group)


def assert_distribution(counts: Counter, expected: dict) -> None:
    """Pearson's chi-square statistic below the value that one true distribution in 100,000 passes."""
    quantile = {1: 19.51, 2: 23.03, 3: 25.90, 4: 28.47, 5: 30.86}  # by degrees of freedom
    assert set(counts) <= set(expected)
    total = sum(counts.values())
    statistic = sum((counts[key] - total * share) ** 2 / (total * share) for key, share in expected.items())
    assert statistic < quantile[len(expected) - 1]


# The distribution


def test_samples_of_one_sentence_follow_the_model() -> None:
    assert_distribution(first_tokens(draw(TREE, [7], length=1, count=3000)), ONE_STEP)


def test_neighbouring_seeds_are_independent() -> None:
    assert_distribution(first_tokens(draw(TREE, range(2000), length=1)), ONE_STEP)


def test_steps_are_independent() -> None:
    """Whole samples, with the probability of each path multiplied out."""
    paths = {(): 0.1, (A, A): 0.1, (A, B): 0.4, (B, C): 0.25, (C,): 0.075, (C, A): 0.075}
    found = draw(TREE, [3], count=2000)[0]
    assert all(h.finished for h in found)
    assert_distribution(Counter(tuple(h.tokens) for h in found), paths)


def test_temperature() -> None:
    squared = {token: share**2 for token, share in ONE_STEP.items()}
    expected = {token: share / sum(squared.values()) for token, share in squared.items()}
    assert_distribution(first_tokens(draw(TREE, [2], length=1, count=3000, temperature=0.5)), expected)


def test_high_temperature_is_uniform_over_what_is_possible() -> None:
    counts = first_tokens(draw(TREE, [2], length=1, count=2000, temperature=1e9))
    assert_distribution(counts, dict.fromkeys(ONE_STEP, 0.25))


def test_top_k() -> None:
    counts = first_tokens(draw(TREE, [4], length=1, count=2000, top_k=2))
    assert_distribution(counts, {A: 2 / 3, B: 1 / 3})


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.01, {A: 1.0}),
        (0.49, {A: 1.0}),
        (0.51, {A: 2 / 3, B: 1 / 3}),
        (0.74, {A: 2 / 3, B: 1 / 3}),
        (0.76, {A: 0.5 / 0.9, B: 0.25 / 0.9, C: 0.15 / 0.9}),
        (0.91, ONE_STEP),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, expected: dict[int, float]) -> None:
    counts = first_tokens(draw(TREE, [5], length=1, count=1500, top_p=top_p))
    if len(expected) == 1:
        assert set(counts) == set(expected)
    else:
        assert_distribution(counts, expected)


def test_top_p_is_of_what_temperature_and_top_k_leave() -> None:
    """Of A and B, A holds 2/3, and at temperature 0.5 4/5."""
    both = draw(TREE, [5], length=1, count=200, top_k=2, top_p=0.7)
    one = draw(TREE, [5], length=1, count=200, top_k=2, top_p=0.7, temperature=0.5)
    assert set(first_tokens(both)) == {A, B}
    assert set(first_tokens(one)) == {A}


def test_forbidden_tokens_are_never_drawn_and_the_rest_share_their_place() -> None:
    counts = first_tokens(draw(TREE, [6], length=1, count=2000, forbidden=[A]))
    assert_distribution(counts, {EOS: 0.2, B: 0.5, C: 0.3})


# Limits


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([0, 2]),
    options=st.sampled_from([{"top_k": 1}, {"top_p": 1e-9}, {"top_k": 1, "top_p": 0.5, "temperature": 7.0}]),
)
def test_one_choice_is_greedy_search(seed: int, levels: int, options: dict[str, object]) -> None:
    """Equal ones included: both take the lower token."""
    table, lengths = random_table(seed, levels), [7, 5, 3]
    options_of_search = {"sentences": 3, "beam_size": 1, "bos": BOS, "eos": EOS, "max_lengths": lengths}
    greedy = beam_search(Table(table), start([0, 1, 2]), **options_of_search)
    assert [plain(group) for group in draw(table, [1, 2, 3], max_lengths=lengths, **options)] == [
        plain(group) for group in greedy
    ]


@pytest.mark.parametrize("temperature", [1e-3, 1e-300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_low_temperature_is_greedy_search(temperature: float, dtype: torch.dtype) -> None:
    table = Table(random_table(11), dtype=dtype)
    options = {"sentences": 2, "beam_size": 1, "bos": BOS, "eos": EOS, "max_lengths": [7, 7]}
    greedy = beam_search(table, start([0, 1]), **options)
    found = draw(table, [1, 2], length=7, temperature=temperature)
    assert [plain(group) for group in found] == [plain(group) for group in greedy]


def test_low_temperature_leaves_equal_tokens_equal() -> None:
    table = Table(tree({(): {A: 0.4, B: 0.4, C: 0.2}}), dtype=torch.float32)
    assert_distribution(first_tokens(draw(table, length=1, count=500, temperature=1e-300)), {A: 0.5, B: 0.5})


@pytest.mark.parametrize("top_k", [VOCABULARY, 100])
def test_top_k_beyond_the_vocabulary_changes_nothing(top_k: int) -> None:
    table = random_table(4)
    assert plain(draw(table, count=20, top_k=top_k)[0]) == plain(draw(table, count=20)[0])


# What comes back


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), temperature=st.sampled_from([0.5, 1.0, 3.0]), top_k=st.sampled_from([None, 3]))
def test_log_prob_is_that_of_the_unchanged_model(seed: int, temperature: float, top_k: int | None) -> None:
    table, penalty = random_table(seed), LengthPenalty("gnmt", 0.6)
    found = draw(table, [1, 2], [5, 3], length=4, count=5, temperature=temperature, top_k=top_k, length_penalty=penalty)
    for sentence, group in zip([5, 3], found, strict=True):
        assert len(group) == 5
        for hypothesis in group:
            produced = [*hypothesis.tokens, EOS] if hypothesis.finished else hypothesis.tokens
            total = sum(table(sentence, tuple(produced[:step]))[token] for step, token in enumerate(produced))
            assert hypothesis.log_prob == pytest.approx(total)
            assert hypothesis.score == pytest.approx(total / penalty(len(produced)))
            assert EOS not in hypothesis.tokens
            assert hypothesis.finished or len(hypothesis.tokens) == 4
            assert_weights(hypothesis, sentence)


def test_lengths_are_each_sentences_own() -> None:
    table = random_table(9)
    found = draw(table, range(30), max_lengths=[2 + n % 5 for n in range(30)], min_lengths=[n % 2 for n in range(30)])
    lengths = [(len(h.tokens), h.finished) for (h,) in found]
    assert all(length >= n % 2 for n, (length, _) in enumerate(lengths))
    assert all(length < 2 + n % 5 if done else length == 2 + n % 5 for n, (length, done) in enumerate(lengths))
    assert {done for _, done in lengths} == {True, False}


def test_finished_sentences_leave_the_batch() -> None:
    table = Table(lengths_by_sentence(2, 0, 3, 2))
    found = draw(table, [1, 2, 3, 4], length=13, count=5)
    assert [[len(h.tokens) for h in group] for group in found] == [[2] * 5, [0] * 5, [3] * 5, [2] * 5]
    assert table.calls == [(4, 5), (3, 5), (3, 5), (1, 5)]


def test_half_precision_steps() -> None:
    exact = draw(Table(random_table(5), dtype=torch.float32), [1], length=7)
    rough = draw(Table(random_table(5), dtype=torch.bfloat16), [1], length=7)
    assert rough[0][0].tokens == exact[0][0].tokens
    assert rough[0][0].log_prob == pytest.approx(exact[0][0].log_prob, rel=0.02)


def test_no_sentences() -> None:
    assert draw(TREE, []) == []


# Seeds


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)), top_p=st.sampled_from([1.0, 0.8]))
def test_a_sample_depends_on_its_sentence_and_seed_alone(seed: int, order: list[int], top_p: float) -> None:
    """Pitfall 24: alone or in any batch."""
    table, lengths, seeds = random_table(seed), [1, 2, 5, 7, 9], [3, 3, 5, 2**40, 0]
    alone = [plain(draw(table, [seeds[n]], [n], max_lengths=[lengths[n]], count=3, top_p=top_p)[0]) for n in order]
    together = draw(
        table,
        [seeds[n] for n in order],
        order,
        max_lengths=[lengths[n] for n in order],
        count=3,
        top_p=top_p,
    )
    assert [plain(group) for group in together] == alone


def test_more_samples_and_a_higher_maximum_keep_the_first_ones() -> None:
    table = random_table(3)
    few, many = draw(table, [8], count=2)[0], draw(table, [8], count=7)[0]
    assert plain(many[:2]) == plain(few)
    longer = draw(table, [8], count=7, length=9)[0]
    assert [h.tokens[:5] for h in longer] == [h.tokens for h in many]


def test_seeds_matter_to_the_last_and_to_the_first_bit() -> None:
    """Pitfall 24: torch reads 32 bits of a seed."""
    seeds = [8, 9, 8 + 2**32, 8 + 2**62]
    found = draw(random_table(3), seeds, [0] * 4, count=20)
    assert len({str(plain(group)) for group in found}) == 4
    assert len({str(plain([hypothesis])) for hypothesis in found[0]}) > 5


def test_neighbouring_seeds_do_not_share_samples() -> None:
    """Pitfall 24: a seed and the number of a sample are no sum, else sample 2 of seed 8 is sample 1 of seed 9."""
    first, second = draw(random_table(3), [8, 9], [0, 0], length=9, count=20)
    assert not {str(plain([one])) for one in first if len(one.tokens) > 5} & {str(plain([one])) for one in second}


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    draw(TREE, count=5)
    assert torch.equal(before, torch.random.get_rng_state())


# Bad arguments and broken models


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0 .*given 0"),
        ({"temperature": -1.0}, "temperature must be above 0 .*given -1"),
        ({"temperature": math.inf}, "temperature must be above 0 .*given inf"),
        ({"temperature": math.nan}, "temperature must be above 0 .*given nan"),
        ({"top_k": 0}, "top_k must be 1 or more, given 0; leave it out"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1 .*given 0"),
        ({"top_p": 1.5}, "top_p must be above 0 and at most 1 .*given 1.5"),
        ({"count": 0}, "number of samples must be 1 or more, given 0"),
        ({"seeds": [-1]}, "a seed must be 0 or more, given -1"),
        ({"min_lengths": [5]}, "minimum length 5, maximum length 5"),
    ],
)
def test_values_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(TREE, **options)


def test_one_seed_per_sentence() -> None:
    with pytest.raises(ValueError, match="1 sentences but 2 seeds"):
        draw(TREE, [1, 2], max_lengths=[5])


def test_a_model_that_answers_nan() -> None:
    with pytest.raises(Seq2SeqError, match="answered NaN at step 1"):
        draw(lambda sentence, history: [math.nan] * VOCABULARY)


@pytest.mark.parametrize("options", [{}, {"top_k": 2}, {"top_p": 0.5}])
def test_a_sentence_where_nothing_can_be_drawn(options: dict[str, object]) -> None:
    with pytest.raises(Seq2SeqError, match="sentence 2 of the batch has no hypothesis"):
        draw(lengths_by_sentence(3, 0), [1, 2], min_lengths=[0, 1], **options)
