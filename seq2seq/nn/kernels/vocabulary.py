"""Log-probabilities of a whole vocabulary, in blocks that stay in a processor's cache."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

BLOCK = 1 << 19  # numbers passed over several times: 2 MiB of float32


def token_log_probs(layer: nn.Module, outputs: Float[Tensor, "*rows output_dim"]) -> Float[Tensor, "*rows vocabulary"]:
    """Return the log softmax of what the output layer makes of each row, in nats.

    Without gradients on a CPU, where a search asks for it step by step, the softmax is made in place, block by block.
    """
    if torch.is_grad_enabled() or outputs.device.type != "cpu" or torch.onnx.is_in_onnx_export():
        plain: Tensor = layer(outputs)
        return plain.log_softmax(dim=-1)
    logits: Tensor = layer(outputs.flatten(0, -2))
    size = max(1, BLOCK // logits.shape[1])
    for start in range(0, len(logits), size):
        block = logits[start : start + size]
        torch.log_softmax(block, dim=-1, out=block)
    return logits.view(*outputs.shape[:-1], logits.shape[1])
