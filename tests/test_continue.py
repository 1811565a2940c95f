"""A training that starts from another model: what it takes, what stays, the pull back, and a resume without it."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mechanisms import CASES, QUICK_CASES, SOURCE_VOCABULARY, TARGET_VOCABULARY, random_ids, tiny_model
from safetensors.torch import load_file
from test_processes import run as run_gang
from test_training import SETTINGS, Stopper, events, write_corpus
from torch import Tensor

from seq2seq.batching import make_batch
from seq2seq.checkpoint.model import load_model
from seq2seq.comparison.comparison import _check_configs
from seq2seq.comparison.pace import measure_training
from seq2seq.comparison.plan import PlannedRun, load_grid, planned_runs
from seq2seq.config import Config, TrainingConfig
from seq2seq.config_file import load_config, parse_config
from seq2seq.durable import sha256
from seq2seq.errors import InputError
from seq2seq.nn.initialisation import initialise
from seq2seq.search.shortlist import Shortlist
from seq2seq.text.extension import cut_strings
from seq2seq.training import trainer
from seq2seq.training.freezing import freeze, is_named
from seq2seq.training.start import StartWeights, load_start
from seq2seq.training.state import StartRecord
from seq2seq.training.trainer import check_config, train
from seq2seq.translation.translator import Translator

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
PLAIN = {"dropout_embedding": 0.0, "dropout_layer": 0.0, "dropout_output": 0.0}
BPE = {"kind": "bpe", "vocabulary_size": 20, "joint": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text, and two models trained on it: `base` of words, and `pieces` of BPE; each is only read."""
    folder = tmp_path_factory.mktemp("start")
    write_corpus(folder)
    for side in ("xx", "yy"):  # words of several digits, so that there is something to join
        for split in ("train", "validation"):
            lines = (folder / f"{split}.{side}").read_text(encoding="utf-8").splitlines()
            joined = [
                " ".join(line.replace(" ", "")[at : at + 3] for at in range(0, len(line) // 2 + 1, 3)) for line in lines
            ]
            (folder / f"joined-{split}.{side}").write_text("".join(f"{line}\n" for line in joined), encoding="utf-8")
    train(config(folder, start="", tokenizer={"kind": "word", "vocabulary_size": 40}), folder / "base")
    train(config(folder, start="", tokenizer=BPE, text="joined-"), folder / "pieces")
    return folder


def tree(
    folder: Path, tokenizer: dict[str, Any], model: dict[str, Any], text: str, training: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SETTINGS))
    found["data"]["root"] = str(folder)
    for split in ("train", "validation"):
        found["data"][split] = {"source": f"{text}{split}.xx", "target": f"{text}{split}.yy"}
    found["tokenizer"] = tokenizer
    found["model"] |= model
    found["training"] |= training
    return found


def config(
    folder: Path,
    start: str = "base",
    *,
    tokenizer: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    text: str = "",
    **training: Any,
) -> Config:
    """The small config, started from a model."""
    return parse_config(tree(folder, tokenizer or {}, model or {}, text, {"start": start, **training}), "test")


def weights(directory: Path) -> dict[str, Tensor]:
    return load_file(str(directory / "model.safetensors"))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """The names of the tensors that are equal, bit for bit."""
    assert one.keys() == other.keys()
    return [name for name in one if torch.equal(one[name], other[name])]


# ------------------------------------------------------------------------------------------------------ what is taken


def test_a_run_begins_with_the_start_models_weights_and_tokenizer(folder: Path, tmp_path: Path) -> None:
    """And tells which model that was, and how good. All else begins anew: an old best does not keep a new one away."""
    record = train(config(folder), tmp_path / "run")
    base, begun = folder / "base", tmp_path / "run" / "training" / "start"
    assert len(same(weights(base), weights(begun))) == len(weights(base))
    assert (begun / "tokenizer.model").read_bytes() == (base / "tokenizer.model").read_bytes()
    assert (tmp_path / "run" / "tokenizer.model").read_bytes() == (base / "tokenizer.model").read_bytes()
    told = events(tmp_path / "run")
    assert told[0]["model"] == {"name": "base", "sha256": sha256((base / "model.safetensors").read_bytes())}
    validations = [event for event in told if event["event"] == "validation"]
    kept = json.loads((base / "config.json").read_text(encoding="utf-8"))["record"]
    assert [(event["step"], event["best"]) for event in validations][:2] == [(0, False), (4, True)]
    assert (validations[0]["perplexity"], validations[0]["bleu"]) == (kept["perplexity"], kept["bleu"])
    assert (record["start"]["name"], record["start"]["perplexity"]) == ("base", kept["perplexity"])
    assert next(event["learning_rate"] for event in told if event["event"] == "train") == pytest.approx(0.01 * 2 / 3)
    assert "Start: the model `base`" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")


def test_only_the_parts_that_are_named_are_taken(folder: Path, tmp_path: Path) -> None:
    """The others are what they would be without a start, of the same seed."""
    parts = ["encoder", "decoder.attention.*"]
    train(config(folder, start_parts=parts, max_steps=1), tmp_path / "run")
    begun, base = weights(tmp_path / "run" / "training" / "start"), weights(folder / "base")
    assert set(same(base, begun)) == {name for name in base if name.startswith(("encoder.", "decoder.attention."))}
    loaded = load_model(folder / "base")
    initialise(loaded.model, 1)
    fresh = dict(loaded.model.named_parameters())
    assert all(torch.equal(begun[name], fresh[name]) for name in begun if not is_named(name, parts))


MISFITS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"encoder_dim": 9}, {}, ["model.encoder_dim = 9 here, 7 there", r"encoder\S+ is \[27, 9\] here, \[21, 7\] there",
                              r"decoder\S+ is \["]),
    ({"encoder_layers": 2}, {}, ["model.encoder_layers = 2 here, 1 there", r"encoder.layers.1.\S+ is here only"]),
    ({"score": "dot", "decoder_dim": 14}, {}, ["model.score = 'dot' here", r"decoder.attention.\S+ is there only"]),
    ({"embedding_dim": 12}, {"start_parts": ["decoder.attention", "source_embedding"]},
     [r"\(model.embedding_dim = 12 here, 13 there\): source_embedding.weight is \[14, 12\] here"]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "training", "messages"), MISFITS)
def test_sizes_that_do_not_fit_are_named_together(
    folder: Path, tmp_path: Path, model: dict[str, Any], training: dict[str, Any], messages: list[str]
) -> None:
    for message in messages:
        with pytest.raises(InputError, match=rf"^training.start: base does not fit this config.*{message}"):
            train(config(folder, model=model, **training), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_parts_that_fit_are_taken_by_another_architecture(folder: Path, tmp_path: Path) -> None:
    parts = ["encoder", "source_embedding"]
    train(config(folder, model={"score": "dot"}, start_parts=parts, max_steps=1), tmp_path / "run")
    begun, base = weights(tmp_path / "run" / "training" / "start"), weights(folder / "base")
    assert {name for name in begun if name in base and torch.equal(begun[name], base[name])} >= {
        name for name in base if is_named(name, parts)
    }


def test_weights_that_were_two_are_not_made_one(folder: Path, tmp_path: Path) -> None:
    """From tied to untied works; the way back would lose one of the two."""
    train(config(folder, model={"tie": "none"}, max_steps=4), tmp_path / "untied")
    begun, base = weights(tmp_path / "untied" / "training" / "start"), weights(folder / "base")
    assert torch.equal(begun["output_layer.weight"], base["source_embedding.weight"])
    settings = config(folder, start=str(tmp_path / "untied"))
    with pytest.raises(InputError, match=r"target_embedding.weight and source_embedding.weight are one by model.tie"):
        train(settings, tmp_path / "run")


def test_the_start_is_found_from_the_root_and_by_a_grid(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = tree(folder, {}, {}, "", {})
    lines = [f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items()
             if not isinstance(value, dict)) for name, section in plain.items()]  # fmt: skip
    texts = [f"[data.{name}]\nsource = '{name}.xx'\ntarget = '{name}.yy'\n" for name in ("train", "validation")]
    (tmp_path / "run.toml").write_text("".join([*lines, *texts]), encoding="utf-8")
    (tmp_path / "grid.toml").write_text(
        'title = "t"\nconfig = "run.toml"\nseeds = [1]\n[grid]\n"training.start" = [{name = "scratch", '
        '"training.start" = ""}, "base"]\n[tests.t]\nsource = "a"\nreference = "b"\n', encoding="utf-8",
    )  # fmt: skip
    plan = planned_runs(load_grid(tmp_path / "grid.toml"), tmp_path / "grid.toml")
    assert [(run.system, run.config.training.start) for run in plan] == [("scratch", ""), ("base", "base")]
    grid = (tmp_path / "grid.toml").read_text(encoding="utf-8").replace("[1]", "[1, 3]")
    grid = grid.replace(
        '"base"]', '{name = "each", "training.start" = "base-{seed}", "data.train.source" = "{seed}.x"}]'
    )
    (tmp_path / "seeds.toml").write_text(grid, encoding="utf-8")
    seeds = planned_runs(load_grid(tmp_path / "seeds.toml"), tmp_path / "seeds.toml")
    assert [(run.name, run.config.training.start, run.config.data.texts[0].source) for run in seeds[1::2]] == [
        ("each-seed-1", "base-1", "1.x"),
        ("each-seed-3", "base-3", "3.x"),
    ]
    assert seeds[3].values == {"training.start": "base-{seed}", "data.train.source": "{seed}.x"}
    train(config(folder), tmp_path / "base-3")
    with pytest.raises(InputError, match=r"system 'each': training.start: base-1: no such model directory"):
        _check_configs(seeds[1::2], load_grid(tmp_path / "seeds.toml"), tmp_path / "of-seeds")
    missing = [
        PlannedRun(run.system, 1, {}, load_config(tmp_path / "run.toml", ["training.start=gone"])) for run in plan
    ]
    with pytest.raises(InputError, match=r"system 'scratch': training.start: gone: no such model directory"):
        _check_configs(missing, load_grid(tmp_path / "grid.toml"), tmp_path / "compared")
    (tmp_path / "compared" / "runs" / "scratch-seed-1" / "training" / "state").mkdir(parents=True)
    with pytest.raises(InputError, match=r"system 'base': training.start: gone: no such model directory"):
        _check_configs(missing, load_grid(tmp_path / "grid.toml"), tmp_path / "compared")
    train(plan[1].config, tmp_path / "run")
    assert events(tmp_path / "run")[0]["model"]["name"] == "base"
    with pytest.raises(InputError, match=r"training.start: base/none: no such model directory; for the hub's model"):
        train(load_config(tmp_path / "run.toml", ["training.start=base/none"]), tmp_path / "none")


# ----------------------------------------------------------------------------------------------------------- a resume

FULL: dict[str, Any] = {
    "start_decay": 0.05, "start_average": 0.3, "freeze": ["encoder"], "schedule": "plateau", "plateau_patience": 1,
    "optimizer": "adamw", "weight_decay": 0.1,
}  # fmt: skip
EXTENDED = {"extend": True, "vocabulary_size": 30, "sampling": 0.2}


def die_at(number: int) -> Any:
    """An observer that fails, as a kill would, when it hears of a validation for the so-manieth time."""
    heard = [0]

    def observe(event: dict[str, Any]) -> None:
        if event["event"] == "validation":
            heard[0] += 1
            if heard[0] == number:
                raise KeyError("as a kill leaves it")

    return observe


def test_a_resumed_run_is_the_uninterrupted_run_and_needs_no_start(folder: Path, tmp_path: Path) -> None:
    """Killed while it validates before the first step, and stopped later; the start model is gone by then."""
    settings = config(folder, str(tmp_path / "gone"), tokenizer=EXTENDED, text="joined-", **FULL)
    shutil.copytree(folder / "pieces", tmp_path / "gone")
    train(settings, tmp_path / "whole")
    with pytest.raises(KeyError):
        train(settings, tmp_path / "parts", observe=die_at(1))
    shutil.rmtree(tmp_path / "gone")
    for step in (1, 6):
        train(settings, tmp_path / "parts", resume=True, observe=Stopper(step, signal.SIGINT))
    with pytest.raises(KeyError):
        train(settings, tmp_path / "parts", resume=True, observe=die_at(2))
    assert train(settings, tmp_path / "parts", resume=True)["reason"] == "max_steps"
    places = [
        ".",
        "training/start",
        *(f"checkpoints/{name}" for name in ("best", "last", "averaged", "start_averaged")),
    ]
    for place in places:
        one, other = weights(tmp_path / "whole" / place), weights(tmp_path / "parts" / place)
        assert len(same(one, other)) == len(one), place
    assert events(tmp_path / "parts") == events(tmp_path / "whole")


def test_a_run_keeps_its_start(folder: Path, tmp_path: Path) -> None:
    train(config(folder), tmp_path / "run", observe=Stopper(2, signal.SIGINT))
    with pytest.raises(InputError, match=r'training.start: "base" -> "other"; a run keeps its start'):
        train(config(folder, "other"), tmp_path / "run", resume=True, allow_changes=True)
    changed = config(folder, start_decay=0.5)
    train(changed, tmp_path / "run", resume=True, allow_changes=True)  # the run has what it needs for that
    (tmp_path / "run" / "training" / "start" / "config.json").write_text("{}", encoding="utf-8")
    longer = config(folder, start_decay=0.5, max_steps=20)
    with pytest.raises(InputError, match=r"--resume: .*training/start/config.json: not written by seq2seq"):
        train(longer, tmp_path / "run", resume=True)


@pytest.mark.slow
def test_two_processes_continue_as_one(folder: Path, tmp_path: Path) -> None:
    settings = tree(folder, EXTENDED, PLAIN, "joined-", {"start": "pieces", "start_decay": 0.05, "log_interval": 1})
    settings["training"]["freeze"] = ["encoder"]
    settings["tokenizer"].pop("sampling", None)
    jobs = [{"config": settings, "output": str(tmp_path / str(count)), "processes": count} for count in (1, 2)]
    done = run_gang(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0], [0, 0]], done.stderr
    one, two = (
        [event for event in events(tmp_path / name) if event["event"] in ("train", "validation")] for name in "12"
    )
    for key in ("loss", "gradient_norm", "start_pull", "perplexity"):
        assert [each[key] for each in two if key in each] == pytest.approx(
            [each[key] for each in one if key in each], rel=1e-4
        )


# ------------------------------------------------------------------------------------------------------------ freezing


def test_frozen_parameters_stay_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    """Against weight decay, the pull, averaging, the mean with the start model, and rates of their own."""
    frozen = ["encoder", "*embedding*", "output_layer.weight"]
    changes = {**FULL, "freeze": frozen, "learning_rate_factors": {"decoder": 2.0}}
    train(config(folder, **changes), tmp_path / "run")
    begun = weights(folder / "base")
    for place in (".", "checkpoints/last", "checkpoints/averaged", "checkpoints/start_averaged"):
        assert set(same(begun, weights(tmp_path / "run" / place))) == {
            name for name in begun if is_named(name, frozen)
        }, place


def test_frozen_parameters_leave_the_others_their_rates(folder: Path, tmp_path: Path) -> None:
    """A rate that a score function gives, or the config, is stored, and nothing frozen is in the optimiser."""
    settings = config(folder, "", tokenizer={"kind": "word", "vocabulary_size": 40}, model={"score": "scaled_dot"},
                      freeze=["encoder"], learning_rate_factors={"decoder": 0.5})  # fmt: skip
    train(settings, tmp_path / "run")
    state = load_file(str(tmp_path / "run" / "training" / "state" / "state.safetensors"))
    held = {name.split("/")[1] for name in state if name.startswith("optimizer/")}
    assert held == {name for name in weights(tmp_path / "run") if not name.startswith("encoder.")}
    record = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["record"]
    assert set(record["learning_rate_factors"].values()) == {0.5}
    assert measure_training(settings, tmp_path / "run", warm_up=0).steps == 1


@pytest.mark.parametrize(
    ("mechanism", "wiring", "cell"),
    [pytest.param(*case, marks=[] if case in QUICK_CASES else [pytest.mark.slow]) for case in CASES],
)
def test_frozen_parts_change_no_other_gradient(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    """In the kernels, which share the gradients of a loop's steps, whichever of their inputs want one."""
    model = tiny_model(mechanism, wiring, cell, tie="target")
    batch = make_batch(random_ids([5, 3], SOURCE_VOCABULARY, seed=5), random_ids([6, 4], TARGET_VOCABULARY, seed=6))

    def gradients() -> dict[str, Tensor | None]:
        model.zero_grad()
        loss = model(*batch.tensors(), smoothing=0.1)
        loss.total.backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    free = gradients()
    for patterns in (
        ["encoder"],
        ["decoder"],
        ["decoder.attention"],
        ["*bias*"],
        ["*weight*"],
        ["*embedding*", "output*"],
    ):
        freeze(TrainingConfig(freeze=patterns), model)
        found = gradients()
        for name, gradient in found.items():
            if is_named(name, patterns):
                assert gradient is None, (patterns, name)
            elif free[name] is not None:
                assert gradient is not None, (patterns, name)
                torch.testing.assert_close(gradient, free[name], atol=1e-6, rtol=1e-5, msg=f"{patterns} {name}")
        model.requires_grad_(True)


NO_START: dict[str, Any] = {"tokenizer": {"kind": "word", "vocabulary_size": 40}}
WRONG_FREEZE = [
    ({"freeze": ["encodr"]}, "training.freeze: the model has no part 'encodr'; did you mean 'encoder'"),
    ({"freeze": ["*"]}, "training.freeze: every parameter would be frozen"),
    ({"freeze": ["target_embedding"]},
     "training.freeze: target_embedding.weight shares its weights with source_embedding.weight, output_layer.weight, "
     "by model.tie = 'all'; freeze both, or neither"),
    ({"freeze": ["encoder"], "learning_rate_factors": {"encoder.layers": 0.5}},
     "training.learning_rate_factors: encoder.layers has no effect, as training.freeze freezes it"),
    ({"start": "base", "start_parts": ["encoder"], "freeze": ["encoder"], "start_decay": 0.1},
     "training.start_decay has no effect, as training.freeze freezes all that is taken"),
    ({"start": "base", "start_parts": ["encoder"], "freeze": ["encoder"], "start_average": 0.1},
     "training.start_average has no effect, as training.freeze freezes all that is taken"),
]  # fmt: skip


@pytest.mark.parametrize(("training", "message"), WRONG_FREEZE)
def test_what_cannot_be_frozen_is_refused(folder: Path, training: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("*", r"\*")):
        check_config(config(folder, **{"start": "", **NO_START, **training}))
    with pytest.raises(InputError, match=r"training.start_parts: the model has no part 'encodr'; did you mean 'encode"):
        check_config(config(folder, start_parts=["encodr"]))


# ------------------------------------------------------------------------------------------------------------ the pull


@pytest.mark.parametrize("parts", [[], ["encoder", "output_layer"]])
def test_the_pull_is_a_term_of_the_loss(folder: Path, tmp_path: Path, parts: list[str]) -> None:
    """MAP-L2: three steps of Adam as autograd and torch make them of loss + decay · ||w - w_start||², once a step."""
    settings = config(
        folder, model={**PLAIN, "tie": "target"}, start_decay=0.7, start_parts=parts, batch_tokens=100000, max_steps=3,
        accumulation=3, clip_norm=0.05, log_interval=1, freeze=["decoder.attention"], schedule="constant",
    )  # fmt: skip
    train(settings, tmp_path / "run")
    loaded = load_model(tmp_path / "run" / "training" / "start")
    encode = loaded.tokenizers.source.encode_batch
    sides = [encode((folder / f"train.{side}").read_text(encoding="utf-8").splitlines()) for side in ("xx", "yy")]
    model, batch = loaded.model.train(), make_batch(*sides)
    trained = {name: one for name, one in model.named_parameters() if not name.startswith("decoder.attention")}
    aliases = dict(model.named_parameters(remove_duplicate=False))
    taken = {id(one) for name, one in aliases.items() if not parts or is_named(name, parts)}
    start = {name: one.detach().clone() for name, one in trained.items() if id(one) in taken}
    optimiser = torch.optim.Adam(trained.values(), betas=(0.9, 0.98))
    pulls = []
    for step in (1, 2, 3):
        loss = model(*batch.tensors(), smoothing=0.1)
        pull = 0.7 * sum(((trained[name] - value) ** 2).sum() for name, value in start.items())
        optimiser.zero_grad()
        (loss.total / loss.tokens + pull).backward()
        pulls.append(float(pull.detach()))
        torch.nn.utils.clip_grad_norm_(trained.values(), 0.05)
        optimiser.param_groups[0]["lr"] = 0.01 * min(1, step / 3)
        optimiser.step()
    found = weights(tmp_path / "run" / "checkpoints" / "last")
    for name, one in trained.items():
        torch.testing.assert_close(found[name], one.detach(), atol=2e-5, rtol=1e-4, msg=name)
    told = [event["start_pull"] for event in events(tmp_path / "run") if event["event"] == "train"]
    assert told == pytest.approx(pulls, rel=1e-3, abs=1e-9)
    assert told[2] > told[1] > told[0] == 0


def test_added_rows_are_free() -> None:
    """Nothing pulls them, for the start model has none: it has 20 of 29 source pieces and 20 of 23 target pieces."""
    model = tiny_model(tie="target")
    record = StartRecord("base", "", source_vocabulary=20, target_vocabulary=20)
    start = StartWeights.of(model, TrainingConfig(start="base", start_decay=0.5), record)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    pull = start.add_gradient(model, 1.0)
    rows = {"source_embedding.weight": 20, "target_embedding.weight": 20, "output_layer.bias": 20}
    for name, parameter in model.named_parameters():
        known = rows.get(name, len(parameter))
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad[:known], torch.ones_like(parameter[:known]), atol=1e-6, rtol=0)
        assert not parameter.grad[known:].any()
    assert pull == pytest.approx(0.5 * sum(float(one.grad.sum()) for one in model.parameters() if one.grad is not None))


def test_a_strong_pull_keeps_the_weights_near(folder: Path, tmp_path: Path) -> None:
    def distance(decay: float) -> float:
        train(config(folder, start_decay=decay), tmp_path / str(decay))
        last, base = weights(tmp_path / str(decay) / "checkpoints" / "last"), weights(folder / "base")
        return float(sum((last[name] - base[name]).square().sum() for name in base))

    assert distance(1.0) < 0.5 * distance(0.0)


def test_the_mean_with_the_start_model_is_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept where it is better than what would be kept, and only what was taken is in it."""
    changes = {"start_average": 0.25, "start_parts": ["encoder"], "criterion": "perplexity"}
    record = train(config(folder, **changes), tmp_path / "run")
    base = weights(folder / "base")
    mean, averaged, best = (
        weights(tmp_path / "run" / "checkpoints" / name) for name in ("start_averaged", "averaged", "best")
    )
    made = json.loads((tmp_path / "run" / "checkpoints" / "start_averaged" / "config.json").read_text())["record"]
    kept = {"averaged": averaged, "best": best}[made["mean_of"]]
    for name in base:
        wanted = 0.75 * kept[name] + 0.25 * base[name] if name.startswith("encoder.") else kept[name]
        torch.testing.assert_close(mean[name], wanted, atol=1e-6, rtol=1e-5)
    others = [event["perplexity"] for event in events(tmp_path / "run") if event["event"] == "validation"][1:]
    assert (record["kind"] == "start_averaged") == (made["perplexity"] < min(others))
    for better in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(
                trainer,
                "is_better",
                lambda measured, progress, criterion, kept=None, better=better: better and bool(kept),
            )
            record = train(config(folder, **changes), tmp_path / str(better))
        assert record["kind"] == ("start_averaged" if better else "best")
        found = weights(tmp_path / str(better))
        assert len(same(found, weights(tmp_path / str(better) / "checkpoints" / record["kind"]))) == len(found)


# ----------------------------------------------------------------------------------------------- an extended tokenizer


def test_what_was_known_stays_when_a_tokenizer_is_extended(folder: Path, tmp_path: Path) -> None:
    """Translations made of old pieces are bit for bit the start model's; a new row is the mean of its pieces' rows."""
    train(config(folder, "pieces", tokenizer={"extend": True, "vocabulary_size": 30}, text="joined-"), tmp_path / "run")
    old, new = load_model(folder / "pieces"), load_model(tmp_path / "run" / "training" / "start")
    size = old.vocabulary.source
    assert new.vocabulary.source == new.vocabulary.target == 30 > size
    assert new.tokenizers.source.pieces[:size] == old.tokenizers.source.pieces
    assert load_model(tmp_path / "run").vocabulary == new.vocabulary
    mean_of = dict(old.model.named_parameters(remove_duplicate=False))
    cuts = cut_strings(old.tokenizers.source, new.tokenizers.source.pieces[size:])
    for name, parameter in new.model.named_parameters(remove_duplicate=False):
        torch.testing.assert_close(parameter[: len(mean_of[name])], mean_of[name], atol=0, rtol=0)
        if len(parameter) > len(mean_of[name]):
            for row, cut in zip(parameter[size:], cuts, strict=True):
                torch.testing.assert_close(row, mean_of[name][cut].mean(dim=0), atol=1e-6, rtol=1e-5)
    lines = (folder / "joined-train.xx").read_text(encoding="utf-8").splitlines()
    encode = [loaded.tokenizers.source.encode for loaded in (old, new)]
    known = [line for line in [*lines, "0", "1 2", "9 9 9 4"] if encode[0](line) == encode[1](line)]
    assert len(known) >= 3
    allowed = Shortlist(
        np.zeros(31, np.int32), np.zeros(0, np.int32), np.arange(3, size, dtype=np.int32)
    )  # every old piece, and the end
    found = []
    for loaded, rows in ((old, size + 1), (new, 31)):
        shortlist = Shortlist(allowed.offsets[:rows], allowed.tokens, allowed.common)
        translations = Translator([loaded], [shortlist]).translate(known, shortlist=True, beam_size=3)
        found.append([(each.text, each.log_prob, each.score) for each in translations])
    assert found[0] == found[1]


def test_an_extension_is_refused_where_it_cannot_grow(folder: Path, tmp_path: Path) -> None:
    size = load_model(folder / "pieces").vocabulary.source
    settings = config(folder, "pieces", tokenizer={"extend": True, "vocabulary_size": size}, text="joined-")
    with pytest.raises(InputError, match=rf"tokenizer.vocabulary_size = {size}: the tokenizer of pieces has {size} pi"):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


OTHERS: list[tuple[dict[str, Any], str]] = [
    (
        {"kind": "unigram"},
        r"tokenizer\.kind = 'unigram': the tokenizer of base is used, where it is 'word'; leave it out$",
    ),
    ({"vocabulary_size": 50}, r"tokenizer\.vocabulary_size = 50: .* it is 40; leave it out, or set tokenizer\.extend"),
    ({"source_model": "x"}, r"tokenizer\.source_model = 'x': .* where it is None; leave it out$"),
    ({"symbols": ["x"]}, r"tokenizer\.symbols = \['x'\]: .* leave it out, or set tokenizer\.extend"),
    (
        {"extend": True, "vocabulary_size": 50, "byte_fallback": True},
        r"tokenizer\.byte_fallback = True: .* leave it out$",
    ),
]


@pytest.mark.parametrize(("tokenizer", "message"), OTHERS)
def test_keys_of_another_tokenizer_are_refused(folder: Path, tokenizer: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_start(config(folder, tokenizer=tokenizer))


def test_the_keys_that_the_start_model_was_trained_with_may_stay(folder: Path) -> None:
    """So that the config of its training serves to go on from it."""
    for tokenizer in ({"kind": "word", "vocabulary_size": 40}, {"kind": "bpe"}, {}):
        load_start(config(folder, tokenizer=tokenizer))


def test_an_extension_needs_a_start(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'data.train = {tsv = "a"}\ndata.validation = {tsv = "b"}\n[tokenizer]\nextend = true\n', encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"run.toml:4: tokenizer\.extend has no effect without training\.start"):
        load_config(tmp_path / "run.toml")


def test_sampling_needs_a_start_model_that_can(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"training.start: base: the model's kind is 'word', which has one segmentation"
    ):
        train(config(folder, tokenizer={"sampling": 0.1}), tmp_path / "run")
