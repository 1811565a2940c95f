"""The translation of a document by `seq2seq translate --document`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seq2seq.bulk import engines
from seq2seq.bulk.cut import CutCounter
from seq2seq.bulk.streams import STANDARD, open_output
from seq2seq.bulk.unknown import UnknownCounter
from seq2seq.cli.display.console import say
from seq2seq.cli.display.training import progress_over
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.translation.options import SearchKeywords


def refuse_options_of_lines(given: Mapping[str, Any]) -> None:
    """Raise InputError for the first option that is given, all of which are for lines and not for a document."""
    for option, value in given.items():
        if value:
            raise InputError(f"{option} has no effect with --document, which gives back the document; leave it out")


def translate_document(
    models: list[str],
    name: str,
    output: str,
    search: SearchKeywords,
    *,
    retranslate: bool,
    device: str,
    threads: int | None,
) -> None:
    """Write the document `name` to `output` with its translations filled in, and say what was done."""
    from seq2seq.bulk.documents import MARKED, open_document
    from seq2seq.bulk.entries import translate_entries
    from seq2seq.translation.placing import UNKNOWN

    if name == STANDARD:
        raise InputError(
            "--document takes a file, whose name says what it is; lines come from standard input as they are"
        )
    engine = engines.load_engine(models, device, threads)
    data = engine.config.data
    document = open_document(name, data.target_language, retranslate=retranslate)
    if retranslate and document.kind not in MARKED:
        raise InputError("--retranslate has no effect on plain text, which has no translations; leave it out")
    notes = [
        f"warning: {name}: {note}" for note in document.language_notes((data.source_language, data.target_language))
    ]
    say(*notes)
    unknown, cut, size = UnknownCounter(), CutCounter(), engines.chunk_size(search)
    with open_output(output) as write, progress_over(lambda: len(document.entries)) as report:
        for number, done in enumerate(translate_entries(engine, document.entries, size, search), start=1):
            say(*(f"warning: {name}:{done.entry.line}: {problem}" for problem in done.problems))
            for part in done.parts:
                if part.translation is not None:
                    if UNKNOWN not in part.translation.source:  # else it would be counted as the text's
                        unknown.update(part.translation, engine.tokenizers.source)
                    cut.update(done.entry.line, [part.translation])
            report(number)
        write(document.content())
    found = [each.describe(name) for each, any_ in ((unknown, unknown.count), (cut, cut.lines)) if any_]
    say(*(f"warning: {each}" for each in found))
    if document.kind in MARKED:
        count, left = f"{len(document.entries):,}", f"{document.left:,}"
        say(f"{name}: texts translated, and marked {MARKED[document.kind]}: {count}; entries left as they were: {left}")
