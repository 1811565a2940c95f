"""The training loop: steps, validations, checkpoints, and a clean end whenever a stop is requested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seq2seq.checkpoint.model import LoadedModel, load_model, outline
from seq2seq.checkpoint.owners import LOG
from seq2seq.config import Config
from seq2seq.durable import explain_write_errors
from seq2seq.errors import InputError
from seq2seq.metrics.bleu_tokenizer import TokenizerChoice
from seq2seq.nn.kernels.allocator import tune_memory
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.group import Processes
from seq2seq.processes.signals import StopRequest
from seq2seq.text.tokenizer_training import check_symbols
from seq2seq.training.checkpointer import Checkpointer
from seq2seq.training.data import TrainingText, prepare, read_texts
from seq2seq.training.engine import (
    check_factors,
    check_precision,
    check_trackers,
    emulates_bfloat16,
    make_accelerator,
    with_default_trackers,
)
from seq2seq.training.epoch import make_pools
from seq2seq.training.event_log import EventLog
from seq2seq.training.freezing import check_freeze, check_patterns, parameter_names
from seq2seq.training.pool import Place, Pool
from seq2seq.training.reports import Reports
from seq2seq.training.run import Run, open_run
from seq2seq.training.selection import is_better, judge
from seq2seq.training.start import Start, StartWeights, load_start
from seq2seq.training.state import Progress, find_state, load_tensors
from seq2seq.training.stepping import Stepper
from seq2seq.training.validation import Validator, check_tokenizer
from seq2seq.training.vectors import PieceVectors, check_vectors, check_vectors_of_start, find_vectors

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

    `observe` is called with every event as it happens. With `resume`, a stopped run goes on as it would have without
    the stop; with `allow_changes`, config and text may differ from the stopped run's if the weights still fit. Raises
    InputError for a bad config, text or directory, before anything is written where that is possible, and Seq2SeqError
    when the disk refuses, which leaves the last state as it was.
    """
    check_config(config)
    config = with_default_trackers(config)
    tune_memory()
    processes = Processes(make_accelerator(config, output / "training"))
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    begun = processes.on_first(lambda: resume and find_state(output / "training" / "state") is not None)
    start = load_start(config) if config.training.start and not begun else None
    processes.on_first(lambda: None if begun else check_vectors(config))
    texts = read_texts(config)
    explained = explain_write_errors(
        str(output),
        "a file of the run cannot be written",
        "what was saved before is whole: mend that, then go on with --resume",
    )
    with ExitStack() as stack, StopRequest() as stop, processes.explain_lost_process(), explained:
        run = processes.on_first(lambda: stack.enter_context(open_run(config, output, resume, allow_changes)))
        text = prepare(
            config,
            texts,
            run.tokenizers(),
            run.directory / "cache",
            processes,
            partial(_report_part, observe, "encode"),
            None if start is None else start.tokenizers,
        )
        vectors = processes.on_first(
            lambda: [] if run.resumed else find_vectors(config, text, partial(_report_part, observe, "read_vectors"))
        )
        trainer = Trainer(config, run, text, processes, observe, start, vectors)
        del texts, start, vectors  # needed up to here only; frees memory for the training
        return trainer.run_to_end(stop)


def _report_part(observe: Observe, event: str, done: int, total: int | None) -> None:
    """Tell how much is done of what comes before the first step. total: None where it is not known."""
    observe({"event": event, "done": done, "total": total})


def check_config(config: Config) -> None:
    """Refuse a config that no run can follow to its end, as far as this can be known without its text. Raises
    InputError, and MissingPackage for a tracker that is not installed.
    """
    model = outline(config)
    check_factors(config.training, [name for name, _ in model.named_parameters()])
    check_patterns("start_parts", config.training.start_parts, parameter_names(model))
    check_vectors_of_start(config, model)
    check_freeze(config.training, model)
    check_trackers(config.training)
    check_precision(config.training)
    check_symbols(config.tokenizer.symbols)
    check_symbols(config.data.tags, "data.train: tag")
    check_tokenizer(config.training.validation_tokenize)


class Trainer:
    """One run. What must survive a stop is in `progress`, the weights, the optimiser and torch's generators."""

    def __init__(
        self,
        config: Config,
        run: Run,
        text: TrainingText,
        processes: Processes,
        observe: Observe,
        start: Start | None,
        vectors: Sequence[PieceVectors],
    ) -> None:
        self.config, self.run, self.text, self.processes = config, run, text, processes
        self.progress = Progress(start=None if start is None else start.record())
        self.signal = 0  # number of the signal that asked to stop, else 0
        self.stepper = Stepper(config, text.tokenizers, processes, run.rates(), start, vectors)
        self.checkpointer = Checkpointer(config, run, text, processes, self.stepper)
        self.log = EventLog(run.directory / LOG, observe if processes.first else None)
        self.reports = Reports(config, self.log, processes.accelerator, [each.facts for each in vectors])
        loaded = LoadedModel(run.directory, config, text.tokenizers, self.stepper.model, {})
        self.validator = Validator(loaded, text.validation, processes)

    def run_to_end(self, stop: StopRequest) -> dict[str, Any]:
        """Start or continue the run until a limit of the config or a stop request; return the record of the kept model
        with the `reason` and `signal` of the end.
        """
        self._begin()
        self._measure_start()
        reason = self.progress.limit(self.config.training)
        if reason and self.progress.kept:
            self.log.notify("finish", step=self.progress.step, **self._outcome(self.progress.kept))
            return {**self.progress.kept, "reason": reason, "signal": None}
        self.progress.kept = {}
        while reason is None:
            reason = self._run_epoch(stop)
        if reason == "interrupted":
            self._save_state()  # before the log tells of the stop, so that a resumed run cuts that off
            record = dict(self.progress.best_record)
        elif self.progress.validated != self.progress.step:
            self._validate()  # before "stop", or a run killed in between and resumed would log it twice
        self.log.write("stop", reason=reason, step=self.progress.step)
        if reason != "interrupted":
            record = self._finish()
        self.stepper.close()
        return {**record, "reason": reason, "signal": self.signal or None}

    def _begin(self) -> None:
        """Restore a stopped run, or write the first lines of a new one."""
        if emulates_bfloat16(self.processes.accelerator):
            self.log.notify("slow_bfloat16")
        if self.run.resumed:
            self.progress, digest, changes = self.run.load_progress(self.text.fingerprint)
            self._choose_tokenizers()
            states = load_tensors(self.run.state, digest, self.stepper.model, self.stepper.optimizer)
            self.processes.set_random_states(states, self.stepper.process_seed(self.progress.step))
            self.stepper.schedule.reductions = self.progress.schedule_reductions
            self.stepper.schedule.waited = self.progress.schedule_waited
            self.checkpointer.restore(self.progress)
            self._keep_start_weights(None)
            self.reports.open_trackers(self.progress.step)
            if LOG in self.run.lost:
                self.log.end_line()
            else:
                self.log.truncate(self.progress.log_bytes)
            if changes:
                self.log.write("change", step=self.progress.step, changes=changes)
            self.log.notify("resume", step=self.progress.step, epoch=self.progress.epoch)
            return
        self.log.truncate(0)
        parameters = sum(parameter.numel() for parameter in self.stepper.model.parameters())
        self.reports.start(self.run, self.text, parameters, self.progress.start)
        for label, choice in self._choose_tokenizers().items():
            which = {"text": label} if len(self.text.validation) > 1 else {}
            self.log.write("tokenizer", step=0, tokenize=choice.name, note=choice.note, **which)
        self.reports.open_trackers(0)
        if self.progress.start is not None:
            self.checkpointer.save_start(self.progress)  # before the state, which is then never without it
            self._keep_start_weights(self.stepper.model)
        self._save_state()  # before any model, so that a kill never leaves a model without a state

    def _keep_start_weights(self, model: Seq2Seq | None) -> None:
        """Keep what the pull to the start model, and the mean with it, need; None: the model that the run began with is
        read from where it was saved.
        """
        training, record = self.config.training, self.progress.start
        if record is not None and (training.start_decay or training.start_average):
            model = model or load_model(self.run.start, device=str(self.processes.accelerator.device)).model
            self.stepper.start_weights = StartWeights.of(model, training, record)

    def _measure_start(self) -> None:
        """Validate before the first step of a run that starts from a model, so that its log tells where it began."""
        start = self.progress.start
        if start is None or start.perplexity is not None:
            return
        measured = self.validator.measure()
        start.perplexity, start.bleu, start.signature = measured.perplexity, measured.bleu, measured.signature
        self.reports.validation(measured, self.progress, best=False, decides=None)
        self._save_state()

    def _choose_tokenizers(self) -> dict[str, TokenizerChoice]:
        """Choose BLEU's tokenizers for all validations; return those with a note on one that would fit better."""
        return self.validator.choose_tokenizers(self.progress.best_record if self.progress.best is not None else {})

    def _run_epoch(self, stop: StopRequest) -> str | None:
        """Train for the rest of the current epoch; return a reason if the run ends in it."""
        at = self.progress
        place = Place(at.pool, at.rows, at.removed, at.draws, at.texts)
        reason = None
        for pool in make_pools(self.text, self.config, self.progress.epoch, place):
            reason = self._run_pool(pool, stop)
            if reason:
                break
        return reason

    def _run_pool(self, pool: Pool, stop: StopRequest) -> str | None:
        """Train on the rest of the current pool; return a reason if the run ends in it."""
        progress, training = self.progress, self.config.training
        if progress.position >= len(pool.steps):
            found = f"position {progress.position}, but there are {len(pool.steps)} steps"
            raise InputError(f"{self.run.state}: the training state is damaged ({found}); start anew")
        while True:
            self._step(pool, stop)
            ended = progress.position == len(pool.steps)
            if ended:
                self._next_pool(pool)
            due = progress.step % training.validation_interval == 0 if training.validation_interval else ended
            if due and (pool.last or training.validation_interval):
                self._validate()
            if self.signal:
                return "interrupted"
            reason = self.progress.limit(self.config.training)
            if reason or ended:
                return reason

    def _next_pool(self, pool: Pool) -> None:
        """Move on to the beginning of the next pool, or of the next epoch."""
        progress, streaming = self.progress, self.config.data.streaming
        place = pool.end.of_next_epoch() if pool.last else pool.end
        progress.position, progress.pool, progress.rows, progress.removed = 0, place.pool, place.rows, place.removed
        progress.draws, progress.texts = place.draws, place.texts
        if pool.last:
            progress.epoch += 1
            if streaming:
                left_out: dict[str, Any] = {"rows": pool.end.rows, "removed": pool.end.removed}
                if pool.end.texts:
                    left_out["texts"] = {
                        label: {"rows": each.read, "removed": each.removed, "turns": each.turns}
                        for label, each in pool.end.texts.items()
                    }
                self.log.write("epoch", step=progress.step, epoch=progress.epoch, **left_out)

    def _step(self, pool: Pool, stop: StopRequest) -> None:
        progress = self.progress
        result = self.stepper.step(pool, progress.position, progress.step + 1, stop)
        self.signal = result.signal
        progress.step, progress.position = progress.step + 1, progress.position + 1
        for name, value in result.sums.items():
            progress.tally[name] = progress.tally.get(name, 0.0) + value
        self.reports.step(result, progress, pool)

    def _validate(self) -> None:
        """Validate, save the model (also as the best, if it is), and save everything that a resume needs."""
        progress, training = self.progress, self.config.training
        progress.validated = progress.step
        measured = self.validator.measure()
        best, decides = judge(measured, progress, training.criterion)
        self.stepper.schedule.observe(best)
        self.reports.validation(measured, progress, best, decides)
        record = self.checkpointer.record("last", measured, progress)
        if best:
            progress.best_record = {**record, "kind": "best"}
        progress.averaged = self.checkpointer.save_validated(record, best, progress)
        self._save_state()

    def _finish(self) -> dict[str, Any]:
        """Average the last weights, keep the better model, and return its record."""
        progress, training = self.progress, self.config.training
        record, last = progress.best_record, self.checkpointer.weights()
        if len(progress.averaged) > 1:
            self.checkpointer.set_mean_weights(progress.averaged)
            measured = self.validator.measure()
            averaged = self.checkpointer.record("averaged", measured, progress)
            averaged["averaged_steps"] = list(progress.averaged)
            places = ["checkpoints/averaged"]
            if is_better(measured, progress, training.criterion):
                record = averaged
                places.append(".")
            self.checkpointer.save_model(places, averaged)
            self.checkpointer.set_weights(last)
        if record is progress.best_record:
            self.checkpointer.restore_best(record)
        if training.start_average and self.stepper.start_weights is not None:
            record = self._average_with_start(record)
        self.log.write("finish", step=progress.step, **self._outcome(record))
        progress.kept = record
        self._save_state()
        return record

    def _average_with_start(self, kept: dict[str, Any]) -> dict[str, Any]:
        """Measure the mean of the kept model and the start model, and keep it if it is better; return the record of
        what is kept.
        """
        progress, training, last = self.progress, self.config.training, self.checkpointer.weights()
        assert self.stepper.start_weights is not None
        weights = self.checkpointer.kept_weights()
        self.checkpointer.set_weights(self.stepper.start_weights.mean(weights, training.start_average))
        measured = self.validator.measure()
        record = {**self.checkpointer.record("start_averaged", measured, progress), "mean_of": kept["kind"]}
        better = is_better(measured, progress, training.criterion, kept)
        self.checkpointer.save_model(["checkpoints/start_averaged", *(["."] if better else [])], record)
        self.checkpointer.set_weights(last)
        return record if better else kept

    def _outcome(self, record: dict[str, Any]) -> dict[str, Any]:
        return self.reports.outcome(record, self.checkpointer.seconds(self.progress))

    def _save_state(self) -> None:
        self.checkpointer.save_state(self.progress, self.log)
