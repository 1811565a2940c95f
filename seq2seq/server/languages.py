"""The languages that are served: codes, names, and which is translated into which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seq2seq.errors import InputError
from seq2seq.server.detection import primary
from seq2seq.server.refusal import Refusal
from seq2seq.text.languages import LANGUAGES
from seq2seq.translation.tags import Direction

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Served:
    """A direction that is served: codes of its languages, the most alternatives to a translation, and whether its
    translations can be explained.
    """

    source: str
    target: str
    alternatives: int
    explains: bool = True


class Directions:
    """What is served, by languages."""

    def __init__(self, directions: Iterable[Served]) -> None:
        self.all = list(directions)
        self.codes = list(dict.fromkeys([*(each.source for each in self.all), *(each.target for each in self.all)]))

    def code(self, given: str) -> str:
        """Return a served language by its code in any case; en-US is en where that alone is served.

        Raises Refusal for any other.
        """
        wanted = normal(given)
        for code in (wanted, primary(wanted)):
            if code in self.codes:
                return code
        raise Refusal(400, f"{given[:40]} is not supported")

    def find(self, source: str, target: str) -> Served:
        """Return what is served of two codes. Raises Refusal where there is none."""
        for each in self.all:
            if (each.source, each.target) == (source, target):
                return each
        names = f"{name(source)} ({source}) to {name(target)} ({target})"
        raise Refusal(400, f"{names} is not available: GET /languages lists what is")

    def sources_of(self, target: str) -> list[str]:
        """Return the languages that are translated into one."""
        return [each.source for each in self.all if each.target == target]

    def listing(self) -> list[dict[str, object]]:
        """Return the languages as GET /languages gives them."""
        return [
            {"code": code, "name": name(code), "targets": [each.target for each in self.all if each.source == code]}
            for code in self.codes
        ]

    def describe(self) -> str:
        """Return the pairs in words."""
        return ", ".join(f"{name(each.source)} to {name(each.target)}" for each in self.all)


def normal(code: str) -> str:
    """Return a code in the form in which codes are compared: small letters, with hyphens."""
    return code.strip().lower().replace("_", "-")


def name(code: str) -> str:
    """Return the English name of a language; its code where none is known."""
    return LANGUAGES.get(code) or LANGUAGES.get(primary(code)) or code


def read_pairs(given: str | None, models: Sequence[str]) -> list[list[Direction] | None]:
    """Return the directions of each model, as --pairs gives them; None where its config tells.

    "de-en,en-de": those of two models. "de-en=<2en>+de-fr=<2fr>": two of one model, with the tag of each. Raises
    InputError for anything but at least one pair for each model.
    """
    if given is None:
        return [None] * len(models)
    found: list[list[Direction] | None] = [[_read_pair(each) for each in part.split("+")] for part in given.split(",")]
    if len(found) != len(models):
        raise InputError(
            f"--pairs: {len(found)} for {len(models)} models; name one pair for each, in their order; several of one "
            "model have + between"
        )
    return found


def _read_pair(given: str) -> Direction:
    languages, _, tag = given.partition("=")
    source, to, target = normal(languages).partition(":" if ":" in languages else "-")
    if not (to and _CODE.fullmatch(source) and _CODE.fullmatch(target)) or source == target:
        raise InputError(
            f"--pairs: {given!r} is no pair of languages; write de-en, or zh-hans:en, with commas between, and "
            "de-en=TAG for a model that reads tags"
        )
    return Direction(source, target, tag.strip() or None)


def check_pairs(directions: Sequence[Sequence[Direction]], models: Sequence[str]) -> None:
    """Raise InputError where a pair is translated twice, or from a language into itself.

    directions: those of each model.
    """
    seen = dict[tuple[str, str], int]()
    for number, (own, model) in enumerate(zip(directions, models, strict=True)):
        for source, target, _ in own:
            if source == target or "auto" in (source, target):
                raise InputError(f"{model}: translates from {source!r} to {target!r}; name its languages with --pairs")
            if (other := seen.get((source, target))) is not None:
                both = f"{models[other]} and {model} both translate" if other < number else f"{model}: twice"
                raise InputError(f"{both} {source} to {target}; serve one of them, or set --pairs")
            seen[source, target] = number
