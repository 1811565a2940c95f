"""Copying: a pointer into the source by the attention weights, beside the vocabulary. See et al. (2017), section 2.2.

p(w) = (1 - g m) p_vocabulary(w) + g Σ α_i [x_i = w], over the source positions i that can be copied, whose weights sum
to m. Where m = 1 this is the paper's equation 9. The special pieces of the source (its end, unknown pieces, padding)
cannot be copied: attention rests on the end where nothing fits, and to copy it would end the translation. What lies on
them stays with the vocabulary, and so does what a window's factor takes from the weights, so that p always sums to 1.

g = σ(w · [s; c; y] + b), equation 8, whose p_gen is 1 - g here. All three of the paper's inputs are read: the state s
and the context c know whether a name is due, and the embedded input y whether the piece before was part of one, which
the attentional state of some wirings cannot say.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.decoder import DecoderOutput

FIRST_ORDINARY = 4  # least id that is no special piece, in every vocabulary (text/special_tokens.py; a test compares)


class CopyTerms(NamedTuple):
    """The two terms that make p of wanted tokens: log p = logaddexp(log_kept + log p_vocabulary, log_copied)."""

    log_kept: Float[Tensor, "..."]  # log(1 - g m)
    log_copied: Float[Tensor, "..."]  # log of g Σ α over the positions of the token; -inf where there are none

    @property
    def log_odds(self) -> Float[Tensor, "..."]:
        """The log of what is copied, as a multiple of what the vocabulary keeps."""
        return self.log_copied - self.log_kept


def copyable_pieces(source: Int[Tensor, "batch source"]) -> Int[Tensor, "batch source"]:
    """Return the pieces of a source, -1 at the positions that cannot be copied."""
    return source.masked_fill(source < FIRST_ORDINARY, -1)


def copy_terms(output: DecoderOutput, targets: Int[Tensor, "batch target"]) -> CopyTerms:
    """Return the terms [batch, target] of known targets, with gradients, in single precision or better."""
    gate, weights, pieces = _parts(output)
    weights, gate = _wide(weights), _wide(gate).squeeze(-1)
    least = torch.finfo(weights.dtype).tiny
    wanted = weights.masked_fill(pieces[:, None] != targets[:, :, None], 0).sum(dim=-1)
    there = wanted >= least  # the gradient of the log of less would be infinite
    copied = F.logsigmoid(gate) + torch.where(there, wanted, 1.0).log()
    kept = _log_kept(gate, weights.masked_fill((pieces < 0)[:, None], 0).sum(dim=-1))
    return CopyTerms(kept, torch.where(there, copied, -torch.inf))


def copied_weights(output: DecoderOutput) -> Float[Tensor, "batch target source"] | None:
    """Return the probability g α_i with which each source position is copied; None for a model that does not copy."""
    if output.gate is None:
        return None
    gate, weights, pieces = _parts(output)
    return torch.sigmoid(_wide(gate)) * _wide(weights).masked_fill((pieces < 0)[:, None], 0)


def add_copies(
    log_probs: Float[Tensor, "*slots width"],
    output: DecoderOutput,
    columns: Int[Tensor, "sentences source"],
    slots: Slots,
) -> Float[Tensor, "*slots width"]:
    """Return the log-probabilities of the vocabulary mixed with the copies, for a search.

    columns: the column of log_probs to which each source position belongs, -1 where it cannot be copied. log_probs are
    [sentences, beam, width], or, where `slots` has empty slots, one row per occupied slot.
    """
    gate, weights, _ = _parts(output)
    if slots.occupied is None:
        places = columns[:, None].expand_as(weights)
    else:
        gate, weights = slots.rows(gate), slots.rows(weights)
        places = columns.index_select(0, slots.owners(columns.device))
    gate, weights = _wide(gate), _wide(weights).masked_fill(places < 0, 0)
    places = places.clamp(min=0)  # a weight of 0 may go to any column
    kept = _log_kept(gate, weights.sum(dim=-1, keepdim=True)).clamp(max=0)  # rounding may exceed 0
    # Summed by column, so that all positions of a piece write the same number.
    sums = torch.zeros_like(log_probs, dtype=weights.dtype).scatter_add(-1, places, weights).gather(-1, places)
    mixed = _logaddexp(log_probs.gather(-1, places) + kept, F.logsigmoid(gate) + sums.log())
    return (log_probs + kept).scatter(-1, places, mixed.clamp(max=0))


def narrow_columns(
    pieces: Int[Tensor, "sentences source"], tokens: Int[Tensor, "sentences width"]
) -> Int[Tensor, "sentences source"]:
    """Return the column of each source piece among its sentence's tokens (ascending, padded with -1); -1: not there."""
    ascending = tokens.masked_fill(tokens < 0, torch.iinfo(tokens.dtype).max)
    columns = torch.searchsorted(ascending, pieces).clamp(max=tokens.shape[1] - 1)
    return columns.masked_fill((ascending.gather(1, columns) != pieces) | (pieces < 0), -1)


def _parts(output: DecoderOutput) -> tuple[Tensor, Tensor, Tensor]:
    """Return gate, weights and copyable pieces. Raises ValueError where the decoder or the state has none."""
    pieces = output.state.memory.pieces
    if output.gate is None or pieces is None:
        raise ValueError("copying needs a wiring that gives a gate, and a state that a model with copying began")
    return output.gate, output.weights, pieces


def _wide(numbers: Tensor) -> Tensor:
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def _log_kept(gate: Float[Tensor, "..."], mass: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return log(1 - g m) = log(1 - g + g (1 - m)), which neither a sure gate nor rounding of m makes -inf."""
    rest = (1 - mass).clamp(min=torch.finfo(mass.dtype).tiny)
    return _logaddexp(F.logsigmoid(-gate), F.logsigmoid(gate) + rest.log())


def _logaddexp(first: Tensor, second: Tensor) -> Tensor:
    """Return log(exp a + exp b) for finite a; ONNX has no operator for it."""
    if not torch.onnx.is_in_onnx_export():
        return torch.logaddexp(first, second)
    return torch.maximum(first, second) + (1 + (-(first - second).abs()).exp()).log()
