"""Neural machine translation with recurrent encoder-decoders whose attention score is a switch.

    from seq2seq import Translator
    translator = Translator.load("runs/demo")
    print(translator.translate(["ein Mann schläft ."], beam_size=5)[0].text)

Each name below is imported when it is first used, so that `import seq2seq` is fast and does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seq2seq.checkpoint.model import LoadedModel, load_model, push_model
    from seq2seq.config import Config
    from seq2seq.config_file import load_config
    from seq2seq.errors import InputError, Seq2SeqError
    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.explanation import AttentionEdit, Explanation
    from seq2seq.translation.translation import PairScore, Translation
    from seq2seq.translation.translator import Translator
    from seq2seq.translation.word_alignment import Alignment

from seq2seq.version import __version__

__all__ = [
    "Alignment",
    "AttentionEdit",
    "Config",
    "Explanation",
    "InputError",
    "LoadedModel",
    "OnnxTranslator",
    "PairScore",
    "Seq2SeqError",
    "Translation",
    "Translator",
    "__version__",
    "load_config",
    "load_model",
    "push_model",
]

_HOMES = {
    "Alignment": "translation.word_alignment",
    "AttentionEdit": "translation.explanation",
    "Config": "config",
    "Explanation": "translation.explanation",
    "InputError": "errors",
    "LoadedModel": "checkpoint.model",
    "OnnxTranslator": "onnx.translator",
    "PairScore": "translation.translation",
    "Seq2SeqError": "errors",
    "Translation": "translation.translation",
    "Translator": "translation.translator",
    "load_config": "config_file",
    "load_model": "checkpoint.model",
    "push_model": "checkpoint.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seq2seq.errors import imports_for

    with imports_for(f"{__name__}.{name}"):
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
