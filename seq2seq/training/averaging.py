"""The mean of the weights of the last validations, kept on disk so that a resumed run has them too."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from seq2seq.training.state import write_tensors


class Averager:
    """Files of weights, one a validation; the newest `window` of them make the average."""

    def __init__(self, directory: Path, window: int) -> None:
        self.directory, self.window = directory, window

    def add(self, step: int, weights: dict[str, Tensor]) -> list[int]:
        """Put the weights of a step aside; the steps that now make the average."""
        if self.window == 1:
            return []
        self.directory.mkdir(parents=True, exist_ok=True)
        unfinished = self._path(step).with_suffix(".new")
        write_tensors(weights, unfinished)
        unfinished.replace(self._path(step))
        return self.steps()[-self.window :]

    def steps(self) -> list[int]:
        """Steps that have a file, in order."""
        return sorted(int(path.stem.removeprefix("weights-")) for path in self.directory.glob("weights-*.safetensors"))

    def keep_only(self, steps: list[int]) -> None:
        """Delete every other file: older ones, and those that a crash left beyond the saved state."""
        for step in set(self.steps()) - set(steps):
            self._path(step).unlink()

    def mean(self, steps: list[int]) -> dict[str, Tensor]:
        """The mean over these steps, summed in float64 so that the order does not matter."""
        total: dict[str, Tensor] = {}
        for step in steps:
            for name, value in load_file(str(self._path(step))).items():
                total[name] = total[name] + value.double() if name in total else value.double()
        return {name: (value / len(steps)).to(torch.float32) for name, value in total.items()}

    def _path(self, step: int) -> Path:
        return self.directory / f"weights-{step}.safetensors"
