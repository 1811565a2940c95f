"""Beam search in numpy, for machines without torch; a test compares it with seq2seq.search.beam.

Their rules are the same to the letter, and so are the single-precision divisions behind scores and bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.search.penalty import AVERAGE, LengthPenalty
from seq2seq.translation.translation import Outcome

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
ArrayState = dict[str, NDArray[Any]]  # by name; [sentences, beam, ...], or [sentences, ...] for PER_SENTENCE

PER_SENTENCE = ("keys", "values", "mask", "pieces")  # parts of a state without a beam axis; pieces: to be copied
_BLOCK = 64  # numbers whose maximum is taken at once


class ArrayStep(NamedTuple):
    """A model's answer about the next token, as seq2seq.search.stepping.Step."""

    log_probs: Floats
    weights: Floats
    state: ArrayState
    copied: Floats | None = None


ArrayStepFunction = Callable[[Ints, ArrayState], ArrayStep]


def numpy_topk(numbers: Floats, count: int) -> tuple[Floats, Ints]:
    """Return the `count` highest of each row, falling, and their indices; of equal ones the lower index comes first.

    At least `count` numbers of a row reach the count-th highest maximum of its blocks, and few more do: only these are
    sorted. NaN in a row gives NaN in its first column.
    """
    rows, width = numbers.shape
    padding = np.full((rows, -width % _BLOCK), -np.inf, dtype=numbers.dtype)
    maxima = np.concatenate([numbers, padding], axis=1) if padding.size else numbers
    maxima = maxima.reshape(rows, -1, _BLOCK).max(axis=2)
    bound = np.partition(maxima, -count, axis=1)[:, -count] if count <= maxima.shape[1] else np.full(rows, -np.inf)
    found, columns = np.nonzero(~(numbers < bound[:, None]))  # keeps NaN, which sorts first below
    values = numbers[found, columns]
    order = np.lexsort((columns, np.where(np.isnan(values), -np.inf, -values), found))
    starts = np.searchsorted(found, np.arange(rows))
    chosen = order[starts[:, None] + np.arange(count)]
    return values[chosen], columns[chosen]


@dataclass(frozen=True, slots=True)
class _Record:
    """One step, as seq2seq.search.history.StepRecord; rows: for each sentence of the search its row in this record."""

    rows: Ints
    tokens: Ints
    parents: Ints
    weights: Floats
    log_probs: Floats
    copied: Floats | None


@dataclass(slots=True)
class _Search:
    """A search: its limits, its records and the endings so far."""

    eos: int
    beam_size: int
    nbest: int
    max_lengths: Ints
    min_lengths: Ints
    penalty: LengthPenalty
    forbidden: list[int]
    early_exit: bool
    records: list[_Record] = field(default_factory=list)
    # Per sentence (unfinished, -score, step, slot, log_prob), in the order that ranks them.
    endings: list[list[tuple[bool, float, int, int, float]]] = field(default_factory=list)

    def run(self, step: ArrayStepFunction, state: ArrayState, bos: int) -> list[list[Outcome]]:
        """Search from the first step until every sentence is done; return the n best of each."""
        total = len(self.max_lengths)
        self.endings = [[] for _ in range(total)]
        sentences, log_probs = np.arange(total), np.zeros((total, 1), dtype=np.float32)
        best = np.full((total, self.nbest), -np.inf, dtype=np.float32)
        free, tokens = np.full(total, self.beam_size), np.full((total, 1), bos, dtype=np.int64)
        largest = np.array([self.penalty(int(length)) for length in self.max_lengths], dtype=np.float32)
        while len(sentences):
            answer, slots = step(tokens, state), tokens.shape[1]
            tokens, parents, grown, live = self._grow(log_probs[:, :, None] + answer.log_probs, sentences, free)
            scores = self._note(sentences, tokens, parents, grown, live, answer)
            best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, : self.nbest]
            log_probs = np.where(live, grown, np.float32(-np.inf))
            free = free - (np.isfinite(grown) & ~live).sum(1)
            done = ~live.any(1) | (self.max_lengths[sentences] == len(self.records))
            if self.early_exit:
                done |= best[:, -1] >= log_probs.max(1) / largest[sentences]
            keep = np.flatnonzero(~done)
            if not len(keep):
                break
            width = int(live[keep].sum(1).max())
            sentences, best, free = sentences[keep], best[keep], free[keep]
            log_probs, tokens = log_probs[keep, :width], tokens[keep, :width]
            state = _next_state(answer.state, keep, parents[keep, :width], slots, len(done))
        return [self._hypotheses(number) for number in range(total)]

    def _grow(self, candidates: Floats, sentences: Ints, free: Ints) -> tuple[Ints, Ints, Floats, NDArray[np.bool_]]:
        """Return tokens, parents and log_probs of the best continuations, live ones first, and which are live."""
        candidates[:, :, self.forbidden] = -np.inf
        early = np.flatnonzero(len(self.records) < self.min_lengths[sentences])
        candidates[early, :, self.eos] = -np.inf
        flat, vocabulary = candidates.reshape(len(candidates), -1), candidates.shape[2]
        log_probs, indices = numpy_topk(flat, min(self.beam_size, flat.shape[1]))
        if np.isnan(log_probs).any():
            step = len(self.records) + 1
            raise Seq2SeqError(
                f"the model answered NaN at step {step}: its graphs are damaged, or its training diverged"
            )
        log_probs[np.arange(log_probs.shape[1]) >= free[:, None]] = -np.inf
        live = np.isfinite(log_probs) & (indices % vocabulary != self.eos)
        order = np.argsort(~live, axis=1, kind="stable")
        indices, log_probs, live = (np.take_along_axis(each, order, axis=1) for each in (indices, log_probs, live))
        return indices % vocabulary, indices // vocabulary, log_probs, live

    def _note(
        self,
        sentences: Ints,
        tokens: Ints,
        parents: Ints,
        log_probs: Floats,
        live: NDArray[np.bool_],
        answer: ArrayStep,
    ) -> Floats:
        """Record this step and what ended in it; return the scores of what finished, -inf elsewhere."""
        rows = np.zeros(len(self.max_lengths), dtype=np.int64)
        rows[sentences] = np.arange(len(sentences))
        self.records.append(_Record(rows, tokens, parents, answer.weights, log_probs, answer.copied))
        length = len(self.records)
        scores = log_probs / np.float32(self.penalty(length))
        there = np.isfinite(log_probs)
        last = self.max_lengths[sentences] == length
        for row, slot in zip(*np.nonzero(there & (~live | last[:, None])), strict=True):
            ending = (
                bool(live[row, slot]),
                -float(scores[row, slot]),
                length - 1,
                int(slot),
                float(log_probs[row, slot]),
            )
            self.endings[sentences[row]].append(ending)
        return np.where(there & ~live, scores, np.float32(-np.inf))

    def _hypotheses(self, sentence: int) -> list[Outcome]:
        """Return the best endings of a sentence, each traced back."""
        if not self.endings[sentence]:
            raise Seq2SeqError(
                f"sentence {sentence + 1} of the batch has no hypothesis: at some step every token allowed there has "
                "the probability 0; lower the minimum length"
            )
        found = []
        for unfinished, negative_score, last, slot, log_prob in sorted(self.endings[sentence])[: self.nbest]:
            tokens, weights, copied, sums = list[int](), list[Floats](), list[Floats](), list[float]()
            for record in reversed(self.records[: last + 1]):
                row = record.rows[sentence]
                tokens.append(int(record.tokens[row, slot]))
                if record.copied is not None:
                    sums.append(float(record.log_probs[row, slot]))
                    copied.append(record.copied[row, record.parents[row, slot]])
                slot = int(record.parents[row, slot])
                weights.append(record.weights[row, slot])
            produced = tokens[::-1] if unfinished else tokens[:0:-1]
            outcome = Outcome(produced, log_prob, -negative_score, np.stack(weights[::-1]), not unfinished)
            if copied:
                log_probs = np.diff(sums[::-1], prepend=0.0).tolist()
                outcome = replace(outcome, copied=np.stack(copied[::-1]), log_probs=log_probs)
            found.append(outcome)
        return found


def _next_state(state: ArrayState, keep: Ints, parents: Ints, slots: int, sentences: int) -> ArrayState:
    """Return the state of the sentences that continue, its slots reordered."""
    if len(keep) < sentences:
        state = {name: part[keep] for name, part in state.items()}
    if slots == parents.shape[1] == 1:
        return state
    rows = np.arange(len(keep))[:, None]
    return {name: part if name in PER_SENTENCE else part[rows, parents] for name, part in state.items()}


def numpy_beam_search(
    step: ArrayStepFunction,
    state: ArrayState,
    *,
    beam_size: int,
    bos: int,
    eos: int,
    max_lengths: Sequence[int],
    min_lengths: Sequence[int],
    length_penalty: LengthPenalty = AVERAGE,
    nbest: int = 1,
    forbidden: Sequence[int] = (),
    early_exit: bool = True,
) -> list[list[Outcome]]:
    """Return the best hypotheses of each sentence, as seq2seq.search.beam does, for a step function on arrays.

    The arguments are the same. Raises InputError for sizes out of range, Seq2SeqError if the model answers NaN or
    leaves no hypothesis.
    """
    if not 1 <= nbest <= beam_size:
        raise InputError(f"n-best must lie between 1 and the beam size {beam_size}, given {nbest}; raise the beam size")
    search = _Search(
        eos=eos,
        beam_size=beam_size,
        nbest=nbest,
        max_lengths=np.array(max_lengths, dtype=np.int64),
        min_lengths=np.array(min_lengths, dtype=np.int64),
        penalty=length_penalty,
        forbidden=sorted(set(forbidden)),
        early_exit=early_exit,
    )
    return search.run(step, state, bos)
