"""Several texts to learn from: shares, epochs, tags, what is told of each, and runs that go on bit for bit."""

from __future__ import annotations

import json
import math
import re
import signal
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_processes import curve, run
from test_training import JAPANESE, SETTINGS, Stopper, events
from test_training import weights as weights_of
from typer.testing import CliRunner

from seq2seq.checkpoint.card import model_card
from seq2seq.checkpoint.files import Vocabulary
from seq2seq.checkpoint.model import load_model
from seq2seq.cli import app
from seq2seq.cli.config import SEVERAL
from seq2seq.cli.display.training import event_line, train_line
from seq2seq.cli.template import render
from seq2seq.comparison.measuring import Measurer
from seq2seq.comparison.plan import load_grid, planned_runs
from seq2seq.comparison.texts import fingerprint, load_tests
from seq2seq.config import Config, CorpusConfig, DataConfig
from seq2seq.config_file import load_config, parse_config
from seq2seq.errors import InputError
from seq2seq.metrics.bleu_tokenizer import tokenizer_in_signature
from seq2seq.processes.group import Processes
from seq2seq.text.corpus import EncodedCorpus
from seq2seq.training.data import TrainingText, prepare, read_texts
from seq2seq.training.engine import make_accelerator
from seq2seq.training.epoch import Place, Pool, make_pools
from seq2seq.training.mixing import MixedText, drawn_rows, epoch_draws
from seq2seq.training.run import _VALIDATION_TAG, _differences
from seq2seq.training.trainer import train
from seq2seq.training.validation import Validation
from seq2seq.translation.tags import tag_ids
from seq2seq.translation.translation import FORBIDDEN, forbidden_tokens
from seq2seq.translation.translator import Translator

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")


def write_pairs(path: Path, count: int, first: int = 1000) -> list[tuple[str, str]]:
    """Different numbers, digit by digit, and their reversal, as TSV; return them."""
    pairs = [(" ".join(str(number)), " ".join(str(number)[::-1])) for number in range(first, first + count)]
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return pairs


def tree(root: Path, train: Any, **changes: Any) -> dict[str, Any]:
    """The small config of test_training with these texts; the validation text is one of 6 numbers."""
    settings: dict[str, Any] = json.loads(json.dumps(SETTINGS))
    write_pairs(root / "valid.tsv", 6, 1100)
    settings["data"] |= {"root": str(root), "train": train, "validation": {"tsv": "valid.tsv"}}
    settings["training"] |= {"batch_tokens": 40, "max_steps": 12, "validation_interval": 6}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            settings[section][key] = value
        else:
            settings[section] = value
    return settings


def config(root: Path, train: Any, **changes: Any) -> Config:
    return parse_config(tree(root, train, **changes), "test")


def two_validations(root: Path) -> list[dict[str, Any]]:
    write_pairs(root / "other.tsv", 4, 1010)
    return [{"tsv": "valid.tsv"}, {"tsv": "other.tsv", "label": "second"}]


def prepared(settings: Config, folder: Path) -> TrainingText:
    processes = Processes(make_accelerator(settings, folder))
    return prepare(settings, read_texts(settings), None, folder / "cache", processes)


def drawn(text: TrainingText, pool: Pool) -> Counter[tuple[str, str]]:
    """How often each pair is drawn in a pool."""
    source, target = text.tokenizers.source.decode, text.tokenizers.target.decode
    rows = [row for step in pool.steps for row in step]
    return Counter((source(list(pool.source[row])), target(list(pool.target[row]))) for row in rows)


def data(weights: list[float | None], temperature: float = 1.0) -> DataConfig:
    texts = [{"tsv": f"text-{number}", "weight": weight} for number, weight in enumerate(weights)]
    settings: dict[str, Any] = {"train": texts, "validation": {"tsv": "v"}, "temperature": temperature}
    return DataConfig.model_validate(settings)


# --------------------------------------------------------------------------------------------------------------- shares


@pytest.mark.parametrize(
    ("sizes", "weights", "temperature", "expected"),
    [
        ([60, 30, 10], [None] * 3, 1.0, [60, 30, 10]),
        ([60, 30, 10], [1, 1, 2], 1.0, [25, 25, 50]),
        ([60, 30, 10], [0.2, 0.2, 0.4], 1.0, [25, 25, 50]),  # weights are normalised
        ([5, 5], [1, 2], 1.0, [3, 7]),  # 3.33 and 6.67: the larger remainder is rounded up
        ([81, 16, 1], [None] * 3, 2.0, [63, 28, 7]),  # 9 + 4 + 1 = 14 shares of 98
        ([90, 10], [None] * 2, 1e6, [50, 50]),  # all alike
    ],
)
def test_an_epoch_has_as_many_draws_as_pairs(
    sizes: list[int], weights: list[float | None], temperature: float, expected: list[int]
) -> None:
    """Arivazhagan et al. (2019): a text of D pairs has the share D^(1/T), normalised."""
    assert epoch_draws(sizes, data(weights, temperature)) == expected
    assert sum(expected) == sum(sizes)


def test_a_share_of_no_draw_is_refused() -> None:
    with pytest.raises(InputError, match=r"the share of 'text-1' is 0\.\d+ of an epoch's 10 draws, which is none"):
        epoch_draws([5, 5], data([1, 0.001]))


@pytest.mark.parametrize(("size", "draws"), [(10, 4), (10, 15), (3, 20), (7, 7), (1, 5)])
def test_no_pair_is_drawn_again_before_all_others_were(size: int, draws: int) -> None:
    """Over epochs: after n draws, every pair was drawn n // size times or once more, and each epoch has its number."""
    text = MixedText("a", EncodedCorpus([[1]] * size, [[1]] * size, ["a"] * size, ["b"] * size, {}), {}, (), draws)
    total = Counter[int]()
    for epoch in range(12):
        rows = drawn_rows(text, 1, epoch)
        assert len(rows) == draws
        assert list(rows) == sorted(rows)
        total.update(rows)
        assert {total[row] for row in range(size)} <= {sum(total.values()) // size, -(-sum(total.values()) // size)}


def test_each_text_each_pass_and_each_seed_has_an_order_of_its_own() -> None:
    encoded = EncodedCorpus([[1]] * 40, [[1]] * 40, ["a"] * 40, ["b"] * 40, {})
    orders = {
        str(drawn_rows(MixedText(label, encoded, {}, (), 20), seed, epoch))
        for label in "ab"
        for seed in (1, 2)
        for epoch in (0, 2, 4)  # the first halves of three passes
    }
    assert len(orders) == 12


# --------------------------------------------------------------------------------------------------------------- epochs


def test_without_weights_every_pair_comes_once_and_the_run_is_that_of_one_file(tmp_path: Path) -> None:
    """Bit for bit, with subword sampling: several texts by size are their concatenation."""
    first, second = write_pairs(tmp_path / "a.tsv", 30), write_pairs(tmp_path / "b.tsv", 11, 5000)
    whole = (tmp_path / "a.tsv").read_text(encoding="utf-8") + (tmp_path / "b.tsv").read_text(encoding="utf-8")
    (tmp_path / "whole.tsv").write_text(whole, encoding="utf-8")
    changes = {"tokenizer__kind": "bpe", "tokenizer__sampling": 0.3}
    settings = config(tmp_path, [{"tsv": "a.tsv"}, {"tsv": "b.tsv"}], **changes)
    text = prepared(settings, tmp_path)
    assert drawn(prepared(config(tmp_path, [{"tsv": "a.tsv"}, {"tsv": "b.tsv"}]), tmp_path), pools(tmp_path)[0]) == (
        Counter(first + second)
    )
    assert text.pairs == 41
    train(settings, tmp_path / "two")
    train(config(tmp_path, {"tsv": "whole.tsv"}, **changes), tmp_path / "one")
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


def pools(root: Path, epochs: int = 1) -> list[Pool]:
    settings = config(root, [{"tsv": "a.tsv"}, {"tsv": "b.tsv"}])
    text = prepared(settings, root)
    return [pool for epoch in range(epochs) for pool in make_pools(text, settings, epoch, Place())]


def test_an_array_of_one_table_is_the_table(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.tsv", 20)
    assert config(tmp_path, [{"tsv": "a.tsv"}]) == config(tmp_path, {"tsv": "a.tsv"})


def test_weighted_epochs_draw_the_shares_and_know_whose_each_row_is(tmp_path: Path) -> None:
    first, second = write_pairs(tmp_path / "a.tsv", 30), write_pairs(tmp_path / "b.tsv", 10, 5000)
    texts = [{"tsv": "a.tsv", "weight": 1}, {"tsv": "b.tsv", "weight": 3}]
    settings = config(tmp_path, texts)
    text = prepared(settings, tmp_path)
    total = Counter[tuple[str, str]]()
    for epoch in range(3):
        (pool,) = make_pools(text, settings, epoch, Place())
        (again,) = make_pools(text, settings, epoch, Place())
        found = drawn(text, pool)
        assert (found, pool.steps) == (drawn(text, again), again.steps)
        assert (sum(found[pair] for pair in first), sum(found[pair] for pair in second)) == (10, 30)
        assert Counter(pool.texts) == {0: 10, 1: 30}
        for row, owner in enumerate(pool.texts):
            assert (text.tokenizers.source.decode(list(pool.source[row])) in dict(second)) == bool(owner)
        total += found
    assert {total[pair] for pair in first} == {1}  # three epochs of 10 are one pass over 30
    assert {total[pair] for pair in second} == {9}


def test_a_pair_of_an_earlier_text_is_a_duplicate_unless_its_tag_is_another(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.tsv", 20)
    write_pairs(tmp_path / "b.tsv", 30)  # whose first 20 are those of a
    texts: list[dict[str, Any]] = [{"tsv": "a.tsv"}, {"tsv": "b.tsv"}]
    text = prepared(config(tmp_path, texts, data__drop_duplicates=True), tmp_path)
    assert [each.pairs for each in text.train] == [20, 10]
    assert [each.removed["duplicate"] for each in text.train] == [0, 20]
    assert text.removed["duplicate"] == 20
    texts[1]["tag"] = "<b>"
    text = prepared(config(tmp_path, texts, data__drop_duplicates=True), tmp_path)
    assert [each.pairs for each in text.train] == [20, 30]


def test_the_cache_is_by_text(tmp_path: Path) -> None:
    """A third text leaves what was encoded of the others as it was."""
    for name, count in (("a", 20), ("b", 25)):
        write_pairs(tmp_path / f"{name}.tsv", count)
    settings = config(tmp_path, [{"tsv": "a.tsv"}, {"tsv": "b.tsv"}])
    tokenizers = prepared(settings, tmp_path).tokenizers
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert len(files) == 3
    more = config(tmp_path, [{"tsv": "b.tsv"}, {"tsv": "a.tsv"}, {"tsv": "valid.tsv"}])
    prepare(more, read_texts(more), tokenizers, tmp_path / "cache", Processes(make_accelerator(more, tmp_path)))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == files


def test_a_stopped_run_of_weighted_texts_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Stopped within the first epoch, at its end and in the second."""
    write_pairs(tmp_path / "a.tsv", 30)
    write_pairs(tmp_path / "b.tsv", 7, 5000)
    texts = [{"tsv": "a.tsv", "weight": 1}, {"tsv": "b.tsv", "weight": 1, "tag": "<b>"}]
    settings = config(
        tmp_path, texts, tokenizer__kind="bpe", tokenizer__sampling=0.3, data__validation=two_validations(tmp_path)
    )
    train(settings, tmp_path / "whole")
    steps = len(next(make_pools(prepared(settings, tmp_path), settings, 0, Place())).steps)
    folder = tmp_path / "parts"
    for step in (1, steps - 1, steps + 1):  # it stops after the next one
        observe = Stopper(step, signal.SIGTERM)
        assert train(settings, folder, resume=folder.exists(), observe=observe)["reason"] == "interrupted"
    train(settings, folder, resume=True)
    whole, parts = weights_of(tmp_path / "whole"), weights_of(folder)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert events(folder) == events(tmp_path / "whole")


# --------------------------------------------------------------------------------------------------------------- config

HEAD = '[data]\n[data.validation]\ntsv = "v"\n'
TWO = '[[data.train]]\ntsv = "a"\n[[data.train]]\ntsv = "b"\n'


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (TWO + "wieght = 2\n", [], r"run\.toml:8: unknown key data\.train\.2\.wieght; did you mean 'weight'"),
        (TWO + "weight = 0\n", [], r"run\.toml:8: data\.train\.2\.weight = 0: should be greater than 0"),
        (TWO + "weight = 2\n", [], r"run\.toml:4: data: train\.1\.weight is missing, as train\.2 has one"),
        (TWO.replace('"b"', '"x/a.tsv.gz"'), [], r"run\.toml:6: data: train\.2: called 'a' as train\.1 is; give one"),
        (TWO, ["data.train.2.label=a"], r"run\.toml:6: data: train\.2: called 'a' as train\.1 is"),
        (TWO, ["data.train.3.label=a"], r"--set data\.train\.3\.label=a: data\.train has 2 tables; name one"),
        (TWO, ["data.train.tsv=a"], r"data\.train has 2 tables; name one by its number from 1: data\.train\.1"),
        (TWO, ["data.temperature=0.5"], r"--set data\.temperature: data\.temperature = 0\.5: should be greater"),
        (TWO.replace("tsv = ", "weight = 1\ntsv = "), ["data.temperature=2"], "temperature has no effect with weights"),
        ('[data.train]\ntsv = "a"\n', ["data.temperature=2"], "temperature has no effect with one text"),
        ('[data.train]\ntsv = "a"\nweight = 1\n', [], r"run\.toml:6: data: train\.weight has no effect with one text"),
        ('[data.train]\ntsv = "a"\n', ["data.validation.weight=1"], r"validation\.weight has no effect"),
        ('[data.train]\ntsv = "a"\n', ["data.validation.tag=<a>"], r"validation\.tag = '<a>': no text to learn from"),
        ('[data.train]\ntsv = "a"\ntag = "<a>"\n', [], r"validation\.tag is missing, as every text to learn from has"),
        (
            TWO,
            ["training.criterion_text=v"],
            r"--set training\.criterion_text: training\.criterion_text has no effect with one text to validate on",
        ),
        (
            TWO,
            ['data.validation=[{tsv="v"}, {tsv="w"}]', "training.criterion_text=x"],
            r"training\.criterion_text = 'x': no text to validate on is called so; allowed: v, w",
        ),
        (TWO, ['data.validation=[{tsv="v"}, {tsv="v"}]'], r"validation\.2: called 'v' as validation\.1 is"),
        ("", ["data.train=[]"], r"data\.train: no text; give at least one table"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    (tmp_path / "run.toml").write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "run.toml", overrides)


def test_one_table_of_several_is_set_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(HEAD + TWO, encoding="utf-8")
    overrides = ["data.train.1.weight=2", "data.train.2.weight=3", "data.train.2.label=1984"]
    texts = load_config(tmp_path / "run.toml", overrides).data.texts
    assert [(text.called, text.weight) for text in texts] == [("a", 2), ("1984", 3)]


def test_a_written_config_has_all_tables(tmp_path: Path) -> None:
    settings = config(tmp_path, [{"tsv": "a"}, {"tsv": "b", "tag": "<b>"}], data__validation=two_validations(tmp_path))
    text = render(settings, {}, {"data.train": ["a note"]})
    assert parse_config(tomllib.loads(text), "test") == settings
    assert text.count("\n# a note\n[[data.train]]\n") == text.count("\n[[data.validation]]\n") == 2


def test_the_template_shows_how_several_texts_are_written() -> None:
    """In a comment that is a valid config."""
    shown = "\n".join(line for line in SEVERAL if line.startswith("  "))
    tree = tomllib.loads(f'[data]\nvalidation = {{tsv = "v"}}\n{shown}')
    texts = parse_config(tree, "test").data.texts
    assert [(text.called, text.weight, text.tag) for text in texts] == [
        ("clean", 2, None),
        ("backtranslated", 1, "<bt>"),
    ]


@pytest.mark.parametrize(
    ("keys", "called"),
    [
        ({"source": "x/train.de", "target": "y/train.en"}, "train"),
        ({"tsv": "bt.2019.tsv.zst"}, "bt.2019"),
        ({"dataset": "owner/opus"}, "opus"),
        ({"dataset": "parts/web-*.parquet"}, "web-*"),
        ({"jsonl": "a.jsonl", "label": "b"}, "b"),
    ],
)
def test_a_text_is_called_by_its_label_or_the_stem_of_its_file(keys: dict[str, Any], called: str) -> None:
    assert CorpusConfig(**keys).called == called


# ----------------------------------------------------------------------------------------------------------------- tags

TAGGED = [{"tsv": "a.tsv"}, {"tsv": "b.tsv", "tag": "<bt>"}]


def write_two(root: Path) -> None:
    write_pairs(root / "a.tsv", 30)
    write_pairs(root / "b.tsv", 10, 5000)


@pytest.mark.parametrize(
    ("kind", "sampling"), [("bpe", 0.0), ("bpe", 0.3), ("unigram", 0.0), ("unigram", 0.3), ("char", 0.0), ("word", 0.0)]
)
def test_a_tag_is_one_piece_before_each_source_of_its_text(tmp_path: Path, kind: str, sampling: float) -> None:
    write_two(tmp_path)
    changes = {
        "tokenizer__kind": kind,
        "tokenizer__sampling": sampling,
        "tokenizer__joint": False,
        "model__tie": "none",
    }
    settings = config(tmp_path, TAGGED, **changes)
    text = prepared(settings, tmp_path)
    reader = text.tokenizers.source
    tag = reader.pieces.index("<bt>")
    assert "<bt>" not in text.tokenizers.target.pieces
    (pool,) = make_pools(text, settings, 0, Place())
    for row, owner in enumerate(pool.texts):
        ids = list(pool.source[row])
        assert (ids[0] == tag) == bool(owner)
        assert tag not in ids[1:]
        assert reader.decode(ids[owner:]).startswith("5") == bool(owner)


def test_what_is_not_tagged_does_not_change_by_a_tag(tmp_path: Path) -> None:
    """The filters count the pieces of the text, and the cache holds them: neither knows of tags."""
    write_two(tmp_path)
    plain = prepared(config(tmp_path, TAGGED, data__max_length=4), tmp_path / "one")
    assert plain.pairs == 40
    cached = {path.name for path in (tmp_path / "one" / "cache").iterdir()}
    other: Any = [
        TAGGED[0],
        {**TAGGED[1], "tag": None},
    ]
    settings = config(tmp_path, other)
    prepare(
        settings,
        read_texts(settings),
        plain.tokenizers,
        tmp_path / "two",
        Processes(make_accelerator(settings, tmp_path)),
    )
    assert {path.name for path in (tmp_path / "two").iterdir()} == cached


def test_a_given_tokenizer_must_have_the_tag(tmp_path: Path) -> None:
    write_two(tmp_path)
    prepared(config(tmp_path, TAGGED), tmp_path).tokenizers.source.save(tmp_path / "with.model")
    settings = config(tmp_path, TAGGED, tokenizer={"source_model": "with.model"})
    assert prepared(settings, tmp_path).train[1].tag
    texts = [TAGGED[0], {**TAGGED[1], "tag": "<other>"}]
    with pytest.raises(InputError, match=r"data\.train: tag '<other>' is no piece of the vocabulary"):
        prepared(config(tmp_path, texts, tokenizer={"source_model": "with.model"}), tmp_path)


@pytest.mark.parametrize("tag", ["<s>", "a b", "▁", ""])
def test_a_tag_that_no_piece_can_be_is_refused(tmp_path: Path, tag: str) -> None:
    write_two(tmp_path)
    with pytest.raises(InputError, match=r"data\.train(: tag|\.2\.tag)"):
        train(config(tmp_path, [TAGGED[0], {**TAGGED[1], "tag": tag}]), tmp_path / "run")


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose tag decides what is written: with it the digits as they are, without it reversed."""
    root = tmp_path_factory.mktemp("tagged")
    pairs = write_pairs(root / "a.tsv", 60)
    (root / "b.tsv").write_text("".join(f"{source}\t{source}\n" for source, _ in pairs), encoding="utf-8")
    changes = {"training__max_steps": 60, "training__validation_interval": 60, "training__batch_tokens": 300}
    settings = config(root, [{"tsv": "a.tsv"}, {"tsv": "b.tsv", "tag": "<bt>"}], training__average=1, **changes)
    train(settings, root / "run")
    return root


SENTENCES = ["1 0 1 2", "1 0 3 1", ""]


def test_a_tag_is_read_at_translation(tagged: Path) -> None:
    translator = Translator.load(tagged / "run")
    plain, found = translator.translate(SENTENCES), translator.translate(SENTENCES, tag="<bt>")
    assert [each.source_pieces for each in found] == [
        ["<bt>", *each.source_pieces] if each.source_pieces else [] for each in plain
    ]
    assert [one.log_prob for one in plain[:2]] != [one.log_prob for one in found[:2]]
    for one in found[:2]:
        assert one.weights.shape[1] == len(one.source_pieces) + 1
        assert one.source_words == [-1, 0, 1, 2, 3]
        assert {link[0] for link in one.alignment} <= {0, 1, 2, 3}
    assert found[2].text == ""
    nbest = translator.translate_nbest(SENTENCES, 1, tag="<bt>")
    assert [each[0].text for each in nbest] == [each.text for each in found]
    assert translator.sample(SENTENCES, top_k=1, tag="<bt>")[0][0].source_pieces[0] == "<bt>"
    assert {(each.tag, other.tag) for each, other in zip(found[:2], plain, strict=False)} == {("<bt>", "")}


def test_no_translation_has_a_tag(tagged: Path) -> None:
    """Not even one drawn from a distribution that is almost flat, of a model that has one vocabulary for both sides."""
    loaded = load_model(tagged / "run")
    translator, tag = Translator([loaded]), loaded.tokenizers.target.symbol_id("<bt>")
    drawn = translator.sample(SENTENCES[:2], temperature=50.0, count=200, tag="<bt>", max_length=9)
    written = {token for each in drawn for one in each for token in one.tokens}
    assert tag not in written
    assert len(written) > 5
    assert forbidden_tokens([loaded]) == (*FORBIDDEN, tag)


def test_a_tag_does_not_count_as_a_piece_of_the_text(tagged: Path) -> None:
    invoked = CliRunner().invoke(
        app, ["translate", str(tagged / "run"), "--tag", "<bt>", "--max-source-length", "2"], input="1 2 3\n"
    )
    assert "only its first 2 pieces were translated" in invoked.stderr


def test_a_translation_and_its_score_agree_under_a_tag(tagged: Path) -> None:
    """Pitfall 7; and its alignment reads the same attention."""
    translator = Translator.load(tagged / "run")
    found = translator.translate(SENTENCES[:2], tag="<bt>")
    scores = translator.score_tokens(SENTENCES[:2], [each.tokens for each in found], tag="<bt>")
    assert [each.log_prob for each in scores] == pytest.approx([each.log_prob for each in found], abs=1e-4)
    others = translator.score(SENTENCES[:2], [each.text for each in found])
    assert [each.log_prob for each in others] != pytest.approx([each.log_prob for each in found], abs=1e-4)
    for one, aligned in zip(
        found, translator.align(SENTENCES[:2], [each.text for each in found], tag="<bt>"), strict=True
    ):
        assert aligned.source.pieces == one.source_pieces
        assert aligned.links == one.alignment
        assert aligned.piece_weights == pytest.approx(one.weights, abs=1e-4)
        assert aligned.source.shares[:, 0].sum() == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_export_knows_the_tags(tagged: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from seq2seq.onnx.export import export_onnx
    from seq2seq.onnx.translator import OnnxTranslator

    loaded = load_model(tagged / "run")
    export_onnx(loaded, tmp_path / "export")
    expected, found = (
        each.translate(SENTENCES, tag="<bt>")
        for each in (Translator([loaded]), OnnxTranslator.load(tmp_path / "export", threads=1))
    )
    assert [each.source_pieces for each in found] == [each.source_pieces for each in expected]
    assert [each.log_prob for each in found] == pytest.approx([each.log_prob for each in expected], abs=1e-3)
    with pytest.raises(InputError, match="tag '<x>': the model was not trained with it"):
        OnnxTranslator.load(tmp_path / "export", threads=1).translate(SENTENCES, tag="<x>")


def test_a_validation_under_a_tag_is_scored_under_it(tagged: Path, tmp_path: Path) -> None:
    """Its perplexity is that of `score` with the tag."""
    tree_of_run: Any = tree(tagged, [{"tsv": "a.tsv"}, {"tsv": "b.tsv", "tag": "<bt>"}])
    tree_of_run["data"]["validation"]["tag"] = "<bt>"
    tree_of_run["training"] |= {"max_steps": 3, "validation_interval": 3, "average": 1}
    record = train(parse_config(tree_of_run, "test"), tmp_path / "run")
    rows = [line.split("\t") for line in (tagged / "valid.tsv").read_text(encoding="utf-8").splitlines()]
    scores = Translator.load(tmp_path / "run").score(*zip(*rows, strict=True), tag="<bt>")
    nats, tokens = -sum(each.log_prob for each in scores), sum(each.tokens for each in scores)
    assert record["perplexity"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)


def test_a_validation_is_translated_under_its_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_two(tmp_path)
    tags = list[Any]()
    translate = Translator.translate

    def watched(self: Translator, texts: Any, **options: Any) -> Any:
        tags.append(options["tag"])
        return translate(self, texts, **options)

    monkeypatch.setattr(Translator, "translate", watched)
    two = [{"tsv": "valid.tsv", "tag": "<bt>"}, {"tsv": "valid.tsv", "label": "plain"}]
    changes = {"training__max_steps": 1, "training__validation_interval": 1, "training__average": 1}
    train(config(tmp_path, TAGGED, data__validation=two, **changes), tmp_path / "run")
    assert tags == ["<bt>", None]


@pytest.mark.parametrize(
    ("texts", "tag", "message"),
    [
        (TAGGED, "<bt", r"tag '<bt': the model was not trained with it; did you mean '<bt>'"),
        ({"tsv": "a.tsv"}, "<bt>", r"tag '<bt>': the model was not trained with it; it knows none"),
        (
            [{**each, "tag": f"<{each['tsv']}>"} for each in TAGGED],
            None,
            r"a tag before every source: choose one by tag",
        ),
        (TAGGED, 3, "tag: a string is needed, given 3"),
    ],
)
def test_a_tag_that_does_not_fit_the_model_is_refused(tmp_path: Path, texts: Any, tag: Any, message: str) -> None:
    settings = tree(tmp_path, texts)
    if isinstance(texts, list) and all("tag" in text for text in texts):
        settings["data"]["validation"]["tag"] = texts[0]["tag"]
    model = SimpleNamespace(config=parse_config(settings, "test"), tokenizers=None)
    with pytest.raises(InputError, match=message):
        tag_ids([model], tag)  # type: ignore[list-item]  # no more of it is needed


def test_the_card_tells_tags_and_directions() -> None:
    texts = [
        {"tsv": "a.tsv", "tag": "<2en>"},
        {"tsv": "b.tsv", "tag": "<2de>", "source_language": "en", "target_language": "de"},
    ]
    settings: Any = {"source_language": "de", "target_language": "en", "train": texts}
    settings["validation"] = {"tsv": "v.tsv", "tag": "<2en>"}
    card = model_card(parse_config({"data": settings}, "test"), Vocabulary(source=61, target=59), {})
    assert "\n# German to English, English to German\n" in card
    assert "\n| `<2de>` | English to German | `b` |\n" in card
    assert "One of them is needed" in card
    assert "from `a.tsv`; `b.tsv`" in card
    plain = parse_config({"data": settings | {"train": {"tsv": "a"}, "validation": {"tsv": "v"}}}, "test")
    assert "## Tags" not in model_card(plain, Vocabulary(source=61, target=59), {})


# ------------------------------------------------------------------------------------------------------ what is told


def test_what_is_told_of_each_text_adds_up(tmp_path: Path) -> None:
    """Pairs, tokens and nats by text are those of the whole, and do not depend on how a step is cut into parts."""
    write_pairs(tmp_path / "a.tsv", 20)
    write_pairs(tmp_path / "b.tsv", 12, 5000)
    write_pairs(tmp_path / "c.tsv", 12, 10000)  # longer
    long = "5 5 5 5 5 5 5 5\t5 5 5 5 5 5 5 5\n" * 2
    (tmp_path / "b.tsv").write_text((tmp_path / "b.tsv").read_text(encoding="utf-8") + long, encoding="utf-8")
    texts = [{"tsv": "a.tsv", "label": "clean"}, {"tsv": "b.tsv", "tag": "<bt>"}, {"tsv": "c.tsv"}]
    still = {"model__dropout_embedding": 0.0, "model__dropout_layer": 0.0, "model__dropout_output": 0.0}
    changes = {**still, "training__log_interval": 1, "training__max_steps": 8, "data__drop_duplicates": True}
    told = {}
    for accumulation in (1, 3):
        settings = config(tmp_path, texts, **changes, training__accumulation=accumulation, data__max_length=7)
        train(settings, tmp_path / str(accumulation))
        told[accumulation] = events(tmp_path / str(accumulation))
    steps = [event for event in told[1] if event["event"] == "train"]
    assert len(steps) == 8
    mixed = 0
    for one, other in zip(steps, (event for event in told[3] if event["event"] == "train"), strict=True):
        found = one["texts"].values()
        sizes = {label: each["pairs"] * (6 if label == "c" else 5) for label, each in one["texts"].items()}
        nats = sum(sizes[label] * each["nll"] for label, each in one["texts"].items())
        assert math.exp(nats / sum(sizes.values())) == pytest.approx(one["perplexity"], rel=1e-5)
        assert all(each["perplexity"] == pytest.approx(math.exp(each["nll"])) for each in found)
        assert [each["pairs"] for each in other["texts"].values()] == [each["pairs"] for each in found]
        assert [each["nll"] for each in other["texts"].values()] == pytest.approx(
            [each["nll"] for each in found], rel=1e-4
        )
        mixed += len(found) > 1
    assert mixed > 1
    (data_event,) = [event for event in told[1] if event["event"] == "data"]
    assert data_event["texts"]["clean"]["pairs"] == 20
    assert data_event["texts"]["b"]["removed"] == {"empty": 0, "too long": 2, "length ratio": 0, "duplicate": 0}
    assert data_event["removed"] == {"empty": 0, "too long": 2, "length ratio": 0, "duplicate": 0}
    line = event_line(data_event)
    assert line is not None
    assert "\ntext b: 12 pairs, 12 draws an epoch; left out: 2 too long" in line
    shown = train_line({**steps[0], "tokens_per_second": 1.0})
    for label, each in steps[0]["texts"].items():
        assert f"{label} {each['perplexity']:.2f}" in shown


def test_one_text_is_told_as_ever(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.tsv", 30)
    train(config(tmp_path, {"tsv": "a.tsv", "label": "x"}, training__max_steps=4), tmp_path / "run")
    assert not [event for event in events(tmp_path / "run") if "texts" in event]


def test_notes_say_of_which_text_they_are(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.tsv", 30)
    (tmp_path / "b.tsv").write_text("xx\tyy\n1 2\t2 1\n", encoding="utf-8")
    text = prepared(config(tmp_path, [{"tsv": "a.tsv"}, {"tsv": "b.tsv", "label": "q"}]), tmp_path)
    assert [note for note in text.notes if note.startswith("q: ")] == list(text.notes) != []


def test_tensorboard_has_the_numbers_of_each_text(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_two(tmp_path)
    train(config(tmp_path, TAGGED, training__trackers=["tensorboard"], training__max_steps=4), tmp_path / "run")
    (folder,) = {path.parent for path in (tmp_path / "run").rglob("events.out.tfevents*")}
    scalars = EventAccumulator(str(folder))
    scalars.Reload()
    assert {f"train/{label}/{name}" for label in "ab" for name in ("pairs", "nll", "perplexity")} <= set(
        scalars.Tags()["scalars"]
    )


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path: Path) -> None:
    """The curves of each text too, for weighted texts with a tag."""
    write_two(tmp_path)
    texts = [{"tsv": "a.tsv", "weight": 1}, {"tsv": "b.tsv", "tag": "<bt>", "weight": 1}]
    still = {"model__dropout_embedding": 0.0, "model__dropout_layer": 0.0, "model__dropout_output": 0.0}
    changes = {**still, "training__log_interval": 1, "training__max_steps": 14, "training__validation_interval": 7}
    settings, half = tree(tmp_path, texts, **changes), tree(tmp_path, texts, **{**changes, "training__max_steps": 7})
    jobs = [
        {"config": settings, "output": str(tmp_path / "one"), "processes": 1},
        {"config": settings, "output": str(tmp_path / "two"), "processes": 2},
        {"config": half, "output": str(tmp_path / "parts"), "processes": 2},
        {"config": settings, "output": str(tmp_path / "parts"), "processes": 2, "resume": True},
    ]
    done = run(tmp_path, *jobs)
    assert json.loads(done.stdout) == [[0] * job["processes"] for job in jobs], done.stderr
    one = [event for event in events(tmp_path / "one") if event["event"] == "train"]
    for name in ("two", "parts"):
        assert curve(tmp_path / name) == pytest.approx(curve(tmp_path / "one"), rel=1e-5)
        for told, expected in zip(
            (event for event in events(tmp_path / name) if event["event"] == "train"), one, strict=True
        ):
            assert {label: each["pairs"] for label, each in told["texts"].items()} == {
                label: each["pairs"] for label, each in expected["texts"].items()
            }
            for label, each in expected["texts"].items():
                assert told["texts"][label]["nll"] == pytest.approx(each["nll"], rel=1e-4)


# ---------------------------------------------------------------------------------------------------------- validations


def test_the_scores_of_several_texts_are_their_mean_or_those_of_one() -> None:
    """The mean of perplexities is that of the nats per token: the geometric one."""
    texts = {"a": Validation(2.0, 10.0, "13a"), "b": Validation(8.0, 30.0, "zh"), "c": Validation(4.0, 20.0, "13a")}
    mean = Validation.of_texts(texts, "")
    assert (mean.perplexity, mean.bleu, mean.signature) == (pytest.approx(4.0), pytest.approx(20.0), "13a and zh")
    assert mean.texts == texts
    one = Validation.of_texts(texts, "b")
    assert (one.perplexity, one.bleu, one.signature, one.texts) == (8.0, 30.0, "zh", texts)
    alone = Validation.of_texts({"a": texts["a"]}, "")
    assert alone == texts["a"]
    without = Validation.of_texts({name: replace(each, bleu=None, signature=None) for name, each in texts.items()}, "")
    assert (without.bleu, without.signature) == (None, None)


def test_each_text_has_the_scores_that_it_has_alone(tmp_path: Path) -> None:
    """And all are told: in the log, by the display, in the record and card of the model, in TensorBoard."""
    write_pairs(tmp_path / "a.tsv", 30)
    two, changes = two_validations(tmp_path), {"training__average": 1}
    settings = config(tmp_path, {"tsv": "a.tsv"}, data__validation=two, **changes)
    record = train(settings, tmp_path / "both")
    told = [event for event in events(tmp_path / "both") if event["event"] == "validation"]
    assert len(told) == 2
    for label, text in (("valid", two[0]), ("second", two[1])):
        train(config(tmp_path, {"tsv": "a.tsv"}, data__validation=text, **changes), tmp_path / label)
        alone = [event for event in events(tmp_path / label) if event["event"] == "validation"]
        for one, both in zip(alone, told, strict=True):
            assert both["texts"][label] == {name: one[name] for name in ("perplexity", "bleu", "signature")}
    for event in told:
        scores = list(event["texts"].values())
        assert event["perplexity"] == pytest.approx(math.sqrt(scores[0]["perplexity"] * scores[1]["perplexity"]))
        assert event["bleu"] == pytest.approx((scores[0]["bleu"] + scores[1]["bleu"]) / 2)
    line = event_line(told[0])
    assert line is not None
    assert (
        f"(valid {told[0]['texts']['valid']['perplexity']:.2f} and {told[0]['texts']['valid']['bleu']:.2f}, s" in line
    )
    assert record["texts"] == told[[event["step"] for event in told].index(record["step"])]["texts"]
    card = (tmp_path / "both" / "README.md").read_text(encoding="utf-8")
    assert f"- On `second`: perplexity {record['texts']['second']['perplexity']:.2f}, BLEU" in card
    assert "the mean over the texts" in card
    (data_event,) = [event for event in events(tmp_path / "both") if event["event"] == "data"]
    assert (data_event["validation_pairs"], data_event["validation_texts"]) == (10, {"valid": 6, "second": 4})


@pytest.mark.parametrize(
    ("decides", "best"), [("", [True, True, False]), ("valid", [True, True, True]), ("second", [True, False, False])]
)
def test_the_criterion_is_on_the_text_that_the_config_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decides: str, best: list[bool]
) -> None:
    """Of perplexities 8, 4, 3 on one text and 2, 3, 5 on the other the means are 4, 3.46 and 3.87."""
    perplexities = iter([8.0, 2.0, 4.0, 3.0, 3.0, 5.0])
    monkeypatch.setattr(
        "seq2seq.training.validation.validate", lambda *_, **__: Validation(next(perplexities), None, None)
    )
    write_pairs(tmp_path / "a.tsv", 30)
    changes: dict[str, Any] = {"training__validation_bleu": False, "training__criterion": "perplexity"}
    changes |= {"training__max_steps": 3, "training__validation_interval": 1, "training__average": 1}
    two = two_validations(tmp_path)
    settings = config(tmp_path, {"tsv": "a.tsv"}, data__validation=two, training__criterion_text=decides, **changes)
    train(settings, tmp_path / "run")
    assert [event["best"] for event in events(tmp_path / "run") if event["event"] == "validation"] == best


def test_each_text_has_the_bleu_tokenizer_that_fits_it(tmp_path: Path) -> None:
    """A resumed run keeps each."""
    write_pairs(tmp_path / "a.tsv", 30)
    two = two_validations(tmp_path)
    pairs = [line.split("\t") for line in (tmp_path / "other.tsv").read_text(encoding="utf-8").splitlines()]
    text = "".join(f"{source}\t{target.translate(JAPANESE)}\n" for source, target in pairs)
    (tmp_path / "other.tsv").write_text(text, encoding="utf-8")
    settings = config(tmp_path, {"tsv": "a.tsv"}, data__validation=two, training__max_steps=6)
    train(settings, tmp_path / "run")
    (told,) = [event for event in events(tmp_path / "run") if event["event"] == "validation"]
    tokenizers = {label: tokenizer_in_signature(each["signature"]) for label, each in told["texts"].items()}
    assert tokenizers["valid"] == "13a" != tokenizers["second"]
    for event in events(tmp_path / "run"):
        if event["event"] == "tokenizer":
            assert (event["text"], event["tokenize"]) == ("second", tokenizers["second"])
            assert str(event_line(event)).startswith("second: ")


def test_another_tag_of_a_validation_text_begins_the_search_for_the_best_anew() -> None:
    before = {"data": {"validation": [{"tsv": "a", "tag": None}, {"tsv": "b", "tag": None}]}}
    now = {"data": {"validation": [{"tsv": "a", "tag": None}, {"tsv": "b", "tag": "<x>"}]}}
    assert list(_differences(before, now, set())) == [("data.validation.2.tag", 'null -> "<x>"')]
    assert re.fullmatch(_VALIDATION_TAG, "data.validation.2.tag")
    assert not re.fullmatch(_VALIDATION_TAG, "data.validation.2.tsv")


# -------------------------------------------------------------------------------------------------------------- streams


def write_shards(folder: Path, pairs: list[tuple[str, str]], shards: int = 3) -> None:
    folder.mkdir()
    for shard in range(shards):
        rows = [json.dumps({"xx": source, "yy": target}) for source, target in pairs[shard::shards]]
        (folder / f"part-{shard}.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


LONG_PAIR = (" ".join("7" * 12), " ".join("7" * 12))  # which data.max_length = 8 removes


def write_streams(root: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """A text in memory of 20 pairs, and one of 33 in shards with three more that the filters remove."""
    first, second = write_pairs(root / "a.tsv", 20), write_pairs(root / "b.tsv", 33, 5000)
    write_shards(root / "shards", [LONG_PAIR, *second[:11], LONG_PAIR, *second[11:], LONG_PAIR])
    return first, second


def streamed(root: Path, weights: tuple[float | None, float | None] = (None, None), **changes: Any) -> Config:
    texts = [
        {"tsv": "a.tsv", "weight": weights[0]},
        {"dataset": "shards", "streaming": True, "weight": weights[1], "tag": "<s2>", "label": "web"},
    ]
    return config(root, texts, data__shuffle_buffer=15, data__max_length=8, **changes)


def epochs(text: TrainingText, settings: Config, count: int) -> list[list[Pool]]:
    """The pools of so many epochs, each from where the one before has ended."""
    found, place = list[list[Pool]](), Place()
    for number in range(count):
        found.append(list(make_pools(text, settings, number, place)))
        place = found[-1][-1].end.of_next_epoch()
    return found


def test_a_stream_and_a_text_in_memory_are_each_read_once_an_epoch(tmp_path: Path) -> None:
    first, second = write_streams(tmp_path)
    settings = streamed(tmp_path)
    text = prepared(settings, tmp_path)
    tag = text.tokenizers.source.symbol_id("<s2>")
    orders = set()
    for pools_of_epoch in epochs(text, settings, 3):
        found = Counter[tuple[str, str]]()
        for pool in pools_of_epoch:
            assert len(pool.source) <= 15
            for row, owner in enumerate(pool.texts):
                ids = list(pool.source[row])
                assert (ids[0] == tag) == bool(owner)
                decode = text.tokenizers.source.decode, text.tokenizers.target.decode
                found[decode[0](ids[owner:]), decode[1](list(pool.target[row]))] += 1
        assert found == Counter(first + second)
        assert all(0.2 < sum(pool.texts) / len(pool.texts) < 0.9 for pool in pools_of_epoch)  # they take turns
        end = pools_of_epoch[-1].end
        assert (end.rows, end.removed) == (56, {"too long": 3})
        assert (end.texts["a"].read, end.texts["web"].read) == (20, 36)
        orders.add(str([list(pool.target[0]) for pool in pools_of_epoch]))
    assert len(orders) == 3


def test_weighted_streams_give_their_share_after_the_filters_and_begin_anew(tmp_path: Path) -> None:
    """Of 56 draws (pairs before the filters) 1 : 3, over epochs; no pair of a text comes before all others did."""
    first, second = write_streams(tmp_path)
    settings = streamed(tmp_path, (1, 3))
    text = prepared(settings, tmp_path)
    assert [each.draws for each in text.train] == [14, 42]
    total = Counter[int]()
    for number, pools_of_epoch in enumerate(epochs(text, settings, 4), start=1):
        owners = Counter(owner for pool in pools_of_epoch for owner in pool.texts)
        assert owners == {0: 14, 1: 42}
        for pool in pools_of_epoch:
            decode = text.tokenizers.target.decode
            total.update(Counter(decode(list(ids)) for ids in pool.target))
        for pairs, count in ((first, 14 * number), (second, 42 * number)):
            times = {total[target] for _, target in pairs}
            assert times <= {count // len(pairs), -(-count // len(pairs))}
    place = epochs(text, settings, 4)[-1][-1].end.texts["web"]
    assert place.turns == 4 * 42 // 33


@pytest.mark.parametrize("weights", [(None, None), (1, 3)], ids=["by size", "weighted"])
def test_a_pool_is_found_again_from_its_place_alone(tmp_path: Path, weights: tuple[float | None, float | None]) -> None:
    write_streams(tmp_path)
    settings = streamed(tmp_path, weights, tokenizer__kind="bpe", tokenizer__sampling=0.4)
    text = prepared(settings, tmp_path)
    place = Place()
    for number in range(3):
        whole = list(make_pools(text, settings, number, place))
        assert len(whole) == 4
        for later in range(1, len(whole)):
            assert list(make_pools(text, settings, number, whole[later - 1].end)) == whole[later:]
        place = whole[-1].end.of_next_epoch()


@pytest.mark.parametrize("weights", [(None, None), (1, 3)], ids=["by size", "weighted"])
def test_a_stopped_run_with_a_stream_goes_on_bit_for_bit(
    tmp_path: Path, weights: tuple[float | None, float | None]
) -> None:
    """Stopped at the end of a pool, within the next, at the end of an epoch, and in the second one."""
    write_streams(tmp_path)
    settings = streamed(tmp_path, weights, training__max_steps=16, training__validation_interval=8)
    train(settings, tmp_path / "whole")
    text = prepared(settings, tmp_path)
    steps = [len(pool.steps) for pool in make_pools(text, settings, 0, Place())]
    folder = tmp_path / "parts"
    for step in (steps[0] - 1, steps[0] + 1, sum(steps) - 1, sum(steps) + 1):  # it stops after the next one
        observe = Stopper(step, signal.SIGTERM)
        assert train(settings, folder, resume=folder.exists(), observe=observe)["reason"] == "interrupted"
    train(settings, folder, resume=True)
    whole, parts = weights_of(tmp_path / "whole"), weights_of(folder)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert events(folder) == events(tmp_path / "whole")
    told = [event for event in events(folder) if event["event"] == "epoch"]
    assert told[0]["texts"].keys() == {"a", "web"}
    assert "\ntext web: " in str(event_line(told[0]))


def test_a_weighted_stream_of_which_the_filters_leave_nothing_is_named(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.tsv", 20)
    write_shards(tmp_path / "shards", [LONG_PAIR] * 4)
    settings = streamed(tmp_path, (1, 1))
    text = prepared(settings, tmp_path)
    with pytest.raises(InputError, match=r"no training pair of 'web' is left after the filters \(too long: 4\)"):
        list(make_pools(text, settings, 0, Place()))


# ---------------------------------------------------------------------------------------------------------- comparisons

GRID = """
title = "Corpora"
config = "run.toml"
seeds = [1]

[[grid.corpora]]
name = "clean"
"data.train" = [{tsv = "a.tsv"}]
[[grid.corpora]]
name = "with back-translation"
"data.train" = [{tsv = "a.tsv", weight = 2}, {tsv = "b.tsv", weight = 1, tag = "<bt>"}]
[[systems]]
name = "even"
"data.train" = [{tsv = "a.tsv", weight = 1}, {tsv = "b.tsv", weight = 1, tag = "<bt>"}]

[tests.plain]
source = "t.xx"
reference = "t.yy"
"""


def write_grid(root: Path, text: str = GRID) -> Path:
    (root / "run.toml").write_text('[data]\ntrain = {tsv = "a.tsv"}\nvalidation = {tsv = "a.tsv"}\n', encoding="utf-8")
    (root / "grid.toml").write_text(text, encoding="utf-8")
    return root / "grid.toml"


def test_a_grid_names_several_corpora_and_tags(tmp_path: Path) -> None:
    path = write_grid(tmp_path)
    runs = planned_runs(load_grid(path), path)
    found = {run.system: [(text.tsv, text.weight, text.tag) for text in run.config.data.texts] for run in runs}
    assert found == {
        "clean": [("a.tsv", None, None)],
        "with back-translation": [("a.tsv", 2, None), ("b.tsv", 1, "<bt>")],
        "even": [("a.tsv", 1, None), ("b.tsv", 1, "<bt>")],
    }


def test_an_axis_sets_a_key_of_one_table(tmp_path: Path) -> None:
    text = GRID.split("[[grid.corpora]]")[0] + '[grid]\n"data.train.2.weight" = [1, 3]\n' + GRID[GRID.index("[tests") :]
    path = write_grid(tmp_path, text)
    tables = '[data]\nvalidation = {tsv = "a.tsv"}\n' + "".join(
        f'[[data.train]]\ntsv = "{name}.tsv"\nweight = 1\n' for name in "ab"
    )
    (tmp_path / "run.toml").write_text(tables, encoding="utf-8")
    runs = planned_runs(load_grid(path), path)
    assert [(run.system, [each.weight for each in run.config.data.texts]) for run in runs] == [
        ("weight 1", [1, 1]),
        ("weight 3", [1, 3]),
    ]


def test_a_test_under_a_tag_that_a_system_does_not_know_is_refused(tmp_path: Path) -> None:
    path = write_grid(tmp_path, GRID + 'tag = "<bt>"\n')
    with pytest.raises(
        InputError, match=r"tests\.plain\.tag = '<bt>': not a tag of system 'clean'; its tags: it has n"
    ):
        planned_runs(load_grid(path), path)


def test_a_test_is_measured_under_its_tag_and_without_one_as_before(tagged: Path) -> None:
    """Its translations and perplexity are those under the tag; the mark of a test without one knows of none."""
    lines = [line.split("\t") for line in (tagged / "valid.tsv").read_text(encoding="utf-8").splitlines()]
    for side, name in enumerate(("t.xx", "t.yy")):
        (tagged / name).write_text("".join(f"{line[side]}\n" for line in lines), encoding="utf-8")
    translator, measured, marks = Translator.load(tagged / "run"), {}, {}
    for tag in (None, "<bt>"):
        text = GRID + (f'tag = "{tag}"\n' if tag else "")
        grid = load_grid(write_grid(tagged, text))
        tests = load_tests(grid, tagged)
        measured[tag] = Measurer(grid, tests, translator).measure(tagged / "run", "run", 1, "mark")
        marks[tag] = fingerprint(grid, tests, b"")
        expected = translator.translate(tests["plain"].source, tag=tag, beam_size=5)
        assert measured[tag].hypotheses["plain"] == [each.text for each in expected]
    assert marks[None] != marks["<bt>"]
    assert measured[None].result.tests["plain"].perplexity != measured["<bt>"].result.tests["plain"].perplexity
