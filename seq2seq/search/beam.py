"""Beam search, and greedy search as its narrowest case, over any step function."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.search.history import History, Record
from seq2seq.search.limits import Limits
from seq2seq.search.penalty import LengthPenalty
from seq2seq.search.stepping import Hypothesis, S, StepFunction

AVERAGE = LengthPenalty()


@dataclass(frozen=True, slots=True)
class _Frontier:
    """The sentences still searched. log_probs: of the live hypotheses, -inf in an empty slot. best: scores of the n best
    finished ones, falling, -inf where there are fewer. room: slots not yet taken by a finished hypothesis."""

    sentences: Int[Tensor, " sentences"]
    log_probs: Float[Tensor, "sentences beam"]
    best: Float[Tensor, "sentences nbest"]
    room: Int[Tensor, " sentences"]


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
    early_exit: bool = True,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence: distinct, finished before unfinished, then by falling score.

    `state` has one slot per sentence. At each step the best continuations of all live hypotheses are kept, by log_prob, as
    many as there is room; one that ends takes its place in the beam along, so live and finished together never pass
    beam_size. A sentence leaves the batch when nothing is live, at its maximum length, or when no live hypothesis can still
    reach the n best (`early_exit`; it saves work and changes nothing). Equal log_probs: the lower slot, then token, wins.

    max_lengths: per sentence, most tokens produced, the end counted; what is then still live is returned unfinished.
    min_lengths: per sentence, fewest tokens before the end. forbidden: tokens never produced (pad, bos and unk, as a rule).
    Fewer than nbest come back where fewer exist. All tensors are made on `device`, where the step function must answer.
    Raises InputError for sizes and lengths out of range, Seq2SeqError when the model answers NaN or leaves no hypothesis.
    """
    _check_sizes(sentences, beam_size, nbest, max_lengths)
    limits = Limits(
        eos=eos,
        max_lengths=max_lengths,
        min_lengths=min_lengths,
        forbidden=forbidden,
        penalty=length_penalty,
        device=device,
    )
    history = History(limits)
    frontier = _Frontier(
        sentences=torch.arange(sentences, device=device),
        log_probs=torch.zeros(sentences, 1, device=device),
        best=torch.full((sentences, nbest), -torch.inf, device=device),
        room=torch.full((sentences,), beam_size, device=device),
    )
    tokens = torch.full((sentences, 1), bos, device=device)
    while len(frontier.sentences):
        answer = step(tokens, state)
        for exact in (False, True):
            record, frontier_after = _advance(history, frontier, answer.log_probs, answer.weights, beam_size, exact)
            done = _done(history, record, frontier_after, early_exit)
            report = _report(record, done)
    ...
    return []
