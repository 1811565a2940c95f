"""The engines that a command translates with: models of torch, or an export that onnxruntime runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator


BATCH_SIZE = 200


def chunk_size(search: SearchKeywords) -> int:
    """Lines that are translated together: a few batches, so that each finds sentences of like length."""
    return 4 * (search.get("batch_size") or BATCH_SIZE)


def set_threads(threads: int | None) -> None:
    """As many as asked for."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def load_translator(models: list[str], device: str, threads: int | None) -> Translator:
    """The model or ensemble, where and with as many threads as asked for."""
    from seq2seq.nn.kernels.allocator import tune_memory
    from seq2seq.translation.translator import Translator

    tune_memory()
    set_threads(threads)
    return Translator.load(*models, device=device)


def load_engine(models: list[str], device: str, threads: int | None) -> Translator | OnnxTranslator:
    """As `load_translator`; an exported model is run by onnxruntime, and torch is not loaded."""
    from seq2seq.checkpoint.files import is_export

    exported = next((name for name in models if is_export(name)), None)
    if exported is None:
        return load_translator(models, device, threads)
    if len(models) > 1:
        raise InputError(f"{exported}: an exported model joins no ensemble; give the models that exports were made of")
    if device != "cpu":
        raise InputError(f"{exported}: an exported model runs on the cpu alone, not on {device!r}")
    from seq2seq.onnx.translator import OnnxTranslator

    return OnnxTranslator.load(exported, threads=threads)
