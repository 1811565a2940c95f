"""The description of the interface (OpenAPI 3.1), and its page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from seq2seq.server.explaining import LONGEST, MOST_NEIGHBOURS, MOST_TOP, SIDES, STATES
from seq2seq.server.limits import FILE_FACTOR, Limits
from seq2seq.server.stored_files import FORMATS
from seq2seq.version import __version__

_STRING: dict[str, Any] = {"type": "string"}
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_INTEGERS: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}
_ERRORS = {
    400: "A field is missing or wrong, a language or pair is not served, or a limit is exceeded",
    403: "The API key is not valid",
    408: "The request did not arrive in time",
    413: "The body is too large",
    429: "Too many requests; Retry-After says when to come again",
    500: "The server failed",
    503: "No model is loaded yet, or too many requests wait; Retry-After says when to come again",
    504: "The translation took too long",
}
_FORMS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def describe(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI document of a server with these limits."""
    key = {"api_key": {"type": ["string", "null"], "description": "where the server needs one"}}
    text = _STRING | {"minLength": 1, "maxLength": limits.characters}
    sentence = text | {"maxLength": min(LONGEST, limits.characters)}
    texts = {"type": "array", "items": _STRING, "minItems": 1, "maxItems": limits.texts}
    source = _STRING | {"description": "code of a language, or auto", "examples": ["auto", "de"]}
    target = _STRING | {"description": "code of a language", "examples": ["en"]}
    form = {"enum": ["text", "html", "", None], "default": "text"}
    file = _STRING | {
        "format": "binary",
        "description": f"UTF-8, {limits.characters * FILE_FACTOR:,} characters at most",
    }
    alternatives = {"type": "integer", "minimum": 0, "default": 0}
    detection = _detection()
    one_or_list = {"oneOf": [text, texts]}
    translated = _object(
        {
            "translatedText": {"oneOf": [_STRING, _list(_STRING)]},
            "detectedLanguage": {"oneOf": [detection, _list(detection)]},
            "alternatives": {"type": "array", "items": {"oneOf": [_STRING, {"type": "array", "items": _STRING}]}},
        },
        required=["translatedText"],
    )
    language = _object({"code": _STRING, "name": _STRING, "targets": {"type": "array", "items": _STRING}})
    wanted = {"q": one_or_list, "source": source, "target": target, "format": form, "alternatives": alternatives} | key
    named = _object({"code": _STRING, "name": _STRING})
    settings = {
        "charLimit": {"type": "integer"},
        "frontendTimeout": {"type": "integer"},
        "apiKeys": {"type": "boolean"},
        "keyRequired": {"type": "boolean"},
        "suggestions": {"type": "boolean"},
        "filesTranslation": {"type": "boolean"},
        "supportedFilesFormat": {"type": "array", "items": _STRING},
        "language": _object({"source": named, "target": named}),
    }
    pair = _object(
        {"source": _STRING, "target": _STRING, "alternatives": {"type": "integer", "minimum": 0}}
        | {"explains": {"type": "boolean"}, "neighbours": {"type": "boolean"}}
    )
    health = _object({"status": {"const": "ok"}})
    asked = (400, 403, 408, 413, 429, 500, 503, 504)
    fetched = {"name": "name", "in": "path", "required": True, "schema": _STRING}
    paths = {
        "/translate": _post("Translate text", wanted, ["q", "source", "target"], translated, asked),
        "/detect": _post("Tell the language of a text", {"q": text} | key, ["q"], _list(detection), asked),
        "/translate_file": _post(
            f"Translate a file ({', '.join(FORMATS)})",
            {"file": file, "source": source, "target": target} | key,
            ["file", "source", "target"],
            _object({"translatedFileUrl": _STRING}),
            asked,
            kinds=("multipart/form-data",),
        ),
        "/download_file/{name}": _get("Fetch a translated file", {"application/octet-stream": {}}, 404)
        | {"parameters": [fetched]},
        "/explain": _post(
            "Explain how the search comes to the translation of a sentence",
            {"q": sentence, "source": source, "target": target} | _question() | key,
            ["q", "source", "target"],
            _explanation(),
            asked,
            kinds=("application/json",),
        ),
        "/neighbours": _post(
            "Find the words of the training text at which the model was nearly as at a word of a translation",
            {"q": sentence, "source": source, "target": target} | _place() | key,
            ["q", "source", "target", "pieces", "position"],
            _object({"neighbours": _list(_neighbour())}),
            asked,
            kinds=("application/json",),
        ),
        "/languages": _get("List what is translated into what", _json(_list(language)), 503),
        "/frontend/settings": _get("Tell a page what it may offer", _json(_object(settings)), 503),
        "/frontend/pairs": _get(
            "List the models: which languages, and how many alternatives at most", _json(_list(pair)), 503
        ),
        "/health": _get("Tell whether a model is loaded", _json(health), 503),
        "/metrics": _get("Give numbers to Prometheus", {"text/plain": {}}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "seq2seq", "version": __version__, "description": "Translation of text and HTML."},
        "paths": paths,
    }


def _question() -> dict[str, Any]:
    """Return the fields of POST /explain beside those of a translation."""
    edit = _object(
        {"step": {"type": "integer", "minimum": -1}, "weights": _maybe(_NUMBERS), "mask": _maybe(_INTEGERS)},
        required=["step"],
    ) | {"additionalProperties": False}
    return {
        "prefix": _maybe(_STRING) | {"description": "text with which the translation begins"},
        "pieces": _maybe(_list(_STRING)) | {"description": "pieces with which it begins, instead of a prefix"},
        "edits": _maybe(_list(edit)) | {"description": "another attention of steps; step -1 masks at every step"},
        "state": {"enum": list(STATES), "default": STATES[0], "description": "where edited contexts go"},
        "top": {"type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": 10},
        "alternatives": {"type": ["integer", "null"], "minimum": 0, "description": "left out: all of the beam"},
    }


def _place() -> dict[str, Any]:
    """Return the fields of POST /neighbours beside those of a translation."""
    return {
        "pieces": _list(_STRING) | {"description": "all pieces of the translation, without the end"},
        "side": {"enum": list(SIDES), "default": "target"},
        "position": {"type": "integer", "minimum": 0, "description": "number of the piece on its side, from 0"},
        "count": {"type": "integer", "minimum": 1, "maximum": MOST_NEIGHBOURS, "default": 10},
    }


def _neighbour() -> dict[str, Any]:
    texts = {"source": _STRING, "target": _STRING, "source_pieces": _list(_STRING), "target_pieces": _list(_STRING)}
    place = {"side": {"enum": list(SIDES)}, "position": {"type": "integer", "minimum": 0}}
    return _object({"similarity": {"type": "number"}} | texts | place)


def _explanation() -> dict[str, Any]:
    number, place = {"type": "number"}, {"type": "integer", "minimum": 0}
    scored = {"log_prob": number, "score": number}
    side = {"text": _STRING, "pieces": _list(_STRING), "words": _list(_list(place))}
    piece = {"piece": _STRING, "log_prob": number}
    step = piece | {"rank": {"type": "integer", "minimum": 1}, "best": _list(_object(piece))}
    states = {"enum": ["open", "winner", "finished", "kept", "pruned"]}
    node = {"id": place, "parent": _maybe(place), "step": {"type": "integer"}, "piece": _STRING, "state": states}
    edit = {"step": {"type": "integer"}, "weights": _maybe(_NUMBERS), "mask": _maybe(_INTEGERS)}
    told = {
        "version": {"const": 1},
        "score": _STRING,
        "wiring": _STRING,
        "input_feeding": {"type": "boolean"},
        "beam": place,
        "model": _STRING,
        "source": _object(side),
        "target": _object(side | scored | {"finished": {"type": "boolean"}, "forced": place}),
        "attention": _list(_NUMBERS),
        "steps": _list(_object(step)),
        "nbest": _list(_object({"text": _STRING} | scored)),
        "tree": _list(_object(node | scored)),
        "edits": _list(_object(edit)),
        "state": {"enum": list(STATES)},
        "truncated": {"type": "boolean"},
    }
    return _object(told | {"detectedLanguage": _detection()}, required=list(told))


def _detection() -> dict[str, Any]:
    return _object({"confidence": {"type": "number", "minimum": 0, "maximum": 100}, "language": _STRING})


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: dict[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties if required is None else required)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answers(content: dict[str, Any], errors: Sequence[int]) -> dict[str, Any]:
    refused = _json(_object({"error": _STRING}))
    told = {str(code): {"description": _ERRORS.get(code, "Not found"), "content": refused} for code in errors}
    return {"200": {"description": "The answer", "content": content}} | told


def _post(
    summary: str,
    fields: dict[str, Any],
    required: Sequence[str],
    answer: dict[str, Any],
    errors: Sequence[int],
    kinds: Sequence[str] = _FORMS,
) -> dict[str, Any]:
    body = {"required": True, "content": {kind: {"schema": _object(fields, required)} for kind in kinds}}
    return {"post": {"summary": summary, "requestBody": body, "responses": _answers(_json(answer), errors)}}


def _get(summary: str, content: dict[str, Any], *errors: int) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _answers(content, errors)}}


# --------------------------------------------------------------------------------------------------------------- pages

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
{body}
</html>
"""


def docs_page(document: dict[str, Any]) -> str:
    """Return the page at /docs: the endpoints of an OpenAPI document."""
    rows = "".join(
        f"<dt><code>{verb.upper()} {html.escape(path)}</code></dt>\n"
        f"<dd>{html.escape(act['summary'])}{_fields(act)}</dd>\n"
        for path, acts in document["paths"].items()
        for verb, act in acts.items()
        if verb in ("get", "post")
    )
    note = '<p>All of it for programs: <a href="spec">OpenAPI</a>. An error is <code>{"error": "why"}</code>.</p>'
    return _PAGE.format(title="Endpoints", body=f"<dl>\n{rows}</dl>\n{note}")


def _fields(act: dict[str, Any]) -> str:
    if "requestBody" not in act:
        return ""
    schema = next(iter(act["requestBody"]["content"].values()))["schema"]
    told = [each if each in schema["required"] else f"[{each}]" for each in schema["properties"]]
    return f": {html.escape(', '.join(told))}"
