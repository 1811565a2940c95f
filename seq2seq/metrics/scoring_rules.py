"""The rules of scoring: what is refused beforehand, how the rest is counted, and the notes that a score needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sacrebleu import BLEU, TER

from seq2seq.errors import InputError, nearest
from seq2seq.metrics.bleu_tokenizer import TOKENIZERS, detect_writing, tokenizer_for_writing
from seq2seq.metrics.metric import METRICS, Rules
from seq2seq.metrics.references import Lines, blanks_to_none, notes_on_blanks
from seq2seq.text.normalisation import is_decomposed

# sacreBLEU counts every n-gram of a line (30 MB for chrF2++ of 100,000 characters), and for TER keeps a row of edits
# for every word of it (136 MB and half a minute for 1,000 words against 1,000 quite different ones; 6 GB for 20,000).
LONGEST_LINE = 100_000  # characters
LONGEST_EDITED = 1000  # words
# From this share of the lines on, subword pieces or detached full stops are how a text is written, not an accident.
_SHARE = 0.1
_PIECE = re.compile(r"▁|@@(?: |$)")


def check_texts(
    tokenize: str | None,
    metrics: Collection[str],
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Lines],
) -> Rules:
    """Return the rules for scoring these texts.

    Raises InputError for unknown names, and for texts that sacreBLEU would crash on or score as nonsense.
    """
    for name in metrics:
        if name not in METRICS:
            raise InputError(f"unknown metric {name!r}; {nearest(name, METRICS)}")
    if not metrics:
        raise InputError(f"no metric to compute; allowed: {', '.join(METRICS)}")
    if tokenize is not None and tokenize not in TOKENIZERS:
        raise InputError(f"unknown BLEU tokenizer {tokenize!r}; {nearest(tokenize, TOKENIZERS)}")
    _check_lines(systems, references)
    lines = [line for each in references for line in each if line is not None]
    writing = detect_writing(lines)
    choice = None if tokenize else tokenizer_for_writing(writing)
    # The new name of the same tokenizer; sacreBLEU warns on standard error about the old one.
    name = choice.name if choice else {"spm": "flores101"}.get(str(tokenize), str(tokenize))
    return Rules(
        tokenize=name,
        references=blanks_to_none(references),
        spaced=writing != "unspaced",
        ideographic=writing in ("Chinese", "Japanese") or name in ("zh", "ja-mecab"),
        notes=(*notes_on_blanks(references), *([choice.note] if choice and choice.note else [])),
    )


def _check_lines(systems: Mapping[str, Sequence[str]], references: Sequence[Lines]) -> None:
    if any(isinstance(lines, str) for lines in references):
        raise InputError("references must be a list of reference sets, each a list of lines; for one set pass [lines]")
    if not references:
        raise InputError("no references: at least one set is needed")
    named_references = _labelled(references)
    for system, hypotheses in systems.items():
        if isinstance(hypotheses, str):
            raise InputError(f"{system} must be a list of lines, not one string")
        if not hypotheses:
            raise InputError(f"{system}: no lines, nothing to score")
        for label, lines in named_references.items():
            if len(lines) != len(hypotheses):
                raise InputError(f"{system} and {label} differ in length: {len(hypotheses)} and {len(lines)} lines")
    for label, lines in {**systems, **named_references}.items():
        refuse_long_lines(label, lines)
        _refuse_pieces(label, lines)


def refuse_long_lines(label: str, lines: Lines) -> None:
    """Raise InputError for a line of more than LONGEST_LINE characters: counting its n-grams could fill the memory."""
    for number, line in enumerate(lines, start=1):
        if line and len(line) > LONGEST_LINE:
            has = f"{label}, line {number}: {len(line):,} characters"
            raise InputError(f"{has}; a line is scored up to {LONGEST_LINE:,}: one sentence a line is needed")


def _refuse_pieces(label: str, lines: Lines) -> None:
    """Raise InputError for text in subword pieces.

    BLEU over pieces is another and mostly higher number, and nobody asks for it on purpose.
    """
    numbers = [number for number, line in enumerate(lines, start=1) if line and _PIECE.search(line)]
    if numbers and len(numbers) >= _SHARE * len(lines):
        raise InputError(
            f"{label}, line {numbers[0]}: subword pieces ('▁' or '@@'), as in {len(numbers)} of {len(lines)} lines: "
            f"{str(lines[numbers[0] - 1])[:40]!r}; decode them to plain text first"
        )


def _labelled(references: Sequence[Lines]) -> dict[str, Lines]:
    return {f"reference set {number}": lines for number, lines in enumerate(references, start=1)}


def leave_out_ter(
    rules: Rules, metrics: Collection[str], systems: Mapping[str, Sequence[str]], references: Sequence[Lines]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the metrics without TER where a line is too long for it, and a note on that.

    Raises InputError where then no metric is left.
    """
    if "TER" not in metrics:
        return list(metrics), ()
    texts: dict[str, Lines] = {**systems, **_labelled(references)}
    for label, lines in texts.items():
        for number, line in enumerate(lines, start=1):
            if line and len(line) > LONGEST_EDITED and (words := _edited_units(line, rules)) > LONGEST_EDITED:
                note = f"TER is left out: line {number} of {label} has {words:,} words, and TER is computed of up to "
                note += f"{LONGEST_EDITED:,}, for its memory and time grow with their square."
                if set(metrics) == {"TER"}:
                    raise InputError(note)
                return [name for name in metrics if name != "TER"], (note,)
    return list(metrics), ()


def _edited_units(line: str, rules: Rules) -> int:
    """Return the number of words, or of characters in a script without spaces, that TER edits in a line."""
    return len("".join(line.split())) if rules.ideographic else len(line.split())


def score_notes(scorer: Any, rules: Rules, hypotheses: Sequence[str]) -> tuple[str, ...]:
    """Return the notes that a reader of this score needs."""
    notes = [*rules.notes, *_notes_on_parts(hypotheses, rules.references)]
    if isinstance(scorer, TER) and not rules.spaced:
        return (*notes, "TER takes what stands between spaces for words, which this script does not separate.")
    if not isinstance(scorer, BLEU):
        return tuple(notes)
    if all(len(scorer.tokenizer(line.rstrip()).split()) < scorer.max_ngram_order for line in hypotheses):
        notes.append("BLEU is 0 because no hypothesis has four tokens, and it counts sequences of four; read chrF2++.")
    if rules.tokenize != "none":
        for label, lines in [("hypotheses", hypotheses), *(("reference lines", lines) for lines in rules.references)]:
            detached = sum(line is not None and line.endswith(" .") for line in lines)
            if detached and detached >= _SHARE * len(lines):
                notes.append(
                    f"{detached} of {len(lines)} {label} end in ' .' and look tokenised: BLEU wants plain text, "
                    "or tokenize 'none' if both sides are tokenised alike."
                )
    return tuple(notes)


def _notes_on_parts(hypotheses: Lines, references: Sequence[Lines]) -> list[str]:
    """Return notes on sides that spell the same letters in other code points, which sacreBLEU counts as different."""
    sides = [("hypotheses", hypotheses), *(("reference lines", lines) for lines in references)]
    counts = [sum(is_decomposed(line or "") for line in lines) for _, lines in sides]
    if all(counts):
        return []
    return [
        f"{count} of {len(lines)} {label} have letters in parts (Unicode's NFD), as the other side has not: they count "
        "as different; compose them (NFC)."
        for (label, lines), count in zip(sides, counts, strict=True)
        if count
    ]
