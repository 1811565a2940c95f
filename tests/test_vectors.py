"""Word vectors as first values of the embeddings: what is read, which rows get it, and what a run tells of it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import struct
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_continue import die_at
from test_processes import run as run_gang
from test_training import SETTINGS, Stopper, events, write_corpus
from torch import Tensor

from seq2seq.checkpoint.model import build_model, load_model, load_tokenizers
from seq2seq.cli.display.training import LiveDisplay, event_line
from seq2seq.comparison.comparison import _check_configs
from seq2seq.comparison.plan import Grid, PlannedRun
from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.nn.initialisation import initialise
from seq2seq.text import vectors
from seq2seq.text.vectors import check_dimension, match_pieces, read_vectors
from seq2seq.training.trainer import check_config, train

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
DIMENSION: int = SETTINGS["model"]["embedding_dim"]  # type: ignore[assignment]


# --------------------------------------------------------------------------------------------------------- the file


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lists(found: dict[str, Any]) -> dict[str, list[float]]:
    return {word: vector.tolist() for word, vector in found.items()}


FASTTEXT = "5 2\nthe 0.5 -1e-3 \nNew York 1 2 \nder\u00a0hund 3 4 \nthe 7 8 \n, .25 -0 \n"
FILES = {  # content -> (vectors of all words, lines, stated, duplicates, skipped)
    "word2vec": (FASTTEXT, 5, 5, 1, {}),
    "glove": (FASTTEXT.partition("\n")[2].replace(" \n", "\n"), 5, None, 1, {}),
    "windows": ("\ufeff" + FASTTEXT.replace(" \n", "\r\n"), 5, 5, 1, {}),
    "tabs": (FASTTEXT.replace(" 0", "\t0").replace(" -", "\t-").replace(" \n", "\t\n"), 5, 5, 1, {}),
    "cut": (FASTTEXT.replace("5 2", "99 2"), 5, 99, 1, {}),
    "odd": (
        FASTTEXT.encode() + b"\n\xc3\x28 1 2\n\xff 1 2\na\0b 1 2\n  1 2\n\n",
        9, 5, 1, {"invalid UTF-8": 2, "NUL": 1, "no word": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read(tmp_path: Path, name: str) -> None:
    """Of the forms that word2vec, fastText and GloVe write, what is wanted and nothing else."""
    content, lines, stated, duplicates, skipped = FILES[name]
    whole = {"the": [0.5, -1e-3], "New York": [1, 2], "der\u00a0hund": [3, 4], ",": [0.25, 0]}
    path = put(tmp_path / "x.vec", content)
    found = read_vectors(path, 2, {*whole, "none", "York", "der"})
    assert lists(found.vectors) == {word: np.float32(vector).tolist() for word, vector in whole.items()}
    assert (found.lines, found.stated, found.duplicates, found.skipped) == (lines, stated, duplicates, skipped)
    assert all(vector.dtype == np.float32 for vector in found.vectors.values())
    wanted = read_vectors(path, 2, {"der\u00a0hund", "The"})
    assert (list(wanted.vectors), wanted.lines, wanted.duplicates) == (["der\u00a0hund"], lines, 0)


WORDS = st.text(st.sampled_from("aAé▁ \u00a0\u3000\u2028\x1c.1e-"), min_size=1, max_size=5).filter(
    lambda word: word.encode().strip() == word.encode()
)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(WORDS, st.lists(NUMBERS, min_size=3, max_size=3)), min_size=1, max_size=8),
    wanted=st.sets(WORDS, max_size=4),
    end=st.sampled_from([" \n", "\n", "\r\n"]),
    suffix=st.sampled_from(sorted(PACKERS)),
)
@example(rows=[(".", [0.0, 1.0, 2.0]), ("1", [3.0, 4.0, 5.0])], wanted=set(), end="\n", suffix="")
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, list[float]]],
    wanted: set[str],
    end: str,
    suffix: str,
) -> None:
    """Bit for bit in float32, whatever the words, the first of each; compressed or not."""
    wanted |= {word for word, _ in rows[::2]}
    text = f"{len(rows)} 3\n" + "".join(" ".join([word, *map(repr, numbers)]) + end for word, numbers in rows)
    path = put(tmp_path_factory.mktemp("written") / f"x.vec{suffix}", PACKERS[suffix](text.encode()))
    found = read_vectors(path, 3, wanted)
    expected: dict[str, list[float]] = {}
    for word, numbers in rows:
        if word in wanted:
            expected.setdefault(word, numbers)
    assert lists(found.vectors) == expected
    again = sum(count - 1 for word, count in Counter(word for word, _ in rows).items() if word in wanted)
    assert (found.lines, found.stated, found.duplicates, found.skipped) == (len(rows), len(rows), again, {})


BINARY = b"1 2\nhaus " + struct.pack("<2f", 1.5, 2.5) + b"\n"
WRONG: list[tuple[str | bytes, str]] = [
    ("9 300\nhaus 1 2\n", r"x\.vec:1: vectors of 300 numbers, and model.embedding_dim = 2; set it to 300, or take"),
    ("haus 1 2 3\n", r"x\.vec:1: vectors of 3 numbers, and model.embedding_dim = 2; set it to 3, or take"),
    (". . 1 2 3\n", r"x\.vec:1: vectors of 3 numbers, and model.embedding_dim = 2"),
    (" 1\n", r"x\.vec:1: vectors of 1 numbers, and model.embedding_dim = 2"),
    ("", r"x\.vec:1: a word and 2 numbers are needed, as in word2vec's text format, or the sizes"),
    ("das haus\n", r"x\.vec:1: a word and 2 numbers are needed, as in word2vec's text format, or the sizes"),
    ("3 2\nhaus 1 2\nhaus 1\n", r"x\.vec:3: a word and 2 numbers are needed, as in word2vec's.*; the line has 2 parts"),
    ("haus 1 2\n1 2\n", r"x\.vec:2: a word and 2 numbers are needed"),
    ("haus 1 zwei\n", r"x\.vec:1: 'zwei' is no number; a word and 2 numbers are needed"),
    (b"haus 1 \xff\n", r"x\.vec:1: '\\\\xff' is no number"),
    ("9 2\nx 1 2\nhaus 1 nan\n", r"x\.vec:3: the vector of 'haus' has NaN or infinite numbers; mend the line, or take"),
    ("haus -inf 2\n", r"x\.vec:1: the vector of 'haus' has NaN or infinite"),
    ("haus 1 1e39\n", r"x\.vec:1: the vector of 'haus' has NaN or infinite"),  # in float32
    (BINARY, r"x\.vec:2: '.*' is no number; a word and 2 numbers are needed, as in word2vec's text format"),
    ("9" * 5000 + " 2\n", r"x\.vec:1: vectors of 1 numbers, and model.embedding_dim = 2"),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    """In one line; numbers of words that nobody wants are not looked at."""
    path = put(tmp_path / "x.vec", content)
    with pytest.raises(InputError, match=message) as raised:
        read_vectors(path, 2, {"haus"})
    assert "\n" not in str(raised.value)
    if ":1: vectors" in message or "sizes" in message:
        with pytest.raises(InputError, match=message):
            check_dimension(path, 2)
    else:
        check_dimension(path, 2)
    if "number;" in message or "NaN" in message:
        assert read_vectors(path, 2, {"x"}).vectors.keys() <= {"x"}


def test_a_file_is_read_once_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a pipe, too, which nothing reads before; and it is told how far it is."""
    monkeypatch.setattr(vectors, "_REPORT_LINES", 2)
    os.mkfifo(tmp_path / "pipe")
    check_dimension(tmp_path / "pipe", 2)
    writer = threading.Thread(target=lambda: put(tmp_path / "pipe", FASTTEXT), daemon=True)
    writer.start()
    told = list[tuple[int, int | None]]()
    assert list(read_vectors(tmp_path / "pipe", 2, {","}, lambda *now: told.append(now)).vectors) == [","]
    writer.join()
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_a_piece_has_the_vector_of_its_own_string_before_that_of_its_word() -> None:
    pieces = ["<unk>", "▁haus", "haus", "▁Haus", "▁", "▁im▁haus", "hund", "▁hund", "▁der", "die", "▁▁x"]
    known = dict.fromkeys(["haus", "▁hund", "▁", "die", "Die", "im haus", "hund", "x", "▁x"], np.zeros(1, np.float32))
    found = {pieces[row]: word for row, word in match_pieces(pieces, known).items()}
    assert found == {
        "▁haus": "haus", "haus": "haus", "▁": "▁", "hund": "hund", "▁hund": "▁hund", "die": "die", "▁▁x": "▁x",
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- training

PAIR = {"kind": "word", "vocabulary_size": 40, "joint": False}
RANDOM = np.random.default_rng(7)
VECTORS = {
    word: RANDOM.normal(size=DIMENSION).astype(np.float32) for word in ["0", "▁0", "3", "▁5", "7", "Haus", "</s>"]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of digits, files of vectors, and a model `base`; each is only read."""
    folder = tmp_path_factory.mktemp("vectors")
    write_corpus(folder)
    content = f"{len(VECTORS)} {DIMENSION}\n" + "".join(
        " ".join([word, *map(str, vector.tolist())]) + "\n" for word, vector in VECTORS.items()
    )
    put(folder / "x.vec.gz", gzip.compress(content.encode()))
    put(folder / "one.vec", f"9 {'0.5 ' * DIMENSION}\n")
    train(config(folder), folder / "base")
    return folder


def tree(folder: Path, tokenizer: dict[str, Any], model: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SETTINGS))
    found["data"]["root"] = str(folder)
    for split in ("train", "validation"):
        found["data"][split] = {"source": f"{split}.xx", "target": f"{split}.yy"}
    found["tokenizer"] = {} if training.get("start") else tokenizer or found["tokenizer"]
    found["model"] |= model
    found["training"] |= training
    return found


def config(folder: Path, *, tokenizer: dict[str, Any] | None = None, tie: str = "all", **training: Any) -> Config:
    return parse_config(tree(folder, tokenizer or {}, {"tie": tie}, training), "test")


def first_values(config: Config, directory: Path) -> dict[str, Tensor]:
    """The weights before the first step: those of the state of a run that was killed in it."""

    def die(event: dict[str, Any]) -> None:
        if event["event"] in ("progress", "validation"):
            raise KeyError("as a kill leaves it")

    with pytest.raises(KeyError):
        train(config, directory, observe=die)
    state = load_file(str(directory / "training" / "state" / "state.safetensors"))
    return {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}


CASES: list[tuple[str, dict[str, Any], dict[str, str], dict[str, str]]] = [  # tie, tokenizer, files -> table: file
    ("none", {}, {"source": "x.vec.gz"}, {"source_embedding": "x.vec.gz"}),
    ("none", PAIR, {"target": "x.vec.gz"}, {"target_embedding": "x.vec.gz"}),
    ("target", PAIR, {"source": "x.vec.gz", "target": "one.vec"},
     {"source_embedding": "x.vec.gz", "target_embedding": "one.vec"}),
    ("all", {}, {"source": "x.vec.gz"}, {"source_embedding": "x.vec.gz"}),
    ("all", {}, {"target": "x.vec.gz"}, {"source_embedding": "x.vec.gz"}),
    ("none", {"kind": "char", "vocabulary_size": 40}, {"source": "x.vec.gz"}, {"source_embedding": "x.vec.gz"}),
]  # fmt: skip


@pytest.mark.parametrize(("tie", "tokenizer", "files", "tables"), CASES)
def test_rows_of_pieces_begin_with_their_vectors_and_all_else_as_ever(
    folder: Path, tmp_path: Path, tie: str, tokenizer: dict[str, Any], files: dict[str, str], tables: dict[str, str]
) -> None:
    """Against a loop over the pieces, and against the values that a model has by its seed."""
    keys = {f"{side}_vectors": name for side, name in files.items()}
    settings = config(folder, tokenizer=tokenizer, tie=tie, max_steps=1, **keys)
    begun = first_values(settings, tmp_path / "run")
    train(settings, tmp_path / "run", resume=True)
    pair = load_tokenizers(tmp_path / "run")
    model = build_model(settings, pair)
    initialise(model, settings.training.seed)
    plain = dict(model.named_parameters())
    assert plain.keys() == begun.keys()
    changed = 0
    for name, value in plain.items():
        table = name.removesuffix(".weight")
        if table not in tables:
            assert torch.equal(begun[name], value), name
            continue
        words = VECTORS if tables[table] == "x.vec.gz" else {"9": np.full(DIMENSION, 0.5, np.float32)}
        for row, piece in enumerate(pair.source.pieces if table == "source_embedding" else pair.target.pieces):
            expected = value[row].detach()
            if piece in words:
                expected = torch.from_numpy(words[piece])
            elif piece.startswith("▁") and piece[1:] in words:
                expected = torch.from_numpy(words[piece[1:]])
            assert torch.equal(begun[name][row], expected), (name, piece)
            changed += not torch.equal(expected, value[row])
    assert changed == sum(5 if name == "x.vec.gz" else 1 for name in tables.values()) - (
        tokenizer.get("kind") == "char"
    )


def test_the_log_tells_what_was_found(folder: Path, tmp_path: Path) -> None:
    """Counted by hand, and in words."""
    keys = {"source_vectors": "x.vec.gz", "target_vectors": "one.vec"}
    train(config(folder, tokenizer=PAIR, tie="target", max_steps=1, **keys), tmp_path / "run")
    told = [event for event in events(tmp_path / "run") if event["event"] == "vectors"]
    digits = Counter((folder / "train.xx").read_text(encoding="utf-8").split())
    share = sum(digits[digit] for digit in "0357") / digits.total()
    assert told[0] == {
        "event": "vectors", "side": "source", "file": "x.vec.gz", "pieces": 5, "vocabulary": 14,
        "share": pytest.approx(share), "words": 7, "stated": 7, "duplicates": 0, "skipped": {},
    }  # fmt: skip
    assert (told[1]["side"], told[1]["pieces"], told[1]["stated"]) == ("target", 1, None)
    assert told[1]["share"] == pytest.approx(digits["9"] / digits.total())
    assert event_line(told[0]) == f"word vectors for 5 of 14 source pieces, {share:.1%} of the text, from 7 in x.vec.gz"
    odd = told[0] | {"side": "both", "share": None, "stated": 9, "duplicates": 2, "skipped": {"NUL": 1}}
    assert event_line(odd) == (
        "word vectors for 5 of 14 source and target pieces, from 7 in x.vec.gz (its first line says 9); "
        "left out: 1 NUL, 2 of a word twice"
    )


def test_a_terminal_shows_how_much_of_a_file_is_read() -> None:
    """A file without sizes has no known end."""
    display = LiveDisplay()
    shown = list[tuple[str, float, float | None]]()
    for event, done, total in (("encode", 3, 3), ("read_vectors", 2, None), ("read_vectors", 4, None)):
        display({"event": event, "done": done, "total": total})
        shown += [(task.fields["numbers"], task.completed, task.total) for task in display.progress.tasks]
    assert shown == [("reading word vectors", 2, None), ("reading word vectors", 4, None)]
    display({"event": "read_vectors", "done": 5, "total": 5})
    assert not display.progress.tasks


def test_a_shared_table_counts_the_text_of_both_sides(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    for name in ("train", "validation"):
        for side, word in (("xx", "a"), ("yy", "b")):
            put(tmp_path / "text" / f"{name}.{side}", f"{word} {word} c\n" * 9)
    put(tmp_path / "text" / "x.vec", f"a {'1 ' * DIMENSION}\n")
    for key in ("source_vectors", "target_vectors"):
        train(config(tmp_path / "text", max_steps=1, **{key: "x.vec"}), tmp_path / key)
        told = next(event for event in events(tmp_path / key) if event["event"] == "vectors")
        assert (told["side"], told["pieces"], told["share"]) == ("both", 1, pytest.approx(1 / 3))


def test_the_share_of_a_stream_is_not_known(folder: Path, tmp_path: Path) -> None:
    rows = zip(
        *((folder / f"train.{side}").read_text(encoding="utf-8").splitlines() for side in ("xx", "yy")), strict=True
    )
    put(tmp_path / "x.jsonl", "".join(json.dumps({"xx": source, "yy": target}) + "\n" for source, target in rows))
    settings = tree(folder, {}, {}, {"source_vectors": "x.vec.gz", "max_steps": 1})
    settings["data"]["train"] = {"dataset": str(tmp_path / "x.jsonl"), "streaming": True}
    train(parse_config(settings, "test"), tmp_path / "run")
    assert next(each for each in events(tmp_path / "run") if each["event"] == "vectors")["share"] is None


def test_frozen_vectors_stay(folder: Path, tmp_path: Path) -> None:
    """Bit for bit, the random rows of that table as well, and the target's go on."""
    keys = {"source_vectors": "x.vec.gz", "target_vectors": "x.vec.gz", "freeze": ["source_embedding"]}
    settings = config(folder, tokenizer=PAIR, tie="target", optimizer="adamw", weight_decay=0.1, **keys)
    begun = first_values(settings, tmp_path / "run")
    train(settings, tmp_path / "run", resume=True)
    for place in (".", "checkpoints/last", "checkpoints/averaged"):
        ended = load_file(str(tmp_path / "run" / place / "model.safetensors"))
        assert torch.equal(ended["source_embedding.weight"], begun["source_embedding.weight"])
        assert not torch.equal(ended["target_embedding.weight"], begun["target_embedding.weight"])
    pieces = load_tokenizers(tmp_path / "run").source.pieces
    assert torch.equal(ended["source_embedding.weight"][pieces.index("▁3")], torch.from_numpy(VECTORS["3"]))
    with pytest.raises(InputError, match=r"training.freeze: source_embedding.weight shares its weights with"):
        check_config(config(folder, source_vectors="x.vec.gz", freeze=["source_embedding"]))


def test_a_resumed_run_is_the_uninterrupted_run_and_reads_no_vectors(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.vec"
    gone.write_bytes((folder / "x.vec.gz").read_bytes())
    settings = config(folder, source_vectors=str(gone))
    train(settings, tmp_path / "whole")
    with pytest.raises(KeyError):
        train(settings, tmp_path / "parts", observe=die_at(1))
    gone.unlink()
    train(settings, tmp_path / "parts", resume=True, observe=Stopper(6, signal.SIGINT))
    train(settings, tmp_path / "parts", resume=True)
    for place in (".", "checkpoints/last", "checkpoints/averaged"):
        one, other = (load_file(str(tmp_path / run / place / "model.safetensors")) for run in ("whole", "parts"))
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert events(tmp_path / "parts") == events(tmp_path / "whole")
    changed = config(folder, source_vectors="x.vec.gz", max_steps=20)
    with pytest.raises(InputError, match=r'training.source_vectors: ".*gone.vec" -> "x.vec.gz"; a run keeps its start'):
        train(changed, tmp_path / "parts", resume=True, allow_changes=True)
    with pytest.raises(InputError, match=r"training.source_vectors: .*gone.vec: no such file"):
        train(settings, tmp_path / "new", resume=True)  # nothing to go on with
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_two_processes_read_as_one(folder: Path, tmp_path: Path) -> None:
    plain = {"dropout_embedding": 0.0, "dropout_layer": 0.0, "dropout_output": 0.0}
    settings = tree(folder, {}, plain, {"source_vectors": "x.vec.gz", "log_interval": 1})
    missing = tree(folder, {}, plain, {"source_vectors": "gone.vec"})
    none = tree(folder, {}, plain, {"source_vectors": str(put(tmp_path / "none.vec", f"x {'1 ' * DIMENSION}\n"))})
    jobs = [{"config": settings, "output": str(tmp_path / str(count)), "processes": count} for count in (1, 2)]
    jobs += [{"config": bad, "output": str(tmp_path / "bad"), "processes": 2} for bad in (missing, none)]
    done = run_gang(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0], [0, 0], [1, 1], [1, 1]], done.stderr
    one, two = (events(tmp_path / name) for name in "12")
    assert [each for each in one if each["event"] == "vectors"] == [each for each in two if each["event"] == "vectors"]
    for key in ("loss", "gradient_norm", "perplexity"):
        assert [each[key] for each in two if key in each] == pytest.approx(
            [each[key] for each in one if key in each], rel=1e-4
        )


# ------------------------------------------------------------------------------------------ with a start, and elsewhere

TAKEN: list[tuple[str, dict[str, Any], str | None]] = [  # tie, keys, the parameter that is taken
    ("all", {}, "source_embedding.weight"),
    ("all", {"start_parts": ["output_layer"]}, "output_layer.weight"),
    ("all", {"start_parts": ["encoder", "output_layer.bias"]}, None),
    ("target", {"start_parts": ["target_embedding", "decoder"]}, None),
    ("target", {"start_parts": ["*_embedding"]}, "source_embedding.weight"),
]


@pytest.mark.parametrize(("tie", "keys", "taken"), TAKEN)
def test_an_embedding_has_the_start_models_values_or_vectors(
    folder: Path, tmp_path: Path, tie: str, keys: dict[str, Any], taken: str | None
) -> None:
    settings = config(folder, tie=tie, start="base", source_vectors="x.vec.gz", **keys)
    if taken:
        message = rf"training.source_vectors: {taken} has the values of training.start's model; name the parts"
        with pytest.raises(InputError, match=message):
            train(settings, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return
    train(settings, tmp_path / "run")
    begun, base = load_model(tmp_path / "run" / "training" / "start"), load_model(folder / "base")
    pieces = begun.tokenizers.source.pieces
    assert pieces == base.tokenizers.source.pieces
    own, old = (dict(each.model.named_parameters()) for each in (begun, base))
    assert torch.equal(own["source_embedding.weight"][pieces.index("▁0")], torch.from_numpy(VECTORS["▁0"]))
    assert not torch.equal(
        own["source_embedding.weight"][pieces.index("▁1")], old["source_embedding.weight"][pieces.index("▁1")]
    )
    part = "encoder" if tie == "all" else "decoder"
    assert all(torch.equal(own[name], old[name]) for name in old if name.startswith(part))


def test_added_pieces_of_a_table_that_is_taken_have_no_vectors(folder: Path, tmp_path: Path) -> None:
    settings = tree(folder, {}, {}, {"start": "base", "source_vectors": "x.vec.gz"})
    settings["tokenizer"] = {"extend": True, "vocabulary_size": 60}
    with pytest.raises(InputError, match=r"has the values of training.start's model"):
        check_config(parse_config(settings, "test"))


def test_one_table_takes_one_file(folder: Path) -> None:
    with pytest.raises(InputError, match=r"training.target_vectors: with model.tie = 'all' there is one embedding"):
        config(folder, source_vectors="x.vec.gz", target_vectors="one.vec")


def test_the_card_tells_of_vectors_and_no_path(folder: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "x.vec").write_bytes((folder / "x.vec.gz").read_bytes())
    for tie, which in (("all", "source and target"), ("target", "target")):
        settings = config(folder, tie=tie, max_steps=1, target_vectors=str(private / "x.vec"))
        train(settings, tmp_path / tie)
        card = (tmp_path / tie / "README.md").read_text(encoding="utf-8")
        assert f"- Word vectors: the embedding of the {which} began with those of `x.vec`" in card
        assert str(private) not in card
    assert "Word vectors" not in (folder / "base" / "README.md").read_text(encoding="utf-8")


def test_a_comparison_looks_for_vectors_before_its_first_run(folder: Path, tmp_path: Path) -> None:
    grid = Grid.model_validate(
        {"title": "t", "config": "x", "seeds": [1], "grid": {"model.score": ["dot"]},
         "tests": {"t": {"source": "a", "reference": "b"}}}
    )  # fmt: skip
    runs = [PlannedRun(name, 1, {}, config(folder, source_vectors=name)) for name in ("x.vec.gz", "gone.vec")]
    with pytest.raises(InputError, match=r"system 'gone.vec': training.source_vectors: .*gone.vec: no such file"):
        _check_configs(runs, grid, tmp_path / "compared")
