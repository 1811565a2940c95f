"""POST /explain: how a search comes to the translation of one sentence, for pages that show it."""

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


async def explain(loaded: Loaded, limits: Limits, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation that a request asks for. Raises Refusal for what cannot be explained."""
    text = text_field(fields, "q")
    limits.check_characters(len(text), min(LONGEST, limits.characters))
    source, target = codes(loaded, text_field(fields, "source"), text_field(fields, "target"))
    arguments = _arguments(fields, loaded.most_alternatives(source, target))
    check_text(text + arguments["prefix"])
    detected: dict[str, Any] = {}
    if source == AUTO:
        source, confidence = detect(loaded, text, target)
        detected = {"detectedLanguage": {"confidence": confidence, "language": source}}
    if not loaded.directions.find(source, target).explains:
        raise Refusal(400, "Invalid request: the model of this pair is exported, and cannot be explained")
    try:
        (found,) = await through(loaded.batcher, Question(source, target, arguments), [text])
    except InputError as error:
        raise Refusal(400, f"Invalid request: {error}") from None
    explanation: dict[str, Any] = found
    return explanation | detected


def _arguments(fields: Mapping[str, Any], most_alternatives: int) -> dict[str, Any]:
    prefix = fields.get("prefix")
    if prefix is not None and not isinstance(prefix, str):
        raise Refusal(400, "Invalid request: prefix must be a string")
    state = fields.get("state", "following")
    if state not in STATES:
        raise Refusal(400, "Invalid request: state must be following or fixed")
    top = fields.get("top", 10)
    if not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= MOST_TOP:
        raise Refusal(400, f"Invalid request: top must be a whole number from 1 to {MOST_TOP}")
    count = None if fields.get("alternatives") is None else 1 + alternatives_field(fields, most_alternatives)
    pieces = _list(fields, "pieces")
    if not all(isinstance(piece, str) for piece in pieces):
        raise Refusal(400, "Invalid request: pieces must be a list of strings")
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
