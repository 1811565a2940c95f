"""The other words: names, adjectives, modals, adverbs of frequency, connectives, pronouns."""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Name:
    """A first name with the sex that its pronoun takes."""

    english: str
    chinese: str
    sex: str


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective; `linked`: Chinese puts 的 between it and the noun; `changed`: it is a change of state, with 了 (生病了)."""

    english: str
    comparative: str
    german: str
    german_comparative: str
    chinese: str
    linked: bool
    changed: bool
    attributive: frozenset[str]
    predicative: frozenset[str]


@dataclass(frozen=True, slots=True)
class Modal:
    """A modal verb; English as (finite, negated); a finite of "" means do-support with the words in `english_base`."""

    name: str
    english: str
    german: str
    chinese: str
    chinese_negated: str


@dataclass(frozen=True, slots=True)
class Frequency:
    """An adverb of frequency; `negative` for never."""

    english: str
    german: str
    chinese: str


NAMES = """
Anna 安娜 f
Maria 玛丽亚 f
Lisa 丽莎 f
Julia 朱莉娅 f
Emma 爱玛 f
Sofia 索菲亚 f
Hanna 汉娜 f
Clara 克拉拉 f
Laura 劳拉 f
Eva 伊娃 f
Peter 彼得 m
Paul 保罗 m
Thomas 托马斯 m
Martin 马丁 m
Lukas 卢卡斯 m
David 大卫 m
Felix 菲利克斯 m
Jonas 约纳斯 m
Simon 西蒙 m
Daniel 丹尼尔 m
"""

# English comparative | German comparative | Chinese (a closing 的 is written before nouns) | before nouns | as predicate
ADJECTIVES = """
new newer           | neu neuer           | 新         | item building toy clothing vehicle device | item vehicle
old older           | alt älter           | 旧         | item clothing vehicle building device | vehicle item
big bigger          | groß größer         | 大         | animal fruit container building          | animal fruit vegetable building vehicle container sight
small smaller       | klein kleiner       | 小         | animal fruit container building toy      | animal fruit vegetable building vehicle container
red redder          | rot röter           | 红色 的    | clothing vehicle container dishes fruit toy | -
blue bluer          | blau blauer         | 蓝色 的    | clothing vehicle container dishes toy    | -
green greener       | grün grüner         | 绿色 的    | clothing vehicle container dishes toy    | -
yellow yellower     | gelb gelber         | 黄色 的    | clothing vehicle dishes toy              | -
black blacker       | schwarz schwärzer   | 黑色 的    | clothing vehicle pet container           | -
white whiter        | weiß weißer         | 白色 的    | clothing vehicle pet dishes              | -
grey greyer         | grau grauer         | 灰色 的    | clothing vehicle pet                     | -
beautiful more_beautiful | schön schöner  | 漂亮 的    | clothing gift building plant art dishes  | clothing plant sight building
expensive more_expensive | teuer teurer   | 贵 的      | -                                        | item clothing vehicle building
cheap cheaper       | billig billiger     | 便宜 的    | clothing item vehicle                    | item clothing vehicle
interesting more_interesting | interessant interessanter | 有趣 的 | readable watchable tale sayable   | readable watchable sight
boring more_boring  | langweilig langweiliger | 无聊 的 | readable watchable tale                  | readable watchable
important more_important | wichtig wichtiger | 重要 的  | text sayable                             | sayable
difficult more_difficult | schwierig schwieriger | 难 的 | -                                       | sayable language
heavy heavier       | schwer schwerer     | 重 的      | -                                        | container packable
long longer         | lang länger         | 长         | -                                        | readable watchable
modern more_modern  | modern moderner     | 现代 的    | device building                          | -
broken -            | kaputt -            | 坏 了      | -                                        | device fixable vehicle
sweet sweeter       | süß süßer           | 甜 的      | -                                        | fruit
fresh fresher       | frisch frischer     | 新鲜 的    | vegetable fruit bakery                   | vegetable fruit
ripe riper          | reif reifer         | 熟 的      | -                                        | fruit
dirty dirtier       | schmutzig schmutziger | 脏 的    | -                                        | clothing dishes vehicle cleanable
practical more_practical | praktisch praktischer | 实用 的 | container device                        | container
comfortable more_comfortable | bequem bequemer | 舒服 的 | -                                       | furniture clothing
quiet quieter       | ruhig ruhiger       | 安静 的    | -                                        | room outside house
famous more_famous  | berühmt berühmter   | 有名 的    | artist sight                             | artist sight
young younger       | jung jünger         | 年轻 的    | adult                                    | adult
tall taller         | groß größer         | 高         | -                                        | person kin
friendly friendlier | freundlich freundlicher | 友好 的 | adult young                             | person kin
polite more_polite  | höflich höflicher   | 有礼貌 的  | adult young                              | person kin
hard-working harder-working | fleißig fleißiger | 勤奋 的 | adult young                             | person kin
clever cleverer     | klug klüger         | 聪明 的    | young pet                                | young
lazy lazier         | faul fauler         | 懒 的      | -                                        | young pet
patient more_patient | geduldig geduldiger | 耐心 的   | -                                        | adult
tired more_tired    | müde müder          | 累         | -                                        | mood
ill -               | krank -             | 生病 了    | -                                        | mood
happy happier       | glücklich glücklicher | 高兴     | -                                        | mood
sad sadder          | traurig trauriger   | 难过       | -                                        | mood
hungry hungrier     | hungrig hungriger   | 饿         | -                                        | mood
thirsty thirstier   | durstig durstiger   | 渴         | -                                        | mood
busy busier         | beschäftigt beschäftigter | 忙   | -                                        | mood
nervous more_nervous | nervös nervöser    | 紧张       | -                                        | mood
strong stronger     | stark stärker       | 强壮 的    | adult                                    | adult
rich richer         | reich reicher       | 有钱 的    | adult                                    | adult
"""

MODALS = (
    Modal("can", "can", "können", "能", "不能"),
    Modal("must", "must", "müssen", "必须", "不必"),
    Modal("want", "want to", "wollen", "想", "不想"),
    Modal("should", "should", "sollen", "应该", "不应该"),
    Modal("may", "may", "dürfen", "可以", "不可以"),
)

FREQUENCIES = (
    Frequency("often", "oft", "经常"),
    Frequency("always", "immer", "总是"),
    Frequency("sometimes", "manchmal", "有时候"),
    Frequency("rarely", "selten", "很少"),
    Frequency("usually", "meistens", "通常"),
    Frequency("never", "nie", "从来不"),
)

PRONOUNS_CHINESE = {"I": "我", "you": "你", "he": "他", "she": "她", "we": "我们", "they": "他们"}


def _adjective(line: str) -> Adjective:
    english, german, chinese, attributive, predicative = (column.strip() for column in line.split("|"))
    base, comparative = english.split()
    stem, german_comparative = german.split()
    word, *link = chinese.split()
    return Adjective(
        base,
        comparative.replace("_", " "),
        stem,
        german_comparative,
        word,
        link == ["的"],
        link == ["了"],
        frozenset(attributive.split()) - {"-"},
        frozenset(predicative.split()) - {"-"},
    )


def _name(line: str) -> Name:
    english, chinese, sex = line.split()
    return Name(english, chinese, sex)


ALL_NAMES = tuple(_name(line) for line in NAMES.strip().splitlines())
ALL_ADJECTIVES = tuple(_adjective(line) for line in ADJECTIVES.strip().splitlines())


@cache
def adjectives_of(classes: frozenset[str], *, predicative: bool) -> tuple[Adjective, ...]:
    """The adjectives that may stand before (or be said of) a noun of these classes."""
    return tuple(a for a in ALL_ADJECTIVES if (a.predicative if predicative else a.attributive) & classes)
