"""Whatever is wrong with what people give: a message in words, the right exit code, nothing half-written."""

import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bad_input import COMPARISONS, CONFIGS, DATA, EXPLANATIONS, LONG, Case
from bad_models import MODELS, USES
from test_cli import CONFIG, PAIRS, invoke, write

from seq2seq.checkpoint.owners import owner

CASES = [*CONFIGS, *COMPARISONS, *DATA, *MODELS, *USES, *EXPLANATIONS]
OTHER = ["--set", "tokenizer.kind=char", "--set", "training.max_steps=1"]  # a model with another vocabulary


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, a config, a trained model and another: every case works in a copy."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, pairs in (("train", PAIRS * 3), ("test", PAIRS[::3])):
        write(folder / f"{name}.de", [source for source, _ in pairs])
        write(folder / f"{name}.en", [target for _, target in pairs])
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for output, settings in (("model", ["--set", "training.seed=3"]), ("other", OTHER)):
            result = invoke("train", "run.toml", "--output", output, *settings)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def work(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of one case."""
    work = tmp_path / "work"
    shutil.copytree(prepared, work)
    monkeypatch.chdir(work)
    return work


def contents(folder: Path) -> dict[str, str]:
    """Everything below a folder, and what each file holds; of large ones (they are sparse) the size."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            size = path.stat().st_size
            kind = f"{size} bytes" if size > 1 << 22 else hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            kind = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "something else"
        found[path.relative_to(folder).as_posix()] = kind
    return found


def check_message(stderr: str, message: str, longest: int = 3) -> None:
    """One or two lines in the user's terms; after a few lines of progress, where a training had begun."""
    assert "Traceback" not in stderr
    told = stderr[stderr.index("error: ") :]
    assert len(told.rstrip("\n").split("\n")) <= longest, told
    assert len(told) < 2000
    assert re.search(message, told), told


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command.split()[0]}: {case.name}")
def test_bad_input_is_explained(case: Case, work: Path) -> None:
    case.prepare(work)
    before = contents(work)
    arguments = [part.replace("%", LONG) for part in shlex.split(case.command.replace('"', '\\"'))]
    result = invoke(*arguments, text=case.text)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == case.code, result.output
    assert result.stdout == ""
    check_message(result.stderr, case.message)
    after = contents(work)
    new = {name for name in after.keys() - before.keys() if not name.startswith(("out/cache/", "out/.lock"))}
    assert new == set(case.leaves)
    assert {name: after.get(name) for name in before} == before


def test_everything_that_a_training_leaves_belongs_to_it(prepared: Path) -> None:
    """So no command writes over it."""
    left = [path for path in (prepared / "model").rglob("*") if path.is_file()]
    assert {"model.safetensors", "log.jsonl", "state.json"} < {path.name for path in left}
    assert not [path for path in left if owner(path) is None]


def test_a_very_long_line_is_no_mistake(work: Path) -> None:
    """1 MiB in one word: read in time that grows with its length, and translated."""
    result = invoke("translate", "model", text=b"x" * (1 << 20) + b"\nder hund\n")
    assert result.exit_code == 0, result.output[-2000:]
    assert result.stdout.count("\n") == 2


def test_names_of_cases_are_distinct() -> None:
    names = [(case.command.split()[0], case.name) for case in CASES]
    assert len(set(names)) == len(names) >= 60
    assert {name for name, _ in names} >= {
        "config",
        "train",
        "translate",
        "score",
        "align",
        "evaluate",
        "inspect",
        "push",
    }


# What only a process of its own can meet. The device is written to, never replaced.
STREAMS = {
    "config onto a full device": ("seq2seq config > /dev/full", 1, "standard output: cannot be written: No space left"),
    "config onto nothing": ("seq2seq config >&-", 1, "standard output: cannot be written: it is closed"),
    "error with nowhere to go": ("seq2seq train nowhere.toml -o out 2>&-", 2, "^$"),
    "translate from nothing": ("seq2seq translate model <&-", 2, "standard input is closed"),
    "translate onto a full device": (
        "seq2seq translate model -i test.de -o /dev/full",
        1,
        "/dev/full: cannot be written: No space left on device",
    ),
    "inspect onto a full device": ("seq2seq inspect model > /dev/full", 1, "No space left on device"),
    "evaluate onto a full device": (
        "seq2seq evaluate --hypothesis test.en --reference test.en --samples 0 > /dev/full",
        1,
        "No space left on device",
    ),
    "train on a full disk": ("ulimit -f 8; seq2seq train run.toml -o out", 1, "File too large"),
}


QUICK = ("error with nowhere to go", "inspect onto a full device")  # each is a start of Python, most one of torch


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in STREAMS]
)
def test_bad_streams_are_explained(name: str, work: Path) -> None:
    script, code, message = STREAMS[name]
    run = f'seq2seq() {{ "{sys.executable}" -m seq2seq "$@"; }}; {script}'
    done = subprocess.run(["bash", "-c", run], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    if done.stderr or message != "^$":
        check_message(done.stderr, message)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert not {"config.json", "model.safetensors"} & {path.name for path in work.glob("out/*")}


@pytest.mark.parametrize("size", [1 << 60, 1 << 45])
def test_too_little_memory_is_explained(size: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch says it in a RuntimeError, Python and numpy in a MemoryError; neither is a bug with a traceback."""
    for allocate in (torch.empty, bytearray):
        monkeypatch.setattr("seq2seq.checkpoint.model.load_model", lambda name, allocate=allocate: allocate(size))
        result = invoke("inspect", "model")
        assert result.exit_code == 1, repr(result.exception)
        check_message(result.stderr, "^error: not enough memory; smaller batches, beams or models need less$")
