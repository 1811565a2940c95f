"""Random sentences: one clause, or several joined by and, but, because, although, if, before, after, when, that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random

from .clauses import PLAIN, SAYING, Clauses
from .copulas import Copulas
from .entities import Entities
from .questions import Questions
from .traits import (
    full_name,
    has_sex,
    is_every,
    is_odd_report,
    is_odd_second,
    is_outdoors,
    needs_time,
    repeats_person,
    sex_of,
    without_kein,
)
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
    "tired": ("schlafen", "bleiben"),
    "hungry": ("essen", "bestellen", "kochen", "backen", "schneiden", "schälen"),
    "thirsty": ("trinken",),
    "happy": ("singen", "tanzen", "lachen", "umarmen", "einladen"),
    "sad": ("bleiben", "anrufen", "Musik'hören", "sprechen"),
    "nervous": ("rauchen", "spazieren_gehen", "anrufen", "Musik'hören"),
}
IMPULSIVE = frozenset(IMPULSES) - {"tired"}
# What one must get done, and what one would like to do and gives up for it.
CHORES = (
    *("arbeiten", "lernen", "putzen", "aufräumen", "kochen", "backen", "waschen", "spülen", "reparieren", "schreiben"),
    *("einkaufen", "packen", "abholen", "gießen", "füttern", "lesen", "helfen", "suchen", "besuchen"),
)
PASTIMES = (
    *("lesen", "schreiben", "malen", "besuchen", "einladen", "kommen", "gehen", "fahren", "lernen", "fernsehen"),
    *("singen", "tanzen", "schwimmen", "joggen", "spazieren_gehen", "einkaufen", "backen", "frühstücken", "helfen"),
    *("Klavier'spielen", "Fußball'spielen", "Schach'spielen", "Karten'spielen", "Tennis'spielen", "Musik'hören"),
)
EFFORTS = (*PASTIMES, *(chore for chore in CHORES if chore != "arbeiten"))
# What the rain keeps one from, and what one does instead.
OUTDOORS = (
    *("joggen", "spazieren_gehen", "schwimmen", "Fußball'spielen", "Tennis'spielen", "besuchen", "gehen"),
    *("fahren", "kommen", "abholen", "einkaufen"),
)
INDOORS = (
    *("bleiben", "lesen", "schreiben", "fernsehen", "Musik'hören", "Karten'spielen", "Schach'spielen"),
    *("Klavier'spielen", "schlafen", "kochen", "backen", "aufräumen", "putzen", "lernen", "arbeiten"),
    *("anrufen", "essen", "trinken", "erzählen", "zeigen", "spülen"),
)
# What an if-clause may suppose, and what may come of it: guests, or work that is done.
GUESTS = (
    ("kommen", "zurückkommen", "besuchen", "einladen"),
    (
        *("kochen", "backen", "essen", "trinken", "mitbringen", "zeigen", "erzählen", "helfen", "singen", "tanzen"),
        *("Musik'hören", "Karten'spielen", "Schach'spielen", "spazieren_gehen", "fernsehen"),
    ),
)
DUTIES = (
    *("aufräumen", "putzen", "spülen", "waschen", "gießen", "füttern", "helfen", "einkaufen", "packen", "lernen"),
    *("kochen", "reparieren"),
)
REWARDS = (DUTIES, (*PASTIMES, "essen", "trinken", "kaufen"))
# What takes a moment (a when-clause), and what one does at such a moment.
MOMENTS = (
    "kommen",
    "zurückkommen",
    "aufwachen",
    "aufstehen",
    "aufmachen",
    "anrufen",
)
REACTIONS = (
    *("anrufen", "aufmachen", "zumachen", "anmachen", "ausmachen", "umarmen", "danken", "geben", "zeigen"),
    *("reichen", "erzählen", "mitbringen", "ausziehen", "anziehen", "lachen", "aufstehen", "gehen", "legen", "stellen"),
)
# There is only one sort of thing to understand or to pay, so two clauses say the same.
ALIKE = ("verstehen", "beantworten", "bezahlen")
# After, or before, these one may speak of somebody else.
ARRIVALS = ("kommen", "zurückkommen", "gehen", "fahren", "aufstehen", "aufwachen", "einschlafen")
# Nobody does anything before waking up, or after falling asleep.
HELPLESS = {"before": ("aufwachen", "aufstehen"), "after": ("einschlafen",)}
UNTOLD = ("schlafen", "einschlafen", "aufwachen", "aufstehen", "kommen", "lachen", "weinen")


@cache
def verbs_named(names: tuple[str, ...]) -> tuple[Verb, ...]:
    """The plain verbs with one of these infinitives."""
    return tuple(verb for verb in PLAIN if full_name(verb) in names)


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
        while repeats_person(tree := self.any_tree()):
            pass
        return tree

    def any_tree(self) -> Tree:
        """A sentence in which somebody may be named twice."""
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
        # 但是虽然 ..., 但是: a sentence takes only one 但是.
        contrast = not any(getattr(part, "connective", "") in ("although", "but") for part in (first, second))
        connective = self.rng.choice(("and", "but") if contrast else ("and",))
        return Coordinated(self.clauses.new_id(), connective, first, second)

    def long_part(self) -> Tree:
        """One half of a long sentence."""
        while repeats_person(tree := self.any_part()):
            pass
        return tree

    def any_part(self) -> Tree:
        """A half in which somebody may be named twice."""
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
            subject = self.clauses.with_relative(subject, Pronoun(0, "I"))
            return replace(clause, subject=subject, fronted=clause.fronted and not subject.relative)
        return clause

    def coordinated(self) -> Coordinated:
        """Two statements in the same tense with different subjects."""
        tense = self.rng.choice(("past", "past", "progressive", "state", "future"))
        while full_name(verb := self.clauses.verb_for(None, tense)) in ALIKE:
            pass
        other = verb if self.rng.random() < 0.7 or tense == "state" else self.neighbour(verb, tense)
        first = self.clauses.action(verb, tense=tense, front=False, bare=True, negated=False)
        plain = verb is other and not verb.objects
        second = self.clauses.action(other, tense=tense, front=False, bare=True, negated=plain)
        while is_odd_second(first, second) or (plain and is_every(second.subject)):
            second = self.clauses.action(other, tense=tense, front=False, bare=True, negated=plain)
        if plain:
            second = self.in_the_same_way(first, second)
        connective = "but" if plain else self.rng.choice(("and", "but")) if verb is other else "and"
        return Coordinated(self.clauses.new_id(), connective, first, second)

    def in_the_same_way(self, first: Clause, second: Clause) -> Clause:
        """I live in Berlin, but Anna does not live in Berlin: not in another city."""
        place, direction = (spot and replace(spot, id=self.clauses.new_id()) for spot in (first.place, first.direction))
        return replace(second, place=place, direction=direction, vehicle=first.vehicle, companion=None, time=None)

    def neighbour(self, verb: Verb, tense: str) -> Verb:
        """A verb of the same sort of place, or failing that any."""
        pool = [v for v in PLAIN if set(v.places) & set(verb.places) and v.kind == verb.kind]
        return self.rng.choice(pool) if pool else self.clauses.verb_for(None, tense)

    def reported(self) -> Clause:
        """Anna says that the cook is tired."""
        verb = self.rng.choice(SAYING)
        subject = self.clauses.entities.person(frozenset({"person"}), short=True)
        while isinstance(subject, Pronoun) and (subject.name == "you" or verb.infinitive == "sagen"):
            subject = self.clauses.entities.person(frozenset({"person"}), short=True)
        speaker = self.speaker(subject) if verb.infinitive in ("sagen", "hoffen") else None
        tense = self.rng.choice(("", "", "state"))
        if verb.infinitive == "hoffen":
            tense = "modal" if speaker else self.rng.choice(("future", "modal"))
        bare = self.rng.random() < 0.6
        inner = self.clauses.statement(tense=tense, front=False, bare=bare, subject=speaker)
        while isinstance(inner.subject, Pronoun) and not speaker and is_odd_report(subject, inner.subject):
            inner = self.clauses.statement(tense=tense, front=False, bare=bare)
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

    def condition(self, subject: Entity, *, contrary: bool = False, wish: bool = True) -> Clause:
        """A state that can be a reason: is tired, has to work, wants to sleep."""
        rng, new_id = self.rng, self.clauses.new_id
        if contrary or rng.random() < 0.6:
            names = sorted(HINDRANCES if contrary else {*HINDRANCES, *IMPULSES})
            name = rng.choice(names)
            adjective = next(a for a in adjectives_of(frozenset({"mood"}), predicative=True) if a.english == name)
            degree = "very" if not adjective.changed and rng.random() < 0.3 else ""
            return Clause(new_id(), BE, subject, "state", predicate=Quality(new_id(), adjective, degree))
        modal = rng.choice(("must", "want")) if wish else "must"
        verb = self.one_of(CHORES if modal == "must" else PASTIMES, subject, "modal")
        clause = self.clauses.action(verb, subject=subject, tense="modal", front=False, bare=True, negated=False)
        return self.with_modal(clause, (modal,))

    def one_of(self, names: tuple[str, ...], subject: Entity, tense: str) -> Verb:
        """A verb of the list that takes both."""
        return self.rng.choice([v for v in verbs_named(names) if self.clauses.suits_tense(v, tense, subject)])

    def consequence(self, subject: Entity, side: Clause, tenses: tuple[str, ...]) -> Clause:
        """What follows: the hungry eat, the tired do not go to the theatre, who must work cannot play."""
        mood = side.predicate.adjective.english if isinstance(side.predicate, Quality) else ""
        tense = self.rng.choice(tenses)
        if mood in IMPULSIVE or (mood == "tired" and self.rng.random() < 0.5):
            verb = self.one_of(IMPULSES[mood], subject, tense)
            clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=False)
            return self.with_modal(clause, ("must", "want", "should"))
        verb = self.other_effort(subject, tense, side)
        clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=True)
        wish = side.modal and side.modal.name == "want"
        return self.with_modal(clause, ("want",) if wish else ("can", "want", "can"))

    def other_effort(self, subject: Entity, tense: str, side: Clause) -> Verb:
        """Something that takes time and strength, and is not what the other clause says."""
        names = PASTIMES if side.modal else EFFORTS
        while (verb := self.one_of(names, subject, tense)) is side.verb:
            pass
        return verb

    def defiance(self, subject: Entity, side: Clause) -> Clause:
        """What happens all the same."""
        tense = self.rng.choice(("modal", "progressive", "future"))
        verb = self.other_effort(subject, tense, side)
        clause = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=False)
        return self.with_modal(clause, ("must", "want"))

    def with_modal(self, clause: Clause, names: tuple[str, ...]) -> Clause:
        """Redraw the modal, if there is one, among these."""
        if not clause.modal:
            return clause
        name = self.rng.choice(names)
        return replace(clause, modal=next(modal for modal in MODALS if modal.name == name))

    def conditional(self) -> Joined:
        """If it rains tomorrow, we will stay at home."""
        hero = self.hero()
        roll = self.rng.random()
        tense = self.rng.choice(("future", "future", "modal"))
        if roll < 0.4:
            side = self.clauses.copulas.weather("bare")
            main = self.because_of_weather(hero, side, tense)
        elif roll < 0.65:
            side = self.condition(hero, wish=False)
            main = self.consequence(self.pronoun_for(hero), side, ("future", "modal"))
        else:
            side, main = self.occasion(hero, tense)
        return Joined(self.clauses.new_id(), "if", main, side)

    def because_of_weather(self, subject: Entity, side: Clause, tense: str) -> Clause:
        """No walk in the rain; one stays at home and reads."""
        out = side.negated or self.rng.random() < 0.4
        verb = self.one_of(OUTDOORS if out else INDOORS, subject, tense)
        negated = out and not side.negated
        while True:
            main = self.clauses.action(verb, subject=subject, tense=tense, front=False, bare=True, negated=negated)
            if out or not is_outdoors(main):
                return self.with_modal(main, ("can", "want", "should"))

    def occasion(self, hero: Entity, tense: str) -> tuple[Clause, Clause]:
        """If Anna comes, we will bake a cake; if you tidy up the kitchen, you may watch TV."""
        causes, effects = self.rng.choice((GUESTS, REWARDS))
        verb = self.rng.choice([v for v in verbs_named(causes) if self.clauses.suits(v, hero)])
        tense = "modal" if causes is DUTIES else tense
        subject = self.pronoun_for(hero)
        if causes is GUESTS[0] and subject.name not in ("I", "we") and self.rng.random() < 0.5:
            subject = replace(subject, name=self.rng.choice(("I", "we")))
        while (effect := self.one_of(effects, subject, tense)) is verb:
            pass
        side = self.clauses.action(verb, subject=hero, tense="bare", front=False, bare=True)
        main = self.clauses.action(effect, subject=subject, tense=tense, front=False, bare=True, negated=False)
        return side, self.with_modal(main, ("may", "can") if causes is DUTIES else ("can", "want", "should"))

    def sequence(self, connective: str) -> Joined:
        """Before he went home, the cook bought a newspaper."""
        hero = self.hero()
        tense = "pluperfect" if connective == "after" else "background"
        verb = self.event_for(hero, connective)
        helpless = full_name(verb) in HELPLESS.get(connective, ())
        arrives = full_name(verb) in ARRIVALS
        other = helpless or (arrives and self.rng.random() < 0.4)
        subject = self.clauses.entities.named() if other else self.pronoun_for(hero)
        side = self.clauses.action(verb, subject=hero, tense=tense, front=False, bare=True, negated=False)
        while True:
            main_verb = self.reaction_for(subject, connective)
            main = self.clauses.action(main_verb, subject=subject, tense="past", front=False, bare=True, negated=False)
            if main_verb is not verb and not needs_time(main):
                return Joined(self.clauses.new_id(), connective, replace(main, time=None), side)

    def reaction_for(self, subject: Entity, connective: str) -> Verb:
        """What the main clause of a chain of events tells."""
        if connective == "when":
            return self.one_of(REACTIONS, subject, "past")
        while full_name(verb := self.event_for(subject, "")) in UNTOLD:
            pass
        return verb

    def event_for(self, subject: Entity, connective: str) -> Verb:
        """A verb for a chain of events; `when` wants a moment, not an activity."""
        while True:
            verb = self.clauses.verb_for(subject, "past")
            if connective == "when" and full_name(verb) not in MOMENTS:
                continue
            if verb.kind in ("event", "act"):
                return verb
