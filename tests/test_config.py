"""Pitfall 20: every key of the config changes something, or is refused where it would not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from mechanisms import SOURCE_VOCABULARY, TARGET_VOCABULARY, random_ids, tiny_model
from test_training import config, corpus, events

from seq2seq.batching import make_batch
from seq2seq.comparison.plan import load_grid
from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.config_file import load_config, parse_config
from seq2seq.errors import InputError
from seq2seq.training.trainer import train

__all__ = ["corpus"]  # the fixture
pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
DATA = {"train": {"tsv": "train.tsv"}, "validation": {"tsv": "validation.tsv"}}


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("tokenizer", {"kind": "char", "sampling": 0.1}, "sampling has no effect with kind = 'char'"),
        ("tokenizer", {"kind": "word", "byte_fallback": True}, "byte_fallback has no effect with kind = 'word'"),
        ("tokenizer", {"target_model": "b"}, "target_model has no effect without source_model"),
        ("tokenizer", {"source_model": "a", "vocabulary_size": 99}, "vocabulary_size has no effect when source_model"),
        ("tokenizer", {"source_model": "a", "symbols": ["x"]}, "symbols has no effect when source_model"),
        ("model", {"residual": True}, "residual has no effect with one layer"),
        ("model", {"output_dim": 512}, "output_dim = 512 needs tie = 'none'"),
        (
            "model",
            {"dropout_embedding": 0, "dropout_layer": 0, "dropout_output": 0, "variational": True},
            "variational has no effect when every dropout is 0",
        ),
        ("training", {"weight_decay": 0.1}, "weight_decay has no effect with optimizer = 'adam'"),
        ("training", {"plateau_factor": 0.1}, "plateau_factor has no effect with schedule = 'inverse_sqrt'"),
        ("training", {"schedule": "cosine", "plateau_patience": 9}, "plateau_patience has no effect with schedule"),
        ("training", {"start_parts": ["encoder"]}, "start_parts has no effect without start"),
        ("training", {"start_decay": 0.1}, "start_decay has no effect without start"),
        ("training", {"start_average": 0.1}, "start_average has no effect without start"),
        ("training", {"final_rate": 0.1}, "final_rate has no effect with schedule = 'inverse_sqrt'"),
        (
            "training",
            {"validation_bleu": False, "criterion": "perplexity", "validation_beam_size": 2},
            "validation_beam_size has no effect without validation_bleu",
        ),
        (
            "training",
            {"validation_bleu": False, "criterion": "perplexity", "validation_tokenize": "zh"},
            "validation_tokenize has no effect without validation_bleu",
        ),
        ("search", {"length_penalty": "none", "length_alpha": 0.5}, "length_alpha has no effect with length_penalty"),
    ],
)
def test_a_key_that_would_change_nothing_is_refused(section: str, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"test: {section}: {message}"):
        parse_config({"data": DATA, section: keys}, "test")


@pytest.mark.parametrize("section", ["data", "tokenizer", "model", "training", "search"])
def test_an_unknown_key_is_refused_with_the_nearest(section: str) -> None:
    known = {"data": "max_ratio", "tokenizer": "kind", "model": "score", "training": "seed", "search": "beam_size"}
    with pytest.raises(InputError, match=rf"unknown key {section}\.{known[section]}x; did you mean '{known[section]}'"):
        parse_config({"data": DATA, section: {**(DATA if section == "data" else {}), f"{known[section]}x": 1}}, "test")


DROPOUT = {"dropout_embedding": 0.5, "dropout_layer": 0.5, "dropout_output": 0.5}
TWO_ENCODERS, TWO_DECODERS = {"encoder_layers": 2}, {"decoder_layers": 2}
MODEL: list[tuple[dict[str, Any], dict[str, Any]]] = [  # a network, and what is changed in it
    ({}, {"cell": "lstm"}),
    ({}, {"score": "multiplicative"}),
    ({}, {"wiring": ("bahdanau", False)}),
    ({}, {"wiring": ("luong", False)}),  # input_feeding
    ({}, {"embedding_dim": 17}),
    ({}, {"encoder_dim": 5}),
    ({}, {"decoder_dim": 17}),
    ({}, {"attention_dim": 3}),
    ({}, {"output_dim": 10}),
    ({}, TWO_ENCODERS),
    ({}, TWO_DECODERS),
    ({}, {"bidirectional": False}),
    (TWO_ENCODERS, {"residual": True}),
    (TWO_DECODERS, {"residual": True}),
    ({}, {"window": "monotonic", "window_size": 1}),
    ({"window": "monotonic", "window_size": 1}, {"window_size": 2}),
    ({}, {"normalisation": "sparsemax"}),
    ({"decoder_dim": 14, "attention_dim": 6}, {"heads": 2}),
    ({}, {"layer_norm": True}),
    ({"source_vocabulary": 23}, {"tie": "target"}),
    ({"source_vocabulary": 23, "tie": "target"}, {"tie": "all"}),
    ({"source_vocabulary": 23}, {"copy": True}),
    ({}, {"dropout_embedding": 0.5}),
    ({}, {"dropout_layer": 0.5}),
    ({}, {"dropout_output": 0.5}),
    *(({key: rate}, {"variational": True}) for key, rate in DROPOUT.items()),
]


def test_every_key_of_the_model_is_tried() -> None:
    tried = {key for _, changes in MODEL for key in changes} | {"input_feeding"}
    assert tried == set(ModelConfig.model_fields)


@pytest.mark.parametrize(("network", "changes"), MODEL, ids=lambda one: "-".join(map(str, one)) or "plain")
def test_every_key_of_the_model_changes_the_loss(network: dict[str, Any], changes: dict[str, Any]) -> None:
    """In training, with the same parameters where both have them and the same random draws."""
    batch = make_batch(random_ids([1, 9, 4], 23, seed=5), random_ids([6, 1, 3], TARGET_VOCABULARY, seed=6))
    assert SOURCE_VOCABULARY > 23
    losses = []
    for settings in (network, network | changes):
        model = tiny_model(**settings)
        torch.manual_seed(1)
        losses.append(model(*batch.tensors()).total.item())
    assert losses[0] != losses[1]


SHORT = {"max_steps": 4, "validation_interval": 1, "log_interval": 1, "average": 1}
STUCK = {"learning_rate": 1e-30, "criterion": "perplexity", "warmup_steps": 0}  # only the first validation is a best
TWO_VALIDATIONS = [{"source": f"{split}.xx", "target": f"{split}.yy"} for split in ("validation", "train")]
LINKED = {"source": "train.xx", "target": "train.yy", "alignment": "train.align"}
PLATEAU = {**STUCK, "schedule": "plateau", "plateau_patience": 1}
TRAINING: dict[str, tuple[dict[str, Any], Any]] = {  # key -> the other settings, and its value
    "start": ({}, "base"),
    "start_parts": ({"start": "base"}, ["encoder"]),
    "start_decay": ({"start": "base"}, 0.5),
    "start_average": ({"start": "base"}, 0.5),
    "source_vectors": ({}, "x.vec"),
    "target_vectors": ({"model__tie": "target"}, "x.vec"),
    "freeze": ({}, ["encoder"]),
    "seed": ({}, 2),
    "optimizer": ({"weight_decay": 0.5}, "adamw"),  # with adam, weight_decay is refused, so it comes and goes with it
    "learning_rate": ({}, 0.02),
    "learning_rate_factors": ({}, {"encoder": 0.5}),
    "beta1": ({}, 0.5),
    "beta2": ({}, 0.5),
    "weight_decay": ({"optimizer": "adamw"}, 0.5),
    "schedule": ({}, "constant"),
    "warmup_steps": ({}, 1),
    "plateau_factor": (PLATEAU, 0.25),
    "plateau_patience": (PLATEAU, 2),
    "final_rate": ({"schedule": "cosine"}, 0.5),
    "clip_norm": ({}, 0.01),
    "batch_tokens": ({}, 30),
    "accumulation": ({}, 2),
    "label_smoothing": ({}, 0.3),
    "coverage_loss": ({}, 1.0),
    "guided_alignment_weight": ({"data__train": LINKED}, 1.0),
    "max_steps": ({}, 3),
    "max_epochs": ({"batch_tokens": 10000}, 1),
    "validation_interval": ({}, 2),
    "validation_bleu": ({"criterion": "perplexity"}, False),
    "validation_beam_size": ({}, 5),
    "validation_tokenize": ({}, "char"),
    "criterion": ({}, "perplexity"),
    "criterion_text": ({"data__validation": TWO_VALIDATIONS, "criterion": "perplexity"}, "train"),
    "patience": (STUCK, 1),
    "average": ({}, 2),
    "log_interval": ({}, 2),
    "trackers": ({}, ["tensorboard"]),
    "mixed_precision": ({}, "bf16"),
    "threads": ({}, 2),
}


def outcome(corpus: Path, directory: Path, **changes: Any) -> list[Any]:
    """All that a training leaves behind and can be compared: its journal, its models, other files, and the threads."""
    named = {key if "__" in key else f"training__{key}": value for key, value in (SHORT | changes).items()}
    if "start" in changes:  # the tokenizer is then that model's, and its keys are left out
        if not (corpus / "base").exists():
            train(config(corpus, training__max_steps=2), corpus / "base")
        named |= {"tokenizer__kind": "bpe", "tokenizer__vocabulary_size": 8000}
    (corpus / "x.vec").write_text(f"1 {'0.5 ' * 13}\n", encoding="utf-8")
    AcceleratorState._reset_state(reset_partial_state=True)  # else the first precision of a process is its only one
    train(config(corpus, **named), directory)
    AcceleratorState._reset_state(reset_partial_state=True)
    models = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.rglob("model.safetensors")}
    folders = [path for path in directory.rglob("*") if path.is_dir() and path.name != "cache"]
    found = {str(path.relative_to(directory)): models.get(path) for path in [*models, *folders]}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    return [events(directory), found, threads]


def test_every_key_of_the_training_is_tried() -> None:
    assert set(TRAINING) == set(TrainingConfig.model_fields)


PLAIN: dict[str, list[Any]] = {}  # outcomes with the key left out, many of which are the same


@pytest.mark.parametrize("key", TRAINING)
def test_every_key_of_the_training_changes_the_run(corpus: Path, tmp_path: Path, key: str) -> None:
    settings, value = TRAINING[key]
    plain = {} if key == "optimizer" else settings
    if str(plain) not in PLAIN:
        PLAIN[str(plain)] = outcome(corpus, tmp_path / "plain", **plain)
    assert outcome(corpus, tmp_path / "other", **(settings | {key: value})) != PLAIN[str(plain)]


# ----------------------------------------------------------------------------------------------------- values and types

TEXT = 'data.train = {tsv = "a"}\ndata.validation = {tsv = "b"}\n'


@pytest.mark.parametrize("given", ["1984", "nan", "no", "true", "2020-01-02", "1e3", "[1]", "a b", "", " 7 ", "0x10"])
def test_a_text_is_taken_as_it_is_given(tmp_path: Path, given: str) -> None:
    """As a shell takes it: Norwegian is no boolean, and a file may be called 1984."""
    (tmp_path / "run.toml").write_text(TEXT, encoding="utf-8")
    keys = ["data.train.tsv", "data.root", *(["data.source_language"] if given else [])]
    found = load_config(tmp_path / "run.toml", [f"{key}={given}" for key in keys]).data
    assert (found.train.tsv, found.root) == (given, given)
    assert found.source_language == (given or "source")


def test_other_values_are_still_toml(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(TEXT, encoding="utf-8")
    given = {
        'model.score="dot"': "dot",
        "data.root='x'": "x",
        "training.max_steps=1_000": 1000,
        "model.residual=false": 0,
    }
    given |= {'tokenizer.symbols=["<a>"]': ["<a>"], "training.trackers=[]": [], "data.train.columns=[2, 1]": [2, 1]}
    config = load_config(tmp_path / "run.toml", list(given)).model_dump()
    for override, value in given.items():
        found: Any = config
        for key in override.partition("=")[0].split("."):
            found = found[key]
        assert found == value, override


@pytest.mark.parametrize("value", ["1984", "nan", "true", "2020-01-02", "2020-01-02T03:04:05", "03:04:05"])
def test_a_value_of_another_type_in_the_file_says_how_text_is_written(tmp_path: Path, value: str) -> None:
    for key in ("root", "source_language", "train.tsv"):
        text = TEXT if key != "train.tsv" else TEXT.replace('{tsv = "a"}', "{}")
        (tmp_path / "run.toml").write_text(
            f"{text.replace('data.train = {}', '')}data.{key} = {value}\n", encoding="utf-8"
        )
        with pytest.raises(InputError, match=rf"run\.toml:\d: data\.{key} = .*string; write it in quotation marks"):
            load_config(tmp_path / "run.toml")


def test_a_bare_word_says_how_text_is_written(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(f"{TEXT}data.source_language = no\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"not valid TOML: Invalid value \(at line 3.*; text is written in quotation marks"
    ):
        load_config(tmp_path / "run.toml")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Windows editors write one."""
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert load_config(tmp_path / "run.toml").data.train.tsv == "a"
    (tmp_path / "grid.toml").write_bytes(b"\xef\xbb\xbftitle = 3\n")
    with pytest.raises(InputError, match=r"grid\.toml: (title|config)"):
        load_grid(tmp_path / "grid.toml")
    (tmp_path / "run.toml").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(InputError, match=r"run\.toml: cannot read the config: it is UTF-16; save it as UTF-8"):
        load_config(tmp_path / "run.toml")
