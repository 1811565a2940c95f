"""Matrices laid out once: the products of float32, and models that follow their weights."""

from collections.abc import Callable

import pytest
import torch
from mechanisms import CELLS, SOURCE_VOCABULARY, TARGET_VOCABULARY, WIRINGS, perturb, random_ids, tiny_model
from test_translator import close, pair, sentences, tiny
from torch import Tensor

from seq2seq import Translator
from seq2seq.batching import make_batch
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.translation.weights.frozen import Matrix, frozen_model
from seq2seq.translation.weights.int8 import IntegerMatrix
from seq2seq.translation.weights.packed import PackedMatrix, can_pack

__all__ = ["pair"]  # a fixture


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


requires_packing = pytest.mark.skipif(
    not can_pack(torch.ones(1)), reason="this torch lays no matrices out on this machine"
)


def test_what_is_laid_out() -> None:
    """Float32 on a CPU, in its own precision."""
    one = torch.ones(2, 2)
    assert not can_pack(one, one.double())
    assert not can_pack(one.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not can_pack(one)


@requires_packing
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_products_are_those_of_float32(rows: int) -> None:
    weight, inputs, bias = numbers(96, 48, seed=1), numbers(rows, 3, 48, seed=2), numbers(96, seed=3)
    matrix = PackedMatrix.of(weight)
    exact = inputs.double() @ weight.double().t()
    assert (matrix(inputs) - exact).abs().max() < 1e-4
    assert (matrix(inputs, bias) - (exact + bias)).abs().max() < 1e-4
    some = torch.tensor([95, 0, 3, 3])
    torch.testing.assert_close(matrix.select_outputs(some)(inputs), matrix(inputs)[..., some])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize(
    ("matrix_of", "error"), [pytest.param(PackedMatrix.of, 1e-5, marks=requires_packing), (IntegerMatrix.of, 0.05)]
)
def test_a_model_laid_out_is_near_its_model(
    matrix_of: Callable[[Tensor], Matrix], error: float, wiring: tuple[str, bool], cell: str
) -> None:
    model = perturb(tiny_model("additive", wiring, cell, decoder_layers=2, encoder_layers=2)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = frozen_model(model, matrix_of)
    batch = make_batch(
        random_ids([1, 9, 4], SOURCE_VOCABULARY, seed=5), random_ids([6, 1, 3], TARGET_VOCABULARY, seed=6)
    )
    with torch.inference_mode():
        states = [each.start(batch.source, batch.source_lengths) for each in (model, made)]
        for column in batch.target_input.split(1, dim=1):
            (exact, output), (found, other) = (
                each.step(column, state) for each, state in zip((model, made), states, strict=True)
            )
            states = [output.state, other.state]
            assert (found - exact).abs().max() < error
            assert matrix_of == PackedMatrix.of or not torch.equal(found, exact)  # integers do round
            assert (other.weights - output.weights).abs().max() < error / 2
    assert made.target_embedding.weight is model.target_embedding.weight
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@requires_packing
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("wiring", WIRINGS)
def test_translations_are_those_of_plain_products(
    pair: TokenizerPair, wiring: tuple[str, bool], cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, texts = tiny(pair, "additive", wiring, cell), sentences(30)
    loaded.model.float()
    translator, calls = Translator([loaded]), list[int]()
    whole = PackedMatrix.__call__
    monkeypatch.setattr(PackedMatrix, "__call__", lambda *given: calls.append(1) or whole(*given))
    found = translator.translate_nbest(texts, 3, min_length=2)
    assert calls
    monkeypatch.setattr("seq2seq.translation.translator.can_pack", lambda *_: False)
    for one, other in zip(found, translator.translate_nbest(texts, 3, min_length=2), strict=True):
        assert [each.tokens for each in one] == [each.tokens for each in other]
        for each, plain in zip(one, other, strict=True):
            assert each.log_prob == pytest.approx(plain.log_prob, abs=1e-4)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("change", ["fused", "plain", "written", "replaced"])
def test_a_translator_follows_the_weights(pair: TokenizerPair, change: str, int8: bool) -> None:
    """Told so, it makes new copies of what is laid out for translating, as a training's validation needs."""
    (loaded, other), texts = (tiny(pair, seed=seed) for seed in (1, 2)), sentences(5)
    for each in (loaded, other):
        each.model.float()
    translator = Translator([loaded])
    before = translator.translate(texts, int8=int8)
    parameters = list(loaded.model.parameters())
    if change == "written":
        loaded.model.load_state_dict(other.model.state_dict())
    elif change == "replaced":
        for (name, _), value in zip(list(loaded.model.named_parameters()), other.model.parameters(), strict=True):
            owner, _, kind = name.rpartition(".")
            setattr(loaded.model.get_submodule(owner), kind, torch.nn.Parameter(value.detach().clone()))
    else:
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        torch.optim.Adam(parameters, lr=0.3, fused=change == "fused").step()
    translator.weights_changed()
    after = translator.translate(texts, int8=int8)
    fresh = Translator([loaded]).translate(texts, int8=int8)
    assert not any(map(close, before, after))
    assert all(map(close, fresh, after))
