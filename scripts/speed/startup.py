"""Start-up time of the command line: from its start to the first translation."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speed.translation import VARIANTS, model_directory
from speed.turns import Show, run_in_turns, summary


def measure(run: Path, line: str, variants: Sequence[str], repeats: int, show: Show) -> list[dict[str, Any]]:
    """Return the seconds of `seq2seq translate MODEL` and `seq2seq --help` to the first line and to the end."""
    words = {f"translate, {name}": ["translate", str(model_directory(run, name)), *_flags(name)] for name in variants}
    jobs = {name: (arguments, line) for name, arguments in {**words, "--help": ["--help"]}.items()}

    def show_turn(name: str, turn: tuple[float, float]) -> None:
        show(name, f"{turn[0]:.2f} s to the first line, {turn[1]:.2f} s to the end")

    found = run_in_turns(jobs, _time_command, repeats, show_turn)
    return [
        {
            "command": name,
            "first_line_seconds": summary([turn[0] for turn in turns], 3),
            "end_seconds": summary([turn[1] for turn in turns], 3),
        }
        for name, turns in found.items()
    ]


def _flags(variant: str) -> list[str]:
    """Return the command-line options of a variant."""
    chosen = VARIANTS[variant].load | VARIANTS[variant].options
    named = {f"--{name.replace('_', '-')}": value for name, value in chosen.items()}
    return [word for flag, value in named.items() for word in ([flag] if value is True else [flag, str(value)])]


def _time_command(arguments: list[str], line: str) -> tuple[float, float]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "seq2seq", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if arguments[0] == "translate":
            process.stdin.write(f"{line}\n")
        process.stdin.close()
        process.stdout.readline()
        first = time.perf_counter() - began
        process.stdout.read()
    if process.returncode:
        sys.exit(f"seq2seq {' '.join(arguments)} ended with code {process.returncode}")
    return first, time.perf_counter() - began
