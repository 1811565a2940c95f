"""Which validation is the best so far, and what decides where the criterion says nothing."""

from __future__ import annotations

from seq2seq.training.state import Progress
from seq2seq.training.validation import Validation

SILENT = 3
"""Validations in a row without any BLEU after which perplexity is said to decide."""

_NOTHING = 0.005  # BLEU below is shown as 0.00
_HARDLY = 1.0  # a best BLEU below, followed by none, was an accident


def says_nothing(bleu: float | None) -> bool:
    """Whether a BLEU orders nothing: there is none, or it is 0 as it is shown."""
    return bleu is None or bleu < _NOTHING


def is_better(measured: Validation, progress: Progress, criterion: str) -> bool:
    """Whether this is better than the best so far. Perplexity decides between two of the same BLEU."""
    if progress.best is None:
        return True
    best = progress.best_record
    return _rank(measured.criterion(criterion), measured.perplexity, criterion) > _rank(
        progress.best, best["perplexity"], criterion
    )


def _rank(value: float, perplexity: float, criterion: str) -> tuple[float, float]:
    return (0.0 if criterion == "bleu" and says_nothing(value) else value, -perplexity)


def judge(measured: Validation, progress: Progress, criterion: str) -> tuple[bool, str | None]:
    """Count a validation: whether it is the best so far, and the criterion that decides from now on where that changes.

    While BLEU is 0 perplexity decides, so that patience and the best checkpoint follow what is learnt.
    """
    if criterion != "bleu":
        return _count(measured, progress, criterion), None
    before = progress.silent
    progress.silent = before + 1 if says_nothing(measured.bleu) else 0
    if progress.silent >= SILENT and progress.best is not None and progress.best < _HARDLY:
        progress.best = 0.0
    best = _count(measured, progress, criterion)
    if before < SILENT <= progress.silent:
        return best, "perplexity"
    return best, "bleu" if progress.silent < SILENT <= before else None


def _count(measured: Validation, progress: Progress, criterion: str) -> bool:
    best = is_better(measured, progress, criterion)
    if best:
        progress.best, progress.waited = measured.criterion(criterion), 0
    else:
        progress.waited += 1
    return best


def decided_by(bleu: float | None, criterion: str) -> str:
    """What chose a model that was kept."""
    return "perplexity" if says_nothing(bleu) else criterion
