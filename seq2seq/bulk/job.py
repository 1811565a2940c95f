"""What `seq2seq translate` does with a chunk of lines, in whichever process."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seq2seq.bulk import engines
from seq2seq.bulk.chunks import Chunk, Chunks
from seq2seq.bulk.columns import Columns
from seq2seq.bulk.constraints import TermCounter, UnmetCounter, add_terms, check_constraints, check_glossary
from seq2seq.bulk.cut import CutCounter
from seq2seq.bulk.layout import Layout
from seq2seq.bulk.streams import STANDARD, STANDARD_INPUT, LineStream
from seq2seq.bulk.unknown import UnknownCounter
from seq2seq.errors import InputError
from seq2seq.text.escaping import escape_line
from seq2seq.text.glossary import Glossary
from seq2seq.text.lines import describe_problem

if TYPE_CHECKING:
    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translation import Translation
    from seq2seq.translation.translator import Translator

BadLines = Literal["refuse", "blank"]
TooLong = Literal["truncate", "blank", "refuse"]


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The output for a chunk.

    notes: warnings about single lines. unknown, cut, terms, unmet: counts over all lines of the chunk.
    """

    end: int  # lines of the input up to the end of the chunk
    source_sha256: str  # see Chunk
    text: str
    notes: list[str]
    unknown: UnknownCounter = field(default_factory=UnknownCounter)
    cut: CutCounter = field(default_factory=CutCounter)
    terms: TermCounter = field(default_factory=TermCounter)
    unmet: UnmetCounter = field(default_factory=UnmetCounter)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a translation depends on besides its input; it can be pickled and sent to another process.

    source: the input as the user names it. sampling: options of sampling; None for beam search.
    """

    models: list[str]
    device: str
    threads: int | None
    source: str
    layout: Layout
    n_best: int
    search: SearchKeywords
    sampling: dict[str, Any] | None
    bad_lines: BadLines
    too_long: TooLong
    columns: Columns = field(default_factory=Columns)
    glossary: Glossary | None = None

    @property
    def name(self) -> str:
        """Name of the input in messages."""
        return STANDARD_INPUT if self.source == STANDARD else self.source

    def chunks(self, lines: LineStream) -> Chunks:
        """Return the input in chunks of lines to translate together; all runs cut a file alike."""
        return Chunks(lines, engines.chunk_size(self.search), fixed=os.path.isfile(self.source))

    def load(self) -> LoadedJob:
        """Load the models.

        Raises InputError as Translator.load does, and for a term of the glossary that the model cannot write.
        """
        engine = engines.load_engine(self.models, self.device, self.threads)
        if self.glossary is not None:
            check_glossary(self.glossary, engine.tokenizers.target, self.avoided)
        return LoadedJob(self, engine)

    @property
    def avoided(self) -> list[str]:
        """The strings that no translation may have."""
        return list(self.search.get("avoid") or [])


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job with its models loaded."""

    job: Job
    translator: Translator | OnnxTranslator

    def identity(self) -> dict[str, Any]:
        """Return what the output depends on besides the input, by the names under which the user knows it."""
        return _identity(self.job, self.translator)

    def translate(self, chunk: Chunk) -> ChunkResult:
        """Translate a chunk. Raises InputError for the first line that is refused."""
        job, parts, notes, unknown, cut = self.job, list[str](), list[str](), UnknownCounter(), CutCounter()
        terms, unmet = TermCounter(), UnmetCounter()
        if chunk.problems and job.bad_lines == "refuse":
            place, problem = next(iter(chunk.problems.items()))
            raise InputError(f"{job.name}:{chunk.before + place + 1}: {describe_problem(problem)}")
        sentences, own = job.columns.read(chunk.texts, job.name, chunk.before)
        own |= self._constraints(sentences, own, chunk.before, terms)
        for place, several in enumerate(self._translate(sentences, own, chunk.before)):
            number = chunk.before + place + 1
            error = self._error(chunk.problems.get(place), several[0], notes, f"{job.name}:{number}")
            parts.append(job.layout.error_line(number, sentences[place], error) if error else "")
            parts.append("" if error else job.layout.lines(number, several))
            if not error:
                unknown.update(several[0], self.translator.tokenizers.source)
                unmet.update(number, several[0])
                # Beam search ranks unfinished translations last, so the first one tells.
                cut.update(number, several[:1] if job.sampling is None or "mbr" in job.sampling else several)
        return ChunkResult(chunk.end, chunk.source_sha256, "".join(parts), notes, unknown, cut, terms, unmet)

    def _constraints(
        self, sentences: list[str], own: Mapping[str, Any], before: int, terms: TermCounter
    ) -> dict[str, Any]:
        """Return the constraints of the sentences, those of the glossary included, as a keyword of a translator."""
        job, found = self.job, own.get("constraints")
        if job.glossary is not None:
            found = add_terms(job.glossary, sentences, found or [()] * len(sentences), terms)
        if found is None:
            return {}
        if job.sampling is not None:  # options are checked before, but a JSON object may have the key
            first = next(number for number, texts in enumerate(found, start=before + 1) if texts)
            raise InputError(f"{job.name}:{first}: constraints need a beam, and sampling has none; leave them out")
        check_constraints(self.translator.tokenizers.target, found, job.avoided, job.name, before)
        return {"constraints": found}

    def _translate(self, sentences: list[str], own: Any, before: int) -> Sequence[Sequence[Translation]]:
        job = self.job
        if job.sampling is None:
            return self.translator.translate_nbest(sentences, job.n_best, **job.search, **own)
        # Samples depend only on the seed and the line number, not on how lines arrive.
        options = {"first": before, **job.sampling, **job.search, **own}
        if utility := options.pop("mbr", None):
            samples = options.pop("mbr_samples", None)
            many = {} if samples is None else {"samples": samples}
            return self.translator.minimum_risk(sentences, job.n_best, utility=utility, **many, **options)
        return self.translator.sample(sentences, count=job.n_best, **options)

    def _error(self, problem: str | None, first: Translation, notes: list[str], place: str) -> str | None:
        """Return why a line gets no translation, or None; append a note for anything unusual about the line."""
        if problem:
            notes.append(f"{place}: {describe_problem(problem)}; it is blank in the output (--bad-lines blank)")
            return describe_problem(problem)
        if not first.truncated:
            return None
        pieces = f"{len(first.source_pieces) - bool(first.tag):,} pieces"
        if self.job.too_long == "truncate":
            notes.append(f"{place}: too long, only its first {pieces} were translated (--max-source-length)")
            return None
        error = f"too long, more than {pieces} (--max-source-length)"
        if self.job.too_long == "refuse":
            raise InputError(f"{place}: {error}; shorten it, or choose --too-long truncate or blank")
        notes.append(f"{place}: {error}; it is blank in the output (--too-long blank)")
        return error


def _identity(job: Job, translator: Translator | OnnxTranslator) -> dict[str, Any]:
    from seq2seq import __version__

    given: dict[str, Any] = {"--n-best": job.n_best, "--format": job.layout.form, "--scores": job.layout.scores}
    given |= {"--alignment": job.layout.alignment, "--sample": job.sampling is not None}
    for name, value in [*job.search.items(), *(job.sampling or {}).items()]:
        known = value if name != "avoid" else hashlib.sha256("\n".join(value).encode()).hexdigest()
        given[f"--{name.replace('_', '-')}"] = known
    given |= {"--bad-lines": job.bad_lines, "--too-long": job.too_long, "--device": job.device.partition(":")[0]}
    if job.columns.jsonl:
        given["--input-format"] = "jsonl"
    given |= {f"--{name}": True for name in ("prefix", "constraints") if getattr(job.columns, name)}
    if job.glossary is not None:
        pairs = [(term.source, term.target) for term in job.glossary.terms]
        given["--glossary"] = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    if job.search.get("shortlist"):
        given["shortlists"] = translator.shortlist_digests()
    models = {
        escape_line(name): _model_sha256(loaded) for name, loaded in zip(job.models, translator.models, strict=True)
    }
    return given | {"models": models, "seq2seq": __version__} | translator.numerics()


def _model_sha256(loaded: Any) -> str:
    """Return the SHA-256 of the parts of config.json that determine how the model translates; they list the SHA-256 of
    every other file.
    """
    from seq2seq.checkpoint.files import CONFIG

    tree = json.loads((loaded.directory / CONFIG).read_bytes())
    return hashlib.sha256(json.dumps([tree["files"], tree["config"]], sort_keys=True).encode()).hexdigest()
