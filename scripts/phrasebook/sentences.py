"""Random sentences: one clause, or several joined by and, but, because, although, if, before, after, when, that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from .clauses import PLAIN, SAYING, Clauses
from .copulas import Copulas
from .entities import Entities
from .questions import Questions
from .traits import full_name, has_same_object, has_sex, is_every, needs_time, sex_of, without_kein
from .tree import (
    Clause,
    Coordinated,
    Entity,
    Ids,
    Joined,
    NounPhrase,
    Pronoun,
    Quality,
    Tree,
)
from .verbs import BE, Verb
from .words import MODALS, adjectives_of

# Moods that keep people from things, and what other moods make them do.
HINDRANCES = ("tired", "ill", "busy")
IMPULSES = {
    "tired": ("schlafen", "einschlafen", "bleiben", "aufstehen", "aufwachen"),
    "hungry": ("essen", "bestellen", "kochen", "backen", "schneiden", "schälen"),
    "thirsty": ("trinken",),
    "happy": ("singen", "tanzen", "lachen", "umarmen", "einladen"),
    "sad": ("bleiben", "anrufen", "Musik'hören", "sprechen"),
    "nervous": ("rauchen", "spazieren_gehen", "anrufen", "Musik'hören"),
}
IMPULSIVE = frozenset(IMPULSES) - {"tired"}
# What an if-clause may suppose, and what takes a moment (a when-clause).
OCCASIONS = (
    "kommen",
    "zurückkommen",
    "besuchen",
    "einladen",
    "anrufen",
    "fragen",
    "helfen",
    "verkaufen",
    "kaufen",
    "mitbringen",
    "geben",
    "leihen",
    "schicken",
    "bezahlen",
    "backen",
    "reparieren",
    "lernen",
    "ausleihen",
)
MOMENTS = (
    "kommen",
    "zurückkommen",
    "aufwachen",
    "aufstehen",
    "aufmachen",
    "zumachen",
    "anmachen",
    "ausmachen",
    "anrufen",
    "gehen",
)


@dataclass(slots=True)
class Sentences:
    """An endless stream of sentences from one random generator."""

    rng: Random
    clauses: Clauses
    questions: Questions

    @classmethod
    def seeded(cls, seed: str) -> Sentences:
        """The stream of a seed; streams of different seeds are independent."""
        rng = Random(seed)
        entities = Entities(rng, Ids())
        clauses = Clauses(entities, Copulas(entities))
        return cls(rng, clauses, Questions(rng, clauses))

    def draw(self) -> Tree:
        """One sentence of ordinary length."""
        self.clauses.entities.ids.last = 0
        roll = self.rng.random()
        if roll < 0.40:
            return self.statement()
        if roll < 0.60:
            return self.questions.question()
        if roll < 0.64:
            return self.questions.request()
        if roll < 0.74:
            return self.coordinated()
        if roll < 0.92:
            return self.joined()
        return self.reported()

    def draw_long(self) -> Tree:
        """Two sentences of two clauses each, coordinated; relative clauses come with the clauses."""
        self.clauses.entities.ids.last = 0
        first, second = self.long_part(), self.long_part()
        # 但是虽然 ..., 但是: a Chinese sentence takes only one 但是.
        contrast = not any(isinstance(part, Joined) and part.connective == "although" for part in (first, second))
        connective = self.rng.choice(("and", "but") if contrast else ("and",))
        return Coordinated(self.clauses.new_id(), connective, first, second)

    def long_part(self) -> Tree:
        """One half of a long sentence."""
        roll = self.rng.random()
        if roll < 0.65:
            return self.joined()
        if roll < 0.85:
            return self.statement()
        return self.coordinated() if roll < 0.92 else self.reported()

    def statement(self) -> Clause:
        """A main clause; a definite subject may carry a relative clause."""
        clause = self.clauses.statement()
        subject = clause.subject
        person = isinstance(subject, NounPhrase) and "person" in subject.noun.classes
        if (
            person
            and not clause.exists
            and self.rng.random() < 0.3
            and not (isinstance(clause.object, NounPhrase) and clause.object.relative)
        ):
            assert isinstance(subject, NounPhrase)
            return replace(clause, subject=self.clauses.with_relative(subject, Pronoun(0, "I")))
        return clause

    def coordinated(self) -> Coordinated:
        """Two statements in the same tense with different subjects."""
        tense = self.rng.choice(("past", "past", "progressive", "state", "future"))
        verb = self.clauses.verb_for(None, tense)
        other = verb if self.rng.random() < 0.7 or tense == "state" else self.neighbour(verb, tense)
        first = self.clauses.action(verb, tense=tense, front=False, bare=True, negated=False)
        plain = verb is other and not verb.objects
        second = self.clauses.action(other, tense=tense, front=False, bare=True, negated=plain)
        while has_same_object(first, second) or (plain and is_every(second.subject)):
            second = self.clauses.action(other, tense=tense, front=False, bare=True, negated=plain)
        connective = "but" if plain else self.rng.choice(("and", "but"))
        return Coordinated(self.clauses.new_id(), connective, first, second)

    def neighbour(self, verb: Verb, tense: str) -> Verb:
        """A verb of the same sort of place, or failing that any."""
        pool = [v for v in PLAIN if set(v.places) & set(verb.places) and v.kind == verb.kind]
        return self.rng.choice(pool) if pool else self.clauses.verb_for(None, tense)

    def reported(self) -> Clause:
        """Anna says that the cook is tired."""
        verb = self.rng.choice(SAYING)
        subject = self.clauses.entities.person(frozenset({"person"}), short=True)
        tense = (
            self.rng.choice(("future", "modal")) if verb.infinitive == "hoffen" else self.rng.choice(("", "", "state"))
        )
        inner = self.clauses.statement(
            tense=tense, front=False, bare=self.rng.random() < 0.6, subject=self.speaker(subject)
        )
        if verb.infinitive == "hoffen" and inner.modal:
            inner = replace(
                inner, negated=False, modal=self.rng.choice([m for m in MODALS if m.name in ("can", "may")])
            )
            inner = replace(inner, object=without_kein(inner.object))
        return Clause(self.clauses.new_id(), verb, subject, "state", says=replace(inner, fronted=False))

    def speaker(self, subject: Entity) -> Entity | None:
        """Now and then the speaker speaks of herself."""
        if has_sex(subject) and self.rng.random() < 0.4:
            return self.pronoun_for(subject)
        return None

    def pronoun_for(self, subject: Entity) -> Pronoun:
        """he or she (I, we, they, you stay themselves)."""
        name = subject.name if isinstance(subject, Pronoun) else {"m": "he", "f": "she"}[sex_of(subject)]
        return Pronoun(self.clauses.new_id(), name)

    def hero(self) -> Entity:
        """Somebody a pronoun can take up."""
        while True:
            subject = self.clauses.entities.person(frozenset({"person"}), short=True)
            if has_sex(subject) or isinstance(subject, Pronoun):
                return subject

    def joined(self) -> Joined:
        """A main clause and a subordinate one."""
        connective = self.rng.choice(("because", "because", "although", "if", "if", "before", "after", "when"))
        if connective in ("because", "although"):
            return self.reasoned(connective)
        if connective == "if":
            return self.conditional()
        return self.sequence(connective)

    def reasoned(self, connective: str) -> Joined:
        """Because she is ill, Anna is staying at home: whoever comes first is named, then a pronoun."""
        fronted = connective == "although" or self.rng.random() < 0.5
        hero = self.hero()
        pronoun = self.pronoun_for(hero)
        reason, actor = (hero, pronoun) if fronted else (pronoun, hero)
        side = self.condition(reason, contrary=connective == "although")
        tenses = ("modal", "modal", "future", "progressive")
        main = self.defiance(actor, side) if connective == "although" else self.consequence(actor, side, tenses)
        return Joined(self.clauses.new_id(), connective, main, side, fronted)

    def condition(self, subject: Entity, *, contrary: bool = False) -> Clause:
        """A state that can be a reason: is tired, has to work, wants to sleep."""
        rng, new_id = self.rng, self.clauses.new_id
        if contrary or rng.random() < 0.6:
            names = sorted(HINDRANCES if contrary else {*HINDRANCES, *IMPULSES})
            name = rng.choice(names)
            adjective = next(a for a in adjectives_of(frozenset({"mood"}), predicative=True) if a.english == name)
            degree = "very" if not adjective.changed and rng.random() < 0.3 else ""
            return Clause(new_id(), BE, subject, "state", predicate=Quality(new_id(), adjective, degree))
        verb = self.clauses.verb_for(subject, "modal")
        clause = self.clauses.action(verb, subject=subject, tense="modal", front=False, bare=True, negated=False)
        return replace(clause, modal=rng.choice([m for m in MODALS if m.name in ("must", "want")]))

    def consequence(self, subject: Entity, side: Clause, tenses: tuple[str, ...]) -> Clause:
        """What follows: the hungry eat, the tired do not go to the theatre, who must work cannot play."""
        mood = side.predicate.adjective.english if isinstance(side.predicate, Quality) else ""
        tense = self.rng.choice(tenses)
        if mood in IMPULSIVE or (mood == "tired" and self.rng.random() < 0.5):
            names = IMPULSES[mood]
            verb = next(
                v for v in self.shuffled() if full_name(v) in names and self.clauses.suits_tense(v, tense, subject)
            )
            clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=False)
            return self.with_modal(clause, ("must", "want", "should"))
        verb = self.clauses.verb_for(subject, tense)
        while verb.kind in ("posture", "mishap") or full_name(verb) in IMPULSES["tired"] or verb is side.verb:
            verb = self.clauses.verb_for(subject, tense)
        clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=True)
        return self.with_modal(clause, ("can", "want", "can"))

    def defiance(self, subject: Entity, side: Clause) -> Clause:
        """What happens all the same."""
        tense = self.rng.choice(("modal", "progressive", "future"))
        verb = self.clauses.verb_for(subject, tense)
        while verb.kind in ("posture", "mishap", "stay") or full_name(verb) in IMPULSES["tired"] or verb is side.verb:
            verb = self.clauses.verb_for(subject, tense)
        clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=False)
        return self.with_modal(clause, ("must", "want"))

    def with_modal(self, clause: Clause, names: tuple[str, ...]) -> Clause:
        """Redraw the modal, if there is one, among these."""
        if not clause.modal:
            return clause
        name = self.rng.choice(names)
        return replace(clause, modal=next(modal for modal in MODALS if modal.name == name))

    def shuffled(self) -> list[Verb]:
        """All plain verbs in random order."""
        return self.rng.sample(PLAIN, len(PLAIN))

    def conditional(self) -> Joined:
        """If it rains tomorrow, we will stay at home."""
        hero = self.hero()
        roll = self.rng.random()
        tense = self.rng.choice(("future", "future", "modal"))
        if roll < 0.4:
            side = self.clauses.copulas.weather("bare")
            verb = self.clauses.verb_for(hero, tense)
            main = self.clauses.action(verb, subject=hero, tense=tense, front=False, bare=True)
        elif roll < 0.65:
            side = self.condition(hero)
            main = self.consequence(self.pronoun_for(hero), side, ("future", "modal"))
        else:
            verb = next(v for v in self.shuffled() if full_name(v) in OCCASIONS)
            side = self.clauses.action(verb, subject=hero, tense="bare", front=False, bare=True)
            subject = self.pronoun_for(hero)
            main = self.clauses.action(
                self.clauses.verb_for(subject, tense), subject=subject, tense=tense, front=False, bare=True
            )
        return Joined(self.clauses.new_id(), "if", main, side)

    def sequence(self, connective: str) -> Joined:
        """Before he went home, the cook bought a newspaper."""
        hero = self.hero()
        subject = self.pronoun_for(hero) if self.rng.random() < 0.75 else self.clauses.entities.named()
        tense = "pluperfect" if connective == "after" else "background"
        verb = self.event_for(hero, connective)
        side = self.clauses.action(verb, subject=hero, tense=tense, front=False, bare=True, negated=False)
        main_verb = self.event_for(subject, "")
        main = self.clauses.action(main_verb, subject=subject, tense="past", front=False, bare=True, negated=False)
        while needs_time(main):
            main_verb = self.event_for(subject, "")
            main = self.clauses.action(main_verb, subject=subject, tense="past", front=False, bare=True, negated=False)
        return Joined(self.clauses.new_id(), connective, replace(main, time=None), side)

    def event_for(self, subject: Entity, connective: str) -> Verb:
        """A verb for a chain of events; `when` wants a moment, not an activity."""
        while True:
            verb = self.clauses.verb_for(subject, "past")
            if connective == "when" and full_name(verb) not in MOMENTS:
                continue
            if verb.kind in ("event", "act"):
                return verb
