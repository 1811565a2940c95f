"""Noise for source sentences, to measure how robust a translation is to typing mistakes and to lost or swapped words.

After Belinkov & Bisk (2018), "Synthetic and Natural Noise Both Break Neural Machine Translation": character swaps,
character drops and keyboard typos, one in each changed word; also words that are dropped or swapped. Words are
separated by spaces, so a line without spaces is one word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TypeVar

from seq2seq.errors import InputError, nearest

T = TypeVar("T")
NoiseFunction = Callable[[list[str], float, random.Random], list[str]]
"""A function from the words of a line (at least one), a rate and a generator to the changed words.

It draws the same numbers at every rate, so that a higher rate repeats all changes of a lower one.
"""

NOISES: dict[str, NoiseFunction] = {}
"""The functions of all kinds of noise by name."""


def apply_noise(
    lines: Iterable[str], kind: str, rate: float, seed: int, numbers: Sequence[int] | None = None
) -> list[str]:
    """Return the lines with a share `rate` of their words (0 to 1, in expectation) changed by one kind of noise.

    The noise of a line depends only on the seed, the kind and the line's number, not on the other lines, so every
    system gets the same noise. numbers: the lines' numbers in the test, if they are only a part of it; None: 0, 1, 2,
    ... A higher rate changes the same words as a lower one, and further words. Words that the kind cannot change (one
    letter has no neighbour to swap with) stay, and no line becomes blank. In a changed line, words are separated by
    single spaces; other lines stay as they are.

    Raises InputError for an unknown kind and a rate outside 0 to 1, ValueError if there are not as many numbers as
    lines.
    """
    if kind not in NOISES:
        raise InputError(f"unknown noise {kind!r}; {nearest(kind, NOISES)}")
    if not 0 <= rate <= 1:
        raise InputError(f"noise rate {rate}: a share of the words is needed, from 0 to 1")
    given = list(lines)
    return [
        _change_line(line, NOISES[kind], rate, random.Random(f"{seed} {kind} {number}"))
        for number, line in zip(range(len(given)) if numbers is None else numbers, given, strict=True)
    ]


def _change_line(line: str, change: NoiseFunction, rate: float, generator: random.Random) -> str:
    words = line.split()
    changed = change(words, rate, generator) if words else words
    return line if changed == words else " ".join(changed)


def _register(name: str) -> Callable[[NoiseFunction], NoiseFunction]:
    def register(change: NoiseFunction) -> NoiseFunction:
        NOISES[name] = change
        return change

    return register


# ------------------------------------------------------------------------------------------------------- within a word


def _each_word(
    words: list[str], rate: float, generator: random.Random, change: Callable[[str, float, float], str]
) -> list[str]:
    """Change every word whose first random number is below the rate; `change` gets two more numbers for its choices."""
    draws = [(generator.random(), generator.random(), generator.random()) for _ in words]
    return [
        change(word, first, second) if draw < rate else word
        for word, (draw, first, second) in zip(words, draws, strict=True)
    ]


def _pick(choices: Sequence[T], draw: float) -> T:
    return choices[int(draw * len(choices))]


@_register("character-swaps")
def swap_characters(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Swap two neighbouring, different characters of a word: house -> huose."""

    def change(word: str, first: float, _: float) -> str:
        places = [place for place in range(len(word) - 1) if word[place] != word[place + 1]]
        if not places:
            return word
        place = _pick(places, first)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return _each_word(words, rate, generator, change)


@_register("character-drops")
def drop_characters(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Drop a character of a word of two or more: house -> hose."""

    def change(word: str, first: float, _: float) -> str:
        place = _pick(range(len(word)), first)
        return word[:place] + word[place + 1 :] if len(word) > 1 else word

    return _each_word(words, rate, generator, change)


def _neighbours(rows: Sequence[str]) -> dict[str, str]:
    """Return the keys around each key: those beside it, and the two nearest ones in the rows above and below.

    Each row is shifted by half a key to the right of the row above.
    """
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


@_register("qwerty-typos")
def qwerty_typos(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Replace a letter of a word by a neighbour on an English keyboard, in the same case: house -> hpuse."""
    return _typos(words, rate, generator, QWERTY)


@_register("qwertz-typos")
def qwertz_typos(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Replace a letter of a word by a neighbour on a German keyboard, in the same case: zehn -> tehn."""
    return _typos(words, rate, generator, QWERTZ)


# --------------------------------------------------------------------------------------------------------- whole words


@_register("word-drops")
def drop_words(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Drop words; one word of each line, the same at every rate, is always kept."""
    draws = [generator.random() for _ in words]
    safe = draws.index(max(draws))
    return [word for place, word in enumerate(words) if place == safe or draws[place] >= rate]


@_register("word-swaps")
def swap_words(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """Swap neighbouring words; the line is divided into pairs first, so that no word moves twice."""
    # With an odd number of words, the first or the last is in no pair.
    start = len(words) % 2 * generator.randrange(2)
    pairs = zip_longest(words[start::2], words[start + 1 :: 2])
    swapped = words[:start]
    for left, right in pairs:
        draw = generator.random()
        swapped += [left] if right is None else [right, left] if draw < rate else [left, right]
    return swapped
