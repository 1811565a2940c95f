"""Shortlists: a sentence's own whatever its batch, learnt by where a model looks, refused beside another model."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_align import SHORTER, digits
from test_cli import fail, succeed, write
from test_learning import CONFIG
from test_translator import TARGETS, close, make_config, sentences, tiny

from seq2seq import Translator
from seq2seq.batching import source_batch
from seq2seq.bulk.job import Job
from seq2seq.bulk.layout import Layout
from seq2seq.checkpoint.files import SHORTLIST
from seq2seq.checkpoint.model import LoadedModel, load_model
from seq2seq.checkpoint.shortlist import read_shortlist, write_shortlist
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.search.sampling import sample
from seq2seq.search.shortlist import Shortlist, candidate_tokens
from seq2seq.text.special_tokens import BOS, EOS
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.lexicon import Lexicon
from seq2seq.translation.stepping import first_step

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
WIRINGS = [("bahdanau", False), ("luong", False), ("luong", True)]


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def drawn(pair: TokenizerPair, seed: int = 1) -> Shortlist:
    """Some tokens for each source piece, of lists of very different lengths."""
    draw = random.Random(seed)
    allowed = range(4, pair.target.vocabulary_size)
    rows = [draw.sample(allowed, k=draw.choice([0, 1, 3, 12])) for _ in range(pair.source.vocabulary_size)]
    return Shortlist(
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int32),
        tokens=np.concatenate(rows).astype(np.int32),
        common=np.array([EOS, 7, 11], dtype=np.int32),
    )


def everything(pair: TokenizerPair) -> Shortlist:
    nothing = np.zeros(pair.source.vocabulary_size + 1, dtype=np.int32)
    return Shortlist(nothing, nothing[:0], np.arange(pair.target.vocabulary_size, dtype=np.int32))


def test_candidates_are_the_sentences_own() -> None:
    first = Shortlist(*(np.array(row, dtype=np.int32) for row in ([0, 2, 2, 3], [9, 5, 5], [3, 8])))
    second = Shortlist(*(np.array(row, dtype=np.int32) for row in ([0, 0, 1, 1], [4], [3])))
    assert candidate_tokens([first], [[1], [0, 2, 0], [2]]).tolist() == [[3, 8, -1, -1], [3, 5, 8, 9], [3, 5, 8, -1]]
    assert candidate_tokens([first, second], [[1]]).tolist() == [[3, 4, 8]]


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("int8", [False, True])
def test_the_batch_changes_nothing(pair: TokenizerPair, wiring: tuple[str, bool], cell: str, int8: bool) -> None:
    """Pitfall 26: alone, in batches, shuffled: the same texts of the sentence's own pieces, with the same numbers."""
    shortlist = drawn(pair)
    translator, texts = Translator([tiny(pair, "additive", wiring, cell)], [shortlist]), sentences(11)
    alone = [translator.translate([text], shortlist=True, min_length=2, int8=int8)[0] for text in texts]
    assert any(found.finished for found in alone)
    assert len({found.text for found in alone}) > 5
    for found in alone:
        own = set(shortlist.tokens_for([*pair.source.encode(found.source), EOS]).tolist())
        assert set(found.tokens) <= own - {EOS}
        assert len(found.tokens) >= 2
    for batch_size in (7, 64):
        order = random.Random(batch_size).sample(range(len(texts)), len(texts))
        shuffled = [texts[row] for row in order]
        options = {"shortlist": True, "min_length": 2, "batch_size": batch_size, "int8": int8}
        together = translator.translate(shuffled, **options)
        assert all(close(alone[row], found) for row, found in zip(order, together, strict=True))


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("int8", [False, True])
def test_a_list_of_everything_changes_nothing(pair: TokenizerPair, wiring: tuple[str, bool], int8: bool) -> None:
    models, texts = [tiny(pair, wiring=wiring, seed=seed) for seed in (1, 2)], sentences(11)
    for several in (models[:1], models):
        translator = Translator(several, [everything(pair)] * len(several))
        exact = translator.translate_nbest(texts, 3, min_length=3, int8=int8)
        narrow = translator.translate_nbest(texts, 3, min_length=3, int8=int8, shortlist=True)
        for one, other in zip(exact, narrow, strict=True):
            assert all(map(close, one, other))


def test_the_probabilities_are_shared_out_among_the_list(pair: TokenizerPair) -> None:
    """By hand: the model's own log-probabilities, less that of the whole list, at every step."""
    loaded, shortlist = tiny(pair), drawn(pair)
    (found,) = Translator([loaded], [shortlist]).translate(["der hund schläft"], shortlist=True)
    assert found.tokens
    ids = pair.source.encode(found.source)
    own = torch.from_numpy(shortlist.tokens_for([*ids, EOS]).astype(np.int64))
    state, expected = loaded.model.start(*source_batch([ids])), 0.0
    end = [EOS] if found.finished else []
    written = [*found.tokens, *end]
    for read, token in zip([BOS, *written], written, strict=False):
        with torch.no_grad():
            log_probs, output = loaded.model.step(torch.tensor([[read]]), state)
        state = output.state
        expected += float(log_probs[0, 0, token] - log_probs[0, 0, own].logsumexp(0))
    assert found.log_prob == pytest.approx(expected, abs=1e-6)
    (scored,) = Translator([loaded], [shortlist]).score_tokens([found.source], [found.tokens])
    assert sum(scored.log_probs[: len(written)]) < found.log_prob


def test_an_ensemble_chooses_among_the_lists_of_all(pair: TokenizerPair) -> None:
    models, lists, text = [tiny(pair, seed=seed) for seed in (1, 2)], [drawn(pair, 1), drawn(pair, 2)], sentences(5)[-1]
    source = [*pair.source.encode(text), EOS]
    union = np.union1d(lists[0].tokens_for(source), lists[1].tokens_for(source))
    both = replace(everything(pair), common=union.astype(np.int32))
    assert len(union) > max(len(each.tokens_for(source)) for each in lists)
    (found,) = Translator(models, lists).translate([text], shortlist=True)
    assert close(found, Translator(models, [both, both]).translate([text], shortlist=True)[0])


def test_samples_are_drawn_from_everything(pair: TokenizerPair) -> None:
    with pytest.raises(TypeError, match="unknown option 'shortlist'"):
        Translator([tiny(pair)]).sample(["hund"], shortlist=True)
    loaded = tiny(pair)
    step, state = first_step([loaded.model], [[5]], [drawn(pair)], torch.device("cpu"))
    with pytest.raises(ValueError, match="sampling draws among all tokens"):
        sample(step, state, seeds=[1], bos=BOS, eos=EOS, max_lengths=[3])
    assert "--sample" in fail(2, "translate", "nowhere", "--sample", "--shortlist")


# ------------------------------------------------------------------------------------------------ learnt from a model


def test_links_are_counted_by_hand(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that looks at the piece as far from the end as the piece that it writes, and at the end when it ends."""
    loaded = tiny(pair)
    force = loaded.model.force

    def look(source: torch.Tensor, lengths: torch.Tensor, target: torch.Tensor) -> object:
        weights = torch.full((len(source), target.shape[1], source.shape[1]), 0.005)
        for row, length in enumerate(lengths.tolist()):
            for step in range(target.shape[1]):
                weights[row, step, max(length - target.shape[1] + step, 0)] = 0.5
        return replace(force(source, lengths, target), weights=weights)

    monkeypatch.setattr(loaded.model, "force", look)
    lexicon = Lexicon(loaded)
    source, target = pair.source.encode("hund mann café"), pair.target.encode("the dog")
    assert len(source) > len(target)
    lexicon.learn(["hund mann café", "", "hund", "x" * 2000], ["the dog", "the", " ", "the"])
    lexicon.learn(["hund mann café"], ["the dog"])
    assert (lexicon.pairs, lexicon.left_out) == (2, 3)
    built = lexicon.shortlist(size=50, common=1)
    aligned = list(zip(source[-len(target) :], target, strict=True))
    for piece in range(pair.source.vocabulary_size):
        own = built.tokens[built.offsets[piece] : built.offsets[piece + 1]].tolist()
        assert sorted(own) == sorted({wrote for saw, wrote in aligned if saw == piece})
    assert built.common.tolist() == [EOS, max(sorted(set(target)), key=target.count)]


def test_the_likeliest_are_kept(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is no room for more, the rarer are forgotten."""
    lexicon, width = Lexicon(tiny(pair)), pair.target.vocabulary_size
    lexicon.pairs = 1
    for source, target, weight in ((5, 9, 1.0), (5, 8, 0.6), (5, 7, 1.0), (5, 8, 0.6), (5, 6, 3.0), (6, 9, 1.1)):
        lexicon._waiting.append((np.array([source * width + target]), np.array([weight])))
    built = lexicon.shortlist(size=3, common=4)
    assert built.tokens.tolist() == [6, 8, 7, 9]
    assert built.offsets[5:8].tolist() == [0, 3, 4]
    monkeypatch.setattr("seq2seq.translation.lexicon.MOST_LINKS", 4)
    assert lexicon.shortlist(size=3, common=4).tokens.tolist() == [6, 8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model that has learnt to reverse digits, with its text."""
    folder = tmp_path_factory.mktemp("shortlist")
    before = Path.cwd()
    os.chdir(folder)
    for split, number in (("train", 1500), ("test", 100)):
        rows = digits(number, len(split))
        write(folder / f"{split}.forward", rows)
        write(folder / f"{split}.backward", [row[::-1] for row in rows])
    write(folder / "digits.toml", CONFIG.split("\n"))
    succeed("train", "digits.toml", "--output", "digits", *(f"--set={setting}" for setting in SHORTER))
    yield folder
    os.chdir(before)


TRAIN = ["--source", "train.forward", "--target", "train.backward"]
JOB: dict[str, Any] = {
    "models": ["digits"],
    "device": "cpu",
    "threads": None,
    "source": "test.forward",
    "layout": Layout("text", numbered=False, scores=False, alignment=False),
    "n_best": 1,
    "search": {"shortlist": True},
    "sampling": None,
    "bad_lines": "refuse",
    "too_long": "truncate",
}
TEST = ["--validation-source", "test.forward", "--validation-target", "test.backward"]


def test_recall_and_bleu_are_measured(folder: Path) -> None:
    """A digit becomes itself: of one piece for each, nearly all that is needed is there, and little else."""
    facts = json.loads(succeed("shortlist", "digits", *TRAIN, *TEST, "--size", 1, "--common", 1, "--bleu", "--json"))
    found = facts["validation"]
    assert (facts["pairs"], found["sentences"]) == (1500, 100)
    assert found["recall"] > 0.95
    assert 3 < found["mean_size"] < 9 < found["vocabulary"]
    assert found["identical"] > 0.9
    told = succeed("shortlist", "digits", *TRAIN, *TEST, "--size", 2, "--common", 1)
    assert "1,500 pairs" in told
    assert "recall" in told
    narrow = succeed("translate", "digits", "--shortlist", "--input", "test.forward")
    exact = succeed("translate", "digits", "--input", "test.forward")
    identity = Job(**JOB).load().identity()
    succeed("shortlist", "digits", *TRAIN, "--size", 1, "--common", 1)
    assert Job(**JOB).load().identity() != identity  # so that --resume does not mix lists
    same = sum(one == other for one, other in zip(narrow.split("\n"), exact.split("\n"), strict=True))
    assert same > 95


def test_what_cannot_be_used_is_explained(folder: Path, tmp_path: Path) -> None:
    loaded = load_model("digits")
    built = everything_of(loaded)
    write_shortlist(loaded.directory, built, loaded.files)
    assert len(read_shortlist(loaded.directory, loaded.files, loaded.vocabulary).common) == loaded.vocabulary.target
    stale = {**loaded.files, "model.safetensors": "0" * 64}
    for files, match in ((stale, "made for other weights or another tokenizer"), (loaded.files, "damaged or edited")):
        write_shortlist(loaded.directory, replace(built, common=built.common + (files is loaded.files)), files)
        with pytest.raises(InputError, match=match):
            Translator([loaded]).translate(["123"], shortlist=True)
    content = bytearray((loaded.directory / SHORTLIST).read_bytes())
    content[-1] ^= 1
    (loaded.directory / SHORTLIST).write_bytes(content)
    with pytest.raises(InputError, match="damaged or edited"):
        Translator([loaded]).translate(["123"], shortlist=True)
    (loaded.directory / SHORTLIST).unlink()
    message = fail(2, "translate", "digits", "--shortlist", "--input", "test.forward", "--output", tmp_path / "out")
    assert "seq2seq shortlist digits --source FILE --target FILE" in message
    assert "belong together" in fail(2, "shortlist", "digits", *TRAIN, "--validation-source", "test.forward")
    assert "no effect without" in fail(2, "shortlist", "digits", *TRAIN, "--bleu")
    assert "model directory" in fail(2, "shortlist", "owner/name", *TRAIN)


def everything_of(loaded: LoadedModel) -> Shortlist:
    return everything(loaded.tokenizers)


def test_a_model_that_cannot_attend_has_no_shortlist(pair: TokenizerPair) -> None:
    with pytest.raises(InputError, match=r"model\.score = 'uniform' looks at every source piece alike"):
        Lexicon(tiny(pair, "uniform"))
