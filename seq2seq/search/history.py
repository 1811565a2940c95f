"""The history of a search: one record per step, from which finished hypotheses are traced back.

Nothing is copied while the search runs; a record holds back-pointers, and only the hypotheses that are returned are
traced.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.errors import Seq2SeqError
from seq2seq.search.limits import Limits
from seq2seq.search.stepping import Hypothesis


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a search: the token in each slot, and the slot before the step to which it was appended.

    sentences: those still searched. log_probs: of the whole hypothesis, -inf in an empty slot. weights: attention
    weights by the slot before the step, so a token's row is that of its parent; copied: the same of `Step.copied`.
    sums: what the search ranked the hypotheses by, where rules make it another number than log_probs, which then may be
    finite in an empty slot.
    """

    sentences: Int[Tensor, " sentences"]
    tokens: Int[Tensor, "sentences slots"]
    parents: Int[Tensor, "sentences slots"]
    log_probs: Float[Tensor, "sentences slots"]
    weights: Float[Tensor, "sentences beam source"]
    copied: Float[Tensor, "sentences beam source"] | None = None
    sums: Float[Tensor, "sentences slots"] | None = None


class Ending(NamedTuple):
    """The end of a hypothesis; sorting puts finished first, then the higher score, the earlier step, the lower slot."""

    unfinished: bool
    negative_score: float
    step: int
    slot: int
    sentence: int
    log_prob: float


@dataclass(slots=True)
class History:
    """The records of a search from its first step on."""

    limits: Limits
    records: list[StepRecord] = field(default_factory=list)

    def endings(self, minimum: int = 1) -> list[list[Ending]]:
        """Return every ending of each sentence: those with the end token, and those at the maximum length.

        Raises Seq2SeqError for a sentence with fewer than `minimum`.
        """
        columns = [torch.cat(parts).tolist() for parts in zip(*map(self._endings_at, range(self.steps)), strict=True)]
        found: list[list[Ending]] = [[] for _ in range(self.limits.sentences)]
        for sentence, step, slot, token, log_prob, score in zip(*columns, strict=True):
            found[sentence].append(Ending(token != self.limits.eos, -score, step, slot, sentence, log_prob))
        for number, endings in enumerate(found, start=1):
            if len(endings) < minimum:
                raise Seq2SeqError(
                    f"sentence {number} of the batch has no hypothesis: at some step every token allowed there has the "
                    "probability 0; forbid fewer tokens or lower the minimum length"
                )
        return found

    @property
    def steps(self) -> int:
        """The number of steps so far."""
        return len(self.records)

    def _endings_at(self, step: int) -> tuple[Tensor, ...]:
        record = self.records[step]
        last = self.limits.max_lengths[record.sentences] == step + 1
        sums = record.log_probs if record.sums is None else record.sums
        ended = sums.isfinite() & ((record.tokens == self.limits.eos) | last[:, None])
        rows, slots = ended.nonzero(as_tuple=True)
        log_probs = record.log_probs[rows, slots]
        scores = self.limits.scores(log_probs if record.sums is None else sums[rows, slots], step + 1)
        steps = torch.full_like(slots, step)
        return record.sentences[rows], steps, slots, record.tokens[rows, slots], log_probs, scores

    def hypotheses(self, endings: Sequence[Sequence[Ending]]) -> list[list[Hypothesis]]:
        """Return the hypotheses with these endings, in the same nesting and order."""
        traced = iter(self._trace([ending for group in endings for ending in group]))
        return [[next(traced) for _ in group] for group in endings]

    def _trace(self, endings: Sequence[Ending]) -> list[Hypothesis]:
        """Walk back from all endings at once, each joining the walk at its last step."""
        if not endings:
            return []
        device, steps = self.limits.max_lengths.device, 1 + max(ending.step for ending in endings)
        tokens = torch.zeros(len(endings), steps, dtype=torch.long, device=device)
        weights = self.records[0].weights.new_zeros(len(endings), steps, self.records[0].weights.shape[2])
        copied = sums = None
        if self.records[0].copied is not None:
            copied, sums = torch.zeros_like(weights), weights.new_zeros(len(endings), steps + 1)  # sums up to each step
        sentences = torch.tensor([ending.sentence for ending in endings], device=device)
        slots = torch.tensor([ending.slot for ending in endings], device=device)
        for step in reversed(range(steps)):
            record = self.records[step]
            on = torch.tensor([i for i, ending in enumerate(endings) if ending.step >= step], device=device)
            rows = _positions(record.sentences, self.limits.sentences)[sentences[on]]
            parents = record.parents[rows, slots[on]]
            tokens[on, step] = record.tokens[rows, slots[on]]
            weights[on, step] = record.weights[rows, parents]
            if copied is not None and sums is not None and record.copied is not None:
                copied[on, step] = record.copied[rows, parents].to(copied.dtype)
                sums[on, step + 1] = record.log_probs[rows, slots[on]].to(sums.dtype)
            slots[on] = parents
        found = [_hypothesis(*row) for row in zip(endings, tokens.tolist(), weights.cpu(), strict=True)]
        if copied is None or sums is None:
            return found
        steps_of = [ending.step + 1 for ending in endings]
        extra = zip(found, copied.cpu(), sums.diff(dim=1).tolist(), steps_of, strict=True)
        return [replace(one, copied=part[:n].clone(), log_probs=log_probs[:n]) for one, part, log_probs, n in extra]


def nan_error(step: int) -> Seq2SeqError:
    """Return the error for a model that answers NaN."""
    return Seq2SeqError(f"the model answered NaN at step {step}: its parameters are damaged, or its training diverged")


def _positions(sentences: Int[Tensor, " sentences"], total: int) -> Int[Tensor, " {total}"]:
    """Return for each sentence number below `total` its row in `sentences`, 0 for one that is absent."""
    positions = sentences.new_zeros(total)
    positions[sentences] = torch.arange(len(sentences), device=sentences.device)
    return positions


def _hypothesis(ending: Ending, tokens: list[int], weights: Float[Tensor, "steps source"]) -> Hypothesis:
    length = ending.step + 1
    return Hypothesis(
        tokens=tokens[: length if ending.unfinished else length - 1],
        log_prob=ending.log_prob,
        score=-ending.negative_score,
        weights=weights[:length].clone(),  # a view would keep the weights of the whole batch alive
        finished=not ending.unfinished,
    )
