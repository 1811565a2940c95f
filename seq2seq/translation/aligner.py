"""Alignment of pairs by a model of one direction, or by two models of both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seq2seq.metrics.symmetrisation import reverse_links, symmetrise
from seq2seq.text.word_links import Link
from seq2seq.translation.translator import Translator
from seq2seq.translation.word_alignment import Alignment, Join

_OTHER: dict[Join | None, Join | None] = {"source": "target", "target": "source", "both": "both", None: None}


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """A pair aligned by the forward model and, if there is one, the backward model, both read with the same shift."""

    forward: Alignment
    backward: Alignment | None
    method: str
    threshold: float | None

    @property
    def truncated(self) -> bool:
        """Whether a model did not read the whole pair."""
        return self.forward.truncated or (self.backward is not None and self.backward.truncated)

    @property
    def readings(self) -> dict[str, list[Link]]:
        """The links of each model by its option's name, then those of both by the method's; the last are the result."""
        if self.backward is None:
            return {"MODEL": self.forward.links}
        backward = reverse_links(self.backward.links)
        both = symmetrise(self.forward.links, backward, self.method)
        return {"MODEL": self.forward.links, "--reverse": sorted(backward), self.method: sorted(both)}

    @property
    def links(self) -> list[Link]:
        """The links to write: those of both models combined, or of the only model."""
        return list(self.readings.values())[-1]

    def read(self, shift: int) -> AlignedPair:
        """Return the pair with the same attention, but links read with another shift."""
        forward = self.forward.read(shift=shift, threshold=self.threshold)
        backward = self.backward and self.backward.read(shift=shift, threshold=self.threshold)
        return replace(self, forward=forward, backward=backward)


@dataclass(frozen=True, slots=True)
class Aligner:
    """One or two models that align pairs, and settings for reading links; sides are named as for the forward model."""

    forward: Translator
    backward: Translator | None
    method: str
    join: Join | None
    shift: int
    threshold: float | None
    max_length: int
    tag: str | None = None
    reverse_tag: str | None = None

    def align(self, sources: Sequence[str], targets: Sequence[str]) -> list[AlignedPair]:
        """Align each source with its target; return the pairs in order."""
        reading: Any = {"shift": self.shift, "threshold": self.threshold, "max_length": self.max_length}
        found = self.forward.align(sources, targets, join=self.join, tag=self.tag, **reading)
        if self.backward is None:
            return [AlignedPair(each, None, self.method, self.threshold) for each in found]
        back = self.backward.align(targets, sources, join=_OTHER[self.join], tag=self.reverse_tag, **reading)
        return [AlignedPair(*both, self.method, self.threshold) for both in zip(found, back, strict=True)]
