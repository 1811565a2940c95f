"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seq2seq import Translator
from seq2seq.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SIDES = {"source": "de", "target": "en"}


def blocks(language: str) -> list[str]:
    """The fenced code of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def block_with(language: str, words: str) -> str:
    found = [block for block in blocks(language) if words in block]
    assert len(found) == 1, words
    return found[0]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README speaks of, where `seq2seq` is this package."""
    folder = tmp_path_factory.mktemp("readme")
    german = ["Der Hund schläft.", "Die Katze schläft nicht.", "Das Kind liest ein Buch.", "Ein Hund sieht das Kind."]
    english = ["The dog sleeps.", "The cat does not sleep.", "The child reads a book.", "A dog sees the child."]
    for name in ("train", "valid", "test"):
        (folder / f"{name}.de").write_text("".join(f"{line}\n" for line in german), encoding="utf-8")
        (folder / f"{name}.en").write_text("".join(f"{line}\n" for line in english), encoding="utf-8")
    (folder / "new.de").write_text("Das Kind schläft.\n\nDer Hund liest.\n", encoding="utf-8")
    tools = folder / "bin"
    tools.mkdir()
    (tools / "seq2seq").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seq2seq "$@"\n', encoding="utf-8")
    (tools / "seq2seq").chmod(0o755)
    return folder


def shell(folder: Path, script: str) -> str:
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_own_text_block_runs_as_written(workplace: Path) -> None:
    """Only the length of the training is cut, by editing the config that the first command wrote."""
    block = block_with("sh", "> my.toml")
    config, _, rest = block.partition("> my.toml\n")
    shell(workplace, config + "> my.toml")
    written = (workplace / "my.toml").read_text(encoding="utf-8")
    written, changed = re.subn(r"(?m)^(max_steps|warmup_steps) = \d+", r"\1 = 3", written)
    assert changed == 2
    (workplace / "my.toml").write_text(written, encoding="utf-8")
    shown = shell(workplace, rest)
    assert len((workplace / "new.en").read_text(encoding="utf-8").split("\n")) == 4
    assert "BLEU" in shown
    assert (workplace / "runs" / "mine" / "README.md").is_file()
    described = shell(workplace, "seq2seq inspect runs/mine")
    assert "additive" in described


@pytest.mark.slow
def test_the_switch_runs_as_written(workplace: Path) -> None:
    """On another text, two steps of it."""
    (workplace / "scripts").symlink_to(ROOT / "scripts")
    files = {"train": "train", "validation": "valid"}
    texts = [f"data.{part}.{side}={name}.{end}" for part, name in files.items() for side, end in SIDES.items()]
    changes = ["data.root=.", *texts, "tokenizer.vocabulary_size=60", "training.max_steps=2", "training.warmup_steps=1"]
    block = block_with("sh", "scripts/configs/demo.toml")
    shell(workplace, f"{block.rstrip()} {' '.join(f'--set {change}' for change in changes)}")
    assert "scaled_dot" in shell(workplace, "seq2seq inspect runs/dot")


@pytest.mark.slow
def test_python_block_runs_as_written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (workplace / "runs" / "mine").exists():
        test_own_text_block_runs_as_written(workplace)
    monkeypatch.chdir(workplace)
    (block,) = blocks("python")
    variables: dict[str, Any] = {"Translator": Translator}
    exec(block.replace("runs/demo", "runs/mine"), variables)
    translation = variables["translation"]
    for variable, name in re.findall(r"^(translation|aligned)\.(\w+)", block, flags=re.MULTILINE):
        assert hasattr(variables[variable], name), name
    assert variables["aligned"].weights.shape == (3, 3)
    assert translation.weights.shape == (
        len(translation.pieces) + translation.finished,
        len(translation.source_pieces) + 1,
    )


@pytest.mark.slow
def test_shortlist_block_runs_as_written(workplace: Path) -> None:
    if not (workplace / "runs" / "mine").exists():
        test_own_text_block_runs_as_written(workplace)
    shown = shell(workplace, block_with("sh", "--shortlist"))
    assert all(word in shown for word in ("links from 4 pairs", "recall", "BLEU"))
    assert len((workplace / "new.shortlist.en").read_text(encoding="utf-8").split("\n")) == 4


@pytest.mark.slow
def test_export_block_runs_as_written(workplace: Path) -> None:
    pytest.importorskip("onnxruntime")
    if not (workplace / "runs" / "mine").exists():
        test_own_text_block_runs_as_written(workplace)
    shown = shell(workplace, block_with("sh", "seq2seq export").replace("runs/demo", "runs/mine"))
    assert shown.count("\n") == 1 + len((workplace / "test.de").read_text(encoding="utf-8").splitlines())


def test_every_command_named_exists_and_helps() -> None:
    names = set(
        re.findall(
            r"seq2seq (train|translate|score|align|evaluate|compare|config|inspect|plot|push|shortlist|export)\b",
            README,
        )
    )
    assert names == {each.name for each in (*app.registered_commands, *app.registered_groups)}
    for name in names:
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0
        assert f"seq2seq {name}" in result.output


def test_every_option_named_exists() -> None:
    for name, words in re.findall(r"\| `seq2seq ((?:plot )?\w+)[^`]*` \| ([^|]*) \|", README):
        text = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", words):
            assert option in text, (name, option)


@pytest.mark.scripts
def test_tables_are_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "results-table", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.scripts
def test_speed_is_what_the_benchmark_writes() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "benchmark", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_links_and_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
    for script in re.findall(r"(?m)^(scripts/[\w-]+)", README):
        assert os.access(ROOT / script, os.X_OK), script


def test_the_study_is_what_its_script_writes() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "study-page", "--check"], check=True)


def test_links_of_the_study_exist() -> None:
    study = ROOT / "scripts" / "study"
    for target in re.findall(r"\]\(([^)#]+)\)", (study / "README.md").read_text(encoding="utf-8")):
        assert (study / target).exists(), target
