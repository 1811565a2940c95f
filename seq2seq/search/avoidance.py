"""Strings that a search must not write, however its tokens spell them (Aho and Corasick 1975, over tokens).

A token can end a string that tokens before it began, so what may follow depends on what is written; of that, a state
of the automaton is all that matters. The rows of its table are computed when a hypothesis first comes to a state.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Avoidance:
    """An automaton over tokens that knows which of them would complete a string.

    strings: as bytes, none of them empty. spellings: the bytes that each token of the vocabulary adds to the text.
    """

    START = 0

    def __init__(self, strings: Sequence[bytes], spellings: Sequence[bytes]) -> None:
        if not all(strings):
            raise ValueError("an empty string is in every text")
        self._spellings = list(spellings)
        self._children, self._ends = [dict[int, int]()], [False]
        for string in strings:
            self._insert(string)
        self._link()
        self._rows: dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}

    def rows(self, states: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the state after each token [states, vocabulary], and whether the token completes a string."""
        found = [self._row(state) for state in states]
        return np.stack([after for after, _ in found]), np.stack([completes for _, completes in found])

    def _insert(self, string: bytes) -> None:
        state = self.START
        for byte in string:
            if byte not in self._children[state]:
                self._children[state][byte] = len(self._children)
                self._children.append({})
                self._ends.append(False)
            state = self._children[state][byte]
        self._ends[state] = True

    def _link(self) -> None:
        """Link each state to that of its longest proper suffix, in the order of their lengths."""
        self._suffix = [self.START] * len(self._children)
        queue = deque(self._children[self.START].values())
        while queue:
            state = queue.popleft()
            self._ends[state] |= self._ends[self._suffix[state]]
            for byte, child in self._children[state].items():
                self._suffix[child] = self._step(self._suffix[state], byte)
                queue.append(child)

    def _step(self, state: int, byte: int) -> int:
        while byte not in self._children[state]:
            if state == self.START:
                return state
            state = self._suffix[state]
        return self._children[state][byte]

    def _row(self, state: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        if state not in self._rows:
            after = np.empty(len(self._spellings), dtype=np.int64)
            completes = np.zeros(len(self._spellings), dtype=np.bool_)
            for token, spelling in enumerate(self._spellings):
                now = state
                for byte in spelling:
                    now = self._step(now, byte)
                    completes[token] |= self._ends[now]
                after[token] = now
            self._rows[state] = after, completes
        return self._rows[state]
