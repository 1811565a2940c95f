"""The command line, run as a person or a script runs it."""

import dataclasses
import gzip
import importlib
import io
import json
import math
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner, Result

from seq2seq import Translator, __version__, load_config
from seq2seq.bulk import streams
from seq2seq.bulk.layout import Layout, aligned_weights, draw_attention
from seq2seq.bulk.streams import LineStream, open_output
from seq2seq.bulk.unknown import UnknownCounter
from seq2seq.checkpoint.model import load_model
from seq2seq.cli import EXAMPLES, app, display, lines
from seq2seq.cli.examples import epilog
from seq2seq.cli.inspect import rates
from seq2seq.cli.template import render
from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.errors import Seq2SeqError
from seq2seq.metrics.drawing import draw_weights
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.section import Section
from seq2seq.text.word_links import parse_pharaoh
from seq2seq.translation.translation import blank_translation
from seq2seq.translation.word_alignment import Alignment, Side

GROUP: Any = get_command(app)
COMMANDS = list(GROUP.commands)
GERMAN = ["der hund", "ein mann", "die frau", "das kind", "der junge", "ein mädchen", "die katze"]
VERBS = {"schläft heute": "sleeps today", "läuft nicht": "does not run", "liest ein buch": "reads a book"}
ENGLISH = ["the dog", "a man", "the woman", "the child", "the boy", "a girl", "the cat"]
PAIRS = [
    (f"{noun} {verb} .", f"{english} {VERBS[verb]} .")
    for verb in VERBS
    for noun, english in zip(GERMAN, ENGLISH, strict=True)
]
CONFIG = """
[data]
source_language = "de"
target_language = "en"
train = {source = "train.de", target = "train.en"}
validation = {source = "test.de", target = "test.en"}
[tokenizer]
kind = "word"
vocabulary_size = 100
[model]
cell = "gru"
embedding_dim = 11
encoder_dim = 13
decoder_dim = 26
attention_dim = 7
[training]
batch_tokens = 100
learning_rate = 0.02
warmup_steps = 3
max_steps = 20
validation_interval = 10
log_interval = 5
trackers = []
threads = 1
"""


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def invoke(*arguments: object, text: str | bytes = "") -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)


def succeed(*arguments: object, text: str | bytes = "") -> str:
    """The standard output of a command that must succeed."""
    result = invoke(*arguments, text=text)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(code: int, *arguments: object, text: str | bytes = "") -> str:
    """The message of a command that must be refused; nothing else may have been written."""
    result = invoke(*arguments, text=text)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output
    assert len(result.stderr.rstrip("\n").split("\n")) <= 2
    return result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of these tests: a small corpus and a config."""
    folder = tmp_path_factory.mktemp("work")
    for name, pairs in (("train", PAIRS * 3), ("test", PAIRS[::3])):
        write(folder / f"{name}.de", [source for source, _ in pairs])
        write(folder / f"{name}.en", [target for _, target in pairs])
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def training(folder: Path) -> Result:
    """A training from the command line, and what it wrote."""
    return invoke("train", "run.toml", "--output", "model", "--set", "training.seed=3")


@pytest.fixture(scope="module")
def model(folder: Path, training: Result) -> Path:
    assert training.exit_code == 0, training.output
    return folder / "model"


@pytest.fixture(scope="module")
def translator(model: Path) -> Translator:
    return Translator.load(model)


# ----------------------------------------------------------------------------------------------------------------- help


def test_version() -> None:
    assert succeed("--version") == f"seq2seq {__version__}\n"
    command = [sys.executable, "-m", "seq2seq", "--version"]
    assert (
        subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout == f"seq2seq {__version__}\n"
    )


def test_without_a_command_help_is_shown() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "translate" in result.output


def examples(command: str) -> str:
    return EXAMPLES if not command else importlib.import_module(f"seq2seq.cli.{command}").EXAMPLES


def command_lines(text: str) -> Iterator[list[str]]:
    """The calls of seq2seq in an example, each as its arguments, without pipes and redirections."""
    for line in text.replace("\\\n", " ").strip().split("\n"):
        call: list[str] = []
        words = iter([*shlex.split(line), "|"])
        for word in words:
            if word == "|":
                if call[:1] == ["seq2seq"]:
                    yield call[1:]
                call = []
            elif word in ("<", ">"):
                next(words)
            else:
                call.append(word)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_of_the_help_are_accepted(command: str) -> None:
    calls = list(command_lines(examples(command)))
    assert command in ("", *(name for name, *_ in calls))
    for name, *arguments in calls:
        found = GROUP.commands[name]
        if hasattr(found, "commands"):  # a group of its own
            found, arguments = found.commands[arguments[0]], arguments[1:]
        context = found.make_context(name, list(arguments))
        assert not context.args


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        GROUP.commands["translate"].make_context("translate", ["model", "--no-such-option"])
    assert list(command_lines("a b | seq2seq x --y < c | head -5\nseq2seq z \\\n  1 > f")) == [["x", "--y"], ["z", "1"]]


def test_examples_are_no_markup() -> None:
    example = "seq2seq train a --set training.trackers=[] --set x=[bold]"
    assert Text.from_markup(epilog(example)).plain == f"Examples\n\n{example}"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_the_examples(command: str) -> None:
    shown = succeed(*([command] if command else []), "--help")
    for line in examples(command).strip().split("\n"):
        assert line.strip() in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loses_no_brackets(command: str) -> None:
    """Rich takes "[grid]" for a style and shows nothing, unless a backslash says that it is text."""
    found = GROUP.commands[command]
    parts = [found, *found.params, *getattr(found, "commands", {}).values()]
    for text in filter(None, (getattr(part, "help", None) for part in parts)):
        assert Text.from_markup(text).plain == text.replace("\\[", "[").replace("\b", "")  # Click's mark


@pytest.mark.parametrize(
    "arguments",
    [["trian"], ["train"], ["inspect", "m", "--jso"], ["translate", "m", "--n-best=0"], ["score", "-x"]],
)
def test_bad_usage_exits_with_2(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


# --------------------------------------------------------------------------------------------------------------- config


def test_config_that_is_written_can_be_read(tmp_path: Path) -> None:
    options = {"source": "a.de", "target": "a.en", "validation-source": "b.de", "validation-target": "b.en"}
    options |= {"source-language": "de", "target-language": "en"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    text = succeed("config", *arguments)
    assert succeed("config", *arguments, "--output", tmp_path / "run.toml") == ""
    assert (tmp_path / "run.toml").read_text(encoding="utf-8") == text
    config = load_config(tmp_path / "run.toml")
    texts = {"train": {"source": "a.de", "target": "a.en"}, "validation": {"source": "b.de", "target": "b.en"}}
    assert config == parse_config({"data": {"source_language": "de", "target_language": "en", **texts}}, "test")


def sections(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key in type(config).model_fields:
        value = getattr(config, key)
        if isinstance(value, Section):
            yield path + key, value
            yield from sections(value, f"{path}{key}.")


def test_config_tells_every_key_its_meaning_and_its_choices() -> None:
    text = succeed("config")
    config = parse_config(tomllib.loads(text), "test")
    found = dict(sections(config))
    assert found.keys() == {"data", "data.train", "data.validation", "tokenizer", "model", "training", "search"}
    for path, section in found.items():
        part = text.split(f"\n[{path}]\n")[1].split("\n[")[0]
        for key, field in type(section).model_fields.items():
            if f"{path}.{key}" not in found:
                assert re.search(rf"(?m)^(# )?{key} = ", part), (path, key)
                assert str(field.description)[1:] in part
    assert f"({' | '.join(SCORE_FUNCTIONS)})" in text
    assert "(bahdanau | luong)" in text
    assert "(lstm | gru)" in text
    assert "(at least 0, below 1)" in text
    assert "(at least 1)" in text
    assert '\n# dataset = ""\n' in text


def test_config_and_inspect_tell_at_which_rates_a_score_learns(model: Path) -> None:
    """Those at the sizes of the config that is written; of a model those that it was trained with, if it knows."""
    name = "decoder.attention.score.key_layer.weight"
    shown = succeed("config")
    for score, rate in (("multiplicative", "0.0625"), ("scaled_multiplicative", "1.414")):
        assert f'#   score = "{score}" has of itself, at the sizes above: {{"{name}" = {rate}}}\n' in shown
    assert "has of itself" in shown.split("learning_rate_factors = ")[0].rsplit("\nlearning_rate = ")[1]
    loaded = load_model(model)
    found = rates(dataclasses.replace(loaded, card={**loaded.card, "learning_rate_factors": {name: 0.5}}))
    assert found == {name: 0.5, "all others": 1.0}
    for card in ({}, {"learning_rate_factors": 3}):
        assert rates(dataclasses.replace(loaded, card=card)) == {}


@given(
    path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    rate=st.floats(1e-12, 1e12),
)
@settings(deadline=None)
def test_config_keeps_any_value(path: str, rate: float) -> None:
    texts = {"train": {"tsv": path}, "validation": {"tsv": "b"}}
    config = parse_config(
        {
            "data": texts,
            "training": {"learning_rate": rate, "learning_rate_factors": {path: rate}},
            "tokenizer": {"symbols": [path]},
        },
        "test",
    )
    assert Config.model_validate(tomllib.loads(render(config, {}, {}))) == config


# ---------------------------------------------------------------------------------------------------------------- train


def test_training_tells_its_course_in_plain_lines(training: Result) -> None:
    assert training.exit_code == 0
    assert training.stdout == ""
    lines = training.stderr.split("\n")
    assert "63 pairs to learn from, 7 to validate on" in training.stderr
    progress = [line for line in lines if line.startswith("step ")]
    assert [line.split(":")[0] for line in progress] == [f"step {step} of 20" for step in (5, 10, 15, 20)]
    assert re.search(r"loss \d+\.\d{3}, perplexity \d+\.\d\d, [\d,]+ tokens/s, \d+:\d\d left", progress[0])
    assert any(line.startswith("validation at step 10: perplexity ") for line in lines)
    assert any(re.match(r"kept the \w+ weights: perplexity .*, BLEU .* \(nrefs:1\|", line) for line in lines)
    assert "seq2seq translate model" in training.stderr
    assert "\x1b" not in training.stderr


def test_settings_reach_the_model(model: Path) -> None:
    assert json.loads((model / "config.json").read_text(encoding="utf-8"))["config"]["training"]["seed"] == 3


def test_training_refuses_a_directory_in_use(model: Path) -> None:
    assert "--resume" in fail_after_reading("train", "run.toml", "--output", model, "--set", "training.seed=3")


def fail_after_reading(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    first, message = result.stderr.split("\n", 1)
    assert first == "reading the text"
    assert message.startswith("error: ")
    return message


def test_training_goes_on(folder: Path, model: Path) -> None:
    arguments = ["train", "run.toml", "--output", "longer", "--set", "training.max_steps=10"]
    succeed(*arguments)
    arguments[-1] = "training.max_steps=15"
    result = invoke(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert "going on after step 10" in result.stderr
    assert "step 15 of 15" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_training_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def stopped(*arguments: object, **options: object) -> dict[str, Any]:
        return {"reason": "interrupted", "signal": number}

    monkeypatch.setattr("seq2seq.training.trainer.train", stopped)
    result = invoke("train", "run.toml", "--output", "new dir", "--set", "model.score=dot")
    assert result.exit_code == 128 + number
    assert "seq2seq train run.toml --output 'new dir' --set model.score=dot --resume\n" in result.stderr


@pytest.mark.slow
def test_ctrl_c_stops_a_real_training(folder: Path) -> None:
    settings = ["--set", "training.max_steps=1000000", "--set", "training.log_interval=1"]
    command = [sys.executable, "-m", "seq2seq", "train", "run.toml", "--output", "stopped", *settings]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step "):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.endswith(f"to go on: {shlex.join(['seq2seq', *command[3:], '--resume'])}\n")


# -------------------------------------------------------------------------------------------------------------- display


def events(step: int) -> list[dict[str, Any]]:
    progress = {"event": "progress", "step": step, "max_steps": 90, "epoch": 1, "position": 2, "steps_per_epoch": 30}
    numbers = {
        "loss": 2.5,
        "perplexity": 7.25,
        "learning_rate": 1e-3,
        "gradient_norm": 0.5,
        "tokens_per_second": 4321.5,
    }
    return [{**progress, "max_epochs": 2}, {"event": "train", "step": step, "epoch": 1, **numbers}]


VALIDATION = {
    "event": "validation",
    "step": 30,
    "epoch": 1,
    "perplexity": 5.5,
    "bleu": 31.25,
    "signature": "s",
    "best": True,
}


def test_plain_display(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.0, 110.0, 110.0])
    monkeypatch.setattr(display.training.time, "monotonic", lambda: next(times))
    show = display.training.PlainDisplay()
    for event in [*events(10), *events(30), VALIDATION, {**VALIDATION, "bleu": None, "best": False}]:
        show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.split("\n") == [
        "step 10 of 60: loss 2.500, perplexity 7.25, 4,322 tokens/s",
        "step 30 of 60: loss 2.500, perplexity 7.25, 4,322 tokens/s, 0:15 left",  # 20 steps in 10 seconds, 30 to go
        "validation at step 30: perplexity 5.50, BLEU 31.25, the best so far",
        "validation at step 30: perplexity 5.50",
        "",
    ]


def test_live_display(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display.training, "on_terminal", lambda: True)
    with display.training.training_display() as show:
        assert isinstance(show, display.training.LiveDisplay)
        for event in [*events(29), *events(30), VALIDATION]:
            show(event)
        (task,) = show.progress.tasks
        assert (task.completed, task.total, task.fields["epoch"]) == (30, 60, 2)
        assert task.fields["numbers"] == "loss 2.500, perplexity 7.25, 4,322 tokens/s"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "validation at step 30: perplexity 5.50, BLEU 31.25, the best so far\n" in captured.err


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3723, "1:02:03")])
def test_duration(seconds: float, text: str) -> None:
    assert display.training.duration(seconds) == text


# ------------------------------------------------------------------------------------------------------------ translate

INPUT = ["ein mann liest ein buch .", "", "der hund schläft heute .", "   ", "die katze läuft nicht ."]


def test_translate_gives_a_line_for_a_line_in_order(model: Path, translator: Translator) -> None:
    expected = [one.text for one in translator.translate(INPUT)]
    assert expected[1] == expected[3] == ""
    assert all(expected[::2])
    text = "".join(f"{line}\n" for line in INPUT)
    assert succeed("translate", model, text=text) == "".join(f"{line}\n" for line in expected)
    assert succeed("translate", model, "--batch-size", 1, text=text) == "".join(f"{line}\n" for line in expected)


@pytest.mark.parametrize("text", [b"", b"\n", b"\n\n", b"der hund"])
def test_translate_counts_lines_as_wc_does_and_ends_the_last(model: Path, text: bytes) -> None:
    expected = text.count(b"\n") + (not text.endswith(b"\n") and text != b"")
    assert succeed("translate", model, text=text).count("\n") == expected


def test_translate_splits_at_line_feeds_only(model: Path, translator: Translator) -> None:
    text = "\ufeffder hund\r\nein\u2028mann\x85\x0cliest\n".encode()
    expected = [one.text for one in translator.translate(["der hund", "ein\u2028mann\x85\x0cliest"])]
    assert succeed("translate", model, text=text).split("\n") == [*expected, ""]


def test_translate_from_and_to_files(model: Path, tmp_path: Path) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    expected = succeed("translate", model, text=text)
    plain, packed = write(tmp_path / "in.de", INPUT), tmp_path / "in.de.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for source in (plain, packed):
        assert succeed("translate", model, "--input", source, "--output", tmp_path / "out") == ""
        assert (tmp_path / "out").read_text(encoding="utf-8") == expected
    assert {path.name for path in tmp_path.iterdir()} == {"in.de", "in.de.gz", "out"}
    assert succeed("translate", model, "--input", "-", "--output", "-", text=text) == expected


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_translate_columns(model: Path, translator: Translator) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    expected = translator.translate_nbest(INPUT, 3, beam_size=4)
    found = rows(succeed("translate", model, "--n-best", 3, "--beam-size", 4, "--scores", "--alignment", text=text))
    assert [row[0] for row in found] == [str(number) for number, several in enumerate(expected, 1) for _ in several]
    assert [row[0] for row in found] == list("1112333" + "4" + "555")
    for (number, sentence, score, log_prob, links), one in zip(found, chain(*expected), strict=True):
        assert sentence == one.text
        assert float(score) == pytest.approx(one.score, abs=1e-6)
        assert float(log_prob) == pytest.approx(one.log_prob, abs=1e-6)
        assert parse_pharaoh(links, number)[0] == set(one.alignment)
    assert found[3] == ["2", "", "0.000000", "0.000000", ""]


@pytest.mark.parametrize(
    ("options", "columns"),
    [([], 1), (["--scores"], 3), (["--alignment"], 2), (["--n-best", "2"], 2), (["--n-best", "2", "--scores"], 4)],
)
def test_translate_has_only_the_columns_asked_for(model: Path, options: list[str], columns: int) -> None:
    found = rows(succeed("translate", model, *options, text="der hund schläft heute .\n\n"))
    assert {len(row) for row in found} == {columns}


@pytest.mark.parametrize("form", ["text", "grid"])
def test_text_cannot_break_out_of_its_column_or_line(form: Literal["text", "grid"]) -> None:
    one = dataclasses.replace(blank_translation(""), text="a\tb\rc")
    assert Layout(form, numbered=False, scores=False, alignment=False).lines(7, [one]).rstrip("\n") == "a\tb c"
    assert Layout(form, numbered=True, scores=False, alignment=False).lines(7, [one]).rstrip("\n") == "7\ta b c"


def test_grid_of_a_side_without_spaces_shows_pieces() -> None:
    one = dataclasses.replace(
        blank_translation("中文很好"),
        text="x yz",
        pieces=["▁x", "▁y", "z"],
        source_pieces=["▁中文", "很", "好"],
        source_words=[0, 0, 0],
        target_words=[0, 1, 1],
        weights=np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.3, 0.5, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]]),
    )
    lines = draw_attention(one).split("\n")
    assert [line.split()[-1] for line in lines[:3]] == ["中文", "很", "好"]
    assert [line.split()[0] for line in lines[3:5]] == ["x", "yz"]
    assert lines[3].index("[") < lines[4].index("[")  # yz: the mean of its two rows is largest at 很


def test_translate_jsonl(model: Path, translator: Translator) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    expected = translator.translate_nbest(INPUT, 2)
    output = succeed("translate", model, "--format", "jsonl", "--n-best", 2, "--scores", "--alignment", text=text)
    found = [json.loads(line) for line in output.removesuffix("\n").split("\n")]
    keys = ["line", "rank", "source", "text", "finished", "truncated", "source_pieces", "pieces"]
    assert all(list(one) == [*keys, "score", "log_prob", "alignment"] for one in found)
    order = [(line, rank) for line, several in enumerate(expected, 1) for rank in range(1, len(several) + 1)]
    assert [(one["line"], one["rank"]) for one in found] == order
    for one, translation in zip(found, chain(*expected), strict=True):
        for key in ("source", "text", "finished", "pieces", "source_pieces"):
            assert one[key] == getattr(translation, key)
        assert one["score"] == pytest.approx(translation.score, abs=1e-6)
        assert [tuple(link) for link in one["alignment"]] == translation.alignment
    (plain,) = succeed("translate", model, "--format", "jsonl", text="der hund\n").splitlines()
    assert list(json.loads(plain)) == keys


@pytest.mark.parametrize(
    "source", ["der hund schläft heute .", "der\tHund\u3000schla\u0308ft\u00a0heute\u202f.\u2028!"]
)
def test_translate_grid(model: Path, translator: Translator, source: str) -> None:
    found = succeed("translate", model, "--format", "grid", text=f"{source}\n")
    (one,) = translator.translate([source])
    lines = found.split("\n")
    assert lines[0] == one.text
    for word in source.split():
        assert sum(word in line for line in lines[1 : 1 + len(source.split())]) == 1
    drawn = [line.split()[0] for line in lines if "[" in line and "most of a row" not in line]
    assert drawn == one.text.split()
    assert not any(line != line.rstrip() for line in lines)


def test_plot_attention_draws_in_the_terminal_what_translate_draws(model: Path) -> None:
    source = "der hund schläft heute ."
    drawing = succeed("plot", "attention", model, "--source", source)
    _, _, grid_of_translate = succeed("translate", model, "--format", "grid", text=f"{source}\n").partition("\n")
    assert [line.rstrip() for line in drawing.split("\n")] == [*grid_of_translate.rstrip("\n").split("\n"), ""]
    greedy = succeed("plot", "attention", model, "--source", source, "--beam-size", 1)
    _, _, greedy_grid = succeed("translate", model, "--format", "grid", "--beam-size", 1, text=source).partition("\n")
    assert [line.rstrip() for line in greedy.split("\n")] == [*greedy_grid.rstrip("\n").split("\n"), ""]


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_plot_attention_writes_a_figure(model: Path, translator: Translator, tmp_path: Path, form: str) -> None:
    source = "der hund schläft heute ."
    file = tmp_path / f"attention.{form.upper() if form == 'svg' else form}"
    assert succeed("plot", "attention", model, "--source", source, "--output", file) == ""
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    content = file.read_bytes()
    assert content.startswith({"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}[form])
    if form == "svg":
        (one,) = translator.translate([source])
        words = re.findall(r"<text[^>]*>([^<]*)</text>", content.decode())
        assert [word for word in words if word in source.split()][: len(source.split())] == source.split()
        assert set(one.text.split()) <= set(words)


def test_plot_attention_of_a_given_target(model: Path, translator: Translator, tmp_path: Path) -> None:
    source, target = "der hund schläft heute .", "the dog reads"
    command = ("plot", "attention", model, "--source", source, "--target", target)
    files = []
    for shift in (0, 1):
        (one,) = translator.align([source], [target], shift=shift)
        grid_of_align = draw_weights(one.weights, source.split(), target.split(), width=80)
        assert succeed(*command, "--shift", shift) == f"{grid_of_align}\n"
        files.append(tmp_path / f"{shift}.svg")
        succeed(*command, "--shift", shift, "--output", files[-1])
    assert files[0].read_bytes() != files[1].read_bytes()
    found = re.findall(r"<text[^>]*>([^<]*)</text>", files[0].read_text("utf-8"))
    assert {*source.split(), *target.split()} <= set(found)


def test_a_given_target_without_spaces_is_drawn_in_pieces() -> None:
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    source = Side(["der", "hund"], [5, 6], ["▁der", "▁hund"], np.array([[1.0, 0, 0], [0, 1, 0]]))
    target = Side(["狗很"], [5, 6], ["▁狗", "很"], np.array([[1.0, 1, 0]]))
    one = Alignment(source, target, weights, weights, [])
    found, across, down = aligned_weights(one, shift=0)
    assert (across, down) == (["der", "hund"], ["狗", "很"])
    np.testing.assert_allclose(found, [[0.7, 0.2], [0.1, 0.8]])
    np.testing.assert_allclose(aligned_weights(one, shift=1)[0], [[0.1, 0.8], [0.3, 0.3]])


def test_plot_attention_of_an_empty_translation(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def translate(self: Translator, texts: list[str], **options: Any) -> list[Any]:
        given.append((texts, options))
        return [blank_translation(text) for text in texts]

    monkeypatch.setattr(Translator, "translate", translate)
    command = ("plot", "attention", model, "--source", "der hund", "--output", "a.svg", "--beam-size", 3)
    message = fail(1, *command)
    assert given == [(["der hund"], {"beam_size": 3})]
    assert message == "error: the translation is empty: there is no attention to draw\n"
    assert not Path("a.svg").exists()


def test_plot_attention_names_characters_without_a_font(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = dataclasses.replace(
        blank_translation("狗"),
        text="x",
        pieces=["▁x"],
        source_pieces=["▁狗"],
        source_words=[0],
        target_words=[0],
        weights=np.array([[0.9, 0.1], [0.5, 0.5]]),
    )
    monkeypatch.setattr(Translator, "translate", lambda self, texts, **options: [one])
    monkeypatch.setattr("seq2seq.comparison.report.pictures._installed", lambda: ())
    told = {
        form: invoke("plot", "attention", model, "--source", "狗", "-o", tmp_path / f"a.{form}")
        for form in ("svg", "pdf")
    }
    assert {result.exit_code for result in told.values()} == {0}
    assert told["svg"].stderr == ""
    assert told["pdf"].stderr.startswith("warning: no installed font has 狗: ")


def test_translate_options_change_the_search(model: Path, translator: Translator) -> None:
    text = "ein mann liest ein buch .\n"
    cases: list[tuple[list[object], dict[str, Any]]] = [
        (["--beam-size", 1], {"beam_size": 1}),
        (["--length-penalty", "gnmt", "--length-alpha", 0.5], {"length_penalty": "gnmt", "length_alpha": 0.5}),
        (["--length-penalty", "none"], {"length_penalty": "none"}),
        (["--min-length", 17], {"min_length": 17}),
        (["--max-length", 2], {"max_length": 2}),
        (["--max-source-length", 2], {"max_source_length": 2}),
        (["--no-repeat-ngram", 1, "--min-length", 6], {"no_repeat_ngram": 1, "min_length": 6}),
        (["--repetition-penalty", 2, "--min-length", 12], {"repetition_penalty": 2, "min_length": 12}),
    ]
    plain = succeed("translate", model, "--scores", text=text)
    for arguments, options in cases:
        (one,) = translator.translate([text.rstrip("\n")], **options)
        ((sentence, score, log_prob),) = rows(succeed("translate", model, "--scores", *arguments, text=text))
        assert sentence == one.text
        assert (float(score), float(log_prob)) == pytest.approx((one.score, one.log_prob), abs=1e-6)
    changed = {succeed("translate", model, "--scores", *arguments, text=text) for arguments, _ in cases[1:]}
    assert len(changed) == len(cases) - 1
    assert plain not in changed


def test_translate_warns_of_what_it_leaves_out(model: Path) -> None:
    result = invoke("translate", model, "--max-source-length", 3, text="der hund\n\nein mann liest ein buch .\n")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 3
    warning = "too long, only its first 3 pieces were translated (--max-source-length)"
    assert result.stderr == f"warning: standard input:3: {warning}\n"


def test_translate_counts_what_is_unknown_and_says_so_once(model: Path) -> None:
    text = "der \x07zug hund\n\nder hund\n" + "ein zug\n" * 1100
    result = invoke("translate", model, "--beam-size", 1, "--max-length", 2, text=text)
    told = r"unknown to the model: 1,101 words in 1,101 lines, such as \x07zug, zug"
    assert result.stderr.startswith(f"warning: standard input: {told}\n")
    cut = invoke("translate", model, "--max-source-length", 1, text="der zug\n")
    assert "unknown" not in cut.stderr


def test_what_the_maximum_length_cuts_is_told_once(model: Path, folder: Path) -> None:
    """The end of a translation would be missing in silence, among lines that are whole."""
    short = "translations were cut at their maximum length in 3 lines, the first of them 2 (--max-length)\n"
    text = "\n" + "der hund schläft heute .\n\n" + "ein mann liest ein buch .\n" * 2
    for form in ("text", "jsonl"):
        limits = ("--beam-size", 1, "--max-length", 1, "--batch-size", 1)  # greedy, a first piece that is no end
        told = invoke("translate", model, *limits, "--format", form, text=text).stderr
        assert told == f"warning: standard input: {short}"
    whole = invoke("translate", model, "--max-length", 30, text=text)
    assert whole.stderr == ""
    sampled = invoke("translate", model, "--sample", "--n-best", 3, "--max-length", 1, text="der hund\n")
    assert sampled.stderr == "warning: standard input:1: the translation was cut at its maximum length (--max-length)\n"
    write(folder / "cut.de", text.split("\n")[:-1])
    write(folder / "cut.en", ["x"] * 5)
    scored = invoke("evaluate", model, "--source", "cut.de", "--reference", "cut.en", *limits)
    assert scored.stderr.endswith(f"warning: cut.de: {short}")


def test_unknown_characters_are_named_where_they_can_be_seen() -> None:
    unknown = UnknownCounter()
    for found in (["ø", "\u0301"], ["ø", "\u200b"], ["文", "½", "€", "x"]):
        unknown.merge(UnknownCounter(len(found), 1, False, found))
    told = "8 characters in 3 lines, such as U+00F8 ø, U+0301, U+200B, U+6587 文, U+00BD ½"
    assert unknown.describe("a.de") == f"a.de: unknown to the model: {told}"


def test_sampling_depends_on_the_seed_and_the_line_alone(model: Path) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    options = ["--sample", "--n-best", "3", "--temperature", "1.5"]
    first = succeed("translate", model, *options, "--seed", 5, text=text)
    assert succeed("translate", model, *options, "--seed", 5, "--batch-size", 1, text=text) == first
    assert succeed("translate", model, *options, "--seed", 6, text=text) != first
    last = [row for row in rows(first) if row[0] == "5"]
    replaced = "".join(f"{line}\n" for line in ["x"] * 4 + INPUT[4:])
    assert [
        row for row in rows(succeed("translate", model, *options, "--seed", 5, text=replaced)) if row[0] == "5"
    ] == last
    assert len({tuple(row) for row in rows(first)}) > 5


def test_sampling_from_one_piece_is_greedy_search(model: Path) -> None:
    text = "ein mann liest ein buch .\n"
    greedy = succeed("translate", model, "--beam-size", 1, text=text)
    assert succeed("translate", model, "--sample", "--top-k", 1, text=text) == greedy
    assert succeed("translate", model, "--sample", "--top-p", 1e-9, text=text) == greedy
    assert succeed("translate", model, "--sample", "--temperature", 1e-6, text=text) == greedy


def test_ensemble_of_a_model_with_itself_is_the_model(model: Path) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    assert succeed("translate", model, model, text=text) == succeed("translate", model, text=text)


def test_terminal_sees_progress_of_a_file(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.de", INPUT)
    expected = succeed("translate", model, "--input", source)
    monkeypatch.setattr(display.training, "on_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = invoke("translate", model, "--input", source)
    assert result.stdout == expected
    assert "100 %" in result.stderr
    assert invoke("translate", model, text="der hund\n").stderr == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_progress_among_translations_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(write(tmp_path / "in.de", INPUT))
    assert lines._length(source, "-") == 5
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert lines._length(source, "-") is None
    assert lines._length(source, "out") == 5
    monkeypatch.undo()


# ----------------------------------------------------------------------------------------------------- translate, wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such model directory"),
        (["model", "--input", "nowhere.de"], "nowhere.de: cannot be read: No such file or directory"),
        (["model", "--input", "model"], "model: cannot be read: Is a directory"),
        (
            ["model", "--input", "test.de", "--output", "test.de"],
            "test.de: --output is a file that is read; choose another",
        ),
        (["model", "--output", "model"], "model: is a directory; --output takes a file"),
        (["model", "--output", "nowhere/out"], "nowhere/out: cannot be written: there is no directory nowhere"),
        (["model", "--length-penalty", "gnm"], "'gnm' is unknown; did you mean 'gnmt'?"),
        (["model", "--length-penalty", "none", "--length-alpha", "2"], "no effect"),
        (["model", "--n-best", "9", "--beam-size", "4"], "n-best must lie between 1 and the beam size 4, given 9"),
        (["model", "--seed", "1"], "--seed has no effect without --sample"),
        (["model", "--top-p", "0.5"], "--top-p has no effect without --sample"),
        (["model", "--sample", "--beam-size", "4"], "--beam-size has no effect with --sample"),
        (["model", "--mbr", "chrf", "--beam-size", "4"], "--beam-size has no effect with --mbr"),
        (["model", "--mbr", "chrf", "--sample"], "choose one"),
        (["model", "--mbr-samples", "4"], "--mbr-samples has no effect without --mbr"),
        (["model", "--sample", "--diverse-groups", "2"], "--diverse-groups has no effect with --sample"),
        (["model", "--format", "moses", "--scores"], "--scores has no effect with --format moses"),
        (["model", "--sample", "--temperature", "0"], "temperature must be above 0"),
        (["model", "--sample", "--top-p", "1.5"], "top_p must be above 0 and at most 1"),
        (["model", "--min-length", "5", "--max-length", "5"], "max_length 5 leaves no room for min_length 5"),
        (["model", "--device", "cud"], "device 'cud'"),
    ],
)
def test_translate_refuses(folder: Path, model: Path, arguments: list[str], message: str) -> None:
    assert message in fail(2, "translate", *arguments, text="der hund\n")


@pytest.mark.parametrize(("bad", "message"), [(b"\xff", "not valid UTF-8"), (b"a\0b", "NUL")])
def test_translate_names_the_line_that_is_no_text(model: Path, tmp_path: Path, bad: bytes, message: str) -> None:
    file = tmp_path / "in.de"
    file.write_bytes(b"der hund\n\n" + bad + b"\nein mann\n")
    (tmp_path / "out.en").write_text("as before", encoding="utf-8")
    found = fail(2, "translate", model, "--input", file, "--output", tmp_path / "out.en")
    assert found.startswith(f"error: {file}:3: ")
    assert message in found
    assert (tmp_path / "out.en").read_text(encoding="utf-8") == "as before"
    assert {path.name for path in tmp_path.iterdir()} == {"in.de", "out.en"}
    result = invoke("translate", model, text=file.read_bytes())
    assert result.exit_code == 2
    assert "standard input:3: " in result.stderr


def test_translate_names_a_damaged_archive(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"der hund\n" * 99)[:-9])
    assert "in.gz: cannot be read after line 99: " in fail_reading(model, tmp_path / "in.gz")
    (tmp_path / "in.gz").write_bytes(b"der hund\n")
    assert "in.gz: cannot be read: " in fail_reading(model, tmp_path / "in.gz")


def fail_reading(model: Path, file: Path) -> str:
    result = invoke("translate", model, "--input", file)
    assert result.exit_code == 2
    return result.stderr


# -------------------------------------------------------------------------------------------------------------- streams


class Trickle(io.BytesIO):
    """A stream whose bytes arrive block by block."""

    def __init__(self, *blocks: bytes) -> None:
        super().__init__()
        self.blocks = list(blocks)

    def read1(self, size: int | None = -1) -> bytes:
        return self.blocks.pop(0) if self.blocks else b""


def test_lines_are_given_out_as_they_arrive() -> None:
    stream = Trickle(b"one\n", b"two\nthree\nfour\nfive\nsi", b"x\n", b"\xc3", b"\xbc")
    chunks = LineStream("pipe", stream).chunks(3)
    taken = [(chunk, len(stream.blocks)) for chunk in chunks]
    assert taken == [(["one"], 4), (["two", "three", "four"], 3), (["five"], 3), (["six"], 2), (["ü"], 0)]


@given(st.binary().map(lambda text: text.replace(b"\0", b"")), st.integers(1, 7))
def test_chunks_hold_all_lines(text: bytes, size: int) -> None:
    text = text.decode("utf-8", errors="replace").removeprefix("\ufeff").encode()
    chunks = list(LineStream("text", io.BufferedReader(io.BytesIO(text))).chunks(size))
    lines = text.decode().split("\n")
    expected = [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
    assert list(chain(*chunks)) == expected
    assert all(1 <= len(chunk) <= size for chunk in chunks)


def test_output_appears_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(str(path)) as put:
        put("one\n")
        assert not path.exists()
        put("two\n")
    assert path.read_text(encoding="utf-8") == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(write(tmp_path / "usual", []).stat().st_mode)
    with suppress(KeyboardInterrupt), open_output(str(path)) as put:
        put("three\n")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "one\ntwo\n"
    assert {each.name for each in tmp_path.iterdir()} == {"out", "usual"}


def test_standard_output_holds_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "standard").open("w", encoding="ascii") as standard:
        monkeypatch.setattr(sys, "stdout", standard)
        with open_output("-") as put:
            put("schläft\n")
            assert (tmp_path / "standard").read_bytes() == "schläft\n".encode()
        monkeypatch.undo()


def test_output_follows_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    with open_output(str(tmp_path / "link")) as put:
        put("text\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "text\n"


def test_output_writes_into_what_is_no_file_and_keeps_it(tmp_path: Path) -> None:
    """A pipe of our own stands for all: a device would be lost for good, were the code wrong and run by root."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        with open_output(str(pipe)) as put:
            put("text\n")
        assert reader.read() == b"text\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


FULL_DISK = """
import resource
from seq2seq.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
try:
    main()
finally:
    sys.argv[2:] = []
    main()
"""


def test_full_disk_is_an_error_in_one_line(tmp_path: Path) -> None:
    """A limit on the size of files, set for that process alone, stands for the disk."""
    with (tmp_path / "standard").open("wb") as standard:
        command = [sys.executable, "-c", f"import sys{FULL_DISK}", "config", "--output", "out"]
        done = subprocess.run(command, cwd=tmp_path, stdout=standard, stderr=subprocess.PIPE, encoding="utf-8")
    assert done.stderr.split("\n") == [
        "error: out: cannot be written: File too large",
        "error: standard output: cannot be written: File too large",
        "",
    ]
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["standard"]


def test_refused_write_is_refused_once() -> None:
    """A buffer would keep the text and raise again when the file is closed. The device is opened, never replaced."""
    with pytest.raises(Seq2SeqError, match=r"^x: cannot be written: No space left on device$"):  # noqa: SIM117
        with streams._open_device(Path("/dev/full"), "x") as file:
            streams._write(file, "text", "x")


@pytest.mark.slow
def test_closed_pipe_ends_quietly(model: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.de", INPUT * 400)
    call = f"{shlex.quote(sys.executable)} -m seq2seq translate {shlex.quote(str(model))} --batch-size 5 --max-length 4"
    script = f"{call} < {shlex.quote(str(source))} | head -n 1; echo ${{PIPESTATUS[*]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == ""
    first, codes, nothing = done.stdout.split("\n")
    assert first
    assert (codes, nothing) == ("141 0", "")


@pytest.mark.slow
def test_terminated_translation_leaves_no_part(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.en"
    command = [sys.executable, "-m", "seq2seq", "translate", str(model), "--output", str(output)]
    terminal, theirs = os.openpty()  # as one types: the answer to a line must not wait for the next
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, encoding="utf-8") as process:
        os.write(terminal, "der hund schläft heute .\n".encode())
        while process.poll() is None and not any(part.stat().st_size for part in tmp_path.glob(".out.en.*.part")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert process.stderr.read() == "reading from the terminal, one sentence a line; Ctrl-D ends\n"
    os.close(terminal)
    os.close(theirs)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------- score


def test_score(model: Path, translator: Translator, folder: Path) -> None:
    sources, targets = [source for source, _ in PAIRS[::3]], [target for _, target in PAIRS[::3]]
    expected = translator.score(sources, targets)
    result = invoke("score", model, "--source", "test.de", "--target", "test.en")
    assert result.exit_code == 0
    for (log_prob, tokens, perplexity), one in zip(rows(result.stdout), expected, strict=True):
        assert float(log_prob) == pytest.approx(one.log_prob, abs=1e-5)
        assert int(tokens) == one.tokens
        assert float(perplexity) == pytest.approx(math.exp(-one.log_prob / one.tokens), abs=1e-4)
    total = sum(one.tokens for one in expected)
    perplexity = math.exp(-sum(one.log_prob for one in expected) / total)
    assert result.stderr.startswith(f"7 pairs, {total} tokens (ends counted): perplexity {perplexity:.2f}")


def test_score_agrees_with_translate(model: Path, tmp_path: Path) -> None:
    text = "".join(f"{line}\n" for line in INPUT)
    found = rows(succeed("translate", model, "--scores", text=text))
    write(tmp_path / "out.en", [row[0] for row in found])
    scored = rows(succeed("score", model, "--source", "-", "--target", tmp_path / "out.en", text=text))
    assert [float(row[0]) for row in scored] == pytest.approx([float(row[2]) for row in found], abs=1e-4)


def test_score_jsonl(model: Path, folder: Path, tmp_path: Path) -> None:
    sources, targets = write(tmp_path / "a", ["der hund", "", "x"]), write(tmp_path / "b", ["the dog", "", ""])
    options = ["--format", "jsonl", "--output", tmp_path / "out"]
    assert succeed("score", model, "--source", sources, "--target", targets, *options) == ""
    found = [json.loads(line) for line in (tmp_path / "out").read_text(encoding="utf-8").splitlines()]
    assert [one["line"] for one in found] == [1, 2, 3]
    assert list(found[0]) == ["line", "log_prob", "tokens", "perplexity"]
    assert found[1] == {"line": 2, "log_prob": 0.0, "tokens": 0, "perplexity": 1.0}
    assert found[2]["tokens"] == 1  # the end alone


@pytest.mark.parametrize("command", ["score", "align"])
def test_pairs_that_are_too_long_are_named(command: str, model: Path, tmp_path: Path) -> None:
    """`--too-long` as in translate, for both sides of a pair."""
    write(tmp_path / "a", ["der hund .", "der hund " * 20, "der hund ."])
    write(tmp_path / "b", ["the dog .", "the dog .", "the dog " * 20])
    given = (command, model, "--source", tmp_path / "a", "--target", tmp_path / "b", "--max-length", 9)
    assert f"{tmp_path / 'a'}:2: too long, more than 9 pieces on one side (--max-length)" in fail(2, *given)
    for choice, became in (("blank", "it is blank in the output"), ("truncate", "only the first of them were read")):
        result = invoke(*given, "--too-long", choice)
        assert result.exit_code == 0, result.output
        lines = result.stdout.split("\n")
        assert [line == "" for line in lines] == [False, choice == "blank", choice == "blank", True]
        assert [f"a:{row}: too long" in result.stderr for row in (1, 2, 3)] == [False, True, True]
        assert result.stderr.count(became) == 2
    errors = [
        json.loads(line).get("error")
        for line in invoke(*given, "--too-long=blank", "--format=jsonl").stdout.splitlines()
    ]
    assert errors == [None, *["too long, more than 9 pieces on one side (--max-length)"] * 2]


def test_score_refuses(model: Path, folder: Path, tmp_path: Path) -> None:
    short, empty = write(tmp_path / "short", ["x"]), write(tmp_path / "empty", [])
    ends = f"{short} ends before line 2, test.de does not; they must be aligned line by line"
    assert ends in fail(2, "score", model, "--source", "test.de", "--target", short)
    assert f"{short} ends before line 2, test.en does not" in fail(
        2, "score", model, "--source", short, "--target", "test.en"
    )
    assert "no lines, nothing to score" in fail(2, "score", model, "--source", empty, "--target", empty)
    assert "cannot both be standard input" in fail(2, "score", model, "--source", "-", "--target", "-")
    blank = write(tmp_path / "blank", ["x", " "])
    found = fail(2, "score", model, "--source", blank, "--target", write(tmp_path / "c", ["y", "z"]))
    assert f"{blank}:2: blank, but its translation is not" in found


# ------------------------------------------------------------------------------------------------------------- evaluate


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    references = [f"the {noun} reads a long book today ." for noun in ("dog", "cat", "man", "woman", "child")]
    write(tmp_path / "ref", references)
    write(tmp_path / "good", [*references[:4], "The child reads no book today ."])
    write(tmp_path / "bad", [line.replace("a long book", "books") for line in references])
    return tmp_path


def test_evaluate_files(texts: Path) -> None:
    found = json.loads(succeed("evaluate", "--hypothesis", texts / "good", "--reference", texts / "ref", "--json"))
    assert list(found) == ["system", "sentences", "references", "notes", "metrics", "baseline", "comparisons"]
    assert (found["sentences"], found["references"], found["comparisons"]) == (5, 1, [])
    assert [metric["name"] for metric in found["metrics"]] == ["BLEU", "chrF2++", "TER"]
    bleu = found["metrics"][0]
    assert list(bleu) == ["name", "value", "signature", "low", "high", "notes", "lower_is_better"]
    assert "nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|" in bleu["signature"]
    assert bleu["low"] <= bleu["value"] <= bleu["high"]
    shown = succeed("evaluate", "--hypothesis", texts / "good", "--reference", texts / "ref")
    assert f"{bleu['value']:.2f}" in shown
    assert f"{bleu['low']:.2f} to {bleu['high']:.2f}" in shown
    for metric in found["metrics"]:
        assert f"{metric['name']}: {metric['signature']}\n" in shown


def bleu_of(texts: Path, *options: object) -> dict[str, Any]:
    arguments = ["--hypothesis", texts / "good", "--reference", texts / "ref", "--json", *options]
    found: dict[str, Any] = json.loads(succeed("evaluate", *arguments))["metrics"][0]
    return found


def test_evaluate_options_reach_sacrebleu(texts: Path) -> None:
    plain = bleu_of(texts)
    assert "tok:char" in bleu_of(texts, "--tokenize", "char")["signature"]
    assert "case:lc" in bleu_of(texts, "--lowercase")["signature"]
    assert bleu_of(texts, "--lowercase")["value"] > plain["value"]
    assert "bs:37" in bleu_of(texts, "--samples", 37)["signature"]
    without = bleu_of(texts, "--samples", 0)
    assert (without["low"], without["value"]) == (None, plain["value"])
    assert "nrefs:2" in bleu_of(texts, "--reference", texts / "good")["signature"]
    assert bleu_of(texts, "--reference", texts / "good")["value"] == 100


def test_evaluate_against_a_file(texts: Path) -> None:
    arguments = ["--hypothesis", texts / "good", "--reference", texts / "ref", "--against", texts / "bad"]
    found = json.loads(succeed("evaluate", *arguments, "--json"))
    assert found["baseline"] == str(texts / "bad")
    bleu = found["comparisons"][0]
    assert bleu["difference"] == pytest.approx(bleu["system"]["value"] - bleu["baseline"]["value"])
    assert bleu["difference"] > 0
    assert found["metrics"][0] == bleu["system"]
    shown = succeed("evaluate", *arguments)
    assert f"against {texts / 'bad'}, by paired bootstrap:\n" in shown
    assert bleu["sentence"] in shown


def test_evaluate_with_sentences_that_lack_a_reference(texts: Path) -> None:
    """In a further file: the others count, which is said. In all files: only where that is asked for, and counted."""
    lines = (texts / "ref").read_text(encoding="utf-8").splitlines()
    write(texts / "second", [lines[0], "", "\u3000", *lines[3:]])
    found = bleu_of(texts, "--reference", texts / "second")
    assert "nrefs:var" in found["signature"]
    assert found["notes"][0].startswith("reference set 2: 2 of 5 lines are blank (line 2, 3); those sentences")
    both = ["--reference", texts / "ref", "--reference", texts / "second", "--samples", 0]
    shown = " ".join(succeed("evaluate", "--hypothesis", texts / "good", *both).split())
    assert "up to 2 references each" in shown
    assert f"note: {found['notes'][0]}" in shown
    write(texts / "ref", ["", lines[1], " ", *lines[3:]])
    arguments = ["evaluate", "--hypothesis", texts / "good", "--reference", texts / "ref"]
    message = fail(2, *arguments)
    assert f"{texts / 'ref'}:1: the reference is blank (as are 1 more); mend it, or leave" in message
    assert f"{texts / 'ref'}:3: the reference is blank in every reference file; mend" in fail(
        2, *arguments, "--reference", texts / "second"
    )
    left = ["--blank-references", "leave-out", "--against", texts / "bad"]
    shown = succeed(*arguments, *left)
    assert "good: 3 sentences, 1 reference" in " ".join(shown.split())
    assert "note: 2 of 5 sentences have no reference and are left out.\n" in shown
    for name in ("ref", "good", "bad"):
        kept = (texts / name).read_text(encoding="utf-8").splitlines()
        write(texts / f"{name}.kept", [kept[1], *kept[3:]])
    alone = ["--hypothesis", texts / "good.kept", "--reference", texts / "ref.kept", "--against", texts / "bad.kept"]
    same = json.loads(succeed("evaluate", *alone, "--json"))
    found = json.loads(succeed(*arguments, *left, "--json"))
    assert (found["metrics"], found["sentences"]) == (same["metrics"], 3)
    assert found["comparisons"] == same["comparisons"]


def test_evaluate_judges_by_the_text_what_bleu_counts(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(texts / "ref", ["昨日、東京で本を三冊買いました。"] * 5)
    write(texts / "good", ["昨日、東京で本を四冊買いました。"] * 5)
    assert "tok:ja-mecab" in bleu_of(texts)["signature"]
    assert "tok:13a" in bleu_of(texts, "--tokenize", "13a")["signature"]
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    assert "pip install 'sacrebleu[ja]'" in fail(
        1, "evaluate", "--hypothesis", texts / "good", "--reference", texts / "ref", "--tokenize", "ja-mecab"
    )
    shown = succeed("evaluate", "--hypothesis", texts / "good", "--reference", texts / "ref")
    assert "note: the references are Japanese: BLEU counts characters" in shown


def test_evaluate_model(model: Path, translator: Translator, folder: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", model, "--source", "test.de", "--reference", "test.en", "--json", "--samples", "50"]
    found = json.loads(succeed(*arguments, "--beam-size", "2", "--output", tmp_path / "kept"))
    sources = (folder / "test.de").read_text(encoding="utf-8").splitlines()
    expected = [one.text for one in translator.translate(sources, beam_size=2)]
    assert (tmp_path / "kept").read_text(encoding="utf-8").splitlines() == expected
    again = json.loads(succeed("evaluate", "--hypothesis", tmp_path / "kept", *arguments[4:]))
    assert found["metrics"] == again["metrics"]
    both = json.loads(succeed(*arguments, "--against", model))
    assert both["comparisons"][0]["difference"] == 0
    assert both["comparisons"][0]["p_value"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either MODEL with --source, or --hypothesis FILE"),
        (["model", "--hypothesis", "test.en", "--reference", "test.en"], "either MODEL with --source, or --hypothesis"),
        (["model", "--source", "test.de"], "--reference FILE is missing"),
        (["model", "--reference", "test.en"], "--source FILE is missing: the sentences that the model model is to"),
        (["--hypothesis", "test.en", "--reference", "test.en", "--source", "test.de"], "--source has no effect"),
        (["--hypothesis", "test.en", "--reference", "test.en", "--beam-size", "2"], "--beam-size has no effect"),
        (["--hypothesis", "test.en", "--reference", "test.en", "--output", "x"], "--output has no effect"),
        (["--hypothesis", "test.en", "--reference", "test.en", "--against", "nowhere"], "--source FILE is missing"),
        (["--hypothesis", "test.en", "--reference", "train.en"], "test.en: 7 lines, but train.en has 63; they must be"),
        (["model", "--source", "train.de", "--reference", "test.en"], "train.de: 63 lines, but test.en has 7"),
        (["--hypothesis", "test.en", "--reference", "empty"], "empty: no lines, nothing to score"),
        (["--hypothesis", "nowhere", "--reference", "test.en"], "nowhere: cannot be read: No such file or directory"),
        (["--hypothesis", "test.en", "--reference", "test.en", "--tokenize", "13b"], "did you mean '13a'?"),
        # before the model is even looked for
        (["nowhere", "--source", "test.de", "--reference", "test.en", "--tokenize", "zhh"], "did you mean 'zh'?"),
        (["--hypothesis", "-", "--reference", "-"], "only one of the files can be standard input"),
        (
            ["--hypothesis", "test.en", "--reference", "test.en", "--against", "test.en", "--samples", "0"],
            "--samples 0",
        ),
        (
            ["model", "--source", "test.de", "--reference", "test.en", "--output", "test.en"],
            "--output is a file that is read",
        ),
    ],
)
def test_evaluate_refuses(folder: Path, model: Path, arguments: list[str], message: str) -> None:
    write(folder / "empty", [])
    assert message in fail(2, "evaluate", *arguments)


# ------------------------------------------------------------------------------------------------- inspect, push, train


def test_inspect(model: Path, translator: Translator) -> None:
    found = json.loads(succeed("inspect", model, "--json"))
    sections = ["model", "languages", "tokenizer", "architecture", "parameters", "training", "learning_rates"]
    sections += ["search", "files"]
    assert list(found) == sections
    assert found["languages"] == {"source": "de", "target": "en"}
    assert (found["tokenizer"]["kind"], found["tokenizer"]["vocabulary"]) == ("word", "joint")
    network = translator.models[0].model
    assert found["parameters"]["total"] == sum(parameter.numel() for parameter in network.parameters())
    assert found["parameters"]["attention"] == 7 * 26 + 7 * 26 + 7  # W, U and v of the additive score
    assert found["architecture"]["cell"] == "gru"
    assert found["training"]["train_pairs"] == 63
    assert found["training"]["signature"].startswith("nrefs:1|")
    assert found["learning_rates"] == {"all others": 1.0}
    assert found["files"]["model.safetensors"] == (model / "model.safetensors").stat().st_size
    shown = succeed("inspect", model)
    for section in sections[1:]:
        assert f"\n{section}\n" in shown
    for words in (
        r"cell +gru",
        r"train_pairs +63",
        r"model\.safetensors +[\d,]+ bytes",
        r"bidirectional +yes",
        r"all others +1\n",
    ):
        assert re.search(words, shown)


def test_push(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def push(directory: Path, repository: str, *, private: bool) -> str:
        calls.append((directory, repository, private))
        return "https://example.org/owner/name"

    monkeypatch.setattr("seq2seq.checkpoint.model.push_model", push)
    assert succeed("push", model, "owner/name", "--private") == "https://example.org/owner/name\n"
    assert calls == [(model, "owner/name", True)]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train", "nowhere.toml", "--output", "x"], "nowhere.toml: cannot read the config"),
        (["train", "broken.toml", "--output", "x"], "broken.toml: not valid TOML"),
        (
            ["train", "run.toml", "--output", "x", "--set", "model.scor=dot"],
            "--set model.scor: unknown key model.scor; did you",
        ),
        (["train", "run.toml", "--output", "x", "--set", "model.score"], "expected key=value"),
        (["train", "run.toml", "--output", "x", "--set", "training.max_steps=many"], "--set training.max_steps"),
        (["inspect", "nowhere"], "nowhere: no such model directory"),
        (["inspect", "test.de"], "test.de"),
        (["push", "nowhere", "owner/name"], "nowhere"),
    ],
)
def test_others_refuse(folder: Path, command: list[str], message: str) -> None:
    (folder / "broken.toml").write_text("[model\n", encoding="utf-8")
    assert message in fail(2, *command)
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--set", "model.score=additiv"], "did you mean 'additive'?"),
        (["--set", "data.train.source=nowhere.de"], "nowhere.de: no such file"),
        (["--set", "data.train.target=test.en"], "63"),
    ],
)
def test_train_refuses_before_it_writes(folder: Path, settings: list[str], message: str) -> None:
    assert message in fail_after_reading("train", "run.toml", "--output", "x", *settings)
    assert not (folder / "x").exists()


# -------------------------------------------------------------------------------------------------------------- endings


def test_interrupt_is_quiet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.checkpoint.model.load_model", interrupt)
    result = invoke("inspect", "model")
    assert (result.exit_code, result.output) == (130, "")


def test_a_bug_keeps_its_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("seq2seq.checkpoint.model.load_model", stumble)
    result = invoke("inspect", "model")
    assert isinstance(result.exception, ZeroDivisionError)
