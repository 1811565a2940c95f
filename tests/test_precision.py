"""Training with products of bfloat16: the products are, nothing else is, and what it teaches is float32's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from mechanisms import EVERY, SOURCE_VOCABULARY, TARGET_VOCABULARY, perturb, random_ids, tiny_model
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq.batching import Batch, make_batch
from seq2seq.config_file import parse_config
from seq2seq.nn.kernels.additive_energies import additive_energies
from seq2seq.nn.kernels.loop_gradients import AffineSteps
from seq2seq.nn.kernels.loop_steps import tanh_step
from seq2seq.nn.kernels.precision import bfloat16_is_fast
from seq2seq.nn.kernels.products import linear, matmul, step_matmul
from seq2seq.nn.loss import Loss, cross_entropy
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.normalisation import NORMALISATIONS
from seq2seq.training.engine import emulates_bfloat16, make_accelerator

DATA: dict[str, Any] = {
    "source_language": "de",
    "target_language": "en",
    **{name: {"source": "a", "target": "b"} for name in ("train", "validation")},
}
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "addmv", "mv"}


class Products(TorchDispatchMode):
    """Counts the multiplications of matrix products, by the dtype of what is multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.work: Counter[torch.dtype] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__.rstrip("_") in PRODUCTS:
            left, right = [part for part in args if isinstance(part, Tensor)][-2:]
            self.work[left.dtype] += left.numel() * (right.shape[-1] if right.ndim > 1 else 1)
        return func(*args, **(kwargs or {}))


def batch() -> Batch:
    return make_batch(random_ids([5, 12, 9, 12], SOURCE_VOCABULARY, 1), random_ids([11, 4, 7, 8], TARGET_VOCABULARY, 2))


def learned(model: Seq2Seq, dtype: torch.dtype) -> tuple[Loss, dict[str, Tensor]]:
    """The loss of a training step, and the gradients that it leaves."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = model(*batch().tensors(), 0.1, 0.0)
    model.zero_grad()
    (loss.total / loss.tokens).backward()
    return loss, {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_gradients_point_where_those_of_float32_do(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """To 8 bits of every factor: within 3 degrees, as long to 3 %."""
    model = perturb(tiny_model(mechanism, wiring, cell))
    (exact, wanted), (rounded, found) = (learned(model, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert found.keys() == wanted.keys()
    mine, theirs = (torch.cat([values[name].flatten() for name in wanted]) for values in (found, wanted))
    assert torch.cosine_similarity(mine, theirs, dim=0) > 0.9986
    assert mine.norm().item() == pytest.approx(theirs.norm().item(), rel=0.03)
    for total, same in ((rounded.total, exact.total), (rounded.nll, exact.nll)):
        assert total.dtype == torch.float32
        assert total.item() == pytest.approx(same.item(), rel=0.01)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
def test_products_are_of_bfloat16(wiring: tuple[str, bool], cell: str) -> None:
    """All but the sums of rows that smoothing and the biases need, and what additive attention does with v."""
    model = tiny_model("scaled_multiplicative", wiring, cell, decoder_dim=14)
    learned(model, torch.bfloat16)  # the first batch rehearses what another model's was made of
    with Products() as products:
        learned(model, torch.bfloat16)
    small = products.work[torch.float32]
    assert products.work.keys() == {torch.bfloat16, torch.float32}
    assert small < 0.02 * products.work[torch.bfloat16]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
def test_states_are_not_rounded(wiring: tuple[str, bool], cell: str) -> None:
    """What a loop carries from step to step would lose digits at each."""
    model, one = tiny_model("additive", wiring, cell), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        state = model.force(one.source, one.source_lengths, one.target_input).state
    carried = [part for layer in state.cells for part in layer]
    carried += [] if state.fed is None else [state.fed]
    assert {part.dtype for part in carried} == {torch.float32}


def test_additive_energies_are_not_rounded() -> None:
    """2 Σ v σ - Σ v, with the sum of 8 bits, would lose what the energies differ by."""
    generator = torch.Generator().manual_seed(1)
    query, keys, v = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 64), (2, 5, 64), (64,)))
    query, keys = query.bfloat16(), keys.bfloat16()  # as products of bfloat16 leave them
    wanted = torch.tanh(query.float()[:, :, None] + keys.float()[:, None]) @ v
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(additive_energies(query, keys, v), wanted, rtol=1e-5, atol=1e-5)


def test_nothing_is_of_bfloat16_where_nobody_asked() -> None:
    with Products() as products:
        learned(tiny_model(), torch.float32)
    assert products.work.keys() == {torch.float32}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sums_over_a_batch_are_exact(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """4,000 rows in many chunks: sums in bfloat16 would stop growing at 256 times what is added."""
    monkeypatch.setattr("seq2seq.nn.kernels.cross_entropy.LOGITS", 1)
    generator = torch.Generator().manual_seed(3)
    outputs, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((4000, 8), (11, 8), (11,)))
    targets = torch.randint(0, 11, (4000,), generator=generator)
    parts = [outputs.bfloat16().float(), weight.bfloat16().float(), bias]  # so that only sums can differ
    for part in parts:
        part.requires_grad_()
    plain = torch.nn.functional.cross_entropy(
        parts[0].double() @ parts[1].double().t() + parts[2].double(),
        targets,
        label_smoothing=smoothing,
        reduction="sum",
    )
    wanted = torch.autograd.grad(plain, parts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy(*parts, targets, smoothing)
    found = torch.autograd.grad(loss.total, parts)
    assert loss.total.item() == pytest.approx(plain.item(), rel=1e-4)
    for mine, theirs, tolerance in zip(found, wanted, (0.01, 0.002, 0.002), strict=True):
        assert (mine - theirs).norm() <= tolerance * theirs.norm()


def test_sums_over_the_steps_of_a_loop_are_exact() -> None:
    """Three steps of 683 rows of ones: 2,049, which bfloat16 does not have."""
    matrix, bias, ones = torch.ones(1, 1, requires_grad=True), torch.zeros(1, requires_grad=True), torch.ones(683, 1)
    weight = torch.ones(1, 1, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        affine = AffineSteps(torch.cat([matrix, matrix * 0]), bias, 3)
        steps = [tanh_step(affine, ones, 0 * ones) for _ in range(3)]
        queries = [linear(ones[:, None], weight) for _ in range(3)]
    slope = float(1 - steps[0][0, 0].detach() ** 2)
    torch.stack(steps).mul(1 / slope).sum().backward()
    torch.stack(queries).float().sum().backward()
    for found in (matrix.grad, bias.grad, weight.grad):
        assert found is not None
        assert found.item() == pytest.approx(2049, abs=0.5)


@pytest.mark.parametrize("kind", sorted(NORMALISATIONS))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_short_numbers_sum_to_one(kind: str, dtype: torch.dtype) -> None:
    energies = torch.randn(3, 2, 200, generator=torch.Generator().manual_seed(1)).to(dtype)
    weights = NORMALISATIONS[kind]()(energies, torch.ones(3, 1, 200, dtype=torch.bool))
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 2), rtol=0, atol=1e-5)


def test_an_affine_map_in_both_precisions() -> None:
    left, matrix, offset = torch.randn(5, 3), torch.randn(3, 4), torch.randn(5, 4)
    plain = left @ matrix + offset
    torch.testing.assert_close(step_matmul(left, matrix, offset), plain)
    rounded = step_matmul(left, matrix.bfloat16(), offset)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, plain, rtol=0.05, atol=0.05)
    held = offset.clone()
    assert matmul(left, matrix.bfloat16(), held, out=held) is held
    assert torch.equal(held, rounded)
    assert not torch.equal(held, offset)


@pytest.mark.parametrize(
    ("able", "fast"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_a_processor_without_bfloat16_is_known(
    able: dict[str, bool], fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert bfloat16_is_fast() == fast
    config = parse_config({"data": DATA, "training": {"mixed_precision": "bf16"}}, "test")
    assert emulates_bfloat16(make_accelerator(config, tmp_path)) != fast
