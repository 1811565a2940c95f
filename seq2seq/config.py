"""The keys that can be set, each with its meaning, unit and default. A config is read from TOML and saved as JSON.

Keys are strict: an unknown key, a wrong type, or a key that would change nothing in the given combination is refused.
What depends on the network's mechanisms is checked when the network is built (checkpoint/model.py).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seq2seq.bounds import (
    LARGEST_ALPHA,
    LARGEST_BEAM,
    LARGEST_COUNT,
    LARGEST_LENGTH_OFFSET,
    LARGEST_LENGTH_RATIO,
    LARGEST_MIN_LENGTH,
)
from seq2seq.data_config import CorpusConfig, DataConfig
from seq2seq.section import Section
from seq2seq.start_config import StartConfig

__all__ = [
    "MOST_PIECES",
    "Config",
    "CorpusConfig",
    "DataConfig",
    "ModelConfig",
    "SearchConfig",
    "TokenizerConfig",
    "TrainingConfig",
]

MOST_PIECES = 1_000_000  # largest size of a vocabulary


class TokenizerConfig(Section):
    """SentencePiece, trained within the run on the training text, or given as files."""

    kind: Literal["unigram", "bpe", "char", "word"] = Field("bpe", description="how text is cut into pieces")
    vocabulary_size: int = Field(
        8000, ge=8, le=MOST_PIECES, description="pieces, special ones included; fewer if the text has fewer"
    )
    joint: bool = Field(True, description="one vocabulary for both sides (true) or one a side (false)")
    byte_fallback: bool = Field(False, description="spell unknown characters as UTF-8 bytes; unigram and bpe only")
    character_coverage: float = Field(
        1.0, ge=0.98, le=1, description="share of the text's characters kept in the vocabulary"
    )
    normalisation: Literal["nfc", "nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"] = Field(
        "nfc",
        description="what is done to text before it is cut; nfc: letters composed, every Unicode space a plain one, "
        "signs kept; else SentencePiece's own rule of that name",
    )
    sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="subword regularisation in training: BPE-dropout rate, or the unigram model's smoothing; 0: off",
    )
    symbols: list[str] = Field(default_factory=list, description="strings that always stay one piece")
    sample_pairs: int = Field(
        100000, ge=1, description="streaming: pairs, drawn at random from all, that the tokenizer is trained on"
    )
    source_model: str | None = Field(None, description="a trained SentencePiece model to use for the source")
    target_model: str | None = Field(None, description="the same for the target; leave out for one joint model")
    extend: bool = Field(False, description="add pieces of the new text to the tokenizer of training.start's model")

    @model_validator(mode="after")
    def _idle(self) -> Self:
        if self.kind in ("char", "word"):
            self.refuse_idle(["byte_fallback", "sampling"], f"with kind = {self.kind!r}; it needs unigram or bpe")
        if self.source_model is None:
            self.refuse_idle(["target_model"], "without source_model")
        else:
            keys = ["vocabulary_size", "byte_fallback", "character_coverage", "normalisation", "symbols"]
            self.refuse_idle([*keys, "sample_pairs", "joint"], "when source_model gives a trained tokenizer")
        return self


class ModelConfig(Section):
    """The network. Score, wiring and cell are independent switches."""

    cell: Literal["lstm", "gru"] = Field("lstm", description="recurrent cell of encoder and decoder")
    score: str = Field("additive", description="attention score function")
    window: str = Field("none", description="part of the source that a step may look at")
    window_size: int = Field(
        10, ge=1, le=LARGEST_COUNT, description="positions that a window shows to either side of its centre"
    )
    normalisation: str = Field("softmax", description="how energies become weights")
    heads: int = Field(1, ge=1, le=1024, description="looks a step, each with a score function of its own")
    wiring: str = Field("luong", description="which state asks, and where the context goes")
    input_feeding: bool = Field(False, description="luong only: feed the attentional state into the next step")
    embedding_dim: int = Field(256, ge=1, le=LARGEST_COUNT, description="units of an embedding")
    encoder_dim: int = Field(256, ge=1, le=LARGEST_COUNT, description="units of the encoder, per direction")
    decoder_dim: int = Field(512, ge=1, le=LARGEST_COUNT, description="units of the decoder")
    attention_dim: int = Field(
        256, ge=1, le=LARGEST_COUNT, description="units inside the score function, where it has any"
    )
    output_dim: int = Field(
        0,
        ge=0,
        le=LARGEST_COUNT,
        description="units that the output layer reads (of the attentional state); 0: as many as an embedding",
    )
    encoder_layers: int = Field(1, ge=1, le=64, description="recurrent layers of the encoder")
    decoder_layers: int = Field(1, ge=1, le=64, description="recurrent layers of the decoder")
    bidirectional: bool = Field(True, description="read the source in both directions")
    residual: bool = Field(False, description="add each layer's input to its output, from the second layer on")
    layer_norm: bool = Field(False, description="layer normalisation of each recurrent layer's output")
    tie: Literal["none", "target", "all"] = Field(
        "target", description="share weights: none, target embedding = output layer, all three (joint vocabulary)"
    )
    copy: bool = Field(  # type: ignore[misc]  # which Section hides for it
        False, description="copy pieces of the source, such as names and numbers, by attention (joint vocabulary)"
    )
    dropout_embedding: float = Field(0.2, ge=0, lt=1, description="dropout on embeddings")
    dropout_layer: float = Field(0.2, ge=0, lt=1, description="dropout on the output of each recurrent layer")
    dropout_output: float = Field(0.2, ge=0, lt=1, description="dropout before the output layer")
    variational: bool = Field(False, description="one dropout mask per sentence, the same at every position (Gal 2016)")

    @property
    def outputs(self) -> int:
        """Number of units that the output layer reads."""
        return self.output_dim or self.embedding_dim

    @model_validator(mode="after")
    def _idle(self) -> Self:
        if self.window == "none":
            self.refuse_idle(["window_size"], "with window = 'none', which shows the whole source")
        if self.encoder_layers == self.decoder_layers == 1:
            self.refuse_idle(["residual"], "with one layer; set encoder_layers or decoder_layers to 2 or more")
        if self.tie != "none" and self.output_dim not in (0, self.embedding_dim):
            raise ValueError(
                f"output_dim = {self.output_dim} needs tie = 'none': an output layer that shares the weights of an "
                f"embedding reads {self.embedding_dim} units"
            )
        if not (self.dropout_embedding or self.dropout_layer or self.dropout_output):
            self.refuse_idle(["variational"], "when every dropout is 0")
        return self


class TrainingConfig(StartConfig):
    """Optimisation, validation and what is kept."""

    seed: int = Field(1, ge=0, description="seed of every random draw")
    optimizer: Literal["adam", "adamw"] = Field("adam", description="optimisation algorithm")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    learning_rate_factors: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="parts of the model that learn at a rate of their own: {name = factor}"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of Adam's first moment")
    beta2: float = Field(0.98, ge=0, lt=1, description="decay of Adam's second moment")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay; adamw only")
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = Field(
        "inverse_sqrt", description="course of the learning rate after warm-up"
    )
    warmup_steps: int = Field(400, ge=0, description="steps of linear warm-up")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: multiply the rate by this")
    plateau_patience: int = Field(2, ge=1, description="plateau: after this many validations without a new best")
    final_rate: float = Field(0.0, ge=0, le=1, description="cosine: rate at step max_steps, as a share of the peak")
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient; 0 switches clipping off")
    batch_tokens: int = Field(
        4096, ge=1, description="tokens of a step, over all processes, padding included, counted on the longer side"
    )
    accumulation: int = Field(
        1,
        ge=1,
        le=1024,
        description="parts of a process's share of a step, computed one after the other; more take less memory",
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="probability spread evenly over the vocabulary")
    coverage_loss: float = Field(
        0.0, ge=0, description="weight of the loss for looking twice at one place (See et al. 2017: 1); 0: off"
    )
    guided_alignment_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the loss for attention elsewhere than data.train.alignment links (Chen et al. 2016); "
        "0: off",
    )
    max_steps: int = Field(10000, ge=1, description="stop after this many steps")
    max_epochs: int = Field(0, ge=0, description="stop after this many passes over the text; 0: no such limit")
    validation_interval: int = Field(0, ge=0, description="steps between validations; 0: after each epoch")
    validation_bleu: bool = Field(True, description="translate the validation text at each validation and score BLEU")
    validation_beam_size: int = Field(1, ge=1, le=LARGEST_BEAM, description="beam of that translation; 1 is greedy")
    validation_tokenize: str = Field(
        "", description="sacreBLEU's tokenizer there; empty: 13a, or one that fits the script of the validation text"
    )
    criterion: Literal["perplexity", "bleu"] = Field(
        "bleu", description="what makes a checkpoint the best; perplexity decides where BLEU is 0 or the same"
    )
    criterion_text: str = Field(
        "", description="label of the validation text that decides; empty: the mean over all of them"
    )
    patience: int = Field(0, ge=0, description="stop after this many validations without a new best; 0: never")
    average: int = Field(
        5, ge=1, le=1000, description="averaged checkpoint: mean of the last this many validations' weights"
    )
    log_interval: int = Field(50, ge=1, description="steps between progress lines")
    trackers: list[str] | None = Field(
        None,
        examples=[["tensorboard"]],
        description="experiment trackers, by name; left out: tensorboard where it is installed, else none",
    )
    mixed_precision: Literal["no", "bf16", "fp16"] = Field(
        "no", description="numbers of the matrix products: bf16 for GPUs and for CPUs with instructions for it"
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 leaves it to torch")

    @model_validator(mode="after")
    def _idle(self) -> Self:
        if self.optimizer != "adamw":
            self.refuse_idle(["weight_decay"], "with optimizer = 'adam'; use 'adamw'")
        if self.schedule != "plateau":
            self.refuse_idle(["plateau_factor", "plateau_patience"], f"with schedule = {self.schedule!r}")
        if self.schedule != "cosine":
            self.refuse_idle(["final_rate"], f"with schedule = {self.schedule!r}")
        if not self.validation_bleu:
            self.refuse_idle(["validation_beam_size", "validation_tokenize"], "without validation_bleu")
            if self.criterion == "bleu":
                raise ValueError("criterion = 'bleu' needs validation_bleu = true; or set criterion = 'perplexity'")
        return self


class SearchConfig(Section):
    """Defaults of the decoder; every command can override them."""

    beam_size: int = Field(5, ge=1, le=LARGEST_BEAM, description="live hypotheses; 1 is greedy search")
    length_penalty: Literal["average", "gnmt", "none"] = Field(
        "average", description="score = log_prob / length, / ((5 + length) / 6) ^ alpha, or log_prob; the end counts"
    )
    length_alpha: float = Field(1.0, ge=0, le=LARGEST_ALPHA, description="exponent of the penalty (average and gnmt)")
    min_length: int = Field(
        0, ge=0, le=LARGEST_MIN_LENGTH, description="fewest pieces of a translation, the end not counted"
    )
    max_length_ratio: float = Field(
        2.0, ge=0, le=LARGEST_LENGTH_RATIO, description="most pieces: this times the source's pieces ..."
    )
    max_length_offset: int = Field(20, ge=1, le=LARGEST_LENGTH_OFFSET, description="... plus this")

    @model_validator(mode="after")
    def _idle(self) -> Self:
        if self.length_penalty == "none":
            self.refuse_idle(["length_alpha"], "with length_penalty = 'none'")
        return self


class Config(Section):
    """All settings of a run."""

    data: DataConfig
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)

    @model_validator(mode="after")
    def _tying(self) -> Self:
        two_models = self.tokenizer.target_model is not None or not self.tokenizer.joint
        if self.model.tie == "all" and two_models:
            raise ValueError("model.tie = 'all' needs one vocabulary; use tokenizer.joint = true or tie = 'target'")
        if self.model.tie == "all" and self.training.source_vectors and self.training.target_vectors:
            raise ValueError(
                "training.target_vectors: with model.tie = 'all' there is one embedding, and training.source_vectors "
                "fills it; give one file with the words of both languages, or set tie = 'target'"
            )
        labels = [text.called for text in self.data.validations]
        if len(labels) == 1:
            _refuse_idle("training", self.training, "criterion_text", "with one text to validate on")
        elif self.training.criterion_text not in ("", *labels):
            raise ValueError(
                f"training.criterion_text = {self.training.criterion_text!r}: no text to validate on is called so; "
                f"allowed: {', '.join(labels)}"
            )
        if self.tokenizer.extend and not self.training.start:
            raise ValueError("tokenizer.extend has no effect without training.start, whose tokenizer it extends")
        if not self.data.linked:
            _refuse_idle("training", self.training, "guided_alignment_weight", "without data.train.alignment")
        if not self.data.streaming:
            _refuse_idle("tokenizer", self.tokenizer, "sample_pairs", "without data.train.streaming = true")
        return self

    @property
    def guided(self) -> bool:
        """Whether attention is to follow word links of the training text."""
        return self.data.linked and self.training.guided_alignment_weight > 0


def _refuse_idle(name: str, section: Section, key: str, reason: str) -> None:
    """Refuse a key by a rule about two sections, whose message has to name the section."""
    try:
        section.refuse_idle([key], reason)
    except ValueError as error:
        raise ValueError(f"{name}.{error}") from None
