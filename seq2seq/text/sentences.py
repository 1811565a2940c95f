"""Sentences of a text of several, by their ends, since a model translates one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seq2seq.text.words import Span

_ENDS = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s+[\"'„“«(\[¿¡]*[^\W\d_a-zß-öø-ÿ])|[。！？]+[”’」』）]*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'„“])(?:\w|\d+|[A-Z]\w?r|Mrs|Prof|Nr|No|St|vs|etc|usw|bzw|ca|vgl|(?:\w\.)+\w)\.$"
)


def cut_sentences(text: str, whole: Sequence[Span] = ()) -> Iterator[Span]:
    """Yield the span of each sentence, without the space around it; a line break always ends one.

    whole: spans within which no sentence ends, such as those of URLs.
    """
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        ends = [match.end() for match in _ENDS.finditer(text, line.start(), line.end())]
        for end in [*ends, line.end()]:
            inside = any(one < end < other for one, other in whole)
            if end < line.end() and (inside or _ABBREVIATION.search(text[start:end])):
                continue
            stretch = text[start:end]
            if stretch.strip():
                yield start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())
            start = end
