"""German noun phrases and places: article, adjective and noun agree in gender, number and case."""

from __future__ import annotations

from . import german_forms as forms
from .nouns import Noun
from .numerals import german_number
from .places import City, PlaceNoun
from .surface import Word
from .tree import (
    ADJECTIVE,
    AND,
    DETERMINER,
    HEAD,
    MEASURE,
    OWNER,
    RELATIVE,
    UNIT,
    VERB,
    Asked,
    Both,
    Clause,
    Entity,
    Gap,
    Named,
    Nobody,
    NounPhrase,
    Place,
    Pronoun,
    key,
    only,
)

STEMS = {"this": "dies", "these": "dies", "a": "ein", "many": "viel", "some": "einig", "every": "jed", "which": "welch"}
DECLENSION = {
    "a": "mixed",
    "my": "mixed",
    "none": "strong",
    "number": "strong",
    "many": "strong",
    "some": "strong",
    "how-many": "strong",
}
WHO = {"nom": "wer", "acc": "wen", "dat": "wem"}


def entity(thing: Entity, case: str, *, no: int = 0) -> tuple[list[Word], Clause | None]:
    """The words in their case, and the relative clause for the caller to place; `no`: the key of a negation (kein)."""
    match thing:
        case NounPhrase():
            return noun_phrase(thing, case, no=no), thing.relative
        case Pronoun():
            return [(forms.PRONOUNS[thing.name].split()[forms.CASES.index(case)], only(thing.id, HEAD))], None
        case Named():
            return [(thing.name.english, only(thing.id, HEAD))], None
        case Both():
            left, right = entity(thing.left, case)[0], entity(thing.right, case)[0]
            return [*left, ("und", only(thing.id, AND)), *right], None
        case Asked():
            return [("was" if thing.what == "what" else WHO[case], only(thing.id, HEAD))], None
        case Nobody():
            return [("es", only(thing.id, HEAD))], None
        case Gap():
            return [], None


def gender_of(phrase: NounPhrase) -> str:
    """m, f, n or p; a measure (eine Tasse Kaffee) is what agrees."""
    return "p" if phrase.number != 1 else (phrase.measure or phrase.noun).gender


def noun_phrase(phrase: NounPhrase, case: str, *, no: int = 0) -> list[Word]:
    """Determiner, adjective, (measure,) noun, (genitive)."""
    plural, gender = phrase.number != 1, gender_of(phrase)
    named = phrase.determiner == "of" and isinstance(phrase.owner, Named)
    words: list[Word] = [(forms.determiner("kein", gender, case), (no,))] if no else determiner(phrase, gender, case)
    if phrase.adjective:
        declension = "strong" if named else DECLENSION.get(phrase.determiner, "weak")
        if no or phrase.determiner == "my":  # kein neues Buch, keine neuen Bücher
            declension = "weak" if plural else "mixed"
        words.append((forms.adjective(phrase.adjective.german, declension, gender, case), only(phrase.id, ADJECTIVE)))
    if phrase.measure:
        words.append((forms.noun(phrase.measure, case, plural=plural), only(phrase.id, MEASURE)))
        words.append((phrase.noun.german[0], only(phrase.id, HEAD)))
    else:
        words.append((forms.noun(phrase.noun, case, plural=plural), only(phrase.id, HEAD)))
    if isinstance(phrase.owner, NounPhrase):
        (article, keys), *rest = noun_phrase(phrase.owner, "gen")
        words += [(article, keys + only(phrase.id, OWNER)), *rest]
    return words


def determiner(phrase: NounPhrase, gender: str, case: str) -> list[Word]:
    """der, dieser, ein, drei, diese drei, mein, Annas, viele, jeder, welcher, wie viele."""
    mine, unit = only(phrase.id, DETERMINER), only(phrase.id, UNIT)
    match phrase.determiner:
        case "none":
            return []
        case "number":
            return [(german_number(phrase.number), mine + unit)]
        case "these":
            return [(forms.determiner("dies", gender, case), mine), (german_number(phrase.number), unit)]
        case "how-many":
            return [("wie", mine), ("viele", mine + unit)]
        case "my":
            assert isinstance(phrase.owner, str)
            return [(possessive(phrase.owner, gender, case), only(phrase.id, OWNER))]
        case "of" if isinstance(phrase.owner, Named):
            return [(genitive_name(phrase.owner.name.english), (key(phrase.owner.id, HEAD), key(phrase.id, OWNER)))]
        case "the" | "of":
            return [(forms.definite(gender, case), mine + unit)]
    return [(forms.determiner(STEMS[phrase.determiner], gender, case), mine + unit)]


def possessive(owner: str, gender: str, case: str) -> str:
    """mein, meine, meinem ..."""
    return forms.determiner(forms.POSSESSIVES[owner], gender, case)


def genitive_name(name: str) -> str:
    """Annas; Lukas', Felix'."""
    return name + ("'" if name.endswith(("s", "x", "z")) else "s")


def relative_clause(inner: Clause, gap: Gap) -> list[Word]:
    """The relative pronoun, with the verb's preposition before it."""
    if gap is inner.subject:
        return [(forms.relative(gap.gender, "nom"), only(inner.id, RELATIVE))]
    pronoun = (forms.relative(gap.gender, inner.verb.case), only(inner.id, RELATIVE))
    if inner.verb.german_preposition:
        return [(inner.verb.german_preposition, only(inner.id, VERB)), pronoun]
    return [pronoun]


def place(where: Place) -> list[Word]:
    """in der Küche, im Park, in Berlin, zu Hause."""
    if isinstance(where.where, PlaceNoun):
        return _at(where, where.where.german, where.where.noun, "dat")
    if isinstance(where.where, City):
        return [("in", only(where.id, DETERMINER)), (where.where.german, only(where.id, HEAD))]
    return [("zu", only(where.id, DETERMINER)), ("Hause", only(where.id, HEAD))]


def towards(where: Place, *, onto: bool) -> list[Word]:
    """in die Küche, zum Bahnhof, nach Berlin, nach Hause; onto: auf den Tisch."""
    if isinstance(where.where, PlaceNoun):
        preposition = where.where.german if onto else where.where.german_to
        return _at(where, preposition, where.where.noun, "dat" if preposition == "zu" else "acc")
    name = where.where.german if isinstance(where.where, City) else "Hause"
    return [("nach", only(where.id, DETERMINER)), (name, only(where.id, HEAD))]


def _at(where: Place, preposition: str, noun: Noun, case: str) -> list[Word]:
    on, unit = only(where.id, DETERMINER), only(where.id, UNIT)
    article = forms.definite(noun.gender, case)
    head = (forms.noun(noun, case, plural=False), only(where.id, HEAD))
    contracted = forms.contract(preposition, article)
    if contracted:
        return [(contracted, on + unit), head]
    return [(preposition, on), (article, unit), head]
