"""Options of sampling: which translations are drawn, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from seq2seq.bounds import LARGEST_BEAM, LARGEST_COUNT
from seq2seq.errors import InputError

_SAMPLING = "Sampling"

Sample = Annotated[
    bool, typer.Option("--sample", help="Draw translations at random, not by search.", rich_help_panel=_SAMPLING)
]
Mbr = Annotated[
    Literal["chrf", "bleu"] | None,
    typer.Option(
        "--mbr",
        help="Of many samples, write those that are most like the others by this metric (minimum Bayes risk).",
        show_default=False,
        rich_help_panel=_SAMPLING,
    ),
]
MbrSamples = Annotated[
    int | None,
    typer.Option(
        "--mbr-samples",
        metavar="N",
        min=1,
        max=LARGEST_BEAM,
        help="Samples of each sentence that --mbr compares.",
        show_default="30",
        rich_help_panel=_SAMPLING,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="X",
        help="Below 1, likely pieces become likelier; above 1, all more alike.",
        show_default="1",
        rich_help_panel=_SAMPLING,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        "--top-k",
        metavar="N",
        min=1,
        max=LARGEST_COUNT,
        help="Draw from the K best pieces.",
        show_default="all",
        rich_help_panel=_SAMPLING,
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        metavar="X",
        help="Draw from the fewest pieces that hold this probability together.",
        show_default="1",
        rich_help_panel=_SAMPLING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="The same seed draws the same.",
        show_default="1",
        rich_help_panel=_SAMPLING,
    ),
]


def options(
    *, sample: bool, mbr: str | None, search: Any, unfit: Mapping[str, bool], **given: Any
) -> dict[str, Any] | None:
    """Return the options of sampling that were given, or None for beam search.

    search: the options of the search. unfit: further options that sampling has not, and whether each was
    given. Raises InputError for options that exclude one another or have no effect.
    """
    found = {name: value for name, value in given.items() if value is not None}
    if "mbr_samples" in found and not mbr:
        raise InputError("--mbr-samples has no effect without --mbr")
    if sample and mbr:
        raise InputError("--sample writes samples as drawn, --mbr the best of them; choose one")
    if found and not (sample or mbr):
        raise InputError(f"--{next(iter(found)).replace('_', '-')} has no effect without --sample or --mbr")
    if not (sample or mbr):
        return None
    from seq2seq.translation.options import SEARCH_ALONE

    option = "--mbr, which compares samples" if mbr else "--sample, which draws --n-best translations"
    if unused := next((name for name in SEARCH_ALONE if name in search), None):
        why = "--sample, which draws among all pieces" if unused == "shortlist" and sample else option
        raise InputError(f"--{unused.replace('_', '-')} has no effect with {why}")
    if unused := next((name for name, was_given in unfit.items() if was_given), None):
        raise InputError(f"{unused} needs a beam, and has no effect with {option}")
    return found | {"mbr": mbr} if mbr else found
