"""The learning rate as a function of the step and, for the plateau schedule, of the validations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seq2seq.config import TrainingConfig


@dataclass(slots=True)
class Schedule:
    """Linear warm-up, then the schedule that training.schedule names. Steps count from 1."""

    config: TrainingConfig
    reductions: int = 0  # plateau: how often the rate has been reduced
    waited: int = 0  # plateau: validations since the last new best or reduction

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        config = self.config
        if step < config.warmup_steps:
            return config.learning_rate * step / config.warmup_steps
        courses = {
            "constant": self._constant,
            "inverse_sqrt": self._inverse_sqrt,
            "cosine": self._cosine,
            "plateau": self._plateau,
        }
        return config.learning_rate * courses[config.schedule](step)

    def observe(self, best: bool) -> None:
        """Count a validation, and reduce the rate of the plateau schedule after plateau_patience validations without a
        new best.
        """
        if self.config.schedule != "plateau":
            return
        self.waited = 0 if best else self.waited + 1
        if self.waited >= self.config.plateau_patience:
            self.reductions, self.waited = self.reductions + 1, 0

    def _constant(self, step: int) -> float:
        return 1.0

    def _inverse_sqrt(self, step: int) -> float:
        """Return √(warm-up / step): Vaswani et al. (2017), equation 3, scaled to 1 at the end of the warm-up."""
        return math.sqrt(max(self.config.warmup_steps, 1) / step)

    def _cosine(self, step: int) -> float:
        """Return a factor that falls from 1 to final_rate at max_steps: Loshchilov & Hutter (2017), equation 5, without
        restarts.
        """
        config = self.config
        share = (step - config.warmup_steps) / max(1, config.max_steps - config.warmup_steps)
        return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    def _plateau(self, step: int) -> float:
        return self.config.plateau_factor**self.reductions
