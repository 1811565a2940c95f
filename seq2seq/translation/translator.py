"""The public Python API: text in, translations out.

A sentence's translation does not depend on its batch: maximum lengths, samples and scores depend on it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Unpack

import torch

from seq2seq.checkpoint.model import LoadedModel, load_model
from seq2seq.checkpoint.shortlist import digest, read_shortlist
from seq2seq.errors import InputError, WrongType
from seq2seq.metrics.utility import UTILITIES
from seq2seq.nn.model import Seq2Seq
from seq2seq.search.beam import beam_search
from seq2seq.search.sampling import check_sampling_options, sample
from seq2seq.search.shortlist import Shortlist
from seq2seq.search.stepping import Hypothesis
from seq2seq.text.arguments import (
    check_choice,
    check_integer,
    check_number,
    check_pairs,
    check_token_ids,
    list_sentences,
)
from seq2seq.translation.aligning import align_pairs
from seq2seq.translation.explaining import Question, explain
from seq2seq.translation.explanation import AttentionEdit, Explanation
from seq2seq.translation.forcing import evaluation_mode, force, forced_batches
from seq2seq.translation.members import check_models, check_shortlists, use_one_thread_after_fork
from seq2seq.translation.minimum_risk import SAMPLES, least_risk
from seq2seq.translation.options import SearchKeywords, SearchOptions
from seq2seq.translation.steering import search_arguments, steered_tokens
from seq2seq.translation.stepping import first_step, outcome
from seq2seq.translation.streams import stream
from seq2seq.translation.tags import tag_ids
from seq2seq.translation.translation import (
    PairScore,
    Source,
    Translation,
    batches,
    blank_translation,
    encode,
    read_sources,
    truncate,
    write_translation,
)
from seq2seq.translation.weights.frozen import FrozenCopies
from seq2seq.translation.weights.int8 import IntegerMatrix, check_int8
from seq2seq.translation.weights.packed import PackedMatrix, can_pack
from seq2seq.translation.word_alignment import Alignment, Join

_Search = Callable[[list[Source]], list[list[Hypothesis]]]


class Translator:
    """One model, or several as an ensemble, that translate text.

    The models are not copied: a model in training can be validated, and stays in training mode. After a change of the
    weights, call `weights_changed`, because translation may use a copy of them in another layout.
    All methods take any iterable of sentences, each without its line break, and raise InputError with the place of an
    item that is no sentence, or the name of an argument of a wrong type or out of range. A translator can be copied,
    pickled and sent to other processes; in a forked process it computes in one thread.
    """

    def __init__(self, models: Iterable[LoadedModel], shortlists: Iterable[Shortlist] | None = None) -> None:
        """Make a translator of loaded models. Raises InputError where the models of an ensemble differ in vocabulary.

        shortlists: one per model; by default those in the model directories, read at the first use of `shortlist`.
        """
        self.models = check_models(models)
        self._shortlists = None if shortlists is None else check_shortlists(shortlists, self.models)
        self._copies = FrozenCopies(self._networks)
        self.config, self.tokenizers = self.models[0].config, self.models[0].tokenizers
        use_one_thread_after_fork()

    @classmethod
    def load(cls, *names: str | Path, device: str = "cpu") -> Translator:
        """Load model directories or hub names; several make an ensemble. Raises InputError as `load_model` does."""
        return cls([load_model(name, device=device) for name in names])

    def weights_changed(self) -> None:
        """Make later calls use the models' present weights, not those of an earlier translation."""
        self._copies.clear()

    def translate(self, texts: Iterable[str], **options: Unpack[SearchKeywords]) -> list[Translation]:
        """Return the best translation of each text, in order; that of a blank text is blank."""
        return [found[0] for found in self._nbest(texts, 1, options)]

    def translate_nbest(
        self, texts: Iterable[str], n_best: int, **options: Unpack[SearchKeywords]
    ) -> list[list[Translation]]:
        """Return each text's n best translations: distinct, by falling score, unfinished last; one for a blank text.

        With `shortlist` a translation consists of the few tokens that the shortlists of all models together allow for
        its source's pieces. With `int8` the weights are rounded to 8 bits. Raises InputError for options out of range
        (n_best must not exceed beam_size), for a shortlist that is missing or was made for other weights, and for int8
        elsewhere than on a CPU.
        """
        return self._nbest(texts, n_best, options)

    def _nbest(self, texts: Iterable[str], n_best: int, options: SearchKeywords) -> list[list[Translation]]:
        settings = SearchOptions.of(self.config.search, options)
        settings.check_nbest(n_best)
        shortlists, networks = self.shortlists if settings.shortlist else [], self._networks_for(settings)

        def search(sources: list[Source]) -> list[list[Hypothesis]]:
            also = steered_tokens(sources)
            step, state = first_step(networks, [source.ids for source in sources], shortlists, self._device, also)
            return beam_search(
                step,
                state,
                sentences=len(sources),
                beam_size=settings.slots,
                nbest=n_best,
                device=self._device,
                **search_arguments(sources, settings, self.models),
            )

        return self._search_all(texts, settings, search)

    def sample(
        self,
        texts: Iterable[str],
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 1,
        count: int = 1,
        first: int = 0,
        **options: Unpack[SearchKeywords],
    ) -> list[list[Translation]]:
        """Return `count` random translations of each text, in the order in which they were drawn; one for a blank text.

        Log-probabilities are divided by `temperature`; then only the top_k most probable pieces stay (None: all), and
        of these the most probable that together reach probability top_p. A text's draws depend on `seed` and its place
        among the texts, counted from `first`, not on batches, other texts or `count`. Raises InputError for values out
        of range.
        """
        count, first, seed = (
            check_integer("count", count, 1),
            check_integer("first", first, 0, None),
            check_integer("seed", seed, 0, None),
        )
        temperature, top_p = check_number("temperature", temperature), check_number("top_p", top_p)
        top_k = None if top_k is None else check_integer("top_k", top_k, 1)
        check_sampling_options(temperature, top_k, top_p)
        settings = SearchOptions.of(self.config.search, options, samples=count)
        networks = self._networks_for(settings)

        def search(sources: list[Source]) -> list[list[Hypothesis]]:
            step, state = first_step(networks, [source.ids for source in sources], [], self._device)
            return sample(
                step,
                state,
                seeds=[_seed(seed, first + source.row) for source in sources],
                count=count,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                device=self._device,
                **search_arguments(sources, settings, self.models),
            )

        return self._search_all(texts, settings, search)

    def minimum_risk(
        self, texts: Iterable[str], n_best: int = 1, *, utility: str = "chrf", samples: int = SAMPLES, **options: Any
    ) -> list[list[Translation]]:
        """Return, of many samples of each text, the n best distinct ones by expected utility (Eikema and Aziz 2020).

        The utility of a sample is its chrF or BLEU (`utility`: 'chrf' or 'bleu') against every other as the reference;
        the mean, from 0 to 100, is its score, and log_prob is the model's. options: as of `sample`, without `count`.
        Raises InputError for values out of range.
        """
        check_choice("utility", utility, UTILITIES)
        if check_integer("n_best", n_best, 1) > check_integer("samples", samples, 1):
            raise InputError(f"n-best must lie between 1 and the number of samples {samples}, given {n_best}")
        if "count" in options:
            raise WrongType("unknown option 'count'; minimum_risk draws as many as `samples` says")
        return [least_risk(drawn, utility, n_best) for drawn in self.sample(texts, count=samples, **options)]

    def stream(
        self, lines: Iterable[str], *, n_best: int = 1, chunk: int = 1024, **options: Unpack[SearchKeywords]
    ) -> Iterator[list[Translation]]:
        """Iterate over the n best translations of each line, in order, with at most `chunk` lines in memory.

        A line break at the end of a line is not part of the sentence. Larger chunks fill batches better. Options with
        an item for each sentence are read chunk by chunk as well.
        """
        return stream(self, lines, n_best, chunk, options)

    def score(
        self, sources: Iterable[str], targets: Iterable[str], *, max_length: int | None = None, tag: str | None = None
    ) -> list[PairScore]:
        """Score how probable each target is as a translation of its source, by teacher forcing.

        The tokenizer cuts the text into pieces. A search may have found the same text as other pieces, with another
        log_prob; `score_tokens` scores exact pieces. Of each side the first max_length pieces and the end are read
        (None: all pieces), after `tag`, if any. A pair of two blank sides has 0 tokens.
        Raises InputError for unequal numbers, and for a blank source beside a target that is not blank.
        """
        sources, targets = list_sentences(sources, "source"), list_sentences(targets, "target")
        return self.score_tokens(sources, encode(self.tokenizers.target, targets), max_length=max_length, tag=tag)

    def score_tokens(
        self,
        sources: Iterable[str],
        targets: Iterable[Iterable[int]],
        *,
        max_length: int | None = None,
        tag: str | None = None,
    ) -> list[PairScore]:
        """Score targets that are ids without specials (`Translation.tokens`), as `score` does with texts.

        The log_prob of an unfinished translation is the sum of `log_probs` without the last, which is the end's.
        """
        sources = list_sentences(sources, "source")
        given = check_token_ids(targets, self.tokenizers.target.vocabulary_size)
        check_pairs(sources, given)
        prefix = tag_ids(self.models, tag)
        ids, longer = truncate(encode(self.tokenizers.source, sources), max_length)
        ids = [[*prefix, *row] if row else row for row in ids]
        tokens, also = truncate(given, max_length)
        for number, (source, target) in enumerate(zip(ids, tokens, strict=True), start=1):
            if target and not source:
                raise InputError(f"pair {number}: the source is blank but the target is not; nothing to score by")
        scores = [PairScore(0.0, 0, [])] * len(ids)
        with evaluation_mode(self._networks):
            for rows, batch in forced_batches(ids, tokens):
                for row, log_probs in zip(rows, force(self._networks, batch.to(self._device)), strict=True):
                    scores[row] = PairScore(sum(log_probs), len(log_probs), log_probs, longer[row] or also[row])
        return scores

    def align(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        shift: int = 0,
        threshold: float | None = None,
        join: Join | None = None,
        max_length: int | None = None,
        tag: str | None = None,
    ) -> list[Alignment]:
        """Align the words of each pair by the attention of teacher forcing, the mean over an ensemble's models.

        Words are separated by whitespace. A target word is linked to the source word with most of its attention, or,
        with `threshold`, to all that have at least so much of it (above 0, at most 1). shift 0 reads the step that
        predicts a piece, shift 1 the next step; which is better depends on the wiring, so measure it
        (`Alignment.read` reads the same attention again). The sides named by `join` are split into words in the input,
        but the model reads them without spaces, as Chinese is written; a piece across the border of two words is shared
        between them by its characters.

        Of each side the first max_length pieces are read (None: all of them), with the words that they reach, and
        before the source the `tag`, if any. A pair of two blank sides has no links. Raises InputError for unequal
        numbers, one blank side, and values out of range.
        """
        return align_pairs(
            self.models,
            self._device,
            list_sentences(sources, "source"),
            list_sentences(targets, "target"),
            shift=shift,
            threshold=threshold,
            join=join,
            max_length=max_length,
            tag=tag,
        )

    def explain(
        self,
        text: str,
        *,
        prefix: str = "",
        pieces: Iterable[str] = (),
        edits: Iterable[AttentionEdit] = (),
        state: str = "following",
        n_best: int | None = None,
        top: int = 10,
        tree: bool = True,
        **options: Unpack[SearchKeywords],
    ) -> Explanation:
        """Explain how the search comes to the n best translations of a text (None: all of the beam), which are those of
        `translate_nbest`: attention, the `top` most probable pieces of each step, and the tree of the beam.

        `pieces`, as the vocabulary writes them, begin the translation in place of the text `prefix`. `edits` change the
        attention of steps; with state 'fixed' the translation stays, and only the output layer reads the edited
        attention. Raises InputError for a blank text and for what the text, the model or the search cannot have.
        """
        question = Question(text, prefix, pieces, edits, state, n_best, top, tree)
        settings = SearchOptions.of(self.config.search, options)
        shortlists = self.shortlists if settings.shortlist else []
        return explain(self.models, self._networks_for(settings), shortlists, question, settings)

    @property
    def shortlists(self) -> list[Shortlist]:
        """The shortlist of each model, read at first use. Raises InputError for one missing, outdated or damaged."""
        if self._shortlists is None:
            self._shortlists = [read_shortlist(each.directory, each.files, each.vocabulary) for each in self.models]
        return self._shortlists

    @property
    def _networks(self) -> list[Seq2Seq]:
        return [loaded.model for loaded in self.models]

    @property
    def _device(self) -> torch.device:
        return next(self._networks[0].parameters()).device

    def _search_all(self, texts: Iterable[str], settings: SearchOptions, search: _Search) -> list[list[Translation]]:
        """Translate the texts that are not blank in batches of similar length; return all answers in order."""
        sources = read_sources(self.models, texts, settings)
        answers = [[blank_translation(source.text)] for source in sources]
        with evaluation_mode(self._networks):
            for batch in batches(sources, settings):
                for source, hypotheses in zip(batch, search(batch), strict=True):
                    answers[source.row] = [
                        write_translation(self.tokenizers, source, outcome(each)) for each in hypotheses
                    ]
        return answers

    def _networks_for(self, settings: SearchOptions) -> list[Seq2Seq]:
        """Return the networks in the precision of the options, in the layout for faster products where possible."""
        if settings.int8:
            check_int8(self._device)
            return self._copies.of(IntegerMatrix.of)
        parameters = (parameter for network in self._networks for parameter in network.parameters())
        return self._copies.of(PackedMatrix.of) if can_pack(*parameters) else self._networks

    def shortlist_digests(self) -> list[str]:
        """Return the SHA-256 of each model's shortlist."""
        return [digest(each) for each in self.shortlists]

    def numerics(self) -> dict[str, Any]:
        """Return what the last digits of the scores depend on besides the models: threads, torch's version."""
        # Threads change the order of sums.
        return {"--threads": torch.get_num_threads(), "torch": str(torch.__version__)}


def _seed(seed: int, row: int) -> int:
    """Return the seed of the samples of one text, which does not depend on its batch."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{row}".encode()).digest()[:7], "big")
