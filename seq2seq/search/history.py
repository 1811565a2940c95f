"""What a search has done, step by step, and the way back from an ending to its hypothesis.

Nothing is copied while the search runs: each step leaves one record with back-pointers, and only the hypotheses that are
returned are traced.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.search.limits import Limits
from seq2seq.search.stepping import Hypothesis


@dataclass(frozen=True, slots=True)
class Record:
    """One step: the token in each slot, and the slot before the step that it was appended to.

    sentences: which sentences were still searched. log_probs: of the whole hypothesis, -inf where the slot is empty.
    weights: of this step, by the slot before it (so a token's row is that of its parent).
    """

    sentences: Int[Tensor, " sentences"]
    tokens: Int[Tensor, "sentences slots"]
    parents: Int[Tensor, "sentences slots"]
    log_probs: Float[Tensor, "sentences slots"]
    weights: Float[Tensor, "sentences beam source"]


class Ending(NamedTuple):
    """Where a hypothesis ends. It sorts before another if it is finished, scores higher, ended earlier, had a lower slot."""

    unfinished: bool
    negative_score: float
    step: int
    slot: int
    sentence: int
    log_prob: float


@dataclass(slots=True)
class History:
    """The records of a search from its first step."""

    limits: Limits
    records: list[Record] = field(default_factory=list)

    def ended(self, step: int) -> Bool[Tensor, "sentences slots"]:
        """Slots of this step whose hypothesis ended there, with the end token or at the maximum length."""
        record = self.records[step]
        last = self.limits.max_lengths[record.sentences] == step + 1
        return record.log_probs.isfinite() & ((record.tokens == self.limits.eos) | last[:, None])

    def endings(self) -> list[list[Ending]]:
        """All endings of each sentence, by step and slot."""
        found: list[list[Ending]] = [[] for _ in range(self.limits.sentences)]
        for step, record in enumerate(self.records):
            rows, slots = self.ended(step).nonzero(as_tuple=True)
            log_probs = record.log_probs[rows, slots]
            scores = self.limits.scores(log_probs, step + 1)
            tokens = record.tokens[rows, slots]
            sentences = record.sentences[rows]
            table = zip(*(column.tolist() for column in (sentences, slots, tokens, log_probs, scores)), strict=True)
            for sentence, slot, token, log_prob, score in table:
                found[sentence].append(Ending(token != self.limits.eos, -score, step, slot, sentence, log_prob))
        return found

    def trace(self, endings: Sequence[Ending]) -> list[Hypothesis]:
        """The hypotheses with these endings, in the same order."""
        if not endings:
            return []
        first = self.records[0]
        device, steps = first.tokens.device, 1 + max(ending.step for ending in endings)
        tokens = torch.zeros(len(endings), steps, dtype=torch.long, device=device)
        weights = first.weights.new_zeros(len(endings), steps, first.weights.shape[2])
        sentences = torch.tensor([ending.sentence for ending in endings], device=device)
        slots = torch.tensor([ending.slot for ending in endings], device=device)
        for step in reversed(range(steps)):
            record = self.records[step]
            on = torch.tensor([i for i, ending in enumerate(endings) if ending.step >= step], device=device)
            rows = _positions(record.sentences, self.limits.sentences)[sentences[on]]
            parents = record.parents[rows, slots[on]]
            tokens[on, step] = record.tokens[rows, slots[on]]
            weights[on, step] = record.weights[rows, parents]
            slots[on] = parents
        return [_hypothesis(*row) for row in zip(endings, tokens.tolist(), weights.cpu(), strict=True)]


def _positions(sentences: Int[Tensor, " sentences"], total: int) -> Int[Tensor, " total"]:
    """For each sentence number below `total`, its row among `sentences` (0 where it is not there)."""
    positions = sentences.new_zeros(total)
    positions[sentences] = torch.arange(len(sentences), device=sentences.device)
    return positions


def _hypothesis(ending: Ending, tokens: list[int], weights: Float[Tensor, "steps source"]) -> Hypothesis:
    length = ending.step + 1
    return Hypothesis(
        tokens=tokens[: length if ending.unfinished else length - 1],
        log_prob=ending.log_prob,
        score=-ending.negative_score,
        weights=weights[:length].clone(),  # a view would keep the whole batch's weights alive
        finished=not ending.unfinished,
    )
