"""BLEU's tokenizer for a text that names none: one that fits the script it is written in.

BLEU counts sequences of four tokens. Where no spaces stand between words, a tokenizer that splits at spaces makes one
token of a whole sentence, and BLEU is 0 for every translation but a perfect copy. The text decides, not a language
code, which may be unknown, wrong, or that of a language with two scripts.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sacrebleu import BLEU
from sacrebleu.utils import SACREBLEU_DIR

from seq2seq.errors import EXTRAS, Seq2SeqError, install_extra, require

TOKENIZERS = tuple(BLEU.TOKENIZERS)

Writing = Literal["spaced", "Chinese", "Japanese", "Korean", "unspaced"]

# How the names of the characters begin. A Chinese character weighs as much as a word: a quarter of all letters will do.
_HAN = ("CJK ", "IDEOGRAPHIC ", "BOPOMOFO ")
_KANA = ("HIRAGANA ", "KATAKANA ", "KATAKANA-HIRAGANA ", "HALFWIDTH KATAKANA")
_HANGUL = ("HANGUL ", "HALFWIDTH HANGUL")
_UNSPACED = (
    "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "TAI ", "NEW TAI ", "AHOM ", "JAVANESE ", "BALINESE ", "YI ",
)  # fmt: skip
_SHARE = 0.25
_KANA_SHARE = 0.1  # of Chinese characters and kana: no Japanese text has fewer
_OWN = {"Chinese": "zh", "Japanese": "ja-mecab", "Korean": "ko-mecab"}
_EXTRA = {"ja-mecab": "ja", "ko-mecab": "ko"}  # tokenizer -> the extra that it needs
_FLORES = os.path.join(SACREBLEU_DIR, "models", "flores200sacrebleuspm")


@dataclass(frozen=True, slots=True)
class Choice:
    """A tokenizer of BLEU; note: what would fit better, and what that lacks."""

    name: str
    note: str | None = None


def writing_of(lines: Iterable[str]) -> Writing:
    """How most of a text is written: with spaces between words, or in which of the scripts that need something else."""
    letters = Counter[str]()
    for line in lines:
        letters.update(line)
    kinds = Counter[str]()
    for letter, count in letters.items():
        if unicodedata.category(letter)[0] in "LM":
            kinds[_kind(unicodedata.name(letter, ""))] += count
    chinese = kinds["han"] + kinds["kana"]
    most, count = max((("Chinese", chinese), ("Korean", kinds["hangul"]), ("unspaced", kinds["unspaced"])), key=_second)
    if count < _SHARE * kinds.total() or not count:
        return "spaced"
    if most == "Korean":
        return "Korean"
    if most == "unspaced":
        return "unspaced"
    return "Japanese" if kinds["kana"] >= _KANA_SHARE * chinese else "Chinese"


def _second(pair: tuple[str, int]) -> int:
    return pair[1]


def _kind(name: str) -> str:
    kinds = {"han": _HAN, "kana": _KANA, "hangul": _HANGUL, "unspaced": _UNSPACED}
    return next((kind for kind, begins in kinds.items() if name.startswith(begins)), "spaced")


def choose_tokenizer(lines: Iterable[str]) -> Choice:
    """The tokenizer for these references: '13a' where spaces separate words, else sacreBLEU's own for the script.

    Nothing is downloaded. What is not installed gives way to the pieces of Flores-200, where sacreBLEU's folder has
    them already, and then to single characters, which need nothing; the note says so.
    """
    return tokenizer_for(writing_of(lines))


def tokenizer_for(writing: Writing) -> Choice:
    """As `choose_tokenizer`, for a text of which the writing is known."""
    if writing == "spaced":
        return Choice("13a")
    own = _OWN.get(writing)
    if own and _loads(own):
        return Choice(own)
    name = "flores200" if os.path.isfile(_FLORES) and _loads("flores200") else "char"
    if own is None:
        return Choice(name)
    counted = "pieces of Flores-200" if name == "flores200" else "characters"
    hint = f"to count words ({own}), {install_extra(_EXTRA[own])}"
    return Choice(name, f"the references are {writing}: BLEU counts {counted} (tokenize {name!r}); {hint}")


def tokenizer_of(signature: str) -> str | None:
    """The name of the tokenizer that a signature of BLEU was made with; None where it names none that is known."""
    found = re.search(r"(?:^|\|)tok:([^|]+)", signature)
    fitting = [name for name in TOKENIZERS if found and re.fullmatch(rf"{re.escape(name)}(-.*)?", found[1])]
    return max(fitting, key=len, default=None)


def make_bleu(tokenize: str, **options: Any) -> BLEU:
    """sacreBLEU's object. Raises Seq2SeqError if the tokenizer cannot be loaded, MissingPackage without its extra."""
    try:
        # force only stops sacreBLEU's warning on standard error about tokenised text; our notes say it.
        return BLEU(tokenize=tokenize, force=True, **options)
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
        what = f"the tokenizer {tokenize!r} of sacreBLEU"
        if extra := _EXTRA.get(tokenize):
            require(what, *EXTRAS[extra])
            reason = f"it needs its own dictionary, and no other; {install_extra(extra)} ({reason})"
        raise Seq2SeqError(f"{what} cannot be loaded: {reason}") from error


def _loads(name: str) -> bool:
    try:
        make_bleu(name)
    except Seq2SeqError:
        return False
    return True
