"""English linearisation: do-support, agreement, particles, stranded prepositions."""

from __future__ import annotations

from . import english_forms
from .numerals import english_number
from .places import City, PlaceNoun
from .surface import COMMA, Word
from .tree import (
    ADJECTIVE,
    AND,
    ASKED,
    DEGREE,
    DETERMINER,
    FIXED,
    HEAD,
    MEASURE,
    MODAL,
    NEGATION,
    OWNER,
    PAST,
    RELATIVE,
    TENSE,
    UNIT,
    VERB,
    Asked,
    Both,
    Clause,
    Coordinated,
    Entity,
    Gap,
    Joined,
    Named,
    Nobody,
    NounPhrase,
    Place,
    Pronoun,
    Quality,
    Tree,
    is_plural,
    key,
    only,
    person,
)

OBJECTS = {"I": "me", "you": "you", "he": "him", "she": "her", "we": "us", "they": "them"}
POSSESSIVES = {"I": "my", "you": "your", "he": "his", "she": "her", "we": "our", "they": "their"}
BE = {"1": "am", "2": "are", "3": "is", "p": "are"}
WH = {"place": "where", "time": "when", "reason": "why"}


def sentence(tree: Tree) -> list[Word]:
    """The words of a sentence, without the final mark."""
    match tree:
        case Clause():
            return clause(tree)
        case Coordinated():
            return [*sentence(tree.first), COMMA, (tree.connective, only(tree.id, 0)), *sentence(tree.second)]
        case Joined():
            connective = (tree.connective, only(tree.id, 0))
            if tree.fronted:
                return [connective, *clause(tree.side), COMMA, *clause(tree.main)]
            return [*clause(tree.main), connective, *clause(tree.side)]


def entity(thing: Entity, *, subject: bool = False) -> list[Word]:
    """A noun phrase; only pronouns show case."""
    match thing:
        case NounPhrase():
            return noun_phrase(thing)
        case Pronoun():
            return [(thing.name if subject else OBJECTS[thing.name], only(thing.id, HEAD))]
        case Named():
            return [(thing.name.english, only(thing.id, HEAD))]
        case Both():
            return [*entity(thing.left), ("and", only(thing.id, AND)), *entity(thing.right)]
        case Asked():
            return [(thing.what if subject or thing.what == "what" else "who", only(thing.id, HEAD))]
        case Nobody():
            return [("it", only(thing.id, HEAD))]
        case Gap():
            return []


def noun_phrase(phrase: NounPhrase) -> list[Word]:
    """Determiner, adjective, measure, noun, relative clause."""
    plural = phrase.number != 1
    words = []
    if phrase.adjective:
        words.append((phrase.adjective.english, only(phrase.id, ADJECTIVE)))
    head = phrase.noun.english[plural and not phrase.measure].split()
    if phrase.measure:
        unit, of = phrase.measure.english[0].split()
        words.append((english_forms.plural(unit) if plural else unit, only(phrase.id, MEASURE)))
        words.append((of, only(phrase.id, MEASURE)))
    words += [(part, only(phrase.id, HEAD)) for part in head]
    words = [*determiner(phrase, words[0][0]), *words]
    return [*words, *relative(phrase.relative)] if phrase.relative else words


def determiner(phrase: NounPhrase, following: str) -> list[Word]:
    """The words before the adjective."""
    mine = only(phrase.id, DETERMINER)
    match phrase.determiner:
        case "none":
            return []
        case "a" | "any":
            return [(english_forms.indefinite_article(following), (*mine, key(phrase.id, UNIT)))]
        case "this":
            return [("this" if phrase.number == 1 else "these", (*mine, key(phrase.id, UNIT)))]
        case "number":
            return [(english_number(phrase.number), (*mine, key(phrase.id, UNIT)))]
        case "these":
            return [("these", mine), (english_number(phrase.number), only(phrase.id, UNIT))]
        case "how-many":
            return [("how", mine), ("many", (*mine, key(phrase.id, UNIT)))]
        case "my":
            assert isinstance(phrase.owner, str)
            return [(POSSESSIVES[phrase.owner], only(phrase.id, OWNER))]
        case "of":
            assert isinstance(phrase.owner, NounPhrase | Named)
            words = entity(phrase.owner)
            return [*words[:-1], (words[-1][0] + "'s", (*words[-1][1], key(phrase.id, OWNER)))]
    return [(phrase.determiner, (*mine, key(phrase.id, UNIT)))]


def relative(inner: Clause) -> list[Word]:
    """who for a person as subject, whom as object, that for the rest."""
    gap = inner.subject if isinstance(inner.subject, Gap) else inner.object
    assert isinstance(gap, Gap)
    pronoun = ("who" if gap is inner.subject else "whom") if gap.person else "that"
    return [(pronoun, only(inner.id, RELATIVE)), *clause(inner)]


def clause(tree: Clause) -> list[Word]:
    """Front, then subject and verb in their order, then the rest."""
    if tree.tense == "imperative":
        negation = [("do", only(tree.id, NEGATION)), ("not", only(tree.id, NEGATION))] if tree.negated else []
        return [
            *negation,
            (tree.verb.english[0], only(tree.id, VERB)),
            *complements(tree),
            COMMA,
            ("please", only(tree.id, TENSE)),
        ]
    inverted = tree.asked not in ("", "subject")
    auxiliary, middle, main = verb_words(tree, inverted=inverted)
    often = [(tree.often.frequency.english, only(tree.often.id, 0))] if tree.often else []
    subject = entity(tree.subject, subject=True)
    if tree.exists:
        subject, main = [("there", only(tree.id, VERB))], [*entity(tree.subject)]
    start = [*auxiliary, *subject] if inverted else [*subject, *auxiliary]
    front = when(tree) if tree.fronted else []
    return [*front, *question_word(tree), *start, *middle, *often, *main, *complements(tree)]


def question_word(tree: Clause) -> list[Word]:
    """What stands before the auxiliary in a question."""
    if tree.asked in WH:
        return [(WH[tree.asked], only(tree.id, ASKED))]
    if tree.asked == "object" and tree.object:
        return entity(tree.object)
    return []


def verb_words(tree: Clause, *, inverted: bool) -> tuple[list[Word], list[Word], list[Word]]:
    """The auxiliary, what follows it (not), and the main verb."""
    base, past, participle, gerund, third = tree.verb.english
    verb, tense, negation = (only(tree.id, role) for role in (VERB, TENSE, NEGATION))
    if tree.verb.has_noun and not any(particle.endswith("'") for particle in tree.verb.particles):
        verb += only(tree.id, FIXED)
    agreement = person(tree.subject)
    no = [("not", negation)] if tree.negated else []
    if tree.tense == "modal":
        return modal_words(tree, (base, verb), no, inverted=inverted)
    if tree.tense == "future":
        return [("will", tense)], no, [(base, verb)]
    if tree.verb.kind == "be":
        return [(("was" if agreement in "13" else "were") if tree.tense in PAST else BE[agreement], verb)], no, []
    if tree.tense == "progressive":
        return [(BE[agreement], tense)], no, [(gerund, verb)]
    if tree.tense == "pluperfect":
        return [("had", tense)], no, [(participle, verb)]
    if tree.negated or inverted:
        do, keys = ("did", tense) if tree.tense in PAST else ("does" if agreement == "3" else "do", ())
        return [(do, (*keys, *negation) if tree.negated else keys or verb)], no, [(base, verb)]
    if tree.tense in PAST:
        return [], [], [(past, verb + tense)]
    return [], [], [(third if agreement == "3" else base, verb)]


def modal_words(
    tree: Clause, bare: Word, no: list[Word], *, inverted: bool
) -> tuple[list[Word], list[Word], list[Word]]:
    """can, cannot, does not have to, wants to, does not want to."""
    assert tree.modal
    modal, negation, main = only(tree.id, MODAL), only(tree.id, NEGATION), [bare]
    do = "does" if person(tree.subject) == "3" else "do"
    if tree.modal.name == "want":
        if tree.negated or inverted:
            return [(do, negation if tree.negated else modal)], no, [("want", modal), ("to", modal), *main]
        return [], [], [("wants" if do == "does" else "want", modal), ("to", modal), *main]
    if tree.modal.name == "must" and tree.negated:
        return [(do, negation)], no, [("have", modal), ("to", modal), *main]
    if tree.modal.name == "can" and tree.negated and not inverted:
        return [("cannot", modal + negation)], [], main
    return [(tree.modal.english, modal)], no, main


def complements(tree: Clause) -> list[Word]:
    """Objects and particles, predicate, direction, company, place, time, the clause that is said."""
    verb = only(tree.id, VERB)
    particles = [
        (
            p.rstrip("'"),
            only(tree.id, FIXED) if p.endswith("'") or (tree.verb.particles[-1].endswith("'") and p == "the") else verb,
        )
        for p in tree.verb.particles
    ]
    preposition = [(tree.verb.preposition, verb)] if tree.verb.preposition else []
    here = entity(tree.object) if tree.object and tree.asked != "object" else []
    recipient = entity(tree.recipient) if tree.recipient else []
    pronoun = isinstance(tree.object, Pronoun)
    words = [*here, *particles] if pronoun else [*particles, *preposition, *recipient, *here]
    if pronoun:
        words = [*preposition, *words]
    words += predicate(tree)
    if tree.direction:
        words += towards(tree.direction, onto=bool(tree.object), verb=verb)
    if tree.vehicle:
        words += [("by", only(tree.id, DEGREE)), (tree.vehicle.noun.english[0], only(tree.id, FIXED))]
    if tree.companion:
        words += [("with", only(tree.id, DEGREE)), *entity(tree.companion)]
    if tree.place:
        words += place(tree.place)
    if tree.time and not tree.fronted:
        words += when(tree)
    if tree.says:
        words += [("that", only(tree.says.id, RELATIVE)), *clause(tree.says)]
    return words


def predicate(tree: Clause) -> list[Word]:
    """What follows be."""
    match tree.predicate:
        case Quality(id=node, adjective=adjective, degree=degree, than=than):
            if than:
                return [
                    *((part, only(node, HEAD)) for part in adjective.comparative.split()),
                    ("than", only(node, DEGREE)),
                    *entity(than),
                ]
            very = [("very", only(node, DEGREE))] if degree else []
            return [*very, (adjective.english, only(node, HEAD))]
        case Place():
            return place(tree.predicate)
        case NounPhrase():
            return noun_phrase(tree.predicate)
    return []


def place(where: Place) -> list[Word]:
    """in the kitchen, in Berlin, at home."""
    on, head = only(where.id, DETERMINER), only(where.id, HEAD)
    match where.where:
        case PlaceNoun() as spot:
            return [
                (spot.english, on),
                ("the", only(where.id, UNIT)),
                *((part, head) for part in spot.noun.english[0].split()),
            ]
        case City() as city:
            return [("in", on), (city.english, head)]
    return [("at", on), ("home", head)]


def towards(where: Place, *, onto: bool, verb: tuple[int, ...]) -> list[Word]:
    """to the market, to Berlin, home; on the table for what is put there."""
    if onto:
        return place(where)
    words = place(where)
    return words[1:] if where.where == "home" else [("to", words[0][1]), *words[1:]]


def when(tree: Clause) -> list[Word]:
    """The time, its words with the keys of this sentence."""
    assert tree.time
    return [(text, tuple(key(tree.time.id, role) for role in roles)) for text, roles in tree.time.time.english]


__all__ = ["clause", "is_plural", "sentence"]
