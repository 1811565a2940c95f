"""A pool: pairs that are shuffled and put into batches together, and its place in an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from seq2seq.batching import Batch, make_batch, make_guide, plan_batches
from seq2seq.config import Config
from seq2seq.nn.loss import Guide
from seq2seq.training.state import TextPlace


@dataclass(frozen=True, slots=True)
class Place:
    """Position in an epoch at which a pool begins.

    rows: rows of the streams before it, in this epoch. removed: reason -> how many of these were left out. With several
    texts also draws: pairs that were drawn before it; and texts: by label, how far each is.
    """

    pool: int = 0
    rows: int = 0
    removed: dict[str, int] = field(default_factory=dict)
    draws: int = 0
    texts: dict[str, TextPlace] = field(default_factory=dict)

    def of_next_epoch(self) -> Place:
        """Return the beginning of the next epoch, from the end of this one: each text goes on where it is."""
        return Place(texts={label: TextPlace(each.turns, each.rows) for label, each in self.texts.items()})


@dataclass(frozen=True, slots=True)
class Pool:
    """Pairs that are shuffled and bucketed by length together.

    A pool is a pure function of config, epoch and place, so a resumed run builds the same one. It does not depend on
    the number of processes or on accumulation, which only divide the rows of a step.
    """

    source: Sequence[Sequence[int]]
    target: Sequence[Sequence[int]]
    steps: list[list[int]]  # the rows of each step
    last: bool = True  # whether the epoch ends with this pool
    end: Place = field(default_factory=Place)  # where the next pool begins
    texts: Sequence[int] = ()  # for each row the number of its text, from 0; empty where there is one text
    labels: tuple[str, ...] = ()  # of these texts
    links: Sequence[Sequence[int]] | None = None  # between the pieces of each pair, flat; None where no text has any

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the number of target tokens of these rows, end tokens included."""
        return sum(len(self.target[row]) + 1 for row in rows)

    def counts(self, rows: Sequence[int]) -> dict[str, float]:
        """Return the numbers of pairs and of target tokens among these rows by text, as "pairs LABEL"; empty where
        there is one text.
        """
        found = dict[str, float]()
        for row in rows if self.texts else ():
            label = self.labels[self.texts[row]]
            found[f"pairs {label}"] = found.get(f"pairs {label}", 0) + 1
            found[f"tokens {label}"] = found.get(f"tokens {label}", 0) + len(self.target[row]) + 1
        return found

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return these rows as padded tensors."""
        return make_batch([self.source[row] for row in rows], [self.target[row] for row in rows])

    def guide(self, rows: Sequence[int]) -> Guide | None:
        """Return where the attention of these rows is to look; None if no text of the run has links."""
        return None if self.links is None else make_guide([self.links[row] for row in rows])


def plan(
    source: Sequence[Sequence[int]], target: Sequence[Sequence[int]], config: Config, seed: int, number: int
) -> list[list[int]]:
    """Return the rows of each step; it follows from the lengths, the seed and the epoch's number alone."""
    lengths = [torch.tensor([len(row) for row in side]) for side in (source, target)]
    return plan_batches(lengths[0], lengths[1], config.training.batch_tokens, seed, number)
