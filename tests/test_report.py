"""The report of a comparison: pictures, page, Markdown and CSV, all from `Results` alone."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from fake_results import make_results, minimal_results
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from test_cli import invoke

from seq2seq import durable
from seq2seq.comparison.report import curves, pictures, plots, report, tables
from seq2seq.comparison.report.heatmaps import attention_map, attention_side_by_side
from seq2seq.comparison.report.pictures import encode, fonts_for, inline
from seq2seq.comparison.report.report import write_report
from seq2seq.comparison.results import CurvePoint, Results, SeedStatistics
from seq2seq.errors import Seq2SeqError

TEXT = "{http://www.w3.org/2000/svg}text"
LARGEST = 60_000  # bytes of a figure


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(5)


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it."""
    directory = tmp_path_factory.mktemp("report") / "new" / "folder"
    write_report(results, directory)
    return directory


def figures(found: Results) -> dict[str, Figure]:
    return {picture.name: picture.draw() for picture in plots.pictures(found)}


@pytest.fixture(scope="module")
def drawn(results: Results) -> dict[str, Figure]:
    return figures(results)


def words_of(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(TEXT)]


# ------------------------------------------------------------------------------------------------------------ pictures


@pytest.mark.slow
def test_every_kind_of_picture_is_drawn(written: Path, results: Results) -> None:
    names = ["quality", "learning", "length-bleu", "length-exact", "noise", "alignment"]
    names += [f"attention-{number}" for number in (1, 2, 3)]
    assert [picture.name for picture in plots.pictures(results)] == names
    files = {f"{name}.{form}" for name in names for form in ("svg", "pdf")}
    assert {path.name for path in (written / "figures").iterdir()} == files


def test_the_least_results_have_all_pictures_they_can() -> None:
    drawn = figures(minimal_results())
    assert list(drawn) == ["quality", "learning", "length-bleu", "length-exact"]
    for name, figure in drawn.items():
        assert encode(figure, "pdf", name)[0].startswith(b"%PDF")
    (perplexity,) = drawn["learning"].axes
    assert perplexity.get_ylabel() == "perplexity per target piece"
    assert len(perplexity.get_yticks()) >= 2


def test_a_comparison_of_which_nothing_is_finished_has_a_report(tmp_path: Path) -> None:
    least = minimal_results()
    system = least.systems[0].model_copy(update={"runs": [], "summary": {}})
    write_report(least.model_copy(update={"systems": [system], "missing": ["additive, seed 7"]}), tmp_path)
    assert "additive, seed 7" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0 runs finished" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert not list((tmp_path / "figures").iterdir())


@pytest.mark.slow
def test_many_systems_have_small_panels_of_their_own() -> None:
    many = make_results(24, tests=["test"], kinds=["drop"], examples=1, curve=90)
    drawn = figures(many)
    names = ["learning-perplexity", "learning-bleu", "length-bleu-test", "length-exact-test", "noise-drop"]
    assert list(drawn) == ["quality", *names, "alignment", "attention-1"]
    for name in names:
        titles = [" ".join(ax.get_title().split()) for ax in drawn[name].axes if ax.get_title()]
        assert titles == [system.name for system in many.systems]
        assert len(drawn[name].legends[0].get_texts()) == 3
    for name in ("learning-perplexity", "alignment", "attention-1"):  # the largest
        assert len(encode(drawn[name], "svg", name)[0]) < LARGEST, name
    maps = drawn["attention-1"]
    widths = [ax.get_position().width * maps.get_figwidth() for ax in maps.axes]
    np.testing.assert_allclose(widths, 7 * 0.17)  # cells of one size


def test_tests_whose_names_make_one_file_name_keep_their_pictures() -> None:
    many = make_results(7, tests=["a/b", "a b"], kinds=[], examples=0, links=False)
    names = [picture.name for picture in plots.pictures(many)]
    assert [name for name in names if name.startswith("length-bleu")] == ["length-bleu-1", "length-bleu-2"]


def test_curves_are_mean_and_range_of_the_seeds() -> None:
    few = make_results(2, examples=0)
    run = few.systems[0].runs[0]
    short = run.model_copy(update={"curve": [*run.curve[:4], CurvePoint(step=5, perplexity=1, bleu=None)]})
    system = few.systems[0].model_copy(update={"runs": [short, *few.systems[0].runs[1:]]})
    line = curves._learning_line(system, "bleu", 40)
    assert line.x == [100, 200, 300, 400]
    values = np.array([[point.bleu for point in each.curve[:4]] for each in few.systems[0].runs])
    np.testing.assert_allclose([line.y, line.low, line.high], [values.mean(0), values.min(0), values.max(0)])


def test_a_validation_without_a_number_is_left_out() -> None:
    least = minimal_results()
    values = {10: 9.0, 20: float("inf"), 30: float("nan"), 40: 3.0}
    curve = [CurvePoint(step=step, perplexity=value, bleu=None) for step, value in values.items()]
    run = least.systems[0].runs[0].model_copy(update={"curve": curve})
    system = least.systems[0].model_copy(update={"runs": [run]})
    (picture,) = curves.learning_curves(least.model_copy(update={"systems": [system]}))
    assert picture.draw().axes[0].get_lines()[0].get_xydata().tolist() == [[10, 9], [40, 3]]


def test_panels_show_the_numbers(results: Results, drawn: dict[str, Figure]) -> None:
    learning, noise = drawn["learning"].axes[0], drawn["noise"].axes[1]
    assert learning.get_yscale() == "log"
    assert [ax.get_xlabel() for ax in drawn["learning"].axes] == ["training steps"] * 2
    for number, system in enumerate(results.systems):
        want = np.mean([[point.perplexity for point in run.curve] for run in system.runs], axis=0)
        np.testing.assert_allclose(learning.get_lines()[number].get_ydata(), want)
        line = noise.get_lines()[number]
        np.testing.assert_allclose(line.get_xdata(), [0, 10, 20, 30])
        np.testing.assert_allclose(line.get_ydata(), [spread.mean for _, spread in system.noise["swap"]])
        band = noise.patches[number].get_xy()
        _, spread = system.noise["swap"][0]
        assert spread.deviation is not None
        ends = [spread.mean - spread.deviation, spread.mean + spread.deviation]
        np.testing.assert_allclose([band[0][1], band[7][1]], ends)
    exact = drawn["length-exact"].axes[0]
    assert [label.get_text() for label in exact.get_xticklabels()] == ["1–5", "6–10", "11–15", "16–20", "21–25"]
    first = [run.tests["test"].buckets[0].exact for run in results.systems[0].runs]
    (low, high) = exact.collections[0].get_segments()[0][:, 1]
    np.testing.assert_allclose([low, high], 100 * np.mean([[each.low, each.high] for each in first], axis=0))


def test_systems_in_one_panel_differ_by_more_than_colour() -> None:
    (picture,) = curves.noise_curves(make_results(6, tests=["test"], kinds=["drop"], examples=0))
    lines = picture.draw().axes[0].get_lines()
    looks = [(line.get_color(), line.get_marker(), str(line._dash_pattern)) for line in lines]
    assert [len(set(part)) for part in zip(*looks, strict=True)] == [6, 6, 6]


def test_dots_show_seeds_means_and_what_is_not_measured(results: Results, drawn: dict[str, Figure]) -> None:
    seeds, spread, mean = drawn["quality"].axes[0].get_lines()[:3]
    runs = [run.tests["test"].bleu.value for run in results.systems[0].runs]
    np.testing.assert_allclose(seeds.get_xdata(), runs)
    np.testing.assert_allclose(mean.get_xdata(), np.mean(runs))
    np.testing.assert_allclose(spread.get_xdata(), np.mean(runs) + np.std(runs, ddof=1) * np.array([-1, 1]))
    alignment = drawn["alignment"].axes[0]
    assert [text.get_text() for text in alignment.texts] == ["not measured"]
    assert alignment.texts[0].get_position()[1] == 1  # the second system's row
    step = [100 * run.tests["test"].alignment["step"].aer.value for run in results.systems[0].runs]
    np.testing.assert_allclose(alignment.get_lines()[0].get_xdata(), step)


def test_a_heatmap_has_the_source_across_and_the_target_down() -> None:
    figure = attention_map([[0.1, 0.7, 0.2], [0.6, 0.1, 0.3]], ["Der", "$Hund$", "狗"], ["The", "dog"], "additive")
    ax = figure.axes[0]
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.1, 0.7, 0.2], [0.6, 0.1, 0.3]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Der", "$Hund$", "狗"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["The", "dog"]
    assert ax.yaxis_inverted()
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (0, 1)
    assert {"Der", "$Hund$", "狗", "The", "dog", "additive"} <= set(words_of(encode(figure, "svg")[0]))
    with pytest.raises(ValueError, match="reshape"):
        attention_map([[0.5, 0.5]], ["a"], ["b"])


def test_a_system_that_wrote_nothing_has_an_empty_map(results: Results) -> None:
    example = results.examples[0]
    silent = example.rows[0].model_copy(update={"hypothesis": [], "weights": []})
    figure = attention_side_by_side(example.model_copy(update={"rows": [silent, *example.rows[1:]]}))
    assert "no words" in words_of(encode(figure, "svg")[0])


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.slow
def test_words_of_every_script_are_text_in_an_svg(written: Path) -> None:
    words = words_of((written / "figures" / "attention-3.svg").read_bytes())
    assert {"那", "狗", "看见", "孩子", "Hund", "additive luong"} <= set(words)
    svg = (written / "figures" / "attention-3.svg").read_text(encoding="utf-8")
    assert "Noto Sans CJK SC" in svg
    assert "sans-serif" in svg


def test_figures_are_small_and_without_dates(written: Path) -> None:
    for path in (written / "figures").iterdir():
        content = path.read_bytes()
        assert len(content) < LARGEST, path.name
        assert b"CreationDate" not in content
        assert b"<metadata" not in content
        assert b"<!--" not in content


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_the_same_results_give_the_same_bytes(form: pictures.Form) -> None:
    some = make_results(2, seeds=[1, 2], tests=["test"])
    for draw in (plots.quality(some)[0].draw, partial(attention_side_by_side, some.examples[2])):
        first, second = (encode(draw(), form)[0] for _ in range(2))
        assert first == second


def test_the_users_own_style_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (picture,) = plots.quality(minimal_results())
    before = encode(picture.draw(), "svg")[0]
    for key, value in {"axes.labelsize": 30, "xtick.direction": "in"}.items():
        monkeypatch.setitem(pictures.matplotlib.rcParams, key, value)
    assert encode(picture.draw(), "svg")[0] == before


@pytest.mark.parametrize(("form", "begin"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_a_figure_has_the_form_that_is_asked_for(form: pictures.Form, begin: bytes) -> None:
    content, missing = encode(attention_map([[1.0]], ["a"], ["b"]), form)
    assert content.startswith(begin)
    assert missing == ""


def test_characters_without_a_glyph_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_installed", lambda: ())
    figure = attention_map([[1.0]], ["Hund"], ["狗狼"])
    for form in ("svg", "pdf", "png"):
        assert encode(figure, form)[1] == "狗狼"
    assert fonts_for("Männer") == (["DejaVu Sans"], "")


def test_a_font_that_has_the_characters_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    serif = str(Path(pictures.matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf"))
    real = pictures._characters
    monkeypatch.setattr(pictures, "_installed", lambda: ("nowhere.ttf", serif))
    monkeypatch.setattr(pictures, "_characters", lambda path: frozenset("狗") if path == serif else real(path))
    assert fonts_for("a狗狼") == (["DejaVu Sans", "DejaVu Serif"], "狼")


def test_what_xml_cannot_hold_is_replaced() -> None:
    svg, _ = encode(attention_map([[1.0]], ["a"], ["<&>"], title="a\x00\x07b"), "svg")
    assert {"a\ufffd\ufffdb", "<&>"} <= set(words_of(svg))


def test_words_of_a_heat_map_only_show() -> None:
    svg, _ = encode(attention_map([[1.0]], ["a\u202eb"], ["\x9b2J"]), "svg")
    assert {r"a\u202eb", r"\x9b2J"} <= set(words_of(svg))


def test_inline_svg_takes_the_colours_of_its_page() -> None:
    svg, _ = encode(attention_map([[1.0]], ["a"], ["b"]), "svg")
    assert b'fill="#fff"' in svg
    element = inline(svg, 'said "aloud" & <so>')
    assert "currentColor" in element
    assert pictures.INK not in element
    assert 'fill="#fff"' not in element
    assert ElementTree.fromstring(element).get("aria-label") == 'said "aloud" & <so>'


def test_a_full_disk_replaces_nothing(monkeypatch: pytest.MonkeyPatch, results: Results, tmp_path: Path) -> None:
    for name in ("report.html", "results.csv"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    real = durable.write_durably

    def write(path: Path, content: bytes) -> None:
        if "report.md" in path.name:
            path.write_bytes(content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    monkeypatch.setattr(durable, "write_durably", write)
    with pytest.raises(Seq2SeqError, match=r"report\.md: cannot be written: No space left on device"):
        write_report(minimal_results(), tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"figures", "report.html", "results.csv"}
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"


# ---------------------------------------------------------------------------------------------------------------- page


class Page(HTMLParser):
    """What a page holds; fails on a tag that is not closed where it should be."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.ids, self.attributes = list[str](), Counter[str](), list[str](), list[Any]()
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += f" {data}"


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page((written / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_asks_nothing_of_a_network(page: Page, written: Path) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "iframe", "object", "img"} & set(page.tags)
    for tag, attributes in page.attributes:
        for key in ("src", "href", "xlink:href"):
            assert attributes.get(key, "#").startswith(("#", "data:")), tag
    text = (written / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_page_names_every_system_verdict_and_missing_run(page: Page, results: Results) -> None:
    words = " ".join(page.words.split())
    for system in results.systems:
        assert words.count(system.name) > 10
    for contrast in results.contrasts:
        assert contrast.verdict in words
    for signature in (*results.signatures.values(), *results.missing, results.title, results.machine.processor):
        assert signature in words
    assert "The highest mean BLEU on long is 54.71 ± 0.98, of dot luong (3 seeds)." in words


def test_the_page_speaks_to_those_who_cannot_see_it(page: Page, results: Results) -> None:
    labels = [attributes["aria-label"] for tag, attributes in page.attributes if tag == "svg"]
    assert len(labels) == 6  # attention maps are tables
    assert all(len(label) > 40 for label in labels)
    assert all(attributes.get("role") == "img" for tag, attributes in page.attributes if tag == "svg")
    maps = [attributes for tag, attributes in page.attributes if attributes.get("class") == "map"]
    assert len(maps) == len(results.systems) * len(results.examples) == page.tags["caption"]
    assert all("scope" in attributes for tag, attributes in page.attributes if tag == "th")
    weights = [weight for row in results.examples[0].rows[0].weights for weight in row]
    assert " ".join(f"{100 * weight:.0f}" for weight in weights[:7]) in " ".join(page.words.split())


def test_what_people_write_is_no_markup(tmp_path: Path) -> None:
    evil = '<script>alert("1")</script>'
    some = make_results(2, seeds=[1], tests=["test"], kinds=[], examples=1, links=False)
    example = some.examples[0]
    rows = [row.model_copy(update={"hypothesis": [evil, *row.hypothesis[1:]]}) for row in example.rows]
    example = example.model_copy(update={"rows": rows, "source": [evil, *example.source[1:]], "reference": evil})
    contrast = some.contrasts[0].model_copy(update={"verdict": f"It is {evil} | *bold*"})
    system = some.systems[1].model_copy(update={"name": f"a {evil}"})
    grid = {evil: "```"}
    change = {"title": evil, "examples": [example], "contrasts": [contrast], "missing": [evil], "grid": grid}
    write_report(some.model_copy(update={**change, "systems": [some.systems[0], system]}), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert Page(text).words.count(evil) > 8
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert r"It is \<script\>alert(&quot;" not in markdown
    assert r"It is \<script\>alert(" "" in markdown
    assert r"\| \*bold\*" in markdown
    outside, _, fenced = markdown.partition("````json")
    assert not re.search(r"(?<!\\)<script", outside)
    assert fenced.rstrip().endswith("````")


# ---------------------------------------------------------------------------------------------------- tables, Markdown


def markdown_tables(text: str) -> dict[str, list[dict[str, str]]]:
    """Heading -> rows by column, the backslashes of escapes removed."""
    found = {}
    for heading, body in re.findall(r"(?m)^### (.*)\n\n((?:\|.*\n)+)", text):
        lines = [re.sub(r"\\(.)", r"\1", line) for line in body.strip().split("\n")]
        columns, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
        found[re.sub(r"\\(.)", r"\1", heading)] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def parsed(cell: str) -> tuple[float, float | None] | None:
    """Mean and deviation."""
    if cell == tables.NONE:
        return None
    mean, _, deviation = cell.replace(",", "").partition(" ± ")
    return float(mean), float(deviation) if deviation else None


def check(cell: str, want: SeedStatistics | float | None, unit: float, scale: float = 1.0) -> None:
    """A cell is its number, rounded to `unit`."""
    found = parsed(cell)
    if want is None:
        assert found is None
        return
    assert found is not None
    pair = (want.mean, want.deviation) if isinstance(want, SeedStatistics) else (want, None)
    for number, expected in zip(found, pair, strict=True):
        assert (number is None) == (expected is None), cell
        if number is not None and expected is not None:
            assert abs(number - scale * expected) <= 0.501 * unit, cell


@pytest.mark.parametrize("seed", range(3))
def test_markdown_has_the_numbers_of_the_results(seed: int, results: Results) -> None:
    found = make_results(5, seed=seed)
    shown = markdown_tables(report._markdown(found, list(report._sections(found, []))))
    for test in found.tests:
        rows = [shown[f"{kind} on {test}"] for kind in ("Quality", "Attention")]
        for system, quality, attention in zip(found.systems, *rows, strict=True):
            summary = system.summary[test]
            assert quality["system"] == attention["system"] == system.name
            assert int(quality["seeds"]) == len(system.runs)
            check(quality["parameters"], system.parameters, 1)
            check(quality["BLEU"], summary.bleu, 0.01)
            check(quality["chrF2++"], summary.chrf, 0.01)
            check(quality["perplexity"], summary.perplexity, 0.001)
            check(quality["exact (%)"], summary.exact, 0.01, 100)
            check(attention["entropy (nats)"], summary.entropy, 0.001)
            check(attention["coverage (%)"], summary.coverage, 0.01, 100)
            check(attention["distance from diagonal (%)"], summary.diagonal, 0.01, 100)
            relative = np.mean([run.tests[test].attention.relative_entropy for run in system.runs])
            check(attention["relative entropy"], float(relative), 0.001)
            for side in ("step", "shifted"):
                of_both = [row for row in shown[f"Alignment on {test}"] if row["system"] == system.name]
                (row,) = [row for row in of_both if row["weights of"] == side] or of_both
                check(row["AER (%)"], summary.aer.get(side), 0.01, 100)
                f1 = [run.tests[test].alignment[side].f1 for run in system.runs if summary.aer]
                check(row["F1 (%)"], float(np.mean(f1)) if f1 else None, 0.01, 100)
    for contrast in found.contrasts:
        heading = f"{contrast.metric} on {contrast.test} against {contrast.baseline}"
        (row,) = [row for row in shown[heading] if row["system"] == contrast.system]
        assert row["difference"] == f"{contrast.difference:+.2f}"
        for column, name in (("bootstrap", "p_bootstrap"), ("seeds", "p_seeds"), ("corrected", "p_corrected")):
            cell = row[f"p, {column}"]
            check(cell.removeprefix("< "), getattr(contrast, name), 0.0002 if cell.startswith("<") else 0.0001)
    for kind in ("drop", "swap", "typo"):
        for system, row in zip(found.systems, shown[f"Noise: {kind}"], strict=True):
            for rate, spread in system.noise[kind]:
                check(row[f"BLEU at {100 * rate:.0f} %"], spread, 0.01)
    for system, row in zip(found.systems, shown["Cost"], strict=True):
        check(row["training (target tokens/s)"], system.cost and system.cost.training_tokens, 1)
        check(row["peak memory (MiB)"], system.cost and system.cost.training_peak, 1, 1 / (1 << 20))
        check(row["translation (sentences/s)"], system.cost and system.cost.translation_sentences, 0.1)
    lengths = shown["By source length on long"]
    assert [row["measure"] for row in lengths] == ["sentences", *["BLEU", "exact (%)"] * 5]
    exact = [run.tests["long"].buckets[1].exact.value for run in found.systems[0].runs]
    check(lengths[2]["6–10 words"], float(np.mean(exact)), 0.01, 100)
    assert len(shown["Runs"]) == 14


@given(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6), st.integers(0, 4), st.sampled_from([1.0, 100.0]))
def test_cells_are_rounded_numbers(mean: float, deviation: float | None, decimals: int, scale: float) -> None:
    spread = SeedStatistics(mean=mean, deviation=deviation, count=2)
    check(tables.plus_minus(spread, decimals, scale), spread, 10.0**-decimals, scale)


def test_probabilities_are_never_nought() -> None:
    assert [tables.probability(value) for value in (None, 0.0, 0.00004, 0.0001, 0.05, 1.0)] == [
        "–",
        "< 0.0001",
        "< 0.0001",
        "0.0001",
        "0.0500",
        "1.0000",
    ]


def test_markdown_links_the_figures(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    linked = re.findall(r"!\[[^\n]*\]\(([^)]+)\)", text)
    assert linked == [f"figures/{picture.name}.svg" for picture in plots.pictures(make_results(5))]
    assert all((written / link).is_file() for link in linked)


def test_strangers_strings_only_show(tmp_path: Path) -> None:
    """Such as are in results.json: nothing turns the writing direction or is a formula, numbers stay numbers."""
    text = (
        minimal_results()
        .model_dump_json()
        .replace('"value":', '"value": -')
        .replace(minimal_results().systems[0].name, "=1+1")
    )
    tree = json.loads(text)
    tree["title"] = "a\u202eb\x1b[2J\nc"
    tree["systems"][0]["values"] = {"@key": "-2", "b": -2}
    tree["machine"]["processor"] = "\x9b<script>"
    write_report(Results.model_validate(tree), tmp_path)
    titles = {"report.html": r"a\u202eb\x1b[2J c", "report.md": r"a\\u202eb\\x1b\[2J c"}
    for name, title in titles.items():
        written = (tmp_path / name).read_text(encoding="utf-8")
        assert title in written
        assert not [each for each in written if unicodedata.category(each) in ("Cc", "Cf") and each != "\n"]
        assert "<script>" not in written.replace(r"\<script\>", "")
    header, row, *_ = csv.reader(io.StringIO((tmp_path / "results.csv").read_text(encoding="utf-8")))
    found = dict(zip(header, row, strict=True))
    assert (found["system"], found["'@key"], found["b"]) == ("'=1+1", "'-2", "-2")
    assert float(found["bleu"]) < 0


def test_csv_has_a_row_for_every_system_seed_and_test(written: Path, results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO((written / "results.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 14 * 3
    by_place = {(row["system"], int(row["seed"]), row["test"]): row for row in rows}
    for system in results.systems:
        for run in system.runs:
            for test, want in run.tests.items():
                row = by_place[system.name, run.seed, test]
                assert row["model.score"] == system.values["model.score"]
                assert float(row["bleu"]) == want.bleu.value
                assert float(row["exact_high"]) == want.exact.high
                assert float(row["relative_entropy"]) == want.attention.relative_entropy
                aer = want.alignment.get("shifted")
                assert row["aer_shifted_low"] == ("" if aer is None else str(aer.aer.low))
                assert row["recall_step"] == (str(want.alignment["step"].recall) if aer else "")


# ------------------------------------------------------------------------------------------------------------- browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page(browser: Any, written: Path, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    told, asked = list[str](), list[str]()
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    address = (written / "report.html").as_uri()
    tab.goto(address)
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert told == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
    assert tab.evaluate(f"{wide} && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 80))") == []
    body = "getComputedStyle(document.body)"
    paper, ink = tab.evaluate(f"[{body}.backgroundColor, {body}.color]")
    drawn = tab.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    assert drawn == ink != paper
    tab.close()


def test_paper_shows_what_is_folded_and_cuts_nothing_off(browser: Any, written: Path, results: Results) -> None:
    tab = browser.new_page(viewport={"width": 700, "height": 1000})  # about the width of A4 between its margins
    tab.goto((written / "report.html").as_uri())
    folded = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
    assert tab.evaluate(f"{folded}.some(each => each.checkVisibility())") is False
    tab.emulate_media(media="print")
    assert tab.evaluate(f"{folded}.every(each => each.checkVisibility())")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 700
    tab.close()


# ----------------------------------------------------------------------------------------------------------------- CLI


def test_plot_results_writes_the_report_again(tmp_path: Path) -> None:
    few = minimal_results()
    write_report(few, tmp_path / "first")
    (tmp_path / "results.json").write_text(few.model_dump_json(), encoding="utf-8")
    done = invoke("plot", "results", str(tmp_path / "results.json"), "--output", str(tmp_path / "new" / "again"))
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    first, again = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "first", tmp_path / "new" / "again")
    )
    assert first.keys() == again.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_plot_results_names_characters_without_a_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = minimal_results().systems[0].model_copy(update={"name": "狗"})
    few = minimal_results().model_copy(update={"systems": [system], "baseline": "狗"})
    (tmp_path / "results.json").write_text(few.model_dump_json(), encoding="utf-8")
    monkeypatch.setattr(pictures, "_installed", lambda: ())
    done = invoke("plot", "results", str(tmp_path / "results.json"), "-o", str(tmp_path / "report"))
    assert done.exit_code == 0
    told = "no installed font has 狗: PDF and PNG figures show boxes there; install one, such as Noto Sans CJK"
    assert done.stderr == f"warning: {told}\n"
