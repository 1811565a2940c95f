"""What a step asks of torch, counted and not timed: operators, allocations, their bytes, and the peak of what lives.

Deterministic, so that CI can hold on to it: keys projected anew at every step, one more copy of the logits, or one more
operator inside a loop raises a count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from seq2seq.batching import make_batch, source_batch
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.model import Seq2Seq, initialise
from seq2seq.search.beam import beam_search
from seq2seq.search.stepping import Step

COUNTS = Path(__file__).resolve().parents[2] / "tests" / "operator_counts.json"
WIRINGS = {"luong": ("luong", False), "luong, input feeding": ("luong", True), "bahdanau": ("bahdanau", False)}
SCORES = ("additive", "multiplicative")
SENTENCES, SOURCE, VOCABULARY = 6, 9, 211
SHORT, LONG = 8, 16  # target positions; what the longer takes more than the shorter is the loop's own


def write_counts() -> None:
    """Make the counts of today those that tests/test_counts.py allows no more than."""
    COUNTS.write_text(json.dumps(all_counts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def all_counts() -> dict[str, dict[str, int]]:
    """Of a training step and of a beam search, by score function and wiring."""
    found = {}
    for score in SCORES:
        for name, wiring in WIRINGS.items():
            model = tiny(score, wiring)
            found[f"training, {score}, {name}"] = counted(lambda length, model=model: train(model, length))
            found[f"search, {score}, {name}"] = counted(lambda length, model=model: search(model, length))
    return found


def tiny(score: str, wiring: tuple[str, bool]) -> Seq2Seq:
    """The reference model in small: what is counted does not depend on the sizes, and bytes do in proportion."""
    model = Seq2Seq(
        source_vocabulary=VOCABULARY,
        target_vocabulary=VOCABULARY,
        cell="lstm",
        score=score,
        window="none",
        window_size=10,
        normalisation="softmax",
        heads=1,
        wiring=wiring[0],
        input_feeding=wiring[1],
        embedding_dim=16,
        encoder_dim=16,
        decoder_dim=32,
        attention_dim=32,
        output_dim=32,
        encoder_layers=1,
        decoder_layers=1,
        bidirectional=True,
        residual=False,
        layer_norm=False,
        tie="none",
        dropout_embedding=0.3,
        dropout_layer=0.3,
        dropout_output=0.3,
        variational=False,
    )
    initialise(model, 1)
    return model


def train(model: Seq2Seq, length: int) -> None:
    """Loss and gradients of one batch."""
    model.train()
    batch = make_batch([[5] * (SOURCE - 1)] * SENTENCES, [[7] * (length - 1)] * SENTENCES)
    model(*batch.tensors(), 0.1, 0.0).total.backward()
    model.zero_grad()


@torch.inference_mode()
def search(model: Seq2Seq, length: int) -> None:
    """Beam search with 5 slots that ends nowhere before its length."""
    model.eval()
    state = model.start(*source_batch([[5] * (SOURCE - 1)] * SENTENCES))

    def step(tokens: torch.Tensor, state: DecoderState) -> Step[DecoderState]:
        log_probs, output = model.step(tokens, state)
        return Step(log_probs, output.weights, output.state)

    limits = {"max_lengths": [length] * SENTENCES, "min_lengths": [length - 1] * SENTENCES}
    beam_search(step, state, sentences=SENTENCES, beam_size=5, bos=2, eos=3, nbest=5, **limits)


def counted(work: Callable[[int], None]) -> dict[str, int]:
    """Counts at the longer length, and the operators of one position; on one thread, once it has run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        work(SHORT)
        short, long = _profiled(lambda: work(SHORT)), _profiled(lambda: work(LONG))
    finally:
        torch.set_num_threads(threads)
    return {**long, "operators_per_position": -((short["operators"] - long["operators"]) // (LONG - SHORT))}


def _profiled(work: Callable[[], None]) -> dict[str, int]:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    sizes, operators, live, peak = [], 0, 0, 0
    for event in found.profiler.kineto_results.events():
        operators += event.name().startswith("aten::")
        if event.name() == "[memory]":
            sizes.append(event.nbytes())
            live += sizes[-1]
            peak = max(peak, live)
    made = [size for size in sizes if size > 0]
    return {"operators": operators, "allocations": len(made), "bytes": sum(made), "peak_bytes": peak}
