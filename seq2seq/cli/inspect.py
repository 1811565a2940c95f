"""The command `seq2seq inspect`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seq2seq.cli.display.console import print_json, print_text
from seq2seq.errors import short_repr
from seq2seq.text.escaping import escape_line, escape_text

if TYPE_CHECKING:
    from seq2seq.checkpoint.model import LoadedModel

EXAMPLES = """
seq2seq inspect runs/demo
seq2seq inspect runs/demo --json
"""
RATES = "learning_rate_factors"  # key of the training's record
_LARGEST = 1 << 63  # far above any number that training records


def inspect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model directory, or OWNER/NAME\\[@REVISION] on the hub.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Tell what a model is.

    Languages, tokenizer, architecture, parameters by part, what training
    recorded, scores with their signatures, and files.
    """
    from seq2seq.checkpoint.model import load_model

    facts = describe(load_model(model))
    if as_json:
        print_json(facts)
    else:
        print_text(escape_text("\n".join(_paragraphs(facts))))


def describe(loaded: LoadedModel) -> dict[str, Any]:
    """Return the facts about a model, by section; "parameters" counts tied weights once."""
    config, source, target = loaded.config, loaded.tokenizers.source, loaded.tokenizers.target
    settings = config.model.model_dump()
    counts = count_parameters(loaded)
    return {
        "model": str(loaded.directory),
        "languages": {
            "source": config.data.source_language,
            "target": config.data.target_language,
            **({"tags": ", ".join(config.data.tags)} if config.data.tags else {}),
        },
        "tokenizer": {
            "kind": _join(source.kind, target.kind),
            "normalisation": _join(source.normalisation, target.normalisation),
            "vocabulary": "joint" if loaded.tokenizers.joint else "one a side",
            "source_pieces": source.vocabulary_size,
            "target_pieces": target.vocabulary_size,
        },
        "architecture": settings,
        "parameters": {**counts, "total": sum(counts.values())},
        "training": {key: value for key, value in loaded.card.items() if key != RATES},
        "learning_rates": rates(loaded),
        "search": config.search.model_dump(),
        "files": _sizes(loaded),
    }


def rates(loaded: LoadedModel) -> dict[str, float]:
    """Return the factors of the learning rate that parameters were trained with, and "all others"; empty for a model
    whose training stored none.
    """
    stored = loaded.card.get(RATES)
    if not isinstance(stored, dict):
        return {}
    return {**stored, "all others": 1.0}


def _join(source: str, target: str) -> str:
    return source if source == target else f"{source} and {target}"


def count_parameters(loaded: LoadedModel) -> dict[str, int]:
    """Return the number of parameters of each part of the network, with attention apart from the decoder."""
    counts: dict[str, int] = {}
    for name, parameter in loaded.model.named_parameters():
        part = "attention" if ".attention." in name else name.partition(".")[0]
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


def _sizes(loaded: LoadedModel) -> dict[str, int]:
    """Return the sizes in bytes of the model's own files, without those of a training."""
    from seq2seq.checkpoint.files import CARD, CONFIG, HASHED

    paths = [loaded.directory / name for name in (CONFIG, *HASHED, CARD)]
    return {path.name: path.stat().st_size for path in paths if path.is_file()}


def _paragraphs(facts: dict[str, Any]) -> Iterator[str]:
    """Yield one paragraph per section: its name, then lines of `key value`."""
    yield f"model {escape_line(facts['model'])}"
    for name, section in facts.items():
        if isinstance(section, dict) and section:
            yield f"\n{name}"
            width = min(40, max(len(escape_line(key)) for key in section))
            yield from (f"  {escape_line(key):<{width}}  {_format(name, value)}" for key, value in section.items())


def _format(section: str, value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if section == "files":
        return f"{value:,} bytes"
    if isinstance(value, (int, float)) and abs(value) >= _LARGEST:
        return short_repr(value)
    if section == "learning_rates" and isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) and section == "training" else escape_line(str(value))
