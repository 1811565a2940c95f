"""German inflection: articles, adjective endings, noun cases, the present tense, imperatives, contractions."""

from __future__ import annotations

from functools import cache

from .nouns import Noun
from .verbs import Verb

# Endings by gender (p: plural); each string lists nominative, accusative, dative, genitive. `0` is no ending.
CASES = ("nom", "acc", "dat", "gen")
DEFINITE = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
RELATIVE = {"m": "der den dem dessen", "f": "die die der deren", "n": "das das dem dessen", "p": "die die denen deren"}
STRONG_DETERMINER = {"m": "er en em es", "f": "e e er er", "n": "es es em es", "p": "e e en er"}
MIXED_DETERMINER = {"m": "0 en em es", "f": "e e er er", "n": "0 0 em es", "p": "e e en er"}
WEAK = {"m": "e en en en", "f": "e e en en", "n": "e e en en", "p": "en en en en"}
MIXED = {"m": "er en en en", "f": "e e en en", "n": "es es en en", "p": "en en en en"}
STRONG = {"m": "er en em en", "f": "e e er er", "n": "es es em en", "p": "e e en er"}

CONTRACTIONS = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("bei", "dem"): "beim",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}

PRONOUNS = {
    "I": "ich mich mir",
    "you": "du dich dir",
    "he": "er ihn ihm",
    "she": "sie sie ihr",
    "we": "wir uns uns",
    "they": "sie sie ihnen",
}
POSSESSIVES = {"I": "mein", "you": "dein", "he": "sein", "she": "ihr", "we": "unser"}

# Persons: 1, 2, 3 singular, p for both plurals in use (wir, sie).
IRREGULAR = {
    "sein": {"1": "bin", "2": "bist", "3": "ist", "p": "sind"},
    "haben": {"1": "habe", "2": "hast", "3": "hat", "p": "haben"},
    "werden": {"1": "werde", "2": "wirst", "3": "wird", "p": "werden"},
    "wissen": {"1": "weiß", "2": "weißt", "3": "weiß", "p": "wissen"},
    "mögen": {"1": "mag", "2": "magst", "3": "mag", "p": "mögen"},
    "können": {"1": "kann", "2": "kannst", "3": "kann", "p": "können"},
    "müssen": {"1": "muss", "2": "musst", "3": "muss", "p": "müssen"},
    "wollen": {"1": "will", "2": "willst", "3": "will", "p": "wollen"},
    "dürfen": {"1": "darf", "2": "darfst", "3": "darf", "p": "dürfen"},
    "sollen": {"1": "sollte", "2": "solltest", "3": "sollte", "p": "sollten"},  # English "should" is the subjunctive
}
WAS = {"1": "war", "2": "warst", "3": "war", "p": "waren"}
HAD = {"1": "hatte", "2": "hattest", "3": "hatte", "p": "hatten"}


def pick(endings: dict[str, str], gender: str, case: str) -> str:
    """One cell of a table above."""
    return endings[gender].split()[CASES.index(case)].replace("0", "")


@cache
def definite(gender: str, case: str) -> str:
    """der, die, das in its case."""
    return pick(DEFINITE, gender, case)


@cache
def relative(gender: str, case: str) -> str:
    """The relative pronoun: as the article, but denen."""
    return pick(RELATIVE, gender, case)


@cache
def determiner(stem: str, gender: str, case: str) -> str:
    """dies-, jed-, welch-, viel-, einig- with strong endings; ein-, kein-, mein- ... with none where ein has none."""
    strong = stem in ("dies", "jed", "welch", "viel", "einig")
    return stem + pick(STRONG_DETERMINER if strong else MIXED_DETERMINER, gender, case)


@cache
def adjective(stem: str, declension: str, gender: str, case: str) -> str:
    """The adjective before a noun; declension is weak (der), mixed (ein) or strong (no article or a numeral)."""
    ending = pick({"weak": WEAK, "mixed": MIXED, "strong": STRONG}[declension], gender, case)
    if stem == "hoch":
        stem = "hoh"
    elif stem == "teuer":
        stem = "teur"
    elif stem == "dunkel":
        stem = "dunkl"
    if stem in ("lila", "rosa"):
        return stem
    return stem + (ending[1:] if stem.endswith("e") else ending)


@cache
def noun(entry: Noun, case: str, *, plural: bool) -> str:
    """The noun in its case: dem Jungen, des Mannes, den Kindern."""
    singular, many = entry.german
    if plural:
        return many + "n" if case == "dat" and not many.endswith(("n", "s")) else many
    if case == "gen":
        return entry.genitive
    return many if entry.weak and case != "nom" else singular


@cache
def present(infinitive: str, changed: str, person: str) -> str:
    """The present tense of a verb without its separable prefix."""
    if infinitive in IRREGULAR:
        return IRREGULAR[infinitive][person]
    if person == "p":
        return infinitive
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    if person == "1":
        return stem + "e"
    linking = "e" if not changed and needs_e(stem) else ""
    stem = changed or stem
    if person == "2":
        return stem + ("t" if stem.endswith(("s", "ß", "z", "x")) else linking + "st")
    return stem + linking + "t"


def needs_e(stem: str) -> bool:
    """arbeit-et, find-et, regn-et, öffn-et; but lern-t and wohn-t."""
    return stem.endswith(("d", "t")) or (stem[-1] in "mn" and stem[-2] not in "aeiouäöühlrmn")


@cache
def imperative(verb: Verb) -> str:
    """The du imperative without prefix: lies, gib, mach, warte, fahr, lad."""
    stem = verb.infinitive[:-2] if verb.infinitive.endswith("en") else verb.infinitive[:-1]
    if verb.changed and not set(verb.changed) & set("äöü"):
        return verb.changed
    return stem + ("e" if needs_e(stem) or verb.infinitive.endswith("ern") else "")


def contract(preposition: str, article: str) -> str | None:
    """im, zum, ans ... or None where the two stay apart."""
    return CONTRACTIONS.get((preposition, article))
