"""The keys of [data]: the languages, the texts to learn from and to validate on, and how they are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.section import Section

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


class CorpusConfig(Section):
    """One parallel text. Exactly one of: source + target, tsv, jsonl, dataset."""

    TABLE: ClassVar = ("columns", "header", "quotes")  # keys that describe how a table is read

    source: str | None = Field(
        None, description="file of source sentences, one a line; plain or gzip, bzip2, xz or zstd"
    )
    target: str | None = Field(None, description="file of target sentences, aligned line by line with source")
    tsv: str | None = Field(None, description="one file of pairs, source TAB target")
    jsonl: str | None = Field(None, description="one JSON object a line, with the languages as keys")
    dataset: str | None = Field(
        None,
        description="Hugging Face dataset: hub name, folder; or a file: Parquet, Arrow, JSON, CSV, TSV, TMX, XLIFF, PO",
    )
    name: str | None = Field(None, description="configuration of the dataset on the hub, e.g. 'de-en'")
    split: str | None = Field(None, description="split of the dataset, e.g. 'train'")

    columns: list[Any] | None = Field(
        None,
        examples=[[1, 2]],
        description="TSV and CSV: columns of source and target, by number from 1 or by name in the header; "
        "left out: those called as the languages, or the only two",
    )
    header: bool | None = Field(
        None,
        examples=[True],
        description="TSV and CSV: whether the first line names the columns; left out: in CSV it does, in TSV it may",
    )
    quotes: bool | None = Field(
        None,
        examples=[True],
        description="TSV and CSV: whether quotation marks around a field are taken off; left out: in CSV they are",
    )
    inline_tags: Literal["strip", "keep"] | None = Field(
        None, examples=["keep"], description="TMX and XLIFF: what becomes of tags in a sentence; left out: strip"
    )
    streaming: bool = Field(
        False, description="read dataset from its shards as it is needed (text to learn from only); false: hold all"
    )
    label: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="what this text is called in log, display and training.criterion_text; left out: its file's stem",
    )
    weight: float | None = Field(
        None,
        gt=0,
        le=LARGEST_COUNT,
        examples=[2.0],
        description="with several texts to learn from: its share of the draws, as a number beside the others' weights",
    )
    tag: str | None = Field(
        None,
        min_length=1,
        description="symbol that the model reads before each source, one piece of the vocabulary, as in '<bt>'",
    )
    alignment: str | None = Field(
        None,
        description="file of links between the words of these pairs, i-j, a line for each pair, as `seq2seq align` "
        "writes it; attention learns to follow them (text to learn from only)",
    )
    alignment_inverse: bool = Field(False, description="the links are written target-source")
    source_language: str | None = Field(
        None, min_length=1, description="this text's own source language; left out: that of [data]"
    )
    target_language: str | None = Field(
        None, min_length=1, description="this text's own target language; left out: that of [data]"
    )

    @field_validator("columns")
    @classmethod
    def _two(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None:
            kinds = {type(each) for each in value}
            if len(value) != 2 or kinds not in ({int}, {str}) or (kinds == {int} and min(value) < 1):
                raise ValueError("two names or two numbers from 1 are needed: the source's column and the target's")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in ("source", "tsv", "jsonl", "dataset") if getattr(self, kind) is not None]
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target go together: give both files")
        if len(kinds) != 1:
            given = " and ".join(kinds) or "none"
            raise ValueError(f"exactly one of source + target, tsv, jsonl or dataset is needed; given: {given}")
        if self.tsv is None and self.dataset is None:
            self.refuse_idle(self.TABLE, "without tsv or dataset; it says how a table is read")
        if self.header is False and self.columns is not None and isinstance(self.columns[0], str):
            raise ValueError("columns has names, which header = false says are not there; give numbers from 1")
        if self.alignment is None:
            self.refuse_idle(["alignment_inverse"], "without alignment, a file of links")
        elif self.streaming:
            raise ValueError("alignment needs the text in memory, as its lines are those of one file; leave one out")
        if self.dataset is None:
            self.refuse_idle(["name", "split", "inline_tags"], "without dataset")
            if self.streaming:
                raise ValueError(
                    "streaming = true reads shards; give them as dataset (Arrow, Parquet, JSONL, CSV, TSV, TMX, ...)"
                )
        elif self.streaming:
            reason = "with streaming; name the shards to read in dataset, as in 'corpus/train-*.parquet'"
            self.refuse_idle(["name", "split"], reason)
        return self

    @property
    def file(self) -> str:
        """The file, folder or dataset that the source is read from."""
        return self.source or self.tsv or self.jsonl or self.dataset or ""

    @property
    def called(self) -> str:
        """The label, or the stem of the file: its name without folders and endings of format and compression."""
        path = PurePath(self.file)
        return self.label or (path.with_suffix("") if path.suffix in _COMPRESSED else path).stem or self.file


def _form(value: Any) -> str:
    return "tables" if isinstance(value, list) else "table"


Texts = Annotated[
    Annotated[CorpusConfig, Tag("table")] | Annotated[list[CorpusConfig], Tag("tables")], Discriminator(_form)
]
"""One text as a table, or several as an array of tables, [[data.train]]."""


class DataConfig(Section):
    """The languages and the texts."""

    source_language: str = Field(
        "source", min_length=1, description="language code, also the key in JSONL and datasets"
    )
    target_language: str = Field(
        "target", min_length=1, description="language code, also the key in JSONL and datasets"
    )
    root: str = Field(".", description="folder that relative paths below start from, found from where a command starts")
    train: Texts = Field(description="text to learn from")
    validation: Texts = Field(description="text to choose the best checkpoint by")
    temperature: float = Field(
        1.0,
        ge=1,
        le=LARGEST_COUNT,
        description="several texts without weights: shares are size ^ (1 / temperature); 1: every pair once an epoch",
    )
    problems: Literal["refuse", "drop"] = Field(
        "refuse",
        description="a bad line (invalid UTF-8, NUL, one side blank): stop there, or drop the pair and count it",
    )
    max_length: int = Field(
        250, ge=1, le=LARGEST_COUNT, description="longest training sentence, in pieces; longer pairs are removed"
    )
    max_ratio: float = Field(9.0, ge=0, description="largest ratio of the two lengths in pieces; 0 switches this off")
    drop_duplicates: bool = Field(
        False, description="remove a training pair that was seen before, also in an earlier text, under the same tag"
    )
    shuffle_buffer: int = Field(
        100000, ge=1, description="streaming: pairs that are held, mixed and sorted by length at a time"
    )
    processes: int = Field(1, ge=1, le=1024, description="processes that encode the text")

    @field_validator("train", "validation")
    @classmethod
    def _one_of_one(cls, value: Any) -> Any:
        """Return an array of one table as the table, so that both are the same config."""
        if isinstance(value, list) and len(value) <= 1:
            if not value:
                raise ValueError("no text; give at least one table")
            return value[0]
        return value

    @model_validator(mode="after")
    def _streaming(self) -> Self:
        for place, text in _places("validation", self.validations):
            if text.streaming:
                raise ValueError(f"{place}.streaming = true is not possible: the text is needed whole; leave it out")
        if not self.streaming:
            self.refuse_idle(["shuffle_buffer"], "without train.streaming = true")
        elif self.drop_duplicates:
            raise ValueError("drop_duplicates needs all text in memory, which train.streaming avoids; set one to false")
        return self

    @model_validator(mode="after")
    def _shares(self) -> Self:
        for place, text in _places("validation", self.validations):
            if text.weight is not None:
                raise ValueError(f"{place}.weight has no effect: a text to validate on is read whole; leave it out")
            if text.alignment is not None:
                raise ValueError(f"{place}.alignment has no effect: nothing is learnt from this text; leave it out")
        if len(self.texts) == 1:
            if self.texts[0].weight is not None:
                raise ValueError("train.weight has no effect with one text to learn from; leave it out")
            self.refuse_idle(["temperature"], "with one text to learn from")
        given = [place for place, text in _places("train", self.texts) if text.weight is not None]
        missing = [place for place, text in _places("train", self.texts) if text.weight is None]
        if given and missing:
            raise ValueError(f"{missing[0]}.weight is missing, as {given[0]} has one: weigh all texts, or none")
        if given:
            self.refuse_idle(["temperature"], "with weights, which are the shares; leave one out")
        return self

    @model_validator(mode="after")
    def _labels(self) -> Self:
        for key, texts in (("train", self.texts), ("validation", self.validations)):
            seen = dict[str, str]()
            for place, text in _places(key, texts):
                if text.called in seen:
                    raise ValueError(
                        f"{place}: called {text.called!r} as {seen[text.called]} is; give one of them another label"
                    )
                seen[text.called] = place
        return self

    @model_validator(mode="after")
    def _tags(self) -> Self:
        known = [text.tag for text in self.texts]
        for place, text in _places("validation", self.validations):
            if text.tag not in known:
                what = f"tag = {text.tag!r}: no" if text.tag else "tag is missing, as every"
                raise ValueError(f"{place}.{what} text to learn from has {'this' if text.tag else 'a'} tag")
        return self

    @property
    def texts(self) -> list[CorpusConfig]:
        """The texts to learn from, in the order of the file."""
        return self.train if isinstance(self.train, list) else [self.train]

    @property
    def validations(self) -> list[CorpusConfig]:
        """The texts to validate on, in the order of the file."""
        return self.validation if isinstance(self.validation, list) else [self.validation]

    @property
    def streaming(self) -> bool:
        """Whether any text to learn from is streamed."""
        return any(text.streaming for text in self.texts)

    @property
    def linked(self) -> bool:
        """Whether any text to learn from has word links."""
        return any(text.alignment is not None for text in self.texts)

    @property
    def tags(self) -> list[str]:
        """The tags of the texts to learn from, each once, in the order of the file."""
        return list(dict.fromkeys(text.tag for text in self.texts if text.tag is not None))

    def languages(self, text: CorpusConfig) -> tuple[str, str]:
        """Return the source and target language of a text: its own, or those of all."""
        return text.source_language or self.source_language, text.target_language or self.target_language


def _places(key: str, texts: Sequence[CorpusConfig]) -> list[tuple[str, CorpusConfig]]:
    """Return the texts, each with the name of its table in messages: the key, and the number from 1 if there are
    several.
    """
    return [(key if len(texts) == 1 else f"{key}.{number}", text) for number, text in enumerate(texts, start=1)]
