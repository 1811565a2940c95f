"""Lexical shortlists: the few tokens that may occur in the translation of one sentence.

They depend on the sentence's own source alone. A shortlist for a whole batch, which many toolkits build because one
narrow output layer then serves all sentences, would allow a sentence what another one's source allows, so that its
translation would depend on the others in the batch.
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
    """The target tokens that each source token allows, and those that every sentence may use.

    tokens[offsets[s]:offsets[s + 1]]: target tokens that source token s allows. common: target tokens of every
    sentence, the end among them.
    """

    offsets: NDArray[np.int32]
    tokens: NDArray[np.int32]
    common: NDArray[np.int32]

    def tokens_for(self, source: Sequence[int]) -> NDArray[np.int32]:
        """Return the distinct tokens, ascending, that a source, given with its end token, allows."""
        parts = [self.tokens[self.offsets[token] : self.offsets[token + 1]] for token in set(source)]
        return np.unique(np.concatenate([self.common, *parts]))


def candidate_tokens(
    shortlists: Sequence[Shortlist],
    sources: Sequence[Sequence[int]],
    also: Sequence[Sequence[int]] = (),
    *,
    copies: bool = False,
) -> Int[Tensor, "sentences width"]:
    """Return for each source, given with its end token, the tokens that any shortlist allows: ascending, -1 as padding.

    copies: also those of the source itself, which a model that copies may write.

    The width is that of the longest row; a batch changes only the padding. Several shortlists are those of an ensemble:
    a token that one member could reach is open to the vote of all. also: further tokens that each source allows.
    """
    rows = [np.unique(np.concatenate([each.tokens_for(source) for each in shortlists])) for source in sources]
    if also:
        rows = [np.union1d(row, np.array(more, dtype=np.int32)) for row, more in zip(rows, also, strict=True)]
    if copies:
        rows = [np.union1d(row, source) for row, source in zip(rows, sources, strict=True)]
    padded = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for row, tokens in enumerate(rows):
        padded[row, : len(tokens)] = tokens
    return torch.from_numpy(padded)
