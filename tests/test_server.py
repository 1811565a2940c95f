"""The server through real sockets: every endpoint, every error, and what it promises when much happens at once."""

# ruff: noqa: E501  # recorded requests and answers are as long as they are

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from test_cli import fail
from test_server_parts import Seen
from test_translator import TARGETS, pair, sentences, tiny

from seq2seq import Translator
from seq2seq.checkpoint.known_states import read_states, write_states
from seq2seq.checkpoint.model import load_model, save_model
from seq2seq.config import TokenizerConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.server import engines, run, translating
from seq2seq.server.engines import LoadedModels, Setup
from seq2seq.server.languages import read_pairs
from seq2seq.server.limits import Limits
from seq2seq.server.run import Server, address_of, open_socket
from seq2seq.server.service import Service, Settings
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.explanation import AttentionEdit
from seq2seq.translation.neighbours import Neighbours, Side, join_states, states_of_pairs
from seq2seq.translation.tags import Direction, find_directions

__all__ = ["pair"]  # a fixture
ROOT = Path(__file__).parents[1]
TEXTS = [text for text in sentences(30) if any(map(str.isalnum, text))]


def save(path: Path, pair: TokenizerPair, source: str = "de", target: str = "en", seed: int = 1, **data: Any) -> Path:
    """A tiny model of two languages."""
    loaded = tiny(pair, seed=seed)
    tree = loaded.config.model_dump()
    config = parse_config(
        tree | {"data": {**tree["data"], "source_language": source, "target_language": target, **data}}, "test"
    )
    save_model(path, config=config, weights=loaded.model.float().state_dict(), tokenizers=pair, record={})
    return path


@pytest.fixture(scope="module")
def models(pair: TokenizerPair, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """German to English, and English to German."""
    folder = tmp_path_factory.mktemp("a secret place")
    return [str(save(folder / "de-en", pair)), str(save(folder / "en-de", pair, "en", "de", seed=2))]


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = urllib.parse.urlsplit(url).netloc

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=150)
        try:
            found = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, found | ({"Content-Type": kind} if kind else {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, fields: Any) -> Answer:
        """With JSON."""
        return self.ask("POST", path, json.dumps(fields).encode(), "application/json")

    def translate(self, q: Any, source: str = "de", target: str = "en", **more: Any) -> Answer:
        return self.post("/translate", {"q": q, "source": source, "target": target, **more})

    def open(self, fields: dict[str, Any]) -> socket.socket:
        """A connection that has asked, and has not read the answer."""
        body = json.dumps(fields).encode()
        host, port = self.address.split(":")
        connection = socket.create_connection((host, int(port)), timeout=150)
        head = "POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection


@dataclasses.dataclass
class Running:
    client: Client
    server: Server
    told: list[str]

    def do(self, act: Any) -> None:
        self.server.loop.call_soon_threadsafe(act)


@contextmanager
def serving(models: Sequence[str], **settings: Any) -> Iterator[Running]:
    """A server in a thread of this process, on any free port."""
    told, ready = list[str](), threading.Event()
    pairs = settings.pop("pairs", [None] * len(models))
    service = Service(Setup(models, pairs, "cpu", 1, {}), Settings(**settings), told.append)
    listening = open_socket("127.0.0.1", 0)
    server = Server(service, listening, ready=lambda server: ready.set())
    client = Client(address_of(listening))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(120)
        yield Running(client, server, told)
    finally:
        server.loop.call_soon_threadsafe(server.stop)
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def running(models: list[str]) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Client:
    return running.client


@pytest.fixture(scope="module")
def translator(models: list[str]) -> Translator:
    return Translator.load(models[0])


def form(**fields: str) -> tuple[bytes, str]:
    return urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"


def multipart(name: str | None = None, content: bytes = b"", **fields: str) -> tuple[bytes, str]:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    if name is not None:
        parts.append(
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return b"".join(parts) + b"--b--\r\n", "multipart/form-data; boundary=b"


def wait_until(check: Any) -> None:
    """Wait for what another thread will do, for a minute at most."""
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


# ------------------------------------------------------------------------------------------- what each endpoint answers


ERRORS: list[tuple[dict[str, Any], int, str]] = [
    ({"source": "de", "target": "en"}, 400, "Invalid request: missing q parameter"),
    ({"q": "", "source": "de", "target": "en"}, 400, "Invalid request: missing q parameter"),
    ({"q": [], "source": "de", "target": "en"}, 400, "Invalid request: missing q parameter"),
    ({"q": "a", "target": "en"}, 400, "Invalid request: missing source parameter"),
    ({"q": "a", "source": "de"}, 400, "Invalid request: missing target parameter"),
    ({"q": "a", "source": "zz", "target": "en"}, 400, "zz is not supported"),
    ({"q": "a", "source": "de", "target": "auto"}, 400, "auto is not supported"),
    ({"q": "a", "source": "\ud800", "target": "en"}, 400, "\\ud800 is not supported"),
    ({"q": "a", "source": 3, "target": "en"}, 400, "Invalid request: source must be a string"),
    ({"q": 3, "source": "de", "target": "en"}, 400, "Invalid request: q must be a string or a list of strings"),
    ({"q": ["a", 3], "source": "de", "target": "en"}, 400, "Invalid request: q must be a string or a list of strings"),
    ({"q": "a", "source": "de", "target": "en", "format": "pdf"}, 400, "Invalid request: format must be text or html"),
    *(
        ({"q": "a", "source": "de", "target": "en", "alternatives": value}, 400,
         "Invalid request: alternatives must be a whole number from 0 to 2")
        for value in (3, -1, "x", 1.5, True, "99999999999999", [1], None)
    ),
    ({"q": "x" * 5001, "source": "de", "target": "en"}, 400, "Invalid request: 5,001 characters; at most 5,000 are allowed"),
    ({"q": ["a"] * 101, "source": "de", "target": "en"}, 400, "Invalid request: a list of 101 texts; at most 100 are allowed"),
    ({"q": "a\n" * 1001, "source": "de", "target": "en"}, 400, "Invalid request: 1,001 sentences; at most 1,000 are allowed"),
    ({"q": "a\0", "source": "de", "target": "en"}, 400, "Invalid request: the text has a NUL character; take it out"),
    ({"q": "\ud800", "source": "de", "target": "en"}, 400,
     "Invalid request: the text has half a surrogate pair, which is no character"),
    ({"q": "und " * 1250, "source": "de", "target": "en"}, 400,
     "Invalid request: a sentence is too long to be translated; put line breaks into the text"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "status", "text"), ERRORS, ids=lambda value: str(value)[:40])
def test_a_wrong_request_is_told_what_is_wrong(fields: dict[str, Any], status: int, text: str, client: Client) -> None:
    answer = client.post("/translate", fields)
    assert (answer.status, answer.json) == (status, {"error": text})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


BROKEN: list[tuple[str, str, bytes | None, str | None, int, str]] = [
    ("POST", "/translate", b"{", "application/json", 400, "Invalid request: the body is not valid JSON in UTF-8"),
    ("POST", "/translate", b"\xff", "application/json", 400, "Invalid request: the body is not valid JSON in UTF-8"),
    ("POST", "/translate", b"[" * 9999, "application/json", 400, "Invalid request: the body is not valid JSON in UTF-8"),
    ("POST", "/translate", b"9" * 9999, "application/json", 400, "Invalid request: the body is not valid JSON in UTF-8"),
    ("POST", "/translate", b"[]", "application/json", 400,
     "Invalid request: the body must be a JSON object, with q, source and target"),
    ("POST", "/translate", b"q=%ff", "application/x-www-form-urlencoded", 400,
     "Invalid request: the form is not url-encoded UTF-8 of at most 100 fields"),
    ("POST", "/translate", b"a=1&" * 200, "application/x-www-form-urlencoded", 400,
     "Invalid request: the form is not url-encoded UTF-8 of at most 100 fields"),
    ("POST", "/translate?q=%ff", None, None, 400,
     "Invalid request: the query string is not url-encoded UTF-8 of at most 100 fields"),
    ("POST", "/translate", b"--b", "multipart/form-data; boundary=b", 400, "Invalid request: missing q parameter"),
    ("POST", "/translate", b"x", "multipart/form-data", 400,
     "Invalid request: the form is not valid multipart/form-data with one file"),
    ("POST", "/translate", b"q=a", "text/plain", 400, "Invalid request: missing q parameter"),
    ("POST", "/translate", b"x" * ((1 << 20) + 1), None, 413, "the request is too large; at most 1,048,576 bytes are allowed"),
    ("POST", "/detect", b"{}", "application/json", 400, "Invalid request: missing q parameter"),
    ("POST", "/suggest", b"{}", "application/json", 403, "Suggestions are disabled on this server."),
    ("GET", "/nothing", None, None, 404, "Not found"),
    ("GET", "/../../etc/passwd", None, None, 404, "Not found"),
    ("GET", "/translate", None, None, 405, "Method not allowed"),
    ("OPTIONS", "/translate", None, None, 405, "Method not allowed"),
    ("GET", "/download_file/..%2f..%2fetc%2fpasswd", None, None, 404, "Not found"),
    ("GET", "/download_file/x.txt", None, None, 404, "Not found: translated files are kept for ten minutes"),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case[1]} {str(case[2])[:20]} {case[4]}")
def test_a_broken_request_is_refused(case: Any, client: Client) -> None:
    method, path, body, kind, status, text = case
    answer = client.ask(method, path, body, kind)
    assert (answer.status, answer.json) == (status, {"error": text})


def test_a_body_of_no_stated_length_is_cut_off(running: Running) -> None:
    """Chunks that go on for ever."""
    host, port = running.client.address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = b""
        try:
            for _ in range(200):  # which is more than is read and thrown away
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            pass  # it was closed
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            return
        assert not answer or b" 413 " in answer.partition(b"\r\n")[0]


# --------------------------------------------------------------------------------------------------------- explanations

QUESTIONS: list[dict[str, Any]] = [
    {},
    {"top": 3, "alternatives": 1},
    {"prefix": "the d", "edits": []},
    {"edits": [{"step": 0, "mask": [0]}, {"step": 1, "mask": None, "weights": [1.0, 0, 0, 0, 0, 0, 0]}]},
    {"edits": [{"step": -1, "mask": [0, 2]}], "state": "fixed"},
]


@pytest.mark.parametrize("workers", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_an_explanation_is_that_of_python(workers: int | None, models: list[str], translator: Translator) -> None:
    width = len(translator.translate(["der hund läuft"])[0].source_pieces) + 1
    first = translator.translate(["der hund läuft"])[0].pieces[:1]
    with serving(models, workers=workers) as running:
        for question in [*QUESTIONS, {"pieces": first}]:
            for edit in question.get("edits", []):
                edit.update({"weights": [1.0] + [0.0] * (width - 1)} if edit.get("weights") else {})
            edits = [AttentionEdit(**edit) for edit in question.get("edits", [])]
            count = question["alternatives"] + 1 if "alternatives" in question else None
            kept = {name: value for name, value in question.items() if name not in ("edits", "alternatives")}
            wanted = translator.explain("der hund läuft", edits=edits, n_best=count, **kept).as_json()
            fields = {"q": "der hund läuft", "source": "de", "target": "en", **question}
            answer = running.client.post("/explain", fields)
            assert (answer.status, answer.json) == (200, json.loads(json.dumps(wanted)))
        answer = running.client.post("/explain", {"q": "der hund läuft heute", "source": "auto", "target": "en"}).json
        assert answer["detectedLanguage"]["language"] == "de"
        assert answer["target"]["text"] == translator.translate(["der hund läuft heute"])[0].text
        wrong = running.client.post("/explain", {**fields, "pieces": ["no such piece"]})
        assert wrong.status == 400
        assert "is no piece of the target vocabulary" in wrong.json["error"]


BAD_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({"q": ["hund"]}, "q must be a string"),
    ({"q": "x" * 1001}, "1,001 characters; at most 1,000 are allowed"),
    ({"q": " "}, "the text is blank: there is nothing to explain"),
    ({"prefix": 3}, "prefix must be a string"),
    ({"prefix": "a\0"}, "the text has a NUL character; take it out"),
    ({"prefix": "the", "pieces": ["</s>"]}, "prefix and pieces both say how the translation begins; give one of them"),
    ({"pieces": "the"}, "pieces must be a list"),
    ({"pieces": [3]}, "pieces must be a list of strings"),
    ({"pieces": ["\ud800"]}, "piece 0: '\\ud800' is no piece of the target vocabulary"),
    ({"state": "other"}, "state must be following or fixed"),
    ({"top": 51}, "top must be a whole number from 1 to 50"),
    ({"top": True}, "top must be a whole number from 1 to 50"),
    ({"alternatives": 3}, "alternatives must be a whole number from 0 to 2"),
    ({"edits": {}}, "edits must be a list"),
    ({"edits": [{"mask": [0]}]}, "edit 1 must be an object with step, and weights or mask"),
    ({"edits": [{"step": 0, "other": 1}]}, "edit 1 must be an object with step, and weights or mask"),
    ({"edits": [{"step": 0, "mask": "0"}]}, "edit 1: mask must be a list of numbers"),
    ({"edits": [{"step": 0, "weights": [1]}]}, "edit 1: 1 weights, but the source has"),
    ({"edits": [{"step": -1, "weights": [1]}]}, "edit 1: step -1 is every step, and takes a mask alone"),
    ({"edits": [{"step": 0, "mask": [999]}]}, "edit 1: "),
    ({"edits": [{"step": 10**30, "mask": [0]}]}, "edit 1: step"),
    ({"source": "en", "target": "en"}, ""),
]


@pytest.mark.parametrize(("fields", "text"), BAD_QUESTIONS, ids=lambda value: str(value)[:40])
def test_what_cannot_be_explained_is_told(fields: dict[str, Any], text: str, client: Client) -> None:
    answer = client.post("/explain", {"q": "hund", "source": "de", "target": "en", **fields})
    assert answer.status == 400
    assert answer.json["error"].startswith(
        f"Invalid request: {text}" if text else "English (en) to English (en) is not"
    )


def test_an_explanation_is_asked_for_in_json(client: Client) -> None:
    for asked in (form(q="hund", source="de", target="en"), (b"", None)):
        answer = client.ask("POST", "/explain?q=hund&source=de&target=en", *asked)
        assert answer.json == {"error": "Invalid request: send JSON, with q, source and target"}


def test_an_exported_model_is_not_explained(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And the words about it have no path."""
    monkeypatch.setattr(engines, "is_export", lambda name: True)
    with serving(models) as running:
        answer = running.client.post("/explain", {"q": "hund", "source": "de", "target": "en"})
    assert answer.json == {"error": "Invalid request: the model of this pair is exported, and cannot be explained"}


@pytest.fixture(scope="module")
def indexed(models: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first model, with an index of states at the words of a few pairs."""
    pytest.importorskip("faiss")
    path = Path(shutil.copytree(models[0], tmp_path_factory.mktemp("a secret place") / "indexed"))
    loaded = load_model(path)
    pairs = [(text, "the dog runs quickly") for text in TEXTS]
    write_states(path, join_states(part for _, part in states_of_pairs(loaded, pairs)), loaded.files)
    return str(path)


@pytest.mark.parametrize("workers", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_the_neighbours_are_those_of_python(workers: int | None, indexed: str, models: list[str]) -> None:
    loaded = load_model(indexed)
    index, (found,) = Neighbours.load(loaded), Translator([loaded]).translate(["der hund läuft"])
    asked = {"q": "der hund läuft", "source": "de", "target": "en", "pieces": list(found.pieces)}
    with serving([indexed, models[1]], workers=workers) as running:
        for side in get_args(Side):
            wanted = index.find("der hund läuft", found.pieces, side, 0, 4)
            answer = running.client.post("/neighbours", {**asked, "side": side, "position": 0, "count": 4})
            assert answer.status == 200
            assert answer.json == {"neighbours": json.loads(json.dumps([dataclasses.asdict(each) for each in wanted]))}
            assert len(wanted) == 4
        assert [each["neighbours"] for each in running.client.get("/frontend/pairs").json] == [True, False]
        lacking = running.client.post("/neighbours", {**asked, "source": "en", "target": "de", "position": 0})
        assert lacking.status == 400
        assert "has no index of states; seq2seq index builds one" in lacking.json["error"]
        for fields, text in BAD_PLACES:
            wrong = running.client.post("/neighbours", {**asked, "position": 0, **fields})
            assert wrong.status == 400, fields
            assert wrong.json["error"].startswith(f"Invalid request: {text}")


BAD_PLACES: list[tuple[dict[str, Any], str]] = [
    ({"position": None}, "missing position parameter"),
    ({"position": "0"}, "position must be a whole number from 0 to 1000"),
    ({"position": 999}, "position 999 is none of the"),
    ({"side": "both"}, "side must be source or target"),
    ({"count": 51}, "count must be a whole number from 1 to 50"),
    ({"pieces": ["no such piece"]}, "'no such piece' is no piece of the target vocabulary"),
    ({"pieces": []}, "a side is blank"),
    ({"q": ""}, "missing q parameter"),
    ({"q": " "}, "a side is blank"),
    ({"q": "x" * 1001}, "1,001 characters"),
]


def test_an_index_that_cannot_be_used_is_told_and_stops_nothing(indexed: str, tmp_path: Path) -> None:
    path = Path(shutil.copytree(indexed, tmp_path / "stale"))
    loaded = load_model(path)
    write_states(path, read_states(path, loaded.files), {**loaded.files, "model.safetensors": "0" * 64})
    with serving([str(path)]) as running:
        assert running.client.translate("hund").status == 200
        answer = running.client.post("/neighbours", {"q": "a", "source": "de", "target": "en", "position": 0})
        assert "no index" in answer.json["error"]
        assert str(tmp_path) not in answer.json["error"]
    (told,) = (each for each in running.told if "nearest" in each)
    assert told.startswith("warning: nearest training sentences are not served: ")
    assert "made with other weights" in told


# --------------------------------------------------------------------------------------------------------- translations


def test_every_form_of_a_request_means_the_same(client: Client, translator: Translator) -> None:
    (wanted,) = (each.text for each in translator.translate(["der hund läuft"]))
    fields = {"q": "der hund läuft", "source": "DE", "target": "en-GB", "format": "text", "alternatives": "0"}
    query = urllib.parse.urlencode(fields)
    raw = "q=der+hund+läuft&source=de&target=en".encode()
    asked = [
        client.post("/translate", fields),
        client.ask("POST", "/translate", json.dumps(fields).encode(), "application/vnd.x+json; charset=utf-8"),
        client.ask("POST", "/translate", *form(**fields)),
        client.ask("POST", "/translate", raw, "application/x-www-form-urlencoded; charset=UTF-8"),
        client.ask("POST", "/translate", *multipart(**fields)),
        client.ask("POST", f"/translate?{query}"),
        client.ask("POST", f"/translate?{query}", *form(q="other")),
        client.ask("POST", f"/translate?{query}", b"\xff\xfe", "application/octet-stream"),
    ]
    assert [(answer.status, answer.json) for answer in asked] == [(200, {"translatedText": wanted})] * len(asked)


def test_get_endpoints_take_a_body(client: Client) -> None:
    answer = client.ask("GET", "/languages", *form(api_key="x"))
    assert (answer.status, len(answer.json)) == (200, 2)


def test_texts_are_translated_sentence_by_sentence(client: Client, translator: Translator) -> None:
    one, two, three = (each.text for each in translator.translate(["der hund läuft.", "Ein mann", "die frau"]))
    text = "  der hund läuft. Ein mann\r\n\n\tdie frau 😀\n"
    (last,) = (each.text for each in translator.translate(["die frau 😀"]))
    assert client.translate(text).json == {"translatedText": f"  {one} {two}\r\n\n\t{last}\n"}
    assert client.translate(["die frau", "Ein mann"]).json == {"translatedText": [three, two]}


def test_alternatives_are_the_next_best_without_repetitions(client: Client, translator: Translator) -> None:
    found = translator.translate_nbest(TEXTS[:8], 3)
    answer = client.translate(TEXTS[:8], alternatives=2).json
    several = [list(dict.fromkeys(each.text for each in one)) for one in found]
    assert answer["translatedText"] == [one[0] for one in several]
    assert answer["alternatives"] == [one[1:] for one in several]
    assert client.translate(TEXTS[0], alternatives=1).json["alternatives"] == [
        each.text for each in found[0][1:2] if each.text != found[0][0].text
    ]


def test_auto_tells_what_it_found(client: Client, translator: Translator) -> None:
    text = "der hund läuft heute nicht und ein mann schläft"
    answer = client.translate(text, "auto").json
    assert answer["translatedText"] == translator.translate([text])[0].text
    assert answer["detectedLanguage"]["language"] == "de"
    assert 50 < answer["detectedLanguage"]["confidence"] <= 100
    first, second = client.translate([text, text], "AUTO").json["detectedLanguage"]
    assert first == second
    assert first["language"] == "de"
    english = client.translate("the dog does not sleep today", "auto").json  # into English: nothing to do
    assert (english["translatedText"], english["detectedLanguage"]["language"]) == (
        "the dog does not sleep today",
        "en",
    )
    assert client.translate("...", "auto").json["detectedLanguage"] == {"confidence": 0.0, "language": "de"}
    found = client.post("/detect", {"q": text}).json
    assert found[0] == answer["detectedLanguage"]
    assert [each["language"] for each in found] == ["de", "en"]


def test_html_keeps_its_tags(client: Client, translator: Translator) -> None:
    source = '<p>der <b class="x">hund läuft</b> &amp; ein mann</p><pre>x < y</pre><script>alert("hund")</script>'
    written = client.translate(source, format="html").json["translatedText"]
    assert Seen(written).tags == Seen(source).tags
    assert '<b class="x">' in written
    assert written.endswith('</p><pre>x < y</pre><script>alert("hund")</script>')
    words = re.sub(r"<[^>]+>", "", written.partition("<pre>")[0])
    assert words.split() == translator.translate(["der hund läuft & ein mann"])[0].text.split()


def test_a_text_is_no_html(client: Client, translator: Translator) -> None:
    text = "<b>hund</b>"
    assert client.translate(text).json["translatedText"] == translator.translate([text])[0].text


# ---------------------------------------------------------------------------------------------------------------- files


def test_a_file_is_translated_and_fetched(client: Client, translator: Translator) -> None:
    content = "\ufeffder hund läuft\n\nein mann\n".encode()
    answer = client.ask(
        "POST", "/translate_file", *multipart('../..\\"etc/pässe.TXT', content, source="de", target="en")
    )
    url = urllib.parse.urlsplit(answer.json["translatedFileUrl"])
    assert f"{url.scheme}://{url.netloc}" == client.url
    assert re.fullmatch(r"/download_file/[\w-]{22}\.[A-Za-z0-9_.-]+_en\.txt", url.path)
    found = client.get(url.path)
    one, two = (each.text for each in translator.translate(["der hund läuft", "ein mann"]))
    assert found.body.decode() == f"{one}\n\n{two}\n"
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-disposition"].startswith('attachment; filename="')
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "etc" not in url.path


def test_an_html_file_keeps_its_tags(client: Client) -> None:
    source = b"<html><title>hund</title><p>der <b>hund</b></p></html>"
    answer = client.ask("POST", "/translate_file", *multipart("a.html", source, source="de", target="en"))
    written = client.get(urllib.parse.urlsplit(answer.json["translatedFileUrl"]).path).body.decode()
    assert Seen(written).tags == Seen(source.decode()).tags


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (multipart(source="de", target="en"), "missing file parameter"),
        (multipart("a.pdf", b"x", source="de", target="en"), "file format not supported; allowed: .txt, .html, .htm"),
        (multipart("txt", b"x", source="de", target="en"), "file format not supported"),
        (multipart("a.txt", b"\xff", source="de", target="en"), "the file is not UTF-8 text"),
        (multipart("a.txt", b"a\0", source="de", target="en"), "NUL"),
        (multipart("a.txt", b"x" * 100_001, source="de", target="en"), "100,001 characters; at most 100,000"),
        (multipart("a.txt", b"x", target="en"), "missing source parameter"),
        (form(file="x", source="de", target="en"), "file must be a file of multipart/form-data"),
    ],
)
def test_a_bad_file_is_refused(body: tuple[bytes, str], text: str, client: Client) -> None:
    answer = client.ask("POST", "/translate_file", *body)
    assert answer.status == 400
    assert text in answer.json["error"]


# ------------------------------------------------------------------------------------------------------------- at once


def test_what_shares_a_batch_changes_nothing(running: Running, translator: Translator) -> None:
    """Sixty requests at once, of every kind: the same answers as alone, and fewer batches than requests."""
    requests = [(TEXTS[number % len(TEXTS)], number % 3) for number in range(60)]
    before = running.server.service.models().batcher.batches

    def ask(one: tuple[str, int]) -> Any:
        return running.client.translate(one[0], alternatives=one[1]).json

    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(ask, requests))
    for (text, alternatives), answer in zip(requests, answers, strict=True):
        (found,) = translator.translate_nbest([text], alternatives + 1)
        several = list(dict.fromkeys(each.text for each in found))
        assert answer["translatedText"] == several[0]
        assert answer.get("alternatives", []) == several[1:]
    assert running.server.service.models().batcher.batches - before < len(requests)


@dataclasses.dataclass
class Held:
    """Lets no batch be translated before `go`; seen: the sentences of each that began."""

    go: threading.Event
    seen: list[list[str]]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(threading.Event(), [])
    translate = LoadedModels.translate

    def wait(self: LoadedModels, group: Any, texts: list[str]) -> Any:
        held.seen.append(texts)
        assert held.go.wait(120)
        return translate(self, group, texts)

    monkeypatch.setattr(LoadedModels, "translate", wait)
    yield held
    held.go.set()


def test_a_full_queue_is_503_with_the_time_to_come_again(models: list[str], held: Held) -> None:
    with serving(models, limits=Limits(sentences=2, batch=1)) as running, ThreadPoolExecutor(3) as threads:
        first = threads.submit(running.client.translate, "hund")
        wait_until(lambda: held.seen)
        second = threads.submit(running.client.translate, "ein\nmann")
        wait_until(lambda: running.server.service.models().batcher.queue.size == 2)
        refused = running.client.translate("katze")
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json == {"error": "too many requests wait already; try again later"}
        assert running.client.get("/health").status == 200  # it is asked too much, not ill
        metrics = running.client.get("/metrics").body.decode()
        assert "seq2seq_waiting_sentences 2\n" in metrics
        held.go.set()
        assert first.result().status == second.result().status == 200
        assert running.client.translate("katze").status == 200


def test_a_late_answer_is_504_and_its_sentences_leave_the_queue(models: list[str], held: Held) -> None:
    with serving(models, limits=Limits(deadline=1.0, batch=1)) as running:
        answer = running.client.translate("ein\nmann\nhund")
        assert (answer.status, answer.json["error"].split(";")[0]) == (504, "the translation took too long")
        assert running.server.service.models().batcher.queue.size == 0
        assert held.seen == [["ein"]]
        held.go.set()
        wait_until(lambda: running.client.translate("hund").status == 200)


def test_a_client_that_leaves_is_taken_off_the_queue(models: list[str], held: Held) -> None:
    with serving(models, limits=Limits(batch=1)) as running:
        first = running.client.open({"q": "hund", "source": "de", "target": "en"})
        wait_until(lambda: held.seen)
        queue = running.server.service.models().batcher.queue
        second = running.client.open({"q": "nie\ngesehen", "source": "de", "target": "en"})
        wait_until(lambda: queue.size == 2)
        second.close()
        wait_until(lambda: queue.size == 0)
        held.go.set()
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
        first.close()
        assert held.seen == [["hund"]]
        wait_until(lambda: b'endpoint="/translate",status="499"} 1' in running.client.get("/metrics").body)


def test_a_stop_finishes_what_was_taken(models: list[str], held: Held) -> None:
    with serving(models) as running, ThreadPoolExecutor(1) as threads:
        asked = threads.submit(running.client.translate, "hund")
        wait_until(lambda: held.seen)
        running.do(running.server.stop)
        wait_until(lambda: refuses(running.client))
        held.go.set()
        assert asked.result().status == 200


def refuses(client: Client) -> bool:
    try:
        client.get("/health")
    except OSError:
        return True
    return False


def test_a_failure_is_500_for_its_own_request_alone(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And neither the answer nor the log has a text or a path in it."""
    translate = LoadedModels.translate

    def failing(self: LoadedModels, group: Any, texts: list[str]) -> Any:
        if "bad secret" in texts:
            raise RuntimeError(f"{texts} in {models[0]}")
        return translate(self, group, texts)

    monkeypatch.setattr(LoadedModels, "translate", failing)
    with serving(models) as running, ThreadPoolExecutor(9) as threads:
        answers = list(threads.map(running.client.translate, ["bad secret", *["hund"] * 8]))
        assert [answer.status for answer in answers] == [500, *[200] * 8]
        assert answers[0].json == {"error": "the server failed"}
        (line,) = running.told
        assert re.fullmatch(r"POST /translate 500 \d+ ms: RuntimeError at test_server\.py:\d+", line)


# ----------------------------------------------------------------------------------------------- loading, while serving


def test_nothing_is_healthy_before_a_model_is_loaded(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    go, load = threading.Event(), LoadedModels.__init__

    def wait(self: LoadedModels, setup: Setup) -> None:
        assert go.wait(120)
        load(self, setup)

    monkeypatch.setattr(LoadedModels, "__init__", wait)
    service = Service(Setup(models, [None, None], "cpu", 1, {}), Settings(), lambda line: None)
    listening = open_socket("127.0.0.1", 0)
    server, client = Server(service, listening), Client(address_of(listening))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for answer in (client.get("/health"), client.get("/languages"), client.translate("hund")):
            assert (answer.status, answer.json) == (503, {"error": "no model is loaded yet; try again soon"})
            assert answer.headers["retry-after"] == "2"
        assert client.get("/").status == 200
        assert b"seq2seq_models 0\n" in client.get("/metrics").body
        go.set()
        wait_until(lambda: client.get("/health").status == 200)
    finally:
        go.set()
        server.loop.call_soon_threadsafe(server.stop)
        thread.join(120)


def test_a_new_model_is_taken_up_and_no_request_is_lost(pair: TokenizerPair, tmp_path: Path, held: Held) -> None:
    """What began with the old model ends with it; what begins later gets the new one."""
    path = save(tmp_path / "model", pair)
    old = Translator.load(path).translate(TEXTS[:3])
    with serving([str(path)]) as running, ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(running.client.translate, text) for text in TEXTS[:3]]
        wait_until(lambda: held.seen)
        save(path, pair, seed=5)
        before = running.server.service.loaded
        running.do(running.server.reload)
        wait_until(lambda: running.server.service.loaded is not before)
        held.go.set()
        assert [each.result().json["translatedText"] for each in asked] == [each.text for each in old]
        new = Translator.load(path).translate(TEXTS)
        answers = running.client.translate(TEXTS).json["translatedText"]
        assert answers == [each.text for each in new]
        assert answers[:3] != [each.text for each in old]
        assert running.told == ["loaded again: German to English"]
        assert b'seq2seq_reloads_total{result="loaded"} 1' in running.client.get("/metrics").body


def test_a_request_that_is_being_read_when_models_change_is_not_lost(
    models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the old models, whose queue must not be closed before it comes there."""
    go, begun, read = threading.Event(), threading.Event(), translating._read

    def wait(wanted: Any) -> Any:
        begun.set()
        assert go.wait(120)
        return read(wanted)

    with serving(models) as running, ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(translating, "_read", wait)
        asked = threads.submit(running.client.translate, "hund")
        assert begun.wait(60)
        before = running.server.service.loaded
        running.do(running.server.reload)
        wait_until(lambda: running.server.service.loaded is not before)
        time.sleep(0.1)  # in which it would be closed
        go.set()
        assert asked.result().status == 200


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(pair: TokenizerPair, tmp_path: Path) -> None:
    path = save(tmp_path / "model", pair)
    with serving([str(path)]) as running:
        before = running.client.translate(TEXTS[0]).json
        weights = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(weights[:-1])
        running.do(running.server.reload)
        wait_until(lambda: running.told)
        assert running.told[0].startswith("warning: ")
        assert running.told[0].endswith("; the models of before stay")
        assert running.client.translate(TEXTS[0]).json == before
        assert b'seq2seq_reloads_total{result="failed"} 1' in running.client.get("/metrics").body


def test_models_that_cannot_be_loaded_are_an_error_of_the_command(tmp_path: Path) -> None:
    service = Service(Setup([str(tmp_path)], [None], "cpu", 1, {}), Settings(), lambda line: None)
    with pytest.raises(InputError):
        Server(service, open_socket("127.0.0.1", 0)).run()


# ---------------------------------------------------------------------------------------------------------- who may ask


def test_keys_rates_and_other_origins(models: list[str], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret 3\n", encoding="utf-8")
    settings = {"keys": str(tmp_path / "keys"), "rate": 100, "cors": ("https://example.org",), "log": "requests"}
    with serving(models, **settings) as running:
        client = running.client
        assert client.get("/frontend/settings").json["keyRequired"] is True
        assert client.translate("hund").json == {"error": "an API key is needed: send it as api_key"}
        assert client.translate("hund", api_key="wrong").status == 403
        assert client.post("/detect", {"q": "hund"}).status == 400
        assert client.ask("POST", "/translate_file", *multipart("a.txt", b"x", source="de", target="en")).status == 400
        assert client.translate(["hund", "mann"], api_key="secret").status == 200
        assert client.post("/detect", {"q": "hund", "api_key": "secret"}).status == 200
        refused = client.translate("hund", api_key="secret")
        assert (refused.status, refused.headers["retry-after"]) == (429, "20")
        for origin, allowed in (("https://example.org", True), ("https://example.com", False)):
            answer = client.ask("GET", "/languages", None, None, Origin=origin)
            assert ("access-control-allow-origin" in answer.headers) == allowed
        log = "\n".join(running.told)
        assert "POST /translate 429 " in log
        assert not re.search("secret|hund|wrong", log)
        (tmp_path / "keys").write_text("another\n", encoding="utf-8")
        running.do(running.server.reload)
        wait_until(lambda: any("loaded again" in line for line in running.told))
        assert client.translate("hund", api_key="secret").status == 403
        assert client.translate("hund", api_key="another").status == 200


def test_no_origin_is_allowed_unless_it_is_told(client: Client) -> None:
    answer = client.ask("POST", "/translate", *form(q="a", source="de", target="en"), Origin="https://example.org")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("log", ["errors", "requests", "text"])
def test_texts_are_logged_only_where_it_is_told(log: str, models: list[str]) -> None:
    with serving(models, log=log) as running:
        client = running.client
        client.translate("der geheime hund")
        client.ask("POST", "/translate?q=der+geheime+hund&source=de&target=en")
        client.post("/detect", {"q": "der geheime hund"})
        answer = client.ask(
            "POST", "/translate_file", *multipart("geheime.txt", b"der geheime hund", source="de", target="en")
        )
        client.get(urllib.parse.urlsplit(answer.json["translatedFileUrl"]).path)
    lines = "\n".join(running.told)
    assert ("geheime" in lines) == (log == "text")
    assert len(running.told) == (0 if log == "errors" else 5)
    assert log == "errors" or "GET /download_file/{name} 200 " in lines


def test_no_answer_has_a_path_of_the_machine(client: Client, models: list[str]) -> None:
    paths = ["/", "/languages", "/frontend/settings", "/health", "/metrics", "/spec", "/docs", "/nothing"]
    bodies = [client.get(path).body for path in paths]
    bodies += [client.post("/translate", fields).body for fields, _, _ in ERRORS]
    place = Path(models[0]).parent
    assert not [body for body in bodies if any(str(each).encode() in body for each in (place, place.name, ROOT))]


# ----------------------------------------------------------------------------------------------------- slow connections


def test_headers_that_do_not_arrive_end_the_connection(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly they come; and a body that does not arrive is 408."""
    monkeypatch.setattr(run, "HEADERS_SECONDS", 0.5)
    with serving(models, limits=Limits(deadline=1.0)) as running:
        host, port = running.client.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection((host, int(port)), timeout=60) as slow:
            closed = False
            try:
                for _ in range(600):
                    slow.sendall(b"G")
                    time.sleep(0.1)
            except OSError:
                closed = True
            assert closed
        with socket.create_connection((host, int(port)), timeout=60) as half:
            half.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nq=")
            assert half.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert running.client.get("/health").status == 200


def test_a_connection_is_used_again(client: Client) -> None:
    connection = http.client.HTTPConnection(client.address, timeout=60)
    for _ in range(3):
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'
    connection.close()


# ----------------------------------------------------------------------------------------------------------- description


def test_the_description_has_every_endpoint_and_every_status(client: Client, running: Running) -> None:
    document = client.get("/spec").json
    assert document["openapi"] == "3.1.0"
    from seq2seq.server.app import App

    routes = {getattr(route, "path", "") for route in App(running.server.service).starlette().routes}
    assert routes - {"/", "/page/{name}", "/spec", "/docs", "/suggest"} == {*document["paths"]}
    asked = document["paths"]["/translate"]["post"]
    assert {int(status) for status in asked["responses"]} == {200, 400, 403, 408, 413, 429, 500, 503, 504}
    schema = asked["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"q", "source", "target", "format", "alternatives", "api_key"}
    assert schema["required"] == ["q", "source", "target"]
    answer = client.translate("der hund läuft", "auto", alternatives=1).json
    told = asked["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert answer.keys() == told.keys()


# ---------------------------------------------------------------------------------------------------------- the command


@contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Client, str]]:
    """`seq2seq serve` as a process of its own; its first line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-m", "seq2seq", "serve", *arguments, "--port", "0", "--deadline", "120"]
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            found = re.search(r"http://[\d.:]+", first)
            assert found, first
            yield process, Client(found[0]), first
        finally:
            process.kill()


def translating_children(process: int) -> list[int]:
    """The processes that threads of a server have started, but for the tracker that Python's own library starts."""
    found = list[int]()
    with suppress(FileNotFoundError):  # a thread or process that has just ended, of models that were replaced
        lists = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
        for child in (int(child) for each in lists for child in each.split()):
            found += [child] if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes() else []
    return found


@pytest.mark.parametrize(
    "workers",
    [pytest.param([], id="thread"), pytest.param(["--workers", "2"], id="processes", marks=pytest.mark.slow)],
)
def test_signals_lose_no_request(workers: list[str], models: list[str], translator: Translator) -> None:
    """SIGHUP loads again while requests come; a worker that is killed is replaced; SIGTERM ends it with 0."""
    wanted = [each.text for each in translator.translate(TEXTS)]
    with command(*models, *workers) as (process, client, first), ThreadPoolExecutor(4) as threads:
        assert first == f"serving German to English, English to German at {client.url}; Ctrl-C stops\n"
        assert client.translate(TEXTS).json["translatedText"] == wanted
        process.send_signal(signal.SIGHUP)
        loaded = threads.submit(process.stderr.readline)  # type: ignore[union-attr]
        asked = 0
        while not loaded.done() or asked < 3:
            assert client.translate(TEXTS).json["translatedText"] == wanted
            asked += 1
        assert loaded.result() == "loaded again: German to English, English to German\n"
        if workers:
            wait_until(lambda: len(translating_children(process.pid)) == 2)  # those of the old models have ended
            for child in translating_children(process.pid):
                os.kill(child, signal.SIGKILL)
            for _ in range(4):
                assert client.translate(TEXTS).json["translatedText"] == wanted
        late = [threads.submit(client.translate, TEXTS) for _ in range(3)]
        wait_until(lambda: any(each.running() or each.done() for each in late))
        connection = client.open({"q": TEXTS, "source": "de", "target": "en"})
        assert all(each.result().status == 200 for each in late)
        process.send_signal(signal.SIGTERM)
        assert b"200 OK" in connection.recv(65536)
        connection.close()
        assert process.wait(150) == 0
        assert process.stderr.read() == "stopping: what was taken is finished; once more ends it now\n"  # type: ignore[union-attr]


def test_a_port_that_is_taken_is_named(models: list[str]) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        message = f"error: --port {port}: another program listens there; choose another, or 0 for any\n"
        assert fail(1, "serve", models[0], "--port", port) == message


def test_hosts_that_are_not_here_are_named() -> None:
    for host in ("no.such.host.invalid", "198.51.100.1", "a" * 300, "x\0y"):
        with pytest.raises((InputError, Seq2SeqError), match=r"--host"):
            open_socket(host, 0)


def test_the_url_of_all_addresses_is_this_machine() -> None:
    with open_socket("0.0.0.0", 0) as everywhere:
        assert address_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}"


def test_the_default_is_this_machine_alone(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is open to others without keys is told; --open opens the page."""
    from test_cli import invoke

    opened, hosts = list[str](), list[str]()
    monkeypatch.setattr("webbrowser.open", opened.append)

    def stop(self: Server) -> None:
        hosts.append(self._listening.getsockname()[0])
        raise Seq2SeqError("enough")

    monkeypatch.setattr(Server, "run", stop)
    assert "warning" not in invoke("serve", models[0], "--port", 0).output
    assert (
        "warning: whoever reaches this machine can ask"
        in invoke("serve", models[0], "--port", 0, "--host", "0.0.0.0").output
    )
    assert hosts == ["127.0.0.1", "0.0.0.0"]

    def ready(self: Server) -> None:
        self.service.loaded = type("Loaded", (), {"directions": type("D", (), {"describe": lambda self: "x"})()})()  # type: ignore[assignment]
        self._ready(self)

    monkeypatch.setattr(Server, "run", ready)
    result = invoke("serve", models[0], "--port", 0, "--open")
    assert result.exit_code == 0, result.output
    assert opened == [re.findall(r"serving x at (http://127\.0\.0\.1:\d+); Ctrl-C stops", result.output)[0]]


TAGGED = [  # of each text to learn from, its tag and its own languages
    {"tsv": "a", "tag": "<2en>"},
    {"tsv": "b", "tag": "<2fr>", "target_language": "fr"},
    {"tsv": "c", "tag": "<bt>", "source_language": "fr"},
    {"tsv": "d", "tag": "<2fr>", "target_language": "fr"},
]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that reads a tag before each source, by which it knows into what to translate."""
    tokenizer = TokenizerConfig(vocabulary_size=83, joint=False)
    tokenizers = train_tokenizers(sentences(40), TARGETS, tokenizer, tags=["<2en>", "<2fr>", "<bt>"])
    validation = {"tsv": "v", "tag": "<2en>"}
    folder = tmp_path_factory.mktemp("tagged")
    return str(save(folder / "model", tokenizers, train=TAGGED, validation=validation))


@pytest.mark.parametrize("workers", [None, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("given", [None, "fr-en=<bt>+de-en=<2en>+de-fr=<2fr>"])
def test_a_model_of_several_directions_gets_the_tag_of_each(
    given: str | None, workers: int | None, tagged: str
) -> None:
    translator = Translator.load(tagged)
    tags = {("de", "en"): "<2en>", ("de", "fr"): "<2fr>", ("fr", "en"): "<bt>"}
    wanted = {pair: [each.text for each in translator.translate(TEXTS, tag=tag)] for pair, tag in tags.items()}
    assert wanted["de", "en"] != wanted["de", "fr"] != wanted["fr", "en"]
    with (
        serving([tagged], pairs=read_pairs(given, [tagged]), workers=workers) as running,
        ThreadPoolExecutor(6) as threads,
    ):
        listed = {
            (each["code"], target) for each in running.client.get("/languages").json for target in each["targets"]
        }
        assert listed == tags.keys()
        asked = {pair: threads.submit(running.client.translate, TEXTS, *pair) for pair in [*tags] * 2}
        assert {pair: answer.result().json["translatedText"] for pair, answer in asked.items()} == wanted
        html = running.client.translate("<b>der hund</b> läuft", "de", "fr", format="html").json["translatedText"]
        assert html.count("<b>") == html.count("</b>") == 1


def test_a_model_that_needs_a_tag_is_not_served_without(tagged: str) -> None:
    for given, error in (
        ("de-en", "the model reads a tag before every source"),
        ("de-en=<x>", "was not trained with it"),
    ):
        service = Service(Setup([tagged], read_pairs(given, [tagged]), "cpu", 1, {}), Settings(), lambda line: None)
        with pytest.raises(InputError, match=f"{tagged}: .*{error}"):
            Server(service, open_socket("127.0.0.1", 0)).run()


def test_directions_are_those_of_the_texts(pair: TokenizerPair, tmp_path: Path) -> None:
    """A text of back-translations is no direction of its own where the same direction has a text without a tag."""
    data = {"train": [*TAGGED, {"tsv": "e"}], "validation": {"tsv": "v"}}
    path = save(tmp_path / "model", pair, **data)
    found = find_directions(load_model(path).config)
    assert found == [Direction("de", "en"), Direction("de", "fr", "<2fr>"), Direction("fr", "en", "<bt>")]
    for number, (first, read) in enumerate((({"tsv": "a"}, None), ({"tsv": "a", "tag": "<2en>"}, "<2en>"))):
        written = {"tsv": "b", "tag": "<bt>"}
        path = save(tmp_path / f"written{number}", pair, train=[first, written], validation=first | {"tsv": "v"})
        assert find_directions(load_model(path).config) == [Direction("de", "en", read)]


def test_languages_of_models_that_do_not_name_them(models: list[str]) -> None:
    with serving(models[:1], pairs=[[Direction("fr", "it")]]) as running:
        assert running.client.get("/languages").json[0] == {"code": "fr", "name": "French", "targets": ["it"]}
        assert running.client.translate("hund", "fr", "it").status == 200
    service = Service(Setup([models[0]] * 2, [None, None], "cpu", 1, {}), Settings(), lambda line: None)
    with pytest.raises(InputError, match="both translate de to en; serve one of them, or set --pairs"):
        Server(service, open_socket("127.0.0.1", 0)).run()
