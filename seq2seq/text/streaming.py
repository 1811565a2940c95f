"""Parallel text that is read from shards on disk, again for each pass, and never held whole.

Of each open shard, `datasets` holds the unit in which its format is read: a Parquet row group as it is compressed on
disk, an Arrow record batch. So memory grows with the size of a row group, not with the number of shards. Lines of JSON,
CSV and TSV are read one by one; a JSON array, TMX, XLIFF and PO are read whole.
"""

from __future__ import annotations

import hashlib
import random
import re
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from seq2seq.config import Config, CorpusConfig
from seq2seq.errors import InputError
from seq2seq.text.corpus import Corpus
from seq2seq.text.datasets import (
    FORMATS,
    SAVE_TO_DISK_FILES,
    TEXT_FORMATS,
    call_datasets,
    check_languages,
    format_of,
    no_download_count,
    quiet_datasets,
    read_text,
    refuse_format_keys,
    root_cause,
    table_rows,
)
from seq2seq.text.encoding import filter_reasons
from seq2seq.text.lines import iter_byte_lines
from seq2seq.text.readers import BOTH_BLANK, Problem, Row, SentencePair, is_json_array, read_json_line
from seq2seq.text.tokenizer import TokenizerPair

OPEN_SHARDS = 8  # shards that are read in turn, so that a text sorted by origin is mixed
BLOCK = 100  # rows read of a shard in its turn, and encoded at a time
_HELD_OUT = re.compile(r"(^|[/_.-])(test|validation|valid|val|dev|eval)([/_.-]|$)")


class EncodedPair(NamedTuple):
    """A pair that has passed checks and filters, as text and as ids without begin and end.

    word_links, links: of a text in memory that has them, those between its words and between its pieces, flat.
    """

    source: str
    target: str
    source_ids: array[int]  # 4 bytes a token: a list of ints takes 8 or more
    target_ids: array[int]
    word_links: Sequence[int] = ()
    links: Sequence[int] = ()


class _Block(Protocol):
    """Consecutive rows of a shard, not yet checked."""

    def __len__(self) -> int: ...

    def rows(self, skip: int) -> Iterator[Row]:
        """Yield the rows after the first `skip`, which are neither checked nor turned into Python strings."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of JSON; start: the number of lines before them in the shard."""

    shard: Path
    start: int
    lines: list[bytes]
    languages: tuple[str, str]

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, skip: int) -> Iterator[Row]:
        """Yield the rows after the first `skip`."""
        for number, line in enumerate(self.lines[skip:], start=self.start + skip + 1):
            yield read_json_line(line, self.languages, f"{self.shard}:{number}")


@dataclass(frozen=True, slots=True)
class _CheckedRows:
    """Rows that were checked as they were read."""

    checked: list[Row]

    def __len__(self) -> int:
        return len(self.checked)

    def rows(self, skip: int) -> Iterator[Row]:
        """Yield the rows after the first `skip`."""
        yield from self.checked[skip:]


@dataclass(frozen=True, slots=True)
class _Table:
    """An Arrow table; start: the number of rows before it in the shard."""

    shard: Path
    start: int
    table: Any
    languages: tuple[str, str]

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, skip: int) -> Iterator[Row]:
        """Yield the rows after the first `skip`."""
        yield from table_rows(self.table.slice(skip), self.start + skip, str(self.shard), self.languages)


@dataclass(frozen=True, slots=True)
class Stream:
    """Shards of one format, and what one pass over all of them found. spec: the table of the config that names them.

    pairs: number of good pairs, before the filters. dropped: reason -> number of pairs left out for it. sample: a
    random sample of all pairs. fingerprint: SHA-256 of the text of all good pairs, in order, and of the ends of shards.
    notes: as in Corpus.
    """

    config: Config
    spec: CorpusConfig
    shards: tuple[Path, ...]
    file_format: str
    pairs: int = 0
    dropped: dict[str, int] | None = None
    fingerprint: str = ""
    sample: Corpus | None = None
    notes: tuple[str, ...] = ()

    def rows(
        self, order: Sequence[int], open_shards: int, skip: int = 0, notes: list[str] | None = None
    ) -> Iterator[list[Row]]:
        """Yield blocks of checked rows of the shards in this order, without the first `skip` rows.

        Of the shards, `open_shards` at a time are read in turn.
        """
        for block in self._blocks(order, open_shards, [] if notes is None else notes):
            passed = min(skip, len(block))
            skip -= passed
            if passed < len(block):
                yield [self._refuse_bad(row) for row in block.rows(passed)]

    def read(self, tokenizers: TokenizerPair, order: Sequence[int], skip: int) -> Iterator[EncodedPair | str]:
        """Yield for every row the encoded pair, or the reason why it is left out.

        Raises InputError for a bad row where data.problems is "refuse".
        """
        for block in self.rows(order, OPEN_SHARDS, skip):
            pairs = [row for row in block if isinstance(row, SentencePair)]
            text = Corpus([pair.source for pair in pairs], [pair.target for pair in pairs], {})
            ids = (tokenizers.source.encode_batch(text.source), tokenizers.target.encode_batch(text.target))
            judged = zip(pairs, *ids, filter_reasons(text, *ids, self.config.data), strict=True)
            for row in block:
                if isinstance(row, SentencePair):
                    _, source, target, reason = next(judged)
                    yield reason or EncodedPair(row.source, row.target, array("i", source), array("i", target))
                else:
                    yield row.reason

    @property
    def _languages(self) -> tuple[str, str]:
        return self.config.data.languages(self.spec)

    def _refuse_bad(self, row: Row) -> Row:
        if isinstance(row, Problem) and self.config.data.problems == "refuse" and row.reason != BOTH_BLANK:
            raise InputError(f"{row.message} (data.problems = 'drop' leaves such pairs out)")
        return row

    def _blocks(self, order: Sequence[int], open_shards: int, notes: list[str]) -> Iterator[_Block]:
        """Yield blocks of BLOCK rows or fewer from the shards in turn."""
        waiting = deque(self.shards[index] for index in order)
        turns: deque[Iterator[_Block]] = deque()
        while turns or waiting:
            while waiting and len(turns) < open_shards:
                shard = waiting.popleft()
                turns.append(self._open(shard, notes))
            blocks = turns.popleft()
            block = next(blocks, None)
            if block is not None:
                turns.append(blocks)
                yield block

    def _open(self, shard: Path, notes: list[str]) -> Iterator[_Block]:
        if self.file_format not in TEXT_FORMATS:
            return self._tables_of(shard)
        if self.file_format == "json" and not is_json_array(shard):
            return self._lines_of(shard)
        return self._checked_rows_of(shard, notes)

    def _checked_rows_of(self, shard: Path, notes: list[str]) -> Iterator[_Block]:
        rows = read_text(shard, self.file_format, self.spec, self._languages, notes)
        while block := list(islice(rows, BLOCK)):
            yield _CheckedRows(block)

    def _lines_of(self, shard: Path) -> Iterator[_Block]:
        """Yield lines as `read_jsonl` reads them; a reader of blocks could not go on after a line that is not JSON."""
        lines, start = iter_byte_lines(shard), 0
        while block := list(islice(lines, BLOCK)):
            yield _Lines(shard, start, block, self._languages)
            start += len(block)
        if not start:
            raise InputError(f"{shard}: the file is empty")

    def _tables_of(self, shard: Path) -> Iterator[_Block]:
        import datasets

        spec = self.spec.model_copy(update={"dataset": str(shard)})
        # By default `datasets` takes a whole row group of Parquet at a time.
        settings: dict[str, dict[str, Any]] = {"parquet": {"batch_size": 1000}}
        with quiet_datasets(), no_download_count():
            dataset: Any = call_datasets(
                spec,
                datasets.load_dataset,
                self.file_format,
                data_files={"train": [str(shard)]},
                split="train",
                streaming=True,
                **settings.get(self.file_format, {}),
            )
        start = 0
        try:
            if dataset.features is None:
                raise ValueError("no columns; the file is empty or not of its kind")
            nested = check_languages(dataset, str(shard), self._languages)
            columns = ["translation"] if nested else list(dict.fromkeys(self._languages))
            for table in dataset.select_columns(columns).with_format("arrow").iter(BLOCK):
                yield _Table(shard, start, table, self._languages)
                start += len(table)
        except InputError:
            raise
        except Exception as error:  # readers of several formats stand behind this, whose errors share no class
            raise InputError(f"{shard}: cannot be read after row {start}: {root_cause(error)}") from None


def open_stream(config: Config, spec: CorpusConfig | None = None) -> Stream:
    """Find the shards of a text and read them once, so that a bad row is reported before the first step.

    spec: one of the texts to learn from; None: the first. Raises InputError as `read_corpus` does.
    """
    spec = config.data.texts[0] if spec is None else spec
    paths, file_format = _find_shards(spec, Path(config.data.root))
    known = TEXT_FORMATS[file_format].keys if file_format in TEXT_FORMATS else ()
    refuse_format_keys(spec, f"for shards of {file_format}", known)
    stream = Stream(config, spec, tuple(paths), file_format)
    digest, dropped, pairs = hashlib.sha256(), Counter[str](), 0
    given = config.tokenizer.source_model or (config.training.start and not config.tokenizer.extend)
    wanted = 0 if given else config.tokenizer.sample_pairs
    sample: list[SentencePair] = []
    notes: list[str] = []
    generator = random.Random(config.training.seed)
    for index in range(len(paths)):
        for row in (row for block in stream.rows([index], 1, notes=notes) for row in block):
            if not isinstance(row, SentencePair):
                dropped[row.reason] += 1
                continue
            pairs += 1
            digest.update(f"{row.source}\n{row.target}\n".encode())  # no sentence has a line break or a NUL
            if len(sample) < wanted:
                sample.append(row)
            elif (place := generator.randrange(pairs)) < wanted:  # reservoir sampling: every pair is equally likely
                sample[place] = row
        digest.update(b"\0")
    if not pairs:
        told = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise InputError(f"{spec.dataset}: no usable pair in {len(paths)} shards ({told or 'no rows'})")
    drawn = Corpus([pair.source for pair in sample], [pair.target for pair in sample], {})
    stream = replace(stream, pairs=pairs, dropped=dict(dropped), notes=tuple(notes))
    return replace(stream, fingerprint=digest.hexdigest(), sample=drawn)


def _find_shards(spec: CorpusConfig, root: Path) -> tuple[list[Path], str]:
    """Return the shards in the order of their names, and their format."""
    assert spec.dataset is not None
    path = root / spec.dataset
    if path.is_dir():
        files = [each for each in path.rglob("*") if format_of(each) and each.name not in SAVE_TO_DISK_FILES]
        files = [each for each in files if not each.name.startswith(("cache-", "."))]
        for each in files:
            if found := _HELD_OUT.search(each.relative_to(path).as_posix()):
                hint = f"name the shards to learn from, as in {spec.dataset}/train*"
                raise InputError(f"{each}: looks like {found[2]} text, among text to learn from; {hint}")
    elif path.exists():
        files = [path]
    else:
        files = [each for each in root.glob(spec.dataset) if each.is_file()] if not Path(spec.dataset).anchor else []
        files = files or [each for each in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if each.is_file()]
    if not files:
        known = ", ".join(FORMATS)
        raise InputError(f"{path}: no shards there; streaming reads a local file, folder or pattern of {known}")
    formats = {format_of(each) for each in files}
    if len(formats) > 1 or None in formats:
        names = ", ".join(sorted(str(file_format) for file_format in formats))
        raise InputError(f"{path}: shards must be of one known kind ({', '.join(FORMATS)}); found {names}")
    return sorted(files), str(formats.pop())
