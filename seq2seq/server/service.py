"""What the endpoints share: the models of now, limits, keys and counters; and how new models are loaded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from seq2seq.server.batcher import Batcher
from seq2seq.server.counters import Counters
from seq2seq.server.detection import Detector
from seq2seq.server.engines import LoadedModels, ModelProcess, Setup
from seq2seq.server.gate import Gate, Rates, read_keys
from seq2seq.server.languages import Directions
from seq2seq.server.limits import Limits
from seq2seq.server.refusal import Refusal
from seq2seq.server.stored_files import StoredFiles
from seq2seq.server.translating import Loaded

POLL = 0.01  # seconds between looks whether old models are still used
Log = Literal["errors", "requests", "text"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server behaves, beside its models. keys: name of a file. log: see `seq2seq serve --help`."""

    limits: Limits = field(default_factory=Limits)
    workers: int | None = None
    keys: str | None = None
    rate: int | None = None
    cors: tuple[str, ...] = ()
    log: Log = "errors"


class Service:
    """The state of a server. All methods belong to the event loop's thread.

    tell: takes messages for the operator, one line each.
    """

    def __init__(self, setup: Setup, settings: Settings, tell: Callable[[str], None]) -> None:
        """Read the keys; the models come with `load`. Raises InputError for a bad file of keys."""
        self.settings, self.tell = settings, tell
        self.counters, self.files = Counters(), StoredFiles()
        self._rates = Rates()
        self.gate = self._make_gate()
        self.loaded: Loaded | None = None
        self._setup = setup
        self._users: Counter[int] = Counter()  # requests that use the models of this id
        self._draining = set[asyncio.Task[None]]()
        self._finished = [0, 0]  # sentences and batches of models that are gone

    @property
    def limits(self) -> Limits:
        """The limits of a request."""
        return self.settings.limits

    def models(self) -> Loaded:
        """Return the models of now. Raises Refusal while there are none."""
        if self.loaded is None:
            raise Refusal(503, "no model is loaded yet; try again soon", retry_after=2)
        return self.loaded

    @contextmanager
    def using(self) -> Iterator[Loaded]:
        """Give the models of now, which stay until the block ends. Raises Refusal while there are none."""
        loaded = self.models()
        self._users[id(loaded)] += 1
        try:
            yield loaded
        finally:
            self._users[id(loaded)] -= 1

    async def load(self) -> None:
        """Load the models, and translate with them from now on; the old ones finish what they have.

        Raises what loading raises; then the old models, and the old keys, stay.
        """
        gate = self._make_gate()
        found = await self._load_models()
        before, self.loaded, self.gate = self.loaded, found, gate
        for note in dict.fromkeys(each.note for each in found.directions.all if each.note):
            self.tell(note)
        if before is not None:
            task = asyncio.create_task(self._close(before))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    async def _load_models(self) -> Loaded:
        loop, workers = asyncio.get_running_loop(), self.settings.workers
        kind: Callable[[Setup], LoadedModels | ModelProcess] = LoadedModels if workers is None else ModelProcess
        threads = [ThreadPoolExecutor(1, thread_name_prefix="translates") for _ in range(workers or 1)]
        loading = [loop.run_in_executor(thread, kind, self._setup) for thread in threads]
        results = await asyncio.gather(*loading, return_exceptions=True)
        lanes = [
            (result, thread)
            for result, thread in zip(results, threads, strict=True)
            if not isinstance(result, BaseException)
        ]
        try:
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            directions = Directions(lanes[0][0].directions)
            detector = await loop.run_in_executor(threads[0], Detector, directions.codes)
        except BaseException:
            for lane, thread in lanes:
                await loop.run_in_executor(thread, lane.close)
            for thread in threads:
                thread.shutdown(wait=False)
            raise
        limits = self.limits
        return Loaded(directions, detector, Batcher(lanes, capacity=limits.sentences, batch_size=limits.batch))

    async def close(self) -> None:
        """Finish all that was taken, and let go of the models."""
        if self.loaded is not None:
            await self._close(self.loaded)
        await asyncio.gather(*self._draining)

    async def _close(self, loaded: Loaded) -> None:
        while self._users[id(loaded)]:  # a request that has them, and has not yet come to the queue
            await asyncio.sleep(POLL)
        del self._users[id(loaded)]
        await loaded.batcher.close()
        self._finished[0] += loaded.batcher.texts
        self._finished[1] += loaded.batcher.batches

    def _make_gate(self) -> Gate:
        keys = None if self.settings.keys is None else read_keys(self.settings.keys)
        return Gate(keys, self.settings.rate, self._rates)

    def gauges(self) -> dict[str, tuple[str, str, float]]:
        """Return the numbers of GET /metrics that are no counts of requests."""
        now = None if self.loaded is None else self.loaded.batcher
        texts, batches = (self._finished[0] + now.texts, self._finished[1] + now.batches) if now else self._finished
        return {
            "seq2seq_sentences_total": ("counter", "Sentences that were translated.", texts),
            "seq2seq_batches_total": ("counter", "Batches in which they were translated.", batches),
            "seq2seq_waiting_sentences": ("gauge", "Sentences in the queue.", now.queue.size if now else 0),
            "seq2seq_models": (
                "gauge",
                "Models that are loaded.",
                len(self.loaded.directions.all) if self.loaded else 0,
            ),
        }
