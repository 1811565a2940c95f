"""No command writes over what it reads, or over what belongs to a model, a run or a comparison.

The commands, their options and what these name are taken from the program itself, and compared with tests/README.md.
"""

from __future__ import annotations

import hashlib
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_cli import CONFIG, fail, write
from typer.main import get_command

from seq2seq.checkpoint.files import CARD, GRAPHS, HASHED, SHORTLIST, STATES, WEIGHTS
from seq2seq.checkpoint.files import CONFIG as CONFIG_FILE
from seq2seq.checkpoint.owners import COMPARISON, EXPORT, MODEL, REPORT, RUN, owner
from seq2seq.cli import app, files
from seq2seq.durable import final_name, new_path, unfinished_paths
from seq2seq.errors import InputError

README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
NO_FILES = {"TEXT", "CODE", "NAME", "KEY=VALUE", "OWNER/NAME", "TAG", "onnx"}  # what else a string may be, in --help
NAMED = {"--device", "--length-penalty", "--symmetrise"}  # one of a few words


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(get_command(app)))


def is_string(kind: Any) -> bool:
    """Whether an annotation takes any words, rather than a number or one of a few."""
    return kind in (str, Path) or any(
        is_string(each) for each in typing.get_args(kind) if typing.get_origin(kind) is not typing.Literal
    )


def strings(command: Any) -> list[Any]:
    """The parameters that take any words."""
    kinds = typing.get_type_hints(command.callback)
    return [one for one in command.params if one.name in kinds and is_string(kinds[one.name])]


def place(name: str, parameter: Any) -> str:
    """A parameter as the table names it."""
    shown = next((each for each in parameter.opts if each.startswith("--")), parameter.metavar)
    return f"{name} {shown}"


def rows() -> dict[str, str]:
    """Of the table: option -> what it is."""
    found = dict[str, str]()
    for first, kind in re.findall(r"^\| (`.*?`) \| (read|written) \|", README, flags=re.MULTILINE):
        for each in re.findall(r"`([^`]+)`", first):
            assert each not in found
            found[each] = kind
    return found


def test_every_option_that_names_a_file_has_a_row() -> None:
    found = {}
    for name, command in COMMANDS.items():
        assert isinstance(command, files.Command), f"{name}: its files are not judged"
        for one in strings(command):
            kind = files.role(one)
            if kind is None:
                known = one.metavar in NO_FILES or NAMED & set(one.opts)
                assert known, f"{place(name, one)}: does {one.metavar} name a file? See seq2seq.cli.files"
            else:
                found[place(name, one)] = {"reads": "read", "writes": "written"}[kind]
    assert found == rows()


def test_every_file_of_a_directory_has_a_row() -> None:
    table = README[README.index("What the commands keep for themselves") :]
    table = table[: table.index("## ")]
    for name in {*MODEL, *RUN, *COMPARISON}:
        assert re.search(rf"`{re.escape(name)}[/`]", table), name
    assert {CONFIG_FILE, CARD, *HASHED} == EXPORT == MODEL - {SHORTLIST, STATES}
    assert REPORT < COMPARISON


@pytest.mark.parametrize("ending", [".new", ".part", ".json", ""])
def test_a_waiting_file_has_a_lasting_name(ending: str, tmp_path: Path) -> None:
    """Also in one: a name that has nothing before its ending is no waiting file's."""
    for name in ("config.json", "a", ".a", "a.part", "a\nb"):
        path = tmp_path / name
        waiting = [new_path(path), *unfinished_paths(path)]
        assert [final_name(each.name) for each in waiting] == [name] * 4
    for name in (ending, f".{ending}", "a.part", ".a.json"):
        assert final_name(name) == name
    files.check_files(COMMANDS["config"], {"output": str(tmp_path / f"{ending or 'a'}")})


# ------------------------------------------------------------------------------------------------ what a command reads


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for each letter of the alphabet, and models of a name that hold nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("m", "n"):
        (tmp_path / name).mkdir()
        for each in (CONFIG_FILE, CARD, WEIGHTS, *GRAPHS, SHORTLIST):
            write(tmp_path / name / each, [f"{each} of {name}"])
    for letter in "abcdefgh":
        write(tmp_path / letter, [letter])
    (tmp_path / "inner").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def call(name: str, command: Any, given: dict[str, str]) -> list[str]:
    """The words of a call, with these values and what else must be given."""
    words, letters = name.split(), iter("abcdefgh")
    for one in strings(command):
        if not (one.required or one.name in given or files.role(one) == "reads"):
            continue
        value = given.get(one.name) or ("m" if one.metavar == "MODEL" else next(letters) if files.role(one) else "text")
        words += [value] if not one.opts[0].startswith("-") else [one.opts[0], value]
    return words


READING = [
    pytest.param(name, one.name, id=place(name, one))
    for name, command in COMMANDS.items()
    for one in strings(command)
    if files.role(one) == "reads"
    and any(each.name == files.OUTPUT and each.metavar == "FILE" for each in command.params)
]


def spellings(folder: Path, name: str) -> Iterator[str]:
    """The same file by other words."""
    yield name
    yield f"./inner/../{name}"
    yield str(folder / name)
    (folder / "link").symlink_to(folder / name)
    yield "link"
    (folder / "second").hardlink_to(folder / name)
    yield "second"
    (folder / "again").symlink_to(folder)
    yield f"again/{name}"


@pytest.mark.parametrize(("name", "parameter"), READING)
def test_what_is_read_is_not_written_over(name: str, parameter: str, folder: Path) -> None:
    """Nor is it where the output waits to be whole."""
    command = COMMANDS[name]
    models = next(one.metavar for one in command.params if one.name == parameter) == "MODEL"
    values = {"n": f"n/{WEIGHTS}"} if models else {"h": "h", **({"n": f"n/{CARD}"} if parameter == "against" else {})}
    for value, output in values.items():
        before = contents(folder)
        message = fail(2, *call(name, command, {parameter: value, "output": output}))
        what = "a file that is read" if value == "h" else "a file of n, which is read"
        assert message == f"error: {output}: --output is {what}; choose another name\n"
        assert contents(folder) == before
    if not models:
        waiting = write(folder / ".out.part", ["mine"])
        message = fail(2, *call(name, command, {parameter: waiting.name, "output": "out"}))
        assert message.startswith(f"error: {waiting.name}: is read, and out would be written there until it is whole;")
        assert waiting.read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("name", ["h", *(f"n/{each}" for each in (CONFIG_FILE, CARD, WEIGHTS, *GRAPHS, SHORTLIST))])
def test_a_file_is_known_by_its_identity(name: str, folder: Path) -> None:
    """By any spelling, and whichever file of a model it is."""
    for output in spellings(folder, name):
        with pytest.raises(
            InputError, match=f"^{output}: --output is (a file that is read|a file of n, which is read)"
        ):
            files._check_file(output, files.identities(["h", "n"]))


def test_standard_streams_are_files_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell opens them: standard output would grow while it is read, or was emptied before we could say so."""
    values = {"models": ["m"], "source": "h", "target": "a", "output": "-"}
    for mode in ("a", "r+", "w"):
        with (folder / "h").open(mode, encoding="utf-8") as file, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", file)
            with pytest.raises(InputError, match=r"^h: standard output is a file that is read; choose another name$"):
                files.check_files(COMMANDS["score"], values)
            patch.setattr(sys, "stdin", file)
            with pytest.raises(InputError, match=r"^standard input: standard output is a file that is read"):
                files.check_files(COMMANDS["score"], values | {"source": "-"})
            patch.setattr(sys, "stdout", None)
            with pytest.raises(InputError, match=r"^h: --output is a file that is read"):
                files.check_files(COMMANDS["translate"], {"models": ["m"], "source": "-", "output": "h"})


def test_devices_are_written_to(folder: Path) -> None:
    """Also the one that is read from."""
    files.check_files(COMMANDS["score"], {"models": ["m"], "source": "/dev/null", "target": "h", "output": "/dev/null"})
    files.check_files(COMMANDS["score"], {"models": ["m"], "source": "h", "target": "h", "output": "new"})


# ----------------------------------------------------------------------------------------------------- whose a file is


def owned(folder: Path) -> dict[str, str]:
    """What belongs to whom, made as the commands make it."""
    (folder / "run" / "training" / "state").mkdir(parents=True)
    (folder / "begun").mkdir()
    write(folder / "begun" / "log.jsonl", ['{"event": "start", "step": 0}'])
    (folder / "all" / "runs").mkdir(parents=True)
    (folder / "all" / "measured").mkdir()
    found = {f"m/{name}": "model" for name in MODEL}
    found |= {f"{directory}/{name}": "run" for directory in ("run", "begun") for name in RUN}
    found |= {f"all/{name}": "comparison" for name in COMPARISON}
    found |= {"run/training/state/mine": "run", "run/checkpoints/best/config.json": "run", "begun/cache/x": "run"}
    return found | {"all/runs/one-seed-1/mine": "comparison", "all/figures/a.svg": "comparison",
                    "m/config.json.new": "model", "m/.shortlist.safetensors.part": "model"}  # fmt: skip


OUTPUTS = [
    name
    for name, one in COMMANDS.items()
    if any(each.name == files.OUTPUT and each.metavar == "FILE" for each in one.params)
]


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_belongs_to_another_is_not_written_over(name: str, folder: Path) -> None:
    """Whether it is there or may still be written."""
    owned(folder)
    models = {one.name: "n" for one in COMMANDS[name].params if one.metavar == "MODEL"}
    for path, kind in {"m/tokenizer.model": "model", "begun/log.jsonl": "run", "all/costs.json": "comparison"}.items():
        before = contents(folder)
        message = fail(2, *call(name, COMMANDS[name], {**models, "output": path}))
        whose = folder / path.split("/")[0]
        assert message == f"error: {path}: --output belongs to the {kind} {whose}; choose another name\n"
        assert contents(folder) == before


def test_every_name_of_a_directory_belongs_to_it(folder: Path) -> None:
    """Under any name that leads there."""
    (folder / "away").symlink_to(folder / "m" / "tokenizer.model")
    (folder / "snapshot").mkdir()
    (folder / "snapshot" / WEIGHTS).symlink_to(folder / "a")  # as in the hub's cache
    more = {"away": "model", f"snapshot/{WEIGHTS}": "model", f"inner/../m/{WEIGHTS}": "model"}
    for path, kind in (owned(folder) | more).items():
        if not (folder / path).is_dir():
            with pytest.raises(InputError, match=f": --output belongs to the {kind} {folder}"):
                files._check_file(path, {})


def test_other_files_are_their_owners_own(folder: Path) -> None:
    """Translations may be kept beside a model, and other projects have such names as well."""
    owned(folder)
    for name in ("runs", "web/cache", "web/figures", "web/training", "web/checkpoints"):
        (folder / name).mkdir(parents=True)
    write(folder / "web" / CONFIG_FILE, ["{}"])
    inside = ("config.json", "README.md", "cache/x", "figures/x.svg", "training/x", "checkpoints/x")
    for path in (
        "m/test.en",
        "run/test.en",
        "all/notes",
        "log.jsonl",
        "README.md",
        *(f"web/{each}" for each in inside),
    ):
        assert owner(folder / path) is None, path


def test_what_a_stopped_translation_keeps_is_not_written_over(folder: Path) -> None:
    for name in (".big.en.part", ".big.en.part.json"):
        write(folder / name, ["kept"])
    for name in (".big.en.part", ".big.en.part.json", ".big.en.part.json.new"):
        message = fail(2, "evaluate", "m", "--source", "a", "--reference", "b", "-o", name)
        assert (
            message
            == f"error: {name}: --output is what a stopped translation has kept for --resume; choose another name\n"
        )


# ---------------------------------------------------------------------------------------- directories that are written


FOLDERS = [name for name, one in COMMANDS.items() if any(each.metavar == files.FOLDER for each in one.params)]


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_read_is_not_written_over_in_a_directory(name: str, folder: Path) -> None:
    """Where an input lies under a name that the command writes, or is the same file as one."""
    command = COMMANDS[name]
    read = [one for one in strings(command) if files.role(one) == "reads" and one.metavar != "MODEL"]
    (folder / "out").mkdir()
    for one in read:
        for each in sorted(files._written()[command.name]):
            inside = folder / "out" / each
            inside.hardlink_to(folder / "h")
            for path in ("h", f"out/{each}"):
                with pytest.raises(
                    InputError, match=f"^{path}: is read, and out/{each} is written; choose another name$"
                ):
                    files.check_folder(command.name, "out", [path])
            if each in ("figures", CARD):  # one of those that each command writes
                message = fail(2, *call(name, command, {one.name: "h", "output": "out"}))
                assert message == f"error: h: is read, and out/{each} is written; choose another name\n"
            inside.unlink()


@pytest.mark.parametrize("name", FOLDERS)
def test_no_directory_is_made_among_what_belongs_to_another(name: str, folder: Path) -> None:
    owned(folder)
    for path, kind in (("run/training/new", "run"), ("m/cache.new", None), ("all/runs/new", "comparison")):
        if kind is not None:
            message = fail(2, *call(name, COMMANDS[name], {"output": path, "model": "n"}))
            assert message.startswith(f"error: {path}: --output belongs to the {kind} {folder}")
            assert not (folder / path).exists()
        else:
            files.check_folder(COMMANDS[name].name, path, ["h"])


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize("how", ["symlink_to", "hardlink_to"])
def test_a_run_does_not_append_to_another_file(command: str, how: str, folder: Path) -> None:
    """As in a copy made of links, or from a stranger."""
    log = "out/log.jsonl" if command == "train" else "out/runs/one-seed-1/log.jsonl"
    (folder / log).parent.mkdir(parents=True)
    getattr(folder / log, how)(folder / "h")
    assert f"{log}: a link, or a file with several names" in fail(2, command, "a", "-o", "out", "--resume")
    assert (folder / "h").read_text(encoding="utf-8") == "h\n"


def test_a_report_is_not_put_in_the_place_of_another(folder: Path) -> None:
    owned(folder)
    write(folder / "all" / "results.json", ["{}"])
    assert "all: holds the report of another comparison" in fail(2, "plot", "results", "h", "-o", "all")
    files.check_folder("results", "all", ["all/results.json"])


def test_a_shortlist_is_not_learnt_from_its_place(folder: Path) -> None:
    message = fail(2, "shortlist", "m", "--source", "a", "--target", f"m/{SHORTLIST}")
    assert message == f"error: m/{SHORTLIST}: is read, and m/{SHORTLIST} is written; choose another name\n"


TEXTS = ["data.train.source", "data.train.alignment", "data.validation.target", "tokenizer.source_model"]


@pytest.mark.parametrize("key", TEXTS)
def test_the_texts_of_a_config_are_read_as_well(key: str, folder: Path) -> None:
    """Relative to data.root; by a training and by a comparison."""
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
    grid = 'title = "t"\nconfig = "run.toml"\nseeds = [1]\n[grid]\n"model.score" = ["dot"]\n[tests.t]\n'
    write(folder / "grid.toml", [f'{grid}source = "a"\nreference = "report.md"'])
    (folder / "out" / "runs").mkdir(parents=True)
    for name in ("README.md", "report.md"):
        write(folder / "out" / name, ["mine"])
    settings = [f"--set={key}=README.md", "--set=tokenizer.vocabulary_size=8000", "--set=data.root=out"]
    message = fail(2, "train", "run.toml", "-o", "out", "--resume", *settings)
    assert message == "error: out/README.md: is read, and out/README.md is written; choose another name\n"
    message = fail(2, "compare", "grid.toml", "-o", "out", "--resume", "--set=data.root=out")
    assert message == "error: out/report.md: is read, and out/report.md is written; choose another name\n"


def test_a_run_is_not_put_into_the_folder_that_it_reads(folder: Path) -> None:
    """Its log would be a part of the text, when it goes on."""
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
    for dataset, output in (("inner", "inner/run"), (".", "run"), ("inner", "inner")):
        message = fail(2, "train", "run.toml", "-o", output, f'--set=data.train={{dataset="{dataset}"}}')
        assert message == f"error: {output}: lies in {dataset}, all of which is read; choose another name\n"
