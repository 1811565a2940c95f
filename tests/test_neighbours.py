"""Neighbours of a word's state: those that comparing with every state of the training text finds, and their pairs."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_cli import fail, succeed, write
from test_translator import TARGETS, make_config, sentences, tiny

from seq2seq.batching import make_batch
from seq2seq.checkpoint.files import STATES
from seq2seq.checkpoint.known_states import KnownStates, read_states, write_states
from seq2seq.checkpoint.model import LoadedModel, load_model, push_model, save_model
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.neighbours import Neighbours, PairSample, Side, join_states, read_pairs

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
pytest.importorskip("faiss")
WIRINGS = [("bahdanau", False), ("luong", False), ("luong", True)]
PAIRS = list(zip(sentences(40), (TARGETS[number % 4] for number in range(40)), strict=True))


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


def states_of(loaded: LoadedModel) -> KnownStates:
    return join_states(part for _, part in read_pairs(loaded, PAIRS))


def by_hand(loaded: LoadedModel, source: str, target: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The states at the pieces of one pair, without ends: the encoder's, and the output layer's input at each step."""
    read, written = loaded.tokenizers.source.encode(source), loaded.tokenizers.target.encode(target)
    batch = make_batch([read], [written])
    model = loaded.model
    with torch.inference_mode():
        encoded = model.encoder(model.source_embedding(batch.source), batch.source_lengths).states[0, : len(read)]
        state, outputs = model.start(batch.source, batch.source_lengths), []
        for token in batch.target_input[0, : len(written)]:
            _, output = model.step(token.view(1, 1), state)
            outputs.append(output.outputs[0])
            state = output.state
    return encoded.numpy(), torch.cat(outputs).numpy()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_nearest_are_those_of_a_comparison_with_all(pair: TokenizerPair, wiring: tuple[str, bool]) -> None:
    loaded = tiny(pair, "additive", wiring)
    index = Neighbours(loaded, states_of(loaded))
    source, target = sentences(9, seed=7)[3], TARGETS[1]
    known = [by_hand(loaded, *each) for each in PAIRS]
    for side, name in enumerate(("source", "target")):
        own = by_hand(loaded, source, target)[side]
        for position in (0, len(own) - 1):
            wanted = []
            for number, (read, written) in enumerate(known):
                states = (read, written)[side]
                cosines = states @ own[position] / np.linalg.norm(states, axis=1) / np.linalg.norm(own[position])
                wanted.append((-cosines.max(), number, int(cosines.argmax())))
            found = index.find(source, target, "source" if name == "source" else "target", position, 5)
            assert [each.similarity for each in found] == pytest.approx(
                [-one for one, _, _ in sorted(wanted)[:5]], abs=2e-3
            )
            for each in found:
                here = by_hand(loaded, each.source, each.target)[side][each.position]
                cosine = here @ own[position] / np.linalg.norm(here) / np.linalg.norm(own[position])
                assert each.similarity == pytest.approx(cosine, abs=2e-3)
                assert each.side == name


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_piece_of_the_training_text_is_its_own_neighbour(pair: TokenizerPair, side: Side) -> None:
    loaded = tiny(pair)
    index = Neighbours(loaded, states_of(loaded))
    source, target = PAIRS[5]
    pieces = pair.target.to_pieces(pair.target.encode(target))
    for given in (target, pieces):
        (first,) = index.find(source, given, side, 2, 1)
        assert first.similarity == pytest.approx(1, abs=2e-3)
        assert (first.source, first.target, first.position) == (source, target, 2)
        assert first.target_pieces == pieces
        assert first.source_pieces == pair.source.to_pieces(pair.source.encode(source))


def test_each_pair_is_there_once_and_all_of_them_if_asked(pair: TokenizerPair) -> None:
    loaded = tiny(pair)
    index = Neighbours(loaded, states_of(loaded))
    found = index.find(*PAIRS[3], "target", 0, 1000)
    assert Counter((each.source, each.target) for each in found) == Counter(PAIRS)
    assert [each.similarity for each in found] == sorted((each.similarity for each in found), reverse=True)


def test_the_batch_changes_nothing(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny(pair)
    together = states_of(loaded)
    monkeypatch.setattr("seq2seq.translation.forcing.BATCH_TOKENS", 1)
    alone = states_of(loaded)
    for side in ("source", "target"):
        assert (getattr(together, f"{side}_places") == getattr(alone, f"{side}_places")).all()
        assert getattr(together, f"{side}_states") == pytest.approx(getattr(alone, f"{side}_states"), abs=2e-3)
    numbers = [len(pair.source.encode(source)) for source, _ in PAIRS]
    assert together.source_places.tolist() == [[row, at] for row, number in enumerate(numbers) for at in range(number)]


def test_a_tag_is_read_and_has_no_place(pair: TokenizerPair, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny(pair)
    plain = states_of(loaded)
    tag = pair.source.encode("hund")[0]
    for module in ("neighbours", "lexicon"):
        monkeypatch.setattr(
            f"seq2seq.translation.{module}.tag_ids", lambda models, tag: [] if tag is None else [int(tag)]
        )
    tagged = join_states(part for _, part in read_pairs(loaded, PAIRS, str(tag)))
    assert (tagged.source_places == plain.source_places).all()
    assert not np.allclose(tagged.source_states, plain.source_states, atol=0.05)
    (first,) = Neighbours(loaded, tagged).find(*PAIRS[5], "source", 1, 1, tag=str(tag))
    assert (first.source, first.position) == (PAIRS[5][0], 1)
    assert first.similarity == pytest.approx(1, abs=2e-3)


def test_a_sample_is_fair_bounded_and_the_same_for_the_same_seed(pair: TokenizerPair) -> None:
    loaded = tiny(pair)
    pairs = [(f"hund {word}", "the dog") for word in map(str, range(60))]
    size = max(len(pair.source.encode(source)) for source, _ in pairs)

    def draw(seed: int, chunk: int) -> list[tuple[str, str]]:
        sample = PairSample(loaded, 10 * size, seed)
        for begin in range(0, len(pairs), chunk):
            sample.add(*zip(*pairs[begin : begin + chunk], strict=True))
        pieces = [
            sum(len(each.encode(text)) for text in side)
            for each, side in (
                (pair.source, [one for one, _ in sample.pairs]),
                (pair.target, [one for _, one in sample.pairs]),
            )
        ]
        assert max(pieces) <= 10 * size
        return sample.pairs

    assert draw(1, 60) == draw(1, 7) != draw(2, 60)
    assert draw(1, 60) == [each for each in pairs if each in draw(1, 60)]  # in their order
    counts = Counter(each for seed in range(150) for each in draw(seed, 60))
    assert len(counts) == 60
    first, last = (sum(counts[each] for each in half) for half in (pairs[:30], pairs[30:]))
    assert 0.85 < first / last < 1.18


def test_pairs_without_two_sides_are_left_out_and_counted(pair: TokenizerPair) -> None:
    sample = PairSample(tiny(pair))
    sample.add(["hund", "", "mann " * 1200, "haus"], ["dog", "x", "man", " "])
    assert (sample.pairs, sample.read, sample.left_out) == ([("hund", "dog")], 4, 3)
    with pytest.raises(InputError, match="2 sources but 1 target"):
        sample.add(["a", "b"], ["c"])
    with pytest.raises(InputError, match="no pair with two sides"):
        join_states(part for _, part in read_pairs(tiny(pair), []))


@pytest.fixture(scope="module")
def folder(pair: TokenizerPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    loaded = tiny(pair)
    weights = loaded.model.float().state_dict()
    save_model(folder / "model", config=loaded.config, weights=weights, tokenizers=pair, record={})
    write(folder / "train.de", [source for source, _ in PAIRS] + ["", "nichts"])
    write(folder / "train.en", [target for _, target in PAIRS] + ["nothing", ""])
    return folder


@pytest.fixture
def model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model, beside the text, in the directory where the commands run."""
    for name in ("train.de", "train.en"):
        shutil.copy(folder / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(folder / "model", tmp_path / "model"))


SIDES = ["--source", "train.de", "--target", "train.en"]


def test_the_command_writes_an_index_that_is_found_again(model: Path) -> None:
    facts = json.loads(succeed("index", "model", *SIDES, "--json"))
    assert (facts["pairs"], facts["pairs_read"], facts["pairs_left_out"]) == (40, 42, 2)
    loaded = load_model(model)
    states = read_states(model, loaded.files)
    assert (facts["source_states"], facts["target_states"]) == (len(states.source_states), len(states.target_states))
    assert states.source_states.dtype == np.float16
    (first,) = Neighbours.load(loaded).find(*PAIRS[5], "target", 1, 1)
    assert (first.source, first.target, first.position) == (*PAIRS[5], 1)
    told = succeed("index", "model", *SIDES, "--most", 60, "--seed", 3)
    assert "of 42 pairs, 2 left out" in told
    assert "seq2seq serve model --open" in told
    fewer = read_states(model, loaded.files)
    assert len(fewer.source_states) <= 60 >= len(fewer.target_states)


def test_the_text_of_an_index_is_never_uploaded(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed("index", "model", *SIDES)
    asked: list[list[str]] = []

    def upload(directory: Path, repository: str, names: list[str], *_: Any) -> str:
        asked.append(names)
        return ""

    monkeypatch.setattr("seq2seq.checkpoint.model.upload", upload)
    push_model(model, "owner/name")
    assert (model / STATES).exists()
    assert STATES not in asked[0]


def test_what_cannot_be_used_is_explained(model: Path) -> None:
    loaded = load_model(model)
    with pytest.raises(
        InputError, match=r"no index of states; build it .*seq2seq index .*model --source FILE --target"
    ):
        Neighbours.load(loaded)
    states = states_of(loaded)
    stale = {**loaded.files, "model.safetensors": "0" * 64}
    write_states(model, states, stale)
    with pytest.raises(InputError, match="made with other weights or another tokenizer"):
        Neighbours.load(loaded)
    write_states(model, states, loaded.files)
    content = bytearray((model / STATES).read_bytes())
    content[-1] ^= 1
    (model / STATES).write_bytes(content)
    with pytest.raises(InputError, match="damaged or edited"):
        Neighbours.load(loaded)
    write_states(model, replace(states, source_places=states.source_places.astype(np.int64)), loaded.files)
    with pytest.raises(InputError, match="source_places is no array of int32 with 2 axes"):
        Neighbours.load(loaded)
    write_states(model, replace(states, source_places=states.source_places + 100), loaded.files)
    with pytest.raises(InputError, match="its index of states is damaged"):
        Neighbours.load(loaded)
    (model / STATES).write_bytes(b"no file of arrays")
    with pytest.raises(InputError, match="not a safetensors file"):
        Neighbours.load(loaded)


def test_what_is_asked_of_it_is_checked(pair: TokenizerPair) -> None:
    loaded = tiny(pair)
    index = Neighbours(loaded, states_of(loaded))
    asked: list[tuple[tuple[Any, ...], str]] = [
        (("hund", "dog", "middle", 0), "side 'middle' is unknown; allowed: source, target"),
        (("hund", "dog", "source", 99), r"position 99 is none of the \d pieces of the source"),
        (("hund", "dog", "source", -1), "position"),
        (("hund", "dog", "source", 0, 0), "count"),
        (("hund", ["dog?!"], "source", 0), "'dog[?]!' is no piece of the target vocabulary"),
        (("", "dog", "source", 0), "blank side"),
        (("hund", [], "target", 0), "blank"),
    ]
    for arguments, match in asked:
        with pytest.raises(InputError, match=match):
            index.find(*arguments)


def test_an_index_is_not_learnt_from_its_place(model: Path) -> None:
    os.link("train.en", model / STATES)
    message = fail(2, "index", "model", "--source", "train.de", "--target", f"model/{STATES}")
    assert message == f"error: model/{STATES}: is read, and model/{STATES} is written; choose another name\n"
    assert "no such directory" in fail(2, "index", "nowhere", *SIDES)


def test_one_pair_with_all_the_nearest_states_hides_no_other(pair: TokenizerPair) -> None:
    loaded = tiny(pair)
    states = states_of(loaded)
    changed, own = states.source_states.copy(), states.source_places[:, 0] == len(PAIRS) - 1
    assert own.sum() > 16
    changed[own] = changed[own][0]
    found = Neighbours(loaded, replace(states, source_states=changed)).find(*PAIRS[-1], "source", 0, 2)
    assert found[0].source == PAIRS[-1][0] != found[1].source
