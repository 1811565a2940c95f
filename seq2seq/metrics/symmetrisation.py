"""Symmetrisation: the alignments of one pair by a model of each direction, combined into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from seq2seq.errors import InputError, nearest

if TYPE_CHECKING:
    from seq2seq.text.word_links import Link

# Above, left, below, right, then the corners, as (target, source), in the order of the pseudocode below.
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrise(forward: Iterable[Link], backward: Iterable[Link], method: str) -> set[Link]:
    """Combine the links of a pair in both directions; all are (source word, target word), see `reverse_links`.

    intersection: links of both directions, few and mostly right. union: links of either direction. grow-diag-final-and:
    from the intersection, through neighbours in the union, towards words without a link (see `grow_diag_final_and`).
    Raises InputError for an unknown method.
    """
    if method not in METHODS:
        raise InputError(f"unknown symmetrisation {method!r}; {nearest(method, METHODS)}")
    return METHODS[method](set(forward), set(backward))


def reverse_links(links: Iterable[Link]) -> set[Link]:
    """Swap the two words of each link; the source of a model of the reverse direction is the target here."""
    return {(target, source) for source, target in links}


def grow_diag_final_and(forward: set[Link], backward: set[Link]) -> set[Link]:
    """Combine links by the heuristic of Koehn, Och & Marcu (2003) with two restrictions of Koehn et al. (2005).

    Grow: links of the union are added to the intersection if they neighbour one of its links, also diagonally, and have
    a word without a link; this is repeated until none is added. Final: links of either direction whose two words have
    no link yet are added, forward first. Links are visited by target word, then source word, and a new one counts at
    once: both matter in rare cases, and are those of the pseudocode in Koehn, Statistical Machine Translation (2010),
    chapter 4.
    """
    union = forward | backward
    grown = _Links(forward & backward)
    before = -1
    while before < len(grown.links):
        before = len(grown.links)
        for link in sorted(union, key=_place):
            if link in grown.links:
                for neighbour in _around(link):
                    if neighbour in union and not (grown.has_source(neighbour) and grown.has_target(neighbour)):
                        grown.add(neighbour)
    for side in (forward, backward):
        for link in sorted(side, key=_place):
            if not grown.has_source(link) and not grown.has_target(link):
                grown.add(link)
    return grown.links


class _Links:
    """A growing set of links, and the words that have one."""

    def __init__(self, links: set[Link]) -> None:
        self.links = set(links)
        self._sources, self._targets = {source for source, _ in links}, {target for _, target in links}

    def add(self, link: Link) -> None:
        self.links.add(link)
        self._sources.add(link[0])
        self._targets.add(link[1])

    def has_source(self, link: Link) -> bool:
        """Return whether the source word of a link has a link already."""
        return link[0] in self._sources

    def has_target(self, link: Link) -> bool:
        """Return whether the target word of a link has a link already."""
        return link[1] in self._targets


def _place(link: Link) -> tuple[int, int]:
    """Return the sort key of a link in the order of visits."""
    return link[1], link[0]


def _around(link: Link) -> Iterator[Link]:
    return ((link[0] + right, link[1] + down) for down, right in _NEIGHBOURS)


METHODS: dict[str, Callable[[set[Link], set[Link]], set[Link]]] = {
    "intersection": set.intersection,
    "union": set.union,
    "grow-diag-final-and": grow_diag_final_and,
}
