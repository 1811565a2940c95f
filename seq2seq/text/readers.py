"""Readers of parallel text in files: each row is a pair, or a problem that says why it is not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import InputError, nearest
from seq2seq.text.compression import BLOCK, open_text
from seq2seq.text.lines import BYTE_ORDER_MARK, decode_line, describe_problem, read_byte_lines, read_error

BOTH_BLANK = "both blank"


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence and its translation."""

    source: str
    target: str


class Problem(NamedTuple):
    """The reason why a row is not a pair.

    reason: the name under which such rows are counted. message: for people, with the place.
    """

    reason: str
    message: str


Row = SentencePair | Problem


def read_aligned(source: Path, target: Path) -> Iterator[Row]:
    """Yield the pairs of two files, line by line.

    Raises InputError where the numbers of lines differ, for then it is unknown which lines belong together.
    """
    sides = [_read_nonempty(source), _read_nonempty(target)]
    if len(sides[0]) != len(sides[1]):
        hint = _undecodable_line((source, target), sides)
        raise InputError(
            f"{source} has {len(sides[0])} lines, {target} has {len(sides[1])}; "
            f"line-aligned files need the same number (lines end at \\n only){hint}"
        )
    for number, lines in enumerate(zip(*sides, strict=True), start=1):
        yield decode_pair(lines, (f"{source}:{number}", f"{target}:{number}"))


def read_jsonl(path: Path, languages: tuple[str, str]) -> Iterator[Row]:
    """Yield the pair of each line, a JSON object with the languages as keys, at the top or inside "translation"."""
    for number, line in enumerate(_read_nonempty(path), start=1):
        yield read_json_line(line, languages, f"{path}:{number}")


def read_json(path: Path, languages: tuple[str, str]) -> Iterator[Row]:
    """Yield pairs as `read_jsonl` does, or from one JSON array of such objects, which is read whole."""
    if not is_json_array(path):
        yield from read_jsonl(path, languages)
        return
    try:
        with open_text(path) as file:
            text = file.read().removeprefix(BYTE_ORDER_MARK).decode("utf-8")
        rows = json.loads(text, object_pairs_hook=_object_of_unique_keys)
    except OSError as error:
        raise read_error(str(path), 0, error) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    for number, row in enumerate(rows):
        place = f"{path}: row {number} (the first is 0)"
        yield _pair_of_object(row, languages, place)


def is_json_array(path: Path) -> bool:
    """Return whether a file begins as a JSON array, rather than with an object per line."""
    try:
        with open_text(path) as file:
            return file.read(BLOCK).removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"[")
    except OSError as error:
        raise read_error(str(path), 0, error) from None


def read_json_line(line: bytes, languages: tuple[str, str], place: str) -> Row:
    """Return the pair of one line of `read_jsonl`, or its problem."""
    text, wrong = decode_line(line)
    if wrong:
        return Problem(wrong, f"{place}: {describe_problem(wrong)}")
    if not text.strip():
        return Problem(BOTH_BLANK, f"{place}: the line is blank")
    return _pair_of_json(text, languages, place)


def check_pair(values: tuple[Any, Any], places: tuple[str, str]) -> Row:
    """Return the pair, or the first problem of one of its values."""
    for value, place in zip(values, places, strict=True):
        if problem := _problem_of(value, place):
            return problem
    source, target = values
    blank = [not source.strip(), not target.strip()]
    if all(blank):
        return Problem(BOTH_BLANK, f"{places[0]}: both sides are blank")
    if any(blank):
        side, place = ("source", places[0]) if blank[0] else ("target", places[1])
        return Problem("one side blank", f"{place}: the {side} is blank and the other side is not")
    return SentencePair(source, target)


def _problem_of(value: Any, place: str) -> Problem | None:
    if not isinstance(value, str):
        return Problem("not text", f"{place}: {value!r:.80} is not a string")
    if "\0" in value:
        return Problem("NUL", f"{place}: {describe_problem('NUL')}")
    if "\n" in value:
        return Problem("line break", f"{place}: a line break within a sentence; one sentence is one line")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return Problem("invalid Unicode", f"{place}: half a surrogate pair, which is no character")
    return None


def decode_pair(lines: Iterable[bytes], places: tuple[str, str]) -> Row:
    """Decode a source and a target; return the pair or its first problem, as `check_pair` does."""
    texts = []
    for line, place in zip(lines, places, strict=True):
        text, wrong = decode_line(line)
        if wrong:
            return Problem(wrong, f"{place}: {describe_problem(wrong)}")
        texts.append(text)
    return check_pair((texts[0], texts[1]), places)


def _pair_of_json(text: str, languages: tuple[str, str], place: str) -> Row:
    try:
        row = json.loads(text, object_pairs_hook=_object_of_unique_keys)
    except (ValueError, RecursionError) as error:
        return Problem("JSON", f"{place}: not a JSON object: {error}")
    return _pair_of_object(row, languages, place)


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; raise ValueError for a repeated key, of which Python would take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r:.80} is there twice")
    return found


def _pair_of_object(row: Any, languages: tuple[str, str], place: str) -> Row:
    row = row.get("translation", row) if isinstance(row, dict) else row
    if not isinstance(row, dict):
        return Problem("JSON", f"{place}: not a JSON object with the keys {languages[0]!r} and {languages[1]!r}")
    for language in languages:
        if language not in row:
            keys = nearest(language, row)
            message = f"{place}: no key {language!r}; {keys} (see data.source_language, data.target_language)"
            return Problem("JSON", message)
    return check_pair((row[languages[0]], row[languages[1]]), (place, place))


def _undecodable_line(paths: Iterable[Path], sides: Iterable[list[bytes]]) -> str:
    """Return the first line that is not UTF-8 text, as the rest of a message; "" if there is none.

    A wrong encoding is a frequent reason why two files differ in length.
    """
    for path, lines in zip(paths, sides, strict=True):
        for number, line in enumerate(lines, start=1):
            if wrong := decode_line(line)[1]:
                return f"\n{path}:{number}: {describe_problem(wrong)}"
    return ""


def _read_nonempty(path: Path) -> list[bytes]:
    lines = read_byte_lines(path)
    if not lines:
        raise InputError(f"{path}: the file is empty")
    return lines
