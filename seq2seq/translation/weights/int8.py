"""Weights in 8-bit integers, for translation on a CPU: a quarter of the memory to read, twice the products per second.

Each row of W has one scale, computed once; each row of inputs has a scale of its own, computed at each call, so that no
translation depends on the others in its batch. Sums of integers are exact. Inputs have 7 bits: processors without VNNI
add pairs of products in 16 bits, which 8-bit inputs would overflow (error 1.1 % of the outputs' standard deviation with
7 bits, 3.9 % with 8).

oneDNN computes the products, through the operators that torch's compiler uses; torch's own quantised layers are
deprecated. Embeddings and attention stay in float32.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.nn.kernels.torch_internals import has_int8_products, int8_linear, pack_int8

_LARGEST = 63  # of an input: 7 bits with the sign
_ROWS = 64  # number of input rows for which the layout is chosen


def check_int8(device: torch.device) -> None:
    """Raise InputError where products of 8-bit integers cannot be had."""
    if device.type != "cpu":
        raise InputError(f"int8 is for translating on the CPU, and the model is on {device}; leave it out")
    if not has_int8_products():
        raise InputError(
            "int8 needs oneDNN, which this installation of torch does not have for this processor; leave int8 out"
        )


@dataclass(frozen=True, slots=True)
class IntegerMatrix:
    """The matrix W of products x Wᵀ in 8-bit integers, for float inputs and outputs."""

    entries: Int[Tensor, "outputs inputs"]
    scales: Float[Tensor, " outputs"]
    zeros: Int[Tensor, " outputs"]
    packed: Tensor  # the entries in the layout that the products read

    @classmethod
    def of(cls, weight: Float[Tensor, "outputs inputs"]) -> "IntegerMatrix":
        """Round each row of a matrix to the nearest multiples of its largest absolute entry / 127."""
        weight = weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        return cls._pack((weight / scales[:, None]).round_().to(torch.int8), scales)

    @classmethod
    def _pack(cls, entries: Int[Tensor, "outputs inputs"], scales: Float[Tensor, " outputs"]) -> "IntegerMatrix":
        packed = pack_int8(entries, _ROWS)
        return cls(entries, scales, torch.zeros(len(scales), dtype=torch.int32), packed)

    def select_outputs(self, outputs: Int[Tensor, " some"]) -> "IntegerMatrix":
        """Return the matrix of these rows of W alone, with the same integers, because each row has its own scale."""
        return self._pack(self.entries.index_select(0, outputs), self.scales[outputs])

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """Return x Wᵀ + b, each row of x rounded to 127 values between plus and minus its largest absolute entry."""
        scales = inputs.abs().amax(dim=-1, keepdim=True).clamp_min_(torch.finfo(inputs.dtype).tiny) / _LARGEST
        # 0.5 more, because the conversion truncates. No entry exceeds 127, so int8 and uint8 have the same bits, and
        # the conversion to int8 is 7 times as fast.
        entries = (inputs / scales).add_(_LARGEST + 1.5).to(torch.int8).view(torch.uint8)
        products = int8_linear(entries, 1.0, _LARGEST + 1, self.packed, self.scales, self.zeros)
        products = products.to(inputs.dtype).mul_(scales)
        return products if bias is None else products.add_(bias)
