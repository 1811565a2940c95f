"""Explanations: the search that translates and no other, its tree, edits of attention, and drawings without network."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from mechanisms import EVERY, WIRINGS
from test_beam import BOS as FIRST
from test_beam import EOS as LAST
from test_beam import GARDEN_PATH, A, B, C, LogProbs, Table, plain, random_table, search
from test_shortlist import drawn
from test_translator import TARGETS, make_config, sentences, tiny

from seq2seq import AttentionEdit, Explanation, Translator
from seq2seq.batching import make_batch
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.nn.kernels.torch_internals import has_int8_products
from seq2seq.nn.override import Override, StepWeights
from seq2seq.search.penalty import LengthPenalty
from seq2seq.search.recorder import Node, Recorder
from seq2seq.search.rules import Rules
from seq2seq.text.special_tokens import EOS
from seq2seq.text.tokenizer import TokenizerPair, train_tokenizers
from seq2seq.translation.attention_html import attention_html
from seq2seq.translation.translation import Translation, blank_translation

TEXT = "der grün schläft und"


@pytest.fixture(scope="module")
def pair() -> TokenizerPair:
    config = parse_config(make_config().model_dump() | {"tokenizer": {"vocabulary_size": 83, "joint": False}}, "test")
    return train_tokenizers(sentences(40), TARGETS, config.tokenizer)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def translator(pair: TokenizerPair) -> Translator:
    return Translator([tiny(pair)])


def single(loaded: LoadedModel) -> LoadedModel:
    loaded.model.float()
    return loaded


# ------------------------------------------------------------------------------------------------- the search, recorded

SEARCHES: dict[str, dict[str, Any]] = {
    "as the config says": {},
    "greedy": {"beam_size": 1},
    "wide": {"beam_size": 8},
    "length penalty": {"length_penalty": "gnmt", "length_alpha": 2.0, "beam_size": 5},
    "no length penalty": {"length_penalty": "none"},
    "unfinished": {"max_length": 3, "min_length": 2},
    "prefix": {"prefix": "the dog"},
    "complete prefix": {"prefix": "the "},
    "avoid": {"avoid": ["een", "the"]},
    "constraints": {"constraints": [["dog", "green"]], "beam_size": 5},
    "repetition": {"no_repeat_ngram": 2, "repetition_penalty": 1.5},
    "groups": {"diverse_groups": 2, "beam_size": 6, "diversity": 2.0},
    "int8": {"int8": True},
    "shortlist": {"shortlist": True},
    "cut source": {"max_source_length": 2},
}


def translated(translator: Translator, text: str, n_best: int, options: Mapping[str, Any]) -> list[Translation]:
    given: Any = {key: value for key, value in options.items() if key != "prefix"}
    given |= {"prefixes": [options["prefix"]]} if "prefix" in options else {}
    return translator.translate_nbest([text], n_best, **given)[0]


@pytest.mark.usefixtures("without_shape_checks")  # the other tests have them on
@pytest.mark.parametrize("name", SEARCHES)
def test_an_explanation_is_of_the_very_translation(pair: TokenizerPair, name: str) -> None:
    """The winner and the n best equal those of `translate_nbest`, every number included."""
    options = SEARCHES[name]
    if name == "int8" and not has_int8_products():
        pytest.skip("no products of 8-bit integers here")
    models = [single(tiny(pair))] if name == "int8" else [tiny(pair)]
    translator = Translator(models, [drawn(pair)] if name == "shortlist" else None)
    for text, n_best in itertools.product([TEXT, *sentences(5)], (1, None)):
        found = translator.explain(text, n_best=n_best, **options)
        wanted = translated(translator, text, n_best or found.beam, options)
        assert found.nbest == wanted
        assert found.translation == wanted[0]
        assert np.array_equal(found.attention, wanted[0].weights)
        assert [step.piece for step in found.steps] == [*wanted[0].pieces, *["</s>"] * wanted[0].finished]
        assert sum(step.log_prob for step in found.steps) == pytest.approx(wanted[0].log_prob, abs=1e-4)
        check_tree(found)
    assert found.beam == options.get("beam_size", 3)


@pytest.mark.parametrize(("mechanism", "wiring", "cell"), EVERY)
def test_every_mechanism_is_explained(pair: TokenizerPair, mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    translator = Translator([tiny(pair, mechanism, wiring, cell)])
    found = translator.explain(TEXT)
    assert found.nbest == translator.translate_nbest([TEXT], 3)[0]
    check_tree(found)
    assert (found.wiring, found.input_feeding) == wiring


def check_tree(found: Explanation) -> None:
    """What holds for every tree: parents first, one step later, less probable; and one way to the winner."""
    root, *nodes = found.tree
    assert (root.id, root.parent, root.step, root.state) == (0, None, -1, "open")
    kept_at: dict[int, int] = {}
    for number, node in enumerate(nodes, start=1):
        assert node.parent is not None
        parent = found.tree[node.parent]
        assert node.id == number > parent.id
        assert parent.step == node.step - 1
        assert parent.state not in ("pruned", "finished")
        assert node.log_prob <= parent.log_prob + 1e-6
        kept_at[node.step] = kept_at.get(node.step, 0) + (node.state != "pruned")
    assert max(kept_at.values()) <= found.beam
    way = [node for node in nodes if node.state == "winner"]
    assert [node.piece for node in way] == [step.piece for step in found.steps]
    assert [node.parent for node in way] == [0, *(node.id for node in way[:-1])]
    assert way[-1].log_prob == found.translation.log_prob
    assert way[-1].score == found.translation.score


def test_steps_have_the_models_own_distribution(pair: TokenizerPair) -> None:
    """Against teacher forcing: log-probabilities, ranks, and the best pieces, those that no search writes included."""
    loaded = tiny(pair)
    translator = Translator([loaded])
    for text in sentences(6):
        found = translator.explain(text, top=5, no_repeat_ngram=2)
        ids = found.translation.tokens
        batch = make_batch([loaded.tokenizers.source.encode(text)], [ids])
        with torch.no_grad():
            outputs = loaded.model.force(batch.source, batch.source_lengths, batch.target_input).outputs[0]
            distributions = loaded.model.output_layer(outputs).log_softmax(-1)
        for step, token, row in zip(found.steps, [*ids, EOS], distributions, strict=False):
            order = row.argsort(descending=True).tolist()
            assert step.piece == loaded.tokenizers.target.pieces[token]
            assert step.log_prob == pytest.approx(float(row[token]), abs=1e-6)
            assert step.rank == 1 + order.index(token)
            assert [each.piece for each in step.best] == [loaded.tokenizers.target.pieces[one] for one in order[:5]]
            assert [each.log_prob for each in step.best] == pytest.approx(row[order[:5]].tolist(), abs=1e-6)


def recorded(log_probs: LogProbs | Table, beam_size: int, **options: Any) -> tuple[list[Any], list[Node]]:
    recorder = Recorder(top=3, cut=True)
    (found,) = search(log_probs, beam_size=beam_size, recorder=recorder, **options)
    winner = [*found[0].tokens, *([LAST] if found[0].finished else [])]
    return found, recorder.tree(winner)


def test_the_tree_of_a_garden_path_by_hand() -> None:
    """All that a beam of two keeps and cuts: A leads at first, and B C wins."""
    _, nodes = recorded(GARDEN_PATH, 2)
    told = [(node.parent, node.step, node.token, round(math.exp(node.log_prob), 4), node.fate) for node in nodes]
    assert told == [
        (None, -1, -1, 1.0, "open"),
        (0, 0, A, 0.6, "kept"),
        (0, 0, B, 0.4, "winner"),
        (2, 1, C, 0.36, "winner"),
        (1, 1, A, 0.3, "kept"),
        (1, 1, C, 0.24, "pruned"),
        (1, 1, B, 0.06, "pruned"),
        (3, 2, LAST, 0.36, "winner"),
        (4, 2, LAST, 0.3, "finished"),
    ]
    assert nodes[7].score == pytest.approx(math.log(0.36) / 3)
    assert nodes[3].score == pytest.approx(math.log(0.36) / 2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("beam_size", [1, 2, 4])
@pytest.mark.parametrize(
    "rules",
    [None, Rules(no_repeat_ngram=1, repetition_penalty=2.0), Rules(prefixes=[[A, B]])],
    ids=["none", "repetition", "prefix"],
)
def test_what_is_cut_comes_next(seed: int, beam_size: int, rules: Rules | None) -> None:
    """Of all continuations, in order, those kept and then as many that were cut; and recording changes no result."""
    table, penalty = random_table(seed), LengthPenalty("gnmt", 0.7)
    options: dict[str, Any] = {"rules": rules, "forbidden": [FIRST], "nbest": beam_size, "length_penalty": penalty}
    found, nodes = recorded(table, beam_size, **options)
    assert plain(found) == plain(search(table, beam_size=beam_size, **options)[0])
    for step in range(max(node.step for node in nodes)):
        held = [node for node in nodes if node.step == step and node.fate != "pruned"]
        cut = [node for node in nodes if node.step == step and node.fate == "pruned"]
        assert len(cut) <= beam_size
        assert all(one.score >= other.score for one in held for other in cut)
        assert [node.score for node in cut] == sorted((node.score for node in cut), reverse=True)
        assert not {(node.parent, node.token) for node in held} & {(node.parent, node.token) for node in cut}
    for node in nodes[1:]:
        history, place = [], node
        while place.parent:
            place = nodes[place.parent]
            history.insert(0, place.token)
        assert node.log_prob == pytest.approx(
            nodes[node.parent or 0].log_prob + table(0, tuple(history))[node.token], abs=1e-5
        )
        if rules is None:
            assert node.score == pytest.approx(node.log_prob / penalty(node.step + 1), abs=1e-5)


def test_without_a_tree(translator: Translator) -> None:
    found = translator.explain(TEXT, tree=False)
    assert found.tree == []
    assert found.steps == translator.explain(TEXT).steps


def test_a_search_of_several_sentences_can_be_recorded_alone_only() -> None:
    with pytest.raises(ValueError, match="one sentence"):
        search(random_table(1), sentences=(0, 1), recorder=Recorder(3, True))


# --------------------------------------------------------------------------------------------------------------- pieces


def test_given_pieces_begin_the_translation_exactly(translator: Translator, pair: TokenizerPair) -> None:
    """As the page does: the pieces before a step and another one of its best, each at its own log-probability."""
    found = translator.explain(TEXT)
    for step in range(min(3, len(found.steps))):
        other = next(each for each in found.steps[step].best[1:] if each.piece not in ("</s>", "<pad>", "<s>"))
        pieces = [*found.translation.pieces[:step], other.piece]
        forced = translator.explain(TEXT, pieces=pieces)
        assert forced.translation.pieces[: len(pieces)] == pieces
        assert forced.steps[step].log_prob == pytest.approx(other.log_prob, abs=1e-6)
        assert forced.steps[step].rank == 1 + [each.piece for each in found.steps[step].best].index(other.piece)
        assert forced.as_json()["target"]["forced"] == len(pieces)
        assert forced.translation.log_prob == pytest.approx(sum(each.log_prob for each in forced.steps))
        check_tree(forced)


def test_a_translation_that_is_forced_whole_is_itself(translator: Translator) -> None:
    (found,) = translator.translate(["der hund läuft"])
    assert found.finished
    forced = translator.explain("der hund läuft", pieces=[*found.pieces, "</s>"])
    assert forced.translation.tokens == found.tokens
    assert forced.translation.log_prob == pytest.approx(found.log_prob)
    np.testing.assert_allclose(forced.attention, found.weights)


def test_an_end_that_is_given_ends_the_translation(translator: Translator) -> None:
    found = translator.explain(TEXT, pieces=["▁the", "</s>"], min_length=3)
    assert found.translation.text == "the"
    assert found.translation.finished
    assert len(found.nbest) == 1
    assert found.as_json()["target"]["forced"] == 2
    assert [step.piece for step in found.steps] == ["▁the", "</s>"]


# ---------------------------------------------------------------------------------------------------------------- edits


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("state", ["following", "fixed"])
def test_a_models_own_weights_sent_back_change_nothing(
    pair: TokenizerPair, wiring: tuple[str, bool], state: str
) -> None:
    """Through JSON and back, bit for bit where the search decodes on."""
    translator = Translator([single(tiny(pair, wiring=wiring))])
    found = translator.explain(TEXT, beam_size=1)
    rows = json.loads(json.dumps(found.as_json()))["attention"]
    edits = [AttentionEdit(step, row) for step, row in enumerate(rows)]
    again = translator.explain(TEXT, beam_size=1, edits=edits, state=state)
    assert again.nbest == found.nbest
    assert np.array_equal(again.attention, found.attention)
    assert again.steps == found.steps
    assert again.tree == found.tree


@pytest.mark.parametrize("wiring", WIRINGS)
def test_without_edits_both_states_agree(pair: TokenizerPair, wiring: tuple[str, bool]) -> None:
    translator = Translator([tiny(pair, wiring=wiring)])
    following, fixed = (translator.explain(TEXT, state=state) for state in ("following", "fixed"))
    assert replace(fixed, state="following") == following


@pytest.mark.usefixtures("without_shape_checks")  # the other tests have them on
@pytest.mark.parametrize("mechanism", ["additive", "coverage", "copy"])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_fixed_is_told_from_following(pair: TokenizerPair, wiring: tuple[str, bool], mechanism: str) -> None:
    """Fixed: the target and all other steps stay, bit for bit, and the edited step says what the output layer makes of
    the other context, in the state that the model's own attention led to. Following: the search decodes on with it.
    """
    loaded = tiny(pair, mechanism, wiring)
    translator, apart = Translator([loaded]), 0
    for text in sentences(9):
        plain_one = translator.explain(text, min_length=2)
        width = plain_one.attention.shape[1]
        last = [0.0] * (width - 1) + [3.0]
        edit = [AttentionEdit(1, last)]
        fixed, following = (
            translator.explain(text, edits=edit, state=state, min_length=2) for state in ("fixed", "following")
        )
        assert fixed.nbest == plain_one.nbest
        assert fixed.tree == plain_one.tree
        for step, (one, other) in enumerate(zip(fixed.steps, plain_one.steps, strict=True)):
            assert (one == other) is (step != 1)
            assert np.array_equal(fixed.attention[step], plain_one.attention[step]) is (step != 1)
        assert fixed.attention[1].tolist() == following.attention[1].tolist() == [0.0] * (width - 1) + [1.0]
        apart += following.translation.tokens != fixed.translation.tokens
        batch = make_batch([loaded.tokenizers.source.encode(text)], [fixed.translation.tokens])
        expected = beside(loaded, batch.source, batch.source_lengths, batch.target_input[:, :2], last)
        chosen = fixed.translation.tokens[1]
        assert fixed.steps[1].log_prob == pytest.approx(float(expected[chosen]), abs=1e-6)
        assert fixed.steps[1].rank == 1 + int((expected > expected[chosen]).sum())
    assert apart > 3


@torch.no_grad()
def beside(loaded: LoadedModel, source: Any, lengths: Any, tokens: Any, weights: list[float]) -> torch.Tensor:
    """The distribution of step 1 with other weights for the output layer alone."""
    model = loaded.model
    state = model.start(source, lengths)
    override = Override.of([{1: StepWeights([each / sum(weights) for each in weights])}], state.memory.mask, True)
    state = model.with_override(state, override)
    for position in range(2):
        log_probs, output = model.step(tokens[:, position : position + 1], state)
        state = output.state
    return log_probs.flatten()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_following_leads_the_context_on_where_the_wiring_does(pair: TokenizerPair, wiring: tuple[str, bool]) -> None:
    """With the same pieces forced, later steps feel an edit in all wirings but that of Luong without input feeding."""
    translator = Translator([tiny(pair, wiring=wiring)])
    pieces = ["▁the", "▁dog", "▁sleep"]
    plain_one = translator.explain(TEXT, pieces=pieces)
    edited = translator.explain(TEXT, pieces=pieces, edits=[AttentionEdit(0, mask=[0, 1])])
    assert edited.steps[0] != plain_one.steps[0]
    assert (edited.steps[1] == plain_one.steps[1]) is (wiring == ("luong", False))


def test_a_mask_of_every_step(translator: Translator) -> None:
    found = translator.explain(TEXT, edits=[AttentionEdit(-1, mask=[0, 2]), AttentionEdit(1, mask=[1])])
    assert (found.attention[:, [0, 2]] == 0).all()
    assert found.attention[1, 1] == 0
    assert (found.attention[[0, 2], 1] > 0).all()
    np.testing.assert_allclose(found.attention.sum(1), 1)
    fixed = translator.explain(TEXT, edits=[AttentionEdit(-1, mask=[0, 2])], state="fixed")
    assert (fixed.attention[:, [0, 2]] == 0).all()
    assert fixed.translation == translator.translate([TEXT])[0]


def test_weights_and_masks_of_a_step_add_up(translator: Translator) -> None:
    width = translator.explain(TEXT).attention.shape[1]
    weights = [2.0, 1.0, 1.0, *[0.0] * (width - 3)]
    edits = [AttentionEdit(0, weights), AttentionEdit(0, mask=[0]), AttentionEdit(-1, mask=[4])]
    found = translator.explain(TEXT, edits=edits)
    assert found.attention[0].tolist() == [0, 0.5, 0.5, *[0] * (width - 3)]
    assert found.as_json()["edits"] == [
        {"step": 0, "weights": weights, "mask": None},
        {"step": 0, "weights": None, "mask": [0]},
        {"step": -1, "weights": None, "mask": [4]},
    ]


def test_huge_weights_stay_finite(translator: Translator) -> None:
    width = translator.explain(TEXT).attention.shape[1]
    found = translator.explain(TEXT, edits=[AttentionEdit(0, [1e308] * width)])
    np.testing.assert_allclose(found.attention[0], 1 / width)


def test_an_ensemble_reads_edits_in_all_members(pair: TokenizerPair) -> None:
    """And its attention is the mean."""
    first, second = tiny(pair, wiring=("bahdanau", False)), tiny(pair, "dot", seed=2)
    translator = Translator([first, second])
    found = translator.explain(TEXT)
    assert found.nbest == translator.translate_nbest([TEXT], 3)[0]
    assert (found.score, found.wiring, found.input_feeding) == ("additive + dot", "bahdanau + luong", True)
    width, pieces = found.attention.shape[1], found.translation.pieces
    alone = [Translator([one]).explain(TEXT, pieces=pieces).attention[: len(pieces)] for one in (first, second)]
    np.testing.assert_allclose(found.attention[: len(pieces)], np.mean(alone, axis=0), atol=1e-6)
    edit = [AttentionEdit(0, [0, 1, *[0] * (width - 2)])]
    for state in ("following", "fixed"):
        assert translator.explain(TEXT, edits=edit, state=state).attention[0].tolist() == [0, 1, *[0] * (width - 2)]


def test_a_shortlist_can_be_explained_with_edits_and_pieces(pair: TokenizerPair) -> None:
    translator = Translator([tiny(pair)], [drawn(pair)])
    found = translator.explain(TEXT, shortlist=True, pieces=["▁the"], edits=[AttentionEdit(1, mask=[0])])
    assert found.translation.pieces[0] == "▁the"
    assert found.attention[1, 0] == 0
    fixed = translator.explain(TEXT, shortlist=True, edits=[AttentionEdit(0, mask=[0])], state="fixed")
    assert fixed.attention[0, 0] == 0
    assert all(math.isfinite(each.log_prob) for step in (*found.steps, *fixed.steps) for each in step.best)


def test_a_tag_is_a_piece_of_the_source(pair: TokenizerPair) -> None:
    tree = make_config().model_dump()
    texts = [{"tsv": "a"}, {"tsv": "b", "tag": "<bt>"}]
    config = parse_config(tree | {"data": {"train": texts, "validation": {"tsv": "v"}}}, "test")
    tagged = train_tokenizers(sentences(40), TARGETS, config.tokenizer, tags=["<bt>"])
    loaded = tiny(tagged)
    translator = Translator([replace(loaded, config=config)])
    found = translator.explain(TEXT, tag="<bt>")
    assert found.nbest == translator.translate_nbest([TEXT], 3, tag="<bt>")[0]
    source = found.as_json()["source"]
    assert source["pieces"][0] == "<bt>"
    assert source["words"][0][0] == 1
    assert found.attention.shape[1] == len(source["pieces"])


# ----------------------------------------------------------------------------------------------------------------- JSON


def test_json_has_all_that_is_promised(translator: Translator) -> None:
    found = translator.explain("der  hund läuft", edits=[AttentionEdit(0, mask=[0])], top=4, max_source_length=50)
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert told == found.as_json()
    assert list(told) == [
        *("version", "score", "wiring", "input_feeding", "beam", "model", "source", "target", "attention", "steps"),
        *("nbest", "tree", "edits", "state", "truncated"),
    ]
    assert (told["version"], told["score"], told["wiring"], told["beam"], told["model"]) == (
        1,
        "additive",
        "luong",
        3,
        "tiny",
    )
    assert told["source"]["text"] == "der  hund läuft"
    assert told["source"]["pieces"] == [*found.translation.source_pieces, "</s>"]
    assert told["target"].keys() == {"text", "pieces", "words", "finished", "log_prob", "score", "forced"}
    rows = len(told["target"]["pieces"]) + told["target"]["finished"]
    assert len(told["attention"]) == len(told["steps"]) == rows
    assert all(len(step["best"]) == 4 for step in told["steps"])
    for side, text in (("source", "der  hund läuft"), ("target", told["target"]["text"])):
        spelt = ["".join(told[side]["pieces"][first:last]).replace("▁", "") for first, last in told[side]["words"]]
        assert spelt == text.split()
    assert told["tree"][0]["state"] == "open"
    assert told["nbest"][0]["text"] == told["target"]["text"]
    assert (told["state"], told["truncated"]) == ("following", False)
    assert translator.explain(TEXT, max_source_length=1).as_json()["truncated"]


# --------------------------------------------------------------------------------------------------------------- errors

WIDTH = 4  # pieces of "der hund läuft", with the end
BAD: list[tuple[dict[str, Any], str]] = [
    ({"text": " "}, "the text is blank: there is nothing to explain"),
    ({"text": 3}, "text: 3 is no string"),
    ({"text": "a\nb"}, "text: a line break within a sentence"),
    ({"prefix": None}, "prefix: None is no string"),
    ({"prefix": "a", "pieces": ["▁the"]}, "prefix and pieces both say how the translation begins; give one of them"),
    ({"prefixes": ["a"]}, "unknown option 'prefixes'; explain reads one text, which begins as `prefix` says"),
    ({"pieces": "the"}, "pieces: a list of pieces is needed, not the string 'the'"),
    ({"pieces": 3}, "pieces: an iterable of strings is needed, not 3"),
    ({"pieces": ["▁the", 3]}, "piece 1: 3 is no string"),
    ({"pieces": ["the"]}, r"piece 0: 'the' is no piece of the target vocabulary; did you mean '▁the'\?"),
    ({"pieces": ["xyz"]}, "piece 0: 'xyz' is no piece of the target vocabulary; pieces are strings of"),
    ({"pieces": ["</s>", "▁the"]}, "piece 0: '</s>' cannot stand within a translation"),
    ({"pieces": ["▁the", "<pad>"]}, "piece 1: '<pad>' cannot stand within a translation"),
    ({"state": "free"}, "state 'free' is unknown; allowed: fixed, following"),
    ({"state": None}, "state must be one of following, fixed, given None"),
    ({"top": 0}, "top must lie between 1 and 1000, given 0"),
    ({"n_best": 4}, "n-best must lie between 1 and the beam size 3, given 4"),
    ({"edits": 3}, "edits: an iterable of AttentionEdit is needed, not 3"),
    ({"edits": [{"step": 0}]}, r"edit 1: an AttentionEdit is needed, given \{'step': 0\}"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, 0]), AttentionEdit(0)]}, "edit 2: it has neither weights nor a mask"),
    ({"edits": [AttentionEdit(-2, mask=[0])]}, "edit 1: step must lie between -1 and 5, given -2"),
    ({"edits": [AttentionEdit(6, mask=[0])]}, "edit 1: step must lie between -1 and 5, given 6"),
    ({"edits": [AttentionEdit(True, mask=[0])]}, "edit 1: step must be a whole number, given True"),
    ({"edits": [AttentionEdit(-1, [1, 0, 0, 0])]}, "edit 1: step -1 is every step, and takes a mask alone"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, 0])] * 2}, "edit 2: step 0 has weights already; give them once"),
    ({"edits": [AttentionEdit(0, [1, 0, 0])]}, "edit 1: 3 weights, but the source has 4 pieces, with the end"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, -1])]}, "edit 1: a weight must be 0 or more, and finite, given -1"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, math.nan])]}, "edit 1: a weight must be 0 or more, and finite, given nan"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, math.inf])]}, "edit 1: a weight must be 0 or more, and finite, given inf"),
    ({"edits": [AttentionEdit(0, [1, 0, 0, "1"])]}, "edit 1: a weight must be a number, given '1'"),  # type: ignore[list-item]
    ({"edits": [AttentionEdit(0, 3)]}, "edit 1: weights: a list is needed, not 3"),  # type: ignore[arg-type]
    ({"edits": [AttentionEdit(0, [0] * WIDTH)]}, "step 0: all weights are 0"),
    (
        {"edits": [AttentionEdit(0, [1, 0, 0, 0], [0])]},
        "step 0: all weights are 0; one must be above it, where nothing",
    ),
    ({"edits": [AttentionEdit(0, mask=[4])]}, "edit 1: a number of a source piece must lie between 0 and 3, given 4"),
    (
        {"edits": [AttentionEdit(0, mask=[0, 1]), AttentionEdit(-1, mask=[2, 3])]},
        "step 0: the masks leave no source piece",
    ),
    ({"edits": [AttentionEdit(-1, mask=range(WIDTH))]}, "every step: the masks leave no source piece to look at"),
    ({"edits": [AttentionEdit(0, mask=[0])] * 1001}, "1,001 edits are too many; 1,000 at most"),
    ({"beem_size": 3}, "unknown option 'beem_size'; did you mean 'beam_size'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_what_cannot_be_explained_is_refused(translator: Translator, arguments: dict[str, Any], message: str) -> None:
    """In one or two lines that name the argument, and its place."""
    given = {"text": "der hund läuft"} | arguments
    with pytest.raises(InputError, match=f"^{message}") as caught:
        translator.explain(given.pop("text"), **given)
    assert str(caught.value).count("\n") < 2


# ----------------------------------------------------------------------------------------------------------- notebooks


class Reader(HTMLParser):
    """What a browser would see: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


HOSTILE = "<script>alert(1)</script>"
EVIL = [HOSTILE, '" onload="x', "</svg><img src=x onerror=y>", "&amp;\x1b[0m", "'"]


def test_strangers_strings_only_show() -> None:
    """Markup in pieces is text; nothing is loaded and nothing runs."""
    html = attention_html(HOSTILE, np.full((5, 5), 0.2), EVIL, EVIL, [0.5] * 5, [True] * 5)
    seen = Reader(html)
    assert {tag for tag, _ in seen.elements} <= {"div", "svg", "text", "rect", "title"}
    names = {name for _, attributes in seen.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"href", "src", "class", "xlink:href"}
    assert HOSTILE in "".join(seen.text)
    assert "\x1b" not in html
    assert "url(" not in html


def test_a_drawing_is_read_on_light_and_dark_pages(translator: Translator) -> None:
    """It takes the colour of the page's text, darker for more, and frames what was edited."""
    found = translator.explain(TEXT, edits=[AttentionEdit(1, mask=[0])])
    seen = Reader(found._repr_html_())
    svg = next(attributes for tag, attributes in seen.elements if tag == "svg")
    assert svg["fill"] == "currentColor"
    cells = [attributes for tag, attributes in seen.elements if tag == "rect" and "fill-opacity" in attributes]
    drawn_weights = sorted(float(each["fill-opacity"] or 0) for each in cells)
    expected = sorted(round(float(weight), 2) for weight in found.attention.flatten() if weight >= 0.005)
    assert drawn_weights == pytest.approx(expected, abs=0.011)
    colours = {attributes.get("fill") for _, attributes in seen.elements} - {None, "none", "currentColor"}
    assert not colours
    frames = [attributes for _, attributes in seen.elements if attributes.get("stroke") == "#d55e00"]
    assert len(frames) == 1
    text = "".join(seen.text)
    assert all(piece in text for piece in found.translation.pieces)
    assert f"{math.exp(found.steps[0].log_prob):.2f}" in text


def test_a_translation_draws_itself(translator: Translator) -> None:
    (translation,) = translator.translate([TEXT])
    seen = Reader(translation._repr_html_())
    cells = [attributes for tag, attributes in seen.elements if tag == "rect" and "fill-opacity" in attributes]
    assert len(cells) == int((translation.weights >= 0.005).sum())
    assert translation.text in "".join(seen.text)
    Reader(blank_translation("  ")._repr_html_())


def test_a_long_drawing_is_cut() -> None:
    weights = np.full((3, 500), 1 / 500)
    weights[:, 7] = 0.9
    html = attention_html("long", weights, ["x" * 40] * 500, ["y"] * 3)
    assert "Only the first 200 pieces" in html
    assert html.count("<text") == 203
    assert len(html) < 100_000
