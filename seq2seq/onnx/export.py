"""Export of a model as two ONNX graphs: encoder.onnx encodes the source, step.onnx extends each hypothesis.

The exporter is torch's older, tracing one (dynamo=False). The newer one took 28 s for an encoder where tracing takes
0.5 s for both graphs (torch 2.13), needs onnxscript, and unrolled the recurrence, so that the graph accepted sources of
the traced width alone. When torch drops the older one, the recurrence has to be given to the newer one as ONNX's own
LSTM and GRU.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import jaxtyping
import torch
from torch import Tensor, nn

from seq2seq.checkpoint.files import CONFIG, ENCODER, FORMAT, STEP, Manifest, write_files
from seq2seq.checkpoint.model import LoadedModel, refuse_nan, tokenizer_files
from seq2seq.durable import explain_write_errors, sha256
from seq2seq.errors import InputError, require
from seq2seq.nn.attention import Memory, Past
from seq2seq.nn.copying import copied_weights
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.kernels.loop_gradients import plain
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.recurrent import RecurrentLayer, State
from seq2seq.onnx.beam import PER_SENTENCE
from seq2seq.onnx.graphs import OPSET, check_graph
from seq2seq.text.escaping import escape_markdown
from seq2seq.text.special_tokens import SPECIAL_IDS
from seq2seq.version import __version__

_CARD = """# {name}

Exported by seq2seq {version}. With it, onnxruntime, sentencepiece, pydantic and typer, and without torch:

    seq2seq translate DIRECTORY < text
"""


def export_onnx(loaded: LoadedModel, directory: Path) -> None:
    """Write the model into a new directory, for `OnnxTranslator`.

    Raises InputError where the directory has files, the package `onnx` is missing or weights are NaN, Seq2SeqError
    where the disk refuses.
    """
    require("an export", "onnx")  # which torch imports when it has traced the network
    check_export_directory(directory)
    refuse_nan(dict(loaded.model.named_parameters()), str(loaded.directory))
    graphs = export_graphs(loaded.model)
    for name, graph in graphs.items():  # another version of torch may write other operators
        check_graph(directory / name, graph, loaded.config.model)
    tokenizers = loaded.tokenizers
    contents = {**graphs, **tokenizer_files(tokenizers)}
    manifest = Manifest(
        format=FORMAT,
        seq2seq=__version__,
        config=loaded.config.model_dump(mode="json"),
        special_ids=SPECIAL_IDS,
        vocabulary=loaded.vocabulary,
        files={name: sha256(content) for name, content in contents.items()},
        record=loaded.card,
    )
    card = _CARD.format(name=escape_markdown(loaded.directory.name), version=__version__)
    with explain_write_errors(str(directory), "the export could not be written"):
        write_files(directory, manifest, contents, card)


def check_export_directory(directory: Path) -> None:
    """Raise InputError where the directory has files already, or is a file."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: a file; --output names a new directory")
    if directory.is_dir() and any(directory.iterdir()):
        what = "a model or an export" if (directory / CONFIG).exists() else "files"
        raise InputError(f"{directory}: there are {what} in it already; delete it, or name another with --output")


def export_graphs(network: Seq2Seq) -> dict[str, bytes]:
    """Return encoder.onnx and step.onnx of a network, by name, in single precision."""
    network = copy.deepcopy(network).to("cpu", torch.float32).eval()
    for module in network.modules():
        if isinstance(module, RecurrentLayer):
            module.__class__ = _TorchLayer
    source, lengths = torch.tensor([[4, 5, 6], [4, 3, 0]]), torch.tensor([3, 2])
    with torch.no_grad():
        state = network.start(source, lengths).select(torch.zeros(2, 2, dtype=torch.long))
        names, tensors = _names(state), _flat(state)
        carried = [f"next_{name}" for name in names if name not in PER_SENTENCE]
        copied = ["copied"] if network.architecture.copy else []
        step = ["tokens", *names], ["log_probs", "weights", *copied, *carried]
        return {
            ENCODER: _trace(_Start(network), (source, lengths), ["source", "lengths"], names),
            STEP: _trace(_Step(network, state), (torch.tensor([[4, 5], [6, 4]]), *tensors), *step),
        }


class _TorchLayer(RecurrentLayer):
    """A recurrent layer that runs a whole sequence by torch's own recurrence.

    That is one node of a graph, while the loop of RecurrentLayer would be unrolled.
    """

    def sequence(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs of all positions and the last state."""
        return self._torch_sequence(inputs, state)


def _names(state: DecoderState) -> list[str]:
    """Return the names of the tensors of a state, in the order of `_flat`."""
    cells = [f"cell_{depth}_{part}" for depth, layer in enumerate(state.cells) for part in range(len(layer))]
    optional = {"fed": state.fed, "position": state.past.position, "coverage": state.past.coverage}
    once = PER_SENTENCE if state.memory.pieces is not None else PER_SENTENCE[:-1]
    return [*once, *cells, *(name for name, part in optional.items() if part is not None)]


def _flat(state: DecoderState) -> list[Tensor]:
    memory = plain(state.memory.keys), plain(state.memory.values), state.memory.mask, state.memory.pieces
    return [*(part for part in memory if part is not None), *_carried(state)]


def _carried(state: DecoderState) -> list[Tensor]:
    """Return the tensors of a state that a step changes, in their order in `_flat`."""
    parts = [part for layer in state.cells for part in layer]
    optional = (state.fed, state.past.position, state.past.coverage)
    return [*parts, *(part for part in optional if part is not None)]


class _Start(nn.Module):
    """A module from source ids and lengths to the tensors of a state."""

    def __init__(self, network: Seq2Seq) -> None:
        super().__init__()
        self.network = network

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return tuple(_flat(self.network.start(source, lengths)))


class _Step(nn.Module):
    """A module from tokens and a state's tensors to log-probabilities, weights, and the tensors that a step changes."""

    def __init__(self, network: Seq2Seq, like: DecoderState) -> None:
        super().__init__()
        self.network, self.like = network, like

    def forward(self, tokens: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        log_probs, output = self.network.step(tokens, self._state(iter(tensors)))
        copied = copied_weights(output)
        answers = (log_probs, output.weights) if copied is None else (log_probs, output.weights, copied)
        return *answers, *_carried(output.state)

    def _state(self, tensors: Iterator[Tensor]) -> DecoderState:
        memory = Memory(next(tensors), next(tensors), next(tensors))
        if self.like.memory.pieces is not None:
            memory = replace(memory, pieces=next(tensors))
        cells = tuple(tuple(next(tensors) for _ in layer) for layer in self.like.cells)
        fed = None if self.like.fed is None else next(tensors)
        position = None if self.like.past.position is None else next(tensors)
        coverage = None if self.like.past.coverage is None else next(tensors)
        return DecoderState(memory, cells, fed, Past(position, coverage))


def _axes(name: str) -> dict[int, str]:
    """Return the axes whose sizes may change from call to call, with their names."""
    if name == "lengths":
        return {0: "sentences"}
    if name == "source" or name in PER_SENTENCE:
        return {0: "sentences", 1: "source"}
    slots = {0: "sentences", 1: "beam"}
    return slots | {2: "source"} if name.removeprefix("next_") in ("weights", "copied", "coverage") else slots


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], takes: Sequence[str], gives: Sequence[str]) -> bytes:
    with TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            module.eval(),
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=takes,
            output_names=gives,
            dynamic_axes={name: _axes(name) for name in (*takes, *gives)},
        )
        return path.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the tracer's warnings, switch off shape checks, and turn its error for an operator into an InputError.

    Tracing warns of its own age, and of every size that it takes as constant; the tests try other sizes. While it
    traces, sizes are tensors where annotations say int, so that shape checks would fail.
    """
    checked = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except torch.onnx.errors.UnsupportedOperatorError as error:
        line = str(error).partition("\n")[0]
        raise InputError(f"this model has a part that ONNX cannot express: {line}") from None
    finally:
        jaxtyping.config.update("jaxtyping_disable", checked)
