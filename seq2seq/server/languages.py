"""The languages that are served: codes, names, and which is translated into which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seq2seq.errors import InputError
from seq2seq.server.detection import primary
from seq2seq.server.refusal import Refusal
from seq2seq.text.languages import LANGUAGES

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Direction:
    """One model: codes of its source and target language, and the most alternatives to a translation."""

    source: str
    target: str
    alternatives: int


class Directions:
    """The models that are served, by their languages."""

    def __init__(self, directions: Iterable[Direction]) -> None:
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

    def find(self, source: str, target: str) -> Direction:
        """Return the model of two codes. Raises Refusal where there is none."""
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


def read_pairs(given: str | None, models: Sequence[str]) -> list[tuple[str, str] | None]:
    """Return the languages of each model, as --pairs gives them ("de-en,en-de"); None where its config tells.

    Raises InputError for anything but one pair for each model.
    """
    if given is None:
        return [None] * len(models)
    found = list[tuple[str, str] | None]()
    for part in given.split(","):
        source, to, target = normal(part).partition("-")
        if ":" in part:
            source, to, target = normal(part).partition(":")
        if not (to and _CODE.fullmatch(source) and _CODE.fullmatch(target)) or source == target:
            raise InputError(
                f"--pairs: {part!r} is no pair of languages; write de-en, or zh-hans:en, with commas between"
            )
        found.append((source, target))
    if len(found) != len(models):
        raise InputError(f"--pairs: {len(found)} for {len(models)} models; name one pair for each, in their order")
    return found


def check_pairs(pairs: Sequence[tuple[str, str]], models: Sequence[str]) -> None:
    """Raise InputError where two models translate the same pair, or one from a language into itself."""
    seen = dict[tuple[str, str], str]()
    for (source, target), model in zip(pairs, models, strict=True):
        if source == target or "auto" in (source, target):
            raise InputError(f"{model}: translates from {source!r} to {target!r}; name its languages with --pairs")
        if other := seen.get((source, target)):
            raise InputError(
                f"{other} and {model} both translate {source} to {target}; serve one of them, or set --pairs"
            )
        seen[source, target] = model
