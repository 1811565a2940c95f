"""Validation: the model's perplexity per token, and BLEU of its translations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seq2seq.batching import make_batch
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.config import Config
from seq2seq.errors import Seq2SeqError
from seq2seq.metrics.bleu_tokenizer import TokenizerChoice, choose_tokenizer, tokenizer_in_signature
from seq2seq.metrics.perplexity import perplexity
from seq2seq.metrics.scores import bleu
from seq2seq.metrics.scoring_rules import LONGEST_LINE
from seq2seq.nn.model import Seq2Seq
from seq2seq.processes.group import Processes
from seq2seq.text.budget import cut_by_budget
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.text.normalisation import compose
from seq2seq.translation.forcing import STRETCH, force
from seq2seq.translation.translator import Translator

BATCH_TOKENS = 4096  # bounds memory; the result does not depend on it


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores of one validation: perplexity is exp(nats / token), not smoothed, end tokens included; BLEU is of
    detokenised text.
    """

    perplexity: float
    bleu: float | None
    signature: str | None

    def criterion(self, name: str) -> float:
        """Return the value of the criterion `name`, of which higher is better."""
        if name == "bleu":
            assert self.bleu is not None  # the config refuses criterion = 'bleu' without validation_bleu
            return self.bleu
        return -self.perplexity


def check_tokenizer(tokenize: str | None) -> None:
    """Refuse a BLEU tokenizer that does not exist or cannot be loaded, before a training begins."""
    if tokenize:
        bleu(hypotheses=["a"], references=[["a"]], tokenize=tokenize)


def bleu_tokenizer(config: Config, references: Sequence[str], signature: str | None) -> TokenizerChoice:
    """Return the BLEU tokenizer of a whole run: the one that the config names, else one that fits the references.

    signature: signature of the best BLEU so far of a resumed run; its tokenizer is kept, so that later scores stay
    comparable, whatever has been installed since.
    """
    named = config.training.validation_tokenize or (signature and tokenizer_in_signature(signature))
    if not named:
        return choose_tokenizer(references)
    check_tokenizer(named)
    return TokenizerChoice(named)


def text_perplexity(nats: Sequence[float], text: EncodedCorpus) -> float:
    """Return the perplexity per target token of a text from the nats of all its batches."""
    return perplexity(sum(nats), sum(len(ids) + 1 for ids in text.target_ids))


def nats_of_batches(
    model: Seq2Seq, text: EncodedCorpus, batches: Sequence[Sequence[int]], device: torch.device
) -> list[float]:
    """Return the summed negative log-likelihood of each batch of rows, in nats, not smoothed. Raises Seq2SeqError if
    any is NaN.
    """
    nats = []
    training = model.training
    model.eval()
    with torch.inference_mode():
        for rows in batches:
            batch = make_batch([text.source_ids[row] for row in rows], [text.target_ids[row] for row in rows])
            batch = batch.to(device)
            if batch.target_input.shape[1] > STRETCH:  # attention over so many steps at once could fill the memory
                nats.append(-sum(map(sum, force([model], batch))))
            else:
                nats.append(float(model(*batch.tensors()).nll))
    model.train(training)
    if math.isnan(sum(nats)):
        raise Seq2SeqError(
            "the model gives no probabilities but NaN for the validation text; training.learning_rate may be too high: "
            "lower it, or lengthen warmup_steps, and start anew"
        )
    return nats


def validation_batches(text: EncodedCorpus) -> list[list[int]]:
    """Return all rows of the text in batches of similar length."""
    lengths = [max(len(source), len(target)) for source, target in zip(text.source_ids, text.target_ids, strict=True)]
    return cut_by_budget(sorted(range(len(lengths)), key=lengths.__getitem__), lengths, BATCH_TOKENS)


class Validator:
    """Validates the model of a run with its current weights."""

    def __init__(self, loaded: LoadedModel, text: EncodedCorpus, processes: Processes) -> None:
        self._loaded, self._text, self._processes = loaded, text, processes
        self._translator = Translator([loaded])
        self.tokenize: str | None = None  # BLEU's tokenizer

    def choose_tokenizer(self, signature: str | None) -> str | None:
        """Choose BLEU's tokenizer for all validations; return a note on one that would fit better, if any.

        signature: signature of the best BLEU so far of a resumed run.
        """
        config = self._loaded.config
        if not config.training.validation_bleu:
            return None
        choice = self._processes.on_first(lambda: bleu_tokenizer(config, self._text.target, signature))
        self.tokenize = choice.name
        return choice.note

    def measure(self) -> Validation:
        """Return the perplexity on the validation text, and BLEU if the config asks for it."""
        loaded = self._loaded
        self._translator.weights_changed()
        return validate(
            loaded.model, self._translator, self._text, loaded.config, self._processes, tokenize=self.tokenize
        )


def validate(
    model: Seq2Seq,
    translator: Translator,
    text: EncodedCorpus,
    config: Config,
    processes: Processes,
    tokenize: str | None = None,
) -> Validation:
    """Return the perplexity, and BLEU of the model's own translations if the config asks for it.

    tokenize: see `bleu_tokenizer`; None chooses one that fits the references. Each process takes its share; the shares
    are merged once, in an order that does not depend on the number of processes.
    """
    training = config.training
    nats = nats_of_batches(model, text, processes.share(validation_batches(text)), processes.accelerator.device)
    found: list[str] = []
    if training.validation_bleu:
        tag = config.data.validations[0].tag
        translations = translator.translate(
            processes.share(text.source), beam_size=training.validation_beam_size, tag=tag
        )
        found = [translation.text for translation in translations]
    shares = processes.gather((nats, found))
    measured = text_perplexity(processes.merge([share[0] for share in shares]), text)
    if not training.validation_bleu:
        return Validation(measured, None, None)
    found = [compose(line) for line in processes.merge([share[1] for share in shares])]
    metric = bleu(  # of composed text: a model may write letters composed that the text has decomposed
        # Cut, so that a model that writes too long lines does not end the training; the text itself was checked before.
        hypotheses=[line[:LONGEST_LINE] for line in found],
        references=[[compose(line) for line in text.target]],
        tokenize=tokenize,
    )
    return Validation(measured, metric.value, metric.signature)
