"""How good the model is now: perplexity per token, and BLEU of what it translates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from seq2seq.batching import cut_by_budget, make_batch
from seq2seq.config import Config
from seq2seq.evaluation.metrics import bleu, default_tokenize
from seq2seq.nn.model import Seq2Seq
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.translator import Translator

BATCH_TOKENS = 4096  # bounds memory; the result does not depend on it


@dataclass(frozen=True, slots=True)
class Validation:
    """Perplexity is exp(nats / token), unsmoothed, the end token counted; BLEU is of detokenised text."""

    perplexity: float
    bleu: float | None
    signature: str | None

    def criterion(self, name: str) -> float:
        """The number to maximise."""
        if name == "bleu":
            assert self.bleu is not None  # the config refuses criterion = 'bleu' without validation_bleu
            return self.bleu
        return -self.perplexity


def perplexity(model: Seq2Seq, text: EncodedCorpus, device: torch.device) -> float:
    """exp(Σ nats / Σ tokens) over the whole text."""
    nll, tokens = 0.0, 0
    lengths = [max(len(source), len(target)) for source, target in zip(text.source_ids, text.target_ids, strict=True)]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    training = model.training
    model.eval()
    with torch.inference_mode():
        for rows in cut_by_budget(order, lengths, BATCH_TOKENS):
            batch = make_batch([text.source_ids[row] for row in rows], [text.target_ids[row] for row in rows])
            loss = model(*batch.to(device).tensors())
            nll, tokens = nll + float(loss.nll), tokens + int(loss.tokens)
    model.train(training)
    return math.exp(min(nll / tokens, 700.0))  # 700: the largest exponent that a float holds


def validate(
    model: Seq2Seq, translator: Translator, text: EncodedCorpus, config: Config, device: torch.device
) -> Validation:
    """Perplexity, and BLEU of the model's own translations where the config asks for it."""
    training, measured = config.training, perplexity(model, text, device)
    if not training.validation_bleu:
        return Validation(measured, None, None)
    found = translator.translate(text.source, beam_size=training.validation_beam_size)
    metric = bleu(
        hypotheses=[translation.text for translation in found],
        references=[text.target],
        tokenize=training.validation_tokenize or default_tokenize(config.data.target_language),
    )
    return Validation(measured, metric.value, metric.signature)
