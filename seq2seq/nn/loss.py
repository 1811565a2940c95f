"""Label-smoothed cross-entropy, as a sum in nats beside the number of tokens: never a mean of means."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.nn.kernels.cross_entropy import linear_cross_entropy
from seq2seq.nn.kernels.precision import product_dtype


class Loss(NamedTuple):
    """Sums over real target tokens, the end included. A tuple, so that wrappers of modules see the tensors."""

    total: Tensor  # nats, label-smoothed: what is minimised
    nll: Tensor  # nats, not smoothed: what perplexity is made of
    tokens: Tensor  # how many


def cross_entropy(
    outputs: Float[Tensor, "tokens output_dim"],
    weight: Float[Tensor, "vocabulary output_dim"],
    bias: Float[Tensor, " vocabulary"],
    targets: Int[Tensor, " tokens"],
    smoothing: float,
) -> Loss:
    """-Σ_t Σ_v q_v log p(v), with q = (1 - ε) onehot + ε / V. Szegedy et al. (2016), section 7.

    Give it real positions only; it knows no padding. Under autocast to bfloat16 a CPU makes the products of that; fp16
    could not hold the sums in the gradients, and on GPUs it was not measured.
    """
    asked = product_dtype(weight)
    dtype = asked if outputs.device.type == "cpu" and asked == torch.bfloat16 else weight.dtype
    with torch.autocast(outputs.device.type, enabled=False):
        total, nll = linear_cross_entropy(outputs.to(weight.dtype), weight, bias, targets, smoothing, dtype)
    return Loss(total, nll, torch.tensor(targets.shape[0], device=outputs.device))


def repetition(weights: Float[Tensor, "batch target source"], real: Bool[Tensor, "batch target"]) -> Tensor:
    """Σ_t Σ_i min(α_ti, c_ti), c_ti = Σ_{t' < t} α_t'i, over real target positions. See et al. (2017), equation 12.

    How much of the attention went where earlier steps had looked; a sum, as the cross-entropy is.
    """
    before = weights.cumsum(dim=1) - weights
    return torch.minimum(weights, before).sum(dim=-1)[real].sum()
