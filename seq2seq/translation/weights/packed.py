"""Products with a float32 matrix laid out once for many: x Wᵀ + b on a CPU.

A matmul lays its matrices out anew for the processor each time, and for few rows that is most of the work. oneDNN reads
a matrix that has been laid out before, through the operators that torch's compiler uses: 64 rows by 8,000 x 512 at 1.04
of a large matmul's rate, where torch's own product reaches 0.57. They have no gradients.
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

    def select_outputs(self, outputs: Int[Tensor, " some"]) -> "PackedMatrix":
        """These rows of W alone."""
        return PackedMatrix.of(self.weight.index_select(0, outputs))
