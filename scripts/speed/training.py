"""Training: every score function in every wiring, in float32 and, where the CPU has it, with products of bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seq2seq.config import Config
from seq2seq.evaluation.pace import Pace, apart, training_pace
from seq2seq.nn.precision import bfloat16_is_fast
from speed.turns import Show, in_turns, summary

WIRINGS = {  # what [model] says of each
    "luong": {"wiring": "luong", "input_feeding": False},
    "luong, input feeding": {"wiring": "luong", "input_feeding": True},
    "bahdanau": {"wiring": "bahdanau", "input_feeding": False},
}
MAIN = ("additive", "multiplicative", "dot")
WARM_UP = 10  # steps: the first of each shape compiles kernels, and memory is new


def measure(config: Config, run: Path, scores: list[str], repeats: int, steps: int, show: Show) -> list[dict[str, Any]]:
    """One entry a system. Each takes the same first steps from fresh weights, in so many turns."""
    kinds = ["no", "bf16"] if bfloat16_is_fast() else ["no"]
    systems = {
        name_of(score, wiring, kind): (score, wiring, kind) for kind in kinds for wiring in WIRINGS for score in scores
    }
    jobs = {name: (name, _take, _config(config, *system), run, steps) for name, system in systems.items()}

    def told(name: str, pace: Pace) -> None:
        show(name, f"{pace.tokens:,.0f} tokens/s, {pace.fraction:.2f} of {pace.matmul / 1e9:.0f} GFLOP/s")

    found = in_turns(jobs, apart, repeats, told)
    return [_entry(*systems[name], paces) for name, paces in found.items()]


def name_of(score: str, wiring: str, mixed_precision: str) -> str:
    """What a table calls a system."""
    return f"{score}, {wiring}" + (f", {mixed_precision}" if mixed_precision != "no" else "")


def _take(config: Config, run: Path, steps: int) -> Pace:
    return training_pace(config, run, steps=steps, warm_up=WARM_UP)


def _config(config: Config, score: str, wiring: str, mixed_precision: str) -> Config:
    """The config with another score, wiring and precision, checked as if it had been written so."""
    tree = config.model_dump()
    tree["training"] |= {"mixed_precision": mixed_precision}
    tree["model"] |= {"score": score, **WIRINGS[wiring]}
    return Config.model_validate(tree)


def _entry(score: str, wiring: str, mixed_precision: str, paces: list[Pace]) -> dict[str, Any]:
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
