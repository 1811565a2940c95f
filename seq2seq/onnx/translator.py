"""Translation by an exported model: text in, translations out, without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Unpack

from seq2seq.errors import InputError
from seq2seq.onnx.beam import numpy_beam_search
from seq2seq.onnx.engine import ExportedModel, load_export
from seq2seq.text.arguments import check_integer, check_path
from seq2seq.text.special_tokens import BOS, EOS
from seq2seq.translation.options import SearchKeywords, SearchOptions
from seq2seq.translation.streams import stream
from seq2seq.translation.translation import (
    Outcome,
    Source,
    Translation,
    batches,
    blank_translation,
    forbidden_tokens,
    read_sources,
    write_translation,
)


class OnnxTranslator:
    """A translator for a model written by `seq2seq export`: the same translations as `Translator`, on the CPU.

    It searches; it does not sample, score, align, explain, join an ensemble, use a shortlist or steer what it writes.
    """

    def __init__(self, model: ExportedModel, threads: int | None = None) -> None:
        self.models = [model]
        self.config, self.tokenizers = model.config, model.tokenizers
        self._threads = threads

    @classmethod
    def load(cls, name: str | Path, *, threads: int | None = None) -> OnnxTranslator:
        """Load the directory of an export; raise InputError as `load_export` does.

        threads: of onnxruntime, 1 to 1,024; None: one per core.
        """
        directory = Path(os.path.expanduser(check_path(name, "the directory of an export")))
        threads = None if threads is None else check_integer("threads", threads, 1, 1024)
        return cls(load_export(directory, threads=threads), threads)

    def translate(self, texts: Iterable[str], **options: Unpack[SearchKeywords]) -> list[Translation]:
        """Return the best translation of each text, in their order; that of a blank text is blank."""
        return [found[0] for found in self._nbest(texts, 1, options)]

    def translate_nbest(
        self, texts: Iterable[str], n_best: int, **options: Unpack[SearchKeywords]
    ) -> list[list[Translation]]:
        """Return the n best translations of each text, as `Translator.translate_nbest` does.

        Raises InputError for options out of range, and for a shortlist or int8.
        """
        return self._nbest(texts, n_best, options)

    def _nbest(self, texts: Iterable[str], n_best: int, options: SearchKeywords) -> list[list[Translation]]:
        settings = SearchOptions.of(self.config.search, options)
        settings.check_nbest(n_best)
        if settings.shortlist:
            raise InputError(self._no_shortlist)
        if settings.steering:
            raise InputError(
                f"{self.models[0].directory}: an exported model cannot be steered; leave out {settings.steering[0]}, "
                "or translate with the model that was exported"
            )
        if settings.int8:
            raise InputError(
                f"{self.models[0].directory}: an exported model has the weights of its export; leave int8 out"
            )
        sources = read_sources(self.models, texts, settings)
        answers = [[blank_translation(source.text)] for source in sources]
        for batch in batches(sources, settings):
            for source, found in zip(batch, self._search(batch, settings, n_best), strict=True):
                answers[source.row] = [write_translation(self.tokenizers, source, outcome) for outcome in found]
        return answers

    def _search(self, batch: list[Source], settings: SearchOptions, n_best: int) -> list[list[Outcome]]:
        model = self.models[0]
        return numpy_beam_search(
            model.step,
            model.start([source.ids for source in batch]),
            beam_size=settings.slots,
            bos=BOS,
            eos=EOS,
            max_lengths=[settings.longest(len(source.ids)) for source in batch],
            min_lengths=[settings.min_length] * len(batch),
            length_penalty=settings.penalty,
            nbest=n_best,
            forbidden=forbidden_tokens(self.models),
        )

    def minimum_risk(self, texts: Iterable[str], n_best: int = 1, **options: Any) -> NoReturn:
        """Raise InputError: an exported model does not sample."""
        self.sample(texts)

    def stream(
        self, lines: Iterable[str], *, n_best: int = 1, chunk: int = 1024, **options: Unpack[SearchKeywords]
    ) -> Iterator[list[Translation]]:
        """Yield the translations of lines as they arrive, as `Translator.stream` does."""
        return stream(self, lines, n_best, chunk, options)

    def sample(self, texts: Iterable[str], **options: Any) -> NoReturn:
        """Raise InputError: an exported model does not sample."""
        raise InputError(f"{self.models[0].directory}: an exported model does not sample; use the model itself")

    def explain(self, text: str, **options: Any) -> NoReturn:
        """Raise InputError: the graphs of an exported model do not let attention be edited or the search recorded."""
        raise InputError(f"{self.models[0].directory}: an exported model cannot be explained; use the model itself")

    def shortlist_digests(self) -> list[str]:
        """Raise InputError: an exported model has no shortlist."""
        raise InputError(self._no_shortlist)

    @property
    def _no_shortlist(self) -> str:
        return f"{self.models[0].directory}: an exported model has no shortlist; use the model that it was made of"

    def numerics(self) -> dict[str, Any]:
        """Return what the last digits of the scores depend on besides the model: threads, onnxruntime's version."""
        import onnxruntime

        return {"--threads": self._threads, "onnxruntime": onnxruntime.__version__}
