"""The progress of a command on standard error: moving bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from seq2seq.cli.display.console import column, console, is_main_process, say
from seq2seq.text.escaping import escape_text

Event = dict[str, Any]


def on_terminal() -> bool:
    """Return whether standard error is a terminal that can show moving bars."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def training_display() -> Iterator[Callable[[Event], None]]:
    """Yield the observer of a training's events: a bar on a terminal, else plain lines; silent in all processes but the
    first.
    """
    if not is_main_process():
        yield lambda event: None
        return
    if not on_terminal():
        yield PlainDisplay()
        return
    display = LiveDisplay()
    with display.progress:
        yield display


@contextmanager
def progress_over(count: Callable[[], int | None]) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a bar to the number of units done; it does nothing without a terminal, or if `count`
    returns None.
    """
    total = count() if on_terminal() else None
    if total is None:
        yield lambda done: None
        return
    columns = (column("{task.percentage:>3.0f} %"), BarColumn(None), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(messages=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)


class Clock:
    """Estimates how long the rest of a training takes at the speed of this sitting, if patience does not end it
    earlier.
    """

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def observe(self, step: int, now: float) -> None:
        """Remember the first step of this sitting."""
        self._first = self._first or (step, now)

    def remaining(self, step: int, end: int, now: float) -> float | None:
        """Return the seconds left until step `end`, or None while nothing is known."""
        if self._first is None or step <= self._first[0]:
            return None
        return (now - self._first[1]) / (step - self._first[0]) * (end - step)


def end_step(event: Event) -> int:
    """Return the last step that the limits of the config allow, from a progress event."""
    # 0 steps per epoch: unknown, as the text is a stream.
    by_epochs = event.get("max_epochs", 0) * event.get("steps_per_epoch", 0)
    return int(min(limit for limit in (event["max_steps"], by_epochs) if limit))


class PlainDisplay:
    """Prints one line per event, for logs."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.end = 0

    def __call__(self, event: Event) -> None:
        if event["event"] == "progress":
            self.end = end_step(event)
            self.clock.observe(event["step"], time.monotonic())
        elif event["event"] == "train":
            left = self.clock.remaining(event["step"], self.end, time.monotonic())
            suffix = "" if left is None else f", {duration(left)} left"
            say(f"step {event['step']:,} of {self.end:,}: {train_line(event)}{suffix}")
        elif line := event_line(event):
            say(line)


_PARTS = {"encode": "encoding the text", "read_vectors": "reading word vectors"}


class LiveDisplay:
    """Shows a bar with the newest numbers; other events scroll by above it."""

    def __init__(self) -> None:
        self.progress = Progress(
            column("epoch {task.fields[epoch]}"),
            BarColumn(None),
            MofNCompleteColumn(),
            column("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            expand=True,
            console=console(messages=True),
        )
        self.task: TaskID | None = None
        self.part: TaskID | None = None

    def __call__(self, event: Event) -> None:
        kind = event["event"]
        if kind == "progress":
            self._advance(event)
        elif kind in _PARTS:
            self._advance_part(event)
        elif kind == "train" and self.task is not None:
            self.progress.update(self.task, numbers=escape_text(train_line(event)))
        elif line := event_line(event):
            self.progress.console.print(escape_text(line), soft_wrap=True)

    def _advance_part(self, event: Event) -> None:
        """Show a bar of what comes before the first step, until all of it is done."""
        if self.part is None:
            self.part = self.progress.add_task("", total=None, epoch="-", numbers=_PARTS[event["event"]])
        self.progress.update(self.part, completed=event["done"], total=event["total"])
        if event["done"] == event["total"]:
            self.progress.remove_task(self.part)
            self.part = None

    def _advance(self, event: Event) -> None:
        if self.task is None:
            # The bar begins at the first step of this sitting, so that rich estimates from steps made in it alone.
            self.task = self.progress.add_task(
                "", epoch=1, numbers="", completed=event["step"] - 1, total=end_step(event)
            )
        self.progress.update(self.task, completed=event["step"], total=end_step(event), epoch=event["epoch"] + 1)


def train_line(event: Event) -> str:
    """Return the numbers of a "train" event in words."""
    texts = [f"{label} {each['perplexity']:.2f}" for label, each in event.get("texts", {}).items()]
    by_text = f" ({', '.join(texts)})" if texts else ""
    loss = f"loss {event['loss']:.3f}, perplexity {event['perplexity']:.2f}{by_text}"
    if "alignment_loss" in event:
        loss = f"{loss}, alignment loss {event['alignment_loss']:.3f}"
    return f"{loss}, {event['tokens_per_second']:,.0f} tokens/s"


def event_line(event: Event) -> str | None:
    """Return an event in words; None for one that is shown otherwise or not at all."""
    words = _WORDS.get(event["event"])
    return words(event) if words else None


def _start(event: Event) -> str:
    begun = f", from {event['model']['name']}" if event.get("model") else ""
    return f"{event['parameters']:,} parameters, seed {event['seed']}{begun}, into {event['output']}"


def _data(event: Event) -> str:
    sizes = f"{event['train_pairs']:,} pairs to learn from, {event['validation_pairs']:,} to validate on"
    pieces = f"vocabulary {event['source_vocabulary']:,} and {event['target_vocabulary']:,} pieces"
    texts = [
        f"\ntext {label}: {each['pairs']:,} pairs, {each['draws']:,} draws an epoch{_left_out(each)}"
        for label, each in event.get("texts", {}).items()
    ]
    return f"{sizes}, {pieces}{_left_out(event)}{''.join(texts)}"


def _vectors(event: Event) -> str:
    sides = "source and target" if event["side"] == "both" else event["side"]
    share = "" if event["share"] is None else f", {event['share']:.1%} of the text"
    stated = event["stated"]
    of_stated = "" if stated in (None, event["words"]) else f" (its first line says {stated:,})"
    gone = dict(event["skipped"]) | ({"of a word twice": event["duplicates"]} if event["duplicates"] else {})
    found = f"word vectors for {event['pieces']:,} of {event['vocabulary']:,} {sides} pieces{share}"
    return f"{found}, from {event['words']:,} in {event['file']}{of_stated}{_left_out({'dropped': gone})}"


def _left_out(event: Event) -> str:
    """Return the pairs that checks and filters left out, by reason, in words."""
    gone = [
        f"{count:,} {why}" for part in ("dropped", "removed") for why, count in (event.get(part) or {}).items() if count
    ]
    return f"; left out: {', '.join(gone)}" if gone else ""


def _epoch(event: Event) -> str:
    texts = [
        f"\ntext {label}: {each['rows']:,} rows read{_left_out(each)}" for label, each in event.get("texts", {}).items()
    ]
    told = f"epoch {event['epoch']:,} ends at step {event['step']:,}: {event['rows']:,} rows read"
    return f"{told}{_left_out(event)}{''.join(texts)}"


def _validation(event: Event) -> str:
    score = "" if event.get("bleu") is None else f", BLEU {event['bleu']:.2f}"
    best = ", the best so far" if event["best"] else ""
    texts = [
        f"{label} {each['perplexity']:.2f}" + ("" if each["bleu"] is None else f" and {each['bleu']:.2f}")
        for label, each in event.get("texts", {}).items()
    ]
    by_text = f" ({', '.join(texts)})" if texts else ""
    return f"validation at step {event['step']:,}: perplexity {event['perplexity']:.2f}{score}{by_text}{best}"


def _stop(event: Event) -> str:
    reasons = {
        "interrupted": "a signal asked for it",
        "patience": "no new best for the validations that patience allows",
    }
    return f"stopped after step {event['step']:,}: {reasons.get(event['reason'], event['reason'] + ' reached')}"


def _finish(event: Event) -> str:
    score = "" if event.get("bleu") is None else f", BLEU {event['bleu']:.2f} ({event['signature']})"
    spent, fallen = duration(event["seconds"]), event.get("decided_by", "") != event.get("criterion", "")
    how = ", chosen by perplexity, for BLEU is 0" if fallen else ""
    return f"kept the {event['kept']} weights: perplexity {event['perplexity']:.2f}{score}{how}; {spent} in all"


def _criterion(event: Event) -> str:
    if event["decides"] == "bleu":
        return "BLEU is above 0 again and decides which weights are the best"
    times = f"BLEU was 0 in {event['validations']} validations and says nothing"
    return f"{times}: perplexity decides which weights are the best (see training.validation_tokenize)"


_WORDS: dict[str, Callable[[Event], str]] = {
    "start": _start,
    "resume": lambda event: f"going on after step {event['step']:,}",
    "slow_bfloat16": lambda event: (
        "this processor has no instructions for bfloat16: training.mixed_precision = 'no' is faster here"
    ),
    "change": lambda event: f"changed since it was stopped: {'; '.join(event['changes'])}",
    "note": lambda event: f"note: {event['note']}",
    "data": _data,
    "vectors": _vectors,
    "epoch": _epoch,
    "validation": _validation,
    "criterion": _criterion,
    "tokenizer": lambda event: f"{event['text']}: {event['note']}" if "text" in event else str(event["note"]),
    "stop": _stop,
    "finish": _finish,
}


def duration(seconds: float) -> str:
    """Return seconds as 1:02:03, or 2:03 below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
