"""Words of a text, and how much of each piece belongs to each: by hand, and for any text."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.text.words import join_words, split_words, word_shares

LINES = st.text(st.sampled_from("abc猫\u0301😀 \t\u00a0\u3000\x1c\u2028▁"), max_size=17)


@given(LINES)
def test_words_are_what_whitespace_separates(line: str) -> None:
    for text in (split_words(line), join_words(line)):
        assert text.words == line.split()
        assert [text.text[start:end] for start, end in text.spans] == text.words
    assert split_words(line).text == line
    assert join_words(line).text == "".join(line.split())


def test_shares_by_hand() -> None:
    # "ab cd": the piece "b c" has a character of each word, and a space that counts for neither.
    shares = word_shares([(0, 1), (1, 4), (4, 5)], split_words("ab cd").spans)
    assert shares.tolist() == [[1, 0.5, 0], [0, 0.5, 1]]
    # 3 + 1 + 2 characters: the first piece has all of word 0, the second one of word 1 and two of word 2.
    shares = word_shares([(0, 3), (3, 6)], join_words("abc d ef").spans)
    assert shares == pytest.approx(np.array([[1, 0], [0, 1 / 3], [0, 2 / 3]]))


def test_a_piece_without_characters_belongs_to_what_follows() -> None:
    # " ab  cd ": a space before each word, one too many between them, and one at the end.
    pieces = [(0, 0), (0, 1), (1, 3), (3, 4), (4, 5), (5, 7), (7, 8)]
    assert word_shares(pieces, split_words(" ab  cd ").spans).argmax(axis=0).tolist() == [0, 0, 0, 1, 1, 1, 1]
    # Bytes of a character: the word that it is in, be it the last character.
    assert word_shares([(0, 1), (1, 1), (1, 1), (1, 2), (2, 3)], join_words("a猫 b").spans).tolist() == [
        [1, 1, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_no_words_and_no_pieces() -> None:
    assert word_shares([(0, 1), (1, 2)], []).shape == (0, 2)
    assert word_shares([], [(0, 1), (1, 2)]).shape == (2, 0)


@given(LINES, st.lists(st.integers(0, 17), max_size=6), st.booleans())
def test_every_piece_is_given_away_whole(line: str, cuts: list[int], spaces: bool) -> None:
    text = split_words(line) if spaces else join_words(line)
    borders = sorted({0, len(text.text), *(cut for cut in cuts if cut < len(text.text))})
    pieces = list(itertools.pairwise(borders))
    shares = word_shares(pieces, text.spans)
    assert shares.shape == (len(text.words), len(pieces))
    if text.words:
        assert shares.sum(axis=0) == pytest.approx(1)
        sizes = [sum(not each.isspace() for each in text.text[start:end]) for start, end in pieces]
        solid = np.array(sizes) > 0
        assert (shares * sizes)[:, solid].sum(axis=1) == pytest.approx([len(word) for word in text.words])
