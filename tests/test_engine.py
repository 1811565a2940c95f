"""The optimiser's groups: which parameters decay, and at which factor of the learning rate each learns."""

from __future__ import annotations

from typing import Any

import pytest
from mechanisms import tiny_model

from seq2seq.config import Config
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.scores import Additive
from seq2seq.training.engine import make_optimizer

SCORE = "decoder.attention.score"


def factors(model: Seq2Seq, **training: Any) -> dict[str, float]:
    """The factor of each parameter, in the order of the optimiser."""
    data = {"train": {"tsv": "a"}, "validation": {"tsv": "b"}}
    config = Config.model_validate({"data": data, "training": training})
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = make_optimizer(config, model).param_groups
    return {names[parameter]: group["factor"] for group in groups for parameter in group["params"]}


def test_without_factors_parameters_are_in_the_order_of_the_model() -> None:
    """In which the states of runs that were stopped have them."""
    model = tiny_model()
    assert factors(model) == dict.fromkeys((name for name, _ in model.named_parameters()), 1.0)
    assert list(factors(model)) == [name for name, _ in model.named_parameters()]
    vectors = {name for name, parameter in model.named_parameters() if parameter.ndim == 1}
    ordered = list(factors(model, optimizer="adamw", weight_decay=0.1))
    assert set(ordered[-len(vectors) :]) in (vectors, set(ordered) - vectors)


def test_a_score_function_says_how_fast_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Additive, "learning_rate_factor", 0.25)
    found = factors(tiny_model("additive"))
    assert {name for name, factor in found.items() if factor == 0.25} == {name for name in found if SCORE in name}
    assert set(found.values()) == {0.25, 1.0}
    assert set(factors(tiny_model("multiplicative")).values()) == {1.0}
    heads = factors(tiny_model("heads", score="additive"))
    assert {name for name, factor in heads.items() if factor == 0.25} == {name for name in heads if ".scores." in name}


@pytest.mark.parametrize(("part", "of_v"), [(SCORE, 3.0), (f"{SCORE}.v", 3.0), ("decoder", 3.0), ("encoder", 0.25)])
def test_the_config_decides_over_the_score_function(monkeypatch: pytest.MonkeyPatch, part: str, of_v: float) -> None:
    monkeypatch.setattr(Additive, "learning_rate_factor", 0.25)
    found = factors(tiny_model("additive"), learning_rate_factors={part: 3.0})
    assert found[f"{SCORE}.v"] == of_v
    assert found[f"{SCORE}.key_layer.weight"] == (3.0 if part in (SCORE, "decoder") else 0.25)
