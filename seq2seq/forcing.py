"""Teacher forcing: what networks say of given targets, in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from seq2seq.batching import Batch, make_batch
from seq2seq.budget import cut_by_budget
from seq2seq.errors import Seq2SeqError
from seq2seq.nn.masking import length_mask
from seq2seq.nn.model import Seq2Seq
from seq2seq.translation import BATCH_TOKENS


def forced_batches(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Batch]]:
    """Pairs of ids without specials, of similar length and within the budget: their places, and the batch.

    Those whose source is blank are left out; nothing can be attended to there.
    """
    lengths = [max(pair) for pair in zip(map(len, sources), map(len, targets), strict=True)]
    order = sorted((row for row, source in enumerate(sources) if source), key=lengths.__getitem__)
    for rows in cut_by_budget(order, lengths, BATCH_TOKENS):
        yield rows, make_batch([sources[row] for row in rows], [targets[row] for row in rows])


def force(networks: Sequence[Seq2Seq], batch: Batch) -> list[list[float]]:
    """Log-probabilities of the targets, a list a pair, the end as the last: of the networks' mean probabilities."""
    real = length_mask(batch.target_lengths, batch.target_output.shape[1])
    wanted = batch.target_output[real]
    found = []
    for network in networks:
        outputs = network.force(batch.source, batch.source_lengths, batch.target_input).outputs[real]
        # In slices: all logits at once would be by far the largest tensor.
        slices = zip(torch.split(outputs, 1024), torch.split(wanted, 1024), strict=True)
        found.append(torch.cat([_log_probs(network, *part) for part in slices]))
    mean = torch.stack(found).logsumexp(0) - math.log(len(found))  # of probabilities, as Ensemble takes it
    refuse_nan(mean)
    return [part.tolist() for part in torch.split(mean, batch.target_lengths.tolist())]


def attend(networks: Sequence[Seq2Seq], batch: Batch) -> list[Tensor]:
    """Attention over the targets, [target, source] a pair with both ends, on the CPU: the networks' mean weights."""
    inputs = (batch.source, batch.source_lengths, batch.target_input)
    mean = torch.stack([network.force(*inputs).weights for network in networks]).mean(0).cpu()
    refuse_nan(mean)
    lengths = zip(batch.target_lengths.tolist(), batch.source_lengths.tolist(), strict=True)
    return [weights[:target, :source].clone() for weights, (target, source) in zip(mean, lengths, strict=True)]


def refuse_nan(numbers: Tensor) -> None:
    """Raise Seq2SeqError, as a search does, where a model answers with no numbers. Finite weights can overflow."""
    if not numbers.isfinite().all():
        raise Seq2SeqError("the model answered NaN: its parameters are damaged, or its training diverged")


def _log_probs(network: Seq2Seq, outputs: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability [positions] of each token, from what the output layer reads [positions, output_dim]."""
    logits: Tensor = network.output_layer(outputs)
    return logits.log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0]


@contextmanager
def evaluating(networks: Sequence[Seq2Seq]) -> Iterator[None]:
    """No dropout and no gradients inside; afterwards every network is as it was."""
    training = [network.training for network in networks]
    try:
        for network in networks:
            network.eval()
        with torch.inference_mode():
            yield
    finally:
        for network, was in zip(networks, training, strict=True):
            network.train(was)
