"""Counts of what a step requests from torch: operators, allocations, allocated bytes, and the peak of live bytes.

Unlike times, counts are deterministic, so a test can compare them exactly: keys projected again at every step, one more
copy of the logits, or one more operator inside a loop raises a count. Only the requests of this code and of autograd to
torch's dispatcher are counted. Kernels work differently on different processors inside. Which library multiplies also
depends on the processor, so it is set here instead of detected.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seq2seq.batching import make_batch, source_batch
from seq2seq.checkpoint.files import Vocabulary
from seq2seq.checkpoint.model import architecture_of
from seq2seq.config import ModelConfig
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.kernels import products
from seq2seq.nn.model import Seq2Seq
from seq2seq.search.beam import beam_search
from seq2seq.search.stepping import Step

COUNTS = Path(__file__).resolve().parents[2] / "tests" / "operator_counts.json"
WIRINGS = {"luong": ("luong", False), "luong, input feeding": ("luong", True), "bahdanau": ("bahdanau", False)}
SCORES = ("additive", "multiplicative")
KINDS = ("training", "training, products by oneDNN", "search")
SENTENCES, SOURCE, VOCABULARY = 6, 9, 211
SHORT, LONG = 8, 16  # target positions; the difference between the two counts is that of the loop


def write_counts() -> None:
    """Write the present counts to the file with which tests/test_counts.py compares."""
    COUNTS.write_text(json.dumps(all_counts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def all_counts() -> dict[str, dict[str, int]]:
    """Return the counts of training steps and of beam search by kind, score function and wiring."""
    return {
        f"{kind}, {score}, {name}": step_counts(kind, score, name)
        for kind in KINDS
        for score in SCORES
        for name in WIRINGS
    }


def step_counts(kind: str, score: str, wiring: str) -> dict[str, int]:
    """Return the counts of one of KINDS with one of SCORES and one of WIRINGS."""
    model = tiny_model(score, WIRINGS[wiring])
    with float32_products(by_onednn="oneDNN" in kind):
        return count_requests(lambda length: (search if kind == "search" else train)(model, length))


@contextmanager
def float32_products(*, by_onednn: bool) -> Iterator[None]:
    """Run the block as on a CPU where oneDNN computes float32 products, or as on one where it does not."""
    with mock.patch.object(products, "onednn_is_better", return_value=by_onednn):
        yield


def tiny_model(score: str, wiring: tuple[str, bool]) -> Seq2Seq:
    """Return a small version of the reference model: operators do not depend on its sizes, bytes only in proportion."""
    fixed = {"embedding_dim": 16, "encoder_dim": 16, "decoder_dim": 32, "attention_dim": 32, "output_dim": 32}
    fixed |= {"tie": "none", "dropout_embedding": 0.3, "dropout_layer": 0.3, "dropout_output": 0.3}
    settings = ModelConfig(score=score, wiring=wiring[0], input_feeding=wiring[1], **fixed)
    model = Seq2Seq(architecture_of(settings, Vocabulary(source=VOCABULARY, target=VOCABULARY)))
    initialise(model, 1)
    return model


def train(model: Seq2Seq, length: int) -> None:
    """Compute loss and gradients of one batch with targets of this length."""
    model.train()
    batch = make_batch([[5] * (SOURCE - 1)] * SENTENCES, [[7] * (length - 1)] * SENTENCES)
    model(*batch.tensors(), 0.1, 0.0).total.backward()
    model.zero_grad()


@torch.inference_mode()
def search(model: Seq2Seq, length: int) -> None:
    """Run a beam search with 5 slots in which no hypothesis ends before this length."""
    model.eval()
    state = model.start(*source_batch([[5] * (SOURCE - 1)] * SENTENCES))

    def step(tokens: torch.Tensor, state: DecoderState) -> Step[DecoderState]:
        log_probs, output = model.step(tokens, state)
        return Step(log_probs, output.weights, output.state)

    limits = {"max_lengths": [length] * SENTENCES, "min_lengths": [length - 1] * SENTENCES}
    beam_search(step, state, sentences=SENTENCES, beam_size=5, bos=2, eos=3, nbest=5, **limits)


def count_requests(work: Callable[[int], None]) -> dict[str, int]:
    """Return the counts at the longer length and the operators of one position, on one thread, after a warm-up run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        work(SHORT)
        short, long = _count(lambda: work(SHORT)), _count(lambda: work(LONG))
    finally:
        torch.set_num_threads(threads)
    return {**long, "operators_per_position": -((short["operators"] - long["operators"]) // (LONG - SHORT))}


def _count(work: Callable[[], None]) -> dict[str, int]:
    gc.collect()
    gc.disable()  # else objects in reference cycles would be freed at unpredictable times
    try:
        with RequestCounter() as found:
            work()
    finally:
        gc.enable()
    return {
        "operators": found.operators,
        "allocations": found.allocations,
        "bytes": found.bytes,
        "peak_bytes": found.peak_bytes,
    }


class RequestCounter(TorchDispatchMode):
    """A context that counts the operators called within it, and the storages that their results allocate."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = self.allocations = self.bytes = self.peak_bytes = 0
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator and count it; a result that shares an argument's storage is no allocation."""
        results = func(*args, **(kwargs or {}))
        self.operators += 1
        given = {
            tensor.untyped_storage()._cdata for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)
        }
        self._live = {key: kept for key, kept in self._live.items() if not kept[0].expired()}
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor) and (key := tensor.untyped_storage()._cdata) not in given | set(self._live):
                self._live[key] = StorageWeakRef(tensor.untyped_storage()), tensor.untyped_storage().nbytes()
                self.allocations += 1
                self.bytes += tensor.untyped_storage().nbytes()
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in self._live.values()))
        return results
