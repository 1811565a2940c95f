"""The translation of a document's entries, sentence by sentence, with their placeholders intact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from seq2seq.bulk.documents import Entry
from seq2seq.text.sentences import cut_sentences, space_after
from seq2seq.text.words import Span

if TYPE_CHECKING:
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.placeholders import ProtectedTranslation


class Done(NamedTuple):
    """An entry that was filled in. problems: sentences for people. parts: what it was translated from and to."""

    entry: Entry
    problems: list[str]
    parts: list[ProtectedTranslation]


class _Sentence(NamedTuple):
    """A sentence of an entry. kept: the spans of its placeholders, and whether each is one of the entry's tags."""

    span: Span
    kept: list[tuple[Span, bool]]


def translate_entries(engine: Any, entries: Sequence[Entry], size: int, search: SearchKeywords) -> Iterator[Done]:
    """Translate the entries, about `size` sentences at a time, and fill them in; yield each when it is done."""
    from seq2seq.translation.placeholders import translate_protected

    waiting = iter(entries)
    while taken := list(islice(waiting, size)):
        cut = [_sentences(entry, engine) for entry in taken]
        texts = [
            entry.text[one.span[0] : one.span[1]] for entry, several in zip(taken, cut, strict=True) for one in several
        ]
        spans = [[_moved(kept, -one.span[0]) for kept, _ in one.kept] for several in cut for one in several]
        answers = iter(translate_protected(engine, texts, spans, **search))
        for entry, several in zip(taken, cut, strict=True):
            yield _fill(entry, several, list(islice(answers, len(several))))


def _sentences(entry: Entry, engine: Any) -> list[_Sentence]:
    from seq2seq.translation.placeholders import find_placeholders

    kept, done = list[tuple[Span, bool]](), 0
    for tag in [*entry.tags, (len(entry.text),) * 2]:
        between = find_placeholders(entry.text[done : tag[0]], engine.tokenizers.source)
        kept += [(_moved(span, done), False) for span in between]
        kept += [(tag, True)] if tag[0] < tag[1] else []
        done = tag[1]
    sentences = cut_sentences(entry.text, [span for span, _ in kept])
    return [_Sentence(span, [each for each in kept if span[0] <= each[0][0] < span[1]]) for span in sentences]


def _moved(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by


def _fill(entry: Entry, sentences: Sequence[_Sentence], answers: list[ProtectedTranslation]) -> Done:
    """Fill in the sentences' translations, with the space between them as it was, or one where they would touch."""
    text, tags, done, problems = "", list[Span](), 0, list[str]()
    for sentence, answer in zip(sentences, answers, strict=True):
        text += entry.text[done : sentence.span[0]]
        text += space_after(text) if done else ""
        tags += [
            _moved(span, len(text)) for span, (_, is_tag) in zip(answer.spans, sentence.kept, strict=True) if is_tag
        ]
        text += answer.text
        done = sentence.span[1]
        problems += answer.problems
        if answer.translation is not None and answer.translation.truncated:
            read = f"{len(answer.translation.source_pieces) - bool(answer.translation.tag):,} pieces"
            problems.append(f"too long, only its first {read} were translated (--max-source-length)")
    if not entry.fill(text + entry.text[done:], tags):
        problems.append("its tags would not nest, and are left out of the translation")
    return Done(entry, problems, answers)
