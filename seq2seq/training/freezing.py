"""Parameters that patterns of a config name, and those of them that a training leaves as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from seq2seq.config import TrainingConfig
from seq2seq.errors import InputError, nearest
from seq2seq.nn.model import Seq2Seq


def parameter_names(model: Seq2Seq) -> list[str]:
    """Return the names of all parameters; one that is shared (tied) has several."""
    return [name for name, _ in model.named_parameters(remove_duplicate=False)]


def parts_of(name: str) -> list[str]:
    """Return a parameter's name and the names of all parts of the model that it is in, from the inmost."""
    return [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern fits a parameter's name or that of a part that it is in."""
    return any(fnmatchcase(part, pattern) for pattern in patterns for part in parts_of(name))


def check_patterns(key: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a pattern that fits no parameter and no part of the model. Raises InputError, with the nearest name."""
    for pattern in patterns:
        if not any(is_named(name, [pattern]) for name in names):
            raise InputError(f"training.{key}: the model has no part {pattern!r}; {nearest_part(pattern, names)}")


def nearest_part(part: str, names: Iterable[str]) -> str:
    """Return a hint for a part that the model lacks: the most similar one, and all that are not deep inside others."""
    parts = {each for name in names for each in parts_of(name)}
    return nearest(part, (each for each in parts if each.count(".") < 3 and not each.endswith((".weight", ".bias"))))


def check_freeze(training: TrainingConfig, model: Seq2Seq) -> None:
    """Refuse a training.freeze that names nothing of the model, all of it, or one of several names of shared weights.

    Raises InputError.
    """
    names = parameter_names(model)
    check_patterns("freeze", training.freeze, names)
    frozen = {name for name in names if is_named(name, training.freeze)}
    shared = defaultdict[int, list[str]](list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        shared[id(parameter)].append(name)
    for together in shared.values():
        if frozen & set(together) and set(together) - frozen:
            inside, outside = (
                ", ".join(each for each in together if (each in frozen) == side) for side in (True, False)
            )
            raise InputError(
                f"training.freeze: {inside} shares its weights with {outside}, by model.tie = "
                f"{model.architecture.tie!r}; freeze both, or neither"
            )
    if frozen == set(names):
        raise InputError("training.freeze: every parameter would be frozen, and nothing trained; leave a part out")
    taken = {name for name in names if not training.start_parts or is_named(name, training.start_parts)}
    for key in ("start_decay", "start_average"):
        if getattr(training, key) and taken <= frozen:
            raise InputError(f"training.{key} has no effect, as training.freeze freezes all that is taken")
    for part in training.learning_rate_factors:
        if all(name in frozen for name in names if part in parts_of(name)):
            raise InputError(f"training.learning_rate_factors: {part} has no effect, as training.freeze freezes it")


def freeze(training: TrainingConfig, model: Seq2Seq) -> None:
    """Let no gradient reach the parameters that training.freeze names, so that no optimiser takes them."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if is_named(name, training.freeze):
            parameter.requires_grad_(False)
