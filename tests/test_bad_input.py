"""Whatever is wrong with what people give: a message in words, the right exit code, nothing half-written."""

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from bad_input import CASES, LONG, Case
from test_cli import CONFIG, PAIRS, invoke, write

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
    if "error: " in stderr:
        told = stderr[stderr.index("error: ") :]
        assert len(told.rstrip("\n").split("\n")) <= longest, told
        assert len(told) < 2000
    else:  # usage, which typer explains in a box
        assert "─ Error ─" in stderr
        told = " ".join(stderr.replace("│", " ").split())
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


def test_names_of_cases_are_distinct() -> None:
    names = [(case.command.split()[0], case.name) for case in CASES]
    assert len(set(names)) == len(names) >= 60
    assert {name for name, _ in names} >= {"config", "train", "translate", "score", "evaluate", "inspect", "push"}
