"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from seq2seq.bounds import (
    LARGEST_ALPHA,
    LARGEST_BEAM,
    LARGEST_COUNT,
    LARGEST_DIVERSITY,
    LARGEST_MIN_LENGTH,
    LARGEST_REPETITION_PENALTY,
)
from seq2seq.bulk.engines import BATCH_SIZE
from seq2seq.cli.display.console import say
from seq2seq.errors import InputError
from seq2seq.search.penalty import PENALTIES
from seq2seq.text.escaping import escape_line

if TYPE_CHECKING:
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translation import Translation

_SEARCH, _STEERING, _MACHINE = "Search", "Steering", "Machine"
_MODELS_OWN = "the model's"


def decode_text(parameter: typer.CallbackParam, value: Any) -> Any:
    """Return the text of an option, re-read as UTF-8 if the locale has decoded it otherwise. Raises InputError if it is
    not UTF-8.
    """
    if isinstance(value, list):
        return [decode_text(parameter, each) for each in value]
    if value is None or not any("\ud800" <= character <= "\udfff" for character in value):
        return value
    try:
        return os.fsencode(value).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{parameter.opts[0]} {escape_line(value)}: not UTF-8; text is given in UTF-8") from None


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="Model directory, or OWNER/NAME\\[@REVISION] on the Hugging Face hub. Several make an ensemble: "
        "their probabilities are averaged.",
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to write. A file appears when all is written.",
        show_default="standard output",
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        "--beam-size",
        metavar="N",
        min=1,
        max=LARGEST_BEAM,
        help="Live hypotheses; 1 is greedy.",
        show_default=_MODELS_OWN,
        rich_help_panel=_SEARCH,
    ),
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
    typer.Option(
        "--length-alpha",
        metavar="X",
        min=0,
        max=LARGEST_ALPHA,
        help="The exponent A.",
        show_default=_MODELS_OWN,
        rich_help_panel=_SEARCH,
    ),
]
TrainingSource = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="FILE",
        help="Training text: source sentences, one a line (plain or compressed; '-': stdin).",
    ),
]
TrainingTarget = Annotated[str, typer.Option("--target", metavar="FILE", help="Their translations, line by line.")]
MinLength = Annotated[
    int | None,
    typer.Option(
        "--min-length",
        metavar="N",
        min=0,
        max=LARGEST_MIN_LENGTH,
        help="Fewest pieces of a translation.",
        show_default=_MODELS_OWN,
        rich_help_panel=_SEARCH,
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length",
        metavar="N",
        min=1,
        max=LARGEST_COUNT,
        help="Most pieces of a translation, the end counted; a given prefix stays whole.",
        show_default="by the source's length",
        rich_help_panel=_SEARCH,
    ),
]
Prefix = Annotated[
    bool,
    typer.Option(
        "--prefix",
        help="Begin each translation with the text in the second column of its line.",
        rich_help_panel=_STEERING,
    ),
]
Constraints = Annotated[
    bool,
    typer.Option(
        "--constraints",
        help="Have in each translation the strings in the further columns of its line.",
        rich_help_panel=_STEERING,
    ),
]
Glossary = Annotated[
    str | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="Terms, a line each: of the source, a tab, what a translation then has. Whole words; case counts.",
        show_default=False,
        rich_help_panel=_STEERING,
    ),
]
Avoid = Annotated[
    str | None,
    typer.Option(
        "--avoid",
        metavar="FILE",
        help="Strings that no translation has, one a line, also within words; case counts.",
        show_default=False,
        rich_help_panel=_STEERING,
    ),
]
DiverseGroups = Annotated[
    int | None,
    typer.Option(
        "--diverse-groups",
        metavar="N",
        min=1,
        max=LARGEST_BEAM,
        help="Search in N groups of the beam, each of which avoids what those before it write.",
        show_default="1, one beam",
        rich_help_panel=_STEERING,
    ),
]
Diversity = Annotated[
    float | None,
    typer.Option(
        "--diversity",
        metavar="X",
        min=0,
        max=LARGEST_DIVERSITY,
        help="Nats that a piece loses for each time that an earlier group chose it at this step.",
        show_default="0.5",
        rich_help_panel=_STEERING,
    ),
]
NoRepeatNgram = Annotated[
    int | None,
    typer.Option(
        "--no-repeat-ngram",
        metavar="N",
        min=1,
        max=LARGEST_COUNT,
        help="Write no N pieces in a row twice in a translation.",
        show_default="all may come again",
        rich_help_panel=_STEERING,
    ),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option(
        "--repetition-penalty",
        metavar="X",
        min=1,
        max=LARGEST_REPETITION_PENALTY,
        help="Multiply the log-probability of a piece that is already written; 1.2 is usual.",
        show_default="1, no penalty",
        rich_help_panel=_STEERING,
    ),
]
MaxSourceLength = Annotated[
    int | None,
    typer.Option(
        "--max-source-length",
        metavar="N",
        min=1,
        max=LARGEST_COUNT,
        help="Pieces of a source that are read; the rest of a longer one is left out, and a warning says so.",
        show_default="1000",
        rich_help_panel=_SEARCH,
    ),
]
MaxPieces = Annotated[
    int,
    typer.Option(
        "--max-length", metavar="N", min=1, max=LARGEST_COUNT, help="Most pieces of a side; --too-long says what then."
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(
        "--tag",
        metavar="TAG",
        callback=decode_text,
        help="What the model reads before each source: a tag of its training texts (data.train.tag).",
        show_default="none",
    ),
]
TooLong = Annotated[
    Literal["refuse", "blank", "truncate"],
    typer.Option(
        "--too-long",
        help="A pair above --max-length ends the command, gets a blank line, or is read up to there.",
    ),
]
MAX_PIECES = 5000
Shortlist = Annotated[
    bool,
    typer.Option(
        "--shortlist",
        help="Choose among the pieces that the model's shortlist allows each sentence (seq2seq shortlist): faster.",
        rich_help_panel=_SEARCH,
    ),
]
Int8 = Annotated[
    bool,
    typer.Option(
        "--int8",
        help="With weights rounded to 8-bit integers: faster on a CPU, and nearly the same probabilities.",
        rich_help_panel=_MACHINE,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        min=1,
        max=LARGEST_COUNT,
        help="Most sentences in a batch: a matter of speed and memory, not of the result.",
        show_default=str(BATCH_SIZE),
        rich_help_panel=_MACHINE,
    ),
]
Device = Annotated[
    str, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, ...", rich_help_panel=_MACHINE)
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        max=1024,
        help="CPU threads.",
        show_default="one a core",
        rich_help_panel=_MACHINE,
    ),
]


def search_options(**values: Any) -> SearchKeywords:
    """Return the options that were given; the model's config decides the others."""
    return cast("SearchKeywords", {name: value for name, value in values.items() if value is not None})


def check_truncation(truncated: bool, too_long: str, most: int, place: str) -> str | None:
    """Return why a pair gets no output, or None; warn about a pair that is too long. Raises InputError if --too-long
    refuses it.
    """
    if not truncated:
        return None
    error = f"too long, more than {most:,} pieces on one side (--max-length)"
    if too_long == "refuse":
        raise InputError(f"{place}: {error}; shorten the pair, or choose --too-long truncate or blank")
    became = "it is blank in the output" if too_long == "blank" else "only the first of them were read"
    say(f"warning: {place}: {error}; {became} (--too-long {too_long})")
    return error if too_long == "blank" else None


def warn_truncated(name: str, before: int, translations: Iterable[Translation]) -> None:
    """Warn about each line whose end was not translated; the first translation is of line `before` + 1."""
    for number, translation in enumerate(translations, start=before + 1):
        if translation.truncated:
            pieces = len(translation.source_pieces) - bool(translation.tag)
            read = f"only its first {pieces:,} pieces were translated"
            say(f"warning: {name}:{number}: too long, {read} (--max-source-length)")
