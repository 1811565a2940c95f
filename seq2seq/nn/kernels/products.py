"""The matrix products of training on a CPU: by the kernels that are fastest there, in few shapes.

torch gives products of float32 to MKL. Told that bfloat16 would do, it asks oneDNN instead, and oneDNN makes them in
float32 all the same unless the CPU has instructions for whole matrices: `exact_onednn` says so for a while, and only
where a probe shows that nothing is rounded. 2026-11-27, AVX-512 (AMD Zen 4), two threads, GFLOP/s of oneDNN and of MKL:
128 to 256 rows of 512 x 2,048 212 and 177 to 192, of 2,048 x 512 218 and 178 to 193; 1,024 rows of 512 x 8,000 214 and
196; the matmul of 2,048 x 2,048, by MKL, 190. σ of what a product left takes a third of the time: oneDNN's threads cut
a matrix as torch's do. A step of training took 735 ms, by MKL, and 690.

oneDNN compiles kernels for each shape that it meets, in 0.3 ms and 0.5 MB, and has to remember them. Of a batch all
steps have the same number of rows, and there are few such numbers (`rehearse`); but its sequences, whose rows are all
positions, are as many lengths as there are batches. So their products are made in pieces of as many rows, and MKL makes
the rest. Pieces that overlap, so that none is left over, did 2 % more work in all.
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

PIECE = 512  # rows of a sequence in one product


@cache
def onednn_is_better() -> bool:
    """Whether oneDNN makes products of float32 that are exact and, as measured with AVX-512, faster than MKL's."""
    if not torch.cpu.get_capabilities().get("avx512_f"):
        return False
    odd = torch.full((32, 32), 1 + 2**-12, dtype=torch.float32)  # rounded to 1 by bfloat16
    with _asking_onednn(), torch.autocast("cpu", enabled=False):
        return bool(torch.equal(odd @ torch.eye(32, dtype=torch.float32), odd))


class _Asking:
    """How many ask oneDNN at this moment. The setting is the whole process's, and the last to leave puts it back."""

    def __init__(self) -> None:
        self._lock, self._count, self._before = Lock(), 0, ""

    def add(self, change: int) -> None:
        """One more, or one less."""
        setting: Any = torch.backends.mkldnn  # which has no types
        with self._lock:
            if self._count == 0:
                self._before, setting.matmul.fp32_precision = setting.matmul.fp32_precision, "bf16"
            self._count += change
            if self._count == 0:
                setting.matmul.fp32_precision = self._before


_asking = _Asking()


@contextmanager
def _asking_onednn() -> Iterator[None]:
    _asking.add(1)
    try:
        yield
    finally:
        _asking.add(-1)


@contextmanager
def exact_onednn(wanted: bool = True) -> Iterator[None]:
    """Products of float32 on the CPU, as exact as ever, by oneDNN where that is wanted and better.

    The setting is the whole process's: what other threads multiply meanwhile goes the same way.
    """
    if wanted and onednn_is_better():
        with _asking_onednn():
            yield
    else:
        yield


def pieces(rows: int, *sizes: int) -> Iterator[tuple[slice, bool]]:
    """All rows in order: as many pieces as there can be of each size, given from the largest, and what is left.

    With each, whether it has one of these sizes.
    """
    done = 0
    for size in sizes:
        for first in range(done, rows - size + 1, size):
            done = first + size
            yield slice(first, done), True
    if done < rows:
        yield slice(done, rows), False


def affine(left: Tensor, matrix: Tensor, offset: Tensor, out: Tensor | None = None) -> Tensor:
    """left @ matrix + offset: the product in the matrix's precision, the sum in the offset's, which `out` may be."""
    left = left.to(matrix.dtype)
    if matrix.dtype == offset.dtype:
        return torch.addmm(offset, left, matrix, out=out)
    return torch.add(offset, left @ matrix, out=out)


def multiply(left: Tensor, matrix: Tensor, out: Tensor) -> Tensor:
    """left @ matrix into `out`, the product in the matrix's precision."""
    left = left.to(matrix.dtype)
    return torch.mm(left, matrix, out=out) if matrix.dtype == out.dtype else out.copy_(left @ matrix)


def summed(left: Float[Tensor, "rows m"], right: Float[Tensor, "rows n"], dtype: torch.dtype) -> Float[Tensor, "m n"]:
    """leftᵀ right, over all rows of a sequence: the gradient of a matrix. dtype: of products; sums are exact."""
    total = left.new_zeros(left.shape[1], right.shape[1], dtype=torch.promote_types(dtype, torch.float32))
    for rows, full in pieces(len(left), PIECE):
        with exact_onednn(full):
            affine(left[rows].to(dtype).t(), right[rows].to(dtype), total, out=total)
    return total


class _Linear(torch.autograd.Function):
    """x Wᵀ + b, piece by piece; products of `dtype`, the result of `made`."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, made: torch.dtype
    ) -> Tensor:
        ctx.kind, inputs, matrix = inputs.dtype, inputs.to(dtype), weight.to(dtype)
        outputs = inputs.new_empty(len(inputs), len(weight), dtype=made)
        for rows, full in pieces(len(inputs), PIECE):
            with exact_onednn(full):
                if bias is None:
                    multiply(inputs[rows], matrix.t(), out=outputs[rows])
                else:
                    affine(inputs[rows], matrix.t(), bias.to(made), out=outputs[rows])
        ctx.save_for_backward(inputs, matrix)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, matrix), gradient = ctx.saved_tensors, gradients[0]
        to_inputs = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_inputs = torch.empty_like(inputs, dtype=ctx.kind)
            for rows, full in pieces(len(gradient), PIECE):
                with exact_onednn(full):
                    multiply(gradient[rows], matrix, out=to_inputs[rows])
        if ctx.needs_input_grad[1]:
            to_weight = summed(gradient, inputs, matrix.dtype)
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
    made: torch.dtype | None = None,
) -> Float[Tensor, "*rows outputs"]:
    """x Wᵀ + b of a sequence.

    dtype: of the products, by default autocast's where it is on, else the weight's; made: of the result, by default
    that of the products.
    """
    if inputs.device.type != "cpu" or torch.onnx.is_in_onnx_export():
        return nn.functional.linear(inputs, weight, bias)
    dtype = dtype or product_dtype(weight)
    with torch.autocast("cpu", enabled=False):
        flat = _linear(inputs.reshape(-1, inputs.shape[-1]), weight, bias, dtype, made or dtype)
        return flat.view(*inputs.shape[:-1], len(weight))


class SequenceLinear(nn.Linear):
    """torch's linear layer, for sequences in training: `linear`."""

    def forward(self, input: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """x Wᵀ + b."""
        return linear(input, self.weight, self.bias) if torch.is_grad_enabled() else super().forward(input)


class _Kind(NamedTuple):
    """A product of a loop's step, but for its rows."""

    shape: torch.Size
    transposed: bool
    dtype: torch.dtype
    adds: bool

    def run(self, rows: int) -> None:
        """Make oneDNN compile what this many rows need."""
        inputs, outputs = self.shape
        stored = (outputs, inputs) if self.transposed else (inputs, outputs)
        left, out, matrix = (torch.zeros(size, dtype=self.dtype) for size in ((rows, inputs), (rows, outputs), stored))
        matrix = matrix.t() if self.transposed else matrix
        if self.adds:
            torch.addmm(out, left, matrix, out=out)
        else:
            torch.mm(left, matrix, out=out)


class Rehearsal:
    """Makes the kernels of a batch's steps before the batch.

    Made in the midst of it, they lie between what the batch leaves free, which then fits no other. 2026-11-27, 60 steps
    of the reference model without feeding, all kernels remembered: 1.32 GB, and 1.60 without.
    """

    def __init__(self, kept: int) -> None:
        """kept: kernels that oneDNN remembers for this."""
        self._kept = kept
        self._kinds: dict[_Kind, None] = {}  # of the batch that there is now
        self._rows: OrderedDict[int, None] = OrderedDict()  # the last used comes last

    def note(self, matrix: Tensor, *, adds: bool) -> None:
        """This product is one of the batch's."""
        if matrix.is_cpu and (matrix.dtype != torch.float32 or onednn_is_better()):
            self._kinds[_Kind(matrix.shape, matrix.stride(0) == 1, matrix.dtype, adds)] = None

    def begin(self, rows: int) -> None:
        """Here comes a batch of this many rows, whose products will be as the last one's."""
        if not torch.is_grad_enabled():
            return  # a validation's products are half of a training's
        kinds, self._kinds = self._kinds, {}
        if kinds and rows not in self._rows:
            with exact_onednn():
                for kind in kinds:
                    kind.run(rows)
        self._rows[rows] = None
        self._rows.move_to_end(rows)
        while len(self._rows) * len(kinds) > self._kept:
            self._rows.popitem(last=False)


rehearsal = Rehearsal(KERNELS * 3 // 4)


def step_affine(left: Tensor, matrix: Tensor, offset: Tensor, out: Tensor | None = None) -> Tensor:
    """`affine`, of a loop's step."""
    rehearsal.note(matrix, adds=True)
    return affine(left, matrix, offset, out)


def step_multiply(left: Tensor, matrix: Tensor, out: Tensor) -> Tensor:
    """`multiply`, of a loop's step."""
    rehearsal.note(matrix, adds=False)
    return multiply(left, matrix, out)
