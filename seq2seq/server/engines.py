"""The models of a server: loaded in the thread that translates, or in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from seq2seq.bulk.engines import load_engine
from seq2seq.checkpoint.files import STATES, is_export
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.processes.children import Child, wait_for
from seq2seq.server.languages import Served, check_pairs, normal
from seq2seq.server.tags import Answer
from seq2seq.translation.options import SearchOptions
from seq2seq.translation.tags import Direction, find_directions

if TYPE_CHECKING:
    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.neighbours import Neighbours
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator

ATTEMPTS = 2  # at a batch, each in a new process where the one before was killed


@dataclass(frozen=True, slots=True)
class Setup:
    """Which models are loaded and how; it can be sent to another process. pairs: see `read_pairs`."""

    models: Sequence[str]
    pairs: Sequence[Sequence[Direction] | None]
    device: str
    threads: int
    search: SearchKeywords


@dataclass(frozen=True, slots=True)
class Group:
    """What may share a batch: one direction, and one number of translations for each sentence."""

    source: str
    target: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked about a sentence; no two questions share a batch.

    arguments: of `Translator.explain`, or of `Neighbours.find` where `neighbours` are asked for.
    """

    source: str
    target: str
    arguments: dict[str, Any]
    neighbours: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """The translations of a sentence, best first. truncated: it was too long, and its end was not read."""

    answers: list[Answer]
    truncated: bool


class LoadedModels:
    """Models in this thread."""

    def __init__(self, setup: Setup) -> None:
        """Load the models. Raises InputError as Translator.load does, and for languages that are not clear."""
        self._engines: dict[tuple[str, str], tuple[Translator | OnnxTranslator, SearchKeywords]] = {}
        self._indexes: dict[tuple[str, str], Neighbours] = {}
        self.directions = list[Served]()
        engines = [load_engine([model], setup.device, setup.threads) for model in setup.models]
        found = [
            given
            or [
                Direction(normal(source), normal(target), tag) for source, target, tag in find_directions(engine.config)
            ]
            for engine, given in zip(engines, setup.pairs, strict=True)
        ]
        check_pairs(found, setup.models)
        for model, engine, directions in zip(setup.models, engines, found, strict=True):
            beam = SearchOptions.of(engine.config.search, setup.search).slots
            index, note = _read_index(model, engine)
            for source, target, tag in directions:
                exported, has_index = is_export(model), index is not None
                self.directions.append(Served(source, target, beam - 1, not exported, has_index, note))
                if index is not None:
                    self._indexes[source, target] = index
                search = setup.search if tag is None else setup.search | {"tag": tag}
                self._engines[source, target] = engine, search
                try:  # lays out the weights, and finds what options or tags this model lacks
                    engine.translate(["1"], **search)
                except InputError as error:
                    raise InputError(f"{model}: {error}") from None

    def translate(self, group: Group | Question, texts: list[str]) -> list[Any]:
        """Return the Candidates of each text, or the answer to a question about it, as JSON has it.

        Raises InputError for a question that the model cannot answer.
        """
        engine, search = self._engines[group.source, group.target]
        if isinstance(group, Question) and group.neighbours:
            index, tag = self._indexes[group.source, group.target], search.get("tag")
            return [[asdict(each) for each in index.find(text, **group.arguments, tag=tag)] for text in texts]
        if isinstance(group, Question):
            return [engine.explain(text, **group.arguments, **search).as_json() for text in texts]
        found = engine.translate_nbest(texts, group.count, **search)
        return [
            Candidates([Answer(each.text, each.alignment) for each in several], several[0].truncated)
            for several in found
        ]

    def close(self) -> None:
        """Forget the models."""
        self._engines.clear()
        self._indexes.clear()


def _read_index(model: str, engine: Translator | OnnxTranslator) -> tuple[Neighbours | None, str]:
    """Return the index of states of a model, if it has one, or what is wrong with it; that stops no server."""
    loaded = engine.models[0]
    if is_export(model) or not (loaded.directory / STATES).exists():
        return None, ""
    from seq2seq.checkpoint.model import LoadedModel
    from seq2seq.translation.neighbours import Neighbours

    assert isinstance(loaded, LoadedModel)  # it is no export
    try:
        return Neighbours.load(loaded), ""
    except InputError as error:
        return None, f"warning: nearest training sentences are not served: {error}"


class ModelProcess:
    """The models in a process of its own, which is started anew where it is killed."""

    def __init__(self, setup: Setup) -> None:
        """Start the process and wait for its models. Raises what loading raised there."""
        self._setup = setup
        self._child, self.directions = self._start()

    def _start(self) -> tuple[Child, list[Served]]:
        child = Child("a process of the server", _work, self._setup)
        try:
            return child, _value(_receive(child))
        except BaseException:
            Child.kill_all([child])
            raise

    def translate(self, group: Group | Question, texts: list[str]) -> list[Any]:
        """Return what `LoadedModels.translate` does; a batch whose process was killed is tried again in a new one."""
        for _ in range(ATTEMPTS):
            try:
                self._child.send((group, texts))
                answer = _receive(self._child)
            except (EOFError, OSError, Seq2SeqError):  # killed or stopped; its answer must never come to the next batch
                Child.kill_all([self._child])
                self._child, self.directions = self._start()
            else:
                found: list[Any] = _value(answer)
                return found
        raise Seq2SeqError("a process of the server was killed, and so was the next one")

    def close(self) -> None:
        """End the process."""
        Child.kill_all([self._child])


def _receive(child: Child) -> Any:
    wait_for([child])
    return child.receive()


def _value(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(connection: Connection, setup: Setup) -> None:
    """Translate in a process of its own until the server closes the pipe, even by being killed."""
    os.dup2(2, 1)
    for number in (signal.SIGTERM, signal.SIGHUP):  # for the server, which may still need this process
        signal.signal(number, signal.SIG_IGN)
    try:
        models = LoadedModels(setup)
    except Exception as error:  # of any kind: the server raises it, where this process cannot
        connection.send(error if isinstance(error, Seq2SeqError) else Seq2SeqError(str(error)))
        return
    try:
        connection.send(models.directions)
        while True:
            group, texts = connection.recv()
            try:
                answer: Any = models.translate(group, texts)
            except Exception as error:  # its message may have a text in it
                answer = error if isinstance(error, InputError) else RuntimeError(type(error).__name__)
            connection.send(answer)
    except (EOFError, OSError):
        return
