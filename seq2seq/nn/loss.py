"""Label-smoothed cross-entropy, as a sum in nats beside the number of tokens, so that no mean of means arises."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.nn.kernels.cross_entropy import linear_cross_entropy
from seq2seq.nn.kernels.precision import product_dtype


class Loss(NamedTuple):
    """Sums over real target tokens, the end of sentence included.

    It is a tuple, so that wrappers of modules find the tensors in it.
    """

    total: Tensor  # nats, label-smoothed; training minimises it
    nll: Tensor  # nats, not smoothed; perplexity is computed from it
    tokens: Tensor  # number of tokens
    log_probs: Tensor  # [tokens], nats, not smoothed: of each token, in the order of the batch; nll is minus their sum


def cross_entropy(
    outputs: Float[Tensor, "tokens output_dim"],
    weight: Float[Tensor, "vocabulary output_dim"],
    bias: Float[Tensor, " vocabulary"],
    targets: Int[Tensor, " tokens"],
    smoothing: float,
) -> Loss:
    """Return -Σ_t Σ_v q_v log p(v), with q = (1 - ε) onehot + ε / V and ε = `smoothing`.

    Szegedy et al. (2016), section 7. Pass real positions only: padding is not recognised. Under autocast to bfloat16 on
    a CPU, the products are in bfloat16; fp16 could not hold the sums in the gradients, and GPUs were not measured.
    """
    asked = product_dtype(weight)
    dtype = asked if outputs.device.type == "cpu" and asked == torch.bfloat16 else weight.dtype
    with torch.autocast(outputs.device.type, enabled=False):
        total, nll, log_probs = linear_cross_entropy(outputs.to(weight.dtype), weight, bias, targets, smoothing, dtype)
    return Loss(total, nll, torch.tensor(targets.shape[0], device=outputs.device), log_probs[:, 0])


def repetition(weights: Float[Tensor, "batch target source"], real: Bool[Tensor, "batch target"]) -> Tensor:
    """Return Σ_t Σ_i min(α_ti, c_ti) over real target positions, where c_ti = Σ_{t' < t} α_t'i.

    This is the coverage loss of See et al. (2017), equation 12: how much attention went to source positions that
    earlier steps had attended to. It is a sum, as the cross-entropy is.
    """
    before = weights.cumsum(dim=1) - weights
    return torch.minimum(weights, before).sum(dim=-1)[real].sum()
