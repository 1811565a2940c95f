"""Random noun phrases that make sense: people, things, places, times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from . import times
from .nouns import ANIMALS, MASS, MEASURES, PEOPLE, THINGS, Noun, table
from .places import CITY_NAMES, PLACE_NOUNS, City, PlaceNoun
from .tree import Asked, Both, Entity, HowOften, Ids, Named, NounPhrase, Place, Pronoun, When
from .words import ALL_NAMES, FREQUENCIES, Adjective, adjectives_of

COUNTABLE = (*table(PEOPLE), *table(ANIMALS), *table(THINGS))
PLACES_OF_NOUNS = tuple(place.noun for place in PLACE_NOUNS)
MASS_NOUNS = frozenset(table(MASS))

# determiner -> weight, by what the sentence wants of its object.
ANY_OBJECT = {
    "the": 24,
    "a": 24,
    "this": 10,
    "number": 16,
    "my": 10,
    "of": 5,
    "these": 3,
    "many": 3,
    "some": 4,
    "the-plural": 5,
}
DEFINITE_OBJECT = {"the": 40, "this": 18, "my": 18, "of": 9, "these": 5, "the-plural": 10}
OWNED_OBJECT = {"a": 50, "number": 40, "many": 10}
NEEDED_OBJECT = {"a": 60, "number": 40}
UNIQUE_OBJECT = {"the": 1}


@cache
def nouns_of(classes: frozenset[str]) -> tuple[Noun, ...]:
    """All nouns in any of these classes, in the order of the tables."""
    return tuple(noun for noun in (*COUNTABLE, *table(MASS), *PLACES_OF_NOUNS) if noun.classes & classes)


@cache
def places_of(tags: frozenset[str]) -> tuple[PlaceNoun, ...]:
    """All places with any of these tags."""
    return tuple(place for place in PLACE_NOUNS if place.tags & tags)


@cache
def _cumulated(items: tuple[tuple[str, int], ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return tuple(name for name, _ in items), tuple(weight for _, weight in items)


def weighted(rng: Random, weights: dict[str, int]) -> str:
    """One key of the table, by its weight."""
    names, numbers = _cumulated(tuple(weights.items()))
    return rng.choices(names, numbers)[0]


@dataclass(slots=True)
class Entities:
    """Draws noun phrases; one per sentence stream, `ids` is renewed for each sentence."""

    rng: Random
    ids: Ids

    def person(self, classes: frozenset[str], *, short: bool = False) -> Entity:
        """A subject: pronoun, name, role, relative, now and then a plural or a pair."""
        roll = self.rng.random()
        if classes & {"person", "adult"}:
            if roll < 0.27:
                return Pronoun(self.ids.next(), self.rng.choice(("I", "you", "he", "she", "we", "they", "I", "we")))
            if roll < 0.45:
                return self.named()
            if roll < 0.60:
                return self.relative_of_someone()
            if roll < 0.64 and not short:
                return self.pair()
        wanted = frozenset({"person"}) if "person" in classes else classes
        noun = self.rng.choice([noun for noun in nouns_of(wanted) if not noun.kin])
        return self.group(noun, short=short)

    def group(self, noun: Noun, *, short: bool) -> NounPhrase:
        """the cook, this boy, my neighbour, the students, these three tourists."""
        roll = self.rng.random()
        determiner, number = "the", 1
        if "friend" in noun.classes and roll < 0.8:
            return NounPhrase(self.ids.next(), noun, "my", owner=self.rng.choice(("I", "I", "you", "we", "he", "she")))
        if roll > 0.94 and not short:
            determiner, number = "these", self.rng.choice((2, 2, 3, 4))
        elif roll > 0.80:
            number = 0
        elif roll > 0.72:
            determiner, number = "this", self.rng.choice((0, 1, 1))
        adjective = self.adjective(noun, 0.12) if not short else None
        return NounPhrase(self.ids.next(), noun, determiner, number, adjective)

    def named(self) -> Named:
        """Somebody by name."""
        return Named(self.ids.next(), self.rng.choice(ALL_NAMES))

    def relative_of_someone(self, owner: str = "", *, young: bool = False) -> NounPhrase:
        """my mother, Anna's brother; the young have no children."""
        noun = self.rng.choice(
            [noun for noun in nouns_of(frozenset({"kin"})) if not young or noun.name not in ("son", "daughter")]
        )
        if not owner and self.rng.random() < 0.15:
            return NounPhrase(self.ids.next(), noun, "of", owner=self.named())
        return NounPhrase(
            self.ids.next(), noun, "my", owner=owner or self.rng.choice(("I", "I", "you", "he", "she", "we"))
        )

    def pair(self) -> Both:
        """Anna and my brother."""
        left = self.named()
        right = self.named() if self.rng.random() < 0.5 else self.relative_of_someone("I")
        while isinstance(right, Named) and right.name is left.name:
            right = self.named()
        return Both(self.ids.next(), left, right)

    def someone(self, subject: Entity, classes: frozenset[str]) -> Entity:
        """A person as object, not the subject itself: me, Anna, the doctor, her sister."""
        roll = self.rng.random()
        if roll < 0.25 and "person" in classes:
            taken = {"I": ("I", "we"), "we": ("I", "we", "you"), "they": ("they",)}.get(
                subject.name if isinstance(subject, Pronoun) else "", (getattr(subject, "name", ""),)
            )
            return Pronoun(
                self.ids.next(),
                self.rng.choice([name for name in ("I", "you", "he", "she", "we") if name not in taken]),
            )
        if roll < 0.40 and "person" in classes:
            name = self.named()
            return (
                name
                if not isinstance(subject, Named) or subject.name is not name.name
                else Pronoun(self.ids.next(), "I")
            )
        if "kin" in classes and roll < 0.75:
            return self.relative_of_someone(self.owner_for(subject), young=is_young(subject))
        pool = [noun for noun in nouns_of(classes) if not noun.kin and noun is not getattr(subject, "noun", None)]
        noun = self.rng.choice(pool)
        if "friend" in noun.classes:
            return NounPhrase(self.ids.next(), noun, "my", owner=self.owner_for(subject))
        return self.group(noun, short=True)

    def owner_for(self, subject: Entity) -> str:
        """Whose: the subject's own, where a pronoun can say so in all three languages."""
        match subject:
            case Pronoun(name=name) if name != "they":
                return name
            case Named(name=name):
                return "he" if name.sex == "m" else "she"
            case NounPhrase(noun=noun, number=1) if noun.sex and self.rng.random() < 0.8:
                return "he" if noun.sex == "m" else "she"
        return self.rng.choice(("I", "we"))

    def adjective(self, noun: Noun, share: float) -> Adjective | None:
        """An adjective that suits the noun, in `share` of the cases."""
        if self.rng.random() >= share:
            return None
        fitting = adjectives_of(noun.classes, predicative=False)
        return self.rng.choice(fitting) if fitting else None

    def thing(self, noun: Noun, subject: Entity, weights: dict[str, int]) -> NounPhrase:
        """An object with a determiner drawn from `weights`; mass nouns are bare or measured."""
        if noun in MASS_NOUNS:
            return self.substance(noun, weights)
        determiner = weighted(
            self.rng, UNIQUE_OBJECT if noun.classes & {"opening", "room", "sight", "furniture"} else weights
        )
        owner: str | Named | NounPhrase | None = None
        number = 1
        if determiner == "the-plural":
            determiner, number = "the", 0
        elif determiner in ("many", "some", "none"):
            number = 0
        elif determiner == "these":
            number = self.rng.randint(2, 4)
        elif determiner == "number":
            number = (
                self.rng.choice((2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12))
                if self.rng.random() < 0.9
                else self.rng.randint(13, 60)
            )
        if determiner == "my":
            owner = self.owner_for(subject)
        elif determiner == "of":
            owner = self.named() if self.rng.random() < 0.6 else self.role("this" if self.rng.random() < 0.1 else "the")
        if number > 6 and not noun.classes & {"food", "vegetable", "fruit", "plant", "text", "readable"}:
            number = 3
        if noun.classes & {"vehicle", "device", "pet", "building"} and number > 3:
            number = 2
        plain = determiner in ("the", "a", "this", "my", "number", "any", "none")
        adjective = self.adjective(noun, 0.22) if plain else None
        return NounPhrase(self.ids.next(), noun, determiner, number, adjective, owner=owner)

    def role(self, determiner: str = "the") -> NounPhrase:
        """the teacher: somebody in the singular."""
        noun = self.rng.choice([noun for noun in nouns_of(frozenset({"person"})) if "friend" not in noun.classes])
        return NounPhrase(self.ids.next(), noun, determiner)

    def substance(self, noun: Noun, weights: dict[str, int]) -> NounPhrase:
        """coffee, a cup of coffee, two bottles of water."""
        measures = [measure for measure in table(MEASURES) if measure.classes & noun.classes]
        if not measures or "a" not in weights or self.rng.random() < 0.5:
            return NounPhrase(self.ids.next(), noun, "none")
        number = self.rng.choice((1, 1, 1, 2, 3))
        measure = self.rng.choice(measures)
        return NounPhrase(self.ids.next(), noun, "a" if number == 1 else "number", number, measure=measure)

    def place(self, tags: frozenset[str]) -> Place:
        """Somewhere with one of these tags; "city" and "home" stand for cities and for home."""
        pool: list[PlaceNoun | City | str] = [*places_of(tags)]
        if "city" in tags:
            pool += CITY_NAMES
        if "stay" in tags:
            pool = ["home", "home", *places_of(frozenset({"quiet", "learn"}))]
        elif "to" in tags and self.rng.random() < 0.2:
            pool = ["home"]
        assert pool, tags
        return Place(self.ids.next(), self.rng.choice(pool))

    def asked(self, what: str) -> Asked:
        """who or what."""
        return Asked(self.ids.next(), what)

    def often(self) -> HowOften:
        """often, never."""
        return HowOften(self.ids.next(), self.rng.choice(FREQUENCIES))

    def when(self, tense: str, *, scale: str = "hour") -> When:
        """A time that goes with this tense: past, future, habitual or progressive; scale is hour, day or year."""
        return When(self.ids.next(), times.time(self.time_line(tense, scale)))

    def time_line(self, tense: str, scale: str) -> str:
        """A line for `times.time`: nobody peels a potato "last year", it does not rain "at ten past two on Friday"."""
        rng, roll = self.rng, self.rng.random()
        if tense == "progressive":
            return times.NOW
        if tense == "habitual" and scale == "day":
            return rng.choice((*times.HABITS.strip().splitlines()[:2], *(times.every_weekday(day) for day in range(7))))
        if tense == "habitual":
            line = (
                times.every_weekday(rng.randrange(7)) if roll < 0.3 else rng.choice(times.HABITS.strip().splitlines())
            )
            return (
                times.with_clock(line, rng.randint(1, 12), rng.choice(times.MINUTES))
                if 0.3 < roll < 0.5 and "day/1" in line
                else line
            )
        days = tuple(times.DAYS.strip().splitlines()[:4])
        if roll < 0.35:
            choices = tuple(times.DAYS.strip().splitlines()) if scale == "year" else days
            return rng.choice([line for line in choices if line.endswith(tense)])
        if roll < 0.55 and scale != "day":
            return rng.choice([line for line in times.PARTS.strip().splitlines() if line.endswith(tense)])
        if roll < 0.67:
            return times.weekday(rng.randrange(7))
        if roll < 0.75:
            return times.date(rng.randint(1, 28), rng.randint(1, 12))
        if roll < 0.80 and scale == "year":
            return times.in_month(rng.randint(1, 12))
        if roll < 0.88:
            unit = rng.randrange(4) if scale == "year" else 0
            return times.distance(rng.randint(2 if unit == 0 else 1, 6), unit, ago=tense == "past")
        choices = (*days, *(times.weekday(day) for day in range(7)))
        fitting = [day for day in choices if tense in day.rsplit("|", 1)[1]]
        return (
            rng.choice(fitting)
            if scale == "day"
            else times.with_clock(rng.choice(fitting), rng.randint(1, 12), rng.choice(times.MINUTES))
        )


def is_young(entity: Entity) -> bool:
    """Whether it is a child, or somebody's child."""
    return isinstance(entity, NounPhrase) and "young" in entity.noun.classes
