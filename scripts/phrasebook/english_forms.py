"""English inflection: plurals, verb forms, a and an."""

from __future__ import annotations

VOWELS = "aeiou"


def plural(singular: str) -> str:
    """potato -> potatoes, baby -> babies, box -> boxes, bus -> buses."""
    if singular.endswith("y") and singular[-2] not in VOWELS:
        return singular[:-1] + "ies"
    if singular.endswith(("s", "x", "ch", "sh", "tato", "mato")):
        return singular + "es"
    return singular + "s"


def third_person(base: str) -> str:
    """read -> reads, wash -> washes, carry -> carries, go -> goes."""
    irregular = {"have": "has", "be": "is", "do": "does", "go": "goes"}
    return irregular.get(base) or plural(base)


def past(base: str) -> str:
    """The regular past: open -> opened, dance -> danced, tidy -> tidied, peel -> peeled."""
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in VOWELS:
        return base[:-1] + "ied"
    return base + base[-1] * _doubles(base) + "ed"


def gerund(base: str) -> str:
    """read -> reading, write -> writing, lie -> lying, sit -> sitting, be -> being."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith("ee") and base != "be":
        return base[:-1] + "ing"
    return base + base[-1] * _doubles(base) + "ing"


def _doubles(base: str) -> bool:
    """Whether the last consonant doubles: one vowel, one consonant, stressed (for us: one syllable)."""
    if len(base) < 3 or base[-1] in VOWELS + "wxy" or base[-2] not in VOWELS or base[-3] in VOWELS:
        return False
    return sum(letter in VOWELS for letter in base) == 1 or base in {"forget", "begin"}


def indefinite_article(word: str) -> str:
    """a or an, by the sound that follows; the exceptions are those of our lexicon."""
    if word.startswith(("uni", "use", "eu", "one")):
        return "a"
    return "an" if word[0].lower() in VOWELS or word.startswith("hour") else "a"
