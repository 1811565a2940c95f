"""Keys of what a training starts from: another model, word vectors, and the tokenizer that such a model brings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from seq2seq.section import Section

# Keys of [tokenizer] by which a tokenizer is trained, or given: none of them can change the start model's.
TRAINED_BY = ("kind", "joint", "byte_fallback", "normalisation", "source_model", "target_model")
EXTENDED_BY = ("vocabulary_size", "symbols", "character_coverage", "sample_pairs")  # keys that an extension reads, too


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
    source_vectors: str = Field(
        "", description="word vectors (word2vec's text format, .gz too) that the source embedding begins with"
    )
    target_vectors: str = Field("", description="the same for the target embedding")
    freeze: list[str] = Field(
        default_factory=list,
        description="parts or parameters (patterns as encoder.* too) that keep their first values",
    )

    @model_validator(mode="after")
    def _idle_start(self) -> Self:
        if not self.start:
            self.refuse_idle(["start_parts", "start_decay", "start_average"], "without start")
        return self
