"""Search under constraints by dynamic beam allocation (Post and Vilar 2018), for those sentences of a batch with any.

At each step, the candidates of a sentence are the best continuations of all its hypotheses, the best one of each, and
each hypothesis with every token that takes it further in its constraints. The free slots of the beam are shared among
the banks of candidates with equally many tokens met. A hypothesis ends only when all its constraints are met.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.search.constraints import Constraints, Progress, share
from seq2seq.search.ranking import TopK


class Allocation:
    """The progress of every slot of a search; sentences without constraints are left alone."""

    def __init__(self, constraints: Sequence[Constraints], eos: int, slots: int) -> None:
        self._constraints = list(constraints)
        self._progress = [[each.start] * slots for each in self._constraints]
        self._eos = eos
        starts = next((each.word_starts for each in self._constraints if any(each.whole)), ())
        self._word_starts = torch.tensor(starts, dtype=torch.bool)

    def release(
        self,
        log_probs: Float[Tensor, "rows columns"],
        model: Float[Tensor, "rows columns"],
        slots: Int[Tensor, " rows"],
        choices: Int[Tensor, "rows columns"] | None,
    ) -> None:
        """Give the next tokens of constraints the model's log_probs again, in place, as other rules may have kept them
        out.

        The parameters are those of `Written.apply`, with the tokens of each row's columns.
        """
        found = [
            (row, token)
            for row, sentence, progress in self._rows(slots)
            for token in self._constraints[sentence].next_tokens(progress)
        ]
        rows, columns = self._columns(found, choices, log_probs.device)
        log_probs[rows, columns] = model[rows, columns]

    def hold(
        self,
        log_probs: Float[Tensor, "rows columns"],
        slots: Int[Tensor, " rows"],
        choices: Int[Tensor, "rows columns"] | None,
    ) -> None:
        """Forbid the end before all constraints are met, and to go on with a word that must be complete, in place."""
        found = self._rows(slots)
        unmet = [(row, self._eos) for row, _, progress in found if not all(progress.met)]
        log_probs[self._columns(unmet, choices, log_probs.device)] = -torch.inf
        ended = [row for row, sentence, progress in found if self._constraints[sentence].must_end_word(progress)]
        if ended:
            starts = self._word_starts.to(log_probs.device)
            starts = starts[: log_probs.shape[1]] if choices is None else starts[choices[ended]]
            log_probs[ended] = log_probs[ended].masked_fill(~starts, -torch.inf)

    def _rows(self, slots: Int[Tensor, " rows"]) -> list[tuple[int, int, Progress]]:
        """Return (row, sentence, progress) of each row of a sentence with constraints."""
        width = len(self._progress[0])
        return [
            (row, slot // width, self._progress[slot // width][slot % width])
            for row, slot in enumerate(slots.tolist())
            if self._constraints[slot // width].tokens
        ]

    @staticmethod
    def _columns(
        found: Sequence[tuple[int, int]], choices: Int[Tensor, "rows columns"] | None, device: torch.device
    ) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
        """Return the rows and columns of these (row, token) that have a column."""
        rows, tokens = torch.tensor(found, dtype=torch.long, device=device).view(-1, 2).unbind(1)
        if choices is None:
            return rows, tokens
        here = choices[rows] == tokens[:, None]
        kept = here.any(1)  # in a shortlist
        return rows[kept], here[kept].to(torch.uint8).argmax(1)

    def choose(
        self,
        ranked: TopK,
        before: Float[Tensor, "sentences beam"],
        log_probs: Float[Tensor, "rows columns"],
        rows: Int[Tensor, "sentences beam"],
        tokens: Int[Tensor, "sentences columns"] | None,
        free_slots: Int[Tensor, " sentences"],
    ) -> TopK:
        """Return the continuations that the banks of each sentence keep, best first; other sentences keep `ranked`.

        ranked: the best continuations of each sentence. before, log_probs, rows, tokens: as in `_Candidates` of
        beam.py. Of equal ones, the lower slot goes first, then the lower token.
        """
        held = [sentence for sentence, each in enumerate(self._constraints) if each.tokens]
        if not held:
            return ranked
        at = torch.tensor(held, device=rows.device)
        beam, width = rows.shape[1], log_probs.shape[1]
        best = log_probs[rows[at].flatten()].argmax(1).view(len(held), beam)
        best = best + width * torch.arange(beam, device=rows.device)
        places = torch.cat([ranked.indices[at], best, self._forced(held, width, tokens, best)], dim=1)
        slots, columns = places // width, places % width
        values = before[at].gather(1, slots) + log_probs[rows[at].gather(1, slots), columns]
        beyond = torch.arange(ranked.indices.shape[1], device=rows.device) >= free_slots[at, None]
        values[:, : ranked.indices.shape[1]].masked_fill_(beyond, -torch.inf)
        written = columns if tokens is None else tokens[at].gather(1, columns)
        every = zip(held, free_slots[at].tolist(), places.tolist(), values.tolist(), written.tolist(), strict=True)
        chosen = [self._share(sentence, free, width, *found) for sentence, free, *found in every]
        kept = ranked.values.shape[1]
        padded = [[*each, *[(-torch.inf, 0)] * (kept - len(each))] for each in chosen]
        new_values = torch.tensor([[value for value, _ in row] for row in padded], dtype=torch.float64)
        new_indices = torch.tensor([[index for _, index in row] for row in padded], device=rows.device)
        broken = ranked.values[at].isnan().any(1)  # an answer that is no number stays where the search looks for it
        new_values = torch.where(broken[:, None], ranked.values[at], new_values.to(ranked.values))
        return TopK(
            ranked.values.index_copy(0, at, new_values), ranked.indices.index_copy(0, at, new_indices), ranked.tied
        )

    def _forced(
        self,
        held: Sequence[int],
        width: int,
        tokens: Int[Tensor, "sentences columns"] | None,
        best: Int[Tensor, "held beam"],
    ) -> Int[Tensor, "held most"]:
        """Return the index of each hypothesis with every next token; rows are padded with an index of `best`."""
        found = [
            (row * best.shape[1] + slot, token)
            for row, sentence in enumerate(held)
            for slot, progress in enumerate(self._progress[sentence])
            for token in self._constraints[sentence].next_tokens(progress)
        ]
        choices = None if tokens is None else tokens[held].repeat_interleave(best.shape[1], dim=0)
        places, columns = self._columns(found, choices, best.device)
        rows = (places // best.shape[1]).tolist()
        several = [list[int]() for _ in held]
        for row, index in zip(rows, (places % best.shape[1] * width + columns).tolist(), strict=True):
            several[row].append(index)
        most, fill = max(map(len, several)), best[:, 0].tolist()
        padded = [[*row, *[one] * (most - len(row))] for row, one in zip(several, fill, strict=True)]
        return torch.tensor(padded, dtype=torch.long, device=best.device).view(len(held), most)

    def _share(
        self, sentence: int, free: int, width: int, places: list[int], values: list[float], tokens: list[int]
    ) -> list[tuple[float, int]]:
        """Return value and index of the candidates that the banks of a sentence keep."""
        found = {
            place: (value, token)
            for place, value, token in zip(places, values, tokens, strict=True)
            if value > -torch.inf
        }
        order = sorted(found, key=lambda place: (-found[place][0], place))
        constraints, progress = self._constraints[sentence], self._progress[sentence]
        banks = [constraints.count(constraints.advance(progress[place // width], found[place][1])) for place in order]
        return [(found[order[number]][0], order[number]) for number in share(free, banks, constraints.total + 1)]

    def follow(self, sentences: Sequence[int], parents: list[list[int]], tokens: list[list[int]]) -> None:
        """Append a token to each slot, as `Written.follow` does."""
        self._constraints, before = (
            [self._constraints[sentence] for sentence in sentences],
            [self._progress[sentence] for sentence in sentences],
        )
        self._progress = [
            [own.advance(known[parent], token) for parent, token in zip(row, written, strict=True)]
            for own, known, row, written in zip(self._constraints, before, parents, tokens, strict=True)
        ]
