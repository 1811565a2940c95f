"""Cases of test_bad_input.py: what can be wrong with a config, with text, with the directory of a run, and with a saved
explanation.

bad_models.py has the others: models, and the commands that use one.
"""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from test_checkpoint import Bomb

Prepare = Callable[[Path], Any]  # is given the working folder: train.de, train.en, test.de, test.en, run.toml, model

LONG = "x" * 300  # no file can be called that
HUGE = 65 << 20  # bytes of a sparse file


@dataclass(frozen=True, slots=True)
class Case:
    """A command that must be refused. message: a regular expression. leaves: what may be new in the folder."""

    name: str
    command: str  # "%" stands for LONG
    message: str
    prepare: Prepare = lambda folder: None
    code: int = 2
    text: bytes = b"der hund\n"
    leaves: tuple[str, ...] = ()


def put(name: str, content: bytes) -> Prepare:
    return lambda folder: (folder / name).write_bytes(content)


def config(change: str, by: str) -> Prepare:
    """run.toml with one stretch replaced."""

    def prepare(folder: Path) -> None:
        written = (folder / "run.toml").read_text(encoding="utf-8")
        assert change in written
        (folder / "run.toml").write_text(written.replace(change, by, 1), encoding="utf-8")

    return prepare


def sparse(name: str, size: int = HUGE) -> Prepare:
    """A file of zeros that takes no room on the disk."""

    def prepare(folder: Path) -> None:
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.truncate(size)

    return prepare


def state(name: str, content: bytes) -> Prepare:
    return put(f"model/training/state/{name}", content)


SMALL = b'[data]\ntrain = {tsv = "a"}\nvalidation = {tsv = "b"}\n'
TRAIN = "train run.toml -o out"
START = f"{TRAIN} --set tokenizer.kind=bpe --set tokenizer.vocabulary_size=8000 --set training.start="
VECTORS = f"{TRAIN} --set model.embedding_dim=2 --set training."
GONE = "No such file or directory"
GRID = (
    b'title = "t"\nconfig = "run.toml"\nseeds = [1]\n[grid]\n"model.score" = ["dot"]\n'
    b'[tests.test]\nsource = "test.de"\nreference = "test.en"\n'
)


def grid(change: bytes = b"", by: bytes = b"") -> Prepare:
    """A grid of one system, with one stretch replaced."""
    return put("grid.toml", GRID.replace(change, by, 1) if change else GRID)


LINKED = f"{TRAIN} --set data.train.alignment=l"


def links(*lines: bytes) -> Prepare:
    """A file of links, the first lines given and all others blank, for the training text."""

    def prepare(folder: Path) -> None:
        count = (folder / "train.de").read_bytes().count(b"\n")
        (folder / "l").write_bytes(b"".join(line + b"\n" for line in [*lines, *[b""] * (count - len(lines))]))

    return prepare


COMPARE = "compare grid.toml -o out"
COMPARISONS = [
    Case("grid missing", COMPARE, f"grid.toml: cannot read the grid: {GONE}"),
    Case("grid a directory", "compare model -o out", "model: cannot read the grid: Is a directory"),
    Case("grid without end", "compare /dev/zero -o out", "/dev/zero: cannot read the grid: more than"),
    Case("grid not UTF-8", COMPARE, "grid.toml:2: cannot read the grid: not valid UTF-8", put("grid.toml", b"\n\xff")),
    Case("grid no TOML", COMPARE, "grid.toml: not valid TOML", put("grid.toml", b"title")),
    Case("grid a config", "compare run.toml -o out", "run.toml: the config of a training; a comparison's grid"),
    Case("grid without tests", COMPARE, "grid.toml: tests: Field required", grid(GRID[GRID.index(b"[tests") :], b"")),
    Case("grid with a bad key", COMPARE, "system 'dot': .*unknown key model.scroe",
         grid(b"model.score", b"model.scroe")),
    Case("grid with a bad score", COMPARE, "system 'dut': .*no such score function", grid(b'"dot"', b'"dut"')),
    Case("grid with a bad seed", COMPARE, "grid.toml: seeds.0", grid(b"[1]", b'["one"]')),
    Case("grid with a missing test", COMPARE, "gone.de: no such file", grid(b"test.de", b"gone.de")),
    Case("grid with a test of endless lines", COMPARE, "a.en, line 1: 150,000 characters; a line is scored",
         lambda folder: (grid(b"test.en", b"a.en")(folder), put("a.en", b"ab " * 50000 + b"\n" * 7)(folder))),
    Case("grid with an empty test", COMPARE, "empty.de and test.en differ in length",
         lambda folder: (grid(b"test.de", b"empty.de")(folder), put("empty.de", b"")(folder))),
    Case("grid with a blank source", COMPARE, "blank:3: blank; a test needs both sides",
         lambda f: (grid(b"test.de", b"blank")(f), put("blank", "a\na\n\u3000\na\na\na\na\n".encode())(f))),
    Case("grid with a blank reference", COMPARE, "test.en:7: blank; a test needs both sides",
         lambda f: (grid()(f), put("test.en", b"a\n" * 6 + b"\n")(f))),
    Case("grid with an unknown tokenizer", COMPARE, "tests.test: unknown BLEU tokenizer '13b'; did you mean '13a'",
         grid(b"[tests", b'[search]\ntokenize = "13b"\n[tests')),
    Case("grid with a test in pieces", COMPARE, "tests.test: reference set 1, line 1: subword pieces",
         lambda f: (grid(b"test.en", b"pieces")(f), put("pieces", "▁der ▁hund\n".encode() * 7)(f))),
    Case("grid with a bad exponent", COMPARE, "system 'dot': search.length_alpha = 20: .*less than or equal to 10",
         grid(b"[grid]", b"[set]\nsearch.length_alpha = 20\n[grid]")),
    Case("grid with a bad coverage", COMPARE, "system 'dot': tokenizer.character_coverage = 0.5: .*equal to 0.98",
         grid(b"[grid]", b"[set]\ntokenizer.character_coverage = 0.5\n[grid]")),
    Case("grid with a bad symbol", COMPARE, "system 'dot': tokenizer.symbols: '<s>' is a special piece",
         grid(b"[grid]", b'[set]\ntokenizer.symbols = ["<s>"]\n[grid]')),
    Case("grid with a bad tracker", COMPARE, "system 'dot': training.trackers: unknown tracker 'tensorbord'",
         grid(b"[grid]", b'[set]\ntraining.trackers = ["tensorbord"]\n[grid]')),
    Case("grid with an idle normalisation", COMPARE,
         "system 'uniform': model: normalisation has no effect with score = 'uniform'",
         grid(b"[grid]", b"[set]\n\"model.normalisation\" = \"sparsemax\"\n[[systems]]\nname = \"uniform\"\n"
              b"\"model.score\" = \"uniform\"\n[grid]")),
    Case("grid with a bad part", COMPARE, "system 'dot': training.learning_rate_factors: the model has no part 'x'",
         grid(b"[grid]", b"[set]\ntraining.learning_rate_factors = {x = 1}\n[grid]")),
    Case("grid with a bad BLEU of validations", COMPARE, "system 'dot': unknown BLEU tokenizer '13b'",
         grid(b"[grid]", b'[set]\ntraining.validation_tokenize = "13b"\n[grid]')),
    Case("grid with a long name", COMPARE, "grid.toml: the system 'x+'...: 300 characters, at most 200 are possible",
         grid(b'["dot"]', b'[{name = "' + b"x" * 300 + b'", "model.score" = "dot"}]')),
    Case("grid with an endless beam", COMPARE, "grid.toml: search.beam_size: .*equal to 1024",
         lambda folder: (folder / "grid.toml").write_bytes(GRID + b"[search]\nbeam_size = 2147483647\n")),
    Case("comparison into a file", "compare grid.toml -o run.toml", "run.toml: is a file; --output takes", grid()),
    Case("comparison into a model", "compare grid.toml -o model --resume", "the directory holds something", grid()),
    Case("comparison into any folder", "compare grid.toml -o . --resume", "the directory holds something else",
         lambda f: (grid()(f), (f / "runs").mkdir())),
    Case("comparison below a file", "compare grid.toml -o run.toml/x", "run.toml/x: cannot make the directory", grid()),
    Case("comparison with a bad --set", COMPARE + " --set model.cell=rnn", "system 'dot': --set model.cell", grid()),
    Case("comparison with no workers", COMPARE + " --workers -1", "--workers", grid()),
]  # fmt: skip

CONFIGS = [
    Case("output nowhere", "config -o nowhere/run.toml", "nowhere/run.toml: cannot be written: there is no directory"),
    Case("output a directory", "config -o model", "model: is a directory; --output takes a file"),
    Case("output below a file", "config -o run.toml/x", "run.toml/x: cannot be written: there is no directory"),
    Case("output too long a name", "config -o %", "cannot be written: File name too long", code=1),
    Case("output empty", "config -o ''", "^error: --output: an empty name"),
    Case("model empty", "translate '' -i test.de", "^error: MODEL: an empty name"),
    Case("input empty", "translate model -i ''", "^error: --input: an empty name"),
    Case("export's name empty", "export model -o ''", "^error: --output: an empty name"),
    Case("folder in place of a config", "train . -o fresh", "cannot read the config: Is a directory"),
    Case("argument too many", "config run.toml", "unexpected extra argument"),
    Case("option without value", "config --source", "requires an argument"),
    Case("language empty", "config --source-language ''", "data.source_language = '': .* at least 1 character"),
    Case("name that is no UTF-8", "config --source a\udcff", "--source .*: not UTF-8"),
    # ---- train: the config
    Case("config a grid", "train grid.toml -o out", "grid.toml: the grid of a comparison, for", grid()),
    Case("config a directory", "train model -o out", "model: cannot read the config: Is a directory"),
    Case("config a long name", "train % -o out", "cannot read the config: File name too long"),
    Case("config without end", "train /dev/zero -o out",
         "/dev/zero: cannot read the config: more than 1,048,576 bytes"),
    Case("config too large", TRAIN, "run.toml: cannot read the config: more than", sparse("run.toml")),
    Case("config no UTF-8", TRAIN, "run.toml:2: .*not valid UTF-8", put("run.toml", b"[data]\nroot = '\xff'\n")),
    Case("config UTF-16", TRAIN, "run.toml: cannot read the config: it is UTF-16",
         put("run.toml", "[data]".encode("utf-16"))),
    Case("text without quotation marks", TRAIN, r"run.toml: not valid TOML: Invalid value .*line 3.*quotation marks",
         config('source_language = "de"', "source_language = no")),
    Case("number for a text", TRAIN, r"run.toml:3: data.source_language = 1984: .*string; write it in quotation marks",
         config('source_language = "de"', "source_language = 1984")),
    Case("nan for a text", TRAIN, r"run.toml:3: data.source_language = nan: .*quotation marks",
         config('source_language = "de"', "source_language = nan")),
    Case("date for a text", TRAIN, r"run.toml:3: data.source_language = .*2020, 1, 2\): .*quotation marks",
         config('source_language = "de"', "source_language = 2020-01-02")),
    Case("config empty", TRAIN, "run.toml: data is missing", put("run.toml", b"")),
    Case("key twice", TRAIN, "run.toml: not valid TOML: Cannot overwrite a value",
         config("cell =", "cell = 'gru'\ncell =")),
    Case("section twice", TRAIN, r"run.toml: not valid TOML: Cannot declare \('model',\) twice",
         config("[tr", "[model]\n[tr")),
    Case("config nested deep", TRAIN, "run.toml: not valid TOML: .*recursion", put("run.toml", b"a = " + b"[" * 9999)),
    Case("keys nested deep", TRAIN, "data.root = {'a'.*string", config("[data]", f"[data]\nroot{'.a' * 3000} = 1\n")),
    Case("integer of 5000 digits", TRAIN, "not valid TOML: Exceeds the limit", config("= 100\n", f"= {'9' * 5000}\n")),
    Case("integer of a megabit", TRAIN, "batch_tokens",
         config("batch_tokens = 100", f"batch_tokens = 0x{'f' * 250000}")),
    Case("misspelt key", TRAIN, r"run.toml:\d+: unknown key model.cel; did you mean 'cell'\?",
         config("cell =", "cel =")),
    Case("misspelt section", TRAIN, r"unknown key modl; did you mean 'model'\?", config("[model]", "[modl]")),
    Case("section for a value", TRAIN, "model = 3: .*dictionary", put("run.toml", b"model = 3\n" + SMALL)),
    Case("wrong type", TRAIN, r"run.toml:\d+: training.max_steps = 'x': .*integer",
         config("max_steps = 20", 'max_steps = "x"')),
    Case("infinite number", f"{TRAIN} --set training.learning_rate=inf", "learning_rate = inf: .*finite"),
    Case("negative number", f"{TRAIN} --set training.max_steps=-1",
         "--set training.max_steps: .*greater than or equal to 1"),
    Case("true for a number", f"{TRAIN} --set search.beam_size=true", "search.beam_size: a number is needed"),
    Case("too large a number", f"{TRAIN} --set training.seed=10000000000", "training.seed: too large; allowed: up to"),
    Case("too many threads", f"{TRAIN} --set training.threads=1000000", "training.threads = 1000000: .*equal to 1024"),
    Case("NUL in a path", TRAIN, "data.root: a NUL character", config("[data]", '[data]\nroot = "a\\u0000"')),
    Case("set without equals", f"{TRAIN} --set model.cell", "--set model.cell: expected key=value"),
    Case("set without key", f"{TRAIN} --set =gru", "--set =gru: expected key=value"),
    Case("set below a value", f"{TRAIN} --set model.cell.x=1", "cell is a value, not a section"),
    Case("set deep", f"{TRAIN} --set data.root{'.a' * 3000}=1", "data.root = {'a': .*string"),
    Case("dot of unequal sizes", f"{TRAIN} --set model.score=dot --set model.decoder_dim=14", "14.*26"),
    Case("unknown score", f"{TRAIN} --set model.score=multiplicativ", "did you mean 'multiplicative'"),
    Case("idle normalisation", f"{TRAIN} --set model.score=uniform --set model.normalisation=sparsemax",
         "--set model.normalisation: model: normalisation has no effect with score = 'uniform'"),
    Case("idle normalisation in the file", f"{TRAIN} --set model.score=uniform",
         r"run\.toml:\d+: model: normalisation has no effect",
         config("[model]", '[model]\nnormalisation = "sparsemax"')),
    Case("idle loss", f"{TRAIN} --set model.score=uniform --set training.coverage_loss=1",
         "training.coverage_loss has no effect with model.score = 'uniform', which cannot look away"),
    Case("idle key", f"{TRAIN} --set model.wiring=bahdanau --set model.input_feeding=true",
         "input_feeding has no effect"),
    Case("tying of two", f"{TRAIN} --set tokenizer.joint=false --set model.tie=all",
         r"(?m)^error: --set model.tie: model.tie = 'all' needs"),
    Case("copies between two vocabularies", f"{TRAIN} --set tokenizer.joint=false",
         r"run\.toml:\d+: model.copy = true needs one vocabulary for both sides; use tokenizer.joint = true",
         config("[model]", "[model]\ncopy = true")),
    Case("copies between two vocabularies by --set", f"{TRAIN} --set tokenizer.joint=false --set model.copy=true",
         "--set model.copy: model.copy = true needs one vocabulary"),
    Case("copy a word", f"{TRAIN} --set model.copy=names", "--set model.copy: model.copy = 'names': .*valid boolean"),
    Case("a billion layers", f"{TRAIN} --set model.encoder_layers=1000000000",
         "encoder_layers = 1000000000: .*equal to 64"),
    Case("boundless layer", f"{TRAIN} --set model.decoder_dim=1000000", "do not fit into memory"),
    Case("endless layer", f"{TRAIN} --set model.decoder_dim=2000000000", "decoder_dim = .*equal to 1000000"),
    Case("parts without end", f"{TRAIN} --set training.accumulation=2147483647", "accumulation = .*equal to 1024"),
    Case("validation's beam without end", f"{TRAIN} --set training.validation_beam_size=2147483647",
         "validation_beam_size = .*equal to 1024"),
    Case("unknown part", f"{TRAIN} --set training.learning_rate_factors={{encodr=1}}", "did you mean 'encoder'"),
    Case("start without a model", f"{START}no", "--set training.start: training.start: no: no such model directory"),
    Case("start a file", f"{START}run.toml", "training.start: run.toml: a file; give the model directory that holds"),
    Case("start damaged", f"{START}other", "training.start: other/model.safetensors: not the file that config.json",
         put("other/model.safetensors", b"\0" * 99)),
    Case("start of another size", f"{START}model --set model.encoder_dim=9",
         r"does not fit this config \(model.encoder_dim = 9 here, 13 there\): encoder.*\] here, \[.*\] there; change"),
    Case("start of another score", f"{START}model --set model.score=uniform", "decoder.attention.* is there only"),
    Case("start with another tokenizer", f"{TRAIN} --set training.start=model --set tokenizer.kind=unigram",
         r"--set tokenizer\.kind: tokenizer\.kind = 'unigram': the tokenizer of model is used, where it is '"),
    Case("start without parts", f"{START}model --set training.start_parts=[\"encodr\"]", "did you mean 'encoder'"),
    Case("parts without a start", f"{TRAIN} --set training.start_parts=[\"encoder\"]", "no effect without start"),
    Case("too much of the start", f"{START}model --set training.start_average=1", "start_average = 1: .*less than 1"),
    Case("output in the start", f"{START}model".replace("-o out", "-o model/out"), "lies in model, all of which is"),
    Case("an extension without a start", f"{TRAIN} --set tokenizer.extend=true", "no effect without training.start"),
    Case("an extension too small", f"{START}other --set tokenizer.extend=true --set tokenizer.vocabulary_size=9",
         "tokenizer.vocabulary_size = 9: the tokenizer of other has .* already"),
    Case("no vectors", f"{TRAIN} --set training.source_vectors=no.vec",
         "--set training.source_vectors: training.source_vectors: no.vec: no such file"),
    Case("vectors a folder", f"{TRAIN} --set training.source_vectors=model", "vectors: model: is a folder; a text"),
    Case("vectors endless", f"{TRAIN} --set training.source_vectors=/dev/zero", "/dev/zero.*more than 67,108,864"),
    Case("vectors of another size", f"{TRAIN} --set training.target_vectors=x",
         "x:1: vectors of 2 numbers, and model.embedding_dim = 11",
         put("x", b"9 2\nhund 1 2\n")),
    Case("vectors cut", f"{VECTORS}target_vectors=x", "x:2: a word and 2 numbers .*the line has 2 parts",
         put("x", b"hund 1 2\nhund 1\n"), leaves=("out", "out/cache")),
    Case("vectors NaN", f"{VECTORS}source_vectors=x", "x:1: the vector of 'hund' has NaN or infinite",
         put("x", b"hund 1 nan\n"), leaves=("out", "out/cache")),
    Case("vectors of nothing", f"{VECTORS}source_vectors=x.gz",
         "training.source_vectors: x.gz: none of its 1 words is one of the \\d+ pieces",
         put("x.gz", gzip.compress(b"HUND 1 2\n")), leaves=("out", "out/cache")),
    Case("vectors of a damaged archive", f"{VECTORS}source_vectors=x.gz", "x.gz: cannot be read after line 1: the gzip",
         put("x.gz", gzip.compress(b"hund 1 2\n")[:-4] + b"abcd"), leaves=("out", "out/cache")),
    Case("vectors and a start", f"{START}model --set training.source_vectors=x",
         "source_embedding.weight has the values of training.start's model; name the parts"),
    Case("vectors twice for one table", f"{TRAIN} --set model.tie=all",
         r"run.toml:\d+: training.target_vectors: with model.tie = 'all' there is one embedding",
         config("[training]\n", '[training]\nsource_vectors = "x"\ntarget_vectors = "y"\n')),
    Case("output over vectors", "train run.toml -o model --resume --set training.source_vectors=model/log.jsonl",
         "model/log.jsonl: is read, and model/log.jsonl is written"),
    Case("an unknown part to freeze", f"{TRAIN} --set training.freeze=[\"encodr\"]", "did you mean 'encoder'"),
    Case("half of shared weights to freeze", f"{TRAIN} --set training.freeze=[\"output_layer\"]",
         "--set training.freeze: training.freeze: output_layer.weight shares its weights with target_embedding.weight"),
    Case("unknown tracker", f"{TRAIN} --set training.trackers=[\"tensorbord\"]", "did you mean 'tensorboard'"),
    Case("too large an exponent", f"{TRAIN} --set search.length_alpha=11", "length_alpha = 11: .*equal to 10"),
    Case("coverage too low", f"{TRAIN} --set tokenizer.character_coverage=0.5",
         "--set tokenizer.character_coverage: .*greater than or equal to 0.98"),
    Case("unknown BLEU", f"{TRAIN} --set training.validation_tokenize=13b", "did you mean '13a'"),
]  # fmt: skip

STATE = tuple(f"out/training{name}" for name in ("", "/state", "/state/state.json", "/state/state.safetensors"))
PAIR = "data.train.source=a --set data.train.target=b"
SEVERAL = 'data.train=[{source="train.de",target="train.en"},{source="test.de",target="test.en"'
DATA = [
    Case("texts of one label", f"{TRAIN} --set {SEVERAL},label=\"train\"}}]", "train.2: called 'train' as train.1"),
    Case("one weight", f"{TRAIN} --set {SEVERAL},weight=2}}]", "train.1.weight is missing, as train.2 has one"),
    Case("weight of nothing", f"{TRAIN} --set {SEVERAL},weight=1e-9}}] --set data.train.1.weight=1",
         "the share of 'test' is .* draws, which is none; raise its weight", leaves=("out", "out/cache")),
    Case("links missing", f"{TRAIN} --set data.train.alignment=l", "l: no such file"),
    Case("links of too few pairs", LINKED, r"l:2: the last line, but train.de has \d+ pairs; one line of links a",
         put("l", b"0-0\n\n")),
    Case("links of too many pairs", LINKED, r"l:99: the last line, but train.de has \d+ pairs", put("l", b"\n" * 99)),
    Case("links of no form", LINKED, "l:2: '0:0' is no link; write i-j", links(b"0-0", b"0:0")),
    Case("links of another word", LINKED, r"l:1: link 0-99 is outside of the pair, which has \d+ source and \d+ target",
         links(b"0-99")),
    Case("links the other way", f"{LINKED} --set data.train.alignment_inverse=true",
         "l:1: link 0-99 is outside of .*; links are target-source with alignment_inverse", links(b"0-99")),
    Case("links not UTF-8", LINKED, "l:1: the line is not valid UTF-8", links(b"\xff")),
    Case("links that nothing reads", f"{TRAIN} --set data.validation.alignment=l",
         "validation.alignment has no effect: nothing is learnt from this text; leave it out"),
    Case("an order of no links", f"{TRAIN} --set data.train.alignment_inverse=true",
         "data.train: alignment_inverse has no effect without alignment, a file of links"),
    Case("weight of no links", f"{TRAIN} --set training.guided_alignment_weight=1",
         "guided_alignment_weight has no effect without data.train.alignment"),
    Case("links of a stream", f"{TRAIN} --set data.train={{dataset=\"x\",streaming=true,alignment=\"l\"}}",
         "alignment needs the text in memory"),
    Case("links for an even look", f"{LINKED} --set model.score=uniform",
         r"run\.toml:\d+: data.train: alignment has no effect with model.score = 'uniform', which cannot look away",
         links()),
    Case("weight for one text", f"{TRAIN} --set data.train.weight=2", "train.weight has no effect with one text"),
    Case("temperature for one text", f"{TRAIN} --set data.temperature=2", "temperature has no effect with one text"),
    Case("tag of a special piece", f"{TRAIN} --set {SEVERAL},tag=\"<s>\"}}]", "tag: '<s>' is a special piece"),
    Case("validation under a tag", f"{TRAIN} --set data.validation.tag=x", "validation.tag = 'x': no text to learn"),
    Case("criterion of no text", f"{TRAIN} --set training.criterion_text=x", "criterion_text has no effect with one"),
    Case("no such table", f"{TRAIN} --set {SEVERAL}}}] --set data.train.3.tag=x", "data.train has 2 tables; name"),
    Case("text missing", f"{TRAIN} --set data.validation.source=no.de", "no.de: no such file"),
    Case("text a directory", f"{TRAIN} --set data.train.source=model", "model: is a folder; a text file is needed"),
    Case("text too long a name", f"{TRAIN} --set data.train.source=%", "cannot be read: File name too long"),
    Case("unequal lines", f"{TRAIN} --set data.train.source=test.de", "test.de has 7 lines, train.en has 63"),
    Case("bad UTF-8", TRAIN, r"test.de:2: the line is not valid UTF-8", put("test.de", b"a\n\xe4\n" + b"a\n" * 5)),
    Case("NUL", TRAIN, r"test.en:7: the line has a NUL", put("test.en", b"a\n" * 6 + b"\0\n")),
    Case("one side blank", TRAIN, "test.en:1: the target is blank", put("test.en", b"\n" + b"a\n" * 6)),
    Case("empty", TRAIN, "test.en: the file is empty", put("test.en", b"")),
    Case("blank on both sides", f"{TRAIN} --set {PAIR}", "a: no usable pair; dropped both blank: 2",
         lambda f: (put("a", b"\n\n")(f), put("b", b"\n \n")(f))),
    Case("all too long", f"{TRAIN} --set data.max_length=1",
         r"no training pair is left after the filters \(too long: 63\)",
         leaves=("out", "out/cache")),
    Case("all out of ratio", f"{TRAIN} --set data.max_ratio=0.5", r"filters \(length ratio: \d+\)",
         leaves=("out", "out/cache")),
    Case("line of 3 MB", f"{TRAIN} --set {PAIR} --set tokenizer.kind=char", r"filters \(too long: 1\)",
         lambda f: (put("a", b"ab " * (1 << 20))(f), put("b", b"a\n")(f)), leaves=("out", "out/cache")),
    Case("validation of a line without end", f"{TRAIN} --set data.validation.target=a",
         "the target of data.validation, line 7: 900,000 characters; a line is scored up to 100,000",
         put("a", b"a\n" * 6 + b"ab " * 300000 + b"\n")),
    Case("line without end", f"{TRAIN} --set {PAIR}", "a:1: a line of more than 67,108,864 bytes", sparse("a")),
    Case("TSV columns", f"{TRAIN} --set data.validation={{tsv=\"x\"}}", "x:1: 3 columns; exactly two",
         put("x", b"a\tb\tc\n")),
    Case("JSONL", f"{TRAIN} --set data.validation={{jsonl=\"x\"}}", "x:1: not a JSON object", put("x", b"{'de': 1}\n")),
    Case("JSONL deep", f"{TRAIN} --set data.validation={{jsonl=\"x\"}}", "x:1: not a JSON object",
         put("x", b"[" * 99999)),
    Case("JSONL language", f"{TRAIN} --set data.validation={{jsonl=\"x\"}}", "x:1: no key 'de'; .*allowed: dee, en",
         put("x", b'{"dee": "a", "en": "b"}\n')),
    Case("two kinds of text", f"{TRAIN} --set data.validation.tsv=x", "exactly one of .*; given: source and tsv"),
    Case("cut archive", f"{TRAIN} --set data.train.source=x.gz", "x.gz: cannot be read after line 63: .*end-of-stream",
         put("x.gz", gzip.compress(b"der hund\n" * 63)[:-9])),
    Case("no archive", f"{TRAIN} --set data.train.source=x.gz", "x.gz: cannot be read: .*[gG]zip",
         put("x.gz", b"der hund\n")),
    Case("empty archive", f"{TRAIN} --set data.train.source=x.gz", "x.gz: cannot be read: its name says gzip",
         put("x.gz", b"")),
    Case("dataset language", f"{TRAIN} --set data.train={{dataset=\"x.jsonl\"}}", "x.jsonl:1: no key 'de'; did you",
         put("x.jsonl", b'{"den": "a", "en": "b"}\n')),
    Case("dataset pair", f"{TRAIN} --set data.train={{dataset=\"x.jsonl\"}} --set data.target_language=fr",
         "no key 'fr'; allowed: de, en",
         put("x.jsonl", b'{"translation": {"de": "a", "en": "b"}}\n')),
    Case("dataset split", f"{TRAIN} --set data.train={{dataset=\"x.jsonl\",split=\"trian\"}}",
         "no split 'trian'; did you mean 'train'",
         put("x.jsonl", b'{"de": "a", "en": "b"}\n')),
    Case("CSV ragged", f"{TRAIN} --set data.train={{dataset=\"x.csv\"}}", "x.csv:2: 3 columns; the first line has 2",
         put("x.csv", "de,en\nDer Hund, der schl\u00e4ft.,The dog that sleeps.\n".encode())),
    Case("CSV ragged later", f"{TRAIN} --set data.train={{dataset=\"x.csv\"}}", "x.csv:4: 1 column; the first",
         put("x.csv", b"de,en\na,b\nc,d\ne\n")),
    Case("CSV empty", f"{TRAIN} --set data.train={{dataset=\"x.csv\"}}", "x.csv: the file is empty", put("x.csv", b"")),
    Case("CSV of other columns", f"{TRAIN} --set data.train={{dataset=\"x.csv\"}}", "x.csv:1: no column 'de' .*a, b",
         put("x.csv", b"a,b\nc,d\n")),
    Case("JSON array", f"{TRAIN} --set data.train={{dataset=\"x.json\"}}", "x.json: row 1 .*: no key 'en'; allowed: de",
         put("x.json", b'[{"de": "a", "en": "b", "id": 1}, {"de": "a"}]')),
    Case("UTF-16", f"{TRAIN} --set data.train.source=x", "x: is UTF-16; convert it to UTF-8",
         put("x", ("der hund\n" * 28).encode("utf-16"))),
    Case("UTF-16 without a mark", f"{TRAIN} --set data.train.source=x", r"(?s)x has 29 lines, .*x:1: .*UTF-8",
         put("x", ("\u4f60\u597d\u4e16\ud7ff\n" * 28).encode("utf-16-le"))),
    Case("tar", f"{TRAIN} --set data.train.source=x", "x: is a tar archive; unpack it",
         put("x", gzip.compress(b"a".ljust(257, b"\0") + b"ustar".ljust(255, b"\0") + b"der hund\n"))),
    Case("PO broken", f"{TRAIN} --set data.train={{dataset=\"x.po\"}}", "x.po:1: not PO: Syntax error",
         put("x.po", b"x\n")),
    Case("PO of others", f"{TRAIN} --set data.train={{dataset=\"x.po\"}}", "x.po: from .* to fr; needed are 'de' .*en",
         put("x.po", b'msgid ""\nmsgstr "Language: fr\\n"\n')),
    Case("TMX cut", f"{TRAIN} --set data.train={{dataset=\"x.tmx.gz\"}}", "x.tmx.gz:1: not TMX: ",
         put("x.tmx.gz", gzip.compress(b"<tmx>"))),
    Case("TMX of others", f"{TRAIN} --set data.train={{dataset=\"x.tmx\"}}", "x.tmx: no text in 'de' .* allowed: en-GB",
         put("x.tmx", b'<tmx><body><tu><tuv xml:lang="en-GB"><seg>a</seg></tuv></tu></body></tmx>')),
    Case("XLIFF with entities", f"{TRAIN} --set data.train={{dataset=\"x.xlf\"}}", "x.xlf: declares entities, such as",
         put("x.xlf", b'<!DOCTYPE xliff [<!ENTITY a "b">]><xliff version="1.2"><file><body/></file></xliff>')),
    Case("tags kept in TSV", f"{TRAIN} --set data.train={{tsv=\"x\",inline_tags=\"keep\"}}",
         "inline_tags has no effect without dataset"),
    Case("tags kept in JSONL", f"{TRAIN} --set data.train={{dataset=\"x.jsonl\",inline_tags=\"keep\"}}",
         "inline_tags has no effect for JSON", put("x.jsonl", b'{"de": "a", "en": "b"}\n')),
    Case("tags unknown", f"{TRAIN} --set data.train={{dataset=\"x.tmx\",inline_tags=\"kept\"}}", "'strip' or 'keep'"),
    Case("dataset missing", f"{TRAIN} --set data.train={{dataset=\"x.parquet\"}}", "x.parquet: no such dataset"),
    Case("dataset kind", f"{TRAIN} --set data.train={{dataset=\"run.toml\"}}", "unknown kind of dataset file '.toml'"),
    Case("dataset long name", f"{TRAIN} --set data.train={{dataset=\"%/y/z\"}}", "no such dataset file or folder"),
    Case("vocabulary too small", f"{TRAIN} --set tokenizer.kind=bpe --set tokenizer.vocabulary_size=9",
         "at least \\d+ are needed",
         leaves=("out",)),
    Case("vocabulary too large", f"{TRAIN} --set tokenizer.vocabulary_size=100000000", "less than or equal to 1000000"),
    Case("bad symbol", f"{TRAIN} --set tokenizer.symbols=[\"<s>\"]", "'<s>' is a special piece"),
    Case("tokenizer missing", f"{TRAIN} --set tokenizer.source_model=no --set tokenizer.vocabulary_size=8000",
         f"no: cannot read the tokenizer model: {GONE}", leaves=("out",)),
    Case("tokenizer foreign", f"{TRAIN} --set tokenizer.source_model=run.toml --set tokenizer.vocabulary_size=8000",
         "run.toml: not a SentencePiece model", leaves=("out",)),
    Case("tokenizer endless", f"{TRAIN} --set tokenizer.source_model=/dev/zero --set tokenizer.vocabulary_size=8000",
         "/dev/zero: more than 67,108,864 bytes", leaves=("out",)),
    # ---- train: the directory, and what goes wrong later
    Case("output a file", "train run.toml -o run.toml", "run.toml: is a file; --output takes a directory"),
    Case("output a device", "train run.toml -o /dev/full", "/dev/full: is a file; --output takes a directory"),
    Case("output used", "train run.toml -o model", "model: the directory is not empty; go on with --resume"),
    Case("output name too long", "train run.toml -o %", "File name too long", code=1),
    Case("output below a file", "train run.toml -o run.toml/x",
         "run.toml/x: cannot make the directory: Not a directory"),
    Case("nothing to resume", "train run.toml -o empty --resume", "empty: nothing to resume there",
         lambda f: (f / "empty/x").mkdir(parents=True)),
    Case("resume without a state", "train run.toml -o other --resume",
         "other: there is config.json of a training, but no state to go on from: other/training/state is missing",
         lambda f: shutil.rmtree(f / "other" / "training")),
    Case("resume into a model", "train run.toml -o other --resume", "there is config.json of a training, but no state",
         lambda f: shutil.rmtree(f / "other" / "training") or (f / "other" / "log.jsonl").unlink()),
    Case("resume another config", "train run.toml -o model --resume --set training.seed=9", r"training.seed: 3 -> 9"),
    Case("resume damaged note", "train run.toml -o model --resume --set training.seed=3",
         "state.json: the training state is damaged",
         state("state.json", b"{")),
    Case("resume note without text", "train run.toml -o model --resume --set training.seed=3",
         "state.json: the training state is damaged",
         state("state.json", b'{"progress": {}}')),
    Case("resume damaged tensors", "train run.toml -o model --resume --set training.seed=3 --set training.max_steps=30",
         "state.safetensors: not the file that state.json lists", state("state.safetensors", b"\1\0\0\0\0\0\0\0{")),
    Case("resume foreign tensors", "train run.toml -o model --resume --set training.seed=3 --set training.max_steps=30",
         "state.safetensors: not the file that state.json lists",
         lambda f: shutil.copy(f / "model" / "model.safetensors", f / "model/training/state/state.safetensors")),
    Case("resume pickled tensors", "train run.toml -o model --resume --set training.seed=3 --set training.max_steps=30",
         "state.safetensors: not the file that state.json lists", state("state.safetensors", pickle.dumps(Bomb()))),
    Case("NaN loss", f"{TRAIN} --set training.learning_rate=1e300 --set training.warmup_steps=0",
         r"the loss is nan at step \d+; training.learning_rate = 1e\+300 may be too high", code=1,
         leaves=("out", "out/cache", "out/log.jsonl", *STATE)),
    Case("NaN at the validation",
         f"{TRAIN} --set training.learning_rate=1e300 --set training.warmup_steps=0 --set training.max_steps=1",
         "NaN for the validation text; training.learning_rate may be too high", code=1,
         leaves=("out", "out/cache", "out/log.jsonl", *STATE)),
]  # fmt: skip


def explained(**changes: Any) -> Prepare:
    """A saved explanation of two pieces, with other values for some of its keys."""
    node = {"log_prob": -1.0, "score": -0.5, "piece": "a", "state": "winner"}
    whole = {
        "version": 1,
        "source": {"text": "a", "pieces": ["a", "</s>"]},
        "target": {"text": "a", "pieces": ["a"], "finished": True},
        "attention": [[1.0, 0.0], [0.0, 1.0]],
        "tree": [{**node, "id": 0, "parent": None, "step": -1}, {**node, "id": 1, "parent": 0, "step": 0}],
    }
    return put("e.json", json.dumps(whole | changes).encode())


ROOT = {"id": 0, "parent": None, "step": -1, "log_prob": 0.0, "score": 0.0, "piece": "", "state": "open"}
PLOT, NONE = "plot explanation e.json", r"e\.json: no explanation \(Explanation\.as_json\): "
UNFIT = f"{NONE}.*attention is no 2 rows of 2 weights"


def node(number: int, **changes: Any) -> dict[str, Any]:
    """A hypothesis of one piece."""
    return ROOT | {"id": number, "parent": 0, "step": 0, "state": "kept"} | changes


EXPLANATIONS = [
    Case("no explanation", PLOT, f"e.json: cannot read the explanation: {GONE}"),
    Case("explanation of something else", "plot explanation run.toml", "run.toml: no explanation .*: Invalid JSON"),
    Case("explanation of another version", PLOT, "e.json: an explanation of version 2; this seq2seq reads version 1",
         explained(version=2)),
    Case("explanation without attention", PLOT, f"{NONE}attention: Input should be a valid array",
         explained(attention=None)),
    Case("explanation with a row missing", PLOT, UNFIT, explained(attention=[[1.0, 0.0]])),
    Case("explanation with a weight missing", PLOT, UNFIT, explained(attention=[[1.0, 0.0], [1.0]])),
    Case("explanation with NaN", PLOT, rf"{NONE}attention\.1\.0: Input should be a finite number",
         explained(attention=[[1.0, 0.0], [float("nan"), 1.0]])),
    Case("explanation with a weight below 0", PLOT, rf"{NONE}attention\.0\.1: Input should be greater than or equal to",
         explained(attention=[[1.0, -0.1], [0.0, 1.0]])),
    Case("explanation of a tree with a ring", PLOT, rf"{NONE}.*tree\.1: the ids count from 0",
         explained(tree=[ROOT, node(1, parent=1)])),
    Case("explanation of a tree that skips a step", PLOT, rf"{NONE}.*tree\.1: its step is not the one after",
         explained(tree=[ROOT, node(1, step=1)])),
    Case("explanation without a tree", f"{PLOT} --tree -o a.svg", "e.json: it has no tree of the beam",
         explained(tree=[])),
    Case("tree in the terminal", f"{PLOT} --tree", "--tree has no effect in the terminal; give a file with --output",
         explained()),
    Case("lines in the terminal", f"{PLOT} --mass 0.5", "--mass has no effect in the terminal", explained()),
    Case("lines of a tree", f"{PLOT} --tree --mass 0.5 -o a.svg", "--mass has no effect with --tree", explained()),
    Case("lines of no mass", f"{PLOT} --mass 0 -o a.svg", "--mass must be above 0 and at most 1, given 0", explained()),
    Case("lines of NaN", f"{PLOT} --mass nan -o a.svg", "--mass must be above 0 and at most 1, given nan", explained()),
    Case("explanation in no form", f"{PLOT} -o a.jpg", "a.jpg: --output ends in .svg, .pdf, .png, given .jpg",
         explained()),
    Case("tree too large to draw", f"{PLOT} --tree -o a.svg",
         "e.json: the tree has 1,001 ends; a figure shows 1,000; explain with a",
         explained(tree=[ROOT, *map(node, range(1, 1002))])),
]  # fmt: skip
