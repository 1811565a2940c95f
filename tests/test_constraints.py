"""Strings that a translation must have: the search against the same search in plain Python, glossaries, commands."""

import json
import math
import pickle
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_beam import BOS, EOS, VOCABULARY, A, B, C, LogProbs, Ragged, assert_weights, plain, random_table, search, tree
from test_cli import fail, invoke, succeed, write
from test_shortlist import drawn
from test_steering import Few, Found, assert_same, ruled
from test_translator import TARGETS, close, make_config, sentences, tiny

from seq2seq import Translator
from seq2seq.bulk.constraints import UnmetCounter
from seq2seq.checkpoint.model import save_model
from seq2seq.config import TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.search.avoidance import Avoidance
from seq2seq.search.constraints import NO_CONSTRAINTS, Constraints, allocate
from seq2seq.search.penalty import PENALTIES, LengthPenalty
from seq2seq.search.rules import Rules
from seq2seq.search.stepping import Hypothesis
from seq2seq.text.glossary import Glossary, is_unspaced
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair, train_tokenizers
from seq2seq.translation.constraints import read_constraints, spell

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")  # test_steering.py has them on


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# ------------------------------------------------------------------------------------------------------- the allocation


@pytest.mark.parametrize(
    ("slots", "candidates", "expected"),
    [
        (5, [9, 9, 9], [1, 1, 3]),  # an equal share, and what is left over for the last bank
        (10, [9, 9, 9, 9, 9], [2, 2, 2, 2, 2]),
        (3, [9, 9, 9, 9, 9], [0, 0, 0, 0, 3]),  # more banks than slots
        (3, [4, 2, 0, 0, 0], [1, 2, 0, 0, 0]),  # the first step: the last bank gives to the nearest that can use it
        (5, [0, 9, 9], [0, 2, 3]),  # the nearest bank gets what the first cannot use
        (6, [9, 1, 9], [2, 1, 3]),  # of two neighbours, the one with more tokens met
        (5, [1, 1], [1, 1]),  # fewer candidates than slots
        (5, [9], [5]),
        (0, [3, 3], [0, 0]),
    ],
)
def test_allocation_by_hand(slots: int, candidates: list[int], expected: list[int]) -> None:
    """Section 3.2 of Post and Vilar."""
    assert allocate(slots, candidates) == expected


def shared(slots: int, candidates: Sequence[int]) -> list[int]:
    """The same slot by slot: the last bank that has one too many gives it to the nearest that lacks one."""
    banks = range(len(candidates))
    sizes = [slots // len(candidates)] * len(candidates)
    sizes[-1] += slots - sum(sizes)
    while over := [bank for bank in banks if sizes[bank] > candidates[bank]]:
        sizes[over[-1]] -= 1
        if lacking := [bank for bank in banks if sizes[bank] < candidates[bank] and bank != over[-1]]:
            sizes[min(lacking, key=lambda bank: (abs(bank - over[-1]), -bank))] += 1
    return sizes


@settings(max_examples=200, deadline=None)
@given(slots=st.integers(0, 12), candidates=st.lists(st.integers(0, 6), min_size=1, max_size=7))
def test_allocation_wastes_no_slot(slots: int, candidates: list[int]) -> None:
    sizes = allocate(slots, candidates)
    assert sizes == shared(slots, candidates)
    assert sum(sizes) == min(slots, sum(candidates))
    assert slots == 0 or not any(candidates) or sizes[max(b for b, count in enumerate(candidates) if count)] > 0


# ---------------------------------------------------------------------------------------- the search, in plain Python


def read(tokens: Sequence[int], wanted: Constraints) -> tuple[set[int], int | None, int]:
    """The constraints that tokens have, the one that they have begun, and how many tokens of it."""
    met, begun, place, ended = set[int](), None, 0, None
    for token in tokens:
        if begun is not None and wanted.tokens[begun][place] == token:
            place += 1
        else:
            if ended is not None and wanted.whole[ended] and not wanted.word_starts[token]:
                met.discard(ended)
            first = [n for n, each in enumerate(wanted.tokens) if n not in met and each[0] == token]
            begun, place = (first[0], 1) if first else (None, 0)
        ended = None
        if begun is not None and place == len(wanted.tokens[begun]):
            met.add(begun)
            begun, place, ended = None, 0, begun
    return met, ended if ended is not None else begun, place


def bank(tokens: Sequence[int], wanted: Constraints) -> int:
    met, begun, place = read(tokens, wanted)
    return sum(len(wanted.tokens[number]) for number in met) + (place if begun not in met else 0)


def constrained_reference(
    log_probs: LogProbs,
    sentence: int,
    wanted: Constraints,
    rules: Rules,
    *,
    beam_size: int,
    most: int,
    least: int = 0,
    penalty: LengthPenalty = LengthPenalty(),  # noqa: B008  # frozen
    forbidden: Sequence[int] = (),
    prefix: Sequence[int] = (),
) -> list[Found]:
    """Algorithms 1 and 2 of Post and Vilar for one sentence, without any early exit."""
    live: list[tuple[tuple[int, ...], float, float]] = [((), 0.0, 0.0)]
    finished: list[Found] = []
    total = sum(map(len, wanted.tokens))
    for length in range(1, most + 1):
        free = beam_size - len(finished)
        possible: dict[tuple[int, int], tuple[float, float]] = {}
        forced: list[tuple[int, int]] = []
        for slot, (history, by_rules, by_model) in enumerate(live):
            met, begun, place = read(history, wanted)
            row, made = log_probs(sentence, history), ruled(log_probs(sentence, history), history, rules)
            unmet = [each for number, each in enumerate(wanted.tokens) if number not in met]
            further = [each[0] for each in unmet]
            if begun is not None and begun not in met:
                further = [wanted.tokens[begun][place]]
            must_end = begun is not None and begun in met and wanted.whole[begun]
            for token in range(len(row)):
                score = row[token] if token in further else made[token]
                bad = token in forbidden and token not in further
                bad = bad or (token == EOS and (length <= least or bool(unmet)))
                bad = bad or (must_end and not wanted.word_starts[token])
                if length <= len(prefix):
                    bad, score = token != prefix[length - 1], row[token]
                if not bad and score > -math.inf:
                    possible[slot, token] = (by_rules + score, by_model + row[token])
            forced += [(slot, token) for token in further]
        ranked = sorted(possible, key=lambda one: (-possible[one][0], one))
        candidates = set(ranked[:free]) | {one for one in forced if one in possible}
        for slot in range(len(live)):
            candidates |= set([one for one in ranked if one[0] == slot][:1])
        if not wanted.tokens:
            candidates = set(ranked[:free])
        order = sorted(candidates, key=lambda one: (-possible[one][0], one))
        banks = [bank((*live[slot][0], token), wanted) for slot, token in order]
        sizes = shared(free, [banks.count(number) for number in range(total + 1)])
        kept = [one for place, one in enumerate(order) if banks[:place].count(banks[place]) < sizes[banks[place]]]
        grown = [(live[slot][0], *possible[slot, token], token) for slot, token in kept]
        finished += [(list(h), model, s / penalty(length), True) for h, s, model, token in grown if token == EOS]
        live = [((*history, token), s, model) for history, s, model, token in grown if token != EOS]
    cut = [(list(history), model, s / penalty(most), False) for history, s, model in live]
    cut.sort(key=lambda one: (-bank(one[0], wanted), -one[2]))
    return sorted(finished, key=lambda one: -one[2]) + cut


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Any, Any]:
    """The parts of a sentence's Constraints, often of none, often with tokens in common."""
    tokens = draw(st.lists(st.lists(st.sampled_from([1, A, B, C]), min_size=1, max_size=3), max_size=3))
    whole = tuple(draw(st.sampled_from([False, False, True])) for _ in tokens)
    return tuple(map(tuple, tokens)), whole


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    sentences = draw(st.integers(1, 3))
    beam_size = draw(st.sampled_from([2, 3, 5, 8]))
    least = [draw(st.integers(0, 2)) for _ in range(sentences)]
    return {
        "table": random_table(draw(st.integers(0, 10**6)), levels=draw(st.sampled_from([0, 0, 2, 3]))),
        "sentences": draw(st.permutations([3, 5, 8]))[:sentences],
        "beam_size": beam_size,
        "nbest": draw(st.integers(1, beam_size)),
        "least": least,
        "most": [2 + shortest + draw(st.integers(0, 7)) for shortest in least],
        "penalty": LengthPenalty(draw(st.sampled_from(sorted(PENALTIES))), draw(st.sampled_from([0.0, 0.6, 1.0]))),
        "wanted": [draw(wishes()) for _ in range(sentences)],
        "word_starts": tuple(token == EOS or draw(st.booleans()) for token in range(VOCABULARY)),
        "rules": {
            "no_repeat_ngram": draw(st.sampled_from([0, 0, 1, 2])),
            "repetition_penalty": draw(st.sampled_from([1.0, 1.0, 2.0])),
        },
    }


@settings(max_examples=60, deadline=None)
@given(case=cases(), early_exit=st.booleans(), seed=st.integers(0, 10**6), prefixed=st.booleans())
def test_constraints_equal_the_plain_search(case: dict[str, Any], early_exit: bool, seed: int, prefixed: bool) -> None:
    """Pitfalls 2 and 7 to 13: each sentence with its own constraints or none, beside other rules and a prefix."""
    draw, all_wanted = random.Random(seed), [Constraints(*one, case["word_starts"]) for one in case["wanted"]]
    prefixes = [draw.choices([A, B, C], k=draw.randint(0, most - 1)) if prefixed else [] for most in case["most"]]
    expected = [
        constrained_reference(
            case["table"],
            sentence,
            all_wanted[row],
            Rules(**case["rules"]),
            beam_size=case["beam_size"],
            most=case["most"][row],
            least=case["least"][row],
            penalty=case["penalty"],
            forbidden=(0, BOS),
            prefix=prefixes[row],
        )
        for row, sentence in enumerate(case["sentences"])
    ]

    def run() -> list[list[Hypothesis]]:
        return search(
            case["table"],
            case["sentences"],
            case["beam_size"],
            max_lengths=case["most"],
            min_lengths=case["least"],
            nbest=case["nbest"],
            length_penalty=case["penalty"],
            forbidden=(0, BOS),
            rules=Rules(**case["rules"], constraints=all_wanted, prefixes=prefixes),
            early_exit=early_exit,
        )

    if not all(expected):  # no token begins a word and may come again
        with pytest.raises(Seq2SeqError, match="has no hypothesis"):
            run()
        return
    for sentence, group, known in zip(case["sentences"], run(), expected, strict=True):
        assert_same(group, known[: case["nbest"]])
        for hypothesis in group:
            assert_weights(hypothesis, sentence)


def occurs(part: Sequence[int], tokens: Sequence[int]) -> bool:
    return any(list(part) == list(tokens[place : place + len(part)]) for place in range(len(tokens)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    beam_size=st.integers(2, 9),
    tokens=st.lists(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=3), min_size=1, max_size=4),
    room=st.integers(-2, 4),
)
def test_constraints_are_always_met_where_the_length_allows_it(
    seed: int, beam_size: int, tokens: list[list[int]], room: int
) -> None:
    """However few slots and however unlikely; a finished hypothesis has them all whatever the length."""
    wanted = Constraints(tuple(map(tuple, tokens)), (False,) * len(tokens))
    length = max(1, wanted.total + room)
    found = search(random_table(seed), [3], beam_size, length, rules=Rules(constraints=[wanted]), nbest=beam_size)[0]
    for h in found:
        all_met = all(wanted.read(h.tokens).met)
        assert all_met == (len(read(h.tokens, wanted)[0]) == len(tokens))
        assert all_met or not h.finished
        assert not all_met or all(occurs(part, h.tokens) for part in tokens)
    assert all(wanted.read(found[0].tokens).met) == (length >= wanted.total)
    assert wanted.count(wanted.read(found[0].tokens)) == min(length, wanted.total)


def test_a_constraint_by_hand() -> None:
    """A beam of two: one slot for what lacks C, one for what has it; A B, then C where it is likely."""
    table = tree(
        {
            (): {A: 0.6, B: 0.3, C: 0.1},
            (A,): {B: 0.9, C: 0.1},
            (C,): {EOS: 0.5, A: 0.5},
            (A, B): {EOS: 0.2, C: 0.8},
        }
    )
    assert search(table)[0][0].tokens == [A, B, C]
    (found,) = search(table, nbest=1, rules=Rules(constraints=[Constraints(((C,),), (False,))]))[0]
    assert (found.tokens, found.log_prob) == ([A, B, C], pytest.approx(math.log(0.6 * 0.9 * 0.8)))
    both = search(table, nbest=2, rules=Rules(constraints=[Constraints(((C,),), (False,))]))[0]
    assert [h.tokens for h in both] == [[A, B, C], [A, C]]
    (odd,) = search(table, nbest=1, rules=Rules(constraints=[Constraints(((C, A),), (False,))]))[0]
    assert (odd.tokens, odd.log_prob) == ([C, A], pytest.approx(math.log(0.1 * 0.5)))


def test_finished_hypotheses_take_candidates_along() -> None:
    """As many of the whole beam's best are candidates as there are free slots; found where more of them change it."""
    wanted = Constraints(((C,),), (False,))
    options: dict[str, Any] = {"beam_size": 5, "nbest": 5, "rules": Rules(constraints=[wanted]), "early_exit": False}
    found = search(random_table(24), [3], length=7, **options)[0]
    assert_same(found, constrained_reference(random_table(24), 3, wanted, Rules(), beam_size=5, most=7))


def test_what_is_begun_and_not_gone_on_with_is_given_up() -> None:
    wanted = Constraints(((A, B), (A, C), (C,)), (False, False, True), [False, False, False, True, True, False, False])
    assert wanted.read([A]) == ((False,) * 3, 0, 1)
    assert wanted.read([A, B]).met == (True, False, False)
    assert wanted.read([A, C]) == ((False, False, True), 2, 1)  # C begins another; A C begins with the first A later
    assert wanted.read([A, B, A, C]).met == (True, True, False)
    assert wanted.read([A, A]) == ((False,) * 3, 0, 1)
    assert wanted.read([C, A]).met == (False, False, True)
    assert wanted.read([C, B]).met == (False, False, False)  # its last word goes on
    assert [wanted.count(wanted.read(tokens)) for tokens in ([], [A], [A, B], [A, A], [C, A, B, A, C])] == [
        0,
        1,
        2,
        1,
        5,
    ]
    assert wanted.next_tokens(wanted.start) == [A, A, C]
    assert wanted.next_tokens(wanted.read([A])) == [B]


def test_equal_constraints_each_have_a_place() -> None:
    rules = Rules(constraints=[Constraints(((A,), (A,), (B,)), (False,) * 3)])
    for seed in range(9):
        found = search(random_table(seed), beam_size=3, length=9, rules=rules)[0][0]
        assert found.tokens.count(A) >= 2
        assert B in found.tokens


def test_constraints_do_not_make_a_string_that_is_to_be_avoided() -> None:
    """B B is written with something between; other rules give way."""
    spellings = [b"", b"x", b"", b"", b"a", b"b", b"c"]
    wanted = Constraints(((B,), (B,)), (False, False))
    rules = Rules(constraints=[wanted], avoid=Avoidance([b"bb"], spellings), no_repeat_ngram=1)
    for seed in range(9):
        (found,) = search(random_table(seed), length=9, rules=rules, forbidden=(0, 1, BOS))[0]
        assert found.tokens.count(B) == 2
        assert not occurs([B, B], found.tokens)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)), beam_size=st.sampled_from([2, 5]))
def test_constraints_do_not_let_the_batch_in(seed: int, order: list[int], beam_size: int) -> None:
    """Pitfall 2: bit for bit; and a sentence without any gets what it gets without the option."""
    table, lengths = random_table(seed, levels=2), [1, 2, 5, 7, 9]
    wanted = [NO_CONSTRAINTS, Constraints(((A,),), (False,)), Constraints(((B, C), (A,)), (False, False))] * 2
    options: dict[str, Any] = {"beam_size": beam_size, "nbest": beam_size}
    alone = [
        plain(search(table, [n], length=lengths[n], rules=Rules(constraints=[wanted[n]]), **options)[0]) for n in order
    ]
    rules = Rules(constraints=[wanted[number] for number in order])
    together = search(table, order, max_lengths=[lengths[number] for number in order], rules=rules, **options)
    assert [plain(group) for group in together] == alone
    free = search(table, order, max_lengths=[lengths[number] for number in order], **options)
    for number, group, without in zip(order, together, free, strict=True):
        assert (plain(group) == plain(without)) or wanted[number].tokens


def test_constraints_fit_steps_that_answer_for_some_slots_or_tokens() -> None:
    """Pitfall 26."""
    table, wanted = random_table(11), Constraints(((C, A),), (False,))
    rules = Rules(constraints=[wanted, NO_CONSTRAINTS, wanted])
    everything = search(table, [3, 5, 8], 5, 9, rules=rules, nbest=5)
    assert [plain(g) for g in search(Ragged(table), [3, 5, 8], 5, 9, rules=rules, nbest=5)] == list(
        map(plain, everything)
    )
    both = Rules(constraints=[wanted, wanted])
    for sentence, group in zip([4, 5], search(Few(table), [4, 5], 3, 6, rules=both, nbest=3), strict=True):
        others = [token for token in range(VOCABULARY) if token not in Few.choices[sentence % 2]]

        def few(sentence: int, history: tuple[int, ...], others: Sequence[int] = others) -> list[float]:
            return [-math.inf if token in others else p for token, p in enumerate(table(sentence, history))]

        assert_same(group, constrained_reference(few, sentence, wanted, Rules(), beam_size=3, most=6)[:3])


def test_what_does_not_go_with_constraints() -> None:
    wanted = [Constraints(((A,),), (False,))]
    with pytest.raises(InputError, match="diverse_groups in groups; choose one of the two"):
        Rules(constraints=wanted, groups=2)
    with pytest.raises(InputError, match="constraints need a beam size of 2 or more"):
        search(random_table(1), beam_size=1, rules=Rules(constraints=wanted))
    with pytest.raises(ValueError, match="a constraint without a token"):
        Constraints(((),), (False,))


# ---------------------------------------------------------------------------------------------- models and their text

STRINGS = [
    ["the dog", "green "],
    [],
    ["run"],
    ["中"],
    ["is", "is "],
    [],
    ["sleep today"],
    ["a", "e"],
    [],
    ["café"],
    ["man"],
]
OPTIONS: list[dict[str, Any]] = [{}, {"shortlist": True}, {"no_repeat_ngram": 1}, {"beam_size": 9}, {"min_length": 9}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_translation_has_its_constraints(pair: TokenizerPair, options: dict[str, Any]) -> None:
    translator, texts = Translator([tiny(pair), tiny(pair, seed=2)], [drawn(pair), drawn(pair, 2)]), sentences(11)
    free = translator.translate(texts, **options)
    assert sum(any(text not in one.text for text in strings) for one, strings in zip(free, STRINGS, strict=True)) > 4
    found = translator.translate_nbest(texts, 2, constraints=STRINGS, **options)
    for one, strings, group in zip(free, STRINGS, found, strict=True):
        best = group[0]
        assert best.constraints == strings
        assert best.unmet == []
        begun = [text if is_unspaced(text[0]) else f" {text}" for text in strings]
        assert all(text in f" {best.text} " for text in begun), (best.text, strings)
        for each in group:
            assert not each.finished or not each.unmet
        if not strings:
            assert close(one, best)
    scores = translator.score_tokens([group[0].source for group in found], [group[0].tokens for group in found])
    for (best, *_), scored in zip(found, scores, strict=True):
        if not options.get("shortlist"):
            expected = scored.log_probs if best.finished else scored.log_probs[:-1]
            assert best.log_prob == pytest.approx(sum(expected), abs=1e-4)


@cache
def _translator(pair: TokenizerPair) -> Translator:
    return Translator([tiny(pair)])


WORDS = ["dog", "the dog ", "sleep", "is", "café", "quick", "中文 ", "green", "today"]


@settings(max_examples=15, deadline=None)
@given(
    strings=st.lists(st.lists(st.sampled_from(WORDS), max_size=3), min_size=3, max_size=3),
    most=st.sampled_from([None, 1, 4, 9]),
    beam_size=st.integers(2, 6),
)
def test_only_the_length_keeps_a_constraint_out(
    pair: TokenizerPair, strings: list[list[str]], most: int | None, beam_size: int
) -> None:
    """A translation without one says so, and is as long as it may be."""
    translator = _translator(pair)
    found = translator.translate(sentences(3), constraints=strings, max_length=most, beam_size=beam_size)
    for one, wanted in zip(found, strings, strict=True):
        pieces = sum(len(pair.target.encode(text.strip())) for text in wanted)
        assert set(one.unmet) <= set(wanted)
        assert not one.unmet or (not one.finished and len(one.tokens) == most and most is not None)
        assert most is not None or not one.unmet
        assert most is None or most < pieces + len(wanted) or not one.unmet  # whole words may ask for one piece more
        for text in {each for each in wanted if each not in one.unmet}:
            assert text in f"{one.text} "


def test_a_maximum_by_the_source_has_room_for_constraints(pair: TokenizerPair) -> None:
    text = "the dog does not sleep today , is nice and green"
    (found,) = _translator(pair).translate(["x"], constraints=[[text]])
    assert found.unmet == []
    assert text in found.text
    (cut,) = _translator(pair).translate(["x"], constraints=[[text]], max_length=4)
    assert (cut.unmet, cut.finished, len(cut.tokens)) == ([text], False, 4)


def test_a_constraint_may_go_on_within_its_last_word(pair: TokenizerPair) -> None:
    """Unless a space follows it."""
    translator, texts = Translator([tiny(pair, seed=seed) for seed in (3,)]), sentences(11)
    free = translator.translate(texts, constraints=[["d"]] * 11, min_length=9)
    assert any(" d" in f" {one.text}" and " d " not in f" {one.text} " for one in free)
    for one in translator.translate(texts, constraints=[["d "]] * 11, min_length=9):
        assert " d " in f" {one.text} "


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_a_constraint_of_a_script_without_spaces_begins_no_word(kind: Any) -> None:
    """It stands within the text, where no space is before it; of other scripts it begins a word."""
    texts = ["我今天看见狗。", "你看见猫和狗。", "狗今天看见 a cat."] * 5
    writer = Tokenizer.train(texts, TokenizerConfig(kind=kind, vocabulary_size=40, joint=True))
    for text in ("看见", "狗 cat"):
        pieces = writer.to_pieces(spell(writer, text))
        assert not pieces[0].startswith("\u2581")
        assert "".join(pieces).replace("\u2581", " ") == text
    assert writer.to_pieces(spell(writer, "cat"))[0].startswith("\u2581")
    (wanted,) = read_constraints(writer, ["x"], [["看见"]], [])
    inside = spell(writer, "看见")
    assert wanted.unmet([*writer.encode("你"), *inside, *writer.encode_inside("猫")]) == []
    assert wanted.unmet([*writer.encode("你"), *inside[::-1], *inside[:-1]]) == ["看见"] * (len(inside) > 1)


def test_a_prefix_may_have_the_constraint(pair: TokenizerPair) -> None:
    translator, texts = Translator([tiny(pair)]), sentences(3)
    options: dict[str, Any] = {"prefixes": ["the dog", "the", "a dog "], "max_length": 9}
    prefixed = translator.translate(texts, **options)
    found = translator.translate(texts, constraints=[["dog"], ["dog"], ["dog "]], **options)
    assert close(prefixed[0], found[0])
    assert close(prefixed[2], found[2])
    assert found[1].text.startswith("the")
    assert "dog" in found[1].text


def test_a_stream_takes_the_constraints_of_its_chunks(pair: TokenizerPair) -> None:
    translator, texts = Translator([tiny(pair)]), sentences(11)
    expected = translator.translate(texts, constraints=STRINGS)
    found = list(translator.stream(texts, chunk=3, constraints=iter(STRINGS)))
    assert all(map(close, expected, (each for (each,) in found)))
    with pytest.raises(InputError, match="there are more constraints than sentences"):
        list(translator.stream(texts, constraints=[*STRINGS, []]))
    with pytest.raises(InputError, match="choose one of the two"):
        translator.stream(texts, constraints=STRINGS, diverse_groups=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"constraints": [["a"]]}, "2 sentences but 1 lists of constraints"),
        ({"constraints": ["a", "b"]}, "sentence 1: its constraints must be a list of strings, not the string 'a'"),
        ({"constraints": 3}, "an iterable with the constraints of each sentence is needed"),
        ({"constraints": [[], 3]}, "sentence 2: a list of strings is needed, not 3"),
        ({"constraints": [[], ["a", 3]]}, "sentence 2, constraint 2: 3 is no string"),
        ({"constraints": [[], ["a", "b\nc"]]}, "sentence 2, constraint 2: a line break"),
        ({"constraints": [[], ["☃ a", "b"]]}, "sentence 2: the model cannot write the constraint ☃ a: its .* lacks ☃"),
        ({"constraints": [["a"], []], "avoid": ["a"]}, "sentence 1: the constraint a has a, which is to be avoided"),
        ({"constraints": [["dog"] * 1001, []]}, r"sentence 1: its constraints have [\d,]+ pieces; a sentence may have"),
        ({"constraints": [["a"], []], "beam_size": 1}, "constraints need a beam size of 2 or more"),
        ({"constraints": [["a"], []], "diverse_groups": 3}, "choose one of the two"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_constraints_are_refused(pair: TokenizerPair, options: dict[str, Any], message: str) -> None:
    translator = Translator([tiny(pair)])
    with pytest.raises((InputError, TypeError), match=message):
        translator.translate(["hund", "mann"], **options)


def test_constraints_need_a_sentence_and_a_beam(pair: TokenizerPair) -> None:
    translator = Translator([tiny(pair)])
    with pytest.raises(InputError, match="sentence 2: it is blank but has constraints"):
        translator.translate(["hund", " "], constraints=[[], ["a"]])
    assert translator.translate(["hund", " "], constraints=[["a"], [" "]])[1].text == ""
    with pytest.raises(TypeError, match="unknown option 'constraints'"):
        translator.sample(["hund"], constraints=[["a"]])
    with pytest.raises(TypeError, match="unknown option 'constraints'"):
        translator.minimum_risk(["hund"], constraints=[["a"]])


# ----------------------------------------------------------------------------------------------------------- glossaries


def glossary(*lines: str) -> Glossary:
    return Glossary.read(lines, "terms.tsv")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Bank", ["bank"]),
        ("Bänke , Banken und bank", []),
        ("die (Bank), Bank-Bank.", ["bank"]),
        ("New  York\u3000und York", ["Nueva York", "Yorke"]),
        ("in New York und Bank", ["Nueva York", "bank"]),
        ("New Yorker", ["nuevo"]),
        ("我说中文吗", ["Chinese"]),
        ("cafe\u0301", ["coffee"]),
        ("café", ["coffee"]),
        ("cafe", []),
        ("q\u0323 q", ["Q"]),
        ("", []),
    ],
)
def test_terms_are_whole_words(sentence: str, expected: list[str]) -> None:
    """The longest from the left, each once, in NFC."""
    terms = glossary(
        "Bank\tbank",
        "New\tnuevo",
        "York\tYorke",
        "",
        "New York\tNueva York",
        "中文\tChinese",
        "cafe\u0301\tcoffee",
        "q\tQ",
    )
    assert [term.target for term in terms.find(sentence)] == expected
    assert pickle.loads(pickle.dumps(terms)).find(sentence) == terms.find(sentence)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a\tb", "c"], "terms.tsv:2: 1 columns"),
        (["a\tb\tc"], "terms.tsv:1: 3 columns"),
        (["a\t "], "terms.tsv:1: 2 columns, blank ones counted"),
        (["a\tb", "", " a\tc"], "terms.tsv:3: the term a is in line 1 already"),
        ([" "], "terms.tsv: has no term"),
    ],
)
def test_a_glossary_that_is_none(lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        glossary(*lines)


def test_a_long_text_is_searched_once() -> None:
    """In a time that grows with the text, not with the number of terms."""
    terms = glossary(*(f"wort{number}\tword{number}" for number in range(5000)))
    assert len(terms.find(" ".join(f"wort{number}" for number in range(0, 9000, 3)))) == 1667


# ------------------------------------------------------------------------------------------------------------- commands


@pytest.fixture(scope="module")
def model(pair: TokenizerPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    loaded, directory = tiny(pair), tmp_path_factory.mktemp("constraints") / "model"
    weights = loaded.model.float().state_dict()
    save_model(directory, config=loaded.config, weights=weights, tokenizers=pair, record={})
    return directory


def test_the_command_takes_columns_json_and_terms(model: Path, tmp_path: Path) -> None:
    """The same from all three, and from Python."""
    expected = Translator.load(model).translate(sentences(11), constraints=STRINGS)
    texts = sentences(11)
    lines = "".join("\t".join([text, *strings]) + "\n" for text, strings in zip(texts, STRINGS, strict=True))
    assert succeed("translate", model, "--constraints", text=lines).splitlines() == [one.text for one in expected]
    objects = "".join(
        json.dumps({"source": text, "constraints": strings, "id": 7}) + "\n"
        for text, strings in zip(texts, STRINGS, strict=True)
    )
    shown = ["--input-format", "jsonl", "--format", "jsonl"]
    found = [json.loads(line) for line in succeed("translate", model, *shown, text=objects).splitlines()]
    assert [one["text"] for one in found] == [one.text for one in expected]
    assert [one.get("constraints", []) for one in found] == STRINGS
    assert {"unmet": []}.items() <= found[0].items()
    again = "".join(json.dumps(one) + "\n" for one in found)
    assert succeed("translate", model, *shown, text=again).splitlines() == [
        json.dumps(o, ensure_ascii=False) for o in found
    ]
    terms = write(tmp_path / "terms.tsv", ["hund\tthe dog", "mann\tman ", "katze\tis"])
    translator = Translator.load(model)
    result = invoke("translate", model, "--glossary", terms, "--constraints", text="ein hund\nmann\tman\tis\n\nx\n")
    wanted: list[list[str]] = [["the dog"], ["man", "is"], [], []]
    assert result.exit_code == 0, result.output
    expected = translator.translate(["ein hund", "mann", "", "x"], constraints=wanted)
    assert result.stdout.splitlines() == [one.text for one in expected]
    assert f"{terms}: 2 terms applied in 2 lines" in result.stderr


def test_prefixes_and_constraints_of_a_line(model: Path) -> None:
    (expected,) = Translator.load(model).translate(["hund"], prefixes=["the man "], constraints=[["green", "is "]])
    columns = succeed("translate", model, "--prefix", "--constraints", text="hund\tthe man \tgreen\t\tis \n")
    assert columns == f"{expected.text}\n"
    tree = {"source": "hund", "prefix": "the man ", "constraints": ["green", " ", "is "]}
    assert (
        succeed("translate", model, "--input-format", "jsonl", text=json.dumps(tree) + "\n\n") == f"{expected.text}\n\n"
    )
    assert succeed("translate", model, "--input-format", "jsonl", "--sample", text='{"source": "x"}\n')


def test_what_the_length_keeps_out_is_counted(model: Path) -> None:
    lines = "hund\tthe dog\nhund\nmann\tthe dog\n"
    result = invoke("translate", model, "--constraints", "--max-length", 1, text=lines)
    assert result.exit_code == 0, result.output
    assert "in 2 lines, the first of them 1" in result.stderr.split("translations lack a constraint")[1]
    result = invoke("translate", model, "--constraints", "--max-length", 1, text="hund\nhund\tthe dog\n")
    assert "standard input:2: the translation lacks a constraint" in result.stderr
    assert "lack" not in invoke("translate", model, "--constraints", text=lines).stderr
    counter = UnmetCounter()
    counter.merge(UnmetCounter(1, 7))
    assert counter.describe("x").startswith("x:7: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--constraints", "--sample"], "--constraints needs a beam, and has no effect with --sample"),
        (["--glossary", "terms.tsv", "--mbr", "chrf"], "--glossary needs a beam, and has no effect with --mbr"),
        (["--constraints", "--input-format", "jsonl"], "--constraints has no effect with --input-format jsonl"),
        (["--prefix", "--input-format", "jsonl"], "--prefix has no effect with --input-format jsonl"),
        (["--constraints", "--beam-size", "1"], "constraints need a beam size of 2 or more"),
        (["--glossary", "terms.tsv", "--diverse-groups", "3"], "choose one of the two"),
        (["--glossary", "-"], "--input and --glossary cannot both be standard input"),
    ],
)
def test_options_that_do_not_go_together(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write(tmp_path / "terms.tsv", ["hund\tdog"])
    monkeypatch.chdir(tmp_path)
    assert message in fail(2, "translate", model, *arguments, text="hund\tdog\n")


def test_a_file_with_constraints_is_the_same_in_two_processes(model: Path, tmp_path: Path) -> None:
    """From file to file, with a count of all terms."""
    terms = write(tmp_path / "terms.tsv", ["hund\tthe dog", "mann\tman "])
    source = write(tmp_path / "in.tsv", [*sentences(11), "hund\tis"])
    arguments = ["translate", model, "--constraints", "--glossary", terms, "-i", source, "-o", tmp_path / "out"]
    succeed(*arguments)
    once = (tmp_path / "out").read_bytes()
    result = invoke(*arguments, "--workers", 2)
    assert result.exit_code == 0, result.output
    assert "terms applied in" in result.stderr
    assert (tmp_path / "out").read_bytes() == once
