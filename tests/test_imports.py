"""What loads what: quick starts, one-way imports, one module that prints."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seq2seq"
HEAVY = (
    "torch",
    "datasets",
    "matplotlib",
    "sentencepiece",
    "sacrebleu",
    "accelerate",
    "pydantic",
    "numpy",
    "scipy",
    "onnxruntime",
)

# Files and folders of the package in reading order: a module imports only from its own room and from those before it.
ROOMS = [
    "errors",
    "version",
    "bounds",
    "section",
    "data_config",
    "start_config",
    "config",
    "config_file",
    "durable",
    "text",
    "nn.kernels",
    "nn",
    "search",
    "metrics",
    "batching",
    "checkpoint",
    "translation.weights",
    "translation",
    "onnx",
    "processes",
    "training",
    "comparison",
    "comparison.report",
    "bulk",
    "server",
    "cli.display",
    "cli",
    "__main__",
]


def run(code: str, *arguments: str) -> str:
    """What Python prints, run on its own so that this test's imports do not count."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    return done.stdout


LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


@pytest.mark.parametrize(
    "code",
    [
        f"import seq2seq; {LOADED}",
        f"import seq2seq.cli; {LOADED}",
        f"import atexit\natexit.register(lambda: exec({LOADED!r}))\nfrom seq2seq.cli import main\nmain()",
    ],
    ids=["package", "command line", "help"],
)
def test_starts_light(code: str) -> None:
    output = run(code, "--help")
    loaded = output.rstrip("\n").rpartition("\n")[2].split()
    assert "seq2seq" in loaded
    assert not set(HEAVY) & set(loaded)


def test_help_was_really_shown() -> None:
    assert "translate" in run("from seq2seq.cli import main\nmain()", "--help")


def test_package_offers_what_it_names() -> None:
    assert run("import seq2seq; print(all(hasattr(seq2seq, name) for name in seq2seq.__all__))") == "True\n"


# ---------------------------------------------------------------------------------------------------- reading the code


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Name, below the package, and syntax tree of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def room(module: str) -> int:
    """The place of a module's room, its innermost folder or the file itself, in the list."""
    matches = [name for name in ROOMS if module == name or module.startswith(name + ".")]
    assert matches, f"seq2seq.{module} has no place in the order of imports: give it one in this test"
    return ROOMS.index(max(matches, key=len))


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module of the package that a tree imports, wherever it does, without the package's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "seq2seq" and rest:
                yield from known(rest)


def known(dotted: str) -> Iterator[str]:
    """The longest part of a dotted name that is a module; nothing for a name of the package itself (__version__)."""
    while dotted:
        if dotted in MODULES:
            yield dotted
            return
        dotted = dotted.rpartition(".")[0]


def test_every_room_is_listed_once() -> None:
    folders = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")} - {Path()}
    files = {path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.glob("*.py")} - {Path("__init__")}
    assert sorted(ROOMS) == sorted(".".join(path.parts) for path in folders | files)


def test_no_import_runs_back_up() -> None:
    """Of all imports, in functions too; the package itself offers names of many rooms and stands above none."""
    arrows = [(module, found) for module, tree in MODULES.items() if module for found in imports(tree)]
    assert len(arrows) > 500
    upward = [f"{module} imports {found}" for module, found in arrows if room(found) > room(module)]
    assert len(upward) == 0, upward


def test_import_finder_sees_all_forms() -> None:
    tree = ast.parse("import seq2seq.errors\nfrom seq2seq import config\ndef f():\n from seq2seq.nn.model import X")
    assert list(imports(tree)) == ["errors", "config", "nn.model"]


def test_network_knows_no_text_and_search_no_model() -> None:
    for module, tree in MODULES.items():
        names = set(imports(tree))
        if module.startswith("nn."):
            assert not {name for name in names if name.startswith("text") or name == "config"}, module
        if module.startswith("search."):
            assert not {name for name in names if name.startswith(("nn", "text")) or name == "config"}, module


def test_text_imports_no_torch() -> None:
    for module, tree in MODULES.items():
        if module.startswith("text."):
            found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            found |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not {name for name in found if name.partition(".")[0] == "torch"}, module


def printing(tree: ast.Module) -> list[int]:
    """Lines that print."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_only_the_command_line_prints() -> None:
    assert printing(ast.parse("x = 1\nprint(x)")) == [2]
    prints = {name: printing(tree) for name, tree in MODULES.items() if not name.startswith("cli")}
    assert not {name: lines for name, lines in prints.items() if lines}


def console_calls(tree: ast.Module) -> list[str]:
    """What a tree calls to print, or to draw with rich, each of which reads markup unless it is told not to."""
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if call in ("print", "typer.echo", "typer.secho", "Console", "TextColumn")]


def test_the_command_line_prints_in_one_place() -> None:
    assert console_calls(ast.parse("print(x)\ntyper.echo(y, err=True)")) == ["print", "typer.echo"]
    found = {name for name, tree in MODULES.items() if name.startswith("cli") and console_calls(tree)}
    assert found == {"cli.display.console"}


def foreign_imports() -> Iterator[tuple[str, str]]:
    """Every name of the package that a script or a test imports, with the file that does."""
    root = PACKAGE.parent
    for path in sorted([*(root / "scripts").rglob("*"), *(root / "tests").glob("*.py")]):
        if path.suffix != ".py" and (path.suffix or not path.is_file() or b"python" not in path.read_bytes()[:40]):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("seq2seq."):
                yield from ((str(path.relative_to(root)), f"{node.module}.{alias.name}") for alias in node.names)


def test_scripts_and_tests_import_what_is_there() -> None:
    """Also inside functions and in scripts that no quick test runs."""
    found = list(foreign_imports())
    assert any(file == "scripts/prepare-tsinghua450" for file, _ in found)
    code = "import importlib.util, sys\nfor name in sys.argv[1:]:\n  module, _, thing = name.rpartition('.')\n"
    code += "  loaded = importlib.import_module(module)\n"
    code += "  inner = hasattr(loaded, '__path__') and importlib.util.find_spec(name)\n"
    code += "  if not hasattr(loaded, thing) and not inner: print(name)\n"
    missing = run(code, *sorted({name for _, name in found})).split()
    assert not [(file, name) for file, name in found if name in missing]


def test_no_module_without_a_subject() -> None:
    nameless = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [name for name in MODULES if nameless & set(name.split("."))]
