"""What the README and the other pages show is what happens: commands, Python, settings, tables and links."""

from __future__ import annotations

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
from typer.testing import CliRunner

from seq2seq import Translator
from seq2seq.cli import app
from seq2seq.comparison.plan import Grid, planned_runs
from seq2seq.config_file import parse_config

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from pages import ROOT, fill
from test_imports import ROOMS

FOLDERS = ("data", "scripts", "seq2seq", "tests")
PAGES = {  # a model's card is none
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("README.md")))
    if not (path.parent / "config.json").exists()
}
GUIDE = PAGES["scripts/README.md"]
SIDES = {"source": "de", "target": "en"}

# Every block of code on all pages: its language, and words that no other block of that language has.
BLOCKS = {
    "two commands": ("sh", "scripts/demo "),
    "switch": ("sh", "scripts/configs/demo.toml"),
    "install": ("sh", "git clone"),
    "own text": ("sh", "> my.toml"),
    "translator": ("python", "translation = translator.translate"),
    "settings": ("sh", "max_steps=20000\n"),
    "go on": ("sh", "max_steps=20000 --resume"),
    "stream": ("toml", "streaming"),
    "large file": ("sh", "big.de"),
    "shortlist": ("sh", "--shortlist"),
    "export": ("sh", "seq2seq export"),
    "install without torch": ("sh", "--no-deps"),
    "aligned": ("python", "translator.align"),
    "JSON": ("python", "json.dumps"),
    "grid": ("toml", "[grid]"),
    "compare": ("sh", "compare-demo.toml"),
    "reproduce": ("sh", "scripts/reproduce"),
    "benchmark": ("sh", "scripts/benchmark"),
    "study": ("sh", "scripts/study/phrasebook.toml"),
    "study of real text": ("sh", "scripts/study/multi30k.toml"),
    "study of links made by hand": ("sh", "scripts/study/zh-en.toml"),
    "study at 1,024 units": ("sh", "scripts/study/wide.toml"),
    "score function": ("python", "score_function"),
    "first model": ("sh", "scripts/generate-phrasebook --train 6000"),
    "go on from a model": ("sh", "training.start=runs/mine"),
    "what is taken": ("toml", "start_parts"),
    "extension": ("toml", "extend = true"),
    "several texts": ("toml", "[[data.train]]"),
    "mix": ("sh", "mixed.toml --output"),
    "grid of corpora": ("toml", "[[grid.corpora]]"),
    "back-translation": ("sh", "runs/reverse"),
    "distillation": ("sh", "taught.en"),
    "word links": ("sh", "old.align"),
    "word vectors": ("toml", "source_vectors"),
    "copying": ("sh", "model.copy=true"),
    "document": ("sh", "page.txt"),
    "translators' files": ("toml", "memory.tmx.gz"),
    "steering": ("sh", "--constraints"),
    "server": ("sh", "seq2seq serve runs/mine"),
    "requests": ("sh", "127.0.0.1:8080/translate_file"),
    "explanation": ("python", "translator.explain"),
    "drawn explanation": ("sh", "seq2seq plot explanation"),
    "index of states": ("sh", "seq2seq index"),
    "neighbours": ("python", "neighbours.find"),
    "adaptation": ("sh", "measure-day-two adaptation"),
    "measured back-translation": ("sh", "measure-day-two back-translation"),
    "measured distillation": ("sh", "measure-day-two distillation"),
    "guided attention": ("sh", "scripts/study/guided.toml"),
}
# Of these, a test sees no more than that programs, options and files are there: they install, take hours, or need a
# corpus that is not here. All others are run.
ONLY_CHECKED = (
    "two commands", "install", "install without torch", "reproduce", "benchmark",
    "study", "study of real text", "study of links made by hand", "study at 1,024 units",
    "adaptation", "measured back-translation", "measured distillation", "guided attention",
)  # fmt: skip


def blocks(language: str = "sh|python|toml") -> list[str]:
    """The fenced code of one language, or of any, on all pages."""
    return [
        found
        for page in PAGES.values()
        for found in re.findall(rf"^```(?:{language})\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    ]


def block_with(language: str, words: str) -> str:
    found = [block for block in blocks(language) if words in block]
    assert len(found) == 1, words
    return found[0]


def block(name: str) -> str:
    return block_with(*BLOCKS[name])


def test_every_block_is_run_or_checked() -> None:
    run = set(re.findall(r'block\("([^"]+)"\)', Path(__file__).read_text(encoding="utf-8")))
    assert sorted([*run, *ONLY_CHECKED]) == sorted(BLOCKS)
    assert sorted(map(block, BLOCKS)) == sorted(blocks())
    languages = {name for page in PAGES.values() for name in re.findall(r"(?m)^ *(?:```|~~~)(\w+)", page)}
    assert languages == {"sh", "python", "toml"}


def write_texts(folder: Path) -> None:
    """The files that the pages speak of, of four sentences."""
    german = ["Der Hund schläft.", "Die Katze schläft nicht.", "Das Kind liest ein Buch.", "Ein Hund sieht das Kind."]
    english = ["The dog sleeps.", "The cat does not sleep.", "The child reads a book.", "A dog sees the child."]
    for name in ("train", "valid", "test"):
        (folder / f"{name}.de").write_text("".join(f"{line}\n" for line in german), encoding="utf-8")
        (folder / f"{name}.en").write_text("".join(f"{line}\n" for line in english), encoding="utf-8")
    for name in ("new", "big"):
        (folder / f"{name}.de").write_text("Das Kind schläft.\n\nDer Hund liest.\n", encoding="utf-8")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the texts and with scripts/, where `seq2seq` is this package."""
    folder = tmp_path_factory.mktemp("readme")
    write_texts(folder)
    shutil.copytree(
        ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("results", "study", "__pycache__")
    )
    tools = folder / "bin"
    tools.mkdir()
    (tools / "seq2seq").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seq2seq "$@"\n', encoding="utf-8")
    (tools / "seq2seq").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def trained(workplace: Path) -> Path:
    """The workplace after the first commands of "Translate your own text", with a training of three steps."""
    config, _, rest = block("own text").partition("> my.toml\n")
    shell(workplace, config + "> my.toml")
    replace_in(workplace / "my.toml", r"(?m)^(max_steps|warmup_steps) = \d+", r"\1 = 3", count=2)
    (workplace / "shown").write_text(shell(workplace, rest), encoding="utf-8")
    return workplace


def replace_in(path: Path, pattern: str, by: str, count: int = 1) -> None:
    text, changed = re.subn(pattern, by, path.read_text(encoding="utf-8"))
    assert changed == count
    path.write_text(text, encoding="utf-8")


def shell(folder: Path, script: str) -> str:
    paths = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = ["bash", "-euo", "pipefail", "-c", script]
    environment = {**os.environ, **paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_own_text_block_runs_as_written(trained: Path) -> None:
    """Only the length of the training is cut, by editing the config that the first command wrote."""
    shown = (trained / "shown").read_text(encoding="utf-8")
    assert len((trained / "new.en").read_text(encoding="utf-8").split("\n")) == 4
    assert "BLEU" in shown
    assert "attention from:" in shown
    assert (trained / "runs" / "mine" / "README.md").is_file()
    assert "additive" in shell(trained, "seq2seq inspect runs/mine")


@pytest.mark.slow
def test_the_switch_runs_as_written(workplace: Path) -> None:
    """On another text, two steps of it."""
    files = {"train": "train", "validation": "valid"}
    texts = [f"data.{part}.{side}={name}.{end}" for part, name in files.items() for side, end in SIDES.items()]
    changes = ["data.root=.", *texts, "tokenizer.vocabulary_size=60", "training.max_steps=2", "training.warmup_steps=1"]
    command = block("switch").rstrip()
    shell(workplace, f"{command} {' '.join(f'--set {change}' for change in changes)}")
    assert "scaled_dot" in shell(workplace, "seq2seq inspect runs/dot")


@pytest.mark.slow
def test_python_blocks_run_as_written(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    variables: dict[str, Any] = {"Translator": Translator}
    exec(block("translator").replace("runs/demo", "runs/mine"), variables)
    translation = variables["translation"]
    exec(block("aligned"), variables)
    both = block("translator") + block("aligned")
    for variable, name in re.findall(r"^(translation|aligned)\.(\w+)", both, flags=re.MULTILINE):
        assert hasattr(variables[variable], name), name
    assert variables["aligned"].weights.shape == (3, 3)
    assert translation.weights.shape == (
        len(translation.pieces) + translation.finished,
        len(translation.source_pieces) + 1,
    )
    lines = block("JSON").rstrip().split("\n")
    exec("\n".join([*lines[:-1], f"written = {lines[-1]}"]), variables)
    assert json.loads(variables["written"])["weights"] == {"rows": translation.weights.tolist()}


@pytest.mark.slow
def test_a_training_is_lengthened_and_goes_on_as_written(trained: Path) -> None:
    shell(trained, block("settings").replace("20000", "4"))
    shell(trained, block("go on").replace("20000", "6"))
    log = (trained / "runs" / "longer" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert max(json.loads(line).get("step", 0) for line in log) == 6


@pytest.mark.slow
def test_large_file_block_runs_as_written(trained: Path) -> None:
    """And given again, it leaves what it wrote."""
    shell(trained, block("large file"))
    written = (trained / "big.en").read_bytes()
    shell(trained, block("large file"))
    assert written == (trained / "big.en").read_bytes() == (trained / "new.en").read_bytes()


@pytest.mark.slow
def test_shortlist_block_runs_as_written(trained: Path) -> None:
    shown = shell(trained, block("shortlist"))
    assert all(word in shown for word in ("links from 4 pairs", "recall", "BLEU"))
    assert len((trained / "new.shortlist.en").read_text(encoding="utf-8").split("\n")) == 4


@pytest.mark.slow
def test_the_server_answers_the_requests_as_written(trained: Path) -> None:
    """At any free port, and without a browser."""
    pytest.importorskip("starlette")
    command = block("server").replace("--open", "--port 0").split()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    options: dict[str, Any] = {"cwd": trained, "env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", *command], **options) as server:
        assert server.stderr is not None
        try:
            told = next(line for line in server.stderr if "http://" in line)
            address = re.search(r"127\.0\.0\.1:\d+", told)
            assert address, told
            lines = block("requests").replace("127.0.0.1:8080", address[0]).splitlines()
            text, page, file, explained = (json.loads(shell(trained, line)) for line in lines)
        finally:
            server.terminate()
        server.stderr.read()
    assert server.returncode == 0
    assert text.keys() == {"translatedText"}
    assert re.fullmatch(r"<p>.*<b>.*</b>.*</p>", page["translatedText"])
    assert page["detectedLanguage"]["language"] == "de"
    assert file["translatedFileUrl"].startswith(f"http://{address[0]}/download_file/")
    (trained / "explanation.json").write_text(json.dumps(explained), encoding="utf-8")
    pytest.importorskip("matplotlib")
    assert "Hund" in shell(trained, block("drawn explanation"))
    for name in ("attention.svg", "tree.svg"):
        assert "<svg" in (trained / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_blocks_of_explanations_and_neighbours_run_as_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    variables: dict[str, Any] = {}
    exec(block("explanation"), variables)
    assert len(variables["found"].attention) == len(variables["found"].steps)
    pytest.importorskip("faiss")
    shell(trained, block("index of states"))
    exec(block("neighbours"), variables)
    assert capsys.readouterr().out.count(" = ") == 3


@pytest.mark.slow
def test_export_block_runs_as_written(trained: Path) -> None:
    pytest.importorskip("onnxruntime")
    shown = shell(trained, block("export").replace("runs/demo", "runs/mine"))
    assert shown.count("\n") == 1 + len((trained / "test.de").read_text(encoding="utf-8").splitlines())


@pytest.mark.slow
def test_compare_block_runs_as_written(workplace: Path) -> None:
    """On less text, two steps a run, without the measurement of speed."""
    grid = workplace / "scripts" / "configs" / "compare-demo.toml"
    replace_in(grid, r"max_steps = \d+", "max_steps = 2")
    grid.write_text(f"{grid.read_text(encoding='utf-8')}\n[cost]\nrepeats = 0\n", encoding="utf-8")
    few = "--train 200 --validation 20 --test 6 --long 4 --recombined 10"
    shell(workplace, block("compare").replace("--train 20000", few))
    written = workplace / "comparisons" / "demo"
    assert {path.name for path in written.iterdir()} >= {"report.html", "report.md", "results.json", "results.csv"}
    results = json.loads((written / "results.json").read_text(encoding="utf-8"))
    assert sum(len(system["runs"]) for system in results["systems"]) == 8


def test_the_grid_is_that_of_the_demo() -> None:
    written = tomllib.loads(block("grid"))
    demo = tomllib.loads((ROOT / "scripts" / "configs" / "compare-demo.toml").read_text(encoding="utf-8"))
    demo["tests"] = {"test": {key: demo["tests"]["test"][key] for key in ("source", "reference")}}
    assert written == {key: demo[key] for key in written}
    assert len(written) == 5


def test_settings_of_text_are_read() -> None:
    languages = {"source_language": "de", "target_language": "en"}
    plain = {"source": "a", "target": "b"}
    rows = re.findall(r"^\| (`\w+ = .*?) \| ", GUIDE, flags=re.MULTILINE)
    assert len(rows) == 5
    for row in rows:
        text = tomllib.loads("\n".join(re.findall(r"`(.*?)`", row)))
        parse_config({"data": languages | {"train": text, "validation": text}}, row)
    stream = tomllib.loads(block("stream"))["data"]
    config = parse_config({"data": languages | stream | {"validation": plain}}, "stream")
    assert config.data.train.streaming


@pytest.fixture(scope="module")
def day_two(workplace: Path) -> Path:
    """The folder of the page on day two after its first commands: few pairs, trainings of two steps."""
    few = "--train 60 --validation 12 --test 6 --long 4 --recombined 10 "
    made, _, trained = block("first model").replace("--train 6000 ", few).partition("seq2seq train")
    shell(workplace, made.replace("4000", "40").replace("4001", "41"))
    folder = workplace / "phrases"
    (folder / "bin").symlink_to(workplace / "bin")
    replace_in(folder / "my.toml", r"(?m)^warmup_steps = \d+", "warmup_steps = 1")
    shell(folder, quick(f"seq2seq train{trained}"))
    return folder


def quick(script: str) -> str:
    return re.sub(r"max_steps=\d+", "max_steps=2", script)


@pytest.mark.slow
def test_a_model_goes_on_as_written(day_two: Path) -> None:
    assert "BLEU" in shell(day_two, quick(block("go on from a model")))
    assert "the model `runs/mine`" in (day_two / "runs" / "new" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_texts_are_mixed_as_written(day_two: Path) -> None:
    settings = re.sub(r"(max_steps|vocabulary_size) = \d+", r"\1 = 200", block("several texts"))
    (day_two / "mixed.toml").write_text(
        settings.replace("max_steps = 200", "max_steps = 2\nwarmup_steps = 1"), encoding="utf-8"
    )
    assert "BLEU" in shell(day_two, block("mix"))
    assert len((day_two / "test.mixed.en").read_text(encoding="utf-8").splitlines()) == 6
    assert "`<new>`" in (day_two / "runs" / "mixed" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_text_is_translated_back_and_a_student_is_taught_as_written(day_two: Path) -> None:
    shell(day_two, quick(block("back-translation")))
    assert len((day_two / "written.de").read_text(encoding="utf-8").splitlines()) == 20
    if not (day_two / "runs" / "new").exists():
        shell(day_two, quick(block("go on from a model")))
    shell(day_two, quick(block("distillation")))
    assert len((day_two / "taught.en").read_text(encoding="utf-8").splitlines()) == 40
    assert "128" in shell(day_two, "seq2seq inspect runs/student")


@pytest.mark.slow
def test_attention_is_guided_as_written(day_two: Path) -> None:
    shell(day_two, quick(block("word links")).replace("max_steps=2", "max_steps=2 --set training.log_interval=1"))
    log = (day_two / "runs" / "guided" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert any("alignment_loss" in json.loads(line) for line in log)


@pytest.mark.slow
def test_names_are_copied_as_written(day_two: Path) -> None:
    shell(day_two, quick(block("copying")))
    first = json.loads((day_two / "test.copied.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert len(first["copied"]) == len(first["pieces"])


@pytest.mark.slow
def test_a_document_is_translated_as_written(day_two: Path) -> None:
    shell(day_two, block("document"))
    lines = (day_two / "page.en.txt").read_text(encoding="utf-8").splitlines()
    assert (len(lines), lines[1]) == (3, "")
    assert all(lines[2].count(kept) == 1 for kept in ("{page}", "https://example.org"))


@pytest.mark.slow
def test_translations_are_steered_as_written(day_two: Path) -> None:
    prefixed, constrained = shell(day_two, block("steering")).splitlines()
    assert prefixed.startswith("The old dog")
    assert "dog" in constrained
    assert "now" in constrained
    assert len((day_two / "test.terms.en").read_text(encoding="utf-8").splitlines()) == 6
    assert (day_two / "test.nbest").read_text(encoding="utf-8").startswith("0 ||| ")
    assert len((day_two / "test.mbr.en").read_text(encoding="utf-8").splitlines()) == 6


def test_settings_of_day_two_are_read() -> None:
    texts = {part: {"source": "a", "target": "b"} for part in ("train", "validation")}
    for name in ("what is taken", "extension", "word vectors"):
        parse_config(tomllib.loads(block_with(*BLOCKS[name])) | {"data": texts}, name)
    for name in ("several texts", "translators' files"):
        parse_config(tomllib.loads(block_with(*BLOCKS[name])), name)
    assert [block("what is taken"), block("extension"), block("word vectors"), block("translators' files")]
    config = (ROOT / "scripts" / "configs" / "study-phrasebook.toml").as_posix()
    head = f'title = "t"\nconfig = "{config}"\nseeds = [1, 2]\n[tests.t]\nsource = "a"\nreference = "b"\n'
    grid = Grid.model_validate(tomllib.loads(head + block("grid of corpora")))
    plan = planned_runs(grid, ROOT / "scripts" / "study" / "grid.toml")
    assert [run.config.data.texts[-1].source for run in plan] == [
        "clean.de",
        "written-1.de",
        "clean.de",
        "written-2.de",
    ]


@pytest.mark.parametrize("name", ONLY_CHECKED)
def test_programs_options_and_files_are_there(name: str) -> None:
    for line in block(name).replace("\\\n", " ").splitlines():
        for command in re.split(r" (?:&&|\|) ", line):
            program, *words = shlex.split(command, comments=True)
            help_text = ""
            if program.startswith("scripts/"):
                assert os.access(ROOT / program, os.X_OK), program
                help_text = help_of_script(ROOT / program)
            elif program == "seq2seq":
                help_text = help_of(words[0])
            for word in words:
                assert not word.startswith("scripts/") or (ROOT / word).exists(), word
                assert not word.startswith("--") or not help_text or word in help_text, (command, word)
    assert name != "two commands" or "--slow" in (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    assert name != "reproduce" or block(name).split()[1] in help_of_script(ROOT / "scripts" / "reproduce")


def help_of_script(path: Path) -> str:
    """What it tells for --help; of a shell script its text."""
    if path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash"):
        return path.read_text(encoding="utf-8")
    return subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True).stdout


def help_of(command: str) -> str:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.output


def test_every_command_named_exists_and_helps() -> None:
    names = set(re.findall(r"^\| `seq2seq (\w+)", PAGES["README.md"], flags=re.MULTILINE))
    assert names == {each.name for each in (*app.registered_commands, *app.registered_groups)}
    for name in names:
        assert f"seq2seq {name}" in help_of(name)
    for page, text in PAGES.items():
        for name in re.findall(r"(?:`|^)seq2seq (\w+)", text, flags=re.MULTILINE):
            assert name in names, (page, name)


def test_every_option_named_exists() -> None:
    for name, words in re.findall(r"\| `seq2seq ((?:plot )?\w+)[^`]*` \| ([^|]*) \|", PAGES["README.md"]):
        text = help_of(name)
        for option in re.findall(r"--[a-z-]+", words):
            assert option in text, (name, option)
    every = "".join(help_of(name) for name in (*(each.name for each in app.registered_commands), "plot attention"))
    pages = GUIDE + PAGES["scripts/day-two/README.md"]
    for code in re.findall(r"`([^`\n]*--[^`\n]*)`", re.sub(r"(?ms)^```.*?^```$", "", pages)):
        for option in re.findall(r"--[a-z0-9-]+", code):
            assert re.search(rf"{option}\b", every), option


@pytest.mark.scripts
def test_tables_are_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "results-table", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.scripts
def test_parts_go_where_their_markers_are() -> None:
    marked = "<!-- {0}:begin -->\nold\n<!-- {0}:end -->\n"
    pages = {"a": f"first\n{marked.format('x')}", "b": marked.format("y-z") + "last"}
    assert fill(pages, {"x": r"\1 new", "y-z": "other"}) == {
        "a": "first\n<!-- x:begin -->\n\\1 new\n<!-- x:end -->\n",
        "b": "<!-- y-z:begin -->\nother\n<!-- y-z:end -->\nlast",
    }
    for wrong, parts, told in (
        (pages, {"x": ""}, "markers of y-z: no such part is written"),
        (pages, {"x": "", "y-z": "", "w": ""}, "markers of w: needed once, found 0 times in a, b"),
        (pages | {"c": pages["a"]}, {"x": "", "y-z": ""}, "markers of x: needed once, found 2 times"),
        ({"a": pages["a"].replace("x:end", "y:end")}, {"x": ""}, "a: a part that begins has no end"),
    ):
        with pytest.raises(SystemExit, match=told):
            fill(wrong, parts)


def test_the_readme_has_the_measured_numbers() -> None:
    """Those in its prose, which no script writes."""
    section = PAGES["README.md"].partition("## What it is not for")[2]
    results = {
        name: json.loads((ROOT / "scripts" / "results" / f"{name}.json").read_text())
        for name in ("zh-en", "demo-additive")
    }

    def bleu(name: str, test: str) -> str:
        return next(f"{one['value']:.1f}" for one in results[name]["tests"][test]["metrics"] if one["name"] == "BLEU")

    assert f"{results['zh-en']['record']['train_pairs']:,} pairs" in section
    assert f"BLEU {bleu('zh-en', 'tst2010')}" in section
    assert f"from BLEU {bleu('demo-additive', 'test')} to {bleu('demo-additive', 'long')}" in section
    (extent,) = re.findall(r"\d+ systems, \d+ seeds each", section)
    assert extent in PAGES["scripts/study/README.md"]


def anchors(page: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"(?ms)^```.*?^```$", "", PAGES[page]), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        goal = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(str(goal.relative_to(ROOT))), target


def test_the_walks_name_every_room_once_in_order() -> None:
    """Two ways through the code, of a pair and of a sentence, that together pass every chapter and file at the top."""
    page = PAGES["seq2seq/README.md"]
    walks = page[page.index("## A pair of sentences") : page.index("## Add a score function")]
    for room in ROOMS:
        name = room.replace(".", "/")
        link = f"({name})" if (ROOT / "seq2seq" / name).is_dir() else f"({name}.py)"
        assert walks.partition("<!-- rooms:begin -->")[0].count(link) == 1, link


def test_a_score_function_in_12_lines_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is one of the choices, until it is taken out again."""
    from mechanisms import MECHANISMS, SOURCE_VOCABULARY, TARGET_VOCABULARY, random_ids, tiny_model

    from seq2seq.batching import make_batch
    from seq2seq.nn.scores import SCORE_FUNCTIONS

    code = block("score function")
    assert len([line for line in code.splitlines() if line.strip() and "import" not in line]) <= 12
    monkeypatch.setitem(MECHANISMS, "distance", {"score": "distance"})
    try:
        exec(code, {"__name__": "a_file_of_its_own"})
        for wiring in (("luong", False), ("luong", True), ("bahdanau", False)):
            model = tiny_model("distance", wiring, "lstm", decoder_dim=14)
            batch = make_batch(random_ids([4, 6], SOURCE_VOCABULARY, 1), random_ids([5, 3], TARGET_VOCABULARY, 2))
            model(*batch.tensors(), 0.1, 0.0).total.backward()
            assert all(part.grad is not None for part in model.decoder.parameters())
    finally:
        SCORE_FUNCTIONS.pop("distance", None)


@pytest.mark.parametrize("page", PAGES)
def test_files_named_are_there(page: str) -> None:
    for name in re.findall(r"`((?:data|scripts|seq2seq|tests)/[\w./-]*\w)`", PAGES[page]):
        assert (ROOT / name).exists(), name


def test_the_study_is_what_its_script_writes() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "study-page", "--check"], check=True)
