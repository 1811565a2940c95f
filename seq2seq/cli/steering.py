"""Files and columns that steer what `seq2seq translate` writes."""

from __future__ import annotations

from seq2seq.bulk.columns import Columns
from seq2seq.bulk.line_pairs import check_standard_input
from seq2seq.bulk.streams import STANDARD, STANDARD_INPUT, read_input_lines
from seq2seq.errors import InputError
from seq2seq.text.glossary import Glossary


def columns(form: str, *, prefix: bool, constraints: bool) -> Columns:
    """Return what an input line has. Raises InputError for options that have no effect on JSON objects."""
    if form == "jsonl" and (prefix or constraints):
        name = "prefix" if prefix else "constraints"
        raise InputError(f"--{name} has no effect with --input-format jsonl, where it is the key {name!r} of a line")
    return Columns(prefix=prefix, constraints=constraints, jsonl=form == "jsonl")


def read_avoid(path: str, source: str) -> list[str]:
    """Return the lines of a file that are not blank. Raises InputError for one without any."""
    check_standard_input(input=source, avoid=path)
    if found := [line.strip() for line in read_input_lines(path) if line.strip()]:
        return found
    raise InputError(f"--avoid {path}: has no string to avoid; leave the option out")


def read_glossary(path: str, source: str, avoid: str | None) -> Glossary:
    """Return the glossary of a file. Raises InputError as Glossary.read does."""
    check_standard_input(input=source, glossary=path, **({} if avoid is None else {"avoid": avoid}))
    return Glossary.read(read_input_lines(path), STANDARD_INPUT if path == STANDARD else path)
