"""What a step asks of torch, counted and not timed: operators, allocations, their bytes, and the peak of what lives.

Deterministic, so that CI can hold on to it: keys projected anew at every step, one more copy of the logits, or one more
operator inside a loop raises a count. Counted is what this code and autograd ask of torch's dispatcher. What a kernel
does inside differs between processors; which library multiplies does so too, so it is given and not found out.
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
SHORT, LONG = 8, 16  # target positions; what the longer takes more than the shorter is the loop's own


def write_counts() -> None:
    """Make the counts of today those that tests/test_counts.py allows no more than."""
    COUNTS.write_text(json.dumps(all_counts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def all_counts() -> dict[str, dict[str, int]]:
    """Of a training step and of a beam search, by score function and wiring."""
    return {
        f"{kind}, {score}, {name}": counts_of(kind, score, name)
        for kind in KINDS
        for score in SCORES
        for name in WIRINGS
    }


def counts_of(kind: str, score: str, wiring: str) -> dict[str, int]:
    """One row: of KINDS, SCORES and WIRINGS."""
    model = tiny(score, WIRINGS[wiring])
    with multiplying(by_onednn="oneDNN" in kind):
        return counted(lambda length: (search if kind == "search" else train)(model, length))


@contextmanager
def multiplying(*, by_onednn: bool) -> Iterator[None]:
    """As on a CPU where oneDNN is asked for products of float32, or on one where it is not."""
    with mock.patch.object(products, "onednn_is_better", return_value=by_onednn):
        yield


def tiny(score: str, wiring: tuple[str, bool]) -> Seq2Seq:
    """The reference model in small: what is counted does not depend on the sizes, and bytes do in proportion."""
    fixed = {"embedding_dim": 16, "encoder_dim": 16, "decoder_dim": 32, "attention_dim": 32, "output_dim": 32}
    fixed |= {"tie": "none", "dropout_embedding": 0.3, "dropout_layer": 0.3, "dropout_output": 0.3}
    settings = ModelConfig(score=score, wiring=wiring[0], input_feeding=wiring[1], **fixed)
    model = Seq2Seq(architecture_of(settings, Vocabulary(source=VOCABULARY, target=VOCABULARY)))
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
        short, long = _requests(lambda: work(SHORT)), _requests(lambda: work(LONG))
    finally:
        torch.set_num_threads(threads)
    return {**long, "operators_per_position": -((short["operators"] - long["operators"]) // (LONG - SHORT))}


def _requests(work: Callable[[], None]) -> dict[str, int]:
    gc.collect()
    gc.disable()  # else what lives in a cycle would end whenever Python looks
    try:
        with Requests() as found:
            work()
    finally:
        gc.enable()
    return {
        "operators": found.operators,
        "allocations": found.allocations,
        "bytes": found.bytes,
        "peak_bytes": found.peak_bytes,
    }


class Requests(TorchDispatchMode):
    """Counts the operators that are asked for within it, and the storages that their results bring."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = self.allocations = self.bytes = self.peak_bytes = 0
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do as asked, and count. A result that shares an argument's storage brings none."""
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
