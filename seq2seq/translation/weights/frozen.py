"""A model for translating whose weights have been laid out once, for faster products than a training's."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.kernels.cells import gru_cell, lstm_cell
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.recurrent import RecurrentLayer, State


@runtime_checkable
class Matrix(Protocol):
    """W of x Wᵀ, in whatever layout and precision."""

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b, the caller's to write in."""

    def part(self, outputs: Int[Tensor, " some"]) -> "Matrix":
        """These rows of W alone, with the numbers that the whole gives."""


MatrixOf = Callable[[Tensor], Matrix]
_Stamp = tuple[int, int, float]


class FixedLinear(nn.Module):
    """A linear layer that cannot be trained."""

    def __init__(self, matrix: Matrix, bias: Float[Tensor, " outputs"]) -> None:
        super().__init__()
        self._matrix, self._bias = matrix, bias

    def forward(self, inputs: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b."""
        return self._matrix(inputs, self._bias)

    def part(self, outputs: Int[Tensor, " outputs"]) -> "FixedLinear":
        """The layer of these outputs alone."""
        return FixedLinear(self._matrix.part(outputs), self._bias[outputs])


class FixedLayer(RecurrentLayer):
    """A recurrent layer that cannot be trained."""

    def __init__(self, layer: RecurrentLayer, matrix_of: MatrixOf) -> None:
        nn.Module.__init__(self)
        self.rnn, self.cell, self.state_count = layer.rnn, layer.cell, layer.state_count
        weight, matrix, self._bias, self._inner_bias = (part.detach() for part in layer.doubled())
        self._inputs, self._states = matrix_of(weight), matrix_of(matrix)
        self._advance = {"lstm": self._lstm, "gru": self._gru}[layer.cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """As the layer's own, but for rounding."""
        outputs = []
        for gates in self._inputs(inputs.transpose(0, 1), self._bias).unbind(0):
            state = self._advance(gates, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """The state one position later."""
        return self._advance(self._inputs(inputs, self._bias), state)

    def _lstm(self, gates: Tensor, state: State) -> State:
        return lstm_cell(gates.add_(self._states(state[0], self._inner_bias)), state[1])

    def _gru(self, gates: Tensor, state: State) -> State:
        return (gru_cell(gates, self._states(state[0], self._inner_bias), state[0]),)


def fixed_model(model: Seq2Seq, matrix_of: MatrixOf) -> Seq2Seq:
    """A model that shares the embeddings and the attention, and whose other weights are made by `matrix_of`.

    Its weights are those of now: it does not follow a training.
    """
    parameters = {id(parameter): parameter for parameter in model.parameters()}
    made = copy.deepcopy(model, parameters)  # which are shared
    for name, module in list(made.named_modules()):
        if isinstance(module, RecurrentLayer):
            made.set_submodule(name, FixedLayer(module, matrix_of))
    for name in ("decoder.readout", "output_layer"):
        layer = made.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        made.set_submodule(name, FixedLinear(matrix_of(layer.weight), layer.bias.detach()))
    return made.eval()


class FixedCopies:
    """Models made by `fixed_model`, kept for as long as the weights that they were made of stay as they are."""

    def __init__(self, models: Sequence[Seq2Seq]) -> None:
        self._models = list(models)
        self._made: dict[MatrixOf, tuple[list[_Stamp], list[Seq2Seq]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # What is laid out for this processor can be made anew, and oneDNN's layouts can be neither copied nor sent.
        return type(self), (self._models,)

    def of(self, matrix_of: MatrixOf) -> list[Seq2Seq]:
        """One a model, made when first asked for, and again when a weight has changed, as those of a training do."""
        stamps = [_stamp(parameter) for model in self._models for parameter in model.parameters()]
        if matrix_of not in self._made or self._made[matrix_of][0] != stamps:
            self._made[matrix_of] = stamps, [fixed_model(model, matrix_of) for model in self._models]
        return self._made[matrix_of][1]


def _stamp(parameter: Tensor) -> _Stamp:
    """What tells that a parameter was changed: where it lies, how often it was written, and a sum of some of it.

    torch counts what is written in place, but not what its fused optimizers write, and these write everywhere.
    """
    return parameter.data_ptr(), parameter._version, float(parameter.detach()[::64].sum())
