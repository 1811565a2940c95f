"""Chinese noun phrases and places: determiner, numeral, classifier; 的; localizers."""

from __future__ import annotations

from collections.abc import Callable

from .numerals import chinese_number
from .places import City, PlaceNoun
from .surface import Word
from .tree import (
    ADJECTIVE,
    AND,
    DETERMINER,
    HEAD,
    MEASURE,
    OWNER,
    UNIT,
    Asked,
    Both,
    Clause,
    Entity,
    Gap,
    Named,
    Nobody,
    NounPhrase,
    Place,
    Pronoun,
    only,
)
from .words import PRONOUNS_CHINESE

Relative = Callable[[Clause], list[Word]]
OPEN = {"this": "这", "a": "一", "every": "每", "which": "哪", "how-many": "几"}


def entity(thing: Entity, relative: Relative) -> list[Word]:
    """The words of a noun phrase; `relative` linearises a relative clause."""
    match thing:
        case NounPhrase():
            return noun_phrase(thing, relative)
        case Pronoun():
            return [(PRONOUNS_CHINESE[thing.name], only(thing.id, HEAD))]
        case Named():
            return [(thing.name.chinese, only(thing.id, HEAD))]
        case Both():
            return [*entity(thing.left, relative), ("和", only(thing.id, AND)), *entity(thing.right, relative)]
        case Asked():
            return [("什么" if thing.what == "what" else "谁", only(thing.id, HEAD))]
        case Nobody() | Gap():
            return []


def noun_phrase(phrase: NounPhrase, relative: Relative) -> list[Word]:
    """relative clause + determiner + classifier + adjective + noun."""
    before = relative(phrase.relative) if phrase.relative else []
    words = [*before, *determiner(phrase, relative)]
    if phrase.adjective:
        keys = only(phrase.id, ADJECTIVE)
        words.append((phrase.adjective.chinese, keys))
        words += [("的", keys)] if phrase.adjective.linked else []
    words.append((phrase.noun.chinese + ("们" if has_men(phrase) else ""), only(phrase.id, HEAD)))
    return words


def has_men(phrase: NounPhrase) -> bool:
    """孩子们: the plural of a definite person; after these it is 这些孩子."""
    return phrase.determiner == "the" and phrase.number == 0 and "person" in phrase.noun.classes


def classifier(phrase: NounPhrase) -> Word:
    """The classifier, linked with the numeral or determiner; a measure (杯) with its noun (cup)."""
    if phrase.measure:
        return phrase.measure.chinese, only(phrase.id, MEASURE)
    return phrase.noun.classifier, only(phrase.id, UNIT)


def determiner(phrase: NounPhrase, relative: Relative) -> list[Word]:
    """那本, 这本, 一本, 三本, 这三本, 我的, 老师的, 很多, 一些, 每个, 哪本, 几本."""
    mine = only(phrase.id, DETERMINER)
    match phrase.determiner:
        case "none" | "any":
            return []
        case "the" if phrase.number == 0:
            return [] if has_men(phrase) else [("那些", mine)]
        case "the":
            return [] if phrase.noun.bare else [("那", mine), classifier(phrase)]
        case "this" if phrase.number == 0:
            return [("这些", mine)]
        case "number":
            return [(chinese_number(phrase.number, counting=True), mine), classifier(phrase)]
        case "these":
            return [
                ("这", mine),
                (chinese_number(phrase.number, counting=True), only(phrase.id, UNIT)),
                classifier(phrase),
            ]
        case "my" | "of":
            return owner(phrase, relative)
        case "many" | "some":
            return [("很多" if phrase.determiner == "many" else "一些", mine)]
    return [(OPEN[phrase.determiner], mine), classifier(phrase)]


def owner(phrase: NounPhrase, relative: Relative) -> list[Word]:
    """我的书 but 我妈妈 and 我漂亮的花; 老师的书."""
    mine = only(phrase.id, OWNER)
    if isinstance(phrase.owner, str):
        words = [(PRONOUNS_CHINESE[phrase.owner], mine)]
        joined = phrase.noun.kin or (phrase.adjective and phrase.adjective.linked)  # 我漂亮的花, with one 的
        return words if joined else [*words, ("的", mine)]
    assert isinstance(phrase.owner, NounPhrase | Named)
    return [*entity(phrase.owner, relative), ("的", mine)]


def place(where: Place) -> list[Word]:
    """在厨房里, 在柏林, 在家里."""
    on, head = only(where.id, DETERMINER), only(where.id, HEAD)
    match where.where:
        case PlaceNoun() as spot:
            localizer = [(spot.chinese, on)] if spot.chinese else []
            return [("在", on), (spot.noun.chinese, head), *localizer]
        case City() as city:
            return [("在", on), (city.chinese, head)]
    return [("在", on), ("家", head), ("里", on)]


def towards(where: Place, *, onto: bool) -> list[Word]:
    """去 and 回 need no preposition (去公园, but 去湖边); what is put goes 在桌子上."""
    if onto:
        return place(where)
    words = place(where)
    return words[1:] if words[-1][0] == "边" else words[1:2]
