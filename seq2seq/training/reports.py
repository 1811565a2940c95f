"""What a run tells: the log and, beside it, the trackers of training.trackers."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from seq2seq.config import Config
from seq2seq.metrics.perplexity import perplexity
from seq2seq.training.data import TrainingText
from seq2seq.training.epoch import Pool
from seq2seq.training.event_log import EventLog
from seq2seq.training.run import Run
from seq2seq.training.selection import SILENT, decided_by
from seq2seq.training.state import Progress
from seq2seq.training.stepping import Step
from seq2seq.training.validation import Validation


class Reports:
    """Tells of a run's events, in the words of its log; of numbers, also the trackers."""

    def __init__(self, config: Config, log: EventLog, accelerator: Accelerator) -> None:
        self._config, self._log, self._accelerator = config, log, accelerator

    def open_trackers(self, step: int) -> None:
        """Let the trackers begin after this step.

        A run that was killed has told them of later steps, which it will tell of again: TensorBoard drops those of the
        files before (purge_step). The other trackers know no such thing.
        """
        if self._config.training.trackers:
            self._accelerator.init_trackers("seq2seq", init_kwargs={"tensorboard": {"purge_step": step + 1}})

    def start(self, run: Run, text: TrainingText, parameters: int) -> None:
        """The first lines of a log: the run, and its text."""
        seed, output = self._config.training.seed, str(run.directory)
        self._log.write("start", step=0, seed=seed, parameters=parameters, output=output)
        for note in dict.fromkeys(text.notes):  # of both texts, which may be one file
            self._log.write("note", note=note)
        self._log.write(
            "data",
            train_pairs=text.pairs,
            validation_pairs=len(text.validation.source),
            dropped=text.dropped,
            removed=text.removed,
            source_vocabulary=text.tokenizers.source.vocabulary_size,
            target_vocabulary=text.tokenizers.target.vocabulary_size,
        )

    def step(self, taken: Step, progress: Progress, pool: Pool) -> None:
        """Tell the display of every step, and all others of every log_interval steps: means since the last time."""
        training = self._config.training
        whole = (pool.last and pool.end.pool == 1) or not self._config.data.train.streaming
        self._log.tell(
            "progress",
            step=progress.step,
            max_steps=training.max_steps,
            epoch=progress.epoch,
            position=progress.position,
            steps_per_epoch=len(pool.steps) if whole else 0,
            max_epochs=training.max_epochs,
        )
        if progress.step % training.log_interval:
            return
        tally, progress.tally = progress.tally, {}
        values = {
            "loss": tally["total"] / tally["tokens"],
            "perplexity": perplexity(tally["nll"], int(tally["tokens"])),
            "learning_rate": taken.rate,
            "gradient_norm": taken.norm,
            "padding": 1 - tally["tokens"] / tally["cells"],
        }
        speed = tally["tokens"] / tally["seconds"]
        self._log.write("train", step=progress.step, epoch=progress.epoch, **values, tokens_per_second=speed)
        self._accelerator.log({f"train/{name}": value for name, value in values.items()}, step=progress.step)

    def validation(self, measured: Validation, progress: Progress, best: bool, decides: str | None) -> None:
        """A validation. decides: another criterion, where BLEU has been 0 for long, or is no longer."""
        self._log.write(
            "validation",
            step=progress.step,
            epoch=progress.epoch,
            perplexity=measured.perplexity,
            bleu=measured.bleu,
            signature=measured.signature,
            best=best,
        )
        values = {"validation/perplexity": measured.perplexity}
        if measured.bleu is not None:
            values["validation/bleu"] = measured.bleu
        self._accelerator.log(values, step=progress.step)
        if decides:
            self._log.write("criterion", step=progress.step, decides=decides, validations=SILENT)

    def outcome(self, record: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What is told at the end of the model that was kept; seconds: of the whole run."""
        criterion = self._config.training.criterion
        told = {name: record[name] for name in ("perplexity", "bleu", "signature")}
        decided = {"criterion": criterion, "decided_by": decided_by(record["bleu"], criterion)}
        return {"kept": record["kind"], **told, **decided, "seconds": seconds}
