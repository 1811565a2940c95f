"""The interface between a search and a model: what a search asks at each step, and what it returns.

A search knows no model class. Anything that maps the last tokens and a state to log-probabilities can be searched: a
model, an ensemble, a table written by hand.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

EMPTY = -1  # stands for the last token in a slot without a hypothesis

Same = TypeVar("Same")  # the tests' shape checks cannot read typing.Self on a method


@runtime_checkable
class SearchState(Protocol):
    """All that a model carries from step to step, for `sentences` sentences with `beam` slots each.

    A search starts from a state with one slot per sentence. What belongs to the sentence and not to the slot (keys,
    values, mask) is stored once per sentence.
    """

    def select(self: Same, parents: Int[Tensor, "sentences beam"]) -> Same:
        """Return the state whose slot k of sentence i copies slot parents[i, k]; the beam may widen or narrow."""

    def keep(self: Same, sentences: Int[Tensor, " kept"]) -> Same:
        """Return the state of these rows of the batch alone, in this order."""


S = TypeVar("S", bound=SearchState)


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """A model's answer about the next token.

    log_probs: normalised, in nats, never above 0 (the early exit of beam search relies on that), [sentences, beam,
    vocabulary] or, with `slots`, a row for some slots alone; the search writes into it. weights: attention weights of
    this step; their width is the same at every step of a search. state: the state after the tokens given.

    tokens: where sentences choose among a few tokens of their own, the token of each column of log_probs, ascending;
    any token in columns that only pad a row, whose log_prob is -inf. None: column t is token t. slots: the slots that
    have a row in log_probs, numbered sentence by sentence, ascending: all that are not EMPTY. None: all slots.

    copied: the probability with which this step copies each source position; None for a model that does not copy.
    """

    log_probs: Float[Tensor, "*slots vocabulary"]
    weights: Float[Tensor, "sentences beam source"]
    state: S
    tokens: Int[Tensor, "sentences vocabulary"] | None = None
    slots: Int[Tensor, " rows"] | None = None
    copied: Float[Tensor, "sentences beam source"] | None = None


@runtime_checkable
class StepFunction(Protocol[S]):
    """A function from one token per slot to the log-probabilities of the next.

    Its answer for a slot that is EMPTY is not read, but must not be NaN.
    """

    def __call__(self, tokens: Int[Tensor, "sentences beam"], state: S, /) -> Step[S]: ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One result of a search.

    tokens: the tokens produced, without the first token and the final end. log_prob: the sum of their log-probabilities
    in nats under the unchanged model, end included when finished. score: log_prob over the length penalty of the number
    of tokens produced, end included when finished. weights: one row for every token produced, end included when
    finished, on the CPU, in the full (padded) source width of the step function; cutting it to the sentence is left to
    the caller. finished: False where the maximum length cut it before an end.

    copied: for a model that copies, a row for every token produced, as of `Step.copied`, on the CPU; None for another.
    log_probs: of each token produced, in nats; given with `copied` alone, which can be compared with them.
    """

    tokens: list[int]
    log_prob: float
    score: float
    weights: Float[Tensor, "length source"]
    finished: bool
    copied: Float[Tensor, "length source"] | None = None
    log_probs: list[float] | None = None
