"""What each hypothesis of a search has written, and what the rules make of it at the next step."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.search.allocation import Allocation
from seq2seq.search.avoidance import Avoidance
from seq2seq.search.rules import Rules, any_constraint
from seq2seq.search.stepping import EMPTY


class Written:
    """What every slot of a search has written so far, and what the rules make of it."""

    def __init__(self, rules: Rules, eos: int, sentences: int, slots: int, device: torch.device | str) -> None:
        self._rules = rules
        self.allocation = Allocation(rules.constraints, eos, slots) if any_constraint(rules.constraints) else None
        self._tokens = torch.zeros(sentences, slots, 0, dtype=torch.long, device=device)
        self._states = torch.full((sentences, slots), Avoidance.START, device=device)
        prefixes = rules.prefixes or [()] * sentences
        longest = max(map(len, prefixes), default=0)
        padded = [[*prefix, *[EMPTY] * (longest - len(prefix))] for prefix in prefixes]
        ends = [len(prefix) if complete else EMPTY for prefix, complete in zip(prefixes, rules.word_ends, strict=False)]
        self._prefixes = torch.tensor(padded, dtype=torch.long, device=device).view(sentences, longest)
        self._word_ends = torch.tensor(ends or [EMPTY] * sentences, device=device)
        self._word_starts = torch.tensor(rules.word_starts, dtype=torch.bool, device=device)

    def apply(
        self,
        log_probs: Float[Tensor, "rows columns"],
        model: Float[Tensor, "rows columns"],
        slots: Int[Tensor, " rows"],
        tokens: Int[Tensor, "sentences columns"] | None = None,
    ) -> None:
        """Change the log_probs of what may follow, in place.

        model: log_probs as the model answered them. slots: the slot of each row, numbered sentence by sentence.
        tokens: the tokens of each sentence's columns; None: column t is token t.
        """
        written = self._tokens.flatten(0, 1)[slots]
        owners = slots // self._tokens.shape[1]
        choices = None if tokens is None else tokens[owners]
        if self._rules.repetition_penalty != 1 and written.shape[1]:
            again = _columns(written, choices, log_probs.shape[1])
            log_probs.copy_(torch.where(again, log_probs * self._rules.repetition_penalty, log_probs))
        if 0 < self._rules.no_repeat_ngram <= written.shape[1]:
            endings = _ngram_endings(written, self._rules.no_repeat_ngram)
            log_probs.masked_fill_(_columns(endings, choices, log_probs.shape[1]), -torch.inf)
        if self.allocation is not None:
            self.allocation.release(log_probs, model, slots, choices)
        if self._rules.avoid is not None:
            log_probs.masked_fill_(self._completing(slots, choices)[:, : log_probs.shape[1]], -torch.inf)
        if self.allocation is not None:
            self.allocation.hold(log_probs, slots, choices)
        self._begin(log_probs, model, owners, choices)

    def _completing(
        self, slots: Int[Tensor, " rows"], choices: Int[Tensor, "rows columns"] | None
    ) -> Bool[Tensor, "rows _"]:
        """Return which columns would complete a string to avoid."""
        assert self._rules.avoid is not None
        states, places = torch.unique(self._states.flatten()[slots], return_inverse=True)
        _, completing = self._rules.avoid.rows(states.tolist())
        completes = torch.from_numpy(completing).to(slots.device)
        return completes[places] if choices is None else completes[places].gather(1, choices)

    def _begin(
        self,
        log_probs: Float[Tensor, "rows columns"],
        model: Float[Tensor, "rows columns"],
        owners: Int[Tensor, " rows"],
        choices: Int[Tensor, "rows columns"] | None,
    ) -> None:
        """Leave hypotheses within a prefix its next token alone, and those at its end what may follow there."""
        length, width = self._tokens.shape[2], log_probs.shape[1]
        if length < self._prefixes.shape[1]:
            wanted = self._prefixes[owners, length][:, None]
            only = model.masked_fill(~_columns(wanted, choices, width), -torch.inf)
            log_probs.copy_(torch.where(wanted == EMPTY, log_probs, only))
        if len(self._word_starts) and length <= self._prefixes.shape[1]:
            starts = self._word_starts[None, :width] if choices is None else self._word_starts[choices]
            log_probs.masked_fill_((self._word_ends[owners] == length)[:, None] & ~starts, -torch.inf)

    def follow(
        self,
        sentences: Int[Tensor, " kept"],
        parents: Int[Tensor, "kept slots"],
        tokens: Int[Tensor, "kept slots"],
    ) -> None:
        """Append a token to each slot of the sentences that continue; parents: the slot that each one continues."""
        self._prefixes, self._word_ends = self._prefixes[sentences], self._word_ends[sentences]
        if self._rules.avoid is not None:
            begun = self._states[sentences].gather(1, parents)
            states, places = torch.unique(begun, return_inverse=True)
            after, _ = self._rules.avoid.rows(states.tolist())
            self._states = torch.from_numpy(after).to(tokens.device)[places, tokens]
        if self.allocation is not None:
            self.allocation.follow(sentences.tolist(), parents.tolist(), tokens.tolist())
        before = self._tokens[sentences]
        before = before.gather(1, parents[:, :, None].expand(-1, -1, before.shape[2]))
        self._tokens = torch.cat([before, tokens[:, :, None]], dim=2)


def _ngram_endings(written: Int[Tensor, "rows length"], size: int) -> Int[Tensor, "rows ngrams"]:
    """Return the last token of each n-gram that begins as the next one would, EMPTY for all other n-grams."""
    ngrams = written.unfold(1, size, 1)
    begun = written[:, written.shape[1] - size + 1 :]
    same = (ngrams[:, :, :-1] == begun[:, None]).all(2)
    return ngrams[:, :, -1].masked_fill(~same, EMPTY)


def _columns(
    found: Int[Tensor, "rows some"], choices: Int[Tensor, "rows columns"] | None, width: int
) -> Bool[Tensor, "rows columns"]:
    """Return which columns stand for any of the tokens found in their row; EMPTY stands for no token."""
    largest = width if choices is None else 1 + int(torch.maximum(choices.amax(), found.amax()))
    marks = torch.zeros(len(found), largest + 1, dtype=torch.bool, device=found.device)
    marks.scatter_(1, found.masked_fill(found == EMPTY, largest), True)
    return marks[:, :width] if choices is None else marks.gather(1, choices)
