"""The abstract syntax: what a sentence says, before any language says it.

Every node has an `id`; a linearised word carries keys `8 * id + role`. Words of two languages are linked if they share
a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .nouns import Noun
from .places import City, PlaceNoun
from .times import Time
from .verbs import Verb
from .words import Adjective, Frequency, Modal, Name

# Roles within a noun phrase.
DETERMINER, HEAD, ADJECTIVE, MEASURE, OWNER, AND, UNIT = range(7)
# Roles within a clause (and of its predicate).
VERB, TENSE, NEGATION, MODAL, RELATIVE, ASKED, FIXED, DEGREE = range(8)


# The past of a clause that only sets the scene (before he came) has no 了 in Chinese.
PAST = ("past", "background")


def key(node: int, role: int) -> int:
    """The key that words share across languages."""
    return 8 * node + role


def only(node: int, role: int) -> tuple[int, ...]:
    """The keys of a word that expresses one thing."""
    return (key(node, role),)


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun and what goes with it.

    determiner: the, this, a, none, number, these, my, of, many, some, every, which, how-many, or
    any (under negation: a in English, kein in German, nothing in Chinese).
    `number` is 1 (singular), 0 (an unstated plural) or the numeral.
    `owner` is a pronoun's name (my) or a person (of). A `measure` makes a mass noun countable.
    """

    id: int
    noun: Noun
    determiner: str = "the"
    number: int = 1
    adjective: Adjective | None = None
    relative: Clause | None = None
    owner: str | NounPhrase | Named | None = None
    measure: Noun | None = None


@dataclass(frozen=True, slots=True)
class Pronoun:
    """I, you, he, she, we or they."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A person by first name."""

    id: int
    name: Name


@dataclass(frozen=True, slots=True)
class Both:
    """Two persons: Anna and my brother."""

    id: int
    left: Entity
    right: Entity


@dataclass(frozen=True, slots=True)
class Asked:
    """The missing part of a question: who or what."""

    id: int
    what: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The place in a relative clause that its head fills; gender is m, f, n or p as in German."""

    id: int
    gender: str
    person: bool


@dataclass(frozen=True, slots=True)
class Nobody:
    """The subject of weather verbs: it, es, nothing in Chinese."""

    id: int


Entity = NounPhrase | Pronoun | Named | Both | Asked | Gap | Nobody


@dataclass(frozen=True, slots=True)
class Place:
    """Where; `where` is a place, a city, or "home". The noun of a place is always definite."""

    id: int
    where: PlaceNoun | City | str


@dataclass(frozen=True, slots=True)
class Quality:
    """An adjective as predicate; degree is "", very or than."""

    id: int
    adjective: Adjective
    degree: str = ""
    than: Entity | None = None


@dataclass(frozen=True, slots=True)
class When:
    """A time in its place in the tree."""

    id: int
    time: Time


@dataclass(frozen=True, slots=True)
class HowOften:
    """An adverb of frequency in its place in the tree."""

    id: int
    frequency: Frequency


@dataclass(frozen=True, slots=True)
class Clause:
    """One verb and what goes with it.

    tense: progressive, habitual, state, bare (conditional), past, background (past in a before- or when-clause),
    future, modal, pluperfect, imperative.
    asked: what a question asks for: "", yes, subject, object, place, time, reason.
    """

    id: int
    verb: Verb
    subject: Entity
    tense: str
    object: Entity | None = None
    recipient: Entity | None = None
    companion: Entity | None = None
    place: Place | None = None
    direction: Place | None = None
    vehicle: PlaceNoun | None = None
    time: When | None = None
    often: HowOften | None = None
    modal: Modal | None = None
    predicate: Quality | Place | NounPhrase | None = None
    says: Clause | None = None
    negated: bool = False
    fronted: bool = False
    asked: str = ""
    exists: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """A main and a subordinate clause; connective: because, although, if, before, after, when."""

    id: int
    connective: str
    main: Clause
    side: Clause
    fronted: bool = True


@dataclass(frozen=True, slots=True)
class Coordinated:
    """Two statements with and or but."""

    id: int
    connective: str
    first: Tree
    second: Tree


Tree = Clause | Joined | Coordinated


@dataclass(slots=True)
class Ids:
    """Counts the nodes of one sentence."""

    last: int = field(default=0)

    def next(self) -> int:
        """A fresh id."""
        self.last += 1
        return self.last


def is_plural(entity: Entity) -> bool:
    """Whether verbs agree with it in the plural."""
    match entity:
        case NounPhrase():
            return entity.number != 1
        case Pronoun():
            return entity.name in ("we", "they")
        case Gap():
            return entity.gender == "p"
        case Both():
            return True
    return False


def person(entity: Entity) -> str:
    """1, 2, 3 for the singular, p for the plural; `Both` never holds I or you, so it is a third person."""
    if isinstance(entity, Pronoun) and entity.name in ("I", "you"):
        return "1" if entity.name == "I" else "2"
    return "p" if is_plural(entity) else "3"


def is_definite(entity: Entity) -> bool:
    """Definite objects move left in German and stand after 把 in Chinese."""
    if isinstance(entity, NounPhrase):
        return entity.determiner in ("the", "this", "these", "my", "of")
    return isinstance(entity, Pronoun | Named | Both)
