"""Products of training: in pieces or whole, by oneDNN or MKL, they are the plain ones; and oneDNN meets few shapes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mechanisms import SOURCE_VOCABULARY, TARGET_VOCABULARY, random_ids, tiny_model
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq.batching import make_batch
from seq2seq.nn.kernels import products
from seq2seq.nn.kernels.products import (
    KernelPreparation,
    linear,
    matmul,
    onednn_is_better,
    pieces,
    step_matmul,
    sum_of_products,
)


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked on every CPU, though it may be slow there or round."""
    monkeypatch.setattr(products, "onednn_is_better", lambda: True)


class Asked(TorchDispatchMode):
    """The products in a stretch of code: their name, their shapes, and whether oneDNN makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[int, ...], tuple[int, ...], bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "addmm"):
            setting: Any = torch.backends.mkldnn
            left, right = [part for part in args if isinstance(part, Tensor)][-2:]
            self.found.append((name, tuple(left.shape), tuple(right.shape), setting.matmul.fp32_precision == "bf16"))
        return func(*args, **(kwargs or {}))


@given(st.integers(0, 3000))
def test_pieces_are_all_rows_in_order(rows: int) -> None:
    found, sizes = list(pieces(rows)), (products.PIECE, products.PIECE // 2)
    assert [row for piece, _ in found for row in range(piece.start, piece.stop)] == list(range(rows))
    assert all(whole == (piece.stop - piece.start in sizes) for piece, whole in found)
    assert all(whole or piece.stop - piece.start < sizes[1] for piece, whole in found)
    assert sum(not whole for _, whole in found) <= 1


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 24, 30])
def test_a_linear_map_in_pieces(monkeypatch: pytest.MonkeyPatch, rows: int, bias: bool) -> None:
    """Values and gradients; none is asked for what needs none."""
    monkeypatch.setattr(products, "PIECE", 8)
    layer = nn.Linear(5, 3, bias=bias, dtype=torch.float64)
    inputs = torch.randn(2, rows, 5, dtype=torch.float64, requires_grad=True)
    weighed = torch.randn(2, rows, 3, dtype=torch.float64)
    found = []
    for outputs in (layer(inputs), linear(inputs, layer.weight, layer.bias)):
        found.append((outputs, *torch.autograd.grad((outputs * weighed).sum(), [inputs, *layer.parameters()])))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)
    parameters = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(linear, (inputs, *parameters))
    with Asked() as asked:
        torch.autograd.grad(linear(inputs.detach(), layer.weight).sum(), layer.weight)
    sizes = {piece.stop - piece.start for piece, _ in pieces(2 * rows)}
    assert sizes <= {8, 4, 3, 2, 1}
    assert {right for _, _, right, _ in asked.found} == {(5, 3), *((size, 5) for size in sizes)}


def test_sums_over_pieces_are_not_rounded_to_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "PIECE", 4)
    ones = torch.ones(1028, 1)
    assert sum_of_products(ones, ones, torch.bfloat16).item() == 1028  # bfloat16 has 1,024 and 1,032


@pytest.mark.parametrize("bias", [True, False])
def test_a_result_is_made_of_the_numbers_that_were_asked_for(bias: bool) -> None:
    """By short products, whose sum is not rounded to as few bits where the result is not."""
    layer = nn.Linear(64, 3, bias=bias)
    inputs = torch.ones(5, 64, requires_grad=True)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        for parameter in list(layer.parameters())[1:]:
            parameter.fill_(0.125)  # 64 and 64.125 are one number to bfloat16
    short = linear(inputs, layer.weight, layer.bias, dtype=torch.bfloat16)
    assert short.dtype == torch.bfloat16
    long = linear(inputs, layer.weight, layer.bias, dtype=torch.bfloat16, result_dtype=torch.float32)
    assert long.dtype == torch.float32
    assert long.unique().tolist() == [64.125 if bias else 64.0]
    (gradient,) = torch.autograd.grad(long.sum(), inputs)
    assert gradient.dtype == torch.float32
    assert gradient.unique().tolist() == [3.0]


@pytest.mark.skipif(not onednn_is_better(), reason="on this CPU oneDNN is not asked for products of float32")
def test_nothing_is_rounded_by_onednn() -> None:
    left, right = (
        torch.rand(300, 200, generator=torch.Generator().manual_seed(1)).double(),
        torch.rand(200, 400).double(),
    )
    error = step_matmul(left.float(), right.float()).double() / (left @ right) - 1
    assert error.abs().max() < 1e-5  # of bfloat16 it would be 1e-3


def test_where_onednn_would_round_mkl_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU with instructions for matrices; and the setting that torch had comes back, whatever happens."""
    setting: Any = torch.backends.mkldnn
    before = setting.matmul.fp32_precision
    assert before != "bf16"
    onednn_is_better.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    monkeypatch.setattr(torch, "full", lambda *shape, **kind: torch.rand(32, 32).bfloat16().float() + 2**-12)
    monkeypatch.setattr(Tensor, "__matmul__", lambda left, right: left.bfloat16().float())
    assert not onednn_is_better()
    monkeypatch.undo()
    onednn_is_better.cache_clear()
    with pytest.raises(KeyError), products._onednn.asked():
        raise KeyError
    assert setting.matmul.fp32_precision == before


def test_who_comes_last_puts_the_setting_back(onednn: None) -> None:
    """Two threads that ask oneDNN, the first of which leaves first."""
    setting: Any = torch.backends.mkldnn
    before = setting.matmul.fp32_precision
    first, second = products._onednn.asked(), products._onednn.asked()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert setting.matmul.fp32_precision == "bf16"
    second.__exit__(None, None, None)
    assert setting.matmul.fp32_precision == before


def test_the_probe_is_not_rounded_by_who_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    onednn_is_better.cache_clear()
    exact = onednn_is_better()
    onednn_is_better.cache_clear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert onednn_is_better() == exact
    monkeypatch.undo()
    onednn_is_better.cache_clear()


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
@pytest.mark.parametrize("score", ["additive", "multiplicative"])
def test_onednn_meets_few_shapes(monkeypatch: pytest.MonkeyPatch, score: str, wiring: tuple[str, bool]) -> None:
    """Two batches of as many rows but of other lengths: no shape of the second was not the first's."""
    monkeypatch.setattr(products, "PIECE", 16)
    monkeypatch.setattr("seq2seq.nn.kernels.cross_entropy.LOGITS", 0)
    model, found = tiny_model(score, wiring, "lstm", decoder_dim=14), []
    for length in (9, 12):
        batch = make_batch(
            random_ids([length] * 6, SOURCE_VOCABULARY, 1), random_ids([length + 1] * 6, TARGET_VOCABULARY, 2)
        )
        with Asked() as asked:
            model(*batch.tensors(), 0.1, 0.0).total.backward()
        assert any(by_onednn for *_, by_onednn in asked.found)
        found.append({shapes for *shapes, by_onednn in asked.found if by_onednn for shapes in [tuple(shapes)]})
    assert found[1] <= found[0]


@pytest.mark.parametrize("offset", ["none", "a row", "rows"])
@pytest.mark.parametrize("rows", [0, 3, 9, 24])
@pytest.mark.parametrize("by_onednn", [False, True])
def test_a_product_in_parts_is_the_whole(
    monkeypatch: pytest.MonkeyPatch, rows: int, offset: str, by_onednn: bool
) -> None:
    monkeypatch.setattr(products, "onednn_is_better", lambda: by_onednn)
    for name, value in {"PIECE": 8, "WIDE": 5, "COLUMNS": 3}.items():
        monkeypatch.setattr(products, name, value)
    left, matrix = torch.randn(rows, 4), torch.randn(4, 7)
    added = {"none": None, "a row": torch.randn(7), "rows": torch.randn(rows, 7)}[offset]
    found = matmul(left, matrix, added, out=torch.full((rows, 7), torch.nan))
    torch.testing.assert_close(found, left @ matrix + (0 if added is None else added))


@pytest.mark.usefixtures("onednn")
def test_kernels_of_all_known_products_are_made_when_the_number_of_rows_is_new() -> None:
    preparation = KernelPreparation(kernels=4)
    matrix = torch.ones(5, 3)

    def batch(rows: int) -> list[tuple[Any, ...]]:
        with Asked() as asked:
            preparation.prepare(matrix, rows, adds=True)
            preparation.prepare(matrix.t(), rows, adds=False)
        return asked.found

    assert batch(7) == []  # nothing is known yet: the products themselves make them
    assert batch(9) == [("addmm", (9, 5), (5, 3), True), ("mm", (9, 3), (3, 5), True)]
    assert batch(7) == batch(9) == []  # four kernels are kept
    assert batch(7) == []
    assert len(batch(8)) == 2
    assert batch(7) == []
    assert len(batch(9)) == 2  # 8 came in its place, which had not been used for longer


@pytest.mark.usefixtures("onednn")
def test_products_of_a_network_that_is_gone_are_forgotten() -> None:
    preparation = KernelPreparation(kernels=1000)
    for size in range(3 * preparation.MOST_KINDS):
        preparation.prepare(torch.ones(size + 1, 2), 7, adds=False)
    with Asked() as asked:
        preparation.prepare(torch.ones(1, 2), 8, adds=False)
    assert 0 < len(asked.found) <= preparation.MOST_KINDS


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
@pytest.mark.parametrize(("score", "cell"), [("multiplicative", "gru"), ("additive", "lstm")])
def test_every_product_of_a_step_is_prepared(
    monkeypatch: pytest.MonkeyPatch, wiring: tuple[str, bool], score: str, cell: str
) -> None:
    """Of a batch with another number of rows, every shape is made before the first step is."""
    preparation = KernelPreparation(kernels=1000)
    monkeypatch.setattr(products, "kernel_preparation", preparation)
    model, rows, prepared = tiny_model(score, wiring, cell, decoder_dim=14), 6, list[tuple[Any, ...]]()
    compiled = products._Kind.compile

    def watched(kind: Any, rows: int) -> None:
        with Asked() as asked:
            compiled(kind, rows)
        prepared.extend(asked.found)

    for count in (4, rows):
        batch = make_batch(random_ids([3] * count, SOURCE_VOCABULARY, 1), random_ids([4] * count, TARGET_VOCABULARY, 2))
        monkeypatch.setattr(products._Kind, "compile", watched)
        with Asked() as asked:
            model(*batch.tensors(), 0.1, 0.0).total.backward()
    steps = [product for product in asked.found if product[1][0] == rows and product[3]]
    assert prepared
    assert set(steps) <= set(prepared)
