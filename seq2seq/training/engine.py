"""The accelerator (device, precision, processes) and the optimiser of a training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
from seq2seq.nn.initialisation import parametrisations
from seq2seq.nn.kernels.precision import bfloat16_is_fast
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.group import join
from seq2seq.training.freezing import nearest_part, parts_of


def with_default_trackers(config: Config) -> Config:
    """Return the config with training.trackers filled in where it is left out: TensorBoard if it is installed, else
    none.
    """
    if config.training.trackers is not None:
        return config
    found = ["tensorboard"] if installed("tensorboard") else []
    return config.model_copy(update={"training": config.training.model_copy(update={"trackers": found})})


def check_trackers(training: TrainingConfig) -> None:
    """Refuse a tracker that accelerate does not know, or whose package is missing: accelerate would silently leave it
    out.
    """
    for name in training.trackers or ():
        if name not in LOGGER_TYPE_TO_CLASS:
            raise InputError(f"training.trackers: unknown tracker {name!r}; {nearest(name, LOGGER_TYPE_TO_CLASS)}")
        if not installed(name):
            command = install_extra(name) if name in EXTRAS else f"install it: pip install {name}"
            raise MissingPackage(f"training.trackers: {name!r} is not installed; take it out, or {command}")


def check_factors(training: TrainingConfig, parameters: Sequence[str]) -> None:
    """Refuse a key of training.learning_rate_factors that names neither a parameter nor a part of the model that has
    some.
    """
    parts = {part for name in parameters for part in parts_of(name)}
    for part in training.learning_rate_factors:
        if part not in parts:
            hint = nearest_part(part, parameters)
            raise InputError(f"training.learning_rate_factors: the model has no part {part!r}; {hint}")


def make_accelerator(config: Config, directory: Path) -> Accelerator:
    """Return an accelerator on the best available device (ACCELERATE_USE_CPU=1 overrides it), for one process or for
    all that a launcher started. Raises Seq2SeqError where the processes of a launcher do not find each other.
    """
    training = config.training
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        join("nccl" if torch.cuda.is_available() else "gloo")
    AcceleratorState._reset_state()  # a second training in this process may have another precision
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else accelerate starts no group on CPUs
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
    """Refuse a training.mixed_precision that no device of this machine can compute with."""
    if training.mixed_precision == "fp16" and not torch.cuda.is_available():
        raise InputError("training.mixed_precision = 'fp16' needs a GPU; use 'bf16' or 'no'")


def emulates_bfloat16(accelerator: Accelerator) -> bool:
    """Return whether a training computes in bfloat16 on a CPU without instructions for it."""
    return accelerator.device.type == "cpu" and accelerator.mixed_precision == "bf16" and not bfloat16_is_fast()


def make_optimizer(config: Config, model: Seq2Seq, own: Mapping[str, float] | None = None) -> torch.optim.Optimizer:
    """Return Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019), without weight decay on vectors and without
    frozen parameters (which want no gradient).

    Each group of parameters carries its `factor`, by which the trainer multiplies the schedule's learning rate. own:
    factors that parameters have of themselves; left out: those of the model's score functions.
    """
    training = config.training
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    factors = rate_factors(training, model, own_rate_factors(model) if own is None else own)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = training.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((decay, factors.get(name, 1.0)), []).append(parameter)
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    betas = (training.beta1, training.beta2)
    described = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (decay, factor), parameters in groups.items()
    ]
    return kinds[training.optimizer](described, lr=training.learning_rate, betas=betas, fused=True)


def own_rate_factors(model: Seq2Seq) -> dict[str, float]:
    """Return the learning-rate factors other than 1 that score functions give their parameters, by parameter name."""
    return {name: own.rate for name, own in parametrisations(model).items() if own.rate != 1}


def rate_factors(training: TrainingConfig, model: Seq2Seq, own: Mapping[str, float]) -> dict[str, float]:
    """Return the learning-rate factors of a training by parameter name; a parameter that is left out has 1.

    training.learning_rate_factors decides, by the parameter's name or by the part that it is in, else `own`.
    """
    factors = dict(own)
    names = [name for name, _ in model.named_parameters()]
    for part, factor in sorted(training.learning_rate_factors.items()):  # an inner part overrides what is around it
        factors |= {name: factor for name in names if f"{name}.".startswith(f"{part}.")}
    return factors
