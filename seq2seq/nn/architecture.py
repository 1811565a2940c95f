"""The description of a network: its mechanisms by name, its sizes, and its dropout rates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Everything a network is built from: the keys of the config's [model] section, and the sizes of the vocabularies.

    There are no defaults here: the config has them. An output layer that shares the weights of an embedding (`tie`)
    needs output_dim = embedding_dim.
    """

    source_vocabulary: int  # pieces, special ones included
    target_vocabulary: int
    cell: str
    score: str
    window: str
    window_size: int
    normalisation: str
    heads: int
    wiring: str
    input_feeding: bool
    embedding_dim: int
    encoder_dim: int  # per direction
    decoder_dim: int
    attention_dim: int
    output_dim: int
    encoder_layers: int
    decoder_layers: int
    bidirectional: bool
    residual: bool
    layer_norm: bool
    tie: str
    copy: bool
    dropout_embedding: float
    dropout_layer: float
    dropout_output: float
    variational: bool

    @property
    def key_dim(self) -> int:
        """The units of an encoder state, those of both directions together."""
        return self.encoder_dim * (2 if self.bidirectional else 1)
