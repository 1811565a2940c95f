"""Products x Wᵀ + b on a CPU with a float32 matrix whose layout is prepared once for many products.

A matmul copies its matrices into the processor's layout each time, and for few rows that is most of the work. oneDNN
can read a matrix that is already in that layout, through the operators that torch's compiler uses: 64 rows by
8,000 x 512 reach 1.04 of a large matmul's rate, where torch's own product reaches 0.57. They have no gradients.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.nn.kernels.torch_internals import has_packed_products, pack, packed_linear


def can_pack(*tensors: Tensor) -> bool:
    """Return whether `PackedMatrix` can compute products of these tensors: float32 on a CPU, outside of autocast."""
    if not all(each.device.type == "cpu" and each.dtype == torch.float32 for each in tensors):
        return False
    return not torch.is_autocast_enabled("cpu") and not torch.onnx.is_in_onnx_export() and has_packed_products()


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """The matrix W of products x Wᵀ, in oneDNN's layout; later changes of the weights do not reach it."""

    weight: Float[Tensor, "outputs inputs"]
    layout: Tensor

    @classmethod
    def of(cls, weight: Float[Tensor, "outputs inputs"]) -> "PackedMatrix":
        """Lay out a float32 matrix on the CPU; check `can_pack` first."""
        weight = weight.detach()
        return cls(weight, pack(weight))

    def __call__(
        self, inputs: Float[Tensor, "*rows inputs"], bias: Float[Tensor, " outputs"] | None = None
    ) -> Float[Tensor, "*rows outputs"]:
        """Return x Wᵀ + b."""
        return packed_linear(inputs, self.layout, bias)

    def select_outputs(self, outputs: Int[Tensor, " some"]) -> "PackedMatrix":
        """Return the matrix of these rows of W alone."""
        return PackedMatrix.of(self.weight.index_select(0, outputs))
