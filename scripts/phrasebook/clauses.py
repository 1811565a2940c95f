"""Random clauses: a verb, what it takes, when and where; statements, questions, imperatives, relative clauses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from .copulas import Copulas
from .entities import ANY_OBJECT, DEFINITE_OBJECT, NEEDED_OBJECT, OWNED_OBJECT, Entities, nouns_of, weighted
from .nouns import Noun
from .places import PLACE_NOUNS, PlaceNoun
from .traits import full_name, is_ambiguous, is_asked, is_every, is_male, is_single, needs_time, repeats_place
from .tree import Clause, Entity, Gap, NounPhrase, Pronoun, Quality, is_plural
from .verbs import ALL_VERBS, BE, Verb
from .words import MODALS, adjectives_of

TENSES = {
    "act": {"progressive": 26, "past": 30, "future": 16, "habitual": 14, "modal": 16},
    "event": {"past": 50, "future": 24, "modal": 26},
    "mishap": {"past": 1},
    "state": {"state": 1},
    "posture": {"progressive": 1},
    "stay": {"future": 40, "modal": 40},
    "weather": {"progressive": 20, "past": 40, "future": 40},
}
# Verbs of a statement: those with an object twice, so that objects are not outnumbered by songs and walks.
PLAIN = tuple(verb for verb in ALL_VERBS if verb.kind not in ("saying", "be", "weather"))
WEATHER = tuple(verb for verb in ALL_VERBS if verb.kind == "weather")
SAYING = tuple(verb for verb in ALL_VERBS if verb.kind == "saying")
HABITUAL_EVENTS = (
    "aufstehen",
    "einschlafen",
    "aufwachen",
    "gehen",
    "fahren",
    "besuchen",
    "abfahren",
    "ankommen",
    "zurückkommen",
)
# What one does not do on purpose is not wanted, allowed or foretold; nobody says what was not lost.
INVOLUNTARY = {"lachen": ("future", "modal"), "weinen": ("future", "modal"), "bellen": ("future", "modal")} | {
    "einschlafen": ("modal",),
    "aufwachen": ("modal",),
    "ankommen": ("modal",),
    "abfahren": ("modal",),
    "abfliegen": ("modal",),
}
DENIABLE_MISHAPS = ("finden", "sehen", "treffen")
ALONE = ("duschen", "schlafen", "lachen")
# Of whom one says "every": every guest, but not every dentist.
EVERYBODY = frozenset(
    {"man", "woman", "child", "boy", "girl", "teacher", "farmer", "student", "tourist", "guest", "customer", "patient"}
)
RARE_EVENTS = ("aussuchen", "anprobieren", "packen", "reparieren")
BIG_EVENTS = (
    "besuchen",
    "fahren",
    "kaufen",
    "verkaufen",
    "lernen",
    "reparieren",
    "malen",
    "stehlen",
    "regnen",
    "schneien",
)
BARE_PLURALS = {"none": 1}
BOUGHT = frozenset({"food", "vegetable", "fruit", "plant"})
VEHICLES = tuple(place for place in PLACE_NOUNS if place.noun.name in ("train", "bus", "tram"))


@dataclass(slots=True)
class Clauses:
    """Draws clauses from the entities."""

    entities: Entities
    copulas: Copulas

    def new_id(self) -> int:
        """A fresh id."""
        return self.entities.ids.next()

    def tense_of(self, verb: Verb) -> str:
        """A tense that suits the verb."""
        table = tenses_of(verb)
        if verb.kind == "event" and full_name(verb) in HABITUAL_EVENTS and verb.chinese[0] != "参观":
            habitual = {"past": 40, "future": 20, "modal": 20, "habitual": 20}
            table = {tense: weight for tense, weight in habitual.items() if tense == "habitual" or tense in table}
        if full_name(verb) in RARE_EVENTS:
            table = {tense: weight for tense, weight in table.items() if tense != "habitual"}
        return weighted(self.entities.rng, table)

    def statement(
        self, *, subject: Entity | None = None, tense: str = "", front: bool = True, bare: bool = False
    ) -> Clause:
        """A main clause; `bare` leaves out relative clauses and times, for use inside others."""
        rng = self.entities.rng
        roll = rng.random()
        if roll < 0.14 and tense in ("", "state"):
            return self.copulas.copular(subject)
        if roll < 0.165 and not subject and not tense:
            return self.timed(self.copulas.weather(), front=True, bare=False)
        if roll < 0.20 and not subject and not tense and front:
            return self.copulas.existential()
        verb = self.verb_for(subject, tense)
        return self.action(verb, subject=subject, tense=tense, front=front, bare=bare)

    def verb_for(self, subject: Entity | None, tense: str) -> Verb:
        """A verb that may have this subject and this tense."""
        while True:
            verb = self.entities.rng.choice(PLAIN)
            if tense and tense not in tenses_of(verb):
                continue
            if subject is None or self.suits(verb, subject):
                return verb

    def suits_tense(self, verb: Verb, tense: str, subject: Entity) -> bool:
        """Whether the verb takes both; staying somewhere is never "in progress" here."""
        return self.suits(verb, subject) and tense in tenses_of(verb)

    def suits(self, verb: Verb, subject: Entity) -> bool:
        """Whether the subject may do this."""
        if isinstance(subject, NounPhrase):
            classes = set(subject.noun.classes) | ({"person"} if "kin" in subject.noun.classes else set())
            return bool(verb.subjects & classes)
        return bool(verb.subjects & {"person", "adult"})

    def action(
        self,
        verb: Verb,
        *,
        subject: Entity | None = None,
        tense: str = "",
        front: bool = True,
        bare: bool = False,
        negated: bool | None = None,
    ) -> Clause:
        """A clause with this verb and random company."""
        rng, draw = self.entities.rng, self.entities
        tense = tense or self.tense_of(verb)
        subject = subject or self.subject_of(verb, tense)
        if negated is None:
            negated = tense not in ("habitual", "bare", "background") and not is_every(subject) and rng.random() < 0.17
            negated = negated and (verb.kind != "mishap" or full_name(verb) in DENIABLE_MISHAPS)
            negated = negated and full_name(verb) not in ("stehen", "sitzen", "liegen")
        clause = Clause(
            self.new_id(), verb, subject, tense, negated=negated, modal=rng.choice(MODALS) if tense == "modal" else None
        )
        if verb.objects:
            clause = replace(clause, object=self.object_of(clause))
        if verb.recipient:
            clause = replace(clause, recipient=draw.someone(subject, frozenset({"person", "kin"})))
        heavy = False
        if not bare and isinstance(clause.object, NounPhrase) and rng.random() < 0.12:
            with_relative = self.with_relative(clause.object, subject)
            heavy = with_relative is not clause.object
            clause = replace(clause, object=with_relative)
        clause = self.located(clause, heavy=heavy, bare=bare)
        return self.timed(clause, front=front and not heavy, bare=bare or heavy)

    def subject_of(self, verb: Verb, tense: str) -> Entity:
        """Somebody or something that does it."""
        rng, draw = self.entities.rng, self.entities
        if "dog" in verb.subjects:
            dog = next(noun for noun in nouns_of(frozenset({"pet"})) if noun.name == "dog")
            return NounPhrase(self.new_id(), dog, rng.choice(("the", "this")), rng.choice((0, 1, 1)))
        if verb.subjects & {"ride", "flight"}:
            return NounPhrase(self.new_id(), rng.choice(nouns_of(verb.subjects)), rng.choice(("the", "the", "this")))
        if "pet" in verb.subjects and rng.random() < 0.4:
            return NounPhrase(self.new_id(), rng.choice(nouns_of(frozenset({"pet"}))), "the")
        general = tense in ("future", "modal", "habitual", "state") and verb.infinitive != "wohnen"
        if "person" in verb.subjects and general and rng.random() < 0.05:
            noun = rng.choice([noun for noun in nouns_of(frozenset({"person"})) if noun.name in EVERYBODY])
            return NounPhrase(self.new_id(), noun, "every")
        return draw.person(verb.subjects & {"person", "adult", "young", "animal"} or frozenset({"person"}))

    def object_of(self, clause: Clause) -> Entity:
        """Something the verb can be done to."""
        rng, draw, verb = self.entities.rng, self.entities, clause.verb
        kinds = [kind for kind, _ in verb.objects]
        if set(kinds) & {"kin", "friend", "person"}:
            if "animal" not in kinds or rng.random() < 0.7:
                return draw.someone(clause.subject, frozenset(kinds) & {"kin", "friend", "person"})
            kinds = [kind for kind in kinds if kind not in ("person", "kin")]
        noun = self.noun_for(clause, frozenset(kinds))
        return draw.thing(noun, clause.subject, self.determiners(clause, noun))

    def noun_for(self, clause: Clause, kinds: frozenset[str]) -> Noun:
        """A noun of these classes that does not mean the same thing twice."""
        while True:
            noun = self.entities.rng.choice(nouns_of(kinds))
            if "womens" not in noun.classes or not kinds & {"clothing", "washable"} or not is_male(clause.subject):
                return noun

    def determiners(self, clause: Clause, noun: Noun) -> dict[str, int]:
        """Which determiners suit the verb and the noun: nobody has "her onion", or puts on twelve skirts."""
        unsuitable = unsuitable_determiners(clause, noun)
        weights = self.possible_determiners(clause, noun)
        return {name: weight for name, weight in weights.items() if name not in unsuitable}

    def possible_determiners(self, clause: Clause, noun: Noun) -> dict[str, int]:
        """Which determiners the tense, the verb and the negation leave."""
        rng = self.entities.rng
        infinitive = clause.verb.infinitive
        if infinitive in ("haben", "brauchen") and not noun.kin:
            return {"any": 1} if clause.negated else OWNED_OBJECT if infinitive == "haben" else NEEDED_OBJECT
        if infinitive == "backen" and "baked" in noun.classes:
            return BARE_PLURALS
        if infinitive == "mögen" and noun.classes & {"animal", "food", "written", "plant"} and rng.random() < 0.6:
            return BARE_PLURALS
        if clause.tense == "habitual" and infinitive == "kaufen":
            return BARE_PLURALS
        if clause.tense == "habitual" and noun.classes & {"opening", "room"}:
            return DEFINITE_OBJECT
        if clause.tense == "habitual" and not clause.verb.recipient:
            return (
                BARE_PLURALS
                if noun.classes & (BOUGHT | {"clothing", "readable", "watchable", "written"})
                else {"the": 5, "my": 5}
            )
        wanted = clause.tense == "imperative"
        if clause.verb.kind == "act" and not wanted and noun.classes & BOUGHT and rng.random() < 0.25:
            return BARE_PLURALS
        if clause.negated or wanted or clause.tense == "state" or full_name(clause.verb) in ("wegwerfen", "verlieren"):
            return DEFINITE_OBJECT
        return ANY_OBJECT

    def located(self, clause: Clause, *, heavy: bool, bare: bool) -> Clause:
        """Add the place, direction, vehicle or company the verb asks for."""
        rng, draw, verb = self.entities.rng, self.entities, clause.verb
        tags = frozenset(verb.places)
        if tags & {"to", "ride", "onto"}:
            return self.directed(clause, tags)
        if tags & {"seat", "liebed", "reside", "stay"} or full_name(verb) == "stehen":
            return replace(clause, place=draw.place(tags))
        if heavy or not tags or is_asked(clause):
            return clause
        if "by-object" in tags:
            tags = self.shop_for(clause)
        if "wild" in getattr(getattr(clause.subject, "noun", None), "classes", ()):
            tags = frozenset({"zoo"})
        if rng.random() < (0.25 if bare else 0.42) and tags and not repeats_place(clause, tags):
            clause = replace(clause, place=draw.place(tags))
        elif (
            verb.kind == "act"
            and not verb.objects
            and rng.random() < 0.3
            and "person" in verb.subjects
            and full_name(verb) not in ALONE
            and is_single(clause.subject)
        ):
            clause = replace(clause, companion=draw.someone(clause.subject, frozenset({"kin", "friend"})))
        return clause

    def shop_for(self, clause: Clause) -> frozenset[str]:
        """Where what is bought is sold."""
        noun = getattr(clause.object, "noun", None)
        tags = {tag for kind, tag in clause.verb.objects if noun and kind in noun.classes and tag}
        return (
            frozenset(sorted(tags - {"shop"}) or tags)
            if noun and not noun.classes & {"vehicle", "device", "pet"}
            else frozenset()
        )

    def directed(self, clause: Clause, tags: frozenset[str]) -> Clause:
        """Add where to, and by which vehicle."""
        draw = self.entities
        vehicle: PlaceNoun | None = None
        if "ride" in tags:
            vehicle = draw.rng.choice(VEHICLES)
            tags = frozenset({"city", "to", "goal"} if vehicle.noun.name != "train" else {"city"})
            if vehicle.noun.name != "train":
                tags = tags - {"city"}
        return replace(clause, vehicle=vehicle, direction=draw.place(tags))

    def timed(self, clause: Clause, *, front: bool, bare: bool) -> Clause:
        """Add a time: always where Chinese would otherwise lose the tense."""
        rng, draw, tense = self.entities.rng, self.entities, clause.tense
        scale = scale_of(clause.verb)
        if tense == "habitual":
            if rng.random() < 0.5:
                return replace(clause, often=draw.often())
            return replace(clause, time=draw.when("habitual", scale=scale), fronted=front and rng.random() < 0.3)
        must = needs_time(clause)
        share = {"past": 0.55, "future": 0.5, "modal": 0.2, "progressive": 0.08}.get(tense, 0.0)
        if clause.verb.kind == "posture":
            share = 0.0
        if not must and (bare or rng.random() >= share):
            return clause
        kind = {"modal": "future"}.get(tense, tense)
        anonymous = (
            clause.verb.kind == "weather" and not clause.place
        )  # in Chinese nothing would stand before or after the time
        return replace(
            clause, time=draw.when(kind, scale=scale), fronted=front and not anonymous and rng.random() < 0.35
        )

    def with_relative(self, head: NounPhrase, subject: Entity) -> NounPhrase:
        """Give a definite noun phrase a relative clause, if one suits."""
        if (
            head.determiner != "the"
            or head.adjective
            or head.noun.classes & {"opening", "room", "sight", "furniture", "sayable"}
        ):
            return head
        gender = "p" if head.number != 1 else head.noun.gender
        gap = Gap(self.new_id(), gender, "person" in head.noun.classes)
        inner = (
            self.subject_relative(head, gap)
            if gap.person and self.entities.rng.random() < 0.7
            else self.object_relative(head, gap, subject)
        )
        return replace(head, relative=inner) if inner and not is_ambiguous(inner, gap) else head

    def subject_relative(self, head: NounPhrase, gap: Gap) -> Clause | None:
        """who is reading the newspaper."""
        rng = self.entities.rng
        if rng.random() < 0.12:
            pool = [a for a in adjectives_of(frozenset({"mood"}), predicative=True) if not a.changed]
            return Clause(
                self.new_id(),
                BE,
                gap,
                "state",
                predicate=Quality(self.new_id(), rng.choice(pool), rng.choice(("", "very"))),
            )
        for _ in range(20):
            verb = rng.choice(PLAIN)
            if self.suits(verb, head) and verb.kind in ("act", "event", "state", "posture") and not verb.recipient:
                tense = weighted(
                    rng,
                    {t: w for t, w in tenses_of(verb).items() if t not in ("modal", "future", "habitual")}
                    or {"past": 1},
                )
                return self.action(verb, subject=gap, tense=tense, front=False, bare=True, negated=False)
        return None

    def object_relative(self, head: NounPhrase, gap: Gap, outer: Entity) -> Clause | None:
        """that Anna bought yesterday."""
        rng, draw = self.entities.rng, self.entities
        verbs = [
            v
            for v in PLAIN
            if any(kind in head.noun.classes for kind, _ in v.objects)
            and v.chinese[-2:] == ("+", "@")
            and v.kind in ("act", "event", "state", "mishap")
            and not v.recipient
            and v.infinitive != "haben"
        ]
        if not verbs:
            return None
        verb = rng.choice(verbs)
        subject = self.other_person(outer, verb)
        tense = (
            "state" if verb.kind == "state" else "progressive" if verb.kind == "act" and rng.random() < 0.2 else "past"
        )
        clause = Clause(self.new_id(), verb, subject, tense, object=gap)
        if tense == "past" and rng.random() < 0.4:
            clause = replace(clause, time=draw.when("past"))
        return clause

    def other_person(self, outer: Entity, verb: Verb) -> Entity:
        """The subject of a relative clause: a short one."""
        draw, rng = self.entities, self.entities.rng
        roll = rng.random()
        if roll < 0.4:
            return Pronoun(self.new_id(), rng.choice(("I", "you", "he", "she", "we", "they")))
        if roll < 0.7:
            return draw.named()
        return draw.relative_of_someone("I" if roll < 0.85 else "you")


@cache
def tenses_of(verb: Verb) -> dict[str, int]:
    """The tenses of the verb's kind, without those that want a will of one's own where there is none."""
    never = INVOLUNTARY.get(full_name(verb), ())
    return {tense: weight for tense, weight in TENSES[verb.kind].items() if tense not in never}


def unsuitable_determiners(clause: Clause, noun: Noun) -> frozenset[str]:
    """One answers no question of one's own, wears one coat at a time, and food and films belong to nobody."""
    if noun.classes & {"food", "vegetable", "fruit", "watchable"}:
        return frozenset({"my", "of"})
    verb = full_name(clause.verb)
    if verb in ("verstehen", "beantworten", "bezahlen", "stehlen"):
        return frozenset({"my"})
    if verb in ("kaufen", "aussuchen", "ausleihen"):
        return frozenset({"my", "of"})
    if verb in ("anziehen", "ausziehen", "tragen") and "clothing" in noun.classes:
        others = {"number", "these", "many", "some", "the-plural", "of"}
        return frozenset(others | {"my"} if is_plural(clause.subject) else others)
    return frozenset()


def scale_of(verb: Verb) -> str:
    """How exactly one says when: to the hour, the day, or in years, months and seasons too."""
    if verb.kind == "weather" or full_name(verb) == "frühstücken":
        return "day"
    return "year" if full_name(verb) in BIG_EVENTS else "hour"
