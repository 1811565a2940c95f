"""Check whether the parts of a run directory fit together: state, log, weights to be averaged, and models.

What is missing, damaged or edited is named before anything is changed. The state holds the hash of each part except the
models, which may be newer than the state and have hashes of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seq2seq.checkpoint.files import CONFIG, HASHED, read_file
from seq2seq.checkpoint.model import load_tokenizers
from seq2seq.checkpoint.owners import LOG, LOG_START
from seq2seq.config import TrainingConfig
from seq2seq.durable import sha256
from seq2seq.errors import InputError
from seq2seq.training.averaging import Averager
from seq2seq.training.state import TENSORS, Progress, load_note

START = "training/start"  # in a run directory: the model that a run with training.start began with
_VALIDATION = b'\n{"event": "validation"'


def check_no_remains(directory: Path) -> None:
    """Refuse to begin in a directory without a state, if that would overwrite what an earlier training has left.

    The state is saved before the first step, so a training that was killed before has left nothing but the head of a
    log.
    """
    remains = [path for name in (CONFIG, *HASHED, "checkpoints") if (path := directory / name).exists()]
    remains += sorted((directory / "training").glob("weights-*"))
    path = directory / LOG
    log = read_file(path, path.stat().st_size) if path.exists() else None
    if log and not (log.startswith(LOG_START) or LOG_START.startswith(log)):
        raise InputError(f"{path}: not the log of a training; choose another directory")
    if log and _VALIDATION in log:
        remains.append(path)
    if remains:
        state = directory / "training" / "state"
        raise InputError(
            f"{directory}: there is {remains[0].relative_to(directory)} of a training, but no state to go on from: "
            f"{state} is missing; put it back, or choose another directory"
        )
    if log is None:
        raise InputError(f"{directory}: nothing to resume there; leave --resume out, or choose another directory")


def lost_parts(directory: Path, training: TrainingConfig) -> dict[str, str]:
    """Return the parts that are damaged but not needed for a resume, as part -> problem.

    Raises InputError that names every needed part that is missing, damaged or not the one that the state was saved
    with.
    """
    state = directory / "training" / "state"
    progress = load_note(state).progress
    if not (state / TENSORS).is_file():
        raise InputError(f"{state / TENSORS}: missing; put it back, or start anew")
    finished = progress.kept and progress.limit(training)  # a finished run needs nothing but its model
    problems = [] if finished else list(_weight_problems(directory, progress))
    if progress.start is not None and not finished:
        problems += [problem] if (problem := _model_problem(directory / START)) else []
    lost = dict(_log_problems(directory, progress))
    if progress.validated:
        problems += [problem] if (problem := _model_problem(directory)) else []
        for name in () if finished else ("checkpoints/best", "checkpoints/last"):
            if problem := _model_problem(directory / name):
                lost[name] = problem
    if problems:
        raise InputError(f"--resume: {'; '.join(problems)}; put back what the training left, or start anew")
    return lost


def _weight_problems(directory: Path, progress: Progress) -> Iterator[str]:
    averager = Averager(directory / "training", window=1)
    for step in progress.averaged:
        path = averager.path(step)
        try:
            digest = sha256(read_file(path, path.stat().st_size if path.exists() else 0))
        except InputError as error:
            yield str(error)
            continue
        if digest != progress.averaged_sha256.get(str(step), digest):
            yield f"{path}: not the file that the training state lists (SHA-256 differs)"


def _log_problems(directory: Path, progress: Progress) -> Iterator[tuple[str, str]]:
    path = directory / LOG
    if not path.exists():
        if progress.log_bytes:
            yield LOG, "is missing"
        return
    content = read_file(path, path.stat().st_size)[: progress.log_bytes]
    if len(content) < progress.log_bytes:
        yield LOG, f"has been cut short, from {progress.log_bytes} bytes to {len(content)}"
    elif progress.log_sha256 and sha256(content) != progress.log_sha256:
        yield LOG, "has been edited"


def _model_problem(directory: Path) -> str:
    """Return what is wrong with a model directory; empty if it is whole."""
    try:
        load_tokenizers(directory)  # reads all files and checks their hashes
    except InputError as error:
        return str(error)
    return ""
