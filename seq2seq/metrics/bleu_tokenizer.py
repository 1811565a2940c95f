"""The choice of BLEU's tokenizer, where none is named: one that fits the script of the references.

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

# Starts of characters' Unicode names. A Chinese character counts as a word: a quarter of all letters suffices.
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
class TokenizerChoice:
    """A tokenizer of BLEU; note: a sentence on what would fit better and what it would need."""

    name: str
    note: str | None = None


def detect_writing(lines: Iterable[str]) -> Writing:
    """Return how most of a text is written: with spaces between words, or in which other kind of script."""
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


def choose_tokenizer(lines: Iterable[str]) -> TokenizerChoice:
    """Return the tokenizer for these references: '13a' where spaces separate words, else sacreBLEU's for the script.

    Nothing is downloaded. A tokenizer that is not installed is replaced by the pieces of Flores-200, if sacreBLEU's
    folder has them already, else by single characters, which need nothing; the note says so.
    """
    return tokenizer_for_writing(detect_writing(lines))


def tokenizer_for_writing(writing: Writing) -> TokenizerChoice:
    """Return the tokenizer as `choose_tokenizer` does, for a known writing."""
    if writing == "spaced":
        return TokenizerChoice("13a")
    own = _OWN.get(writing)
    if own and _loads(own):
        return TokenizerChoice(own)
    name = "flores200" if os.path.isfile(_FLORES) and _loads("flores200") else "char"
    if own is None:
        return TokenizerChoice(name)
    counted = "pieces of Flores-200" if name == "flores200" else "characters"
    hint = f"to count words ({own}), {install_extra(_EXTRA[own])}"
    return TokenizerChoice(name, f"the references are {writing}: BLEU counts {counted} (tokenize {name!r}); {hint}")


def tokenizer_in_signature(signature: str) -> str | None:
    """Return the name of the tokenizer in a signature of BLEU, None if it has none that is known."""
    found = re.search(r"(?:^|\|)tok:([^|]+)", signature)
    fitting = [name for name in TOKENIZERS if found and re.fullmatch(rf"{re.escape(name)}(-.*)?", found[1])]
    return max(fitting, key=len, default=None)


def make_bleu(tokenize: str, **options: Any) -> BLEU:
    """Return sacreBLEU's BLEU object; raise Seq2SeqError for a tokenizer that cannot be loaded.

    A package may be missing, or a download.
    """
    try:
        # force only stops sacreBLEU's warning on standard error about tokenised text; our notes have it.
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
