"""Noise for sources: what slips of a typist's fingers, and of the mind, do to a translation.

After Belinkov & Bisk (2018), "Synthetic and Natural Noise Both Break Neural Machine Translation": swaps, drops and
keyboard typos, one in each word that is hit; and words dropped or out of order. A word is what spaces surround, so a
line without spaces is one word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TypeVar

from seq2seq.errors import InputError, nearest

T = TypeVar("T")
Change = Callable[[list[str], float, random.Random], list[str]]
"""From a line's words (at least one), a rate and a generator to the changed words.

It makes the same draws at every rate, so that what a rate changes, a higher one changes in the same way.
"""

NOISES: dict[str, Change] = {}
"""Every kind of noise by name; the first line of its docstring says what it does."""


def apply_noise(
    lines: Iterable[str], kind: str, rate: float, seed: int, numbers: Sequence[int] | None = None
) -> list[str]:
    """Change a share `rate` of the words (0 to 1, in expectation) of every line by one kind of noise.

    What becomes of a line depends on the seed, the kind and its number alone, not on the other lines: every system
    gets the same noise. numbers are the lines' numbers in the test, for a part of it; None: 0, 1, 2, ... A higher rate
    changes the same words as a lower one, and others. Words that the kind cannot change (one letter has no neighbour
    to swap with) stay, and no line is made blank. Changed lines have single spaces; others stay as they are.

    Raises InputError for an unknown kind and a rate outside 0 to 1, ValueError where numbers do not fit the lines.
    """
    if kind not in NOISES:
        raise InputError(f"unknown noise {kind!r}; {nearest(kind, NOISES)}")
    if not 0 <= rate <= 1:
        raise InputError(f"noise rate {rate}: a share of the words is needed, from 0 to 1")
    given = list(lines)
    return [
        _noisy(line, NOISES[kind], rate, random.Random(f"{seed} {kind} {number}"))
        for number, line in zip(range(len(given)) if numbers is None else numbers, given, strict=True)
    ]


def _noisy(line: str, change: Change, rate: float, generator: random.Random) -> str:
    words = line.split()
    changed = change(words, rate, generator) if words else words
    return line if changed == words else " ".join(changed)


def _kind(name: str) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        NOISES[name] = change
        return change

    return register


# ------------------------------------------------------------------------------------------------------- within a word


def _each_word(
    words: list[str], rate: float, generator: random.Random, change: Callable[[str, float, float], str]
) -> list[str]:
    """Change every word whose draw lies below the rate; the change gets two more draws for its own choices."""
    draws = [(generator.random(), generator.random(), generator.random()) for _ in words]
    return [
        change(word, first, second) if draw < rate else word
        for word, (draw, first, second) in zip(words, draws, strict=True)
    ]


def _pick(choices: Sequence[T], draw: float) -> T:
    return choices[int(draw * len(choices))]


@_kind("character-swaps")
def swap_characters(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Two neighbouring, different characters of a word change places: house -> huose."""

    def change(word: str, first: float, _: float) -> str:
        places = [place for place in range(len(word) - 1) if word[place] != word[place + 1]]
        if not places:
            return word
        place = _pick(places, first)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return _each_word(words, rate, generator, change)


@_kind("character-drops")
def drop_characters(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """A character of a word of two or more is missing: house -> hose."""

    def change(word: str, first: float, _: float) -> str:
        place = _pick(range(len(word)), first)
        return word[:place] + word[place + 1 :] if len(word) > 1 else word

    return _each_word(words, rate, generator, change)


def _neighbours(rows: Sequence[str]) -> dict[str, str]:
    """The letters around each letter: beside it, and the two that each row's stagger puts above and below."""
    found: dict[str, str] = {}
    padded = ["", *rows, ""]
    for above, row, below in zip(padded, rows, padded[2:], strict=False):
        for place, letter in enumerate(row):
            around = [row[max(place - 1, 0) : place], row[place + 1 : place + 2], above[place : place + 2]]
            found[letter] = "".join([*around, below[max(place - 1, 0) : place + 1]])
    return found


QWERTY = _neighbours(["qwertyuiop", "asdfghjkl", "zxcvbnm"])
QWERTZ = _neighbours(["qwertzuiopü", "asdfghjklöä", "yxcvbnm"])


def _typos(words: list[str], rate: float, generator: random.Random, keyboard: dict[str, str]) -> list[str]:
    def change(word: str, first: float, second: float) -> str:
        places = [place for place, letter in enumerate(word) if letter.lower() in keyboard]
        if not places:
            return word
        place = _pick(places, first)
        typed = _pick(keyboard[word[place].lower()], second)
        return word[:place] + (typed.upper() if word[place].isupper() else typed) + word[place + 1 :]

    return _each_word(words, rate, generator, change)


@_kind("qwerty-typos")
def qwerty_typos(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """A letter of a word is its neighbour on an English keyboard, in the same case: house -> hpuse."""
    return _typos(words, rate, generator, QWERTY)


@_kind("qwertz-typos")
def qwertz_typos(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """A letter of a word is its neighbour on a German keyboard, in the same case: zehn -> tehn."""
    return _typos(words, rate, generator, QWERTZ)


# --------------------------------------------------------------------------------------------------------- whole words


@_kind("word-drops")
def drop_words(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """A word is missing; one of each line, the same at every rate, never is."""
    draws = [generator.random() for _ in words]
    safe = draws.index(max(draws))
    return [word for place, word in enumerate(words) if place == safe or draws[place] >= rate]


@_kind("word-swaps")
def swap_words(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Two neighbouring words change places; the line is cut into pairs first, so that no word moves twice."""
    # Of an odd number of words the first or the last is in no pair.
    start = len(words) % 2 * generator.randrange(2)
    pairs = zip_longest(words[start::2], words[start + 1 :: 2])
    swapped = words[:start]
    for left, right in pairs:
        draw = generator.random()
        swapped += [left] if right is None else [right, left] if draw < rate else [left, right]
    return swapped
