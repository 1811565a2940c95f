"""Label-smoothed cross-entropy, as a sum in nats beside the number of tokens, so that no mean of means arises."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.nn.copying import CopyTerms
from seq2seq.nn.kernels.cross_entropy import linear_cross_entropy
from seq2seq.nn.kernels.precision import product_dtype

LEAST_WEIGHT = 1e-30  # its inverse, a gradient, still fits into float32


class Loss(NamedTuple):
    """Sums over real target tokens, the end of sentence included.

    It is a tuple, so that wrappers of modules find the tensors in it.
    """

    total: Tensor  # nats, label-smoothed; training minimises it
    nll: Tensor  # nats, not smoothed; perplexity is computed from it
    tokens: Tensor  # number of tokens
    log_probs: Tensor  # [tokens], nats, not smoothed: of each token, in the order of the batch; nll is minus their sum
    alignment: Tensor | None = None  # nats, of the attention against given links, not weighted; None without a guide


class Guide(NamedTuple):
    """Where the steps of a batch are to look: for each piece of a linked word, evenly at the pieces linked to it."""

    places: Tensor  # [links, 3]: the sentence in the batch, the step that predicts the target piece, the source piece
    shares: Tensor  # [links]: the share of the step's attention; those of one step sum to 1

    def to(self, device: torch.device) -> "Guide":
        """Return a copy of the guide on another device."""
        return Guide(self.places.to(device), self.shares.to(device))


def cross_entropy(
    outputs: Float[Tensor, "tokens output_dim"],
    weight: Float[Tensor, "vocabulary output_dim"],
    bias: Float[Tensor, " vocabulary"],
    targets: Int[Tensor, " tokens"],
    smoothing: float,
    copied: CopyTerms | None = None,
) -> Loss:
    """Return -Σ_t Σ_v q_v log p(v), with q = (1 - ε) onehot + ε / V and ε = `smoothing`.

    Szegedy et al. (2016), section 7. With `copied`, terms of the targets [tokens], the likelihood of the target is that
    of the mixture, and the smoothing is that of the vocabulary: -Σ_t [(1 - ε) log p_mixture(target) + ε / V Σ_v
    log p_vocabulary(v)]. Smoothing of the mixture would charge a sure pointer for each piece of the vocabulary, and so
    keep g below 1.

    Pass real positions only: padding is not recognised. Under autocast to bfloat16 on a CPU, the products are in
    bfloat16; fp16 could not hold the sums in the gradients, and GPUs were not measured.
    """
    asked = product_dtype(weight)
    dtype = asked if outputs.device.type == "cpu" and asked == torch.bfloat16 else weight.dtype
    with torch.autocast(outputs.device.type, enabled=False):
        odds = None if copied is None else copied.log_odds.to(weight.dtype)
        total, nll, log_probs = linear_cross_entropy(
            outputs.to(weight.dtype), weight, bias, targets, smoothing, dtype, odds
        )
        log_probs = log_probs[:, 0]
        if copied is not None:
            kept = copied.log_kept.sum()
            total, nll = total - (1 - smoothing) * kept, nll - kept.detach()
            log_probs = log_probs + copied.log_kept.detach()
    return Loss(total, nll, torch.tensor(targets.shape[0], device=outputs.device), log_probs)


def repetition(weights: Float[Tensor, "batch target source"], real: Bool[Tensor, "batch target"]) -> Tensor:
    """Return Σ_t Σ_i min(α_ti, c_ti) over real target positions, where c_ti = Σ_{t' < t} α_t'i.

    This is the coverage loss of See et al. (2017), equation 12: how much attention went to source positions that
    earlier steps had attended to. It is a sum, as the cross-entropy is.
    """
    before = weights.cumsum(dim=1) - weights
    return torch.minimum(weights, before).sum(dim=-1)[real].sum()


def misalignment(weights: Float[Tensor, "batch target source"], guide: Guide) -> Tensor:
    """Return -Σ_t Σ_i q_ti log α_ti over the steps that the guide speaks of, where q_ti is the share that it gives.

    This is the loss of Chen et al. (2016), "Guided alignment training for topic-aware neural machine translation", in
    its form as a cross-entropy. It is a sum, as the main loss is. A weight of exactly 0, as of sparsemax or outside of
    a window, counts as LEAST_WEIGHT and has no gradient.
    """
    sentences, steps, sources = guide.places.unbind(1)
    found = weights[sentences, steps, sources].clamp(min=LEAST_WEIGHT)
    return -(guide.shares.to(found.dtype) * found.log()).sum()
