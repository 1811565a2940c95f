"""Tokenizers that are extended: old ids stay, and so do old cuts, but for neighbours that are joined."""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from test_tokenizer import PLAIN, STRANGE

from seq2seq.config import TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.extension import check_extendable, cut_strings, extend, extend_pair
from seq2seq.text.sentencepiece_model import NORMAL
from seq2seq.text.special_tokens import UNK
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair

NEW = [
    f"{one} {verb} {other}!"
    for one in ("Der Ofenbauer", "Die Ofenbauerin", "Ein Ñandú")
    for verb in ("verkachelt", "kachelt", "entkachelt")
    for other in ("den Kachelofen", "die Kachel", "33 Öfen", "ß")
]
KINDS = ["bpe", "unigram", "char", "word"]


def old(kind: str, size: int = 90, **options: Any) -> Tokenizer:
    return Tokenizer.train(PLAIN, TokenizerConfig(kind=kind, vocabulary_size=size, **options))


def extended(tokenizer: Tokenizer, size: int = 150, texts: list[str] = NEW, **options: Any) -> Tokenizer:
    return extend(tokenizer, texts, TokenizerConfig(vocabulary_size=size, **options))


def borders(tokenizer: Tokenizer, text: str) -> set[int]:
    """Where the normalised text is cut; an unknown piece is the string that it stands for."""
    pieces = tokenizer._processor.encode(text, out_type=str)
    return set(accumulate(map(len, pieces)))


def noise(count: int) -> list[str]:
    """Texts of the letters of both texts, old and new."""
    generator = random.Random(1)
    letters = sorted(set("".join([*PLAIN, *NEW]))) + [" "] * 9
    words = " ".join([*PLAIN, *NEW]).split()
    made = ["".join(generator.choices(letters, k=generator.randrange(1, 40))) for _ in range(count)]
    return made + [" ".join(generator.choices(words, k=5)) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_old_pieces_keep_their_ids_and_new_ones_follow(kind: str) -> None:
    before = old(kind)
    after = extended(before)
    size = before.vocabulary_size
    assert after.description.pieces[:size] == before.description.pieces
    assert size < after.vocabulary_size <= 150
    assert len(set(after.pieces)) == after.vocabulary_size
    assert (after.kind, after.normalisation) == (before.kind, before.normalisation)
    assert after.model_bytes == extended(before).model_bytes
    if kind != "char":  # there, unknown neighbours were one piece
        assert sum(map(len, after.encode_batch(NEW))) <= sum(map(len, before.encode_batch(NEW)))
    known = extended(before, 1000)
    for text in NEW:
        assert known.decode(known.encode(text)) == text  # no character is unknown any more
    loaded = sentencepiece.SentencePieceProcessor()
    loaded.LoadFromSerializedProto(after.model_bytes)
    assert loaded.vocab_size() == after.vocabulary_size


@pytest.mark.parametrize("options", [{}, {"byte_fallback": True, "size": 350}], ids=["plain", "bytes"])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_text_is_cut_where_it_was_or_joined(kind: str, options: dict[str, Any]) -> None:
    """And a text that no new piece is in, exactly as it was. Of random texts of all letters."""
    before = old(kind, **options)
    after = extended(before, before.vocabulary_size + 60)
    joined = 0
    new = after.pieces[before.vocabulary_size :]
    for text in [*PLAIN, *NEW, *STRANGE, *noise(2000)]:
        cuts = [each.encode(text) for each in (before, after)]
        if not any(piece in f"▁{text.replace(' ', '▁')}" for piece in new):
            assert cuts[0] == cuts[1], text
        if UNK not in cuts[0] and not options:
            assert borders(after, text) <= borders(before, text), text
        joined += cuts[0] != cuts[1]
    assert joined > 100


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_new_pieces_are_used(kind: str) -> None:
    before = old(kind)
    after = extended(before)
    used = {id_ for ids in after.encode_batch(NEW) for id_ in ids}
    added = range(before.vocabulary_size, after.vocabulary_size)
    assert len(used & set(added)) > 0.3 * len(added)  # the others were steps to longer ones
    assert "▁Ofenbauer" in [after.pieces[id_] for id_ in used]
    assert not [piece for piece in after.pieces[before.vocabulary_size :] if "!" in piece and len(piece) > 1]
    ids = after.sample_batch(NEW, 0.3 if kind == "bpe" else 0.5, 1)
    assert [after.decode(each) for each in ids] == NEW


def test_new_bpe_pieces_score_below_all_old_ones() -> None:
    before = old("bpe")
    scores = [piece.score for piece in extended(before).description.pieces if piece.type == NORMAL]
    count = len([piece for piece in before.description.pieces if piece.type == NORMAL])
    assert max(scores[count:]) < min(scores[:count])
    assert scores[count:] == sorted(scores[count:], reverse=True)
    assert len(set(scores[count:])) == len(scores[count:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_string_is_cut_as_inside_a_word(kind: str) -> None:
    """No space is put before it, and one that it begins with counts."""
    tokenizer = old(kind)
    if kind == "word":
        assert cut_strings(tokenizer, ["▁Der", "Der", "▁Ofen"]) == [[tokenizer.pieces.index("▁Der")], [UNK], [UNK]]
        return
    for ids, string in zip(cut_strings(tokenizer, ["Mann", "▁Mann", "ann"]), ["Mann", "▁Mann", "ann"], strict=True):
        assert "".join(tokenizer.pieces[id_] for id_ in ids) == string
    assert cut_strings(tokenizer, ["▅", "Ñ"]) == [[UNK], [UNK]]


def test_characters_come_first_and_by_their_share(tmp_path: Path) -> None:
    before = old("char")
    text = ["x" * 90 + "y" * 9 + "z"]
    lacking = [each for each in "xyz" if each not in before.pieces]
    assert extended(before, 500, text).pieces[before.vocabulary_size :] == lacking
    found = extended(before, 500, text, character_coverage=0.98).pieces[before.vocabulary_size :]
    assert found == [each for each in lacking if each != "z"]


def test_two_sides_grow_apart_and_a_joint_one_together() -> None:
    before = old("bpe")
    config = TokenizerConfig(vocabulary_size=120)
    joint = extend_pair(TokenizerPair(before, before, joint=True), NEW, PLAIN, config)
    assert joint.joint
    assert joint.source is joint.target
    apart = extend_pair(TokenizerPair(before, before, joint=False), NEW, PLAIN, config)
    assert not apart.joint
    assert apart.source.pieces != apart.target.pieces


def test_pieces_across_words_are_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": 2,
        "eos_id": 3,
        "vocab_size": 250,
        "hard_vocab_limit": False,
    }
    for name, more in (("across", {"split_by_whitespace": False}), ("after", {"treat_whitespace_as_suffix": True})):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(PLAIN),
            model_prefix=str(tmp_path / name),
            model_type="bpe",
            minloglevel=3,
            **options,
            **more,
        )
        tokenizer = Tokenizer.load(tmp_path / f"{name}.model")
        with pytest.raises(InputError, match=r"tokenizer.extend: the pieces of m hold spaces inside or at their ends"):
            check_extendable(TokenizerPair(tokenizer, tokenizer, joint=True), TokenizerConfig(vocabulary_size=999), "m")
