"""Several processes: the same curve as one, one that writes, and a word when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mechanisms import WIRINGS
from test_training import SETTINGS, corpus, events, weights

from seq2seq.batching import split_round_robin

__all__ = ["corpus"]  # the fixture
GANG = Path(__file__).with_name("gang.py")


def tree(corpus: Path, **changes: Any) -> dict[str, Any]:
    """The small config as plain data, without dropout, whose masks differ from process to process."""
    settings: dict[str, Any] = json.loads(json.dumps(SETTINGS))
    settings["data"]["root"] = str(corpus)
    for split in ("train", "validation"):
        settings["data"][split] = {"source": f"{split}.xx", "target": f"{split}.yy"}
    settings["model"] |= {"dropout_embedding": 0.0, "dropout_layer": 0.0, "dropout_output": 0.0}
    for name, value in changes.items():
        section, key = name.split("__")
        settings[section][key] = value
    return settings


def run(tmp_path: Path, *jobs: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Train them all; standard output is the exit codes."""
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    return subprocess.run([sys.executable, str(GANG), str(path)], capture_output=True, text=True, timeout=900)


def curve(directory: Path, kind: str = "train", value: str = "loss") -> list[float]:
    return [event[value] for event in events(directory) if event["event"] == kind]


@pytest.mark.slow
def test_the_curve_does_not_depend_on_processes_and_accumulation(corpus: Path, tmp_path: Path) -> None:
    """Pitfall 15: unequal lengths, 50 steps, every wiring; 1e-5 relative; some steps have fewer rows than parts."""

    def compared(*wiring: Any) -> list[str]:
        """Processes and accumulation one by one in the first wiring, both at once in every one."""
        return ["two", "split", "all"] if wiring == WIRINGS[0] else ["all"]

    jobs = []
    for wiring, feeding in WIRINGS:
        common = {"training__max_steps": 50, "training__log_interval": 1, "training__validation_interval": 50}
        common |= {"model__wiring": wiring, "model__input_feeding": feeding}
        for name in ("one", *compared(wiring, feeding)):
            config = tree(corpus, **common, **({"training__accumulation": 4} if name in ("split", "all") else {}))
            output = tmp_path / f"{wiring}-{feeding}-{name}"
            processes = 2 if name in ("two", "all") else 1
            jobs.append({"config": config, "output": str(output), "processes": processes})
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    for wiring, feeding in WIRINGS:
        one = tmp_path / f"{wiring}-{feeding}-one"
        assert len(curve(one)) == 50
        for name in compared(wiring, feeding):
            other = tmp_path / f"{wiring}-{feeding}-{name}"
            assert curve(other) == pytest.approx(curve(one), rel=1e-5), other.name
            assert curve(other, "validation", "perplexity") == pytest.approx(
                curve(one, "validation", "perplexity"), rel=1e-5
            )
            assert curve(other, "validation", "bleu") == curve(one, "validation", "bleu")
            # One process alone wrote: every event is there once.
            assert [event["event"] for event in events(other)] == [event["event"] for event in events(one)]
    two = tmp_path / f"{WIRINGS[0][0]}-{WIRINGS[0][1]}-two"
    assert not [path for path in two.rglob("*") if path.suffix in (".new", ".old", ".part")]


def test_the_gradient_does_not_depend_on_processes(corpus: Path, tmp_path: Path) -> None:
    """Pitfall 15: its norm, for Adam hides a factor; at steps of many rows and of one, of which a process has none.

    The former are of a model that copies.
    """
    jobs = []
    for budget in (10, 100):
        changes = {"training__max_steps": 2, "training__log_interval": 1, "training__batch_tokens": budget}
        settings = tree(corpus, **changes, model__copy=budget == 100)
        for processes in (1, 2):
            jobs.append({"config": settings, "output": str(tmp_path / f"{budget}-{processes}"), "processes": processes})
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    for budget in (10, 100):
        for value in ("loss", "gradient_norm"):
            one, two = (curve(tmp_path / f"{budget}-{processes}", value=value) for processes in (1, 2))
            assert two == pytest.approx(one, rel=1e-4), (budget, value)


@pytest.mark.slow
def test_two_processes_resume_exactly_and_one_goes_on_from_two(corpus: Path, tmp_path: Path) -> None:
    """With dropout and subword sampling: the same number of processes is bitwise the uninterrupted run."""
    changes = {"model__dropout_layer": 0.3, "tokenizer__kind": "bpe", "tokenizer__sampling": 0.3}
    short = tree(corpus, **changes, training__max_steps=8)
    whole = tree(corpus, **changes, training__max_steps=14)
    jobs = [
        {"config": whole, "output": str(tmp_path / "whole"), "processes": 2},
        {"config": short, "output": str(tmp_path / "parts"), "processes": 2},
        {"config": whole, "output": str(tmp_path / "parts"), "processes": 2, "resume": True},
        {"config": short, "output": str(tmp_path / "fewer"), "processes": 2},
        {"config": whole, "output": str(tmp_path / "fewer"), "processes": 1, "resume": True},
        {"config": short, "output": str(tmp_path / "more"), "processes": 1},
        {"config": whole, "output": str(tmp_path / "more"), "processes": 2, "resume": True},
    ]
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    for name in ("fewer", "more"):
        kept = events(tmp_path / name)
        assert kept[-1]["event"] == "finish"
        steps = [event["step"] for event in kept if event["event"] == "train"]
        assert steps == [2, 4, 6, 8, 10, 12, 14]


@pytest.mark.slow
def test_an_explained_error_of_the_first_process_reaches_all(corpus: Path, tmp_path: Path) -> None:
    """Only the first looks at the directory; the others must not wait for ever."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine", encoding="utf-8")
    done = run(tmp_path, {"config": tree(corpus), "output": str(tmp_path / "run"), "processes": 2})
    assert json.loads(done.stdout) == [[1, 1]]
    assert done.stderr.count("InputError") == 2
    assert "the directory is not empty" in done.stderr


def torchrun(corpus: Path, tmp_path: Path, *options: str, steps: int) -> subprocess.Popen[str]:
    """A training of two processes under torchrun."""
    path = tmp_path / "run.toml"
    settings = tree(corpus, training__max_steps=steps, training__validation_interval=20, training__log_interval=1)
    lines = []
    for section, values in settings.items():
        inner = {key: value for key, value in values.items() if isinstance(value, dict)}
        plain = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in inner]
        lines += [f"[{section}]", *plain]
        for key, value in inner.items():
            lines += [f"[{section}.{key}]", *(f"{name} = {json.dumps(text)}" for name, text in value.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    train = ["-m", "seq2seq", "train", str(path), "--output", str(tmp_path / "run"), "--resume"]
    return subprocess.Popen([*launch, *train], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_step(directory: Path, step: int, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (directory / "log.jsonl").exists() and max(curve(directory, value="step"), default=0) >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"no step {step} within {seconds} s")


def workers(parent: int) -> list[int]:
    """Processes that torchrun started, in the order of their start."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return sorted(int(number) for number in path.read_text().split())


@pytest.mark.slow
def test_a_dead_worker_ends_the_job_with_a_message(corpus: Path, tmp_path: Path) -> None:
    job = torchrun(corpus, tmp_path, steps=100000)
    wait_for_step(tmp_path / "run", 3)
    os.kill(workers(job.pid)[-1], signal.SIGKILL)
    _, errors = job.communicate(timeout=600)
    assert job.returncode == 1
    assert "another process of this job has ended" in errors
    assert "--resume goes on after the last validation" in errors


@pytest.mark.slow
def test_torchrun_restarts_a_killed_worker_and_the_run_ends_as_it_would_have(corpus: Path, tmp_path: Path) -> None:
    job = torchrun(corpus, tmp_path, "--max-restarts", "2", steps=60)
    wait_for_step(tmp_path / "run", 23)
    os.kill(workers(job.pid)[0], signal.SIGKILL)
    _, errors = job.communicate(timeout=600)
    assert job.returncode == 0, errors
    settings = tree(corpus, training__max_steps=60, training__validation_interval=20, training__log_interval=1)
    run(tmp_path, {"config": settings, "output": str(tmp_path / "whole"), "processes": 2})
    assert events(tmp_path / "run") == events(tmp_path / "whole")
    whole, found = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(whole[name], found[name]) for name in whole)


def test_deal_gives_every_row_once() -> None:
    assert split_round_robin([5, 3, 8, 1, 2], 3) == [[5, 1], [3, 2], [8]]
    assert split_round_robin([5], 3) == [[5], [], []]
