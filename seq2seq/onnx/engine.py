"""An exported model run by onnxruntime. Nothing here, nor what it imports, needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.config import Config, parse_config
from seq2seq.directory import CONFIG, ENCODER, GRAPHS, JOINT, SOURCE, STEP, TARGET, Manifest, Vocabulary, read_files
from seq2seq.errors import InputError
from seq2seq.onnx.beam import SENTENCE, Floats, Ints, State
from seq2seq.text.tokenizer import BOS, EOS, LARGEST, PAD, UNK, Tokenizer, TokenizerPair

_LARGEST_GRAPH = 2 << 30  # bytes: what the format can hold
_SPECIAL_IDS = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """An export with all that its use needs. graphs: what the sessions were made of, by name."""

    directory: Path
    config: Config
    tokenizers: TokenizerPair
    encoder: Any  # onnxruntime.InferenceSession
    stepper: Any
    graphs: Mapping[str, bytes] = field(default_factory=dict)
    threads: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.directory, self.config, self.tokenizers, self.graphs, self.threads)

    def start(self, ids: list[list[int]]) -> State:
        """Read sentences (without their end tokens); the state from which targets begin, with one beam slot."""
        lengths = np.array([len(row) + 1 for row in ids], dtype=np.int64)
        source = np.full((len(ids), lengths.max()), PAD, dtype=np.int64)
        for row, tokens in enumerate(ids):
            source[row, : len(tokens) + 1] = [*tokens, EOS]
        names = [output.name for output in self.encoder.get_outputs()]
        return dict(zip(names, self.encoder.run(names, {"source": source, "lengths": lengths}), strict=True))

    def step(self, tokens: Ints, state: State) -> tuple[Floats, Floats, State]:
        """Log-probabilities (nats), weights, and the state after the tokens."""
        given = {"tokens": tokens, **state}
        feed = {each.name: given[each.name] for each in self.stepper.get_inputs()}  # tracing drops what is not read
        log_probs, weights, *rest = self.stepper.run(None, feed)
        names = [name for name in state if name not in SENTENCE]
        return log_probs, weights, {**state, **dict(zip(names, rest, strict=True))}


def load_export(directory: Path, *, threads: int | None = None) -> ExportedModel:
    """Raises InputError where the export is missing, damaged or foreign, and where onnxruntime is not installed."""
    manifest, contents = read_files(directory, _limits(directory))
    config = parse_config(manifest.config, str(directory / CONFIG))
    tokenizers = _tokenizers(directory, manifest, contents)
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
        return {name: _LARGEST_GRAPH if name in GRAPHS else LARGEST for name in manifest.files}

    return limits


def _tokenizers(directory: Path, manifest: Manifest, contents: dict[str, bytes]) -> TokenizerPair:
    names = [JOINT] if JOINT in contents else [SOURCE, TARGET]
    read = [Tokenizer.from_bytes(contents[name], str(directory / name)) for name in names]
    pair = TokenizerPair(source=read[0], target=read[-1], joint=JOINT in contents)
    found = Vocabulary(source=pair.source.vocabulary_size, target=pair.target.vocabulary_size)
    if manifest.vocabulary != found or manifest.special_ids != _SPECIAL_IDS:
        raise InputError(f"{directory / CONFIG}: its vocabulary or special ids are not those of its tokenizers")
    return pair


def _session(path: Path, content: bytes, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise InputError("an exported model needs onnxruntime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads or 0  # 0: one a core
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no public class
        line = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a graph that onnxruntime can run: {line}") from None


def _check_graphs(model: ExportedModel) -> None:
    """Refuse graphs that are not of an export, or not of one model."""
    state = [each.name for each in model.encoder.get_outputs()]
    carried = [name for name in state if name not in SENTENCE]
    takes = {each.name for each in model.stepper.get_inputs()}
    gives = [each.name for each in model.stepper.get_outputs()]
    fits = [each.name for each in model.encoder.get_inputs()] == ["source", "lengths"]
    fits = fits and takes <= {"tokens", *state} and len(gives) == 2 + len(carried)
    if not fits or gives != ["log_probs", "weights", *(f"next_{name}" for name in carried)]:
        raise InputError(f"{model.directory}: {ENCODER} and {STEP} are not the two graphs of one exported model")
