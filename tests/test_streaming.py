"""Streaming: every pair once an epoch, mixed, in bounded memory, and a resume that is bitwise the whole run."""

from __future__ import annotations

import gzip
import json
import signal
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_processes import curve, run
from test_training import SETTINGS, Stopper, events, weights

from seq2seq.config import Config
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.text.readers import SentencePair
from seq2seq.text.streaming import open_stream
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.training.data import TrainingText
from seq2seq.training.epoch import Place, Pool, make_pools
from seq2seq.training.mixing import MixedText
from seq2seq.training.trainer import train

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
FORMS = ["parquet", "arrow", "jsonl", "jsonl.gz", "json", "csv", "tsv", "saved"]


def pairs(count: int) -> list[dict[str, str]]:
    """Different numbers, digit by digit, and their reversal."""
    return [{"xx": " ".join(str(1000 + row)), "yy": " ".join(str(1000 + row)[::-1])} for row in range(count)]


def write(folder: Path, rows: list[dict[str, Any]], form: str = "parquet", shards: int = 3) -> None:
    """The rows in so many shards."""
    import datasets

    if form == "saved":
        datasets.Dataset.from_list([{"translation": row} for row in rows]).save_to_disk(folder, num_shards=shards)
        return
    folder.mkdir(exist_ok=True)
    for shard in range(shards):
        part = rows[shard * len(rows) // shards : (shard + 1) * len(rows) // shards]
        path = folder / f"part-{shard}.{form}"
        if form.startswith("jsonl"):
            text = "".join(json.dumps(row) + "\n" for row in part).encode()
            path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
        elif form == "json":
            path.write_text(json.dumps(part), encoding="utf-8")
        elif form in ("csv", "tsv"):
            lines = [("xx", "yy"), *((row["xx"], row["yy"]) for row in part)]
            path.write_text(
                "".join({"csv": ",", "tsv": "\t"}[form].join(line) + "\n" for line in lines), encoding="utf-8"
            )
        elif form == "arrow":
            datasets.Dataset.from_list(part).save_to_disk(folder / f"whole-{shard}")
            (folder / f"whole-{shard}" / "data-00000-of-00001.arrow").rename(path)
        else:
            datasets.Dataset.from_list(part).to_parquet(path)


def tree(root: Path, **changes: Any) -> dict[str, Any]:
    """The small config of test_training, streaming pools of 25 pairs."""
    settings: dict[str, Any] = json.loads(json.dumps(SETTINGS))
    settings["data"] |= {"root": str(root), "train": {"dataset": "shards", "streaming": True}, "shuffle_buffer": 25}
    settings["data"]["validation"] = {"jsonl": "validation.jsonl"}
    settings["training"] |= {"batch_tokens": 40, "max_steps": 30, "validation_interval": 10}
    for name, value in changes.items():
        section, key = name.split("__")
        settings[section][key] = value
    (root / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs(6)), encoding="utf-8")
    return settings


def config(root: Path, **changes: Any) -> Config:
    return parse_config(tree(root, **changes), "test")


def text_of(settings: Config) -> TrainingText:
    stream = open_stream(settings)
    assert stream.sample is not None
    tokenizers: TokenizerPair = train_tokenizers(stream.sample.source, stream.sample.target, settings.tokenizer, Path())
    mixed = (MixedText("shards", stream, {}),)
    return TrainingText(mixed, None, tokenizers, {})  # type: ignore[arg-type]  # no validation in these tests


def sentences(text: TrainingText, pools: list[Pool]) -> list[tuple[str, str]]:
    """The pairs in the order in which the steps take them."""
    decode = (text.tokenizers.source.decode, text.tokenizers.target.decode)
    return [
        (decode[0](list(pool.source[row])), decode[1](list(pool.target[row])))
        for pool in pools
        for step in pool.steps
        for row in step
    ]


def epoch(settings: Config, number: int = 0, start: Place | None = None) -> list[tuple[str, str]]:
    text = text_of(settings)
    return sentences(text, list(make_pools(text, settings, number, start or Place())))


@pytest.mark.parametrize("form", FORMS)
def test_each_pair_once_an_epoch_whatever_the_form(tmp_path: Path, form: str) -> None:
    write(tmp_path / "shards", pairs(130), form)
    found = epoch(config(tmp_path))
    assert sorted(found) == sorted((row["xx"], row["yy"]) for row in pairs(130))
    assert found != sorted(found)


def test_the_order_is_another_each_epoch_and_seed_and_else_the_same(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(130))
    first, settings = epoch(config(tmp_path)), config(tmp_path)
    assert epoch(settings) == first
    for other in (epoch(settings, 1), epoch(config(tmp_path, training__seed=2))):
        assert other != first
        assert sorted(other) == sorted(first)


def test_a_pool_mixes_shards(tmp_path: Path) -> None:
    """A text that is sorted by shard is not learnt shard by shard."""
    rows = pairs(900)
    write(tmp_path / "shards", rows)
    settings = config(tmp_path, data__shuffle_buffer=300)
    text = text_of(settings)
    first = sentences(text, [next(iter(make_pools(text, settings, 0, Place())))])
    place = {row["xx"]: number // 300 for number, row in enumerate(rows)}
    assert {place[source] for source, _ in first} == {0, 1, 2}


def test_shards_come_in_another_order_each_epoch(tmp_path: Path) -> None:
    """And with each seed. Else the pairs of the last shard would always be those learnt last."""
    write(tmp_path / "shards", pairs(900), shards=30)
    settings = config(tmp_path, data__shuffle_buffer=60)
    text = text_of(settings)
    firsts = [sentences(text, [next(make_pools(text, settings, number, Place()))]) for number in range(3)]
    assert len({frozenset(first) for first in firsts}) == 3
    other = config(tmp_path, data__shuffle_buffer=60, training__seed=2)
    assert frozenset(sentences(text, [next(make_pools(text, other, 0, Place()))])) != frozenset(firsts[0])


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_a_pool_is_found_again_from_its_place_alone(tmp_path: Path, form: str) -> None:
    rows = pairs(130)
    rows[7]["xx"] = rows[99]["yy"] = " ".join("1" * 40)  # filtered by length: places count rows, pools count pairs
    write(tmp_path / "shards", rows, form)
    settings = config(tmp_path, data__max_length=20, tokenizer__kind="bpe", tokenizer__sampling=0.4)
    text = text_of(settings)
    whole = list(make_pools(text, settings, 0, Place()))
    assert [len(pool.source) for pool in whole] == [25, 25, 25, 25, 25, 3]
    assert [pool.last for pool in whole] == [False] * 5 + [True]
    assert whole[-1].end == Place(6, 130, {"too long": 2})
    for number in range(1, 6):
        assert list(make_pools(text, settings, 0, whole[number - 1].end)) == whole[number:]


def test_each_pool_is_dealt_out_by_a_draw_of_its_own(tmp_path: Path) -> None:
    """The pairs are all as long, so the same draw would deal every pool out alike, epoch after epoch."""
    write(tmp_path / "shards", pairs(100))
    settings = config(tmp_path)
    text = text_of(settings)
    dealt = [pool.steps for number in range(2) for pool in make_pools(text, settings, number, Place())]
    assert [sum(map(len, steps)) for steps in dealt] == [25] * 8
    assert len({str(steps) for steps in dealt}) == 8


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_run(tmp_path: Path) -> None:
    """Bitwise, with dropout and subword sampling, stopped within and between pools and in the second epoch."""
    write(tmp_path / "shards", pairs(60))
    settings = config(tmp_path, tokenizer__kind="bpe", tokenizer__sampling=0.3, training__validation_interval=0)
    train(settings, tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    assert [event["rows"] for event in events(tmp_path / "whole") if event["event"] == "epoch"][:1] == [60]
    for stops in ([3], [8, 11, 27], [17]):
        run = tmp_path / "-".join(map(str, stops))
        for step in stops:
            observe = Stopper(step, signal.SIGTERM)
            assert train(settings, run, resume=run.exists(), observe=observe)["reason"] == "interrupted"
        train(settings, run, resume=True)
        parts = weights(run)
        assert all(torch.equal(whole[name], parts[name]) for name in whole), stops
        assert events(run) == events(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(60))
    still = {"model__dropout_embedding": 0.0, "model__dropout_layer": 0.0, "model__dropout_output": 0.0}
    changes = {**still, "training__log_interval": 1, "training__max_steps": 20, "training__validation_interval": 10}
    settings, half = tree(tmp_path, **changes), tree(tmp_path, **{**changes, "training__max_steps": 10})
    jobs = [
        {"config": settings, "output": str(tmp_path / "one"), "processes": 1},
        {"config": settings, "output": str(tmp_path / "two"), "processes": 2},
        {"config": half, "output": str(tmp_path / "parts"), "processes": 2},
        {"config": settings, "output": str(tmp_path / "parts"), "processes": 2, "resume": True},
    ]
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=1e-5)
    two, parts = weights(tmp_path / "two"), weights(tmp_path / "parts")
    assert all(torch.equal(two[name], parts[name]) for name in two)


def test_another_text_is_refused_on_resume(tmp_path: Path) -> None:
    rows = pairs(60)
    write(tmp_path / "shards", rows)
    settings = config(tmp_path)
    train(settings, tmp_path / "run", observe=Stopper(12, signal.SIGTERM))
    rows[59]["yy"] += " 1"
    write(tmp_path / "shards", rows)
    with pytest.raises(InputError, match="training text: has changed"):
        train(settings, tmp_path / "run", resume=True)


def test_bad_rows_are_refused_with_their_place_or_dropped_and_counted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = pairs(60)
    rows[25]["yy"] = None
    rows[43] = {"xx": "1", "yy": " "}
    rows[44] = {"xx": "", "yy": ""}
    write(tmp_path / "shards", rows, "jsonl")
    with pytest.raises(InputError, match=r"part-1\.jsonl:6: .*is not a string.*'drop'"):
        train(config(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    seen: list[dict[str, Any]] = []
    train(config(tmp_path, data__problems="drop"), tmp_path / "run", observe=seen.append)
    bad = {"not text": 1, "one side blank": 1, "both blank": 1}
    (data,) = [event for event in seen if event["event"] == "data"]
    assert (data["train_pairs"], data["dropped"]) == (57, bad)
    ended = [event for event in seen if event["event"] == "epoch"]
    assert (ended[0]["rows"], ended[0]["removed"]) == (60, bad)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(60))
    path = tmp_path / "shards" / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"part-1\.parquet: cannot"):
        open_stream(config(tmp_path))


@pytest.mark.parametrize(
    ("line", "message", "reason"),
    [
        (b'{"xx": "1", "yy"', r"part-1\.jsonl:6: not a JSON object: ", "JSON"),
        (b'{"xx": "1", "zz": "2"}', r"part-1\.jsonl:6: no key 'yy'; ", "JSON"),
        (b'{"xx": "1", "yy": {"yy": "2"}}', r"part-1\.jsonl:6: .* is not a string", "not text"),
        (b'{"xx": "1", "yy": "\xff"}', r"part-1\.jsonl:6: the line is not valid UTF-8", "invalid UTF-8"),
    ],
)
@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress], ids=["plain", "gz"])
def test_a_line_that_is_no_json_is_named_or_dropped(
    tmp_path: Path, line: bytes, message: str, reason: str, pack: Callable[[bytes], bytes]
) -> None:
    write(tmp_path / "shards", pairs(60), "jsonl")
    for path in (tmp_path / "shards").iterdir():
        lines = path.read_bytes().splitlines()
        if path.name == "part-1.jsonl":
            lines[5] = line
        path.unlink()
        name = path.name + ("" if pack(b"") == b"" else ".gz")
        path.with_name(name).write_bytes(pack(b"".join(each + b"\n" for each in lines)))
    with pytest.raises(InputError, match=message.replace("jsonl:", r"jsonl(\.gz)?:") + r".*\(data.problems = 'drop'"):
        open_stream(config(tmp_path))
    stream = open_stream(config(tmp_path, data__problems="drop"))
    assert (stream.pairs, stream.dropped) == (59, {reason: 1})


def test_bytes_that_are_no_text_in_a_table_are_named_or_dropped(tmp_path: Path) -> None:
    """Arrow takes any bytes for a string."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    good = [row["xx"].encode() for row in pairs(9)]
    bad = [*good[:4], b"\xff", *good[5:8], b"\xfe"]
    (tmp_path / "shards").mkdir()
    table = pa.table({"xx": pa.array(good).view(pa.string()), "yy": pa.array(bad).view(pa.string())})
    pq.write_table(table, tmp_path / "shards" / "part-0.parquet")
    with pytest.raises(InputError, match=r"part-0\.parquet: row 4 \(the first is 0\): .*not valid UTF-8"):
        open_stream(config(tmp_path))
    settings = config(tmp_path, data__problems="drop")
    stream = open_stream(settings)
    assert (stream.pairs, stream.dropped) == (7, {"invalid UTF-8": 2})
    (block,) = stream.rows([0], 1, 3)
    assert [isinstance(row, SentencePair) for row in block] == [True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("form", "place"), [("parquet", r"parquet: row 14 \(the first"), ("jsonl", "jsonl:15: "), ("csv", "csv:16: ")]
)
def test_a_bad_row_after_those_that_are_passed_has_its_own_number(tmp_path: Path, form: str, place: str) -> None:
    rows: list[dict[str, Any]] = pairs(60)
    rows[14]["yy"] = "\0"
    write(tmp_path / "shards", rows, form)
    stream = open_stream(config(tmp_path, data__problems="drop"))
    with pytest.raises(InputError, match=place):
        list(replace(stream, config=config(tmp_path)).rows([0], 1, 7))


def test_blank_pairs_are_no_problem_unless_nothing_else_is_there(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = pairs(60)
    rows[30] = {"xx": "", "yy": " "}
    write(tmp_path / "shards", rows)
    stream = open_stream(config(tmp_path))
    assert (stream.pairs, stream.dropped) == (59, {"both blank": 1})
    write(tmp_path / "shards", [rows[30]] * 3)
    with pytest.raises(InputError, match=r"no usable pair in 3 shards \(both blank: 3\)"):
        open_stream(config(tmp_path))


def test_the_fingerprint_feels_every_sentence_and_where_shards_end(tmp_path: Path) -> None:
    found = set()
    for number, (row, side) in enumerate([(0, ""), (59, "xx"), (59, "yy"), (7, "xx")]):
        rows = pairs(60)
        rows[row] |= {side: "1 2"} if side else {}
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number) / "shards", rows)
        found.add(open_stream(config(tmp_path / str(number))).fingerprint)
    for name, shards in (("fewer", 2), ("again", 3)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "shards", pairs(60), shards=shards)
        found.add(open_stream(config(tmp_path / name)).fingerprint)
    assert len(found) == 5


def test_the_tokenizers_learn_from_a_sample_of_all_pairs(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(300))
    number = {row["xx"]: index for index, row in enumerate(pairs(300))}
    drawn = []
    for seed in (1, 1, 2):
        sample = open_stream(config(tmp_path, tokenizer__sample_pairs=60, training__seed=seed)).sample
        assert sample is not None
        drawn.append([number[source] for source in sample.source])
        assert len(set(drawn[-1])) == 60
        assert all(10 <= sum(first <= index < first + 100 for index in drawn[-1]) <= 30 for first in (0, 100, 200))
    assert drawn[0] == drawn[1] != drawn[2]


def test_subwords_are_drawn_anew_for_each_pool_epoch_and_side(tmp_path: Path) -> None:
    """The pools hold the same text, and both sides of a pair are the same."""
    write(tmp_path / "shards", [{"xx": row["xx"], "yy": row["xx"]} for row in pairs(25)] * 4, shards=1)
    settings = config(tmp_path, tokenizer__kind="bpe", tokenizer__sampling=0.4)
    text = text_of(settings)
    pools = [pool for number in range(2) for pool in make_pools(text, settings, number, Place())]
    assert len({str(side) for pool in pools for side in (pool.source, pool.target)}) == 2 * 4 * 2


def test_shards_have_the_order_of_their_names_and_one_kind(tmp_path: Path) -> None:
    """Whatever the order in which the folder lists them."""
    write(tmp_path / "shards", pairs(60), "jsonl", shards=30)
    names = [path.name for path in open_stream(config(tmp_path)).shards]
    assert names == sorted(f"part-{number}.jsonl" for number in range(30))
    write(tmp_path / "shards", pairs(60), "parquet", shards=1)
    with pytest.raises(InputError, match=r"shards must be of one known kind .*; found json, parquet"):
        open_stream(config(tmp_path))


def test_what_a_table_was_taken_for_is_noted_of_each_shard(tmp_path: Path) -> None:
    """And each may have its columns in an order of its own."""
    write(tmp_path / "shards", pairs(60), "csv", shards=2)
    swapped = "".join(f"{row['yy']};{row['xx']}\n" for row in [{"xx": "xx", "yy": "yy"}, *pairs(30)])
    (tmp_path / "shards" / "part-0.csv").write_text(swapped, encoding="utf-8")
    stream = open_stream(config(tmp_path))
    assert [note.rpartition(" ")[2] for note in stream.notes] == ["';'", "','"]
    assert stream.sample is not None
    assert sorted(stream.sample.source) == sorted(row["xx"] for row in pairs(60))
    write(tmp_path / "tables", pairs(6))
    settings = config(tmp_path, data__train={"dataset": "tables", "streaming": True, "quotes": True})
    with pytest.raises(InputError, match="quotes has no effect for shards of parquet"):
        open_stream(settings)


def test_all_filtered_is_said(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(60))
    with pytest.raises(InputError, match="no training pair is left after the filters"):
        train(config(tmp_path, data__max_length=1), tmp_path / "run")


def test_local_shards_are_read_without_a_word_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """datasets would count each opening at its maker's, and wait for that where there is no network."""
    import datasets

    calls: list[int] = []
    monkeypatch.setattr("datasets.load.get_session", lambda: calls.append(1))
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_UPDATE_DOWNLOAD_COUNTS", True)
    write(tmp_path / "shards", pairs(60))
    assert open_stream(config(tmp_path)).pairs == 60
    assert calls == []
    assert datasets.config.HF_UPDATE_DOWNLOAD_COUNTS is True


def test_held_out_text_is_not_learnt_from(tmp_path: Path) -> None:
    write(tmp_path / "shards", pairs(60))
    (tmp_path / "shards" / "part-2.parquet").rename(tmp_path / "shards" / "test-0.parquet")
    with pytest.raises(InputError, match="looks like test text"):
        open_stream(config(tmp_path))
    chosen = {"dataset": "shards/part-*.parquet", "streaming": True}
    assert open_stream(config(tmp_path, data__train=chosen)).pairs == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__drop_duplicates": True}, "needs all text in memory"),
        ({"data__train": {"dataset": "shards"}}, "shuffle_buffer has no effect without train.streaming"),
        ({"data__train": {"dataset": "shards", "streaming": True, "split": "train"}}, "split has no effect with"),
        ({"data__train": {"tsv": "a.tsv", "streaming": True}}, "give them as dataset"),
        ({"data__validation": {"dataset": "shards", "streaming": True}}, "validation.streaming"),
        ({"data__train": {"tsv": "a"}, "data__shuffle_buffer": 100000, "tokenizer__sample_pairs": 5}, "sample_pairs"),
    ],
)
def test_what_would_not_work_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(tmp_path, **changes)


@pytest.mark.parametrize("name", ["missing", "missing/*.parquet", "owner/name"])
def test_missing_shards_are_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no shards there"):
        open_stream(config(tmp_path, data__train={"dataset": name, "streaming": True}))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """Peak of Python's own allocations while an epoch is read, which hold the pairs; shards of one size."""
    peaks = []
    for count in (6000, 24000):
        (tmp_path / str(count)).mkdir()
        write(tmp_path / str(count) / "shards", pairs(count), shards=count // 600)
        settings = config(tmp_path / str(count), data__shuffle_buffer=500, tokenizer__sample_pairs=500)
        text = text_of(settings)
        tracemalloc.start()
        assert sum(len(pool.source) for pool in make_pools(text, settings, 0, Place())) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]  # four times the text
