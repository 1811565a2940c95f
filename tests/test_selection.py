"""Which validation is the best, and what decides while BLEU says nothing."""

from __future__ import annotations

import pytest

from seq2seq.training.selection import deciding_criterion, is_better, judge
from seq2seq.training.state import Progress
from seq2seq.training.validation import Validation


def judged(
    numbers: list[tuple[float, float]], criterion: str = "bleu"
) -> tuple[list[bool], list[str | None], Progress]:
    """Validations of these (BLEU, perplexity), one after the other, as the trainer counts them."""
    progress, best, told = Progress(), list[bool](), list[str | None]()
    for bleu, perplexity in numbers:
        found, decides = judge(Validation(perplexity, bleu, "tok:13a"), progress, criterion)
        if found:
            progress.best_record = {"perplexity": perplexity, "bleu": bleu}
        best.append(found)
        told.append(decides)
    return best, told, progress


@pytest.mark.parametrize(
    ("numbers", "best", "told", "waited"),
    [
        pytest.param(
            [(0.0, 163.0), (0.0, 120.0), (0.004, 130.0), (0.0, 89.0), (0.0, 90.0)],
            [True, True, False, True, False],
            [None, None, "perplexity", None, None],
            1,
            id="always 0: perplexity decides from the start, and it is said after three",
        ),
        pytest.param(
            [(0.0, 9.0), (0.0, 8.0), (0.0, 7.0), (0.3, 7.5), (0.2, 5.0), (0.0, 4.0)],
            [True, True, True, True, False, False],
            [None, None, "perplexity", "bleu", None, None],
            2,
            id="0 at first: BLEU decides as soon as it says something",
        ),
        pytest.param(
            [(0.02, 90.0), (0.0, 80.0), (0.0, 70.0), (0.0, 60.0), (0.0, 65.0)],
            [True, False, False, True, False],
            [None, None, None, "perplexity", None],
            1,
            id="an accident before nothing but zeros does not stay the best",
        ),
        pytest.param(
            [(30.0, 5.0), (0.0, 9.0), (0.0, 4.0), (0.0, 3.0)],
            [True, False, False, False],
            [None, None, None, "perplexity"],
            3,
            id="a model that was good and broke is no accident",
        ),
        pytest.param(
            [(35.1, 5.0), (35.1, 4.0), (35.1, 4.0), (35.0, 3.0)],
            [True, True, False, False],
            [None] * 4,
            2,
            id="of two of the same BLEU the one of lower perplexity is better",
        ),
    ],
)
def test_bleu_that_says_nothing(
    numbers: list[tuple[float, float]], best: list[bool], told: list[str | None], waited: int
) -> None:
    found = judged(numbers)
    assert found[:2] == (best, told)
    assert found[2].waited == waited


def test_perplexity_as_the_criterion_asks_no_bleu() -> None:
    best, told, progress = judged([(0.0, 9.0), (0.0, 9.0), (50.0, 9.5), (0.0, 8.0)], "perplexity")
    assert (best, told) == ([True, False, False, True], [None] * 4)
    assert (progress.best, progress.silent) == (-8.0, 0)


def test_the_averaged_model_is_compared_in_the_same_way() -> None:
    progress = Progress(best=0.0, best_record={"perplexity": 80.0})
    assert is_better(Validation(79.0, 0.003, ""), progress, "bleu")
    assert not is_better(Validation(81.0, 0.003, ""), progress, "bleu")
    assert is_better(Validation(81.0, 0.3, ""), progress, "bleu")
    assert [deciding_criterion(bleu, "bleu") for bleu in (0.0, 0.004, None)] == ["perplexity"] * 3
    assert deciding_criterion(0.3, "bleu") == "bleu"
