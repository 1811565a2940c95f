"""A bounded queue of requests, each of several texts, from which batches are taken so that none waits for long."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass


class QueueFull(Exception):
    """The refusal of a request for which the queue has no room now."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request in the queue.

    group: requests of the same group may share a batch. taken: number of its texts that have left the queue.
    """

    group: Hashable
    texts: Sequence[str]
    taken: int = 0


class FairQueue:
    """Requests in the order in which their next turn comes; at most `capacity` texts wait.

    A batch has texts of one group: that of the request at the front. Each request of the group gives one text in turn
    until the batch is full, so a request of one text is in the first batch of its group that is taken after it came (as
    long as there are no more requests than places), however long the others are. Requests that have given a text go to
    the back, so the front changes with every batch, and no group waits for ever.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0  # texts that wait
        self._ring: dict[Waiting, None] = {}  # in the order of turns

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._ring)

    def add(self, request: Waiting) -> None:
        """Put a request at the back. Raises QueueFull where its texts would be more than the capacity."""
        if self.size + len(request.texts) > self.capacity:
            raise QueueFull
        if request.texts:
            self._ring[request] = None
            self.size += len(request.texts)

    def remove(self, request: Waiting) -> None:
        """Forget the texts of a request that have not been taken; nothing happens where none is left."""
        if request in self._ring:
            del self._ring[request]
            self.size -= len(request.texts) - request.taken

    def take(self, most: int) -> list[tuple[Waiting, int]]:
        """Take at most `most` texts of one group, each as its request and its place there; none of an empty queue."""
        if not self._ring:
            return []
        group = next(iter(self._ring)).group
        turns = [request for request in self._ring if request.group == group]
        batch = list[tuple[Waiting, int]]()
        while turns and len(batch) < most:
            turns = turns[: most - len(batch)]
            for request in turns:
                batch.append((request, request.taken))
                request.taken += 1
            turns = [request for request in turns if request.taken < len(request.texts)]
        self.size -= len(batch)
        for request in dict.fromkeys(request for request, _ in batch):
            del self._ring[request]
            if request.taken < len(request.texts):
                self._ring[request] = None
        return batch
