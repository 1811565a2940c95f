"""Reading of a whole training text, for commands that learn something of it beside a model."""

from __future__ import annotations

from collections.abc import Callable

from seq2seq.bulk import engines
from seq2seq.bulk.line_pairs import iter_aligned
from seq2seq.bulk.streams import count_lines, open_input
from seq2seq.cli.display.training import progress_over


def read_training_text(source: str, target: str, learn: Callable[[list[str], list[str]], None]) -> None:
    """Give the pairs of two aligned files to `learn`, a few batches at a time, under a progress bar.

    Raises InputError for files that cannot be read or are not aligned.
    """
    done = 0
    with (
        open_input(source) as sources,
        open_input(target) as targets,
        progress_over(lambda: count_lines(source)) as progress,
    ):
        for rows in iter_aligned(8 * engines.BATCH_SIZE, sources, targets):
            learn([row[0] for row in rows], [row[1] for row in rows])
            done += len(rows)
            progress(done)
