"""What a run tells: the journal and, beside it, the trackers of training.trackers."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from seq2seq.config import Config
from seq2seq.training.data import TrainingText
from seq2seq.training.journal import Journal
from seq2seq.training.run import Run
from seq2seq.training.selection import SILENT, decided_by
from seq2seq.training.state import Progress
from seq2seq.training.validation import Validation


def open_trackers(accelerator: Accelerator, config: Config, step: int) -> None:
    """Let the trackers begin after this step.

    A run that was killed has told them of later steps, which it will tell of again: TensorBoard drops those of the
    files before (purge_step). The other trackers know no such thing.
    """
    if config.training.trackers:
        accelerator.init_trackers("seq2seq", init_kwargs={"tensorboard": {"purge_step": step + 1}})


def tell_start(journal: Journal, config: Config, run: Run, text: TrainingText, parameters: int) -> None:
    """The first lines of a journal: the run, and its text."""
    journal.write("start", step=0, seed=config.training.seed, parameters=parameters, output=str(run.directory))
    for note in dict.fromkeys(text.notes):  # of both texts, which may be one file
        journal.write("note", note=note)
    journal.write(
        "data",
        train_pairs=text.pairs,
        validation_pairs=len(text.validation.source),
        dropped=text.dropped,
        removed=text.removed,
        source_vocabulary=text.tokenizers.source.vocabulary_size,
        target_vocabulary=text.tokenizers.target.vocabulary_size,
    )


def tell_validation(
    journal: Journal, accelerator: Accelerator, measured: Validation, progress: Progress, best: bool
) -> None:
    """A validation, to both."""
    journal.write(
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
    accelerator.log(values, step=progress.step)


def tell_criterion(journal: Journal, decides: str, step: int) -> None:
    """That another criterion decides from now on: BLEU has been 0 for long, or is no longer."""
    journal.write("criterion", step=step, decides=decides, validations=SILENT)


def outcome(record: dict[str, Any], criterion: str, seconds: float) -> dict[str, Any]:
    """What is told at the end of the model that was kept; seconds: of the whole run."""
    told = {name: record[name] for name in ("perplexity", "bleu", "signature")}
    decided = {"criterion": criterion, "decided_by": decided_by(record["bleu"], criterion)}
    return {"kept": record["kind"], **told, **decided, "seconds": seconds}
