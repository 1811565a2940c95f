"""Keys of a training that starts from another model, and the rules between them and the tokenizer's keys."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from seq2seq.section import Section

# Keys of [tokenizer] by which a tokenizer is trained, or given: none of them can change the start model's.
_FIXED = ("kind", "joint", "byte_fallback", "normalisation", "source_model", "target_model")
_EXTENDING = (
    "vocabulary_size",
    "symbols",
    "character_coverage",
    "sample_pairs",
)  # further keys that only an extension reads


class StartConfig(Section):
    """The keys of [training] that say what a training starts from, and which of it stays."""

    start: str = Field(
        "", description="model to start from: a directory, or OWNER/NAME[@REVISION] of the hub; empty: random weights"
    )
    start_parts: list[str] = Field(
        default_factory=list,
        description="take these parts or parameters of it only (patterns as encoder.* too); empty: all",
    )
    start_decay: float = Field(
        0.0, ge=0, description="weight of the squared distance from the start model in the loss (MAP-L2); 0: off"
    )
    start_average: float = Field(
        0.0, ge=0, lt=1, description="share of the start model in a mean with the kept model, tried at the end; 0: off"
    )
    freeze: list[str] = Field(
        default_factory=list,
        description="parts or parameters (patterns as encoder.* too) that keep their first values",
    )

    @model_validator(mode="after")
    def _idle_start(self) -> Self:
        if not self.start:
            self.refuse_idle(["start_parts", "start_decay", "start_average"], "without start")
        return self


def check_tokenizer_keys(tokenizer: Section, start: str, extend: bool) -> None:
    """Refuse keys of [tokenizer] that have no effect with, or without, a start model. Raises ValueError."""
    if not start:
        _refuse(tokenizer, ("extend",), "without training.start, whose tokenizer it extends")
        return
    _refuse(tokenizer, _FIXED, "with training.start, whose tokenizer is used")
    if not extend:
        _refuse(tokenizer, _EXTENDING, "with training.start; its tokenizer is used, unless extend = true")


def _refuse(tokenizer: Section, keys: tuple[str, ...], reason: str) -> None:
    try:
        tokenizer.refuse_idle(keys, reason)
    except ValueError as error:
        raise ValueError(f"tokenizer.{error}") from None
