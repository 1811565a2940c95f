"""What an earlier commit wrote is read and gone on with: models, exports, stopped runs, comparisons and translations.

tests/before/README.md says what lies there. Only the command line and the package's public names are used here, so that
this file stays as it is wherever the modules move.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from seq2seq import OnnxTranslator, Translation, Translator, load_model

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
BEFORE = Path(__file__).parent / "before"
EXPECTED = [json.loads(line) for line in (BEFORE / "translations.jsonl").read_text(encoding="utf-8").splitlines()]
SOURCES = [each["source"] for each in EXPECTED]
# Sums in another order move the sixth digit of a score, and no decision: the second best are far behind.
CLOSE = 1e-3
AS_TORCH = """
import runpy, sys, torch
torch.__version__ = type(torch.__version__)(sys.argv.pop(1))
runpy.run_module("seq2seq", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy, in which commands may write."""
    return shutil.copytree(BEFORE, tmp_path / "before")


def seq2seq(folder: Path, *arguments: str, text: str | None = None, torch_version: str = "") -> tuple[str, str]:
    """What a command that must succeed writes to standard output and standard error."""
    started = ["-m", "seq2seq"]
    if torch_version not in ("", str(torch.__version__)):
        started = ["-c", AS_TORCH, torch_version]
    done = subprocess.run(
        [sys.executable, *started, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(BEFORE.parents[1])},
        input=text,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its name there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def times(folder: Path) -> dict[str, int]:
    """When each file was last written. A lock is opened for writing, and holds nothing."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def until_stopped(run: Path) -> bytes:
    """A stopped run's log without its last line, which tells of the stop."""
    lines = (run / "log.jsonl").read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "stop"
    return b"".join(lines[:-1])


def check_translations(found: list[Translation]) -> None:
    assert [each.text for each in found] == [each["text"] for each in EXPECTED]
    assert [each.score for each in found] == pytest.approx([each["score"] for each in EXPECTED], abs=CLOSE)


def test_files_are_as_they_were_made() -> None:
    """Else what follows says nothing: a checkout may have changed the ends of lines, or somebody a file."""
    lines = (BEFORE / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = digests(BEFORE)
    assert {name: found.get(name) for name in listed} == listed


# --------------------------------------------------------------------------------------------------------------- models


def test_a_model_translates_in_python_as_before() -> None:
    check_translations(Translator.load(BEFORE / "model").translate(SOURCES, beam_size=5))


def test_a_shortlist_is_read() -> None:
    translator = Translator.load(BEFORE / "model")
    assert [each.text for each in translator.translate(SOURCES, shortlist=True)] == [each["text"] for each in EXPECTED]


def test_an_export_translates_as_before() -> None:
    pytest.importorskip("onnxruntime")
    check_translations(OnnxTranslator.load(BEFORE / "export", threads=1).translate(SOURCES, beam_size=5))


def test_a_model_translates_on_the_command_line_as_before() -> None:
    """Every key of its JSON, too."""
    options = ("--beam-size", "5", "--format", "jsonl", "--scores", "--alignment", "--threads", "1")
    out, _ = seq2seq(BEFORE, "translate", "model", *options, text="".join(f"{line}\n" for line in SOURCES))
    found = [json.loads(line) for line in out.splitlines()]
    for name in ("score", "log_prob"):
        expected = [each[name] for each in EXPECTED]
        assert [each.pop(name) for each in found] == pytest.approx(expected, abs=20 * CLOSE)
    assert found == [{key: each[key] for key in each if key not in ("score", "log_prob")} for each in EXPECTED]


def test_a_model_is_what_it_was() -> None:
    """All that `inspect` told of it; more may be told now."""
    expected = json.loads((BEFORE / "inspect.json").read_bytes())
    found = json.loads(seq2seq(BEFORE, "inspect", "model", "--json")[0])
    for section, facts in expected.items():
        told = found[section]
        assert (told if isinstance(facts, str) else {name: told.get(name) for name in facts}) == facts


def test_all_models_of_runs_are_read() -> None:
    """Those with a tokenizer a side among them."""
    found = [path.parent for path in BEFORE.rglob("model.safetensors")]
    assert len(found) == 10
    for directory in found:
        assert load_model(directory).vocabulary.target > 0


# ------------------------------------------------------------------------------------------------- what was interrupted


def test_a_killed_translation_goes_on(folder: Path) -> None:
    """The lines that were kept stay, to the byte. Of what the journal remembers, all but torch's version is in the
    command: under another version the command is refused, as it should be, so it is told the one that is remembered.
    """
    bulk = folder / "bulk"
    journal = json.loads((bulk / ".big.en.part.json").read_bytes())
    kept = (bulk / ".big.en.part").read_bytes()[: journal["bytes"]]
    assert 0 < kept.count(b"\n") == journal["lines"] < 3 * len(EXPECTED)
    files = ("--input", "bulk/big.de", "--output", "bulk/big.en", "--resume")
    options = ("--scores", "--threads", "1", "--batch-size", "2")
    version = journal["identity"]["torch"]
    out, told = seq2seq(folder, "translate", "model", *files, *options, torch_version=version)
    assert not out
    assert f"going on after line {journal['lines']}\n" in told
    assert sorted(path.name for path in bulk.iterdir()) == ["big.de", "big.en"]
    written = (bulk / "big.en").read_bytes()
    assert written.startswith(kept)
    rows = [line.split("\t") for line in written.decode().splitlines()]
    assert [row[0] for row in rows] == 3 * [each["text"] for each in EXPECTED]
    assert [float(row[1]) for row in rows] == pytest.approx(3 * [each["score"] for each in EXPECTED], abs=CLOSE)


def test_a_stopped_run_goes_on(folder: Path) -> None:
    """At its step, with its text, weights, optimiser and log; the model that it keeps in the end translates."""
    run = folder / "run"
    before, begun = until_stopped(run), log(run)
    state = load_file(run / "training" / "state" / "state.safetensors")
    cache = times(run / "cache")
    stopped = begun[-1]["step"]
    validated = [each["step"] for each in begun if each["event"] == "validation"]
    assert validated == [20, 40]
    _, told = seq2seq(folder, "train", "run.toml", "--output", "run", "--resume")
    assert f"going on after step {stopped}\n" in told
    assert times(run / "cache") == cache  # the encoded text was found
    assert (run / "log.jsonl").read_bytes().startswith(before)

    new = log(run)[len(begun) - 1 :]
    assert [each["step"] for each in new if each["event"] == "train"] == [*range(stopped + 3 - stopped % 3, 81, 3)]
    validations = [each for each in new if each["event"] == "validation"]
    assert [each["step"] for each in validations] == [60, 80]
    first = next(each for each in begun if each["event"] == "validation")
    assert (
        validations[0]["perplexity"] < 0.75 * first["perplexity"]
    )  # untrained weights are at 60, those of step 20 at 36
    assert new[-1]["event"] == "finish"

    after = load_file(run / "training" / "state" / "state.safetensors")
    assert state.keys() <= after.keys()  # on a GPU's machine, its generator comes in addition
    counted = {name: int(value) for name, value in after.items() if name.endswith("/step")}
    assert counted
    assert set(counted.values()) == {80}  # as the optimiser has, which else would count from the resume
    kept = Translator.load(run)
    assert len(kept.translate(SOURCES, beam_size=2)) == len(SOURCES)
    assert kept.models[0].card["kind"] in ("best", "averaged")
    assert kept.models[0].card["step"] == 80


@pytest.mark.slow
def test_a_stopped_comparison_goes_on(folder: Path) -> None:
    """The run that was finished is taken as it is, also its numbers; the other goes on at its step."""
    comparison = folder / "comparison"
    finished, stopped = (comparison / "runs" / f"{name}-seed-1" for name in ("dot", "additive"))
    measured = comparison / "measured" / "dot-seed-1.json"
    known = digests(finished), times(finished), digests(measured.parent), times(measured.parent)
    before, begun = until_stopped(stopped), log(stopped)
    options = ("--output", "comparison", "--workers", "1", "--resume")
    _, told = seq2seq(folder, "compare", "grid.toml", *options)
    assert "additive-seed-1: trained" in told
    assert "dot-seed-1: trained" not in told
    now = digests(measured.parent), times(measured.parent)
    assert {"dot-seed-1.json", "additive-seed-1.json"} == now[0].keys()
    assert known == (
        digests(finished),
        times(finished),
        *({"dot-seed-1.json": each["dot-seed-1.json"]} for each in now),
    )
    assert (stopped / "log.jsonl").read_bytes().startswith(before)
    steps = [each["step"] for each in log(stopped)[len(begun) - 1 :] if each["event"] == "train"]
    assert steps == [*range(begun[-1]["step"] + 3 - begun[-1]["step"] % 3, 31, 3)]

    results = json.loads((comparison / "results.json").read_bytes())
    assert [system["name"] for system in results["systems"]] == ["dot", "additive"]
    assert results["systems"][0]["runs"] == [json.loads(measured.read_bytes())["result"]]
    assert not results["missing"]
    assert results.keys() == json.loads((BEFORE / "results.json").read_bytes()).keys()


@pytest.mark.slow
def test_results_are_drawn(tmp_path: Path) -> None:
    seq2seq(BEFORE, "plot", "results", "results.json", "--output", str(tmp_path / "report"))
    assert "Two scores" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
