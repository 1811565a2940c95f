"""What one can tell of an entity or a clause without a random choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .nouns import Noun
from .places import PlaceNoun
from .tree import Asked, Both, Clause, Coordinated, Entity, Gap, Joined, Named, NounPhrase, Pronoun, Quality, Tree
from .verbs import Verb

CUSTOMARY = frozenset({"often", "always", "usually"})


def full_name(verb: Verb) -> str:
    """The infinitive with its prefix."""
    return verb.prefix + verb.infinitive


def is_every(subject: Entity) -> bool:
    """every student: never negated."""
    return isinstance(subject, NounPhrase) and subject.determiner == "every"


def is_male(subject: Entity) -> bool:
    """Whether the subject is a man, or men."""
    match subject:
        case Named(name=name):
            return name.sex == "m"
        case Pronoun(name=name):
            return name == "he"
        case NounPhrase(noun=noun):
            return noun.gender == "m"
        case Gap(gender=gender):
            return gender in ("m", "p")
    return isinstance(subject, Both)


def is_ambiguous(inner: Clause, gap: Gap) -> bool:
    """die Ärztin, die Anna mag: who likes whom? Only der/den, a pronoun or a masculine article tells."""
    other = inner.object if gap is inner.subject else inner.subject
    if not gap.person or gap.gender == "m" or other is None or inner.verb.german_preposition:
        return False
    match other:
        case Pronoun(name=name):
            return name in ("she", "they")
        case NounPhrase(noun=noun, number=1):
            return noun.gender != "m" and bool(noun.classes & {"person", "kin"})
        case NounPhrase(noun=noun):
            return bool(noun.classes & {"person", "kin"})
    return True


def is_single(subject: Entity) -> bool:
    """Someone who can have company."""
    return not isinstance(subject, Both | Asked)


def is_asked(clause: Clause) -> bool:
    """Whether a place is already the question."""
    return clause.asked == "place"


def repeats_place(clause: Clause, tags: frozenset[str]) -> bool:
    """cleaning the table on the table."""
    return isinstance(clause.object, NounPhrase) and bool(clause.object.noun.classes & {"room", "furniture", "sight"})


def needs_time(clause: Clause) -> bool:
    """Where Chinese shows the past only by a time: not with 没 and a place, not for a bare mass noun."""
    if clause.tense != "past":
        return False
    bare = isinstance(clause.object, NounPhrase) and clause.object.determiner == "none"
    if clause.verb.kind == "weather" and clause.negated:
        return True
    in_relative = isinstance(clause.subject, Gap) and not clause.verb.objects
    return bare or in_relative or (clause.negated and clause.place is not None)


def has_sex(subject: Entity) -> bool:
    """Whether he or she can refer to the subject."""
    return sex_of(subject) != ""


def sex_of(subject: Entity) -> str:
    """m, f, or "" where no pronoun fits."""
    match subject:
        case Named(name=name):
            return name.sex
        case NounPhrase(noun=noun, number=1, determiner=determiner) if determiner != "every":
            return noun.sex
        case Pronoun(name=name):
            return {"he": "m", "she": "f"}.get(name, "")
    return ""


def is_job(noun: Noun) -> bool:
    """A noun that says what somebody does for a living."""
    others = {"man", "woman", "tourist", "guest", "neighbour", "colleague", "boss", "friend", "customer", "patient"}
    return "person" in noun.classes and noun.name not in others


def subject_is_relative(subject: Entity) -> bool:
    """Whether the subject is the gap of a relative clause, or carries one."""
    return isinstance(subject, Gap) or bool(getattr(subject, "relative", None))


def is_odd_to_ask(clause: Clause) -> bool:
    """Nobody asks what they themselves do, what everybody does, or who rarely does it."""
    subject = clause.subject
    own = isinstance(subject, Pronoun) and subject.name in ("I", "we") and clause.tense != "modal"
    every = isinstance(subject, NounPhrase) and subject.determiner == "every"
    rare = clause.often is not None and clause.often.frequency.english not in CUSTOMARY
    return own or every or rare


def has_same_object(first: Clause, second: Clause) -> bool:
    """Whether two clauses do something to the same sort of thing, so that joining them says nothing new."""
    one, other = first.object, second.object
    if isinstance(one, NounPhrase) and isinstance(other, NounPhrase) and one.noun is other.noun:
        definite = {"the", "this", "these", "my"}
        return one.determiner == other.determiner != "of" or {one.determiner, other.determiner} <= definite
    return False


def is_odd_second(first: Clause, second: Clause) -> bool:
    """Whether the second of two coordinated clauses has a pronoun nobody could place, or says much the same again."""
    subject = second.subject
    if isinstance(subject, Pronoun):
        ours = {"I": ("I", "we"), "we": ("I", "we", "you"), "you": ("you", "we")}
        if subject.name not in ours or getattr(first.subject, "name", "") in ours[subject.name]:
            return True
    return has_same_object(first, second)


def is_odd_report(speaker: Entity, subject: Pronoun) -> bool:
    """We know that we like sheep; Anna says that they came (who?)."""
    return subject.name in ("he", "she", "they") or (isinstance(speaker, Pronoun) and speaker.name == subject.name)


def is_vague(clause: Clause) -> bool:
    """When did you repair a car? One asks when or where something known happened."""
    vague = isinstance(clause.object, NounPhrase) and clause.object.determiner in ("a", "number", "many", "some")
    return vague and clause.tense == "past"


def is_outdoors(clause: Clause) -> bool:
    """Whether it takes place where it may rain."""
    where = clause.place.where if clause.place else None
    if not isinstance(where, PlaceNoun):
        return False
    return "outside" in where.noun.classes | where.tags or where.noun.name == "balcony"


def repeats_person(tree: Tree) -> bool:
    """Whether somebody is named twice where a pronoun, or somebody else, was to be expected."""
    names = list(_people(tree))
    return len(names) > len(set(names))


def _people(node: object) -> Iterator[str]:
    """The names, roles and relatives in a tree."""
    match node:
        case Named(name=name):
            yield name.english
        case NounPhrase(noun=noun) if noun.classes & {"person", "kin"}:
            yield f"{node.owner} {noun.name}" if isinstance(node.owner, str) else noun.name
            yield from _people(node.relative)
        case NounPhrase():
            yield from (*_people(node.relative), *_people(node.owner))
        case Both():
            yield from (*_people(node.left), *_people(node.right))
        case Quality():
            yield from _people(node.than)
        case Clause():
            for part in (node.subject, node.object, node.recipient, node.companion, node.predicate, node.says):
                yield from _people(part)
        case Joined():
            yield from (*_people(node.side), *_people(node.main))
        case Coordinated():
            yield from (*_people(node.first), *_people(node.second))


def without_kein(thing: Entity | None) -> Entity | None:
    """The object of a clause that is no longer negated: keinen Ball becomes einen Ball."""
    if isinstance(thing, NounPhrase) and thing.determiner == "any":
        return replace(thing, determiner="a")
    return thing
