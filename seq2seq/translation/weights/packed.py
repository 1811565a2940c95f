"""Products with a float32 matrix laid out once for many: x Wᵀ + b on a CPU.

A matmul lays its matrices out anew for the processor each time, and for few rows that is most of the work. oneDNN reads
a matrix that has been laid out before, through the operators that torch's compiler uses. They have no gradients.
2026-11-26, AVX-512, two threads, as shares of the rate of a matmul of 2,048 x 2,048 (torch's own products, by MKL, in
brackets): W of 8,000 x 512 and 1,024 rows 1.15 (0.97), 300 rows 1.14 (0.85), 64 rows 1.04 (0.57), 5 rows 1.02 (0.14);
of 2,048 x 512 1.20 (1.02), 1.19 (0.95), 1.21 (0.76), 0.78 (0.27). To lay out the larger one takes 1.7 ms, of its
transpose 8 ms. Sums are made in another order, with errors of 2.5 times the size.

Not for training, 2026-11-26: a step of the reference model won 1 to 5 %, and as the operators make each result anew,
never where one was before, the process grew from 1.2 to 1.6 and 2.0 GB.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.nn.kernels.torch_internals import has_packed_products, pack, packed_linear


def packs(*tensors: Tensor) -> bool:
    """Whether products of these can be made so."""
    if not all(each.device.type == "cpu" and each.dtype == torch.float32 for each in tensors):
        return False
    return not torch.is_autocast_enabled("cpu") and not torch.onnx.is_in_onnx_export() and has_packed_products()


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """W of x Wᵀ, as it was when it was laid out."""

    weight: Float[Tensor, "outputs inputs"]
    layout: Tensor

    @classmethod
    def of(cls, weight: Float[Tensor, "outputs inputs"]) -> "PackedMatrix":
        """Lay out a float32 matrix on the CPU; check `packs` first."""
        weight = weight.detach()
        return cls(weight, pack(weight))

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b."""
        return packed_linear(inputs, self.layout, bias)

    def part(self, outputs: Int[Tensor, " some"]) -> "PackedMatrix":
        """These rows of W alone."""
        return PackedMatrix.of(self.weight.index_select(0, outputs))
