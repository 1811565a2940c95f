"""The server through the clients that people have: each from its registry, in its newest version that is known here.

They are installed into a folder of their own, so none of them is needed for anything else. What each says is compared
with what `seq2seq.Translator` translates.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_server import Client, form, models, pair, serving, translator

from seq2seq import Translator

__all__ = ["models", "pair", "translator"]  # fixtures
pytestmark = pytest.mark.slow
TEXT = "ein mann & ein hund"
PYTHON = ("libretranslatepy==2.1.4", "deep-translator==1.11.4", "translate==3.8.1", "libretranslate-aio==0.1.3")
NODE = ("translate@3.1.0", "libretranslate@1.0.1")


@pytest.fixture(scope="module")
def url(models: list[str]) -> Iterator[str]:
    with serving(models) as running:
        yield running.client.url


@pytest.fixture(scope="module")
def keyed(models: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that needs a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("secret\n", encoding="utf-8")
    with serving(models, keys=str(keys)) as running:
        yield running.client.url


@pytest.fixture(scope="module")
def wanted(translator: Translator) -> str:
    return translator.translate([TEXT])[0].text


def run(line: list[str], folder: Path, **environment: str) -> str:
    """Run a command and return its output; a client of a server on this machine needs no proxy."""
    told = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1", **environment}
    done = subprocess.run(line, cwd=folder, env=told, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment of Python, and one folder of packages for each client: they disagree on some."""
    folder = tmp_path_factory.mktemp("clients")
    run([sys.executable, "-m", "venv", "python"], folder)
    for client in PYTHON:
        name = client.partition("==")[0]
        line = [str(folder / "python/bin/python"), "-m", "pip", "install", "--quiet", "--target", name, client]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason"])[-1]
            pytest.skip(f"NO REAL CLIENT WAS TRIED: pip cannot install {client} from its registry: {why}")
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients for Node."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"NO CLIENT OF NODE WAS TRIED: there is no {program} (Debian: apt install nodejs npm)")
    folder = tmp_path_factory.mktemp("node")
    line = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NODE]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason"])[0]
        pytest.skip(f"NO CLIENT OF NODE WAS TRIED: npm cannot install {' '.join(NODE)} from its registry: {why}")
    return folder


def python(clients: Path, name: str, program: str, *arguments: str) -> Any:
    """Run a program with one client; it prints JSON."""
    line = [str(clients / "python/bin/python"), "-c", program, *arguments]
    return json.loads(run(line, clients, PYTHONPATH=str(clients / name)))


LIBRETRANSLATEPY = """
import json, sys, urllib.error
from libretranslatepy import LibreTranslateAPI
api = LibreTranslateAPI(sys.argv[1], sys.argv[3])
found = [api.translate(sys.argv[2], "de", "en"), api.detect(sys.argv[2]), api.languages()]
for source, target, key in (("zz", "en", "secret"), ("de", "en", "wrong")):
    api.api_key = key
    try:
        found.append(api.translate("hund", source, target))
    except urllib.error.HTTPError as error:
        found.append([error.code, json.loads(error.read())])
print(json.dumps(found))
"""


def test_libretranslatepy(clients: Path, keyed: str, wanted: str) -> None:
    """It sends forms."""
    found = python(clients, "libretranslatepy", LIBRETRANSLATEPY, keyed, TEXT, "secret")
    assert found[0] == wanted
    assert found[1][0]["language"] == "de"
    assert [each["code"] for each in found[2]] == ["de", "en"]
    assert found[3:] == [[400, {"error": "zz is not supported"}], [403, {"error": "Invalid API key"}]]


DEEP_TRANSLATOR = """
import json, sys
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException, ServerException
def ask(key, source="German"):
    return LibreTranslator(source=source, target="English", api_key=key, custom_url=sys.argv[1] + "/")
found = [ask("secret").translate(sys.argv[2]), ask("secret").translate_batch([sys.argv[2], "hund"])]
for key, source, kind in (("wrong", "German", AuthorizationException), ("secret", "French", ServerException)):
    try:
        found.append(ask(key, source).translate("hund"))
    except kind as error:
        found.append(type(error).__name__)
print(json.dumps(found))
"""


def test_deep_translator(clients: Path, keyed: str, wanted: str, translator: Translator) -> None:
    """It sends a query string, names languages in English, and needs a key."""
    found = python(clients, "deep-translator", DEEP_TRANSLATOR, keyed, TEXT)
    hund = translator.translate(["hund"])[0].text
    assert found == [wanted, [wanted, hund], "AuthorizationException", "ServerException"]


TRANSLATE = """
import json, sys
from translate import Translator
from translate.exceptions import TranslationError
def ask(source, key="secret"):
    return Translator(
        provider="libre", from_lang=source, to_lang="en", secret_access_key=key, base_url=sys.argv[1]
    ).translate(sys.argv[2])
found = [ask("de"), ask("autodetect")]
try:
    found.append(ask("de", "wrong"))
except TranslationError as error:
    found.append(str(error))
print(json.dumps(found))
"""


def test_translate(clients: Path, keyed: str, wanted: str) -> None:
    """Its provider "libre", which can ask first in which language a text is."""
    found = python(clients, "translate", TRANSLATE, keyed, TEXT)
    assert found == [wanted, wanted, "HTTP Error 403: Forbidden"]


LIBRETRANSLATE_AIO = """
import asyncio, dataclasses, json, pathlib, sys, urllib.request
from libretranslate_aio import AsyncLibreTranslate, BadRequestError, ForbiddenError, LibreTranslate
url, text = sys.argv[1:]
pathlib.Path("file.txt").write_text(text + "\\n", encoding="utf-8")
with LibreTranslate(base_url=url, api_key="secret") as api:
    file = api.translate_file("file.txt", "de", "en").translated_file_url
    found = [
        api.translate(text, "de", "en").translated_text,
        dataclasses.asdict(api.translate(text, "auto", "en", alternatives=2)),
        api.translate(f"<b>{text}</b>".replace("&", "&amp;"), "de", "en", format="html").translated_text,
        api.detect(text)[0].language,
        [[each.code, each.targets] for each in api.languages()],
        api.frontend_settings().char_limit,
        api.health(),
        urllib.request.urlopen(file).read().decode(),
    ]
    try:
        api.suggest("a", "b", "de", "en")
    except ForbiddenError as error:
        found.append(str(error))
    try:
        api.translate("hund", "de", "fr")
    except BadRequestError as error:
        found.append(str(error))
async def several():
    async with AsyncLibreTranslate(base_url=url, api_key="secret") as api:
        answers = await asyncio.gather(*(api.translate(text, "de", "en") for _ in range(8)))
    return [each.translated_text for each in answers]
print(json.dumps([*found, asyncio.run(several())]))
"""


def test_libretranslate_aio(clients: Path, keyed: str, wanted: str, translator: Translator) -> None:
    """It knows every endpoint, and asks many things at once."""
    found = python(clients, "libretranslate-aio", LIBRETRANSLATE_AIO, keyed, TEXT)
    plain, several, html, detected, languages, limit, health, file, suggested, refused, at_once = found
    nbest = [each.text for each in translator.translate_nbest([TEXT], 3)[0]]
    assert (plain, several["translated_text"], at_once) == (wanted, wanted, [wanted] * 8)
    assert several["alternatives"] == list(dict.fromkeys(nbest))[1:]
    assert several["detected_language"]["language"] == detected == "de"
    assert (html.count("<b>"), html.count("</b>")) == (1, 1)
    assert languages == [["de", ["en"]], ["en", ["de"]]]
    assert (limit, health, file) == (5000, True, f"{wanted}\n")
    assert "Suggestions are disabled on this server." in suggested
    assert "fr is not supported" in refused


NODE_TRANSLATE = """
import translate, { Translate } from "translate";
const [url, text] = process.argv.slice(2);
const ask = (key) => Translate({ engine: "libre", url: url + "/translate", from: "de", to: "en", key });
const found = [await ask("secret")(text)];
for (const [language, key] of [["fr", "secret"], ["en", "wrong"]]) {
  try { found.push(await ask(key)("hund", { to: language })); } catch (error) { found.push(error.message); }
}
console.log(JSON.stringify(found));
"""


def test_translate_of_node(node: Path, keyed: str, wanted: str) -> None:
    """Its engine "libre" sends JSON."""
    (node / "a.mjs").write_text(NODE_TRANSLATE, encoding="utf-8")
    found = json.loads(run(["node", "a.mjs", keyed, TEXT], node))
    assert found == [wanted, "fr is not supported", "Invalid API key"]


NODE_LIBRETRANSLATE = """
const { translate } = require("libretranslate");
const [url, text] = process.argv.slice(2);
(async () => {
  const found = [];
  for (const source of ["de", "auto", "zz"]) {
    try {
      found.push(await translate({ query: text, source, target: "en", apiurl: url, apiKey: "" }));
    } catch (error) { found.push(error.message); }
  }
  console.log(JSON.stringify(found));
})();
"""


def test_libretranslate_of_node(node: Path, url: str, wanted: str) -> None:
    """It lists the languages first, with a Content-Type on a GET, and sends a field that is none of the interface."""
    (node / "b.js").write_text(NODE_LIBRETRANSLATE, encoding="utf-8")
    found = json.loads(run(["node", "b.js", url, TEXT], node))
    assert found == [wanted, wanted, "This language was not found/does not exist."]


def test_the_key_counts_for_all_of_them(keyed: str) -> None:
    """Else the tests above would show nothing of keys."""
    assert Client(keyed).ask("POST", "/translate", *form(q="hund", source="de", target="en")).status == 400
