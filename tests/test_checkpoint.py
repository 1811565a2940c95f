"""Model directories: what is saved comes back; what is damaged or foreign is refused; a crash leaves a whole model."""

import hashlib
import json
import math
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count, product
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
from mechanisms import CELLS, MECHANISMS, WIRINGS

from seq2seq import checkpoint
from seq2seq.checkpoint.card import model_card
from seq2seq.checkpoint.files import Manifest, Vocabulary
from seq2seq.checkpoint.model import (
    build_model,
    check_model_config,
    load_model,
    load_tokenizers,
    push_model,
    save_model,
)
from seq2seq.checkpoint.shortlist import write_shortlist
from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.model import Seq2Seq
from seq2seq.search.shortlist import Shortlist
from seq2seq.text.special_tokens import EOS, SPECIAL_IDS
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers

SOURCE = ["der hund läuft schnell", "ein mann 😀 schläft heute nicht", "中文 ist schön"]
TARGET = ["the dog runs quickly", "a man 😀 does not sleep today", "中文 is nice"]
RECORD = {"kind": "best", "step": 1234, "train_pairs": 29000, "parameters": 2700001, "perplexity": 7.25, "bleu": 36.6,
          "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"}  # fmt: skip


def make_config(tokenizer: dict[str, Any] | None = None, **model: Any) -> Config:
    sizes = {"embedding_dim": 5, "encoder_dim": 7, "decoder_dim": 14, "attention_dim": 3, "dropout_layer": 0.0}
    tree = {
        "data": {
            "source_language": "de",
            "target_language": "en",
            "train": {"source": "/home/someone/corpus/train.de", "target": "/home/someone/corpus/train.en"},
            "validation": {"dataset": "bentrevett/multi30k", "split": "validation"},
        },
        "tokenizer": {"vocabulary_size": 61, **(tokenizer or {})},
        "model": {**sizes, **model},
    }
    return parse_config(tree, "test")


@pytest.fixture(scope="module")
def joint() -> TokenizerPair:
    return train_tokenizers(SOURCE, TARGET, make_config().tokenizer)


@pytest.fixture(scope="module")
def separate() -> TokenizerPair:
    return train_tokenizers(SOURCE, TARGET, make_config({"joint": False, "vocabulary_size": 47}).tokenizer)


def initialised(config: Config, tokenizers: TokenizerPair, seed: int = 1) -> Seq2Seq:
    model = build_model(config, tokenizers)
    initialise(model, seed)
    return model


def save(path: Path, tokenizers: TokenizerPair, config: Config, seed: int = 1) -> dict[str, torch.Tensor]:
    weights = initialised(config, tokenizers, seed).state_dict()
    save_model(path, config=config, weights=weights, tokenizers=tokenizers, record=RECORD)
    return weights


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# ---------------------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_round_trip(tmp_path: Path, joint: TokenizerPair, mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    config = make_config(**MECHANISMS[mechanism], cell=cell, wiring=wiring[0], input_feeding=wiring[1])
    weights = save(tmp_path / "model", joint, config)
    loaded = load_model(tmp_path / "model")
    assert same(loaded.model.state_dict(), weights)
    assert (loaded.config, loaded.card, loaded.directory) == (config, RECORD, tmp_path / "model")
    assert not loaded.model.training
    assert {path.name for path in loaded.directory.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.model", "README.md",
    }  # fmt: skip


def test_separate_tokenizers(tmp_path: Path, separate: TokenizerPair) -> None:
    save(tmp_path, separate, make_config({"joint": False}))
    for pair in (load_model(tmp_path).tokenizers, load_tokenizers(tmp_path)):
        assert not pair.joint
        assert pair.source.sha256 == separate.source.sha256 != pair.target.sha256 == separate.target.sha256
    names = {"model.safetensors", "tokenizer.source.model", "tokenizer.target.model"}
    assert json.loads((tmp_path / "config.json").read_text())["files"].keys() == names


def test_joint_tokenizer_is_one_object(tmp_path: Path, joint: TokenizerPair) -> None:
    save(tmp_path, joint, make_config())
    pair = load_tokenizers(tmp_path)
    assert pair.joint
    assert pair.source is pair.target
    assert pair.source.model_bytes == joint.source.model_bytes


@pytest.mark.parametrize(("tie", "embeddings"), [("none", 3), ("target", 2), ("all", 1)])
def test_tied_weights_are_stored_once_and_tied_again(
    tmp_path: Path, joint: TokenizerPair, tie: str, embeddings: int
) -> None:
    weights = save(tmp_path, joint, make_config(tie=tie))
    stored = safetensors.torch.load_file(tmp_path / "model.safetensors")
    size = (joint.source.vocabulary_size, 5)
    assert sum(tuple(tensor.shape) == size for tensor in stored.values()) == embeddings
    model = load_model(tmp_path).model
    assert same(model.state_dict(), weights)
    assert (model.output_layer.weight is model.target_embedding.weight) == (tie != "none")
    assert (model.source_embedding.weight is model.target_embedding.weight) == (tie == "all")


def test_named_parameters_and_untied_copies_save_the_same(tmp_path: Path, joint: TokenizerPair) -> None:
    config = make_config(tie="all")
    weights = save(tmp_path / "a", joint, config)
    model = load_model(tmp_path / "a").model
    copies = {name: tensor.clone() for name, tensor in weights.items()}
    transposed = {name: tensor.t().contiguous().t() for name, tensor in model.named_parameters()}  # not contiguous
    for place, given in (("b", copies), ("c", transposed)):
        save_model(tmp_path / place, config=config, weights=given, tokenizers=joint, record=RECORD)
        for name in ("model.safetensors", "config.json"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / place / name).read_bytes()


def test_weights_of_another_model_are_not_saved(tmp_path: Path, joint: TokenizerPair) -> None:
    config = make_config(tie="target")
    weights = dict(initialised(config, joint).state_dict())
    bad: dict[str, dict[str, torch.Tensor]] = {
        "1 missing, first decoder.bridge.bias": {k: v for k, v in weights.items() if k != "decoder.bridge.bias"},
        "1 unexpected, first stranger": weights | {"stranger": torch.zeros(2)},
        r"has shape \[13\], the config asks for \[14\]": weights | {"decoder.bridge.bias": torch.zeros(13)},
        "torch.float64, not torch.float32": weights | {"decoder.bridge.bias": torch.zeros(14, dtype=torch.float64)},
        "tied by the config": weights | {"output_layer.weight": weights["output_layer.weight"] + 1},
    }
    for message, given in bad.items():
        with pytest.raises(ValueError, match=message):
            save_model(tmp_path / "model", config=config, weights=given, tokenizers=joint, record=RECORD)
    assert not (tmp_path / "model").exists()


def test_building_and_loading_leave_the_random_generator_alone(tmp_path: Path, joint: TokenizerPair) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    save(tmp_path, joint, make_config())
    load_model(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_infinite_numbers_of_a_record_become_null(tmp_path: Path, joint: TokenizerPair) -> None:
    config = make_config()
    weights = initialised(config, joint).state_dict()
    record = {"perplexity": float("inf"), "bleu": float("nan"), "step": 3}
    save_model(tmp_path, config=config, weights=weights, tokenizers=joint, record=record)
    assert load_model(tmp_path).card == {"perplexity": None, "bleu": None, "step": 3}


# --------------------------------------------------------------------------------------------------------------- config


def test_config_checks_need_no_data() -> None:
    check_model_config(make_config(score="dot"))
    with pytest.raises(InputError, match=r"model.score = 'aditive': no such score function; did you mean 'additive'\?"):
        check_model_config(make_config(score="aditive"))
    with pytest.raises(
        InputError, match=r"model.wiring = 'luon': no such wiring; did you mean 'luong'\? allowed: bahdanau, luong"
    ):
        check_model_config(make_config(wiring="luon"))
    with pytest.raises(InputError, match=r"'dot' needs equal sizes, .* 13 units .* 14; .* 'multiplicative'"):
        check_model_config(make_config(score="dot", decoder_dim=13))


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        (
            {"normalisation": "sparsemax"},
            {},
            "model: normalisation has no effect with score = 'uniform', whose energies are all equal",
        ),
        (
            {"window": "monotonic"},
            {"coverage_loss": 1.0},
            "training.coverage_loss has no effect with model.score = 'uniform', which cannot look away",
        ),
        ({"window": "predictive"}, {"coverage_loss": 1.0}, None),
        (
            {"wiring": "bahdanau", "input_feeding": True},
            {},
            "model: input_feeding has no effect with wiring = 'bahdanau', which always feeds the context back",
        ),
    ],
)
def test_keys_that_a_mechanism_cannot_heed_are_refused(
    model: dict[str, Any], training: dict[str, Any], message: str | None
) -> None:
    config = parse_config({**make_config().model_dump(), "model": {"score": "uniform", **model}}, "test")
    config = config.model_copy(update={"training": config.training.model_copy(update=training)})
    with nullcontext() if message is None else pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_model_config(config)


def test_tying_all_needs_one_vocabulary(separate: TokenizerPair) -> None:
    with pytest.raises(InputError, match=r"model.tie = 'all' needs one vocabulary"):
        build_model(make_config(tie="all"), separate)


# --------------------------------------------------------------------------------------------------------------- damage


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change config.json."""
    tree = json.loads((path / "config.json").read_text())
    change(tree)
    (path / "config.json").write_text(json.dumps(tree))


def replace(path: Path, name: str, content: bytes) -> None:
    """Replace a file, and its hash with it."""
    (path / name).write_bytes(content)
    rewrite(path, lambda tree: tree["files"].update({name: hashlib.sha256(content).hexdigest()}))


def repack(path: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the weights, and their hash with them."""
    weights = safetensors.torch.load_file(path / "model.safetensors")
    change(weights)
    replace(path, "model.safetensors", safetensors.torch.save(weights))


def truncate(path: Path, name: str, share: float = 0.5) -> None:
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: int(len(content) * share)])


def flip(path: Path, name: str) -> None:
    content = bytearray((path / name).read_bytes())
    content[-7] ^= 1
    (path / name).write_bytes(content)


def boundless(manifest: Manifest) -> dict[str, int]:
    """Limits of file sizes where they do not matter."""
    return dict.fromkeys(manifest.files, 1 << 20)


class Bomb:
    """What a malicious pickle does on loading."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("exploded",))


def other_tokenizer(path: Path) -> None:
    config = make_config({"vocabulary_size": 50})
    replace(path, "tokenizer.model", train_tokenizers(SOURCE, TARGET, config.tokenizer).source.model_bytes)


def foreign_special_ids(path: Path) -> None:
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SOURCE), model_writer=model, vocab_size=61, hard_vocab_limit=False, minloglevel=3
    )
    replace(path, "tokenizer.model", model.getvalue())


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
DIFFERS = r"not the file that config.json lists \(SHA-256 differs\)"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda p: (p / "config.json").unlink(), r"config.json: missing; a model directory holds"),
    "no weights": (lambda p: (p / "model.safetensors").unlink(), r"model.safetensors: missing$"),
    "no tokenizer": (lambda p: (p / "tokenizer.model").unlink(), r"tokenizer.model: missing$"),
    "folder for a file": (
        lambda p: ((p / "tokenizer.model").unlink(), (p / "tokenizer.model").mkdir()),
        r"tokenizer.model: cannot be read: Is a directory",
    ),
    "cut config": (lambda p: truncate(p, "config.json"), r"config.json: damaged, not JSON"),
    "binary config": (lambda p: (p / "config.json").write_bytes(b"\xff\xfe\x00"), r"config.json: damaged, not JSON"),
    "bottomless config": (lambda p: (p / "config.json").write_text("[" * 10**5), r"config.json: damaged, not JSON"),
    "list": (lambda p: (p / "config.json").write_text("[1]"), r"config.json: not written by seq2seq"),
    "foreign": (lambda p: (p / "config.json").write_text('{"model_type": "marian"}'), r"json: not written by seq2seq"),
    "newer": (
        lambda p: rewrite(p, lambda tree: tree.update(format=2, seq2seq="9.1", surprise=1)),
        r"config.json: format 2, written by seq2seq 9.1; seq2seq [\d.]+ reads up to format 1: install a newer one",
    ),
    "format": (lambda p: rewrite(p, lambda tree: tree.update(format="1")), r"config.json: damaged: format: .*integer"),
    "no files": (lambda p: rewrite(p, lambda tree: tree.pop("files")), r"config.json: damaged: files: Field required"),
    "extra key": (lambda p: rewrite(p, lambda tree: tree.update(extra=1)), r"config.json: damaged: extra: Extra"),
    "escape": (
        lambda p: rewrite(p, lambda tree: tree["files"].update({"../../secret": "0"})),
        r"config.json: damaged: files: \.\./\.\./secret, model.safetensors, tokenizer.model; allowed: model",
    ),
    "no weights listed": (
        lambda p: rewrite(p, lambda tree: tree["files"].pop("model.safetensors")),
        r"config.json: damaged: files: tokenizer.model; allowed: model.safetensors \(or encoder.onnx",
    ),
    "config key": (
        lambda p: rewrite(p, lambda tree: tree["config"]["model"].update(scores="dot")),
        r"config.json: unknown key model.scores; did you mean 'score'",
    ),
    "score": (
        lambda p: rewrite(p, lambda tree: tree["config"]["model"].update(score="dott")),
        r"config.json: model.score = 'dott': no such score function; did you mean 'dot'",
    ),
    "boundless sizes": (
        lambda p: rewrite(p, lambda tree: tree["config"]["model"].update(embedding_dim=10**6, decoder_dim=10**6)),
        r"config.json: model: these sizes do not fit into memory: ",
    ),
    "sizes": (
        lambda p: rewrite(p, lambda tree: tree["config"]["model"].update(embedding_dim=11)),
        r"model.safetensors: not the weights of the model in config.json: .* has shape \[.*\], the config asks for",
    ),
    "special ids": (
        lambda p: rewrite(p, lambda tree: tree["special_ids"].update(eos=1)),
        r"config.json: special ids .*'eos': 1.*, but this version has .*'eos': 3",
    ),
    "vocabulary": (
        lambda p: rewrite(p, lambda tree: tree["vocabulary"].update(target=99)),
        r"config.json: vocabulary: source=\d+ target=99, but its tokenizers have source=\d+ target=\d+",
    ),
    "other tokenizer": (other_tokenizer, r"config.json: vocabulary: .* but its tokenizers have source=50 target=50"),
    "foreign tokenizer": (foreign_special_ids, r"tokenizer.model: its special ids"),
    "no tokenizer at all": (lambda p: replace(p, "tokenizer.model", b"hello"), r"tokenizer.model: not a SentencePiece"),
    "cut weights": (lambda p: truncate(p, "model.safetensors"), "model.safetensors: " + DIFFERS),
    "empty weights": (lambda p: truncate(p, "model.safetensors", 0), "model.safetensors: " + DIFFERS),
    "flipped weights": (lambda p: flip(p, "model.safetensors"), "model.safetensors: " + DIFFERS),
    "flipped tokenizer": (lambda p: flip(p, "tokenizer.model"), "tokenizer.model: " + DIFFERS),
    "pickle": (lambda p: (p / "model.safetensors").write_bytes(pickle.dumps(Bomb())), "model.safetensors: " + DIFFERS),
    "hashed pickle": (
        lambda p: replace(p, "model.safetensors", pickle.dumps(Bomb())),
        r"model.safetensors: not a safetensors file",
    ),
    "torch checkpoint": (
        lambda p: (torch.save({"bomb": Bomb()}, p / "x"), replace(p, "model.safetensors", (p / "x").read_bytes())),
        r"model.safetensors: not a safetensors file",
    ),
    "hashed cut weights": (
        lambda p: replace(p, "model.safetensors", (p / "model.safetensors").read_bytes()[:-5]),
        r"model.safetensors: not a safetensors file",
    ),
    "LFS pointer": (
        lambda p: (p / "model.safetensors").write_bytes(LFS),
        r"model.safetensors: a Git LFS pointer .* `git lfs pull`",
    ),
    "tensor missing": (
        lambda p: repack(p, lambda weights: weights.pop("decoder.bridge.bias")),
        r"model.safetensors: not the weights of the model in config.json: 1 missing, first decoder.bridge.bias",
    ),
    "tensor too many": (
        lambda p: repack(p, lambda weights: weights.update(stranger=torch.zeros(1))),
        r"model.safetensors: not the weights .*: 1 unexpected, first stranger",
    ),
    "tensor of another type": (
        lambda p: repack(p, lambda weights: weights.update({"decoder.bridge.bias": torch.zeros(14).half()})),
        r"model.safetensors: not the weights .*: decoder.bridge.bias is torch.float16, not torch.float32",
    ),
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory, joint: TokenizerPair) -> Path:
    path = tmp_path_factory.mktemp("intact")
    save(path, joint, make_config())
    return path


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, tmp_path: Path, intact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfalls 22 and 23: each in a line or two, and nothing is unpickled."""
    change, message = DAMAGE[name]
    path = tmp_path / "model"
    shutil.copytree(intact, path)
    change(path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") <= 1
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, intact: Path, value: float) -> None:
    """One in the last place of the last tensor is enough, and the hashes are right."""
    shutil.copytree(intact, tmp_path / "model")
    repack(tmp_path / "model", lambda tensors: tensors[sorted(tensors)[-1]].view(-1)[-1].fill_(value))
    with pytest.raises(InputError, match=r"model.safetensors: .* has weights that are NaN or infinite"):
        load_model(tmp_path / "model")


def test_a_download_of_the_hub_consists_of_links(tmp_path: Path, intact: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "main", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(intact.iterdir()):
        shutil.copy(path, blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    assert same(load_model(snapshot).model.state_dict(), load_model(intact).model.state_dict())


def test_no_path_in_the_config_is_opened(tmp_path: Path, intact: Path) -> None:
    """What a stranger's config names as data or tokenizer is for the record, and may be a pipe, on which one waits."""
    path, pipe = tmp_path / "model", tmp_path / "pipe"
    shutil.copytree(intact, path)
    os.mkfifo(pipe)
    tokenizer = {"kind": "bpe", "source_model": str(pipe), "target_model": str(pipe)}
    data = {"train": {"tsv": str(pipe)}, "validation": {"dataset": str(pipe)}, "root": str(pipe)}
    rewrite(path, lambda tree: tree["config"].update(tokenizer=tokenizer, data=data))
    opened, watching = list[str](), [True]  # a hook stays as long as the process
    sys.addaudithook(lambda event, given: opened.append(str(given[0])) if watching and event == "open" else None)
    load_model(path)
    watching.clear()
    names = {Path(name).name for name in opened if str(tmp_path) in name}
    assert names == {"config.json", "model.safetensors", "tokenizer.model"}


def test_the_limit_of_the_weights_holds_them(tmp_path: Path, joint: TokenizerPair) -> None:
    """For a model whose file is almost all header, the names of its tensors being long and they small."""
    sizes = {"embedding_dim": 1, "encoder_dim": 1, "decoder_dim": 2, "attention_dim": 1}
    config = make_config(**sizes, encoder_layers=40, decoder_layers=40, layer_norm=True)
    weights = save(tmp_path, joint, config)
    assert same(load_model(tmp_path).model.state_dict(), weights)


def test_the_card_may_be_edited_or_missing(tmp_path: Path, joint: TokenizerPair) -> None:
    weights = save(tmp_path, joint, make_config())
    (tmp_path / "README.md").write_text("mine")
    assert same(load_model(tmp_path).model.state_dict(), weights)
    (tmp_path / "README.md").unlink()
    assert same(load_model(tmp_path).model.state_dict(), weights)


def test_device_that_is_not_there(intact: Path) -> None:
    with pytest.raises(InputError, match=r"device 'warp' cannot be used here: "):
        load_model(intact, device="warp")


# -------------------------------------------------------------------------------------------------------------- crashes


class PowerCutError(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """power(n): the n-th call from now that changes the disk does not happen, and no later one does."""
    left = [10**9]

    def tap(module: Any, name: str) -> None:
        original = getattr(module, name) if name != "fsync" else lambda handle: None  # slow, and the power stays on

        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    tap(checkpoint.files.os, "replace")
    tap(checkpoint.files.os, "fsync")
    tap(checkpoint.files.Path, "unlink")
    tap(checkpoint.files.Path, "open")

    def cut(calls: int) -> None:
        left[0] = calls

    yield cut
    left[0] = 10**9


Files = dict[str, bytes]
JOINT_FILES: list[Files] = [{"model.safetensors": b"weights %d" % n, "tokenizer.model": b"pieces"} for n in range(3)]
SEPARATE_FILES: Files = {"model.safetensors": b"w", "tokenizer.source.model": b"s", "tokenizer.target.model": b"t"}


def put(path: Path, files: Files) -> None:
    """Save files, whatever they hold."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    sizes = Vocabulary(source=61, target=59)
    manifest = Manifest(format=1, seq2seq="0", config={}, special_ids={}, vocabulary=sizes, files=hashes, record={})
    checkpoint.files.write_files(path, manifest, files, "card")


def cut_off(path: Path, files: Files, power: Callable[[int], None], calls: int) -> bool:
    """Save with a power cut after so many calls; whether it came too late."""
    power(calls)
    try:
        put(path, files)
    except PowerCutError:
        return False
    finally:
        power(10**9)
    return True


@pytest.mark.parametrize("new", [JOINT_FILES[1], SEPARATE_FILES], ids=["joint", "separate"])
def test_a_crash_leaves_the_old_model_or_the_new(tmp_path: Path, power: Callable[[int], None], new: Files) -> None:
    found = []
    for calls in count():
        path = tmp_path / str(calls)
        put(path, JOINT_FILES[0])
        late = cut_off(path, new, power, calls)
        found.append(checkpoint.files.read_files(path, boundless)[1])
        if late:
            break
    change = found.index(new)
    assert found == [JOINT_FILES[0]] * change + [new] * (len(found) - change)
    assert 5 < change < len(found) - 3
    assert not list(path.glob("*.new"))


def test_what_config_asks_for_is_on_the_disk_before_config_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, str]] = []
    replace, fsync = os.replace, os.fsync

    def log_replace(source: Path, target: Path) -> None:
        events.append(("replace", target.name))
        replace(source, target)

    def log_fsync(handle: int) -> None:
        events.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
        fsync(handle)

    monkeypatch.setattr(checkpoint.files.os, "replace", log_replace)
    monkeypatch.setattr(checkpoint.files.os, "fsync", log_fsync)
    put(tmp_path, JOINT_FILES[0])
    commit = events.index(("replace", "config.json"))
    synced = ["model.safetensors.new", "tokenizer.model.new", "config.json.new", "README.md.new", tmp_path.name]
    assert events[:commit] == [("sync", name) for name in synced]
    weights = events.index(("replace", "model.safetensors"))
    assert ("sync", tmp_path.name) in events[commit:weights]
    assert events[-1] == ("sync", tmp_path.name)


def test_a_second_crash_does_no_more_harm(tmp_path: Path, power: Callable[[int], None]) -> None:
    for first, second in product(range(25), range(0, 25, 3)):
        path = tmp_path / f"{first}-{second}"
        put(path, JOINT_FILES[0])
        cut_off(path, JOINT_FILES[1], power, first)
        before = checkpoint.files.read_files(path, boundless)[1]
        late = cut_off(path, JOINT_FILES[2], power, second)
        after = checkpoint.files.read_files(path, boundless)[1]
        assert after in (before, JOINT_FILES[2])
        assert after == JOINT_FILES[2] or not late
        put(path, JOINT_FILES[1])
        assert checkpoint.files.read_files(path, boundless)[1] == JOINT_FILES[1]
        assert not list(path.glob("*.new"))
    assert late


def test_a_reader_sees_one_model_while_it_is_replaced(
    tmp_path: Path, joint: TokenizerPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_config(cell="gru"), make_config(cell="lstm")
    save(tmp_path, joint, old, seed=1)
    original, calls = checkpoint.files._content, []

    def content(path: Path, digest: str, limit: int) -> bytes:
        if not calls:
            calls.append(save(tmp_path, joint, new, seed=2))
        return original(path, digest, limit)

    monkeypatch.setattr(checkpoint.files, "_content", content)
    loaded = load_model(tmp_path)
    assert loaded.config == new
    assert same(loaded.model.state_dict(), calls[0])


def test_saving_again_replaces_the_model_and_nothing_else(tmp_path: Path, joint: TokenizerPair) -> None:
    save(tmp_path, joint, make_config(), seed=1)
    (tmp_path / "log.jsonl").write_text("kept")
    before = (tmp_path / "tokenizer.model").stat()
    weights = save(tmp_path, joint, make_config(), seed=2)
    assert same(load_model(tmp_path).model.state_dict(), weights)
    after = (tmp_path / "tokenizer.model").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert (tmp_path / "log.jsonl").read_text() == "kept"


def test_what_the_disk_refuses(tmp_path: Path, joint: TokenizerPair) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Seq2SeqError, match=r"file: the model could not be saved: .*File exists"):
        save(tmp_path / "file", joint, make_config())


# ------------------------------------------------------------------------------------------------------------------ hub


def test_what_looks_like_a_path_is_never_asked_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "notes.txt").write_text("")
    for name in ("./owner/name", "/owner/name", "~/name", "a/b/c", "demo", "../x", "owner/", "", "owner/name@"):
        if name:
            with pytest.raises(InputError, match=r"no such model directory$"):
                load_model(name)
    with pytest.raises(InputError, match=r"no such model directory$"):
        load_model(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"runs/dmeo: no such model directory; .* write runs/dmeo@main"):
        load_model("runs/dmeo")
    with pytest.raises(InputError, match=r"notes.txt: a file; give the model directory that holds it"):
        load_model("notes.txt")


@pytest.mark.parametrize(("name", "revision"), [("owner/name", None), ("owner/name@v1.2", "v1.2")])
def test_a_hub_name_is_downloaded(
    intact: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, revision: str | None
) -> None:
    asked: list[Any] = []

    def download(repository: str, **options: Any) -> str:
        asked.append((repository, options))
        return str(intact)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    assert load_model(name).directory == intact
    names = ["config.json", "README.md", "shortlist.safetensors", "model.safetensors", "tokenizer.model"]
    names += ["tokenizer.source.model", "tokenizer.target.model"]
    assert asked == [("owner/name", {"revision": revision, "allow_patterns": names})]


def test_offline_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def download(*_: Any, **__: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("Got: ConnectError: no route\nCheck your connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    message = r"^owner/name: no such model directory, and not available from the hub: LocalEntry.*no route$"
    with pytest.raises(InputError, match=message):
        load_model("owner/name")


class FakeApi:
    """Records what is asked of the hub."""

    calls: list[tuple[str, dict[str, Any]]]
    broken = False

    def __init__(self, token: str | None) -> None:
        FakeApi.calls = [("token", {"token": token})]

    def create_repo(self, repository: str, **options: Any) -> str:
        if FakeApi.broken:
            raise OSError("401 Unauthorized\nLog in first")
        self.calls.append((repository, options))
        return f"https://hub.example/{repository}"

    def upload_folder(self, *, folder_path: Path, allow_patterns: list[str], **options: Any) -> None:
        files = huggingface_hub.utils.filter_repo_objects(
            [path.relative_to(folder_path).as_posix() for path in folder_path.rglob("*") if path.is_file()],
            allow_patterns=allow_patterns,
        )
        self.calls.append(("upload", {**options, "files": sorted(files)}))


def test_push_uploads_the_model_alone(tmp_path: Path, intact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    shutil.copytree(intact, path)
    shutil.copytree(intact, path / "checkpoints" / "best")
    (path / "log.jsonl").write_text("private")
    (path / "model.safetensors").rename(path / "model.safetensors.new")  # a save cut off after its commit
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    assert push_model(path, "owner/name", private=True, token="t") == "https://hub.example/owner/name"
    token, created, uploaded = FakeApi.calls
    assert token == ("token", {"token": "t"})
    assert created == ("owner/name", {"private": True, "exist_ok": True})
    assert uploaded[1]["repo_id"] == "owner/name"
    files = ["README.md", "config.json", "model.safetensors", "tokenizer.model"]
    assert uploaded[1]["files"] == files
    loaded = load_model(path)
    offsets = np.zeros(loaded.vocabulary.source + 1, dtype=np.int32)
    shortlist = Shortlist(offsets, offsets[:0], np.array([EOS], dtype=np.int32))
    write_shortlist(path, shortlist, loaded.files)
    push_model(path, "owner/name")
    assert FakeApi.calls[-1][1]["files"] == [*files[:3], "shortlist.safetensors", files[3]]
    write_shortlist(path, shortlist, {**loaded.files, "model.safetensors": "0" * 64})
    with pytest.raises(InputError, match="made for other weights"):
        push_model(path, "owner/name")


def test_push_refuses_what_does_not_load_and_explains_the_hub(
    tmp_path: Path, intact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    monkeypatch.setattr(FakeApi, "broken", True)
    with pytest.raises(Seq2SeqError, match=r"^owner/name: the upload to the hub failed: OSError: 401 Unauthorized$"):
        push_model(intact, "owner/name")
    shutil.copytree(intact, tmp_path / "model")
    flip(tmp_path / "model", "model.safetensors")
    with pytest.raises(InputError, match="SHA-256 differs"):
        push_model(tmp_path / "model", "owner/name")
    rewrite(tmp_path / "model", lambda tree: tree["config"]["model"].update(score="dott"))
    with pytest.raises(InputError, match="no such score function"):
        push_model(tmp_path / "model", "owner/name")


# ----------------------------------------------------------------------------------------------------------------- card


def card(record: dict[str, Any] | None = None, **model: Any) -> str:
    return model_card(make_config(**model), Vocabulary(source=61, target=59), RECORD if record is None else record)


def test_the_card_is_one_that_the_hub_reads(intact: Path) -> None:
    data = huggingface_hub.ModelCard.load(intact / "README.md").data.to_dict()
    assert data["language"] == ["de", "en"]
    assert (data["library_name"], data["pipeline_tag"]) == ("seq2seq", "translation")


def test_the_card_says_what_the_model_is() -> None:
    text = card()
    for part in (
        "# German to English",
        "29,000 pairs of sentences",
        "2,700,001 parameters",
        "`train.de`, `train.en`",
        "`bentrevett/multi30k`, `validation`",
        "after 1,234 steps",
        "BLEU: 36.60 (beam 1; `" + RECORD["signature"] + "`)",
        "Perplexity per piece, the end of sentence counted: 7.25",
        "Bahdanau et al. (2015)",
        '| model.score | `"additive"` | attention score function |',
        "61 of them for the source and 59 for the target",
        "seq2seq translate MODEL",
        "Translator.load(",
    ):
        assert part in text
    assert "/home/someone" not in text
    assert "control" not in text


def test_the_card_of_the_control_and_of_an_unmeasured_model() -> None:
    assert "**This is a control**" in card(score="uniform")
    text = card({"bleu": 31.0})  # without a signature it is no number
    assert "31.0" not in text
    assert "None were recorded." in text


def test_the_card_keeps_odd_names_in_their_place() -> None:
    tree = make_config().model_dump()
    tree["data"] |= {"source_language": "no", "target_language": "x`\n---\n# injected"}
    text = model_card(Config.model_validate(tree), Vocabulary(source=61, target=59), RECORD)
    assert "\n# injected" not in text
    assert text.count("\n---\n") == 1
    assert huggingface_hub.ModelCard(text).data.to_dict()["language"] == ["no"]


@pytest.mark.parametrize("side", ["source_language", "target_language"])
def test_the_card_has_no_markup_of_others(side: str) -> None:
    tree = make_config().model_dump()
    tree["data"] |= {side: "x<script>*a*|[b](c)\u202e\x1b[2J"}
    tree["data"]["train"] |= {"source": "/a/<b>`\u202e.de"}
    text = model_card(Config.model_validate(tree), Vocabulary(source=61, target=59), RECORD)
    outside = re.sub("`[^`\n]*`", "", text)  # within, nothing is markup
    assert r"x\<script\>\*a\*\|\[b\](c)\\u202e\\x1b\[2J" in outside
    assert not re.search(r"(?<!\\)<", outside)
    assert r"`<b>'\u202e.de`" in text
    assert not {"\u202e", "\x1b"} & set(text)


def test_special_ids_are_those_of_the_tokenizer() -> None:
    assert SPECIAL_IDS == {"pad": 0, "unk": 1, "bos": 2, "eos": 3}
