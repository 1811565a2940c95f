"""Initial values of all parameters, each drawn from a random generator seeded by the parameter's name."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seq2seq.nn.score_function import Parametrisation, ScoreFunction


def initialise(model: nn.Module, seed: int) -> None:
    """Fill every parameter from a generator of its own, seeded by `seed` and the parameter's name.

    So an initial value depends on nothing else: another score function changes the score function's parameters alone.
    Matrices: Glorot & Bengio (2010), recurrent ones orthogonal per gate (Saxe et al. 2014); embeddings N(0, 1/dim);
    biases 0, those of an LSTM's forget gate 1 (Jozefowicz et al. 2015); a score function scales its own.
    """
    for name, parameter in model.named_parameters():
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        with torch.no_grad():
            parameter.copy_(_first_value(model, name, parameter, generator))
    with torch.no_grad():
        for name, own in parametrisations(model).items():
            parameter = model.get_parameter(name)
            parameter.mul_(own.scale) if own.value is None else parameter.fill_(own.value)


def parametrisations(model: nn.Module) -> dict[str, Parametrisation]:
    """Return what score functions say of their parameters, by the parameters' names in the model."""
    return {
        f"{prefix}.{name}": own
        for prefix, module in model.named_modules()
        if isinstance(module, ScoreFunction)
        for name, own in module.parametrisation().items()
    }


def _first_value(model: nn.Module, name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    """Return the initial value of one parameter, on the CPU."""
    owner, _, kind = name.rpartition(".")
    module = model.get_submodule(owner)
    value = torch.zeros(parameter.shape)
    if isinstance(module, nn.LayerNorm):
        return torch.ones_like(value) if kind == "weight" else value
    if isinstance(module, nn.Embedding):
        return value.normal_(std=parameter.shape[1] ** -0.5, generator=generator)
    if isinstance(module, nn.RNNBase):
        return _recurrent_value(module, kind, value, generator)
    if value.ndim == 1 and kind == "bias":
        return value
    if value.ndim == 1:
        return value.uniform_(-(len(value) ** -0.5), len(value) ** -0.5, generator=generator)
    return nn.init.xavier_uniform_(value, generator=generator)


def _recurrent_value(module: nn.RNNBase, kind: str, value: Tensor, generator: torch.Generator) -> Tensor:
    """Fill a parameter of a GRU or LSTM; torch stacks the gates along the first axis, and each is drawn separately."""
    gates = value.chunk(value.shape[0] // module.hidden_size)
    if kind.startswith("weight_ih"):
        for gate in gates:
            nn.init.xavier_uniform_(gate, generator=generator)
    elif kind.startswith("weight_hh"):
        for gate in gates:
            nn.init.orthogonal_(gate, generator=generator)
    elif kind.startswith("bias_ih") and isinstance(module, nn.LSTM):
        gates[1].fill_(1.0)
    return value


class SkipInitialisation(TorchFunctionMode):
    """A mode in which new layers keep uninitialised parameters, as torch.empty made them.

    torch would fill them at random, which takes time and memory and advances the caller's random generator. (The device
    'meta' would avoid all three, but its first use imports 800 modules, which takes a second.)
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("uniform_", "normal_", "kaiming_uniform_", "fill_", "zero_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
