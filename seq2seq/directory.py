"""The model directory as files: what is in it, and how it is replaced and read without ever being half of two models.

config.json names every file that the model is made of, with its SHA-256, and is the commit. A new file first lies
beside the old one as NAME.new; replacing config.json makes it count; then it takes its name. A reader looks for the
content that config.json asks for under both names. So wherever a save is cut off, the old model or the new is there.
README.md, the model card, is for people, and theirs to edit: it has no hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from seq2seq import __version__
from seq2seq.errors import InputError

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
JOINT, SOURCE, TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
HASHED = (WEIGHTS, JOINT, SOURCE, TARGET)


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


def sha256(content: bytes) -> str:
    """As it stands in config.json."""
    return hashlib.sha256(content).hexdigest()


def write_files(directory: Path, manifest: Manifest, contents: Mapping[str, bytes], card: str) -> None:
    """Make the directory hold this model; its other files stay. Raises OSError when the disk refuses."""
    document = json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    settle(directory)
    for name, content in contents.items():
        if not _holds(directory / name, manifest.files[name]):
            write_durably(_waiting(directory / name), content)
    for name, text in ((CONFIG, document), (CARD, card)):
        write_durably(_waiting(directory / name), text.encode())
    sync_names(directory)
    for name in (CONFIG, CARD):
        os.replace(_waiting(directory / name), directory / name)
    sync_names(directory)
    settle(directory)


def settle(directory: Path) -> None:
    """Complete or undo a save that was cut off: content that config.json asks for takes its name, other goes."""
    waiting = [name for name in HASHED if _waiting(directory / name).exists()]
    try:
        files = json.loads((directory / CONFIG).read_bytes())["files"] if waiting else {}
    except (OSError, ValueError, LookupError, TypeError):
        files = {}  # no model here, or a damaged one: nothing to complete
    for name in waiting:
        path = directory / name
        if _holds(_waiting(path), files.get(name)):
            os.replace(_waiting(path), path)
        else:
            _waiting(path).unlink()
    if waiting:
        sync_names(directory)


def read_files(directory: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the files it lists with exactly the content it means.

    Raises InputError where something is missing, damaged, foreign, or of a newer format.
    """
    while True:
        document = _read(directory / CONFIG)
        manifest = _manifest(directory / CONFIG, document)
        try:
            return manifest, {name: _content(directory / name, digest) for name, digest in manifest.files.items()}
        except InputError:
            if document == _read(directory / CONFIG):  # else the model was replaced meanwhile: read the new one
                raise


def _manifest(path: Path, document: bytes) -> Manifest:
    try:
        tree = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, not JSON: {error}") from None
    if not isinstance(tree, dict) or not {"format", "seq2seq"} <= tree.keys():
        raise InputError(f"{path}: not written by seq2seq; only models that `seq2seq train` made can be loaded")
    if isinstance(tree["format"], int) and tree["format"] > FORMAT:
        written = f"format {tree['format']}, written by seq2seq {tree['seq2seq']}"
        raise InputError(f"{path}: {written}; seq2seq {__version__} reads up to format {FORMAT}: install a newer one")
    try:
        manifest = Manifest.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: damaged: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    if set(manifest.files) not in ({WEIGHTS, JOINT}, {WEIGHTS, SOURCE, TARGET}):
        listed = ", ".join(sorted(manifest.files)) or "nothing"
        allowed = f"{WEIGHTS} with {JOINT}, or with {SOURCE} and {TARGET}"
        raise InputError(f"{path}: damaged: files: {listed}; allowed: {allowed}")
    return manifest


def _content(path: Path, digest: str) -> bytes:
    """What the manifest means by a name: the waiting content once it is committed, else what has the name."""
    for candidate in (_waiting(path), path):
        try:
            content = candidate.read_bytes()
        except OSError:
            continue
        if sha256(content) == digest:
            return content
    if _read(path).startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer in place of the file; run `git lfs pull` in that folder")
    raise InputError(f"{path}: not the file that {CONFIG} lists (SHA-256 differs): damaged, edited or incomplete")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        hint = f"; a model directory holds {CONFIG}, {WEIGHTS} and a tokenizer" if path.name == CONFIG else ""
        raise InputError(f"{path}: missing{hint}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _waiting(path: Path) -> Path:
    """Where new content lies until it takes its name."""
    return path.with_name(path.name + ".new")


def _holds(path: Path, digest: str | None) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == digest


def write_durably(path: Path, content: bytes) -> None:
    """Write, and return only when it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_names(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
