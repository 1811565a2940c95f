"""Times: days, dates, weekdays, months, clock times.

A phrase is written as words with a role after the slash (0 if none); words of the three languages with the same role are linked, a
role of - has no counterpart.
"""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .numerals import chinese_number, english_number, english_ordinal, german_number, german_ordinal

Chunk = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Time:
    """When, in three languages; `tenses` says with which tenses it goes."""

    name: str
    english: tuple[Chunk, ...]
    german: tuple[Chunk, ...]
    chinese: tuple[Chunk, ...]
    tenses: frozenset[str]


DAYS = """
yesterday                   | gestern               | 昨天             | past
the day before/2 yesterday  | vorgestern/0,2        | 前天/0,2         | past
tomorrow                    | morgen                | 明天             | future
the day after/2 tomorrow    | übermorgen/0,2        | 后天/0,2         | future
last week/1                 | letzte Woche/1        | 上个 星期/1      | past
next week/1                 | nächste Woche/1       | 下个 星期/1      | future
last month/1                | letzten Monat/1       | 上个 月/1        | past
next month/1                | nächsten Monat/1      | 下个 月/1        | future
last year/1                 | letztes Jahr/1        | 去年/0,1         | past
next year/1                 | nächstes Jahr/1       | 明年/0,1         | future
last summer/1               | letzten Sommer/1      | 去年 夏天/1      | past
last winter/1               | letzten Winter/1      | 去年 冬天/1      | past
next summer/1               | nächsten Sommer/1     | 明年 夏天/1      | future
"""

PARTS = """
yesterday morning/1         | gestern Morgen/1      | 昨天 早上/1      | past
yesterday afternoon/1       | gestern Nachmittag/1  | 昨天 下午/1      | past
yesterday evening/1         | gestern Abend/1       | 昨天 晚上/1      | past
this morning/1              | heute Morgen/1        | 今天 早上/1      | past
this evening/1              | heute Abend/1         | 今天 晚上/1      | future
tomorrow morning/1          | morgen früh/1         | 明天 早上/1      | future
tomorrow afternoon/1        | morgen Nachmittag/1   | 明天 下午/1      | future
tomorrow evening/1          | morgen Abend/1        | 明天 晚上/1      | future
"""

HABITS = """
every day/1                 | jeden Tag/1           | 每 天/1          | habitual
every morning/1             | jeden Morgen/1        | 每天 早上/1      | habitual
every afternoon/1           | jeden Nachmittag/1    | 每天 下午/1      | habitual
every evening/1             | jeden Abend/1         | 每天 晚上/1      | habitual
"""

NOW = "now | jetzt | 现在 | progressive"
WEEKDAYS = (
    "Monday Montag 一",
    "Tuesday Dienstag 二",
    "Wednesday Mittwoch 三",
    "Thursday Donnerstag 四",
    "Friday Freitag 五",
    "Saturday Samstag 六",
    "Sunday Sonntag 天",
)
MONTHS = (
    "January Januar",
    "February Februar",
    "March März",
    "April April",
    "May Mai",
    "June Juni",
    "July Juli",
    "August August",
    "September September",
    "October Oktober",
    "November November",
    "December Dezember",
)
MINUTES = (0, 10, 15, 20, 30, 40, 45, 50)


def _chunks(text: str) -> tuple[Chunk, ...]:
    chunks = []
    for word in text.split():
        surface, _, roles = word.partition("/")
        numbers = () if roles == "-" else tuple(int(role) for role in (roles or "0").split(","))
        chunks.append((surface, numbers))
    return tuple(chunks)


@cache
def time(line: str) -> Time:
    """A line of a table above."""
    english, german, chinese, tenses = (column.strip() for column in line.split("|"))
    return Time(
        english.replace("/", ""), _chunks(english), _chunks(german), _chunks(chinese), frozenset(tenses.split())
    )


def weekday(day: int) -> str:
    """on Monday | am Montag | 星期一."""
    english, german, chinese = WEEKDAYS[day].split()
    return f"on/5 {english} | am/5 {german} | 星期{chinese} | past future"


def every_weekday(day: int) -> str:
    """every Monday | jeden Montag | 每个星期一."""
    english, german, chinese = WEEKDAYS[day].split()
    return f"every/1 {english} | jeden/1 {german} | 每个/1 星期{chinese} | habitual"


def date(day: int, month: int) -> str:
    """on the third of May | am dritten Mai | 五月三号."""
    english, german = MONTHS[month - 1].split()
    return (
        f"on/5 the/5 {english_ordinal(day)}/1 of/- {english}/2 | am/5 {german_ordinal(day)}en/1 {german}/2"
        f" | {chinese_number(month)}月/2 {chinese_number(day)}号/1 | past future"
    )


def in_month(month: int) -> str:
    """in May | im Mai | 五月."""
    english, german = MONTHS[month - 1].split()
    return f"in/5 {english} | im/5 {german} | {chinese_number(month)}月 | past future"


def distance(number: int, unit: int, *, ago: bool) -> str:
    """two weeks ago | vor zwei Wochen | 两个星期前; in two weeks | in zwei Wochen | 两个星期后."""
    singular, plural, german, chinese = (
        ("day", "days", "einem/1 Tag Tagen", "天"),
        ("week", "weeks", "einer/1 Woche Wochen", "个星期"),
        ("month", "months", "einem/1 Monat Monaten", "个月"),
        ("year", "years", "einem/1 Jahr Jahren", "年"),
    )[unit]
    words = f"{english_number(number)}/1 {plural if number > 1 else singular}/2"
    english = f"{words} ago/3" if ago else f"in/3 {words}"
    preposition, marker = ("vor", "前") if ago else ("in", "后")
    digits = chinese_number(number, counting=True)
    one, singular_german, plural_german = german.split()
    german = f"{one} {singular_german}/2" if number == 1 else f"{german_number(number)}/1 {plural_german}/2"
    tail = f"{preposition}/3 {german} | {digits}/1 {chinese}/2 {marker}/3"
    return f"{english} | {tail} | {'past' if ago else 'future'}"


def clock(hour: int, minute: int) -> tuple[str, str, str]:
    """at half past seven, um halb acht, 七点半: the German half counts towards the next hour, the words of the hour are linked."""
    later = hour % 12 + 1
    chinese = f"{chinese_number(hour, counting=True)}点/6"
    if minute == 0:
        german = "ein" if hour == 1 else german_number(hour)
        return f"at/5 {english_number(hour)}/6 o'clock/6", f"um/5 {german}/6 Uhr/6", chinese
    if minute == 30:
        return (
            f"at/5 half/7 past/7 {english_number(hour)}/6",
            f"um/5 halb/7 {german_number(later)}/6",
            f"{chinese} 半/7",
        )
    before, minutes, named = minute > 30, minute if minute < 30 else 60 - minute, hour if minute < 30 else later
    english = "a/7 quarter/7" if minutes == 15 else f"{english_number(minutes)}/7"
    german = "Viertel/7" if minutes == 15 else f"{german_number(minutes)}/7"
    rest = {15: "一刻", 45: "三刻"}.get(minute, chinese_number(minute) + "分")
    return (
        f"at/5 {english} {'to' if before else 'past'}/7 {english_number(named)}/6",
        f"um/5 {german} {'vor' if before else 'nach'}/7 {german_number(named)}/6",
        f"{chinese} {rest}/7",
    )


def with_clock(line: str, hour: int, minute: int) -> str:
    """tomorrow at ten past seven | morgen um zehn nach sieben | 明天七点十分."""
    columns = [column.strip() for column in line.split("|")]
    return " | ".join([*(f"{day} {at}" for day, at in zip(columns, clock(hour, minute), strict=False)), columns[3]])
