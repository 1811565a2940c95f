"""Quality by length: which sentence falls where, and the numbers of each bucket."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.comparison.lengths import MIN_SENTENCES, default_edges, length_buckets
from seq2seq.comparison.statistics import proportion
from seq2seq.errors import InputError
from seq2seq.metrics.scores import evaluate

LENGTHS = [3, 4, 4, 7, 8, 8, 8, 9, 12, 13, 21]
SAMPLES = 53


def corpus(lengths, seed=0):
    """Sources of these lengths; targets twice as long, every third of them translated exactly."""
    generator = random.Random(f"lengths {seed}")
    sources = ["  ".join(["w"] * length) for length in lengths]
    references = [" ".join(generator.choices("abcdefg", k=2 * length or 1)) for length in lengths]
    spoilt = [line.replace("a", "x", 1) + " x" for line in references]
    return sources, [spoilt[i] if i % 3 else references[i] for i in range(len(lengths))], references


def buckets(lengths=LENGTHS, **options):
    sources, hypotheses, references = corpus(lengths)
    options = {"sources": sources, "hypotheses": hypotheses, "references": [references], "samples": SAMPLES} | options
    return length_buckets(**options)


def test_buckets_by_hand():
    found = buckets(edges=[4, 8, 13])
    assert [(each.shortest, each.longest, each.sentences) for each in found] == [
        (3, 4, 3),
        (5, 8, 4),
        (9, 13, 3),
        (14, 21, 1),
    ]
    assert [each.exact for each in found] == [proportion(1, 3), proportion(2, 4), proportion(1, 3), proportion(0, 1)]


def test_bleu_is_that_of_the_sentences_alone():
    _, hypotheses, references = corpus(LENGTHS)
    for each, part in zip(buckets(edges=[4, 8, 13]), [range(3), range(3, 7), range(7, 10), [10]], strict=True):
        lines, gold = [[side[i] for i in part] for side in (hypotheses, references)]
        (want,) = evaluate(hypotheses=lines, references=[gold], metrics=["BLEU"], samples=SAMPLES)
        assert each.bleu.value == want.value
        assert (each.bleu.low, each.bleu.high) == pytest.approx((want.low, want.high), rel=1e-7)


def test_edges_beyond_the_sentences_and_empty_buckets():
    assert [(each.shortest, each.longest) for each in buckets(edges=[1, 4, 5, 6, 30])] == [(3, 4), (7, 21)]
    assert [(each.shortest, each.longest, each.sentences) for each in buckets(edges=[])] == [(3, 21, 11)]


def test_given_lengths_count_in_place_of_words():
    sources = ["红苹果", "大", "在桌子上", "小狗"]
    lines = ["a b c d", "e f g h", "i j k l", "m n o p"]
    options = {"sources": sources, "hypotheses": lines, "references": [lines], "edges": [2]}
    found = length_buckets(**options, lengths=[len(source) for source in sources], samples=SAMPLES)
    assert [(each.shortest, each.longest, each.sentences) for each in found] == [(1, 2, 2), (3, 4, 2)]
    assert [each.sentences for each in length_buckets(**options, samples=SAMPLES)] == [4]


def test_any_reference_makes_exact():
    found = length_buckets(
        sources=["a", "a"], hypotheses=["x y", "z"], references=[["q", "q"], ["x y", "x y"]], samples=SAMPLES
    )
    assert found[0].exact == proportion(1, 2)


def test_tokenizer_reaches_bleu():
    lines = ["红苹果在桌子上面"] * 2
    options = {"sources": lines, "hypotheses": lines, "references": [lines], "samples": SAMPLES}
    assert [length_buckets(**options, tokenize=each)[0].bleu.value for each in ("13a", "zh")] == [0, 100]
    upper = options | {"hypotheses": ["A B C D"] * 2, "references": [["a b c d"] * 2]}
    assert [length_buckets(**upper, lowercase=each)[0].bleu.value for each in (False, True)] == [0, 100]


def test_refusals():
    with pytest.raises(InputError, match=r"edges of length buckets must rise: 4, 4, 9"):
        buckets(edges=[4, 4, 9])
    with pytest.raises(InputError, match=r"sources and hypotheses differ in length: 3 and 11 lines"):
        buckets(sources=["w"] * 3)


def test_default_edges_by_hand():
    """Up to 5: 19 sentences, too few; up to 10: 20; up to 15: 19 again, and 24 are left after 20."""
    lengths = [5] * 19 + [10] + [15] * 19 + [20] + [30] * 24
    assert default_edges(lengths) == [10, 20]
    assert default_edges(lengths[:-5]) == [10]
    assert [each.sentences for each in buckets(lengths)] == [20, 20, 24]


def test_default_edges_of_long_texts_are_wider():
    assert default_edges(list(range(1, 101)) * 20) == list(range(10, 100, 10))
    assert default_edges([*range(1, 51)] * 20) == list(range(5, 50, 5))
    assert default_edges([*[*range(1, 51)] * 20, 900]) == list(range(5, 50, 5))


@given(st.lists(st.integers(0, 70), min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_default_buckets_are_large_enough(lengths, generator):
    edges = default_edges(lengths)
    sizes = np.histogram(lengths, [-1, *(edge + 0.5 for edge in edges), 1000])[0]
    assert (sizes >= min(MIN_SENTENCES, len(lengths))).all()
    assert len(sizes) <= 11
    shuffled = list(lengths)
    generator.shuffle(shuffled)
    assert default_edges(shuffled) == edges


@given(
    st.lists(st.integers(0, 23), min_size=1, max_size=30),
    st.lists(st.integers(0, 30), unique=True, max_size=5).map(sorted),
)
def test_every_sentence_is_in_one_bucket(lengths, edges):
    found = buckets(lengths, edges=edges, samples=2)
    assert sum(each.sentences for each in found) == len(lengths)
    for each in found:
        assert each.sentences == sum(each.shortest <= length <= each.longest for length in lengths) > 0
        assert not [edge for edge in edges if each.shortest <= edge < each.longest]
