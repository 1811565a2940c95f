#!/usr/bin/env python3
"""Make what tests/test_before.py reads and goes on with anew, by the present commit.

    .venv/bin/python tests/before/make.py              all
    .venv/bin/python tests/before/make.py bulk run     these parts: model (and export), bulk, run, comparison

The files are worth keeping because an earlier commit made them, so make a part anew only where its format is meant to
change. Needs a clean seq2seq/, whose commit is noted in MADE.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ("torch", "sentencepiece", "safetensors", "onnx", "onnxruntime")
MADE, SUMS = HERE / "MADE.json", HERE / "SHA256SUMS"
# One thread, one worker, no hub: as few conditions as possible that another machine would have to restore.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "seq2seq", *arguments]


def seq2seq(*arguments: str, text: str | None = None) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        command(*arguments), cwd=HERE, env=ENVIRONMENT, input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return done.stdout


def stop(number: int, ready: Callable[[], bool], *arguments: str) -> None:
    """Start a command and send it a signal as soon as `ready` says so."""
    with subprocess.Popen(command(*arguments), cwd=HERE, env=ENVIRONMENT) as process:
        while not ready():
            if process.poll() is not None:
                sys.exit(f"error: {' '.join(arguments)} ended before it was stopped")
            time.sleep(0.001)
        process.send_signal(number)
        code = process.wait()
    if code not in (-number, 128 + number):
        sys.exit(f"error: {' '.join(arguments)} was stopped, but its exit code is {code}")


def last_step(log: Path) -> int:
    """The last step that a run's log tells of."""
    whole = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    return max((json.loads(line).get("step", 0) for line in whole), default=0)


def committed(journal: Path) -> int:
    """Lines of a bulk translation that count."""
    return int(json.loads(journal.read_bytes())["lines"]) if journal.exists() else 0


def remove(*paths: Path) -> None:
    """Files and folders, if they are there."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def make_model() -> None:
    """A finished model with a shortlist, what it says of itself, its translations, and its export."""
    remove(HERE / "model", HERE / "export")
    seq2seq("train", "model.toml", "--output", "model")
    remove(*(HERE / "model" / part for part in ("training", "checkpoints", "cache", ".lock", "log.jsonl")))
    text = ("--source", "text/train.de", "--target", "text/train.en")
    seq2seq("shortlist", "model", *text, "--size", "10", "--common", "20")
    seq2seq("export", "model", "--output", "export")
    (HERE / "inspect.json").write_text(seq2seq("inspect", "model", "--json"), encoding="utf-8")
    lines = (HERE / "text" / "train.de").read_text(encoding="utf-8")
    shown = ("--beam-size", "5", "--format", "jsonl", "--scores", "--alignment", "--threads", "1")
    (HERE / "translations.jsonl").write_text(seq2seq("translate", "model", *shown, text=lines), encoding="utf-8")


def make_bulk() -> None:
    """A bulk translation that was killed: 108 lines in chunks of 8."""
    folder = HERE / "bulk"
    remove(folder)
    folder.mkdir()
    lines = (HERE / "text" / "train.de").read_bytes()
    (folder / "big.de").write_bytes(3 * lines)
    files = ("--input", "bulk/big.de", "--output", "bulk/big.en", "--resume")
    options = ("--scores", "--threads", "1", "--batch-size", "2")
    journal = folder / ".big.en.part.json"
    stop(signal.SIGKILL, lambda: committed(journal) >= 32, "translate", "model", *files, *options)


def make_run() -> None:
    """A run that Ctrl-C stopped after its second validation."""
    run = HERE / "run"
    remove(run)
    stop(signal.SIGINT, lambda: last_step(run / "log.jsonl") >= 50, "train", "run.toml", "--output", "run")
    remove(*run.rglob("README.md"))  # cards, which no command reads


def make_comparison() -> None:
    """A comparison of two runs that Ctrl-C stopped when one was measured and the other had been validated once.

    And the results of that comparison, where it was not stopped for good.
    """
    comparison = HERE / "comparison"
    remove(comparison)
    log = comparison / "runs" / "additive-seed-1" / "log.jsonl"
    options = ("grid.toml", "--workers", "1", "--output")
    stop(signal.SIGINT, lambda: last_step(log) >= 18, "compare", *options, "comparison")
    remove(*comparison.rglob("README.md"))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(comparison, folder, dirs_exist_ok=True)
        seq2seq("compare", *options, folder, "--resume")
        shutil.copyfile(Path(folder) / "results.json", HERE / "results.json")


PARTS = {"model": make_model, "bulk": make_bulk, "run": make_run, "comparison": make_comparison}


def git(*arguments: str) -> str:
    """What git says of this repository."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.strip()


def sums() -> str:
    """The SHA-256 of every file but those that people write here, in the form of sha256sum."""
    ours = {HERE / name for name in ("README.md", ".gitattributes", "make.py", "SHA256SUMS")}
    files = sorted(path for path in HERE.rglob("*") if path.is_file() and path not in ours)
    names = {path.relative_to(HERE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return "".join(f"{digest}  {name}\n" for name, digest in names.items())


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        sys.exit(f"error: no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if git("status", "--porcelain", "--", "seq2seq"):
        sys.exit("error: seq2seq/ is not as it was committed; commit it first, so that MADE.json can name the commit")
    made = json.loads(MADE.read_bytes()) if MADE.exists() else {}
    for name in chosen:
        PARTS[name]()
        made[name] = {"commit": git("rev-parse", "HEAD"), **{package: version(package) for package in PACKAGES}}
    MADE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    SUMS.write_text(sums(), encoding="utf-8")


if __name__ == "__main__":
    main()
