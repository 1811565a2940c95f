"""Chinese linearisation: time and place before the verb, 的-relative clauses before the noun, classifiers, 了, 把.

A definite noun is 那 + classifier, plural 那些 (persons: 们); roles and places are bare.
The past is 了 after the verb, 没 when negated, and in questions of place or time 是 ... 的.
正在 is the English progressive.
"""

from __future__ import annotations

from .chinese_phrases import entity, place, towards
from .surface import COMMA, Word
from .tree import (
    ASKED,
    DEGREE,
    DETERMINER,
    FIXED,
    HEAD,
    MODAL,
    NEGATION,
    RELATIVE,
    TENSE,
    VERB,
    Clause,
    Coordinated,
    Gap,
    Joined,
    Nobody,
    NounPhrase,
    Place,
    Quality,
    Tree,
    is_definite,
    key,
    only,
)

CONNECTIVES = {"because": ("因为", "所以"), "although": ("虽然", "但是"), "if": ("如果", "")}
AFTER_CLAUSE = {"before": ("之前",), "after": ("以后",), "when": ("的", "时候")}
WH = {"place": ("在", "哪里"), "time": ("什么", "时候"), "reason": ("为什么",)}


def sentence(tree: Tree) -> list[Word]:
    """The words of a sentence, without the final mark."""
    match tree:
        case Clause():
            words = clause(tree)
            return [*words, ("吗", ())] if tree.asked == "yes" else words
        case Coordinated():
            link = [("但是", only(tree.id, 0))] if tree.connective == "but" else []
            return [*sentence(tree.first), COMMA, *link, *sentence(tree.second)]
        case Joined():
            return joined(tree)


def joined(tree: Joined) -> list[Word]:
    """因为 A，所以 B; A 以后，B; or with the main clause first B，因为 A."""
    mine = only(tree.id, 0)
    side = clause(tree.side)
    if tree.connective in AFTER_CLAUSE:
        return [*side, *((word, mine) for word in AFTER_CLAUSE[tree.connective]), COMMA, *clause(tree.main)]
    first, second = CONNECTIVES[tree.connective]
    if not tree.fronted:
        return [*clause(tree.main), COMMA, (first, mine), *side]
    return [(first, mine), *side, COMMA, *([(second, mine)] if second else []), *clause(tree.main)]


def relative(inner: Clause) -> list[Word]:
    """The relative clause and its 的, before the noun."""
    return [*clause(inner), ("的", only(inner.id, RELATIVE))]


def noun(thing: NounPhrase) -> list[Word]:
    """A noun phrase; its relative clause goes in front."""
    return entity(thing, relative)


def clause(tree: Clause) -> list[Word]:
    """Subject, time, frequency, mood and tense, company, place, verb."""
    if tree.tense == "imperative":
        start = [("请", only(tree.id, TENSE))] + ([("不要", only(tree.id, NEGATION))] if tree.negated else [])
        return [*start, *verb_phrase(tree)]
    if tree.exists:
        assert tree.place
        return [
            *when(tree),
            *place(tree.place)[1:],
            ("有", (key(tree.id, VERB), key(tree.place.id, DETERMINER))),
            *entity(tree.subject, relative),
        ]
    subject = weather_place(tree) if isinstance(tree.subject, Nobody) else entity(tree.subject, relative)
    words = [*when(tree), *subject] if tree.fronted else [*subject, *when(tree)]
    if tree.asked == "reason":
        words += asked_words(tree)
    emphatic = is_emphatic(tree)
    if emphatic:
        words.append(("是", only(tree.id, ASKED)))
    if tree.asked == "time":
        words += asked_words(tree)
    if tree.often:
        words.append((tree.often.frequency.chinese, only(tree.often.id, 0)))
    if isinstance(tree.subject, NounPhrase) and tree.subject.determiner == "every":
        words.append(("都", only(tree.subject.id, DETERMINER)))
    words += mood(tree)
    words += circumstances(tree)
    words += verb_phrase(tree)
    if tree.says:
        words += [COMMA, *clause(tree.says)] if tree.verb.infinitive == "sagen" else clause(tree.says)
    return [*words, ("的", only(tree.id, TENSE))] if emphatic else words


def weather_place(tree: Clause) -> list[Word]:
    """柏林正在下雨: the place of the weather is the subject, without 在."""
    return place(tree.place)[1:] if tree.place else []


def is_emphatic(tree: Clause) -> bool:
    """Whether the question asks when or where something past happened: 是 ... 的 takes the place of 了."""
    return tree.tense == "past" and tree.asked in ("place", "time") and tree.verb.kind != "be"


def asked_words(tree: Clause) -> list[Word]:
    """在哪里, 什么时候, 为什么."""
    return [(word, only(tree.id, ASKED)) for word in WH[tree.asked]]


def mood(tree: Clause) -> list[Word]:
    """Negation, modal, future; the progressive is left to `circumstances`, which merges it with a place."""
    negation, tense = only(tree.id, NEGATION), only(tree.id, TENSE)
    if tree.modal:
        modal = only(tree.id, MODAL)
        return [(tree.modal.chinese_negated, modal + negation)] if tree.negated else [(tree.modal.chinese, modal)]
    no = [("不", negation)] if tree.negated else []
    if tree.tense == "future":
        return [*no, ("会", tense)]
    if not tree.negated:
        return []
    if tree.tense == "past" and tree.verb.kind != "be":
        return [("没", negation + tense)]
    if tree.tense == "progressive" or tree.verb.chinese[0] == "有" or is_changed(tree):
        return [("没", negation)]
    return no


def is_changed(tree: Clause) -> bool:
    """生病了, 坏了: an adjective that is a change of state, negated with 没."""
    return isinstance(tree.predicate, Quality) and tree.predicate.adjective.changed


def circumstances(tree: Clause) -> list[Word]:
    """正在, 跟 ... 一起, 在 ...里; 正在 and the 在 of a place are one word."""
    words: list[Word] = []
    running = tree.tense == "progressive" and tree.verb.kind in ("act", "weather")
    posture = "^" in tree.verb.chinese or tree.verb.kind == "weather"
    spot = place(tree.place) if tree.place and not posture else []
    if tree.asked == "place" and tree.verb.kind != "be" and not posture:
        spot = [(WH["place"][0], only(tree.id, ASKED)), (WH["place"][1], only(tree.id, ASKED))]
    together = []
    if tree.companion:
        with_ = only(tree.id, DEGREE)
        together = [("跟", with_), *entity(tree.companion, relative), ("一起", with_)]
    if running:
        keys = only(tree.id, TENSE)
        now = "在" if tree.negated or tree.asked == "place" else "正在"
        if spot and not together:
            spot = [(now, keys + spot[0][1]), *spot[1:]]
        else:
            words.append((now, keys))
    return [*words, *together, *spot]


def verb_phrase(tree: Clause) -> list[Word]:
    """The verb's template, filled."""
    if tree.verb.kind == "be":
        return copula(tree)
    verb = only(tree.id, VERB)
    words: list[Word] = []
    if tree.vehicle:
        words += [("坐", only(tree.id, DEGREE)), (tree.vehicle.noun.chinese, only(tree.id, FIXED))]
    for part in template(tree):
        if part == "@":
            words += entity(tree.object, relative) if tree.object else []
        elif part == "#":
            words += entity(tree.recipient, relative) if tree.recipient else []
        elif part == "+":
            words += [("了", only(tree.id, TENSE))] if has_aspect(tree) else []
        elif part == "^":
            words += in_place(tree)
        elif part == ">":
            words += towards(tree.direction, onto=bool(tree.object)) if tree.direction else []
        elif part == "去" and tree.direction and tree.direction.where == "home":
            words.append(("回", verb))
        elif part.endswith("'"):
            words.append((part[:-1], only(tree.id, FIXED)))
        else:
            # 穿着, but 没穿; not so 睡着 and 没睡着
            short = tree.negated and tree.verb.kind == "posture"
            words.append((part.removesuffix("着") if short else part, () if part == "把" else verb))
    return words


def in_place(tree: Clause) -> list[Word]:
    """坐在椅子上, 住在哪里."""
    if tree.asked == "place":
        return [(word, only(tree.id, ASKED)) for word in WH["place"]]
    return place(tree.place) if tree.place else []


def template(tree: Clause) -> tuple[str, ...]:
    """A definite object of giving goes before the verb with 把."""
    parts = tree.verb.chinese
    if parts[-3:] == ("+", "#", "@") and tree.object and is_definite(tree.object):
        return ("把", "@", *parts[:-1])
    return parts


def has_aspect(tree: Clause) -> bool:
    """Whether 了 stands: not with 没, not in 是 ... 的, not in a relative clause unless an object follows."""
    if tree.negated or tree.tense not in ("past", "pluperfect") or is_emphatic(tree) or tree.verb.kind == "stay":
        return False
    if isinstance(tree.object, Gap):
        return False
    if isinstance(tree.subject, Gap) or tree.tense == "pluperfect":
        return tree.verb.chinese[-1] == "@"
    return True


def copula(tree: Clause) -> list[Word]:
    """很累, 不累, 比他高, 是医生, 在桌子上."""
    verb = only(tree.id, VERB)
    match tree.predicate:
        case Quality(id=node, adjective=adjective, degree=degree, than=than):
            head = (adjective.chinese, only(node, HEAD))
            if than:
                return [("比", only(node, DEGREE)), *entity(than, relative), head]
            if adjective.changed:
                return [head] if tree.negated else [head, ("了", only(node, HEAD))]
            if degree:
                return [("非常", only(node, DEGREE)), head]
            plain = tree.negated or tree.asked == "yes" or tree.often or tree.tense == "future"
            return [head] if plain else [("很", verb), head]
        case Place():
            words = place(tree.predicate)
            return [(words[0][0], words[0][1] + verb), *words[1:]]
        case NounPhrase():
            return [("是", verb), (tree.predicate.noun.chinese, only(tree.predicate.id, HEAD))]
    return [("在", verb), ("哪里", only(tree.id, ASKED))]


def when(tree: Clause) -> list[Word]:
    """The time, its words with the keys of this sentence."""
    if not tree.time:
        return []
    return [(text, tuple(key(tree.time.id, role) for role in roles)) for text, roles in tree.time.time.chinese]
