"""The start of a training from another model: its weights and tokenizers, and the pull back to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from seq2seq.checkpoint.files import WEIGHTS
from seq2seq.checkpoint.model import build_model, load_model
from seq2seq.config import Config, TokenizerConfig, TrainingConfig
from seq2seq.errors import InputError
from seq2seq.nn.model import Seq2Seq
from seq2seq.start_config import EXTENDED_BY, TRAINED_BY
from seq2seq.text.extension import check_extendable, cut_strings
from seq2seq.text.tokenizer import TokenizerPair, check_sampling
from seq2seq.training.freezing import is_named
from seq2seq.training.state import StartRecord

# Tensors with a row for each piece, and the side of it.
_SIDES = {
    "source_embedding.weight": "source",
    "target_embedding.weight": "target",
    "output_layer.weight": "target",
    "output_layer.bias": "target",
}


@dataclass(frozen=True, slots=True)
class Start:
    """The model that a training starts from. sha256: of the file of its weights."""

    name: str
    sha256: str
    model: Seq2Seq
    tokenizers: TokenizerPair

    def record(self) -> StartRecord:
        """Return what the state of a run keeps of it."""
        sizes = self.tokenizers.source.vocabulary_size, self.tokenizers.target.vocabulary_size
        return StartRecord(self.name, self.sha256, *sizes)

    def copy_into(self, model: Seq2Seq, tokenizers: TokenizerPair, training: TrainingConfig) -> None:
        """Give a model the weights that training.start_parts names (none: all). Rows of pieces that the start model
        lacks get the mean of the rows of the pieces into which its tokenizer cuts their strings.
        """
        given = dict(self.model.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            for name, parameter in model.named_parameters(remove_duplicate=False):
                if not is_taken(name, training):
                    continue
                known, side = len(given[name]), _SIDES.get(name)
                parameter[:known] = given[name]
                if side and known < len(parameter):
                    old, new = getattr(self.tokenizers, side), getattr(tokenizers, side)
                    for row, cut in enumerate(cut_strings(old, new.pieces[known:]), start=known):
                        parameter[row] = given[name][cut].double().mean(dim=0).to(parameter.dtype)


def is_taken(name: str, training: TrainingConfig) -> bool:
    """Return whether a parameter's first values are the start model's."""
    return not training.start_parts or is_named(name, training.start_parts)


def load_start(config: Config) -> Start:
    """Read the model of training.start. Raises InputError where there is none, or where it does not fit the config."""
    training = config.training
    try:
        loaded = load_model(training.start, root=config.data.root)
    except InputError as error:
        raise InputError(f"training.start: {error}") from None
    _check_tokenizer_keys(config, loaded.config)
    for tokenizer in (loaded.tokenizers.source, loaded.tokenizers.target):
        check_sampling(config.tokenizer.sampling, tokenizer, f"training.start: {training.start}")
    if config.tokenizer.extend:
        check_extendable(loaded.tokenizers, config.tokenizer, training.start)
    if problems := list(_misfits(config, loaded.model, build_model(config, loaded.tokenizers))):
        differing = ", ".join(_differing_keys(config, loaded.config))
        keys = f" ({differing})" if differing else ""
        raise InputError(
            f"training.start: {training.start} does not fit this config{keys}: {'; '.join(problems)}; "
            "change the config, or take the parts that fit by training.start_parts"
        )
    return Start(training.start, loaded.files[WEIGHTS], loaded.model, loaded.tokenizers)


def _check_tokenizer_keys(config: Config, start: Config) -> None:
    """Refuse keys of [tokenizer] that ask for another tokenizer than the start model's. Raises InputError."""
    for key in TRAINED_BY if config.tokenizer.extend else TRAINED_BY + EXTENDED_BY:
        here, there = getattr(config.tokenizer, key), getattr(start.tokenizer, key)
        if here not in (there, TokenizerConfig.model_fields[key].get_default(call_default_factory=True)):
            extend = ", or set tokenizer.extend" if key in EXTENDED_BY else ""
            raise InputError(
                f"tokenizer.{key} = {here!r}: the tokenizer of {config.training.start} is used, where it is {there!r}; "
                f"leave it out{extend}"
            )


def _differing_keys(config: Config, start: Config) -> Iterator[str]:
    here, there = config.model.model_dump(), start.model.model_dump()
    for key, value in here.items():
        if value != there[key] and not key.startswith(("dropout", "variational")):
            yield f"model.{key} = {value!r} here, {there[key]!r} there"


def _misfits(config: Config, start: Seq2Seq, model: Seq2Seq) -> Iterator[str]:
    """Yield every parameter to be taken that one of the two models lacks, or has in another shape."""
    there, here = (dict(one.named_parameters(remove_duplicate=False)) for one in (start, model))
    shared: dict[int, str] = {}
    for name in [*here, *(name for name in there if name not in here)]:
        if not is_taken(name, config.training):
            continue
        if name not in here or name not in there:
            yield f"{name} is {'there' if name in there else 'here'} only"
        elif here[name].shape != there[name].shape:
            yield f"{name} is {list(here[name].shape)} here, {list(there[name].shape)} there"
        elif not torch.equal(there[name], there[first := shared.setdefault(id(here[name]), name)]):
            yield f"{name} and {first} are one by model.tie here, two there"


class StartWeights:
    """The start model's weights among those that are trained: where a training began, without rows of added pieces."""

    def __init__(self, model: Seq2Seq, training: TrainingConfig, sizes: Mapping[str, int]) -> None:
        """Copy them from a model as the training began with it. sizes: the start model's vocabulary of each side."""
        self._decay = training.start_decay
        self._weights: dict[str, Tensor] = {}  # by the first name of a shared parameter
        first: dict[int, str] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            known = first.setdefault(id(parameter), name)
            if is_taken(name, training) and not is_named(name, training.freeze):
                self._weights[known] = parameter.detach()[: sizes[_SIDES[name]] if name in _SIDES else None].clone()

    @classmethod
    def of(cls, model: Seq2Seq, training: TrainingConfig, record: StartRecord) -> Self:
        """Return the weights of a model that a run began with."""
        return cls(model, training, {"source": record.source_vocabulary, "target": record.target_vocabulary})

    def add_gradient(self, model: Seq2Seq, scale: float) -> float:
        """Add the gradient of start_decay · ||w - w_start||² (MAP-L2: Miceli Barone et al. 2017), and return its value.

        scale: the factor that all gradients carry now, by which mixed precision keeps them from vanishing. Weights
        that several names share count once.
        """
        norms = []
        for name, start in self._weights.items():
            parameter = model.get_parameter(name)
            apart = parameter.detach()[: len(start)] - start
            norms.append(torch.linalg.vector_norm(apart, dtype=torch.float64))
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad[: len(start)].add_(apart, alpha=2 * self._decay * scale)
        return self._decay * float(torch.stack(norms).square().sum()) if norms else 0.0

    def mean(self, weights: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
        """Return (1 - share) · weights + share · the start model's, in float64; what was not taken stays."""
        found = {name: value.clone() for name, value in weights.items()}
        for name, start in self._weights.items():
            own = found[name][: len(start)].double()
            found[name][: len(start)] = (own + share * (start.cpu().double() - own)).float()
        return found
