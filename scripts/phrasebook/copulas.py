"""Random clauses with be, and the weather."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .entities import Entities, nouns_of
from .traits import has_sex, is_every, is_job, sex_of, subject_is_relative
from .tree import Both, Clause, Entity, Named, Nobody, NounPhrase, Place, Pronoun, Quality
from .verbs import ALL_VERBS, BE
from .words import ALL_ADJECTIVES, adjectives_of

WEATHER = tuple(verb for verb in ALL_VERBS if verb.kind == "weather")

DESCRIBABLE = [
    n
    for n in nouns_of(
        frozenset(
            {
                "item",
                "vehicle",
                "animal",
                "readable",
                "watchable",
                "clothing",
                "fruit",
                "sight",
                "room",
                "outside",
                "plant",
                "sayable",
            }
        )
    )
    if n.classes & {w for a in ALL_ADJECTIVES for w in a.predicative}
]


@dataclass(slots=True)
class Copulas:
    """Draws what things are, where they are, that they exist."""

    entities: Entities

    def new_id(self) -> int:
        """A fresh id."""
        return self.entities.ids.next()

    def copular(self, subject: Entity | None = None) -> Clause:
        """Anna is tired; the cat is smaller than the dog; my sister is a doctor; the key is on the table."""
        rng, draw = self.entities.rng, self.entities
        roll = rng.random()
        if subject is None and roll < 0.35:
            return self.located_thing()
        if subject is None and roll < 0.65:
            return self.described_thing()
        subject = subject or draw.person(frozenset({"person"}))
        if roll > 0.85 and has_sex(subject) and (isinstance(subject, Named) or getattr(subject, "owner", None)):
            job = rng.choice([n for n in nouns_of(frozenset({"adult"})) if n.sex == sex_of(subject) and is_job(n)])
            return Clause(self.new_id(), BE, subject, "state", predicate=NounPhrase(self.new_id(), job, "a"))
        return self.quality(subject, self.person_classes(subject))

    def person_classes(self, subject: Entity) -> frozenset[str]:
        """Moods suit anybody; the rest as the lexicon says."""
        noun = getattr(subject, "noun", None)
        return (noun.classes if noun else frozenset({"person", "adult"})) | {"mood"}

    def quality(self, subject: Entity, classes: frozenset[str]) -> Clause:
        """Subject + be + adjective, with a degree."""
        rng, draw = self.entities.rng, self.entities
        attribute = getattr(subject, "adjective", None)
        pool = [a for a in adjectives_of(classes, predicative=True) if a is not attribute]
        adjective = rng.choice(pool)
        negated = rng.random() < 0.2
        roll = rng.random()
        than: Entity | None = None
        degree = ""
        compared = (
            not adjective.changed and not negated and "mood" not in adjective.predicative and not is_every(subject)
        )
        if compared and roll < 0.3:
            than = self.compared_to(subject)
            degree = "than" if than else ""
        elif not adjective.changed and not negated and roll < 0.5:
            degree = "very"
        clause = Clause(
            self.new_id(),
            BE,
            subject,
            "state",
            predicate=Quality(self.new_id(), adjective, degree, than),
            negated=negated,
        )
        if "mood" in adjective.predicative and not subject_is_relative(subject) and rng.random() < 0.3:
            front = rng.random() < 0.4
            return replace(clause, tense="past", time=draw.when("past"), fronted=front)
        return clause

    def compared_to(self, subject: Entity) -> Entity | None:
        """Another of the same sort."""
        draw, rng = self.entities, self.entities.rng
        if not isinstance(subject, NounPhrase):
            other: Entity = draw.named() if rng.random() < 0.6 else draw.relative_of_someone("I")
            same = isinstance(subject, Named) and isinstance(other, Named) and subject.name is other.name
            return None if same or (isinstance(subject, Both)) else other
        if subject.determiner not in ("the", "this", "my", "of") or subject.relative:
            return None
        if subject.noun.kin:
            return draw.named()
        pool = [
            n
            for n in nouns_of(
                frozenset(sorted(subject.noun.classes - {"item", "house", "gift", "young", "adult", "friend"})[:1])
            )
            if n is not subject.noun and not n.kin
        ]
        return NounPhrase(self.new_id(), rng.choice(pool), "the") if pool else None

    def described_thing(self) -> Clause:
        """The book is very expensive."""
        rng, draw = self.entities.rng, self.entities
        noun = rng.choice(DESCRIBABLE)
        unique = noun.classes & {"room", "sight", "outside", "house"}
        weights = {"the": 1} if unique else {"the": 40, "this": 30, "my": 15, "of": 5, "the-plural": 8}
        if noun.classes & {"fruit", "plant", "sayable", "watchable"}:
            weights = {"the": 40, "this": 30, "the-plural": 10}
        thing = replace(draw.thing(noun, Pronoun(0, "I"), weights), adjective=None)
        return self.quality(thing, noun.classes)

    def located_thing(self) -> Clause:
        """The key is on the table; my mother is in the kitchen."""
        rng, draw = self.entities.rng, self.entities
        negated = rng.random() < 0.2
        if rng.random() < 0.5:
            noun = rng.choice(nouns_of(frozenset({"smallthing", "dishes"})))
            subject: Entity = draw.thing(
                noun, Pronoun(0, "I"), {"the": 50, "this": 5, "my": 20, "of": 10, "the-plural": 10}
            )
            tags = {"level", "inside"} if "dishes" in noun.classes else {"surface", "room", "inside"}
            spot = draw.place(frozenset(tags))
        else:
            subject, spot = draw.person(frozenset({"person"})), draw.place(frozenset({"home", "goal", "stay2"}))
        if rng.random() < 0.1 and isinstance(subject, Pronoun | Named):
            spot = Place(self.new_id(), "home")
        return Clause(self.new_id(), BE, subject, "state", predicate=spot, negated=negated)

    def existential(self) -> Clause:
        """There is a cat in the garden; there are three glasses on the table."""
        rng, draw = self.entities.rng, self.entities
        spot, kinds = rng.choice(
            (
                ("surface", "smallthing"),
                ("level", "dishes"),
                ("inside", "dishes"),
                ("cool", "food"),
                ("home", "pet"),
                ("animal", "animal"),
                ("dine", "guest"),
                ("goal", "tourist"),
                ("quiet", "item"),
            )
        )
        pool = (
            nouns_of(frozenset(kinds.split()))
            if kinds not in ("guest", "tourist")
            else [
                n
                for n in nouns_of(frozenset({"person"}))
                if n.name in ("guest", "tourist", "child", "student", "journalist", "policeman")
            ]
        )
        where = draw.place(frozenset({spot}))
        if spot == "quiet":
            where = draw.place(frozenset({"bed"}))
        noun = rng.choice(pool)
        if "wild" in noun.classes:
            where = draw.place(frozenset({"zoo"}))
        thing = draw.thing(
            noun, Pronoun(0, "I"), {"a": 45, "number": 35, "many": 10 if "animal" not in noun.classes else 1, "some": 8}
        )
        return Clause(self.new_id(), BE, thing, "state", place=where, exists=True)

    def weather(self, tense: str = "") -> Clause:
        """It is raining; tomorrow it will snow in Berlin."""
        rng, draw = self.entities.rng, self.entities
        verb = rng.choice(WEATHER)
        clause = Clause(
            self.new_id(),
            verb,
            Nobody(self.new_id()),
            tense or rng.choice(("progressive", "past", "past", "future", "future")),
            negated=rng.random() < 0.2,
        )
        if rng.random() < 0.5:
            clause = replace(clause, place=draw.place(frozenset({"city"})))
        if clause.tense == "bare":
            return replace(clause, time=draw.when("future", scale="day")) if rng.random() < 0.6 else clause
        return clause
