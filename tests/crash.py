"""Kill a small training at chosen moments, resume it, and compare all that it leaves with a run that was left alone.

python tests/crash.py [--random 50] [--events 20] [--seed 1]

A moment is a time after the start, drawn at random, or "just before the k-th change of a file": there the process
kills itself. Every run is a fork of this process, which has imported torch once. One line for each kill; the exit code
is 1 where any resumed run differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # every optimiser does so when it is made, which takes a second of each fork's 3.5

from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.training import checkpointer, trainer, validation

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
PHASES = ("starting", "training", "validating", "saving")


def write_corpus(directory: Path) -> None:
    """Digits and their reversal, of unequal lengths."""
    draw = random.Random(1)
    for split, count in (("train", 120), ("validation", 12)):
        rows = [[str(draw.randrange(10)) for _ in range(draw.randint(4, 12))] for _ in range(count)]
        (directory / f"{split}.xx").write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")
        (directory / f"{split}.yy").write_text("".join(" ".join(row[::-1]) + "\n" for row in rows), encoding="utf-8")


def small_config(corpus: Path) -> Config:
    """All that a resume has to bring back is at work: dropout, sampled pieces, plateau, patience, averaging."""
    sides: dict[str, Any] = {
        split: {"source": f"{split}.xx", "target": f"{split}.yy"} for split in ("train", "validation")
    }
    tree = {
        "data": {"root": str(corpus), "source_language": "xx", "target_language": "yy", **sides},
        "tokenizer": {"kind": "bpe", "vocabulary_size": 30, "sampling": 0.3},
        "model": {"cell": "lstm", "embedding_dim": 13, "encoder_dim": 7, "decoder_dim": 14, "attention_dim": 5},
        "training": {
            "batch_tokens": 150, "learning_rate": 0.01, "warmup_steps": 3, "max_steps": 50, "validation_interval": 4,
            "schedule": "plateau", "plateau_patience": 1, "patience": 4, "average": 2, "log_interval": 3,
            "criterion": "perplexity", "trackers": [], "threads": 1,
        },
    }  # fmt: skip
    return parse_config(tree, "crash")


class Watch:
    """What a child tells its parent through shared memory: its phase, and the changes of files so far."""

    def __init__(self) -> None:
        self.cells = memoryview(mmap.mmap(-1, 16)).cast("q")

    @property
    def phase(self) -> str:
        return PHASES[self.cells[0]]

    @property
    def changes(self) -> int:
        return self.cells[1]

    def attach(self, directory: Path, last: int | None) -> None:
        """Follow this process; kill it before its change number `last`, counted from 1."""
        prefix = str(directory)

        def hook(event: str, values: tuple[Any, ...]) -> None:
            writes = event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR)
            if (writes or event in CHANGES) and str(values[0]).startswith(prefix):
                self.cells[1] += 1
                if self.cells[1] == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        for module, name, phase in (
            (validation, "validate", 2),
            (checkpointer, "save_model", 3),
            (checkpointer, "save_state", 3),
        ):
            setattr(module, name, self._marking(getattr(module, name), phase))

    def _marking(self, act: Callable[..., Any], phase: int) -> Callable[..., Any]:
        def marked(*args: Any, **options: Any) -> Any:
            self.cells[0] = phase
            try:
                return act(*args, **options)
            finally:
                self.cells[0] = 1

        return marked


@dataclass(frozen=True)
class Moment:
    """When to kill: seconds after the start, or just before a change of a file."""

    seconds: float | None = None
    change: int | None = None

    def __str__(self) -> str:
        return f"after {self.seconds:.3f} s" if self.seconds is not None else f"before change {self.change}"


def attempt(config: Config, directory: Path, moment: Moment | None = None) -> tuple[int, Watch]:
    """One sitting in a process of its own, with --resume; how it ended (0, or minus the signal), and what was seen."""
    watch = Watch()
    child = os.fork()
    if not child:
        code = 1
        try:
            watch.attach(directory, moment.change if moment else None)
            trainer.train(config, directory, resume=True)
            code = 0
        except Exception as error:  # a child of a fork must end here, whatever it met, and not run its parent's code
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    if moment and moment.seconds is not None:
        time.sleep(moment.seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), watch


def remains(directory: Path) -> dict[str, Any]:
    """All that a run leaves, without what a clock decides."""
    clocks = {"time", "tokens_per_second", "seconds", "output"}
    log = (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = {
        "log": [{key: value for key, value in json.loads(line).items() if key not in clocks} for line in log]
    }
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if (
            path.is_dir()
            or name.startswith("cache")
            or name.endswith((".lock", "README.md", "log.jsonl", "state.json"))
        ):
            found[name] = None
        elif path.name == "config.json":
            document = json.loads(path.read_text(encoding="utf-8"))
            document["record"].pop("seconds")
            found[name] = document
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {name: value for name, value in found.items() if not name.startswith("cache/")}


def run(config: Config, work: Path, moments: list[Moment], tell: Callable[[str], None]) -> list[str]:
    """What went wrong, a line a kill."""
    whole = remains(work / "whole")
    problems, phases = [], Counter[str]()
    for number, moment in enumerate(moments, start=1):
        directory = work / f"run-{number}"
        code, watch = attempt(config, directory, moment)
        phase = "already ended" if code == 0 else watch.phase
        phases[phase] += 1
        ended, _ = attempt(config, directory)
        found = remains(directory) if ended == 0 else {}
        differing = sorted(name for name in whole.keys() | found.keys() if whole.get(name, 0) != found.get(name, 0))
        verdict = "same" if ended == 0 and not differing else f"DIFFERENT: exit {ended}, {', '.join(differing[:5])}"
        tell(f"{number:3} killed {moment} ({phase}): {verdict}")
        if code not in (0, -signal.SIGKILL):
            problems.append(f"killed {moment}: the first sitting ended with {code}")
        if verdict != "same":
            problems.append(f"killed {moment} ({phase}): {verdict}")
        shutil.rmtree(directory)
    tell(
        f"{len(moments) - len(problems)} of {len(moments)} the same; "
        + ", ".join(f"{n} {p}" for p, n in phases.items())
    )
    return problems


def choose(seconds: float, changes: int, timed: int, counted: int, seed: int) -> list[Moment]:
    """So many moments of each kind, anywhere in a run of these seconds with so many changes of files."""
    draw = random.Random(seed)
    at_random = [Moment(seconds=draw.uniform(0, seconds)) for _ in range(timed)]
    return at_random + [
        Moment(change=number) for number in sorted(draw.sample(range(1, changes + 1), min(counted, changes)))
    ]


def crash(timed: int, counted: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """Train once undisturbed, then once for each moment."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_corpus(work)
        config = small_config(work)
        began = time.monotonic()
        code, watch = attempt(config, work / "whole")
        seconds = time.monotonic() - began
        if code:
            return [f"the undisturbed run ended with {code}"]
        tell(f"an undisturbed run takes {seconds:.1f} s and {watch.changes} changes of files; seed {seed}")
        return run(config, work, choose(seconds, watch.changes, timed, counted, seed), tell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=50, help="kills at random times (default: 50)")
    parser.add_argument("--events", type=int, default=20, help="kills before a change of a file (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    options = parser.parse_args()
    sys.exit(bool(crash(options.random, options.events, options.seed, lambda line: print(line, flush=True))))


if __name__ == "__main__":
    main()
