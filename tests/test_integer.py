"""Weights in 8-bit integers: near the float weights, and exact in what rounding must not touch."""

import torch
from torch import Tensor

from seq2seq.translation.weights.int8 import IntegerMatrix


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_products_by_hand() -> None:
    """Entries that the integers can hold: 127 steps of each row of W, 63 of each row of x."""
    weight = torch.tensor([[127.0, -2.0, 0.0], [0.5, 63.5, -1.0]])
    inputs = torch.tensor([[63.0, 1.0, -7.0], [0.063, -0.002, 0.0]])
    torch.testing.assert_close(IntegerMatrix.of(weight)(inputs), inputs @ weight.t())


def test_sums_do_not_overflow() -> None:
    """The largest products there are, side by side: in 8 bits for inputs pairs of them would leave 16 bits."""
    weight = torch.full((5, 64), 127.0)
    weight[1] *= -1
    products = IntegerMatrix.of(weight)(torch.full((3, 64), 63.0))
    torch.testing.assert_close(products, torch.full((3, 64), 63.0) @ weight.t())


def test_rounding_errors_are_those_of_the_bits() -> None:
    weight, inputs = numbers(48, 96, seed=1), numbers(40, 96, seed=2)
    error = IntegerMatrix.of(weight)(inputs) - inputs @ weight.t()
    assert 0.001 < error.std() / (inputs @ weight.t()).std() < 0.02


def test_a_part_has_the_numbers_of_the_whole() -> None:
    matrix, inputs, rows = (
        IntegerMatrix.of(numbers(48, 96, seed=1)),
        numbers(40, 96, seed=2),
        torch.tensor([47, 3, 3, 0]),
    )
    assert torch.equal(matrix.select_outputs(rows)(inputs), matrix(inputs)[:, rows])


def test_rows_do_not_feel_each_other() -> None:
    matrix, inputs = IntegerMatrix.of(numbers(48, 96, seed=1)), numbers(40, 96, seed=2)
    inputs[3] *= 1e4
    inputs[7] = torch.nan
    inputs[9] = 0
    together = matrix(inputs)
    assert together[7].isnan().all()
    assert (together[9] == 0).all()
    for row in (0, 3, 39):
        assert torch.equal(together[row], matrix(inputs[row : row + 1])[0])
