"""The training loop: steps, validations, checkpoints, and a clean end whenever one is asked for."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed

from seq2seq.batching import split_round_robin
from seq2seq.checkpoint.model import LoadedModel, build_model, check_model_config
from seq2seq.checkpoint.owners import LOG
from seq2seq.config import Config
from seq2seq.durable import explain_write_errors
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.metrics.perplexity import perplexity
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.kernels.allocator import tune_memory
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.group import Processes
from seq2seq.processes.signals import StopRequest
from seq2seq.text.tokenizer_training import check_symbols
from seq2seq.training.data import TrainingText, prepare, read_texts
from seq2seq.training.engine import (
    check_factors,
    check_precision,
    check_trackers,
    make_accelerator,
    make_optimizer,
    makes_bfloat16_slow,
    with_trackers,
)
from seq2seq.training.epoch import Place, Pool, draw, make_pools
from seq2seq.training.journal import Journal
from seq2seq.training.keeping import Keeper
from seq2seq.training.reports import open_trackers, outcome, tell_criterion, tell_start, tell_validation
from seq2seq.training.run import Run, open_run
from seq2seq.training.schedule import Schedule
from seq2seq.training.selection import is_better, judge
from seq2seq.training.state import Progress, load_tensors
from seq2seq.training.validation import Validation, bleu_tokenizer, check_tokenizer, validate
from seq2seq.translation.translator import Translator

Observe = Callable[[dict[str, Any]], None]


def train(
    config: Config,
    output: Path,
    *,
    resume: bool = False,
    allow_changes: bool = False,
    observe: Observe = lambda event: None,
) -> dict[str, Any]:
    """Train as the config says, into the directory `output`, and return the record of the model that was kept.

    `observe` is told every event as it happens. A run that was stopped goes on with `resume`, as it would have; with
    `allow_changes` config and text may differ from the stopped run's, where the weights still fit.
    Raises InputError for a bad config, text or directory, before anything is written where that is possible, and
    Seq2SeqError when the disk refuses, which leaves the last state as it was.
    """
    check_config(config)
    config = with_trackers(config)
    tune_memory()
    processes = Processes(make_accelerator(config, output / "training"))
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    texts = read_texts(config)
    explained = explain_write_errors(
        str(output),
        "a file of the run cannot be written",
        "what was saved before is whole: mend that, then go on with --resume",
    )
    with ExitStack() as stack, StopRequest() as stop, processes.explained(), explained:
        run = processes.lead(lambda: stack.enter_context(open_run(config, output, resume, allow_changes)))
        text = prepare(
            config,
            texts,
            run.tokenizers(),
            run.directory / "cache",
            processes,
            lambda done, total: observe({"event": "encode", "done": done, "total": total}),
        )
        del texts  # a long training need not hold what was only read to be encoded
        trainer = Trainer(config, run, text, processes, observe)
        return trainer.run_to_end(stop)


def check_config(config: Config) -> None:
    """Refuse a config that no run can follow to its end, as far as that can be told without its text."""
    check_factors(config.training, check_model_config(config))
    check_trackers(config.training)
    check_precision(config.training)
    check_symbols(config.tokenizer.symbols)
    check_tokenizer(config.training.validation_tokenize)


class Trainer:
    """One run. What must survive a stop is in `progress`, the weights, the optimiser and torch's generators."""

    def __init__(self, config: Config, run: Run, text: TrainingText, processes: Processes, observe: Observe) -> None:
        self.config, self.run, self.text = config, run, text
        self.processes, self.accelerator = processes, processes.accelerator
        self.progress = Progress()
        self.tokenize: str | None = None  # BLEU's tokenizer
        self.signal = 0  # the number of one that asked to stop
        set_seed(config.training.seed)
        if not processes.first:  # each process drops other units
            torch.manual_seed(self._seed())
        model = build_model(config, text.tokenizers)
        initialise(model, config.training.seed)
        self.optimizer = make_optimizer(config, model)
        self.wrapped, self.prepared = self.accelerator.prepare(model, self.optimizer)
        # Without accelerate's wrapper of `forward`, under which validation would have the precision of training.
        self.model: Seq2Seq = self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        self.schedule = Schedule(config.training)
        self.keeper = Keeper(config, run, text, processes, self.model)
        self.journal = Journal(run.directory / LOG, observe if processes.first else None)
        loaded = LoadedModel(run.directory, config, text.tokenizers, self.model, {})
        self.translator = Translator([loaded])

    def run_to_end(self, stop: StopRequest) -> dict[str, Any]:
        """Start or go on, until a limit of the config or a stop request."""
        self._begin()
        reason = self.progress.limit(self.config.training)
        if reason and self.progress.kept:
            self.journal.tell("finish", step=self.progress.step, **self._outcome(self.progress.kept))
            return {**self.progress.kept, "reason": reason, "signal": None}
        self.progress.kept = {}
        while reason is None:
            reason = self._run_epoch(stop)
        if reason == "interrupted":
            self._save_state()  # first: a resumed run's journal does not tell of the stop
            record = dict(self.progress.best_record)
        elif self.progress.validated != self.progress.step:
            self._validate()  # before "stop", which a run killed after this and resumed would tell of twice
        self.journal.write("stop", reason=reason, step=self.progress.step)
        if reason != "interrupted":
            record = self._finish()
        self._leave()
        return {**record, "reason": reason, "signal": self.signal or None}

    def _leave(self) -> None:
        """End trackers and the group of processes, which must not outlive it in DDP's wrapper.

        A group that goes with the wrapper waits for Gloo's thread while it holds Python's lock, and that thread may
        want the lock to let go of a tensor: the process would never end. By itself the group waits without the lock.
        """
        del self.wrapped, self.prepared
        self.accelerator.free_memory()
        gc.collect()  # nothing of ours makes it part of a cycle; torch or accelerate may
        self.accelerator.end_training()

    def _begin(self) -> None:
        """Take up a stopped run where it stood, or write the first lines of a new one."""
        if makes_bfloat16_slow(self.accelerator):
            self.journal.tell("slow_bfloat16")
        if self.run.resumed:
            self.progress, digest, changes = self.run.take_up(self.text.fingerprint)
            self._choose_tokenizer()
            states = load_tensors(self.run.state, digest, self.model, self.optimizer)
            self.processes.set_random_states(states, self._seed())
            self.schedule.reductions = self.progress.schedule_reductions
            self.schedule.waited = self.progress.schedule_waited
            self.keeper.take_up(self.progress)
            open_trackers(self.accelerator, self.config, self.progress.step)
            if LOG in self.run.lost:
                self.journal.end_line()
            else:
                self.journal.cut(self.progress.log_bytes)
            if changes:
                self.journal.write("change", step=self.progress.step, changes=changes)
            self.journal.tell("resume", step=self.progress.step, epoch=self.progress.epoch)
            return
        self.journal.cut(0)
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        tell_start(self.journal, self.config, self.run, self.text, parameters)
        if note := self._choose_tokenizer():
            self.journal.write("tokenizer", step=0, tokenize=self.tokenize, note=note)
        open_trackers(self.accelerator, self.config, 0)
        self._save_state()  # before any model, so that one without a state is never what a kill left

    def _choose_tokenizer(self) -> str | None:
        """Settle what BLEU is counted with in all validations; a note on what would fit better."""
        if not self.config.training.validation_bleu:
            return None
        stopped = self.progress.best_record.get("signature") if self.progress.best is not None else None
        choice = self.processes.lead(lambda: bleu_tokenizer(self.config, self.text.validation.target, stopped))
        self.tokenize = choice.name
        return choice.note

    def _run_epoch(self, stop: StopRequest) -> str | None:
        """The rest of the current epoch; a reason where the run ends in it."""
        place = Place(self.progress.pool, self.progress.rows, self.progress.removed)
        reason = None
        for pool in make_pools(self.text, self.config, self.progress.epoch, place):
            reason = self._run_pool(pool, stop)
            if reason:
                break
        return reason

    def _run_pool(self, pool: Pool, stop: StopRequest) -> str | None:
        """The rest of the current pool; a reason where the run ends in it."""
        progress, training = self.progress, self.config.training
        if progress.position >= len(pool.steps):
            found = f"position {progress.position}, but there are {len(pool.steps)} steps"
            raise InputError(f"{self.run.state}: the training state is damaged ({found}); start anew")
        while True:
            self._step(pool, stop)
            ended = progress.position == len(pool.steps)
            if ended:
                self._turn(pool)
            due = progress.step % training.validation_interval == 0 if training.validation_interval else ended
            if due and (pool.last or training.validation_interval):
                self._validate()
            if self.signal:
                return "interrupted"
            reason = self.progress.limit(self.config.training)
            if reason or ended:
                return reason

    def _turn(self, pool: Pool) -> None:
        """Stand at the begin of the next pool, or of the next epoch."""
        progress, streaming = self.progress, self.config.data.train.streaming
        place = Place() if pool.last else pool.end
        progress.position, progress.pool, progress.rows, progress.removed = 0, place.pool, place.rows, place.removed
        if pool.last:
            progress.epoch += 1
            if streaming:
                left_out = {"rows": pool.end.rows, "removed": pool.end.removed}
                self.journal.write("epoch", step=progress.step, epoch=progress.epoch, **left_out)

    def _step(self, pool: Pool, stop: StopRequest) -> None:
        """Gradients of the mean loss per token over all rows of the step, then one update."""
        began = time.monotonic()
        progress = self.progress
        rate = self.schedule.rate(progress.step + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        rows = pool.steps[progress.position]
        tokens = pool.tokens(rows)
        every = self.processes.gather_numbers([*self._gradients(pool, rows, tokens), float(stop.requested or 0)])
        total, nll, cells, _ = (sum(column) for column in zip(*every, strict=True))
        self.signal = int(max(row[-1] for row in every))  # one that any process got stops all, after the same step
        if not math.isfinite(total):
            rate_given = f"training.learning_rate = {self.config.training.learning_rate}"
            raise Seq2SeqError(
                f"the loss is {total} at step {progress.step + 1}; {rate_given} may be too high: lower it, "
                "or lengthen warmup_steps, and start anew"
            )
        norm = self._clip()
        self.prepared.step()
        self.prepared.zero_grad()
        progress.step, progress.position = progress.step + 1, progress.position + 1
        spent = time.monotonic() - began
        for name, value in {"total": total, "nll": nll, "tokens": tokens, "cells": cells, "seconds": spent}.items():
            progress.tally[name] = progress.tally.get(name, 0.0) + value
        whole = (pool.last and pool.end.pool == 1) or not self.config.data.train.streaming
        self._report(rate, norm, len(pool.steps) if whole else 0)

    def _gradients(self, pool: Pool, rows: list[int], tokens: int) -> tuple[float, float, float]:
        """Add up the gradients of this process's parts of the rows; their smoothed loss, nats and padded cells."""
        count, training = self.processes.count, self.config.training
        parts = split_round_robin(rows, count * training.accumulation)[self.processes.index :: count]
        if count == 1:
            parts = [part for part in parts if part]
        self.wrapped.train()
        total, nll, cells = 0.0, 0.0, 0
        for place, part in enumerate(parts, start=1):
            # All processes must take as many turns, so one without rows of its own takes a row that counts nothing.
            batch = pool.batch(part or rows[:1]).to(self.accelerator.device)
            waiting = self.accelerator.no_sync(self.wrapped) if place < len(parts) else nullcontext()
            with waiting:
                with self.accelerator.autocast():
                    loss = self.wrapped(*batch.tensors(), training.label_smoothing, training.coverage_loss)
                # Gradients are averaged over the processes, and the sum is wanted.
                self.accelerator.backward(loss.total * (count if part else 0) / tokens)
            if part:
                total, nll = total + float(loss.total.detach()), nll + float(loss.nll)
                cells += batch.target_output.numel()
            del loss  # what its graph holds would stay beside the next part's
        return total, nll, cells

    def _clip(self) -> float:
        """Norm of the whole gradient in nats per token, before it is clipped."""
        limit = self.config.training.clip_norm or math.inf
        return float(self.accelerator.clip_grad_norm_(self.wrapped.parameters(), limit))

    def _report(self, rate: float, norm: float, steps: int) -> None:
        """Tell the display of every step, and the journal of every log_interval steps."""
        progress, training = self.progress, self.config.training
        self.journal.tell(
            "progress",
            step=progress.step,
            max_steps=training.max_steps,
            epoch=progress.epoch,
            position=progress.position,
            steps_per_epoch=steps,
            max_epochs=training.max_epochs,
        )
        if progress.step % training.log_interval:
            return
        tally, progress.tally = progress.tally, {}
        values = {
            "loss": tally["total"] / tally["tokens"],
            "perplexity": perplexity(tally["nll"], int(tally["tokens"])),
            "learning_rate": rate,
            "gradient_norm": norm,
            "padding": 1 - tally["tokens"] / tally["cells"],
        }
        speed = tally["tokens"] / tally["seconds"]
        self.journal.write("train", step=progress.step, epoch=progress.epoch, **values, tokens_per_second=speed)
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=progress.step)

    def _validate(self) -> None:
        """Measure, keep what is best, and save everything that a resume needs."""
        progress, training = self.progress, self.config.training
        progress.validated = progress.step
        measured = self._measure()
        best, decides = judge(measured, progress, training.criterion)
        self.schedule.observe(best)
        tell_validation(self.journal, self.accelerator, measured, progress, best)
        if decides:
            tell_criterion(self.journal, decides, progress.step)
        record = self.keeper.record("last", measured, progress)
        if best:
            progress.best_record = {**record, "kind": "best"}
        progress.averaged = self.keeper.save_validated(record, best, progress)
        self._save_state()

    def _measure(self) -> Validation:
        self.translator.weights_changed()
        parts = (self.model, self.translator, self.text.validation, self.config, self.processes)
        return validate(*parts, tokenize=self.tokenize)

    def _finish(self) -> dict[str, Any]:
        """Average, and keep the better model."""
        progress, training = self.progress, self.config.training
        record, last = progress.best_record, self.keeper.weights()
        if len(progress.averaged) > 1:
            self.keeper.put_mean(progress.averaged)
            measured = self._measure()
            averaged = self.keeper.record("averaged", measured, progress)
            averaged["averaged_steps"] = list(progress.averaged)
            places = ["checkpoints/averaged"]
            if is_better(measured, progress, training.criterion):
                record = averaged
                places.append(".")
            self.keeper.save_model(places, averaged)
            self.keeper.put(last)
        if record is progress.best_record:
            self.keeper.restore_best(record)
        self.journal.write("finish", step=progress.step, **self._outcome(record))
        progress.kept = record
        self._save_state()
        return record

    def _outcome(self, record: dict[str, Any]) -> dict[str, Any]:
        return outcome(record, self.config.training.criterion, self.keeper.seconds(self.progress))

    def _seed(self) -> int:
        """For the generators of a process that has no saved ones; the first takes the config's own seed."""
        return draw(self.config.training.seed, self.progress.step, f"process {self.processes.index}")

    def _save_state(self) -> None:
        self.keeper.save_state(self.progress, self.optimizer, self.schedule, self.journal)
