"""TSV and CSV: which columns are the text, what is taken for a header, and rows that are none. All fields are text."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seq2seq.cli.display.training import event_line
from seq2seq.config import CorpusConfig, DataConfig
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.text.corpus import Corpus, EncodedCorpus, read_corpus
from seq2seq.training.data import TrainingText, ValidationText
from seq2seq.training.event_log import EventLog
from seq2seq.training.mixing import MixedText
from seq2seq.training.reports import Reports

OTHER = CorpusConfig(source="a", target="b")


def read(path: Path, content: str | bytes, problems: str = "refuse", **keys: Any) -> Corpus:
    """Of a file whose suffix says its kind."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    key = "tsv" if path.suffix == ".tsv" else "dataset"
    data = DataConfig(
        train=OTHER, validation=OTHER, source_language="de", target_language="en", problems=problems,  # type: ignore[arg-type]
    )  # fmt: skip
    return read_corpus(CorpusConfig(**{key: str(path)}, **keys), data)


def pairs(corpus: Corpus) -> list[tuple[str, str]]:
    return list(zip(corpus.source, corpus.target, strict=True))


READ: dict[str, tuple[str, str, dict[str, Any], list[tuple[str, str]], str]] = {
    # case: (suffix, content, keys, pairs, what the notes say)
    "csv": (".csv", "de,en\nja,yes\n", {}, [("ja", "yes")], "source is 'de', target 'en', of 2; .*by ','"),
    "all is text": (".csv", "de,en\n00001,1984\n1e3,true\nNA,\n", {}, [("00001", "1984"), ("1e3", "true")], ""),
    "dates": (".csv", "de,en\n2020-01-02,2020-01-02\n", {}, [("2020-01-02", "2020-01-02")], ""),
    "swapped": (".csv", "en,de\nyes,ja\n", {}, [("ja", "yes")], "source is 'de', target 'en'"),
    "more columns": (".csv", "id,de,x,en\n7,ja,,yes\n", {}, [("ja", "yes")], "of 4"),
    "mark and case": (".csv", "\ufeffDE , EN\nja,yes\n", {}, [("ja", "yes")], "source is 'DE'"),
    "quotes": (".csv", 'de,en\n"ja, ""so""","yes; so"\n', {}, [('ja, "so"', "yes; so")], ""),
    "semicolons": (".csv", "de;en\nja, so;yes\n", {}, [("ja, so", "yes")], "by ';'"),
    "tabs": (".csv", "de\ten\nja, so\tyes\n", {}, [("ja, so", "yes")], "by a tab"),
    "other names": (".csv", "A,B\nja,yes\n", {"columns": ["A", "B"]}, [("ja", "yes")], "source is 'A'"),
    "numbers": (".csv", "A,B,A\nyes,x,ja\n", {"columns": [3, 1]}, [("ja", "yes")], "source is 'A', target 'A'"),
    "no header": (".csv", "de,en\nja,yes\n", {"header": False}, [("de", "en"), ("ja", "yes")], "by ','"),
    "no header, semicolons": (".csv", "ja, so;yes, so\n", {"header": False}, [("ja, so", "yes, so")], "by ';'"),
    "no header, one sign": (".csv", "ja;yes, so, so\n", {"header": False}, [("ja", "yes, so, so")], "by ';'"),
    "no quotes": (".csv", 'de,en\n"ja",yes\n', {"quotes": False}, [('"ja"', "yes")], "1 of 2 fields"),
    "tsv": (".tsv", "ja, so\tyes\n", {}, [("ja, so", "yes")], "^$"),
    "tsv header": (".tsv", "de\ten\nja\tyes\n", {}, [("ja", "yes")], r"the first line names .*\(header = false makes"),
    "tsv header swapped": (".tsv", "target\tsource\nyes\tja\n", {}, [("ja", "yes")], "source is 'source'"),
    "tsv header of three": (".tsv", "id\tde\ten\n1\tja\tyes\n", {}, [("ja", "yes")], "of 3"),
    "tsv header unknown": (".tsv", "German\tEnglish\na\tb\n", {}, [("German", "English"), ("a", "b")], "header = true"),
    "tsv header denied": (".tsv", "de\ten\n", {"header": False}, [("de", "en")], "^$"),
    "tsv header told": (".tsv", "Deutsch\tEnglisch\nja\tyes\n", {"header": True}, [("ja", "yes")], "'Deutsch'"),
    "tsv columns": (".tsv", "1\tja\tyes\n2\tnein\tno\n", {"columns": [2, 3]}, [("ja", "yes"), ("nein", "no")], "^$"),
    "tsv quotes seen": (".tsv", '"ja"\ta "b" c\n"""x"""\t"\n', {}, [('"ja"', 'a "b" c'), ('"""x"""', '"')],
                        "2 of 4 fields .* quotes = true"),
    "tsv quotes": (".tsv", '"ja\t""so"""\tyes\n', {"quotes": True}, [('ja\t"so"', "yes")], ""),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_tables_are_read_as_they_are_and_say_so(tmp_path: Path, case: str) -> None:
    suffix, content, keys, expected, noted = READ[case]
    path = tmp_path / f"text{suffix}"
    corpus = read(path, content, "drop", **keys)
    assert pairs(corpus) == expected
    assert re.search(noted, "\n".join(corpus.notes)), corpus.notes


REFUSED: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {  # suffix, content, keys, message
    "no rows": (".csv", "de,en\n", {}, r"text\.csv: no usable pair"),
    "empty": (".csv", "", {}, r"text\.csv: the file is empty"),
    "only a mark": (".csv", "\ufeff", {}, r"text\.csv: the file is empty"),
    "other header": (".csv", "German,English\na,b\n", {}, r"text\.csv:1: no column 'de' .*allowed: English, German"),
    "two of a name": (".csv", "de,DE,en\na,b,c\n", {}, r"text\.csv:1: two columns are called 'de'"),
    "too few": (".csv", "a,b\n", {"columns": [1, 4]}, r"text\.csv:1: 2 columns; columns = \[1, 4\] needs 4"),
    "no such name": (".csv", "a,b\n", {"columns": ["a", "c"]}, r"text\.csv:1: no column 'c' \(columns\)"),
    "two signs": (".csv", "a, b;c\n", {"header": False}, r"text\.csv:1: several signs could separate the columns"),
    "header of three": (".csv", "a,b,c\n", {"header": False}, r"text\.csv:1: 3 columns; say which"),
    "never closed": (".csv", 'de,en\na,b\n"c,d\ne,f\n', {}, r"text\.csv:3: a quotation mark that opens a field here"),
    "closed too late": (".csv", 'de,en\n"c,d\ne,"f\n', {}, r"text\.csv:2: a quotation mark that opens a field here"),
    "carriage returns only": (".csv", "de,en\ra,b\r", {}, r"text\.csv:1: not CSV: a carriage return within the line"),
    "a field without end": (".csv", "de,en" + "x" * 200_000 + "\n", {}, r"text\.csv:1: not CSV: field larger than"),
    "archive": (".csv", b"PK\x03\x04", {}, r"text\.csv: is an archive"),
    "keys for JSON": (".jsonl", '{"de": "a", "en": "b"}\n', {"columns": [1, 2]}, "columns has no effect for JSON"),
    "damaged array": (".json", "[", {}, r"text\.json: not valid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("problems", ["refuse", "drop"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_is_refused(tmp_path: Path, case: str, problems: str) -> None:
    suffix, content, keys, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        read(tmp_path / f"text{suffix}", content, problems, **keys)


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        (
            "Der Hund, der schl\u00e4ft.,The dog.",
            "columns",
            "3 columns; the first line has 2; a field that has the sep",
        ),
        ("Hund", "columns", "1 column; the first line has 2"),
        ("a,", "one side blank", "the target is blank"),
        ('"a\nb",c', "line break", "a line break within a sentence"),
        (
            '"a "b" c",d',
            "quotes",
            "not CSV: a quotation mark within a field; one that is part of the text is written twi",
        ),
        ("a\rb,c", "quotes", "not CSV: a carriage return within the line"),
        (b"a,\xff", "invalid UTF-8", ".*not valid UTF-8"),
        ("a,b\0", "NUL", ".*NUL"),
        ("", "both blank", ""),
    ],
    ids=repr,
)
@pytest.mark.parametrize("first", [True, False])
def test_a_row_that_is_no_pair_is_refused_with_its_line_or_dropped(
    tmp_path: Path, row: str | bytes, reason: str, message: str, first: bool
) -> None:
    """The first row as well: pandas takes its first field for the row's name, and shifts the others."""
    lines = [b"x,y", row if isinstance(row, bytes) else row.encode()]
    content = b"\n".join([b"de,en", *(reversed(lines) if first else lines), b"v,w"])
    if message:
        with pytest.raises(InputError, match=rf"text\.csv:{2 if first else 3}: {message}"):
            read(tmp_path / "text.csv", content)
    corpus = read(tmp_path / "text.csv", content, "drop")
    assert (pairs(corpus), corpus.dropped) == ([("x", "y"), ("v", "w")], {reason: 1})


def test_objects_may_have_other_keys_than_the_first(tmp_path: Path) -> None:
    """And a string stays one: the readers of datasets take some for a time."""
    rows = '{"de": "2020-01-02", "en": "a"}', '{"en": "b", "id": 3, "de": "b"}', '{"de": "c", "en": "c", "x": {}}'
    expected = [("2020-01-02", "a"), ("b", "b"), ("c", "c")]
    assert pairs(read(tmp_path / "text.jsonl", "\n".join(rows))) == expected
    assert pairs(read(tmp_path / "text.json", "\n".join(rows))) == expected
    assert pairs(read(tmp_path / "text.json", f"\ufeff [{','.join(rows)}]")) == expected
    with pytest.raises(InputError, match=r"text\.json: row 1 \(the first is 0\): no key 'en'; allowed: de"):
        read(tmp_path / "text.json", f'[{rows[0]}, {{"de": "a"}}]')


@pytest.mark.usefixtures("_own_cache")
def test_a_folder_of_tables_is_read_by_split(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "train.csv").write_text("de,en\nja,yes\nnein,no\n", encoding="utf-8")
    (folder / "test.csv").write_text("de;en\n1;2\n", encoding="utf-8")
    data = DataConfig(train=OTHER, validation=OTHER, source_language="de", target_language="en")
    found = {split: read_corpus(CorpusConfig(dataset=str(folder), split=split), data).source
             for split in ("train", "test", "train[1:]+test")}  # fmt: skip
    assert found == {"train": ["ja", "nein"], "test": ["1"], "train[1:]+test": ["nein", "1"]}
    for split, message in (
        (None, "say which split to read; allowed: test, train"),
        ("tset", "no split 'tset'; did you"),
    ):
        with pytest.raises(InputError, match=message):
            read_corpus(CorpusConfig(dataset=str(folder), split=split), data)
    (folder / "train.csv").write_text("de,en\nja, so,yes\n", encoding="utf-8")
    with pytest.raises(Seq2SeqError, match=r"train\.csv:2: 3 columns"):
        read_corpus(CorpusConfig(dataset=str(folder), split="train"), data)


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tsv": "a", "columns": [1]}, "two names or two numbers"),
        ({"tsv": "a", "columns": [0, 1]}, "two names or two numbers"),
        ({"tsv": "a", "columns": [1, "b"]}, "two names or two numbers"),
        ({"tsv": "a", "columns": ["a", "b"], "header": False}, "header = false says are not there"),
        ({"jsonl": "a", "quotes": True}, "quotes has no effect without tsv or dataset"),
        ({"source": "a", "target": "b", "header": True}, "header has no effect without tsv or dataset"),
    ],
)
def test_keys_that_make_no_sense(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CorpusConfig(**keys)


def test_notes_of_both_texts_are_told_once(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    text = read(tmp_path / "text.csv", "de,en\nja,yes\n")
    vocabulary = SimpleNamespace(source=SimpleNamespace(vocabulary_size=3), target=SimpleNamespace(vocabulary_size=3))
    ids = EncodedCorpus([[1]], [[1]], ["a"], ["b"], {})
    config: Any = SimpleNamespace(training=SimpleNamespace(seed=1))
    run: Any = SimpleNamespace(directory=tmp_path)
    log = EventLog(tmp_path / "log.jsonl", told.append)
    notes = (*text.notes, *text.notes)
    reports = Reports(config, log, SimpleNamespace())  # type: ignore[arg-type]
    reports.start(
        run, TrainingText((MixedText("text", ids, {}),), (ValidationText("text", ids),), vocabulary, {}, notes), 1, None
    )  # type: ignore[arg-type]
    assert [event["event"] for event in told] == ["start", "note", "data"]
    assert event_line(told[1]) == f"note: {text.notes[0]}"
