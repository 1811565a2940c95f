"""Numbers from 1 to 99 as words in three languages."""

# A line of a table is one concept, however long (and ruff counts a Chinese character twice).
# ruff: noqa: E501

from __future__ import annotations

ENGLISH = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
ENGLISH_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
GERMAN = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
GERMAN_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
CHINESE = "零一二三四五六七八九"


def english_number(number: int) -> str:
    """twenty-three."""
    if number < 20:
        return ENGLISH.split()[number]
    tens, ones = divmod(number, 10)
    return ENGLISH_TENS.split()[tens] + (f"-{ENGLISH.split()[ones]}" if ones else "")


def english_ordinal(number: int) -> str:
    """twenty-third."""
    head, dash, last = english_number(number).rpartition("-")
    if last.endswith("y"):
        return last[:-1] + "ieth"
    return head + dash + ENGLISH_ORDINALS.get(last, last + "th")


def german_number(number: int) -> str:
    """dreiundzwanzig, einundzwanzig; alone 1 is eins."""
    if number < 20:
        return GERMAN.split()[number]
    tens, ones = divmod(number, 10)
    first = "ein" if ones == 1 else GERMAN.split()[ones]
    return (f"{first}und" if ones else "") + GERMAN_TENS.split()[tens]


def german_ordinal(number: int) -> str:
    """The stem: dritt-, siebt-, zwanzigst-."""
    irregular = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
    return irregular.get(number) or german_number(number) + ("t" if number < 20 else "st")


def chinese_number(number: int, *, counting: bool = False) -> str:
    """二十三; `counting` (before a classifier or 点) makes 2 两."""
    if number == 2 and counting:
        return "两"
    tens, ones = divmod(number, 10)
    head = ("" if tens == 1 else CHINESE[tens]) + "十" if tens else ""
    return head + (CHINESE[ones] if ones or not tens else "")
