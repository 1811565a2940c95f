"""Random questions and requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from .clauses import PLAIN, Clauses
from .traits import is_odd_to_ask, is_vague, without_kein
from .tree import Asked, Clause, Entity, Named, NounPhrase, Place, Pronoun, Quality
from .verbs import BE, Verb

QUESTIONS = ("yes", "yes", "yes", "subject", "object", "object", "place", "time", "reason")
REQUESTS = tuple(
    verb
    for verb in PLAIN
    if verb.kind in ("act", "event")
    and verb.objects
    and verb.infinitive not in ("fressen", "treffen", "stehlen", "malen", "danken", "fragen")
)


# 看什么: read or watch? 打开什么: open or turn on? Was trägt sie: wear or carry? Such verbs ask "which book" instead.
SHARED = ("看", "穿着", "提着", "打开", "收拾")


@dataclass(slots=True)
class Questions:
    """Draws questions and requests from clauses."""

    rng: Random
    clauses: Clauses

    def question(self) -> Clause:
        """yes/no, who, what, which, how many, where, when, why."""
        asked = self.rng.choice(QUESTIONS)
        if asked == "yes":
            return self.yes_no()
        if asked == "subject":
            return self.who()
        if asked == "object":
            return self.what()
        if asked == "place":
            return self.where()
        tenses = {"time": ("past", "future", "modal"), "reason": ("past", "modal", "habitual")}[asked]
        return replace(self.plain(self.rng.choice(tenses), time=asked != "time"), asked=asked)

    def plain(self, tense: str, *, time: bool) -> Clause:
        """A clause for a question: without negation and relative clauses."""
        verb = self.clauses.verb_for(None, tense if tense != "habitual" else "past")
        while (
            verb.subjects & {"animal", "ride", "flight"}
            or (verb.kind in ("mishap",) and tense == "modal")
            or (tense == "habitual" and verb.kind != "act")
        ):
            verb = self.clauses.verb_for(None, tense if tense != "habitual" else "past")
        clause = self.clauses.action(verb, tense=tense, front=False, bare=True, negated=False)
        while is_odd_to_ask(clause) or (is_vague(clause) and not time):
            clause = self.clauses.action(verb, tense=tense, front=False, bare=True, negated=False)
        if tense in ("past", "future") and time and not clause.time and self.rng.random() < 0.4:
            clause = replace(clause, time=self.clauses.entities.when(tense))
        return clause if time or tense == "habitual" else replace(clause, time=None)

    def yes_no(self) -> Clause:
        """Did you buy the book?"""
        clause = self.clauses.statement(front=False, bare=self.rng.random() < 0.5)
        while clause.exists or isinstance(clause.predicate, NounPhrase) or is_odd_to_ask(clause):
            clause = self.clauses.statement(front=False, bare=True)
        return replace(clause, asked="yes", fronted=False, negated=False, object=without_kein(clause.object))

    def who(self) -> Clause:
        """Who bought the book?"""
        clause = self.clauses.statement(subject=Asked(self.clauses.new_id(), "who"), front=False, bare=True)
        while is_odd_to_ask(clause):
            clause = self.clauses.statement(subject=Asked(self.clauses.new_id(), "who"), front=False, bare=True)
        if clause.verb is BE:
            return replace(
                clause, asked="subject", negated=False, fronted=False, predicate=self.simple(clause.predicate)
            )
        return replace(clause, asked="subject", negated=False, fronted=False, object=without_kein(clause.object))

    def simple(self, predicate: Quality | Place | NounPhrase | None) -> Quality | Place | NounPhrase | None:
        """who is tired, not who is more tired than Anna."""
        return replace(predicate, degree="", than=None) if isinstance(predicate, Quality) else predicate

    def what(self) -> Clause:
        """What, whom, which book, how many books."""
        while True:
            tense = self.rng.choice(("progressive", "past", "past", "future", "modal"))
            clause = self.plain(tense, time=True)
            thing = clause.object
            if isinstance(thing, NounPhrase | Pronoun | Named) and not clause.verb.infinitive.startswith("füttern"):
                break
        asked = self.asked_for(clause, thing)
        return replace(clause, object=asked, asked="object", place=clause.place if clause.verb.kind != "act" else None)

    def asked_for(self, clause: Clause, thing: NounPhrase | Pronoun | Named) -> Entity:
        """The question word in place of this object; what would leave open which of two verbs is meant."""
        roll = self.rng.random()
        if not isinstance(thing, NounPhrase) or thing.noun.classes & {"person", "kin"}:
            return Asked(self.clauses.new_id(), "who")
        uncountable = thing.determiner == "none" or thing.measure is not None
        if (roll < 0.5 and clause.verb.chinese[0] not in SHARED) or uncountable or clause.verb.kind == "state":
            return Asked(self.clauses.new_id(), "what")
        if roll < 0.8:
            return NounPhrase(thing.id, thing.noun, "which")
        return NounPhrase(thing.id, thing.noun, "how-many", 0)

    def where(self) -> Clause:
        """Where is he reading; where did you buy it; where is the key; where does she live."""
        if self.rng.random() < 0.3:
            clause = self.clauses.copulas.located_thing()
            while is_odd_to_ask(clause):
                clause = self.clauses.copulas.located_thing()
            return replace(clause, asked="place", predicate=None, negated=False)
        while True:
            verb = self.rng.choice(PLAIN)
            if (
                verb.places
                and "place" not in verb.kind
                and not set(verb.places) & {"onto", "to", "ride", "seat", "liebed"}
            ):
                break
        clause = self.clauses.action(verb, front=False, bare=True, negated=False)
        while is_odd_to_ask(clause) or is_vague(clause):
            clause = self.clauses.action(verb, front=False, bare=True, negated=False)
        return replace(clause, asked="place", place=None, companion=None, negated=False)

    def request(self) -> Clause:
        """Open the window, please."""
        verb: Verb = self.rng.choice(REQUESTS)
        you = Pronoun(self.clauses.new_id(), "you")
        clause = self.clauses.action(
            verb, subject=you, tense="imperative", front=False, bare=True, negated=self.rng.random() < 0.25
        )
        return replace(clause, place=None, companion=None, time=None)
