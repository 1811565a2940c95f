"""A disk that fills up while a training saves: a message, the last checkpoint whole, and an exact resume."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import config, corpus, events, weights

from seq2seq.checkpoint.model import load_model
from seq2seq.errors import Seq2SeqError
from seq2seq.training.trainer import train

__all__ = ["corpus"]  # the fixture


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(path)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here (needs Linux and root)")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


class Filler:
    """Fills the disk after the validation of a step, but for so many bytes."""

    def __init__(self, disk: Path, step: int, free: int) -> None:
        self.ballast, self.step, self.free = disk / "ballast", step, free

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["step"] == self.step:
            fill(self.ballast, self.free)


def fill(path: Path, free: int) -> None:
    """Leave so many bytes free on the disk of this file."""
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(itertools.repeat(bytes(4096)))
    os.truncate(path, max(0, path.stat().st_size - free))


@pytest.mark.parametrize("free", [8192, *(pytest.param(free, marks=pytest.mark.slow) for free in (0, 24576, 81920))])
def test_a_full_disk_loses_nothing(corpus: Path, tmp_path: Path, small_disk: Path, free: int) -> None:
    """With so much room left, the second save fails in one place or another, or not at all."""
    settings = config(corpus)
    train(settings, tmp_path / "whole")
    run = small_disk / "run"
    failure = ""
    try:
        train(settings, run, observe=Filler(small_disk, 5, free))
    except Seq2SeqError as error:  # kept as text: the error itself holds what the run has open
        failure = f"{error} ({error.exit_code})"
    assert failure or free > 40960
    if failure:
        assert str(run) in failure
        assert "No space left on device" in failure
        assert failure.endswith("(1)")
    for name in ("checkpoints/last", "checkpoints/best", "."):
        load_model(run / name)
    assert json.loads((run / "training" / "state" / "state.json").read_text())["progress"]["step"] >= 4
    (small_disk / "ballast").unlink()
    train(settings, run, resume=True)
    assert events(run) == events(tmp_path / "whole")
    whole, found = weights(tmp_path / "whole"), weights(run)
    assert all(torch.equal(whole[name], found[name]) for name in whole)
    assert not [path for path in run.rglob("*") if path.suffix in (".new", ".old", ".part")]


def test_a_disk_that_is_full_from_the_start(corpus: Path, small_disk: Path) -> None:
    fill(small_disk / "ballast", 0)
    with pytest.raises(Seq2SeqError, match=r"(No space left on device|cannot make the directory)"):
        train(config(corpus), small_disk / "run")
    (small_disk / "ballast").unlink()
    train(config(corpus), small_disk / "run", resume=True)
