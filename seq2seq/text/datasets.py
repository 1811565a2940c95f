"""Parallel text from Hugging Face datasets: a hub name, a local folder, or a Parquet, Arrow, JSON, CSV or TSV file.

JSON, CSV and TSV on disk are read by this package and not by `datasets`, whose readers guess: they turn years into
numbers and times into dates, and take a surplus field in the first row of a CSV for a row name, which shifts all
sentences.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.config import CorpusConfig
from seq2seq.errors import InputError, Seq2SeqError, nearest
from seq2seq.text.compression import strip_compression_suffix
from seq2seq.text.delimited import read_delimited
from seq2seq.text.lines import INVALID_UTF8, describe_problem
from seq2seq.text.readers import Problem, Row, check_pair, read_json

FORMATS = {".parquet": "parquet", ".arrow": "arrow"}  # by suffix; text_reader adds those of text
FORMAT_KEYS = (*CorpusConfig.TABLE, "inline_tags")  # keys of the config that only some formats know
SAVE_TO_DISK_FILES = ("dataset_dict.json", "dataset_info.json", "state.json")  # what save_to_disk leaves in a folder


Read = Callable[[Path, CorpusConfig, tuple[str, str], list[str]], Iterator[Row]]  # file, spec, languages, notes


class TextReader(NamedTuple):
    """The reader of one format of text. keys: those of FORMAT_KEYS that say how it is read."""

    read: Read
    keys: tuple[str, ...]


TEXT_FORMATS: dict[str, TextReader] = {}  # formats whose rows are lines of text, which may be compressed as a whole


def text_reader(file_format: str, *suffixes: str, keys: tuple[str, ...] = ()) -> Callable[[Read], Read]:
    """Register the function that yields the pairs of files with these suffixes.

    Raises ValueError where two formats share a suffix.
    """

    def register(read: Read) -> Read:
        if shared := next((suffix for suffix in suffixes if suffix in FORMATS), None):
            raise ValueError(f"two formats have the suffix {shared!r}")
        FORMATS.update(dict.fromkeys(suffixes, file_format))
        TEXT_FORMATS[file_format] = TextReader(read, keys)
        return read

    return register


@text_reader("json", ".jsonl", ".json")
def _read_json(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    return read_json(path, languages)


@text_reader("csv", ".csv", keys=CorpusConfig.TABLE)
def _read_csv(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    return read_delimited(path, "csv", spec, languages, notes)


@text_reader("tsv", ".tsv", keys=CorpusConfig.TABLE)
def _read_tsv(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    return read_delimited(path, "tsv", spec, languages, notes)


def format_of(path: Path) -> str | None:
    """Return the format that a file's name stands for; None if it is unknown, or compressed and not text."""
    bare = strip_compression_suffix(path)
    file_format = FORMATS.get(bare.suffix.lower())
    return file_format if bare == path or file_format in TEXT_FORMATS else None


def read_dataset(spec: CorpusConfig, root: Path, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    """Yield the pairs of a dataset, from its `translation` feature or from two columns named by language.

    Raises InputError for an unknown split, language, configuration or file, Seq2SeqError where the hub fails.
    """
    assert spec.dataset is not None
    if files := _text_files(spec, root / spec.dataset):
        yield from _read_files(files, spec, languages, notes)
        return
    with quiet_datasets():
        dataset = _choose_split(_open(spec, root), spec)
    refuse_format_keys(spec, "which is no table of text")
    if dataset.info.builder_name == "csv" and "__index_level_0__" in dataset.features:
        raise InputError(f"{spec.dataset}: a row of its CSV has more columns than the header, which shifts all of them")
    nested = check_languages(dataset, spec.dataset, languages)
    dataset = dataset.select_columns(["translation"] if nested else list(dict.fromkeys(languages)))
    start = 0
    for table in dataset.with_format("arrow").iter(1000):
        yield from table_rows(table, start, spec.dataset, languages)
        start += len(table)


def read_text(
    path: Path, file_format: str, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]
) -> Iterator[Row]:
    """Yield the pairs of a file in one of TEXT_FORMATS."""
    reader = TEXT_FORMATS[file_format]
    refuse_format_keys(spec, f"for {file_format.upper()}", reader.keys)
    return reader.read(path, spec, languages, notes)


def refuse_format_keys(spec: CorpusConfig, why: str, known: tuple[str, ...] = ()) -> None:
    """Raise InputError for a key that this format does not know; `why` ends the sentence "has no effect …"."""
    for key in FORMAT_KEYS:
        if key not in known and getattr(spec, key) is not None:
            raise InputError(f"{spec.dataset}: {key} has no effect {why}; leave it out")


def _text_files(spec: CorpusConfig, path: Path) -> dict[str, list[Path]]:
    """Return the files of each split where all are text on disk, else an empty dict."""
    if os.path.isfile(path) and spec.name is None:
        return {"train": [path]} if format_of(path) in TEXT_FORMATS else {}
    if not os.path.isdir(path) or spec.name is not None or _is_saved(path) or _card_names_files(path):
        return {}
    from datasets.data_files import DataFilesDict, get_data_patterns

    try:
        found = DataFilesDict.from_patterns(get_data_patterns(str(path)), base_path=str(path))
    except FileNotFoundError:  # `datasets` reports it better when it loads
        return {}
    splits = {str(name): [Path(each) for each in files if format_of(Path(each))] for name, files in found.items()}
    formats = {format_of(each) for files in splits.values() for each in files}
    return {name: sorted(files) for name, files in splits.items() if files} if formats <= set(TEXT_FORMATS) else {}


def _read_files(
    splits: dict[str, list[Path]], spec: CorpusConfig, languages: tuple[str, str], notes: list[str]
) -> Iterator[Row]:
    """Yield the rows that `split` selects from text files."""

    def rows(name: str) -> Iterator[Row]:
        for path in splits[name]:
            yield from read_text(path, str(format_of(path)), spec, languages, notes)

    if spec.split is None or spec.split in splits:
        yield from rows(_only_split(splits, spec) if spec.split is None else spec.split)
        return
    held = {name: list(rows(name)) for name in _split_names(spec.split) if name in splits}
    for name, first, end in _slices({name: len(held.get(name, ())) for name in splits}, spec):
        yield from held[name][first:end]


def table_rows(table: Any, start: int, name: str, languages: tuple[str, str]) -> Iterator[Row]:
    """Yield the rows of an Arrow table; messages call it `name` and count on from `start`."""
    for number, row in enumerate(_table_values(table), start=start):
        place = f"{name}: row {number} (the first is 0)"
        if row is None:
            yield Problem(INVALID_UTF8, f"{place}: {describe_problem(INVALID_UTF8)}")
            continue
        row = row.get("translation", row) or {}
        yield check_pair((row.get(languages[0]), row.get(languages[1])), (place, place))


def _table_values(table: Any) -> list[dict[str, Any] | None]:
    """Return the rows as Python objects, None for one that is not UTF-8, since Arrow takes any bytes for a string."""
    try:
        return list(table.to_pylist())
    except UnicodeDecodeError:
        if len(table) == 1:
            return [None]
        middle = len(table) // 2
        return [*_table_values(table.slice(0, middle)), *_table_values(table.slice(middle))]


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Switch off the progress bars of `datasets` where stderr is not a terminal."""
    import datasets

    if (sys.stderr and sys.stderr.isatty()) or datasets.utils.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


@contextmanager
def no_download_count() -> Iterator[None]:
    """Keep `datasets` from reporting to the hub that local files are opened.

    Without a network, each report can take seconds to fail.
    """
    import datasets

    before = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = before


def _open(spec: CorpusConfig, root: Path) -> Any:
    """Load all splits, or the only one that was saved; what is on disk takes precedence over a name on the hub."""
    import datasets

    assert spec.dataset is not None
    path = root / spec.dataset
    if os.path.exists(path):  # path.exists() raises where the name is too long
        saved = path.is_dir() and _is_saved(path)
        if spec.name is not None and (saved or path.is_file()):
            raise InputError(f"{path}: name = {spec.name!r} has no effect here; leave it out")
        if saved:
            return call_datasets(spec, datasets.load_from_disk, str(path))
        if path.is_dir():
            return call_datasets(spec, datasets.load_dataset, str(path), name=spec.name, cache_dir=_cache_of(path))
        if (file_format := format_of(path)) is None:
            raise InputError(f"{path}: unknown kind of dataset file {path.suffix!r}; allowed: {', '.join(FORMATS)}")
        return call_datasets(spec, datasets.load_dataset, file_format, data_files=str(path), cache_dir=_cache_of(path))
    if format_of(path) or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", spec.dataset):
        raise InputError(f"{path}: no such dataset file or folder")
    return call_datasets(spec, datasets.load_dataset, spec.dataset, name=spec.name)


def _cache_of(path: Path) -> str:
    """Return the cache folder of `datasets` for a file, or for a folder, as its files are now.

    By itself `datasets` recognises a file by name and time of modification, which unpacking and copying reset, so
    another text under the same name would be passed over for the old one. The time of change, used here, cannot be set.
    """
    import datasets

    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for each in files:
        found = each.stat()
        digest.update(
            f"{each}\0{found.st_size}\0{found.st_ino}\0{found.st_ctime_ns}\0".encode(errors="surrogateescape")
        )
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"seq2seq-{digest.hexdigest()[:32]}")


def _is_saved(folder: Path) -> bool:
    return any((folder / name).exists() for name in SAVE_TO_DISK_FILES)


def _card_names_files(folder: Path) -> bool:
    """Return whether a README.md, as on the hub, says which files belong to which split."""
    card = folder / "README.md"
    return card.is_file() and b"\nconfigs:" in card.read_bytes()


def _only_split(splits: Collection[str], spec: CorpusConfig) -> str:
    if len(splits) > 1:
        raise InputError(f"{spec.dataset}: say which split to read; {nearest('', splits)}")
    return next(iter(splits))


def _choose_split(splits: Any, spec: CorpusConfig) -> Any:
    """Return the rows that `split` selects: one split, a slice such as train[:1000], or a sum of them."""
    import datasets

    if not isinstance(splits, datasets.DatasetDict):
        if spec.split is not None:
            message = f"split = {spec.split!r} has no effect, the folder holds one split; leave it out"
            raise InputError(f"{spec.dataset}: {message}")
        return splits
    if spec.split is None:
        return splits[_only_split(splits, spec)]
    parts = _slices({name: len(split) for name, split in splits.items()}, spec)
    return datasets.concatenate_datasets([_slice(splits[name], first, end) for name, first, end in parts])


def _slices(sizes: dict[str, int], spec: CorpusConfig) -> list[tuple[str, int | None, int | None]]:
    """Return the slices that `split` selects as (name of the split, first row, row after the last)."""
    import datasets

    assert spec.split is not None
    for name in _split_names(spec.split):
        if name not in sizes:
            raise InputError(f"{spec.dataset}: no split {name!r}; {nearest(name, sizes)}")
    try:
        instructions = datasets.ReadInstruction.from_spec(spec.split)
        slices = instructions.to_absolute(sizes)
    except (ValueError, AssertionError):
        raise InputError(
            f"{spec.dataset}: split = {spec.split!r} is not understood; allowed: a name, or a slice as in "
            "train[:1000], train[10%:20%]"
        ) from None
    return [(each.splitname, each.from_, each.to) for each in slices]


def _split_names(split: str) -> list[str]:
    """Return the names of the splits in an expression such as train[:10]+test."""
    return [name.strip() for name in re.split(r"\[[^]]*\]|\+", split) if name.strip()]


def _slice(split: Any, first: int | None, end: int | None) -> Any:
    return split.select(range(len(split))[first:end] or [])  # select accepts an empty list but no empty range


def call_datasets(spec: CorpusConfig, function: Any, *args: Any, **options: Any) -> Any:
    """Call a function of `datasets`; turn its errors, which share no class, into an error of one line."""
    import datasets

    try:
        return function(*args, **options)
    except (datasets.exceptions.DatasetNotFoundError, ValueError) as error:
        raise InputError(f"{spec.dataset}: cannot open the dataset: {root_cause(error)}") from None
    except Exception as error:  # readers of many formats and the network stand behind this call; none shares a class
        raise Seq2SeqError(
            f"{spec.dataset}: cannot load the dataset: {type(error).__name__}: {root_cause(error)}"
        ) from None


def root_cause(error: BaseException) -> str:
    """Return the first line of the message of an error's root cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or ["no further word"])[0]


def check_languages(dataset: Any, name: str, languages: tuple[str, str]) -> bool:
    """Return whether the text is in a `translation` feature rather than in columns of its own.

    Raises InputError where one of the two languages is missing.
    """
    import datasets

    feature = dataset.features.get("translation")
    if isinstance(feature, datasets.Translation):
        found, nested = list(feature.languages), True
    elif isinstance(feature, dict):
        found, nested = list(feature), True
    else:
        found, nested = list(dataset.features), False
    for language, key in zip(languages, ("data.source_language", "data.target_language"), strict=True):
        if language not in found:
            what = "language" if nested else "column"
            raise InputError(f"{name}: no {what} {language!r} ({key}); {nearest(language, found)}")
    return nested
