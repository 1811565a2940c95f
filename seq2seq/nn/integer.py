"""Weights in 8-bit integers, for translating on a CPU: a quarter of the memory to read, twice the products a second.

A row of W has one scale, found once; a row of inputs has its own, found as it comes, so that no sentence feels which
others are translated beside it, and sums of integers are exact. Inputs take 7 bits: processors without VNNI add pairs
of products in 16 bits, where 8 would overflow (2026-11-26, AVX2, W of 2048 x 768: error 1.1 % of the outputs' spread
with 7 bits, 3.9 % with 8, of which exact sums would have left 0.9 %).

The products are oneDNN's, through the operators that torch's compiler uses. torch's own quantised tensors and layers,
whose kernel was faster still for few rows (5 rows: 135 against 344 µs, float32 561), are deprecated and will go. What
stays in float32: embeddings, attention, and the rows that a shortlist gathers.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.cells import gru_cell, lstm_cell
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.recurrent import RecurrentLayer, State

_LARGEST = 63  # of an input, 7 bits with their sign
_ROWS = 64  # that the packing is told to expect


@dataclass(frozen=True, slots=True)
class IntegerMatrix:
    """W of x Wᵀ, for float inputs and outputs."""

    entries: Int[Tensor, "outputs inputs"]
    scales: Float[Tensor, " outputs"]
    zeros: Int[Tensor, " outputs"]
    packed: Tensor  # the entries, as the products read them

    @classmethod
    def of(cls, weight: Float[Tensor, "outputs inputs"]) -> "IntegerMatrix":
        """The nearest multiples of each row's largest entry over 127."""
        weight = weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        return cls._pack((weight / scales[:, None]).round_().to(torch.int8), scales)

    @classmethod
    def _pack(cls, entries: Int[Tensor, "outputs inputs"], scales: Float[Tensor, " outputs"]) -> "IntegerMatrix":
        pack: Callable[..., Tensor] = torch.ops.onednn.qlinear_prepack
        packed = pack(entries, [_ROWS, entries.shape[1]])
        return cls(entries, scales, torch.zeros(len(scales), dtype=torch.int32), packed)

    def part(self, outputs: Int[Tensor, " some"]) -> "IntegerMatrix":
        """These rows of W alone. Each has its own scale, so its integers stay."""
        return self._pack(self.entries.index_select(0, outputs), self.scales[outputs])

    def __call__(self, inputs: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ, with each row of x rounded to 127 values between its largest entry and minus that."""
        scales = inputs.abs().amax(dim=-1, keepdim=True).clamp_min_(torch.finfo(inputs.dtype).tiny) / _LARGEST
        # Rounded, as the conversion cuts. None passes 127, so they are the same as int8, which is made 7 times as fast.
        entries = (inputs / scales).add_(_LARGEST + 1.5).to(torch.int8).view(torch.uint8)
        multiply: Callable[..., Tensor] = torch.ops.onednn.qlinear_pointwise
        products = multiply(
            entries,
            1.0,
            _LARGEST + 1,
            self.packed,
            self.scales,
            self.zeros,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return products.to(inputs.dtype).mul_(scales)


class IntegerLinear(nn.Module):
    """A linear layer with integer weights."""

    def __init__(self, matrix: IntegerMatrix, bias: Float[Tensor, " outputs"]) -> None:
        super().__init__()
        self._matrix, self._bias = matrix, bias

    def forward(self, inputs: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b."""
        return self._matrix(inputs).add_(self._bias)

    def part(self, outputs: Int[Tensor, " outputs"]) -> "IntegerLinear":
        """The layer of these outputs alone."""
        return IntegerLinear(self._matrix.part(outputs), self._bias[outputs])


class IntegerLayer(RecurrentLayer):
    """A recurrent layer with integer weights. It cannot be trained."""

    def __init__(self, layer: RecurrentLayer) -> None:
        nn.Module.__init__(self)
        self.rnn, self.cell, self.state_count = layer.rnn, layer.cell, layer.state_count
        weight, matrix, self._bias, self._inner_bias = (part.detach() for part in layer.doubled())
        self._inputs, self._states = IntegerMatrix.of(weight), IntegerMatrix.of(matrix)
        self._advance = {"lstm": self._lstm, "gru": self._gru}[layer.cell]

    def sequence(
        self, inputs: Float[Tensor, "rows time input_dim"], state: State
    ) -> tuple[Float[Tensor, "rows time dim"], State]:
        """As float32 weights would give it, but for the rounding."""
        outputs = []
        for gates in self._inputs(inputs.transpose(0, 1)).add_(self._bias).unbind(0):
            state = self._advance(gates, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def step(self, inputs: Float[Tensor, "rows input_dim"], state: State) -> State:
        """The state one position later."""
        return self._advance(self._inputs(inputs).add_(self._bias), state)

    def _lstm(self, gates: Tensor, state: State) -> State:
        return lstm_cell(gates.add_(self._states(state[0])).add_(self._inner_bias), state[1])

    def _gru(self, gates: Tensor, state: State) -> State:
        return (gru_cell(gates, self._states(state[0]).add_(self._inner_bias), state[0]),)


def integer_model(model: Seq2Seq) -> Seq2Seq:
    """A model for translating that shares the embeddings and the attention, and has integers for the other weights.

    Its weights are those of now: it does not follow a training.
    """
    parameters = {id(parameter): parameter for parameter in model.parameters()}
    made = copy.deepcopy(model, parameters)  # which are shared
    for name, module in list(made.named_modules()):
        if isinstance(module, RecurrentLayer):
            made.set_submodule(name, IntegerLayer(module))
    for name in ("decoder.readout", "output_layer"):
        layer = made.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        made.set_submodule(name, IntegerLinear(IntegerMatrix.of(layer.weight), layer.bias.detach()))
    return made.eval()
