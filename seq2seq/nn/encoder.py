"""The encoder: embedded source tokens in, one state per token out."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.masking import length_mask
from seq2seq.nn.recurrent import SourceLayer


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """The states of all source tokens, and the top layer's outputs at each direction's last token, side by side."""

    states: Float[Tensor, "batch source key_dim"]
    final: Float[Tensor, "batch key_dim"]
    mask: Bool[Tensor, "batch source"]


class Encoder(nn.Module):
    """Recurrent layers, each reading the one below, with optional residual connections and layer normalisation."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.output_dim = architecture.key_dim
        sizes = [architecture.embedding_dim] + [self.output_dim] * (architecture.encoder_layers - 1)
        cell, dim, bidirectional = architecture.cell, architecture.encoder_dim, architecture.bidirectional
        self.layers = nn.ModuleList(SourceLayer(cell, size, dim, bidirectional) for size in sizes)
        norm = nn.LayerNorm if architecture.layer_norm else nn.Identity
        self.norms = nn.ModuleList(norm(self.output_dim) for _ in sizes)
        self.residual = architecture.residual
        self.dropout = SequenceDropout(architecture.dropout_layer, architecture.variational)

    def forward(
        self, embedded: Float[Tensor, "batch source input_dim"], lengths: Int[Tensor, " batch"]
    ) -> EncoderOutput:
        """Encode the sentences; the contents of padded positions have no influence."""
        mask = length_mask(lengths, embedded.shape[1])
        inputs, final = embedded, embedded.new_zeros(())
        for depth, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            outputs, final = layer(inputs, mask)
            outputs = self.dropout(norm(outputs))
            inputs = outputs + inputs if self.residual and depth else outputs
        return EncoderOutput(states=inputs, final=final, mask=mask)
