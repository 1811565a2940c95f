"""Groups of sentences within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence


def cut_by_budget(
    order: Sequence[int], lengths: Sequence[int], budget: int, max_rows: int | None = None
) -> list[list[int]]:
    """Cut rows, taken in the given order, into groups of at most `budget` tokens, padding and end tokens included.

    lengths: of each row, the end token not counted. max_rows: the most rows in a group; None: any number.
    """
    batches: list[list[int]] = []
    longest = 0
    for row in order:
        longest = max(longest, lengths[row] + 1)
        if batches and (len(batches[-1]) + 1) * longest <= budget and len(batches[-1]) != max_rows:
            batches[-1].append(row)
        else:
            batches.append([row])
            longest = lengths[row] + 1
    return batches
