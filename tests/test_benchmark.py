"""What scripts/benchmark counts and puts together; what it times, no test can say."""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.checkpoint.model import LoadedModel, build_model
from seq2seq.comparison import pace
from seq2seq.comparison.flops import Work, forward_flops, pair_work
from seq2seq.comparison.pace import StepSpeed, call_in_process, call_in_processes, measure_interleaved_steps
from seq2seq.config import Config
from seq2seq.config_file import load_config, parse_config
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.nn.initialisation import initialise
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.translator import Translator

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from speed import memory, server, setting, training, translation

pytestmark = pytest.mark.scripts

LINES = ["der hund sieht die katze", "die katze", "ein hund schläft", "der hund und die katze schlafen lange"]


@pytest.fixture(scope="module")
def config() -> Config:
    data = {"source_language": "de", "target_language": "en"}
    texts = {name: {"source": "a", "target": "b"} for name in ("train", "validation")}
    sizes = {"embedding_dim": 12, "encoder_dim": 8, "decoder_dim": 16, "attention_dim": 10}
    return parse_config({"data": data | texts, "tokenizer": {"vocabulary_size": 60}, "model": sizes}, "test")


@pytest.fixture
def loaded(config: Config) -> LoadedModel:
    pair: TokenizerPair = train_tokenizers(LINES * 5, LINES * 5, config.tokenizer)
    model = build_model(config, pair)
    initialise(model, 1)
    return LoadedModel(Path("tiny"), config, pair, model.eval(), {})


def test_greedy_work_is_the_work_of_what_it_wrote(loaded: LoadedModel) -> None:
    """One live hypothesis a token; a beam has more, some of which lose."""
    counted = translation.work_of_search(loaded, LINES, 1)
    written = Translator([loaded]).translate(LINES, beam_size=1)
    read = loaded.tokenizers.source.encode_batch(LINES)
    tokens = [len(one.tokens) + one.finished for one in written]
    work = pair_work([len(ids) + 1 for ids in read], tokens)
    flops = forward_flops(loaded.model.architecture, loaded.tokenizers.target.vocabulary_size, work)
    assert counted["slots_per_token"] == 1
    assert counted["flop_per_token"] == pytest.approx(sum(flops.values()) / sum(tokens), rel=1e-12)
    assert translation.work_of_search(loaded, LINES, 5)["slots_per_token"] > 2


def test_workers_share_the_lines_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers' lines come back in order, in the time of the slower one."""

    def answer(name: str, function: Any, arguments: list[Any]) -> list[dict[str, Any]]:
        return [
            {
                "seconds": 2.0 + number,
                "tokens": 10,
                "peak": 100,
                "matmul": 0.0 if number else 5.0,
                "texts": [line.upper() for line in job.lines[number :: job.workers]],
            }
            for job, number, _ in arguments
        ]

    monkeypatch.setattr(translation, "call_in_processes", answer)
    found = translation._translate_in_processes(
        translation.Job(Path("run"), "float32", 5, None, 2, ["a", "b", "c", "d", "e"])
    )
    assert found == {"seconds": 3.0, "tokens": 20, "matmul": 5.0, "peak": 200, "texts": ["A", "B", "C", "D", "E"]}


def test_only_what_the_translator_knows_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"none such": translation.Variant(options={"no_such_option": True}), "beam": translation.Variant()}
    monkeypatch.setattr(translation, "VARIANTS", unknown)
    assert translation.available_variants() == ["beam"]


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_system_differs_in_score_wiring_and_precision_alone(config: Config, precision: str) -> None:
    for name, wiring in training.WIRINGS.items():
        before, after = config.model_dump(), training._config(config, "dot", name, precision).model_dump()
        assert after["training"].pop("mixed_precision") == precision
        del before["training"]["mixed_precision"]
        changed = {key for key in before["model"] if before["model"][key] != after["model"][key]}
        assert changed <= {"score", "wiring", "input_feeding"}
        assert {key: after["model"][key] for key in wiring} == wiring
        assert before | {"model": None} == after | {"model": None}


def test_steps_are_taken_in_turns_beside_a_matmul(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same step of each before the next of any, who goes first in turns, and no step of the warm-up counted."""
    order: list[tuple[str, int]] = []
    rates = iter(range(100, 200, 10))

    class Training:
        def __init__(self, config: Config, run: Path) -> None:
            self.name = config.model.score

        def step(self, number: int) -> tuple[float, Work]:
            order.append((self.name, number))
            return 2.0 if self.name == "dot" else 4.0, Work(0, 0, 0, 0)

        def flops(self, work: Work) -> float:
            return 210.0

    monkeypatch.setattr(pace, "_Training", Training)
    monkeypatch.setattr(pace, "matmul_rate", lambda: next(rates))
    systems = [training._config(config, score, "luong", "no") for score in ("dot", "additive")]
    dot, additive = measure_interleaved_steps(systems, Path("run"), steps=2, warm_up=1)
    turns = [("dot", -1), ("additive", -1), ("additive", 0), ("dot", 0), ("dot", 1), ("additive", 1)]
    assert order == turns
    assert additive == [StepSpeed(4.0, 52.5, 125), StepSpeed(4.0, 52.5, 155)]
    assert dot == [StepSpeed(2.0, 105, 135), StepSpeed(2.0, 105, 145)]
    found = training._relative_entry("additive", "luong", additive, dot)
    assert found["time"] == {"median": 2.0, "first": 2.0, "third": 2.0}
    assert found["flops"] == {"median": 0.5, "first": 0.5, "third": 0.5}
    assert found["fraction_of_bound"]["third"] == round((3 * 52.5 / 125 + 52.5 / 155) / 4, 4)
    assert found["steps"] == 2


def test_memory_is_measured_of_the_formula_that_is_meant() -> None:
    """Gradients of additive attention are those of vᵀ tanh(W q + U k), written out once more."""
    shape = {"batch": 2, "target": 3, "source": 5, "units": 7}
    score, query, states = memory.inputs(True, shape)
    energies = torch.einsum(
        "btsa,a->bts",
        torch.tanh((query @ score.query_layer.weight.T)[:, :, None] + (states @ score.key_layer.weight.T)[:, None]),
        score.v,
    )
    energies.softmax(dim=-1).square().sum().backward()
    assert query.grad is not None
    for plain in (True, False):
        torch.testing.assert_close(memory.gradients(plain, shape)[0], query.grad, rtol=1e-5, atol=1e-7)


def test_a_measurement_that_fails_says_so() -> None:
    """In its own words where it has some; elsewhere its name and the process's code."""
    with pytest.raises(InputError, match="cannot read the config"):
        call_in_process("speed of nothing", load_config, Path("nowhere.toml"))
    with pytest.raises(Seq2SeqError, match="speed of nothing: its measurement ended with exit code 3"):
        call_in_process("speed of nothing", sys.exit, 3)


def test_a_run_is_measured_with_the_threads_that_are_told(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = loaded.config.training.model_copy(update={"threads": 1})
    trained = replace(loaded, config=loaded.config.model_copy(update={"training": alone}))
    monkeypatch.setattr(setting, "load_model", lambda run: trained)
    config = setting.run_config(Path("run"), tmp_path)
    assert config.training.threads == 0
    assert config.data.root == str(tmp_path)


def test_when_one_of_several_fails_the_others_end() -> None:
    """Or they would run beside what is measured next."""
    with pytest.raises(Seq2SeqError, match="two: its measurement ended with exit code 3"):
        call_in_processes("two", eval, [["__import__('os')._exit(3)"], ["__import__('time').sleep(600)"]])
    assert multiprocessing.active_children() == []


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [server.quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert server.quantile([7.0], 0.5) == server.quantile([7.0], 0.99) == 7.0
