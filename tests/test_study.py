"""What the committed study rests on: its grids, its numbers, and the text it reads."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from seq2seq.evaluation.plan import cells, load_grid
from seq2seq.evaluation.results import load_results

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "scripts" / "study"
PREPARE = ROOT / "scripts" / "prepare-tsinghua450"
GRIDS = sorted(path.stem for path in STUDY.glob("*.toml"))


@pytest.fixture(scope="module")
def like_gold() -> Any:
    return runpy.run_path(str(PREPARE))["like_gold"]


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_can_be_planned_and_has_its_numbers(name: str) -> None:
    planned = cells(load_grid(STUDY / f"{name}.toml"), STUDY / f"{name}.toml")
    results = load_results(STUDY / f"{name.replace('-', '_')}.json")
    ran = {(system.name, run.seed) for system in results.systems for run in system.runs}
    assert ran == {(cell.system, cell.seed) for cell in planned if cell.seed in results.seeds}
    assert not results.missing


def test_numbers_have_a_grid() -> None:
    assert sorted(path.stem.replace("_", "-") for path in STUDY.glob("*.json")) == GRIDS


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("It’s the EU's pledge.", "it 's the eu 's pledge ."),
        ("We don't, they'll!", "we do n't , they 'll !"),
        ('He said "1,000.5 men"', 'he said " 1,000.5 men "'),
        ("", ""),
        ("rock 'n' roll's o'clock", "rock 'n' roll 's o'clock"),
    ],
)
def test_english_takes_the_form_of_the_gold(like_gold: Any, line: str, wanted: str) -> None:
    assert like_gold(line, Tokenizer13a()) == wanted


@given(st.text(alphabet=st.sampled_from("aTn’'s. ,\"0"), max_size=30))
def test_the_form_is_kept_by_a_second_pass_but_for_spaces(like_gold: Any, line: str) -> None:
    once = like_gold(line, Tokenizer13a())
    assert once == once.lower()
    assert "".join(once.split()) == "".join(like_gold(once, Tokenizer13a()).split())


def test_text_is_prepared_and_the_gold_left_alone(tmp_path: Path) -> None:
    corpus, gold, output = tmp_path / "corpus", tmp_path / "gold", tmp_path / "deep" / "output"
    corpus.mkdir()
    gold.mkdir()
    for part in ("train", "val", "test"):
        (corpus / f"{part}.zh").write_text("我们 不。\n\u2028\n", encoding="utf-8")
        (corpus / f"{part}.en").write_text("We don't.\nA\u2028B\n", encoding="utf-8")
    for suffix, text in (("zh", "我们 不 。\n"), ("en", "we wo n't .\n"), ("gold", "0-0 1p2\n")):
        (gold / f"tsinghua450.{suffix}").write_text(text, encoding="utf-8")
    command = [sys.executable, PREPARE, "--corpus", corpus, "--gold", gold, "--output", output]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "3 of the gold's 4 English words (75.0%) are in the training text\n"
    assert (output / "train.en").read_text(encoding="utf-8").startswith("we do n't .\na")
    assert (output / "train.en").read_text(encoding="utf-8").count("\n") == 2
    for suffix in ("zh", "en", "gold"):
        name = f"tsinghua450.{suffix}"
        assert (output / name).read_bytes() == (gold / name).read_bytes()
    (corpus / "val.en").unlink()
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "val.en: No such file" in refused.stderr
