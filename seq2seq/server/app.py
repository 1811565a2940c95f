"""The endpoints: requests in, answers out, each within its deadline, counted, and with errors that clients can read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from seq2seq.server import translating
from seq2seq.server.counters import CONTENT_TYPE
from seq2seq.server.description import describe, docs_page
from seq2seq.server.explaining import explain, find_neighbours
from seq2seq.server.fields import (
    ClientLeft,
    File,
    alternatives_field,
    format_field,
    is_json,
    key_field,
    read_fields,
    required,
    text_field,
    texts_field,
)
from seq2seq.server.languages import name
from seq2seq.server.page_files import FRONT, read_page
from seq2seq.server.refusal import Refusal
from seq2seq.server.service import Service
from seq2seq.server.stored_files import FORMATS, extension
from seq2seq.server.translating import AUTO, Wanted
from seq2seq.text.escaping import escape_line

T = TypeVar("T")
LEFT = 499  # status in counters and logs for a client that has left; nobody receives it
# What was uploaded is never shown as a page, and no page of this server loads anything from elsewhere.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class App:
    """The endpoints of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._page = read_page()

    def starlette(self) -> Starlette:
        """Return the application."""
        routes: list[tuple[str, str, Endpoint]] = [
            ("GET", "/", self._page_file),
            ("GET", "/page/{name}", self._page_file),
            ("POST", "/translate", self._translate),
            ("POST", "/translate_file", self._translate_file),
            ("POST", "/explain", self._explain),
            ("POST", "/neighbours", self._neighbours),
            ("GET", "/download_file/{name}", self._download),
            ("POST", "/detect", self._detect),
            ("POST", "/suggest", self._suggest),
            ("GET", "/languages", self._languages),
            ("GET", "/frontend/settings", self._settings),
            ("GET", "/frontend/pairs", self._pairs),
            ("GET", "/health", self._health),
            ("GET", "/metrics", self._metrics),
            ("GET", "/spec", self._spec),
            ("GET", "/docs", self._docs),
        ]
        origins = self._service.settings.cors
        cors = [Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])]
        return Starlette(
            routes=[
                Route(path, self._within_limits(path, act), methods=[verb], name=path.split("/")[1])
                for verb, path, act in routes
            ],
            middleware=cors if origins else [],
            exception_handlers={HTTPException: self._unknown},
        )

    def _within_limits(self, path: str, act: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            began, problem = time.monotonic(), ""
            try:
                async with asyncio.timeout(self._service.limits.deadline) as deadline:
                    response = await act(request)
            except Refusal as refusal:
                response = _error(refusal)
            except ClientLeft:
                response = Response(status_code=LEFT)
            except TimeoutError as error:
                late = Refusal(504, "the translation took too long; send less text at a time", close=True)
                response = _error(late if deadline.expired() else Refusal(500, "the server failed"))
                problem = "" if deadline.expired() else _describe(error)
            except Exception as error:  # whatever fails, its client alone gets 500, and the log says where
                response, problem = _error(Refusal(500, "the server failed")), _describe(error)
            seconds = time.monotonic() - began
            for header, value in HEADERS.items():
                response.headers.setdefault(header, value)
            self._service.counters.count(path, response.status_code, seconds)
            self._log(request, path, response.status_code, seconds, problem)
            return response

        return answer

    async def _unknown(self, request: Request, error: Exception) -> Response:
        """Answer where there is no such path, or not with this method."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = {404: "Not found", 405: "Method not allowed"}.get(status, "Bad request")
        response = _error(Refusal(status, text))
        response.headers.update(HEADERS | dict(getattr(error, "headers", None) or {}))
        self._service.counters.count("other", status, 0.0)
        return response

    def _log(self, request: Request, path: str, status: int, seconds: float, problem: str) -> None:
        """Tell what was done: never a text, unless all is to be told, and never the name of a stored file."""
        log = self._service.settings.log
        if problem or log != "errors":
            line = f"{request.method} {path} {status} {1000 * seconds:.0f} ms"
            told = [line, problem, escape_line(str(request.scope.get("seq2seq.text", ""))[:1000])]
            self._service.tell(": ".join(part for part in told if part))

    # ---------------------------------------------------------------------------------------------------- translation

    async def _fields(self, request: Request) -> dict[str, Any]:
        return await read_fields(request, self._service.limits.body, self._service.limits.deadline * 0.9)

    def _admit(self, request: Request, fields: Mapping[str, Any], count: int = 1) -> None:
        self._service.gate.admit(key_field(fields), request.client.host if request.client else "", count)

    def _tell_text(self, request: Request, text: object) -> None:
        if self._service.settings.log == "text":
            request.scope["seq2seq.text"] = repr(text)

    async def _translate(self, request: Request) -> Response:
        service = self._service
        fields = await self._fields(request)
        texts, is_list = texts_field(fields)
        self._admit(request, fields, len(texts))
        service.limits.check_texts(texts)
        with service.using() as loaded:
            source, target = translating.codes(loaded, text_field(fields, "source"), text_field(fields, "target"))
            html = format_field(fields) == "html"
            alternatives = alternatives_field(fields, loaded.most_alternatives(source, target))
            wanted = Wanted(texts, source, target, html, alternatives)
            result = await _while_connected(request, translating.translate(loaded, service.limits, wanted))
        self._tell_text(request, (texts, result.texts))
        return JSONResponse(translating.as_json(wanted, result, is_list=is_list))

    async def _translate_file(self, request: Request) -> Response:
        service = self._service
        fields = await self._fields(request)
        file = required(fields, "file")
        self._admit(request, fields)
        with service.using() as loaded:
            source, target = translating.codes(loaded, text_field(fields, "source"), text_field(fields, "target"))
            if not isinstance(file, File):
                raise Refusal(400, "Invalid request: file must be a file of multipart/form-data")
            kind = FORMATS.get(extension(file.name))
            if kind is None:
                raise Refusal(400, f"Invalid request: file format not supported; allowed: {', '.join(FORMATS)}")
            wanted = Wanted([self._text_of(file)], source, target, kind == "html", 0)
            result = await _while_connected(request, translating.translate(loaded, service.limits, wanted))
        self._tell_text(request, result.texts)
        stem = PurePath(file.name).stem
        key = service.files.put(f"{stem}_{target}{extension(file.name)}", result.texts[0][0].encode())
        return JSONResponse({"translatedFileUrl": str(request.url_for("download_file", name=key))})

    def _text_of(self, file: File) -> str:
        try:
            text = file.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Refusal(400, "Invalid request: the file is not UTF-8 text") from None
        self._service.limits.check_file(text)
        return text

    async def _question(self, request: Request) -> dict[str, Any]:
        """Return the fields of a request that is JSON alone, admitted."""
        if not is_json(request):
            raise Refusal(400, "Invalid request: send JSON, with q, source and target")
        fields = await self._fields(request)
        self._admit(request, fields)
        return fields

    async def _neighbours(self, request: Request) -> Response:
        service, fields = self._service, await self._question(request)
        with service.using() as loaded:
            found = await _while_connected(request, find_neighbours(loaded, service.limits, fields))
        self._tell_text(request, fields["q"])
        return JSONResponse({"neighbours": found})

    async def _explain(self, request: Request) -> Response:
        service, fields = self._service, await self._question(request)
        with service.using() as loaded:
            found = await _while_connected(request, explain(loaded, service.limits, fields))
        self._tell_text(request, (found["source"]["text"], found["target"]["text"]))
        return JSONResponse(found)

    async def _download(self, request: Request) -> Response:
        key = request.path_params["name"]
        content = self._service.files.get(key)
        if content is None:
            raise Refusal(404, "Not found: translated files are kept for ten minutes")
        disposition = {"Content-Disposition": f'attachment; filename="{key.partition(".")[2]}"'}
        return Response(content, media_type="application/octet-stream", headers=disposition)

    async def _detect(self, request: Request) -> Response:
        fields = await self._fields(request)
        texts, _ = texts_field(fields)
        self._admit(request, fields)
        self._service.limits.check_texts(texts)
        found = self._service.models().detector.detect(" ".join(texts))
        self._tell_text(request, texts)
        return JSONResponse([{"confidence": confidence, "language": code} for code, confidence in found])

    async def _suggest(self, request: Request) -> Response:
        raise Refusal(403, "Suggestions are disabled on this server.")

    # --------------------------------------------------------------------------------------------------- what there is

    async def _languages(self, request: Request) -> Response:
        return JSONResponse(self._service.models().directions.listing())

    async def _settings(self, request: Request) -> Response:
        service = self._service
        first = service.models().directions.all[0]
        needed = service.gate.keys is not None
        return JSONResponse(
            {
                "charLimit": service.limits.characters,
                "frontendTimeout": 500,  # milliseconds after the last key, before a page translates
                "apiKeys": needed,
                "keyRequired": needed,
                "suggestions": False,
                "filesTranslation": True,
                "supportedFilesFormat": list(FORMATS),
                "language": {
                    "source": {"code": AUTO, "name": "Auto Detect"},
                    "target": {"code": first.target, "name": name(first.target)},
                },
            }
        )

    async def _pairs(self, request: Request) -> Response:
        """List the models as the page offers them."""
        directions = self._service.models().directions.all
        return JSONResponse(
            [
                {
                    "source": each.source,
                    "target": each.target,
                    "alternatives": each.alternatives,
                    "explains": each.explains,
                    "neighbours": each.has_index,
                }
                for each in directions
            ]
        )

    async def _health(self, request: Request) -> Response:
        self._service.models()
        return JSONResponse({"status": "ok"})

    async def _metrics(self, request: Request) -> Response:
        text = self._service.counters.text(self._service.gauges())
        return PlainTextResponse(text, headers={"Content-Type": CONTENT_TYPE})

    async def _spec(self, request: Request) -> Response:
        return JSONResponse(describe(self._service.limits))

    async def _docs(self, request: Request) -> Response:
        return HTMLResponse(docs_page(describe(self._service.limits)))

    async def _page_file(self, request: Request) -> Response:
        file = self._page.get(request.path_params.get("name", FRONT))
        if file is None:
            raise Refusal(404, "Not found")
        return file.answer(request.headers)


def _error(refusal: Refusal) -> Response:
    text = refusal.text.encode("utf-8", "backslashreplace").decode()  # it may have half a surrogate pair of the request
    return JSONResponse({"error": text}, status_code=refusal.status, headers=refusal.headers())


def _describe(error: Exception) -> str:
    """Return what failed and where, without the message, in which there may be text of a client."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"


async def _while_connected(request: Request, work: Awaitable[T]) -> T:
    """Return the result of the work; give it up, and raise ClientLeft, when the client closes the connection."""
    task = asyncio.ensure_future(work)
    watch = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
