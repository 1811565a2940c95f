"""Rules on what a search writes, against the same rules in plain Python, over tables and over models."""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import EVERY
from test_beam import (
    BOS,
    EOS,
    VOCABULARY,
    A,
    B,
    C,
    LogProbs,
    Ragged,
    Table,
    assert_weights,
    plain,
    random_table,
    search,
    tree,
)
from test_sampling import draw
from test_shortlist import drawn
from test_translator import TARGETS, close, make_config, sentences, tiny

from seq2seq import Translator
from seq2seq.bulk.layout import Layout
from seq2seq.config import TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.search.avoidance import Avoidance
from seq2seq.search.penalty import PENALTIES, LengthPenalty
from seq2seq.search.rules import Rules
from seq2seq.search.stepping import Step
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers

Found = tuple[list[int], float, float, bool]  # tokens, log_prob, score, finished


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def ngrams(tokens: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[place : place + size]) for place in range(len(tokens) - size + 1)]


def ruled(row: Sequence[float], written: Sequence[int], rules: Rules) -> list[float]:
    """What the rules make of a model's log-probabilities after these tokens, as their definitions say it."""
    made = list(row)
    for token in range(len(row)):
        if token in written:
            made[token] *= rules.repetition_penalty
        longer = ngrams([*written, token], rules.no_repeat_ngram) if rules.no_repeat_ngram else []
        if longer and longer[-1] in longer[:-1]:
            made[token] = -math.inf
    return made


def reference(
    log_probs: LogProbs,
    sentence: int,
    rules: Rules,
    *,
    beam_size: int,
    most: int,
    least: int = 0,
    penalty: LengthPenalty = LengthPenalty(),  # noqa: B008  # frozen
    forbidden: Sequence[int] = (),
    prefix: Sequence[int] = (),
) -> list[Found]:
    """Beam search for one sentence under rules, without any early exit."""
    live: list[tuple[tuple[int, ...], float, float]] = [((), 0.0, 0.0)]
    finished: list[Found] = []
    for length in range(1, most + 1):
        grown = []
        for history, by_rules, by_model in live:
            row = log_probs(sentence, history)
            made = ruled(row, history, rules)
            for token in range(len(row)):
                if length <= len(prefix):
                    if token == prefix[length - 1]:
                        grown.append((history, by_rules + row[token], by_model + row[token], token))
                    continue
                if token in forbidden or (token == EOS and length <= least) or made[token] == -math.inf:
                    continue
                grown.append((history, by_rules + made[token], by_model + row[token], token))
        grown.sort(key=lambda one: -one[1])
        grown = grown[: beam_size - len(finished)]
        finished += [(list(h), model, s / penalty(length), True) for h, s, model, token in grown if token == EOS]
        live = [((*h, token), s, model) for h, s, model, token in grown if token != EOS]
    cut = [(list(history), model, s / penalty(most), False) for history, s, model in live]
    return sorted(finished, key=lambda one: -one[2]) + sorted(cut, key=lambda one: -one[2])


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    sentences = draw(st.integers(1, 3))
    beam_size = draw(st.sampled_from([1, 2, 3, 5]))
    least = [draw(st.integers(0, 2)) for _ in range(sentences)]
    return {
        "table": random_table(draw(st.integers(0, 10**6)), levels=draw(st.sampled_from([0, 0, 2, 3]))),
        "sentences": draw(st.permutations([3, 5, 8]))[:sentences],
        "beam_size": beam_size,
        "nbest": draw(st.integers(1, beam_size)),
        "least": least,
        "most": [2 + shortest + draw(st.integers(0, 5)) for shortest in least],
        "penalty": LengthPenalty(draw(st.sampled_from(sorted(PENALTIES))), draw(st.sampled_from([0.0, 0.6, 1.0]))),
        "rules": {
            "no_repeat_ngram": draw(st.sampled_from([0, 1, 2, 3])),
            "repetition_penalty": draw(st.sampled_from([1.0, 1.5, 3.0])),
        },
    }


def assert_same(found: Sequence[Any], expected: Sequence[Found]) -> None:
    assert [(h.tokens, h.finished) for h in found] == [(tokens, finished) for tokens, _, _, finished in expected]
    assert [h.log_prob for h in found] == pytest.approx([log_prob for _, log_prob, _, _ in expected])
    assert [h.score for h in found] == pytest.approx([score for _, _, score, _ in expected])


@settings(max_examples=100, deadline=None)
@given(case=cases(), early_exit=st.booleans())
def test_rules_equal_the_plain_search(case: dict[str, Any], early_exit: bool) -> None:
    """Pitfalls 7 to 13: scores are by the rules, log_probs by the model, and weights follow their hypothesis."""
    found = search(
        case["table"],
        case["sentences"],
        case["beam_size"],
        max_lengths=case["most"],
        min_lengths=case["least"],
        nbest=case["nbest"],
        length_penalty=case["penalty"],
        forbidden=(0, BOS),
        rules=Rules(**case["rules"]),
        early_exit=early_exit,
    )
    for sentence, most, least, group in zip(case["sentences"], case["most"], case["least"], found, strict=True):
        options = {"beam_size": case["beam_size"], "most": most, "least": least, "penalty": case["penalty"]}
        expected = reference(case["table"], sentence, Rules(**case["rules"]), forbidden=(0, BOS), **options)
        assert_same(group, expected[: case["nbest"]])
        for hypothesis in group:
            assert_weights(hypothesis, sentence)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1, 2]), factor=st.sampled_from([1.0, 1.3]))
def test_a_wide_beam_is_exhaustive_search_under_rules(seed: int, size: int, factor: float) -> None:
    """Every sequence that the rules allow, scored as they say."""
    table, most, rules = random_table(seed), 3, Rules(no_repeat_ngram=size, repetition_penalty=factor)
    everything = []
    for length in range(most + 1):
        for tokens in itertools.product([A, B, C], repeat=length):
            produced = [*tokens, EOS] if length < most else list(tokens)
            steps = [ruled(table(0, tokens[:step]), tokens[:step], rules) for step in range(len(produced))]
            total = sum(row[token] for row, token in zip(steps, produced, strict=True))
            if total > -math.inf:
                everything.append((length == most, -total / len(produced), list(tokens)))
    everything.sort()
    assert len(everything) == {1: 1 + 3 + 6 + 6, 2: 1 + 3 + 9 + 24}[size]
    found = search(table, beam_size=99, nbest=12, length=most, rules=rules, forbidden=(0, 1, BOS))[0]
    assert [h.tokens for h in found] == [tokens for _, _, tokens in everything[:12]]
    assert [-h.score for h in found] == pytest.approx([score for _, score, _ in everything[:12]])


def test_no_bigram_comes_twice_by_hand() -> None:
    """A B A may not go on with B."""
    table = tree({(): {A: 1.0}, (A,): {B: 1.0}, (A, B): {A: 1.0}, (A, B, A): {B: 0.9, C: 0.1}})
    assert [h.tokens for h in search(table, beam_size=1)[0]] == [[A, B, A, B]]
    (found,) = search(table, beam_size=1, rules=Rules(no_repeat_ngram=2))[0]
    assert (found.tokens, found.log_prob) == ([A, B, A, C], pytest.approx(math.log(0.1)))
    assert search(table, beam_size=1, rules=Rules(no_repeat_ngram=3))[0][0].tokens == [A, B, A, B]


def test_the_penalty_on_repetition_by_hand() -> None:
    """0.6 squared is 0.36, below 0.4; the log_prob that is reported is the model's."""
    table = tree({(): {A: 1.0}, (A,): {A: 0.6, B: 0.4}})
    assert search(table, beam_size=1)[0][0].tokens == [A, A]
    (found,) = search(table, beam_size=1, rules=Rules(repetition_penalty=2.0))[0]
    assert (found.tokens, found.log_prob) == ([A, B], pytest.approx(math.log(0.4)))
    (kept,) = search(table, beam_size=1, rules=Rules(repetition_penalty=1.1))[0]
    assert (kept.tokens, kept.log_prob) == ([A, A], pytest.approx(math.log(0.6)))
    assert kept.score == pytest.approx(1.1 * math.log(0.6) / 3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)), beam_size=st.sampled_from([1, 2, 5]))
def test_rules_do_not_let_the_batch_in(seed: int, order: list[int], beam_size: int) -> None:
    """Pitfall 2: bit for bit, whatever the order and number of the sentences."""
    table, lengths = random_table(seed, levels=2), [1, 2, 5, 7, 9]
    options: dict[str, Any] = {"beam_size": beam_size, "nbest": beam_size}
    options["rules"] = Rules(no_repeat_ngram=2, repetition_penalty=1.7)
    alone = [plain(search(table, [number], length=lengths[number], **options)[0]) for number in order]
    together = search(table, order, max_lengths=[lengths[number] for number in order], **options)
    assert [plain(group) for group in together] == alone


def test_rules_fit_a_step_that_answers_for_taken_slots_alone() -> None:
    table = random_table(7)
    rules = Rules(no_repeat_ngram=2, repetition_penalty=1.7)
    everything = search(table, [3, 5, 8], 5, 9, rules=rules, nbest=5)
    ragged = search(Ragged(table), [3, 5, 8], 5, 9, rules=rules, nbest=5)
    assert [plain(group) for group in ragged] == [plain(group) for group in everything]


class Few(Table):
    """Answers for some tokens of each sentence alone, as with a shortlist, padded to one width."""

    choices = ((EOS, A, C), (EOS, A, B, C, 1))

    def __call__(self, tokens: torch.Tensor, state: Any) -> Step[Any]:
        answer = super().__call__(tokens, state)
        rows = [self.choices[sentence % 2] for sentence in state.sentence.tolist()]
        narrow = torch.full((*answer.log_probs.shape[:2], 5), -math.inf, dtype=answer.log_probs.dtype)
        columns = torch.zeros(len(rows), 5, dtype=torch.long)
        for row, allowed in enumerate(rows):
            narrow[row, :, : len(allowed)] = answer.log_probs[row][:, list(allowed)]
            columns[row, : len(allowed)] = torch.tensor(allowed)
        return Step(narrow, answer.weights, answer.state, columns)


def test_rules_are_about_tokens_not_columns() -> None:
    """Pitfall 26: with a few tokens for each sentence, as if the others had been forbidden."""
    table, rules = random_table(11), Rules(no_repeat_ngram=2, repetition_penalty=1.7)
    found = search(Few(table), [4, 5], 3, 6, rules=rules, nbest=3)
    for sentence, group in zip([4, 5], found, strict=True):
        others = [token for token in range(VOCABULARY) if token not in Few.choices[sentence % 2]]
        assert_same(group, reference(table, sentence, rules, beam_size=3, most=6, forbidden=others)[:3])


def test_samples_follow_the_rules() -> None:
    """Pitfall 24: no bigram twice; a high penalty leaves no token twice while others remain; the model scores."""
    table = random_table(5)
    options: dict[str, Any] = {"length": 9, "count": 20, "forbidden": (0, 1, BOS), "min_lengths": [2, 2]}
    free = [h.tokens for group in draw(table, [1, 2], **options) for h in group]
    assert any(len(set(ngrams(tokens, 2))) < len(ngrams(tokens, 2)) for tokens in free)
    found = draw(table, [1, 2], rules=Rules(no_repeat_ngram=2), **options)
    for sentence, group in enumerate(found):
        for h in group:
            assert len(set(ngrams(h.tokens, 2))) == len(ngrams(h.tokens, 2))
            produced = [*h.tokens, EOS] if h.finished else h.tokens
            expected = sum(table(sentence, tuple(h.tokens[:step]))[token] for step, token in enumerate(produced))
            assert h.log_prob == pytest.approx(expected)
    strict = draw(table, [1, 2], rules=Rules(repetition_penalty=99.0), **(options | {"length": 4}))
    assert all(len(set(h.tokens)) == len(h.tokens) for group in strict for h in group)
    together = draw(table, [2, 1], sentences=[1, 0], rules=Rules(no_repeat_ngram=2), **options)
    assert [plain(group) for group in together[::-1]] == [plain(group) for group in found]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"no_repeat_ngram": -1}, "no_repeat_ngram must be 1 or more"),
        ({"repetition_penalty": 0.5}, r"penalty must lie between 1 \(no penalty\) and 100, given 0.5"),
        ({"repetition_penalty": 101.0}, "given 101"),
        ({"repetition_penalty": math.nan}, "given nan"),
    ],
)
def test_rules_out_of_range(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rules(**rules)


# ---------------------------------------------------------------------------------------------- models and their text

STEERED: dict[str, dict[str, Any]] = {
    "no repeated piece": {"no_repeat_ngram": 1},
    "prefixes": {"prefixes": ["the dog", "", "x", "中", "a man ", "", "☃", "is", "", "slee", "the café"]},
    "avoided": {"avoid": ("e", "t a", "is")},
    "three groups": {"diverse_groups": 3, "diversity": 9.0, "beam_size": 6},
    "constraints": {"constraints": [["the dog"], [], ["is", "run"], ["中"], [], [], ["sleep "], [], ["a"], ["e"], []]},
    "no repeated bigram, a penalty": {"no_repeat_ngram": 2, "repetition_penalty": 1.5},
}


def steer(name: str, rows: Sequence[int]) -> dict[str, Any]:
    """The options of STEERED for these of the texts; lists, unlike tuples, have one item for each text."""
    found = STEERED[name]
    return {key: [value[row] for row in rows] if isinstance(value, list) else value for key, value in found.items()}


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("name", STEERED)
@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_the_batch_changes_nothing_of_a_steered_search(
    pair: TokenizerPair, name: str, mechanism: str, wiring: tuple[str, bool], cell: str
) -> None:
    """Pitfalls 2 and 5: alone and in a shuffled batch: the same texts, in order, with the same numbers."""
    translator, texts = Translator([tiny(pair, mechanism, wiring, cell)]), sentences(11)
    alone = [translator.translate([text], **steer(name, [row]))[0] for row, text in enumerate(texts)]
    # The best of diverse translations may be the best one of all.
    assert name == "three groups" or not all(map(close, alone, translator.translate(texts)))
    order = random.Random(7).sample(range(len(texts)), len(texts))
    together = translator.translate([texts[row] for row in order], **steer(name, order))
    assert all(close(alone[row], found) for row, found in zip(order, together, strict=True))


@pytest.mark.parametrize("name", STEERED)
def test_steered_hypotheses_rescored(pair: TokenizerPair, name: str) -> None:
    """Pitfall 7: the log_prob of an ensemble's translation is what scoring says, whatever steered it."""
    translator, texts = Translator([tiny(pair, seed=1), tiny(pair, seed=2)]), sentences(11)
    steered = steer(name, range(11))
    found = [each for group in translator.translate_nbest(texts, 3, **steered) for each in group]
    scores = translator.score_tokens([each.source for each in found], [each.tokens for each in found])
    for translation, scored in zip(found, scores, strict=True):
        expected = scored.log_probs if translation.finished else scored.log_probs[:-1]
        assert translation.log_prob == pytest.approx(sum(expected), abs=1e-4)


@pytest.mark.parametrize("name", STEERED)
def test_a_steered_shortlist_does_not_feel_the_batch(pair: TokenizerPair, name: str) -> None:
    """Pitfalls 2 and 26."""
    translator, texts = Translator([tiny(pair)], [drawn(pair)]), sentences(11)
    alone = [translator.translate([text], shortlist=True, **steer(name, [row]))[0] for row, text in enumerate(texts)]
    together = translator.translate(texts, shortlist=True, **steer(name, range(11)))
    assert all(map(close, alone, together))


def test_no_piece_of_a_translation_comes_twice(pair: TokenizerPair) -> None:
    """Pitfall 20: the options reach the search and the sampling."""
    translator, texts = Translator([tiny(pair)]), sentences(11)
    free = translator.translate(texts, min_length=9)
    assert any(len(set(each.tokens)) < len(each.tokens) for each in free)
    for found in translator.translate(texts, no_repeat_ngram=1, min_length=9):
        assert len(set(found.tokens)) == len(found.tokens)
    for group in translator.sample(texts, count=2, no_repeat_ngram=1, min_length=9):
        assert all(len(set(each.tokens)) == len(each.tokens) for each in group)
    strict = translator.translate(texts, repetition_penalty=100.0, min_length=9)
    assert sum(len(set(each.tokens)) for each in strict) > sum(len(set(each.tokens)) for each in free)


# ------------------------------------------------------------------------------------------------------------ prefixes


@settings(max_examples=60, deadline=None)
@given(case=cases(), seed=st.integers(0, 10**6))
def test_prefixes_equal_the_plain_search(case: dict[str, Any], seed: int) -> None:
    """Every sentence has its own, some none; they may break the rules, and count at the model's log-probability."""
    random_one = random.Random(seed)
    prefixes = [
        random_one.choices([0, 1, A, B, C], k=random_one.randint(0, most - 1) * random_one.randint(0, 1))
        for most in case["most"]
    ]
    rules = Rules(**case["rules"], prefixes=prefixes)
    options = {key: case[key] for key in ("nbest",)} | {"length_penalty": case["penalty"], "forbidden": (0, BOS)}
    found = search(
        case["table"],
        case["sentences"],
        case["beam_size"],
        max_lengths=case["most"],
        min_lengths=case["least"],
        rules=rules,
        **options,
    )
    for row, (sentence, group) in enumerate(zip(case["sentences"], found, strict=True)):
        expected = reference(
            case["table"],
            sentence,
            rules,
            beam_size=case["beam_size"],
            most=case["most"][row],
            least=case["least"][row],
            penalty=case["penalty"],
            forbidden=(0, BOS),
            prefix=prefixes[row],
        )
        assert_same(group, expected[: case["nbest"]])


def test_a_prefix_goes_on_when_other_sentences_have_left() -> None:
    """The first of two sentences, of a prefix of its own, ends at its maximum length."""
    rules, table = Rules(prefixes=[[A], [B, C, B, A]]), random_table(3)
    found = search(table, [1, 2], max_lengths=[2, 6], rules=rules)
    assert found[0][0].tokens[:1] == [A]
    assert found[1][0].tokens[:4] == [B, C, B, A]


def test_a_prefix_by_hand() -> None:
    """The less likely B, then the best that follows it."""
    table = tree({(): {A: 0.6, B: 0.4}, (A,): {A: 0.9, C: 0.1}, (B,): {C: 0.7, EOS: 0.3}})
    (found,) = search(table, rules=Rules(prefixes=[[B]]))[0]
    assert (found.tokens, found.log_prob) == ([B, C], pytest.approx(math.log(0.4 * 0.7)))
    assert found.score == pytest.approx(math.log(0.4 * 0.7) / 3)
    (sampled,) = draw(table, [3], rules=Rules(prefixes=[[B, C]]))[0]
    assert (sampled.tokens, sampled.log_prob) == ([B, C], pytest.approx(math.log(0.4 * 0.7)))


PREFIXES = [
    "the dog",
    "",
    "x",
    "中",
    "a man does ",
    " not  sleep",
    "☃ 7",
    "is nice and green",
    "",
    "slee",
    "the café , q\u0301 ",
]


@pytest.mark.parametrize("options", [{}, {"max_length": 2}, {"shortlist": True}, {"no_repeat_ngram": 1}], ids=str)
def test_a_prefix_is_kept_to_the_letter(pair: TokenizerPair, options: dict[str, Any]) -> None:
    """Spaces, characters that the vocabulary lacks and all; words are those of the whole text."""
    translator, texts = Translator([tiny(pair)], [drawn(pair)]), sentences(11)
    for found, prefix in zip(translator.translate(texts, prefixes=PREFIXES, **options), PREFIXES, strict=True):
        assert found.text.startswith(prefix)
        assert found.prefix == prefix
        ids = pair.target.encode(prefix.rstrip())
        assert found.tokens[: len(ids)] == ids
        if "max_length" in options:
            assert len(found.tokens) + found.finished <= max(2, len(ids) + 1)
        assert len(found.target_words) == len(found.tokens)
        assert max(found.target_words, default=-1) < len(found.text.split())
    for group in translator.sample(texts, count=2, prefixes=PREFIXES):
        assert all(each.text.startswith(each.prefix) for each in group)


def test_a_space_ends_the_last_word_of_a_prefix(pair: TokenizerPair) -> None:
    """Without it the model may go on within the word; with it the next piece begins another, or ends."""
    translator, texts = Translator([tiny(pair)]), sentences(11)
    free = translator.translate(texts, prefixes=["the do"] * 11, min_length=9)
    length = len(pair.target.encode("the do"))
    assert any(not each.pieces[length].startswith("▁") for each in free)
    for found in translator.translate(texts, prefixes=["the do "] * 11, min_length=9):
        assert found.text.startswith("the do ")
        assert found.pieces[length].startswith("▁")
        assert found.text == "the do " + pair.target.decode(found.tokens).removeprefix("the do").removeprefix(" ")


def test_a_translation_as_its_own_prefix_gives_itself(pair: TokenizerPair) -> None:
    """With the same log_prob, where the tokenizer cuts the text as the search did."""
    translator, texts = Translator([tiny(pair)]), sentences(11)
    known = [each for each in translator.translate(texts) if each.finished]
    known = [each for each in known if pair.target.encode(each.text) == each.tokens and each.text]
    assert len(known) > 2
    again = translator.translate_nbest([each.source for each in known], 3, prefixes=[each.text for each in known])
    scores = translator.score([each.source for each in known], [each.text for each in known])
    for one, group, score in zip(known, again, scores, strict=True):
        (same,) = [each for each in group if each.tokens == one.tokens and each.finished]
        assert (same.text, same.pieces, same.target_words) == (one.text, one.pieces, one.target_words)
        assert same.log_prob == pytest.approx(one.log_prob, abs=1e-5)
        assert same.log_prob == pytest.approx(score.log_prob, abs=1e-5)
        assert np.allclose(same.weights, one.weights, atol=1e-5)


def test_a_stream_takes_the_prefixes_of_its_chunks(pair: TokenizerPair) -> None:
    translator, texts = Translator([tiny(pair)]), sentences(11)
    expected = translator.translate(texts, prefixes=PREFIXES)
    found = list(translator.stream(texts, chunk=3, prefixes=iter(PREFIXES)))
    assert all(map(close, expected, (each for (each,) in found)))
    with pytest.raises(InputError, match="there are more prefixes than sentences"):
        list(translator.stream(texts, prefixes=[*PREFIXES, ""]))
    with pytest.raises(InputError, match="11 sentences but 10 prefixes"):
        list(translator.stream(texts, prefixes=PREFIXES[1:]))
    with pytest.raises(InputError, match="sentence 1: it is blank but its prefix is not"):
        translator.translate([" "], prefixes=["the"])


# ------------------------------------------------------------------------------------------------- diverse beam search


def diverse_reference(
    log_probs: LogProbs, sentence: int, *, beam_size: int, groups: int, diversity: float, most: int, nbest: int
) -> list[Found]:
    """Algorithm 1 of Vijayakumar et al. with Hamming diversity, step by step, one group after another."""
    share = beam_size // groups
    live: list[list[tuple[tuple[int, ...], float]]] = [[((), 0.0)] for _ in range(groups)]
    finished: list[list[Found]] = [[] for _ in range(groups)]
    cut: list[Found] = []
    for length in range(1, most + 1):
        chosen = dict.fromkeys(range(VOCABULARY), 0)
        for group in range(groups):
            grown = [
                (history, total + more, token)
                for history, total in live[group]
                for token, more in enumerate(log_probs(sentence, history))
            ]
            grown.sort(key=lambda one: -(one[1] - diversity * chosen[one[2]]))
            grown = grown[: share - len(finished[group])]
            for _, _, token in grown:
                chosen[token] += 1
            finished[group] += [(list(h), s, s / length, True) for h, s, token in grown if token == EOS]
            live[group] = [((*h, token), s) for h, s, token in grown if token != EOS]
            if length == most:
                cut += [(list(h), s, s / most, False) for h, s in live[group]]
    everything = sorted((one for group in finished for one in group), key=lambda one: -one[2])
    everything += sorted(cut, key=lambda one: -one[2])
    distinct = [
        one
        for place, one in enumerate(everything)
        if (one[0], one[3]) not in [(other[0], other[3]) for other in everything[:place]]
    ]
    return distinct[:nbest]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(2, 2), (4, 2), (6, 3), (6, 2), (3, 1)]),
    diversity=st.sampled_from([0.0, 0.5, 3.0, 50.0]),
    lengths=st.permutations([2, 4, 7]),
)
def test_groups_equal_the_plain_search(seed: int, shape: tuple[int, int], diversity: float, lengths: list[int]) -> None:
    """Without the early exit, as a group that stops early avoids nothing and is not avoided."""
    beam_size, groups = shape
    table, rules = random_table(seed), Rules(groups=groups, diversity=diversity)
    options: dict[str, Any] = {"rules": rules, "nbest": beam_size, "early_exit": False}
    found = search(table, [3, 5, 8], beam_size, max_lengths=lengths, **options)
    for sentence, most, group in zip([3, 5, 8], lengths, found, strict=True):
        settings = {"beam_size": beam_size, "groups": groups, "diversity": diversity}
        assert_same(group, diverse_reference(table, sentence, most=most, nbest=beam_size, **settings))
        for hypothesis in group:
            assert_weights(hypothesis, sentence)


def test_a_group_avoids_what_those_before_it_chose() -> None:
    """By hand: one beam of two keeps A and B, both going on with A; the second group of one takes C at last."""
    table = tree({(): {A: 0.6, B: 0.3, C: 0.1}, (A,): {A: 0.9, C: 0.1}, (B,): {A: 1.0}, (C,): {A: 1.0}})
    strict = search(table, beam_size=2, nbest=2, rules=Rules(groups=2, diversity=9.0))[0]
    assert [h.tokens for h in strict] == [[A, A], [B, A]]
    lenient = search(table, beam_size=2, nbest=2, rules=Rules(groups=2, diversity=0.0))[0]
    assert [h.tokens for h in lenient] == [[A, A]]
    assert strict[1].log_prob == pytest.approx(math.log(0.3))
    with pytest.raises(InputError, match="2 groups cannot share a beam of 3 evenly; choose a beam size that is a mult"):
        search(table, beam_size=3, rules=Rules(groups=2))


def test_diverse_translations_are_more_different(pair: TokenizerPair) -> None:
    """Pitfall 20: the options reach the search; fewer pieces begin more than one of the n best."""
    translator, texts = Translator([tiny(pair)]), sentences(11)
    plain_ones = translator.translate_nbest(texts, 6, beam_size=6)
    diverse = translator.translate_nbest(texts, 6, beam_size=6, diverse_groups=6, diversity=20.0)

    def beginnings(groups: Sequence[Sequence[Any]]) -> int:
        return sum(len({each.tokens[:1][0] if each.tokens else EOS for each in group}) for group in groups)

    assert beginnings(diverse) > beginnings(plain_ones)
    with pytest.raises(InputError, match="4 groups cannot share a beam of 3 evenly"):
        translator.translate(texts, diverse_groups=4)
    with pytest.raises(InputError, match="diversity has no effect without diverse_groups"):
        translator.translate(texts, diversity=1.0)
    with pytest.raises(InputError, match="diversity must lie between 0 and 1000"):
        translator.translate(texts, diverse_groups=3, diversity=-1.0)
    with pytest.raises(TypeError, match="unknown option 'diverse_groups'"):
        translator.sample(texts, diverse_groups=3)


# -------------------------------------------------------------------------------------------------- minimum Bayes risk


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
def test_the_least_risk_by_hand(pair: TokenizerPair, utility: str) -> None:
    """Every sample against every other, with sacreBLEU alone; ties go to the first."""
    metric = sacrebleu.CHRF() if utility == "chrf" else sacrebleu.BLEU(effective_order=True)
    translator, texts = Translator([tiny(pair)]), sentences(5)
    found = translator.minimum_risk(texts, 3, utility=utility, samples=12, seed=7)
    for group, samples in zip(found, translator.sample(texts, count=12, seed=7), strict=True):
        drawn_texts = [each.text for each in samples]
        expected = [
            sum(metric.sentence_score(one, [other]).score for other in drawn_texts) / 12
            for one in dict.fromkeys(drawn_texts)
        ]
        assert [each.score for each in group] == pytest.approx(sorted(expected, reverse=True)[:3])
        assert len({each.text for each in group}) == len(group)
        for each in group:
            (first, *_) = [sample for sample in samples if sample.text == each.text]
            assert (each.tokens, each.log_prob) == (first.tokens, first.log_prob)


def test_the_least_risk_does_not_feel_the_batch(pair: TokenizerPair) -> None:
    """Pitfalls 2 and 24: a sentence by itself, at its place."""
    translator, texts = Translator([tiny(pair)]), sentences(11)
    together = translator.minimum_risk(texts, samples=6, seed=3, prefixes=PREFIXES)
    for row, (text, prefix) in enumerate(zip(texts, PREFIXES, strict=True)):
        (alone,) = translator.minimum_risk([text], samples=6, seed=3, first=row, prefixes=[prefix])
        assert all(map(close, alone, together[row]))
    assert [each[0].text for each in translator.minimum_risk(texts, samples=6, seed=4)] != [e[0].text for e in together]
    with pytest.raises(InputError, match="n-best must lie between 1 and the number of samples 2, given 3"):
        translator.minimum_risk(texts, 3, samples=2)
    with pytest.raises(InputError, match="utility 'chrF2' is unknown; did you mean 'chrf'"):
        translator.minimum_risk(texts, utility="chrF2")
    with pytest.raises(TypeError, match="unknown option 'count'"):
        translator.minimum_risk(texts, count=3)


def test_moses_reads_the_n_best(pair: TokenizerPair) -> None:
    """Four fields, numbered from 0; what separates fields cannot stand within one."""
    translator = Translator([tiny(pair)])
    layout = Layout("moses", numbered=True, scores=False, alignment=False)
    found = translator.translate_nbest(["hund"], 2)[0]
    for line, one in zip(layout.lines(3, found).splitlines(), found, strict=True):
        number, text, features, score = line.split(" ||| ")
        assert (number, text) == ("2", one.text)
        assert features == f"log_prob= {one.log_prob:.6f} length= {len(one.tokens) + one.finished}"
        assert float(score) == pytest.approx(one.score, abs=1e-6)
    odd = replace(found[0], text="a ||| b\r")
    (line,) = replace(layout, alignment=True).lines(1, [odd]).splitlines()
    assert line.split(" ||| ")[1] == "a &#124;&#124;&#124; b "
    assert len(line.split(" ||| ")) == 5


# ------------------------------------------------------------------------------------------------- strings to avoid

SPELLINGS = [b"", b"ab", b"", b"", b"a", b"b", b"ba"]  # of the tokens 0 to 6


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    strings=st.lists(st.text("ab", min_size=2, max_size=5), min_size=1, max_size=3),
    beam_size=st.sampled_from([1, 3]),
    lengths=st.permutations([2, 4, 7]),
)
def test_no_spelling_of_a_string_is_written(seed: int, strings: list[str], beam_size: int, lengths: list[int]) -> None:
    """As if each token had been forbidden after which the text has one of the strings, however tokens spell it."""
    table = random_table(seed)
    avoid = [each.encode() for each in strings]

    def allowed(sentence: int, history: tuple[int, ...]) -> list[float]:
        row = table(sentence, history)
        texts = [b"".join(SPELLINGS[token] for token in (*history, last)) for last in range(VOCABULARY)]
        return [-math.inf if any(each in text for each in avoid) else p for p, text in zip(row, texts, strict=True)]

    rules = Rules(avoid=Avoidance(avoid, SPELLINGS))
    found = search(table, [3, 5, 8], beam_size, max_lengths=lengths, rules=rules, nbest=beam_size, forbidden=(0, BOS))
    for sentence, most, group in zip([3, 5, 8], lengths, found, strict=True):
        expected = reference(allowed, sentence, Rules(), beam_size=beam_size, most=most, forbidden=(0, BOS))
        assert_same(group, expected[:beam_size])


def test_a_string_within_another_is_found_as_well() -> None:
    """Whatever has been read of the longer one, for every text of four tokens."""
    strings = [b"ab", b"babb", b"aaba"]
    automaton = Avoidance(strings, SPELLINGS)
    for tokens in itertools.product([A, B, C], repeat=4):
        state, text = Avoidance.START, b""
        for token in tokens:
            after, completes = automaton.rows([state])
            longer = text + SPELLINGS[token]
            places = range(len(text) + 1, len(longer) + 1)
            assert completes[0, token] == any(longer[:place].endswith(each) for each in strings for place in places)
            state, text = int(after[0, token]), longer


@pytest.mark.parametrize("options", [{}, {"shortlist": True}, {"diverse_groups": 3}], ids=str)
def test_what_is_to_be_avoided_is_in_no_translation(pair: TokenizerPair, options: dict[str, Any]) -> None:
    translator, texts = Translator([tiny(pair)], [drawn(pair)]), sentences(11)
    free = [each for group in translator.translate_nbest(texts, 3, min_length=9, **options) for each in group]
    strings = sorted({each.text[1:4].strip() for each in free} - {""})[::3]
    assert any(string in each.text for string in strings for each in free)
    avoided = translator.translate_nbest(texts, 3, min_length=9, avoid=[f" {each} " for each in strings], **options)
    assert not any(string in each.text for string in strings for group in avoided for each in group)
    for group in translator.sample(texts, count=3, avoid=strings):
        assert not any(string in each.text for string in strings for each in group)
    (kept,) = translator.translate(["hund"], prefixes=["the dog"], avoid=["dog"])
    assert kept.text.startswith("the dog")
    assert "dog" not in kept.text.removeprefix("the dog")
    with pytest.raises(InputError, match="string to avoid 2 is blank"):
        translator.translate(texts, avoid=["a", " "])


def test_spellings_are_the_text(pair: TokenizerPair) -> None:
    """With pieces for bytes too."""
    config = TokenizerConfig(kind="bpe", vocabulary_size=400, joint=False, byte_fallback=True)
    for writer in (pair.target, train_tokenizers(sentences(40), TARGETS, config).target):
        for text in [*TARGETS, "naïve ☃ a"]:
            spelled = b"".join(writer.spellings[id_] for id_ in writer.encode(text)).decode()
            assert spelled.removeprefix(" ") == writer.decode(writer.encode(text))
