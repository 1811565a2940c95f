"""What the committed study rests on: its grids, its numbers, and the text it reads."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from seq2seq.comparison.plan import load_grid, planned_runs
from seq2seq.comparison.results import load_results

pytestmark = pytest.mark.scripts

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "scripts" / "study"
PREPARE = ROOT / "scripts" / "prepare-tsinghua450"
GRIDS = sorted(path.stem for path in STUDY.glob("*.toml"))


@pytest.fixture(scope="module")
def like_gold() -> Any:
    return runpy.run_path(str(PREPARE))["like_gold"]


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_can_be_planned_and_has_its_numbers(name: str) -> None:
    planned = planned_runs(load_grid(STUDY / f"{name}.toml"), STUDY / f"{name}.toml")
    results = load_results(STUDY / f"{name.replace('-', '_')}.json")
    ran = {(system.name, run.seed) for system in results.systems for run in system.runs}
    assert ran == {(cell.system, cell.seed) for cell in planned}
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
        ("'s-Hertogenbosch, O'Shea", "'s-hertogenbosch , o'shea"),
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
        (corpus / f"{part}.en").write_text("We don't.\nA\u2028B\r\rC\n", encoding="utf-8")
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
    (corpus / "train.en").write_text("New.\nText.\n", encoding="utf-8")
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [f"prepare-tsinghua450: {corpus / 'val.en'}: no such file"]
    assert (output / "train.en").read_text(encoding="utf-8").startswith("we do n't .\n")


@pytest.mark.parametrize(("score", "wiring"), [("additive", "feeding"), ("dot", "luong"), ("uniform", "bahdanau")])
def test_early_attention_is_measured(tmp_path: Path, score: str, wiring: str) -> None:
    """Entropy as a share of the uniform one's, which is 1, and the energies' gradient, which a control has none of."""
    sample = {side: (ROOT / "data" / "phrasebook" / f"sample.{side}").read_bytes() for side in ("de", "en")}
    for side, text in sample.items():
        for part in ("train", "validation"):
            (tmp_path / f"{part}.{side}").write_bytes(text * 4 if part == "train" else text)
    measure = runpy.run_path(str(ROOT / "scripts" / "measure-early-attention"))["measure"]
    measure.__globals__["POINTS"] = (6, 12)
    found = measure((score, wiring, 16), str(tmp_path), ("tokenizer.vocabulary_size=150",))
    assert [point["step"] for point in found["points"]] == [6, 12]
    for point in found["points"]:
        assert point["loss"] < 6
        assert point["entropy"] == 1 if score == "uniform" else 0.5 < point["entropy"] < 1
        assert (point["gradient"] == 0) == (score == "uniform")


@pytest.fixture(scope="module")
def mean() -> Callable[..., float]:
    """One number of a committed comparison: mean(comparison, system, field, test)."""
    found = {path.stem: load_results(path) for path in STUDY.glob("*.json")}

    def get(name: str, system: str, field: str, test: str = "test") -> float:
        summary = next(one for one in found[name].systems if one.name == system).summary[test]
        return float(summary.aer[field].mean if field in summary.aer else getattr(summary, field).mean)

    return get


@pytest.fixture(scope="module")
def phrasebook() -> list[str]:
    return [one.name for one in load_results(STUDY / "phrasebook.json").systems]


def test_the_step_is_the_reading_of_every_attention(mean: Any, phrasebook: list[str]) -> None:
    for name in phrasebook:
        if not name.startswith("uniform"):
            assert mean("phrasebook", name, "step") < mean("phrasebook", name, "shifted"), name
    for name in ("additive", "multiplicative"):
        assert mean("zh_en", name, "step", "tsinghua450") < mean("zh_en", name, "shifted", "tsinghua450")


def test_what_the_page_says_of_the_phrasebook(mean: Any, phrasebook: list[str]) -> None:
    def bleu(name: str, test: str = "test") -> float:
        return float(mean("phrasebook", name, "bleu", test))

    def aer(name: str) -> float:
        return float(mean("phrasebook", name, "step"))

    def entropy(name: str) -> float:
        return float(mean("phrasebook", name, "entropy"))

    assert entropy("multiplicative luong") < entropy("dot luong") < entropy("additive luong") < entropy("uniform luong")
    assert all(abs(aer(f"{score} luong") - aer("additive luong")) < 0.03 for score in ("dot", "multiplicative"))
    assert abs(aer("coverage luong") - aer("additive luong")) < 0.03
    assert bleu("multiplicative luong") < bleu("dot luong") < bleu("additive luong")
    assert bleu("multiplicative luong") < bleu("slow-multiplicative")
    assert bleu("scaled_dot luong") < bleu("dot luong") - 5
    assert bleu("additive bahdanau") > bleu("additive luong")
    assert aer("additive bahdanau") > aer("additive luong")
    for score in ("additive", "multiplicative"):
        assert bleu(f"{score} feeding") < bleu(f"{score} luong")
    attend = [name for name in phrasebook if not name.startswith("uniform") and name != "coverage-loss"]
    assert min(attend, key=bleu) == "location luong"
    for name in phrasebook:
        if name != "monotonic":
            assert bleu(name, "long") < 0.6 * bleu(name), name
    assert sorted(attend, key=lambda name: -bleu(name, "long"))[:2] == ["monotonic", "additive bahdanau"]
    assert bleu("location luong", "long") > bleu("dot luong", "long")
    assert bleu("coverage-loss") < bleu("uniform luong")


def test_what_the_page_says_of_real_text(mean: Any) -> None:
    def bleu(name: str, test: str = "test2016") -> float:
        return float(mean("multi30k", name, "bleu", test))

    for test in ("test2016", "test2017"):
        fed = bleu("additive feeding", test) - bleu("multiplicative feeding", test)
        other = bleu("additive bahdanau", test) - bleu("multiplicative bahdanau", test)
        assert fed > 3 * other > 0
        assert bleu("additive feeding", test) > bleu("additive bahdanau", test)
        assert bleu("multiplicative feeding", test) < bleu("multiplicative bahdanau", test)
    perplexities = [
        mean("multi30k", f"additive {wiring}", "perplexity", "test2016") for wiring in ("feeding", "bahdanau")
    ]
    assert perplexities[0] > perplexities[1]
    noise = {
        one.name: {kind: dict(points) for kind, points in one.noise.items()}
        for one in load_results(STUDY / "multi30k.json").systems
    }
    alone = noise.pop("uniform feeding")
    for name, kinds in noise.items():
        for kind, points in kinds.items():
            kept, kept_alone = (of[0.2].mean / of[0.0].mean for of in (points, alone[kind]))
            assert kept < kept_alone + 0.015, (name, kind)
            assert points[0.2].mean > alone[kind][0.2].mean + 4, (name, kind)


def test_what_the_page_says_of_links_and_of_size(mean: Any) -> None:
    runs = {one.name: one.runs[0].tests["tsinghua450"] for one in load_results(STUDY / "zh_en.json").systems}
    first, second = (runs[name].alignment["step"].aer for name in ("additive", "multiplicative"))
    assert second.low < first.high
    assert first.low < second.high
    wide = {name: mean("wide", name, "bleu") for name in ("additive", "scaled_multiplicative", "slow-multiplicative")}
    lost = wide["additive"] - mean("wide", "multiplicative", "bleu")
    assert lost > 40
    assert wide["additive"] - wide["scaled_multiplicative"] < lost / 3
    assert wide["additive"] - wide["slow-multiplicative"] < lost / 3
