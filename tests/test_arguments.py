"""What Python callers hand over: any iterable of sentences, and every refusal names the argument or the place."""

import copy
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from test_translator import close, pair, sentences, tiny

from seq2seq import Translator, load_config, load_model
from seq2seq.checkpoint.model import save_model
from seq2seq.errors import InputError, MissingPackage, Seq2SeqError, WrongType, missing_package
from seq2seq.text.arguments import check_bool
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.translation.lexicon import Lexicon

__all__ = ["pair"]  # a fixture
pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
TEXTS = ["der hund", "", "ein mann schläft", "x"]
Given = Callable[[list[str]], Any]

ITERABLES: dict[str, Given] = {
    "generator": lambda texts: (text for text in texts),
    "map": lambda texts: map(str, texts),
    "tuple": tuple,
    "keys": lambda texts: dict.fromkeys(texts).keys(),
    "file": lambda texts: io.StringIO("".join(f"{text}\n" for text in texts)),
    "file of Windows": lambda texts: [f"{text}\r\n" for text in texts],
    "array": lambda texts: np.array(texts),
    "objects": lambda texts: np.array(texts, dtype=object),
}

BAD_TEXTS: list[tuple[Any, str]] = [
    ("hund", "a list of sentences is needed, not one string"),
    (b"hund", "an iterable of {0}s is needed, not b'hund'"),
    (None, "an iterable of {0}s is needed, not None"),
    (3, "an iterable of {0}s is needed, not 3"),
    ({"de": ["hund"]}, r"an iterable of {0}s is needed, not a table with the columns \['de'\]"),
    (pandas.DataFrame({"de": ["hund"]}), r"an iterable of {0}s is needed, not a table with the columns \['de'\]"),
    (["hund", None], "{0} 2: None is no string; where a text is missing"),
    (["hund", float("nan")], "{0} 2: nan is no string; where a text is missing"),
    ([b"hund"], "{0} 1: b'hund' is no string; decode it"),
    (("hund", 7), "{0} 2: 7 is no string"),
    ([["hund"]], r"{0} 1: \['hund'\] is no string"),
    (["", "ein\nhund"], "{0} 2: a line break within a sentence"),
    (["hund\n\n"], "{0} 1: a line break within a sentence"),
    (["hund\0"], "{0} 1: the line has a NUL character"),
    (["hund", "hund \udcff"], "{0} 2: a lone surrogate"),
]

BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"beam_size": 5.0}, r"beam_size must be a whole number, given 5.0"),
    ({"beam_size": "5"}, r"beam_size must be a whole number, given '5'"),
    ({"beam_size": True}, r"beam_size must be a whole number, given True"),
    ({"beam_size": -1}, r"beam_size must lie between 1 and 1024, given -1"),
    ({"beam_size": 2**31 - 1}, r"beam_size must lie between 1 and 1024"),
    ({"min_length": 2**40}, r"min_length must lie between 0 and 1000"),
    ({"max_length": 7.5}, r"max_length must be a whole number"),
    ({"max_source_length": [3]}, r"max_source_length must be a whole number, given \[3\]"),
    ({"batch_size": np.float32(3)}, r"batch_size must be a whole number"),
    ({"batch_tokens": "many"}, r"batch_tokens must be a whole number"),
    ({"length_alpha": "0.5"}, r"length_alpha must be a number, given '0.5'"),
    ({"length_alpha": False}, r"length_alpha must be a number, given False"),
    ({"length_alpha": float("nan")}, r"alpha must lie between 0 and 10, given nan"),
    ({"length_penalty": 3}, r"length penalty must be one of average, gnmt, none, given 3"),
    ({"int8": "no"}, r"int8 must be True or False, given 'no'"),
    ({"int8": 1}, r"int8 must be True or False, given 1"),
    ({"prefixes": "a"}, r"a list of sentences is needed, not one string"),
    ({"prefixes": 3}, r"an iterable of prefixes is needed"),
    ({"avoid": "a"}, r"a list of sentences is needed, not one string"),
    ({"avoid": ["a", ""]}, r"string to avoid 2 is blank"),
    ({"no_repeat_ngram": 0}, r"no_repeat_ngram must be 1 or more, given 0"),
    ({"no_repeat_ngram": True}, r"no_repeat_ngram must be a whole number, given True"),
    ({"repetition_penalty": 0.9}, r"the repetition penalty must lie between 1 \(no penalty\) and 100, given 0.9"),
    ({"repetition_penalty": "2"}, r"repetition_penalty must be a number, given '2'"),
    ({"shortlist": "yes"}, r"shortlist must be True or False, given 'yes'"),
]


@pytest.fixture(scope="module")
def translator(pair: TokenizerPair) -> Translator:
    loaded = tiny(pair)
    loaded.model.float()
    return Translator([loaded])


@pytest.mark.parametrize("kind", ITERABLES)
def test_any_iterable_of_strings_will_do(translator: Translator, kind: str) -> None:
    give = ITERABLES[kind]
    expected = translator.translate(TEXTS)
    found = translator.translate(give(TEXTS))
    assert [each.source for each in found] == TEXTS
    assert {type(each.source) for each in found} == {str}
    assert all(map(close, expected, found))
    assert [each[0].source for each in translator.translate_nbest(give(TEXTS), 2)] == TEXTS
    assert [each[0].source for each in translator.sample(give(TEXTS))] == TEXTS
    assert [each[0].source for each in translator.stream(give(TEXTS), chunk=3)] == TEXTS
    assert translator.score(give(TEXTS), give(TEXTS)) == translator.score(TEXTS, TEXTS)
    assert translator.align(give(TEXTS), give(TEXTS)) == translator.align(TEXTS, TEXTS)
    rows = ((np.int64(id_) for id_ in each.tokens) for each in expected)
    assert translator.score_tokens(give(TEXTS), rows) == translator.score_tokens(TEXTS, [each.tokens for each in found])


def test_a_lexicon_learns_from_any_iterable(translator: Translator) -> None:
    lexicon = Lexicon(translator.models[0])
    lexicon.learn((text for text in TEXTS), (text for text in TEXTS))
    assert (lexicon.pairs, lexicon.left_out) == (3, 1)
    with pytest.raises(InputError, match="target 1: None is no string"):
        lexicon.learn(["hund"], [None])  # type: ignore[list-item]


@pytest.mark.parametrize(("texts", "message"), BAD_TEXTS)
def test_what_is_no_sentence_is_named_by_its_place(translator: Translator, texts: Any, message: str) -> None:
    calls = {
        "sentence": (translator.translate, translator.sample, lambda texts: list(translator.stream(texts, chunk=1)))
    }
    calls["source"] = (lambda texts: translator.score(texts, TEXTS), lambda texts: translator.align(texts, TEXTS))
    calls["source"] += (lambda texts: translator.score_tokens(texts, []),)
    calls["target"] = (lambda texts: translator.score(TEXTS, texts), lambda texts: translator.align(TEXTS, texts))
    for what, methods in calls.items():
        for method in methods:
            with pytest.raises(InputError, match=message.format(what)):
                method(texts)


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_of_another_type_are_refused(translator: Translator, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        translator.translate([], **options)
    with pytest.raises(InputError, match=message):
        translator.stream([], **options)  # at once, not when the first translation is asked for
    if not {"beam_size", "shortlist"} & options.keys():
        with pytest.raises(InputError, match=message):
            translator.sample([], **options)


def test_numbers_of_numpy_are_numbers(translator: Translator) -> None:
    options = {"beam_size": np.int64(2), "length_alpha": np.float32(0.5), "int8": np.bool_(False)}
    assert translator.translate(TEXTS, **options) == translator.translate(TEXTS, beam_size=2, length_alpha=0.5)
    assert not check_bool("int8", np.bool_(False))


CALLS: list[tuple[Callable[[Translator], Any], str]] = [
    (lambda t: t.translate([], n_best=2), "unknown option 'n_best'; allowed: .*beam_size"),
    (lambda t: t.translate_nbest([], "2"), "n_best must be a whole number, given '2'"),
    (lambda t: t.translate_nbest([""], 4), "n-best must lie between 1 and the beam size 3, given 4"),
    (lambda t: t.translate_nbest([], 0), "n_best must be 1 or more, given 0"),
    (lambda t: t.stream("hund"), "not one string"),
    (lambda t: t.stream([], n_best=9), "n-best must lie"),
    (lambda t: t.stream([], chunk=2.0), "chunk must be a whole number, given 2.0"),
    (lambda t: t.sample([], temperature="1"), "temperature must be a number, given '1'"),
    (lambda t: t.sample([""], temperature=0), "the temperature must be above 0"),
    (lambda t: t.sample([], top_k=1.5), "top_k must be a whole number"),
    (lambda t: t.sample([], top_k=0), "top_k must be 1 or more"),
    (lambda t: t.sample([], top_p=True), "top_p must be a number"),
    (lambda t: t.sample([], seed=None), "seed must be a whole number, given None"),
    (lambda t: t.sample([], count=[2]), r"count must be a whole number, given \[2\]"),
    (lambda t: t.sample([], first=-1), "first must be 0 or more"),
    (lambda t: t.align([], [], join="nonsense"), "join 'nonsense' is unknown; allowed: both, source, target"),
    (lambda t: t.align([], [], join=True), "join must be one of source, target, both, given True"),
    (lambda t: t.align([], [], shift=True), "shift must be a whole number, given True"),
    (lambda t: t.align([], [], threshold="0.5"), "threshold must be a number, given '0.5'"),
    (lambda t: t.align(["a"], ["b"])[0].read(threshold=[]), r"threshold must be a number, given \[\]"),
    (lambda t: t.align(["a"], []), "1 sources but 0 targets"),
    (lambda t: t.score_tokens(["a"], ["hund"]), "target 1: 'h' is no id of a piece; `score` takes text"),
    (lambda t: t.score_tokens(["a"], [[5, 10**6]]), "target 1: the id 1000000 is none of the vocabulary"),
    (lambda t: t.score_tokens(["a"], [[-1]]), "target 1: the id -1 is none"),
    (lambda t: t.score_tokens(["a"], [7]), "target 1: an iterable of ids is needed, not 7"),
    (lambda t: Translator("runs/demo"), "Translator.load reads model directories"),
    (lambda t: Translator(["runs/demo"]), "'runs/demo' is no loaded model"),
    (lambda t: Translator(t.models, []), "0 shortlists for 1 models"),
    (lambda t: Translator.load(["runs/demo"]), r"a model's name must be a string or a Path, given \['runs/demo'\]"),
    (lambda t: Translator.load(""), "a model's name is empty"),
    (lambda t: load_model(b"runs/demo"), "a model's name must be a string or a Path, given b'runs/demo'"),
    (lambda t: load_model("x", device=1.5), "device 1.5 cannot be used here"),
    (lambda t: load_model("x", device="meta"), "device 'meta' cannot be used here"),
    (lambda t: load_config(None), "the path of a config must be a string or a Path, given None"),
    (lambda t: load_config("x.toml", "model.cell=gru"), "a list of overrides is needed, not one string"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_arguments_are_refused_by_name(translator: Translator, call: Callable[[Translator], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(translator)


def test_a_config_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[data]\ntrain = {tsv = "a"}\nvalidation = {tsv = "b"}\n', encoding="utf-8")
    found = load_config(str(tmp_path / "run.toml"), (each for each in ["model.cell=gru"]))
    assert found.model.cell == "gru"


# --------------------------------------------------------------------------------------------- copied, sent, forked


def check_copies(translator: Any) -> None:
    """A translator that has translated is copied, pickled and hashed as if it had not."""
    from datasets.fingerprint import Hasher

    before = Hasher.hash(translator)
    expected = translator.translate(TEXTS)
    assert Hasher.hash(translator) == before
    for twin in (copy.deepcopy(translator), pickle.loads(pickle.dumps(translator))):
        assert twin.translate(TEXTS) == expected
        assert Hasher.hash(twin) == before


def check_results(results: list[Any]) -> None:
    """They compare, and are written as JSON and read again without a loss."""
    again = copy.deepcopy(results)
    assert again == results
    assert pickle.loads(pickle.dumps(results)) == results
    assert [json.loads(json.dumps(asdict(each))) for each in results] == [
        json.loads(json.dumps(asdict(each))) for each in again
    ]
    assert len({json.dumps(asdict(each)) for each in results}) == len(results)


@pytest.mark.parametrize("int8", [False, True])
def test_copies_are_without_what_is_laid_out(pair: TokenizerPair, int8: bool) -> None:
    loaded = tiny(pair)
    loaded.model.float()
    translator = Translator([loaded, loaded])
    translator.translate(TEXTS, int8=int8)
    check_copies(translator)
    twin = copy.deepcopy(translator)
    assert twin.models[0].model is twin.models[1].model is not loaded.model
    with torch.no_grad():
        twin.models[0].model.output_layer.bias += torch.arange(len(pair.target.pieces)) % 7
    assert twin.translate(TEXTS) != translator.translate(TEXTS)  # a copy follows its own weights


def test_datasets_translate(translator: Translator, tmp_path: Path) -> None:
    import datasets

    translator.translate(TEXTS)
    rows = datasets.Dataset.from_dict({"de": TEXTS})
    found = rows.map(lambda batch: {"en": [each.text for each in translator.translate(batch["de"])]}, batched=True)
    assert found["en"] == [each.text for each in translator.translate(TEXTS)]


def test_results_compare_and_are_json(translator: Translator) -> None:
    texts = [text for text in TEXTS if text]
    found = translator.translate(texts)
    check_results(found)
    check_results(translator.score(texts, texts))
    check_results(translator.align(texts, texts, threshold=0.1))
    assert np.array_equal(np.array(asdict(found[0])["weights"]["rows"], dtype=np.float32), found[0].weights)
    other = found[0].weights.copy()
    other[0, 0] += 1
    assert replace(found[0], weights=other) != found[0]
    assert replace(found[0], text="?") != found[0]
    assert found[0] != "?"


@pytest.mark.slow
def test_a_spawned_process_takes_a_translator(translator: Translator) -> None:
    translator.translate(TEXTS)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(translator.translate, (TEXTS,)) == translator.translate(TEXTS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_translates_alone(translator: Translator) -> None:
    """The threads of OpenMP stay in the parent; a child that waits for them waits for ever."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (torch.ones(700, 700) @ torch.ones(700, 700)).exp().sum()  # which starts the threads
        texts = sentences(9)
        translator.translate(texts)
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: (translator.translate(texts), torch.ones(700, 700).exp().sum()))
        child.start()
        child.join(30)
        code = child.exitcode
        child.kill()
        assert code == 0
    finally:
        torch.set_num_threads(threads)


# ------------------------------------------------------------------------------------------ what is not installed


def missing_operator(*arguments: object) -> torch.Tensor:
    raise AttributeError("'_OpNamespace' 'onednn' object has no attribute 'qlinear_prepack'")


def test_int8_needs_onednn(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    from seq2seq.nn.kernels.torch_internals import has_int8_products

    translator = Translator([tiny(pair)])
    assert has_int8_products()
    for missing in (
        lambda: monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False),
        lambda: monkeypatch.setattr("seq2seq.nn.kernels.torch_internals.pack_int8", missing_operator),
    ):
        missing()
        has_int8_products.cache_clear()
        with pytest.raises(InputError, match="int8 needs oneDNN, which this installation of torch does not have"):
            translator.translate([""], int8=True)
        monkeypatch.undo()
    has_int8_products.cache_clear()


WITHOUT_TORCH = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors", "accelerate", "datasets", "filelock", "sacrebleu"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
import json
from typer.testing import CliRunner
from seq2seq.cli import app
from seq2seq.bulk.workers import _attempt
def found(*arguments):
    result = CliRunner().invoke(app, list(arguments), input="hund\\n")
    return [" ".join(arguments[:2]), result.exit_code, result.output]
commands, answers = json.loads(sys.argv[1]), []
answers = [found(*command.split()) for command in commands]
import seq2seq
for name in seq2seq.__all__:
    try:
        getattr(seq2seq, name)
    except ImportError as error:
        answers.append([name, getattr(error, "exit_code", 0), str(error)])
def load():
    import torch
print(json.dumps([*answers, ["worker", 2, str(_attempt(load))]]))
"""


def test_what_needs_torch_says_so(pair: TokenizerPair, tmp_path: Path) -> None:
    loaded = tiny(pair)
    weights = loaded.model.float().state_dict()
    save_model(tmp_path / "m", config=loaded.config, weights=weights, tokenizers=pair, record={})
    for name in ("test.de", "test.en"):
        (tmp_path / name).write_text("hund\n", encoding="utf-8")
    files = "--source test.de --target test.en"
    commands = ["translate m", "translate m --threads 1 --int8", f"score m {files}", f"align m {files}"]
    commands += [f"shortlist m {files}", f"index m {files}"]
    commands += ["inspect m", "export m", "push m a/b", "plot attention m --source hund"]
    commands += ["evaluate m --source test.de --reference test.en", "train run.toml --output r", "compare g --output c"]
    (tmp_path / "run.toml").write_text(
        'data.train = {tsv = "test.de"}\ndata.validation = {tsv = "test.de"}\n', encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answers = json.loads(done.stdout)
    assert {name for name, *_ in answers[len(commands) :]} == {
        "LoadedModel", "Neighbour", "Neighbours", "Translator", "load_model", "push_model", "worker",
    }  # fmt: skip
    for name, code, told in answers:
        assert (code, told.strip().count("\n")) == (2, 0), (name, told)
        needed = f"needs {'sacrebleu' if name == 'evaluate m' else 'torch'}, which is not installed; "
        assert needed in told
        assert name == "evaluate m" or "export the model" in told
        assert "torch" in told


def test_a_missing_package_is_told_from_a_broken_one() -> None:
    assert missing_package(ImportError("cannot import name 'x'", name="torch"), "a") is None
    told = missing_package(ModuleNotFoundError("No module named 'sacrebleus'", name="sacrebleus"), "a")
    assert str(told) == "a needs sacrebleus, which is not installed; install it: pip install sacrebleus"
    assert isinstance(told, Seq2SeqError)
    assert isinstance(pickle.loads(pickle.dumps(told)), MissingPackage)
    assert missing_package(MissingPackage("x"), "b").args == ("x",)  # type: ignore[union-attr]
    assert issubclass(WrongType, TypeError)
