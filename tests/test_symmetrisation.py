"""One alignment from two: by hand, a published example, and what must hold for all."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seq2seq.errors import InputError
from seq2seq.metrics.symmetrisation import METHODS, reverse_links, symmetrise
from seq2seq.text.word_links import Link, parse_pharaoh

LINKS = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=13)


def links(line: str) -> set[Link]:
    return parse_pharaoh(line, "test")[0]


def grown(forward: str, backward: str) -> set[Link]:
    return symmetrise(links(forward), links(backward), "grow-diag-final-and")


def test_intersection_and_union_by_hand() -> None:
    forward, backward = links("0-0 1-2 3-1"), links("0-0 1-3 3-1")
    assert symmetrise(forward, backward, "intersection") == links("0-0 3-1")
    assert symmetrise(forward, backward, "union") == links("0-0 1-2 1-3 3-1")


def test_turned() -> None:
    assert reverse_links(links("0-3 2-1 2-2")) == links("3-0 1-2 2-2")


def test_growing_follows_neighbours_until_none_is_left() -> None:
    assert grown("0-0 1-0 2-0", "0-0") == links("0-0 1-0 2-0")
    assert grown("0-0 2-0", "0-0") == links("0-0")  # no neighbour, and target word 0 has its link
    # 0-1 becomes a neighbour only when 1-1, which is visited after it, has come.
    assert grown("2-2 1-1", "2-2 0-1") == links("2-2 1-1 0-1")


def test_growing_reaches_all_eight_neighbours() -> None:
    for link in ("1-2", "2-1", "3-2", "2-3", "1-1", "1-3", "3-1", "3-3"):
        assert grown(f"2-2 {link}", "2-2") == links(f"2-2 {link}")
    # Two away, with a word that is linked: neither grown nor final.
    for link in ("2-0", "0-2", "2-4", "4-2"):
        assert grown(f"2-2 {link}", "2-2") == links("2-2")


def test_growing_needs_a_word_without_link() -> None:
    assert grown("0-0 1-1 1-0", "0-0 1-1 0-1") == links("0-0 1-1")


def test_links_are_visited_by_target_word() -> None:
    # 0-1 brings 1-0 and 1-2. Target word 0 is nearer to its end: 1-0 has passed when it comes, so 1-2 brings 2-2 first,
    # and nothing is free for 2-0 any more. By source word, 1-0 would bring 2-0 and keep 2-2 out.
    assert grown("0-1 1-0 2-2", "0-1 1-2 2-0") == links("0-1 1-0 1-2 2-2")
    assert grown("0-1 1-2 2-0", "0-1 1-0 2-2") == links("0-1 1-0 1-2 2-2")


def test_a_new_link_counts_at_once() -> None:
    # 0-0 brings 1-1 before 2-2, which would bring 2-1, has its turn: target word 1 is free no more.
    assert grown("0-0 1-1 2-2", "0-0 2-2 2-1") == links("0-0 1-1 2-2")


def test_sides_come_before_corners() -> None:
    # 3-1 brings in source word 3, and target word 0 is still free for 3-0; after 3-0 nothing would be free for 3-1.
    assert grown("2-1 3-0", "2-1 3-1") == links("2-1 3-0 3-1")


def test_final_takes_links_of_two_free_words_forward_first() -> None:
    assert grown("0-0 4-4", "0-0") == links("0-0 4-4")
    assert grown("0-0", "0-0 4-4") == links("0-0 4-4")
    assert grown("0-0 0-4", "0-0 4-0") == links("0-0")  # final-and: one free word is not enough
    assert grown("1-3", "1-4") == links("1-3")
    assert grown("1-4", "1-3") == links("1-4")


def test_a_published_example() -> None:
    """The example of Koehn (2010), chapter 4: both directions and the outcome as the tests of other toolkits have them.

    NLTK's documentation is no reference here: the output that it shows for grow_diag_final_and is the whole union.
    """
    english = ["michael", "assumes", "that", "he", "will", "stay", "in", "the", "house"]
    german = ["michael", "geht", "davon", "aus", ",", "dass", "er", "im", "haus", "bleibt"]
    forward = [(1, 1), (2, 2), (2, 3), (2, 4), (3, 6), (4, 7), (7, 8), (9, 9), (6, 10)]
    backward = [(1, 1), (2, 2), (3, 6), (4, 7), (7, 8), (8, 8), (9, 9), (5, 10), (6, 10)]
    found = symmetrise(forward, backward, "grow-diag-final-and")
    assert {(english[e - 1], german[g - 1]) for e, g in found} == {
        ("michael", "michael"),
        ("assumes", "geht"),
        ("assumes", "davon"),
        ("assumes", "aus"),
        ("that", "dass"),
        ("he", "er"),
        ("will", "bleibt"),
        ("stay", "bleibt"),
        ("in", "im"),
        ("the", "im"),
        ("house", "haus"),
    }


def test_an_unknown_method() -> None:
    with pytest.raises(
        InputError, match=r"unknown symmetrisation 'grow-diag-final'; did you mean 'grow-diag-final-and'"
    ):
        symmetrise(set(), set(), "grow-diag-final")


@given(LINKS, LINKS)
def test_grown_lies_between_intersection_and_union(forward: set[Link], backward: set[Link]) -> None:
    before = (set(forward), set(backward))
    found = symmetrise(forward, backward, "grow-diag-final-and")
    assert symmetrise(forward, backward, "intersection") <= found <= symmetrise(forward, backward, "union")
    assert (forward, backward) == before
    # No word that either side links is left without a link beside another such word.
    sources, targets = {source for source, _ in found}, {target for _, target in found}
    assert all(source in sources or target in targets for source, target in forward | backward)


@given(LINKS)
def test_agreement_is_left_alone(one: set[Link]) -> None:
    for method in METHODS:
        assert symmetrise(one, one, method) == one
    assert reverse_links(reverse_links(one)) == one


@given(LINKS, LINKS)
@example({(0, 0), (1, 1), (2, 2)}, {(0, 0), (2, 2), (2, 1)})
def test_grown_as_the_pseudocode_says(forward: set[Link], backward: set[Link]) -> None:
    assert symmetrise(forward, backward, "grow-diag-final-and") == literal(forward, backward)


def literal(forward: Iterable[Link], backward: Iterable[Link]) -> set[Link]:
    """Koehn (2010), chapter 4, as loops over all cells; e counts target words, f source words."""
    direct, inverse = ({(e, f) for f, e in side} for side in (forward, backward))
    points = direct & inverse
    size = 1 + max((max(point) for point in direct | inverse), default=0)
    cells = [(e, f) for e in range(size) for f in range(size)]

    def free_target(e: int) -> bool:
        return not any((e, f) in points for f in range(size))

    def free_source(f: int) -> bool:
        return not any((e, f) in points for e in range(size))

    added = True
    while added:
        added = False
        for e, f in cells:
            if (e, f) not in points:
                continue
            for de, df in [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]:
                new = (e + de, f + df)
                if new in direct | inverse and (free_target(new[0]) or free_source(new[1])):
                    points.add(new)
                    added = True
    for side in (direct, inverse):
        for e, f in cells:
            if (e, f) in side and free_target(e) and free_source(f):
                points.add((e, f))
    return {(f, e) for e, f in points}
