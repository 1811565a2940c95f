"""A new mechanism takes one class in one file: each of registered.py is found wherever mechanisms are chosen from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
SAMPLE = TESTS.parent / "data" / "phrasebook"
NEW = {"score": "content", "window": "open", "normalisation": "sharp", "wiring": "late"}
CONFIG = """
[data]
train.dataset = "train.bars"
validation.dataset = "test.bars"
[tokenizer]
vocabulary_size = 150
[model]
embedding_dim = 12
encoder_dim = 8
decoder_dim = 16
attention_dim = 8
[training]
batch_tokens = 400
max_steps = 4
validation_interval = 4
trackers = []
"""
GRID = """
title = "New ones"
config = "run.toml"
seeds = [1]
[grid]
model.wiring = ["late"]
model.score = ["content"]
[tests.test]
source = "test.de"
reference = "test.en"
[cost]
repeats = 1
seconds = 0.1
sentences = 4
"""
LOOK = """
import json, runpy, sys
import registered
import mechanisms
from typer.testing import CliRunner
from seq2seq.checkpoint.model import check_model_config
from seq2seq.cli import app
from seq2seq.comparison.flops import forward_flops, pair_work
from seq2seq.comparison.plan import load_grid, planned_runs
from seq2seq.config_file import load_config
from seq2seq.text.corpus import read_corpus
from seq2seq.text.streaming import open_stream
from pathlib import Path

sys.path.append(str(Path(sys.argv[2]).parent))
new = json.loads(sys.argv[1])
config = load_config("run.toml", [f"model.{key}={value}" for key, value in new.items()])
streamed = load_config("run.toml", ["data.train.streaming=true"])
named = [name for name, settings in mechanisms.MECHANISMS.items() if settings.items() & new.items()]
print(json.dumps({
    "parameters": check_model_config(config),
    "template": CliRunner().invoke(app, ["config"]).stdout,
    "table": runpy.run_path(sys.argv[2])["scores_table"](),
    "mechanisms": named,
    "cases": sorted({case[0] for case in mechanisms.CASES} & set(named)),
    "wirings": mechanisms.WIRINGS,
    "flops": [
        forward_flops(mechanisms.tiny_model(name, ("late", False)).architecture, 7, pair_work([3], [5]))["attention"]
        for name in ("content", "uniform")
    ],
    "plan": [run.name for run in planned_runs(load_grid(Path("grid.toml")), Path("grid.toml"))],
    "pairs": len(read_corpus(config.data.train, config.data)),
    "streamed": open_stream(streamed).pairs,
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of the new kind, a config that reads it, and a grid."""
    made = tmp_path_factory.mktemp("registered")
    german, english = (
        (SAMPLE / f"sample.{suffix}").read_text(encoding="utf-8").splitlines() for suffix in ("de", "en")
    )
    bars = [f"{source} ||| {target}\n" for source, target in zip(german, english, strict=True)]
    for name, rows in (("train", slice(170)), ("test", slice(170, None))):
        (made / f"{name}.bars").write_text("".join(bars[rows]), encoding="utf-8")
        (made / f"{name}.de").write_text("".join(f"{line}\n" for line in german[rows]), encoding="utf-8")
        (made / f"{name}.en").write_text("".join(f"{line}\n" for line in english[rows]), encoding="utf-8")
    (made / "run.toml").write_text(CONFIG, encoding="utf-8")
    (made / "grid.toml").write_text(GRID, encoding="utf-8")
    return made


def python(folder: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    """A process that finds the package, these tests and nothing registered by others."""
    places = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": places},
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    output, _ = python(folder, "-c", LOOK, json.dumps(NEW), str(TESTS.parent / "scripts" / "results-table"))
    return dict(json.loads(output))


def test_a_config_takes_its_name_and_says_so(found: dict[str, Any]) -> None:
    assert "decoder.attention.score.w" in found["parameters"]
    model = found["template"].split("[model]\n")[1].split("[training]\n")[0]
    for key, name in NEW.items():
        choices = model.split(f"\n{key} = ")[0].splitlines()[-1]
        assert f" | {name})" in choices, choices


def test_the_readme_shows_it(found: dict[str, Any]) -> None:
    row = "| `content` | e = wᵀ h: the energy depends only on the encoder state, not on the query. |"
    assert row in found["table"].splitlines()


def test_the_property_tests_run_over_it(found: dict[str, Any]) -> None:
    assert set(found["mechanisms"]) == set(found["cases"]) == {"content", "open", "sharp"}
    assert ["late", False] in found["wirings"]


def test_its_operations_are_counted(found: dict[str, Any]) -> None:
    content, uniform = found["flops"]
    assert content - uniform == 2 * 14 * 3  # encoder states have 14 units, and the source 3 tokens


def test_a_comparison_plans_it(found: dict[str, Any]) -> None:
    assert found["plan"] == ["late-content-seed-1"]


def test_a_kind_of_file_is_read(found: dict[str, Any]) -> None:
    assert found["pairs"] == found["streamed"] == 170


def test_a_misspelt_name_has_it_as_the_nearest(folder: Path) -> None:
    _, told = python(folder, str(TESTS / "registered.py"), "train", "run.toml", "-o", "out", "--set",
                     "model.wiring=lat", code=2)  # fmt: skip
    assert "model.wiring = 'lat': no such wiring; did you mean 'late'? allowed: bahdanau, late, luong" in told
    assert not (folder / "out").exists()


def test_evaluate_takes_a_metric(folder: Path) -> None:
    lines = (folder / "test.en").read_text(encoding="utf-8").splitlines()
    (folder / "half.en").write_text("".join(f"{line}{'' if row % 2 else ' x'}\n" for row, line in enumerate(lines)),
                                    encoding="utf-8")  # fmt: skip
    evaluate = [str(TESTS / "registered.py"), "evaluate", "--hypothesis", "half.en", "--reference", "test.en"]
    report, _ = python(folder, *evaluate, "--metric", "exact", "--metric", "BLEU", "--json", "--against", "test.en",
                       "--samples", "20")  # fmt: skip
    metrics, (comparison, _) = json.loads(report)["metrics"], json.loads(report)["comparisons"]
    assert [one["name"] for one in metrics] == ["exact", "BLEU"]
    assert metrics[0]["low"] < metrics[0]["value"] == 50.0 < metrics[0]["high"]
    assert comparison["baseline"]["value"] == 100.0
    assert comparison["p_value"] < 0.1
    _, told = python(folder, *evaluate, "--metric", "exat", code=2)
    assert "unknown metric 'exat'; did you mean 'exact'? allowed: BLEU, TER, chrF2, chrF2++, exact" in told


@pytest.mark.slow
def test_a_comparison_trains_and_measures_it(folder: Path) -> None:
    python(folder, str(TESTS / "registered.py"), "compare", "grid.toml", "--output", "compared", "--workers", "1")
    results = json.loads((folder / "compared" / "results.json").read_text(encoding="utf-8"))
    (system,) = results["systems"]
    assert system["name"] == "late content"
    assert system["cost"] is not None
