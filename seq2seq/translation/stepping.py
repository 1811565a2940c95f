"""The input of a search: networks as step functions, and the states that the search begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seq2seq.batching import source_batch
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.copying import copied_weights
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.narrow_output import NarrowState
from seq2seq.search.ensemble import Ensemble, EnsembleState
from seq2seq.search.shortlist import Shortlist, candidate_tokens
from seq2seq.search.stepping import Hypothesis, Step, StepFunction
from seq2seq.text.special_tokens import EOS
from seq2seq.translation.translation import Outcome


def first_step(
    networks: Sequence[Seq2Seq],
    sources: Sequence[Sequence[int]],
    shortlists: Sequence[Shortlist],
    device: torch.device,
    also: Sequence[Sequence[int]] = (),
) -> tuple[StepFunction[Any], EnsembleState[Any]]:
    """Encode the sources, ids without specials; return the step function of the networks as an ensemble, and its state.

    With shortlists, the search chooses among the tokens that they allow for each sentence's source, those in `also`,
    and the source's own where a network copies.
    """
    ids, lengths = source_batch(sources)
    ids, lengths = ids.to(device), lengths.to(device)
    states = [network.start(ids, lengths) for network in networks]
    if not shortlists:
        return Ensemble([_step_function(network) for network in networks]), EnsembleState(tuple(states))
    copies = any(network.architecture.copy for network in networks)
    tokens = candidate_tokens(shortlists, [[*source, EOS] for source in sources], also, copies=copies).to(device)
    narrow = tuple(network.narrow(state, tokens) for network, state in zip(networks, states, strict=True))
    return Ensemble([_narrow_step_function(network) for network in networks]), EnsembleState(narrow)


def _step_function(network: Seq2Seq) -> StepFunction[DecoderState]:
    """Return a network as a step function for a search."""

    def step(tokens: Tensor, state: DecoderState) -> Step[DecoderState]:
        slots = Slots.of(tokens)
        log_probs, output = network.step(tokens, state, slots)
        return Step(log_probs, output.weights, output.state, slots=slots.occupied, copied=copied_weights(output))

    return step


def _narrow_step_function(network: Seq2Seq) -> StepFunction[NarrowState]:
    """Return a network as a step function over each sentence's own tokens, by its shortlist."""

    def step(tokens: Tensor, state: NarrowState) -> Step[NarrowState]:
        slots = Slots.of(tokens)
        log_probs, output = network.narrow_step(tokens, state, slots)
        after = NarrowState(output.state, state.output)
        return Step(log_probs, output.weights, after, state.output.tokens, slots.occupied, copied_weights(output))

    return step


def outcome(found: Hypothesis) -> Outcome:
    """Return a result of a search with arrays in place of tensors."""
    copied = None if found.copied is None else found.copied.numpy()
    return Outcome(
        found.tokens, found.log_prob, found.score, found.weights.numpy(), found.finished, copied, found.log_probs
    )
