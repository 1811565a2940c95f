"""Teacher forcing: log-probabilities and attention of given targets, in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from seq2seq.batching import Batch, make_batch
from seq2seq.errors import Seq2SeqError
from seq2seq.nn.copying import copy_terms
from seq2seq.nn.decoder import DecoderOutput
from seq2seq.nn.masking import length_mask
from seq2seq.nn.model import Seq2Seq
from seq2seq.text.budget import cut_by_budget
from seq2seq.translation.options import BATCH_TOKENS

STRETCH = 256  # positions of a target that are decoded at a time; few sentences are longer


def forced_batches(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Batch]]:
    """Yield batches of pairs of similar length within BATCH_TOKENS, each with the row numbers of its pairs.

    sources, targets: ids without specials. Pairs whose source is blank are left out, as there is nothing to attend to.
    """
    lengths = [max(pair) for pair in zip(map(len, sources), map(len, targets), strict=True)]
    order = sorted((row for row, source in enumerate(sources) if source), key=lengths.__getitem__)
    for rows in cut_by_budget(order, lengths, BATCH_TOKENS):
        yield rows, make_batch([sources[row] for row in rows], [targets[row] for row in rows])


def force(networks: Sequence[Seq2Seq], batch: Batch) -> list[list[float]]:
    """Return the log-probabilities (nats) of each pair's target pieces, the end last, by the mean of the networks."""
    real = length_mask(batch.target_lengths, batch.target_output.shape[1])
    found = torch.zeros(real.shape, dtype=networks[0].output_layer.weight.dtype, device=real.device)
    for stretch, answers in _force_stretches(networks, batch):
        wanted, here = batch.target_output[:, stretch][real[:, stretch]], list[Tensor]()
        for network, answer in zip(networks, answers, strict=True):
            # In slices, because all logits together would be by far the largest tensor.
            outputs = answer.outputs[real[:, stretch]]
            slices = zip(torch.split(outputs, 1024), torch.split(wanted, 1024), strict=True)
            log_probs = torch.cat([_log_probs(network, *part) for part in slices])
            if network.architecture.copy:
                kept, copied = (term[real[:, stretch]] for term in copy_terms(answer, batch.target_output[:, stretch]))
                log_probs = torch.logaddexp(log_probs + kept, copied).clamp(max=0)  # rounding may exceed 0
            here.append(log_probs)
        mean = torch.stack(here).logsumexp(0) - math.log(len(here))  # the mean of probabilities, as in Ensemble
        check_finite(mean)
        found[:, stretch][real[:, stretch]] = mean
    return [row[:length].tolist() for row, length in zip(found, batch.target_lengths.tolist(), strict=True)]


def attend(networks: Sequence[Seq2Seq], batch: Batch) -> list[Tensor]:
    """Return each pair's attention weights [target, source], ends included, on the CPU: the mean of the networks."""
    lengths = list(zip(batch.target_lengths.tolist(), batch.source_lengths.tolist(), strict=True))
    found = [torch.empty(target, source) for target, source in lengths]
    for stretch, answers in _force_stretches(networks, batch):
        mean = torch.stack([answer.weights for answer in answers]).mean(0).cpu()
        check_finite(mean)
        for whole, weights, (target, source) in zip(found, mean, lengths, strict=True):
            whole[stretch] = weights[: max(0, target - stretch.start), :source]
    return found


def _force_stretches(networks: Sequence[Seq2Seq], batch: Batch) -> Iterator[tuple[slice, list[DecoderOutput]]]:
    """Decode the targets one stretch of positions after another; yield the stretch and each network's output for it.

    Attention has a weight for every pair of a target and a source position. For one stretch, memory is linear in the
    length of the source, and the caller decides what to keep of earlier stretches.
    """
    states = [network.start(batch.source, batch.source_lengths) for network in networks]
    for start in range(0, batch.target_input.shape[1], STRETCH):
        inputs = batch.target_input[:, start : start + STRETCH]
        answers = [network.force_on(inputs, state) for network, state in zip(networks, states, strict=True)]
        yield slice(start, start + STRETCH), answers
        states = [answer.state for answer in answers]


def check_finite(numbers: Tensor) -> None:
    """Raise Seq2SeqError, as a search does, for NaN or infinite numbers, which finite weights too can produce."""
    if not numbers.isfinite().all():
        raise Seq2SeqError("the model answered NaN: its parameters are damaged, or its training diverged")


def _log_probs(network: Seq2Seq, outputs: Tensor, tokens: Tensor) -> Tensor:
    """Return the log-probability [positions] of each token, from the output layer's inputs [positions, output_dim]."""
    logits: Tensor = network.output_layer(outputs)
    return logits.log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0]


@contextmanager
def evaluation_mode(networks: Sequence[Seq2Seq]) -> Iterator[None]:
    """Turn dropout and gradients off inside the block, and restore each network's mode afterwards."""
    training = [network.training for network in networks]
    try:
        for network in networks:
            network.eval()
        with torch.inference_mode():
            yield
    finally:
        for network, was in zip(networks, training, strict=True):
            network.train(was)
