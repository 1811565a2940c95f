"""The names of torch that its public interface does not promise; nothing else in the package uses such names.

Each has a probe here, and whoever asks for it falls back, or refuses in a line, where the probe says no: a torch
without oneDNN, another processor, or a later version. pyproject.toml bounds torch's version from above for that reason.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import Seq2SeqError

# ------------------------------------------------------------------------------------------------- oneDNN's exactness

_BFLOAT16, _ALLOWED = "bf16", "fp32_precision"


@cache
def has_product_precision() -> bool:
    """Return whether torch has the setting by which products of float32 go to oneDNN (torch 2.9 and later)."""
    return hasattr(getattr(torch.backends.mkldnn, "matmul", None), _ALLOWED)


def allow_bfloat16_products() -> str:
    """Let this process make products of float32 through oneDNN, and return the setting to restore.

    torch hands a product to oneDNN only where bfloat16 may be used inside it; oneDNN uses it only on a processor that
    has instructions for whole matrices. So the setting is exact where a probe has shown it to be, and not elsewhere.
    """
    setting: Any = torch.backends.mkldnn  # which has no types
    before: str = setting.matmul.fp32_precision
    setting.matmul.fp32_precision = _BFLOAT16
    return before


def restore_product_precision(before: str) -> None:
    """Set what `allow_bfloat16_products` returned."""
    setting: Any = torch.backends.mkldnn
    setting.matmul.fp32_precision = before


# ---------------------------------------------------------------------------------------------------- backward passes


def backward_pass_number() -> int:
    """Return the number of the backward pass at work in this thread; -1 outside of one.

    Raises Seq2SeqError where torch does not tell passes apart: gradients of one would count in the next.
    """
    number: Callable[[], int] | None = getattr(torch._C, "_current_graph_task_id", None)
    if number is None:
        raise Seq2SeqError(f"torch {torch.__version__} cannot train here: install a version that seq2seq allows")
    return number()


def sigmoid_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """Write g y (1 - y), the gradient before a σ whose result is y, into `out`, in one pass over memory."""
    run: Callable[..., Tensor] = torch.ops.aten.sigmoid_backward.grad_input
    return run(gradient, output, grad_input=out)


def tanh_backward(gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """Write g (1 - y²), the gradient before a tanh whose result is y, into `out`, in one pass over memory."""
    run: Callable[..., Tensor] = torch.ops.aten.tanh_backward.grad_input
    return run(gradient, output, grad_input=out)


# ------------------------------------------------------------------------------------------------ weights laid out once


@cache
def has_packed_products() -> bool:
    """Return whether this torch multiplies by a float32 matrix that oneDNN has laid out, on this processor."""
    return _works(lambda one: packed_linear(one, pack(one), None))


def pack(weight: Tensor) -> Tensor:
    """Lay out W [outputs, inputs] of float32 for `packed_linear`; the result cannot be read, copied or sent."""
    run: Callable[..., Tensor] = torch.ops.mkldnn._reorder_linear_weight
    return run(weight)


def packed_linear(inputs: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b, where `pack` has laid W out."""
    run: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise
    return run(inputs, packed, bias, "none", [], "")


@cache
def has_int8_products() -> bool:
    """Return whether this torch multiplies 8-bit integers by oneDNN, on this processor."""
    one = torch.ones(1, dtype=torch.float32)

    def product(matrix: Tensor) -> Tensor:
        entries = matrix.to(torch.int8)
        packed = pack_int8(entries, 1)
        return int8_linear(entries.view(torch.uint8), 1.0, 0, packed, one, torch.zeros(1, dtype=torch.int32))

    return _works(product)


def pack_int8(entries: Tensor, rows: int) -> Tensor:
    """Lay out W [outputs, inputs] of int8 for `int8_linear`; rows: how many of x are expected at a time."""
    run: Callable[..., Tensor] = torch.ops.onednn.qlinear_prepack
    return run(entries, [rows, entries.shape[1]])


def int8_linear(inputs: Tensor, scale: float, zero: int, packed: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    """Return x Wᵀ in float32, of x = (uint8 - zero) scale and of W whose rows have the scales and zeros given."""
    run: Callable[..., Tensor] = torch.ops.onednn.qlinear_pointwise
    return run(inputs, scale, zero, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")


def _works(product: Callable[[Tensor], Tensor]) -> bool:
    """Return whether 1 times 1 is 1 by these operators."""
    available: Callable[[], bool] = torch.backends.mkldnn.is_available
    if not available():
        return False
    one = torch.ones(1, 1)
    try:
        return bool(torch.equal(product(one), one))
    except (AttributeError, RuntimeError):  # torch has no such operator, or not on this processor
        return False
