"""Copies of models for translation, whose weights are in a layout with faster products than in training."""

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
    """The matrix W of products x Wᵀ, in any layout and precision."""

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """Return x Wᵀ + b, in a tensor that the caller may overwrite."""

    def select_outputs(self, outputs: Int[Tensor, " some"]) -> "Matrix":
        """Return the matrix of these rows of W alone, whose products have the same numbers."""


MatrixOf = Callable[[Tensor], Matrix]


class FrozenLinear(nn.Module):
    """A linear layer that cannot be trained."""

    def __init__(self, matrix: Matrix, bias: Float[Tensor, " outputs"]) -> None:
        super().__init__()
        self._matrix, self._bias = matrix, bias

    def forward(self, inputs: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """Return x Wᵀ + b."""
        return self._matrix(inputs, self._bias)

    def select_outputs(self, outputs: Int[Tensor, " outputs"]) -> "FrozenLinear":
        """Return the layer of these outputs alone."""
        return FrozenLinear(self._matrix.select_outputs(outputs), self._bias[outputs])


class FrozenLayer(RecurrentLayer):
    """A recurrent layer that cannot be trained."""

    def __init__(self, layer: RecurrentLayer, matrix_of: MatrixOf) -> None:
        nn.Module.__init__(self)
        self.rnn, self.cell, self.state_count = layer.rnn, layer.cell, layer.state_count
        weights = layer.weights()
        self._bias, self._inner_bias = weights.bias.detach(), weights.inner_bias.detach()
        self._inputs, self._states = matrix_of(weights.inputs.detach()), matrix_of(weights.states.detach())
        self._advance = {"lstm": self._lstm, "gru": self._gru}[layer.cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """Return what the layer itself does, up to rounding: the outputs at every position and the last state."""
        outputs = []
        for gates in self._inputs(inputs.transpose(0, 1), self._bias).unbind(0):
            state = self._advance(gates, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """Return the state one position later."""
        return self._advance(self._inputs(inputs, self._bias), state)

    def _lstm(self, gates: Tensor, state: State) -> State:
        return lstm_cell(gates.add_(self._states(state[0], self._inner_bias)), state[1])

    def _gru(self, gates: Tensor, state: State) -> State:
        return (gru_cell(gates, self._states(state[0], self._inner_bias), state[0]),)


def frozen_model(model: Seq2Seq, matrix_of: MatrixOf) -> Seq2Seq:
    """Return a model that shares the embeddings and the attention, and whose other weights are made by `matrix_of`.

    Its weights are those at the call, and do not change with a training.
    """
    parameters = {id(parameter): parameter for parameter in model.parameters()}
    made = copy.deepcopy(model, parameters)  # the parameters are shared
    for name, module in list(made.named_modules()):
        if isinstance(module, RecurrentLayer):
            made.set_submodule(name, FrozenLayer(module, matrix_of))
    for name in ("decoder.readout", "output_layer"):
        layer = made.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        made.set_submodule(name, FrozenLinear(matrix_of(layer.weight), layer.bias.detach()))
    return made.eval()


class FrozenCopies:
    """A cache of copies of models, each made by `frozen_model` at its first use."""

    def __init__(self, models: Sequence[Seq2Seq]) -> None:
        self._models = list(models)
        self._copies: dict[MatrixOf, list[Seq2Seq]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # The copies can be made again, and oneDNN's layouts can be neither copied nor pickled.
        return type(self), (self._models,)

    def of(self, matrix_of: MatrixOf) -> list[Seq2Seq]:
        """Return a copy of each model whose weights are made by `matrix_of`, as the weights were at the first call."""
        if matrix_of not in self._copies:
            self._copies[matrix_of] = [frozen_model(model, matrix_of) for model in self._models]
        return self._copies[matrix_of]

    def clear(self) -> None:
        """Delete all copies, because the models' weights have changed."""
        self._copies.clear()
