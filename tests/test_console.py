"""What is printed, wherever it goes and whatever strangers wrote into it."""

import hashlib
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_checkpoint import SOURCE, TARGET, make_config, save
from test_cli import fail, invoke, succeed, write

from seq2seq.bulk import streams, workers
from seq2seq.cli.display import comparison
from seq2seq.cli.display.console import MessageStream, OutputStream, render
from seq2seq.comparison import pace, runs
from seq2seq.errors import Seq2SeqError
from seq2seq.processes import children
from seq2seq.text.escaping import (
    code_span,
    escape_columns,
    escape_csv_cell,
    escape_line,
    escape_markdown,
    escape_text,
    json_text,
)
from seq2seq.text.tokenizer import train_tokenizers

ODD = "m\udcf6del"  # how Python has a name with the byte F6, which is no UTF-8
ATTACK = "\x1b[2J\x9b2J\u202edlo\x07\r\n\u2028\udcf6"
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from([ATTACK, "می‌روم", "👩‍🚒", "« à »"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory: a model that has learnt nothing, under a plain name and an odd one, and texts."""
    folder = tmp_path_factory.mktemp("console")
    tokenizers = train_tokenizers(SOURCE, TARGET, make_config().tokenizer)
    for name in ("model", ODD):
        save(folder / name, tokenizers, make_config())
    write(folder / "test.de", ["ein mann schläft .", "die frau liest ."])
    write(folder / "test.en", ["a man sleeps here .", "the woman reads it ."])
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


# ------------------------------------------------------------------------------------------------------------- strings


def steers(text: str) -> bool:
    """Whether it holds anything but what is seen, spaces and the joiners that some scripts are spelt with."""
    return any(unicodedata.category(each) in STEERING for each in text if each not in "\u200c\u200d")


@given(TEXT)
def test_no_character_steers(text: str) -> None:
    assert not steers(escape_line(text))
    assert not steers(escape_text(text).replace("\n", ""))
    assert not steers(escape_columns(text).replace("\n", "").replace("\t", ""))
    assert not steers(code_span(text))
    assert not steers(escape_markdown(text))


@given(st.text(st.characters(exclude_categories=tuple(STEERING))))
def test_what_is_only_seen_stays(text: str) -> None:
    assert escape_line(text) == text


@given(st.dictionaries(TEXT, TEXT))
def test_json_says_the_same_with_nothing_that_steers(facts: dict[str, str]) -> None:
    written = json_text(facts)
    assert json.loads(written) == facts
    assert not steers(written.replace("\n", ""))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert escape_csv_cell(cell) == "'" + cell
    assert escape_csv_cell(f"a{cell}") == f"a{cell}"


# ------------------------------------------------------------------------------------------------------------- streams


def test_answers_are_written_whole_to_a_pipe_that_blocks_no_one() -> None:
    """Another program may have made a shared pipe non-blocking; one write then takes a part, or nothing."""
    source, target = os.pipe()
    os.set_blocking(target, False)
    content = os.urandom(1 << 18)
    reader = subprocess.Popen(["sha256sum"], stdin=source, stdout=subprocess.PIPE)
    os.close(source)
    with OutputStream(target, "w") as stream:
        assert stream.write(content) == len(content)
    assert reader.communicate()[0].split()[0].decode() == hashlib.sha256(content).hexdigest()


def test_answers_that_cannot_be_written_are_explained() -> None:
    with (
        OutputStream(os.open("/dev/full", os.O_WRONLY), "w") as full,
        pytest.raises(Seq2SeqError, match="No space left"),
    ):
        full.write(b"a")
    closed = OutputStream(os.open(os.devnull, os.O_RDONLY), "w")  # what open_streams puts in the place of a closed one
    with closed, pytest.raises(Seq2SeqError, match=r"^standard output: cannot be written: it is closed$"):
        closed.write(b"a")
    source, target = os.pipe()
    os.close(source)
    with OutputStream(target, "w") as pipe, pytest.raises(SystemExit) as ended:
        pipe.write(b"a")
    assert ended.value.code == 128 + signal.SIGPIPE


def test_messages_that_cannot_be_written_end_nothing() -> None:
    source, target = os.pipe()
    os.close(source)
    for descriptor in (target, os.open("/dev/full", os.O_WRONLY), os.open(os.devnull, os.O_RDONLY)):
        with MessageStream(descriptor, "w") as stream:
            assert stream.write(b"a message") == 9


SHELL = {
    "help onto a full device": ("--help > /dev/full", 1, "", "error: standard output: cannot be written: No space"),
    "help of a command into a pipe that is closed": ("train --help | true", 141, "", ""),
    "help without standard output": ("--help >&-", 1, "", "error: standard output: cannot be written: it is closed"),
    "version without standard output": ("--version >&-", 1, "", "error: standard output: cannot be written"),
    "version without messages": ("--version 2>&-", 0, "seq2seq ", ""),
    "a mistake without messages": ("trian 2>&-", 2, "", ""),
}


@pytest.mark.parametrize("name", SHELL)
def test_every_ending_of_a_stream(name: str) -> None:
    arguments, code, stdout, stderr = SHELL[name]
    script = f'"{sys.executable}" -m seq2seq {arguments}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", env=ENVIRONMENT)
    assert (done.returncode, done.stdout[:8], done.stderr[: len(stderr)]) == (code, stdout, stderr)
    assert done.stderr.count("\n") <= 1


@pytest.mark.slow
def test_what_is_told_to_no_one_ends_no_translation(folder: Path) -> None:
    """With standard error closed; the second line is told to be too long."""
    script = f'"{sys.executable}" -m seq2seq translate model --max-source-length 1 --max-length 3 -i test.de 2>&-'
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 2)


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What libraries print to descriptor 2 would else end up in whatever is opened next."""
    code = "import os\nfrom seq2seq.cli.display.console import open_streams\n"
    code += "open_streams()\nprint(open('out', 'w').fileno() > 2)"
    script = f'"{sys.executable}" -c "$0" 0<&- 2>&-'
    done = subprocess.run(["bash", "-c", script, code], stdout=subprocess.PIPE, cwd=tmp_path, env=ENVIRONMENT)
    assert done.stdout == b"True\n"


IN_OTHER_ENCODINGS = """
import sys
from seq2seq.cli import app
from seq2seq.cli.display.console import open_streams
open_streams()
for line in sys.argv[1:]:
    try:
        app(line.split("|"), prog_name="seq2seq")
    except SystemExit as ended:
        assert not ended.code, (line, ended.code)
"""


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}],
)
@pytest.mark.slow
def test_every_answer_in_every_encoding(folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """One process for all commands, as it takes seconds to start."""
    write(folder / "läuft.en", ["ein mann schläft gut", "die frau läuft — jetzt"])
    write(folder / "zh.en", ["一 二 三 四"])
    lines = [
        "--help",
        "evaluate|--hypothesis|läuft.en|--reference|läuft.en|--samples|0",
        "evaluate|--hypothesis|zh.en|--reference|zh.en|--samples|0|--tokenize|zh|--json",
        "config|--source-language|中文",
        "inspect|model",
        f"export|model|--output|{tmp_path / 'läuft'}",
        "plot|attention|model|--source|ein mann läuft|--target|a man läuft",
    ]
    done = subprocess.run(
        [sys.executable, "-c", IN_OTHER_ENCODINGS, *lines],
        capture_output=True,
        env={**ENVIRONMENT, **environment},
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert 'source_language = "中文"'.encode() in done.stdout  # data is UTF-8, whatever the locale
    assert os.fsencode(tmp_path / "läuft") in done.stdout.split(b"\n")
    assert b"surrogate" not in done.stderr


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["[/x].en", "h[v2].en", "[bold]:smile:.en"])
def test_names_are_no_markup(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    write(folder / name, ["a man sleeps here ."])
    shown = succeed("evaluate", "--hypothesis", name, "--reference", name, "--samples", 0)
    assert shown.split("\n")[0] == f"{name}: 1 sentences, 1 reference each"
    shown = succeed("evaluate", "--hypothesis", name, "--against", name, "--reference", name, "--samples", 10)
    assert f"against {name}, by paired bootstrap" in shown
    display = comparison.LiveRuns(1)
    display(name, {"event": "begin"})
    assert name in render(display.progress.make_tasks_table(display.progress.tasks))


def test_names_that_are_no_utf8(folder: Path, tmp_path: Path) -> None:
    """They are those of files all the same."""
    run = str(tmp_path / ODD)
    assert succeed("translate", ODD, "-i", "test.de", "-o", run) == ""
    assert Path(run).read_text(encoding="utf-8").count("\n") == 2
    assert succeed("translate", ODD, "-i", "test.de", "-o", run, "--resume") == ""
    for command in ("inspect", "inspect --json", "score --source test.de --target test.en"):
        first, *rest = command.split()
        succeed(first, ODD, *rest)


def test_reports_and_exports_of_names_that_are_no_utf8(folder: Path, tmp_path: Path) -> None:
    run = str(tmp_path / ODD)
    assert r"m\udcf6del: 2 sentences" in succeed("evaluate", ODD, "--source", "test.de", "--reference", "test.en")
    result = invoke("export", ODD, "--output", f"{run}-onnx")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes == os.fsencode(f"{run}-onnx\n")
    assert invoke("translate", f"{run}-onnx", text="ein mann\n").exit_code == 0


@pytest.mark.parametrize(
    "command", ["config --source ?", "plot attention model --source ?", "train a.toml -o x --set ?"]
)
def test_text_that_is_no_utf8_is_refused(folder: Path, command: str) -> None:
    message = fail(2, *(ODD if part == "?" else part for part in command.split()))
    assert message == f"error: {command.split()[-2]} m\\udcf6del: not UTF-8; text is given in UTF-8\n"


def test_text_that_a_locale_has_mistaken_is_read_as_utf8(folder: Path) -> None:
    mistaken = os.fsencode("läuft.de").decode("ascii", "surrogateescape")
    assert 'source = "läuft.de"' in succeed("config", "--source", mistaken)


def test_a_name_that_cannot_be_written_is_explained(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("seq2seq.checkpoint.model.load_model", lambda name: "é".encode("ascii"))
    assert "é: cannot be written in ascii" in fail(2, "inspect", "model")


# ----------------------------------------------------------------------------------------------------------- strangers


@pytest.fixture
def strange(folder: Path, tmp_path: Path) -> Path:
    """A model whose record holds what no training records."""
    save(tmp_path / "strange", train_tokenizers(SOURCE, TARGET, make_config().tokenizer), make_config())
    path = tmp_path / "strange" / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["record"] = {
        ATTACK[:-1]: ATTACK[:-1],
        "step": 10**4000,
        "bleu": 1e300,
        "perplexity": "\n\nfiles",
        "k" * 999: 1,
    }
    tree["config"]["data"]["source_language"] = "de\x1b[31m\nen"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path.parent


def test_inspect_shows_a_strangers_record_as_text(strange: Path) -> None:
    shown = succeed("inspect", strange)
    assert not steers(shown.replace("\n", ""))
    assert max(map(len, shown.split("\n"))) < 1100
    assert all(len(line) < 120 for line in shown.split("\n") if line.startswith(("  step", "  bleu")))
    assert shown.count("\nfiles\n") == 1
    assert r"\x1b[2J\x9b2J\u202edlo" in shown
    facts = succeed("inspect", strange, "--json")
    assert not steers(facts.replace("\n", ""))
    assert json.loads(facts)["training"]["step"] == 10**4000


@pytest.mark.parametrize("terminal", [True, False])
def test_translations_steer_no_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(streams.sys, "stdout", SimpleNamespace(buffer=written, isatty=lambda: terminal))
    streams._write_standard("der\x1b[2J\thund\n")
    monkeypatch.undo()
    assert written.getvalue() == (b"der\\x1b[2J\thund\n" if terminal else b"der\x1b[2J\thund\n")


# -------------------------------------------------------------------------------------------------------------- ending


def test_ctrl_c_while_loading_is_quiet() -> None:
    """The signal comes in the middle of an import, for certain, of a library that makes another error of it."""
    code = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("a part could not be loaded")
sys.meta_path.insert(0, Interrupt())
from seq2seq.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_worker_that_is_stopped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no signal but SIGKILL, too."""
    monkeypatch.setattr(children, "POLL", 0.01)
    monkeypatch.setattr(workers.WorkerPool, "__init__", lambda self: None)
    child = subprocess.Popen(["sleep", "100"])
    team: Any = workers.WorkerPool()
    ours, theirs = multiprocessing.Pipe()
    process = SimpleNamespace(pid=child.pid, kill=child.kill, terminate=child.terminate, join=lambda: child.wait(5))
    worker: Any = object.__new__(children.Child)
    worker._what, worker._times_stopped, worker._connection, worker._process = "a worker process", 0, ours, process
    team._children, team._identity = [worker], {}
    with closing(team), closing(theirs):
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(Seq2SeqError, match=rf"^a worker process \({child.pid}\) was stopped from outside"):
            team.identity()
    assert child.returncode == -signal.SIGKILL


def masked(*arguments: Any, **options: Any) -> Any:
    """In the place of what starts a process."""
    assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []), "Ctrl-C would reach it"
    raise LookupError


@pytest.mark.parametrize("start", ["a run of a comparison", "a measurement of its costs", "encoding"])
def test_ctrl_c_reaches_no_process_that_was_started(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it loads either; each would end with a traceback. For workers see test_bulk.py."""
    process = SimpleNamespace(start=masked)
    context = SimpleNamespace(Process=lambda **arguments: process, Pipe=multiprocessing.Pipe)
    monkeypatch.setattr(children.multiprocessing, "get_context", lambda method: context)
    monkeypatch.setattr(runs, "is_finished", lambda task, tests: False)
    pool = SimpleNamespace(map=masked, shutdown=lambda cancel_futures: None)
    monkeypatch.setattr(children, "ProcessPoolExecutor", lambda *arguments, **options: pool)
    going_on = SimpleNamespace(requested=None)
    begin = {
        "a run of a comparison": lambda: runs.run_tasks([SimpleNamespace(name="a")], {}, 1, print, going_on),
        "a measurement of its costs": lambda: pace.call_in_process("a", print),
        "encoding": lambda: list(children.map_in_processes(len, ["a", "b"], processes=2)),
    }
    with pytest.raises(LookupError):
        begin[start]()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Sleeper:
    """In the place of a process of multiprocessing: a child whose end is the end of its pipe."""

    def __init__(self, target: Any, args: Any, name: str, daemon: bool) -> None:
        self._pipe = os.dup(args[0].fileno())

    def start(self) -> None:
        self._child = subprocess.Popen(["sleep", "100"])
        self.pid = self._child.pid
        threading.Thread(target=self._watch).start()

    def _watch(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(10)
        self._child.kill()
        self.exitcode = self._child.wait()
        os.close(self._pipe)

    def terminate(self) -> None:
        self._child.terminate()

    def join(self, timeout: float | None) -> None:
        self._child.wait(timeout)


def test_a_run_that_is_stopped_hears_that_the_comparison_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Sleeper] = []

    def process(**arguments: Any) -> Sleeper:
        begun.append(Sleeper(**arguments))
        return begun[-1]

    context = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=process)
    monkeypatch.setattr(children.multiprocessing, "get_context", lambda method: context)
    monkeypatch.setattr(runs, "is_finished", lambda task, tests: False)
    stop = SimpleNamespace(requested=None)

    def observe(run: str, event: dict[str, Any]) -> None:
        if event["event"] == "begin":
            os.kill(begun[0].pid, signal.SIGSTOP)
            stop.requested = signal.SIGINT

    assert runs.run_tasks([SimpleNamespace(name="a")], {}, 1, observe, stop) == {}
    assert begun[0].exitcode == -signal.SIGTERM
