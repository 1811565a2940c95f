"""The setting of a measurement: date, commit, machine, and the run and config that it uses."""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seq2seq.checkpoint.model import load_model
from seq2seq.config import Config

HERE = Path(__file__).resolve().parents[1]


def describe() -> dict[str, Any]:
    """Return date, commit (with + if files differ from it) and machine."""
    import torch

    return {
        "date": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        "commit": _commit(),
        "machine": {
            "processor": platform.machine(),
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__.partition("+")[0],
            "python": platform.python_version(),
        },
    }


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + ("+" if git("status", "--porcelain", "seq2seq") else "")
    except (OSError, subprocess.CalledProcessError):  # not a git checkout
        return "unknown"


def train_one_step(config: str, data: Path) -> Path:
    """Train a run for one step, to have its tokenizers and encoded text; it is removed when the program ends."""
    place = Path(tempfile.mkdtemp(prefix="benchmark-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    command = [sys.executable, "-m", "seq2seq", "train", str(HERE / "configs" / config), "--output", str(place / "run")]
    changes = {"data.root": data.resolve(), "training.max_steps": 1, "training.warmup_steps": 0}
    changes |= {"training.validation_bleu": "false", "training.criterion": "perplexity", "training.average": 1}
    subprocess.run([*command, *(f"--set={key}={value}" for key, value in changes.items())], check=True)
    return place / "run"


def run_config(run: Path, data: Path) -> Config:
    """Return a run's config with the texts in this folder and the default number of threads, as in `describe`."""
    config = load_model(run).config
    changes = {
        "data": config.data.model_copy(update={"root": str(data.resolve())}),
        "training": config.training.model_copy(update={"threads": 0}),
    }
    return config.model_copy(update=changes)
