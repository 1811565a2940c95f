"""Weights in 8-bit integers, for translating on a CPU: a quarter of the memory to read, twice the products a second.

A row of W has one scale, found once; a row of inputs has its own, found as it comes, so that no translation depends on
which others are in its batch, and sums of integers are exact. Inputs take 7 bits: processors without VNNI add pairs of
products in 16 bits, where 8 would overflow (error 1.1 % of the outputs' standard deviation with 7 bits, 3.9 % with 8).

The products are oneDNN's, through the operators that torch's compiler uses; torch's own quantised layers are
deprecated. Embeddings and attention stay in float32.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.nn.kernels.torch_internals import int8_linear, pack_int8

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
        packed = pack_int8(entries, _ROWS)
        return cls(entries, scales, torch.zeros(len(scales), dtype=torch.int32), packed)

    def select_outputs(self, outputs: Int[Tensor, " some"]) -> "IntegerMatrix":
        """These rows of W alone. Each has its own scale, so its integers stay."""
        return self._pack(self.entries.index_select(0, outputs), self.scales[outputs])

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b, with each row of x rounded to 127 values between its largest entry and minus that."""
        scales = inputs.abs().amax(dim=-1, keepdim=True).clamp_min_(torch.finfo(inputs.dtype).tiny) / _LARGEST
        # Rounded, as the conversion cuts. None passes 127, so they are the same as int8, which is made 7 times as fast.
        entries = (inputs / scales).add_(_LARGEST + 1.5).to(torch.int8).view(torch.uint8)
        products = int8_linear(entries, 1.0, _LARGEST + 1, self.packed, self.scales, self.zeros)
        products = products.to(inputs.dtype).mul_(scales)
        return products if bias is None else products.add_(bias)
