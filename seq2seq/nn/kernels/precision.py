"""Which numbers products are made of: those of the weights, or the shorter ones that autocast asks for.

What follows a product, the gates of a cell, a softmax, sums over a batch, is always made of the weights' numbers.
bfloat16 has float32's range with 8 bits of precision. 2026-11-26, two threads of a CPU with AVX-512's instructions for
it (AMD Zen 4): products at 2.3 to 2.8 times float32's rate.
"""

import torch
from torch import Tensor


def product_dtype(like: Tensor) -> torch.dtype:
    """The dtype of products on this tensor's device: autocast's where it is on, else the tensor's own."""
    kind = like.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else like.dtype


def bfloat16_is_fast() -> bool:
    """Whether this machine's CPU has instructions for products of bfloat16."""
    able = torch.cpu.get_capabilities()
    return any(there for name, there in able.items() if name.endswith("bf16"))  # avx512_bf16, amx_bf16, ARM's own
