"""Loading, saving and uploading of models, without pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from seq2seq.checkpoint.card import model_card
from seq2seq.checkpoint.files import (
    CARD,
    CONFIG,
    FORMAT,
    JOINT,
    SHORTLIST,
    SOURCE,
    TARGET,
    WEIGHTS,
    Manifest,
    Vocabulary,
    read_files,
    recover,
    write_files,
)
from seq2seq.checkpoint.hub import locate, upload
from seq2seq.checkpoint.shortlist import read_shortlist
from seq2seq.config import MOST_PIECES, Config, ModelConfig
from seq2seq.config_file import parse_config
from seq2seq.durable import explain_write_errors, sha256
from seq2seq.errors import InputError, nearest
from seq2seq.nn.architecture import Architecture
from seq2seq.nn.decoder import DECODERS
from seq2seq.nn.initialisation import SkipInitialisation
from seq2seq.nn.model import Seq2Seq, mechanisms
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS
from seq2seq.text.special_tokens import SPECIAL_IDS
from seq2seq.text.tokenizer import LARGEST_TOKENIZER, Tokenizer, TokenizerPair
from seq2seq.version import __version__

_COPY_NEEDS = "model.copy = true needs one vocabulary for both sides; use tokenizer.joint = true and no target_model"
_HEADER = 1024  # bytes; more than the header of a safetensors file needs for one tensor, its long name included


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with its config and tokenizers.

    card: the record of its training (steps, scores, signature). files: names and SHA-256 of the files that it was read
    from; empty for a model that was not read from files.
    """

    directory: Path
    config: Config
    tokenizers: TokenizerPair
    model: Seq2Seq
    card: dict[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def vocabulary(self) -> Vocabulary:
        """The sizes of the two vocabularies in pieces, special ones included."""
        return Vocabulary(source=self.tokenizers.source.vocabulary_size, target=self.tokenizers.target.vocabulary_size)


def check_model_config(config: Config) -> list[str]:
    """Check a [model] section before any data is read; return the names of the model's parameters.

    Raises InputError for an unknown mechanism, for sizes that a mechanism cannot have, and for keys without effect.
    """
    return [name for name, _ in outline(config).named_parameters()]


def outline(config: Config) -> Seq2Seq:
    """Return the network of a config with vocabularies of 8 pieces, its parameters uninitialised: what can be known of
    it before any data is read. Raises InputError as `check_model_config` does.
    """
    return _build(config, Vocabulary(source=8, target=8))


def architecture_of(model: ModelConfig, sizes: Vocabulary) -> Architecture:
    """Return the architecture that a [model] section describes, with vocabularies of these sizes."""
    settings = model.model_dump() | {"output_dim": model.outputs}
    return Architecture(**settings, source_vocabulary=sizes.source, target_vocabulary=sizes.target)


def build_model(config: Config, tokenizers: TokenizerPair) -> Seq2Seq:
    """Return the network of a config, its parameters uninitialised. Raises InputError as `check_model_config` does."""
    return _build(config, _sizes(config, tokenizers))


def _sizes(config: Config, tokenizers: TokenizerPair) -> Vocabulary:
    if config.model.tie == "all" and not tokenizers.joint:
        raise InputError("model.tie = 'all' needs one vocabulary for both sides; use a joint one, or tie = 'target'")
    if config.model.copy and not tokenizers.joint:
        raise InputError(_COPY_NEEDS)
    return Vocabulary(source=tokenizers.source.vocabulary_size, target=tokenizers.target.vocabulary_size)


def _build(config: Config, sizes: Vocabulary) -> Seq2Seq:
    architecture = architecture_of(config.model, sizes)
    for key, names in mechanisms().items():
        if (name := getattr(architecture, key)) not in names:
            kind = "score function" if key == "score" else key
            raise InputError(f"model.{key} = {name!r}: no such {kind}; {nearest(name, names)}")
    _refuse_ineffective_keys(config)
    try:
        with SkipInitialisation():
            return Seq2Seq(architecture)
    except ValueError as error:
        raise InputError(f"model: {error}") from None
    except RuntimeError as error:
        raise InputError(f"model: these sizes do not fit into memory: {str(error).partition(chr(10))[0]}") from None


def _refuse_ineffective_keys(config: Config) -> None:
    """Raise InputError for keys that would change nothing, as the mechanisms' classes declare, or cannot be met."""
    model, tokenizer = config.model, config.tokenizer
    if model.copy and (tokenizer.target_model is not None or not tokenizer.joint):
        raise InputError(_COPY_NEEDS)
    if model.input_feeding and (model.wiring, True) not in DECODERS:
        reason = DECODERS[model.wiring, False].no_input_feeding
        raise InputError(f"model: input_feeding has no effect with wiring = {model.wiring!r}, {reason}")
    if SCORE_FUNCTIONS[model.score].attends:
        return
    if model.normalisation != "softmax":
        raise InputError(
            f"model: normalisation has no effect with score = {model.score!r}, whose energies are all equal"
        )
    idle = {"training.coverage_loss": bool(config.training.coverage_loss), "data.train: alignment": config.guided}
    for key in (key for key, given in idle.items() if given and not WINDOWS[model.window].attends):
        raise InputError(f"{key} has no effect with model.score = {model.score!r}, which cannot look away")


def _unique_tensors(model: Seq2Seq) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a model, each once by its first name, and the other names of tied ones with their first."""
    tensors = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    for name, tensor in tensors.items():
        first.setdefault(id(tensor), name)
    ties = {name: first[id(tensor)] for name, tensor in tensors.items() if first[id(tensor)] != name}
    return {name: tensors[name] for name in first.values()}, ties


# ----------------------------------------------------------------------------------------------------------------- save


def tokenizer_files(tokenizers: TokenizerPair) -> dict[str, bytes]:
    """Return the contents of the tokenizers' model files, by their names in a model directory."""
    if tokenizers.joint:
        return {JOINT: tokenizers.source.model_bytes}
    return {SOURCE: tokenizers.source.model_bytes, TARGET: tokenizers.target.model_bytes}


def save_model(
    directory: Path,
    *,
    config: Config,
    weights: Mapping[str, Tensor],
    tokenizers: TokenizerPair,
    record: dict[str, Any],
) -> None:
    """Write a model directory, or replace the model in one; other files there stay as they are.

    weights: the model's state_dict, or its named_parameters (tied weights once). A crash leaves the old model or the
    new one. Raises Seq2SeqError when the files cannot be written, ValueError for weights of another model than the
    config's.
    """
    sizes = _sizes(config, tokenizers)
    contents = {WEIGHTS: _pack(weights, _build(config, sizes)), **tokenizer_files(tokenizers)}
    manifest = Manifest(
        format=FORMAT,
        seq2seq=__version__,
        config=config.model_dump(mode="json"),
        special_ids=SPECIAL_IDS,
        vocabulary=sizes,
        files={name: sha256(content) for name, content in contents.items()},
        record={key: _finite(value) for key, value in record.items()},
    )
    with explain_write_errors(str(directory), "the model could not be saved"):
        write_files(directory, manifest, contents, model_card(config, sizes, manifest.record))


def _pack(weights: Mapping[str, Tensor], model: Seq2Seq) -> bytes:
    """Return the weights as the bytes of a safetensors file, each tensor once. Raises ValueError for other weights."""
    stored, ties = _unique_tensors(model)
    if problem := _difference({name: weights[name] for name in weights if name not in ties}, stored):
        raise ValueError(f"these are not the weights of this config's model: {problem}")
    for name in weights.keys() & ties.keys():
        if not torch.allclose(weights[name], weights[ties[name]], rtol=0, atol=0, equal_nan=True):
            raise ValueError(f"{name} and {ties[name]} are tied by the config, but their weights differ")
    # Copies, because safetensors refuses tensors that share a storage or are not contiguous.
    tensors = {name: weights[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in stored}
    return safetensors.torch.save(tensors, {"format": "pt"})


def _difference(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Return the first difference of two sets of tensors in names, shapes or dtypes; None where they agree."""
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
    """Return a value, but None for NaN and infinity, which JSON does not have, also inside of tables."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ----------------------------------------------------------------------------------------------------------------- load


def load_model(name: str | Path, *, device: str = "cpu", root: str | Path = ".") -> LoadedModel:
    """Load a model directory, or a model of the Hugging Face hub: "owner/name" or "owner/name@revision".

    root: where relative paths start. The hub is never asked for a name that is a path: it exists, begins with ., / or
    ~, or has no slash or several. Raises InputError when there is no such model, when a file is missing, damaged,
    foreign or of a newer version, when weights are NaN or infinite, and when the device cannot be used. Nothing is
    unpickled.
    """
    _check_device(device)
    directory = locate(name, root)
    manifest, contents = _read_files(directory)
    config = parse_config(manifest.config, str(directory / CONFIG))
    tokenizers = _tokenizers(directory, manifest, contents)
    try:
        sizes = _sizes(config, tokenizers)
        model = _build(config, sizes)
    except InputError as error:
        raise InputError(f"{directory / CONFIG}: {error}") from None
    weights = _unpack(directory / WEIGHTS, contents[WEIGHTS], _unique_tensors(model)[0])
    model.load_state_dict(weights, strict=False)  # not strict, because tied weights are stored under one of their names
    return LoadedModel(directory, config, tokenizers, model.to(device).eval(), manifest.record, manifest.files)


def load_tokenizers(directory: Path) -> TokenizerPair:
    """Return the tokenizers of a model directory, without its network. Raises InputError as `load_model` does."""
    return _tokenizers(directory, *_read_files(directory))


def _read_files(directory: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Read the files of a model; a file of weights larger than the config's model can need is refused."""

    def limits(manifest: Manifest) -> dict[str, int]:
        if manifest.exported:
            hint = (
                "it translates (seq2seq translate, OnnxTranslator.load); for all else use the model that it was made of"
            )
            raise InputError(f"{directory}: an exported model; {hint}")
        config = parse_config(manifest.config, str(directory / CONFIG))
        if not all(4 < size <= MOST_PIECES for size in (manifest.vocabulary.source, manifest.vocabulary.target)):
            raise InputError(f"{directory / CONFIG}: damaged: vocabulary: {manifest.vocabulary}")
        try:
            tensors = _unique_tensors(_build(config, manifest.vocabulary))[0]
        except InputError as error:
            raise InputError(f"{directory / CONFIG}: {error}") from None
        weights = sum(tensor.nbytes + _HEADER for tensor in tensors.values()) + _HEADER
        return {name: weights if name == WEIGHTS else LARGEST_TOKENIZER for name in manifest.files}

    return read_files(directory, limits)


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device).tolist()  # fails on a device without memory, such as meta
    except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError where torch was built without CUDA
        reason = str(error).split("\n")[0]
        raise InputError(f"device {device!r} cannot be used here: {reason}") from None


def _tokenizers(directory: Path, manifest: Manifest, contents: dict[str, bytes]) -> TokenizerPair:
    """Make the tokenizers from the files' contents. Raises InputError where they do not fit the manifest."""
    if manifest.special_ids != SPECIAL_IDS:
        stated = f"special ids {manifest.special_ids}, but this version has {SPECIAL_IDS}"
        raise InputError(f"{directory / CONFIG}: {stated}")
    joint = JOINT in contents
    names = [JOINT] if joint else [SOURCE, TARGET]
    read = [Tokenizer.from_bytes(contents[name], str(directory / name)) for name in names]
    pair = TokenizerPair(source=read[0], target=read[-1], joint=joint)
    found = Vocabulary(source=pair.source.vocabulary_size, target=pair.target.vocabulary_size)
    if manifest.vocabulary != found:
        raise InputError(f"{directory / CONFIG}: vocabulary: {manifest.vocabulary}, but its tokenizers have {found}")
    return pair


def _unpack(path: Path, content: bytes, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        weights = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from None
    if problem := _difference(weights, expected):
        raise InputError(f"{path}: not the weights of the model in {CONFIG}: {problem}")
    refuse_nan(weights, str(path))
    return weights


def refuse_nan(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise InputError for weights that are NaN or infinite: some answers of the model would be wrong, not NaN."""
    for name, tensor in weights.items():
        if not torch.stack(tensor.detach().aminmax()).isfinite().all():  # a NaN makes both NaN; copies nothing
            broken = f"{name} has weights that are NaN or infinite: damaged, or its training diverged"
            raise InputError(f"{where}: {broken}; take an earlier checkpoint, or train anew")


# ----------------------------------------------------------------------------------------------------------------- push


def push_model(directory: str | Path, repository: str, *, private: bool = False, token: str | None = None) -> str:
    """Upload the model in a directory to the Hugging Face hub, as one commit; return its address there.

    Its shortlist is uploaded too, but no other file, and a model that does not load is refused. token: None takes the
    one stored by `hf auth login`.

    Raises InputError for a bad directory or shortlist, Seq2SeqError when the hub refuses.
    """
    loaded = load_model(directory)
    directory = loaded.directory
    recover(directory)
    more = [SHORTLIST] if (directory / SHORTLIST).exists() else []
    if more:
        read_shortlist(directory, loaded.files, loaded.vocabulary)
    manifest, _ = _read_files(directory)
    names = [CONFIG, CARD, *manifest.files, *more]
    return upload(directory, repository, names, f"Model of seq2seq {manifest.seq2seq}", private, token)
