"""Word links of sentence pairs: read, checked and written in Pharaoh's format, and as links between pieces.

A link is (source word, target word), both counted from 0; words are what whitespace separates. Links of many pairs are
stored flat, as source, target, source, target, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from seq2seq.errors import InputError, short_repr
from seq2seq.text.lines import read_lines
from seq2seq.text.words import Span, split_words, word_shares

Link = tuple[int, int]

_LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")  # no sentence has 10^9 words


def parse_pharaoh(line: str, where: str, *, inverse: bool = False) -> tuple[set[Link], set[Link]]:
    """Parse one line of links into (sure, possible): `i-j` is sure, `ipj` possible only; i source, j target, from 0.

    inverse: i is the target's word in the line, and j the source's. The possible links include the sure ones, as Och &
    Ney (2003) define them. A blank line has no links. Raises InputError, which starts with `where` (file:line), for
    anything else.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for item in line.split():
        match = _LINK.fullmatch(item)
        if match is None:
            raise InputError(
                f"{where}: {short_repr(item)} is no link; write i-j (sure) or ipj (possible), both numbers from 0"
            )
        first, second = int(match[1]), int(match[3])
        link = (second, first) if inverse else (first, second)
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return sure, possible


def format_pharaoh(links: Iterable[Link]) -> str:
    """Return links as a Pharaoh line, `0-0 1-2`, each once, sorted by source word, then target word."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))


def refuse_outside(links: Iterable[Link], words: tuple[int, int], where: str, inverse: bool, order: str) -> None:
    """Raise InputError for the first link to a word that a pair with these numbers of source and target words lacks.

    where: file:line. inverse: whether the file has the target's word first. order: which word comes first, for people.
    """
    for source, target in sorted(links):
        if source >= words[0] or target >= words[1]:
            link = f"{target}-{source}" if inverse else f"{source}-{target}"
            raise InputError(
                f"{where}: link {link} is outside of the pair, which has {words[0]} source and {words[1]} target "
                f"words, counted from 0; links are {order}, and words what spaces separate"
            )


def read_links(
    path: Path,
    text: str,
    rows: Sequence[int],
    total: int,
    pairs: Iterable[tuple[str, str]],
    *,
    inverse: bool,
) -> Iterator[list[int]]:
    """Yield the sure links of each pair, flat and sorted, from the lines of a file that has one for each row of a text.

    text: name of the text. rows: the row of each pair, from 0, of `total`; lines of other rows are passed over. Raises
    InputError with file and line for another number of lines, what is no link, and links outside of their pair.
    """
    lines = read_lines(path)
    if len(lines) != total:
        raise InputError(
            f"{path}:{len(lines)}: the last line, but {text} has {total:,} pairs; "
            "one line of links a pair is needed, blank where nothing is linked"
        )
    order = "target-source with alignment_inverse" if inverse else "source-target, or alignment_inverse says otherwise"
    for row, (source, target) in zip(rows, pairs, strict=True):
        where = f"{path}:{row + 1}"
        sure, possible = parse_pharaoh(lines[row], where, inverse=inverse)
        refuse_outside(possible, (len(source.split()), len(target.split())), where, inverse, order)
        yield [word for link in sorted(sure) for word in link]


def piece_links(
    source: str, source_pieces: Sequence[Span], target: str, target_pieces: Sequence[Span], links: Sequence[int]
) -> list[int]:
    """Return links between words as links between pieces, flat like them: each piece of a target word with each piece
    of the source words that it is linked to.

    source_pieces, target_pieces: span of each piece in its text. A piece across the border of two words is one of both.
    """
    if not links:
        return []
    owned = [
        word_shares(pieces, split_words(text).spans) > 0
        for text, pieces in ((source, source_pieces), (target, target_pieces))
    ]
    linked = np.zeros((len(owned[1]), len(owned[0])), dtype=bool)
    linked[links[1::2], links[::2]] = True
    of_pieces = owned[1].T @ linked @ owned[0]
    found: list[int] = np.argwhere(of_pieces)[:, ::-1].flatten().tolist()
    return found
