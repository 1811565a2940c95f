"""The parts of the server that know no HTTP: the queue, its batches, limits, sentences, HTML, languages, files."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.errors import InputError
from seq2seq.server import gate, stored_files
from seq2seq.server.batcher import Batcher
from seq2seq.server.counters import BUCKETS, Counters
from seq2seq.server.detection import Detector
from seq2seq.server.fair_queue import FairQueue, QueueFull, Waiting
from seq2seq.server.gate import Gate, Rates, client_of, read_keys
from seq2seq.server.languages import Directions, Served, check_pairs, read_pairs
from seq2seq.server.limits import Limits
from seq2seq.server.refusal import Refusal
from seq2seq.server.stored_files import StoredFiles, extension, safe_name
from seq2seq.server.tags import Answer, HtmlText, tags, tokenize
from seq2seq.text.sentences import PlainText, cut_sentences
from seq2seq.translation.tags import Direction

# ----------------------------------------------------------------------------------------------------------- the queue

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2), st.integers(0, 7)),
        st.tuples(st.just("remove"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 6), st.just(0)),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_the_queue_is_bounded_and_loses_and_repeats_nothing(operations: list[tuple[str, int, int]]) -> None:
    queue, requests, left = FairQueue(12), list[Waiting](), dict[Waiting, list[int]]()
    for name, first, second in operations:
        if name == "add":
            request = Waiting(first, ["text"] * second)
            if sum(map(len, left.values())) + second > 12:
                with pytest.raises(QueueFull):
                    queue.add(request)
            else:
                queue.add(request)
                requests.append(request)
                left[request] = list(range(second))
        elif name == "remove" and first < len(requests):
            queue.remove(requests[first])
            left[requests[first]] = []
        elif name == "take":
            waiting = list(queue)
            batch = queue.take(first)
            assert len({request.group for request, _ in batch}) <= 1
            group = batch[0][0].group if batch else None
            assert len(batch) == min(first, sum(len(left[each]) for each in left if each.group == group))
            assert bool(batch) == bool(waiting)
            if batch:
                assert batch[0][0] is waiting[0]  # the front has its turn
            for request, place in batch:
                assert place == left[request].pop(0)
        assert queue.size == sum(map(len, left.values())) <= 12
        assert {*queue} == {request for request in left if left[request]}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), min_size=1, max_size=8), st.integers(1, 5))
def test_every_request_has_a_turn_before_any_other_has_its_third(shapes: list[tuple[int, int]], most: int) -> None:
    """Within as many batches as there are requests, whatever their sizes and groups."""
    queue = FairQueue(1000)
    requests = [Waiting(group, ["text"] * count) for group, count in shapes]
    for request in requests:
        queue.add(request)
    begun = set[Waiting]()
    for _ in requests:
        begun |= {request for request, _ in queue.take(most)}
    assert begun == {*requests}


def test_a_short_request_is_in_the_next_batch_beside_a_long_one() -> None:
    queue = FairQueue(1000)
    long, short = Waiting("a", ["text"] * 500), Waiting("a", ["text"])
    queue.add(long)
    queue.take(8)
    queue.add(short)
    batch = queue.take(8)
    assert Counter(request for request, _ in batch) == {long: 7, short: 1}


# --------------------------------------------------------------------------------------------------------- the batcher


class Echo:
    """A lane that answers with the group and the text, and keeps what it was given."""

    def __init__(self) -> None:
        self.batches = list[tuple[Any, list[str]]]()
        self.closed = 0
        self.gate = threading.Event()
        self.gate.set()

    def translate(self, group: Any, texts: list[str]) -> list[Any]:
        self.batches.append((group, texts))
        assert self.gate.wait(60)
        if bad := [text for text in texts if text.startswith("bad")]:
            raise ValueError(bad[0])
        return [(group, text) for text in texts]

    def close(self) -> None:
        self.closed += 1


def with_batcher(work: Any, lanes: int = 1, capacity: int = 100, batch_size: int = 4) -> list[Echo]:
    """Run `work(batcher, lanes)`, then close the batcher."""
    echoes = [Echo() for _ in range(lanes)]

    async def run() -> None:
        batcher = Batcher([(echo, ThreadPoolExecutor(1)) for echo in echoes], capacity=capacity, batch_size=batch_size)
        await work(batcher, echoes)
        await batcher.close()
        with pytest.raises(QueueFull):
            await batcher.translate("a", ["late"])

    asyncio.run(asyncio.wait_for(run(), 60))
    assert all(echo.closed == 1 for echo in echoes)
    return echoes


REQUESTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 3), st.booleans(), st.booleans()), max_size=9
)


@settings(max_examples=30, deadline=None)
@given(REQUESTS, st.integers(1, 3))
def test_each_request_gets_its_own_answers_in_order(requests: list[Any], lanes: int) -> None:
    """Whatever else waits, fails or leaves; those that leave get nothing, and what fails is told to its own client."""

    async def work(batcher: Batcher, echoes: list[Echo]) -> None:
        async def ask(number: int, group: str, count: int, turns: int, fails: bool) -> Any:
            for _ in range(turns):
                await asyncio.sleep(0)
            texts = [f"{'bad' if fails and place == count - 1 else ''}{number}-{place}" for place in range(count)]
            return texts, await batcher.translate(group, texts)

        tasks = [asyncio.create_task(ask(number, *one[:4])) for number, one in enumerate(requests)]
        await asyncio.sleep(0)
        for task, (*_, leaves) in zip(tasks, requests, strict=True):
            if leaves:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result, (group, count, _, fails, leaves) in zip(results, requests, strict=True):
            if leaves and count:  # one of no texts may be done before
                assert isinstance(result, asyncio.CancelledError)
            elif leaves:
                assert isinstance(result, asyncio.CancelledError) or result == ([], [])
            elif fails and count:
                assert isinstance(result, ValueError)
            else:
                texts, answers = result
                assert answers == [(group, text) for text in texts]
        assert batcher.queue.size == 0

    for echo in with_batcher(work, lanes):
        for group, texts in echo.batches:
            assert 1 <= len(texts) <= 4
            assert len({(group, text) for text in texts}) == len(texts)


def test_what_waits_is_one_batch_and_who_leaves_is_not_in_it() -> None:
    async def work(batcher: Batcher, echoes: list[Echo]) -> None:
        echoes[0].gate.clear()
        first = asyncio.create_task(batcher.translate("a", ["1"]))
        while not echoes[0].batches:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.translate("a", [str(number)])) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        assert batcher.queue.size == 3
        others[1].cancel()
        await asyncio.gather(others[1], return_exceptions=True)
        assert batcher.queue.size == 2
        echoes[0].gate.set()
        await asyncio.gather(first, others[0], others[2])

    (echo,) = with_batcher(work)
    assert [texts for _, texts in echo.batches] == [["1"], ["2", "4"]]


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    async def work(batcher: Batcher, echoes: list[Echo]) -> None:
        echoes[0].gate.clear()
        first = asyncio.create_task(batcher.translate("a", ["1"]))
        while not echoes[0].batches:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(batcher.translate("a", ["2", "3"]))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await batcher.translate("b", ["4"])
        assert batcher.queue.size == 2
        assert batcher.expected_wait() == 1
        batcher.seconds, batcher.texts = 30.0, 2
        assert batcher.expected_wait() == 30
        echoes[0].gate.set()
        assert await first == [("a", "1")]
        assert await second == [("a", "2"), ("a", "3")]

    with_batcher(work, capacity=2)


def test_closing_finishes_what_waits() -> None:
    echo = Echo()

    async def work() -> None:
        batcher = Batcher([(echo, ThreadPoolExecutor(1))], capacity=100, batch_size=4)
        tasks = [asyncio.create_task(batcher.translate("a", [str(number)] * 5)) for number in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        assert [await task for task in tasks] == [[("a", str(number))] * 5 for number in range(3)]

    asyncio.run(asyncio.wait_for(work(), 60))
    assert (sum(len(texts) for _, texts in echo.batches), echo.closed) == (15, 1)


# ------------------------------------------------------------------------------------------------------ keys and rates


def test_a_rate_is_a_minutes_share_and_a_list_counts_as_its_texts() -> None:
    now = [100.0]
    rates = Rates(lambda: now[0])
    assert [rates.take("a", 1, 3) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    assert rates.take("b", 1, 3) == 0
    now[0] += 20
    assert rates.take("a", 1, 3) == 0
    assert rates.take("a", 1, 3) == pytest.approx(20)
    now[0] += 600
    assert rates.take("a", 9, 3) == 0  # more than a share: allowed, and waited for afterwards
    assert rates.take("a", 1, 3) == pytest.approx(140)


def test_the_clients_that_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_CLIENTS", 3)
    rates = Rates(lambda: 0.0)
    for number in range(9):
        rates.take(str(number), 1, 5)
    assert len(rates._buckets) == 3


def test_one_household_is_one_client() -> None:
    assert client_of("2001:db8:1:2::3") == client_of("2001:db8:1:2:ffff::4") != client_of("2001:db8:1:3::3")
    assert client_of("192.0.2.1") != client_of("192.0.2.2")
    assert client_of("x" * 999) == "x" * 64


def test_keys_are_needed_right_and_counted_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\n\nfirst 2\nsecond\n", encoding="utf-8")
    guard = Gate(read_keys(str(path)), 1, Rates(lambda: 0.0))
    for key, status in (("", 400), ("third", 403), ("First", 403)):
        with pytest.raises(Refusal) as refused:
            guard.admit(key, "192.0.2.1")
        assert refused.value.status == status
    guard.admit("first", "192.0.2.1")
    guard.admit("first", "192.0.2.2")
    guard.admit("second", "192.0.2.1")
    for key in ("first", "second"):
        with pytest.raises(Refusal) as refused:
            guard.admit(key, "192.0.2.3")
        assert (refused.value.status, "Retry-After" in refused.value.headers()) == (429, True)
    assert "first" not in repr(vars(guard))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a b c\n", r":1: a line is a key"),
        (b"a 0\n", r":1: a line is a key"),
        ("a\nb \u0663\n".encode(), r":2: a line is a key"),
        (b"a\nb 9999999999999999\n", r":2: a line is a key"),
        (b"a\n\na\n", ":3: this key is there before"),
        (b"\n# a\n", "no key in it"),
        (b"\xff\n", "not valid UTF-8"),
        (b"a" * (2 << 20), "larger than"),
    ],
)
def test_a_bad_file_of_keys_is_named_by_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_keys(str(tmp_path / "keys"))
    with pytest.raises(InputError, match="cannot be read"):
        read_keys(str(tmp_path / "no"))


def test_without_keys_addresses_are_counted() -> None:
    guard = Gate(None, 1, Rates(lambda: 0.0))
    guard.admit("whatever", "192.0.2.1")
    guard.admit("", "192.0.2.2")
    with pytest.raises(Refusal):
        guard.admit("another", "192.0.2.1")


# ----------------------------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hallo Welt. Wie geht es?  Gut!", ["Hallo Welt.", "Wie geht es?", "Gut!"]),
        ("Am 3. Oktober kam Dr. Meier, z. B. um 8.30 Uhr.", ["Am 3. Oktober kam Dr. Meier, z. B. um 8.30 Uhr."]),
        ("„Ja.“ Er ging. (Nein.) Gut", ["„Ja.“", "Er ging.", "(Nein.)", "Gut"]),
        ("你好。再见！“好。”他说", ["你好。", "再见！", "“好。”", "他说"]),
        ("Wait... what? no", ["Wait... what? no"]),
        (" a\n\n b\r\nc\u2028d ", ["a", "b", "c", "d"]),
        ("😀 ... \n", []),
        ("", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, sentences: list[str]) -> None:
    read = PlainText.read(text)
    assert read.sentences == sentences
    assert read.fill(sentences) == ("".join(read.parts) if "你" not in text else text)


@given(st.text(st.sampled_from("aB1.!?。” \n\r\u2028\u00a0😀("), max_size=60))
def test_what_is_no_sentence_stays_as_it_is(text: str) -> None:
    read = PlainText.read(text)
    assert "".join(read.parts) == text
    assert all(sentence == sentence.strip() and "\n" not in sentence for sentence in read.sentences)
    assert "".join(read.fill(read.sentences).split()) == "".join(text.split())
    kept = [part for place, part in enumerate(read.parts) if place not in read.places]
    assert not any(character.isalnum() for part in kept for character in part)


def test_sentences_of_another_script_do_not_touch() -> None:
    assert PlainText.read("你好。再见。").fill(["Hello.", "Goodbye."]) == "Hello. Goodbye."
    assert PlainText.read("Hello. Goodbye.").fill(["你好。", "再见。"]) == "你好。 再见。"
    assert PlainText.read("你好。再见。").fill(["今日は。", "さようなら。"]) == "今日は。さようなら。"


@pytest.mark.parametrize("part", ["a", " ", ".", ".)", ". ", "?!", "。", "。”", "\n", ". a", "\u00a0"])
def test_a_long_text_takes_no_more_than_its_length(part: str) -> None:
    """Of 200,000 characters, in which a square of the length would be hours."""
    list(cut_sentences(part * 100_000))
    PlainText.read(part * 100_000)


# ---------------------------------------------------------------------------------------------------------------- HTML

FRAGMENTS = st.sampled_from(
    [
        *(
            "<b>",
            "</b>",
            "<i class='x'>",
            "</i>",
            '<a href="?a=1&b=2>3">',
            "</a>",
            "<p>",
            "</p>",
            "<br>",
            "<img src=a>",
        ),
        *("<!-- x > y -->", "<code>", "</code>", "<script>", "</script>", "<span translate=no>", "</span>", "<em/>"),
        *(
            "<",
            ">",
            "&lt;",
            "&amp;amp;",
            "&nbsp;",
            " ",
            "\n",
            "der Hund",
            "Haus, ",
            "x. Y",
            "😀",
            "<1a",
            "</",
            "<!",
            '"',
        ),
    ]
)
HTML = st.one_of(
    st.lists(FRAGMENTS, max_size=14).map("".join), st.text(st.sampled_from("<>/ab!-\"'= &;x"), max_size=30)
)
WORDS = st.lists(st.sampled_from(["the", "dog,", "<b>", "</p>", "<script>", "&lt;", "&", "\"'>", "<!--"]), max_size=6)


def answer(data: st.DataObject, sentence: str) -> Answer:
    """Any translation, with links of any of its words."""
    words = data.draw(WORDS)
    if not words:
        return Answer("", [])
    pairs = st.tuples(st.integers(0, len(sentence.split()) - 1), st.integers(0, len(words) - 1))
    return Answer(" ".join(words), data.draw(st.lists(pairs, max_size=5)))


@given(HTML)
def test_tokens_are_the_source(source: str) -> None:
    assert "".join(token.content for token in tokenize(source)) == source


@settings(max_examples=400, deadline=None)
@given(HTML, st.data())
def test_every_tag_is_kept_and_none_comes_in(source: str, data: st.DataObject) -> None:
    """Whatever the model writes and wherever it looks; what is kept with its text is kept in its order."""
    read = HtmlText.read(source)
    written = read.fill([answer(data, sentence) for sentence in read.sentences])
    assert Counter(tags(written)) == Counter(tags(source))
    assert borders(written) == borders(source)
    assert nesting(written) == nesting(source)


def borders(source: str) -> list[str]:
    """The tags that no translation moves, in order."""
    return [each for each in tags(source) if re.match(r"</?(p|br|script|code)\b", each)]


def nesting(source: str) -> Any:
    """Of elements that are closed: which is in which, as a multiset of paths."""
    path, found = list[str](), Counter[tuple[str, ...]]()
    for token in tokenize(source):
        if token.kind == "open" and token.name not in ("br", "img"):
            path.append(token.name)
        elif token.kind == "close":
            if not path or path.pop() != token.name:
                return None  # not well nested: order is tested above
            found[(*path, token.name)] += 1
    return None if path else found


@given(HTML)
def test_a_translation_that_changes_nothing_changes_nothing(source: str) -> None:
    read = HtmlText.read(source)
    same = [Answer(text, [(place, place) for place in range(len(text.split()))]) for text in read.sentences]
    written = read.fill(same)
    assert shown(written) == shown(source)
    assert Counter(tags(written)) == Counter(tags(source))


def shown(source: str) -> str:
    """The text without its spaces."""
    text = "".join(token.content for token in tokenize(source) if token.kind == "text")
    return "".join(unescape(text).split())


class Seen(HTMLParser):
    """What a parser that is not ours sees."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags = Counter[str]()
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags[tag] += 1


def translated(source: str, *sentences: tuple[str, str, str]) -> str:
    """HTML with these sentences, translations, and links written as 0-1 2-0."""
    read = HtmlText.read(source)
    assert read.sentences == [sentence for sentence, _, _ in sentences]
    answers = [Answer(text, [(int(link[0]), int(link[2])) for link in links.split()]) for _, text, links in sentences]
    return read.fill(answers)


@pytest.mark.parametrize(
    ("source", "sentences", "written"),
    [
        ("<p>Das <b>rote</b> Haus.</p>", [("Das rote Haus.", "The house red.", "0-0 1-2 2-1")],
         "<p>The house <b>red</b>.</p>"),
        ("<b>Haus</b>, <i>Hof</i>", [("Haus, Hof", "yard, house", "0-1 1-0")], "<i>yard</i>, <b>house</b>"),
        ("a <b>b <i>c</i></b> d", [("a b c d", "A C B D", "0-0 1-2 2-1 3-3")], "A <b><i>C</i> B</b> D"),
        ("a <img src=x> b", [("a  b", "B A", "0-1 1-0")], "<img src=x>B A"),
        ("a <b>b</b>", [("a b", "A", "0-0")], "A<b></b>"),
        ("<b>a", [("a", "A", "0-0")], "<b>A"),
        ("a<br>b", [("a", "A", ""), ("b", "B", "")], "A<br>B"),
        ("1 &lt; 2 &amp; <code>x < y</code> z", [("1 < 2 &", "<1>", "0-0"), ("z", "&amp;", "")],
         "&lt;1&gt; <code>x < y</code> &amp;amp;"),
        ("<script>var a = '<b>x';</script><style>b{}</style>a", [("a", "A", "")],
         "<script>var a = '<b>x';</script><style>b{}</style>A"),
        ('<p translate="no">a</p><p class="x notranslate">b</p>c', [("c", "C", "")],
         '<p translate="no">a</p><p class="x notranslate">b</p>C'),
        ("<a title='>'>a</a> <!-- b -->", [("a", "A", "0-0")], "<a title='>'>A</a> <!-- b -->"),
        ("<b>Eins. Zwei</b> drei.", [("Eins.", "One.", "0-0"), ("Zwei drei.", "Two three.", "0-0 1-1")],
         "<b>One. Two</b> three."),
        ("<P>a</P><ul><li>b</li></ul>", [("a", "A", ""), ("b", "B", "")], "<P>A</P><ul><li>B</li></ul>"),
        ("<b>😀</b>", [], "<b>😀</b>"),
        ("<1a", [("<1a", "<script>", "")], "&lt;script&gt;"),
    ],
)  # fmt: skip
def test_tags_are_set_where_the_model_looked(source: str, sentences: list[Any], written: str) -> None:
    assert translated(source, *sentences) == written
    assert Seen(written).tags == Seen(source).tags


@pytest.mark.parametrize(
    "part",
    [
        "<a ",
        '<a "',
        "<a '",
        "<!--",
        "<!",
        "<?",
        "</",
        "<b>",
        "</b>",
        "<code>",
        "<b>x</b> ",
        "<b>x ",
        "&lt",
        "<script>",
        "<p class=",
    ],
)
def test_broken_html_takes_no_more_than_its_length(part: str) -> None:
    """As for sentences: the most of a file, at once."""
    source = part * (100_000 // len(part))
    read = HtmlText.read(source)
    if len(read.sentences) <= Limits().sentences:
        read.fill([Answer(text[:1000], []) for text in read.sentences])


def test_elements_may_be_nested_as_deep_as_a_request_is_long() -> None:
    source = "<b>" * 700 + "a" + "</b>" * 700
    assert translated(source, ("a", "A", "0-0")) == source.replace("a", "A")


# ---------------------------------------------------------------------------------------------- languages and detection


def test_codes_have_any_case_and_a_region_where_the_language_alone_is_served() -> None:
    directions = Directions([Served("de", "en", 2), Served("zh-hans", "en", 4), Served("en", "de", 4)])
    assert directions.codes == ["de", "zh-hans", "en"]
    assert [directions.code(code) for code in ("DE", "en-US", "zh_Hans", " de ")] == ["de", "en", "zh-hans", "de"]
    for code in ("zz", "zh", "auto", "", "x" * 999):
        with pytest.raises(Refusal, match="is not supported") as refused:
            directions.code(code)
        assert len(refused.value.text) < 99
    assert directions.find("en", "de").alternatives == 4
    with pytest.raises(Refusal, match=r"German \(de\) to Chinese \(zh-hans\) is not available"):
        directions.find("de", "zh-hans")
    assert directions.listing()[1] == {"code": "zh-hans", "name": "Chinese", "targets": ["en"]}


@pytest.mark.parametrize("given_", ["de", "de-de", "de-en,", "de-en,en-de", "d e-en", "-en", "de:en:fr", "ä-en"])
def test_bad_pairs_are_refused(given_: str) -> None:
    with pytest.raises(InputError, match=r"^--pairs"):
        read_pairs(given_, ["model"])


def test_pairs_name_the_languages_of_models() -> None:
    assert read_pairs("DE-en,zh_hans:en", ["a", "b"]) == [[Direction("de", "en")], [Direction("zh-hans", "en")]]
    assert read_pairs("de-en=<2EN>+de-fr=<2fr>,en-de", ["a", "b"]) == [
        [Direction("de", "en", "<2EN>"), Direction("de", "fr", "<2fr>")],
        [Direction("en", "de")],
    ]
    assert read_pairs(None, ["a", "b"]) == [None, None]
    with pytest.raises(InputError, match="a and b both translate de to en"):
        check_pairs([[Direction("de", "en")], [Direction("de", "en")]], ["a", "b"])
    with pytest.raises(InputError, match="a: twice de to en; serve one"):
        check_pairs([[Direction("de", "en"), Direction("de", "en", "<x>")]], ["a"])
    for pair in (("auto", "en"), ("de", "de")):
        with pytest.raises(InputError, match="name its languages with --pairs"):
            check_pairs([[Direction(*pair)]], ["a"])


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(["de", "en", "zh", "source"])


def test_languages_are_told_apart(detector: Detector) -> None:
    texts = {"de": "Der Hund schläft heute nicht.", "en": "The dog does not sleep today.", "zh": "狗今天不睡觉。"}
    for code, text in texts.items():
        found = detector.detect(text)
        assert found[0][0] == code
        assert [confidence for _, confidence in found] == sorted((c for _, c in found), reverse=True)
        assert 50 < found[0][1] <= 100
        assert ("source", 0.0) in found
    assert detector.detect("Le chien ne dort pas aujourd'hui.")[0][1] < 10  # a language that is not served
    assert detector.detect("😀 ...") == [("de", 0.0)]


def test_what_a_detector_is_asked_leaves_no_trace_in_its_next_answer(detector: Detector) -> None:
    first = detector.detect("Der Hund schläft.")
    detector.detect("The dog sleeps." * 1000)
    assert detector.detect("Der Hund schläft.") == first


# ----------------------------------------------------------------------------------------------------- files, counters


def test_files_are_kept_for_a_while_and_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "MOST_BYTES", 10)
    now = [0.0]
    files = StoredFiles(lambda: now[0])
    keys = [files.put("a.txt", b"12345") for _ in range(3)]
    assert len({*keys}) == 3
    assert [files.get(key) for key in keys] == [None, b"12345", b"12345"]
    now[0] = stored_files.SECONDS + 1
    assert files.get(keys[1]) is None
    assert files.get(files.put("b.txt", b"x" * 99)) == b"x" * 99


@given(st.text(max_size=40))
def test_a_name_is_safe_whatever_it_was(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", safe)
    assert ".." not in safe_name("../../etc/passwd")
    assert extension("A.B.TXT") == ".txt"
    assert extension("txt") == ""


def test_counters_are_what_prometheus_reads() -> None:
    counters = Counters()
    for seconds in (0.001, 0.2, 99.0):
        counters.count("/translate", 200, seconds)
    counters.count("/translate", 503, 0.0)
    text = counters.text({"seq2seq_models": ("gauge", "Models.", 2)})
    assert 'seq2seq_requests_total{endpoint="/translate",status="200"} 3\n' in text
    assert 'seq2seq_request_seconds_bucket{endpoint="/translate",le="0.25"} 3\n' in text
    assert 'seq2seq_request_seconds_bucket{endpoint="/translate",le="+Inf"} 4\n' in text
    assert 'seq2seq_request_seconds_sum{endpoint="/translate"} 99.201000\n' in text
    assert "# TYPE seq2seq_models gauge\nseq2seq_models 2\n" in text
    line = r"# (HELP \w+ .+|TYPE \w+ (counter|gauge|histogram))|\w+(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? [\d.e+-]+"
    assert all(re.fullmatch(line, each) for each in text.rstrip("\n").split("\n"))
    assert sorted(BUCKETS) == list(BUCKETS)


def refusal(limits: Limits, texts: Sequence[str]) -> str:
    with pytest.raises(Refusal) as refused:
        limits.check_texts(texts)
    assert refused.value.status == 400
    return refused.value.text


def test_limits_of_texts() -> None:
    limits = Limits(characters=10, texts=2, sentences=3)
    limits.check_texts(["12345", "67890"])
    assert "11 characters; at most 10" in refusal(limits, ["12345", "678901"])
    assert "3 texts; at most 2" in refusal(limits, ["a", "b", "c"])
    assert "NUL" in refusal(limits, ["a\0"])
    assert "surrogate" in refusal(limits, ["\ud800"])
    limits.check_sentences(3)
    with pytest.raises(Refusal, match="at most 3"):
        limits.check_sentences(4)
    limits.check_file("x" * 200)
    with pytest.raises(Refusal, match="at most 200"):
        limits.check_file("x" * 201)
