"""The progress of a comparison, on standard error."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from seq2seq.cli.display.console import column, console, say
from seq2seq.text.escaping import escape_line

_WHAT = {"cost": "measuring speed and memory", "summarise": "comparing"}


class PlainRuns:
    """Prints a line for every run that ends, for logs."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done = runs, 0
        self.shown = ""

    def __call__(self, run: str, event: dict[str, Any]) -> None:
        """Print the events that matter."""
        if event["event"] == "end" and event["stopped"]:
            say(f"{run}: stopped")
        elif event["event"] == "end":
            self.done += 1
            say(f"{run}: {'failed' if event['failed'] else 'done'}, {self.done} of {self.runs}")
        elif event["event"] == "finish":
            bleu = "" if event["bleu"] is None else f", BLEU {event['bleu']:.2f}"
            say(f"{run}: trained, validation perplexity {event['perplexity']:.2f}{bleu}")
        elif event["event"] in _WHAT and event["event"] != self.shown:
            self.shown = event["event"]
            say(_WHAT[event["event"]])


class LiveRuns:
    """Shows a bar for the whole comparison, and one for each running run."""

    def __init__(self, runs: int) -> None:
        columns = (column("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console(messages=True), transient=True)
        self.whole = self.progress.add_task("runs", total=runs)
        self.bars: dict[str, TaskID] = {}

    def __call__(self, run: str, event: dict[str, Any]) -> None:
        """Move the bar that the event concerns."""
        kind = event["event"]
        if kind == "end":
            self.progress.remove_task(self.bars.pop(run))
            if not event["stopped"]:
                self.progress.advance(self.whole)
        elif kind == "begin":
            self.bars[run] = self.progress.add_task(escape_line(run), total=None)
        elif kind == "progress":
            self.progress.update(self.bars[run], completed=event["step"], total=event["max_steps"])
        elif kind == "measure":
            self._move(run, f"{escape_line(run)}: translating", event)
        elif kind == "cost":
            self._move("", _WHAT[kind], event)

    def _move(self, name: str, description: str, event: dict[str, Any]) -> None:
        if name not in self.bars:
            self.bars[name] = self.progress.add_task(description)
        self.progress.update(self.bars[name], description=description, completed=event["done"], total=event["total"])
