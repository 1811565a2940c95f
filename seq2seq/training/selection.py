"""Choice of the best validation so far, by the criterion or, where BLEU is 0, by perplexity."""

from __future__ import annotations

from typing import Any

from seq2seq.training.state import Progress
from seq2seq.training.validation import Validation

ZERO_BLEU_LIMIT = 3
"""Number of validations in a row with a BLEU of 0 after which the log says that perplexity decides."""

_NOTHING = 0.005  # a BLEU below this is shown as 0.00
_HARDLY = 1.0  # a best BLEU below this, followed by zeros, was chance


def bleu_is_zero(bleu: float | None) -> bool:
    """Return whether a BLEU cannot rank models: it is missing, or would be shown as 0.00."""
    return bleu is None or bleu < _NOTHING


def is_better(validation: Validation, progress: Progress, criterion: str, kept: dict[str, Any] | None = None) -> bool:
    """Return whether a validation is better than the best so far, or than that of which `kept` is the record. Between
    equal values of the criterion, the lower perplexity is better.
    """
    if progress.best is None:
        return True
    best, value = progress.best_record, progress.best
    if kept is not None and kept is not best:
        best, value = kept, Validation(kept["perplexity"], kept["bleu"], kept["signature"]).criterion(criterion)
    return _rank(validation.criterion(criterion), validation.perplexity, criterion) > _rank(
        value, best["perplexity"], criterion
    )


def _rank(value: float, perplexity: float, criterion: str) -> tuple[float, float]:
    return (0.0 if criterion == "bleu" and bleu_is_zero(value) else value, -perplexity)


def judge(validation: Validation, progress: Progress, criterion: str) -> tuple[bool, str | None]:
    """Count a validation in `progress`; return whether it is the best so far, and the criterion that decides from now
    on if that has changed, else None.

    While BLEU is 0 perplexity decides, so that patience and the best checkpoint follow what is learnt.
    """
    if criterion != "bleu":
        return _count(validation, progress, criterion), None
    before = progress.silent
    progress.silent = before + 1 if bleu_is_zero(validation.bleu) else 0
    if progress.silent >= ZERO_BLEU_LIMIT and progress.best is not None and progress.best < _HARDLY:
        progress.best = 0.0
    best = _count(validation, progress, criterion)
    if before < ZERO_BLEU_LIMIT <= progress.silent:
        return best, "perplexity"
    return best, "bleu" if progress.silent < ZERO_BLEU_LIMIT <= before else None


def _count(validation: Validation, progress: Progress, criterion: str) -> bool:
    best = is_better(validation, progress, criterion)
    if best:
        progress.best, progress.waited = validation.criterion(criterion), 0
    else:
        progress.waited += 1
    return best


def deciding_criterion(bleu: float | None, criterion: str) -> str:
    """Return the criterion by which the model that was kept was chosen."""
    return "perplexity" if bleu_is_zero(bleu) else criterion
