"""The files of the page at /: read once, sent with their types, and sent again only where they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).with_name("page")
FRONT = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# A browser runs and loads what this server sends, and nothing else; blob: is a drawing that becomes a PNG.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent. tag: its ETag, a hash of the content."""

    content: bytes
    kind: str
    tag: str

    def answer(self, headers: Mapping[str, str]) -> Response:
        """Return the file; 304 without it where the request's headers have its ETag in If-None-Match."""
        own = {"ETag": self.tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        known = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
        if self.tag in known or known == ["*"]:
            return Response(status_code=304, headers=own)
        return Response(self.content, headers=own | {"Content-Type": self.kind})


def read_page() -> dict[str, PageFile]:
    """Return the files of the page by their names."""
    files = dict[str, PageFile]()
    for path in sorted(FOLDER.iterdir()):
        if kind := TYPES.get(path.suffix):
            content = path.read_bytes()
            files[path.name] = PageFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return files
