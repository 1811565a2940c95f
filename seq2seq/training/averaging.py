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
    """Weight files of the latest validations in a directory, one file each; the newest `window` are averaged."""

    def __init__(self, directory: Path, window: int) -> None:
        self.directory, self.window = directory, window
        self.sha256: dict[int, str] = {}  # step -> SHA-256 of its file, where known

    def add(self, step: int, weights: dict[str, Tensor]) -> list[int]:
        """Save the weights of a step, and return the steps whose weights are now averaged (none with a window of 1)."""
        if self.window == 1:
            return []
        self.directory.mkdir(parents=True, exist_ok=True)
        content = save(weights)
        replace_durably(self.path(step), content, new_path(self.path(step)))
        self.sha256[step] = sha256(content)
        return self.steps()[-self.window :]

    def steps(self) -> list[int]:
        """Return the steps that have a file, in rising order."""
        names = [path.stem.removeprefix("weights-") for path in self.directory.glob("weights-*.safetensors")]
        return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)

    def keep_only(self, steps: list[int]) -> None:
        """Delete the files of all other steps: older ones, and those that a crash left beyond the saved state or
        half-written.
        """
        for unfinished in self.directory.glob("weights-*.new"):
            unfinished.unlink()
        for step in set(self.steps()) - set(steps):
            self.path(step).unlink()

    def mean(self, steps: list[int]) -> dict[str, Tensor]:
        """Return the mean weights of these steps in float32, summed in float64 so that their order does not matter.
        Raises InputError for a file that is missing or damaged.
        """
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
        """Return the path of the weight file of a step."""
        return self.directory / f"weights-{step}.safetensors"
