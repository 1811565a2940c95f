"""The page at /: its files as they are sent, its calculations in node, and the whole of it driven in a browser."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_server import TEXTS, Client, Running, save, serving, wait_until
from test_translator import pair

from seq2seq import Translator
from seq2seq.checkpoint.known_states import write_states
from seq2seq.checkpoint.model import load_model
from seq2seq.server.languages import read_pairs
from seq2seq.server.limits import Limits
from seq2seq.server.page_files import FOLDER, TYPES
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.translation.neighbours import join_states, states_of_pairs

__all__ = ["pair"]  # a fixture
FILES = sorted(FOLDER.iterdir())
MODULES = [path for path in FILES if path.suffix == ".js"]
NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = "axe-core@4.14.1"
SENTENCE = "der hund läuft schnell"


@pytest.fixture(scope="module")
def models(pair: TokenizerPair, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """German to English, with an index of states; back; and German to English by another model."""
    folder = tmp_path_factory.mktemp("models")
    first = save(folder / "de-en", pair)
    loaded = load_model(first)
    parts = states_of_pairs(loaded, [(text, "the dog runs quickly") for text in TEXTS])
    write_states(first, join_states(part for _, part in parts), loaded.files)
    return [
        str(first),
        str(save(folder / "en-de", pair, "en", "de", seed=2)),
        str(save(folder / "de-en-second", pair, seed=3)),
    ]


PAIRS = "de:en,en:de,de:en-second"


@pytest.fixture(scope="module")
def running(models: list[str]) -> Iterator[Running]:
    with serving(models, pairs=read_pairs(PAIRS, models)) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Client:
    return running.client


# ------------------------------------------------------------------------------------------------ the files as they are


def test_every_file_is_sent_with_its_type_and_a_policy_that_allows_nothing_else(client: Client) -> None:
    assert {path.suffix for path in FILES} <= {*TYPES}
    for path in FILES:
        answer = client.get(f"/page/{path.name}")
        assert (answer.status, answer.body) == (200, path.read_bytes())
        assert answer.headers["content-type"] == TYPES[path.suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' blob:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
    assert client.get("/").body == (FOLDER / "index.html").read_bytes()
    assert client.ask("HEAD", "/").status == 200
    for name in ("nothing.js", "..%2fapp.py", "__init__.py", ""):
        assert client.get(f"/page/{name}").status == 404


def test_a_file_that_the_browser_has_is_not_sent_again(client: Client) -> None:
    first = client.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"  # ask each time, so that a new version is seen at once
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.ask("GET", "/page/main.js", If_None_Match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert "content-security-policy" in again.headers
    assert client.ask("GET", "/page/main.js", If_None_Match='"other"').status == 200
    assert client.get("/page/page.css").headers["etag"] != tag


def test_the_page_names_no_other_place() -> None:
    for path in FILES:
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", path.read_text("utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, path.name  # a name, which nobody fetches


def test_nothing_becomes_markup_or_a_program_that_came_as_text() -> None:
    banned = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|ContextualFragment"
    )
    for path in MODULES:
        text = path.read_text("utf-8")
        assert not re.search(banned, text), path.name
        assert not re.search(r"[\"'`{ ]style[\"'`]?: |setAttribute\([\"']style", text), path.name
    page = (FOLDER / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert re.findall(r"<script([^>]*)>(.*?)</script>", page) == [(' type="module" src="page/main.js"', "")]


def test_the_modules_fit_together() -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len({*ids})
    for path in MODULES:
        text = path.read_text("utf-8")
        assert re.match(r"/\*\* [A-Z][^*]*\. ?\*/\n|/\*\* [A-Z][^*]*\. \*/", text), (
            f"{path.name} begins with no sentence"
        )
        assert text.count("\n") <= 350
        assert {*re.findall(r'byId\("([^"]+)"\)', text)} <= {*ids}, path.name
        for names, other in re.findall(r'import \{([^}]*)\} from "\./([^"]+)"', text):
            exported = {
                *re.findall(
                    r"^export (?:async )?(?:function|const|class) (\w+)", (FOLDER / other).read_text("utf-8"), re.M
                )
            }
            assert {name.strip() for name in names.split(",")} <= exported, f"{path.name} of {other}"
            used = re.sub(r"^import .*$", "", text, flags=re.M)
            assert not [name for name in names.split(",") if not re.search(rf"\b{name.strip()}\b", used)], path.name


# ------------------------------------------------------------------------------------------------ calculations, in node


def in_node(script: str) -> Any:
    """Run a module that imports the page's, and return what it prints as JSON."""
    if NODE is None:
        pytest.skip("node is not installed: the page's modules are not tested by themselves")
    imports = "\n".join(f'import * as {path.stem} from "{path.as_uri()}";' for path in MODULES if path.stem in script)
    done = subprocess.run(
        [NODE, "--no-warnings", "--experimental-default-type=module", "--input-type=module", "-"],
        input=f"{imports}\n{script}",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_node_reads_each_module(path: Path) -> None:
    if NODE is None:
        pytest.skip("node is not installed: the syntax of the page's modules is not tested")
    command = [NODE, "--experimental-default-type=module", "--check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def explained(**changes: Any) -> dict[str, Any]:
    """Three source pieces of two words and the end; a target word of two pieces and one of one, and the end."""
    found: dict[str, Any] = {
        "source": {"text": "ab c", "pieces": ["▁a", "b", "▁c", "</s>"], "words": [[0, 2], [2, 3]]},
        "target": {"text": "xy z", "pieces": ["▁x", "y", "▁z"], "words": [[0, 2], [2, 3]]},
        "attention": [[0.5, 0.25, 0.25, 0], [0, 0.5, 0.25, 0.25], [0.1, 0.1, 0.8, 0], [0, 0, 0.125, 0.875]],
    }
    return found | changes


def test_a_word_has_the_sum_over_source_pieces_and_the_mean_over_target_pieces() -> None:
    script = f"""
    const given = {json.dumps(explained())};
    const units = (side, unit) => explanation.unitsOf(given, side, unit);
    const rows = explanation.weightsBetween(given, units("target", "words"), units("source", "words"));
    const names = (side, unit) => units(side, unit).map((each) => each.label);
    const all = ["source", "target"].flatMap((side) => ["words", "pieces"].map((unit) => names(side, unit)));
    console.log(JSON.stringify([all, rows]));
    """
    names, rows = in_node(script)
    assert names == [["ab", "c", "end"], ["▁a", "b", "▁c", "end"], ["xy", "z", "end"], ["▁x", "y", "▁z", "end"]]
    assert rows == [[0.625, 0.25, 0.125], [0.2, 0.8, 0], [0, 0.125, 0.875]]


def test_the_strongest_lines_are_the_fewest_with_the_mass() -> None:
    rows = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0, 0, 1], [0, 0, 0]]
    script = f"""
    const drawn = (mass) => explanation.strongest({rows}, mass).map((each) => [each.target, each.source]);
    console.log(JSON.stringify([50, 80, 81, 100].map(drawn)));
    """
    assert in_node(script) == [
        [[0, 0], [1, 2], [2, 2]],
        [[0, 0], [0, 1], [1, 2], [2, 2]],
        [[0, 0], [0, 1], [0, 2], [1, 2], [1, 0], [2, 2]],
        [[0, 0], [0, 1], [0, 2], [1, 2], [1, 0], [1, 1], [2, 2]],
    ]


def test_translations_are_compared_by_their_longest_common_part() -> None:
    script = """
    const [a, b] = ["a man sleeps here", "a dog sleeps in here"].map(explanation.wordsOf);
    console.log(JSON.stringify([explanation.compared(a, b), explanation.commonStart(a, b)]));
    """
    (left, right), start = in_node(script)
    assert left == [["a", True], ["man", False], ["sleeps", True], ["here", True]]
    assert right == [["a", True], ["dog", False], ["sleeps", True], ["in", False], ["here", True]]
    assert start == 1


def test_a_moved_weight_leaves_the_others_in_their_proportions() -> None:
    script = """
    const cases = [[[0.5, 0.3, 0.2], 0, 0.75], [[0.5, 0.3, 0.2], 1, 2], [[1, 0, 0], 0, 0.5], [[1, 0, 0], 0, -1]];
    console.log(JSON.stringify(cases.map((each) => editing.moved(...each))));
    """
    assert in_node(script) == [[0.75, 0.15, 0.1], [0, 1, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]]


def test_an_address_has_the_whole_state_and_a_bad_one_harms_nothing() -> None:
    script = """
    const whole = { view: "look", q: "ein? Hund & 100 % #1", from: "de", to: "en", unit: "pieces", mass: 55,
      pieces: ["▁a", "&="], trail: [2], pruned: false, pin: "s0-2", what: "attention", changed: "x=y", step: -1,
      edits: [{ step: -1, mask: [0] }], state: "fixed", other: "de:en" };
    const bad = ["", "#", "#look?pieces=7&edits=[1,null]&mass=1e9&step=[]&unit=x&what=y&view=z&q", "#x?%",
      "#look?pieces=[1]&trail=[9]&__proto__=1"];
    const back = state.parse(state.format(whole));
    console.log(JSON.stringify([back, whole, state.format(state.parse("#look")), bad.map(state.parse)]));
    """
    back, whole, empty, bad = in_node(script)
    assert back == whole
    assert empty == "#look"
    usual = bad[0]
    assert (usual["view"], usual["mass"], usual["edits"], usual["trail"]) == ("translate", 80, [], [])
    assert [{name for name in each if each[name] != usual[name]} for each in bad] == [
        set(), set(), {"view", "mass"}, set(), {"view"},
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- in the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium): the page is not driven")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@dataclasses.dataclass
class Tab:
    """A tab of the browser, and what went wrong in it."""

    page: Any
    url: str
    told: list[str]

    def open(self, view: str = "", **state: Any) -> None:
        fields = {name: each if isinstance(each, str) else json.dumps(each) for name, each in state.items()}
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/#{view}?{urllib.parse.urlencode(fields)}")
        self.page.wait_for_selector("html[data-ready]")

    def look(self, q: str = SENTENCE, **state: Any) -> None:
        """Open the view that looks inside, and wait until it is drawn."""
        self.open("look", **({"q": q, "from": "de", "to": "en"} | state))
        self.page.wait_for_selector("#graph svg")
        self.settle()

    def wait(self, script: str, given: Any = None) -> None:
        """Wait until JavaScript gives what is true. Playwright's own waiting would need the policy to allow eval."""
        end = time.monotonic() + 60
        while not self.page.evaluate(script, given):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(20)

    def translated(self, text: str) -> None:
        """Wait for a translation."""
        self.wait("text => document.querySelector('#translation').textContent === text", text)

    def settle(self) -> None:
        """Wait until all is asked and drawn."""
        self.page.wait_for_load_state("networkidle")
        self.wait("!document.querySelector('.waiting, .old')")

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text()).strip()

    def state(self) -> dict[str, str]:
        """What the address says."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.page.url).fragment.partition("?")[2]))


@pytest.fixture
def open_tab(browser: Any, running: Running) -> Iterator[Callable[..., Tab]]:
    """A function that opens a tab. In the end no tab has told of an error, or asked another place."""
    contexts, tabs, asked = list[Any](), list[Tab](), list[str]()

    def open_one(url: str = running.client.url, width: int = 1280, **settings: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        tab = Tab(page, url, [])
        page.on("console", lambda message: tab.told.append(message.text))
        page.on("pageerror", lambda error: tab.told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        tabs.append(tab)
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert [line for tab in tabs for line in tab.told] == []
    own = tuple(f"{tab.url}/" for tab in tabs)
    assert [url for url in asked if not url.startswith((*own, "blob:", "about:", "data:"))] == []


def explain(client: Client, q: str = SENTENCE, **fields: Any) -> dict[str, Any]:
    answer = client.post("/explain", {"q": q, "source": "de", "target": "en"} | fields)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


@pytest.mark.slow
def test_a_text_is_translated_while_it_is_typed(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.open()
    page = tab.page
    page.get_by_label("From").select_option("de")
    page.get_by_label("Text to translate").press_sequentially("der Hund", delay=5)
    wanted = client.translate("der Hund", alternatives=2).json
    tab.translated(wanted["translatedText"])
    assert page.locator("#alternative-list li").all_inner_texts() == wanted["alternatives"]
    assert tab.state()["q"] == "der Hund"
    page.get_by_label("Other translations").select_option("0")
    tab.wait("!document.querySelector('#alternative-list').children.length")
    page.get_by_role("button", name="Swap the languages").click()
    back = client.translate(wanted["translatedText"], "en", "de").json["translatedText"]
    tab.translated(back)
    page.get_by_role("button", name="Clear").click()
    tab.wait("document.querySelector('#translation').textContent === ''")
    page.get_by_label("From").select_option("auto")
    page.get_by_label("Text to translate").fill("Der Hund läuft schnell durch den Wald")
    tab.wait("document.querySelector('#detected').textContent.startsWith('German')")


@pytest.mark.slow
def test_a_late_answer_never_replaces_a_newer_one(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.open("translate", **{"from": "de", "to": "en"})
    held = list[Any]()

    def hold(route: Any) -> None:
        if json.loads(route.request.post_data)["q"] == "alt":
            held.append(route)
        else:
            route.continue_()

    tab.page.route("**/translate", hold)
    failed = list[str]()
    tab.page.on("requestfailed", lambda request: failed.append(request.failure))
    source = tab.page.get_by_label("Text to translate")
    source.fill("alt")
    tab.page.wait_for_timeout(1000)
    assert len(held) == 1
    source.fill("neu")
    wanted = client.translate("neu").json["translatedText"]
    tab.translated(wanted)
    assert failed == ["net::ERR_ABORTED"]  # the server sees that nobody waits, and takes it from its queue


@pytest.mark.slow
def test_errors_are_told_in_words(open_tab: Any, models: list[str], tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("secret\n")
    with serving(models[:1], keys=str(keys), limits=Limits(characters=40)) as guarded:
        tab = open_tab(guarded.client.url)
        tab.open("translate", q="der Hund", **{"from": "de", "to": "en"})
        problem = tab.page.locator("#translate-problem")
        problem.wait_for()
        assert problem.inner_text() == "An API key is needed: send it as api_key."
        tab.page.get_by_label("API key").fill("wrong")
        tab.wait("document.querySelector('#translate-problem').textContent === 'Invalid API key.'")
        tab.page.get_by_label("API key").fill("secret")
        tab.wait("document.querySelector('#translation').textContent")
        assert not problem.is_visible()
        assert "secret" not in tab.page.url
        tab.page.get_by_label("Text to translate").fill("x" * 41)
        problem.wait_for()
        assert problem.inner_text() == "41 characters; at most 40 are allowed."
        assert [line for line in tab.told if "Failed to load resource" not in line] == []
        tab.told.clear()  # the browser's own words for 400 and 403
    tab.page.get_by_label("Text to translate").fill("der")
    tab.wait("document.querySelector('#translate-problem').textContent.startsWith('The server does not')")
    tab.page.close()  # the browser has words of its own for every request that nobody answers
    tab.told.clear()


@pytest.mark.slow
def test_a_file_is_translated(open_tab: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "brief.txt").write_text("der Hund\ndie Katze\n", encoding="utf-8")
    tab = open_tab()
    tab.open("translate", **{"from": "de", "to": "en"})
    tab.page.locator("#file").set_input_files(tmp_path / "brief.txt")
    link = tab.page.get_by_role("link", name="save it")
    with tab.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "brief_en.txt"
    wanted = client.translate("der Hund\ndie Katze\n").json["translatedText"]
    assert Path(download.value.path()).read_text("utf-8") == wanted


@pytest.mark.slow
def test_a_piece_is_forced_and_let_go(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.look()
    own = explain(client)
    assert tab.text("#answer") == own["target"]["text"].strip()
    step = 1
    other = next(each["piece"] for each in own["steps"][step]["best"][1:5] if each["piece"] != "</s>")
    tab.page.locator(f".steps > li:nth-child({step + 1}) button:not(.taken)").first.click()
    tab.page.wait_for_selector("#trail:not([hidden])")
    tab.settle()
    pieces = [*own["target"]["pieces"][:step], other]
    assert json.loads(tab.state()["pieces"]) == pieces
    forced = explain(client, pieces=pieces)
    assert tab.text("#answer") == forced["target"]["text"].strip()
    assert tab.page.locator(".card.forced").count() == len(pieces) == forced["target"]["forced"]
    tab.page.get_by_role("button", name="The model’s own choice").click()
    tab.settle()
    assert tab.text("#answer") == own["target"]["text"].strip()
    tab.page.go_back()
    tab.page.wait_for_selector("#trail:not([hidden])")
    tab.settle()
    assert tab.text("#answer") == forced["target"]["text"].strip()
    node = next(
        each for each in own["tree"] if each["state"] == "pruned" and each["step"] == 0 and each["piece"] != "</s>"
    )
    tab.look()
    tab.page.locator(f"[aria-label^='{node['piece']} '].node.pruned").first.click()
    tab.settle()
    assert json.loads(tab.state()["pieces"]) == [node["piece"]]


@pytest.mark.slow
def test_the_attention_is_moved_by_keys_and_by_hand(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.look(what="attention")
    page, own = tab.page, explain(client)
    sliders = page.get_by_role("slider", name="Attention to")
    assert sliders.count() == len(own["attention"][0])
    before = own["attention"][0][0]
    sliders.first.press("ArrowRight")
    page.wait_for_selector("#comparison svg")
    (edit,) = json.loads(tab.state()["edits"])
    assert edit["step"] == 0
    assert abs(sum(edit["weights"]) - 1) < 0.01
    assert abs(edit["weights"][0] - min(1, before + 0.05)) < 1e-3
    assert (
        page.evaluate("document.activeElement.getAttribute('role')") == "slider"
    )  # so that a key can be pressed again
    tab.settle()
    found = explain(client, edits=[edit], state="following")
    assert page.locator("#comparison .said").all_inner_texts() == [own["target"]["text"], found["target"]["text"]]
    box = sliders.nth(1).bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 5, steps=4)
    page.mouse.up()
    assert abs(json.loads(tab.state()["edits"])[0]["weights"][1] - 0.8) < 0.02
    page.get_by_role("button", name="Flatten").click()
    assert len({*json.loads(tab.state()["edits"])[0]["weights"]}) == 1
    page.get_by_role("button", name="Only ").nth(1).click()
    weights = json.loads(tab.state()["edits"])[0]["weights"]
    assert weights == [float(index == 1) for index in range(len(weights))]
    page.get_by_role("button", name="The model’s own", exact=True).click()
    assert "edits" not in tab.state()
    page.get_by_role("button", name="Mask ").first.click()
    assert json.loads(tab.state()["edits"]) == [{"step": 0, "mask": [0]}]
    page.get_by_text("Hold (fixed)").click()
    tab.wait("document.querySelector('#comparison').textContent.includes('Step 1: ')")
    tab.settle()
    held = explain(client, edits=[{"step": 0, "mask": [0]}], state="fixed")
    assert held["target"]["text"] == own["target"]["text"]
    share = round(100 * 2.718281828459045 ** held["steps"][0]["log_prob"])
    assert re.search(rf" to (<?{max(share, 1)}|{share})\u00a0%; it would", tab.text("#comparison"))


@pytest.mark.slow
def test_sentences_and_models_are_beside_each_other(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.look()
    changed = "die katze läuft schnell"
    tab.page.get_by_label("Changed sentence").fill(changed)
    tab.page.wait_for_selector("#comparison svg")
    tab.settle()
    both = [explain(client)["target"]["text"], explain(client, changed)["target"]["text"]]
    assert tab.page.locator("#comparison .said").all_inner_texts() == both
    tab.page.locator("input[name=what][value=model]").check()
    tab.page.get_by_label("The same sentence by").select_option("de:en-second")
    tab.page.wait_for_selector("#comparison svg")
    tab.settle()
    both = [explain(client)["target"]["text"], explain(client, target="en-second")["target"]["text"]]
    assert tab.page.locator("#comparison .said").all_inner_texts() == both
    assert ("part at word" in tab.text("#comparison")) == (both[0] != both[1])
    second = explain(client, target="en-second", prefix=both[0])
    first = explain(client)
    cells = tab.page.locator("#comparison .difference .cell title").all_text_contents()
    assert cells or "half a percent point" in tab.text("#comparison")
    if first["source"]["words"] == second["source"]["words"]:  # the first word's row, as sums and means over pieces
        rows = [each["attention"][slice(*each["target"]["words"][0])] for each in (first, second)]
        means = [sum(sum(row[slice(*first["source"]["words"][0])]) for row in found) / len(found) for found in rows]
        change = round(100 * (means[1] - means[0]))
        assert re.search(rf": [+−]{abs(change)} points$", cells[0])


@pytest.mark.slow
def test_a_link_shows_the_same_view(open_tab: Any, client: Client) -> None:
    first = open_tab()
    first.look(unit="pieces", mass=60, what="attention", edits=[{"step": 0, "mask": [0]}], pruned=False)
    first.page.wait_for_selector("#comparison svg")
    first.page.locator("#graph .word").nth(1).click()
    first.page.mouse.move(5, 5)
    first.page.evaluate("document.activeElement.blur()")
    first.settle()
    assert first.state()["pin"] == "s1-2"
    second = open_tab()
    second.page.goto(first.page.url)
    second.page.wait_for_selector("#comparison svg")
    second.settle()
    for part in ("#graph", "#matrix", "#steps", "#tree", "#editor", "#comparison"):
        inner = f"document.querySelector('{part}').innerHTML"
        drawn = re.sub(r' tabindex="\S+"', "", first.page.evaluate(inner))
        assert re.sub(r' tabindex="\S+"', "", second.page.evaluate(inner)) == drawn, part
    assert second.page.locator(".link.pruned").count() == 0
    second.page.go_back()


@pytest.mark.slow
def test_a_word_lights_all_views_and_keys_move_among_words(open_tab: Any) -> None:
    tab = open_tab()
    tab.look()
    words = tab.page.locator("#graph .word")
    words.first.focus()
    assert tab.page.locator("#graph .word.lit").count() == 1
    assert tab.page.locator("#matrix text.lit").count() == 1
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.locator(".card.lit").count() >= 1
    assert "reads" in tab.page.evaluate("document.activeElement.getAttribute('aria-label')")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert tab.state()["pin"].startswith("t0-")
    stops = tab.page.locator("#graph [tabindex='0']").count()
    assert stops == 1  # of the Tab key, however many words there are


@pytest.mark.slow
def test_a_chosen_word_has_its_nearest_training_sentences(open_tab: Any, client: Client) -> None:
    pytest.importorskip("faiss")
    pieces = explain(client)["target"]["pieces"]
    fields = {"q": SENTENCE, "source": "de", "target": "en", "pieces": pieces, "count": 6}
    tab = open_tab()
    tab.look()
    assert tab.page.locator("#nearest").is_visible()
    assert tab.page.locator("#nearest-list li").count() == 0
    for pin, side, position in (("t0-1", "target", 0), ("s0-2", "source", 1)):
        tab.look(pin=pin, unit="pieces")
        wanted = client.post("/neighbours", {**fields, "side": side, "position": position}).json["neighbours"]
        tab.wait("count => document.querySelectorAll('#nearest-list li').length === count", len(wanted))
        for name in ("source", "target"):
            shown = tab.page.locator(f"#nearest-list .{name}").all_inner_texts()
            assert [text.split() for text in shown] == [each[name].split() for each in wanted]
        assert tab.page.locator("#nearest-list mark").count() == len(wanted) == 6
        assert tab.page.locator(f"#nearest-list .{side} mark").count() == len(wanted)
    tab.look(to="en-second")
    assert not tab.page.locator("#nearest").is_visible()


@pytest.mark.slow
def test_drawings_and_data_are_saved(open_tab: Any, client: Client) -> None:
    tab = open_tab()
    tab.look()

    def saved(act: Any) -> Any:
        with tab.page.expect_download() as download:
            act.click()
        return download.value

    for name in ("attention-graph", "attention-matrix", "beam"):
        buttons = tab.page.locator(f"[data-name='{name}'] button")
        svg = saved(buttons.nth(0))
        assert svg.suggested_filename == f"{name}.svg"
        tree = ElementTree.parse(svg.path())
        assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert not [node for node in tree.iter() if {"class", "style", "role"} & {*node.attrib}]
        words = list(tree.iter("{http://www.w3.org/2000/svg}text"))
        assert words
        assert all(word.attrib["fill"].startswith("rgb") for word in words)
        png = saved(buttons.nth(1))
        content = Path(png.path()).read_bytes()
        assert content.startswith(b"\x89PNG")
        sizes = [int.from_bytes(content[start : start + 4], "big") for start in (16, 20)]
        drawn = [float(tree.getroot().attrib[side]) for side in ("width", "height")]
        assert all(abs(size - 2 * side) <= 4 for size, side in zip(sizes, drawn, strict=True))
    data = json.loads(
        Path(saved(tab.page.get_by_role("button", name="Save the data as JSON")).path()).read_text("utf-8")
    )
    assert data == {"explanation": explain(client), "whatIf": None}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that finds what keeps people out of a page."""
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe-core cannot be fetched, and the page is not tested with it")
    done = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"npm did not give {AXE}, and the page is not tested with it: {done.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


VIEWS: dict[str, dict[str, Any]] = {
    "translate": {"view": "translate", "q": "der Hund läuft"},
    "look": {"pieces": ["▁the"], "trail": [1], "pin": "s0-1"},
    "word": {"changed": "die katze läuft"},
    "attention": {"what": "attention", "edits": [{"step": 0, "mask": [0]}], "state": "fixed", "unit": "pieces"},
    "model": {"what": "model", "other": "de:en-second"},
    "long": {"q": " ".join(["der hund läuft schnell"] * 4), "unit": "pieces"},
}


def show(tab: Tab, name: str, client: Client) -> None:
    fields = dict(VIEWS[name])
    if fields.pop("view", "look") == "translate":
        tab.open("translate", **{"from": "de", "to": "en"}, **fields)
        tab.wait("document.querySelector('#translation').textContent")
        return
    if "pieces" in fields:
        fields["pieces"] = explain(client)["target"]["pieces"][:1]
    tab.look(**fields)
    if name in ("word", "attention", "model"):
        tab.page.wait_for_selector("#comparison svg")
    tab.settle()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, scheme) for name in VIEWS for scheme in ("light", "dark") if (name, scheme) != ("long", "dark")],
)
def test_nothing_keeps_a_person_out(open_tab: Any, client: Client, axe: str, name: str, scheme: str) -> None:
    tab = open_tab(color_scheme=scheme, reduced_motion="reduce")
    show(tab, name, client)
    tab.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    tab.page.evaluate(axe)
    found = tab.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]][:4]) for each in bad] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", VIEWS)
def test_a_phone_shows_all_and_scrolls_no_page_sideways(open_tab: Any, client: Client, name: str) -> None:
    tab = open_tab(width=375, has_touch=True, is_mobile=True)
    show(tab, name, client)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 375
    wide = "e => e.getBoundingClientRect().right > 376 && !e.closest('.scroll, .unseen')"
    assert (
        tab.page.evaluate(f"[...document.querySelectorAll('body *')].filter({wide}).map(e => e.outerHTML.slice(0, 80))")
        == []
    )


@pytest.mark.slow
def test_paper_has_the_pictures_without_the_controls(open_tab: Any, client: Client) -> None:
    tab = open_tab(width=700, color_scheme="dark")
    show(tab, "word", client)
    tab.page.emulate_media(media="print", color_scheme="dark")
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for shown in ("#answer", "#graph svg", "#matrix svg", "#tree svg", "#comparison svg"):
        assert tab.page.locator(shown).first.is_visible(), shown
    for hidden in ("nav[aria-label=Views]", "#mass", ".keep", "figcaption button"):
        assert not tab.page.locator(hidden).first.is_visible(), hidden
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 700
    fits = "[...document.querySelectorAll('.scroll > svg')].every(e => e.getBoundingClientRect().right <= 700)"
    assert tab.page.evaluate(fits)


@pytest.mark.slow
def test_a_page_that_is_early_waits_for_the_models(open_tab: Any, running: Running) -> None:
    tab = open_tab()
    loaded, service = running.server.service.loaded, running.server.service
    running.do(lambda: setattr(service, "loaded", None))
    wait_until(lambda: service.loaded is None)
    try:
        tab.page.goto(f"{running.client.url}/")
        tab.wait("document.querySelector('#notice').textContent.startsWith('No model is loaded yet')")
    finally:
        running.do(lambda: setattr(service, "loaded", loaded))
    tab.page.wait_for_selector("html[data-ready]")
    assert not tab.page.locator("#notice").is_visible()
    tab.told.clear()  # the browser's own words for 503


def test_the_models_can_be_loaded(models: list[str]) -> None:
    """So that a failure of the tests above is the page's."""
    assert Translator.load(models[2]).translate([SENTENCE])
