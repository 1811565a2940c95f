"""The mean of the weights of the last validations, kept on disk so that a resumed run has them too."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from seq2seq.durable import new_path, replace_durably, sha256
from seq2seq.errors import InputError


class Averager:
    """Files of weights, one a validation; the newest `window` of them make the average."""

    def __init__(self, directory: Path, window: int) -> None:
        self.directory, self.window = directory, window
        self.sha256: dict[int, str] = {}  # step -> hash of its file, where it is known

    def add(self, step: int, weights: dict[str, Tensor]) -> list[int]:
        """Put the weights of a step aside; the steps that now make the average."""
        if self.window == 1:
            return []
        self.directory.mkdir(parents=True, exist_ok=True)
        content = save(weights)
        replace_durably(self.path(step), content, new_path(self.path(step)))
        self.sha256[step] = sha256(content)
        return self.steps()[-self.window :]

    def steps(self) -> list[int]:
        """Steps that have a file, in order."""
        names = [path.stem.removeprefix("weights-") for path in self.directory.glob("weights-*.safetensors")]
        return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)

    def keep_only(self, steps: list[int]) -> None:
        """Delete every other file: older ones, and those that a crash left beyond the saved state or half-written."""
        for unfinished in self.directory.glob("weights-*.new"):
            unfinished.unlink()
        for step in set(self.steps()) - set(steps):
            self.path(step).unlink()

    def mean(self, steps: list[int]) -> dict[str, Tensor]:
        """The mean over these steps, summed in float64 so that the order does not matter."""
        total: dict[str, Tensor] = {}
        for step in steps:
            for name, value in self._load(step).items():
                total[name] = total[name] + value.double() if name in total else value.double()
        return {name: (value / len(steps)).to(torch.float32) for name, value in total.items()}

    def _load(self, step: int) -> dict[str, Tensor]:
        try:
            return dict(load_file(str(self.path(step))))
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.path(step)}: cannot be averaged: {error}; start the training anew") from None

    def path(self, step: int) -> Path:
        """The file of the weights of a step."""
        return self.directory / f"weights-{step}.safetensors"
