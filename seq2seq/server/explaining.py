"""POST /explain and /neighbours: how a search comes to a translation, and what in the training text was like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seq2seq.errors import InputError
from seq2seq.server.engines import Question
from seq2seq.server.fields import alternatives_field, required, text_field
from seq2seq.server.limits import Limits, check_text
from seq2seq.server.refusal import Refusal
from seq2seq.server.translating import AUTO, Loaded, codes, detect, through
from seq2seq.translation.explanation import AttentionEdit

LONGEST = 1000  # characters of a sentence that is explained
MOST_TOP = 50  # most probable pieces of a step
STATES = ("following", "fixed")
SIDES = ("source", "target")
MOST_NEIGHBOURS = 50


async def explain(loaded: Loaded, limits: Limits, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation that a request asks for. Raises Refusal for what cannot be explained."""
    text = _sentence(fields, limits)
    source, target = codes(loaded, text_field(fields, "source"), text_field(fields, "target"))
    arguments = _arguments(fields, loaded.most_alternatives(source, target))
    check_text(text + arguments["prefix"])
    detected: dict[str, Any] = {}
    if source == AUTO:
        source, confidence = detect(loaded, text, target)
        detected = {"detectedLanguage": {"confidence": confidence, "language": source}}
    if not loaded.directions.find(source, target).explains:
        raise Refusal(400, "Invalid request: the model of this pair is exported, and cannot be explained")
    explanation: dict[str, Any] = await _ask(loaded, Question(source, target, arguments), text)
    return explanation | detected


async def find_neighbours(loaded: Loaded, limits: Limits, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the nearest pieces of the training text to one piece of a translation. Raises Refusal."""
    text = _sentence(fields, limits)
    source, target = codes(loaded, text_field(fields, "source"), text_field(fields, "target"))
    pieces, side = _strings(fields, "pieces"), fields.get("side", "target")
    if side not in SIDES:
        raise Refusal(400, "Invalid request: side must be source or target")
    position, count = _whole(fields, "position", 0, LONGEST), _whole(fields, "count", 1, MOST_NEIGHBOURS, 10)
    check_text(text)
    if not loaded.directions.find(source, target).has_index:
        raise Refusal(400, "Invalid request: the model of this pair has no index of states; seq2seq index builds one")
    arguments = {"target": pieces, "side": side, "position": position, "count": count}
    nearest: list[dict[str, Any]] = await _ask(loaded, Question(source, target, arguments, neighbours=True), text)
    return nearest


def _sentence(fields: Mapping[str, Any], limits: Limits) -> str:
    text = text_field(fields, "q")
    limits.check_characters(len(text), min(LONGEST, limits.characters))
    return text


async def _ask(loaded: Loaded, question: Question, text: str) -> Any:
    """Return the model's answer to a question. Raises Refusal for one that it cannot answer."""
    try:
        (found,) = await through(loaded.batcher, question, [text])
    except InputError as error:
        raise Refusal(400, f"Invalid request: {error}") from None
    return found


def _whole(fields: Mapping[str, Any], name: str, least: int, most: int, default: int | None = None) -> int:
    value = fields.get(name, default)
    if value is None:
        required(fields, name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refusal(400, f"Invalid request: {name} must be a whole number from {least} to {most}")
    return value


def _strings(fields: Mapping[str, Any], name: str) -> list[str]:
    found = _list(fields, name)
    if not all(isinstance(each, str) for each in found):
        raise Refusal(400, f"Invalid request: {name} must be a list of strings")
    return found


def _arguments(fields: Mapping[str, Any], most_alternatives: int) -> dict[str, Any]:
    prefix = fields.get("prefix")
    if prefix is not None and not isinstance(prefix, str):
        raise Refusal(400, "Invalid request: prefix must be a string")
    state = fields.get("state", "following")
    if state not in STATES:
        raise Refusal(400, "Invalid request: state must be following or fixed")
    top = _whole(fields, "top", 1, MOST_TOP, 10)
    count = None if fields.get("alternatives") is None else 1 + alternatives_field(fields, most_alternatives)
    pieces = _strings(fields, "pieces")
    edits = [_edit(number, given) for number, given in enumerate(_list(fields, "edits"), start=1)]
    return {"prefix": prefix or "", "pieces": pieces, "edits": edits, "state": state, "top": top, "n_best": count}


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    found = [] if fields.get(name) is None else required(fields, name)
    if not isinstance(found, list):
        raise Refusal(400, f"Invalid request: {name} must be a list")
    return found


def _edit(number: int, given: Any) -> AttentionEdit:
    if not isinstance(given, dict) or "step" not in given or given.keys() - {"step", "weights", "mask"}:
        raise Refusal(400, f"Invalid request: edit {number} must be an object with step, and weights or mask")
    for name in ("weights", "mask"):
        if given.get(name) is not None and not isinstance(given[name], list):
            raise Refusal(400, f"Invalid request: edit {number}: {name} must be a list of numbers")
    return AttentionEdit(given["step"], given.get("weights"), given.get("mask"))
