"""The trainer: it learns, weighs by tokens, stops and goes on where it stood."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sacrebleu
import torch
from safetensors.torch import load_file

from seq2seq.batching import make_batch
from seq2seq.checkpoint.model import load_model
from seq2seq.cli.display.training import event_line
from seq2seq.comparison.pace import measure_training
from seq2seq.config import Config, TrainingConfig
from seq2seq.config_file import parse_config
from seq2seq.durable import seal, unseal
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.signals import StopRequest
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.training import engine, validation
from seq2seq.training.averaging import Averager
from seq2seq.training.schedule import Schedule
from seq2seq.training.trainer import train
from seq2seq.training.validation import Validation
from seq2seq.translation.translation import Translation, blank_translation
from seq2seq.translation.translator import Translator

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
SETTINGS = {
    "data": {"source_language": "xx", "target_language": "yy"},
    "tokenizer": {"kind": "word", "vocabulary_size": 40},
    "model": {
        "cell": "gru",
        "embedding_dim": 13,
        "encoder_dim": 7,
        "decoder_dim": 14,
        "attention_dim": 5,
        "tie": "all",
    },
    "training": {
        "batch_tokens": 60,
        "learning_rate": 0.01,
        "warmup_steps": 3,
        "max_steps": 14,
        "validation_interval": 4,
        "average": 2,
        "log_interval": 2,
        "trackers": [],
        "threads": 1,
    },
}

JAPANESE = str.maketrans("0123456789", "あいうえお犬猫本木水", " ")
MODULES = ("encoder", "decoder", "source_embedding", "target_embedding", "output_layer")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A text of its own for a test."""
    write_corpus(tmp_path)
    return tmp_path


def write_corpus(directory: Path) -> None:
    """Digits and their reversal, of unequal lengths."""
    generator = torch.Generator().manual_seed(1)
    for split, count in (("train", 60), ("validation", 8)):
        rows = []
        for _ in range(count):
            length = int(torch.randint(4, 9, (), generator=generator))
            rows.append([str(digit) for digit in torch.randint(0, 10, (length,), generator=generator).tolist()])
        (directory / f"{split}.xx").write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")
        (directory / f"{split}.yy").write_text("".join(" ".join(row[::-1]) + "\n" for row in rows), encoding="utf-8")
        links = [" ".join(f"{place}-{len(row) - 1 - place}" for place in range(len(row))) for row in rows]
        (directory / f"{split}.align").write_text("".join(f"{line}\n" for line in links), encoding="utf-8")


def config(corpus: Path, **changes: Any) -> Config:
    """The small config with changes, given as section__key."""
    tree = json.loads(json.dumps(SETTINGS))
    tree["data"]["root"] = str(corpus)
    for split in ("train", "validation"):
        tree["data"][split] = {"source": f"{split}.xx", "target": f"{split}.yy"}
    for name, value in changes.items():
        section, key = name.split("__")
        tree[section][key] = value
    return parse_config(tree, "test")


def events(directory: Path) -> list[dict[str, Any]]:
    """log.jsonl without what a clock decides."""
    lines = (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()
    clocks = {"time", "tokens_per_second", "seconds", "output"}
    return [{key: value for key, value in json.loads(line).items() if key not in clocks} for line in lines]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(str(directory / "checkpoints" / "last" / "model.safetensors"))


class Stopper:
    """An observer that sends a signal to this process once a step is reached."""

    def __init__(self, step: int, number: int) -> None:
        self.step, self.number = step, number

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["step"] == self.step:
            os.kill(os.getpid(), self.number)


STOPS = {4: signal.SIGINT, 7: signal.SIGTERM, 13: signal.SIGINT}


@pytest.mark.parametrize(
    ("sampling", "courses"),
    [
        pytest.param(False, [STOPS], id="False"),
        pytest.param(True, [STOPS], id="True", marks=pytest.mark.slow),
        pytest.param(False, [{5: signal.SIGINT}, {1: signal.SIGTERM}], id="once", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_is_the_uninterrupted_run(
    corpus: Path, tmp_path: Path, sampling: bool, courses: list[dict[int, signal.Signals]]
) -> None:
    """Pitfall 18: bitwise, with dropout, subword sampling, plateau and averaging at work."""
    changes = {"training__schedule": "plateau", "training__plateau_patience": 1}
    if sampling:
        changes |= {"tokenizer__kind": "bpe", "tokenizer__sampling": 0.3}
    settings = config(corpus, **changes)
    train(settings, tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    for stops in courses:
        run = tmp_path / "-".join(map(str, stops))
        for step, number in stops.items():
            record = train(settings, run, resume=run.exists(), observe=Stopper(step, number))
            assert (record["reason"], record["signal"]) == ("interrupted", number)
        assert train(settings, run, resume=True)["reason"] == "max_steps"
        parts = weights(run)
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), stops
        for place in (".", "checkpoints/averaged", "checkpoints/best"):
            one, other = (load_file(str(each / place / "model.safetensors")) for each in (tmp_path / "whole", run))
            assert all(torch.equal(one[name], other[name]) for name in one), (stops, place)
        assert [event for event in events(run) if event.get("reason") == "interrupted"] == []
        assert events(run) == events(tmp_path / "whole")


def test_the_run_directory_holds_what_it_promises(corpus: Path, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    record = train(config(corpus, training__trackers=["tensorboard"]), tmp_path / "run", observe=seen.append)
    names = {"config.json", "model.safetensors", "tokenizer.model", "README.md"}
    for place in (".", "checkpoints/best", "checkpoints/last", "checkpoints/averaged"):
        assert names <= {path.name for path in (tmp_path / "run" / place).iterdir()}
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))
    kept = events(tmp_path / "run")
    assert [event["event"] for event in kept][:2] == ["start", "data"]
    assert [event["step"] for event in kept if event["event"] == "validation"] == [4, 8, 12, 14]
    assert [event["step"] for event in kept if event["event"] == "train"] == [2, 4, 6, 8, 10, 12, 14]
    assert kept[-1]["event"] == "finish"
    assert [event["step"] for event in seen if event["event"] == "progress"] == list(range(1, 15))
    assert record["kind"] in ("best", "averaged")
    assert not [
        path for path in (tmp_path / "run").rglob("*") if path.suffix in (".pt", ".pkl", ".bin", ".new", ".old")
    ]


@pytest.mark.parametrize("there", [True, False])
def test_without_a_word_on_trackers_tensorboard_is_used_where_it_is(
    there: bool, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run stores is what it had. A config that names the tracker is refused where it is missing."""
    monkeypatch.setattr(engine, "installed", lambda name: there)
    settings = config(corpus, training__trackers=None, training__max_steps=1)
    train(settings, tmp_path / "run")
    assert bool(list((tmp_path / "run").rglob("events.out.tfevents*"))) == there
    found = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["config"]["training"]
    assert found["trackers"] == (["tensorboard"] if there else [])
    monkeypatch.setattr(engine, "installed", lambda name: not there)
    train(settings, tmp_path / "run", resume=True)  # on a machine of the other kind
    if there:
        wanted = "'tensorboard' is not installed; take it out, or install the extra 'tensorboard': pip install tensorb"
        with pytest.raises(InputError, match=wanted):
            train(config(corpus, training__trackers=["tensorboard"]), tmp_path / "other")


def test_tensorboard_shows_every_step_once_after_a_kill(corpus: Path, tmp_path: Path) -> None:
    """Steps 9 and 10 were told of, but the last state is that of step 8."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def die(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["step"] == 11:
            raise KeyError("as a kill leaves it: nothing is put in order")

    settings = config(corpus, training__trackers=["tensorboard"])
    with pytest.raises(KeyError):
        train(settings, tmp_path / "run", observe=die)
    train(settings, tmp_path / "run", resume=True)
    shown = EventAccumulator(str(tmp_path / "run" / "training" / "seq2seq")).Reload()
    found = {tag: [event.step for event in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}
    assert found["train/loss"] == [2, 4, 6, 8, 10, 12, 14]
    assert found["validation/perplexity"] == [4, 8, 12, 14]


def test_the_kept_model_is_the_best_by_the_criterion(corpus: Path, tmp_path: Path) -> None:
    record = train(config(corpus, training__criterion="perplexity"), tmp_path / "run")
    found = [event["perplexity"] for event in events(tmp_path / "run") if event["event"] == "validation"]
    assert record["perplexity"] <= min(found)


@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", False), ("luong", True)])
def test_accumulation_is_weighted_by_tokens(corpus: Path, tmp_path: Path, wiring: tuple[str, bool]) -> None:
    """Pitfall 15: one batch of all rows = seven of unequal lengths, to 1e-6."""
    common = {
        "model__wiring": wiring[0],
        "model__input_feeding": wiring[1],
        "model__dropout_embedding": 0.0,
        "model__dropout_layer": 0.0,
        "model__dropout_output": 0.0,
        "training__max_steps": 3,
        "training__clip_norm": 0.0,
        "training__optimizer": "adam",
    }
    whole = config(corpus, **common, training__batch_tokens=100000)
    parts = config(corpus, **common, training__batch_tokens=100000, training__accumulation=7)
    train(whole, tmp_path / "whole")
    train(parts, tmp_path / "parts")
    losses = [[e["loss"] for e in events(tmp_path / name) if e["event"] == "train"] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("parts", [1, 7])
def test_the_gradient_is_that_of_the_mean_loss_per_token(corpus: Path, tmp_path: Path, parts: int) -> None:
    """Pitfall 15: its norm, as the log has it, against one backward pass by hand. Adam would hide a factor."""
    settings = config(
        corpus, model__dropout_embedding=0.0, model__dropout_layer=0.0, model__dropout_output=0.0,
        training__max_steps=1, training__batch_tokens=100000, training__accumulation=parts, training__log_interval=1,
        training__learning_rate=1e-30,
    )  # fmt: skip
    train(settings, tmp_path / "run")
    loaded = load_model(tmp_path / "run")
    encode = loaded.tokenizers.source.encode_batch
    sides = [encode((corpus / f"train.{side}").read_text(encoding="utf-8").splitlines()) for side in ("xx", "yy")]
    loss = loaded.model(*make_batch(*sides).tensors(), smoothing=0.1)
    (loss.total / loss.tokens).backward()
    norm = torch.stack([parameter.grad.norm() for parameter in loaded.model.parameters()]).norm()
    (told,) = [event["gradient_norm"] for event in events(tmp_path / "run") if event["event"] == "train"]
    assert told == pytest.approx(float(norm), rel=1e-4)


def test_validations_translate_with_the_weights_of_now(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with those that were laid out for the validation before."""
    validate, text, scores = validation.validate, ["der hund schläft"], list[float]()

    def watched(model: Seq2Seq, translator: Translator, *parts: Any, **options: Any) -> Validation:
        (translation,), (fresh,) = translator.translate(text), Translator(translator.models).translate(text)
        assert translation.log_prob == fresh.log_prob
        scores.append(fresh.log_prob)
        return validate(model, translator, *parts, **options)

    monkeypatch.setattr(validation, "validate", watched)
    train(config(corpus, training__max_steps=4, training__validation_interval=2), tmp_path / "run")
    assert len(set(scores)) >= 2


def test_patience_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    settings = config(corpus, training__patience=1, training__learning_rate=1e-30, training__validation_interval=1)
    record = train(settings, tmp_path / "run")
    assert record["reason"] == "patience"
    assert events(tmp_path / "run")[-1]["step"] < 14


def test_bleu_that_is_always_0_leaves_the_choice_to_perplexity(corpus: Path, tmp_path: Path) -> None:
    """Each sentence is one word. The best and patience follow perplexity, it is said, and a stop changes nothing."""
    for name in ("train", "validation"):
        lines = (corpus / f"{name}.xx").read_text(encoding="utf-8").splitlines()
        for side in ("xx", "yy"):
            (corpus / f"{name}.{side}").write_text(
                "".join(line.replace(" ", "") + "\n" for line in lines), encoding="utf-8"
            )
    settings = config(
        corpus, training__validation_interval=1, training__max_steps=5, training__patience=2, training__average=1,
        tokenizer__kind="char",
    )  # fmt: skip
    record = train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", observe=Stopper(1, signal.SIGINT))  # it stops after step 1 or 2
    assert train(settings, tmp_path / "parts", resume=True)["reason"] == record["reason"] == "max_steps"
    assert events(tmp_path / "parts") == events(tmp_path / "whole")
    told = events(tmp_path / "whole")
    perplexities = [event["perplexity"] for event in told if event["event"] == "validation"]
    assert (len(perplexities), record["perplexity"], record["bleu"]) == (5, min(perplexities), 0.0)
    (fallen,) = [event for event in told if event["event"] == "criterion"]
    assert (fallen["step"], fallen["decides"]) == (3, "perplexity")
    assert "perplexity decides which weights are the best" in str(event_line(fallen))
    (finish,) = [event for event in told if event["event"] == "finish"]
    assert "chosen by perplexity, for BLEU is 0" in str(event_line({**finish, "seconds": 1.0}))


def test_bleu_is_counted_alike_in_all_sittings(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary that is installed between two sittings would make BLEU another number than that of the best."""
    for name in ("train", "validation"):
        text = (corpus / f"{name}.yy").read_text(encoding="utf-8")
        (corpus / f"{name}.yy").write_text(text.translate(JAPANESE), encoding="utf-8")
    settings = config(corpus, training__max_steps=2, training__validation_interval=2, tokenizer__kind="char")
    with monkeypatch.context() as patch:
        patch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
        patch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", "/nowhere")
        assert "tok:char" in train(settings, tmp_path / "run")["signature"]
    longer = config(corpus, training__max_steps=4, training__validation_interval=2, tokenizer__kind="char")
    train(longer, tmp_path / "run", resume=True)
    told = events(tmp_path / "run")
    assert ["tok:char" in event["signature"] for event in told if event["event"] == "validation"] == [True, True]
    assert ["'sacrebleu[ja]'" in event["note"] for event in told if event["event"] == "tokenizer"] == [True]
    assert "ja-mecab" in train(longer, tmp_path / "new")["signature"]


def test_the_early_stop_counter_survives_a_stop(corpus: Path, tmp_path: Path) -> None:
    """Pitfall 18: with a rate of nearly nothing only the first validation is a best."""
    settings = config(
        corpus, training__patience=3, training__learning_rate=1e-30, training__validation_interval=1,
        training__criterion="perplexity",
    )  # fmt: skip
    train(settings, tmp_path / "run", observe=Stopper(2, signal.SIGINT))  # before patience is at its end
    assert train(settings, tmp_path / "run", resume=True)["reason"] == "patience"
    assert events(tmp_path / "run")[-1]["step"] == 4


@pytest.mark.parametrize("step", [1, 2])
def test_the_plateau_counter_survives_a_stop(corpus: Path, tmp_path: Path, step: int) -> None:
    """Pitfall 18: stopped between the two validations that the schedule waits for, the rate is cut at the same step.

    A signal during a step may end the run after this step or the next, so one of the two steps is in between.
    """
    settings = config(
        corpus, training__schedule="plateau", training__plateau_patience=2, training__learning_rate=1e-30,
        training__validation_interval=1, training__criterion="perplexity", training__max_steps=6,
        training__log_interval=1, training__warmup_steps=0,
    )  # fmt: skip
    train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", observe=Stopper(step, signal.SIGINT))
    train(settings, tmp_path / "parts", resume=True)
    whole, parts = (
        [event["learning_rate"] for event in events(tmp_path / name) if event["event"] == "train"]
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert whole[2] == 1e-30 > whole[3]


def test_the_plateau_cuts_survive_a_stop(corpus: Path, tmp_path: Path) -> None:
    """Pitfall 18: stopped after the rate has been cut, it stays cut, and is cut again from there."""
    settings = config(
        corpus, training__schedule="plateau", training__plateau_patience=1, training__learning_rate=1e-30,
        training__validation_interval=1, training__criterion="perplexity", training__max_steps=5,
        training__log_interval=1, training__warmup_steps=0, training__average=1,
    )  # fmt: skip
    train(settings, tmp_path / "run", observe=Stopper(3, signal.SIGINT))
    train(settings, tmp_path / "run", resume=True)
    rates = [event["learning_rate"] for event in events(tmp_path / "run") if event["event"] == "train"]
    assert [rate / 1e-30 for rate in rates] == pytest.approx([1, 1, 0.5, 0.25, 0.125])


def test_max_epochs_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    settings = config(corpus, training__max_epochs=1, training__max_steps=1000, training__validation_interval=0)
    assert train(settings, tmp_path / "run")["reason"] == "max_epochs"
    assert [event["epoch"] for event in events(tmp_path / "run") if event["event"] == "validation"] == [1]


def test_a_finished_run_is_left_as_it_is(corpus: Path, tmp_path: Path) -> None:
    record = train(config(corpus), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    told: list[dict[str, Any]] = []
    assert train(config(corpus), tmp_path / "run", resume=True, observe=told.append) == record
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before
    assert [event["event"] for event in told] == ["resume", "finish"]


def test_a_finished_run_can_go_on_for_longer(corpus: Path, tmp_path: Path) -> None:
    train(config(corpus), tmp_path / "run")
    record = train(config(corpus, training__max_steps=18), tmp_path / "run", resume=True)
    assert record["reason"] == "max_steps"
    assert events(tmp_path / "run")[-1]["step"] == 18


def test_a_run_that_goes_on_for_longer_keeps_what_a_whole_one_would(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An average was kept at its first end; it has no place among the weights that later ones are compared with."""
    perplexities = iter([10.0, 12.0, 9.0, 13.0, 14.0])  # at steps 4 and 8, of the average; at step 12, of the average
    monkeypatch.setattr(
        "seq2seq.training.validation.validate", lambda *_, **__: Validation(next(perplexities), None, None)
    )
    changes = {"training__validation_bleu": False, "training__criterion": "perplexity"}
    first = train(config(corpus, training__max_steps=8, **changes), tmp_path / "run")
    assert first["kind"] == "averaged"
    told = train(config(corpus, training__max_steps=12, **changes), tmp_path / "run", resume=True)
    kept = load_model(tmp_path / "run")
    assert kept.card == {key: value for key, value in told.items() if key not in ("reason", "signal")}
    assert (kept.card["kind"], kept.card["step"]) == ("best", 4)
    best = load_file(str(tmp_path / "run" / "checkpoints" / "best" / "model.safetensors"))
    assert all(torch.equal(best[name], value) for name, value in kept.model.named_parameters())


def test_resume_refuses_another_config(corpus: Path, tmp_path: Path) -> None:
    train(config(corpus), tmp_path / "run")
    with pytest.raises(InputError, match=r"model\.attention_dim: 5 -> 7; undo that"):
        train(config(corpus, model__attention_dim=7), tmp_path / "run", resume=True)


def test_resume_refuses_another_text(corpus: Path, tmp_path: Path) -> None:
    train(config(corpus), tmp_path / "run")
    with (corpus / "train.xx").open("a", encoding="utf-8") as file:
        file.write("1 2\n")
    with (corpus / "train.yy").open("a", encoding="utf-8") as file:
        file.write("2 1\n")
    with pytest.raises(InputError, match="run: training text: has changed; undo that"):
        train(config(corpus), tmp_path / "run", resume=True)


def test_a_run_of_an_older_version_goes_on(corpus: Path, tmp_path: Path) -> None:
    """It did not know some keys; those at their defaults are no change, others are. Nor did it know hashes."""
    train(config(corpus, training__max_steps=6), tmp_path / "run")
    path = tmp_path / "run" / "training" / "state" / "state.json"
    note = json.loads(path.read_text(encoding="utf-8"))
    del note["config"]["model"]["normalisation"]
    del note["seal"], note["progress"]["log_sha256"], note["progress"]["averaged_sha256"]
    path.write_text(json.dumps(note), encoding="utf-8")
    with pytest.raises(InputError, match=r"stopped run: model\.normalisation: \"softmax\" -> \"sparsemax\"; undo"):
        train(config(corpus, training__max_steps=7, model__normalisation="sparsemax"), tmp_path / "run", resume=True)
    assert train(config(corpus, training__max_steps=7), tmp_path / "run", resume=True)["step"] == 7


@pytest.mark.parametrize("stored", [None, {}, {"decoder.attention.score.key_layer.weight": 0.5}])
def test_a_run_goes_on_at_the_rates_it_began_with(
    corpus: Path, tmp_path: Path, stored: dict[str, float] | None
) -> None:
    """A run of a version that stored none had a factor of 1 everywhere; another score function brings its own."""
    run, name = tmp_path / "run", "decoder.attention.score.key_layer.weight"

    def factors(steps: int, **changes: Any) -> dict[str, float]:
        settings = config(corpus, training__max_steps=steps, **({"model__score": "multiplicative"} | changes))
        train(settings, run, resume=run.exists(), allow_changes=True)
        last = json.loads((run / "checkpoints" / "last" / "config.json").read_text(encoding="utf-8"))["record"]
        assert last["step"] == steps
        found: dict[str, float] = last["learning_rate_factors"]
        return found

    began = factors(4)
    assert began.keys() == {name}
    path = run / "training" / "state" / "state.json"
    note = unseal(path.read_bytes())
    assert note.pop("rates") == began
    path.write_bytes(seal(note if stored is None else {**note, "rates": stored}))
    assert factors(6) == (stored or {})
    assert factors(7, training__learning_rate_factors={"decoder": 0.25})[name] == 0.25
    scaled = factors(8, model__score="scaled_multiplicative")
    rows = load_file(run / "model.safetensors")[name].shape[0]
    assert scaled == {name: pytest.approx(began[name] * rows**0.5)}


def test_changes_are_followed_where_that_is_asked_for(corpus: Path, tmp_path: Path) -> None:
    """The rate, and a shorter text: the run goes on with the next epoch, and its log tells why."""
    train(config(corpus, training__max_steps=6), tmp_path / "run")
    for side in ("xx", "yy"):
        lines = (corpus / f"train.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        (corpus / f"train.{side}").write_text("".join(lines[:30]), encoding="utf-8")
    changed = config(corpus, training__learning_rate=0.02)
    with pytest.raises(InputError, match=r"training text: has changed; training\.learning_rate: 0\.01 -> 0\.02; undo"):
        train(changed, tmp_path / "run", resume=True)
    record = train(changed, tmp_path / "run", resume=True, allow_changes=True)
    assert record["step"] >= 6
    assert record["reason"] == "max_steps"
    told = [event["changes"] for event in events(tmp_path / "run") if event["event"] == "change"]
    assert told == [["training text: has changed", "training.learning_rate: 0.01 -> 0.02"]]
    train(changed, tmp_path / "run", resume=True)  # what was accepted is what the run now has


def test_a_validation_text_that_is_not_translated_whole_is_told(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq.training.data.MAX_SOURCE_LENGTH", 6)
    long = sum(len(line.split()) > 6 for line in (corpus / "validation.xx").read_text(encoding="utf-8").splitlines())
    assert long > 1
    for bleu, expected in (
        (True, [f"validation sources of more than 6 pieces: {long}; for BLEU, 6 pieces of"]),
        (False, []),
    ):
        changes = {"training__validation_bleu": bleu, "training__criterion": "perplexity", "training__max_steps": 1}
        train(config(corpus, **changes), tmp_path / str(bleu))
        notes = [event["note"] for event in events(tmp_path / str(bleu)) if event["event"] == "note"]
        assert [note[: len(start)] for note, start in zip(notes, expected, strict=True)] == expected


def test_the_end_of_a_cosine_is_no_free_key(corpus: Path, tmp_path: Path) -> None:
    """The rate of every step follows from it: a rate that has come down would go up again."""
    cosine = {"training__schedule": "cosine", "training__validation_bleu": False, "training__criterion": "perplexity"}
    train(config(corpus, training__max_steps=4, **cosine), tmp_path / "run")
    longer = config(corpus, training__max_steps=6, **cosine)
    with pytest.raises(InputError, match=r"stopped run: training\.max_steps: 4 -> 6; undo"):
        train(longer, tmp_path / "run", resume=True)
    assert train(longer, tmp_path / "run", resume=True, allow_changes=True)["reason"] == "max_steps"


def test_the_best_starts_anew_with_another_criterion(corpus: Path, tmp_path: Path) -> None:
    train(config(corpus, training__max_steps=4, training__criterion="bleu"), tmp_path / "run")
    changed = config(corpus, training__criterion="perplexity", training__max_steps=8)
    record = train(changed, tmp_path / "run", resume=True, allow_changes=True)
    best = [event["step"] for event in events(tmp_path / "run") if event["event"] == "validation" and event["best"]]
    assert best[-1] == 8
    assert record["step"] == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer__vocabulary_size": 30}, r"tokenizer\.vocabulary_size: 40 -> 30; a run keeps its vocabulary"),
        (
            {"model__attention_dim": 7},
            r"state\.safetensors: decoder\.attention\.score\S+ has shape \[\S*5\S*.*start anew",
        ),
        ({"model__score": "multiplicative"}, r"decoder\.attention\.score\S+ (is missing|has shape).*start anew"),
    ],
)
def test_changes_that_cannot_be_followed(corpus: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    train(config(corpus, training__max_steps=4), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=message):
        train(config(corpus, **change), tmp_path / "run", resume=True, allow_changes=True)
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after == before


def test_a_swapped_tokenizer_is_refused(corpus: Path, tmp_path: Path) -> None:
    """Pitfall 22: checkpoints/last of another run, whole in itself."""
    train(config(corpus, training__max_steps=4), tmp_path / "run")
    train(config(corpus, training__max_steps=4, tokenizer__kind="char"), tmp_path / "other")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "last")
    shutil.copytree(tmp_path / "other" / "checkpoints" / "last", tmp_path / "run" / "checkpoints" / "last")
    with pytest.raises(InputError, match="source tokenizer: has changed; target tokenizer: has changed"):
        train(config(corpus), tmp_path / "run", resume=True, allow_changes=True)


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "edited", "empty"])
def test_a_damaged_state_is_refused(corpus: Path, tmp_path: Path, name: str, damage: str) -> None:
    """Pitfall 23: the state for a resume, too."""
    train(config(corpus, training__max_steps=4), tmp_path / "run")
    path = tmp_path / "run" / "training" / "state" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes({"truncated": content[:-20], "edited": bytes(content), "empty": b""}[damage])
    with pytest.raises(InputError, match=rf"{re.escape(name)}: .*start anew"):
        train(config(corpus), tmp_path / "run", resume=True)


@pytest.mark.slow
def test_one_directory_is_trained_into_once_at_a_time(corpus: Path, tmp_path: Path) -> None:
    refused = []

    def second(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["step"] == 5:
            command = [sys.executable, "-c", SECOND, str(tmp_path / "run"), json.dumps(tree)]
            refused.append(subprocess.run(command, capture_output=True, text=True))

    settings = config(corpus)
    tree = settings.model_dump(mode="json", exclude_unset=True)
    train(settings, tmp_path / "run", observe=second)
    assert "InputError" in refused[0].stderr
    assert "another training is at work there" in refused[0].stderr
    train(settings, tmp_path / "run", resume=True)  # afterwards it is free again


SECOND = """
import json, sys
from pathlib import Path
from seq2seq.config_file import parse_config
from seq2seq.training.trainer import train
train(parse_config(json.loads(sys.argv[2]), "second"), Path(sys.argv[1]), resume=True)
"""


def test_a_directory_in_use_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    train(config(corpus, training__max_steps=1), tmp_path / "run")
    with pytest.raises(InputError, match="not empty; go on with --resume"):
        train(config(corpus), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not empty; choose another"):
        train(config(corpus), tmp_path / "other")
    with pytest.raises(InputError, match="nothing to resume"):
        train(config(corpus), tmp_path / "other", resume=True)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        train(config(corpus), tmp_path / "file")


def test_nothing_is_written_for_a_bad_config(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'additive'"):
        train(config(corpus, model__score="aditive"), tmp_path / "run")
    with pytest.raises(InputError, match="needs equal sizes"):
        train(config(corpus, model__score="dot", model__decoder_dim=11), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_failed_start_does_not_block_the_next(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vocabulary"):
        train(config(corpus, tokenizer__kind="char", tokenizer__vocabulary_size=8), tmp_path / "run")
    assert train(config(corpus, training__max_steps=1), tmp_path / "run")["reason"] == "max_steps"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training__trackers": ["tensorbord"]}, "unknown tracker 'tensorbord'; did you mean 'tensorboard'"),
        (
            {"training__trackers": ["clearml"]},
            "'clearml' is not installed; take it out, or install it: pip install clearml$",
        ),
        ({"training__mixed_precision": "fp16"}, "needs a GPU"),
        ({"training__learning_rate_factors": {"decoder.attentoin": 0.1}}, "no part 'decoder.attentoin'; did you mean"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(
    corpus: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(config(corpus, **changes), tmp_path / "run")


@pytest.mark.parametrize(
    ("precision", "able"),
    [
        ("bf16", True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("bf16", False), ("no", True), ("no", False))),
    ],
)
def test_bfloat16_reaches_every_step_and_is_advised_against_where_it_is_slow(
    precision: str, able: bool, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    asked, seen = [], []

    def forward(self: Seq2Seq, *inputs: Any) -> Any:
        asked.append(torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16)
        return plain(self, *inputs)

    plain = Seq2Seq.forward
    monkeypatch.setattr(Seq2Seq, "forward", forward)
    settings = config(corpus, training__max_steps=2, training__mixed_precision=precision)
    train(settings, tmp_path / "run", observe=lambda event: seen.append(event_line(event)))
    assert asked.count(precision == "bf16") >= 2
    assert asked.count(True) == (2 if precision == "bf16" else 0)  # and no validation
    slow = [line for line in seen if line and "no instructions for bfloat16" in line]
    assert len(slow) == (precision == "bf16" and not able)
    asked.clear()
    measure_training(settings, tmp_path / "run")
    assert set(asked) == {precision == "bf16"}


def test_parts_of_the_model_learn_at_their_own_rate(corpus: Path, tmp_path: Path) -> None:
    """Adam's first step moves a parameter by the rate whatever the gradient, so a factor can be read off it."""
    factors = {"decoder.attention": 0.0, "decoder.attention.score.key_layer": 0.5, "encoder": 0.25}
    for name, given in (("before", dict.fromkeys(MODULES, 0.0)), ("after", factors), ("plain", {})):
        settings = {
            "max_steps": 1,
            "warmup_steps": 0,
            "clip_norm": 0.0,
            "validation_interval": 1,
            "schedule": "constant",
        }
        changes = {f"training__{key}": value for key, value in settings.items()}
        train(config(corpus, **changes, model__tie="none", training__learning_rate_factors=given), tmp_path / name)
    before, after, plain = (weights(tmp_path / name) for name in ("before", "after", "plain"))
    for name, value in before.items():
        given = [factor for part, factor in sorted(factors.items()) if f"{name}.".startswith(f"{part}.")]
        expected = value + (plain[name] - value) * (given[-1] if given else 1.0)
        torch.testing.assert_close(after[name], expected, atol=1e-6, rtol=1e-4, msg=name)
        assert not torch.equal(value, plain[name]) or name.endswith("bias"), name


def test_a_loss_that_explodes_says_so(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(Seq2SeqError, match=r"the loss is (nan|inf) at step \d+; training.learning_rate"):
        train(
            config(corpus, training__learning_rate=1e38, training__clip_norm=0.0, training__warmup_steps=0),
            tmp_path / "run",
        )


def test_same_seed_same_run(corpus: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train(config(corpus, training__seed=seed, training__max_steps=3), tmp_path / name)
    one, two, three = (weights(tmp_path / name) for name in ("one", "two", "three"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, {1: 0.01, 50: 0.5, 100: 1.0, 400: 1.0}),
        ({"schedule": "inverse_sqrt"}, {50: 0.5, 100: 1.0, 400: 0.5}),
        ({"schedule": "cosine", "max_steps": 300, "final_rate": 0.2}, {100: 1.0, 200: 0.6, 300: 0.2}),
        ({"schedule": "inverse_sqrt", "warmup_steps": 0}, {1: 1.0, 4: 0.5}),
    ],
)
def test_schedules_by_hand(settings: dict[str, Any], expected: dict[int, float]) -> None:
    schedule = Schedule(TrainingConfig(**({"learning_rate": 1.0, "warmup_steps": 100} | settings)))
    for step, rate in expected.items():
        assert schedule.rate(step) == pytest.approx(rate), step


def test_plateau_waits_and_then_cuts() -> None:
    settings = {"schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": 2}
    schedule = Schedule(TrainingConfig(learning_rate=1.0, warmup_steps=0, **settings))
    rates = []
    for best in (True, False, True, False, False, False, False):
        schedule.observe(best)
        rates.append(schedule.rate(1))
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


def test_averages_are_means_of_the_newest(tmp_path: Path) -> None:
    averager = Averager(tmp_path, window=3)
    for step in (10, 9, 20, 100):
        kept = averager.add(step, {"w": torch.full((2,), float(step))})
    assert kept == [10, 20, 100]
    assert averager.mean(kept)["w"].tolist() == pytest.approx([130 / 3] * 2)
    averager.keep_only(kept)
    assert averager.steps() == [10, 20, 100]
    assert Averager(tmp_path, window=1).add(200, {}) == []


def test_a_second_signal_acts_as_ever() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_launcher_does_not_cut_short_what_a_lost_process_is_told() -> None:
    """The launcher ends the processes that are left, perhaps between the failed connection and our message."""
    code = """if True:
        import os, signal
        from seq2seq.errors import LostProcess
        from seq2seq.processes.signals import StopRequest
        try:
            with StopRequest():
                raise {error}
        except Exception:
            os.kill(os.getpid(), signal.SIGTERM)
            print("told", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    """
    for error, told in {"LostProcess('gone')": "told\n", "ValueError": ""}.items():
        done = subprocess.run([sys.executable, "-c", code.format(error=error)], capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, told, "")


@pytest.mark.parametrize("budget", [10, 4096])
def test_validation_perplexity_is_per_token_and_unsmoothed(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 14: a model of zeros is uniform, so its perplexity is the vocabulary, whatever the smoothing."""
    from mechanisms import TARGET_VOCABULARY, random_ids, tiny_model

    from seq2seq.training.validation import nats_of_batches, text_perplexity, validation_batches

    monkeypatch.setattr("seq2seq.training.validation.BATCH_TOKENS", budget)  # a sentence a batch, or one batch
    model = tiny_model()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)

    text = EncodedCorpus(random_ids([3, 8], 29, 1), random_ids([9, 2], 23, 2), ["", ""], ["", ""], {})

    def measured() -> float:
        return text_perplexity(nats_of_batches(model, text, validation_batches(text), torch.device("cpu")), text)

    assert measured() == pytest.approx(TARGET_VOCABULARY)
    assert model.training
    with torch.no_grad():
        model.output_layer.bias[5] = math.log(2.0)
    batch = make_batch(text.source_ids, text.target_ids)
    loss = model.eval()(*batch.tensors())
    assert measured() == pytest.approx(math.exp(loss.nll.item() / int(loss.tokens)))


class Parrot:
    """A translator that has learnt its answers."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def translate(self, sources: Sequence[str], **options: Any) -> list[Translation]:
        """What it has learnt, in pieces too."""
        return [replace(blank_translation(""), text=text, pieces=[*text.replace(" ", "▁")]) for text in self.texts]


def test_validation_bleu_is_of_text_and_keeps_its_signature() -> None:
    """Pitfall 16: of detokenised text by sacreBLEU's own tokenizer, not of pieces or text tokenised before."""
    from accelerate import Accelerator
    from mechanisms import random_ids, tiny_model

    from seq2seq.processes.group import Processes
    from seq2seq.training.validation import validate

    hypotheses = ["The dog doesn't run (today).", "It's five o'clock now, he says."]
    references = ["The dog doesn't run (now).", "It's five o'clock now, she says."]
    text = EncodedCorpus(random_ids([3, 8], 29, 1), random_ids([9, 2], 23, 2), ["a", "b"], references, {})
    tree = SETTINGS["data"] | {"train": {"tsv": "x"}, "validation": {"tsv": "x"}}
    settings = parse_config({"data": tree | {"target_language": "en"}}, "test")
    parrot = cast(Translator, Parrot(hypotheses))
    measured = validate(tiny_model(), parrot, text, settings, Processes(Accelerator(cpu=True)))
    expected = sacrebleu.BLEU()
    assert measured.bleu == pytest.approx(expected.corpus_score(hypotheses, [references]).score)
    assert measured.signature == expected.get_signature().format()
    assert "tok:13a" in measured.signature
    # A model that has learned composed letters is not judged by letters in parts.
    parts = replace(text, target=["Das Ma\u0308dchen schla\u0308ft heute.", "Er kocht fu\u0308r fu\u0308nf Leute."])
    parrot = cast(Translator, Parrot(["Das Mädchen schläft heute.", "Er kocht für fünf Leute."]))
    assert validate(tiny_model(), parrot, parts, settings, Processes(Accelerator(cpu=True))).bleu == pytest.approx(100)
