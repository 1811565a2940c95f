"""The tables of speed say what was measured last, part by part."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from speed.table import history, load_results, section
from speed.turns import run_in_turns, summary

pytestmark = pytest.mark.scripts

PEERS = Path(__file__).parents[1] / "scripts" / "results" / "peers.toml"
MACHINE = {"vectors": "AVX2", "cores": 2, "threads": 2, "torch": "2.13.0"}


def result(date: str, **parts: Any) -> dict[str, Any]:
    measured = {part.replace("_", "-"): {"repeats": 3, "results": found} for part, found in parts.items()}
    return {"date": date, "commit": f"of{date[:10]}", "machine": MACHINE, **measured}


def trained(tokens: float, **changes: str) -> list[dict[str, Any]]:
    return [
        changes
        | {
            "score": "dot",
            "wiring": "luong",
            "tokens_per_second": summary([tokens - 10, tokens, tokens + 30], 1),
            "fraction_of_bound": summary([0.71, 0.7, 0.72], 4),
            "matmul_gflops": summary([150.0, 140.0, 160.0], 1),
            "mflop_per_token": 28.84,
            "padding": 0.0512,
            "peak_bytes": 1_234_000_000,
        }
    ]


def compared() -> list[dict[str, Any]]:
    shares = {"time": {"median": 1.0456, "first": 1.0, "third": 1.1}}
    shares |= {"flops": {"median": 0.9867, "first": 0.9, "third": 1.0}}
    shares |= {"fraction_of_bound": {"median": 0.756, "first": 0.7, "third": 0.8}}
    return [shares | {"score": "additive", "wiring": "luong", "beside": "multiplicative", "steps": 30}]


def translated() -> dict[str, Any]:
    common = {"variant": "int8", "beam": 5, "batch": None, "workers": 2, "peak_bytes": 5e8}
    speeds = {"tokens_per_second": summary([4321.0], 1), "sentences_per_second": summary([333.0], 2)}
    rest = {"fraction_of_exact_bound": summary([1.25], 4), "bleu": 39.876, "signature": "tok:13a"}
    work = {"beam 5": {"flop_per_token": 47.4e6}}
    return {"sentences": 1000, "work": work, "results": [common | speeds | rest]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    alone = [{"variant": "float32"} | {rank: summary([39.6], 2) for rank in ("p50", "p95", "p99")}]
    started = [{"command": "--help", "first_line_seconds": summary([0.2], 3), "end_seconds": summary([0.31], 3)}]
    shape = {"batch": 64, "target": 100, "source": 100, "units": 512}
    memory = {"shape": shape, "bytes": 9e7, "plain_bytes": 3.9e9, "gradient_error": 3e-6}
    memory |= {"plain_gradient_error": 2e-6}
    ranks = {rank: summary([41.2], 2) for rank in ("p50", "p95", "p99")}
    asked = {
        "sentences": 1000,
        "bulk_sentences_per_second": summary([25.0], 2),
        "matmul_gflops": summary([140.0], 1),
        "clients": [
            {"clients": clients, "share_of_bulk": summary([share], 4)} | ranks
            for clients, share in ((1, 0.45), (8, 0.91))
        ],
        "memory": {"requests": 10000, "first_bytes": 4e8, "largest_bytes": 4.2e8, "last_bytes": 4.1e8},
    }
    written = [  # not in the order of their dates
        result("2026-02-01T10:00Z", training=trained(2500.0) + trained(3500.0, mixed_precision="bf16")),
        result("2026-01-01T10:00Z", training=trained(2000.0), translation=translated(), latency=alone, server=asked),
        result("2025-12-01T10:00Z", startup=started, attention_memory=memory, scores_in_turns=compared()),
    ]
    for number, one in enumerate(written):
        (tmp_path / f"{number}.json").write_text(json.dumps(one), encoding="utf-8")
    return tmp_path


def test_each_part_comes_from_its_newest_measurement(folder: Path) -> None:
    page = section(folder, PEERS)
    assert page.startswith("| training |")
    assert "| dot, luong | 2,500 ± 20 | 0.71 ± 0.01 | 150 ± 10 | 28.8 | 5.1% | 1.23 GB |" in page
    assert "| dot, luong, bf16 | 3,500 ± 20 | 0.71 ± 0.01 | 150 ± 10 | 28.8 | 5.1% | 1.23 GB |" in page
    assert "2,000" not in page
    assert "| time of a step, multiplicative's = 1 | FLOP/s, multiplicative's = 1 | of the matmul's FLOP/s |" in page
    assert "| additive, luong | 1.046 (1.000 to 1.100) | 0.987 (0.900 to 1.000) | 0.76 (0.70 to 0.80) |" in page
    assert "median of 3 turns, first and third quartile." in page
    assert "| int8, beam 5, 2 workers | 4,321 | 333 | 1.25 | 0.50 GB | 39.88 |" in page
    assert "beam 5 47" in page
    assert "`tok:13a`" in page
    assert "| float32 | 40 | 40 | 40 |" in page
    assert "| 1 client at once | 0.45 | 41 | 41 | 41 |\n| 8 clients at once | 0.91 |" in page
    assert "over 10,000 requests: 400 MB after a tenth of them, 410 MB at the end, 420 MB at most." in page
    assert "| --help | 0.20 | 0.31 |" in page
    assert "90 MB; the formula as it stands 3,900 MB. Our gradients lie within 3e-06 of" in page
    for date, part in (("2026-02-01", "Training"), ("2026-01-01", "Latency"), ("2025-12-01", "Attention memory")):
        assert f"{part}: {date}, commit `of{date}`, 2 AVX2 cores, 2 threads" in page
    assert "| fairseq, `lstm` | general, input feeding | 1,680 |" in page


def test_training_has_a_table_for_each_kind_of_cores(folder: Path) -> None:
    for date, speed in (("2025-11-02", 1500.0), ("2025-11-01", 1400.0)):
        one = result(f"{date}T10:00Z", training=trained(speed), latency=[], scores_in_turns=compared())
        (folder / f"{date}.json").write_text(json.dumps(one | {"machine": MACHINE | {"vectors": "AVX512"}}))
    page = section(folder, PEERS)
    assert page.index("| dot, luong | 2,500 ±") < page.index("2 AVX2 cores") < page.index("| dot, luong | 1,500 ±")
    assert "Training: 2025-11-02, commit `of2025-11-02`, 2 AVX512 cores" in page
    assert "1,400" not in page
    assert page.count("Scores in turns: ") == 2
    assert page.count("Latency: ") == 1


def test_history_sets_a_figure_beside_itself(folder: Path) -> None:
    lines = [line for line in history(load_results(folder)) if "training dot" in line]
    for line, (figure, name) in zip(
        lines, [("2,000", "luong "), ("2,500", "luong "), ("3,500", "luong, bf16")], strict=True
    ):
        assert figure in line
        assert name in line


def test_systems_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    found = run_in_turns({"a": ("a",), "b": ("b",)}, measure, 3, lambda name, number: None)
    assert order == ["a", "b"] * 3
    assert found == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert summary([4.0, 1.0, 2.0], 1) == {"median": 2.0, "spread": 1.5, "values": [4.0, 1.0, 2.0]}
