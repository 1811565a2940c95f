"""Comparisons: the plan of a grid, and runs that are trained once, measured alike and survive a kill."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seq2seq.checkpoint.model import load_model
from seq2seq.checkpoint.owners import owner
from seq2seq.cli.display.comparison import PlainRuns
from seq2seq.comparison import comparison, runs, texts
from seq2seq.comparison.measuring import read_history
from seq2seq.comparison.plan import Grid, load_grid, planned_runs
from seq2seq.comparison.results import Cost, Results, load_results
from seq2seq.comparison.texts import bleu_tokenizer, fingerprint, load_tests
from seq2seq.errors import InputError
from seq2seq.metrics.perplexity import perplexity
from seq2seq.metrics.scores import evaluate
from seq2seq.processes import children
from seq2seq.processes.signals import StopRequest
from seq2seq.translation.translator import Translator

SAMPLE = Path(__file__).parents[1] / "data" / "phrasebook"
CONFIG = """
[data]
source_language = "de"
target_language = "en"
train = {source = "train.de", target = "train.en"}
validation = {source = "test.de", target = "test.en"}
[tokenizer]
vocabulary_size = 150
[model]
cell = "gru"
embedding_dim = 12
encoder_dim = 8
decoder_dim = 16
attention_dim = 8
[training]
batch_tokens = 400
learning_rate = 0.01
max_steps = 24
validation_interval = 12
log_interval = 12
trackers = []
"""
GRID = """
title = "Scores"
config = "run.toml"
seeds = [1, 2]
[set]
training.label_smoothing = 0.0
[grid]
model.score = ["additive", "dot"]
[tests.test]
source = "test.de"
reference = "test.en"
alignment = "test.en-de.align"
alignment_inverse = true
[noise]
test = "test"
kinds = ["word-drops"]
rates = [0.5]
sentences = 20
[examples]
test = "test"
lines = [2]
[search]
beam_size = 2
[cost]
repeats = 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small text from the sample, a config and a grid."""
    made = tmp_path_factory.mktemp("comparison")
    for suffix in ("de", "en", "en-de.align"):
        lines = (SAMPLE / f"sample.{suffix}").read_text(encoding="utf-8").splitlines(keepends=True)
        (made / f"train.{suffix}").write_text("".join(lines[:170]), encoding="utf-8")
        (made / f"test.{suffix}").write_text("".join(lines[170:]), encoding="utf-8")
    (made / "run.toml").write_text(CONFIG, encoding="utf-8")
    (made / "grid.toml").write_text(GRID, encoding="utf-8")
    return made


def seq2seq(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "seq2seq", *arguments]


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """The real command line; what it says."""
    done = subprocess.run(seq2seq(folder, *arguments), cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def finished(folder: Path) -> Path:
    run(folder, "compare", "grid.toml", "--output", "whole", "--workers", "2")
    return folder / "whole"


def numbers(results: Results) -> dict[str, Any]:
    """All but what the clock and the machine say."""
    tree = results.model_dump()
    for system in tree["systems"]:
        for one in system["runs"]:
            del one["seconds"]
    return {key: value for key, value in tree.items() if key not in ("date", "machine")}


@pytest.mark.slow
def test_everything_that_a_comparison_leaves_belongs_to_it(finished: Path) -> None:
    """So no command writes over it."""
    left = [path for path in finished.rglob("*") if path.is_file()]
    assert {"report.html", "results.json", "state.json"} < {path.name for path in left}
    assert not [path for path in left if owner(path) is None]


# ------------------------------------------------------------------------------------------------------------ the plan


def plan_of(folder: Path, text: str) -> list[Any]:
    path = folder / "other.toml"
    path.write_text(text, encoding="utf-8")
    return planned_runs(load_grid(path), path)


def test_every_combination_is_a_system_and_seeds_come_last(folder: Path) -> None:
    wiring = 'wiring = [{name = "feeding", model.input_feeding = true}, {"model.wiring" = "bahdanau"}]'
    further = '[[systems]]\nname = "slow"\n"training.learning_rate_factors" = {"decoder.attention.score" = 0.1}\n'
    plan = plan_of(folder, GRID.replace("[tests.test]", f"{wiring}\n{further}[tests.test]"))
    names = ["additive feeding", "additive bahdanau", "dot feeding", "dot bahdanau", "slow"]
    assert [(run.seed, run.system) for run in plan] == [(seed, name) for seed in (1, 2) for name in names]
    assert plan[3].name == "dot-bahdanau-seed-1"
    assert plan[3].values == {"model.score": "dot", "model.wiring": "bahdanau"}
    assert (plan[3].config.model.wiring, plan[3].config.model.score) == ("bahdanau", "dot")
    assert plan[5].config.training.seed == 2
    assert plan[4].config.training.learning_rate_factors == {"decoder.attention.score": 0.1}
    assert all(run.config.training.label_smoothing == 0 for run in plan)


def test_names_of_values_that_are_no_words(folder: Path) -> None:
    plan = plan_of(folder, GRID.replace('model.score = ["additive", "dot"]', "model.heads = [1, 2]"))
    assert [run.system for run in plan[:2]] == ["heads 1", "heads 2"]
    plan = plan_of(folder, GRID.replace('model.score = ["additive", "dot"]', "model.input_feeding = [true, false]"))
    assert [run.system for run in plan[:2]] == ["input_feeding", "no input_feeding"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title", "titel", r"other.toml: unknown key titel; did you mean 'title'"),
        ("rates", "rate", r"other.toml: unknown key noise.rate; did you mean 'rates'"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "a seed is given twice"),
        ("seeds = [1, 2]", "seeds = []", "seeds"),
        ("seeds = [1, 2]", 'seeds = [1]\nbaseline = "adative"', "no such system 'adative'.*'additive'"),
        ('["additive", "dot"]', '["additive", "additive"]', "two systems are called 'additive'"),
        ('["additive", "dot"]', '["additive", "ADDITIVE"]', "differ only in signs"),
        ('["additive", "dot"]', '"additive"', "grid.model.score: a list of values is needed"),
        ("model.score =", "model.scor =", "system 'additive': .*unknown key model.scor; did you mean 'score'"),
        ('kinds = ["word-drops"]', 'kinds = ["word-drop"]', "no such noise 'word-drop'.*'word-drops'"),
        ("rates = [0.5]", "rates = [1.5]", "1.5 is no share"),
        ('[noise]\ntest = "test"', '[noise]\ntest = "tset"', "noise.test: no such test 'tset'.*'test'"),
        ('config = "run.toml"', 'config = "walk.toml"', "walk.toml: cannot read the config"),
        ("[set]", "[set", "not valid TOML"),
        ('alignment = "test.en-de.align"\n', "", "alignment_inverse has no effect without alignment"),
        ('["additive", "dot"]', '[{name = 3, "model.score" = "dot"}]', r"grid.model.score: name = 3: a name is a text"),
        ("[tests.test]", "[[systems]]\nname = 1979-05-27\n[tests.test]", "systems: name = .*: a name is a text"),
        ("[tests.test]", "[[systems]]\nname = 'a'\n[tests.test]", "systems: a system with no keys that it sets"),
        ('["additive", "dot"]', "[1979-05-27]", r"other.toml: system '.*': model.score = datetime.date.*: .*string"),
        ('["additive", "dot"]', "[07:32:00, nan, [], 1]", r"other.toml: system '.*': model.score = .*: .*string"),
        ("label_smoothing = 0.0", "label_smoothing = nan", r"system '.*': training.label_smoothing = nan: .*finite"),
        ("label_smoothing = 0.0", "label_smoothing = 1979-05-27T07:32:00Z", "system '.*': training.label_smoothing"),
        ('"additive", "dot"', f'"{"dot" * 100}"', "the system '(dot)+d?o?'...: 300 characters, at most 200"),
    ],
)
def test_bad_grids_are_explained(folder: Path, old: str, new: str, message: str) -> None:
    assert old in GRID
    with pytest.raises(InputError, match=message):
        plan_of(folder, GRID.replace(old, new, 1))


def test_values_come_to_the_config_as_they_are(folder: Path) -> None:
    """Not through text: JSON spells signs above U+FFFF as two, which TOML refuses, and knows no infinity."""
    plain = 'data.root = "\U0001f600 \U00020000"\ntokenizer.symbols = ["\U0001f600", "\\"\\u0007="]\n[grid]'
    run = plan_of(folder, GRID.replace("[grid]", plain))[0]
    assert run.config.data.root == "\U0001f600 \U00020000"
    assert run.config.tokenizer.symbols == ["\U0001f600", '"\x07=']


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "test.de"', 'source = "nowhere.de"', "nowhere.de: no such file"),
        ('source = "test.de"', 'source = "train.de"', "differ in length: 170 and 30 lines"),
        ('alignment = "test.', 'alignment = "train.', "170 lines of links for 30 pairs"),
        ('alignment = "test.en-de.align"', 'alignment = "test.en"', "test.en:1: .* is no link"),
        ("lines = [2]", "lines = [31]", "the test 'test' has lines 1 to 30"),
    ],
)
def test_bad_tests_are_found_before_any_training(folder: Path, old: str, new: str, message: str) -> None:
    """And at once: before torch, which takes seconds, is imported."""
    (folder / "bad.toml").write_text(GRID.replace(old, new), encoding="utf-8")
    code = "import sys\nfrom seq2seq.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "compare", "bad.toml", "--output", "bad"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said = done.stderr
    assert done.returncode == 2, said
    assert len(said.strip().splitlines()) == 1
    assert re.search(message, said)
    assert not (folder / "bad").exists()


# --------------------------------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize(
    ("line", "with_mecab", "without"), [("A dog sleeps.", "13a", "13a"), ("犬が眠っている。", "ja-mecab", "char")]
)
def test_all_tests_have_one_tokenizer_and_what_is_installed_counts(
    monkeypatch: pytest.MonkeyPatch, line: str, with_mecab: str, without: str
) -> None:
    """The text of all tests together decides; numbers of another tokenizer are measured anew."""
    tree = {"title": "t", "config": "c", "seeds": [1], "systems": [{"name": "a"}]}
    paths = {"source": "s", "reference": "r"}
    grid = Grid.model_validate({**tree, "tests": {"long": paths, "short": paths}})
    tests = {
        "long": texts.Test(["x"], ["x"], [line] * 9, None, None),
        "short": texts.Test(["x"], ["x"], ["a cat"], None, None),
    }
    monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", "/nowhere")
    assert bleu_tokenizer(grid, tests).name == with_mecab
    before = fingerprint(grid, tests, b"weights")
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    assert bleu_tokenizer(grid, tests).name == without
    assert (fingerprint(grid, tests, b"weights") == before) == (with_mecab == without)
    named = grid.model_copy(update={"search": grid.search.model_copy(update={"tokenize": "intl"})})
    assert bleu_tokenizer(named, tests).name == "intl"


@pytest.mark.slow
def test_the_numbers_are_those_of_the_models(finished: Path, folder: Path) -> None:
    """Every number of a run, once more by the commands' own ways."""
    results = load_results(finished / "results.json")
    assert [system.name for system in results.systems] == ["additive", "dot"]
    assert results.missing == []
    system = results.systems[1]
    found = system.runs[1]
    assert (found.seed, found.steps, found.directory) == (2, 24, "runs/dot-seed-2")
    translator = Translator([load_model(finished / found.directory)])
    source, reference = ((folder / f"test.{side}").read_text(encoding="utf-8").splitlines() for side in ("de", "en"))
    hypotheses = [one.text for one in translator.translate(source, beam_size=2)]
    bleu, chrf = evaluate(hypotheses=hypotheses, references=[reference], metrics=("BLEU", "chrF2++"))
    test = found.tests["test"]
    assert test.bleu.value == pytest.approx(bleu.value)
    assert (test.bleu.low, test.bleu.high) == pytest.approx((bleu.low, bleu.high), rel=1e-5)
    assert test.chrf.value == pytest.approx(chrf.value)
    assert results.signatures["BLEU"] == bleu.signature
    scored = translator.score(source, reference)
    nats = -sum(one.log_prob for one in scored) / sum(one.tokens for one in scored)
    assert test.perplexity == pytest.approx(math.exp(nats), rel=1e-5)
    assert [point.step for point in found.curve] == [12, 24]
    points = found.noise["word-drops"]
    assert [point.rate for point in points] == [0.0, 0.5]
    assert points[0].bleu.value != points[1].bleu.value
    assert system.summary["test"].bleu.mean == pytest.approx(
        sum(one.tests["test"].bleu.value for one in system.runs) / 2
    )
    assert system.noise["word-drops"][1][1].count == 2
    assert {(one.metric, one.system) for one in results.contrasts} == {("BLEU", "dot"), ("chrF2++", "dot")}
    assert results.examples[0].source == source[1].split()
    assert [row.system for row in results.examples[0].rows] == ["additive", "dot"]


@pytest.mark.slow
def test_alignment_is_what_the_align_command_says(finished: Path, folder: Path) -> None:
    """With the gold links turned round."""
    gold = (folder / "test.en-de.align").read_text(encoding="utf-8").splitlines()
    turned = [" ".join("-".join(reversed(link.split("-"))) for link in line.split()) for line in gold]
    (folder / "turned.align").write_text("".join(f"{line}\n" for line in turned), encoding="utf-8")
    said = run(
        folder, "align", "whole/runs/additive-seed-1", "--source", "test.de", "--target", "test.en",
        "--gold", "turned.align", "--output", "links",
    )  # fmt: skip
    results = load_results(finished / "results.json")
    for name in ("step", "shifted"):
        aer = results.systems[0].runs[0].tests["test"].alignment[name].aer
        assert f"{100 * aer.value:.1f}" in said, said


@pytest.mark.slow
def test_a_finished_comparison_is_not_done_again(finished: Path, folder: Path) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.suffix in (".safetensors", ".jsonl")
    }
    first = numbers(load_results(finished / "results.json"))
    measured = {path: path.stat().st_mtime_ns for path in (finished / "measured").iterdir()}
    assert "--resume" in run(folder, "compare", "grid.toml", "--output", "whole", code=2)
    run(folder, "compare", "grid.toml", "--output", "whole", "--resume")
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert measured == {path: path.stat().st_mtime_ns for path in measured}
    assert numbers(load_results(finished / "results.json")) == first


@pytest.mark.slow
def test_a_finished_run_needs_no_process(
    finished: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one taken for finished whose text, weights or state are others."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(children.multiprocessing, "get_context", lambda _: None)
    shutil.copytree(finished, tmp_path / "copy")
    grid = load_grid(folder / "grid.toml")
    tasks = [runs.make_task(run, grid, tmp_path / "copy") for run in planned_runs(grid, folder / "grid.toml")]
    tests, seen = load_tests(grid, Path()), []
    assert runs.run_tasks(tasks, tests, 2, lambda run, event: seen.append((run, event["event"])), StopRequest()) == {}
    assert seen == [(one.name, event) for one in tasks for event in ("begin", "end")]
    changed = replace(tests["test"], reference=[*tests["test"].reference[1:], "other"])
    assert not runs.is_finished(tasks[0], {"test": changed})
    weights, state = (tasks[place].run / name for place, name in ((1, "model.safetensors"), (2, "training/state")))
    weights.write_bytes(weights.read_bytes()[:-4] + b"bits")
    (state / "state.json").write_text("{", encoding="utf-8")
    tasks[3].measurement_file.unlink()
    assert not any(runs.is_finished(one, tests) for one in tasks[1:])
    assert runs.is_finished(tasks[0], tests)
    measured = json.loads(tasks[0].measurement_file.read_text(encoding="utf-8"))
    measured["result"]["tests"]["test"]["bleu"]["value"] += 1
    for content in (json.dumps(measured), "[]", "3", "", "[" * 99999, json.dumps({**measured, "seal": 3})):
        tasks[0].measurement_file.write_text(content, encoding="utf-8")
        assert not runs.is_finished(tasks[0], tests)
        assert runs.load_measurement(tasks[0], tests) is None


@pytest.mark.slow
def test_a_run_without_numbers_is_never_missing_in_silence(
    finished: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose process alone was told to stop; its old numbers may be those of other texts."""
    monkeypatch.chdir(folder)
    shutil.copytree(finished, tmp_path / "copy")
    grid = load_grid(folder / "grid.toml")
    plan, tests = planned_runs(grid, folder / "grid.toml"), load_tests(grid, Path())
    monkeypatch.setattr(comparison, "run_tasks", lambda *arguments: {})
    tasks = [runs.make_task(run, grid, tmp_path / "copy") for run in plan]
    tasks[0].measurement_file.unlink()
    tasks[1].measurement_file.write_bytes(
        tasks[1].measurement_file.read_bytes().replace(b'"parameters": ', b'"parameters": 1')
    )
    (tasks[2].run / "model.safetensors").unlink()
    results, failed = comparison.compare(grid, plan, tests, tmp_path / "copy", workers=1, resume=True)
    assert list(failed) == results.missing == [one.name for one in tasks[:3]]
    assert "stopped before its numbers were measured" in failed[tasks[0].name]


def test_edited_costs_are_measured_anew(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = load_grid(folder / "grid.toml")
    grid = grid.model_copy(update={"cost": grid.cost.model_copy(update={"repeats": 1})})
    tasks = [runs.make_task(run, grid, tmp_path) for run in planned_runs(grid, folder / "grid.toml")[:1]]
    number = {"training_peak": 7, **dict.fromkeys(("training_tokens", "training_spread", "translation_sentences"), 1.0)}
    cost, machine = Cost(**number, translation_spread=0.0), comparison.describe_machine()
    asked = []
    monkeypatch.setattr(comparison, "measure_costs", lambda *given: asked.append(1) or ({"additive": cost}, machine))
    with StopRequest() as stop:
        for content, times in ((None, 1), (None, 1), (b"[]", 2), (b"{", 3), ("edited", 4), (None, 4)):
            path = tmp_path / "costs.json"
            if content is not None:
                path.write_bytes(path.read_bytes().replace(b": 7", b": 8") if content == "edited" else content)
            found = comparison._costs(grid, tasks, tmp_path, lambda run, event: None, stop)
            assert found == ({"additive": cost}, machine)
            assert len(asked) == times


FINISH = '{"event": "finish", "step": 3, "seconds": 1.5, "told": "\u2028"}'
VALIDATION = '{"event": "validation", "step": 2, "perplexity": 7.5, "bleu": null}'


def test_the_history_of_a_run_is_read_from_its_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(f"{VALIDATION}\n{FINISH}\n", encoding="utf-8")
    history = read_history(tmp_path / "log.jsonl")
    assert (history["steps"], history["seconds"]) == (3, 1.5)
    assert [(point.step, point.perplexity, point.bleu) for point in history["curve"]] == [(2, 7.5, None)]


@pytest.mark.parametrize(
    "log",
    ["", "3", "[]", "{}", VALIDATION, f"{FINISH}\n\0\0\0", FINISH.replace("3", "[]"), FINISH.replace("1.5", '"x"'),
     f"{VALIDATION.replace('2', '{}')}\n{FINISH}", f'{{"event": "validation"}}\n{FINISH}', f"null\n{FINISH}",
     "[" * 99999 + f"\n{FINISH}"],
)  # fmt: skip
def test_a_log_of_other_values_is_a_damaged_one(tmp_path: Path, log: str) -> None:
    (tmp_path / "log.jsonl").write_text(log, encoding="utf-8")
    with pytest.raises(InputError, match=r"log.jsonl: damaged: not the log of a training that ended"):
        read_history(tmp_path / "log.jsonl")


@pytest.mark.slow
def test_a_killed_comparison_goes_on_to_the_same_numbers(finished: Path, folder: Path) -> None:
    """kill -9 of the command while two runs are in training: their processes end with it."""
    (folder / "killed.toml").write_text(GRID.replace("seeds = [1, 2]", "seeds = [1]"), encoding="utf-8")
    command = ["compare", "killed.toml", "--output", "killed", "--workers", "2"]
    process = subprocess.Popen(seq2seq(folder, *command), cwd=folder, stderr=subprocess.DEVNULL)
    log = folder / "killed" / "runs" / "additive-seed-1" / "log.jsonl"
    wait_for(lambda: log.exists() and '"train"' in log.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not children_of("killed"))
    run(folder, *command, "--resume")
    found, expected = (
        numbers(load_results(each / "results.json"))["systems"] for each in (folder / "killed", finished)
    )
    assert [one["runs"] for one in found] == [one["runs"][:1] for one in expected]


@pytest.mark.slow
def test_ctrl_c_stops_all_runs_and_says_how_to_go_on(folder: Path) -> None:
    command = ["compare", "grid.toml", "--output", "stopped", "--set", "training.max_steps=100000", "--workers", "2"]
    process = subprocess.Popen(seq2seq(folder, *command), cwd=folder, stderr=subprocess.PIPE, text=True)
    log = folder / "stopped" / "runs" / "dot-seed-1" / "log.jsonl"
    wait_for(lambda: log.exists() and '"train"' in log.read_text())
    assert "another comparison is at work" in run(folder, *command, "--resume", code=2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "stopped; to go on: seq2seq compare grid.toml --output stopped --set training.max_steps=100000 --resume"
    )
    assert said.count("dot-seed-1: stopped") == 1
    assert ": done" not in said
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "stop"
    assert not children_of("stopped")


def test_a_run_that_was_stopped_is_not_told_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    tell, ends = PlainRuns(3), [(False, False), (False, True), (True, False)]
    for name, (failed, stopped) in zip("abc", ends, strict=True):
        tell(name, {"event": "end", "failed": failed, "stopped": stopped})
    assert capsys.readouterr().err.splitlines() == ["a: done, 1 of 3", "b: stopped", "c: failed, 2 of 3"]


def test_a_useless_model_has_a_perplexity() -> None:
    """A training that went wrong without NaN: one with a rate of 1e30 ended the comparison with an overflow."""
    assert perplexity(10.0, 5) == pytest.approx(math.exp(2.0))
    assert math.isfinite(perplexity(1e9, 2))
    assert perplexity(0.0, 0) == 1.0  # of no text


@pytest.mark.slow
def test_a_run_that_fails_is_missing_and_the_others_count(folder: Path) -> None:
    text = GRID.replace("seeds = [1, 2]", "seeds = [1]").replace("[tests.test]", '[[systems]]\nname = "broken"\n'
        "training.learning_rate = 1e300\ntraining.clip_norm = 0.0\n[tests.test]")  # fmt: skip
    (folder / "broken.toml").write_text(text, encoding="utf-8")
    said = run(folder, "compare", "broken.toml", "--output", "broken", code=1)
    assert re.search("error: broken-seed-1: .*(the loss is|diverged)", said)
    results = load_results(folder / "broken" / "results.json")
    assert results.missing == ["broken-seed-1"]
    assert [system.name for system in results.systems] == ["additive", "dot"]
    assert (folder / "broken" / "report.html").exists()


@pytest.mark.slow
def test_cost_is_measured_in_turns(folder: Path) -> None:
    text = GRID.replace("repeats = 0", "repeats = 2\nseconds = 0.1\nsentences = 3").replace("[1, 2]", "[1]")
    (folder / "cost.toml").write_text(text, encoding="utf-8")
    run(folder, "compare", "cost.toml", "--output", "broken", "--resume")  # whose two good runs are these
    results = load_results(folder / "broken" / "results.json")
    assert results.machine.matmul_gflops > 0
    for system in results.systems:
        assert system.cost is not None
        assert system.cost.training_tokens > 0
        assert system.cost.translation_sentences > 0
        assert system.cost.training_peak > 50e6
        assert system.cost.training_spread >= 0
    kept = (folder / "broken" / "costs.json").read_text()
    run(folder, "compare", "cost.toml", "--output", "broken", "--resume")
    assert (folder / "broken" / "costs.json").read_text() == kept


def children_of(output: str) -> list[int]:
    """Processes at work on the runs of a comparison; a process of Python's own keeping counts as none."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            opened = [os.readlink(one) for one in (path / "fd").iterdir()]
        except OSError:
            continue
        if any(f"/{output}/runs/" in one for one in opened):
            found.append(int(path.name))
    return found


def wait_for(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
