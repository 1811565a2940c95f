"""Validation: the model's perplexity per token, and BLEU of its translations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
from seq2seq.training.data import ValidationText
from seq2seq.translation.forcing import STRETCH, force
from seq2seq.translation.translator import Translator

BATCH_TOKENS = 4096  # bounds memory; the result does not depend on it


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores of one validation: perplexity is exp(nats / token), not smoothed, end tokens included; BLEU is of
    detokenised text.

    texts: the scores of each of several texts by label; then the scores themselves are those that decide.
    """

    perplexity: float
    bleu: float | None
    signature: str | None
    texts: dict[str, Validation] = field(default_factory=dict)

    @classmethod
    def of_texts(cls, texts: dict[str, Validation], decides: str) -> Validation:
        """Return the scores of several texts together: those of the one that `decides`, or the means over all if it is
        empty.

        The mean of perplexities is the geometric one, that of the nats per token of each text. BLEU is comparable
        to no other then; its signature names those of all texts, each once.
        """
        found = list(texts.values())
        if len(found) == 1:
            return found[0]
        if decides:
            return replace(texts[decides], texts=texts)
        perplexity = math.exp(sum(math.log(each.perplexity) for each in found) / len(found))
        scores = [each.bleu for each in found if each.bleu is not None]
        signatures = dict.fromkeys(each.signature for each in found if each.signature)
        mean = sum(scores) / len(scores) if scores else None
        return cls(perplexity, mean, " and ".join(signatures) or None, texts)

    def scores_by_text(self) -> dict[str, dict[str, Any]]:
        """Return the scores of each of several texts, as log and models record them."""
        return {
            label: {"perplexity": each.perplexity, "bleu": each.bleu, "signature": each.signature}
            for label, each in self.texts.items()
        }

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

    def __init__(self, loaded: LoadedModel, texts: Sequence[ValidationText], processes: Processes) -> None:
        self._loaded, self._texts, self._processes = loaded, texts, processes
        self._translator = Translator([loaded])
        self._tokenize = dict[str, str | None]()  # label of a text -> BLEU's tokenizer

    def choose_tokenizers(self, record: dict[str, Any]) -> dict[str, TokenizerChoice]:
        """Choose BLEU's tokenizer of each text for all validations; return those with a note on one that would fit
        better, by label.

        record: record of the best model so far of a resumed run, with its signatures; empty in a new run.
        """
        config = self._loaded.config
        if not config.training.validation_bleu:
            return {}
        stored = {label: each["signature"] for label, each in record.get("texts", {}).items()}
        if len(self._texts) == 1:
            stored = {self._texts[0].label: record.get("signature")}
        choices = self._processes.on_first(
            lambda: {
                each.label: bleu_tokenizer(config, each.text.target, stored.get(each.label)) for each in self._texts
            }
        )
        self._tokenize = {label: choice.name for label, choice in choices.items()}
        return {label: choice for label, choice in choices.items() if choice.note}

    def measure(self) -> Validation:
        """Return the perplexity on each validation text, and BLEU if the config asks for it."""
        loaded = self._loaded
        self._translator.weights_changed()
        shared = (loaded.config, self._processes)
        found = {
            each.label: validate(
                loaded.model, self._translator, each.text, *shared, self._tokenize.get(each.label), tag=each.tag
            )
            for each in self._texts
        }
        return Validation.of_texts(found, loaded.config.training.criterion_text)


def validate(
    model: Seq2Seq,
    translator: Translator,
    text: EncodedCorpus,
    config: Config,
    processes: Processes,
    tokenize: str | None = None,
    tag: str | None = None,
) -> Validation:
    """Return the perplexity, and BLEU of the model's own translations if the config asks for it.

    tokenize: see `bleu_tokenizer`; None chooses one that fits the references. tag: of the text, whose ids have it. Each
    process takes its share; the shares are merged once, in an order that does not depend on the number of processes.
    """
    training = config.training
    nats = nats_of_batches(model, text, processes.share(validation_batches(text)), processes.accelerator.device)
    found: list[str] = []
    if training.validation_bleu:
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
