"""Beam and greedy search over tables: known best paths, exhaustive search, and a slow search written out plainly."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.search.beam import beam_search
from seq2seq.search.penalty import PENALTIES, LengthPenalty
from seq2seq.search.ranking import topk, topk_of_sums
from seq2seq.search.stepping import Hypothesis, SearchState, Step, StepFunction

BOS, EOS, A, B, C = 2, 3, 4, 5, 6
VOCABULARY = 7
SOURCE = 11  # attention weights: the sentence, then the tokens read, latest first, then -1
AVERAGE, NONE = LengthPenalty("average"), LengthPenalty("none")
INF = math.inf

LogProbs = Callable[[int, tuple[int, ...]], list[float]]


@dataclass(frozen=True)
class Walk:
    """A state that carries the whole history of every slot, so that a wrong reordering shows element by element."""

    history: Tensor  # [sentences, beam, steps]
    sentence: Tensor  # [sentences]: what a model would keep once per sentence

    def select(self, parents: Tensor) -> "Walk":
        index = parents[:, :, None].expand(-1, -1, self.history.shape[2])
        return Walk(self.history.gather(1, index), self.sentence)

    def keep(self, sentences: Tensor) -> "Walk":
        return Walk(self.history[sentences], self.sentence[sentences])


def start(sentences: Sequence[int]) -> Walk:
    return Walk(torch.zeros(len(sentences), 1, 0, dtype=torch.long), torch.tensor(sentences, dtype=torch.long))


def look(sentence: int, history: Sequence[int]) -> list[float]:
    """Attention weights that tell which sentence and history they belong to."""
    seen = [sentence, *reversed(history)][:SOURCE]
    return [float(number) for number in seen] + [-1.0] * (SOURCE - len(seen))


@dataclass
class Table:
    """A step function from log-probabilities by sentence and history; `calls` are the shapes that it was asked for."""

    log_probs: LogProbs
    dtype: torch.dtype = torch.float64
    calls: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, tokens: Tensor, state: Walk) -> Step[Walk]:
        assert tokens.shape == state.history.shape[:2]
        assert tokens.shape[0] == len(state.sentence)
        self.calls.append(tuple(tokens.shape))
        history = torch.cat([state.history, tokens[:, :, None]], dim=2)
        answers, weights = [], []
        for sentence, slots in zip(state.sentence.tolist(), history.tolist(), strict=True):
            answers.append([self.log_probs(sentence, tuple(read[1:])) for read in slots])
            weights.append([look(sentence, read) for read in slots])
        return Step(torch.tensor(answers, dtype=self.dtype), torch.tensor(weights), Walk(history, state.sentence))


def tree(probs: dict[tuple[int, ...], dict[int, float]]) -> LogProbs:
    """The same table for every sentence, by hand: probabilities by history; those not given are 0."""

    def log_probs(sentence: int, history: tuple[int, ...]) -> list[float]:
        row = probs.get(history, {EOS: 1.0})
        return [math.log(row[token]) if token in row else -INF for token in range(VOCABULARY)]

    return log_probs


def random_table(seed: int, levels: int = 0, vocabulary: int = VOCABULARY) -> LogProbs:
    """Log-probabilities at random for every sentence and history; with few levels, many are exactly equal."""
    known: dict[tuple[int, ...], list[float]] = {}

    def log_probs(sentence: int, history: tuple[int, ...]) -> list[float]:
        key = (sentence, *history)
        if key not in known:
            number = 1 + seed
            for part in key:
                number = (number * 1_000_003 + part + 17) % (2**61 - 1)
            generator = torch.Generator().manual_seed(number % 2**32)
            logits = 2 * torch.randn(vocabulary, generator=generator, dtype=torch.float64)
            if levels:
                logits = torch.randint(levels, (vocabulary,), generator=generator).double()
            known[key] = logits.log_softmax(0).tolist()
        return known[key]

    return log_probs


def search(
    log_probs: LogProbs | Table, sentences: Sequence[int] = (0,), beam_size: int = 2, length: int = 5, **options: object
) -> list[list[Hypothesis]]:
    table = log_probs if isinstance(log_probs, Table) else Table(log_probs)
    settings = {"max_lengths": [length] * len(sentences)} | options
    return beam_search(
        table, start(sentences), sentences=len(sentences), beam_size=beam_size, bos=BOS, eos=EOS, **settings
    )


def plain(hypotheses: Sequence[Hypothesis]) -> list[tuple[object, ...]]:
    """Everything that a hypothesis is, to compare with ==."""
    return [(h.tokens, h.log_prob, h.score, h.finished, h.weights.tolist()) for h in hypotheses]


def assert_weights(hypothesis: Hypothesis, sentence: int) -> None:
    """Each row of weights was computed for this sentence, after the tokens before it."""
    length = len(hypothesis.tokens) + hypothesis.finished
    assert hypothesis.weights.shape == (length, SOURCE)
    expected = [look(sentence, [BOS, *hypothesis.tokens[:step]]) for step in range(length)]
    assert hypothesis.weights.tolist() == expected


def reference_search(
    log_probs: LogProbs,
    sentence: int,
    *,
    beam_size: int,
    most: int,
    least: int = 0,
    penalty: LengthPenalty = AVERAGE,
    forbidden: Sequence[int] = (),
) -> list[tuple[list[int], float, float, bool]]:
    """Beam search for one sentence as one would say it, without any early exit: (tokens, log_prob, score, finished)."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[tuple[list[int], float, float, bool]] = []
    for length in range(1, most + 1):
        grown = [
            (history, log_prob + more, token)
            for history, log_prob in live
            for token, more in enumerate(log_probs(sentence, history))
            if token not in forbidden and not (token == EOS and length <= least)
        ]
        grown = [one for one in grown if one[1] > -INF]
        grown.sort(
            key=lambda one: -one[1]
        )  # stable: of equal ones, the lower slot and then the lower token stays first
        grown = grown[: beam_size - len(finished)]
        finished += [(list(h), total, total / penalty(length), True) for h, total, token in grown if token == EOS]
        live = [((*history, token), total) for history, total, token in grown if token != EOS]
    cut = [(list(history), total, total / penalty(most), False) for history, total in live]
    return sorted(finished, key=lambda one: -one[2]) + sorted(cut, key=lambda one: -one[2])


# Known best paths


GARDEN_PATH = tree(
    {
        (): {A: 0.6, B: 0.4},
        (A,): {A: 0.5, C: 0.4, B: 0.1},
        (B,): {C: 0.9, EOS: 0.1},
    }
)


def test_greedy_takes_the_garden_path_and_a_beam_of_two_does_not() -> None:
    (greedy,) = search(GARDEN_PATH, beam_size=1)[0]
    (best,) = search(GARDEN_PATH, beam_size=2)[0]
    assert (greedy.tokens, greedy.log_prob) == ([A, A], pytest.approx(math.log(0.6 * 0.5)))
    assert (best.tokens, best.log_prob) == ([B, C], pytest.approx(math.log(0.4 * 0.9)))
    assert best.score == pytest.approx(math.log(0.36) / 3)
    assert best.finished


def test_the_search_goes_on_after_the_first_end() -> None:
    """Pitfall 10: the end comes first, but under the penalty a longer hypothesis scores higher."""
    table = tree({(): {EOS: 0.6, A: 0.4}, (A,): {B: 1.0}, (A, B): {C: 1.0}})
    assert [h.tokens for h in search(table, nbest=2)[0]] == [[A, B, C], []]
    assert [h.tokens for h in search(table, nbest=2, length_penalty=NONE)[0]] == [[], [A, B, C]]
    assert [h.tokens for h in search(table)[0]] == [[A, B, C]]


def test_a_finished_hypothesis_takes_its_slot_along() -> None:
    """With two slots, one ended, B goes on alone: A C, the third best after two steps, is not found."""
    table = tree({(): {EOS: 0.4, A: 0.35, B: 0.25}, (A,): {A: 0.6, C: 0.4}})
    assert [h.tokens for h in search(table, nbest=2, length_penalty=NONE)[0]] == [[], [A, A]]
    assert [h.tokens for h in search(table, beam_size=3, nbest=3, length_penalty=NONE)[0]] == [[], [B], [A, A]]


@pytest.mark.parametrize(
    ("kind", "alpha", "length", "expected"),
    [
        ("average", 1.0, 4, 4.0),
        ("average", 0.5, 9, 3.0),
        ("gnmt", 1.0, 7, 2.0),
        ("gnmt", 2.0, 1, 1.0),
        ("gnmt", 2.0, 7, 4.0),
        ("none", 1.0, 7, 1.0),
    ],
)
def test_penalty_by_hand(kind: str, alpha: float, length: int, expected: float) -> None:
    """Pitfall 13: the formulas, pinned."""
    assert LengthPenalty(kind, alpha)(length) == pytest.approx(expected)


@pytest.mark.parametrize("kind", sorted(PENALTIES))
def test_the_score_counts_the_end(kind: str) -> None:
    """Pitfall 13: two tokens and the end: length 3. Cut before the end: length 2."""
    table = tree({(): {A: 0.5, B: 0.5}, (A,): {B: 0.5}, (A, B): {EOS: 0.25}})
    penalty = LengthPenalty(kind, 0.7)
    (whole,) = search(table, beam_size=1, length_penalty=penalty)[0]
    (cut,) = search(table, beam_size=1, length_penalty=penalty, length=2)[0]
    assert (whole.tokens, whole.score) == ([A, B], pytest.approx(math.log(0.0625) / penalty(3)))
    assert (cut.tokens, cut.score) == ([A, B], pytest.approx(math.log(0.25) / penalty(2)))


@pytest.mark.parametrize("kind", sorted(PENALTIES))
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.5])
def test_no_penalty_falls_with_the_length(kind: str, alpha: float) -> None:
    penalties = [LengthPenalty(kind, alpha)(length) for length in range(1, 60)]
    assert penalties == sorted(penalties)


def test_maximum_length_without_an_end() -> None:
    """Pitfall 12: returned, flagged unfinished, scored."""
    table = tree({(A,) * length: {A: 0.8, B: 0.2} for length in range(9)})
    (best,) = search(table, beam_size=1, length=4)[0]
    assert (best.tokens, best.finished) == ([A] * 4, False)
    assert best.log_prob == pytest.approx(4 * math.log(0.8))
    assert_weights(best, 0)


def test_finished_hypotheses_come_before_unfinished_ones() -> None:
    """[B] ends and scores log 0.2 / 2; A A A is cut and scores log 0.8 / 3, which is higher."""
    table = tree({(): {A: 0.8, B: 0.2}, (A,): {A: 1.0}, (A, A): {A: 1.0}})
    found = search(table, nbest=2, length=3)[0]
    assert [(h.tokens, h.finished) for h in found] == [([B], True), ([A, A, A], False)]
    assert found[0].score < found[1].score


@pytest.mark.parametrize("least", [0, 1, 3])
def test_minimum_length(least: int) -> None:
    table = tree({(A,) * length: {EOS: 0.9, A: 0.1} for length in range(9)})
    (best, *_) = search(table, min_lengths=[least], length_penalty=NONE)[0]
    assert best.tokens == [A] * least
    assert best.log_prob == pytest.approx(math.log(0.9 * 0.1**least))


def test_lengths_are_each_sentences_own() -> None:
    table = tree({(A,) * length: {EOS: 0.3, A: 0.7} for length in range(9)})
    found = search(table, [0, 1, 2], 1, max_lengths=[2, 5, 4], min_lengths=[0, 1, 3])
    assert [(group[0].tokens, group[0].finished) for group in found] == [
        ([A] * 2, False),
        ([A] * 5, False),
        ([A] * 4, False),
    ]
    ends = tree({(A,) * length: {EOS: 0.7, A: 0.3} for length in range(9)})
    found = search(ends, [0, 1, 2], 1, max_lengths=[2, 5, 4], min_lengths=[0, 1, 3])
    assert [(group[0].tokens, group[0].finished) for group in found] == [([], True), ([A], True), ([A] * 3, True)]


def test_forbidden_tokens_are_not_produced_and_nothing_is_renormalised() -> None:
    found = search(GARDEN_PATH, beam_size=3, nbest=3, forbidden=[0, A])[0]
    assert not any(A in hypothesis.tokens for hypothesis in found)
    best = found[0]
    assert (best.tokens, best.log_prob) == ([B, C], pytest.approx(math.log(0.4 * 0.9)))


def test_equal_log_probs_are_taken_in_order() -> None:
    """All tokens are alike: the lower slot, then the lower token, goes first, whatever topk likes."""
    table = random_table(1, levels=1)
    found = search(table, beam_size=5, nbest=5, length=2, length_penalty=NONE, forbidden=[0, 1, BOS])[0]
    assert [h.tokens for h in found] == [[], [A], [A, A], [A, B], [A, C]]


def test_impossible_candidates_are_no_tie() -> None:
    """Else the slow way would be taken at every step of a short beam."""
    numbers = torch.tensor([[-1.0, -INF, -3.0, -INF, -2.0], [-5.0, -INF, -INF, -INF, -4.0]])
    values, indices, tied = topk(numbers, 3)
    assert values.tolist() == [[-1.0, -2.0, -3.0], [-4.0, -5.0, -INF]]
    assert (indices[0].tolist(), indices[1, :2].tolist()) == ([0, 4, 2], [4, 0])
    assert not tied.any()
    assert topk(torch.tensor([[-1.0, -3.0, -2.0, -3.0]]), 3)[2]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), width=st.integers(1, 400), levels=st.sampled_from([0, 2, 50]), count=st.integers(1, 7)
)
def test_sums_are_ranked_as_if_all_were_made(seed: int, width: int, levels: int, count: int) -> None:
    """Of rows that groups share, with ties, impossible ones and empty members."""
    draw = torch.Generator().manual_seed(seed)
    numbers = torch.randn(9, width, generator=draw)
    if levels:
        numbers = torch.randint(levels, (9, width), generator=draw).float()
    numbers[torch.rand(9, width, generator=draw) < 0.2] = -INF
    offsets = torch.randint(3, (4, 3), generator=draw).float()
    offsets[torch.rand(4, 3, generator=draw) < 0.3] = -INF
    rows = torch.randint(9, (4, 3), generator=draw)
    everything = (numbers[rows] + offsets[:, :, None]).flatten(1)
    count = min(count, everything.shape[1])
    values, indices, tied = topk_of_sums(offsets, numbers, rows, count)
    plain, _, expected = topk(everything, count)
    assert torch.equal(values, plain)
    assert torch.equal(tied, expected)
    assert torch.equal(everything.gather(1, indices), values)
    assert 0 <= int(indices.min()) <= int(indices.max()) < everything.shape[1]
    for row, possible in zip(indices.tolist(), values.isfinite().tolist(), strict=True):
        chosen = [index for index, is_one in zip(row, possible, strict=True) if is_one]
        assert len(set(chosen)) == len(chosen)


@pytest.mark.parametrize("width", [65, 100, 127])
def test_the_index_of_an_impossible_candidate_lies_within_its_row(width: int) -> None:
    """Where fewer are possible than are wanted: else its token would be none, and its parent no slot."""
    numbers = torch.full((2, width), -INF)
    numbers[0, 3] = -1
    values, indices, _ = topk_of_sums(torch.tensor([[0.0, -INF]]), numbers, torch.tensor([[0, 1]]), 2 * width)
    assert int(values.isfinite().sum()) == 1
    assert 0 <= int(indices.min()) <= int(indices.max()) < 2 * width
    indices = topk_of_sums(torch.tensor([[0.0]]), numbers, torch.tensor([[1]]), width).indices
    assert 0 <= int(indices.min()) <= int(indices.max()) < width


@pytest.mark.parametrize("width", [65, 127, 129])
def test_a_block_ends_with_its_row(width: int) -> None:
    """The last number of a row, its highest, is found once, though its block is not full."""
    numbers = torch.zeros(1, width)
    numbers[0, -1] = 1
    found = topk_of_sums(torch.zeros(1, 1), numbers, torch.tensor([[0]]), 3)
    assert found.values.tolist() == [[1, 0, 0]]
    assert found.indices[0, 0] == width - 1


def test_a_ranking_shows_what_is_no_number() -> None:
    numbers = torch.zeros(2, 300)
    numbers[1, 290] = math.nan
    assert topk_of_sums(torch.zeros(1, 2), numbers, torch.tensor([[0, 1]]), 2).values.isnan().any()


class Ragged(Table):
    """Answers for the slots that are taken alone, and refuses to know of others."""

    empty = 0

    def __call__(self, tokens: Tensor, state: Walk) -> Step[Walk]:
        answer = super().__call__(tokens, state)
        taken = (tokens.flatten() >= 0).nonzero().squeeze(1)
        self.empty += tokens.numel() - len(taken)
        return replace(answer, log_probs=answer.log_probs.flatten(0, 1)[taken], slots=taken)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([0, 3]), beam_size=st.integers(1, 4))
def test_a_step_may_answer_for_the_taken_slots_alone(seed: int, levels: int, beam_size: int) -> None:
    table, options = random_table(seed, levels), {"beam_size": beam_size, "nbest": beam_size, "length": 6}
    ragged = Ragged(table)
    expected = search(Table(table), range(5), min_lengths=[0, 3, 1, 0, 2], forbidden=[0], **options)
    found = search(ragged, range(5), min_lengths=[0, 3, 1, 0, 2], forbidden=[0], **options)
    assert list(map(plain, found)) == list(map(plain, expected))


def test_empty_slots_are_told() -> None:
    """Else every step would work on them: in this search a third of all."""
    ragged = Ragged(random_table(3))
    search(ragged, range(40), beam_size=4, length=6)
    slots = sum(math.prod(shape) for shape in ragged.calls)
    assert 0.2 * slots < ragged.empty < 0.5 * slots


# Against exhaustive and plain search


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(sorted(PENALTIES)), alpha=st.floats(0, 2))
def test_a_beam_as_wide_as_the_space_is_exhaustive_search(seed: int, kind: str, alpha: float) -> None:
    """Pitfall 9: nothing is missed, whatever the penalty."""
    table, most, penalty = random_table(seed), 3, LengthPenalty(kind, alpha)
    words = [A, B, C, 0, 1, BOS]
    everything = []
    for length in range(most + 1):
        for tokens in itertools.product(words, repeat=length):
            produced = [*tokens, EOS] if length < most else list(tokens)
            total = sum(table(0, tokens[:step])[token] for step, token in enumerate(produced))
            everything.append((length == most, -total / penalty(len(produced)), list(tokens)))
    everything.sort()
    space = len(everything)
    assert space == 1 + 6 + 36 + 216
    found = search(table, beam_size=space, nbest=13, length=most, length_penalty=penalty)[0]
    assert [h.tokens for h in found] == [tokens for _, _, tokens in everything[:13]]
    assert [-h.score for h in found] == pytest.approx([score for _, score, _ in everything[:13]])


@st.composite
def cases(draw: st.DrawFn) -> dict[str, object]:
    sentences = draw(st.integers(1, 3))
    beam_size = draw(st.sampled_from([1, 2, 3, 5, 11]))
    least = [draw(st.integers(0, 2)) for _ in range(sentences)]
    return {
        "table": random_table(draw(st.integers(0, 10**6)), levels=draw(st.sampled_from([0, 0, 1, 2, 3]))),
        "sentences": draw(st.permutations([3, 5, 8]))[:sentences],
        "beam_size": beam_size,
        "nbest": draw(st.integers(1, beam_size)),
        "least": least,
        "most": [1 + shortest + draw(st.integers(0, 4)) for shortest in least],
        "penalty": LengthPenalty(draw(st.sampled_from(sorted(PENALTIES))), draw(st.sampled_from([0.0, 0.6, 1.0, 2.0]))),
        "forbidden": draw(st.sampled_from([(), (0, BOS), (A,)])),
    }


@settings(max_examples=100, deadline=None)
@given(case=cases(), early_exit=st.booleans())
def test_equals_the_plain_search(case: dict, early_exit: bool) -> None:
    """Pitfalls 8 to 12: ties and all, with the early exit or without; attention weights stay with their hypothesis."""
    found = search(
        case["table"],
        case["sentences"],
        case["beam_size"],
        max_lengths=case["most"],
        min_lengths=case["least"],
        nbest=case["nbest"],
        length_penalty=case["penalty"],
        forbidden=case["forbidden"],
        early_exit=early_exit,
    )
    for sentence, most, least, group in zip(case["sentences"], case["most"], case["least"], found, strict=True):
        expected = reference_search(
            case["table"],
            sentence,
            beam_size=case["beam_size"],
            most=most,
            least=least,
            penalty=case["penalty"],
            forbidden=case["forbidden"],
        )
        assert [(h.tokens, h.log_prob, h.finished) for h in group] == [
            (tokens, log_prob, finished) for tokens, log_prob, _, finished in expected[: case["nbest"]]
        ]
        assert [h.score for h in group] == pytest.approx([score for _, _, score, _ in expected[: case["nbest"]]])
        for hypothesis in group:
            assert_weights(hypothesis, sentence)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), beam_size=st.sampled_from([2, 3, 5, 7]))
def test_the_n_best_are_distinct_sorted_and_end_once(seed: int, beam_size: int) -> None:
    """Pitfall 11: nothing after the end, nothing twice, the best first."""
    found = search(random_table(seed), [2, 3, 5], beam_size, 7, nbest=beam_size)
    for group in found:
        assert 1 <= len(group) <= beam_size
        assert len({(tuple(h.tokens), h.finished) for h in group}) == len(group)
        assert [(not h.finished, -h.score) for h in group] == sorted((not h.finished, -h.score) for h in group)
        for hypothesis in group:
            assert EOS not in hypothesis.tokens
            assert hypothesis.finished or len(hypothesis.tokens) == 7


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    """Pitfall 9: the most probable token at each step, written out."""
    table = random_table(seed)
    found = search(table, [5, 3], 1, max_lengths=[7, 6])
    for sentence, most, (hypothesis,) in zip([5, 3], [7, 6], found, strict=True):
        tokens: list[int] = []
        while len(tokens) < most and EOS not in tokens:
            row = table(sentence, tuple(tokens))
            tokens.append(row.index(max(row)))
        assert hypothesis.tokens == [token for token in tokens if token != EOS]
        assert hypothesis.finished == (EOS in tokens)


# Batches


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    order=st.permutations(range(5)),
    beam_size=st.sampled_from([1, 2, 5]),
    levels=st.sampled_from([0, 2]),
)
def test_the_batch_changes_nothing(seed: int, order: list[int], beam_size: int, levels: int) -> None:
    """Pitfall 2: ties and all, whatever the order of the sentences."""
    table, lengths = random_table(seed, levels), [1, 2, 5, 7, 9]
    options = {"beam_size": beam_size, "nbest": beam_size}
    alone = [plain(search(table, [number], length=lengths[number], **options)[0]) for number in order]
    together = search(table, order, max_lengths=[lengths[number] for number in order], **options)
    assert [plain(group) for group in together] == alone


def lengths_by_sentence(*lengths: int) -> LogProbs:
    """Sentence i produces lengths[i] times A, then ends, with certainty."""

    def log_probs(sentence: int, history: tuple[int, ...]) -> list[float]:
        certain = EOS if len(history) == lengths[sentence] else A
        return [0.0 if token == certain else -INF for token in range(VOCABULARY)]

    return log_probs


def test_finished_sentences_leave_the_batch_and_empty_slots_are_not_computed() -> None:
    table = Table(lengths_by_sentence(2, 0, 3, 2))
    found = search(table, [0, 1, 2, 3], beam_size=5, length=13)
    assert [len(group[0].tokens) for group in found] == [2, 0, 3, 2]
    assert table.calls == [(4, 1), (3, 1), (3, 1), (1, 1)]


def test_the_beam_narrows_as_hypotheses_finish() -> None:
    """Three ways on after the first step; at each later step one of them ends."""
    table = Table(
        tree(
            {
                (): {A: 0.5, B: 0.3, C: 0.2},
                (A,): {A: 1.0},
                (B,): {A: 1.0},
                (A, A): {A: 1.0},
                (B, A): {EOS: 1.0},
                (A, A, A): {EOS: 1.0},
            }
        )
    )
    assert len(search(table, beam_size=3, nbest=3)[0]) == 3
    assert [beam for _, beam in table.calls] == [1, 3, 2, 1]


def test_the_early_exit_saves_steps() -> None:
    """After the end at 0.9, nothing that starts with 0.1 can win without a penalty."""
    probs = tree({(A,) * length: {A: 1.0} for length in range(1, 9)} | {(): {EOS: 0.9, A: 0.1}})
    quick, thorough = Table(probs), Table(probs)
    first = search(quick, length=7, length_penalty=NONE)
    second = search(thorough, length=7, length_penalty=NONE, early_exit=False)
    assert (len(quick.calls), len(thorough.calls)) == (1, 7)
    assert [plain(group) for group in first] == [plain(group) for group in second]


def test_the_early_exit_knows_whose_maximum_length_it_is() -> None:
    """Pitfalls 2 and 10: [A] scores log 0.6 / 2, and A B C beats it, at length 4: not within the other sentence's 1."""
    table = tree({(): {A: 1.0}, (A,): {EOS: 0.6, B: 0.4}, (A, B): {C: 1.0}})
    found = search(table, [0, 1], max_lengths=[1, 7])
    assert [group[0].tokens for group in found] == [[A], [A, B, C]]


def test_no_sentences() -> None:
    table = Table(GARDEN_PATH)
    assert search(table, []) == []
    assert table.calls == []


def test_single_precision_sums_of_half_precision_steps() -> None:
    """In half precision a sum of 40 steps would be off by whole nats."""

    def log_probs(sentence: int, history: tuple[int, ...]) -> list[float]:
        return [-10.0] * A + [-0.296875, -3.0, -3.0]

    table = Table(log_probs, dtype=torch.bfloat16)
    (best,) = search(table, beam_size=1, length=41)[0]
    assert best.tokens == [A] * 41
    assert best.log_prob == pytest.approx(-0.296875 * 41, rel=1e-5)


def test_the_weights_do_not_hold_on_to_the_batch() -> None:
    for (best,) in search(GARDEN_PATH, [3, 5]):
        assert best.weights.untyped_storage().nbytes() == best.weights.numel() * best.weights.element_size()


def test_the_protocols_fit() -> None:
    assert isinstance(start([0]), SearchState)
    assert isinstance(Table(GARDEN_PATH), StepFunction)


# Bad arguments and broken models


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam size must be 1 or more .*given 0"),
        ({"beam_size": -2}, "beam size must be 1 or more .*given -2"),
        ({"nbest": 0}, "n-best must lie between 1 and the beam size 2, given 0"),
        ({"nbest": 3}, "n-best must lie between 1 and the beam size 2, given 3; raise the beam size"),
        ({"max_lengths": [0]}, "sentence 1 of the batch: minimum length 0, maximum length 0"),
        ({"min_lengths": [-1]}, "sentence 1 of the batch: minimum length -1, maximum length 5"),
        ({"min_lengths": [5]}, "minimum length 5, maximum length 5; the minimum must be 0 or more and below"),
    ],
)
def test_values_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        search(GARDEN_PATH, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_lengths": [5, 5]}, "1 sentences but 2 lengths"),
        ({"min_lengths": [1, 1]}, "2 minima but 1 maxima"),
        ({"forbidden": [0, EOS]}, r"the end token \(3\) cannot be forbidden"),
    ],
)
def test_mistakes_of_the_caller(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(GARDEN_PATH, **options)


@pytest.mark.parametrize(
    ("kind", "alpha", "message"),
    [
        ("avrage", 1.0, "'avrage' is unknown; did you mean 'average'\\? allowed: average, gnmt, none"),
        ("gnmt", -0.1, "alpha must lie between 0 and 10, given -0.1"),
        ("gnmt", 11.0, "alpha must lie between 0 and 10, given 11"),
        ("average", math.nan, "alpha must lie between 0 and 10, given nan"),
    ],
)
def test_bad_penalties(kind: str, alpha: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LengthPenalty(kind, alpha)


def test_a_penalty_needs_a_length() -> None:
    with pytest.raises(ValueError, match="given length 0"):
        AVERAGE(0)


def test_a_model_that_answers_nan() -> None:
    def log_probs(sentence: int, history: tuple[int, ...]) -> list[float]:
        return [math.nan if len(history) == 2 and sentence == 1 else -1.0] * VOCABULARY

    with pytest.raises(Seq2SeqError, match="answered NaN at step 3"):
        search(log_probs, [0, 1], forbidden=[EOS + 1], length_penalty=AVERAGE, min_lengths=[4, 4])


def test_a_sentence_without_hypothesis() -> None:
    with pytest.raises(Seq2SeqError, match="sentence 2 of the batch has no hypothesis"):
        search(lengths_by_sentence(3, 0), [0, 1], min_lengths=[0, 1])
