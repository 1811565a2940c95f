"""Text in, translations out, by an exported model: no torch."""

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
from seq2seq.translation.translation import (
    FORBIDDEN,
    Outcome,
    SearchOptions,
    Settings,
    Source,
    Translation,
    batches,
    blank,
    in_chunks,
    read_sources,
    resolve,
    write_translation,
)


class OnnxTranslator:
    """`Translator` for a model that `seq2seq export` wrote: the same translations, by onnxruntime on the CPU.

    It searches; it does not sample, score, align, join an ensemble or use a shortlist.
    """

    def __init__(self, model: ExportedModel, threads: int | None = None) -> None:
        self.models = [model]
        self.config, self.tokenizers = model.config, model.tokenizers
        self._threads = threads

    @classmethod
    def load(cls, name: str | Path, *, threads: int | None = None) -> OnnxTranslator:
        """From the directory of an export; threads: None takes one a core. Raises InputError as `load_export` does."""
        directory = Path(os.path.expanduser(check_path(name, "the directory of an export")))
        threads = None if threads is None else check_integer("threads", threads, 1, 1024)
        return cls(load_export(directory, threads=threads), threads)

    def translate(self, texts: Iterable[str], **options: Unpack[SearchOptions]) -> list[Translation]:
        """The best translation of each text, in their order. A blank text gives a blank translation."""
        return [found[0] for found in self._nbest(texts, 1, options)]

    def translate_nbest(
        self, texts: Iterable[str], n_best: int, **options: Unpack[SearchOptions]
    ) -> list[list[Translation]]:
        """As `Translator.translate_nbest`. Raises InputError for options out of range, and for a shortlist."""
        return self._nbest(texts, n_best, options)

    def _nbest(self, texts: Iterable[str], n_best: int, options: SearchOptions) -> list[list[Translation]]:
        settings = resolve(self.config.search, options, SearchOptions)
        settings.check_nbest(n_best)
        if settings.shortlist:
            raise InputError(self._no_shortlist)
        if settings.int8:
            raise InputError(
                f"{self.models[0].directory}: an exported model has the weights of its export; leave int8 out"
            )
        sources = read_sources(self.tokenizers, texts, settings)
        answers = [[blank(source.text)] for source in sources]
        for batch in batches(sources, settings):
            for source, found in zip(batch, self._search(batch, settings, n_best), strict=True):
                answers[source.row] = [write_translation(self.tokenizers, source, outcome) for outcome in found]
        return answers

    def _search(self, batch: list[Source], settings: Settings, n_best: int) -> list[list[Outcome]]:
        model = self.models[0]
        return numpy_beam_search(
            model.step,
            model.start([source.ids for source in batch]),
            beam_size=settings.slots,
            bos=BOS,
            eos=EOS,
            max_lengths=[settings.longest(source) for source in batch],
            min_lengths=[settings.min_length] * len(batch),
            length_penalty=settings.penalty,
            nbest=n_best,
            forbidden=FORBIDDEN,
        )

    def stream(
        self, lines: Iterable[str], *, n_best: int = 1, chunk: int = 1024, **options: Unpack[SearchOptions]
    ) -> Iterator[list[Translation]]:
        """As `Translator.stream`."""
        chunks = in_chunks(lines, chunk)
        resolve(self.config.search, options, SearchOptions).check_nbest(n_best)  # now, not when the first is asked for
        return (found for texts in chunks for found in self.translate_nbest(texts, n_best, **options))

    def sample(self, texts: Iterable[str], **options: Any) -> NoReturn:
        """Refused."""
        raise InputError(f"{self.models[0].directory}: an exported model does not sample; use the model itself")

    def shortlist_digests(self) -> list[str]:
        """Refused, as `shortlist` is."""
        raise InputError(self._no_shortlist)

    @property
    def _no_shortlist(self) -> str:
        return f"{self.models[0].directory}: an exported model has no shortlist; use the model that it was made of"

    def numerics(self) -> dict[str, Any]:
        """What the last digits of its scores depend on besides the model."""
        import onnxruntime

        return {"--threads": self._threads, "onnxruntime": onnxruntime.__version__}
