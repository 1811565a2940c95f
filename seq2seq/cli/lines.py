"""Translation of lines: from or to a pipe, from file to file, and in the processes that torchrun started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from seq2seq.bulk.chunks import Chunks
from seq2seq.bulk.constraints import TermCounter, UnmetCounter
from seq2seq.bulk.cut import CutCounter
from seq2seq.bulk.job import ChunkResult, Job
from seq2seq.bulk.streams import STANDARD, count_lines, open_input, open_output, resolve_output
from seq2seq.bulk.unknown import UnknownCounter
from seq2seq.cli.display.console import is_main_process, say
from seq2seq.cli.display.training import progress_over
from seq2seq.processes.signals import raise_on_sigterm

if TYPE_CHECKING:
    from seq2seq.bulk.unfinished_output import Journal
    from seq2seq.bulk.workers import Executor


def translate_stream(job: Job, output: str, workers: int | None) -> None:
    """Translate from or to a pipe, which cannot be read or written a second time."""
    from seq2seq.bulk.workers import open_executor

    with open_input(job.source) as lines, open_output(output) as write, open_executor(job, workers) as team:
        if job.source == STANDARD and sys.stdin.isatty():
            say("reading from the terminal, one sentence a line; Ctrl-D ends")
        _translate(job, output, team, job.chunks(lines), lambda result: write(result.text))


def translate_file(job: Job, output: str, workers: int | None, *, resume: bool) -> None:
    """Translate from file to file; what is done survives whatever ends this process."""
    from seq2seq.bulk.unfinished_output import open_unfinished_output
    from seq2seq.bulk.workers import open_executor

    target = resolve_output(output)
    with (
        open_input(job.source) as lines,
        raise_on_sigterm(),
        open_unfinished_output(target, output, say) as held,
        open_executor(job, workers) as team,
    ):
        held.begin(team.identity(), resume=resume)
        _translate(job, output, team, _skip_done(held.journal, job.chunks(lines)), held.commit)


def translate_distributed(job: Job, output: str, *, resume: bool) -> None:
    """Translate from file to file in the processes that torchrun started: all translate, only the first one writes."""
    from seq2seq.bulk.unfinished_output import UnfinishedOutput, open_unfinished_output
    from seq2seq.bulk.workers import open_distributed

    target = resolve_output(output)
    with open_input(job.source) as lines, raise_on_sigterm(), open_distributed(job, say) as team, ExitStack() as stack:
        on_first, identity, parts = team.processes.on_first, team.identity(), list[UnfinishedOutput]()

        def begin() -> Journal:
            parts.append(stack.enter_context(open_unfinished_output(target, output, say)))
            parts[0].begin(identity, resume=resume)
            return parts[0].journal

        chunks = _skip_done(on_first(begin), job.chunks(lines))
        _translate(job, output, team, chunks, lambda result: on_first(lambda: parts[0].commit(result)))


def _skip_done(journal: Journal, chunks: Chunks) -> Chunks:
    """Skip what a stopped run has translated, and return the rest."""
    chunks.skip(journal.lines, journal.source_sha256)
    if journal.lines and is_main_process():
        say(f"going on after line {journal.lines:,}")
    return chunks


def _translate(job: Job, output: str, team: Executor, chunks: Chunks, write: Callable[[ChunkResult], None]) -> None:
    unknown, cut, terms, unmet = UnknownCounter(), CutCounter(), TermCounter(), UnmetCounter()
    with progress_over(lambda: _length(job.source, output)) as report:
        for result in team.results(chunks):
            unknown.merge(result.unknown)
            cut.merge(result.cut)
            terms.merge(result.terms)
            unmet.merge(result.unmet)
            say(*(f"warning: {note}" for note in result.notes if is_main_process()))
            write(result)
            report(result.end)
    counts = (unknown, unknown.count), (cut, cut.lines), (unmet, unmet.lines)
    found = [f"warning: {each.describe(job.name)}" for each, any_ in counts if any_]
    found += [] if job.glossary is None else [terms.describe(job.glossary.name)]
    say(*(each for each in found if is_main_process()))


def _length(source: str, output: str) -> int | None:
    """Return the number of lines to translate, for a progress bar; None if translations on the same terminal already
    show the progress.
    """
    if not is_main_process():
        return None
    return None if output == "-" and sys.stdout.isatty() else count_lines(source)
