"""The files of a model directory, replaced and read so that a directory never holds half of two models.

config.json lists every file of the model with its SHA-256. A save first writes each new file beside the old one as
NAME.new, then replaces config.json, which commits the save, and last renames NAME.new to NAME. A reader looks for the
content that config.json lists under both names. So wherever a save is cut off, the old or the new model is complete.
README.md, the model card, is for people to read and edit, and has no hash.

A directory may come from a stranger. Anything but a regular file (a FIFO, a device) is refused, and so is a file larger
than such a model can need. Links are followed, also out of the directory, because a download of the hub consists of
links; they disclose nothing, since content is used only if its hash is listed, and no message shows any.
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
GRAPHS = ENCODER, STEP = "encoder.onnx", "step.onnx"  # in an export, in place of the weights
HASHED = (WEIGHTS, *GRAPHS, JOINT, SOURCE, TARGET)
STATES = "states.safetensors"  # beside the model, no part of it, and never uploaded: see checkpoint.known_states
SHORTLIST = "shortlist.safetensors"  # lies beside the model but is no part of it: see seq2seq.checkpoint.shortlist

LARGEST_CONFIG = 8 << 20  # bytes; a run's TOML has at most 1 MiB, and the indented JSON of its keys a few times as much
_DEEPEST = 32  # levels of config.json; json, pydantic and whatever prints it recurse


class Vocabulary(BaseModel):
    """The sizes of the two vocabularies in pieces, special ones included."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    source: int
    target: int


class Manifest(BaseModel):
    """The contents of config.json."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    seq2seq: str  # the version that wrote it
    config: dict[str, Any]
    special_ids: dict[str, int]
    vocabulary: Vocabulary
    files: dict[str, str]  # name -> SHA-256
    record: dict[str, Any]  # facts about the training: steps, scores, signature

    @property
    def exported(self) -> bool:
        """Whether this is an ONNX export, with graphs in place of the weights."""
        return WEIGHTS not in self.files


def is_export(name: str | Path) -> bool:
    """Return whether a name is that of a directory that holds an export rather than a model."""
    try:
        directory = Path(name).expanduser()
        return all((directory / graph).is_file() for graph in GRAPHS) and not (directory / WEIGHTS).exists()
    except (OSError, RuntimeError):  # a name too long, or of an unknown user: loading it reports that
        return False


def write_files(directory: Path, manifest: Manifest, contents: Mapping[str, bytes], card: str) -> None:
    """Write a model into a directory, in place of the one it may hold; other files stay.

    Raises OSError when the files cannot be written.
    """
    document = json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    recover(directory)
    for name, content in contents.items():
        if not _has_content(directory / name, manifest.files[name]):
            write_durably(new_path(directory / name), content)
    for name, text in ((CONFIG, document), (CARD, card)):
        write_durably(new_path(directory / name), text.encode())
    sync_names(directory)
    for name in (CONFIG, CARD):
        os.replace(new_path(directory / name), directory / name)
    sync_names(directory)
    recover(directory)


def recover(directory: Path) -> None:
    """Complete or undo a save that was cut off: rename files whose content config.json lists, delete the others."""
    waiting = [name for name in HASHED if new_path(directory / name).exists()]
    try:
        files = json.loads((directory / CONFIG).read_bytes())["files"] if waiting else {}
    except (OSError, ValueError, LookupError, TypeError):
        files = {}  # no model here, or a damaged one: nothing to complete
    for name in waiting:
        path = directory / name
        if _has_content(new_path(path), files.get(name)):
            os.replace(new_path(path), path)
        else:
            new_path(path).unlink()
    if waiting:
        sync_names(directory)


def read_files(directory: Path, limits: Callable[[Manifest], Mapping[str, int]]) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest, and the contents of the files that it lists, checked by their hashes.

    limits: returns the largest size in bytes that each file of such a model can have; a larger file is not read.
    Raises InputError for files that are missing, damaged, foreign, too large, or of a newer format.
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
            if document == read_file(directory / CONFIG, LARGEST_CONFIG):  # else replaced: read the new model
                raise


def _manifest(path: Path, document: bytes) -> Manifest:
    try:
        tree = json.loads(document, parse_constant=_reject_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, not JSON: {error}") from None
    if _exceeds_depth(tree, _DEEPEST):
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


def _reject_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _reject_number(text)


def _exceeds_depth(tree: Any, levels: int) -> bool:
    """Return whether lists and objects are nested deeper than so many levels."""
    level = [tree]
    for _ in range(levels + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, (dict, list)))
        level = [each for several in inner for each in several]
    return bool(level)


def _content(path: Path, digest: str, limit: int) -> bytes:
    """Return the content whose hash the manifest lists, from NAME.new or from NAME."""
    waiting = new_path(path)
    if waiting.is_file():
        try:
            content = read_file(waiting, limit)
        except InputError:  # left by an interrupted save of another model: too large, or gone meanwhile
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
    """Return the content of a regular file of at most `limit` bytes. Raises InputError for any other."""
    try:
        # Not blocking, because opening a FIFO would wait for a writer.
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


def _has_content(path: Path, digest: str | None) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == digest
