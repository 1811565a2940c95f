"""What runs the steps: the accelerator and the optimiser."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from seq2seq.config import Config, TrainingConfig
from seq2seq.errors import InputError, nearest
from seq2seq.nn.model import Seq2Seq


def check_trackers(training: TrainingConfig) -> None:
    """Refuse a tracker that accelerate does not know, or whose package is missing: it would be left out in silence."""
    for name in training.trackers:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise InputError(f"training.trackers: unknown tracker {name!r}; {nearest(name, LOGGER_TYPE_TO_CLASS)}")
        package = {"comet_ml": "comet_ml", "dvclive": "dvclive"}.get(name, name)
        if importlib.util.find_spec(package) is None:
            raise InputError(f"training.trackers: {name!r} is not installed; pip install {package}, or take it out")


def make_accelerator(config: Config, directory: Path) -> Accelerator:
    """One process on the best device at hand, which ACCELERATE_USE_CPU=1 overrides."""
    training = config.training
    if training.mixed_precision == "fp16" and not torch.cuda.is_available():
        raise InputError("training.mixed_precision = 'fp16' needs a GPU; use 'bf16' or 'no'")
    accelerator = Accelerator(
        mixed_precision=training.mixed_precision,
        log_with=list(training.trackers) or None,
        project_dir=str(directory),
    )
    if accelerator.num_processes > 1:
        raise InputError("training runs in one process so far; start it without torchrun or accelerate launch")
    return accelerator


def make_optimizer(config: Config, model: Seq2Seq) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019); no decay on vectors."""
    training = config.training
    groups = [
        {"params": [part for part in model.parameters() if part.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [part for part in model.parameters() if part.ndim <= 1], "weight_decay": 0.0},
    ]
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    betas = (training.beta1, training.beta2)
    return kinds[training.optimizer](groups, lr=training.learning_rate, betas=betas, fused=True)
