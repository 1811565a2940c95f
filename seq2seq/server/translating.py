"""A request's texts: their language, their sentences through the batcher, and the answer put together again."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq.server.batcher import Batcher
from seq2seq.server.detection import Detector
from seq2seq.server.engines import Candidates, Group
from seq2seq.server.fair_queue import QueueFull
from seq2seq.server.languages import Directions, normal
from seq2seq.server.limits import Limits, too_long_sentence
from seq2seq.server.refusal import Refusal
from seq2seq.server.tags import HtmlText
from seq2seq.text.sentences import PlainText

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One generation of models: a request that began with it ends with it, whatever is loaded meanwhile."""

    directions: Directions
    detector: Detector
    batcher: Batcher

    def most_alternatives(self, source: str, target: str) -> int:
        """Return the most alternatives of a pair; of source auto, what all models into the target have."""
        found = [
            each.alternatives for each in self.directions.all if each.target == target and source in (each.source, AUTO)
        ]
        return min(found, default=0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request to translate, its fields checked. source: a code, or auto."""

    texts: Sequence[str]
    source: str
    target: str
    html: bool
    alternatives: int


@dataclass(frozen=True, slots=True)
class Result:
    """The translations of each text, best first, without repetitions; detected where the source was auto."""

    texts: list[list[str]]
    detected: tuple[str, float] | None


def codes(loaded: Loaded, source: str, target: str) -> tuple[str, str]:
    """Return served codes of two languages; the source may be auto. Raises Refusal."""
    return AUTO if normal(source) == AUTO else loaded.directions.code(source), loaded.directions.code(target)


async def translate(loaded: Loaded, limits: Limits, wanted: Wanted) -> Result:
    """Translate texts. Raises Refusal for a pair that is not served, and where there is no room or time."""
    source, detected = wanted.source, None
    if source == AUTO:
        source, confidence = detect(loaded, " ".join(wanted.texts), wanted.target)
        detected = source, confidence
    if source == wanted.target:  # which is also so where auto finds that there is nothing to do
        return Result([[text] for text in wanted.texts], detected)
    direction = loaded.directions.find(source, wanted.target)
    read, sentences = await asyncio.to_thread(_read, wanted)  # other requests go on meanwhile
    limits.check_sentences(sum(map(len, sentences)))
    group = Group(direction.source, direction.target, wanted.alternatives + 1)
    found: list[Candidates] = await through(loaded.batcher, group, [each for text in sentences for each in text])
    if any(each.truncated for each in found):
        raise too_long_sentence()
    return Result(await asyncio.to_thread(_write, wanted, read, sentences, found), detected)


def _read(wanted: Wanted) -> tuple[list[PlainText | HtmlText], list[list[str]]]:
    """Return the texts as they are translated, and the sentences of each."""
    kind: type[PlainText | HtmlText] = HtmlText if wanted.html else PlainText
    read = [kind.read(text) for text in wanted.texts]
    return read, [text.sentences for text in read]


def _write(
    wanted: Wanted, read: Sequence[PlainText | HtmlText], sentences: Sequence[list[str]], found: Sequence[Candidates]
) -> list[list[str]]:
    """Return the translations of each text, given those of all sentences."""
    texts, done = list[list[str]](), 0
    for text, own in zip(read, sentences, strict=True):
        texts.append(_put_together(text, found[done : done + len(own)], wanted.alternatives))
        done += len(own)
    return texts


def detect(loaded: Loaded, text: str, target: str) -> tuple[str, float]:
    """Return the language of a text, of those that are translated into the target or the target itself."""
    possible = {*loaded.directions.sources_of(target), target}
    found = [each for each in loaded.detector.detect(text) if each[0] in possible]
    return found[0] if found else (min(possible - {target}, default=target), 0.0)


async def through(batcher: Batcher, group: Hashable, texts: list[str]) -> list[Any]:
    """Return what a lane answers to each text. Raises Refusal where there is no room, and what the lane raises."""
    try:
        return await batcher.translate(group, texts)
    except QueueFull:
        wait = batcher.expected_wait()
        raise Refusal(503, "too many requests wait already; try again later", retry_after=wait) from None


def _put_together(text: PlainText | HtmlText, found: Sequence[Candidates], alternatives: int) -> list[str]:
    """Return the best translation of a text, then alternatives: the n-th has the n-th best of each sentence."""
    if isinstance(text, HtmlText):
        return [text.fill([each.answers[0] for each in found])]
    ranks = range(1 + alternatives)
    several = [text.fill([each.answers[min(rank, len(each.answers) - 1)].text for each in found]) for rank in ranks]
    return list(dict.fromkeys(several))


def as_json(wanted: Wanted, result: Result, *, is_list: bool) -> dict[str, Any]:
    """Return the answer of POST /translate."""
    best = [several[0] for several in result.texts]
    answer: dict[str, Any] = {"translatedText": best if is_list else best[0]}
    if result.detected:
        language, confidence = result.detected
        found = {"confidence": confidence, "language": language}
        answer["detectedLanguage"] = [found] * len(best) if is_list else found
    if wanted.alternatives:
        others = [several[1:] for several in result.texts]
        answer["alternatives"] = others if is_list else others[0]
    return answer
