"""The matrix products of training on a CPU, by the library that is faster there and as exact.

torch gives products of float32 to MKL. Where a probe shows that oneDNN rounds nothing (`onednn_is_better`), it is asked
instead; callers see `matmul`, `step_matmul`, `add_product` and `linear`, and choose nothing. 2026-11-27, AVX-512 (AMD
Zen 4), two threads, a step of training: 690 ms, and 735 by MKL alone.

oneDNN compiles a kernel for every shape that it meets, in 0.3 ms and 0.5 MB, and remembers a few hundred. All steps of
a batch have the same number of rows, so their kernels are few. Whole sequences have as many lengths as there are
batches: they are multiplied in pieces of PIECE rows, and what is left over goes to MKL.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.nn.kernels.allocator import KERNELS
from seq2seq.nn.kernels.precision import product_dtype
from seq2seq.nn.kernels.torch_internals import (
    allow_bfloat16_products,
    has_product_precision,
    restore_product_precision,
)

PIECE = 512  # rows of a sequence in one product; half as many where no more are left
COLUMNS = 512  # of a product by MKL at one time
WIDE = 4096  # columns from which MKL gets them in parts

# ------------------------------------------------------------------------------------------------------ which library


@cache
def onednn_is_better() -> bool:
    """Return whether oneDNN makes exact products of float32 here and, as measured with AVX-512, faster than MKL."""
    if not torch.cpu.get_capabilities().get("avx512_f") or not has_product_precision():
        return False
    odd = torch.full((32, 32), 1 + 2**-12, dtype=torch.float32)  # bfloat16 would round it to 1
    with _onednn.asked(), torch.autocast("cpu", enabled=False):
        return bool(torch.equal(odd @ torch.eye(32, dtype=torch.float32), odd))


class _OneDNN:
    """The process-wide setting that sends products to oneDNN: the first user sets it, the last one restores it.

    Products that other threads make meanwhile go the same way, which is exact as well. To set and restore it takes
    0.6 µs (2026-11-30), so that each product does.
    """

    def __init__(self) -> None:
        self._lock, self._users, self._before = Lock(), 0, ""

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Send the products made within this context to oneDNN."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            if self._users == 0:
                self._before = allow_bfloat16_products()
            self._users += change
            if self._users == 0:
                restore_product_precision(self._before)


_onednn = _OneDNN()


def _product(left: Tensor, matrix: Tensor, offset: Tensor | None, out: Tensor | None) -> Tensor:
    """Return left @ matrix + offset by whichever library torch asks now, in the matrix's dtype; see `matmul`."""
    left = left.to(matrix.dtype)
    if offset is None:
        if out is None or out.dtype == matrix.dtype:
            return torch.mm(left, matrix, out=out)
        return out.copy_(left @ matrix)
    if matrix.dtype == offset.dtype:
        return torch.addmm(offset, left, matrix, out=out)
    return torch.add(offset, left @ matrix, out=out)


def _by_onednn(left: Tensor, matrix: Tensor, offset: Tensor | None, out: Tensor | None) -> Tensor:
    """Return the product, by oneDNN where it is better."""
    if matrix.dtype != torch.float32 or not matrix.is_cpu or not onednn_is_better():
        return _product(left, matrix, offset, out)
    with _onednn.asked():
        return _product(left, matrix, offset, out)


def _by_mkl(left: Tensor, matrix: Tensor, offset: Tensor | None, out: Tensor) -> None:
    """Write the product into `out`, by MKL; of a wide one, some columns at a time.

    2026-11-26, 8,000 columns of 512, two threads: 0.83, 0.87, 1.01 and 0.94 of a large matmul's rate for 200, 400, 640
    and 1,000 rows; all columns at once 0.71, 0.77, 0.82 and 0.90.
    """
    if matrix.shape[1] < WIDE or offset is not None or not out.is_cpu:
        _product(left, matrix, offset, out)
        return
    for start in range(0, matrix.shape[1], COLUMNS):
        columns = slice(start, start + COLUMNS)
        _product(left, matrix[:, columns], None, out[:, columns])


# --------------------------------------------------------------------------------------------------------- sequences


def pieces(rows: int) -> Iterator[tuple[slice, bool]]:
    """Cut rows into pieces of PIECE, one of half as many where that fits, and what is left.

    With each piece, whether it has one of the two sizes, of which oneDNN may keep kernels.
    """
    done = 0
    for size in (PIECE, PIECE // 2):
        for first in range(done, rows - size + 1, size):
            done = first + size
            yield slice(first, done), True
    if done < rows:
        yield slice(done, rows), False


def matmul(
    left: Float[Tensor, "rows inputs"],
    matrix: Float[Tensor, "inputs outputs"],
    offset: Float[Tensor, "*rows outputs"] | None = None,
    *,
    out: Float[Tensor, "rows outputs"],
) -> Float[Tensor, "rows outputs"]:
    """Write left @ matrix + offset into `out` and return it; any number of rows, as the positions of sequences are.

    The product is made in the matrix's dtype, the sum in the offset's; `out` may be the offset.
    """
    each = offset is not None and offset.ndim == 2
    for rows, whole in pieces(len(left)):
        added = offset[rows] if each and offset is not None else offset
        if whole and matrix.is_cpu and onednn_is_better():
            _by_onednn(left[rows], matrix, added, out[rows])
        else:
            _by_mkl(left[rows], matrix, added, out[rows])
    return out


def add_product(
    total: Float[Tensor, "m n"], left: Float[Tensor, "rows m"], right: Float[Tensor, "rows n"], dtype: torch.dtype
) -> Float[Tensor, "m n"]:
    """Add leftᵀ right, which sums over all rows, to `total` and return it; dtype: of the products."""
    for rows, whole in pieces(len(left)):
        product = _by_onednn if whole else _product
        product(left[rows].to(dtype).t(), right[rows].to(dtype), total, total)
    return total


def sum_of_products(
    left: Float[Tensor, "rows m"], right: Float[Tensor, "rows n"], dtype: torch.dtype
) -> Float[Tensor, "m n"]:
    """Return leftᵀ right, the gradient of a matrix from all rows of a sequence.

    dtype: of the products; their sum has at least float32.
    """
    total = left.new_zeros(left.shape[1], right.shape[1], dtype=torch.promote_types(dtype, torch.float32))
    return add_product(total, left, right, dtype)


class _Linear(torch.autograd.Function):
    """x Wᵀ + b with products of one dtype and a result of another."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, result_dtype: torch.dtype
    ) -> Tensor:
        ctx.input_dtype, inputs, matrix = inputs.dtype, inputs.to(dtype), weight.to(dtype)
        outputs = inputs.new_empty(len(inputs), len(weight), dtype=result_dtype)
        matmul(inputs, matrix.t(), None if bias is None else bias.to(result_dtype), out=outputs)
        ctx.save_for_backward(inputs, matrix)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, matrix), gradient = ctx.saved_tensors, gradients[0]
        to_inputs = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_inputs = matmul(gradient, matrix, out=torch.empty_like(inputs, dtype=ctx.input_dtype))
        if ctx.needs_input_grad[1]:
            to_weight = sum_of_products(gradient, inputs, matrix.dtype)
        if ctx.needs_input_grad[2]:
            to_bias = gradient.sum(dim=0, dtype=torch.promote_types(gradient.dtype, torch.float32))
        return to_inputs, to_weight, to_bias, None, None


_linear: Callable[..., Tensor] = _Linear.apply  # torch leaves it untyped


def linear(
    inputs: Float[Tensor, "*rows inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"] | None = None,
    *,
    dtype: torch.dtype | None = None,
    result_dtype: torch.dtype | None = None,
) -> Float[Tensor, "*rows outputs"]:
    """Return x Wᵀ + b of a sequence, with gradients.

    dtype: of the products; by default autocast's where it is on, else the weight's. result_dtype: by default the same.
    """
    if inputs.device.type != "cpu" or torch.onnx.is_in_onnx_export():
        return nn.functional.linear(inputs, weight, bias)
    dtype = dtype or product_dtype(weight)
    with torch.autocast("cpu", enabled=False):
        flat = _linear(inputs.reshape(-1, inputs.shape[-1]), weight, bias, dtype, result_dtype or dtype)
        return flat.view(*inputs.shape[:-1], len(weight))


class SequenceLinear(nn.Linear):
    """torch's linear layer, which in training multiplies sequences by `linear`."""

    def forward(self, input: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """Return x Wᵀ + b."""
        return linear(input, self.weight, self.bias) if torch.is_grad_enabled() else super().forward(input)


# ----------------------------------------------------------------------------------------------------- steps of a loop


class _Kind(NamedTuple):
    """A product of a loop's step, but for its number of rows."""

    shape: torch.Size
    transposed: bool
    dtype: torch.dtype
    adds: bool

    def compile(self, rows: int) -> None:
        """Make a product with this many rows, so that oneDNN has its kernel."""
        inputs, outputs = self.shape
        stored = (outputs, inputs) if self.transposed else (inputs, outputs)
        left, out, matrix = (torch.zeros(size, dtype=self.dtype) for size in ((rows, inputs), (rows, outputs), stored))
        _by_onednn(left, matrix.t() if self.transposed else matrix, out if self.adds else None, out)


class KernelPreparation:
    """Compiles the kernels of all steps of a batch at its first step.

    Kernels allocated between a batch's tensors fragment the heap. So the first product with a number of rows that was
    not met lately has the kernels of all known kinds of products made for it. 2026-11-27, 60 steps of the reference
    model without input feeding: 1.32 GB, and 1.60 without preparation.
    """

    MOST_KINDS = 32  # a network has fewer; those of one that is gone are forgotten with all others

    def __init__(self, kernels: int) -> None:
        """kernels: how many oneDNN remembers for this."""
        self._kernels = kernels
        self._kinds: dict[_Kind, None] = {}
        self._rows: OrderedDict[int, None] = OrderedDict()  # the last used comes last

    def prepare(self, matrix: Tensor, rows: int, *, adds: bool) -> None:
        """Be told of a product that is about to be made."""
        if not matrix.is_cpu or (matrix.dtype == torch.float32 and not onednn_is_better()):
            return
        kind = _Kind(matrix.shape, matrix.stride(0) == 1, matrix.dtype, adds)
        if rows not in self._rows:
            for known in self._kinds:
                known.compile(rows)
        self._rows[rows] = None
        self._rows.move_to_end(rows)
        if kind not in self._kinds and len(self._kinds) == self.MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = None
        while len(self._rows) > 1 and len(self._rows) * len(self._kinds) > self._kernels:
            self._rows.popitem(last=False)


kernel_preparation = KernelPreparation(KERNELS * 3 // 4)


def step_matmul(
    left: Float[Tensor, "rows inputs"],
    matrix: Float[Tensor, "inputs outputs"],
    offset: Float[Tensor, "*rows outputs"] | None = None,
    *,
    out: Float[Tensor, "rows outputs"] | None = None,
) -> Float[Tensor, "rows outputs"]:
    """Return left @ matrix + offset, as `matmul`, of a step of a loop, whose number of rows recurs."""
    kernel_preparation.prepare(matrix, len(left), adds=offset is not None)
    return _by_onednn(left, matrix, offset, out)
