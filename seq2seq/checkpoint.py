"""The model directory: config.json, model.safetensors, the SentencePiece model(s) and README.md. No pickle anywhere.

config.json names every other file that the model is made of, with its SHA-256. It is the commit: a new file first lies
beside the old one as NAME.new; replacing config.json makes it count; then it takes its name. A reader looks for the content
that config.json asks for under both names, so whenever a save is cut off, the old model or the new one is there, whole.
README.md is for people, and theirs to edit: it has no hash.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from seq2seq import __version__
from seq2seq.card import model_card
from seq2seq.config import Config, parse_config
from seq2seq.errors import InputError, Seq2SeqError, nearest
from seq2seq.nn.attention import SCORE_FUNCTIONS
from seq2seq.nn.model import Seq2Seq
from seq2seq.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, TokenizerPair

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
JOINT, SOURCE, TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
HASHED = (WEIGHTS, JOINT, SOURCE, TARGET)
SPECIAL_IDS = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with all that its use needs. card: what training recorded about it (steps, scores, signature)."""

    directory: Path
    config: Config
    tokenizers: TokenizerPair
    model: Seq2Seq
    card: dict[str, Any]


class _Manifest(BaseModel):
    """What config.json holds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    seq2seq: str  # the version that wrote it
    config: dict[str, Any]
    special_ids: dict[str, int]
    vocabulary: dict[Literal["source", "target"], int]
    files: dict[str, str]  # name -> SHA-256
    record: dict[str, Any]


# ---------------------------------------------------------------------------------------------------------------- model


def check_model_config(config: Config) -> None:
    """Refuse a [model] section that no model can be built from, before any data is read.

    Raises InputError for an unknown score function, and for sizes that the score function cannot take.
    """
    _build(config, 8, 8, "meta")


def build_model(config: Config, tokenizers: TokenizerPair) -> Seq2Seq:
    """The network of a config, its parameters not yet filled. Raises InputError as `check_model_config` does."""
    if config.model.tie == "all" and not tokenizers.joint:
        raise InputError("model.tie = 'all' needs one vocabulary for both sides; use a joint tokenizer or tie = 'target'")
    return _build(config, tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size, "cpu")


def _build(config: Config, source_vocabulary: int, target_vocabulary: int, device: str) -> Seq2Seq:
    settings = config.model.model_dump()
    if settings["score"] not in SCORE_FUNCTIONS:
        hint = nearest(settings["score"], SCORE_FUNCTIONS)
        raise InputError(f"model.score = {settings['score']!r}: no such score function; {hint}")
    sizes = {"source_vocabulary": source_vocabulary, "target_vocabulary": target_vocabulary}
    try:
        # torch fills new layers at random: the caller's generator must not notice.
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return Seq2Seq(**settings, **sizes)
    except ValueError as error:
        raise InputError(f"model.score: {error}") from None


def _stored(model: Seq2Seq) -> dict[str, Tensor]:
    """The tensors of a model by name, each once: of tied ones, the first name."""
    names: dict[int, str] = {}
    tensors = model.state_dict(keep_vars=True)
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), name)
    return {name: tensors[name] for name in names.values()}


# ----------------------------------------------------------------------------------------------------------------- save


def save_model(
    directory: Path,
    *,
    config: Config,
    weights: Mapping[str, Tensor],
    tokenizers: TokenizerPair,
    record: dict[str, Any],
) -> None:
    """Write a model directory, or replace the model in one; other files there stay as they are.

    weights: the model's state_dict (tied weights may be there once or under each name). A crash leaves the old model or the
    new one. Raises Seq2SeqError when the disk refuses, ValueError for weights that are not this config's.
    """
    contents = {WEIGHTS: _pack(config, weights, tokenizers)}
    if tokenizers.joint:
        contents[JOINT] = tokenizers.source.model_bytes
    else:
        contents |= {SOURCE: tokenizers.source.model_bytes, TARGET: tokenizers.target.model_bytes}
    manifest = _Manifest(
        format=FORMAT,
        seq2seq=__version__,
        config=config.model_dump(mode="json"),
        special_ids=SPECIAL_IDS,
        vocabulary={"source": tokenizers.source.vocabulary_size, "target": tokenizers.target.vocabulary_size},
        files={name: _sha256(content) for name, content in contents.items()},
        record={key: _finite(value) for key, value in record.items()},
    )
    document = json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    card = model_card(config, manifest.vocabulary, manifest.record)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _settle(directory)
        for name, content in contents.items():
            if not _holds(directory / name, manifest.files[name]):
                _write(_waiting(directory / name), content)
        _write(_waiting(directory / CONFIG), document.encode())
        _write(_waiting(directory / CARD), card.encode())
        os.replace(_waiting(directory / CONFIG), directory / CONFIG)
        os.replace(_waiting(directory / CARD), directory / CARD)
        _settle(directory)
    except OSError as error:
        raise Seq2SeqError(f"{directory}: the model could not be saved: {error}") from None


def _pack(config: Config, weights: Mapping[str, Tensor], tokenizers: TokenizerPair) -> bytes:
    """The weights as safetensors, checked against the config's model."""
    model = _build(config, tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size, "meta")
    stored, everything = _stored(model), model.state_dict(keep_vars=True)
    if problem := _difference({name: weights[name] for name in weights if name not in everything or name in stored}, stored):
        raise ValueError(f"these are not the weights of this config's model: {problem}")
    first = {id(tensor): name for name, tensor in stored.items()}
    for name in weights.keys() - stored.keys():
        twin = first[id(everything[name])]
        if not torch.equal(weights[name], weights[twin]):
            raise ValueError(f"{name} and {twin} are tied by the config, but their weights differ")
    # Copies: safetensors refuses views of one storage, which is what cuDNN makes of a recurrent layer's weights.
    tensors = {name: weights[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in stored}
    return safetensors.torch.save(tensors, {"format": "pt"})


def _difference(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """The first way in which two sets of tensors differ in names, shapes or types; None if in none."""
    if missing := sorted(expected.keys() - given.keys()):
        return f"{len(missing)} missing, first {missing[0]}"
    if extra := sorted(given.keys() - expected.keys()):
        return f"{len(extra)} unexpected, first {extra[0]}"
    for name, tensor in expected.items():
        if given[name].shape != tensor.shape:
            return f"{name} has shape {list(given[name].shape)}, the config asks for {list(tensor.shape)}"
        if given[name].dtype != tensor.dtype:
            return f"{name} is {given[name].dtype}, not {tensor.dtype}"
    return None


def _finite(value: Any) -> Any:
    """JSON has no infinity: a number that is none becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _waiting(path: Path) -> Path:
    """Where new content lies until it takes its name."""
    return path.with_name(path.name + ".new")


def _holds(path: Path, digest: str | None) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == digest


def _write(path: Path, content: bytes) -> None:
    """Write, and return only when it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _settle(directory: Path) -> None:
    """Give waiting files that config.json asks for their names, and remove those that were never committed."""
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
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ----------------------------------------------------------------------------------------------------------------- load


def load_model(name: str | Path, *, device: str = "cpu") -> LoadedModel:
    """Load a model directory, or a model of the Hugging Face hub by its name: "owner/name" or "owner/name@revision".

    Raises InputError, in one or two lines, when there is none, when a file is missing, damaged or foreign, when it was written
    by a newer version, and when the device is not there. Nothing is unpickled.
    """
    _check_device(device)
    directory = _locate(name)
    manifest, contents = _read(directory)
    where = str(directory / CONFIG)
    config = parse_config(manifest.config, where)
    tokenizers = _tokenizers(directory, manifest, contents)
    sizes = (tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size)
    try:
        expected = _stored(_build(config, *sizes, "meta"))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    # Compared before the model is built: sizes in an edited config must not decide how much memory is taken.
    weights = _unpack(directory / WEIGHTS, contents[WEIGHTS], expected)
    model = build_model(config, tokenizers)
    model.load_state_dict(weights, strict=False)  # all are there; tied weights have one name of several
    return LoadedModel(directory, config, tokenizers, model.to(device).eval(), manifest.record)


def load_tokenizers(directory: Path) -> TokenizerPair:
    """The tokenizers of a model directory alone. Raises InputError as `load_model` does."""
    return _tokenizers(directory, *_read(directory))


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).split("\n")[0]
        raise InputError(f"device {device!r} cannot be used here: {reason}") from None


def _read(directory: Path) -> tuple[_Manifest, dict[str, bytes]]:
    """The manifest and the files it lists, each with the content it asks for."""
    while True:
        document = _read_bytes(directory / CONFIG)
        manifest = _manifest(directory / CONFIG, document)
        try:
            return manifest, {name: _content(directory / name, digest) for name, digest in manifest.files.items()}
        except InputError:
            if document == _read_bytes(directory / CONFIG):  # else the model was replaced meanwhile: read the new one
                raise


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        hint = "" if path.name != CONFIG else f"; a model directory of seq2seq holds {CONFIG}, {WEIGHTS} and a tokenizer"
        raise InputError(f"{path}: missing{hint}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _manifest(path: Path, document: bytes) -> _Manifest:
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
        manifest = _Manifest.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: damaged: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    if set(manifest.files) not in ({WEIGHTS, JOINT}, {WEIGHTS, SOURCE, TARGET}):
        listed = ", ".join(sorted(manifest.files)) or "nothing"
        raise InputError(f"{path}: lists {listed}; allowed: {WEIGHTS} with {JOINT}, or with {SOURCE} and {TARGET}")
    return manifest


def _content(path: Path, digest: str) -> bytes:
    """What the manifest means by a name: the waiting content if it has been committed, else what is under the name."""
    for candidate in (_waiting(path), path):
        content = candidate.read_bytes() if candidate.is_file() else None
        if content is not None and _sha256(content) == digest:
            return content
    content = _read_bytes(path)
    if content.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer in place of the file; run `git lfs pull` in that folder")
    raise InputError(f"{path}: not the file that {CONFIG} lists (its SHA-256 differs): damaged, edited or incomplete")


def _tokenizers(directory: Path, manifest: _Manifest, contents: dict[str, bytes]) -> TokenizerPair:
    path = directory / CONFIG
    if manifest.special_ids != SPECIAL_IDS:
        raise InputError(f"{path}: special ids {manifest.special_ids}; this version has {SPECIAL_IDS}")
    joint = JOINT in contents
    names = [JOINT] if joint else [SOURCE, TARGET]
    read = [_tokenizer(directory / name, contents[name]) for name in names]
    pair = TokenizerPair(source=read[0], target=read[-1], joint=joint)
    for side, tokenizer in (("source", pair.source), ("target", pair.target)):
        if manifest.vocabulary.get(side) != tokenizer.vocabulary_size:  # type: ignore[call-overload]
            stated = manifest.vocabulary.get(side)  # type: ignore[call-overload]
            raise InputError(f"{path}: {side} vocabulary of {stated}, but its tokenizer has {tokenizer.vocabulary_size}")
    return pair


def _tokenizer(path: Path, content: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_bytes(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _unpack(path: Path, content: bytes, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        weights = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from None
    if problem := _difference(weights, expected):
        raise InputError(f"{path}: not the weights of the model in {CONFIG}: {problem}")
    return weights


# ------------------------------------------------------------------------------------------------------------------ hub


def _locate(name: str | Path) -> Path:
    """The directory of a name; asks the hub only for what cannot be meant as a path."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{path}: a file; give the model directory that holds it: {path.parent}")
    parts = re.fullmatch(r"(?P<repository>(?P<owner>\w[\w.-]*)/\w[\w.-]*)(@(?P<revision>[\w./-]+))?", str(name))
    if parts is None:
        raise InputError(f"{name}: no such model directory")
    if parts["revision"] is None and Path(parts["owner"]).is_dir():
        raise InputError(f"{name}: no such model directory (for the model of that name on the hub: {name}@main)")
    return _download(parts["repository"], parts["revision"])


def _download(repository: str, revision: str | None) -> Path:
    import huggingface_hub

    try:
        found = huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=[CONFIG, CARD, *HASHED])
    except Exception as error:  # the hub's errors have no common class, and a lost connection can surface as any of them
        reason = _reason(error)
        raise InputError(f"{repository}: no such model directory, and not to be had from the hub: {reason}") from None
    return Path(str(found))


def push_model(directory: Path, repository: str, *, private: bool = False, token: str | None = None) -> str:
    """Upload a model directory's own files to the Hugging Face hub as one commit; answers the address.

    The directory is loaded first, so that only a whole model is published. token: None takes the one that `hf auth login`
    stored. Raises InputError for a bad directory, Seq2SeqError when the hub refuses.
    """
    from huggingface_hub import HfApi

    load_model(directory)
    _settle(directory)
    manifest, _ = _read(directory)
    api = HfApi(token=token)
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=directory,
            allow_patterns=[CONFIG, CARD, *manifest.files],
            commit_message=f"Model of seq2seq {manifest.seq2seq}",
        )
    except Exception as error:  # as in _download
        raise Seq2SeqError(f"{repository}: the hub refused the upload: {_reason(error)}") from None
    return str(address)


def _reason(error: Exception) -> str:
    """An error of the hub in one line."""
    line = next((line.strip() for line in str(error).split("\n") if line.strip()), "")
    return f"{type(error).__name__}: {line}"[:300]
