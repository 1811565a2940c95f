"""A table of how well links agree with a human's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from seq2seq.cli.display.console import render

if TYPE_CHECKING:
    from seq2seq.metrics.links import AlignmentIntervals, AlignmentScores
    from seq2seq.text.word_links import Link
    from seq2seq.translation.aligner import AlignedPair

_MEASURES = {"aer": "AER", "precision": "precision", "recall": "recall", "f1": "F1"}


class Agreement:
    """Collects the links of pairs, read with each of `shifts`; the first of these is the one that is written.

    inverse: whether true links name the target word first.
    """

    def __init__(self, shifts: Sequence[int], *, inverse: bool = False) -> None:
        self._shifts, self._inverse = shifts, inverse
        self._sure: list[set[Link]] = []
        self._possible: list[set[Link]] = []
        self._found: dict[tuple[str, int], list[set[Link]]] = {}

    def add(self, gold: str, pair: AlignedPair) -> None:
        """Add a pair, and the line of its true links in Pharaoh format."""
        from seq2seq.text.word_links import parse_pharaoh

        sure, possible = parse_pharaoh(gold, "gold", inverse=self._inverse)
        self._sure.append(sure)
        self._possible.append(possible)
        for shift in self._shifts:
            for name, links in pair.read(shift).readings.items():
                self._found.setdefault((name, shift), []).append(set(links))

    def report(self, name: str) -> str:
        """Return the table, with a note if another shift would be better; `name` is the file of the true links."""
        rows = [self._row(*key) for key in self._found]
        table = Table(box=None, pad_edge=False)
        table.add_column("links")
        table.add_column("--shift")
        for heading in _MEASURES.values():
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(row.name, str(row.shift), *row.cells())
        shown = render(table, width=120)  # more than the usual 80, for long names
        sure, possible = rows[0].scores.sure_links, rows[0].scores.possible_links
        title = f"{name}: {len(self._sure):,} pairs, {sure:,} sure links, {possible - sure:,} more are possible"
        lines = [line.rstrip() for line in shown.split("\n")]
        samples = rows[0].intervals.samples
        note = f"in %, with 95 % intervals over the choice of pairs (bootstrap, {samples:,} samples); low AER is good"
        return "\n".join([title, *lines, note, *self._advice(rows)])

    def _row(self, name: str, shift: int) -> _Row:
        from seq2seq.metrics.links import alignment_error_rate, alignment_intervals

        found = self._found[name, shift]
        scores = alignment_error_rate(hypothesis=found, sure=self._sure, possible=self._possible)
        intervals = alignment_intervals(hypothesis=found, sure=self._sure, possible=self._possible)
        return _Row(name, shift, scores, intervals)

    def _advice(self, rows: Sequence[_Row]) -> Iterator[str]:
        """Yield a hint if the links that were written are not those of the better shift."""
        name = rows[-1].name
        written, *others = [row for row in rows if row.name == name]
        for other in others:
            if other.scores.aer < written.scores.aer:
                yield f"note: --shift {other.shift} has the lower AER; the links written are those of {written.shift}"


@dataclass(frozen=True, slots=True)
class _Row:
    """The scores of one way to link."""

    name: str
    shift: int
    scores: AlignmentScores
    intervals: AlignmentIntervals

    def cells(self) -> Iterator[str]:
        """Yield each measure with its interval below it."""
        for measure in _MEASURES:
            low, high = getattr(self.intervals, measure)
            yield f"{100 * getattr(self.scores, measure):.1f}\n{100 * low:.1f} to {100 * high:.1f}"
