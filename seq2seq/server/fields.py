"""The fields of a request: JSON, a form or a query string, read within limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from seq2seq.server.refusal import Refusal

MOST_FIELDS = 100
# A body up to so many times the limit is read and thrown away: a client that is cut off while it sends sees no answer.
DISCARDED = 8


@dataclass(frozen=True, slots=True)
class File:
    """A file of a form."""

    name: str
    content: bytes


async def read_fields(request: Request, limit: int, seconds: float) -> dict[str, Any]:
    """Return the fields of a request, those of its query string before those of its body.

    limit: bytes of the body. seconds: for its arrival. Raises Refusal: 413 for a longer body, 408 for a slower one, 400
    for one that is broken.
    """
    fields: dict[str, Any] = {}
    body = await _read_body(request, limit, seconds)
    kind = _content_type(request)
    if is_json(request):
        fields = _read_json(body)
    elif kind == "application/x-www-form-urlencoded":
        fields = _read_urlencoded(body, "the form")
    elif kind == "multipart/form-data":
        fields = await _read_multipart(request, body)
    return {**fields, **_read_urlencoded(request.scope.get("query_string", b""), "the query string")}


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Return whether the body of a request is said to be JSON."""
    kind = _content_type(request)
    return kind == "application/json" or kind.endswith("+json")


async def _read_body(request: Request, limit: int, seconds: float) -> bytes:
    body, read = bytearray(), 0
    length = request.headers.get("content-length", "")
    stated = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                read += len(chunk)
                if max(read, stated) <= limit:
                    body += chunk
                elif max(read, stated) > DISCARDED * limit:
                    break
    except TimeoutError:
        raise Refusal(408, f"the request did not arrive within {seconds:g} seconds", close=True) from None
    except ClientDisconnect:
        raise ClientLeft from None
    if max(read, stated) > limit:
        raise Refusal(413, f"the request is too large; at most {limit:,} bytes are allowed", close=True)
    return bytes(body)


class ClientLeft(Exception):
    """The end of a connection before its answer: there is nobody to answer."""


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # ValueError: also bytes that are no UTF-8, and a number of 5,000 digits
        raise Refusal(400, "Invalid request: the body is not valid JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Refusal(400, "Invalid request: the body must be a JSON object, with q, source and target")
    return found


def _read_urlencoded(content: bytes, where: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            content.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        problem = f"{where} is not url-encoded UTF-8 of at most {MOST_FIELDS} fields"
        raise Refusal(400, f"Invalid request: {problem}") from None
    return dict(reversed(pairs))  # of a name that comes twice, the first counts


async def _read_multipart(request: Request, body: bytes) -> dict[str, Any]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        parser = MultiPartParser(
            request.headers, stream(), max_files=1, max_fields=MOST_FIELDS, max_part_size=max(1, len(body))
        )
        form = await parser.parse()
        try:
            return {
                name: File(value.filename or "", await value.read()) if isinstance(value, UploadFile) else value
                for name, value in reversed(form.multi_items())
            }
        finally:
            await form.close()
    except (MultiPartException, UnicodeDecodeError, LookupError, KeyError, ValueError):
        raise Refusal(400, "Invalid request: the form is not valid multipart/form-data with one file") from None


# -------------------------------------------------------------------------------------------------------- single fields


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that must be there and be a string. Raises Refusal."""
    value = required(fields, name)
    if not isinstance(value, str):
        raise Refusal(400, f"Invalid request: {name} must be a string")
    return value


def required(fields: Mapping[str, Any], name: str) -> Any:
    """Return a field that must be there. Raises Refusal."""
    value = fields.get(name)
    if value is None or value == "":
        raise Refusal(400, f"Invalid request: missing {name} parameter")
    return value


def texts_field(fields: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the texts of q, and whether they were a list. Raises Refusal for anything else."""
    value = fields.get("q")
    if isinstance(value, str) and value:
        return [value], False
    if isinstance(value, list) and value:
        if not all(isinstance(text, str) for text in value):
            raise Refusal(400, "Invalid request: q must be a string or a list of strings")
        return value, True
    if value in (None, "", []):
        raise Refusal(400, "Invalid request: missing q parameter")
    raise Refusal(400, "Invalid request: q must be a string or a list of strings")


def format_field(fields: Mapping[str, Any]) -> str:
    """Return text or html. Raises Refusal for another format."""
    value = fields.get("format")
    if value is None or value == "":
        return "text"
    if value not in ("text", "html"):
        raise Refusal(400, "Invalid request: format must be text or html")
    return str(value)


def alternatives_field(fields: Mapping[str, Any], most: int) -> int:
    """Return the number of alternatives. Raises Refusal for no whole number, and for more than the search has."""
    value = fields.get("alternatives", 0)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Refusal(400, f"Invalid request: alternatives must be a whole number from 0 to {most}")
    return value


def key_field(fields: Mapping[str, Any]) -> str:
    """Return the API key; nothing where there is none. Raises Refusal for what is no string."""
    value = fields.get("api_key")
    if value is not None and not isinstance(value, str):
        raise Refusal(400, "Invalid request: api_key must be a string")
    return value or ""
