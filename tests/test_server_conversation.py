"""The recorded conversation with a server: every endpoint, every status and every error, compared exactly.

server_conversation.txt has requests, each with the whole answer below it. Where an answer is meant to change, run

    python tests/test_server_conversation.py

which writes the answers of now into the file, and read what has changed. Of an answer, all but its length and date is
there; headers that nearly all answers share are there once, at the first, and where they differ. <"x" * 3> stands for
xxx in a request, and <ff> for a byte. In answers, PORT, KEY and VERSION stand for what is another each time. The model
knows a few words.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from test_server import Answer, Running, serving, wait_until

from seq2seq.config import SearchConfig
from seq2seq.errors import InputError
from seq2seq.server import engines
from seq2seq.server.app import HEADERS
from seq2seq.server.limits import Limits
from seq2seq.translation.explaining import read_edits
from seq2seq.translation.explanation import BeamNode, ExplainedStep, Explanation, PieceChoice
from seq2seq.version import __version__

FILE = Path(__file__).with_name("server_conversation.txt")
WORDS = {"der": "the", "ein": "a", "hund": "dog", "mann": "man", "läuft": "runs", "und": "and", "<b>": "<i>"}


class FewWords:
    """Translates word by word; its n-th best translation has n - 1 exclamation marks. "wait" waits for `go`."""

    begun, go = threading.Event(), threading.Event()

    def __init__(self) -> None:
        texts = [SimpleNamespace(tag=None)]
        data = SimpleNamespace(texts=texts, source_language="de", target_language="en")
        self.models = [SimpleNamespace(directory=Path("nowhere"))]
        self.config = SimpleNamespace(data=data, search=SearchConfig(beam_size=3))

    def translate(self, texts: Iterable[str], **options: Any) -> list[Any]:
        return [each[0] for each in self.translate_nbest(texts, 1)]

    def translate_nbest(self, texts: Iterable[str], count: int, **options: Any) -> list[list[Any]]:
        return [[self._one(text, rank) for rank in range(count)] for text in texts]

    def explain(self, text: str, **question: Any) -> Any:
        """An explanation of two words whose beam has one hypothesis; the numbers are made up."""
        (best,) = self.translate([text])
        pieces, read = [f"▁{word}" for word in best.text.split()], [f"▁{word}" for word in text.split()]
        if not read:
            raise InputError("the text is blank: there is nothing to explain")
        read_edits(question["edits"], len(read) + 1, 100)
        translation = SimpleNamespace(
            source=text, source_pieces=read, source_words=range(len(read)), text=best.text, pieces=pieces,
            target_words=range(len(pieces)), finished=True, log_prob=-0.5, score=-0.25, truncated=False,
        )  # fmt: skip
        written = [*pieces, "</s>"]
        nodes = [BeamNode(0, None, -1, "", 0.0, 0.0, "open")]
        nodes += [BeamNode(n + 1, n, n, piece, -0.5, -0.25, "winner") for n, piece in enumerate(written)]
        return Explanation(
            translation=cast(Any, translation), nbest=[cast(Any, translation)],
            attention=np.eye(len(written), len(read) + 1, dtype=np.float32),
            steps=[ExplainedStep(piece, -0.25, 1, [PieceChoice(piece, -0.25)]) for piece in written],
            tree=nodes, edits=question["edits"], state=question["state"], forced=0, beam=1, model="model",
            score="additive", wiring="luong", input_feeding=True,
        )  # fmt: skip

    def _one(self, text: str, rank: int) -> Any:
        words = text.split()
        if "fail" in words:
            raise RuntimeError("with the text in its message")
        if "wait" in words:
            self.begun.set()
            assert self.go.wait(120)
        found = [WORDS.get(word.strip(".!?"), word) + (word[-1] if word[-1] in ".!?" else "") for word in words]
        links = [(place, place) for place in range(len(words))]
        return SimpleNamespace(text=" ".join(found) + "!" * rank, alignment=links, truncated=len(words) > 20)


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Running]]:
    """The servers of the conversation by the names that it gives them."""
    (folder / "keys").write_text("secret 3\n", encoding="utf-8")
    short = Limits(characters=100, texts=3, body=1000, sentences=4, batch=1)
    wanted: dict[str, dict[str, Any]] = {
        "plain": {"limits": short},
        "with keys": {"limits": short, "keys": str(folder / "keys")},
        "for others": {"limits": short, "cors": ("https://example.org",)},
        "with a full queue": {"limits": Limits(sentences=1, batch=1)},
        "with little time": {"limits": Limits(deadline=0.5)},
    }
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        FewWords.begun.clear()
        FewWords.go.clear()
        patch.setattr(engines, "load_engine", lambda *arguments: FewWords())
        found = {name: stack.enter_context(serving(["model"], **settings)) for name, settings in wanted.items()}
        stack.callback(FewWords.go.set)
        full = found["with a full queue"]
        queue = full.server.service.models().batcher.queue
        first = full.client.open({"q": "wait", "source": "de", "target": "en"})
        assert FewWords.begun.wait(120)
        second = full.client.open({"q": "hund", "source": "de", "target": "en"})
        wait_until(lambda: queue.size == 1)
        stack.callback(first.close)
        stack.callback(second.close)
        yield found


def parts(text: str) -> Iterator[tuple[str, str]]:
    """The requests of a conversation, each with its answer."""
    for part in re.split(r"^(?=### )", text, flags=re.M)[1:]:
        request, _, answer = part.partition("\nHTTP ")
        yield request, f"HTTP {answer}"


def ask(request: str, servers: dict[str, Running], fetched: list[str]) -> Answer:
    """Send what stands below the first line of a part."""
    first, line, *rest = request.splitlines()
    name = first.removeprefix("### ").partition(":")[0].lower().removeprefix("a server ")
    running = servers.get(name, servers["plain"])
    method, path = line.split(" ", 1)
    headers = dict[str, str]()
    while rest and rest[0]:
        header, _, value = rest.pop(0).partition(": ")
        headers[header] = value
    kind = headers.pop("Content-Type", None)
    end = "\r\n" if kind and "multipart" in kind else "\n"
    body = end.join(rest[1:]).removesuffix(end)
    body = re.sub(r'<"(.*?)" \* (\d+)>', lambda found: found[1] * int(found[2]), body)
    raw = b"".join(
        bytes.fromhex(part) if place % 2 else part.encode()
        for place, part in enumerate(re.split(r"<([0-9a-f]{2})>", body))
    )
    raw += end.encode() if end == "\r\n" else b""
    path = path.replace("KEY", fetched[-1] if fetched else "KEY")
    return running.client.ask(method, path, raw if rest else None, kind, **headers)


def written(answer: Answer, *, all_headers: bool) -> str:
    """An answer as the file has it."""
    usual = {} if all_headers else {name.lower(): value for name, value in HEADERS.items()}
    headers = "".join(
        f"{name}: {value}\n"
        for name, value in sorted(answer.headers.items())
        if name not in ("content-length", "date") and usual.get(name) != value
    )
    body = answer.body.decode()
    if answer.headers.get("content-type") == "application/json" and len(body) > 200:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        body = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{re.sub(chr(10) + ' *', ' ', found[1])}]", body)
    body = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", body)
    body = re.sub(r"/download_file/[\w-]+", "/download_file/KEY", body).replace(__version__, "VERSION")
    body = re.sub(r"(seq2seq_request_seconds\w*\{.*\}) [\d.]+", r"\1 N", body)
    return f"HTTP {answer.status}\n{headers}\n{body.rstrip()}\n\n"


def hold(folder: Path) -> tuple[str, str]:
    """The conversation as it is recorded, and as it is now."""
    recorded = FILE.read_text(encoding="utf-8")
    now, fetched = recorded[: recorded.index("### ")], list[str]()
    with servers(folder) as running:
        for place, (request, _) in enumerate(parts(recorded)):
            answer = ask(request, running, fetched)
            assert all(name.lower() in answer.headers for name in HEADERS)
            if key := re.search(rb"/download_file/([\w-]+)", answer.body if "translate_file" in request else b""):
                fetched.append(key[1].decode())
            now += f"{request.rstrip()}\n\n{written(answer, all_headers=place == 0)}"
    return recorded, now


def test_every_answer_is_the_recorded_one(tmp_path: Path) -> None:
    recorded, now = hold(tmp_path)
    for (request, old), (_, new) in zip(parts(recorded), parts(now), strict=True):
        assert new == old, request
    assert now == recorded


def test_the_record_has_every_endpoint_and_every_status() -> None:
    """But 408, whose client is slow, and the 499 that nobody receives."""
    recorded = FILE.read_text(encoding="utf-8")
    asked = {request.splitlines()[1].split("?")[0] for request, _ in parts(recorded)}
    for path in ("translate", "translate_file", "detect", "explain", "neighbours", "suggest"):
        assert f"POST /{path}" in asked
    for path in (  # the page at / is in test_page.py
        "languages",
        "frontend/pairs",
        "frontend/settings",
        "health",
        "metrics",
        "spec",
        "docs",
        "download_file/KEY.a_file_en.txt",
    ):
        assert f"GET /{path}" in asked
    answered = {int(answer.split()[1]) for _, answer in parts(recorded)}
    assert answered == {200, 400, 403, 404, 405, 413, 429, 500, 503, 504}


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        FILE.write_text(hold(Path(place))[1], encoding="utf-8")
    sys.exit()
