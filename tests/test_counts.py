"""A step asks torch for no more than it did: operators, allocations and bytes, which no busy machine can change."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from speed.counts import COUNTS, SCORES, WIRINGS, counted, search, tiny, train

ALLOWED = json.loads(COUNTS.read_text(encoding="utf-8"))
SLACK = {"bytes": 1.02, "peak_bytes": 1.02}  # oneDNN's workspaces differ a little between processors


@pytest.mark.parametrize("work", [train, search], ids=["training", "search"])
@pytest.mark.parametrize("wiring", WIRINGS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("score", SCORES)
def test_no_step_takes_more(score, wiring, work):
    model = tiny(score, WIRINGS[wiring])
    kind = "training" if work is train else "search"
    found = counted(lambda length: work(model, length))
    allowed = ALLOWED[f"{kind}, {score}, {wiring}"]
    more = {name: (count, allowed[name]) for name, count in found.items() if count > allowed[name] * SLACK.get(name, 1)}
    assert not more, (
        f"more than tests/operator_counts.json allows; where it is meant, scripts/benchmark --counts: {more}"
    )
