"""A start model, three corpora and two tags in one run: what each part promises alone holds of all of them together."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_continue import PLAIN, die_at
from test_mixing import config, tree, write_pairs, write_shards
from test_processes import curve, run
from test_training import Stopper, events

from seq2seq.checkpoint.model import load_model
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.text.sentencepiece_model import USER_DEFINED
from seq2seq.training.trainer import train
from seq2seq.translation.translator import Translator

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
TAGS = ("<bt>", "<old>")
TEXTS = [
    {"tsv": "new.tsv", "weight": 2},
    {"tsv": "back.tsv", "weight": 1, "tag": TAGS[0]},
    {"dataset": "shards", "streaming": True, "weight": 1, "tag": TAGS[1], "label": "web"},
]
SENTENCES = ["1 0 2 3", "a b 1", "", "9 c 9 9 1 2", "b", "1 1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows digits, and texts with letters, which it does not know."""
    root = tmp_path_factory.mktemp("continued")
    write_pairs(root / "digits.tsv", 30)
    letters = str.maketrans("012", "abc")
    for name, count, first in (("new", 24, 2000), ("back", 13, 4000)):
        write_pairs(root / f"{name}.tsv", count, first)
        (root / f"{name}.tsv").write_text((root / f"{name}.tsv").read_text(encoding="utf-8").translate(letters))
    pairs = [(" ".join(f"{number}d"), " ".join(f"d{str(number)[::-1]}")) for number in range(6000, 6019)]
    write_shards(root / "shards", pairs)
    train(config(root, {"tsv": "digits.tsv"}, model__copy=True), root / "base")
    return root


def settings(root: Path, start: Path | str = "base", **changes: Any) -> dict[str, Any]:
    """The tree of a run that starts from `base` with three texts."""
    found = tree(
        root,
        TEXTS,
        model__copy=True,
        data__shuffle_buffer=15,
        data__validation=[{"tsv": "digits.tsv"}, {"tsv": "back.tsv", "tag": TAGS[0]}],
        **changes,
    )
    found["tokenizer"] = {"extend": True, "vocabulary_size": 30, "symbols": ["<x>"]}
    found["training"] |= {"start": str(start), "start_decay": 0.01, "start_average": 0.3, "freeze": ["encoder"]}
    return found


@pytest.fixture(scope="module")
def continued(folder: Path) -> Path:
    train(parse_config(settings(folder), "test"), folder / "run")
    return folder / "run"


def test_tags_and_symbols_are_pieces_after_the_old_ones(folder: Path, continued: Path) -> None:
    old, new = load_model(folder / "base").tokenizers.source, load_model(continued).tokenizers.source
    added = new.description.pieces[old.vocabulary_size :]
    assert new.pieces[: old.vocabulary_size] == old.pieces
    assert [(piece.text, piece.type) for piece in added[:3]] == [(text, USER_DEFINED) for text in ("<x>", *TAGS)]
    assert {piece.text.strip("\u2581") for piece in added[3:]} == {"a", "b", "c", "d"}
    assert new.to_pieces(new.encode("1 <x>a")).count("<x>") == 1
    for text in ("1 2 3", "9"):
        assert new.encode(text) == old.encode(text)


def test_a_tag_that_the_start_model_lacks_needs_an_extension(folder: Path, tmp_path: Path) -> None:
    found = settings(folder)
    found["tokenizer"] = {}
    with pytest.raises(InputError, match=r"data\.train: tag '<bt>' is no piece .* tokenizer\.extend"):
        train(parse_config(found, "test"), tmp_path / "run")
    found["tokenizer"] = {"extend": True, "vocabulary_size": load_model(folder / "base").vocabulary.source + 2}
    with pytest.raises(InputError, match=r"tokenizer\.vocabulary_size = \d+: .* and 3 new symbols and tags; raise it"):
        train(parse_config({**found, "tokenizer": found["tokenizer"] | {"symbols": ["<x>"]}}, "test"), tmp_path / "run")


def test_a_stopped_run_goes_on_bit_for_bit(folder: Path, continued: Path, tmp_path: Path) -> None:
    """Killed before its first step, stopped within a pool and in the next; the start model is gone by then."""
    shutil.copytree(folder / "base", tmp_path / "gone")
    parts = parse_config(settings(folder, tmp_path / "gone"), "test")
    with pytest.raises(KeyError):
        train(parts, tmp_path / "parts", observe=die_at(1))
    shutil.rmtree(tmp_path / "gone")
    for step in (1, 4, 8):
        result = train(parts, tmp_path / "parts", resume=True, observe=Stopper(step, signal.SIGINT))
        assert result["reason"] == "interrupted"
    assert train(parts, tmp_path / "parts", resume=True)["reason"] == "max_steps"
    for place in (".", "training/start", "checkpoints/last", "checkpoints/averaged", "checkpoints/start_averaged"):
        one, other = (load_file(str(each / place / "model.safetensors")) for each in (continued, tmp_path / "parts"))
        assert all(torch.equal(one[name], other[name]) for name in one), place
    known = [event for event in events(continued) if event["event"] != "start"]
    assert [event for event in events(tmp_path / "parts") if event["event"] != "start"] == known


def test_the_journal_tells_of_each_text_from_the_start_on(continued: Path) -> None:
    told = events(continued)
    first = next(event for event in told if event["event"] == "validation")
    assert (first["step"], first["texts"].keys()) == (0, {"digits", "back"})
    seen = [event["texts"] for event in told if event["event"] == "train"]
    pairs = {label: sum(each[label]["pairs"] for each in seen if label in each) for label in ("new", "back", "web")}
    assert pairs["new"] > pairs["back"] > 0
    assert pairs["new"] > pairs["web"] > 0


@pytest.mark.slow
def test_two_processes_learn_as_one_does(folder: Path, tmp_path: Path) -> None:
    still = {f"model__{key}": value for key, value in PLAIN.items()}
    whole = settings(folder, training__log_interval=1, **still)
    half = json.loads(json.dumps(whole))
    half["training"]["max_steps"] = 5
    jobs = [
        {"config": whole, "output": str(tmp_path / "one"), "processes": 1},
        {"config": whole, "output": str(tmp_path / "two"), "processes": 2},
        {"config": half, "output": str(tmp_path / "parts"), "processes": 2},
        {"config": whole, "output": str(tmp_path / "parts"), "processes": 2, "resume": True},
    ]
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    assert len(curve(tmp_path / "one")) == 12
    for name in ("two", "parts"):
        assert curve(tmp_path / name) == pytest.approx(curve(tmp_path / "one"), rel=1e-4)


@pytest.mark.parametrize("tag", [None, *TAGS])
def test_what_shares_a_batch_changes_nothing(continued: Path, tag: str | None) -> None:
    translator = Translator.load(continued)
    together = translator.translate(SENTENCES, tag=tag, beam_size=3)
    for text, found in zip(SENTENCES, together, strict=True):
        (alone,) = translator.translate([text], tag=tag, beam_size=3)
        assert (alone.text, alone.tokens, alone.source_pieces) == (found.text, found.tokens, found.source_pieces)
        assert alone.log_prob == pytest.approx(found.log_prob, abs=1e-5)
        assert alone.weights == pytest.approx(found.weights, abs=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_export_gives_the_same(continued: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from seq2seq.onnx.export import export_onnx
    from seq2seq.onnx.translator import OnnxTranslator

    loaded = load_model(continued)
    export_onnx(loaded, tmp_path / "export")
    exported, translator = OnnxTranslator.load(tmp_path / "export", threads=1), Translator([loaded])
    for tag in (None, *TAGS):
        expected, found = (each.translate(SENTENCES, tag=tag) for each in (translator, exported))
        assert [each.text for each in found] == [each.text for each in expected]
        assert [each.source_pieces for each in found] == [each.source_pieces for each in expected]
        assert [each.log_prob for each in found] == pytest.approx([each.log_prob for each in expected], abs=1e-3)
