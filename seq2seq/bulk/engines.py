"""The engines that a command translates with: models run by torch, or an export run by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator


BATCH_SIZE = 200  # sentences


def chunk_size(search: SearchKeywords) -> int:
    """Return the number of lines to translate together: a few batches, so that each batch finds sentences of similar
    length.
    """
    return 4 * (search.get("batch_size") or BATCH_SIZE)


def set_threads(threads: int | None) -> None:
    """Set the number of CPU threads of torch; None leaves it as it is."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def load_translator(models: list[str], device: str, threads: int | None) -> Translator:
    """Load a model, or several as an ensemble, onto a device, and set the number of CPU threads."""
    from seq2seq.nn.kernels.allocator import tune_memory
    from seq2seq.translation.translator import Translator

    tune_memory()
    set_threads(threads)
    return Translator.load(*models, device=device)


def load_engine(models: list[str], device: str, threads: int | None) -> Translator | OnnxTranslator:
    """Load models as `load_translator` does, or an exported model into onnxruntime without loading torch. Raises
    InputError for an export in an ensemble or on another device than the CPU.
    """
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
