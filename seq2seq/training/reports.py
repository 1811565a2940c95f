"""Reports of a run's events to its log and, for numbers, to the trackers of training.trackers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelerate import Accelerator

from seq2seq.config import Config
from seq2seq.metrics.perplexity import perplexity
from seq2seq.training.data import TrainingText, ValidationText
from seq2seq.training.event_log import EventLog
from seq2seq.training.mixing import MixedText
from seq2seq.training.pool import Pool
from seq2seq.training.run import Run
from seq2seq.training.selection import ZERO_BLEU_LIMIT, deciding_criterion
from seq2seq.training.state import Progress, StartRecord
from seq2seq.training.stepping import Step
from seq2seq.training.validation import Validation


class Reports:
    """Writes a run's events to its log, and the numbers among them to the trackers."""

    def __init__(
        self, config: Config, log: EventLog, accelerator: Accelerator, vectors: Sequence[dict[str, Any]] = ()
    ) -> None:
        """vectors: what a new run has found in each file of word vectors."""
        self._config, self._log, self._accelerator, self._vectors = config, log, accelerator, vectors

    def open_trackers(self, step: int) -> None:
        """Start the trackers for the steps after this one.

        A run that was killed may have reported later steps already, and will report them again: TensorBoard drops those
        of the earlier files (purge_step). The other trackers have no such option.
        """
        if self._config.training.trackers:
            self._accelerator.init_trackers("seq2seq", init_kwargs={"tensorboard": {"purge_step": step + 1}})

    def start(self, run: Run, text: TrainingText, parameters: int, model: StartRecord | None) -> None:
        """Write the first lines of a log: the run and the model that it starts from, notes on its text, and the sizes
        of its text.
        """
        begun = {} if model is None else {"model": {"name": model.name, "sha256": model.sha256}}
        seed, output = self._config.training.seed, str(run.directory)
        self._log.write("start", step=0, seed=seed, parameters=parameters, output=output, **begun)
        for note in dict.fromkeys(text.notes):  # both texts may be one file, with the same notes
            self._log.write("note", note=note)
        self._log.write(
            "data",
            train_pairs=text.pairs,
            validation_pairs=sum(len(each.text.source) for each in text.validation),
            dropped=text.dropped,
            removed=text.removed,
            source_vocabulary=text.tokenizers.source.vocabulary_size,
            target_vocabulary=text.tokenizers.target.vocabulary_size,
            **_by_label({one.label: _facts(one) for one in text.train if len(text.train) > 1}),
            **({"validation_texts": _sizes(text.validation)} if len(text.validation) > 1 else {}),
        )
        for facts in self._vectors:
            self._log.write("vectors", **facts)

    def step(self, result: Step, progress: Progress, pool: Pool) -> None:
        """Notify the observer of each step; every log_interval steps, write the means since the last time to the log
        and the trackers.
        """
        training = self._config.training
        whole = (pool.last and pool.end.pool == 1) or not self._config.data.streaming
        self._log.notify(
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
            "learning_rate": result.rate,
            "gradient_norm": result.norm,
            "padding": 1 - tally["tokens"] / tally["cells"],
        }
        if result.pull is not None:
            values["start_pull"] = result.pull
        if "alignment" in tally:
            values["alignment_loss"] = tally["alignment"] / tally["tokens"]
        speed = tally["tokens"] / tally["seconds"]
        texts = {text.called: found for text in self._config.data.texts if (found := _of_text(tally, text.called))}
        self._log.write(
            "train", step=progress.step, epoch=progress.epoch, **values, tokens_per_second=speed, **_by_label(texts)
        )
        values |= {f"{label}/{name}": value for label, found in texts.items() for name, value in found.items()}
        self._accelerator.log({f"train/{name}": value for name, value in values.items()}, step=progress.step)

    def validation(self, result: Validation, progress: Progress, best: bool, decides: str | None) -> None:
        """Write a validation to the log and the trackers. decides: the criterion that decides from now on, where BLEU
        has been 0 for long or no longer is; else None.
        """
        self._log.write(
            "validation",
            step=progress.step,
            epoch=progress.epoch,
            perplexity=result.perplexity,
            bleu=result.bleu,
            signature=result.signature,
            best=best,
            **_by_label(result.scores_by_text()),
        )
        values = {"validation": result, **{f"validation/{label}": each for label, each in result.texts.items()}}
        scores = {f"{name}/perplexity": each.perplexity for name, each in values.items()}
        scores |= {f"{name}/bleu": each.bleu for name, each in values.items() if each.bleu is not None}
        self._accelerator.log(scores, step=progress.step)
        if decides:
            self._log.write("criterion", step=progress.step, decides=decides, validations=ZERO_BLEU_LIMIT)

    def outcome(self, record: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the values of the "finish" event: which model was kept, its scores and what chose it. seconds: time of
        the whole run.
        """
        criterion = self._config.training.criterion
        scores = {name: record[name] for name in ("perplexity", "bleu", "signature")}
        decided = {"criterion": criterion, "decided_by": deciding_criterion(record["bleu"], criterion)}
        return {"kept": record["kind"], **scores, **decided, "seconds": seconds}


def _by_label(texts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what an event tells of each of several texts; nothing where there is one text."""
    return {"texts": texts} if texts else {}


def _sizes(texts: Sequence[ValidationText]) -> dict[str, int]:
    """Return the number of pairs of each text."""
    return {each.label: len(each.text.source) for each in texts}


def _facts(text: MixedText) -> dict[str, Any]:
    """Return what the "data" event tells of one of several texts."""
    return {"pairs": text.pairs, "draws": text.draws, "dropped": text.dropped, "removed": text.removed}


def _of_text(tally: dict[str, float], label: str) -> dict[str, float]:
    """Return pairs, nats per token (not smoothed) and perplexity of a text since the last report; empty where the run
    has one text, or has seen nothing of this one.
    """
    tokens, nats = tally.get(f"tokens {label}", 0), tally.get(f"nll {label}", 0)
    if not tokens:
        return {}
    pairs = int(tally[f"pairs {label}"])
    return {"pairs": pairs, "nll": nats / tokens, "perplexity": perplexity(nats, int(tokens))}
