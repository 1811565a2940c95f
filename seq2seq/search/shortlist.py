"""Lexical shortlists: the few tokens that one sentence's translation may consist of.

They depend on the sentence's own source alone. A list of a whole batch (as many toolkits build it, for then one narrow
output layer serves all) would let a sentence produce what another one's source allows, so that its translation depends
on which others are translated beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What each source token allows, and what every sentence may use.

    tokens[offsets[s]:offsets[s + 1]]: target tokens that source token s allows. common: those of every sentence, the
    end among them.
    """

    offsets: NDArray[np.int32]
    tokens: NDArray[np.int32]
    common: NDArray[np.int32]

    def tokens_for(self, source: Sequence[int]) -> NDArray[np.int32]:
        """The distinct tokens, ascending, for a source given with its end token."""
        parts = [self.tokens[self.offsets[token] : self.offsets[token + 1]] for token in set(source)]
        return np.unique(np.concatenate([self.common, *parts]))


def candidate_tokens(
    shortlists: Sequence[Shortlist], sources: Sequence[Sequence[int]]
) -> Int[Tensor, "sentences width"]:
    """For each source (with its end token) the tokens that any of the shortlists allows: ascending, padded with -1.

    As wide as the longest; all that a batch changes is the padding. Several shortlists are those of an ensemble: a
    token that one model would have reached is not kept from the others' vote.
    """
    rows = [np.unique(np.concatenate([each.tokens_for(source) for each in shortlists])) for source in sources]
    padded = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for row, tokens in enumerate(rows):
        padded[row, : len(tokens)] = tokens
    return torch.from_numpy(padded)
