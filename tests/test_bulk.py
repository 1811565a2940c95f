"""Bulk translation: whatever ends it, the next run goes on, and the bytes are those of a run that nothing ended."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from seq2seq import Translator
from seq2seq.bulk import chunks, job, unfinished_output, workers
from seq2seq.bulk.chunks import Chunk, Chunks
from seq2seq.bulk.job import ChunkResult, Job
from seq2seq.bulk.layout import Layout
from seq2seq.bulk.streams import LineStream, open_input
from seq2seq.cli import app, lines
from seq2seq.cli.display import console
from seq2seq.config_file import parse_config
from seq2seq.errors import Seq2SeqError
from seq2seq.processes.group import Processes
from seq2seq.text.lines import LONGEST_SENTENCE
from seq2seq.training.trainer import train

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
WORDS = ["hund", "katze", "mann", "frau", "kind", "schläft", "läuft", "liest", "ein", "der", "die", "."]
EMPTY = hashlib.sha256().hexdigest()  # of an input, where it is no matter
LINES = 300
BATCH = 5  # sentences; a chunk is four batches
CHUNK = 20
MODEL = {"cell": "gru", "embedding_dim": 7, "encoder_dim": 7, "decoder_dim": 14, "attention_dim": 5}
TRAINING = {"batch_tokens": 200, "max_steps": 3, "validation_interval": 3, "warmup_steps": 1, "threads": 1}


def sentences(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(0, 11))) for _ in range(count)]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two that have learnt next to nothing, so that their translations are long and differ."""
    folder = tmp_path_factory.mktemp("models")
    text = [line for line in sentences(60, 1) if line]
    side = {"source": str(write(folder / "a", text)), "target": str(write(folder / "b", text[::-1]))}
    found = []
    for seed in (1, 2):
        config: dict[str, Any] = {
            "data": {"source_language": "de", "target_language": "en", "train": side, "validation": side},
            "tokenizer": {"kind": "word", "vocabulary_size": 40},
            "model": MODEL,
            "training": {**TRAINING, "trackers": [], "seed": seed},
        }
        train(parse_config(config, "test"), folder / f"model{seed}")
        found.append(folder / f"model{seed}")
    return found


@pytest.fixture(scope="module")
def model(models: list[Path]) -> Path:
    return models[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in.de", sentences(LINES, 2))


class Bulk:
    """A bulk translation into a folder: run in this process, or as a process to be killed."""

    def __init__(self, model: Path, source: Path, folder: Path, *options: object) -> None:
        self.folder, self.target = folder, folder / "out.en"
        self.part, self.journal = folder / ".out.en.part", folder / ".out.en.part.json"
        shown = ["--scores", "--threads", 1, "--batch-size", BATCH, "--max-length", 9]
        self.arguments = [str(each) for each in ("translate", model, "-i", source, "-o", self.target, *shown, *options)]

    def run(self, *more: object) -> Result:
        return CliRunner().invoke(app, self.arguments + [str(each) for each in more])

    def finish(self, *more: object) -> bytes:
        """What a run that must succeed wrote; it leaves nothing else behind."""
        result = self.run(*more)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        assert not self.part.exists()
        assert not self.journal.exists()
        return self.target.read_bytes()

    def fail(self, code: int, *more: object) -> str:
        result = self.run(*more)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert not self.target.exists()
        return result.stderr

    def start(self, *more: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "seq2seq", *self.arguments, *map(str, more)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    def lines(self) -> int:
        """How many are committed."""
        try:
            return int(json.loads(self.journal.read_bytes())["lines"])
        except FileNotFoundError:
            return 0


@pytest.fixture
def bulk(model: Path, source: Path, tmp_path: Path) -> Bulk:
    (tmp_path / "bulk").mkdir()
    return Bulk(model, source, tmp_path / "bulk")


@pytest.fixture(scope="module")
def expected(model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a run that nothing ends."""
    folder = tmp_path_factory.mktemp("whole")
    return Bulk(model, write(folder / "in.de", sentences(LINES, 2)), folder).finish()


@pytest.fixture
def after_commits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, Callable[[], object]], None]]:
    """Do something once, right after so many commits of this process."""

    def arrange(count: int, act: Callable[[], object]) -> None:
        original, left = unfinished_output.UnfinishedOutput.commit, [count]

        def commit(self: unfinished_output.UnfinishedOutput, answer: ChunkResult) -> None:
            original(self, answer)
            left[0] -= 1
            if left[0] == 0:
                act()

        monkeypatch.setattr(unfinished_output.UnfinishedOutput, "commit", commit)

    yield arrange
    monkeypatch.undo()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def wait_for(what: Callable[[], object]) -> None:
    """Until it holds; a minute is for a machine that does not answer."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# -------------------------------------------------------------------------------------------------------------- workers


@pytest.mark.slow
def test_workers_keep_order_and_every_byte(bulk: Bulk, expected: bytes, model: Path, source: Path) -> None:
    rows = [line.split("\t") for line in expected.decode().splitlines()]
    texts = source.read_text(encoding="utf-8").splitlines()
    assert [row[0] for row in rows] == [one.text for one in Translator.load(model).translate(texts, max_length=9)]
    assert len(set(expected.splitlines())) > LINES / 4  # else any order would do
    assert bulk.finish("--workers", 2) == expected
    bulk.arguments[bulk.arguments.index("-o") + 1] = "-"
    assert bulk.run("--workers", 1).stdout_bytes == expected


class Counted(Chunks):
    """Chunks of a known text that count how many were taken."""

    def __init__(self, count: int) -> None:
        super().__init__(LineStream("text", BytesIO(b"der hund\n" * count)), 1, fixed=True)
        self.taken = 0

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in super().__iter__():
            self.taken += 1
            yield chunk


def plain_job(model: Path) -> Job:
    layout = Layout("text", numbered=False, scores=False, alignment=False)
    return Job([str(model)], "cpu", 1, "text", layout, 1, {"max_length": 4}, None, "refuse", "truncate")


@pytest.mark.slow
def test_no_more_than_a_few_chunks_are_in_memory(model: Path) -> None:
    """However slowly the answers are taken, and however many lines there are."""
    counted, most = Counted(100), 0
    with workers.open_executor(plain_job(model), 2) as team:
        for given, answer in enumerate(team.results(counted)):
            assert answer.end == given + 1
            time.sleep(0.002)
            most = max(most, counted.taken - given)
    assert 2 <= most <= 2 * workers.IN_FLIGHT
    counted = Counted(100)
    with workers.open_executor(plain_job(model), None) as team:
        assert [counted.taken - given for given, _ in enumerate(team.results(counted))] == [1] * 100


@pytest.mark.slow
def test_a_quick_worker_is_not_far_ahead_of_a_slow_one(model: Path) -> None:
    """Of which one stands still until the other has nothing more to do."""
    counted, stood, ends = Counted(100), list[int](), list[int]()
    ahead = list[int]()

    def wake(process: int) -> None:
        while not stood or stood[-1] != counted.taken:
            stood.append(counted.taken)
            time.sleep(1)
        ahead.append(counted.taken - len(ends))
        os.kill(process, signal.SIGCONT)

    with workers.open_executor(plain_job(model), 2) as team:
        answers = team.results(counted)
        ends.append(next(answers).end)
        slow = multiprocessing.active_children()[0].pid
        assert slow is not None
        os.kill(slow, signal.SIGSTOP)
        waker = threading.Thread(target=wake, args=(slow,))
        waker.start()
        for answer in answers:
            ends.append(answer.end)
        waker.join()
    assert ends == list(range(1, 101))
    assert ahead[0] <= 2 * workers.IN_FLIGHT


def peaks(process: subprocess.Popen[str]) -> list[int]:
    """The most resident memory that a process and each of those it started ever had, in KB, first the process's own."""
    most: dict[int, int] = {}
    while process.poll() is None:
        for number in [process.pid, *descendants(process)]:
            with suppress(FileNotFoundError, ProcessLookupError, StopIteration):
                status = Path(f"/proc/{number}/status").read_text(encoding="utf-8").splitlines()
                most[number] = int(next(line for line in status if line.startswith("VmHWM:")).split()[1])
        time.sleep(0.05)
    return [most[process.pid], *sorted((most[number] for number in most if number != process.pid), reverse=True)]


@pytest.mark.slow
@pytest.mark.long
def test_memory_does_not_grow_with_the_input(model: Path, tmp_path: Path) -> None:
    """Ten times as many lines; all resident memory, of the process that reads and writes and of both workers."""
    found = []
    for count in (20_000, 200_000):
        source = write(tmp_path / f"{count}.de", ["der hund"] * count)
        (tmp_path / str(count)).mkdir()
        bulk = Bulk(model, source, tmp_path / str(count), "--workers", 2)
        bulk.arguments[bulk.arguments.index("--batch-size") + 1] = "100"
        bulk.arguments[bulk.arguments.index("--max-length") + 1] = "4"
        process = subprocess.Popen([sys.executable, "-m", "seq2seq", *bulk.arguments], encoding="utf-8")
        found.append(peaks(process)[:3])
        assert process.returncode == 0
        assert bulk.target.read_bytes().count(b"\n") == count
        print(f"{count:,} lines: {' + '.join(f'{size / 1024:.0f} MiB' for size in found[-1])}")
    assert all(after < before * 1.05 for before, after in zip(*found, strict=True))


@pytest.mark.slow
def test_a_killed_worker_ends_the_run_and_the_next_goes_on(
    bulk: Bulk, expected: bytes, after_commits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    after_commits(2, lambda: multiprocessing.active_children()[0].kill())
    message = bulk.fail(1, "--workers", 2)
    monkeypatch.undo()
    assert message.startswith("error: a worker process was killed by signal 9: out of memory? try fewer --workers\n")
    kept = bulk.lines()
    assert kept >= 2 * CHUNK
    assert message.endswith(f"{kept:,} lines are translated and kept; the same command with --resume goes on\n")
    assert not multiprocessing.active_children()
    assert bulk.finish("--resume") == expected


@pytest.mark.slow
def test_an_interrupt_from_the_terminal_is_told_once(bulk: Bulk, tmp_path: Path) -> None:
    """It reaches all processes; the first ends the others."""
    bulk.arguments[3] = str(write(tmp_path / "long.de", sentences(10 * LINES, 3)))
    command = [sys.executable, "-m", "seq2seq", *bulk.arguments, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True) as process:
        wait_for(lambda: bulk.lines() or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=100)[1]
    assert process.returncode == 130
    kept = f"{bulk.lines():,} lines are translated and kept; the same command with --resume goes on"
    assert errors == f"stopped: {bulk.target}: {kept}\n"


def test_an_interrupt_just_after_a_commit_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's file is there, and the process does not know it yet."""
    replace, target = os.replace, tmp_path / "out.en"

    def interrupted(source: Path, end: Path) -> None:
        replace(source, end)
        raise KeyboardInterrupt

    def run() -> None:
        with unfinished_output.open_unfinished_output(target, "out.en", console.say) as held:
            held.begin({}, resume=False)
            held.commit(ChunkResult(1, EMPTY, "one\n", []))
            monkeypatch.setattr(os, "replace", interrupted)
            held.commit(ChunkResult(2, EMPTY, "two\n", []))

    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.undo()
    with unfinished_output.open_unfinished_output(target, "out.en", console.say) as held:
        held.begin({}, resume=True)
        assert held.journal.lines == 2
    assert target.read_text(encoding="utf-8") == "one\ntwo\n"


def test_no_worker_takes_ctrl_c(model: Path) -> None:
    with workers.open_executor(plain_job(model), 2):
        for process in multiprocessing.active_children():
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk:")).split()[1], 16)
            assert blocked & 1 << signal.SIGINT - 1


@pytest.mark.slow
def test_a_worker_has_one_thread_unless_told_otherwise(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for threads, given in ((None, 1), (2, 2)):
        with workers.open_executor(replace(plain_job(model), threads=threads), 1) as team:
            assert team.identity()["--threads"] == given


def test_those_who_translate_must_have_the_same_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may be replaced while they load it one after the other."""
    found = iter([{"models": "a"}, {"models": "b"}])
    monkeypatch.setattr(workers.WorkerPool, "__init__", lambda self: None)
    monkeypatch.setattr(workers.WorkerPool, "_receive", lambda self, connection: next(found))
    team = workers.WorkerPool()
    team._children, team._identity = [1, 2], {}
    with pytest.raises(Seq2SeqError, match="the models were replaced while the workers loaded them"):
        team.identity()
    processes = SimpleNamespace(gather=lambda value: [value, {"models": "b"}])
    ranks = workers.DistributedExecutor(processes, SimpleNamespace(identity=lambda: {"models": "a"}))
    with pytest.raises(Seq2SeqError, match="different models, versions or threads; they must agree"):
        ranks.identity()


@pytest.mark.slow
def test_what_a_worker_cannot_load_is_said_once(bulk: Bulk, tmp_path: Path) -> None:
    bulk.arguments[1] = str(tmp_path / "nowhere")
    message = bulk.fail(2, "--workers", 2)
    assert message == f"error: {tmp_path / 'nowhere'}: no such model directory\n"
    assert list(bulk.folder.iterdir()) == []


@pytest.mark.slow
def test_closed_pipe_ends_workers_quietly(model: Path, source: Path) -> None:
    call = shlex.join([sys.executable, "-m", "seq2seq", "translate", str(model), "-i", str(source)])
    script = f"{call} --batch-size 1 --max-length 4 --workers 1 | head -n 1; echo ${{PIPESTATUS[*]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == ""
    assert done.stdout.split("\n")[1:] == ["141 0", ""]


def test_workers_answer_a_line_before_the_next_comes(model: Path) -> None:
    command = [sys.executable, "-m", "seq2seq", "translate", str(model), "--workers", "1", "--max-length", "4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("der hund", "die katze schläft"):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith("\n")
        process.stdin.close()
        assert process.stdout.read() == ""
    assert process.returncode == 0


# --------------------------------------------------------------------------------------------------------------- killed


def descendants(process: subprocess.Popen[str]) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(each) for each in found.split()]


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and waits for whoever is to collect it


@pytest.mark.slow
def test_killed_three_times_and_the_same_bytes(bulk: Bulk, expected: bytes) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for number, place in enumerate(sorted(draw.sample(range(1, LINES - 4 * CHUNK), 3))):
        count = ["--workers", 1] if number == 1 else []
        with bulk.start("--resume", *count) as process:
            wait_for(lambda place=place: bulk.lines() >= place or process.poll() is not None)
            time.sleep(draw.random() / 50)
            children = descendants(process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not bulk.target.exists()
        for child in children:
            wait_for(lambda child=child: not runs(child))
        with bulk.part.open("ab") as file:
            file.write(b"half a li")  # as a kill in the middle of a write leaves it
    assert bulk.finish("--resume") == expected


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("options", [["--workers", "2"]], ids=["workers"])
def test_killed_at_twenty_random_moments(model: Path, tmp_path: Path, options: list[str]) -> None:
    """Any moment of the run, the first and the last included. SEED chooses others."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    draw, same, during = random.Random(seed), 0, 0
    source = write(tmp_path / "in.de", sentences(6000, seed))
    (tmp_path / "whole").mkdir()
    whole, begin = Bulk(model, source, tmp_path / "whole", *options), time.monotonic()
    with whole.start() as process:
        assert process.wait() == 0
    spent, expected = time.monotonic() - begin, whole.target.read_bytes()
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        bulk = Bulk(model, source, tmp_path / str(number), *options)
        with bulk.start() as process:
            time.sleep(draw.random() * spent)
            process.kill()
        kept = bulk.lines()
        during += 0 < kept < 6000
        assert bulk.target.exists() <= (process.returncode == 0 or not bulk.part.exists())
        with bulk.start("--resume") as process:
            assert process.wait() == 0
        same += bulk.target.read_bytes() == expected
        print(f"kill {number + 1}: {kept:,} lines kept, {same} of {number + 1} the same")
    print(f"seed {seed}: {same} of 20 byte-identical; {during} killed with some lines done")
    assert same == 20


def test_stopped_runs_say_how_to_go_on(
    bulk: Bulk, expected: bytes, after_commits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = "lines are translated and kept; the same command with --resume goes on\n"
    after_commits(3, interrupt)
    assert bulk.fail(130) == f"stopped: {bulk.target}: {3 * CHUNK} {kept}"
    monkeypatch.undo()
    after_commits(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    message = bulk.fail(143, "--resume")
    assert message == f"going on after line {3 * CHUNK}\nstopped: {bulk.target}: {5 * CHUNK} {kept}"
    monkeypatch.undo()
    assert bulk.finish("--resume") == expected


def test_a_run_stopped_before_its_first_commit_leaves_nothing(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.LoadedJob, "translate", lambda *_: interrupt())
    assert bulk.fail(130) == ""
    assert list(bulk.folder.iterdir()) == []


def test_without_resume_all_is_done_afresh(bulk: Bulk, expected: bytes, after_commits: Callable[..., None]) -> None:
    after_commits(3, interrupt)
    bulk.fail(130)
    after_commits(10**6, interrupt)
    result = bulk.run()
    assert result.stderr.splitlines()[0] == (
        f"note: {bulk.target}: {3 * CHUNK} lines of a stopped run are discarded; --resume would have gone on there"
    )
    assert bulk.target.read_bytes() == expected


@pytest.mark.parametrize("place", ["before the rename", "after the rename"])
def test_a_run_killed_while_it_finished_has_nothing_left_to_translate(
    bulk: Bulk, expected: bytes, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    rename = os.replace

    def stopping(source: Path, target: Path) -> None:
        if place == "after the rename" or target != bulk.target:
            rename(source, target)
        if target == bulk.target:
            raise RuntimeError  # unlike a signal it leads to no message, and nothing is put in order

    monkeypatch.setattr(unfinished_output.os, "replace", stopping)
    monkeypatch.setattr(unfinished_output.UnfinishedOutput, "stop", lambda self: self._file.close() or "")
    assert isinstance(bulk.run().exception, RuntimeError)
    monkeypatch.undo()
    assert bulk.target.exists() == (place == "after the rename")
    assert bulk.part.exists() == (place == "before the rename")
    monkeypatch.setattr(job.LoadedJob, "translate", None)
    assert bulk.finish("--resume") == expected


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--sample", "--seed", "5", "--n-best", "2"], id="sample", marks=pytest.mark.slow),
        pytest.param(["--n-best", "2", "--format", "jsonl", "--alignment"], id="jsonl"),
        pytest.param(["--format", "grid"], id="grid", marks=pytest.mark.slow),
    ],
)
def test_every_format_goes_on(
    bulk: Bulk, after_commits: Callable[..., None], options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bulk.finish(*options)
    bulk.target.unlink()
    after_commits(7, interrupt)
    bulk.fail(130, *options)
    monkeypatch.undo()
    assert bulk.finish("--resume", *options) == whole


# -------------------------------------------------------------------------------------------------- resume what is not


@pytest.fixture
def stopped(bulk: Bulk, after_commits: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Bulk:
    """A run that was stopped after two chunks."""
    after_commits(2, interrupt)
    bulk.fail(130)
    monkeypatch.undo()
    return bulk


def refused(bulk: Bulk, *options: object) -> str:
    """The message where --resume is refused; what the stopped run left is untouched."""
    before = (bulk.part.read_bytes(), bulk.journal.read_bytes())
    message = bulk.fail(2, "--resume", *options)
    assert (bulk.part.read_bytes(), bulk.journal.read_bytes()) == before
    assert "without --resume all is translated afresh" in message
    assert len(message.splitlines()) <= 2
    return message


def test_another_run_cannot_go_on(
    stopped: Bulk, source: Path, models: list[Path], tmp_path: Path, expected: bytes
) -> None:
    assert "--beam-size was not given, now 2" in refused(stopped, "--beam-size", 2)
    assert "--format was text, now jsonl; --n-best was 1, now 2" in refused(stopped, "--format", "jsonl", "--n-best", 2)
    assert "--sample was off, now on" in refused(stopped, "--sample")
    why = "(it changes the order of sums, and so the last digits of scores)"
    assert f"--batch-size was 5, now 6 {why}" in refused(stopped, "--batch-size", 6)
    assert f"--threads was 1, now 2 {why}" in refused(stopped, "--threads", 2)
    assert "--too-long was truncate, now blank" in refused(stopped, "--too-long", "blank")

    texts = source.read_text(encoding="utf-8").splitlines()
    write(source, ["hund", *texts[1:]])
    assert f"{source}: its first {2 * CHUNK} lines are not those that the stopped run read" in refused(stopped)
    write(source, texts[: CHUNK + 3])
    assert f"ends after line {CHUNK + 3}, but the stopped run has read {2 * CHUNK} lines" in refused(stopped)
    write(source, texts)

    stopped.arguments[1] = str(models[1])
    assert f"the models were {models[0]}, now {models[1]}" in refused(stopped)
    shutil.copytree(models[1], tmp_path / "other")
    stopped.arguments[1] = str(models[0])
    journal = stopped.journal.read_text(encoding="utf-8")
    stopped.journal.write_text(journal.replace(str(models[0]), str(tmp_path / "other")), encoding="utf-8")
    stopped.arguments[1] = str(tmp_path / "other")
    assert f"the model {tmp_path / 'other'} was replaced" in refused(stopped)
    stopped.journal.write_text(journal, encoding="utf-8")
    stopped.arguments[1] = str(models[0])
    assert stopped.finish("--resume") == expected


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--alignment"], "--alignment"),
        (["--min-length", 1], "--min-length"),
        (["--length-alpha", 0.3], "--length-alpha"),
        (["--max-source-length", 8], "--max-source-length"),
        (["--prefix"], "--prefix"),
        (["--constraints"], "--constraints"),
        (["--input-format", "jsonl"], "--input-format"),
        (["--diverse-groups", 1], "--diverse-groups"),
        (["--avoid", __file__], "--avoid"),
        (["--mbr", "chrf"], "--mbr"),
        (["--mbr", "bleu", "--mbr-samples", 3], "--mbr-samples"),
        (["--no-repeat-ngram", 2], "--no-repeat-ngram"),
        (["--repetition-penalty", 1.5], "--repetition-penalty"),
        (["--sample", "--seed", 7], "--seed"),
        (["--sample", "--temperature", 0.5], "--temperature"),
    ],
)
def test_every_choice_is_compared(stopped: Bulk, options: list[object], name: str) -> None:
    assert f"{name} was " in refused(stopped, *options)


def test_a_glossary_is_compared(stopped: Bulk, tmp_path: Path) -> None:
    found = set()
    for line in ("hund\tkatze", "hund\tmann"):
        terms = write(tmp_path / "terms.tsv", [line])
        found.add(refused(stopped, "--glossary", terms).split("--glossary was not given, now ")[1])
    assert len(found) == 2


@pytest.mark.parametrize("name", ["--scores", "--bad-lines", "--device", "seq2seq", "torch"])
def test_every_part_of_the_identity_is_compared(stopped: Bulk, name: str) -> None:
    """By a stopped run in which it was another."""
    journal = json.loads(stopped.journal.read_bytes())
    journal["identity"][name] = "another"
    stopped.journal.write_text(json.dumps(journal), encoding="utf-8")
    assert re.search(f"{name} was another, now (?!not given)", refused(stopped))


def test_a_model_is_known_by_what_it_translates_with(model: Path, tmp_path: Path) -> None:
    """Its files and its config, not by what is written about it."""
    shutil.copytree(model, tmp_path / "other")
    loaded, path = SimpleNamespace(directory=tmp_path / "other"), tmp_path / "other" / "config.json"
    found, tree = {job._model_sha256(loaded)}, json.loads(path.read_bytes())
    for name in ("files", "config"):
        path.write_text(json.dumps(tree | {name: tree[name] | {"model.safetensors": "0" * 64}}), encoding="utf-8")
        found.add(job._model_sha256(loaded))
    assert len(found) == 3
    (path.parent / "README.md").write_text("mine", encoding="utf-8")
    record = next(name for name in tree if name not in ("files", "config"))
    path.write_text(json.dumps(tree | {record: "another"}), encoding="utf-8")
    assert job._model_sha256(loaded) in found


def test_what_cannot_begin_leaves_a_stopped_run_alone(stopped: Bulk, tmp_path: Path, model: Path) -> None:
    before = (stopped.part.read_bytes(), stopped.journal.read_bytes())
    for options in ([], ["--resume"]):
        stopped.arguments[1] = str(tmp_path / "nowhere")
        assert "no such model directory" in stopped.fail(2, *options)
        assert (stopped.part.read_bytes(), stopped.journal.read_bytes()) == before


def test_a_damaged_journal_or_part_is_refused(stopped: Bulk, expected: bytes) -> None:
    journal, kept = stopped.journal.read_bytes(), stopped.part.read_bytes()
    stopped.journal.write_bytes(journal[:-9])
    assert ".out.en.part.json cannot be read or is damaged" in refused(stopped)
    stopped.journal.write_bytes(journal)
    stopped.part.write_bytes(kept[:-1])
    assert f".out.en.part has {len(kept) - 1:,} bytes, {len(kept):,} were written" in refused(stopped)
    stopped.part.write_bytes(b"hand" + kept[4:])
    assert ".out.en.part is not what was written (SHA-256 differs)" in refused(stopped)
    stopped.part.write_bytes(kept + b"half a li")
    assert stopped.finish("--resume") == expected


DAMAGED = "cannot be read or is damaged"
SAYS: dict[str, tuple[Any, str]] = {  # what a journal may come to say, and how it is refused
    "lines": ("40", DAMAGED),
    "lines ": (True, DAMAGED),
    "lines of none": (-1, DAMAGED),
    "lines of millions": (10**30, DAMAGED),
    "lines of a billion": (10**9, DAMAGED),
    "lines of nothing": (0, DAMAGED),
    "lines of a chunk less": (CHUNK, "are not those that the stopped run read"),
    "bytes": (1.5, DAMAGED),
    "bytes of fewer": (100, "is not what was written"),
    "bytes of more": (10**9, "bytes, 1,000,000,000 were written"),
    "source_sha256": (None, DAMAGED),
    "source_sha256 of nothing": ("", DAMAGED),
    "source_sha256 of another": ("0" * 64, "are not those that the stopped run read"),
    "sha256": (["0" * 64], DAMAGED),
    "sha256 of another": ("0" * 64, "is not what was written"),
    "complete": ("yes", DAMAGED),
    "identity": ([], DAMAGED),
    "identity of models without names": ({"models": "model"}, DAMAGED),
    "identity of a list": ({"models": {"model": ["x"]}}, DAMAGED),
    "identity of depth": ({"--n-best": {"a": {"b": 1}}}, DAMAGED),
    "format": ("2", DAMAGED),
    "format of old": (1, "the stopped run was of another version of seq2seq"),
    "format of new": (3, "the stopped run was of another version of seq2seq"),
    "stranger": (1, DAMAGED),
}


@pytest.mark.usefixtures("kept")
def test_nothing_that_a_journal_says_is_believed_unchecked(tmp_path: Path) -> None:
    """Whatever is another value, of another type or out of range; the files stay as they are."""
    journal = tmp_path / ".out.en.part.json"
    written = json.loads(journal.read_bytes())
    for key, (value, message) in SAYS.items():
        journal.write_text(json.dumps(written | {key.split()[0]: value}), encoding="utf-8")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(chunks.ResumeMismatch, match=message):
            go_on(tmp_path / "out.en")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, key
    for content in (b"", b"[" * 9999, b"\xff", b"[1]", b" " * (2 << 20), b'{"format": 1' + b"0" * 5000 + b"}"):
        journal.write_bytes(content)
        with pytest.raises(chunks.ResumeMismatch, match=DAMAGED):
            go_on(tmp_path / "out.en")


def go_on(target: Path, count: int = 2) -> None:
    """Resume `kept`, with a text of so many chunks."""
    text = Chunks(LineStream("text", BytesIO(b"der hund\n" * count * CHUNK)), CHUNK, fixed=True)
    with unfinished_output.open_unfinished_output(target, "out.en", console.say) as held:
        held.begin({"--n-best": 1}, resume=True)
        for chunk in lines._skip_done(held.journal, text):
            held.commit(ChunkResult(chunk.end, chunk.source_sha256, "the dog\n" * CHUNK, []))


@pytest.fixture
def kept(tmp_path: Path) -> None:
    """What is left of a translation that was stopped after two chunks, without a model."""

    def run() -> None:
        with unfinished_output.open_unfinished_output(tmp_path / "out.en", "out.en", console.say) as held:
            held.begin({"--n-best": 1}, resume=False)
            for chunk in islice(Chunks(LineStream("text", BytesIO(b"der hund\n" * 100)), CHUNK, fixed=True), 2):
                held.commit(ChunkResult(chunk.end, chunk.source_sha256, "the dog\n" * CHUNK, []))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()


@pytest.mark.parametrize("what", ["symbolic link", "second name", "pipe", "folder"])
def test_a_part_is_no_way_into_another_file(tmp_path: Path, what: str) -> None:
    """Where one has been put in its place, it is neither read nor written nor emptied."""
    other, held = write(tmp_path / "other", ["mine"]), tmp_path / ".out.en.part"
    make = {"symbolic link": lambda: held.symlink_to(other), "second name": lambda: held.hardlink_to(other),
            "pipe": lambda: os.mkfifo(held), "folder": held.mkdir}  # fmt: skip
    make[what]()
    for resume in (False, True):
        with (
            pytest.raises(Seq2SeqError, match=r"^out.en: .out.en.part beside it is a link or no plain file; move it"),
            unfinished_output.open_unfinished_output(tmp_path / "out.en", "out.en", console.say) as found,
        ):
            found.begin({}, resume=resume)
    assert other.read_text(encoding="utf-8") == "mine\n"
    assert os.path.lexists(held)


@pytest.mark.usefixtures("kept")
def test_a_journal_is_no_way_into_another_file(tmp_path: Path) -> None:
    """It is not read through a link, and its successor is written into no file that there is."""
    journal, other = tmp_path / ".out.en.part.json", tmp_path / "other"
    other.write_bytes(journal.read_bytes())
    journal.unlink()
    journal.symlink_to(other)
    with pytest.raises(chunks.ResumeMismatch, match=DAMAGED):
        go_on(tmp_path / "out.en")
    before = other.read_bytes()
    (tmp_path / ".out.en.part.json.new").symlink_to(other)
    with unfinished_output.open_unfinished_output(tmp_path / "out.en", "out.en", console.say) as held:
        held.begin({}, resume=False)
        held.commit(ChunkResult(1, EMPTY, "the dog\n", []))
    assert other.read_bytes() == before
    assert (tmp_path / "out.en").read_bytes() == b"the dog\n"


@pytest.mark.usefixtures("kept")
def test_an_output_that_has_its_name_is_not_taken_for_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    """A run was killed between the last two steps of its end, and then the text grew, or the output was edited."""
    target, journal = tmp_path / "out.en", tmp_path / ".out.en.part.json"
    journal.write_text(json.dumps(json.loads(journal.read_bytes()) | {"complete": True}), encoding="utf-8")
    (tmp_path / ".out.en.part").rename(target)
    whole = target.read_bytes()
    with pytest.raises(chunks.ResumeMismatch, match="is complete, but there is more of the input now"):
        go_on(target, count=3)
    assert target.read_bytes() == whole
    target.write_bytes(b"hand" + whole[4:])
    with pytest.raises(chunks.ResumeMismatch, match=r"out\.en is not what was written"):
        go_on(target)
    target.write_bytes(whole)
    go_on(target)
    assert [path.name for path in tmp_path.iterdir()] == ["out.en"]


def test_lines_that_were_not_yet_read_may_change(stopped: Bulk, source: Path, tmp_path: Path, model: Path) -> None:
    """So a bad line can be put right; the output is that of the text as it is now."""
    texts = source.read_text(encoding="utf-8").splitlines()
    write(source, [*texts[: 2 * CHUNK], "der hund", *texts[2 * CHUNK :]])
    (tmp_path / "again").mkdir()
    assert stopped.finish("--resume") == Bulk(model, source, tmp_path / "again").finish()


def test_a_commit_is_on_the_disk_before_the_journal_speaks_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a name changes: what it now names is on the disk, and so are the bytes that the journal counts."""
    fsync, rename, synced, names = os.fsync, os.replace, dict[int, int](), list[str]()

    def syncing(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        synced[status.st_ino] = status.st_size

    def replacing(source: Path, target: Path) -> None:
        assert source != target
        assert synced[source.stat().st_ino] == source.stat().st_size
        if target.name == ".out.part.json":
            counted = json.loads(source.read_bytes())["bytes"]
            assert synced[(tmp_path / ".out.part").stat().st_ino] >= counted
        rename(source, target)
        names.append(target.name)
        synced.pop(tmp_path.stat().st_ino, None)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    with unfinished_output.open_unfinished_output(tmp_path / "out", "out", console.say) as held:
        held.begin({}, resume=False)
        for number in range(3):
            held.commit(ChunkResult(number + 1, EMPTY, f"text {number}\n", []))
    assert names == [".out.part.json"] * 4 + ["out"]
    assert tmp_path.stat().st_ino in synced


def test_two_runs_do_not_share_an_output(bulk: Bulk) -> None:
    with unfinished_output.open_unfinished_output(bulk.target, "out.en", console.say) as held:
        held.begin({}, resume=False)
        for options in ([], ["--resume"]):
            assert bulk.fail(2, *options) == (
                f"error: {bulk.target}: another process is translating into it; "
                "wait for it, or choose another --output\n"
            )
        held.commit(ChunkResult(1, EMPTY, "text\n", []))
    assert bulk.target.read_bytes() == b"text\n"
    assert list(bulk.folder.iterdir()) == [bulk.target]


@pytest.mark.parametrize("arguments", [["--output", "out"], ["--input", "in.de"], []])
def test_resume_needs_files(model: Path, source: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(source.parent)
    result = CliRunner().invoke(app, ["translate", str(model), "--resume", *arguments])
    assert result.exit_code == 2
    assert result.stderr == "error: --resume needs files to go on in: --input FILE and --output FILE\n"


# ------------------------------------------------------------------------------------------------------------ disk full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, encoding="utf-8") if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"a disk of 16 KB cannot be mounted here: {done.stderr.strip() if done else 'no mount'}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_keeps_what_is_done(model: Path, source: Path, small_disk: Path, expected: bytes) -> None:
    bulk = Bulk(model, source, small_disk)
    message = bulk.fail(1)
    kept = bulk.lines()
    assert 0 < kept < LINES
    assert message == (
        f"error: {bulk.target}: cannot be written: No space left on device\n"
        f"{kept:,} lines are translated and kept; the same command with --resume goes on\n"
    )
    assert {path.name for path in small_disk.iterdir()} == {".out.en.part", ".out.en.part.json"}
    assert bulk.fail(1, "--resume").startswith(f"going on after line {kept}\nerror: {bulk.target}: cannot be written")
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert bulk.finish("--resume") == expected


# ------------------------------------------------------------------------------------------------------------ bad lines


@pytest.fixture
def bad(tmp_path: Path, source: Path) -> Path:
    """Line 45 is not UTF-8, line 47 has a NUL, line 50 is long."""
    texts = [line.encode() for line in source.read_text(encoding="utf-8").splitlines()]
    texts[44], texts[46], texts[49] = b"der \xff", b"die \0", b" ".join([b"hund"] * 20)
    (tmp_path / "bad.de").write_bytes(b"".join(text + b"\n" for text in texts))
    return tmp_path / "bad.de"


LIMIT = ["--max-source-length", 15]


def test_bad_lines_can_be_left_blank(model: Path, bad: Path, bulk: Bulk, source: Path) -> None:
    bulk.arguments[3] = str(bad)
    result = bulk.run(*LIMIT, "--bad-lines", "blank", "--too-long", "blank")
    assert result.exit_code == 0, result.output
    *warnings, cut = result.stderr.splitlines()
    assert cut.startswith(f"warning: {bad}: translations were cut at their maximum length in ")
    assert warnings == [
        f"warning: {bad}:45: the line is not valid UTF-8; convert the file to UTF-8; "
        "it is blank in the output (--bad-lines blank)",
        f"warning: {bad}:47: the line has a NUL character (byte 0), which is no text; "
        "it is blank in the output (--bad-lines blank)",
        f"warning: {bad}:50: too long, more than 15 pieces (--max-source-length); "
        "it is blank in the output (--too-long blank)",
    ]
    found = bulk.target.read_text(encoding="utf-8").splitlines()
    texts = source.read_text(encoding="utf-8").splitlines()
    for number in (45, 47, 50):
        assert found[number - 1] == "\t0.000000\t0.000000"
        texts[number - 1] = ""
    write(source, texts)
    bulk.arguments[3] = str(source)
    assert bulk.finish(*LIMIT).decode().splitlines() == found


def test_bad_lines_are_told_in_json(bad: Path, bulk: Bulk) -> None:
    bulk.arguments[3] = str(bad)
    bulk.run(*LIMIT, "--bad-lines", "blank", "--too-long", "blank", "--format", "jsonl")
    found = [json.loads(line) for line in bulk.target.read_text(encoding="utf-8").splitlines()]
    assert [one["line"] for one in found] == list(range(1, LINES + 1))
    errors = {one["line"]: (one["error"], one["text"]) for one in found if "error" in one}
    assert errors.keys() == {45, 47, 50}
    assert errors[50] == ("too long, more than 15 pieces (--max-source-length)", "")
    assert found[49]["source"] == " ".join(["hund"] * 20)


@pytest.mark.parametrize(
    "count",
    [pytest.param([], id="alone"), pytest.param(["--workers", 2], id="workers", marks=pytest.mark.slow)],
)
def test_refused_lines_come_in_their_turn(bad: Path, bulk: Bulk, count: list[object]) -> None:
    """And what comes before them is kept; once they are dealt with, the run goes on."""
    bulk.arguments[3] = str(bad)
    message = bulk.fail(2, *LIMIT, *count, "--too-long", "refuse")
    assert message.startswith(f"error: {bad}:45: the line is not valid UTF-8")
    assert message.endswith("40 lines are translated and kept; the same command with --resume goes on\n")
    message = bulk.fail(2, *LIMIT, *count, "--too-long", "refuse", "--bad-lines", "blank", "--resume")
    assert f"error: {bad}:50: too long, more than 15 pieces (--max-source-length); shorten it, or choose" in message
    result = bulk.run(*LIMIT, "--bad-lines", "blank", "--resume")
    assert result.exit_code == 0
    assert f"{bad}:50: too long, only its first 15 pieces were translated" in result.stderr
    resumed = bulk.target.read_bytes()
    assert bulk.run(*LIMIT, "--bad-lines", "blank").exit_code == 0
    assert bulk.target.read_bytes() == resumed


def test_an_enormous_line_is_a_bad_one(bulk: Bulk, tmp_path: Path, source: Path, expected: bytes) -> None:
    texts = source.read_text(encoding="utf-8").splitlines()
    bad = write(tmp_path / "long.de", [*texts[:24], "hund " * LONGEST_SENTENCE, *texts[24:]])
    bulk.arguments[3] = str(bad)
    refused = "a line of more than 1,048,576 bytes; a sentence is needed"
    assert f"error: {bad}:25: {refused}\n20 lines are translated and kept" in bulk.fail(2)
    result = bulk.run("--bad-lines", "blank", "--resume")
    assert result.exit_code == 0, result.output
    assert f"{bad}:25: {refused}; it is blank in the output (--bad-lines blank)\n" in result.stderr
    found = [line.split("\t")[0] for line in bulk.target.read_text(encoding="utf-8").splitlines()]
    assert found.pop(24) == ""
    assert found == [line.split("\t")[0] for line in expected.decode().splitlines()]


class Zeros(BytesIO):
    """As /dev/zero, for a while."""

    def read1(self, size: int | None = -1) -> bytes:
        if self.tell() > 2 * LONGEST_SENTENCE:
            raise AssertionError("read on and on")
        self.seek(self.tell() + (1 << 16))
        return b"\0" * (1 << 16)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_line_without_an_end_is_refused_before_it_ends(fixed: bool) -> None:
    assert next(iter(Chunks(LineStream("text", Zeros()), 20, fixed=fixed))).problems == {0: "endless"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_what_is_too_long_depends_on_the_text_alone(end: bytes) -> None:
    """Not on the blocks in which it comes, nor on a mark and the line's end; the lines around it stay whole."""
    longest = b"x" * LONGEST_SENTENCE
    lines = [b"a", longest, b"b", longest + b"x", longest * 3, b"", b"c"]
    text = b"\xef\xbb\xbf" + (end or b"\n").join(lines) + end
    cuts = [
        list(Chunks(LineStream("text", Blocks(text, size)), 100, fixed=True)) for size in (1 << 12, 99_991, 1 << 23)
    ]
    assert cuts[0] == cuts[1] == cuts[2]
    assert [line for chunk in cuts[0] for line in chunk.texts] == ["a", longest.decode(), "b", "", "", "", "c"]
    assert [chunk.problems for chunk in cuts[0]] == [{3: "endless"}, {0: "endless"}, {}]
    for line, problems in ((longest, {}), (longest + b"x", {0: "endless"})):
        source = LineStream("text", BytesIO(b"\xef\xbb\xbf" + line + end))
        assert [chunk.problems for chunk in Chunks(source, 100, fixed=True)] == [problems]


# --------------------------------------------------------------------------------------------------------------- chunks


class Blocks(BytesIO):
    """A file that is read in blocks of a size of its own."""

    def __init__(self, text: bytes, size: int) -> None:
        super().__init__(text)
        self.size = size

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(self.size)


def test_cuts_depend_on_the_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_MOST_BYTES", 50)
    text = "\ufeffein\r\n".encode() + b"der hund\n" * 6 + b"x" * 60 + b"\n\n\xff\nend"
    cuts = [list(Chunks(LineStream("text", Blocks(text, size)), 3, fixed=True)) for size in (1, 7, 1000)]
    assert cuts[0] == cuts[1] == cuts[2]
    assert [len(chunk.texts) for chunk in cuts[0]] == [3, 3, 2, 3]  # two where the long line ends a chunk
    assert cuts[0][0].texts[0] == "ein"


def test_a_file_is_cut_by_lines_and_not_by_blocks(model: Path, tmp_path: Path) -> None:
    """Of which it has several, so that a chunk that ends where one ends would be another after a resume."""
    path = write(tmp_path / "long.de", sentences(5000, 4))
    assert path.stat().st_size > 2 * (1 << 16)
    with open_input(str(path)) as lines:
        sizes = [len(chunk.texts) for chunk in replace(plain_job(model), source=str(path)).chunks(lines)]
    assert set(sizes[:-1]) == {sizes[0]}
    assert sum(sizes) == 5000


def test_samples_do_not_depend_on_the_chunks(bulk: Bulk) -> None:
    """What is drawn for a line is known by its number in the input, whatever is translated beside it."""
    drawn = []
    for size in (5, 7):
        rows = bulk.finish("--sample", "--seed", 5, "--batch-size", size).decode().splitlines()
        drawn.append([row.split("\t")[0] for row in rows])
    assert drawn[0] == drawn[1]


# ------------------------------------------------------------------------------------------------------------- torchrun


def start_torchrun(bulk: Bulk, *options: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    command = [*launcher, "-m", "seq2seq", *bulk.arguments, "--resume"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


@pytest.mark.slow
def test_processes_of_torchrun_are_killed_in_turn_and_the_next_go_on(model: Path, tmp_path: Path, bulk: Bulk) -> None:
    """First the one that writes, then the other; and once where torchrun starts both again by itself."""
    source = write(tmp_path / "long.de", sentences(4 * LINES, 3))
    bulk.arguments[3] = str(source)
    for rank in (0, 1):
        before = bulk.lines()
        with start_torchrun(bulk) as job:
            wait_for(lambda before=before: bulk.lines() >= before + 3 * CHUNK or job.poll() is not None)
            os.kill(sorted(descendants(job))[rank], signal.SIGKILL)
            out, errors = job.communicate(timeout=300)
        assert job.returncode == 1, errors
        assert out == ""
        assert re.search("(another process of this job has ended|stopped: ).*--resume goes on", errors), errors
        assert errors.count("Traceback") == 1  # torchrun's own
        assert not bulk.target.exists()
        assert before + 3 * CHUNK <= bulk.lines() < 4 * LINES
    before = bulk.lines()
    with start_torchrun(bulk, "--max-restarts", "1") as job:
        wait_for(lambda: bulk.lines() >= before + 3 * CHUNK or job.poll() is not None)
        os.kill(sorted(descendants(job))[0], signal.SIGKILL)
        out, errors = job.communicate(timeout=300)
    assert job.returncode == 0, errors
    assert out == ""
    assert errors.count(f"going on after line {before:,}\n") == 1
    assert errors.count("going on after line ") == 2
    assert list(bulk.folder.iterdir()) == [bulk.target]
    (tmp_path / "again").mkdir()
    assert bulk.target.read_bytes() == Bulk(model, source, tmp_path / "again").finish()


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_torchrun_ends_says_how_to_go_on(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], index: int
) -> None:
    """As when another was killed while this one translates. The first has said it, with the number of lines."""
    begin = Processes.__init__

    def of_two(self: Processes, accelerator: Any) -> None:
        begin(self, accelerator)
        self.count, self.index, self.first = 2, index, index == 0

    monkeypatch.setattr(Processes, "__init__", of_two)
    with pytest.raises(SystemExit), workers.open_distributed(plain_job(model), console.say):
        sys.exit(128 + signal.SIGTERM)
    told = "stopped: process 2 of 2; --resume goes on after what is translated\n"
    assert capsys.readouterr().err == (told if index else "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "in.de"], "torchrun's processes all read and one writes: give --input FILE and --output FILE"),
        (["--input", "in.de", "--output", "out", "--workers", "2"], "--workers has no effect under torchrun"),
    ],
)
def test_torchrun_needs_files(
    model: Path, source: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(source.parent)
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(app, ["translate", str(model), *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
