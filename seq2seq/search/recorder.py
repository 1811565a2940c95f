"""A record of a beam search, for who asks how it came to its result: all hypotheses it kept, and those it cut.

The search makes it as it goes, so it shows what was searched and nothing else.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.search.history import History
from seq2seq.search.ranking import stable_topk

ROOT = 0  # id of the hypothesis without a token
Fate = Literal["open", "winner", "finished", "kept", "pruned"]


class Node(NamedTuple):
    """A hypothesis at one step: its last token, and the hypothesis that it continues.

    log_prob: of the whole hypothesis in nats, by the model alone. score: what the search ranks by over the length
    penalty of its length. fate: 'pruned' was cut at once; 'kept' held a slot of the beam, 'finished' held it to the
    end; 'winner' are those on the way to the best; 'open' is the root, without a token.
    """

    id: int
    parent: int | None
    step: int
    token: int
    log_prob: float
    score: float
    fate: Fate


class Choice(NamedTuple):
    """A step of one hypothesis: the token chosen, its log-probability and rank among all, and the best tokens."""

    token: int
    log_prob: float
    rank: int
    best: list[tuple[int, float]]


def read_choice(
    log_probs: Float[Tensor, " columns"], token: int, tokens: Int[Tensor, " columns"] | None, top: int
) -> Choice:
    """Return a step that chose a token from a model's log-probabilities; tokens: of each column, None: its number."""
    column = token if tokens is None else int((tokens == token).nonzero()[0, 0])
    best = stable_topk(log_probs[None], min(top, len(log_probs)))
    columns = best.indices[0] if tokens is None else tokens[best.indices[0]]
    listed = zip(columns.tolist(), best.values[0].tolist(), strict=True)
    rank = 1 + int((log_probs > log_probs[column]).sum())
    return Choice(token, float(log_probs[column]), rank, [(one, each) for one, each in listed if each > -torch.inf])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The continuations of one step, as the search compared them, and as the model answered them.

    before: what each live hypothesis is ranked by, -inf in an empty slot. log_probs: of each row's columns, -inf where
    one is not allowed. rows: the row of each slot. tokens: of each column; None: its number. own, own_before: log_probs
    and before by the model alone.
    """

    before: Float[Tensor, "groups beam"]
    log_probs: Float[Tensor, "rows columns"]
    rows: Int[Tensor, "groups beam"]
    tokens: Int[Tensor, "groups columns"] | None
    own: Float[Tensor, "rows columns"]
    own_before: Float[Tensor, "groups beam"]

    def token(self, group: int, column: int) -> int:
        """Return the token of a column."""
        return column if self.tokens is None else int(self.tokens[group, column])


class Recorder:
    """A record of the search of one sentence, which `beam_search` fills.

    top: how many tokens of each distribution are kept. cut: whether what was cut is recorded, too; at each step the
    next best after those that were kept, as many as the beam has slots.
    """

    def __init__(self, top: int, cut: bool) -> None:
        self._top, self._cut = top, cut
        self._nodes = [Node(ROOT, None, -1, -1, 0.0, 0.0, "open")]
        self._choices: dict[int, Choice] = {}
        self._ids: dict[tuple[int, int], int] = {}  # of the hypotheses kept last, by group and slot

    def add(self, history: History, beam_size: int, candidates: Candidates) -> None:
        """Add the last step of a history, with the candidates of that step."""
        record, step = history.records[-1], history.steps - 1
        sums = record.log_probs if record.sums is None else record.sums
        ids = dict[tuple[int, int], int]()
        for place, group in enumerate(record.sentences.tolist()):
            kept, scores = set[tuple[int, int]](), history.limits.scores(sums[place], step + 1).tolist()
            for slot, score in enumerate(scores):
                if score == -torch.inf:
                    continue
                token, parent = int(record.tokens[place, slot]), int(record.parents[place, slot])
                fate: Fate = "finished" if token == history.limits.eos else "kept"
                number = self._append(group, parent, step, token, float(record.log_probs[place, slot]), score, fate)
                tokens = None if candidates.tokens is None else candidates.tokens[place]
                row = candidates.own[candidates.rows[place, parent]]
                self._choices[number] = read_choice(row, token, tokens, self._top)
                ids[group, slot] = number
                kept.add((parent, token))
            if self._cut:
                self._add_cut(history, beam_size, candidates, place, group, kept)
        self._ids = ids

    def _add_cut(
        self,
        history: History,
        beam_size: int,
        candidates: Candidates,
        place: int,
        group: int,
        kept: Collection[tuple[int, int]],
    ) -> None:
        """Add the best continuations of a group that were not kept."""
        rows, width, step = candidates.rows[place], candidates.own.shape[1], history.steps - 1
        every = (candidates.before[place][:, None] + candidates.log_probs[rows]).flatten()
        best = stable_topk(every[None], min(2 * beam_size, len(every)))
        left = beam_size
        for index, score in zip(
            best.indices[0].tolist(), history.limits.scores(best.values[0], step + 1).tolist(), strict=True
        ):
            parent, column = divmod(index, width)
            token = candidates.token(place, column)
            if left and score > -torch.inf and (parent, token) not in kept:
                log_prob = candidates.own_before[place, parent] + candidates.own[rows[parent], column]
                self._append(group, parent, step, token, float(log_prob), score, "pruned")
                left -= 1

    def _append(self, group: int, slot: int, step: int, token: int, log_prob: float, score: float, fate: Fate) -> int:
        parent = self._ids[group, slot] if step else ROOT
        self._nodes.append(Node(len(self._nodes), parent, step, token, log_prob, score, fate))
        return len(self._nodes) - 1

    def path(self, tokens: Sequence[int]) -> list[int]:
        """Return the ids of the hypotheses on the way to the one with these tokens, its end included if it has one.

        Where several groups have it, it is that of the first.
        """
        children: dict[tuple[int | None, int], list[int]] = {}
        for node in self._nodes:
            if node.fate != "pruned":
                children.setdefault((node.parent, node.token), []).append(node.id)
        places = [ROOT]
        for token in tokens:
            places = [child for place in places for child in children.get((place, token), ())]
        found = [places[0]] if tokens else []
        while found and (parent := self._nodes[found[0]].parent):
            found.insert(0, parent)
        return found

    def choices(self, tokens: Sequence[int]) -> list[Choice]:
        """Return the steps of the hypothesis with these tokens."""
        return [self._choices[number] for number in self.path(tokens)]

    def tree(self, winner: Sequence[int]) -> list[Node]:
        """Return all hypotheses, each after the one that it continues. winner: the tokens of the best one."""
        path = set(self.path(winner))
        return [node._replace(fate="winner") if node.id in path else node for node in self._nodes]
