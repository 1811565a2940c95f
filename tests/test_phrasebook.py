"""The phrasebook: morphology by hand, gold links by hand, and the promises of the splits."""

# A sentence in three languages stays on one line, and ruff counts a Chinese character twice.
# ruff: noqa: E501

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from phrasebook import (  # noqa: E402  # noqa: E402
    LANGUAGES,
    PAIRS,
    Example,
    Sizes,
    english_forms,
    generate,
    german_forms,
    held_out,
    linearise,
    numerals,
    times,
)
from phrasebook.corpus import LIMIT, write_corpus  # noqa: E402
from phrasebook.entities import COUNTABLE  # noqa: E402
from phrasebook.noise import noised, noisy_words  # noqa: E402
from phrasebook.nouns import MASS, Noun, table  # noqa: E402
from phrasebook.places import CITY_NAMES, PLACE_NOUNS  # noqa: E402
from phrasebook.sentences import Sentences  # noqa: E402
from phrasebook.tree import (  # noqa: E402
    Asked,
    Clause,
    Coordinated,
    Gap,
    HowOften,
    Joined,
    Named,
    Nobody,
    NounPhrase,
    Place,
    Pronoun,
    Quality,
    Tree,
    When,
)
from phrasebook.verbs import ALL_VERBS, BE, Verb  # noqa: E402
from phrasebook.words import ALL_ADJECTIVES, ALL_NAMES, FREQUENCIES, MODALS, Adjective, Modal, Name  # noqa: E402

pytestmark = pytest.mark.scripts

NOUNS = {noun.name: noun for noun in (*COUNTABLE, *table(MASS), *(place.noun for place in PLACE_NOUNS))}
SAMPLE = 4000


def noun(name: str) -> Noun:
    return NOUNS[name]


def verb(german: str, chinese: str = "") -> Verb:
    return next(v for v in ALL_VERBS if v.prefix + v.infinitive == german and v.chinese[0].startswith(chinese))


def adjective(english: str) -> Adjective:
    return next(a for a in ALL_ADJECTIVES if a.english == english)


def modal(name: str) -> Modal:
    return next(m for m in MODALS if m.name == name)


def name(english: str) -> Name:
    return next(n for n in ALL_NAMES if n.english == english)


def at(place: str, node: int = 90) -> Place:
    cities = {city.english: city for city in CITY_NAMES}
    return Place(node, cities.get(place) or next((p for p in PLACE_NOUNS if p.noun.name == place), place))


def texts(tree: Tree) -> tuple[str, str, str]:
    example = linearise(tree, frozenset())
    return example.text("en"), example.text("de"), example.text("zh")


@pytest.fixture(scope="module")
def train() -> list[Example]:
    return list(generate(1, SAMPLE))


# --- English forms


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("potato", "potatoes"),
        ("photo", "photos"),
        ("library", "libraries"),
        ("boy", "boys"),
        ("box", "boxes"),
        ("bus", "buses"),
        ("watch", "watches"),
        ("radio", "radios"),
        ("glass", "glasses"),
    ],
)
def test_english_plural(singular: str, plural: str) -> None:
    assert english_forms.plural(singular) == plural


def test_irregular_english_plurals_come_from_the_lexicon() -> None:
    singulars = ("man", "woman", "child", "mouse", "knife", "sheep", "policeman", "shelf")
    plurals = ["men", "women", "children", "mice", "knives", "sheep", "policemen", "shelves"]
    assert [noun(word).english[1] for word in singulars] == plurals


@pytest.mark.parametrize(
    ("base", "third", "past", "gerund"),
    [
        ("peel", "peels", "peeled", "peeling"),
        ("wash", "washes", "washed", "washing"),
        ("tidy", "tidies", "tidied", "tidying"),
        ("stop", "stops", "stopped", "stopping"),
        ("open", "opens", "opened", "opening"),
        ("dance", "dances", "danced", "dancing"),
        ("hug", "hugs", "hugged", "hugging"),
        ("rain", "rains", "rained", "raining"),
        ("borrow", "borrows", "borrowed", "borrowing"),
        ("play", "plays", "played", "playing"),
    ],
)
def test_regular_english_verbs(base: str, third: str, past: str, gerund: str) -> None:
    assert (english_forms.third_person(base), english_forms.past(base), english_forms.gerund(base)) == (
        third,
        past,
        gerund,
    )


@pytest.mark.parametrize(
    ("german", "forms"),
    [
        ("schreiben", ("write", "wrote", "written", "writing", "writes")),
        ("liegen", ("lie", "lay", "lain", "lying", "lies")),
        ("haben", ("have", "had", "had", "having", "has")),
        ("gehen", ("go", "went", "gone", "going", "goes")),
        ("sitzen", ("sit", "sat", "sat", "sitting", "sits")),
        ("schwimmen", ("swim", "swam", "swum", "swimming", "swims")),
        ("zerbrechen", ("break", "broke", "broken", "breaking", "breaks")),
        ("legen", ("put", "put", "put", "putting", "puts")),
    ],
)
def test_irregular_english_verbs(german: str, forms: tuple[str, ...]) -> None:
    assert verb(german).english == forms


@pytest.mark.parametrize(
    ("word", "article"),
    [
        ("apple", "an"),
        ("book", "a"),
        ("umbrella", "an"),
        ("university", "a"),
        ("old", "an"),
        ("interesting", "an"),
        ("useful", "a"),
    ],
)
def test_indefinite_article(word: str, article: str) -> None:
    assert english_forms.indefinite_article(word) == article


# --- German forms


@pytest.mark.parametrize(
    ("word", "cases", "dative_plural"),
    [
        ("man", "Mann Mann Mann Mannes", "Männern"),
        ("woman", "Frau Frau Frau Frau", "Frauen"),
        ("child", "Kind Kind Kind Kindes", "Kindern"),
        ("boy", "Junge Jungen Jungen Jungen", "Jungen"),
        ("neighbour", "Nachbar Nachbarn Nachbarn Nachbarn", "Nachbarn"),
        ("policeman", "Polizist Polizisten Polizisten Polizisten", "Polizisten"),
        ("cook", "Koch Koch Koch Kochs", "Köchen"),
        ("guest", "Gast Gast Gast Gastes", "Gästen"),
        ("teacher", "Lehrer Lehrer Lehrer Lehrers", "Lehrern"),
        ("doctor", "Ärztin Ärztin Ärztin Ärztin", "Ärztinnen"),
        ("girl", "Mädchen Mädchen Mädchen Mädchens", "Mädchen"),
        ("radio", "Radio Radio Radio Radios", "Radios"),
        ("house", "Haus Haus Haus Hauses", "Häusern"),
        ("dentist", "Zahnarzt Zahnarzt Zahnarzt Zahnarztes", "Zahnärzten"),
    ],
)
def test_german_noun_cases(word: str, cases: str, dative_plural: str) -> None:
    singular = [german_forms.noun(noun(word), case, plural=False) for case in german_forms.CASES]
    assert singular == cases.split()
    assert german_forms.noun(noun(word), "dat", plural=True) == dative_plural


@pytest.mark.parametrize(
    ("stem", "gender", "cases"),
    [
        ("ein", "m", "ein einen einem eines"),
        ("ein", "f", "eine eine einer einer"),
        ("kein", "n", "kein kein keinem keines"),
        ("mein", "p", "meine meine meinen meiner"),
        ("unser", "f", "unsere unsere unserer unserer"),
        ("dies", "n", "dieses dieses diesem dieses"),
        ("jed", "m", "jeder jeden jedem jedes"),
        ("viel", "p", "viele viele vielen vieler"),
    ],
)
def test_german_determiners(stem: str, gender: str, cases: str) -> None:
    assert [german_forms.determiner(stem, gender, case) for case in german_forms.CASES] == cases.split()


@pytest.mark.parametrize(
    ("declension", "gender", "cases"),
    [
        ("weak", "m", "neue neuen neuen neuen"),
        ("weak", "f", "neue neue neuen neuen"),
        ("weak", "n", "neue neue neuen neuen"),
        ("weak", "p", "neuen neuen neuen neuen"),
        ("mixed", "m", "neuer neuen neuen neuen"),
        ("mixed", "f", "neue neue neuen neuen"),
        ("mixed", "n", "neues neues neuen neuen"),
        ("strong", "m", "neuer neuen neuem neuen"),
        ("strong", "n", "neues neues neuem neuen"),
        ("strong", "p", "neue neue neuen neuer"),
    ],
)
def test_german_adjective_endings(declension: str, gender: str, cases: str) -> None:
    assert [german_forms.adjective("neu", declension, gender, case) for case in german_forms.CASES] == cases.split()


def test_german_adjectives_that_change_their_stem() -> None:
    assert german_forms.adjective("teuer", "weak", "m", "nom") == "teure"
    assert german_forms.adjective("müde", "mixed", "m", "nom") == "müder"


@pytest.mark.parametrize(
    ("infinitive", "forms"),
    [
        ("lesen", "lese liest liest lesen"),
        ("essen", "esse isst isst essen"),
        ("geben", "gebe gibst gibt geben"),
        ("arbeiten", "arbeite arbeitest arbeitet arbeiten"),
        ("finden", "finde findest findet finden"),
        ("einladen", "lade lädst lädt laden"),
        ("abfahren", "fahre fährst fährt fahren"),
        ("tanzen", "tanze tanzt tanzt tanzen"),
        ("sitzen", "sitze sitzt sitzt sitzen"),
        ("wissen", "weiß weißt weiß wissen"),
        ("mögen", "mag magst mag mögen"),
        ("haben", "habe hast hat haben"),
        ("sein", "bin bist ist sind"),
        ("wohnen", "wohne wohnst wohnt wohnen"),
        ("lernen", "lerne lernst lernt lernen"),
        ("regnen", "regne regnest regnet regnen"),
        ("füttern", "füttere fütterst füttert füttern"),
        ("zerbrechen", "zerbreche zerbrichst zerbricht zerbrechen"),
        ("weglaufen", "laufe läufst läuft laufen"),
        ("umarmen", "umarme umarmst umarmt umarmen"),
    ],
)
def test_german_present(infinitive: str, forms: str) -> None:
    entry = verb(infinitive)
    assert [german_forms.present(entry.infinitive, entry.changed, person) for person in "123p"] == forms.split()


@pytest.mark.parametrize(
    ("infinitive", "form"),
    [
        ("lesen", "lies"),
        ("geben", "gib"),
        ("warten", "warte"),
        ("aufmachen", "mach"),
        ("einladen", "lade"),
        ("helfen", "hilf"),
        ("füttern", "füttere"),
        ("beantworten", "beantworte"),
        ("waschen", "wasch"),
        ("gießen", "gieß"),
    ],
)
def test_german_imperative(infinitive: str, form: str) -> None:
    assert german_forms.imperative(verb(infinitive)) == form


# --- Numbers and times


@pytest.mark.parametrize(
    ("number", "english", "german", "chinese"),
    [
        (2, "two", "zwei", "二"),
        (10, "ten", "zehn", "十"),
        (12, "twelve", "zwölf", "十二"),
        (17, "seventeen", "siebzehn", "十七"),
        (21, "twenty-one", "einundzwanzig", "二十一"),
        (30, "thirty", "dreißig", "三十"),
        (56, "fifty-six", "sechsundfünfzig", "五十六"),
    ],
)
def test_numbers(number: int, english: str, german: str, chinese: str) -> None:
    assert numerals.english_number(number) == english
    assert numerals.german_number(number) == german
    assert numerals.chinese_number(number) == chinese


def test_two_of_something_is_liang() -> None:
    assert numerals.chinese_number(2, counting=True) == "两"
    assert numerals.chinese_number(12, counting=True) == "十二"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (times.date(3, 5), ("on the third of May", "am dritten Mai", "五月三号")),
        (times.date(21, 12), ("on the twenty-first of December", "am einundzwanzigsten Dezember", "十二月二十一号")),
        (times.weekday(6), ("on Sunday", "am Sonntag", "星期天")),
        (times.distance(1, 3, ago=True), ("one year ago", "vor einem Jahr", "一年前")),
        (times.distance(2, 1, ago=False), ("in two weeks", "in zwei Wochen", "两个星期后")),
        (
            times.with_clock(times.weekday(0), 7, 30),
            ("on Monday at half past seven", "am Montag um halb acht", "星期一七点半"),
        ),
        (
            times.with_clock(times.weekday(0), 12, 30),
            ("on Monday at half past twelve", "am Montag um halb eins", "星期一十二点半"),
        ),
        (times.with_clock(times.weekday(0), 1, 0), ("on Monday at one o'clock", "am Montag um ein Uhr", "星期一一点")),
        (
            times.with_clock(times.weekday(0), 2, 45),
            ("on Monday at a quarter to three", "am Montag um Viertel vor drei", "星期一两点三刻"),
        ),
        (
            times.with_clock(times.weekday(0), 8, 10),
            ("on Monday at ten past eight", "am Montag um zehn nach acht", "星期一八点十分"),
        ),
    ],
)
def test_times(line: str, expected: tuple[str, str, str]) -> None:
    time = times.time(line)
    joined = [" ".join(text for text, _ in time.english), " ".join(text for text, _ in time.german)]
    assert (*joined, "".join(text for text, _ in time.chinese)) == expected


# --- Sentences by hand

ME, SHE, YOU = Pronoun(2, "I"), Pronoun(2, "she"), Pronoun(2, "you")
COOK = NounPhrase(3, NOUNS["cook"])
BOOK = NounPhrase(4, NOUNS["book"])
YESTERDAY = When(6, times.time(times.DAYS.strip().splitlines()[0]))
EVERY_DAY = When(6, times.time(times.HABITS.strip().splitlines()[0]))
OFTEN = HowOften(7, FREQUENCIES[0])

BY_HAND: list[tuple[Tree, tuple[str, str, str]]] = [
    (
        Clause(1, verb("kaufen"), SHE, "past", NounPhrase(4, noun("car"), "of", 1, adjective("new"), owner=Named(5, name("Anna")))),
        ("She bought Anna's new car.", "Sie hat Annas neues Auto gekauft.", "她买了安娜的新汽车。"),
    ),
    (
        Clause(1, verb("suchen"), SHE, "progressive", NounPhrase(4, noun("bag"), "my", 1, adjective("black"), owner="she")),
        ("She is looking for her black bag.", "Sie sucht ihre schwarze Tasche.", "她正在找她黑色的包。"),
    ),
    (
        Clause(1, verb("tragen", "穿"), COOK, "progressive", NounPhrase(4, noun("shirt")), negated=True),
        ("The cook is not wearing the shirt.", "Der Koch trägt das Hemd nicht.", "厨师没穿那件衬衫。"),
    ),
    (
        Clause(1, verb("schälen"), COOK, "past", NounPhrase(4, noun("potato"), "number", 3), place=at("market"), time=YESTERDAY),
        ("The cook peeled three potatoes at the market yesterday.",
         "Der Koch hat gestern auf dem Markt drei Kartoffeln geschält.", "厨师昨天在市场上削了三个土豆。"),
    ),
    (
        Clause(1, verb("schälen"), COOK, "past", BOOK, time=YESTERDAY, fronted=True, negated=True),
        ("Yesterday the cook did not peel the book.", "Gestern hat der Koch das Buch nicht geschält.", "昨天厨师没削那本书。"),
    ),
    (
        Clause(1, verb("trinken"), SHE, "progressive", NounPhrase(4, noun("coffee"), "none"), negated=True),
        ("She is not drinking coffee.", "Sie trinkt keinen Kaffee.", "她没在喝咖啡。"),
    ),
    (
        Clause(1, verb("trinken"), SHE, "progressive", NounPhrase(4, noun("tea"), "a", measure=table(
            "cup_of | f Tasse Tassen | 杯 - | hot")[0]), place=at("kitchen")),
        ("She is drinking a cup of tea in the kitchen.", "Sie trinkt in der Küche eine Tasse Tee.", "她正在厨房里喝一杯茶。"),
    ),
    (
        Clause(1, verb("mögen"), SHE, "state", NounPhrase(4, noun("dog"), "none", 0), asked="yes"),
        ("Does she like dogs?", "Mag sie Hunde?", "她喜欢狗吗？"),
    ),
    (
        Clause(1, verb("haben"), SHE, "state", NounPhrase(4, noun("car"), "any"), negated=True),
        ("She does not have a car.", "Sie hat kein Auto.", "她没有汽车。"),
    ),
    (
        Clause(1, verb("mögen"), SHE, "state", NounPhrase(4, noun("duck"), "none", 0, adjective("small")), negated=True),
        ("She does not like small ducks.", "Sie mag keine kleinen Enten.", "她不喜欢小鸭子。"),
    ),
    (
        Clause(1, verb("haben"), SHE, "state", NounPhrase(4, noun("car"), "any", 1, adjective("new")), negated=True),
        ("She does not have a new car.", "Sie hat kein neues Auto.", "她没有新汽车。"),
    ),
    (
        Clause(1, verb("einschlafen"), SHE, "past", negated=True),
        ("She did not fall asleep.", "Sie ist nicht eingeschlafen.", "她没睡着。"),
    ),
    (
        Clause(1, verb("gehen"), SHE, "past", direction=at("lake")),
        ("She went to the lake.", "Sie ist an den See gegangen.", "她去了湖边。"),
    ),
    (
        Clause(1, verb("aufmachen"), NounPhrase(3, noun("boy"), "this"), "past", NounPhrase(4, noun("window"))),
        ("This boy opened the window.", "Dieser Junge hat das Fenster aufgemacht.", "这个男孩打开了窗户。"),
    ),
    (
        Clause(1, verb("anrufen"), SHE, "habitual", NounPhrase(4, noun("sister"), "my", owner="she"), often=OFTEN),
        ("She often calls her sister.", "Sie ruft ihre Schwester oft an.", "她经常给她妹妹打电话。"),
    ),
    (
        Clause(1, verb("anrufen"), YOU, "imperative", Pronoun(4, "I")),
        ("Call me, please.", "Ruf mich bitte an.", "请给我打电话。"),
    ),
    (
        Clause(1, verb("zumachen"), YOU, "imperative", NounPhrase(4, noun("door")), negated=True),
        ("Do not close the door, please.", "Mach bitte die Tür nicht zu.", "请不要关上门。"),
    ),
    (
        Clause(1, verb("anmachen"), SHE, "future", NounPhrase(4, noun("lamp"), "a", adjective=adjective("old"))),
        ("She will turn on an old lamp.", "Sie wird eine alte Lampe anmachen.", "她会打开一盏旧台灯。"),
    ),
    (
        Clause(1, verb("geben"), COOK, "past", BOOK, recipient=NounPhrase(5, noun("child"), "these", 2)),
        ("The cook gave these two children the book.", "Der Koch hat diesen zwei Kindern das Buch gegeben.",
         "厨师把那本书给了这两个孩子。"),
    ),
    (
        Clause(1, verb("geben"), COOK, "past", NounPhrase(4, noun("apple"), "a", adjective=adjective("red")), recipient=SHE),
        ("The cook gave her a red apple.", "Der Koch hat ihr einen roten Apfel gegeben.", "厨师给了她一个红色的苹果。"),
    ),
    (
        Clause(1, verb("lesen"), ME, "modal", BOOK, modal=modal("must"), negated=True),
        ("I do not have to read the book.", "Ich muss das Buch nicht lesen.", "我不必看那本书。"),
    ),
    (
        Clause(1, verb("lesen"), SHE, "modal", BOOK, modal=modal("want"), asked="yes"),
        ("Does she want to read the book?", "Will sie das Buch lesen?", "她想看那本书吗？"),
    ),
    (
        Clause(1, verb("lesen"), ME, "modal", BOOK, modal=modal("can"), negated=True),
        ("I cannot read the book.", "Ich kann das Buch nicht lesen.", "我不能看那本书。"),
    ),
    (
        Clause(1, verb("gehen"), SHE, "past", direction=at("station")),
        ("She went to the station.", "Sie ist zum Bahnhof gegangen.", "她去了火车站。"),
    ),
    (
        Clause(1, verb("gehen"), SHE, "past", direction=at("home")),
        ("She went home.", "Sie ist nach Hause gegangen.", "她回了家。"),
    ),
    (
        Clause(1, verb("stellen"), SHE, "past", NounPhrase(4, noun("glass")), direction=at("table")),
        ("She put the glass on the table.", "Sie hat das Glas auf den Tisch gestellt.", "她把那个玻璃杯放在桌子上了。"),
    ),
    (
        Clause(1, verb("kaufen"), YOU, "past", NounPhrase(4, noun("car"), "the"), asked="place"),
        ("Where did you buy the car?", "Wo hast du das Auto gekauft?", "你是在哪里买那辆汽车的？"),
    ),
    (
        Clause(1, verb("warten"), SHE, "progressive", Asked(4, "who"), asked="object"),
        ("Who is she waiting for?", "Auf wen wartet sie?", "她正在等谁？"),
    ),
    (
        Clause(1, verb("helfen"), Asked(2, "who"), "past", NounPhrase(4, noun("neighbour"), "my", owner="I"), asked="subject"),
        ("Who helped my neighbour?", "Wer hat meinem Nachbarn geholfen?", "谁帮助了我的邻居？"),
    ),
    (
        Clause(1, verb("lesen"), SHE, "past", NounPhrase(4, noun("letter"), "which"), asked="object"),
        ("Which letter did she read?", "Welchen Brief hat sie gelesen?", "她看了哪封信？"),
    ),
    (
        Clause(1, verb("essen"), SHE, "past", NounPhrase(4, noun("egg"), "how-many", 0), asked="object"),
        ("How many eggs did she eat?", "Wie viele Eier hat sie gegessen?", "她吃了几个鸡蛋？"),
    ),
    (
        Clause(1, verb("lesen"), SHE, "progressive", NounPhrase(4, noun("book"), relative=Clause(
            8, verb("kaufen"), NounPhrase(9, noun("brother"), "my", owner="I"), "past", Gap(10, "n", False), time=YESTERDAY))),
        ("She is reading the book that my brother bought yesterday.",
         "Sie liest das Buch, das mein Bruder gestern gekauft hat.", "她正在看我哥哥昨天买的那本书。"),
    ),
    (
        Clause(1, verb("schlafen"), NounPhrase(3, noun("man"), relative=Clause(
            8, verb("aufmachen"), Gap(10, "m", True), "past", NounPhrase(4, noun("door")))), "progressive"),
        ("The man who opened the door is sleeping.", "Der Mann, der die Tür aufgemacht hat, schläft.",
         "打开了门的那个男人正在睡觉。"),
    ),
    (
        Clause(1, BE, NounPhrase(3, noun("cat")), "state", predicate=Quality(5, adjective("small"), "than", NounPhrase(4, noun("dog")))),
        ("The cat is smaller than the dog.", "Die Katze ist kleiner als der Hund.", "那只猫比那只狗小。"),
    ),
    (
        Clause(1, BE, NounPhrase(3, noun("sister"), "my", owner="I"), "state", predicate=NounPhrase(5, noun("artist"), "a")),
        ("My sister is an artist.", "Meine Schwester ist Künstlerin.", "我妹妹是艺术家。"),
    ),
    (
        Clause(1, BE, NounPhrase(3, noun("mouse"), "number", 2), "state", place=at("garden"), exists=True),
        ("There are two mice in the garden.", "Im Garten sind zwei Mäuse.", "花园里有两只老鼠。"),
    ),
    (
        Clause(1, verb("wohnen"), NounPhrase(3, noun("boy"), "of", owner=Named(5, name("Lukas"))), "state", place=at("Munich")),
        ("Lukas's boy lives in Munich.", "Lukas' Junge wohnt in München.", "卢卡斯的男孩住在慕尼黑。"),
    ),
    (
        Clause(1, verb("lesen"), SHE, "past", NounPhrase(4, noun("book"), "of", owner=NounPhrase(5, noun("boy")))),
        ("She read the boy's book.", "Sie hat das Buch des Jungen gelesen.", "她看了那个男孩的书。"),
    ),
    (
        Clause(1, verb("schneien"), Nobody(2), "past", place=at("Vienna"), time=YESTERDAY, negated=True),
        ("It did not snow in Vienna yesterday.", "Es hat gestern in Wien nicht geschneit.", "维也纳昨天没下雪。"),
    ),
    (
        Joined(20, "because", Clause(1, verb("schlafen"), COOK, "modal", modal=modal("want")),
               Clause(11, BE, Pronoun(12, "he"), "state", predicate=Quality(13, adjective("tired"), "very")), fronted=False),
        ("The cook wants to sleep because he is very tired.", "Der Koch will schlafen, weil er sehr müde ist.",
         "厨师想睡觉，因为他非常累。"),
    ),
    (
        Joined(20, "if", Clause(1, verb("bleiben"), ME, "future", place=at("home")), Clause(11, verb("regnen"), Nobody(12), "bare")),
        ("If it rains, I will stay at home.", "Wenn es regnet, werde ich zu Hause bleiben.", "如果下雨，我会待在家里。"),
    ),
    (
        Joined(20, "after", Clause(1, verb("fernsehen"), Pronoun(2, "he"), "past"), Clause(11, verb("aufstehen"), COOK, "pluperfect")),
        ("After the cook had got up, he watched TV.", "Nachdem der Koch aufgestanden war, hat er ferngesehen.",
         "厨师起床以后，他看电视了。"),
    ),
    (
        Clause(1, verb("sagen"), SHE, "state", says=Clause(11, verb("aufstehen"), COOK, "habitual", time=EVERY_DAY)),
        ("She says that the cook gets up every day.", "Sie sagt, dass der Koch jeden Tag aufsteht.", "她说，厨师每天起床。"),
    ),
    (
        Coordinated(20, "but", Clause(1, verb("Klavier'spielen"), SHE, "progressive"), Clause(11, verb("spazieren_gehen"), COOK, "progressive")),
        ("She is playing the piano, but the cook is taking a walk.", "Sie spielt Klavier, aber der Koch geht spazieren.",
         "她正在弹钢琴，但是厨师正在散步。"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "expected"), BY_HAND, ids=[expected[0] for _, expected in BY_HAND])
def test_sentences_by_hand(tree: Tree, expected: tuple[str, str, str]) -> None:
    assert texts(tree) == expected


def readable_links(tree: Tree, source: str, target: str) -> set[tuple[str, str]]:
    example = linearise(tree, frozenset())
    here, there = example.words(source), example.words(target)
    return {(here[i].strip(".,。，？?"), there[j].strip(".,。，？?")) for i, j in example.alignment(source, target)}


def test_links_of_a_separable_verb_and_a_negation() -> None:
    tree = Clause(1, verb("aufmachen"), COOK, "past", NounPhrase(4, noun("window")), negated=True)
    assert readable_links(tree, "en", "de") == {
        ("The", "Der"), ("cook", "Koch"), ("did", "hat"), ("did", "nicht"), ("not", "nicht"), ("open", "aufgemacht"),
        ("the", "das"), ("window", "Fenster"),
    }  # fmt: skip
    tree = Clause(1, verb("aufmachen"), SHE, "habitual", NounPhrase(4, noun("window")), time=EVERY_DAY)
    assert {("opens", "macht"), ("opens", "auf")} <= readable_links(tree, "en", "de")
    assert {("macht", "打开"), ("auf", "打开")} <= readable_links(tree, "de", "zh")


def test_links_of_classifiers_and_places() -> None:
    tree = next(tree for tree, (english, _, _) in BY_HAND if english.startswith("The cook peeled three"))
    assert readable_links(tree, "en", "zh") == {
        ("cook", "厨师"), ("peeled", "削"), ("peeled", "了"), ("three", "三"), ("three", "个"), ("potatoes", "土豆"),
        ("at", "在"), ("at", "上"), ("market", "市场"), ("yesterday", "昨天"),
    }  # fmt: skip
    assert readable_links(tree, "de", "zh") == {
        ("Koch", "厨师"), ("hat", "了"), ("geschält", "削"), ("drei", "三"), ("drei", "个"), ("Kartoffeln", "土豆"),
        ("auf", "在"), ("auf", "上"), ("Markt", "市场"), ("gestern", "昨天"),
    }  # fmt: skip


def test_links_of_half_past_seven_cross() -> None:
    time = When(6, times.time(times.with_clock(times.weekday(0), 7, 30)))
    links = readable_links(Clause(1, verb("aufstehen"), SHE, "future", time=time), "en", "de")
    assert {("half", "halb"), ("past", "halb"), ("seven", "acht"), ("on", "am"), ("up", "aufstehen")} <= links
    assert ("seven", "halb") not in links


# --- Generated text

# Words that may stand for nothing in the other language; everything else must have a link.
UNLINKED = {
    "en": {"the", "a", "an", "of", "that", "is", "are", "am", "was", "were", "on", "at", "to", "in", "and", "it", "had", "by"},
    "de": {"der", "die", "das", "den", "dem", "des", "dass", "ist", "sind", "bin", "bist", "war", "warst", "waren", "am", "um", "in", "ins", "im", "an", "nach", "zum", "zur", "auf", "und", "es", "hat", "haben", "habe", "hast", "hatte", "hatten", "hattest", "aufs", "als"},
    "zh": {"吗", "把", "的", "了"},
}  # fmt: skip


def test_every_content_word_is_linked(train: list[Example]) -> None:
    for example in train:
        for source, target in PAIRS:
            links = example.alignment(source, target)
            for side, language in ((0, source), (1, target)):
                words = example.words(language)
                linked = {link[side] for link in links}
                assert links == sorted(set(links))
                assert all(0 <= index < len(words) for index in linked)
                free = {words[i].strip(".,?，。？").lower() for i in range(len(words)) if i not in linked}
                assert free <= UNLINKED[language], (free, example.text("en"), example.text(language))


def test_texts_are_well_formed(train: list[Example]) -> None:
    for example in train:
        for language in LANGUAGES:
            text = example.text(language)
            assert text == text.strip()
            assert "  " not in text
            assert text[0].isupper() or language == "zh"
            assert text[-1] in ("。？" if language == "zh" else ".?")
            assert not any(mark in text for mark in (" ,", " .", ",,", ",.", "'_", "_", "@", "#", "^", ">", "+"))
        assert " " not in example.text("zh")
        assert "".join(example.words("zh")) == example.text("zh")


def test_each_sentence_has_one_translation() -> None:
    """Each direction is (nearly) a function: under 1 % of the sources have two targets."""
    stream = Sentences.seeded("functional")
    triples = {texts(stream.draw()) for _ in range(12_000)}
    assert not any("正在看什么" in chinese for _, _, chinese in triples), "read or watch?"
    for i in range(3):
        for j in range(3):
            if i != j:
                targets = defaultdict(set)
                for triple in triples:
                    targets[triple[i]].add(triple[j])
                ambiguous = sum(len(found) > 1 for found in targets.values())
                assert ambiguous < 0.01 * len(targets), (LANGUAGES[i], LANGUAGES[j])


def test_the_lexicon_has_one_word_per_concept() -> None:
    """Two nouns with one word in some language could not be told apart."""
    nouns = list(NOUNS.values())
    for language, forms in (
        ("en", [n.english[0] for n in nouns]),
        ("zh", [n.chinese for n in nouns]),
        ("de", [n.german[0] for n in nouns]),
    ):
        twice = {form for form in forms if forms.count(form) > 1}
        assert not twice, (language, twice)
    entries = (
        len(nouns)
        + len(ALL_VERBS)
        + len(ALL_ADJECTIVES)
        + len(ALL_NAMES)
        + len(CITY_NAMES)
        + len(MODALS)
        + len(FREQUENCIES)
    )
    assert entries >= 400


# --- Splits


def test_same_seed_same_corpus_and_another_seed_another() -> None:
    first, again, other = (list(islice(generate(seed, 200), 200)) for seed in (5, 5, 6))
    assert [texts(e.tree) for e in first] == [texts(e.tree) for e in again]
    assert [texts(e.tree) for e in first] != [texts(e.tree) for e in other]


def test_first_lines_do_not_depend_on_the_number() -> None:
    assert [e.text("de") for e in generate(5, 50)] == [e.text("de") for e in islice(generate(5, 500), 50)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phrasebook")
    sizes = Sizes(train=3000, validation=200, test=200, long=60, recombined=150)
    write_corpus(folder, 1, sizes, 0.1, lambda line: None)
    return folder


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()


def test_files_of_a_split_are_parallel(corpus: Path) -> None:
    for split, count in (("train", 3000), ("validation", 200), ("test", 200), ("long", 60), ("recombined", 150)):
        for suffix in (*LANGUAGES, "zh-words", *(f"{a}-{b}.align" for a, b in PAIRS)):
            assert len(lines(corpus, f"{split}.{suffix}")) == count
        assert [line.replace(" ", "") for line in lines(corpus, f"{split}.zh-words")] == lines(corpus, f"{split}.zh")
    assert not [path for path in corpus.iterdir() if path.name.startswith(".")]


def test_alignment_files_point_at_words(corpus: Path) -> None:
    words = {"en": "test.en", "de": "test.de", "zh": "test.zh-words"}
    for a, b in PAIRS:
        columns = lines(corpus, words[a]), lines(corpus, words[b]), lines(corpus, f"test.{a}-{b}.align")
        for source, target, links in zip(*columns, strict=True):
            pairs = [tuple(map(int, link.split("-"))) for link in links.split()]
            assert pairs
            assert pairs == sorted(pairs)
            assert max(i for i, _ in pairs) < len(source.split())
            assert max(j for _, j in pairs) < len(target.split())


def test_splits_share_no_sentence(corpus: Path) -> None:
    for language in LANGUAGES:
        seen: set[str] = set()
        for split in ("train", "validation", "test", "long", "recombined"):
            here = lines(corpus, f"{split}.{language}")
            assert len(set(here)) == len(here)
            assert seen.isdisjoint(here)
            seen.update(here)


def test_long_is_longer_than_anything_in_train(corpus: Path) -> None:
    for name in ("en", "de", "zh-words"):
        longest = max(len(line.split()) for line in lines(corpus, f"train.{name}"))
        shortest = min(len(line.split()) for line in lines(corpus, f"long.{name}"))
        assert longest <= LIMIT[name[:2]] < shortest


def test_train_never_holds_a_recombination_and_recombined_always_does(train: list[Example]) -> None:
    forbidden = held_out(1)
    assert len(forbidden) >= 30
    assert all(example.features.isdisjoint(forbidden) for example in train)
    for split in ("validation", "test", "long"):
        assert all(example.features.isdisjoint(forbidden) for example in generate(1, 60, split))
    assert all(not example.features.isdisjoint(forbidden) for example in generate(1, 200, "recombined"))


def test_train_shows_the_halves_of_every_recombination() -> None:
    """The word and the construction each occur in train, only never together."""
    seen = [feature for example in generate(1, 12_000) for feature in example.features]
    words, constructions = {word for word, _ in seen}, {construction for _, construction in seen}
    assert {word for word, _ in held_out(1)} <= words
    assert {construction for _, construction in held_out(1)} <= constructions


def test_a_hundred_thousand_are_distinct_by_sample(train: list[Example]) -> None:
    """Drawing without any filter repeats itself rarely, so 100,000 distinct sentences are there for the taking."""
    stream = Sentences.seeded("distinct")
    drawn = [texts(stream.draw()) for _ in range(8000)]
    for index in range(3):
        assert len({triple[index] for triple in drawn}) > 0.93 * len(drawn)
    assert len({example.text("zh") for example in train}) == SAMPLE


# --- Noise


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_noise_rate_is_the_stated_one(language: str, rate: float, train: list[Example]) -> None:
    """Words that are missing from the clean sentence, or moved, over all words."""
    from difflib import SequenceMatcher

    from phrasebook.noise import Random

    rng = Random(3)
    changed = total = 0
    for example in train[:1500]:
        words = example.words(language)
        noisy = noisy_words(words, rate, rng, chinese=language == "zh")
        kept = sum(block.size for block in SequenceMatcher(None, words, noisy, autojunk=False).get_matching_blocks())
        changed += len(words) - kept
        total += len(words)
    assert 0.85 * rate < changed / total < 1.15 * rate


def test_noise_is_deterministic_and_off_at_zero(train: list[Example]) -> None:
    for language in LANGUAGES:
        assert noised(train[:100], language, 0.2, 1) == noised(train[:100], language, 0.2, 1)
        assert noised(train[:100], language, 0.2, 1) != noised(train[:100], language, 0.2, 2)
        assert noised(train[:100], language, 0.0, 1) == [example.text(language) for example in train[:100]]


# --- The command line


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "generate-phrasebook"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_committed_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    assert run("--sample", "--output", str(tmp_path)).returncode == 0
    made = sorted(path.name for path in tmp_path.iterdir())
    assert len(made) == 7
    for name in made:
        assert (tmp_path / name).read_bytes() == (ROOT / "data" / "phrasebook" / name).read_bytes(), (
            f"{name} is stale: run scripts/generate-phrasebook --sample"
        )


def test_command_line_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    bad_rate = run("--noise-rate", "2", "--output", str(tmp_path))
    assert bad_rate.returncode == 2
    assert "give a number from 0 to 1" in bad_rate.stderr
    bad_count = run("--train", "many")
    assert bad_count.returncode == 2
    assert "whole number" in bad_count.stderr
    file = tmp_path / "file"
    file.write_text("")
    bad_folder = run("--train", "1", "--output", str(file))
    assert bad_folder.returncode == 2
    assert "Choose another folder" in bad_folder.stderr
    assert "Traceback" not in bad_folder.stderr


def test_help_teaches_with_examples() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    assert "scripts/generate-phrasebook --train 20000" in shown.stdout
