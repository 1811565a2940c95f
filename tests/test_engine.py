"""The optimiser's groups: which parameters decay, and at which factor of the learning rate each learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mechanisms import SCORES, SOURCE_VOCABULARY, TARGET_VOCABULARY, WIRINGS, random_ids, tiny_model

from seq2seq.batching import make_batch
from seq2seq.config import Config
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.scores import (
    SCORE_FUNCTIONS,
    Additive,
    Multiplicative,
    Parametrisation,
    ScaledMultiplicative,
)
from seq2seq.training.engine import make_optimizer

SCORE = "decoder.attention.score"
SOURCES, TARGETS = random_ids([5, 3], SOURCE_VOCABULARY, 1), random_ids([4, 6], TARGET_VOCABULARY, 2)


def settings(**training: Any) -> Config:
    data = {"train": {"tsv": "a"}, "validation": {"tsv": "b"}}
    return Config.model_validate({"data": data, "training": training})


def factors(model: Seq2Seq, **training: Any) -> dict[str, float]:
    """The factor of each parameter, in the order of the optimiser."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = make_optimizer(settings(**training), model).param_groups
    return {names[parameter]: group["factor"] for group in groups for parameter in group["params"]}


def test_without_factors_parameters_are_in_the_order_of_the_model() -> None:
    """In which the states of runs that were stopped have them."""
    model = tiny_model()
    assert factors(model) == dict.fromkeys((name for name, _ in model.named_parameters()), 1.0)
    assert list(factors(model)) == [name for name, _ in model.named_parameters()]
    vectors = {name for name, parameter in model.named_parameters() if parameter.ndim == 1}
    ordered = list(factors(model, optimizer="adamw", weight_decay=0.1))
    assert set(ordered[-len(vectors) :]) in (vectors, set(ordered) - vectors)


class Quarter(Additive):
    """Additive attention whose parameters learn at a quarter of the common rate, and two of which begin otherwise."""

    def parametrisation(self) -> dict[str, Parametrisation]:
        """Return a quarter for each."""
        return {
            "v": Parametrisation(rate=0.25, value=3.0),
            "query_layer.weight": Parametrisation(rate=0.25, scale=0.5),
            "key_layer.weight": Parametrisation(rate=0.25),
        }


@pytest.fixture
def quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORE_FUNCTIONS, "additive", Quarter)


@pytest.mark.usefixtures("quarter")
def test_a_score_function_says_how_fast_it_learns() -> None:
    found = factors(tiny_model("additive"))
    assert {name for name, factor in found.items() if factor == 0.25} == {name for name in found if SCORE in name}
    assert set(found.values()) == {0.25, 1.0}
    assert set(factors(tiny_model("dot")).values()) == {1.0}
    heads = factors(tiny_model("heads", score="additive"))
    assert {name for name, factor in heads.items() if factor == 0.25} == {name for name in heads if ".scores." in name}


def test_a_score_function_says_how_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(tiny_model("additive").named_parameters())
    monkeypatch.setitem(SCORE_FUNCTIONS, "additive", Quarter)
    after = dict(tiny_model("additive").named_parameters())
    changed = {f"{SCORE}.v": torch.full_like(before[f"{SCORE}.v"], 3.0)}
    changed[f"{SCORE}.query_layer.weight"] = before[f"{SCORE}.query_layer.weight"] / 2
    for name, value in before.items():
        assert torch.equal(after[name], changed.get(name, value)), name


@pytest.mark.usefixtures("quarter")
@pytest.mark.parametrize(("part", "of_v"), [(SCORE, 3.0), (f"{SCORE}.v", 3.0), ("decoder", 3.0), ("encoder", 0.25)])
def test_the_config_decides_over_the_score_function(part: str, of_v: float) -> None:
    found = factors(tiny_model("additive"), learning_rate_factors={part: 3.0})
    assert found[f"{SCORE}.v"] == of_v
    assert found[f"{SCORE}.key_layer.weight"] == (3.0 if part in (SCORE, "decoder") else 0.25)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_switching_the_score_changes_no_other_rate(wiring: tuple[str, bool]) -> None:
    """Pitfall 19, for rates: those of `uniform`, which has no parameters, are every score function's outside itself."""
    expected = factors(tiny_model("uniform", wiring, decoder_dim=14))
    for score in SCORES:
        found = factors(tiny_model(score, wiring, decoder_dim=14))
        assert {name: factor for name, factor in found.items() if SCORE not in name} == expected, score


@pytest.mark.parametrize(("query_dim", "key_dim"), [(4, 16), (64, 64), (1024, 192)])
def test_the_rate_of_the_multiplicative_matrix_follows_from_its_sizes(query_dim: int, key_dim: int) -> None:
    """Its energies begin a √query_dim smaller than with Glorot's values, and its rate falls as both sizes grow."""
    own = Multiplicative(query_dim, key_dim, 1).parametrisation()["key_layer.weight"]
    assert own.rate == pytest.approx(32 / (query_dim * key_dim) ** 0.5)
    assert own.scale == pytest.approx(query_dim**-0.5)
    scaled = ScaledMultiplicative(query_dim, key_dim, 1).parametrisation()["key_layer.weight"]
    assert scaled.rate == pytest.approx(own.rate * query_dim**0.5)
    assert scaled.scale == pytest.approx(own.scale * query_dim**0.5)


def test_multiplicative_and_scaled_multiplicative_are_one_score_in_two_units() -> None:
    """The same energies before and after steps of Adam, to which the size of a gradient means nothing."""
    losses = []
    for score in ("multiplicative", "scaled_multiplicative"):
        model = tiny_model(score)
        optimizer = make_optimizer(settings(learning_rate=0.01), model)
        for group in optimizer.param_groups:
            group["lr"] *= group["factor"]
        batch = make_batch(SOURCES, TARGETS)
        losses.append([])
        for _ in range(20):
            loss = model(*batch.tensors()).total
            losses[-1].append(float(loss.detach()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][-1] < 0.9 * losses[0][0]
