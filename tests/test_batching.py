"""Batches: what they hold, and how the text is dealt into them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.batching import make_batch, pad, plan_batches, source_batch
from seq2seq.text.budget import cut_by_budget

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=200)


def test_a_batch_by_hand() -> None:
    batch = make_batch([[5, 6], [7]], [[8], [9, 10, 11]])
    assert batch.source.tolist() == [[5, 6, 3], [7, 3, 0]]
    assert batch.source_lengths.tolist() == [3, 2]
    assert batch.target_input.tolist() == [[2, 8, 0, 0], [2, 9, 10, 11]]
    assert batch.target_output.tolist() == [[8, 3, 0, 0], [9, 10, 11, 3]]
    assert batch.target_lengths.tolist() == [2, 4]
    moved = batch.to(torch.device("cpu"))
    assert [part.tolist() for part in moved.tensors()] == [part.tolist() for part in batch.tensors()]


def test_a_source_without_pieces_still_has_its_end() -> None:
    ids, lengths = source_batch([[], [4]])
    assert ids.tolist() == [[3, 0], [4, 3]]
    assert lengths.tolist() == [1, 2]


@given(LENGTHS, st.integers(1, 300), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_holds_every_row_once_within_the_budget(
    pairs: list[tuple[int, int]], budget: int, seed: int, epoch: int
) -> None:
    source, target = (torch.tensor(side) for side in zip(*pairs, strict=True))
    batches = plan_batches(source, target, budget, seed, epoch)
    assert sorted(row for rows in batches for row in rows) == list(range(len(pairs)))
    for rows in batches:
        longest = max(max(pairs[row]) for row in rows) + 1
        assert len(rows) * longest <= budget or len(rows) == 1
    assert batches == plan_batches(source, target, budget, seed, epoch)


def test_epochs_and_seeds_differ() -> None:
    lengths = torch.tensor([5] * 50)
    plans = [plan_batches(lengths, lengths, 40, seed, epoch) for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    assert len({str(plan) for plan in plans}) == 3


def test_little_padding_where_lengths_vary() -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(5, 25, (20000,), generator=generator)
    source = target + torch.randint(-3, 4, (20000,), generator=generator)
    padding = {}
    for name, lengths in {"source": source, "target": target}.items():
        cells = sum(len(rows) * int(lengths[rows].max()) for rows in plan_batches(source, target, 4096, 1, 0))
        padding[name] = 1 - int(lengths.sum()) / cells
    assert padding["target"] < 0.02
    assert padding["source"] < 0.065


def test_cutting_starts_anew_after_a_long_sentence() -> None:
    assert cut_by_budget([0, 1, 2, 3], [1, 1, 9, 1], 10) == [[0, 1], [2], [3]]
    assert cut_by_budget([3, 1, 0, 2, 4], [1] * 5, 100, max_rows=2) == [[3, 1], [0, 2], [4]]


def test_an_empty_target_is_just_an_end() -> None:
    assert make_batch([[4]], [[]]).target_output.tolist() == [[3]]


def test_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="max"):
        make_batch([], [])


def test_a_row_without_tokens_is_refused() -> None:
    """Pitfall 21: a row of the source that is all padding would be a softmax over nothing, and NaN."""
    assert pad([[4], [5, 6]])[0].tolist() == [[4, 0], [5, 6]]
    with pytest.raises(ValueError, match="an empty sentence cannot be attended to"):
        pad([[4], []])
