"""Ensembles: several models that are searched as one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.search.stepping import S, Step, StepFunction


@dataclass(frozen=True, slots=True)
class EnsembleState(Generic[S]):
    """The states of the members, in the order of their step functions."""

    states: tuple[S, ...]

    def select(self, parents: Int[Tensor, "sentences beam"]) -> "EnsembleState[S]":
        return EnsembleState(tuple(state.select(parents) for state in self.states))

    def keep(self, sentences: Int[Tensor, " kept"]) -> "EnsembleState[S]":
        return EnsembleState(tuple(state.keep(sentences) for state in self.states))


class Ensemble(Generic[S]):
    """A step function that averages the probabilities and the attention weights of several.

    The members need one vocabulary, read the same source pieces and choose among the same tokens. Raises InputError for
    an empty ensemble and, when called, for members whose vocabularies or sources differ in size.
    """

    def __init__(self, steps: Sequence[StepFunction[S]]) -> None:
        if not steps:
            raise InputError("an ensemble needs at least one model")
        self._steps = tuple(steps)

    def __call__(self, tokens: Int[Tensor, "sentences beam"], state: EnsembleState[S]) -> Step[EnsembleState[S]]:
        answers = [step(tokens, part) for step, part in zip(self._steps, state.states, strict=True)]
        _check_equal("vocabulary", [answer.log_probs.shape[-1] for answer in answers])
        _check_equal("source", [answer.weights.shape[2] for answer in answers])
        after = EnsembleState(tuple(answer.state for answer in answers))
        if len(answers) == 1:
            one = answers[0]
            return Step(one.log_probs, one.weights, after, one.tokens, one.slots, one.copied)
        log_probs = torch.stack([answer.log_probs for answer in answers]).logsumexp(0) - math.log(len(answers))
        weights = torch.stack([answer.weights for answer in answers]).mean(0)
        # Clamped because rounding may exceed 0, and no log-probability may.
        return Step(log_probs.clamp(max=0), weights, after, answers[0].tokens, answers[0].slots, _mean_copied(answers))


def _mean_copied(answers: Sequence[Step[S]]) -> Float[Tensor, "sentences beam source"] | None:
    """Return the mean probability of copying each position, 0 for a member that does not copy; None if none does."""
    copying = [answer.copied for answer in answers if answer.copied is not None]
    return torch.stack(copying).sum(0) / len(answers) if copying else None


def _check_equal(what: str, sizes: Sequence[int]) -> None:
    if len(set(sizes)) > 1:
        raise InputError(
            f"the models of an ensemble disagree on the size of the {what}: {', '.join(map(str, sizes))}; "
            "only models trained with the same tokenizer can be combined"
        )
