"""Training speed of every score function and wiring, in float32 and, if the CPU supports it, with bfloat16 products."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.comparison.pace import (
    StepSpeed,
    TrainingSpeed,
    call_in_process,
    measure_interleaved_steps,
    measure_training,
)
from seq2seq.config import Config
from seq2seq.nn.kernels.precision import bfloat16_is_fast
from speed.turns import Show, run_in_turns, summary

WIRINGS = {  # the keys of [model] for each
    "luong": {"wiring": "luong", "input_feeding": False},
    "luong, input feeding": {"wiring": "luong", "input_feeding": True},
    "bahdanau": {"wiring": "bahdanau", "input_feeding": False},
}
MAIN = ("additive", "multiplicative", "dot")
REFERENCE_SCORE = "multiplicative"  # the score with which the others are compared
WARM_UP = 10  # steps: the first of each shape compiles kernels and allocates memory


def measure(config: Config, run: Path, scores: list[str], repeats: int, steps: int, show: Show) -> list[dict[str, Any]]:
    """Return one entry per system; in each repeat, each takes the same first steps from fresh weights."""
    kinds = ["no", "bf16"] if bfloat16_is_fast() else ["no"]
    systems = {
        system_name(score, wiring, kind): (score, wiring, kind)
        for kind in kinds
        for wiring in WIRINGS
        for score in scores
    }
    jobs = {name: (name, _measure, _config(config, *system), run, steps) for name, system in systems.items()}

    def show_turn(name: str, pace: TrainingSpeed) -> None:
        show(name, f"{pace.tokens:,.0f} tokens/s, {pace.fraction:.2f} of {pace.matmul / 1e9:.0f} GFLOP/s")

    found = run_in_turns(jobs, call_in_process, repeats, show_turn)
    return [_entry(*systems[name], paces) for name, paces in found.items()]


def compare(config: Config, run: Path, scores: list[str], steps: int, show: Show) -> list[dict[str, Any]]:
    """Return one entry per score and wiring in float32: its steps, taken in turns, relative to REFERENCE_SCORE's."""
    names, found = [REFERENCE_SCORE, *(score for score in scores if score != REFERENCE_SCORE)], []
    for wiring in WIRINGS:
        systems = [_config(config, score, wiring, "no") for score in names]
        taken = call_in_process(f"steps of {wiring} in turns", _measure_in_turns, systems, run, steps)
        for score, turns in zip(names, taken, strict=True):
            found.append(_relative_entry(score, wiring, turns, taken[0]))
            time, flops, share = (found[-1][key]["median"] for key in ("time", "flops", "fraction_of_bound"))
            words = f"{time:.3f} of {REFERENCE_SCORE}'s time, {flops:.3f} of its FLOP/s, {share:.2f} of the matmul's"
            show(system_name(score, wiring, "no"), words)
    return found


def _measure_in_turns(configs: list[Config], run: Path, steps: int) -> list[list[StepSpeed]]:
    return measure_interleaved_steps(configs, run, steps=steps, warm_up=WARM_UP)


def _relative_entry(score: str, wiring: str, turns: Sequence[StepSpeed], others: Sequence[StepSpeed]) -> dict[str, Any]:
    pairs = list(zip(turns, others, strict=True))
    return {
        "score": score,
        "wiring": wiring,
        "beside": REFERENCE_SCORE,
        "steps": len(turns),
        "time": _quartiles([turn.seconds / other.seconds for turn, other in pairs]),
        "flops": _quartiles([turn.flops / other.flops for turn, other in pairs]),
        "fraction_of_bound": _quartiles([turn.fraction for turn in turns]),
    }


def _quartiles(values: list[float]) -> dict[str, float]:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    median = statistics.median(values)
    return {"median": round(median, 4), "first": round(first, 4), "third": round(third, 4)}


def system_name(score: str, wiring: str, mixed_precision: str) -> str:
    """Return the name of a system in tables."""
    return f"{score}, {wiring}" + (f", {mixed_precision}" if mixed_precision != "no" else "")


def _measure(config: Config, run: Path, steps: int) -> TrainingSpeed:
    return measure_training(config, run, steps=steps, warm_up=WARM_UP)


def _config(config: Config, score: str, wiring: str, mixed_precision: str) -> Config:
    """Return the config with another score, wiring and precision, validated again."""
    tree = config.model_dump()
    tree["training"] |= {"mixed_precision": mixed_precision}
    tree["model"] |= {"score": score, **WIRINGS[wiring]}
    return Config.model_validate(tree)


def _entry(score: str, wiring: str, mixed_precision: str, paces: list[TrainingSpeed]) -> dict[str, Any]:
    return {
        "score": score,
        "wiring": wiring,
        "mixed_precision": mixed_precision,
        "tokens_per_second": summary([pace.tokens for pace in paces], 1),
        "fraction_of_bound": summary([pace.fraction for pace in paces], 4),
        "gflop_per_second": summary([pace.flops / 1e9 for pace in paces], 2),
        "matmul_gflops": summary([pace.matmul / 1e9 for pace in paces], 1),
        "mflop_per_token": round(paces[0].flops / paces[0].tokens / 1e6, 2),
        "padding": round(paces[0].padding, 4),
        "peak_bytes": max(pace.peak for pace in paces),
        "steps": paces[0].steps,
    }
