"""What comes before models translate together: checks of an ensemble, and care for processes that will be forked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path

import torch

from seq2seq.checkpoint.model import LoadedModel
from seq2seq.errors import InputError, WrongType, short_repr
from seq2seq.search.shortlist import Shortlist


def check_models(models: Iterable[LoadedModel]) -> list[LoadedModel]:
    """Return a translator's models as a list.

    Raises WrongType for anything but loaded models, InputError where their vocabularies differ, ValueError for none.
    """
    if isinstance(models, (str, Path, LoadedModel)):
        raise WrongType("a list of loaded models is needed; Translator.load reads model directories")
    checked = list(models)
    if wrong := next((each for each in checked if not isinstance(each, LoadedModel)), None):
        raise WrongType(f"{short_repr(wrong)} is no loaded model; Translator.load reads model directories")
    if not checked:
        raise ValueError("a translator needs at least one model")
    _check_vocabularies(checked)
    return checked


def check_shortlists(shortlists: Iterable[Shortlist], models: Sequence[LoadedModel]) -> list[Shortlist]:
    """Return the shortlists as a list. Raises InputError where there is not one for each model."""
    found = list(shortlists)
    if len(found) != len(models):
        raise InputError(f"{len(found)} shortlists for {len(models)} models; one a model is needed")
    return found


def _check_vocabularies(models: Sequence[LoadedModel]) -> None:
    """Raise InputError where the models' vocabularies differ: an id must mean the same piece to all."""
    first = models[0]
    for other in models[1:]:
        for side in ("source", "target"):
            if getattr(first.tokenizers, side).sha256 != getattr(other.tokenizers, side).sha256:
                raise InputError(
                    f"{first.directory} and {other.directory}: their {side} tokenizers differ; the models of an "
                    "ensemble are trained with the same one (tokenizer.source_model and target_model in the config)"
                )


@cache
def use_one_thread_after_fork() -> None:
    """Let forked processes compute in one thread: torch's other threads are not forked, and would be waited for.

    Called when a translator is made, so that other programs' forks are not affected.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
