"""What holds of any request to the server: an answer or an error in words, and the same answer in any company."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_server import Answer, Client, models, pair, serving
from test_server_conversation import WORDS, FewWords

from seq2seq.server import engines
from seq2seq.server.limits import Limits

__all__ = ["models", "pair"]  # fixtures
SCHEMATHESIS = "schemathesis==4.32.5"
LIMITS = Limits(characters=200, texts=5, body=2000, sentences=20)
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server whose model knows a few words, with limits that are easily exceeded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load_engine", lambda *arguments: FewWords())
        with serving(["model"], limits=LIMITS) as running:
            patch.undo()  # the server has its model, and other servers load theirs
            yield running.client


WORD = st.sampled_from(
    [*WORDS, "Der", ".", "!", "。", "\n", "<b>", "</b>", "<br>", "&amp;", "<!--", "😀", "\u2028", "ein " * 21]
)


@pytest.fixture(scope="module")
def real(models: list[str]) -> Iterator[Client]:
    """A server with a model of every part, if a small one."""
    with serving(models, limits=LIMITS) as running:
        yield running.client


CHARACTERS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])  # also halves of surrogate pairs
TEXT = st.one_of(st.lists(WORD, max_size=8).map(" ".join), st.text(CHARACTERS, max_size=30))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(CHARACTERS, max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
VALUES = {
    "q": st.one_of(TEXT, st.lists(TEXT, max_size=6), ANYTHING),
    "source": st.one_of(st.sampled_from(["de", "auto", "DE", "en"]), ANYTHING),
    "target": st.one_of(st.just("en"), ANYTHING),
    "format": st.one_of(st.sampled_from(["text", "html"]), ANYTHING),
    "alternatives": st.one_of(st.integers(-1, 4), ANYTHING),
    "api_key": ANYTHING,
    "file": ANYTHING,
    "prefix": st.one_of(TEXT, ANYTHING),
    "pieces": st.one_of(st.lists(TEXT, max_size=2), ANYTHING),
    "state": st.one_of(st.sampled_from(["following", "fixed"]), ANYTHING),
    "top": st.one_of(st.integers(-1, 60), ANYTHING),
    "edits": st.one_of(
        st.lists(
            st.fixed_dictionaries(
                {"step": st.one_of(st.integers(-1, 3), ANYTHING)},
                optional={
                    "weights": st.one_of(st.lists(st.one_of(st.floats(0, 1), st.integers(0, 1)), max_size=4), ANYTHING),
                    "mask": st.one_of(st.lists(st.integers(-1, 4), max_size=3), ANYTHING),
                },
            ),
            max_size=3,
        ),
        ANYTHING,
    ),
}
FIELDS = st.fixed_dictionaries({}, optional=VALUES)
LIKELY = st.fixed_dictionaries(
    {"q": VALUES["q"], "source": st.sampled_from(["de", "auto"]), "target": st.just("en")},
    optional={name: VALUES[name] for name in VALUES.keys() - {"q", "source", "target", "file", "api_key"}},
)
POSTED = st.sampled_from(["/translate", "/detect", "/translate_file", "/explain", "/neighbours"])


def check(answer: Answer) -> None:
    """An answer is one, or an error that says why; there is no third thing, and no failure."""
    assert answer.status == 200 or 400 <= answer.status < 500, answer
    if answer.status != 200:
        assert answer.json.keys() == {"error"}
        assert isinstance(answer.json["error"], str)
        assert answer.json["error"]


@EXAMPLES
@given(path=POSTED, fields=st.one_of(FIELDS, LIKELY, ANYTHING))
def test_any_json_is_answered_or_refused(client: Client, path: str, fields: Any) -> None:
    check(client.post(path, fields))


@EXAMPLES
@given(path=POSTED, fields=st.one_of(FIELDS, LIKELY), query=st.booleans())
def test_any_form_is_answered_or_refused(client: Client, path: str, fields: dict[str, Any], query: bool) -> None:
    content = urlencode({name: str(value) for name, value in fields.items()}, errors="surrogatepass")
    if query:
        check(client.ask("POST", f"{path}?{content}"))
    else:
        check(client.ask("POST", path, content.encode(), "application/x-www-form-urlencoded"))


QUESTIONS = st.fixed_dictionaries(
    {"q": st.sampled_from(["hund", "ein mann"]), "source": st.just("de"), "target": st.just("en")},
    optional={name: VALUES[name] for name in ("prefix", "pieces", "state", "top", "edits", "alternatives")},
)


@settings(EXAMPLES, max_examples=80)
@given(fields=QUESTIONS)
def test_any_question_is_answered_or_refused(real: Client, fields: Any) -> None:
    """By a real model, since it is the model that knows what can be asked."""
    check(real.post("/explain", fields))


KINDS = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        "text/plain",
    ]
)
PART = st.sampled_from(
    [
        b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data", b'; name="q"', b'; name="file"',
        b'; filename="a.txt"', b"Content-Type: text/plain", b"; charset=x",
        b"q=", b"&", b"%", b"{", b'"q":', b"[", b'"de"', b"\xff", b"\0",
    ]
)  # fmt: skip


@EXAMPLES
@given(path=POSTED, kind=KINDS, body=st.one_of(st.binary(max_size=40), st.lists(PART, max_size=12).map(b"".join)))
def test_any_bytes_are_answered_or_refused(client: Client, path: str, kind: str, body: bytes) -> None:
    check(client.ask("POST", path, body, kind))


@settings(EXAMPLES, max_examples=60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE"]),
    path=st.text(max_size=20),
    query=st.text(max_size=20),
)
def test_any_path_is_answered_or_refused(method: str, path: str, query: str, client: Client) -> None:
    target = f"/{quote(path, errors='surrogatepass')}?{quote(query, errors='surrogatepass')}"
    answer = client.ask(method, target)
    if method == "HEAD":
        assert answer.status in (200, 404, 405)
    else:
        check(answer)


@settings(EXAMPLES, max_examples=60)
@given(texts=st.lists(TEXT.filter(lambda text: "ein " * 21 not in text), min_size=1, max_size=5), html=st.booleans())
@example(texts=["Der hund läuft. Ein mann läuft.", "ein hund"], html=False)
def test_a_list_is_what_each_text_is_alone(client: Client, texts: list[str], html: bool) -> None:
    form = {"format": "html" if html else "text", "alternatives": 2}
    together = client.translate(texts, **form)
    alone = [client.translate([text], **form) for text in texts]
    if together.status == 200:
        assert together.json["translatedText"] == [each.json["translatedText"][0] for each in alone]
        assert together.json["alternatives"] == [each.json["alternatives"][0] for each in alone]
    else:
        check(together)
        assert any(each.status != 200 for each in alone) or "are allowed" in together.json["error"]


@pytest.mark.slow
def test_the_description_is_kept(real: Client, tmp_path: Path) -> None:
    """Schemathesis asks what /spec describes, and what it does not, and compares each answer with it.

    Whether what is described is also accepted is not compared: languages, the kind of a file and the sum of a list's
    characters are no matter of a schema.
    """
    subprocess.run([sys.executable, "-m", "venv", "python"], cwd=tmp_path, check=True, timeout=300)
    install = ["python/bin/python", "-m", "pip", "install", "--quiet", SCHEMATHESIS]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        pytest.skip(f"THE DESCRIPTION WAS NOT TRIED: pip cannot install {SCHEMATHESIS} from its registry: {why}")
    line = ["python/bin/st", "run", f"{real.url}/spec", "--max-examples", "50", "--seed", "1", "--no-color"]
    told = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"NO_PROXY": "127.0.0.1"}
    rules = "[checks]\npositive_data_acceptance.enabled = false\n"
    rules += "negative_data_rejection.expected-statuses = [400, 403, 404, 405, 413]\n"
    (tmp_path / "schemathesis.toml").write_text(rules, encoding="utf-8")
    found = subprocess.run(line, cwd=tmp_path, env=told, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    cases = re.search(r"(\d+) generated", found.stdout)
    assert cases, found.stdout[-2000:]
    assert int(cases[1]) > 300
    assert real.get("/health").status == 200
