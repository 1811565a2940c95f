"""The whole network: embeddings, encoder, decoder, output layer."""

from collections.abc import Collection
from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.attention import make_attention
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.copying import CopyTerms, add_copies, copy_terms, copyable_pieces
from seq2seq.nn.decoder import DECODERS, DecoderOutput, DecoderState, decoder_class
from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.kernels.vocabulary import token_log_probs
from seq2seq.nn.loss import Guide, Loss, cross_entropy, misalignment, repetition
from seq2seq.nn.masking import length_mask
from seq2seq.nn.narrow_output import NarrowOutput, NarrowState
from seq2seq.nn.normalisation import NORMALISATIONS
from seq2seq.nn.override import Override
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS


def mechanisms() -> dict[str, Collection[str]]:
    """Return the names now registered for each choice of an architecture: score, window, normalisation and wiring."""
    wirings = dict.fromkeys(name for name, _ in DECODERS)
    return {"score": SCORE_FUNCTIONS, "window": WINDOWS, "normalisation": NORMALISATIONS, "wiring": wirings}


class Seq2Seq(nn.Module):
    """The network, which models p(target | source) token by token."""

    def __init__(self, architecture: Architecture) -> None:
        """Make the network. Raises ValueError for mechanisms and sizes that do not fit together."""
        super().__init__()
        if architecture.copy and architecture.source_vocabulary != architecture.target_vocabulary:
            raise ValueError("copying needs one vocabulary for source and target")
        self.architecture = architecture
        embedding_dim, target_vocabulary = architecture.embedding_dim, architecture.target_vocabulary
        self.encoder = Encoder(architecture)
        self.decoder = decoder_class(architecture)(architecture, make_attention(architecture))
        self.source_embedding = nn.Embedding(architecture.source_vocabulary, embedding_dim)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding_dim)
        self.output_layer = nn.Linear(architecture.output_dim, target_vocabulary)
        if architecture.tie != "none":
            self.output_layer.weight = self.target_embedding.weight
        if architecture.tie == "all":
            self.source_embedding.weight = self.target_embedding.weight
        self.embedding_dropout = SequenceDropout(architecture.dropout_embedding, architecture.variational)
        self.output_dropout = SequenceDropout(architecture.dropout_output, architecture.variational)

    def start(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> DecoderState:
        """Encode the source; return the state from which a target begins, with one beam slot."""
        embedded = self.embedding_dropout(self.source_embedding(source))
        state = self.decoder.start(self.encoder(embedded, lengths))
        if not self.architecture.copy:
            return state
        return replace(state, memory=replace(state.memory, pieces=copyable_pieces(source)))

    def with_override(self, state: DecoderState, override: Override) -> DecoderState:
        """Return a state before the first token, from which the steps attend as the override says."""
        memory = replace(state.memory, override=override)
        return replace(state, memory=memory, past=self.decoder.attention.begin(memory))

    def step(
        self, tokens: Int[Tensor, "sentences beam"], state: DecoderState, slots: Slots | None = None
    ) -> tuple[Float[Tensor, "*slots vocabulary"], DecoderOutput]:
        """Return the log-probabilities (nats) of the next token of each hypothesis, given its last token.

        They are [sentences, beam, vocabulary], or, where `slots` has empty slots, one row per occupied slot.
        """
        slots, output = self._decode(tokens, state, slots)
        rows = output.outputs if slots.occupied is None else slots.rows(output.outputs)
        log_probs = token_log_probs(self.output_layer, rows)
        if (pieces := state.memory.pieces) is not None:
            log_probs = add_copies(log_probs, output, pieces, slots)
        return log_probs, output

    def _decode(
        self, tokens: Int[Tensor, "sentences beam"], state: DecoderState, slots: Slots | None
    ) -> tuple[Slots, DecoderOutput]:
        slots = Slots(tokens.shape[0], tokens.shape[1]) if slots is None else slots
        return slots, self.decoder.step(self.target_embedding(slots.rows(tokens)), state, slots)

    def narrow(self, state: DecoderState, tokens: Int[Tensor, "batch width"]) -> NarrowState:
        """Return a state from which each sentence continues with its own row of `tokens` alone, padded with -1.

        A source piece that is not among them cannot be copied, and its attention stays with the vocabulary.
        """
        return NarrowState(state, NarrowOutput.of(self.output_layer, tokens, state.memory.pieces))

    def narrow_step(
        self, tokens: Int[Tensor, "sentences beam"], state: NarrowState, slots: Slots | None = None
    ) -> tuple[Float[Tensor, "*slots width"], DecoderOutput]:
        """Do what `step` does with each sentence's own tokens alone, over which the probabilities are normalised."""
        slots, output = self._decode(tokens, state.state, slots)
        log_probs = state.output.log_probs(output.outputs, slots)
        if (copied := state.output.copied) is not None:
            log_probs = add_copies(log_probs, output, copied, slots)
        return log_probs, output

    def force(
        self,
        source: Int[Tensor, "batch source"],
        source_lengths: Int[Tensor, " batch"],
        target_input: Int[Tensor, "batch target"],
    ) -> DecoderOutput:
        """Decode known targets (teacher forcing); return the output layer's inputs and the weights of all positions."""
        return self.force_on(target_input, self.start(source, source_lengths))

    def force_on(self, target_input: Int[Tensor, "batch target"], state: DecoderState) -> DecoderOutput:
        """Continue teacher forcing with further target tokens, from a state with one beam slot."""
        output: DecoderOutput = self.decoder(self.embedding_dropout(self.target_embedding(target_input)), state)
        return output

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        source_lengths: Int[Tensor, " batch"],
        target_input: Int[Tensor, "batch target"],
        target_output: Int[Tensor, "batch target"],
        target_lengths: Int[Tensor, " batch"],
        smoothing: float = 0.0,
        coverage_loss: float = 0.0,
        guide: Guide | None = None,
        guide_weight: float = 0.0,
    ) -> Loss:
        """Return the loss over the real target positions; padding reaches neither the output layer nor the sums.

        With copying it is the loss of the mixture, whose smoothing is that of its vocabulary part (`cross_entropy`).
        coverage_loss: weight λ of the loss for repeated attention (`repetition`), which is part of `total` alone.
        guide_weight: that of the loss for attention elsewhere than the guide says (`misalignment`), part of it too.
        """
        forced = self.force(source, source_lengths, target_input)
        outputs, real = self.output_dropout(forced.outputs), length_mask(target_lengths, target_input.shape[1])
        layer, padded = self.output_layer, not bool(real.all())  # often False: batches are sorted by length
        outputs, wanted = (part[real] if padded else part.flatten(0, 1) for part in (outputs, target_output))
        terms = None
        if self.architecture.copy:
            terms = copy_terms(forced, target_output)
            terms = CopyTerms(*(term[real] if padded else term.flatten() for term in terms))
        loss = cross_entropy(outputs, layer.weight, layer.bias, wanted, smoothing, terms)
        if coverage_loss:
            loss = loss._replace(total=loss.total + coverage_loss * repetition(forced.weights, real))
        if guide is not None:
            alignment = misalignment(forced.weights, guide)
            loss = loss._replace(total=loss.total + guide_weight * alignment, alignment=alignment.detach())
        return loss
