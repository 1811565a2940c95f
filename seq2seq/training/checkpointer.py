"""What a run saves to disk: models, the weights to be averaged, and the state for a resume."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from seq2seq.checkpoint.files import CONFIG
from seq2seq.checkpoint.model import load_model, save_model
from seq2seq.config import Config
from seq2seq.processes.group import Processes
from seq2seq.training.averaging import Averager
from seq2seq.training.data import TrainingText
from seq2seq.training.event_log import EventLog
from seq2seq.training.run import Run
from seq2seq.training.state import Progress, save_state
from seq2seq.training.stepping import Stepper
from seq2seq.training.validation import Validation


class Checkpointer:
    """Saves models and states of a run. Only the first process writes; see Processes.on_first."""

    def __init__(self, config: Config, run: Run, text: TrainingText, processes: Processes, stepper: Stepper) -> None:
        self._config, self._run, self._text = config, run, text
        self._processes, self._stepper, self._model = processes, stepper, stepper.model
        self._averager = Averager(run.directory / "training", config.training.average)
        self._began = time.monotonic()

    def restore(self, progress: Progress) -> None:
        """Delete the saved weights of all validations but those that this progress lists, and remember their hashes."""
        self._averager.sha256 = {int(step): digest for step, digest in progress.averaged_sha256.items()}
        self._processes.on_first(lambda: self._averager.keep_only(progress.averaged))

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the current weights on the CPU by parameter name; tied weights appear once."""
        return {name: parameter.detach().cpu().clone() for name, parameter in self._model.named_parameters()}

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        """Set the model's weights to these."""
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                parameter.copy_(weights[name])

    def set_mean_weights(self, averaged: list[int]) -> None:
        """Set the model's weights to the mean of the saved weights of these steps."""
        self.set_weights(self._averager.mean(averaged))

    def seconds(self, progress: Progress) -> float:
        """Return the seconds spent on the whole run, over all sittings."""
        return progress.seconds + time.monotonic() - self._began

    def record(self, kind: str, validation: Validation, progress: Progress) -> dict[str, Any]:
        """Return the record that a model directory keeps of its weights: their origin, size and scores."""
        start = progress.start
        return {
            "kind": kind,
            "step": progress.step,
            "epoch": progress.epoch,
            "train_pairs": self._text.pairs,
            "parameters": sum(parameter.numel() for parameter in self._model.parameters()),
            "learning_rate_factors": self._stepper.factors,
            **({} if start is None else {"start": asdict(start)}),
            "perplexity": validation.perplexity,
            "bleu": validation.bleu,
            "signature": validation.signature,
            **({"texts": validation.scores_by_text()} if validation.texts else {}),
            "seconds": round(self.seconds(progress), 1),
        }

    def save_validated(self, record: dict[str, Any], best: bool, progress: Progress) -> list[int]:
        """Save the weights after a validation, as last, to be averaged and, if `best`, as best; return the steps whose
        weights are now averaged.
        """

        def write() -> list[int]:
            weights = self.weights()
            averaged = self._averager.add(progress.step, weights)
            self._save(["checkpoints/last"], weights, record)
            if best:
                self._save(["checkpoints/best", "."], weights, progress.best_record)
            return averaged

        return self._processes.on_first(write)

    def save_model(self, places: Sequence[str], record: dict[str, Any]) -> None:
        """Save the current weights as model directories; places are relative to the run directory, '.' being itself."""
        weights = self.weights()
        self._processes.on_first(lambda: self._save(places, weights, record))

    def save_start(self, progress: Progress) -> None:
        """Save the model that the run begins with, so that a resume does not need the start model."""
        assert progress.start is not None
        weights, record = self.weights(), {"kind": "start", "step": 0, "start": asdict(progress.start)}

        def write() -> None:
            self._save([str(self._run.start.relative_to(self._run.directory))], weights, record)

        self._processes.on_first(write)

    def kept_weights(self) -> dict[str, Tensor]:
        """Return the weights of the run's model on the CPU by parameter name; tied weights appear once."""
        return dict(load_model(self._run.directory).model.named_parameters())

    def restore_best(self, record: dict[str, Any]) -> None:
        """Make the best checkpoint the run's model, if that is an average from an earlier end of the run.

        A run that is extended by more steps then ends with the model that it would have kept without the stop.
        """

        def write() -> None:
            kept = json.loads((self._run.directory / CONFIG).read_bytes())["record"]
            if kept.get("kind") in ("averaged", "start_averaged") and "checkpoints/best" not in self._run.lost:
                best = load_model(self._run.directory / "checkpoints" / "best").model
                self._save(["."], dict(best.named_parameters()), record)

        self._processes.on_first(write)

    def _save(self, places: Sequence[str], weights: dict[str, Tensor], record: dict[str, Any]) -> None:
        parts: dict[str, Any] = {"weights": weights, "tokenizers": self._text.tokenizers, "record": record}
        for place in places:
            save_model(self._run.directory / place, config=self._config, **parts)

    def save_state(self, progress: Progress, log: EventLog) -> None:
        """Save everything that a resume needs, then delete the weights that only older states needed."""
        stepper = self._stepper
        schedule = stepper.schedule
        progress.schedule_reductions, progress.schedule_waited = schedule.reductions, schedule.waited
        now = time.monotonic()
        progress.seconds, self._began = progress.seconds + now - self._began, now
        random_states = self._processes.random_states()

        def write() -> None:
            progress.log_bytes, progress.log_sha256 = log.sync()
            known = self._averager.sha256
            progress.averaged_sha256 = {str(step): known[step] for step in progress.averaged if step in known}
            config = self._config.model_dump(mode="json")
            note = {"config": config, "text": self._text.fingerprint, "rates": stepper.rates}
            save_state(self._run.state, progress, self._model, stepper.optimizer, random_states, note)
            self._averager.keep_only(progress.averaged)

        self._processes.on_first(write)
