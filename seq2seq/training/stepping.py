"""Optimisation steps: gradients over the rows of all processes, clipping, and one update of the weights."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate.utils import set_seed

from seq2seq.batching import split_round_robin
from seq2seq.checkpoint.model import build_model
from seq2seq.config import Config
from seq2seq.errors import Seq2SeqError
from seq2seq.nn.initialisation import initialise
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.group import Processes
from seq2seq.processes.signals import StopRequest
from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.training.engine import make_optimizer, own_rate_factors, rate_factors
from seq2seq.training.freezing import freeze
from seq2seq.training.pool import Pool
from seq2seq.training.schedule import Schedule
from seq2seq.training.seeds import derive_seed
from seq2seq.training.start import Start, StartWeights
from seq2seq.training.vectors import PieceVectors


@dataclass(frozen=True, slots=True)
class Step:
    """Result of one step.

    sums: sums over all processes, to be added up between two progress lines: smoothed loss and negative log-likelihood
    of the tokens in nats, tokens, padded cells, and seconds; with several texts also "pairs LABEL", "tokens LABEL" and
    "nll LABEL" of each; with word links also "alignment", the nats of the attention against them. rate: the learning
    rate. norm: norm of the whole gradient in nats per token, before clipping. pull: what the distance from the start
    model adds to the loss; None without training.start_decay. signal: number of the signal by which any process was
    asked to stop, else 0.
    """

    sums: dict[str, float]
    rate: float
    norm: float
    pull: float | None
    signal: int


class Stepper:
    """The freshly initialised model of a run with its optimiser and its learning-rate schedule, in each process."""

    def __init__(
        self,
        config: Config,
        tokenizers: TokenizerPair,
        processes: Processes,
        rates: dict[str, float] | None,
        start: Start | None = None,
        vectors: Sequence[PieceVectors] = (),
    ) -> None:
        """Make the model and its optimiser. rates: own learning-rate factors of parameters, as a stopped run stored
        them; None: those of the model's score functions. start: the model whose weights it begins with. vectors: what
        rows of its embeddings begin with.
        """
        self._training, self._processes, self._accelerator = config.training, processes, processes.accelerator
        set_seed(config.training.seed)
        if not processes.first:  # each process needs its own dropout masks
            torch.manual_seed(self.process_seed(0))
        model = build_model(config, tokenizers)
        initialise(model, config.training.seed)
        if start is not None:
            start.copy_into(model, tokenizers, config.training)
        for each in vectors:
            each.copy_into(model)
        freeze(config.training, model)
        self.start_weights: StartWeights | None = None  # what training.start_decay pulls to
        self.rates = own_rate_factors(model) if rates is None else rates
        self.factors = rate_factors(config.training, model, self.rates)
        self.optimizer = make_optimizer(config, model, self.rates)
        self._wrapped, self._prepared = self._accelerator.prepare(model, self.optimizer)
        # Without accelerate's wrapper of `forward`, which would impose the precision of training on validation.
        self.model: Seq2Seq = self._accelerator.unwrap_model(self._wrapped, keep_fp32_wrapper=False)
        self.schedule = Schedule(config.training)

    def process_seed(self, step: int) -> int:
        """Return a seed for a process whose generators have no saved state; the first process starts from the config's
        own seed.
        """
        return derive_seed(self._training.seed, step, f"process {self._processes.index}")

    def step(self, pool: Pool, position: int, number: int, stop: StopRequest) -> Step:
        """Update the weights by the gradient of the mean loss per token over all rows of one step of the pool.

        position: index of the step in the pool. number: index of the step in the run, from 1. Raises Seq2SeqError if
        the loss is not finite.
        """
        began = time.monotonic()
        rate = self.schedule.rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        rows = pool.steps[position]
        tokens = pool.tokens(rows)
        every = self._processes.gather_numbers([*self._gradients(pool, rows, tokens), float(stop.requested or 0)])
        total, nll, alignment, cells, *by_text, _ = (sum(column) for column in zip(*every, strict=True))
        signal = int(max(row[-1] for row in every))  # a signal to any process stops all, after the same step
        if not math.isfinite(total):
            raise Seq2SeqError(
                f"the loss is {total} at step {number}; training.learning_rate = {self._training.learning_rate} "
                "may be too high: lower it, or lengthen warmup_steps, and start anew"
            )
        pull = self._pull()
        norm = self._clip()
        self._prepared.step()
        self._prepared.zero_grad()
        spent = time.monotonic() - began
        sums = {"total": total, "nll": nll, "tokens": tokens, "cells": cells, "seconds": spent}
        sums |= pool.counts(rows) | ({} if pool.links is None else {"alignment": alignment})
        sums |= {f"nll {label}": nats for label, nats in zip(pool.labels, by_text, strict=True) if nats}
        return Step(sums, rate, norm, pull, signal)

    def _gradients(self, pool: Pool, rows: list[int], tokens: int) -> list[float]:
        """Accumulate the gradients of this process's share of the rows; return its smoothed loss, nats, those of the
        attention against word links, padded cells and, with several texts, the nats of each.
        """
        count, training = self._processes.count, self._training
        parts = split_round_robin(rows, count * training.accumulation)[self._processes.index :: count]
        if count == 1:
            parts = [part for part in parts if part]
        self._wrapped.train()
        total, nll, alignment, cells, by_text = 0.0, 0.0, 0.0, 0, [0.0] * len(pool.labels)
        for place, part in enumerate(parts, start=1):
            # All processes must make equally many passes; one without rows takes a row whose loss does not count.
            batch = pool.batch(part or rows[:1]).to(self._accelerator.device)
            guide = pool.guide(part or rows[:1])
            guide = guide and guide.to(self._accelerator.device)
            losses = training.label_smoothing, training.coverage_loss, guide, training.guided_alignment_weight
            waiting = self._accelerator.no_sync(self._wrapped) if place < len(parts) else nullcontext()
            with waiting:
                with self._accelerator.autocast():
                    loss = self._wrapped(*batch.tensors(), *losses)
                # DDP averages gradients over the processes, and the sum is wanted.
                self._accelerator.backward(loss.total * (count if part else 0) / tokens)
            if part:
                total, nll = total + float(loss.total.detach()), nll + float(loss.nll)
                alignment += 0.0 if loss.alignment is None else float(loss.alignment)
                cells += batch.target_output.numel()
            if part and pool.texts:
                owners = torch.tensor([pool.texts[row] for row in part]).repeat_interleave(batch.target_lengths.cpu())
                nats = torch.zeros(len(by_text), dtype=torch.float64)
                nats.index_add_(0, owners, loss.log_probs.detach().double().cpu(), alpha=-1)
                by_text = [before + more for before, more in zip(by_text, nats.tolist(), strict=True)]
            del loss  # else its graph stays in memory beside the next part's
        return [total, nll, alignment, cells, *by_text]

    def _pull(self) -> float | None:
        """Add the pull to the start model to the gradient, once a step: after the sum over parts and processes, and
        before clipping and Adam, as if it were a term of the loss. Return what it adds to the loss.
        """
        if self.start_weights is None or not self._training.start_decay:
            return None
        scaler = self._accelerator.scaler
        return self.start_weights.add_gradient(self.model, 1.0 if scaler is None else float(scaler.get_scale()))

    def _clip(self) -> float:
        """Clip the gradient, and return its norm before clipping in nats per token."""
        limit = self._training.clip_norm or math.inf
        return float(self._accelerator.clip_grad_norm_(self._wrapped.parameters(), limit))

    def close(self) -> None:
        """End the trackers and the process group, which must not outlive this object in DDP's wrapper.

        A group destroyed with the wrapper waits for Gloo's thread while it holds Python's lock, and that thread may
        want the lock to let go of a tensor: the process would never end. Destroyed by itself, the group waits without
        the lock.
        """
        del self._wrapped, self._prepared
        self._accelerator.free_memory()
        gc.collect()  # torch or accelerate may have made the wrapper part of a reference cycle
        self._accelerator.end_training()
