"""The report of a comparison, made from `Results` alone: an HTML page, the same in Markdown, a CSV, and figures.

The page is a single file that loads nothing from a network. All files are complete before the first is renamed to its
final name.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from seq2seq.comparison.report import tables
from seq2seq.comparison.report.pictures import Picture, encode, inline, missing_glyphs
from seq2seq.comparison.report.plots import pictures
from seq2seq.comparison.report.tables import Table
from seq2seq.comparison.results import Example, Results, RunResult, System, TestResult
from seq2seq.durable import explain_write_errors, replace_together, sync_names
from seq2seq.errors import InputError, imports_for
from seq2seq.text.escaping import escape_csv_cell, escape_line, escape_markdown

with imports_for("a report"):
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

PAGE, MARKDOWN, ROWS, FIGURES = "report.html", "report.md", "results.csv", "figures"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report. folded: the tables repeat what the pictures show and are hidden until a click."""

    title: str
    tables: list[Table]
    pictures: list[Picture]
    examples: list[Example]
    folded: bool


def write_report(results: Results, directory: Path, report: Callable[[int], None] = lambda drawn: None) -> list[str]:
    """Write report.html, report.md, results.csv and figures/ into a directory, created if missing; return warnings.

    report: called with the number of drawn pictures after each; drawing takes nearly all of the time. The warnings name
    characters that no installed font has, and which a PDF therefore shows as boxes. Raises InputError for results that
    contradict themselves, and Seq2SeqError if the disk cannot be written; then no file has been replaced.
    """
    check_results(results)
    results = Results.model_validate(_escape_strings(results.model_dump()))
    with explain_write_errors(str(directory)):  # before the drawing, which takes long
        (directory / FIGURES).mkdir(parents=True, exist_ok=True)
    drawn = list(pictures(results))
    files, missing, svgs = dict[str, bytes](), set[str](), dict[str, bytes]()
    for number, picture in enumerate(drawn, start=1):
        figure = picture.draw()
        for form in ("svg", "pdf"):
            content, lacking = encode(figure, form, picture.name)
            files[f"{FIGURES}/{picture.name}.{form}"] = content
            missing.update(lacking)
        svgs[picture.name] = files[f"{FIGURES}/{picture.name}.svg"]
        report(number)
    sections = list(_sections(results, drawn))
    files[ROWS] = _csv(results).encode()
    files[MARKDOWN] = _markdown(results, sections).encode()
    files[PAGE] = _page(results, sections, svgs).encode()
    replace_together({directory / name: content for name, content in files.items()})
    sync_names(directory)
    return [missing_glyphs("".join(sorted(missing)))] if missing else []


def check_results(results: Results) -> None:
    """Raise InputError for infinite numbers and for parts that do not match; `load_results` checks types only."""
    for place, value in _numbers(
        results.model_dump(exclude={"systems": {"__all__": {"runs": {"__all__": {"curve"}}}}})
    ):
        if not math.isfinite(value):
            raise InputError(f"{place} = {value}: no number that a report can hold")
    for number, example in enumerate(results.examples):
        for row in example.rows:
            if [len(weights) for weights in row.weights] != [len(example.source)] * len(row.hypothesis):
                wanted = f"{len(row.hypothesis)} rows of {len(example.source)} are needed, as it has words"
                raise InputError(f"examples.{number}: the weights of {row.system!r} do not fit its words: {wanted}")
    for system in results.systems:
        for test in results.tests:
            found = {tuple((each.shortest, each.longest) for each in run.tests[test].buckets)
                     for run in system.runs if test in run.tests}  # fmt: skip
            if len(found) > 1:
                raise InputError(f"{system.name!r}: its seeds differ in the lengths by which {test} is divided")


def _escape_strings(tree: Any) -> Any:
    """Return the same tree with all strings escaped for display: they come from the texts and names of other people."""
    if isinstance(tree, str):
        return escape_line(re.sub("[ \t\r\n]+", " ", tree))
    if isinstance(tree, dict):
        return {_escape_strings(key): _escape_strings(value) for key, value in tree.items()}
    return list(map(_escape_strings, tree)) if isinstance(tree, (list, tuple)) else tree


def _numbers(tree: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield every float of a tree with the path of keys to it."""
    if isinstance(tree, float):
        yield place, tree
    elif isinstance(tree, (dict, list, tuple)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _numbers(value, f"{place}.{key}" if place else str(key))


def summary(results: Results) -> list[str]:
    """Return sentences that say what was compared, and which system has the highest mean BLEU on each test."""
    finished = sum(len(system.runs) for system in results.systems)
    seeds = f"{_count(len(results.seeds), 'seed')} each ({', '.join(map(str, results.seeds))})"
    tests = f"{_count(len(results.tests), 'test')} ({', '.join(results.tests)})"
    sentences = [
        f"{_count(len(results.systems), 'system')}, {seeds}, on {tests}; {_count(finished, 'run')} finished.",
        *([f"The baseline is {results.baseline}."] if len(results.systems) > 1 else []),
    ]
    for test in results.tests:
        found = [(system.summary[test].bleu, system) for system in results.systems if test in system.summary]
        if found:
            bleu, best = max(found, key=lambda pair: pair[0].mean)
            sentences.append(
                f"The highest mean BLEU on {test} is {tables.plus_minus(bleu)}, of {best.name} "
                f"({_count(bleu.count, 'seed')})."
            )
    return sentences


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def verdicts(results: Results) -> dict[str, list[str]]:
    """Return the verdicts of the contrasts, grouped by metric and test."""
    found: dict[str, list[str]] = {}
    for each in results.contrasts:
        found.setdefault(f"{each.metric} on {each.test}", []).append(each.verdict)
    return found


def settings(results: Results) -> dict[str, str]:
    """Return the settings of the comparison as text by name: tests, seeds, signatures, search, machine."""
    machine = results.machine
    return {
        "Date": results.date,
        "Baseline": results.baseline,
        "Seeds": ", ".join(map(str, results.seeds)),
        "Tests": ", ".join(results.tests),
        **{f"Signature of {metric}": signature for metric, signature in results.signatures.items()},
        "Search": ", ".join(f"{key} {value}" for key, value in results.search.items()),
        "Machine": f"{machine.processor}, {_count(machine.cores, 'core')}, {_count(machine.threads, 'thread')}, "
        f"float32 matmul {machine.matmul_gflops:.4g} GFLOP/s, torch {machine.torch}, Python {machine.python}",
    }


def _sections(results: Results, drawn: Iterable[Picture]) -> Iterator[Section]:
    """Yield the sections between summary and settings, without those that have neither tables nor pictures."""
    by_kind: dict[str, list[Picture]] = {}
    for picture in drawn:
        by_kind.setdefault(picture.name.partition("-")[0], []).append(picture)
    for title, kind, rows, examples in (
        ("Quality", "quality", tables.quality(results), []),
        ("Differences from the baseline", "", tables.contrasts(results), []),
        ("Learning", "learning", [], []),
        ("Source length", "length", tables.lengths(results), []),
        ("Noise", "noise", tables.noise(results), []),
        ("Alignment", "alignment", tables.alignment(results), []),
        ("Attention", "attention", tables.attention(results), results.examples),
        ("Cost", "", tables.cost(results), []),
        ("Runs", "", tables.runs(results), []),
    ):
        folded = kind in ("length", "noise")
        section = Section(title, _drop_repeated_notes(rows), by_kind.get(kind, []), examples, folded)
        if section.tables or section.pictures:
            yield section


def _drop_repeated_notes(rows: list[Table]) -> list[Table]:
    """Keep a note that several tables share only under the last of them."""
    following = [*rows[1:], None]
    pairs = zip(rows, following[: len(rows)], strict=True)
    return [replace(one, note="") if after is not None and one.note == after.note else one for one, after in pairs]


# ----------------------------------------------------------------------------------------------------------- templates


def _page(results: Results, sections: Iterable[Section], svgs: Mapping[str, bytes]) -> str:
    def svg(picture: Picture) -> Markup:
        """Return the SVG without escaping: its serialiser has already escaped every word."""
        return Markup(inline(svgs[picture.name], f"{picture.title}. {picture.caption}"))

    return _render("report.html.jinja", results, sections, {"svg": svg}, autoescape=True)


def _markdown(results: Results, sections: Iterable[Section]) -> str:
    longest = max(map(len, re.findall("`+", _grid(results))), default=0)
    fence = Markup("`" * max(3, longest + 1))
    return _render("report.md.jinja", results, sections, {"fence": fence}, finalize=_escape, keep_trailing_newline=True)


def _escape(value: object) -> str:
    """Escape a value for Markdown, unless the template marks it as `safe`."""
    return value if isinstance(value, Markup) else escape_markdown(str(value))


def _grid(results: Results) -> str:
    return json.dumps(results.grid, indent=2, ensure_ascii=False)


def _render(
    name: str, results: Results, sections: Iterable[Section], more: Mapping[str, object], **options: Any
) -> str:
    """Render a template of this folder. options: how values are escaped, arguments of jinja2.Environment."""
    environment = Environment(
        loader=PackageLoader("seq2seq.comparison.report", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    return environment.get_template(name).render(
        results=results,
        sections=sections,
        summary=summary(results),
        verdicts=verdicts(results),
        settings=settings(results),
        grid=_grid(results),
        **more,
    )


# ----------------------------------------------------------------------------------------------------------------- CSV


def _csv(results: Results) -> str:
    """Return the CSV: a row for every system, seed and test, columns named like the fields of `Results`."""
    keys = list(dict.fromkeys(key for system in results.systems for key in system.values))
    rows = [
        {**_run_columns(system, run, keys), "test": test, **_test_columns(found)}
        for system in results.systems
        for run in system.runs
        for test, found in run.tests.items()
    ]
    columns = list(dict.fromkeys(column for row in rows for column in row)) or ["system", "seed", "test"]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for cells in (columns, *([row.get(column, "") for column in columns] for row in rows)):
        writer.writerow([escape_csv_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _run_columns(system: System, run: RunResult, keys: Iterable[str]) -> dict[str, Any]:
    values = {key: system.values.get(key, "") for key in keys}
    values = {key: value if type(value) in (str, int, float) else json.dumps(value) for key, value in values.items()}
    facts = {"parameters": system.parameters, "step": run.step, "steps": run.steps, "seconds": run.seconds}
    return {"system": system.name, **values, "seed": run.seed, **facts}


def _test_columns(found: TestResult) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in ("bleu", "chrf", "exact"):
        interval = getattr(found, name)
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    row |= {"perplexity": found.perplexity, **found.attention.model_dump()}
    for side, numbers in found.alignment.items():
        row |= {
            f"aer_{side}": numbers.aer.value,
            f"aer_{side}_low": numbers.aer.low,
            f"aer_{side}_high": numbers.aer.high,
        }
        row |= {f"{name}_{side}": getattr(numbers, name) for name in ("precision", "recall", "f1")}
    return row
