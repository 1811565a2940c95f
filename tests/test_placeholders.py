"""Placeholders stay intact: each is found, cut out, and put back once, where the attention says that it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_translator import tiny

from seq2seq.config import SearchConfig, TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.special_tokens import EOS
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from seq2seq.text.words import split_words, word_owners, word_shares
from seq2seq.translation.options import SearchKeywords, SearchOptions
from seq2seq.translation.placeholders import find_placeholders, find_stand_in, translate_protected
from seq2seq.translation.placing import UNKNOWN, choose_gaps
from seq2seq.translation.translation import Outcome, Translation, read_sources, write_translation
from seq2seq.translation.translator import Translator

FOUND = {  # text -> its placeholders
    "%s, %(name)d und %1$s: %-5.2f, %*d, %lu %i": ["%s", "%(name)d", "%1$s", "%-5.2f", "%*d", "%lu", "%i"],
    "%1 von %L2, %n Hunde": ["%1", "%L2", "%n"],
    "100%ig, 5% der Hunde, 50 % so, %% ist": ["%%"],
    "{0} {name} {} {{user}} ${x} %{count} {a.b[0]!r:>9}": [
        "{0}", "{name}", "{}", "{{user}}", "${x}", "%{count}", "{a.b[0]!r:>9}"],
    "{so nicht} {": [],
    '<b class="x">fett</b><br/>, a < b > c, </xs:y><!-- <b> -->': ['<b class="x">', "</b>", "<br/>", "</xs:y>",
                                                                     "<!-- <b> -->"],
    "Tom &amp; Eva&#160;&#xA0; R&D; A & B;": ["&amp;", "&#160;", "&#xA0;", "&D;"],
    "Siehe https://x.org/a?b=c&d=%s, (www.x.de).": ["https://x.org/a?b=c&d=%s", "www.x.de"],
    "An a.b+c@d-e.org.": ["a.b+c@d-e.org"],
    '<a href="https://x.org">hier</a>': ['<a href="https://x.org">', "</a>"],
    "Am 24. Dezember 1.999,50": [],
}  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_placeholders_are_found(text: str) -> None:
    assert [text[start:end] for start, end in find_placeholders(text)] == FOUND[text]


GERMAN = "ich sehe den grossen Hund und die kleine Katze heute hier . , ! ? : 0123456789"
ENGLISH = "i see the big dog and the small cat today here . , ! ? : 0123456789"
WORDS = dict(
    zip(re.findall(r"\w+|[^\w\s]", GERMAN), re.findall(r"\w+|[^\w\s]", ENGLISH), strict=True)  # a dictionary
)


TAG = "<2en>"


@cache
def tokenizer(text: str, kind: Any = "char") -> Tokenizer:
    return Tokenizer.train([text, "ä"], TokenizerConfig(kind=kind, vocabulary_size=200, symbols=[TAG]))


class Dictionary:
    """Translates word by word, forwards or backwards, and looks at the word that it translates.

    Words that it does not know it copies. thing: what it writes for an unknown character. most: the longest
    translation, in pieces.
    """

    def __init__(
        self, *, backwards: bool = False, thing: str = "", known: str = "", most: int = 999, kind: str = "char"
    ) -> None:
        self.words = WORDS | {UNKNOWN: thing}
        self.tokenizers = TokenizerPair(tokenizer(GERMAN + known, kind), tokenizer(ENGLISH + known, kind), joint=False)
        self.backwards, self.most, self.asked = backwards, most, list[str]()
        texts = [SimpleNamespace(tag=None), SimpleNamespace(tag=TAG)]
        self.config = SimpleNamespace(data=SimpleNamespace(texts=texts, tags=[TAG]))

    def translate(self, texts: Iterable[str], **options: Any) -> list[Translation]:
        texts = list(texts)
        self.asked += texts
        sources = read_sources([cast(Any, self)], texts, SearchOptions.of(SearchConfig(), options))
        return [self._translate(source) for source in sources]

    def _translate(self, source: Any) -> Translation:
        words = list(re.finditer(r"\w+|[^\w\s]", source.text))
        order = [number for number, word in enumerate(words) if word[0].isalnum()]
        order = order[::-1] if self.backwards else order
        places = iter(order)
        order = [next(places) if word[0].isalnum() else number for number, word in enumerate(words)]
        text, owners = "", list[tuple[int, int, int]]()
        for number in order:
            written = self.words.get(words[number][0], words[number][0])
            if not written:
                continue
            text += " " if text and written[0].isalnum() else ""
            owners.append((len(text), len(text) + len(written), number))
            text += written
        tokens = self.tokenizers.target.encode(text)[: self.most]
        finished = len(self.tokenizers.target.encode(text)) <= self.most
        text, spans = self.tokenizers.target.decode_spans(tokens)
        weights = np.zeros((len(tokens) + finished, len(source.ids) + 1), dtype=np.float32)
        reads = word_owners(word_shares(source.spans, [word.span() for word in words]))
        for row, (start, end) in enumerate(spans):
            number = next((each for one, other, each in owners if one <= (start + end) / 2 <= other), -1)
            row_weights = np.array([owner == number for owner in reads], dtype=np.float32)
            weights[row, source.tag : -1] = row_weights / max(row_weights.sum(), 1)
        if finished:
            weights[-1, -1] = 1
        return write_translation(self.tokenizers, source, Outcome(tokens, -1.0, -1.0, weights, finished))


PLACED = {  # source -> the translation with the same order of words, and with the other
    "ich sehe %s": ("i see %s", "see i %s"),
    "%s sehe ich": ("%s see i", "%s i see"),
    "ich sehe den %s hier!": ("i see the %s here!", None),
    "ich sehe %s!": ("i see %s!", "see i %s!"),
    "sehe ich %(hund)s, {name}?": ("see i %(hund)s, {name}?", None),
    "ich sehe den <b>Hund</b> heute.": ("i see the <b>dog</b> today.", None),
    "<b>ich</b> sehe": ("<b>i</b> see", None),
    "ich <b><i>sehe</i></b> %s&nbsp;": ("i <b><i>see</i></b> %s&nbsp;", None),
    "<p>ich sehe</p>": ("<p>i see</p>", "<p>see i</p>"),
    "ich  sehe %s  hier": ("i see %s here", None),
    "ich sehe: https://x.org/ä.": ("i see: https://x.org/ä.", None),
    "ich sehe%s hier": ("i see%s here", None),
    "ich %ssehe hier": ("i %ssee here", None),
    "ich sehe<br/>hier": ("i see<br/>here", None),
    "ich%ssehe": ("i%ssee", None),
    "ich <b>sehe</b>, hier": ("i <b>see</b>, here", None),
    "%s": ("%s", "%s"),
    "%s: {0} ": ("%s: {0} ", "%s: {0} "),
    "": ("", ""),
    "ich": ("i", "i"),
    "   ": ("", ""),
}


@pytest.mark.parametrize("thing", ["", "dog"])
@pytest.mark.parametrize("source", PLACED)
def test_each_is_put_between_the_words_it_stood_between(source: str, thing: str) -> None:
    """Whether the model writes something for what it has not understood, or nothing."""
    for backwards, expected in zip((False, True), PLACED[source], strict=True):
        if expected is not None:
            (found,) = translate_protected(Dictionary(backwards=backwards, thing=thing), [source])
            assert (found.text, found.problems) == (expected, [])
            wanted = [source[start:end] for start, end in find_placeholders(source)]
            assert [found.text[start:end] for start, end in found.spans] == wanted


def test_the_model_never_reads_a_placeholder_that_it_cannot_spell() -> None:
    engine = Dictionary()
    translate_protected(engine, ["ich sehe %s und <b>ich</b>", "%s", "ich"])
    assert engine.asked == [f"ich sehe {UNKNOWN} und ich", "ich"]


def test_a_model_that_copies_them_does_so_itself() -> None:
    class Copying(Dictionary):
        def _translate(self, source: Any) -> Translation:
            found = super()._translate(source)
            object.__setattr__(found, "text", "today {0} see i")
            return found

    engine = Copying(known="{}")
    (found,) = translate_protected(engine, ["ich sehe {0} heute"])
    assert found.text == "today {0} see i"
    assert engine.asked == ["ich sehe {0} heute"]
    assert [found.text[start:end] for start, end in found.spans] == ["{0}"]


@pytest.mark.parametrize(
    "copied", ["i see", "i {0} see {0} {1}", "{0} i see", "{1} {0} {2}", "<b> %s %d </b>", "%d %s", "</b> <b>"]
)
def test_a_copy_that_lacks_one_or_has_too_many_is_not_taken(copied: str) -> None:
    """Nor one in another order, where the order counts."""
    source = {"%d": "ich %s sehe %d", "</": "ich <b>sehe</b>", "<b": "ich <b>%d %s</b>"}.get(
        copied[:2], "ich {0} sehe {1}"
    )

    class Copying(Dictionary):
        def _translate(self, source: Any) -> Translation:
            found = super()._translate(source)
            if any(sign in source.text for sign in "{%<"):
                object.__setattr__(found, "text", copied)
            return found

    (found,) = translate_protected(Copying(known="{}%sd<b>/ 012"), [source])
    assert found.text != copied
    assert [found.text[start:end] for start, end in found.spans] == [source[a:b] for a, b in find_placeholders(source)]


@pytest.mark.parametrize("source", [*PLACED, "ich sehe {0} und {name} heute"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", ["char", "word"])
def test_a_tag_before_the_text_moves_nothing(source: str, backwards: bool, kind: str) -> None:
    known = " Adele Berta Carla" if "{name}" in source else ""
    plain, tagged = (
        translate_protected(Dictionary(backwards=backwards, known=known, kind=kind), [source], **options)[0]
        for options in (SearchKeywords(), SearchKeywords(tag=TAG))
    )
    assert (plain.text, plain.spans, plain.problems) == (tagged.text, tagged.spans, tagged.problems)
    if tagged.translation is not None and tagged.translation.source_pieces:
        assert tagged.translation.source_pieces[0] == TAG


def test_a_stand_in_is_looked_for_under_the_tag() -> None:
    """A model of several directions may refuse to read anything without one."""
    engine = Dictionary(known=" Adele Berta Carla", kind="word", backwards=True)
    engine.config.data.texts = [SimpleNamespace(tag=TAG)]
    assert find_stand_in(engine, TAG) == "Adele"
    with pytest.raises(InputError, match="tag"):
        find_stand_in(engine)


def test_a_name_that_the_model_copies_stands_in_for_a_placeholder() -> None:
    """And moves with its words, where the order of the placeholders does not count."""
    names = " Adele Berta Carla"
    engine = Dictionary(known=names, kind="word", backwards=True)
    engine.words["Adele"] = "dog"
    assert find_stand_in(engine) == "Berta"
    assert find_stand_in(Dictionary(known=" adele", kind="word")) == UNKNOWN
    assert set(engine.asked) <= {"Adele", "Berta", "Carla", "The"}
    engine.asked.clear()
    (found,) = translate_protected(engine, ["ich sehe {0} und {name} heute"])
    assert (engine.asked, found.text) == (["ich sehe Berta und Berta heute"], "today {name} and {0} see i")
    assert [found.text[start:end] for start, end in found.spans] == ["{0}", "{name}"]
    engine.asked.clear()
    (found,) = translate_protected(engine, ["ich sehe %s und %d heute"])
    assert engine.asked == ["ich sehe Berta und Berta heute", "ich sehe und heute"]
    assert re.search("%s.*%d", found.text)  # values are filled in one after the other


def test_numbers_are_protected_from_a_vocabulary_that_cannot_spell_them() -> None:
    reader = tokenizer("ich sehe 1", "char")
    text = "ich 1 sehe 29.11. und %2$s"
    found = [text[start:end] for start, end in find_placeholders(text, reader)]
    assert found == ["29.11", "%2$s"]


def test_what_was_not_read_or_written_is_at_the_end_and_is_told() -> None:
    (found,) = translate_protected(Dictionary(most=6), ["ich sehe den Hund %s heute"])
    assert found.text == "i see %s"
    assert found.problems == ["the place of '%s' is unknown, for the translation was cut; it is at the end"]
    (found,) = translate_protected(Dictionary(), ["ich sehe %s heute {0} hier"], max_source_length=11)
    assert found.text == "i see %s to {0}" or found.text.endswith("{0}")
    assert found.problems == ["the place of '{0}' is unknown, for the translation was cut; it is at the end"]


def test_what_only_looks_like_one_of_the_sources_is_told() -> None:
    class Inventing(Dictionary):
        def _translate(self, source: Any) -> Translation:
            found = super()._translate(source)
            object.__setattr__(found, "text", found.text + " %d")
            return found

    (found,) = translate_protected(Inventing(), ["ich sehe %s"])
    assert found.problems == ["'%d' is in the translation and not in the source"]


def test_a_caller_says_what_is_kept() -> None:
    """As a page's tags are, or the name of a product."""
    engine = Dictionary()
    (found,) = translate_protected(engine, ["ich sehe den Hund heute"], [[(9, 17)]])
    assert (found.text, found.spans) == ("i see den Hund today", [(6, 14)])
    (found,) = translate_protected(engine, ["ich %s"], [[]])
    assert found.spans == []


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_later_cuts_get_later_gaps_and_every_placeholder_is_there_once(data: Any) -> None:
    """Whatever the attention, so that tags stay nested. The model is random, and so is its attention."""
    words = data.draw(st.lists(st.sampled_from([*WORDS][:11]), min_size=1, max_size=7))
    marks = data.draw(st.lists(st.sampled_from(["%s", "<b>", "</b>", "{0}", "https://x.org"]), max_size=4))
    places = sorted(data.draw(st.integers(0, len(words))) for _ in marks)
    for place, mark in zip(reversed(places), reversed(marks), strict=True):
        words.insert(place, mark)
    text = " ".join(words)
    (found,) = translate_protected(RANDOM, [text])
    kept = [text[start:end] for start, end in find_placeholders(text)]
    assert kept == marks
    assert [found.text[start:end] for start, end in found.spans] == marks
    assert found.spans == sorted(found.spans)
    again = [found.text[start:end] for start, end in find_placeholders(found.text)]
    assert again == marks


PAIR = TokenizerPair(tokenizer(GERMAN), tokenizer(ENGLISH), joint=False)
RANDOM = Translator([tiny(PAIR)])


def test_gaps_are_the_cheapest_by_hand() -> None:
    """Against a sum written out: attention after the cut for what is before the gap, and the other way round."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        (translation,) = Dictionary().translate(["ich sehe den Hund heute"])
        source = PAIR.source.encode_spans([translation.source])[0][1]
        target = PAIR.target.decode_spans(translation.tokens)[1]
        weights = generator.dirichlet(np.ones(len(source) + 1), size=len(target) + 1).astype(np.float32)
        given = np.asarray(weights[:-1, :-1], dtype=np.float64)
        for cut in (0, 3, 8, 12, 23):
            best = None
            starts = {start for start, _ in split_words(translation.text).spans} | {len(translation.text)}
            for index, (start, _) in enumerate([*target, (len(translation.text), 0)]):
                gap = start + (translation.text[start : start + 1] == " ")
                if gap not in starts:
                    continue
                cost = sum(
                    float(weights[row, column])
                    for row in range(len(target))
                    for column, read in enumerate(source)
                    if (sum(read) / 2 >= cut) == (row < index)
                )
                if best is None or cost < best[0] - 1e-7:
                    best = (cost, gap)
            assert best is not None
            assert choose_gaps(translation.text, given, source, target, [cut]) == [best[1]]


def test_chinese_has_gaps_between_its_characters() -> None:
    engine = Dictionary()
    reader, writer = tokenizer("ich sehe Hund heute"), tokenizer("我看见狗今天")
    engine.tokenizers = pair = TokenizerPair(reader, writer, joint=False)
    (source,) = read_sources([cast(Any, engine)], ["ich sehe heute"], SearchOptions.of(SearchConfig(), {}))
    tokens = writer.encode("我看见今天")
    weights = np.zeros((len(tokens) + 1, len(source.ids) + 1), dtype=np.float32)
    spans = writer.decode_spans(tokens)[1]
    for row, (start, _) in enumerate(spans):
        weights[row, 0 if start < 1 else 5 if start < 3 else 12] = 1
    weights[-1, -1] = 1
    found = write_translation(pair, source, Outcome(tokens, -1.0, -1.0, weights, True))
    assert found.tokens[-1] != EOS
    gaps = choose_gaps(found.text, found.weights[:-1, :-1].astype(float), source.spans, spans, [3, 8])
    assert [found.text[:gap] for gap in gaps] == ["我", "我看见"]
