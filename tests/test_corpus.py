"""Parallel text: every format, every kind of bad line, the filters, and the cache of encoded text."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from seq2seq.config import CorpusConfig, DataConfig, TokenizerConfig
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.text.corpus import Corpus, encode_corpus, fingerprint, iter_lines, read_corpus, read_lines
from seq2seq.text.encoding import Ids
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair, train_tokenizers

ALIGNED = CorpusConfig(source="text.de", target="text.en")
ROWS = [{"de": "ein Haus", "en": "a house"}, {"de": "ein Ball", "en": "a ball"}, {"de": "der Hund", "en": "the dog"}]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hub-cache")


def settings(root, problems="refuse", **options):
    languages = {"source_language": "de", "target_language": "en"}
    return DataConfig(root=str(root), train=ALIGNED, validation=ALIGNED, problems=problems, **{**languages, **options})


def read_aligned(root, source, target, problems="refuse"):
    (root / "text.de").write_bytes(source)
    (root / "text.en").write_bytes(target)
    return read_corpus(ALIGNED, settings(root, problems))


# Lines


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_lines_end_at_newline_only(tmp_path, separator):
    """Pitfall 17: not where str.splitlines() would split as well."""
    corpus = read_aligned(tmp_path, f"a{separator}b\nc\n".encode(), b"d\ne\n")
    assert corpus.source == [f"a{separator}b", "c"]
    assert corpus.target == ["d", "e"]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\n", ["a", ""]),
        (b"\n", [""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\r\n", ["a\r"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\na", ["", "a"]),
        (" a\u3000\n".encode(), [" a\u3000"]),
    ],
)
def test_lines_of_a_file_and_of_a_stream(tmp_path, content, lines):
    (tmp_path / "text").write_bytes(content)
    (tmp_path / "text.gz").write_bytes(gzip.compress(content))
    assert read_lines(tmp_path / "text") == lines
    assert read_lines(tmp_path / "text.gz") == lines
    assert list(iter_lines(io.BytesIO(content), "input")) == lines


def test_an_enormous_line(tmp_path):
    (tmp_path / "text").write_bytes(b"a b " * 500_000 + b"\nc")
    assert [len(line) for line in read_lines(tmp_path / "text")] == [2_000_000, 1]


def test_a_stream_is_read_as_it_arrives():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as sender:
        lines = iter_lines(stream, "input")
        sender.write(b"first\nsec")
        assert next(lines) == "first"
        sender.write(b"ond\n")
        assert next(lines) == "second"


@pytest.mark.parametrize(("bad", "message"), [(b"\xff", "not valid UTF-8"), (b"x\0", "NUL character")])
def test_bad_lines_are_refused_with_their_number(tmp_path, bad, message):
    content = b"a\nb\n" + bad + b"\nc\n"
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(InputError, match=rf"text:3: .*{message}"):
        read_lines(tmp_path / "text")
    lines = iter_lines(io.BytesIO(content), "<stdin>")
    assert [next(lines), next(lines)] == ["a", "b"]
    with pytest.raises(InputError, match=rf"^<stdin>:3: .*{message}"):
        next(lines)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "none: no such file"),
        ("folder", "folder: is a folder; a text file is needed"),
        ("broken.gz", r"broken\.gz: cannot be read: .*gzip"),
        ("short.gz", r"short\.gz: cannot be read after line \d+: .*end-of-stream"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.gz").write_bytes(b"text\n")
    (tmp_path / "short.gz").write_bytes(gzip.compress(b"text\n" * 1000)[:-11])
    with pytest.raises(InputError, match=message):
        read_lines(tmp_path / name)


# Aligned files


def test_pairs_keep_their_order(tmp_path):
    corpus = read_aligned(tmp_path, b"drei\neins\nzwei", b"three\none\ntwo\n")
    assert corpus == Corpus(["drei", "eins", "zwei"], ["three", "one", "two"], {})
    assert len(corpus) == 3


def test_spaces_of_a_line_are_kept(tmp_path):
    assert read_aligned(tmp_path, b" a  b \n", b"\tc\n").source == [" a  b "]


def test_absolute_paths_ignore_the_root(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    spec = CorpusConfig(source=str(tmp_path / "a"), target=str(tmp_path / "b"))
    assert read_corpus(spec, settings("elsewhere")) == Corpus(["a"], ["b"], {})


@pytest.mark.parametrize("problems", ["refuse", "drop"])
def test_unequal_line_counts_are_always_refused(tmp_path, problems):
    """Pitfall 17: no telling what belongs together."""
    message = r"text\.de has 3 lines, .*text\.en has 2"
    with pytest.raises(InputError, match=message):
        read_aligned(tmp_path, b"a\nb\nc\n", b"d\ne\n", problems)


@pytest.mark.parametrize("problems", ["refuse", "drop"])
@pytest.mark.parametrize(
    ("source", "target", "name"), [(b"", b"", "de"), (b"\xef\xbb\xbf", b"a", "de"), (b"a", b"", "en")]
)
def test_empty_files_are_always_refused(tmp_path, problems, source, target, name):
    with pytest.raises(InputError, match=rf"text\.{name}: the file is empty"):
        read_aligned(tmp_path, source, target, problems)


BAD = [
    (b"\xff", b"x", "invalid UTF-8", r"text\.de:2: .*not valid UTF-8"),
    (b"x", b"\xc3", "invalid UTF-8", r"text\.en:2: .*not valid UTF-8"),
    (b"\xed\xa0\x80", b"x", "invalid UTF-8", r"text\.de:2: .*not valid UTF-8"),  # half a surrogate pair
    (b"x\0", b"x", "NUL", r"text\.de:2: .*NUL character"),
    (b"x", b"\0", "NUL", r"text\.en:2: .*NUL character"),
    (b"", b"x", "one side blank", r"text\.de:2: the source is blank"),
    (b"x", b" \t", "one side blank", r"text\.en:2: the target is blank"),
    (b"x", "\u3000".encode(), "one side blank", r"text\.en:2: the target is blank"),
]


@pytest.mark.parametrize(("source", "target", "reason", "message"), BAD)
def test_bad_pairs_are_refused_or_dropped(tmp_path, source, target, reason, message):
    """Pitfall 17: a pair goes as a whole, so that no later line is shifted."""
    files = b"a\n" + source + b"\nc\n", b"d\n" + target + b"\nf\n"
    with pytest.raises(InputError, match=message):
        read_aligned(tmp_path, *files)
    assert read_aligned(tmp_path, *files, "drop") == Corpus(["a", "c"], ["d", "f"], {reason: 1})


@pytest.mark.parametrize("problems", ["refuse", "drop"])
def test_pairs_of_blank_lines_are_dropped_and_counted(tmp_path, problems):
    """Pitfall 17: blank on both sides, in place."""
    corpus = read_aligned(tmp_path, b"a\n\n \nb\n", b"c\n\n\nd\n", problems)
    assert corpus == Corpus(["a", "b"], ["c", "d"], {"both blank": 2})


def test_reasons_are_counted_one_by_one(tmp_path):
    corpus = read_aligned(tmp_path, b"a\n\xff\n\n\xff\n\0\n", b"b\nc\nd\ne\nf\n", "drop")
    assert corpus.dropped == {"invalid UTF-8": 2, "one side blank": 1, "NUL": 1}


def test_a_text_without_any_good_pair(tmp_path):
    with pytest.raises(InputError, match=r"text\.de: no usable pair; dropped both blank: 1, one side blank: 1"):
        read_aligned(tmp_path, b"\n\n", b"\na\n", "drop")


def test_the_message_says_how_to_go_on(tmp_path):
    with pytest.raises(InputError, match=r"data\.problems = 'drop' leaves such pairs out"):
        read_aligned(tmp_path, b"\xff", b"a")


# TSV


def read_tsv(root, content, problems="refuse"):
    (root / "text.tsv").write_bytes(content)
    return read_corpus(CorpusConfig(tsv="text.tsv"), settings(root, problems))


def test_tsv(tmp_path):
    corpus = read_tsv(tmp_path, '\ufeffein "Haus\ta house\r\nder\u2028Hund\tthe dog'.encode())
    assert corpus == Corpus(['ein "Haus', "der\u2028Hund"], ["a house", "the dog"], {})


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (b"alone", "columns", "1 column; exactly two are needed, source TAB target"),
        (b"a\tb\tc", "columns", "3 columns"),
        (b"a\t", "one side blank", "the target is blank"),
        (b"a\t\xff", "invalid UTF-8", "not valid UTF-8"),
    ],
)
def test_bad_lines_of_tsv(tmp_path, line, reason, message):
    content = b"a b\tc\n" + line + b"\n"
    with pytest.raises(InputError, match=rf"text\.tsv:2: .*{message}"):
        read_tsv(tmp_path, content)
    assert read_tsv(tmp_path, content, "drop") == Corpus(["a b"], ["c"], {reason: 1})


def test_blank_lines_of_tsv(tmp_path):
    assert read_tsv(tmp_path, b"a\tb\n\n\t\n").dropped == {"both blank": 2}


# JSONL


def read_jsonl(root, content, problems="refuse"):
    (root / "text.jsonl").write_bytes(content)
    return read_corpus(CorpusConfig(jsonl="text.jsonl"), settings(root, problems))


def test_jsonl_with_both_layouts(tmp_path):
    rows = [{"de": "ein Haus", "en": "a house", "id": 7}, {"translation": {"de": "\u2028", "en": "", "fr": "x"}}]
    rows[1]["translation"] = {"en": "the dog", "de": "der Hund"}
    content = "\n".join(json.dumps(row) for row in rows).encode()
    assert read_jsonl(tmp_path, content) == Corpus(["ein Haus", "der Hund"], ["a house", "the dog"], {})


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        ('{"de": "a", "en": "b"', "JSON", "not a JSON object: .*"),
        ("[1, 2]", "JSON", "not a JSON object with the keys 'de' and 'en'"),
        ('{"translation": "x"}', "JSON", "not a JSON object with the keys"),
        ('{"de": "a", "de": "c", "en": "b"}', "JSON", "not a JSON object: the key 'de' is there twice"),
        ('{"translation": {"de": "a", "en": "b", "en": ""}}', "JSON", "not a JSON object: the key 'en' is there twice"),
        ("[" * 100_000, "JSON", "not a JSON object"),
        ('{"de": "a", "eng": "b"}', "JSON", r"no key 'en'; did you mean 'eng'\? allowed: de, eng"),
        ('{"de": "a", "en": null}', "not text", "None is not a string"),
        ('{"de": 7, "en": "b"}', "not text", "7 is not a string"),
        ('{"de": "a\\nb", "en": "b"}', "line break", "a line break within a sentence"),
        ('{"de": "a\\u0000", "en": "b"}', "NUL", "NUL character"),
        ('{"de": "a", "en": "\\ud83d"}', "invalid Unicode", "half a surrogate pair"),
        ('{"de": "", "en": "b"}', "one side blank", "the source is blank"),
    ],
)
def test_bad_lines_of_jsonl(tmp_path, line, reason, message):
    content = b'{"de": "a", "en": "b"}\n' + line.encode() + b"\n"
    with pytest.raises(InputError, match=rf"text\.jsonl:2: .*{message}"):
        read_jsonl(tmp_path, content)
    assert read_jsonl(tmp_path, content, "drop") == Corpus(["a"], ["b"], {reason: 1})


def test_invalid_utf8_in_jsonl(tmp_path):
    with pytest.raises(InputError, match=r"text\.jsonl:1: .*not valid UTF-8"):
        read_jsonl(tmp_path, b'{"de": "\xff", "en": "b"}')


def test_blank_lines_of_jsonl(tmp_path):
    assert read_jsonl(tmp_path, b'{"de": "a", "en": "b"}\n\n').dropped == {"both blank": 1}


# Hugging Face datasets


def dataset_of(rows, nested):
    import datasets

    rows = [{"translation": row} for row in rows] if nested else rows
    return datasets.Dataset.from_list(rows)


def save(dataset, root, form):
    """Write a dataset in one of the forms that can be read; what to put under `dataset`."""
    import datasets

    path = root / f"data{form}" if form.startswith(".") else root / form
    if form == ".parquet":
        dataset.to_parquet(path)
    elif form == ".jsonl":
        dataset.to_json(path)
    elif form == ".csv":
        dataset.to_csv(path)
    elif form == ".arrow":
        dataset.save_to_disk(root / "arrow")
        path = next((root / "arrow").glob("*.arrow"))
    elif form == "saved":
        dataset.save_to_disk(path)
    elif form == "saved splits":
        datasets.DatasetDict(train=dataset).save_to_disk(path)
    elif form == "folder":
        path.mkdir()
        dataset.to_parquet(path / "train-00000-of-00001.parquet")
    return str(path.relative_to(root))


def read_dataset(root, name, problems="refuse", split=None, config=None, **options):
    return read_corpus(CorpusConfig(dataset=name, split=split, name=config), settings(root, problems, **options))


FORMS = [".parquet", ".arrow", ".jsonl", "saved", "saved splits", "folder"]
EXPECTED = Corpus([row["de"] for row in ROWS], [row["en"] for row in ROWS], {})


def test_bytes_that_are_no_text_in_a_dataset_are_refused_or_dropped(tmp_path):
    """Arrow takes any bytes for a string."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sides = {"de": [b"a", b"\xff", b"c", b"d"], "en": [b"A", b"B", b"C", b"\xfe"]}
    table = pa.table({side: pa.array(values).view(pa.string()) for side, values in sides.items()})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: row 1 \(the first is 0\): the line is not valid UTF-8"):
        read_dataset(tmp_path, "x.parquet")
    found = read_dataset(tmp_path, "x.parquet", problems="drop")
    assert (found.source, found.target, found.dropped) == (["a", "c"], ["A", "C"], {"invalid UTF-8": 2})


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_datasets_in_every_form(tmp_path, form, nested):
    assert read_dataset(tmp_path, save(dataset_of(ROWS, nested), tmp_path, form)) == EXPECTED


def test_a_translation_feature_as_on_the_hub(tmp_path):
    import datasets

    features = datasets.Features(
        {"translation": datasets.Translation(languages=["de", "en"]), "id": datasets.Value("int32")}
    )
    rows = [{"translation": row, "id": index} for index, row in enumerate(ROWS)]
    name = save(datasets.Dataset.from_list(rows, features=features), tmp_path, "saved")
    assert read_dataset(tmp_path, name) == EXPECTED
    assert read_dataset(tmp_path, name, source_language="en", target_language="de").source == EXPECTED.target


def test_csv_keeps_sentences_that_look_like_missing_values(tmp_path):
    rows = [{"de": "None", "en": "NA"}, {"de": "a,b", "en": 'say "null"'}]
    corpus = read_dataset(tmp_path, save(dataset_of(rows, nested=False), tmp_path, ".csv"))
    assert (corpus.source, corpus.target) == (["None", "a,b"], ["NA", 'say "null"'])


def test_more_rows_than_are_read_at_once(tmp_path):
    rows = [{"de": f"{number} a", "en": f"{number} b"} for number in range(2003)]
    corpus = read_dataset(tmp_path, save(dataset_of(rows, nested=True), tmp_path, ".parquet"))
    assert corpus.source == [row["de"] for row in rows]
    assert corpus.target == [row["en"] for row in rows]


def test_a_bad_row_far_down_is_found_by_its_number(tmp_path):
    rows = [{"de": "a", "en": "b"} for _ in range(2003)]
    rows[1501]["en"] = ""
    name = save(dataset_of(rows, nested=True), tmp_path, ".parquet")
    with pytest.raises(InputError, match=r"data\.parquet: row 1501 \(the first is 0\): the target is blank"):
        read_dataset(tmp_path, name)


def test_bad_rows_of_a_dataset(tmp_path):
    rows = [*ROWS, {"de": None, "en": "x"}, {"de": "a\nb", "en": "x"}, {"de": "", "en": ""}, {"de": "a", "en": " "}]
    name = save(dataset_of(rows, nested=True), tmp_path, ".parquet")
    with pytest.raises(InputError, match=r"data\.parquet: row 3 \(the first is 0\): None is not a string"):
        read_dataset(tmp_path, name)
    dropped = {"not text": 1, "line break": 1, "both blank": 1, "one side blank": 1}
    assert read_dataset(tmp_path, name, "drop").dropped == dropped


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        (True, r"no language 'dee' \(data\.source_language\); did you mean 'de'\? allowed: de, en"),
        (False, "no column 'dee'"),
    ],
)
def test_unknown_languages(tmp_path, nested, message):
    name = save(dataset_of(ROWS, nested), tmp_path, ".parquet")
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path, name, source_language="dee")


def two_splits(root, form):
    import datasets

    splits = datasets.DatasetDict(train=dataset_of(ROWS, True), test=dataset_of(ROWS[:2], True))
    if form == "saved splits":
        splits.save_to_disk(root / "both")
    else:
        (root / "both").mkdir()
        for split, dataset in splits.items():
            dataset.to_parquet(root / "both" / f"{split}-00000-of-00001.parquet")
    return "both"


@pytest.mark.parametrize("form", [".parquet", ".arrow", "folder"])
def test_another_text_under_the_name_and_time_of_the_old_one_is_read(tmp_path, form):
    """As archives leave it whose files all have one time: datasets would find the old text in its cache."""
    import shutil

    for rows in (ROWS, [{"de": row["de"][::-1], "en": row["en"]} for row in ROWS]):
        shutil.rmtree(tmp_path / "text", ignore_errors=True)
        (tmp_path / "text").mkdir()
        name = save(dataset_of(rows, True), tmp_path / "text", form)
        for path in (tmp_path / "text").rglob("*"):
            os.utime(path, (10**9, 10**9))
        assert read_dataset(tmp_path, f"text/{name}").source == [row["de"] for row in rows]


@pytest.mark.parametrize("form", ["saved splits", "folder"])
def test_splits(tmp_path, form):
    name = two_splits(tmp_path, form)
    assert len(read_dataset(tmp_path, name, split="train")) == 3
    assert len(read_dataset(tmp_path, name, split="test")) == 2
    with pytest.raises(InputError, match=r"no split 'tset'; did you mean 'test'\? allowed: test, train"):
        read_dataset(tmp_path, name, split="tset")
    with pytest.raises(InputError, match="say which split to read; allowed: test, train"):
        read_dataset(tmp_path, name)


@pytest.mark.parametrize("form", ["saved splits", "folder"])
def test_a_slice_of_a_split(tmp_path, form):
    name = two_splits(tmp_path, form)
    assert read_dataset(tmp_path, name, split="train[1:]").source == ["ein Ball", "der Hund"]
    assert read_dataset(tmp_path, name, split="train[:1]").source == ["ein Haus"]
    with pytest.raises(InputError, match=r"no split 'tset'; did you mean 'test'"):
        read_dataset(tmp_path, name, split="tset[:1]")
    assert len(read_dataset(tmp_path, name, split="train+test[:50%]")) == 4
    for split in ("train[x]", "+", "train[:300%]"):
        with pytest.raises(InputError, match=rf"split = '{re.escape(split)}' is not understood; allowed: a name, or"):
            read_dataset(tmp_path, name, split=split)


def test_split_and_name_are_refused_where_they_would_do_nothing(tmp_path):
    saved = save(dataset_of(ROWS, True), tmp_path, "saved")
    with pytest.raises(InputError, match="saved: split = 'train' has no effect"):
        read_dataset(tmp_path, saved, split="train")
    for form in ("saved splits", ".parquet"):
        with pytest.raises(InputError, match="name = 'de-en' has no effect"):
            read_dataset(tmp_path, save(dataset_of(ROWS, True), tmp_path, form), config="de-en")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.parquet", r"none\.parquet: no such dataset file or folder"),
        ("./none", "none: no such dataset file or folder"),
        ("data.parquet.gz", r"data\.parquet\.gz: unknown kind of dataset file '\.gz'; allowed: "),
        ("data.xml", r"data\.xml: unknown kind of dataset file '\.xml'; allowed: \.parquet, \.arrow"),
    ],
)
def test_datasets_that_are_not_there(tmp_path, name, message):
    (tmp_path / "data.xml").write_text("<xml/>")
    (tmp_path / "data.parquet.gz").write_bytes(b"")
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path, name)


@pytest.mark.parametrize("name", ["data.parquet", "data.json", "data.arrow"])
def test_damaged_dataset_files(tmp_path, name):
    (tmp_path / name).write_text("[no such format")
    with pytest.raises(Seq2SeqError, match=rf"{name}: (cannot (load|open) the dataset|not valid JSON): .+"):
        read_dataset(tmp_path, name)


def test_a_dataset_without_rows(tmp_path):
    name = save(dataset_of(ROWS, True), tmp_path, ".parquet")
    with pytest.raises(InputError, match=r"data\.parquet: no usable pair"):
        read_dataset(tmp_path, name, split="train[3:]")


def test_a_hub_name_is_passed_on(tmp_path, monkeypatch):
    import datasets

    calls = []

    def load(*args, **options):
        calls.append((args, options))
        return datasets.DatasetDict(train=dataset_of(ROWS, True))

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert read_dataset(tmp_path, "owner/corpus", split="train", config="de-en") == EXPECTED
    assert calls == [(("owner/corpus",), {"name": "de-en"})]


def test_a_csv_that_datasets_has_shifted_is_refused(tmp_path):
    """A folder whose card names its files, and the hub: pandas takes the first of too many fields for an index."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "README.md").write_text("---\nconfigs:\n- config_name: all\n  data_files: x.csv\n---\n")
    (tmp_path / "folder" / "x.csv").write_text("de,en\nDer Hund, der schläft.,The dog that sleeps.\n", encoding="utf-8")
    with pytest.raises(InputError, match="folder: a row of its CSV has more columns than the header"):
        read_dataset(tmp_path, "folder")


@pytest.mark.parametrize("error", [ConnectionError("Couldn't reach the Hub\nand more"), OSError(28, "disk full")])
def test_a_failing_hub_is_one_line(tmp_path, monkeypatch, error):
    def load(*args, **options):
        raise error

    monkeypatch.setattr("datasets.load_dataset", load)
    with pytest.raises(
        Seq2SeqError, match=r"^owner/corpus: cannot load the dataset: (Connection|OS)Error: .*(Hub|full)$"
    ) as caught:
        read_dataset(tmp_path, "owner/corpus")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_unknown_configuration_is_bad_input(tmp_path, monkeypatch):
    def load(*args, **options):
        raise ValueError("BuilderConfig 'x' not found. Available: ['de-en']")

    monkeypatch.setattr("datasets.load_dataset", load)
    with pytest.raises(InputError, match="owner/corpus: cannot open the dataset: BuilderConfig 'x' not found"):
        read_dataset(tmp_path, "owner/corpus")


def test_no_progress_bars_where_stderr_is_no_terminal(tmp_path, capfd):
    import datasets

    name = save(dataset_of(ROWS, True), tmp_path, "folder")
    capfd.readouterr()
    corpus = read_dataset(tmp_path, name)
    encode_corpus(corpus, tokenizers(corpus), settings(tmp_path), tmp_path / "cache")
    assert capfd.readouterr() == ("", "")
    assert not datasets.utils.are_progress_bars_disabled()  # the caller's own bars are left alone


# Fingerprint


def test_the_fingerprint_changes_with_the_text():
    corpora = [
        Corpus(["a", "b"], ["c", "d"], {}),
        Corpus(["b", "a"], ["c", "d"], {}),
        Corpus(["a", "b"], ["d", "c"], {}),
        Corpus(["c", "d"], ["a", "b"], {}),
        Corpus(["ab", ""], ["c", "d"], {}),
        Corpus(["a"], ["bc", "d"], {}),
        Corpus(["a", "b "], ["c", "d"], {}),
    ]
    assert len({fingerprint(corpus) for corpus in corpora}) == len(corpora)
    assert fingerprint(corpora[0]) == fingerprint(Corpus(["a", "b"], ["c", "d"], {"NUL": 3}))


def test_the_fingerprint_is_pinned():
    """A run is resumed with a later version too, so the value must not wander."""
    content = b"a\n" + "\u00e4\n".encode() + b"\0" + b"b\n" + "\u4e66\n".encode() + b"\0"
    assert fingerprint(Corpus(["a", "\u00e4"], ["b", "\u4e66"], {})) == hashlib.sha256(content).hexdigest()


# Encoding and filters


def tokenizers(corpus):
    return train_tokenizers(corpus.source, corpus.target, TokenizerConfig(kind="char"))


def encode(root, pairs, cache=None, filters=True, **options):
    corpus = Corpus([source for source, _ in pairs], [target for _, target in pairs], {})
    return encode_corpus(corpus, tokenizers(corpus), settings(root, **options), cache, filters=filters)


NONE_REMOVED = {"empty": 0, "too long": 0, "length ratio": 0, "duplicate": 0}


def test_ids_are_those_of_the_tokenizers(tmp_path):
    corpus = Corpus(["ein Haus", "der Hund"], ["a house", "the dog"], {})
    pair = train_tokenizers(corpus.source, corpus.target, TokenizerConfig(kind="char", joint=False))
    encoded = encode_corpus(corpus, pair, settings(tmp_path))
    assert encoded.source_ids == [pair.source.encode(text) for text in corpus.source]
    assert encoded.target_ids == [pair.target.encode(text) for text in corpus.target]
    assert (encoded.source, encoded.target) == (corpus.source, corpus.target)
    assert encoded.removed == NONE_REMOVED


# With kind "char" a text has one piece a character and one for the space before it.


def test_length_filter_counts_pieces_on_either_side(tmp_path):
    pairs = [("abcd", "abcd"), ("abcde", "abcd"), ("abcd", "abcde"), ("abcde", "abcde")]
    encoded = encode(tmp_path, pairs, max_length=5)
    assert (encoded.source, encoded.target) == (["abcd"], ["abcd"])
    assert encoded.removed == NONE_REMOVED | {"too long": 3}


def test_ratio_filter_in_both_directions(tmp_path):
    pairs = [("ab", "abcdefgh"), ("ab", "abcdefghi"), ("abcdefgh", "ab"), ("abcdefghi", "ab")]  # 3 : 9 and 3 : 10
    encoded = encode(tmp_path, pairs, max_ratio=3)
    assert encoded.source == ["ab", "abcdefgh"]
    assert encoded.removed == NONE_REMOVED | {"length ratio": 2}
    assert len(encode(tmp_path, pairs, max_ratio=0).source) == 4


def test_duplicates_are_pairs_seen_before(tmp_path):
    pairs = [("a", "b"), ("a", "c"), ("d", "b"), ("a", "b"), ("b", "a"), ("a", "b")]
    encoded = encode(tmp_path, pairs, drop_duplicates=True)
    assert list(zip(encoded.source, encoded.target, strict=True)) == [("a", "b"), ("a", "c"), ("d", "b"), ("b", "a")]
    assert encoded.removed == NONE_REMOVED | {"duplicate": 2}
    assert len(encode(tmp_path, pairs).source) == 6


def test_empty_sides_are_removed(tmp_path):
    """Pitfall 21: what has no pieces does not reach the model."""
    encoded = encode(tmp_path, [("a", "b"), ("", "b"), ("a", "")])
    assert (encoded.source, encoded.target) == (["a"], ["b"])
    assert encoded.removed == NONE_REMOVED | {"empty": 2}


def test_a_pair_is_counted_once(tmp_path):
    pairs = [("abcdefgh", "a")] * 3 + [("ab", "ab")] * 2
    encoded = encode(tmp_path, pairs, max_length=5, max_ratio=2, drop_duplicates=True)
    assert encoded.source == ["ab"]
    assert encoded.removed == NONE_REMOVED | {"too long": 3, "duplicate": 1}


def test_ids_and_texts_stay_together(tmp_path):
    pairs = [("abcdef", "a"), ("bc", "cb"), ("abcdef", "b"), ("da", "ad"), ("cd", "dc")]
    encoded = encode(tmp_path, pairs, max_length=4)
    decode = tokenizers(Corpus(*zip(*pairs, strict=True), {})).source.decode
    assert encoded.source == ["bc", "da", "cd"]
    assert [decode(ids) for ids in encoded.source_ids] == encoded.source
    assert [decode(ids) for ids in encoded.target_ids] == encoded.target


def test_without_filters_all_pairs_stay(tmp_path):
    pairs = [("abcdefgh", "a"), ("abcdefgh", "a"), ("a", "b")]
    encoded = encode(tmp_path, pairs, filters=False, max_length=2, max_ratio=1, drop_duplicates=True)
    assert list(zip(encoded.source, encoded.target, strict=True)) == pairs
    assert [len(ids) for ids in encoded.source_ids] == [9, 9, 2]
    assert encoded.removed == NONE_REMOVED


MANY = [(f"{number} a", f"b {number * 7}") for number in range(2311)]


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=4), max_size=6), st.data())
def test_ids_are_a_list_of_lists(rows, data):
    ids = Ids(rows)
    ids.extend(Ids(rows[:2]))
    rows = rows + rows[:2]
    assert list(ids) == rows
    assert ids == rows
    assert ids != [*rows, []]
    assert not rows or ids != [*rows[:-1], [*rows[-1], 1]]
    assert Ids.from_arrays(**dict(zip(("flat", "ends"), ids.arrays().values(), strict=True))) == ids
    for _ in range(3 if rows else 0):
        place = data.draw(st.integers(-len(rows), len(rows) - 1))
        assert ids[place] == rows[place]
        assert ids[place:] == rows[place:]
    with pytest.raises(IndexError):
        ids[len(rows)]


@pytest.mark.slow
def test_processes_change_nothing(tmp_path, monkeypatch):
    one = encode(tmp_path, MANY)
    monkeypatch.setattr("seq2seq.text.encoding.CHUNK_PAIRS", 7)
    assert encode(tmp_path, MANY) == one
    assert encode(tmp_path, MANY, processes=2) == one
    assert encode(tmp_path, MANY, tmp_path / "cache", processes=3) == one
    assert encode(tmp_path, MANY[:2], processes=5) == encode(tmp_path, MANY[:2])


def test_the_cache_is_used(tmp_path, monkeypatch):
    cache = tmp_path / "some" / "cache"
    first = encode(tmp_path, MANY, cache)
    assert len(list(cache.iterdir())) == 1

    def forbidden(self, texts):
        raise AssertionError("encoded again")

    monkeypatch.setattr(Tokenizer, "encode_batch", forbidden)
    assert encode(tmp_path, MANY, cache) == first
    assert encode(tmp_path, MANY, cache, max_length=5).removed["too long"] > 0  # filters are no part of the cache


def test_the_cache_tells_texts_and_tokenizers_apart(tmp_path):
    """Pitfall 22: ids of another vocabulary are no ids of this one."""
    corpus = Corpus(["ab", "ba"], ["b", "a"], {})
    swapped = Corpus(["ba", "ab"], ["b", "a"], {})
    char = tokenizers(corpus)
    word = train_tokenizers(corpus.source, corpus.target, TokenizerConfig(kind="word"))
    mixed = TokenizerPair(char.source, word.source, joint=False)
    for text in (corpus, swapped):
        for pair in (char, word, mixed):
            encoded = encode_corpus(text, pair, settings(tmp_path), tmp_path / "cache")
            assert encoded.source_ids == pair.source.encode_batch(text.source)
            assert encoded.target_ids == pair.target.encode_batch(text.target)


def test_a_damaged_cache_is_made_anew(tmp_path):
    cache = tmp_path / "cache"
    first = encode(tmp_path, MANY, cache)
    held = load_tensors(next(cache.iterdir()).read_bytes())
    held["target ids"] = held["target ids"].copy()
    held["target ids"][-1] ^= 1  # another piece, which nothing but a hash can tell
    for damage in (b"", b"no tensors", save_tensors({"other": np.zeros(3)}), save_tensors(held)):
        next(cache.iterdir()).write_bytes(damage)
        assert encode(tmp_path, MANY, cache) == first


def test_the_cache_serves_another_process(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_corpus as test; from pathlib import Path;"
        "test.encode('.', test.MANY, Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path / "cache")]
    encode(tmp_path, MANY, tmp_path / "cache")
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_importing_the_text_package_loads_no_datasets():
    program = (
        "import sys, seq2seq.text.corpus; print({'torch', 'datasets', 'pyarrow', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "set()"
