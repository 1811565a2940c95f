"""HTML as text to translate and tags to keep: every tag of the source is in the translation, once and nested as before.

Text between two block elements is translated as a whole, with the sentences of its paragraph uncut, and the tags within
it (links, bold words) are set around the target words that the model's attention links to the words they were around.

Documents have another way (text/markup.py, translation/placing.py): there, tags of a sentence need not pair, keep the
order of the source, and stand in gaps between words. Here they are elements with words of their own, which may change
places with the words, and may go on over several sentences.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from seq2seq.text.sentences import cut_sentences, has_words, join
from seq2seq.text.words import Span, split_words

INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "data", "del", "dfn", "em", "font", "i", "ins",
    "label", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
))  # fmt: skip
VOID_INLINE = frozenset(("img", "wbr"))
VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
))  # fmt: skip
# Kept with all that is in them; of the RAW ones, only their own end tag is a tag.
KEPT = frozenset(("code", "kbd", "math", "pre", "samp", "script", "style", "svg", "template", "textarea", "var"))
RAW = frozenset(("script", "style", "textarea"))

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>\x00]*+)(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")
_NOT_TRANSLATED = re.compile(
    r"\btranslate\s*=\s*[\"']?no\b|\bclass\s*=\s*(?:\"[^\"]*\bnotranslate\b|'[^']*\bnotranslate\b|notranslate\b)",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\n\r\f\v\x1c-\x1f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of the source: "text", "open", "close", or "raw", which is a comment or anything else to keep."""

    kind: str
    content: str
    name: str = ""


def tokenize(source: str) -> list[Token]:
    """Cut HTML into tokens, whose contents together are the source.

    What begins like a tag or comment and never ends is raw up to the end, as browsers have it. Takes time in proportion
    to the length of the source, whatever is in it.
    """
    tokens, place = list[Token](), 0
    while place < len(source):
        start = source.find("<", place)
        start = len(source) if start < 0 else start
        found = _token(source, start) if start < len(source) else None
        if found is None:  # a sign of its own, or the end
            start = min(start + 1, len(source))
            tokens.append(Token("text", source[place:start]))
        else:
            if place < start:
                tokens.append(Token("text", source[place:start]))
            tokens.append(found)
            start += len(found.content)
            if found.kind == "open" and found.name in RAW:
                end = re.compile(rf"</{found.name}(?=[\s/>])", re.IGNORECASE).search(source, start)
                until = end.start() if end else len(source)
                if start < until:
                    tokens.append(Token("raw", source[start:until]))
                start = until
        place = start
    return tokens


def _token(source: str, start: int) -> Token | None:
    """Return the token that begins with the < at a place; None where that is only a sign."""
    if source.startswith("<!--", start):
        end = source.find("-->", start + 4)
        return Token("raw", source[start : end + 3 if end >= 0 else len(source)])
    if source.startswith(("<!", "<?"), start):
        end = source.find(">", start)
        return Token("raw", source[start : end + 1 if end >= 0 else len(source)])
    follows = source[start + 1 : start + 3]
    if not re.match(r"/?[a-zA-Z]", follows):
        return None
    if (tag := _TAG.match(source, start)) is None:
        return Token("raw", source[start:])
    return Token("close" if tag[1] else "open", tag[0], tag[2].lower())


def tags(source: str) -> list[str]:
    """Return all tags, comments and other raw parts of HTML, in order."""
    return [token.content for token in tokenize(source) if token.kind != "text"]


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(slots=True)
class _Element:
    """A tag, or a pair of tags, within a text. start, end: what is in it. parent: the element that it is in, or -1."""

    opening: str
    parent: int
    start: int
    end: int = -1
    closing: str = ""


@dataclass(slots=True)
class _Segment:
    """A text between two borders, its elements in the order in which they open, and its sentences."""

    text: str
    elements: list[_Element]
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a sentence: its translation, and the links of words (source, target), counted from 0 in each."""

    text: str
    links: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class HtmlText:
    """HTML as parts: those that are kept, and segments whose sentences are translated."""

    parts: list[str | _Segment]

    @classmethod
    def read(cls, source: str) -> HtmlText:
        """Cut HTML into what is kept and what is translated."""
        parts, run = list[str | _Segment](), list[Token]()
        tokens = tokenize(source)
        kept_until, ends = -1, _matching_ends(tokens)
        for place, token in enumerate(tokens):
            if place <= kept_until:
                parts.append(token.content)
            elif token.kind == "open" and _is_kept(token) and place in ends:
                parts += [*_segments(run), token.content]
                run, kept_until = [], ends[place]
            elif token.kind in ("text", "raw") or token.name in INLINE | VOID_INLINE:
                run.append(token)
            else:
                parts += [*_segments(run), token.content]
                run = []
        return cls([*parts, *_segments(run)])

    @property
    def sentences(self) -> list[str]:
        """The sentences, in order."""
        return [each.text[i:j] for each in self.parts if isinstance(each, _Segment) for i, j in each.spans]

    def fill(self, answers: Sequence[Answer]) -> str:
        """Return the HTML with a translation in place of each sentence."""
        written, done = list[str](), 0
        for part in self.parts:
            if isinstance(part, _Segment):
                written.append(_write(part, answers[done : done + len(part.spans)]))
                done += len(part.spans)
            else:
                written.append(part)
        return "".join(written)


def _is_kept(token: Token) -> bool:
    return token.name in KEPT or _NOT_TRANSLATED.search(token.content) is not None


def _matching_ends(tokens: Sequence[Token]) -> dict[int, int]:
    """Return the place of the closing tag of each opening tag that has one, by name alone."""
    ends, waiting = dict[int, int](), defaultdict[str, list[int]](list)
    for place, token in enumerate(tokens):
        if token.kind == "open" and token.name not in VOID:
            waiting[token.name].append(place)
        elif token.kind == "close" and waiting[token.name]:
            ends[waiting[token.name].pop()] = place
    return ends


def _segments(run: Sequence[Token]) -> Iterator[str | _Segment]:
    """Yield the parts of a run of text and inline tags: one segment, or one for each text where tags do not pair."""
    if not any(map(_has_words, run)):
        yield from map(_kept, run)
    elif _pairs(run):
        yield _segment(run)
    else:
        yield from (_segment([token]) if _has_words(token) else _kept(token) for token in run)


def _has_words(token: Token) -> bool:
    return token.kind == "text" and has_words(html.unescape(token.content))


def _kept(token: Token) -> str:
    """Return a token as it is, but a < that is only a sign in a form that no translation behind it makes a tag."""
    return token.content.replace("<", "&lt;") if token.kind == "text" else token.content


def _pairs(run: Iterable[Token]) -> bool:
    """Return whether each opening tag has its closing tag, well nested."""
    names = list[str]()
    for token in run:
        if token.kind == "open" and token.name in INLINE:
            names.append(token.name)
        elif token.kind == "close" and (not names or names.pop() != token.name):
            return False
    return not names


def _segment(run: Sequence[Token]) -> _Segment:
    texts, length, elements, path = list[str](), 0, list[_Element](), list[int]()
    for token in run:
        if token.kind == "text":
            texts.append(_SPACES.sub(" ", html.unescape(token.content).replace("\0", "\ufffd")))
            length += len(texts[-1])
        elif token.kind == "close":
            element = elements[path.pop()]
            element.end, element.closing = length, token.content
        else:
            elements.append(_Element(token.content, path[-1] if path else -1, length, length))
            if token.kind == "open" and token.name in INLINE:
                path.append(len(elements) - 1)
    segment = _Segment("".join(texts), elements)
    segment.spans = [(i, j) for i, j in cut_sentences(segment.text) if has_words(segment.text[i:j])]
    return segment


# ------------------------------------------------------------------------------------------------------------- writing


def _write(segment: _Segment, answers: Sequence[Answer]) -> str:
    """Return the HTML of a segment's translation."""
    parts, places, done = list[str](), list[int](), 0
    for (begin, end), answer in zip(segment.spans, answers, strict=True):
        places.append(len(parts) + 1)
        parts += [segment.text[done:begin], answer.text]
        done = end
    parts = join([*parts, segment.text[done:]], places)
    text, offset = "".join(parts), 0
    words, spans, links = list[Span](), list[Span](), list[tuple[int, int]]()
    for place, part in enumerate(parts):
        if place % 2:  # a translation; the others stand between two
            (begin, end), answer = segment.spans[place // 2], answers[place // 2]
            links += [(len(words) + source, len(spans) + target) for source, target in answer.links]
            words += [(i + begin, j + begin) for i, j in split_words(segment.text[begin:end]).spans]
            spans += [(i + offset, j + offset) for i, j in split_words(part).spans]
        offset += len(part)
    return _Placement(segment, words, text, spans, links).write()


class _Placement:
    """The spans of a segment's elements in its translation."""

    def __init__(
        self, segment: _Segment, words: list[Span], text: str, spans: list[Span], links: list[tuple[int, int]]
    ) -> None:
        self._segment, self._text = segment, text
        self._begins, self._ends = [begin for begin, _ in words], [end for _, end in words]
        # From the first to the last target word of each source word, or nothing: from the end to the beginning.
        self._first = np.full(len(words), len(text))
        self._last = np.zeros(len(words), dtype=int)
        for source, target in links:
            begin, end = spans[target]
            self._first[source] = min(self._first[source], begin)
            self._last[source] = max(self._last[source], end)
        # Of the first linked word at or behind each, and behind the last.
        self._following = [len(text)]
        for begin, end in zip(self._first[::-1].tolist(), self._last[::-1].tolist(), strict=True):
            self._following.append(begin if begin < end else self._following[-1])
        self._following.reverse()

    def write(self) -> str:
        """Return the translation with all tags, escaped."""
        children = defaultdict[int, list[int]](list)  # -1: those in no other
        for number, element in enumerate(self._segment.elements):
            children[element.parent].append(number)
        written, place = list[str](), 0
        stack = [(-1, (0, len(self._text)), self._arrange(children[-1], (0, len(self._text))))]
        while stack:
            number, (_, end), inner = stack[-1]
            if (following := next(inner, None)) is None:
                written.append(html.escape(self._text[place:end], quote=False))
                place = end
                written.append("" if number < 0 else self._segment.elements[number].closing)
                stack.pop()
                continue
            child, span = following
            written += [html.escape(self._text[place : span[0]], quote=False), self._segment.elements[child].opening]
            place = span[0]
            stack.append((child, span, self._arrange(children[child], span)))
        return "".join(written)

    def _arrange(self, numbers: Sequence[int], within: Span) -> Iterator[tuple[int, Span]]:
        """Yield elements of one parent in the order of the translation, with spans that do not overlap."""
        found = sorted((self._span(self._segment.elements[number]), number) for number in numbers)
        place = within[0]
        for (begin, end), number in found:
            begin = min(max(begin, place), within[1])
            end = min(max(end, begin), within[1])
            yield number, (begin, end)
            place = end

    def _span(self, element: _Element) -> Span:
        """Return where an element belongs: around the target words of its own words, or before those of the next."""
        first = bisect_right(self._ends, element.start)
        behind = bisect_left(self._begins, element.end)
        if element.start == element.end or first >= behind:
            return (self._following[first],) * 2
        begin, end = int(self._first[first:behind].min()), int(self._last[first:behind].max())
        if begin >= end:  # no target word is linked to any of its words
            return (self._following[first],) * 2
        return self._without_marks(element, begin, end)

    def _without_marks(self, element: _Element, begin: int, end: int) -> Span:
        """Leave out marks at the ends of a span where the source has none there: <b>Haus</b>, is no <b>house,</b>."""
        source = self._segment.text[element.start : element.end].strip()
        left, right = begin, end
        while source[-1:].isalnum() and right > left and not self._text[right - 1].isalnum():
            right -= 1
        while source[:1].isalnum() and left < right and not self._text[left].isalnum():
            left += 1
        return (left, right) if left < right else (begin, end)
