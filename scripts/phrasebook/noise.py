"""Noise for the source side: typos, dropped and swapped words at a stated rate."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from .examples import Example

ROWS = ("qwertzuiopü", "asdfghjklöä", "yxcvbnm")  # the German keyboard; the English one differs in y and z only
CONFUSABLE = {
    "的": "得地",
    "得": "的地",
    "在": "再",
    "再": "在",
    "那": "哪",
    "哪": "那",
    "他": "她",
    "她": "他",
    "坐": "做",
    "做": "坐",
    "想": "相",
    "买": "卖",
    "卖": "买",
    "是": "事",
    "会": "回",
    "和": "合",
    "几": "己",
    "个": "各",
    "们": "门",
}


def noised(examples: Iterable[Example], language: str, rate: float, seed: int) -> list[str]:
    """The texts of the examples with about `rate` of their words changed; never empty."""
    rng = Random(f"{seed}/noise/{language}")
    joint = "" if language == "zh" else " "
    return [
        joint.join(noisy_words(example.words(language), rate, rng, chinese=language == "zh")) for example in examples
    ]


def noisy_words(words: list[str], rate: float, rng: Random, *, chinese: bool) -> list[str]:
    """Each word is changed with probability `rate`: in half of the cases a typo, else dropped or swapped with the next.

    A swap changes two words and therefore counts twice: it happens half as often.
    """
    done: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if rng.random() >= rate:
            done.append(word)
            continue
        kind = rng.choices(("typo", "drop", "swap"), (60, 25, 15))[0]
        if kind == "drop" and len(words) > 2:
            continue
        if kind == "swap" and position < len(words):
            done += [words[position], word]
            position += 1
        else:
            done.append(chinese_typo(word, rng) if chinese else typo(word, rng))
    return done or words


def typo(word: str, rng: Random) -> str:
    """Swap two letters, drop one, or hit the key beside it; punctuation stays."""
    letters = [index for index, letter in enumerate(word) if letter.isalpha()]
    if len(letters) < 2:
        return word + word[-1] if word.isalpha() else word
    at = rng.choice(letters[:-1])
    kind = rng.choice(("swap", "drop", "neighbour"))
    if kind == "swap" and word[at] != word[at + 1] and word[at + 1].isalpha():
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "neighbour":
        return word[:at] + neighbour(word[at], rng) + word[at + 1 :]
    return word[:at] + word[at + 1 :]


def neighbour(letter: str, rng: Random) -> str:
    """A letter beside this one on the keyboard."""
    for row in ROWS:
        at = row.find(letter.lower())
        if at >= 0:
            return rng.choice([row[i] for i in (at - 1, at + 1) if 0 <= i < len(row)])
    return "e"


def chinese_typo(word: str, rng: Random) -> str:
    """A character that sounds or looks alike; else two characters swapped, or one dropped."""
    confused = [index for index, character in enumerate(word) if character in CONFUSABLE]
    if confused:
        at = rng.choice(confused)
        return word[:at] + rng.choice(CONFUSABLE[word[at]]) + word[at + 1 :]
    if len(word) > 1 and rng.random() < 0.5 and word[0] != word[1] and word[1] not in "，。？":
        return word[1] + word[0] + word[2:]
    return word[1:]
