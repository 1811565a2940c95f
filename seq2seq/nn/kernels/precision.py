"""The dtype of products: that of the weights, or the shorter one that autocast asks for.

What follows a product (the gates of a cell, a softmax, sums over a batch) is always made in the dtype of the weights.
bfloat16 has float32's range with 8 bits of precision, and 2.3 to 2.8 times its rate on a CPU with instructions for it.
"""

import torch
from torch import Tensor


def product_dtype(like: Tensor) -> torch.dtype:
    """Return the dtype of products on this tensor's device: autocast's where it is on, else the tensor's own."""
    device = like.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype


def bfloat16_is_fast() -> bool:
    """Return whether this machine's CPU has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(
        present for name, present in capabilities.items() if name.endswith("bf16")
    )  # avx512_bf16, amx_bf16, ARM's own
