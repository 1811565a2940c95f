"""Limits that every search respects: forbidden tokens, and each sentence's own minimum and maximum length."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.search.penalty import LengthPenalty


class Limits:
    """The limits of one search, checked when it starts.

    max_lengths: the most tokens produced, end included, so a hypothesis of that many tokens without an end is cut.
    min_lengths: the fewest tokens before the end, end not included. Both are per sentence, so that no sentence depends
    on its batch. forbidden: tokens that are never produced.
    """

    def __init__(
        self,
        *,
        eos: int,
        max_lengths: Sequence[int],
        min_lengths: Sequence[int] | None,
        forbidden: Sequence[int],
        penalty: LengthPenalty,
        device: torch.device | str,
    ) -> None:
        minima = [0] * len(max_lengths) if min_lengths is None else list(min_lengths)
        _check_lengths(minima, max_lengths)
        if eos in forbidden:
            raise ValueError(f"the end token ({eos}) cannot be forbidden")
        self.eos = eos
        self.sentences = len(max_lengths)
        self.penalty = penalty
        self.max_lengths = torch.tensor(max_lengths, dtype=torch.long, device=device)
        self.min_lengths = torch.tensor(minima, dtype=torch.long, device=device)
        self._longest_minimum = max(minima, default=0)
        self._listed = sorted(set(forbidden))
        self._forbidden = torch.tensor(self._listed, dtype=torch.long, device=device)
        self._largest = torch.tensor([penalty(length) for length in max_lengths], dtype=torch.float64)

    def forbid(
        self,
        log_probs: Float[Tensor, "rows columns"],
        owners: Int[Tensor, " rows"],
        sentences: Int[Tensor, " sentences"],
        length: int,
        tokens: Int[Tensor, "sentences columns"] | None = None,
    ) -> None:
        """Set the log_probs of what may not follow `length` tokens to -inf, in place.

        owners: the sentence of each row, as its index in `sentences`. tokens: the tokens of each sentence's columns.
        """
        early = length < self.min_lengths[sentences] if length < self._longest_minimum else None
        if tokens is None:
            log_probs.index_fill_(1, self._forbidden, -torch.inf)
            if early is not None:
                log_probs[:, self.eos].masked_fill_(early[owners], -torch.inf)
            return
        never = torch.zeros_like(tokens, dtype=torch.bool)
        for token in self._listed:  # torch.isin takes ten times as long
            never |= tokens == token
        if early is not None:
            never |= (tokens == self.eos) & early[:, None]
        log_probs.masked_fill_(never.index_select(0, owners), -torch.inf)

    def scores(self, log_probs: Float[Tensor, "*shape"], length: int) -> Float[Tensor, "*shape"]:
        """Return the scores of hypotheses with `length` tokens produced."""
        # By a tensor: CUDA divides by a number as a product with its reciprocal, and an ulp more could exceed bounds().
        return log_probs / torch.tensor(self.penalty(length), dtype=torch.float64).to(log_probs)

    def bounds(
        self, log_probs: Float[Tensor, " sentences"], sentences: Int[Tensor, " sentences"]
    ) -> Float[Tensor, " sentences"]:
        """Return the score that no continuation of a live hypothesis can exceed.

        Its log_prob can only fall, and its length penalty grow to the largest.
        """
        return log_probs / self._largest.to(log_probs)[sentences]


def _check_lengths(min_lengths: Sequence[int], max_lengths: Sequence[int]) -> None:
    if len(min_lengths) != len(max_lengths):
        raise ValueError(f"one length per sentence: {len(min_lengths)} minima but {len(max_lengths)} maxima")
    for sentence, (least, most) in enumerate(zip(min_lengths, max_lengths, strict=True), start=1):
        if not 0 <= least < most:
            raise InputError(
                f"sentence {sentence} of the batch: minimum length {least}, maximum length {most}; "
                "the minimum must be 0 or more and below the maximum, which counts the end as well"
            )
