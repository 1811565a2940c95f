"""Batches of what waits: texts of many requests are translated together, and each request gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from seq2seq.server.fair_queue import FairQueue, QueueFull, Waiting

T = TypeVar("T")
GATHER = 0.005  # seconds that an idle lane waits for more texts, once the first has come


class Lane(Protocol):
    """Something that translates one batch at a time, by blocking calls from one thread."""

    def translate(self, group: Any, texts: list[str]) -> list[Any]:
        """Return the answer for each text."""

    def close(self) -> None:
        """Let go of the models; called once, from the same thread."""


@dataclass(slots=True)
class _Pending:
    """What a request has got so far. left: number of its texts that have no answer yet."""

    future: asyncio.Future[list[Any]]
    answers: list[Any]
    left: int


class Batcher:
    """The queue, and one task for each lane that takes batches from it. All methods belong to the event loop's thread.

    What shares a batch changes nothing: answers do not depend on it, and where a batch fails, each of its requests is
    tried alone, so that only the one at fault gets the error.
    """

    def __init__(self, lanes: Sequence[tuple[Lane, ThreadPoolExecutor]], *, capacity: int, batch_size: int) -> None:
        self.queue = FairQueue(capacity)
        self.batches = self.texts = 0  # how many were translated
        self.seconds = 0.0  # that lanes have computed, all together
        self._lanes, self._batch_size = list(lanes), batch_size
        self._pending: dict[Waiting, _Pending] = {}
        self._arrived, self._closing = asyncio.Event(), False
        self._tasks = [asyncio.create_task(self._serve(*lane)) for lane in self._lanes]

    async def translate(self, group: Hashable, texts: Sequence[str]) -> list[Any]:
        """Return the answer for each text. Raises QueueFull, or what the lane raised for these texts.

        Where the caller is cancelled, its texts that have not been begun leave the queue.
        """
        if not texts:
            return []
        if self._closing:
            raise QueueFull
        request = Waiting(group, list(texts))
        self.queue.add(request)
        pending = _Pending(asyncio.get_running_loop().create_future(), [None] * len(texts), len(texts))
        self._pending[request] = pending
        self._arrived.set()
        try:
            return await pending.future
        finally:
            self.queue.remove(request)
            del self._pending[request]

    def expected_wait(self) -> float:
        """Return the seconds after which what waits now should be translated, by the pace so far; 1 before any."""
        pace = self.seconds / self.texts if self.texts else 0.0
        return max(1.0, pace * self.queue.size / len(self._lanes))

    async def close(self) -> None:
        """Translate all that waits, take nothing more, and close the lanes."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)

    async def _serve(self, lane: Lane, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                if not self.queue.size:
                    if self._closing:
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                    if self.queue.size < self._batch_size and not self._closing:
                        await asyncio.sleep(GATHER)
                if batch := self.queue.take(self._batch_size):
                    await self._translate(lane, thread, batch)
        finally:
            await loop.run_in_executor(thread, lane.close)
            thread.shutdown(wait=False)

    async def _translate(self, lane: Lane, thread: ThreadPoolExecutor, batch: list[tuple[Waiting, int]]) -> None:
        requests = list(dict.fromkeys(request for request, _ in batch))
        try:
            self._deliver(batch, await self._compute(lane, thread, batch))
        except Exception as error:  # of any kind: it goes to whom it concerns, and the lane goes on
            if len(requests) == 1:
                self._fail(requests[0], error)
                return
            for request in requests:
                part = [each for each in batch if each[0] is request]
                try:
                    self._deliver(part, await self._compute(lane, thread, part))
                except Exception as own:  # as above
                    self._fail(request, own)

    async def _compute(self, lane: Lane, thread: ThreadPoolExecutor, batch: list[tuple[Waiting, int]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        group, texts = batch[0][0].group, [request.texts[place] for request, place in batch]
        began = loop.time()
        answers = await loop.run_in_executor(thread, lane.translate, group, texts)
        if len(answers) != len(texts):
            raise RuntimeError(f"{len(texts)} texts, {len(answers)} answers")
        self.batches, self.texts, self.seconds = (
            self.batches + 1,
            self.texts + len(texts),
            self.seconds + loop.time() - began,
        )
        return answers

    def _deliver(self, batch: list[tuple[Waiting, int]], answers: list[Any]) -> None:
        for (request, place), answer in zip(batch, answers, strict=True):
            if pending := self._pending.get(request):  # else its client has left
                pending.answers[place] = answer
                pending.left -= 1
                if not pending.left and not pending.future.done():
                    pending.future.set_result(pending.answers)

    def _fail(self, request: Waiting, error: Exception) -> None:
        self.queue.remove(request)
        if (pending := self._pending.get(request)) and not pending.future.done():
            pending.future.set_exception(error)
