"""Options that several commands share, said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seq2seq.search.penalty import PENALTIES

if TYPE_CHECKING:
    from seq2seq.translator import Translator

_SEARCH, _MACHINE = "Search", "Machine"
_MODELS_OWN = "the model's"

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL...",
        help="Model directory, or OWNER/NAME[@REVISION] on the Hugging Face hub. Several make an ensemble: "
        "their probabilities are averaged.",
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write. A file appears when all is written.", show_default="standard output"),
]
Format = Annotated[Literal["text", "jsonl"], typer.Option("--format", help="Lines for people and cut(1), or JSON objects.")]

BeamSize = Annotated[
    int | None,
    typer.Option("--beam-size", min=1, help="Live hypotheses; 1 is greedy.", show_default=_MODELS_OWN, rich_help_panel=_SEARCH),
]
LengthPenalty = Annotated[
    str | None,
    typer.Option(
        "--length-penalty",
        metavar="|".join(PENALTIES),
        help="What a log-probability is divided by to give a score: length^A, ((5 + length) / 6)^A, or nothing.",
        show_default=_MODELS_OWN,
        rich_help_panel=_SEARCH,
    ),
]
LengthAlpha = Annotated[
    float | None,
    typer.Option("--length-alpha", min=0, help="The exponent A.", show_default=_MODELS_OWN, rich_help_panel=_SEARCH),
]
MinLength = Annotated[
    int | None,
    typer.Option("--min-length", min=0, help="Fewest pieces of a translation.", show_default=_MODELS_OWN, rich_help_panel=_SEARCH),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length",
        min=1,
        help="Most pieces of a translation, the end counted.",
        show_default="by the source's length",
        rich_help_panel=_SEARCH,
    ),
]
MaxSourceLength = Annotated[
    int,
    typer.Option("--max-source-length", min=1, help="Pieces of a source that are read; of a longer one, the rest is not translated, and a warning says so.", rich_help_panel=_SEARCH),
]
BatchSize = Annotated[
    int,
    typer.Option("--batch-size", min=1, help="Most sentences in a batch; the output does not depend on it.", rich_help_panel=_MACHINE),
]
Device = Annotated[
    str, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, ...", rich_help_panel=_MACHINE)
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="CPU threads.", show_default="one a core", rich_help_panel=_MACHINE),
]


def load_translator(models: list[str], device: str, threads: int | None) -> Translator:
    """The model or ensemble, where and with as many threads as asked for."""
    import torch

    from seq2seq.translator import Translator

    if threads is not None:
        torch.set_num_threads(threads)
    return Translator.load(*models, device=device)
