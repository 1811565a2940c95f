"""What runs the steps: the accelerator and the optimiser."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS
from torch import nn

from seq2seq.config import Config, TrainingConfig
from seq2seq.errors import (
    EXTRAS,
    InputError,
    MissingPackage,
    Seq2SeqError,
    install_extra,
    installed,
    nearest,
)
from seq2seq.nn.kernels.precision import bfloat16_is_fast
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.scores import ScoreFunction
from seq2seq.processes.group import join


def with_trackers(config: Config) -> Config:
    """The config with the trackers that this training has, where it names none: TensorBoard if it is installed."""
    if config.training.trackers is not None:
        return config
    found = ["tensorboard"] if installed("tensorboard") else []
    return config.model_copy(update={"training": config.training.model_copy(update={"trackers": found})})


def check_trackers(training: TrainingConfig) -> None:
    """Refuse a tracker that accelerate does not know, or whose package is missing: it would be left out in silence."""
    for name in training.trackers or ():
        if name not in LOGGER_TYPE_TO_CLASS:
            raise InputError(f"training.trackers: unknown tracker {name!r}; {nearest(name, LOGGER_TYPE_TO_CLASS)}")
        if not installed(name):
            command = install_extra(name) if name in EXTRAS else f"install it: pip install {name}"
            raise MissingPackage(f"training.trackers: {name!r} is not installed; take it out, or {command}")


def check_factors(training: TrainingConfig, parameters: Iterable[str]) -> None:
    """Refuse a key of training.learning_rate_factors that is neither a parameter nor a part that has some."""
    parts = {name.rsplit(".", depth)[0] for name in parameters for depth in range(name.count(".") + 1)}
    for part in training.learning_rate_factors:
        if part not in parts:
            hint = nearest(
                part, (name for name in parts if name.count(".") < 3 and not name.endswith((".weight", ".bias")))
            )
            raise InputError(f"training.learning_rate_factors: the model has no part {part!r}; {hint}")


def make_accelerator(config: Config, directory: Path) -> Accelerator:
    """The best device at hand, which ACCELERATE_USE_CPU=1 overrides; one process, or those of a launcher."""
    training = config.training
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        join("nccl" if torch.cuda.is_available() else "gloo")
    AcceleratorState._reset_state()  # or a second training of one process could not have another precision
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else accelerate starts no group, and each process trains alone
        mixed_precision=training.mixed_precision,
        log_with=list(training.trackers or ()) or None,
        project_dir=str(directory),
    )
    if accelerator.num_processes != int(os.environ.get("WORLD_SIZE", "1")):
        found = f"{accelerator.num_processes} of {os.environ['WORLD_SIZE']} processes found each other"
        raise Seq2SeqError(
            f"{found}; start them with torchrun or accelerate launch, one for each GPU, or on CPUs alone"
        )
    return accelerator


def check_precision(training: TrainingConfig) -> None:
    """Refuse numbers that no device here can compute with."""
    if training.mixed_precision == "fp16" and not torch.cuda.is_available():
        raise InputError("training.mixed_precision = 'fp16' needs a GPU; use 'bf16' or 'no'")


def makes_bfloat16_slow(accelerator: Accelerator) -> bool:
    """Whether this training asks its CPU for products that it has no instructions for."""
    return accelerator.device.type == "cpu" and accelerator.mixed_precision == "bf16" and not bfloat16_is_fast()


def make_optimizer(config: Config, model: Seq2Seq) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019); no decay on vectors.

    Each group of parameters carries its `factor`, which the trainer multiplies the schedule's rate by.
    """
    training = config.training
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    factors = _factors(training, model)
    for name, parameter in model.named_parameters():
        decay = training.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((decay, factors.get(name, 1.0)), []).append(parameter)
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    betas = (training.beta1, training.beta2)
    described = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (decay, factor), parameters in groups.items()
    ]
    return kinds[training.optimizer](described, lr=training.learning_rate, betas=betas, fused=True)


def _factors(training: TrainingConfig, model: Seq2Seq) -> dict[str, float]:
    """The factors of parameters: what training.learning_rate_factors says of one, by its name or by the part that it
    is in, else what the class of its score function says.
    """
    factors: dict[str, float] = {}
    for prefix, module in model.named_modules():
        if isinstance(module, ScoreFunction):
            own = module.learning_rate_factor
            factors |= {name: own for name, _ in module.named_parameters(prefix)}
    names = [name for name, _ in model.named_parameters()]
    for part, factor in sorted(training.learning_rate_factors.items()):  # a part comes before what is in it
        factors |= {name: factor for name in names if f"{name}.".startswith(f"{part}.")}
    return factors
