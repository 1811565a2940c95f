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
from seq2seq.nn.kernels.products import Rehearsal, exact_onednn, linear, onednn_is_better, pieces, summed


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked on every CPU, though it may be slow there or round."""
    for module in ("products", "loss"):
        monkeypatch.setattr(f"seq2seq.nn.{module}.onednn_is_better", lambda: True)


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


@given(st.integers(0, 300), st.lists(st.integers(1, 60), max_size=3).map(lambda sizes: sorted(sizes, reverse=True)))
def test_pieces_are_all_rows_in_order(rows: int, sizes: list[int]) -> None:
    found = list(pieces(rows, *sizes))
    assert [row for piece, _ in found for row in range(piece.start, piece.stop)] == list(range(rows))
    for piece, full in found:
        assert full == (piece.stop - piece.start in sizes) or piece is found[-1][0]
    assert sum(not full for _, full in found) <= 1
    assert not sizes or all(full or piece.stop - piece.start < sizes[-1] for piece, full in found)


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
    assert {right for _, _, right, _ in asked.found} == {(5, 3), *((size, 5) for size in {8, 2 * rows % 8} - {0})} - (
        {(8, 5)} if 2 * rows < 8 else set()
    )


def test_sums_over_pieces_are_not_rounded_to_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "PIECE", 4)
    ones = torch.ones(1028, 1)
    assert summed(ones, ones, torch.bfloat16).item() == 1028  # bfloat16 has 1,024 and 1,032


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
    long = linear(inputs, layer.weight, layer.bias, dtype=torch.bfloat16, made=torch.float32)
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
    with exact_onednn():
        error = (left.float() @ right.float()).double() / (left @ right) - 1
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
    with pytest.raises(KeyError), exact_onednn():
        raise KeyError
    assert setting.matmul.fp32_precision == before


def test_who_comes_last_puts_the_setting_back(onednn: None) -> None:
    """Two threads that ask oneDNN, the first of which leaves first."""
    setting: Any = torch.backends.mkldnn
    before = setting.matmul.fp32_precision
    first, second = exact_onednn(), exact_onednn()
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
    monkeypatch.setattr("seq2seq.nn.kernels.cross_entropy.LEAST", 16)
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


@pytest.mark.usefixtures("onednn")
def test_a_rehearsal_makes_what_the_steps_of_the_last_batch_made() -> None:
    rehearsal = Rehearsal(kept=4)
    matrix = torch.ones(5, 3)

    def batch(rows: int) -> list[tuple[Any, ...]]:
        with Asked() as asked:
            rehearsal.begin(rows)
        rehearsal.note(matrix, adds=True)
        rehearsal.note(matrix.t(), adds=False)
        return asked.found

    assert batch(7) == []  # nothing is known yet
    assert batch(7) == []  # these have been made
    both = [("addmm", (9, 5), (5, 3), True), ("mm", (9, 3), (3, 5), True)]
    assert batch(9) == both
    assert batch(7) == batch(9) == []  # four kernels are kept
    assert batch(7) == []
    assert batch(8) != []
    assert batch(7) == []
    assert batch(9) == both  # 8 came in its place, which had not been used for longer
    with torch.no_grad():
        rehearsal.begin(6)  # a validation's batch
    assert len(batch(6)) == 2


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
@pytest.mark.parametrize(("score", "cell"), [("multiplicative", "gru"), ("additive", "lstm")])
def test_a_rehearsal_knows_every_product_of_a_step(
    monkeypatch: pytest.MonkeyPatch, wiring: tuple[str, bool], score: str, cell: str
) -> None:
    """Of another batch no shape with as many rows comes that was not rehearsed."""
    rehearsal = Rehearsal(kept=100)
    monkeypatch.setattr(products, "rehearsal", rehearsal)
    monkeypatch.setattr("seq2seq.nn.model.rehearsal", rehearsal)
    model, rows = tiny_model(score, wiring, cell, decoder_dim=14), 6
    for count in (4, rows):
        batch = make_batch(random_ids([3] * count, SOURCE_VOCABULARY, 1), random_ids([4] * count, TARGET_VOCABULARY, 2))
        if count == rows:
            with Asked() as rehearsed:
                rehearsal.begin(rows)
            assert rehearsed.found
        with Asked() as asked:
            model(*batch.tensors(), 0.1, 0.0).total.backward()
    made = [product for product in asked.found if product[1][0] == rows and product[3]]
    assert made
    assert set(made) <= set(rehearsed.found)
