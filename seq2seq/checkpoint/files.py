"""The model directory as files: what is in it, and how it is replaced and read without ever being half of two models.

config.json names every file that the model is made of, with its SHA-256, and is the commit. A new file first lies
beside the old one as NAME.new; replacing config.json makes it count; then it takes its name. A reader looks for the
content that config.json asks for under both names. So wherever a save is cut off, the old model or the new is there.
README.md, the model card, is for people, and theirs to edit: it has no hash.

A directory may come from a stranger. What is no regular file (a FIFO, a device) is not opened for reading, and nothing
is read that is larger than it can be. Links are followed, also to outside, for a download of the hub consists of them:
a link tells nobody anything, since content counts only if its hash is listed, and is shown in no message.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from seq2seq.durable import new_path, sha256, sync_names, write_durably
from seq2seq.errors import InputError, short_repr
from seq2seq.version import __version__

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
JOINT, SOURCE, TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
GRAPHS = ENCODER, STEP = "encoder.onnx", "step.onnx"  # of an export, in place of the weights
HASHED = (WEIGHTS, *GRAPHS, JOINT, SOURCE, TARGET)
SHORTLIST = "shortlist.safetensors"  # beside the model, and no part of it: see seq2seq.checkpoint.shortlist

LARGEST_CONFIG = 8 << 20  # bytes; a run's TOML has at most 1 MiB, and the indented JSON of its keys a few times that
_DEEPEST = 32  # levels of config.json; json and pydantic recurse, and so does who prints it


class Vocabulary(BaseModel):
    """Sizes in pieces, special ones included."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    source: int
    target: int


class Manifest(BaseModel):
    """What config.json holds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    seq2seq: str  # the version that wrote it
    config: dict[str, Any]
    special_ids: dict[str, int]
    vocabulary: Vocabulary
    files: dict[str, str]  # name -> SHA-256
    record: dict[str, Any]  # what training says about the model

    @property
    def exported(self) -> bool:
        """Whether graphs stand in place of the weights."""
        return WEIGHTS not in self.files


def is_export(name: str | Path) -> bool:
    """Whether a name is that of a directory with an export rather than a model in it."""
    try:
        directory = Path(name).expanduser()
        return all((directory / graph).is_file() for graph in GRAPHS) and not (directory / WEIGHTS).exists()
    except (OSError, RuntimeError):  # a name too long, or of nobody's home: who loads it will say so
        return False


def write_files(directory: Path, manifest: Manifest, contents: Mapping[str, bytes], card: str) -> None:
    """Make the directory hold this model; its other files stay. Raises OSError when the disk refuses."""
    document = json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    settle(directory)
    for name, content in contents.items():
        if not _holds(directory / name, manifest.files[name]):
            write_durably(new_path(directory / name), content)
    for name, text in ((CONFIG, document), (CARD, card)):
        write_durably(new_path(directory / name), text.encode())
    sync_names(directory)
    for name in (CONFIG, CARD):
        os.replace(new_path(directory / name), directory / name)
    sync_names(directory)
    settle(directory)


def settle(directory: Path) -> None:
    """Complete or undo a save that was cut off: content that config.json asks for takes its name, other goes."""
    waiting = [name for name in HASHED if new_path(directory / name).exists()]
    try:
        files = json.loads((directory / CONFIG).read_bytes())["files"] if waiting else {}
    except (OSError, ValueError, LookupError, TypeError):
        files = {}  # no model here, or a damaged one: nothing to complete
    for name in waiting:
        path = directory / name
        if _holds(new_path(path), files.get(name)):
            os.replace(new_path(path), path)
        else:
            new_path(path).unlink()
    if waiting:
        sync_names(directory)


def read_files(directory: Path, limits: Callable[[Manifest], Mapping[str, int]]) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the files it lists with exactly the content it means.

    limits: the most bytes that each file of such a model can have; a larger one is not read.
    Raises InputError where something is missing, damaged, foreign, oversized, or of a newer format.
    """
    while True:
        document = read_file(directory / CONFIG, LARGEST_CONFIG)
        manifest = _manifest(directory / CONFIG, document)
        try:
            most = limits(manifest)
            return manifest, {
                name: _content(directory / name, digest, most[name]) for name, digest in manifest.files.items()
            }
        except InputError:
            if document == read_file(directory / CONFIG, LARGEST_CONFIG):  # else replaced meanwhile: read the new one
                raise


def _manifest(path: Path, document: bytes) -> Manifest:
    try:
        tree = json.loads(document, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, not JSON: {error}") from None
    if _deeper(tree, _DEEPEST):
        raise InputError(f"{path}: damaged: nested more than {_DEEPEST} deep")
    if not isinstance(tree, dict) or not {"format", "seq2seq"} <= tree.keys():
        raise InputError(f"{path}: not written by seq2seq; only models that `seq2seq train` made can be loaded")
    if type(tree["format"]) is int and tree["format"] < 1:
        raise InputError(f"{path}: damaged: format {short_repr(tree['format'])}; formats are counted from 1")
    if isinstance(tree["format"], int) and tree["format"] > FORMAT:
        written = f"format {tree['format']}, written by seq2seq {tree['seq2seq']!s:.40}"
        raise InputError(f"{path}: {written}; seq2seq {__version__} reads up to format {FORMAT}: install a newer one")
    try:
        manifest = Manifest.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: damaged: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    network = {WEIGHTS} if WEIGHTS in manifest.files else set(GRAPHS)
    if set(manifest.files) not in (network | {JOINT}, network | {SOURCE, TARGET}):
        listed = ", ".join(sorted(manifest.files)) or "nothing"
        allowed = f"{WEIGHTS} (or {ENCODER} and {STEP}) with {JOINT}, or with {SOURCE} and {TARGET}"
        raise InputError(f"{path}: damaged: files: {listed}; allowed: {allowed}")
    return manifest


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _deeper(tree: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    level = [tree]
    for _ in range(levels + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, (dict, list)))
        level = [each for several in inner for each in several]
    return bool(level)


def _content(path: Path, digest: str, limit: int) -> bytes:
    """What the manifest means by a name: the waiting content once it is committed, else what has the name."""
    waiting = new_path(path)
    if waiting.is_file():
        try:
            content = read_file(waiting, limit)
        except InputError:  # left by a save of another model that was cut off: larger, or gone meanwhile
            content = b""
        if sha256(content) == digest:
            return content
    content = read_file(path, limit)
    if sha256(content) == digest:
        return content
    if content.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer in place of the file; run `git lfs pull` in that folder")
    raise InputError(f"{path}: not the file that {CONFIG} lists (SHA-256 differs): damaged, edited or incomplete")


def read_file(path: Path, limit: int) -> bytes:
    """A regular file of at most `limit` bytes."""
    try:
        # Not blocking, for to open a FIFO is to wait for a writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: not a regular file, but a pipe or a device; a model consists of files")
            if status.st_size > limit:
                raise InputError(f"{path}: {status.st_size:,} bytes, but at most {limit:,} are possible here: not read")
            return file.read(limit + 1)
    except FileNotFoundError:
        hint = f"; a model directory holds {CONFIG}, {WEIGHTS} and a tokenizer" if path.name == CONFIG else ""
        raise InputError(f"{path}: missing{hint}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _holds(path: Path, digest: str | None) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == digest
