"""Tables of parallel text, TSV and CSV: two of their columns are the pair, and every field is text.

A file's own first line tells what is not set: whether it names the columns, and what separates them. What was found is
noted, for a person to see before a model has learnt from the wrong column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seq2seq.config import CorpusConfig
from seq2seq.errors import InputError, nearest, short_repr
from seq2seq.text.lines import iter_byte_lines
from seq2seq.text.readers import BOTH_BLANK, Problem, Row, decode_pair

_SEPARATORS = {"tsv": ("\t",), "csv": (",", ";", "\t")}
_SIDES = (("source", "src"), ("target", "tgt", "trg"))  # what columns are called beside their language
_NAMES = {"\t": "a tab"}


@dataclass(frozen=True, slots=True)
class _Form:
    """How a table is laid out. first: fields of its first line, which is a header or a row; columns: of the text."""

    separator: str
    quotes: bool
    first: list[str]
    header: bool
    columns: tuple[int, int]

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return len(self.first)

    @property
    def names(self) -> tuple[str, str]:
        """What the first line has in the columns of source and target."""
        return self.first[self.columns[0]], self.first[self.columns[1]]


def read_delimited(
    path: Path, file_format: str, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]
) -> Iterator[Row]:
    """The pairs of a table of a kind (tsv or csv); what a person should know of it is added to the notes.

    Raises InputError for a file that is empty, whose columns cannot be told, or whose quotation marks do not pair up.
    """
    lines = iter_byte_lines(path)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{path}: the file is empty")
    form = _form(first, path, file_format, spec, languages)
    if note := _found(form, file_format, spec):
        notes.append(f"{path}: {note}")
    start = 2 if form.header else 1
    rest = lines if form.header else chain([first], lines)
    if form.quotes:
        yield from _quoted(rest, start, path, form)
    else:
        yield from _plain(rest, start, path, form, notes)


def _plain(lines: Iterable[bytes], start: int, path: Path, form: _Form, notes: list[str]) -> Iterator[Row]:
    separator, fields_seen, quoted = form.separator.encode(), 0, 0
    for number, line in enumerate(lines, start=start):
        columns = line.split(separator)
        yield _row(columns, line, f"{path}:{number}", form)
        fields_seen += len(columns)
        quoted += sum(map(_looks_quoted, columns))
    if quoted:
        shares = f"{quoted:,} of {fields_seen:,} fields stand in quotation marks, which are read as text"
        notes.append(f"{path}: {shares}; quotes = true takes them off, as in CSV")


def _looks_quoted(field: bytes) -> bool:
    """Whether CSV would have a field so: in quotation marks, those within it doubled."""
    return len(field) > 1 and field[:1] == field[-1:] == b'"' and b'"' not in field[1:-1].replace(b'""', b"")


def _quoted(lines: Iterable[bytes], start: int, path: Path, form: _Form) -> Iterator[Row]:
    """Rows of CSV, which may have line breaks between quotation marks."""
    rows = csv.reader(
        (line.decode("utf-8", "surrogateescape") + "\n" for line in lines), delimiter=form.separator, strict=True
    )
    while True:
        number = start + rows.line_num
        place = f"{path}:{number}"
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if start + rows.line_num > number + 1 or "end of data" in str(error):  # no telling where the next row is
                raise InputError(f"{place}: a quotation mark that opens a field here is not closed") from None
            yield Problem("quotes", f"{place}: not CSV: {_explained(error)}")
            continue
        columns = [field.encode("utf-8", "surrogateescape") for field in fields]
        yield _row(columns, b"".join(columns), place, form)


def _explained(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "a quotation mark within a field; one that is part of the text is written twice"
    if "new-line" in str(error):
        return "a carriage return within the line"
    return str(error)


def _row(columns: list[bytes], line: bytes, place: str, form: _Form) -> Row:
    if not line.strip():
        return Problem(BOTH_BLANK, f"{place}: the line is blank")
    if len(columns) == form.width:
        source, target = form.columns
        return decode_pair((columns[source], columns[target]), (place, place))
    needed = "exactly two are needed, source TAB target" if form.width == 2 and form.separator == "\t" else ""
    given = f"{len(columns)} column{'s' if len(columns) != 1 else ''}"
    needed = needed or f"the first line has {form.width}"
    if len(columns) > form.width:
        needed += (
            "; a field that has the separator in it stands in quotation marks"
            if form.quotes
            else "; columns says which of more are the text"
        )
    return Problem("columns", f"{place}: {given}; {needed}")


# ------------------------------------------------------------------------------------------- what the first line says


def _form(first: bytes, path: Path, file_format: str, spec: CorpusConfig, languages: tuple[str, str]) -> _Form:
    """The only form that fits the first line."""
    quotes = file_format == "csv" if spec.quotes is None else spec.quotes
    text, forms, seen = first.decode("utf-8", "surrogateescape"), list[_Form](), list[str]()
    for separator in _SEPARATORS[file_format]:
        try:
            fields = [field.strip() for field in _split(text, separator, quotes)]
        except csv.Error as error:
            raise InputError(f"{path}:1: not CSV: {_explained(error)}") from None
        seen = max(seen, fields, key=len)
        if found := _columns(fields, file_format, spec, languages):
            header, columns = found
            forms.append(_Form(separator, quotes, fields, header, columns))
    if len(forms) == 1:
        return _distinct(forms[0], path, spec)
    if (
        file_format == "tsv" and spec.columns is None and not spec.header
    ):  # the first line is no pair, which is told as of others
        return _Form("\t", quotes, ["", ""], False, (0, 1))
    if forms:
        raise InputError(f"{path}:1: several signs could separate the columns; give it a header with the languages")
    raise InputError(f"{path}:1: {_missing(seen, spec, languages)}")


def _split(line: str, separator: str, quotes: bool) -> list[str]:
    return next(csv.reader([line], delimiter=separator), []) if quotes else line.split(separator)


def _columns(
    fields: list[str], file_format: str, spec: CorpusConfig, languages: tuple[str, str]
) -> tuple[bool, tuple[int, int]] | None:
    """Whether these fields are a header, and where source and target stand; None where they do not."""
    lower = [field.lower() for field in fields]
    sides = zip(languages, _SIDES, strict=True)
    places = [[lower.index(name) for name in (side.lower(), *more) if name in lower] for side, more in sides]
    is_header = all(places)
    if spec.columns is None and (spec.header is False or (file_format == "tsv" and not is_header)):
        return (bool(spec.header), (0, 1)) if len(fields) == 2 else None
    if spec.columns is None:
        return (True, (places[0][0], places[1][0])) if is_header else None
    one, other = spec.columns
    if isinstance(one, str):
        return (True, (fields.index(one), fields.index(other))) if {one, other} <= set(fields) else None
    header = (file_format == "csv" or is_header) if spec.header is None else spec.header
    return (header, (one - 1, other - 1)) if max(one, other) <= len(fields) else None


def _distinct(form: _Form, path: Path, spec: CorpusConfig) -> _Form:
    """Refuse a name that stands for two columns."""
    names = [name.lower() for name in form.first]
    by_name = form.header and not (spec.columns and isinstance(spec.columns[0], int))
    for name in form.names if by_name else ():
        if names.count(name.lower()) > 1:
            called = f"two columns are called {name.lower()!r}"
            raise InputError(f"{path}:1: {called}; choose by number, as columns = [1, 2]")
    return form


def _missing(fields: list[str], spec: CorpusConfig, languages: tuple[str, str]) -> str:
    """Why the columns cannot be told."""
    if spec.columns is not None and isinstance(spec.columns[0], int):
        return f"{len(fields)} columns; columns = {spec.columns} needs {max(spec.columns)}"
    if spec.header is False:
        return f"{len(fields)} columns; say which are the text, as in columns = [1, 2]"
    wanted = spec.columns or languages
    missing = next((name for name in wanted if name not in fields), wanted[0])
    named = "columns" if spec.columns else "data.source_language, data.target_language"
    hint = "" if spec.columns else "; columns = [1, 2] chooses by number, header = false says that there is no header"
    return (
        f"no column {missing!r} ({named}); {nearest(missing, [short_repr(each)[1:-1] for each in fields[:20]])}{hint}"
    )


def _found(form: _Form, file_format: str, spec: CorpusConfig) -> str:
    """What was decided by the look of the first line, if anything."""
    separated = f"columns are separated by {_NAMES.get(form.separator, repr(form.separator))}"
    source, target = form.names
    if not form.header:
        if file_format == "tsv" and spec.header is None and _may_be_names(form):
            return f"the first line is read as a pair, {source!r} and {target!r}; header = true if it names the columns"
        return separated if file_format == "csv" else ""
    chosen = f"the first line names the columns; source is {source!r}, target {target!r}, of {form.width}"
    if file_format == "csv":
        return f"{chosen}; {separated}"
    return f"{chosen} (header = false makes it a pair)" if spec.header is None else chosen


def _may_be_names(form: _Form) -> bool:
    """Whether a line that is taken for a row could as well be a header: it has a single word in each column."""
    return all(len(field.split()) == 1 and field[0].isalpha() and field[-1].isalnum() for field in form.first)
