"""Tables of parallel text, TSV and CSV, in which two columns are the pair and every field is text.

Where the config does not say whether the first line names the columns, or what separates them, the first line itself
decides. What was decided is noted, so that a person sees it before a model has learnt from the wrong column.
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
_SIDES = (("source", "src"), ("target", "tgt", "trg"))  # names of columns besides their language
_NAMES = {"\t": "a tab"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """The layout of a table.

    first: fields of the first line, which is a header or a row. columns: indices of source and target.
    """

    separator: str
    quotes: bool
    first: list[str]
    header: bool
    columns: tuple[int, int]

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.first)

    @property
    def names(self) -> tuple[str, str]:
        """The fields of the first line in the columns of source and target."""
        return self.first[self.columns[0]], self.first[self.columns[1]]


def read_delimited(
    path: Path, file_format: str, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]
) -> Iterator[Row]:
    """Yield the pairs of a TSV or CSV file; append to `notes` what a person should know of how it was read.

    Raises InputError for a file that is empty, whose columns are unknown, or with a quotation mark that is
    never closed.
    """
    lines = iter_byte_lines(path)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{path}: the file is empty")
    layout = _detect_layout(first, path, file_format, spec, languages)
    if note := _layout_note(layout, file_format, spec):
        notes.append(f"{path}: {note}")
    start = 2 if layout.header else 1
    rest = lines if layout.header else chain([first], lines)
    if layout.quotes:
        yield from _quoted(rest, start, path, layout)
    else:
        yield from _plain(rest, start, path, layout, notes)


def _plain(lines: Iterable[bytes], start: int, path: Path, layout: _Layout, notes: list[str]) -> Iterator[Row]:
    separator, fields_seen, quoted = layout.separator.encode(), 0, 0
    for number, line in enumerate(lines, start=start):
        columns = line.split(separator)
        yield _row(columns, line, f"{path}:{number}", layout)
        fields_seen += len(columns)
        quoted += sum(map(_looks_quoted, columns))
    if quoted:
        shares = f"{quoted:,} of {fields_seen:,} fields stand in quotation marks, which are read as text"
        notes.append(f"{path}: {shares}; quotes = true takes them off, as in CSV")


def _looks_quoted(field: bytes) -> bool:
    """Return whether CSV could have written the field: in quotation marks, with those inside doubled."""
    return len(field) > 1 and field[:1] == field[-1:] == b'"' and b'"' not in field[1:-1].replace(b'""', b"")


def _quoted(lines: Iterable[bytes], start: int, path: Path, layout: _Layout) -> Iterator[Row]:
    """Yield the rows of CSV, in which line breaks may stand between quotation marks."""
    rows = csv.reader(
        (line.decode("utf-8", "surrogateescape") + "\n" for line in lines), delimiter=layout.separator, strict=True
    )
    while True:
        number = start + rows.line_num
        place = f"{path}:{number}"
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if start + rows.line_num > number + 1 or "end of data" in str(error):  # the next row cannot be found
                raise InputError(f"{place}: a quotation mark that opens a field here is not closed") from None
            yield Problem("quotes", f"{place}: not CSV: {_explained(error)}")
            continue
        columns = [field.encode("utf-8", "surrogateescape") for field in fields]
        yield _row(columns, b"".join(columns), place, layout)


def _explained(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "a quotation mark within a field; one that is part of the text is written twice"
    if "new-line" in str(error):
        return "a carriage return within the line"
    return str(error)


def _row(columns: list[bytes], line: bytes, place: str, layout: _Layout) -> Row:
    if not line.strip():
        return Problem(BOTH_BLANK, f"{place}: the line is blank")
    if len(columns) == layout.width:
        source, target = layout.columns
        return decode_pair((columns[source], columns[target]), (place, place))
    needed = "exactly two are needed, source TAB target" if layout.width == 2 and layout.separator == "\t" else ""
    given = f"{len(columns)} column{'s' if len(columns) != 1 else ''}"
    needed = needed or f"the first line has {layout.width}"
    if len(columns) > layout.width:
        needed += (
            "; a field that has the separator in it stands in quotation marks"
            if layout.quotes
            else "; columns says which of more are the text"
        )
    return Problem("columns", f"{place}: {given}; {needed}")


# ------------------------------------------------------------------------------------- layout from the first line


def _detect_layout(
    first: bytes, path: Path, file_format: str, spec: CorpusConfig, languages: tuple[str, str]
) -> _Layout:
    """Return the only layout that fits the first line; raise InputError where none or several do.

    A TSV whose first line is not a pair gets the usual layout, so that the line is reported as any other bad row.
    """
    quotes = file_format == "csv" if spec.quotes is None else spec.quotes
    text, layouts, seen = first.decode("utf-8", "surrogateescape"), list[_Layout](), list[str]()
    for separator in _SEPARATORS[file_format]:
        try:
            fields = [field.strip() for field in _split(text, separator, quotes)]
        except csv.Error as error:
            raise InputError(f"{path}:1: not CSV: {_explained(error)}") from None
        seen = max(seen, fields, key=len)
        if found := _columns(fields, file_format, spec, languages):
            header, columns = found
            layouts.append(_Layout(separator, quotes, fields, header, columns))
    if len(layouts) == 1:
        return _check_distinct(layouts[0], path, spec)
    if (
        file_format == "tsv" and spec.columns is None and not spec.header
    ):  # the first line is not a pair and is reported like any other bad row
        return _Layout("\t", quotes, ["", ""], False, (0, 1))
    if layouts:
        raise InputError(f"{path}:1: several signs could separate the columns; give it a header with the languages")
    raise InputError(f"{path}:1: {_missing_column(seen, spec, languages)}")


def _split(line: str, separator: str, quotes: bool) -> list[str]:
    return next(csv.reader([line], delimiter=separator), []) if quotes else line.split(separator)


def _columns(
    fields: list[str], file_format: str, spec: CorpusConfig, languages: tuple[str, str]
) -> tuple[bool, tuple[int, int]] | None:
    """Return whether the fields are a header and the indices of source and target; None where they do not fit."""
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


def _check_distinct(layout: _Layout, path: Path, spec: CorpusConfig) -> _Layout:
    """Raise InputError where a name that chooses a column is the name of two."""
    names = [name.lower() for name in layout.first]
    by_name = layout.header and not (spec.columns and isinstance(spec.columns[0], int))
    for name in layout.names if by_name else ():
        if names.count(name.lower()) > 1:
            called = f"two columns are called {name.lower()!r}"
            raise InputError(f"{path}:1: {called}; choose by number, as columns = [1, 2]")
    return layout


def _missing_column(fields: list[str], spec: CorpusConfig, languages: tuple[str, str]) -> str:
    """Return the reason why the columns are unknown."""
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


def _layout_note(layout: _Layout, file_format: str, spec: CorpusConfig) -> str:
    """Return a note on what the look of the first line decided, "" if nothing."""
    separated = f"columns are separated by {_NAMES.get(layout.separator, repr(layout.separator))}"
    source, target = layout.names
    if not layout.header:
        if file_format == "tsv" and spec.header is None and _may_be_names(layout):
            return f"the first line is read as a pair, {source!r} and {target!r}; header = true if it names the columns"
        return separated if file_format == "csv" else ""
    chosen = f"the first line names the columns; source is {source!r}, target {target!r}, of {layout.width}"
    if file_format == "csv":
        return f"{chosen}; {separated}"
    return f"{chosen} (header = false makes it a pair)" if spec.header is None else chosen


def _may_be_names(layout: _Layout) -> bool:
    """Return whether a line that is taken for a row could be a header: it has a single word in each column."""
    return all(len(field.split()) == 1 and field[0].isalpha() and field[-1].isalnum() for field in layout.first)
