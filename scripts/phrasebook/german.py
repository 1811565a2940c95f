"""German linearisation: verb second, verb-final clauses, separable verbs, the middle field.

The middle field runs: subject, pronouns, recipient, definite object, time, frequency, company, `nicht`, place,
indefinite object, prepositional object, predicate, direction, verb cluster.
"""

from __future__ import annotations

from . import german_forms as forms
from .german_phrases import entity, place, relative_clause, towards
from .surface import COMMA, Word
from .tree import (
    ASKED,
    DEGREE,
    FIXED,
    HEAD,
    MODAL,
    NEGATION,
    PAST,
    RELATIVE,
    TENSE,
    VERB,
    Clause,
    Coordinated,
    Entity,
    Gap,
    Joined,
    Nobody,
    NounPhrase,
    Place,
    Pronoun,
    Quality,
    Tree,
    is_definite,
    key,
    only,
    person,
)

CONNECTIVES = {
    "because": "weil",
    "although": "obwohl",
    "if": "wenn",
    "before": "bevor",
    "after": "nachdem",
    "when": "als",
    "and": "und",
    "but": "aber",
}
WH = {"place": "wo", "time": "wann", "reason": "warum"}
MODALS = {"can": "können", "must": "müssen", "want": "wollen", "should": "sollen", "may": "dürfen"}


def sentence(tree: Tree) -> list[Word]:
    """The words of a sentence, without the final mark."""
    match tree:
        case Clause():
            order = {"": "main", "imperative": "imperative"}.get(
                tree.asked or ("imperative" if tree.tense == "imperative" else ""), "question"
            )
            return clause(tree, order)
        case Coordinated():
            comma = [COMMA] if tree.connective == "but" or isinstance(tree.first, Joined) else []
            return [
                *sentence(tree.first),
                *comma,
                (CONNECTIVES[tree.connective], only(tree.id, 0)),
                *sentence(tree.second),
            ]
        case Joined():
            side = [(CONNECTIVES[tree.connective], only(tree.id, 0)), *clause(tree.side, "final")]
            if tree.fronted:
                return [*side, COMMA, *clause(tree.main, "inverted")]
            return [*clause(tree.main, "main"), COMMA, *side]


def clause(tree: Clause, order: str) -> list[Word]:
    """order: main (verb second), question, inverted (after a subordinate clause), final, imperative."""
    finite, cluster = verb_words(tree, final=order == "final")
    subject = [] if order == "imperative" else noun_with_relative(tree.subject, "nom")
    front: list[Word] = []
    if tree.exists:
        assert tree.place
        front = place(tree.place)
    elif order == "main":
        front = when(tree) if tree.fronted else subject
    elif order == "question":
        front = question_word(tree)
    moved = tree.exists or tree.fronted or order != "main"
    asked = tree.asked == "subject"
    middle = [*(subject if moved and not asked else []), *middle_field(tree)]
    extraposed = after_verb(tree)
    if order == "final":
        return [*middle, *cluster, *finite, *extraposed]
    return [*front, *finite, *middle, *cluster, *extraposed]


def question_word(tree: Clause) -> list[Word]:
    """What stands before the finite verb of a question; nothing in a yes-no question."""
    if tree.asked in WH:
        return [(WH[tree.asked], only(tree.id, ASKED))]
    if tree.asked == "subject":
        return entity(tree.subject, "nom")[0]
    if tree.asked == "object" and tree.object:
        words = entity(tree.object, tree.verb.case)[0]
        return government(tree) + words
    return []


def government(tree: Clause) -> list[Word]:
    """The preposition of a prepositional object: auf, mit."""
    return [(tree.verb.german_preposition, only(tree.id, VERB))] if tree.verb.german_preposition else []


def noun_with_relative(thing: Entity, case: str) -> list[Word]:
    """A noun phrase with its relative clause between commas."""
    words, inner = entity(thing, case)
    return [*words, COMMA, *relative(inner), COMMA] if inner else words


def relative(inner: Clause) -> list[Word]:
    """der, die, das and a verb-final clause."""
    gap = inner.subject if isinstance(inner.subject, Gap) else inner.object
    assert isinstance(gap, Gap)
    words = relative_clause(inner, gap)
    return [*words, *clause(inner, "final")]


def verb_words(tree: Clause, *, final: bool) -> tuple[list[Word], list[Word]]:
    """The finite verb and the rest of the verb cluster; a separable prefix rejoins its verb in a verb-final clause."""
    verb, tense = only(tree.id, VERB), only(tree.id, TENSE)
    entry, who = tree.verb, person(tree.subject)
    if entry.has_noun and not entry.prefix.endswith("'"):
        verb += only(tree.id, FIXED)
    fixed = (
        [(entry.prefix.rstrip("'_"), only(tree.id, FIXED) if entry.prefix.endswith("'") else verb)]
        if entry.prefix
        else []
    )
    apart = entry.prefix.endswith(("'", "_"))
    joined = "" if apart else entry.prefix
    loose = fixed if apart else []
    if tree.tense == "imperative":
        return [(forms.imperative(entry), verb)], fixed
    if entry.kind == "be" and tree.tense in ("state", "past", "bare", "background"):
        return [((forms.WAS if tree.tense in PAST else forms.IRREGULAR["sein"])[who], verb)], []
    if tree.tense == "modal":
        assert tree.modal
        modal = forms.present(MODALS[tree.modal.name], "", who)
        return [(modal, only(tree.id, MODAL))], [*loose, (joined + entry.infinitive, verb)]
    if tree.tense == "future":
        return [(forms.present("werden", "", who), tense)], [*loose, (joined + entry.infinitive, verb)]
    participle = (entry.participle.split()[-1], verb)
    if tree.tense in PAST:
        return [(forms.present(entry.auxiliary, "", who), tense)], [*loose, participle]
    if tree.tense == "pluperfect":
        had = forms.HAD if entry.auxiliary == "haben" else forms.WAS
        return [(had[who], tense)], [*loose, participle]
    keys = verb + tense if tree.tense == "progressive" else verb
    finite = forms.present(entry.infinitive, entry.changed, who)
    if final:
        return [(joined + finite, keys)], loose
    return [(finite, keys)], fixed


def middle_field(tree: Clause) -> list[Word]:
    """Everything between the finite verb and the cluster, without the subject."""
    thing = tree.object if tree.asked != "object" and not isinstance(tree.object, Gap) else None
    none = tree.negated and isinstance(thing, NounPhrase) and thing.determiner in ("none", "any")
    no = [("nicht", only(tree.id, NEGATION))] if tree.negated and not none else []
    early = bool(thing) and is_definite(thing) and not tree.verb.german_preposition if thing else False
    object_words = (
        [*government(tree), *entity(thing, tree.verb.case, no=key(tree.id, NEGATION) if none else 0)[0]]
        if thing
        else []
    )
    recipient = entity(tree.recipient, "dat")[0] if tree.recipient else []
    pronoun = isinstance(thing, Pronoun) and early
    please = [("bitte", only(tree.id, TENSE))] if tree.tense == "imperative" else []
    if pronoun:
        words = [*object_words, *please, *recipient]
    elif isinstance(tree.recipient, Pronoun):
        words = [*recipient, *please, *(object_words if early else [])]
    else:
        words = [*please, *recipient, *(object_words if early else [])]
    if tree.time and not tree.fronted:
        words += when(tree)
    if tree.often:
        words.append((tree.often.frequency.german, only(tree.often.id, 0)))
    if isinstance(tree.subject, Nobody) and tree.place:
        words += place(tree.place)
    if (
        isinstance(tree.predicate, Place)
        or tree.companion
        or tree.place
        or not object_words
        or early
        or tree.verb.german_preposition
    ):
        words += no
        no = []
    if tree.companion:
        words += [("mit", only(tree.id, DEGREE)), *entity(tree.companion, "dat")[0]]
    if tree.vehicle:
        article = forms.definite(tree.vehicle.noun.gender, "dat")
        vehicle = (forms.noun(tree.vehicle.noun, "dat", plural=False), only(tree.id, FIXED))
        words += [("mit", only(tree.id, DEGREE)), (article, only(tree.id, DEGREE)), vehicle]
    if tree.place and not tree.exists and not isinstance(tree.subject, Nobody):
        words += place(tree.place)
    words += [] if early else object_words
    words += [*no, *predicate(tree)]
    return words + (towards(tree.direction, onto=bool(tree.object)) if tree.direction else [])


def predicate(tree: Clause) -> list[Word]:
    """What follows sein; a profession has no article."""
    match tree.predicate:
        case Quality(id=node, adjective=adjective, degree=degree, than=than):
            head = only(node, HEAD)
            if than:
                return [(adjective.german_comparative, head), ("als", only(node, DEGREE)), *entity(than, "nom")[0]]
            very = [("sehr", only(node, DEGREE))] if degree else []
            return [*very, (adjective.german, head)]
        case Place():
            return place(tree.predicate)
        case NounPhrase():
            return [(forms.noun(tree.predicate.noun, "nom", plural=False), only(tree.predicate.id, HEAD))]
    return []


def after_verb(tree: Clause) -> list[Word]:
    """The relative clause of an object, and the dass-clause, stand after the verb."""
    words: list[Word] = []
    if isinstance(tree.object, NounPhrase) and tree.object.relative:
        words += [COMMA, *relative(tree.object.relative), COMMA]
    if tree.says:
        words += [COMMA, ("dass", only(tree.says.id, RELATIVE)), *clause(tree.says, "final"), COMMA]
    return words


def when(tree: Clause) -> list[Word]:
    """The time, its words with the keys of this sentence."""
    assert tree.time
    return [(text, tuple(key(tree.time.id, role) for role in roles)) for text, roles in tree.time.time.german]


__all__ = ["clause", "sentence"]
