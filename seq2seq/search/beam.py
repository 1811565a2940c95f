"""Beam search, and greedy search as a beam of one, over any step function."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.search.constraints import Constraints
from seq2seq.search.groups import diverse_topk, merge_groups
from seq2seq.search.history import History, StepRecord, nan_error
from seq2seq.search.limits import Limits
from seq2seq.search.penalty import AVERAGE, LengthPenalty
from seq2seq.search.ranking import TopK, stable_topk, topk_of_sums
from seq2seq.search.recorder import Candidates, Recorder
from seq2seq.search.rules import Rules, any_constraint, repeat
from seq2seq.search.stepping import EMPTY, Hypothesis, S, Step, StepFunction
from seq2seq.search.written import Written


@torch.no_grad()
def beam_search(
    step: StepFunction[S],
    state: S,
    *,
    sentences: int,
    beam_size: int,
    bos: int,
    eos: int,
    max_lengths: Sequence[int],
    min_lengths: Sequence[int] | None = None,
    length_penalty: LengthPenalty = AVERAGE,
    nbest: int = 1,
    forbidden: Sequence[int] = (),
    rules: Rules | None = None,
    early_exit: bool = True,
    device: torch.device | str = "cpu",
    recorder: Recorder | None = None,
) -> list[list[Hypothesis]]:
    """Return the best hypotheses of each sentence: distinct, finished before unfinished, then by falling score.

    `state` has one slot per sentence. Each step keeps the most probable continuations of all live hypotheses, as many
    as there are free slots; one that ends keeps its slot, so live and finished hypotheses together never exceed
    beam_size. A sentence leaves the batch when nothing is live, at its maximum length, or when no live hypothesis can
    still reach the n best (`early_exit`: it saves work and does not change the result). Among equal log_probs, the
    lower slot goes first, then the lower token.

    max_lengths: per sentence, the most tokens produced, end included; what is still live then is returned unfinished.
    min_lengths: per sentence, the fewest tokens before the end. forbidden: tokens never produced (as a rule pad, bos,
    unk). rules: what else the search respects; scores are then by what the rules make of log_probs. recorder: notes the
    steps of a search of one sentence. Fewer than nbest hypotheses are returned where fewer exist. All tensors are on
    `device`, where the step function must answer too.
    Raises InputError for sizes and lengths out of range, Seq2SeqError if the model answers NaN or leaves no hypothesis.
    """
    _check_sizes(sentences, beam_size, nbest, max_lengths)
    if sentences == 0:
        return []
    rules, wanted = rules or Rules(), nbest
    rules.check_beam(beam_size)
    if recorder is not None and sentences > 1:
        raise ValueError(f"a recorder notes the search of one sentence, given {sentences}")
    if rules.groups > 1:
        state = state.keep(torch.arange(sentences, device=device).repeat_interleave(rules.groups))
        beam_size, nbest = beam_size // rules.groups, min(nbest, beam_size // rules.groups)
        max_lengths = repeat(max_lengths, rules.groups)
        min_lengths = None if min_lengths is None else repeat(min_lengths, rules.groups)
        rules = replace(
            rules, prefixes=repeat(rules.prefixes, rules.groups), word_ends=repeat(rules.word_ends, rules.groups)
        )
    limits = Limits(
        eos=eos,
        max_lengths=max_lengths,
        min_lengths=min_lengths,
        forbidden=forbidden,
        penalty=length_penalty,
        device=device,
    )
    beam = _Beam(limits, beam_size, nbest, early_exit, device, rules, recorder)
    tokens = torch.full((limits.sentences, 1), bos, device=device)
    while len(tokens) > 0:
        tokens, state = beam.advance(step(tokens, state))
    if rules.groups > 1:
        return merge_groups(beam.history, rules.groups, wanted)
    endings = [sorted(each) for each in beam.history.endings()]
    if any_constraint(rules.constraints):
        return [
            sorted(found, key=partial(_unmet, constraints))[:nbest]
            for found, constraints in zip(beam.history.hypotheses(endings), rules.constraints, strict=True)
        ]
    return beam.history.hypotheses([each[:nbest] for each in endings])


def _unmet(constraints: Constraints, hypothesis: Hypothesis) -> int:
    """Return how many tokens of constraints a hypothesis lacks, which is none if it is finished."""
    return constraints.total - constraints.count(constraints.read(hypothesis.tokens))


def _check_sizes(sentences: int, beam_size: int, nbest: int, max_lengths: Sequence[int]) -> None:
    if beam_size < 1:
        raise InputError(f"the beam size must be 1 or more (1 is greedy search), given {beam_size}")
    if not 1 <= nbest <= beam_size:
        raise InputError(f"n-best must lie between 1 and the beam size {beam_size}, given {nbest}; raise the beam size")
    if len(max_lengths) != sentences:
        raise ValueError(f"one maximum length per sentence: {sentences} sentences but {len(max_lengths)} lengths")


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The continuations of the live hypotheses: all columns of `log_probs`, -inf where one is not allowed.

    before: log_prob of each hypothesis, -inf in an empty slot. rows: the row of each slot in log_probs, any row for an
    empty slot. tokens: the tokens of each sentence's columns; None: column t is token t. model: log_probs as the model
    answered them, where rules may have changed them.
    """

    before: Float[Tensor, "sentences beam"]
    log_probs: Float[Tensor, "rows columns"]
    rows: Int[Tensor, "sentences beam"]
    tokens: Int[Tensor, "sentences columns"] | None
    model: Float[Tensor, "rows columns"]

    def best(self, count: int) -> TopK:
        """Return the `count` most probable of each sentence; slot and column are combined to one index."""
        return topk_of_sums(self.before, self.log_probs, self.rows, count)

    def best_in_order(self, count: int, sentences: Int[Tensor, " some"]) -> TopK:
        """Return the same for some of the sentences, with equal ones ordered by slot, then token."""
        sums = self.before[sentences][:, :, None] + self.log_probs[self.rows[sentences]]
        return stable_topk(sums.flatten(1), count)

    def parts(self, indices: Int[Tensor, "sentences count"]) -> tuple[Tensor, Tensor]:
        """Return token and slot of each index."""
        width = self.log_probs.shape[1]
        columns = indices % width
        return columns if self.tokens is None else self.tokens.gather(1, columns), indices // width

    def model_sums(
        self, before: Float[Tensor, "sentences beam"], indices: Int[Tensor, "sentences count"]
    ) -> Float[Tensor, "sentences count"]:
        """Return the log_prob of each index by the model alone; before: that of each hypothesis."""
        width = self.log_probs.shape[1]
        slots = indices // width
        return before.gather(1, slots) + self.model[self.rows.gather(1, slots), indices % width]


class _Growth(NamedTuple):
    """The continuations chosen at one step, live ones first; tied: whether equal ones made the choice arbitrary.

    model: log_probs by the model alone, where rules make them other numbers; any number in an empty slot.
    """

    tokens: Int[Tensor, "sentences slots"]
    parents: Int[Tensor, "sentences slots"]
    log_probs: Float[Tensor, "sentences slots"]  # -inf in an empty slot
    live: Bool[Tensor, "sentences slots"]
    tied: Bool[Tensor, " sentences"]
    model: Float[Tensor, "sentences slots"] | None


@dataclass(frozen=True, slots=True)
class _Frontier:
    """The sentences still searched; free_slots: of each, the slots not taken by finished hypotheses."""

    sentences: Int[Tensor, " sentences"]
    log_probs: Float[Tensor, "sentences beam"]  # of the live hypotheses, -inf in an empty slot
    best: Float[
        Tensor, "sentences nbest"
    ]  # scores of the n best finished hypotheses, falling, -inf where there is none
    free_slots: Int[Tensor, " sentences"]

    def keep(self, rows: Int[Tensor, " kept"], width: int) -> "_Frontier":
        """Return the frontier of these rows alone, with `width` slots each."""
        return _Frontier(self.sentences[rows], self.log_probs[rows, :width], self.best[rows], self.free_slots[rows])


class _Beam:
    """The state of a beam search between two steps."""

    def __init__(
        self,
        limits: Limits,
        beam_size: int,
        nbest: int,
        early_exit: bool,
        device: torch.device | str,
        rules: Rules,
        recorder: Recorder | None,
    ) -> None:
        self._recorder = recorder
        self.history = History(limits)
        self._limits = limits
        self._early_exit = early_exit
        self._rules = rules
        self._beam_size = beam_size
        self._frontier = _Frontier(
            sentences=torch.arange(limits.sentences, device=device),
            log_probs=torch.zeros(limits.sentences, 1, device=device),
            best=torch.full((limits.sentences, nbest), -torch.inf, device=device),
            free_slots=torch.full((limits.sentences,), beam_size, device=device),
        )
        self._written = Written(rules, limits.eos, limits.sentences, 1, device) if rules.any() else None
        if self._written is not None:
            self._model = self._frontier.log_probs  # of the live hypotheses by the model alone

    def advance(self, answer: Step[S]) -> tuple[Int[Tensor, "kept beam"], S]:
        """Extend the beam by the model's answer; return tokens and state of the sentences that continue."""
        own = None if self._recorder is None else answer.log_probs.flatten(0, -2).clone()  # the search writes into it
        frontier, candidates = self._frontier, self._candidates(answer)
        width = min(self._beam_size, frontier.log_probs.shape[1] * candidates.log_probs.shape[1])
        ranked = candidates.best(width) if self._rules.groups == 1 else self._best_of_groups(candidates, width)
        growth = self._grow(candidates, self._allocate(candidates, ranked))
        grown, report = self._assess(growth)
        if tied := [row for row, ties in enumerate(report[-2]) if ties]:
            rows = torch.tensor(tied, device=ranked.values.device)
            values, indices, _ = candidates.best_in_order(width, rows)
            ranked = TopK(
                ranked.values.index_copy(0, rows, values),
                ranked.indices.index_copy(0, rows, indices),
                torch.zeros_like(ranked.tied),
            )
            growth = self._grow(candidates, self._allocate(candidates, ranked))
            grown, report = self._assess(growth)
        done, live, _, broken = report
        if any(broken):
            raise nan_error(self.history.steps + 1)
        self.history.records.append(
            StepRecord(
                frontier.sentences,
                growth.tokens,
                growth.parents,
                growth.log_probs if growth.model is None else growth.model,
                answer.weights,
                answer.copied,
                None if growth.model is None else growth.log_probs,
            )
        )
        if self._recorder is not None and own is not None:
            before = frontier.log_probs if self._written is None else self._model
            of = candidates.before, candidates.log_probs, candidates.rows, candidates.tokens
            self._recorder.add(self.history, self._beam_size, Candidates(*of, own, before))
        going = [row for row, ends in enumerate(done) if not ends]
        if not going:
            return growth.tokens[:0], answer.state
        width = max(live[row] for row in going)
        rows = torch.tensor(going, dtype=torch.long, device=growth.tokens.device)
        self._frontier = grown.keep(rows, width)
        state = answer.state if len(going) == len(done) else answer.state.keep(rows)
        if not frontier.log_probs.shape[1] == width == 1:  # one slot before and after: nothing to reorder
            state = state.select(growth.parents[rows, :width])
        if self._written is not None and growth.model is not None:
            self._written.follow(rows, growth.parents[rows, :width], growth.tokens[rows, :width])
            self._model = growth.model[rows, :width]
        tokens, lives = growth.tokens[rows, :width], growth.live[rows, :width]
        return tokens.masked_fill(~lives, EMPTY), state

    def _candidates(self, answer: Step[S]) -> _Candidates:
        """Return the continuations that the model answered, without those that are not allowed."""
        frontier = self._frontier
        sentences, beam = frontier.log_probs.shape
        numbers = torch.arange(sentences * beam, device=frontier.log_probs.device)
        slots, rows = numbers, numbers
        if answer.slots is not None:
            slots = answer.slots
            rows = torch.zeros_like(numbers).index_copy_(0, slots, numbers[: len(slots)])
        log_probs = answer.log_probs.flatten(0, -2)
        model = log_probs if self._written is None else log_probs.clone()
        self._limits.forbid(log_probs, slots // beam, frontier.sentences, self.history.steps, answer.tokens)
        if self._written is not None:
            self._written.apply(log_probs, model, slots, answer.tokens)
        return _Candidates(frontier.log_probs, log_probs, rows.view(sentences, beam), answer.tokens, model)

    def _best_of_groups(self, candidates: _Candidates, count: int) -> TopK:
        """Return the best continuations of each group of a diverse search."""
        return diverse_topk(
            candidates.before,
            candidates.log_probs,
            candidates.rows,
            members=self._frontier.sentences,
            free_slots=self._frontier.free_slots,
            groups=self._rules.groups,
            strength=self._rules.diversity,
            count=count,
        )

    def _allocate(self, candidates: _Candidates, ranked: TopK) -> TopK:
        """Return the best continuations, with those of sentences with constraints chosen by banks."""
        if self._written is None or self._written.allocation is None:
            return ranked
        of = candidates.before, candidates.log_probs, candidates.rows, candidates.tokens
        return self._written.allocation.choose(ranked, *of, self._frontier.free_slots)

    def _grow(self, candidates: _Candidates, ranked: TopK) -> _Growth:
        """Return the best continuations of each sentence, as many as it has free slots."""
        beyond = torch.arange(ranked.values.shape[1], device=ranked.values.device) >= self._frontier.free_slots[:, None]
        log_probs = ranked.values.masked_fill(beyond, -torch.inf)
        tokens, parents = candidates.parts(ranked.indices)
        live = log_probs.isfinite() & (tokens != self._limits.eos)
        order = (~live).to(torch.uint8).argsort(dim=1, stable=True)
        return _Growth(
            tokens=tokens.gather(1, order),
            parents=parents.gather(1, order),
            log_probs=log_probs.gather(1, order),
            live=live.gather(1, order),
            tied=ranked.tied,
            model=None
            if self._written is None
            else candidates.model_sums(self._model, ranked.indices).gather(1, order),
        )

    def _assess(self, growth: _Growth) -> tuple[_Frontier, list[list[int]]]:
        """Return the frontier after this step, before any sentence leaves it, and a report [4][sentences].

        The report says whether a sentence is done, how many of its hypotheses are live, and whether its log_probs tied
        or were NaN. It is the only transfer from the device in a step.
        """
        frontier, length = self._frontier, self.history.steps + 1
        finished = growth.log_probs.isfinite() & ~growth.live
        scores = self._limits.scores(growth.log_probs, length).masked_fill(~finished, -torch.inf)
        best = torch.cat([frontier.best, scores], dim=1).topk(frontier.best.shape[1]).values
        log_probs = growth.log_probs.masked_fill(~growth.live, -torch.inf)
        live, free_slots = growth.live.sum(1), frontier.free_slots - finished.sum(1)
        done = (live == 0) | (self._limits.max_lengths[frontier.sentences] == length)
        if self._early_exit:
            # At equality too: of two equal scores the one that ended earlier ranks first.
            done = done | (best[:, -1] >= self._limits.bounds(log_probs.amax(1), frontier.sentences))
        broken = growth.log_probs.isnan().any(1)
        report = torch.stack([done.long(), live, growth.tied, broken])
        return _Frontier(frontier.sentences, log_probs, best, free_slots), report.tolist()
