"""Properties of all that reads what a stranger wrote: an answer or an explained error, for any bytes and any values."""

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_checkpoint import SOURCE, TARGET, make_config, save

from seq2seq.checkpoint.model import load_model
from seq2seq.config import Config, CorpusConfig
from seq2seq.config_file import load_config, parse_config
from seq2seq.errors import InputError, Seq2SeqError, short_repr
from seq2seq.text.delimited import read_delimited
from seq2seq.text.escaping import escape_text
from seq2seq.text.readers import Problem, SentencePair, read_aligned, read_jsonl
from seq2seq.text.tokenizer import train_tokenizers

SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Bytes that are often nearly text, and values that JSON, TOML or Python can hold and a config cannot.
BYTES = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([b"a", b"\n", b"\t", b"\r", b"\0", b"\xff", b'{"de": "a", "en": "b"}', b"\xef\xbb\xbf"])
    ).map(b"".join),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 70), st.sampled_from([2**31, 10**30, 10**400, -1, 0]), st.floats(),
    st.text(max_size=5), st.sampled_from(["", "\0", "\ud800", "../..", "/dev/zero", "dot", "x" * 5000]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.integers(1, 40).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)  # fmt: skip


def explained(call: Callable[[], Any]) -> Any:
    """The answer, or None where an error explains what is wrong in a line or two, as a terminal can show it."""
    try:
        return call()
    except Seq2SeqError as error:
        message = escape_text(str(error))
    assert message.count("\n") <= 1
    assert len(message) < 2000
    return None


@given(first=BYTES, second=BYTES)
@SHARED
def test_text_is_pairs_or_says_what_is_wrong(tmp_path: Path, first: bytes, second: bytes) -> None:
    paths = [tmp_path / "first", tmp_path / "second"]
    for path, content in zip(paths, (first, second), strict=True):
        path.write_bytes(content)
    lines = len(first.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n"))
    readers = [
        lambda: read_aligned(*paths),
        lambda: read_delimited(paths[0], "tsv", CorpusConfig(tsv="x"), ("de", "en"), []),
        lambda: read_jsonl(paths[0], ("de", "en")),
    ]
    for read in readers:
        rows = explained(lambda read=read: list(read()))
        assert rows is None or len(rows) == lines
        for row in rows or []:
            assert isinstance(row, (SentencePair, Problem))
            if isinstance(row, SentencePair):
                assert row.source.strip()
                assert row.target.strip()
                assert not {"\n", "\0"} & set(row.source + row.target)


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something is in a tree, inner nodes included."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, value in inner for found in [(*path, key), *leaves(value, (*path, key))]]


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with another value in one place."""
    copy = json.loads(json.dumps(tree))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


CONFIG = make_config().model_dump(mode="json")


@given(place=st.sampled_from([*leaves(CONFIG), ("new",), ("model", "new")]), value=ODD)
@SHARED
def test_a_config_with_any_value_is_one_or_is_explained(place: tuple[Any, ...], value: Any) -> None:
    found = explained(lambda: parse_config(changed(CONFIG, place, value), "test"))
    assert found is None or isinstance(found, Config)


@given(document=st.text(), overrides=st.lists(st.text(), max_size=2))
@SHARED
def test_a_file_that_is_hardly_a_config_is_explained(tmp_path: Path, document: str, overrides: list[str]) -> None:
    (tmp_path / "run.toml").write_text(document, encoding="utf-8", errors="surrogatepass", newline="")
    with pytest.raises(InputError):  # no short text has both sections
        load_config(tmp_path / "run.toml", overrides)


@given(
    key=st.sampled_from([".".join(map(str, path)) for path in leaves(CONFIG)]),
    value=st.one_of(st.text(), ODD.map(repr)),
)
@SHARED
def test_any_override_is_taken_or_explained(tmp_path: Path, key: str, value: str) -> None:
    text = '[data]\ntrain = {tsv = "a"}\nvalidation = {tsv = "b"}\n'
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    found = explained(lambda: load_config(tmp_path / "run.toml", [f"{key}={value}"]))
    assert found is None or tomllib.loads(text)["data"]["train"]["tsv"] == "a"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small model directory."""
    folder, config = tmp_path_factory.mktemp("model"), make_config()
    save(folder, train_tokenizers(SOURCE, TARGET, config.tokenizer), config)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}


@given(data=st.data(), value=ODD)
@SHARED
def test_a_model_with_any_value_loads_or_is_explained(
    tmp_path: Path, files: dict[str, bytes], data: st.DataObject, value: Any
) -> None:
    tree = json.loads(files["config.json"])
    place = data.draw(st.sampled_from([*leaves(tree), ("new",), ("files", "../x"), ("config", "model", "new")]))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "config.json").write_text(json.dumps(changed(tree, place, value)), encoding="utf-8")
    explained(lambda: load_model(tmp_path))


@given(data=st.data(), name=st.sampled_from(["model.safetensors", "tokenizer.model"]), hashed=st.booleans())
@SHARED
def test_a_changed_file_is_refused_or_is_another_model(
    tmp_path: Path, files: dict[str, bytes], data: st.DataObject, name: str, hashed: bool
) -> None:
    content = files[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 9)))
    changed_content = content[:start] + data.draw(st.binary(max_size=9)) + content[end:]
    for each, whole in files.items():
        (tmp_path / each).write_bytes(whole)
    (tmp_path / name).write_bytes(changed_content)
    if hashed:
        digest = hashlib.sha256(changed_content).hexdigest()
        tree = changed(json.loads(files["config.json"]), ("files", name), digest)
        (tmp_path / "config.json").write_text(json.dumps(tree), encoding="utf-8")
    loaded = explained(lambda: load_model(tmp_path))
    if not hashed:
        assert (loaded is None) == (changed_content != content)
    elif loaded is not None:
        assert all(isinstance(tensor, torch.Tensor) for tensor in loaded.model.state_dict().values())


@given(st.one_of(st.text(), ODD))
def test_what_a_message_shows_is_short_and_steers_no_terminal(value: Any) -> None:
    assert len(short_repr(value)) < 1000
    assert all(each.isprintable() or each == "\n" for each in escape_text(str(short_repr(value))))


def test_a_long_line_is_cut() -> None:
    assert escape_text("a" * 5000 + "\n\x1b[2J") == "a" * 1000 + " ...\n\\x1b[2J"
    assert short_repr(10**5000) == "(a huge int)"
