"""Quality by source length: BLEU and exact matches in buckets (Bahdanau et al. 2015, Figure 2)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq.comparison.results import Bucket
from seq2seq.comparison.statistics import exact_matches, interval, proportion
from seq2seq.errors import InputError
from seq2seq.metrics.references import Lines
from seq2seq.metrics.segments import SAMPLES, count_segments

MIN_SENTENCES = 20
"""Fewest sentences in a bucket of `default_edges`; with fewer, the interval of BLEU is too wide to tell anything."""

_MAX_BUCKETS = 10
_WIDTHS = (5, 10, 20, 50, 100)


def length_buckets(
    *,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[Lines],
    edges: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
    tokenize: str | None = None,
    lowercase: bool = False,
    samples: int = SAMPLES,
) -> list[Bucket]:
    """Return the scores of a test's sentences in buckets of source length, from the shortest to the longest.

    edges: the longest length of every bucket but the last, rising; None takes `default_edges`, which are the same for
    every system, because they depend on the sources alone. Empty buckets are left out; the first bucket starts at the
    shortest sentence and the last ends at the longest. lengths: one per sentence, for a source without spaces between
    words (characters, pieces); None counts whitespace words. Other arguments and errors as in `scores.evaluate`.
    """
    counts = np.array([len(source.split()) for source in sources] if lengths is None else lengths, dtype=np.intp)
    if len(counts) != len(hypotheses):
        raise InputError(f"sources and hypotheses differ in length: {len(counts)} and {len(hypotheses)} lines")
    (run,) = count_segments(hypotheses=[hypotheses], references=references, tokenize=tokenize, lowercase=lowercase)
    exact = np.array(exact_matches(hypotheses=hypotheses, references=references))
    buckets = []
    for shortest, longest in _ranges(counts, default_edges(counts) if edges is None else edges):
        chosen = np.flatnonzero((counts >= shortest) & (counts <= longest))
        bucket = Bucket(
            shortest=shortest,
            longest=longest,
            sentences=len(chosen),
            bleu=interval(run.take(chosen), samples),
            exact=proportion(int(exact[chosen].sum()), len(chosen)),
        )
        buckets.append(bucket)
    return buckets


def default_edges(lengths: Sequence[int] | NDArray[np.intp]) -> list[int]:
    """Return edges at multiples of a step, such that every bucket has at least MIN_SENTENCES sentences.

    The step is the smallest of 5, 10, 20, 50 and 100 that puts 99 % of the sentences into ten buckets. With fewer than
    twice MIN_SENTENCES sentences there is one bucket and no edge.
    """
    ordered = np.sort(np.asarray(lengths))
    most = float(np.quantile(ordered, 0.99))
    width = next((width for width in _WIDTHS if most <= _MAX_BUCKETS * width), _WIDTHS[-1])
    edges: list[int] = []
    done = 0
    for edge in range(width, int(ordered[-1]), width):
        below = int(np.searchsorted(ordered, edge, side="right"))
        if below - done >= MIN_SENTENCES and len(ordered) - below >= MIN_SENTENCES:
            edges.append(edge)
            done = below
    return edges


def _ranges(lengths: NDArray[np.intp], edges: Sequence[int]) -> list[tuple[int, int]]:
    """Return (shortest, longest) of every bucket that has sentences."""
    if any(after <= before for before, after in itertools.pairwise(edges)):
        raise InputError(f"edges of length buckets must rise: {', '.join(map(str, edges))}")
    least, most = int(lengths.min()), int(lengths.max())
    starts = [least, *(edge + 1 for edge in edges)]
    ends = [*edges, most]
    ranges = [(max(start, least), min(end, most)) for start, end in zip(starts, ends, strict=True)]
    return [(start, end) for start, end in ranges if ((lengths >= start) & (lengths <= end)).any()]
