"""Diverse beam search (Vijayakumar et al. 2018): a beam in groups, each of which avoids what those before it chose.

Each group is searched as a sentence of its own with its share of the beam. At every step, the groups of a sentence
choose one after another, with the paper's Hamming diversity: a token loses `strength` for every time that an earlier
group chose it at this step. That decides what a group keeps; it is no part of a score. A group that has ended chooses
no more.
"""

from itertools import chain

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.search.history import History
from seq2seq.search.ranking import TopK, stable_topk
from seq2seq.search.stepping import Hypothesis


def diverse_topk(
    before: Float[Tensor, "members beam"],
    log_probs: Float[Tensor, "rows columns"],
    rows: Int[Tensor, "members beam"],
    *,
    members: Int[Tensor, " members"],
    free_slots: Int[Tensor, " members"],
    groups: int,
    strength: float,
    count: int,
) -> TopK:
    """Return the `count` best continuations of each group, with the sums before[g, b] + log_probs[rows[g, b]].

    They are in the order in which the group prefers them, ties by the lower index. members: the number of each group,
    that of its sentence times `groups`, plus its place. free_slots: how many of its continuations a group keeps.
    """
    width = log_probs.shape[1]
    wide = torch.promote_types(before.dtype, log_probs.dtype)
    values = before.new_full((len(rows), count), -torch.inf, dtype=wide)
    indices = rows.new_zeros(len(rows), count)
    owners, places = members // groups, members % groups
    chosen = before.new_zeros(int(owners.max()) + 1, width, dtype=wide)
    for place in range(groups):
        (group,) = (places == place).nonzero(as_tuple=True)
        sums = before[group][:, :, None] + log_probs[rows[group]]
        preferred = sums - strength * chosen[owners[group]][:, None]
        best = stable_topk(preferred.flatten(1), count).indices
        values[group], indices[group] = sums.flatten(1).gather(1, best), best
        kept = values[group].isfinite() & (torch.arange(count, device=rows.device) < free_slots[group, None])
        added = torch.zeros_like(chosen[owners[group]]).scatter_add_(1, best % width, kept.to(chosen))
        chosen.index_add_(0, owners[group], added)
    return TopK(values, indices, torch.zeros_like(members, dtype=torch.bool))


def merge_groups(history: History, groups: int, nbest: int) -> list[list[Hypothesis]]:
    """Return the n best distinct hypotheses of all groups of each sentence."""
    endings = history.endings()
    together = [sorted(chain(*endings[first : first + groups])) for first in range(0, len(endings), groups)]
    found = history.hypotheses(together)
    distinct = [{(*each.tokens, each.finished): each for each in reversed(several)} for several in found]
    return [
        [each for each in several if each is own[(*each.tokens, each.finished)]][:nbest]
        for several, own in zip(found, distinct, strict=True)
    ]
