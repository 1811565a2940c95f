"""Exported models run by onnxruntime; neither this module nor what it imports needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.checkpoint.files import (
    CONFIG,
    ENCODER,
    GRAPHS,
    JOINT,
    SOURCE,
    STEP,
    TARGET,
    Manifest,
    Vocabulary,
    read_files,
)
from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError, Seq2SeqError, imports_for
from seq2seq.onnx.beam import PER_SENTENCE, ArrayState, ArrayStep, Ints
from seq2seq.onnx.graphs import check_graph
from seq2seq.text.special_tokens import EOS, PAD, SPECIAL_IDS
from seq2seq.text.tokenizer import LARGEST_TOKENIZER, Tokenizer, TokenizerPair

_LARGEST_GRAPH = 2 << 30  # bytes; the format holds no more


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """An exported model with all that it takes to run it; graphs: name -> bytes of which the sessions were made."""

    directory: Path
    config: Config
    tokenizers: TokenizerPair
    encoder: Any  # onnxruntime.InferenceSession
    stepper: Any
    graphs: Mapping[str, bytes] = field(default_factory=dict)
    threads: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.directory, self.config, self.tokenizers, self.graphs, self.threads)

    def start(self, ids: list[list[int]]) -> ArrayState:
        """Encode sentences, given without their end tokens; return the state before the first step, with one slot."""
        lengths = np.array([len(row) + 1 for row in ids], dtype=np.int64)
        source = np.full((len(ids), lengths.max()), PAD, dtype=np.int64)
        for row, tokens in enumerate(ids):
            source[row, : len(tokens) + 1] = [*tokens, EOS]
        names = [output.name for output in self.encoder.get_outputs()]
        found = self._run(self.encoder, ENCODER, names, {"source": source, "lengths": lengths})
        state = dict(zip(names, found, strict=True))
        read = {each.name: each.shape for each in self.stepper.get_inputs()}
        for name, part in state.items():
            self._check(ENCODER, name, part, _first_shape(name, len(ids), source.shape[1], read.get(name, [])))
        return state

    def step(self, tokens: Ints, state: ArrayState) -> ArrayStep:
        """Return log-probabilities in nats [sentences, beam, vocabulary], attention weights, the next state, and what a
        model with copying copies.
        """
        given = {"tokens": tokens, **state}
        feed = {each.name: given[each.name] for each in self.stepper.get_inputs()}  # tracing drops unused inputs
        log_probs, weights, *rest = self._run(self.stepper, STEP, None, feed)
        self._check(STEP, "log_probs", log_probs, (*tokens.shape, self.tokenizers.target.vocabulary_size))
        self._check(STEP, "weights", weights, (*tokens.shape, state["mask"].shape[1]))
        copied = rest.pop(0) if "pieces" in state else None
        if copied is not None:
            self._check(STEP, "copied", copied, weights.shape)
        after = dict(zip((name for name in state if name not in PER_SENTENCE), rest, strict=True))
        for name, part in after.items():
            self._check(STEP, f"next_{name}", part, state[name].shape)
        return ArrayStep(log_probs, weights, {**state, **after}, copied)

    def _run(self, session: Any, graph: str, names: list[str] | None, feed: dict[str, Any]) -> list[NDArray[Any]]:
        try:
            found: list[NDArray[Any]] = session.run(names, feed)
        except Exception as error:  # its errors have no public class
            line = str(error).partition("\n")[0]
            raise Seq2SeqError(f"{self.directory / graph}: onnxruntime cannot run it: {line}") from None
        return found

    def _check(self, graph: str, name: str, part: NDArray[Any], shape: tuple[int | None, ...]) -> None:
        """Raise an error for an output of another shape, or of NaN or infinity; None in the shape stands for any size.

        Log-probabilities may be minus infinity, and the search looks for NaN among them.
        """
        if part.ndim != len(shape) or any(
            want not in (None, size) for want, size in zip(shape, part.shape, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            has = f"{name} has the shape {list(part.shape)}, where this model's has [{wanted}]"
            raise InputError(f"{self.directory / graph}: {has}; export the model anew")
        if name != "log_probs" and not np.isfinite(part).all():
            broken = f"the model answered NaN ({name}): its graphs are damaged, or its training diverged"
            raise Seq2SeqError(f"{self.directory / graph}: {broken}")


def _first_shape(name: str, sentences: int, width: int, read: list[Any]) -> tuple[int | None, ...]:
    """Return the shape of a part of the first state; `read` is the shape that the step's graph declares for it."""
    size = read[-1] if read and isinstance(read[-1], int) else None
    if name in PER_SENTENCE:
        return (sentences, width) if name in ("mask", "pieces") else (sentences, width, size)
    if name == "position":
        return sentences, 1
    return sentences, 1, width if name == "coverage" else size


def load_export(directory: Path, *, threads: int | None = None) -> ExportedModel:
    """Load an export from its directory; `threads` of onnxruntime, None: one per core.

    Raises InputError where the export is missing, damaged or foreign, and where onnxruntime is not installed.
    """
    manifest, contents = read_files(directory, _limits(directory))
    config = parse_config(manifest.config, str(directory / CONFIG))
    tokenizers = _tokenizers(directory, manifest, contents)
    for name in GRAPHS:
        check_graph(directory / name, contents[name], config.model)
    model = _open(directory, config, tokenizers, {name: contents[name] for name in GRAPHS}, threads)
    _check_graphs(model)
    return model


def _open(
    directory: Path, config: Config, tokenizers: TokenizerPair, graphs: Mapping[str, bytes], threads: int | None
) -> ExportedModel:
    encoder, stepper = (_session(directory / name, graphs[name], threads) for name in GRAPHS)
    return ExportedModel(directory, config, tokenizers, encoder, stepper, graphs, threads)


def _limits(directory: Path) -> Any:
    def limits(manifest: Manifest) -> dict[str, int]:
        if not manifest.exported:
            raise InputError(f"{directory}: a model, not an export; `seq2seq export` makes one of it")
        return {name: _LARGEST_GRAPH if name in GRAPHS else LARGEST_TOKENIZER for name in manifest.files}

    return limits


def _tokenizers(directory: Path, manifest: Manifest, contents: dict[str, bytes]) -> TokenizerPair:
    names = [JOINT] if JOINT in contents else [SOURCE, TARGET]
    read = [Tokenizer.from_bytes(contents[name], str(directory / name)) for name in names]
    pair = TokenizerPair(source=read[0], target=read[-1], joint=JOINT in contents)
    found = Vocabulary(source=pair.source.vocabulary_size, target=pair.target.vocabulary_size)
    if manifest.vocabulary != found or manifest.special_ids != SPECIAL_IDS:
        raise InputError(f"{directory / CONFIG}: its vocabulary or special ids are not those of its tokenizers")
    return pair


def _session(path: Path, content: bytes, threads: int | None) -> Any:
    with imports_for("an exported model"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads or 0  # 0: one per core
    options.log_severity_level = 4  # nothing below fatal; errors are raised as exceptions
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no public class
        line = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a graph that onnxruntime can run: {line}") from None


def _check_graphs(model: ExportedModel) -> None:
    """Raise InputError for graphs that do not come from one export."""
    reads, state = model.encoder.get_inputs(), model.encoder.get_outputs()
    takes, gives = model.stepper.get_inputs(), model.stepper.get_outputs()
    names = [each.name for each in state]
    once = PER_SENTENCE if model.config.model.copy else PER_SENTENCE[:-1]
    carried = [f"next_{name}" for name in names if name not in PER_SENTENCE]
    fits = [each.name for each in reads] == ["source", "lengths"] and names[: len(once)] == list(once)
    fits = fits and {each.name for each in takes} <= {"tokens", *names}
    answers = ["log_probs", "weights", *(["copied"] if model.config.model.copy else [])]
    fits = fits and "pieces" not in names[len(once) :] and [each.name for each in gives] == [*answers, *carried]
    types = {"mask": "tensor(bool)"} | dict.fromkeys(("pieces", "position", "next_position"), "tensor(int64)")
    if not fits or any(each.type != types.get(each.name, "tensor(float)") for each in (*state, *gives)):
        raise InputError(f"{model.directory}: {ENCODER} and {STEP} are not the two graphs of one exported model")
