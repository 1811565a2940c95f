"""Noise: each kind does what it says, the same for everyone, and more of it at a higher rate."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seq2seq.comparison.noise import NOISES, QWERTY, QWERTZ, apply_noise
from seq2seq.errors import InputError

WORD = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=9)
LINE = st.lists(WORD | st.sampled_from(["the", "House", "ÜBER", "a", "noon", "42", "."]), max_size=11).map(" ".join)
LINES = st.lists(LINE, max_size=5)
KIND = st.sampled_from(sorted(NOISES))
RATE = st.floats(0, 1) | st.sampled_from([0.05, 0.1, 0.2, 0.5, 1.0])
SEED = st.integers(0, 99)
WITHIN = [kind for kind in NOISES if not kind.startswith("word-")]
TEXT = [f"{chr(97 + i % 26)}house{i} thinks about those Letters since yesterday" for i in range(500)]


def test_kinds():
    assert list(NOISES) == [
        "character-swaps",
        "character-drops",
        "qwerty-typos",
        "qwertz-typos",
        "word-drops",
        "word-swaps",
    ]
    assert all(change.__doc__ for change in NOISES.values())


# ------------------------------------------------------------------------------------------------------- for every kind


@pytest.mark.parametrize("kind", NOISES)
@given(lines=LINES | st.lists(WORD, max_size=5), rate=RATE, seed=SEED)
def test_same_noise_for_every_system_and_no_blank_line(kind, lines, rate, seed):
    noisy = apply_noise(lines, kind, rate, seed)
    assert noisy == apply_noise(tuple(lines), kind, rate, seed)
    assert [bool(line.split()) for line in noisy] == [bool(line.split()) for line in lines]


@given(LINES, KIND, RATE, SEED, st.randoms(use_true_random=False))
def test_a_line_knows_its_number_alone(lines, kind, rate, seed, generator):
    noisy = apply_noise(lines, kind, rate, seed)
    order = list(range(len(lines)))
    generator.shuffle(order)
    kept = order[: len(order) // 2 + 1]
    assert apply_noise([lines[i] for i in kept], kind, rate, seed, kept) == [noisy[i] for i in kept]


@pytest.mark.parametrize("kind", NOISES)
def test_number_seed_and_kind_each_change_the_draws(kind):
    line = "those thinking letters yesterday house about"
    noisy = {(seed, n): apply_noise([line], kind, 0.3, seed, [n])[0] for seed in range(6) for n in range(6)}
    assert len({noisy[seed, 0] for seed in range(6)}) > 1
    assert len({noisy[0, number] for number in range(6)}) > 1


def test_kinds_do_not_hit_the_same_words():
    hit = {
        kind: [a != b for line, noisy in zip(TEXT, apply_noise(TEXT, kind, 0.5, 1), strict=True)
               for a, b in zip(line.split(), noisy.split(), strict=True)]
        for kind in WITHIN
    }  # fmt: skip
    assert len({tuple(each) for each in hit.values()}) == len(WITHIN)


@given(LINES, KIND, SEED)
def test_rate_0_changes_nothing(lines, kind, seed):
    spaced = [f" {line.replace(' ', '  ')} " for line in lines]
    assert apply_noise(spaced, kind, 0, seed) == spaced


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("rate", [0.1, 0.4, 1])
def test_share_of_changed_words_is_the_rate(kind, rate):
    """3500 words: within four standard deviations, for swaps of pairs (half as many draws) as well."""
    lines = [" ".join(f"{word}{place}" for place, word in enumerate(line.split())) for line in TEXT]
    noisy = apply_noise(lines, kind, rate, 5)
    words = sum(len(line.split()) for line in lines)
    if kind == "word-drops":
        changed = words - sum(len(line.split()) for line in noisy)
        share = {1: 6 / 7}.get(rate, rate)  # one of seven is safe
    else:
        rows = [zip(a.split(), b.split(), strict=True) for a, b in zip(lines, noisy, strict=True)]
        changed = sum(a != b for row in rows for a, b in row)
        share = rate * (6 / 7 if kind == "word-swaps" else 1)  # the odd word out has no partner
    assert changed / words == pytest.approx(share, abs=4 * (2 * rate * (1 - rate) / words) ** 0.5 + 0.001)


@given(LINES, KIND, RATE, RATE, SEED)
def test_a_higher_rate_keeps_what_a_lower_one_did(lines, kind, low, high, seed):
    assume(low < high)
    for line, less, more in zip(
        lines, apply_noise(lines, kind, low, seed), apply_noise(lines, kind, high, seed), strict=True
    ):
        before, some, many = line.split(), less.split(), more.split()
        if kind == "word-drops":
            assert not Counter(many) - Counter(some)
            assert is_subsequence(many, some)
        else:
            assert all(b == c for a, b, c in zip(before, some, many, strict=True) if a != b)


def is_subsequence(part, whole):
    left = iter(whole)
    return all(word in left for word in part)


# ------------------------------------------------------------------------------------------------------- what each does


def changes(line, kind, rate, seed):
    """(before, after) of each word that an in-word kind changed."""
    (noisy,) = apply_noise([line], kind, rate, seed)
    return [(a, b) for a, b in zip(line.split(), noisy.split(), strict=True) if a != b]


@given(LINE, RATE, SEED)
def test_character_swaps(line, rate, seed):
    for before, after in changes(line, "character-swaps", rate, seed):
        (first, second) = [place for place in range(len(before)) if before[place] != after[place]]
        assert second == first + 1
        assert before[first] + before[second] == after[second] + after[first]


@given(LINE, RATE, SEED)
def test_character_drops(line, rate, seed):
    for before, after in changes(line, "character-drops", rate, seed):
        assert after
        assert after in [before[:place] + before[place + 1 :] for place in range(len(before))]


@pytest.mark.parametrize(("kind", "keyboard"), [("qwerty-typos", QWERTY), ("qwertz-typos", QWERTZ)])
@given(line=LINE, rate=RATE, seed=SEED)
def test_typos(kind, keyboard, line, rate, seed):
    for before, after in changes(line, kind, rate, seed):
        assert len(before) == len(after)
        ((old, new),) = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert new.lower() in keyboard[old.lower()]
        assert old.isupper() == new.isupper()


@given(LINE, RATE, SEED)
def test_word_drops(line, rate, seed):
    (noisy,) = apply_noise([line], "word-drops", rate, seed)
    assert is_subsequence(noisy.split(), line.split())
    (least,) = apply_noise([line], "word-drops", 1, seed)
    assert len(least.split()) == min(1, len(line.split()))


@given(LINE, RATE, SEED)
def test_word_swaps(line, rate, seed):
    """A word moves one place at most, and every word is still there."""
    words = [f"{word}/{place}" for place, word in enumerate(line.split())]
    (noisy,) = apply_noise([" ".join(words)], "word-swaps", rate, seed)
    assert sorted(noisy.split()) == sorted(words)
    moved = [int(word.rpartition("/")[2]) - place for place, word in enumerate(noisy.split())]
    assert set(moved) <= {-1, 0, 1}
    assert all(after == -1 for move, after in pairwise(moved) if move == 1)


def test_every_place_is_hit():
    """All pairs, letters and neighbours come up, the first and the last too."""
    many = {kind: set(apply_noise(["star"] * 300, kind, 1, 0)) for kind in WITHIN}
    assert many["character-swaps"] == {"tsar", "satr", "stra"}
    assert many["character-drops"] == {"tar", "sar", "str", "sta"}
    assert many["qwerty-typos"] == {
        "star"[:place] + typed + "star"[place + 1 :] for place in range(4) for typed in QWERTY["star"[place]]
    }
    assert set(apply_noise(["42M"] * 30, "qwerty-typos", 1, 0)) == {"42N", "42J", "42K"}
    assert set(apply_noise(["a b c"] * 30, "word-swaps", 1, 0)) == {"b a c", "a c b"}
    assert set(apply_noise(["a b c d"] * 30, "word-swaps", 1, 0)) == {"b a d c"}
    assert set(apply_noise(["a b c"] * 30, "word-drops", 1, 0)) == {"a", "b", "c"}


@pytest.mark.parametrize("kind", WITHIN)
def test_words_that_cannot_change_stay(kind):
    stays = {"character-swaps": "aa x", "character-drops": "a 1", "qwerty-typos": "42 ... ß", "qwertz-typos": "42 é"}
    assert apply_noise([stays[kind]] * 5, kind, 1, 0) == [stays[kind]] * 5


def test_keyboards():
    assert set(QWERTY["a"]) == set("qwsz")
    assert set(QWERTY["g"]) == set("tyfhvb")
    assert set(QWERTY["p"]) == set("ol")
    assert set(QWERTY["m"]) == set("njk")
    assert set(QWERTZ["z"]) == set("tugh")
    assert set(QWERTZ["y"]) == set("asx")
    assert set(QWERTZ["ü"]) == set("pöä")
    for keyboard in (QWERTY, QWERTZ):
        assert all(letter in keyboard[near] for letter, around in keyboard.items() for near in around)
        assert all(letter not in around for letter, around in keyboard.items())
        assert all(len(set(around)) == len(around) for around in keyboard.values())


# ------------------------------------------------------------------------------------------------------------- refusals


def test_refusals():
    with pytest.raises(InputError, match=r"unknown noise 'word-swap'; .*word-swaps"):
        apply_noise(["a"], "word-swap", 0.1, 0)
    for rate in (-0.1, 1.01, float("nan")):
        with pytest.raises(InputError, match=rf"noise rate {rate}: a share of the words is needed, from 0 to 1"):
            apply_noise(["a"], "word-swaps", rate, 0)
    with pytest.raises(ValueError, match="longer"):
        apply_noise(["a", "b"], "word-swaps", 0.1, 0, [4])


def test_the_modules_generator_is_left_alone():
    random.seed(1)
    state = random.getstate()
    apply_noise(TEXT[:5], "character-swaps", 0.5, 3)
    assert random.getstate() == state
