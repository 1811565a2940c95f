"""The result of an evaluation: tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from seq2seq.cli.display.console import print_text, render
from seq2seq.text.escaping import escape_line, escape_text

if TYPE_CHECKING:
    from seq2seq.metrics.scores import Metric, PairedComparison


@dataclass(frozen=True, slots=True)
class Report:
    """What was scored, and the scores. baseline, comparisons: of a comparison, else empty.

    references: number of reference sets; if a sentence lacks one, the notes of the metrics say so. notes: notes on the
    text as a whole.
    """

    system: str
    sentences: int
    references: int
    metrics: Sequence[Metric]
    baseline: str | None
    comparisons: Sequence[PairedComparison]
    notes: Sequence[str] = ()

    def facts(self) -> dict[str, Any]:
        """Return the report as a JSON object; "comparisons" is empty if nothing was compared."""
        comparisons = [
            {
                "name": one.name,
                "baseline": _facts(one.baseline),
                "system": _facts(one.system),
                "difference": one.difference,
                "p_value": one.p_value,
                "significant": one.significant,
                "sentence": one.sentence,
            }
            for one in self.comparisons
        ]
        return {
            "system": self.system,
            "sentences": self.sentences,
            "references": self.references,
            "notes": list(self.notes),
            "metrics": [_facts(metric) for metric in self.metrics],
            "baseline": self.baseline,
            "comparisons": comparisons,
        }

    def show(self) -> None:
        """Print the table, then the signatures and notes that its numbers need, each on a line that is not wrapped."""
        most = "up to " if any("nrefs:var" in metric.signature for metric in self.metrics) else ""
        references = f"{most}{self.references} reference{'s' if self.references > 1 else ''} each"
        title = f"{escape_line(self.system)}: {self.sentences:,} sentences, {references}"
        print_text(render(title, self._table(), *map(escape_text, self._lines())))

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("metric")
        table.add_column("score", justify="right")
        table.add_column("95 % interval")
        for metric in self.metrics:
            interval = "" if metric.low is None else f"{metric.low:.2f} to {metric.high:.2f}"
            table.add_row(metric.name, f"{metric.value:.2f}", interval + "  (lower is better)" * metric.lower_is_better)
        return table

    def _lines(self) -> Iterator[str]:
        yield ""
        yield from (f"{metric.name}: {metric.signature}" for metric in self.metrics)
        notes = [*self.notes, *(note for metric in self.metrics for note in metric.notes)]
        yield from (f"note: {note}" for note in dict.fromkeys(notes))
        if self.comparisons:
            yield f"\nagainst {self.baseline}, by paired bootstrap:"
            yield from (one.sentence for one in self.comparisons)


def _facts(metric: Metric) -> dict[str, Any]:
    return {**asdict(metric), "lower_is_better": metric.lower_is_better}
