"""A run directory with any of its parts missing, damaged or edited: what is wrong is named, and nothing is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import Stopper, config, events, weights, write_corpus

from seq2seq.durable import seal, unseal
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.training import checkpointer
from seq2seq.training.run import open_run
from seq2seq.training.state import load_note
from seq2seq.training.trainer import train

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
Break = Callable[[Path], Any]  # is given the directory of the run
STATE, WEIGHTS = "training/state/state.json", "training/weights-4.safetensors"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def stopped(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its second validation."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    assert train(config(corpus), run, observe=Stopper(9, signal.SIGINT))["reason"] == "interrupted"
    return run


@pytest.fixture(scope="module")
def finished(corpus: Path, stopped: Path) -> Path:
    run = stopped.with_name("finished")
    shutil.copytree(stopped, run)
    train(config(corpus), run, resume=True)
    return run


def without(*names: str) -> Break:
    def remove(run: Path) -> None:
        for name in names:
            if name.endswith("*"):
                for path in run.glob(name):
                    path.unlink()
            else:
                (shutil.rmtree if (run / name).is_dir() else os.unlink)(run / name)

    return remove


def but(*names: str) -> Break:
    """Leave only these."""

    def remove(run: Path) -> None:
        for entry in list(run.iterdir()):
            if entry.name not in names:
                (shutil.rmtree if entry.is_dir() else os.unlink)(entry)

    return remove


def edited(name: str) -> Break:
    def edit(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        content[len(content) // 2] ^= 1
        (run / name).write_bytes(content)

    return edit


def cut(name: str) -> Break:
    return lambda run: os.truncate(run / name, (run / name).stat().st_size // 2)


def contents(run: Path) -> dict[str, bytes]:
    """All but the lock and what is encoded anew."""
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith((".lock", "cache/"))}


NO_STATE = "no state to go on from: .*training/state is missing; put it back"
REFUSED: list[tuple[Break, str]] = [
    (without("training"), rf"there is config.json of a training, but {NO_STATE}"),
    (without("training/state"), NO_STATE),
    (without("training", "log.jsonl"), NO_STATE),
    (but("log.jsonl"), rf"there is log.jsonl of a training, but {NO_STATE}"),
    (but("checkpoints"), rf"there is checkpoints of a training, but {NO_STATE}"),
    (but("model.safetensors"), rf"there is model.safetensors of a training, but {NO_STATE}"),
    (but("training"), r"run/config.json: missing"),
    (without(STATE), r"state.json: missing"),
    (without("training/state/state.safetensors"), r"state.safetensors: missing; put it back"),
    (without("config.json"), r"run/config.json: missing"),
    (without("model.safetensors"), r"run/model.safetensors: missing; put back what the training left"),
    (without("tokenizer.model"), r"run/tokenizer.model: missing"),
    (edited("model.safetensors"), r"run/model.safetensors: not the file that config.json lists"),
    (without(WEIGHTS), r"weights-4.safetensors: missing; put back what the training left"),
    (without("training/weights-*"), r"weights-4.safetensors: missing; .*weights-8.safetensors: missing"),
    (edited(WEIGHTS), r"weights-4.safetensors: not the file that the training state lists"),
    (cut(WEIGHTS), r"weights-4.safetensors: not the file that the training state lists"),
    (edited(STATE), r"state.json: the training state is damaged \((its SHA-256 differs|.*line)"),
    (without("log.jsonl"), r"differs from the stopped run: log.jsonl: is missing; undo that, .*--allow-changes"),
    (cut("log.jsonl"), r"log.jsonl: has been cut short, from \d+ bytes to \d+"),
    (edited("log.jsonl"), r"log.jsonl: has been edited"),
    (without("checkpoints"), r"checkpoints/best: .*best/config.json: missing.*; checkpoints/last: .*: missing"),
    (without("checkpoints/best"), r"checkpoints/best: .*best/config.json: missing"),
    (edited("checkpoints/last/model.safetensors"), r"checkpoints/last: .*not the file that config.json lists"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), REFUSED, ids=range(len(REFUSED)))
def test_parts_that_do_not_fit_together_are_named(
    corpus: Path, stopped: Path, tmp_path: Path, damage: Break, message: str
) -> None:
    """With --resume; without it, a directory with anything in it is refused anyway."""
    run, settings = tmp_path / "run", config(corpus)
    shutil.copytree(stopped, run)
    damage(run)
    before = contents(run)
    with pytest.raises(InputError, match=message) as refused, open_run(settings, run, True, False) as opened:
        opened.load_progress(load_note(stopped / "training" / "state").text)
    assert len(str(refused.value).splitlines()) == 1
    assert contents(run) == before
    with pytest.raises(InputError, match="the directory is not empty"), open_run(settings, run, False, False):
        pass
    assert contents(run) == before


@pytest.mark.parametrize("damage", [without("training"), cut("log.jsonl"), edited("training/weights-4.safetensors")])
def test_a_training_touches_nothing_of_a_run_that_it_refuses(
    corpus: Path, stopped: Path, tmp_path: Path, damage: Break
) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    damage(run)
    before = contents(run)
    for resume in (True, False):
        with pytest.raises(InputError):
            train(config(corpus), run, resume=resume)
        assert contents(run) == before


@pytest.mark.parametrize(
    "damage",
    [without("log.jsonl"), cut("log.jsonl"), without("checkpoints")],
    ids=["no log", "log cut", "no checkpoints"],
)
def test_a_run_goes_on_without_what_it_does_not_need(
    corpus: Path, stopped: Path, finished: Path, tmp_path: Path, damage: Break
) -> None:
    """If told so; to the same weights, and with no NUL byte in its log."""
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    damage(run)
    train(config(corpus), run, resume=True, allow_changes=True)
    whole, found = weights(finished), weights(run)
    assert all(torch.equal(whole[name], found[name]) for name in whole)
    log = (run / "log.jsonl").read_bytes()
    assert b"\0" not in log
    assert b'"event": "change"' in log
    lines = log.split(b"\n")
    assert json.loads(next(line for line in lines if b'"change"' in line))["event"] == "change"
    assert lines[-1] == b""


def test_a_finished_run_needs_its_model_alone(corpus: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    without("checkpoints", "training/weights-*")(run)
    assert train(config(corpus), run, resume=True)["reason"] == "max_steps"
    with pytest.raises(InputError, match=r"weights-12.safetensors: missing"):
        train(config(corpus, training__max_steps=20), run, resume=True)
    without("model.safetensors")(run)
    with pytest.raises(InputError, match=r"run/model.safetensors: missing"):
        train(config(corpus), run, resume=True)


def test_a_log_of_something_else_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text('{"mine": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"log.jsonl: not the log of a training"):
        train(config(corpus), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8") == '{"mine": 1}\n'


@pytest.mark.parametrize("saves", [0, 1])
def test_a_run_that_is_killed_in_its_first_saves_goes_on(
    corpus: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    """There may be models that are newer than the state; there is never one without a state."""
    save, done = checkpointer.save_state, []

    def killed(*arguments: Any) -> None:
        if len(done) == saves:
            raise OSError(28, "No space left on device")
        done.append(save(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(checkpointer, "save_state", killed)
        with pytest.raises(Seq2SeqError, match="No space left"):
            train(config(corpus), tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").exists() == (saves > 0)
    train(config(corpus), tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == events(finished)
    whole, found = weights(finished), weights(tmp_path / "run")
    assert all(torch.equal(whole[name], found[name]) for name in whole)


# ----------------------------------------------------------------------------------------------------------- state.json

WRONG: list[tuple[str, Any]] = [
    ("progress.position", -1), ("progress.step", "4"), ("progress.step", 4.5), ("progress.step", True),
    ("progress.epoch", None), ("progress.rows", -3), ("progress.removed", []), ("progress.removed", {"a": "b"}),
    ("progress.best", "good"), ("progress.best", float("nan")), ("progress.waited", {}), ("progress.averaged", "4"),
    ("progress.averaged", [-4]), ("progress.averaged", ["../x"]), ("progress.averaged_sha256", [1]),
    ("progress.log_bytes", -1), ("progress.log_sha256", 3), ("progress.best_record", {"kind": "best"}),
    ("progress.kept", {"kind": 1, "perplexity": 1.0, "bleu": None, "signature": None}), ("progress.kept", []),
    ("progress.tally", {"tokens": "x"}), ("progress.seconds", -1.0), ("progress.further", 1), ("progress", []),
    ("progress", None), ("config", []), ("config", {"model": 3}), ("text", "x"), ("text", {"training text": 3}),
    ("sha256", 3), ("sha256", None), ("rates", 3), ("rates", {"x": -1.0}), ("rates", {"x": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_values_of_another_kind_are_a_damaged_state(stopped: Path, tmp_path: Path, key: str, value: Any) -> None:
    """Whether the seal is broken, made again, or was never there, as in states of older versions."""
    tree = json.loads((stopped / STATE).read_text(encoding="utf-8"))
    section, _, last = key.rpartition(".")
    (tree[section] if section else tree)[last] = value
    (tmp_path / "state.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match=r"state.json: the training state is damaged \(its SHA-256 differs"):
        load_note(tmp_path)
    del tree["seal"]
    for content in (seal(tree), json.dumps(tree).encode()):
        (tmp_path / "state.json").write_bytes(content)
        with pytest.raises(InputError, match=rf"state.json: the training state is damaged \({key.split('.')[0]}"):
            load_note(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"null", b"{}", b"[" * 99999, b"\xff", b'{"seal": [], "a": 1}'])
def test_what_is_no_state_is_a_damaged_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(InputError, match=r"state.json: the training state is damaged"):
        load_note(tmp_path)


def test_a_place_beyond_the_text_is_a_damaged_state(corpus: Path, stopped: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    tree = unseal((run / STATE).read_bytes())
    tree["progress"]["position"] = 10**9
    (run / STATE).write_bytes(seal(tree))
    with pytest.raises(InputError, match="position 1000000000, but there are 9 steps"):
        train(config(corpus), run, resume=True)


def test_a_seal_is_that_of_the_values() -> None:
    tree = {"b": [1.5, None, "ä\U0001f600"], "a": {2: (1, 2), 10: True}}
    assert unseal(seal(tree)) == {"b": [1.5, None, "ä\U0001f600"], "a": {"2": [1, 2], "10": True}}
    spaced = json.dumps(json.loads(seal(tree)), indent=7, sort_keys=True).encode()
    assert unseal(spaced) == unseal(seal(tree))
    with pytest.raises(ValueError, match="SHA-256 differs"):
        unseal(seal(tree).replace(b"1.5", b"1.25"))
    with pytest.raises(ValueError, match="no seal"):
        unseal(b'{"a": 1}')
    assert unseal(b'{"a": 1}', unsealed_too=True) == {"a": 1}
