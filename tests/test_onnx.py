"""An exported model translates as the model does, without torch."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import QUICK_CASES, perturb, random_ids, tiny_model
from test_arguments import BAD_OPTIONS, BAD_TEXTS, ITERABLES, TEXTS, check_copies, check_results
from test_translator import TARGETS, make_config, sentences
from typer.testing import CliRunner

from seq2seq.batching import source_batch
from seq2seq.checkpoint.model import LoadedModel, build_model, load_model, save_model
from seq2seq.cli import app
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.nn.copying import copied_weights
from seq2seq.nn.initialisation import initialise
from seq2seq.onnx import beam as numpy_search
from seq2seq.onnx.engine import ExportedModel, load_export
from seq2seq.onnx.export import export_graphs, export_onnx
from seq2seq.onnx.graphs import check_graph
from seq2seq.onnx.translator import OnnxTranslator
from seq2seq.search import beam as torch_search
from seq2seq.search.penalty import LengthPenalty
from seq2seq.search.stepping import Step
from seq2seq.text.tokenizer import train_tokenizers
from seq2seq.translation.translator import Translator

ort = pytest.importorskip("onnxruntime")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    config = make_config(score="additive", wiring="luong", input_feeding=True)
    tokenizers = train_tokenizers(sentences(40), TARGETS, config.tokenizer)
    model = build_model(config, tokenizers)
    initialise(model, 1)
    directory = tmp_path_factory.mktemp("onnx") / "model"
    save_model(directory, config=config, weights=perturb(model).state_dict(), tokenizers=tokenizers, record={})
    return load_model(directory)


@pytest.fixture(scope="module")
def export(loaded: LoadedModel) -> Path:
    directory = loaded.directory.parent / "export"
    export_onnx(loaded, directory)
    return directory


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), QUICK_CASES)
def test_graphs_give_the_numbers_of_the_network(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    network = perturb(tiny_model(mechanism, wiring, cell, decoder_layers=1 + (mechanism == "dot"))).eval()
    graphs = export_graphs(network)
    for graph in graphs.values():
        check_graph(Path(), graph, make_config().model)
    sessions = [ort.InferenceSession(graph, providers=["CPUExecutionProvider"]) for graph in graphs.values()]
    tokenizers: Any = SimpleNamespace(target=SimpleNamespace(vocabulary_size=network.architecture.target_vocabulary))
    exported = ExportedModel(Path(), make_config(), tokenizers, *sessions)
    for lengths in ([7, 4, 1], [1], [9, 9]):
        ids = random_ids(lengths, 29, seed=2)
        state, answer = network.start(*source_batch(ids)), exported.start(ids)
        with torch.no_grad():
            for step, slots in enumerate((1, 3, 4)):
                parents = np.arange(len(ids) * slots).reshape(len(ids), slots) % (1, 1, 3)[step]
                state = state.select(torch.from_numpy(parents))
                rows = np.arange(len(ids))[:, None]
                answer = {n: a if n in numpy_search.PER_SENTENCE else a[rows, parents] for n, a in answer.items()}
                tokens = torch.arange(len(ids) * slots).view(len(ids), slots) % 19 + 4
                log_probs, output = network.step(tokens, state)
                found = exported.step(tokens.numpy(), answer)
                np.testing.assert_allclose(found.log_probs, log_probs.numpy(), atol=2e-5)
                np.testing.assert_allclose(found.weights, output.weights.numpy(), atol=1e-5)
                copied = copied_weights(output)
                assert (found.copied is None) == (copied is None) == (mechanism != "copy")
                if found.copied is not None and copied is not None:
                    np.testing.assert_allclose(found.copied, copied.numpy(), atol=1e-5)
                state, answer = output.state, found.state


class _Nothing:
    """The state of a table: last tokens say all."""

    def select(self, parents: Any) -> _Nothing:
        return self

    def keep(self, sentences: Any) -> _Nothing:
        return self


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10**6),
    sentence_count=st.integers(1, 4),
    vocabulary=st.integers(4, 150),
    beam_size=st.integers(1, 7),
    kind=st.sampled_from(["average", "gnmt", "none"]),
    levels=st.sampled_from([2, 3, 1000]),
    early_exit=st.booleans(),
    data=st.data(),
)
def test_search_finds_what_the_search_in_torch_finds(
    seed: int, sentence_count: int, vocabulary: int, beam_size: int, kind: str, levels: int, early_exit: bool, data: Any
) -> None:
    """Over tables of few levels, so that many hypotheses tie."""
    drawn = np.random.default_rng(seed).integers(0, levels, (vocabulary, vocabulary)).astype(np.float32)
    table = torch.from_numpy(drawn / 4).log_softmax(1)
    nbest = data.draw(st.integers(1, beam_size))
    minima = data.draw(st.lists(st.integers(0, 3), min_size=sentence_count, max_size=sentence_count))
    maxima = [least + data.draw(st.integers(1, 6)) for least in minima]
    shared: dict[str, Any] = {
        "beam_size": beam_size, "bos": 0, "eos": 1, "max_lengths": maxima, "min_lengths": minima, "nbest": nbest,
        "length_penalty": LengthPenalty(kind, 0.7), "forbidden": [0], "early_exit": early_exit,
    }  # fmt: skip

    def step(tokens: torch.Tensor, state: _Nothing) -> Step[_Nothing]:
        return Step(table[tokens], torch.stack([tokens, tokens + 1], 2).float(), state)

    def step_in_numpy(tokens: Any, state: Any) -> numpy_search.ArrayStep:
        weights = np.stack([tokens, tokens + 1], 2).astype(np.float32)
        return numpy_search.ArrayStep(table.numpy()[tokens], weights, state)

    expected = torch_search.beam_search(step, _Nothing(), sentences=sentence_count, **shared)
    found = numpy_search.numpy_beam_search(step_in_numpy, {}, **shared)
    for ours, theirs in zip(found, expected, strict=True):
        assert [replace(each, weights=None) for each in ours] == [
            numpy_search.Outcome(each.tokens, each.log_prob, each.score, None, each.finished)  # type: ignore[arg-type]
            for each in theirs
        ]
        for our, their in zip(ours, theirs, strict=True):
            assert (our.weights == their.weights.numpy()).all()


def test_rank_puts_the_lower_index_first_and_sees_nan() -> None:
    numbers = np.random.default_rng(1).integers(0, 5, (6, 1000)).astype(np.float32)
    values, indices = numpy_search.numpy_topk(numbers, 9)
    order = np.argsort(-numbers, axis=1, kind="stable")[:, :9]
    assert (indices == order).all()
    assert (values == np.take_along_axis(numbers, order, 1)).all()
    numbers[2, 700] = np.nan
    assert np.isnan(numpy_search.numpy_topk(numbers, 9)[0]).any(axis=1).tolist() == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]


def test_translations_are_those_of_the_model_in_any_batch(loaded: LoadedModel, export: Path) -> None:
    texts = ["", *sentences(20), "  ", "der\thund\u00a0la\u0308uft\u3000heute\u2028 \u200bnicht"]
    expected = Translator([loaded]).translate_nbest(texts, 3, beam_size=4, min_length=2, max_source_length=9)
    translator = OnnxTranslator.load(export, threads=1)
    for size in (1, 7, 64):
        found = translator.translate_nbest(texts, 3, beam_size=4, min_length=2, max_source_length=9, batch_size=size)
        for ours, theirs in zip(found, expected, strict=True):
            for our, their in zip(ours, theirs, strict=True):
                assert our.score == pytest.approx(their.score, abs=1e-5)
                assert our.log_prob == pytest.approx(their.log_prob, abs=1e-4)
                np.testing.assert_allclose(our.weights, their.weights, atol=1e-5)
                blind = {"score": 0.0, "log_prob": 0.0, "weights": np.empty(0)}
                assert repr(replace(our, **blind)) == repr(replace(their, **blind))


NO_TORCH = """
import sys
import tomllib
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
from seq2seq.cli import main
main()
"""


def needless() -> set[str]:
    """All that the package depends on, less what the guide installs for an export and what comes with that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    every = {re.split("[<>=;]", line)[0] for line in project["dependencies"]}
    guide = (ROOT / "scripts" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"pip install -c scripts/constraints.txt (onnxruntime .*)", guide)
    assert found is not None
    return every - set(found[1].split()) - {"numpy", "rich"} | {"onnx"}


def test_command_line_translates_without_torch(loaded: LoadedModel, export: Path) -> None:
    assert {"torch", "datasets", "safetensors"} <= needless()
    arguments = ["--n-best", "2", "--format", "jsonl", "--scores", "--alignment", "--max-length", "6"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"BLOCKED = {needless()}{NO_TORCH}", "translate", str(export), *arguments]
    done = subprocess.run(command, input="der hund\n\nmann\n", capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    expected = Translator([loaded]).translate_nbest(["der hund", "", "mann"], 2, max_length=6)
    assert [line["text"] for line in found] == [each.text for several in expected for each in several]
    assert len(found) == 5


def refusal(*arguments: str, text: str = "der hund\n") -> str:
    result = CliRunner().invoke(app, list(arguments), input=text)
    assert result.exit_code == 2, result.output
    return result.output


def test_what_an_export_cannot_do_is_refused(loaded: LoadedModel, export: Path, tmp_path: Path) -> None:
    model = str(loaded.directory)
    assert "does not sample" in refusal("translate", str(export), "--sample")
    assert "does not sample" in refusal("translate", str(export), "--mbr", "chrf")
    with pytest.raises(InputError, match=f"^{export}: an exported model cannot be explained; use the model itself$"):
        OnnxTranslator.load(export).explain("a b")
    options = [["--prefix"], ["--avoid", __file__], ["--diverse-groups", "1"]]
    options += [["--no-repeat-ngram", "2"], ["--repetition-penalty", "1.2"]]
    terms = tmp_path / "terms.tsv"
    terms.write_text("hund\tdog\n", encoding="utf-8")
    for steered in (["--constraints"], ["--glossary", str(terms)]):
        assert "cannot be steered; leave out constraints" in refusal("translate", str(export), *steered)
    for steered in options:
        name = steered[0].removeprefix("--").replace("-", "_").replace("prefix", "prefixes")
        assert f"cannot be steered; leave out {name}" in refusal("translate", str(export), *steered)
    assert "no shortlist" in refusal("translate", str(export), "--shortlist")
    assert "joins no ensemble" in refusal("translate", model, str(export))
    assert "cpu alone" in refusal("translate", str(export), "--device", "cuda")
    assert "an exported model; it translates" in refusal("inspect", str(export))
    assert "did you mean 'onnx'" in refusal("export", model, "--format", "onx")
    assert "in it already" in refusal("export", model, "--output", str(export))
    with pytest.raises(InputError, match="a model, not an export"):
        OnnxTranslator.load(model)


def test_damaged_and_foreign_exports_are_refused(export: Path, tmp_path: Path) -> None:
    for name in ("encoder.onnx", "tokenizer.source.model", "tokenizer.model"):
        if (export / name).exists():
            content = (export / name).read_bytes()
            (export / name).write_bytes(content[:-1] + b"?")
            with pytest.raises(InputError, match=f"{name}: not the file that config.json lists"):
                load_export(export)
            (export / name).write_bytes(content)
    damaged(export, tmp_path, **{"step.onnx": (export / "encoder.onnx").read_bytes()})
    with pytest.raises(InputError, match="not the two graphs of one exported model"):
        load_export(tmp_path)


def test_arguments_are_read_as_those_of_the_model(export: Path) -> None:
    translator = OnnxTranslator.load(str(export), threads=np.int64(1))  # type: ignore[arg-type]
    expected = translator.translate(TEXTS)
    for give in ITERABLES.values():
        assert translator.translate(give(TEXTS)) == expected
        assert [found[0] for found in translator.stream(give(TEXTS), chunk=3)] == expected
    for texts, message in BAD_TEXTS:
        for method in (translator.translate, lambda given: list(translator.stream(given))):
            with pytest.raises(InputError, match=message.format("sentence")):
                method(texts)
    for options, message in BAD_OPTIONS:
        for method in (translator.translate, translator.stream):
            with pytest.raises(InputError, match=message):
                method([], **options)
    for threads in ("2", 0, True):
        with pytest.raises(InputError, match="threads must"):
            OnnxTranslator.load(export, threads=threads)  # type: ignore[arg-type]
    for name in (None, b"x", 3):
        with pytest.raises(InputError, match="the directory of an export must be a string or a Path"):
            OnnxTranslator.load(name)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n-best must lie between 1 and the beam size 3"):
        translator.translate_nbest([], 4)


def test_an_export_is_copied_and_sent(export: Path) -> None:
    translator = OnnxTranslator.load(export, threads=1)
    check_copies(translator)
    check_results(translator.translate([text for text in TEXTS if text]))
    assert pickle.loads(pickle.dumps(translator)).numerics() == translator.numerics()


def damaged(export: Path, directory: Path, **contents: bytes) -> None:
    """A copy of an export with other files, whose hashes are right."""
    shutil.copytree(export, directory, dirs_exist_ok=True)
    manifest = json.loads((export / "config.json").read_bytes())
    for name, content in contents.items():
        (directory / name).write_bytes(content)
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (directory / "config.json").write_text(json.dumps(manifest), encoding="utf-8")


def loop(graph: Any) -> None:
    """The network, 2^62 times."""
    helper, body = onnx.helper, onnx.GraphProto()
    flag = helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("turn", onnx.TensorProto.INT64, [])
    again = helper.make_tensor_value_info("again", onnx.TensorProto.BOOL, [])
    body.CopyFrom(helper.make_graph([helper.make_node("Identity", ["go"], ["again"])], "b", [count, flag], [again]))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(2**62), "turns"))
    graph.node.insert(0, helper.make_node("Loop", ["turns", ""], [], body=body))


def elsewhere(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def weights_elsewhere(graph: Any) -> None:
    elsewhere(graph.initializer[0])


def constant_elsewhere(graph: Any) -> None:
    elsewhere(next(node for node in graph.node if node.op_type == "Constant").attribute[0].t)


def diverged(graph: Any) -> None:
    largest = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.raw_data = np.full(len(largest.raw_data) // 4, np.nan, np.float32).tobytes()


def diverged_elsewhere(graph: Any) -> None:
    """As another library may write them."""
    broken = onnx.helper.make_tensor("broken", onnx.TensorProto.FLOAT, [2], [0.0, float("inf")])
    graph.initializer.append(broken)


def function(graph: Any) -> None:
    graph.node[0].domain = "strange"


def nodes(graph: Any) -> None:
    graph.node.extend(onnx.helper.make_node("Identity", ["tokens"], [f"x{number}"]) for number in range(2000))


def wide(graph: Any) -> None:
    """A shape of which nothing could be made."""
    shape = onnx.numpy_helper.from_array(np.array([2**40]), "wide")
    graph.node.append(onnx.helper.make_node("Constant", [], ["shape"], value=shape))
    graph.node.append(onnx.helper.make_node("ConstantOfShape", ["shape"], ["filled"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (loop, "the operator 'Loop', which no export of this model has"),
        (weights_elsewhere, "data in another file"),
        (constant_elsewhere, "data in another file"),
        (diverged, "weights that are NaN or infinite"),
        (diverged_elsewhere, "weights that are NaN or infinite"),
        (function, "field 7 of a node"),
        (nodes, "2,0[0-9]+ nodes, more than 1,300"),
        (wide, "the number 1099511627776, where at most 1,000,000"),
    ],
)
def test_graphs_of_strangers_are_refused(change: Any, message: str, export: Path, tmp_path: Path) -> None:
    """Before onnxruntime sees them: it would run the loop, and read the file."""
    (tmp_path / "weights.bin").write_bytes(bytes(1 << 16))
    stranger = onnx.load(export / "step.onnx")
    change(stranger.graph)
    damaged(export, tmp_path, **{"step.onnx": stranger.SerializeToString()})
    with pytest.raises(InputError, match=f"step.onnx: {message}"):
        load_export(tmp_path)


def test_other_models_in_a_graph_are_refused(export: Path) -> None:
    """Functions and training of a model, other sets of operators, and bytes that are no message at all."""
    plain = (export / "step.onnx").read_bytes()
    model = onnx.load_from_string(plain)
    model.functions.add(name="f", domain="d")
    other = onnx.load_from_string(plain)
    other.opset_import.add(domain="com.microsoft", version=1)
    newer = onnx.load_from_string(plain)
    newer.opset_import[0].version = 99
    for content, message in (
        (model.SerializeToString(), "field 25 of a model"),
        (other.SerializeToString(), "operators of 'com.microsoft'"),
        (newer.SerializeToString(), "operators of '', version 99"),
        (plain[:-7], "not a graph of ONNX: it ends in the middle"),
        (b"\x38\x07", "not a graph of ONNX: a number in the place of a message"),
        (b"\xff" * 99, "not a graph of ONNX"),
    ):
        with pytest.raises(InputError, match=f"x: {message}"):
            check_graph(Path("x"), content, make_config().model)


@pytest.mark.parametrize(
    ("graph", "name"), [("step.onnx", "log_probs"), ("step.onnx", "next_fed"), ("encoder.onnx", "keys")]
)
def test_outputs_of_another_shape_are_named(graph: str, name: str, export: Path, tmp_path: Path) -> None:
    """7 for a vocabulary of 150 once gave a blank line."""
    stranger = onnx.load(export / graph)
    for node in stranger.graph.node:
        for names in (node.input, node.output):
            names[:] = ["whole" if each == name else each for each in names]
    cut = [onnx.numpy_helper.from_array(np.array([value]), key) for key, value in (("a", 0), ("b", 1), ("c", -1))]
    stranger.graph.initializer.extend(cut)
    stranger.graph.node.append(onnx.helper.make_node("Slice", ["whole", "a", "b", "c"], [name]))
    shape = next(each for each in stranger.graph.output if each.name == name).type.tensor_type.shape
    for dimension in shape.dim:
        dimension.dim_param = "any"
    damaged(export, tmp_path, **{graph: stranger.SerializeToString()})
    refused = refusal("translate", str(tmp_path)).replace("\n", "")
    assert re.search(rf"{graph}: {name} has the shape \[1, \d, 1\], where this model's has \[1, \d, \d+\]", refused)


def test_answers_that_are_no_numbers_are_refused(export: Path, tmp_path: Path) -> None:
    stranger = onnx.load(export / "step.onnx")
    give = next(node for node in stranger.graph.node if "weights" in node.output)
    give.output[list(give.output).index("weights")] = "some"
    stranger.graph.node.append(onnx.helper.make_node("Div", ["zero", "zero"], ["broken"]))
    stranger.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    stranger.graph.node.append(onnx.helper.make_node("Add", ["some", "broken"], ["weights"]))
    damaged(export, tmp_path, **{"step.onnx": stranger.SerializeToString()})
    with pytest.raises(Seq2SeqError, match=r"step.onnx: the model answered NaN \(weights\)"):
        OnnxTranslator.load(tmp_path).translate(["der hund"])
