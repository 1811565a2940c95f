"""Figures as files: SVG with text as text, PDF with embedded fonts, and PNG. The same figure gives the same bytes.

Characters for which a PDF or PNG has no glyph are returned to the caller, who warns the user. An SVG lists fonts, from
which the program that shows it chooses.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, Literal, cast
from xml.etree import ElementTree
from zlib import crc32

from seq2seq.errors import imports_for

with imports_for("a picture"):
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font
    from matplotlib.text import Text

Form = Literal["svg", "pdf", "png"]

INK = "#1a1a1a"
"""Colour of text and axes; in an HTML page it is replaced by the colour of the page's text, for dark pages."""

STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a word is a dollar
    "legend.fontsize": 7,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "seq2seq",
    "pdf.fonttype": 3,  # matplotlib's type 42 calls the outlines of a CFF font, as Noto CJK is, TrueType
    "image.composite_image": False,
}

BLUE, ORANGE, GREEN, RED, PINK, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
"""The colours of Okabe and Ito (2008), "Color Universal Design", without black and yellow."""

GREY = "#8c8c8c"
WIDTH = 7.2
"""Width of a figure in inches, that of a printed page."""

# A program that shows an SVG uses, for each character, the first of these fonts that is installed and has it.
FAMILIES = (
    "'DejaVu Sans','Noto Sans','Segoe UI',Arial,'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC',"
    "'Hiragino Sans GB','Microsoft YaHei','WenQuanYi Micro Hei','Noto Sans Arabic','Noto Sans Hebrew',"
    "'Noto Sans Devanagari','Noto Sans Thai',sans-serif"
)
# Upright fonts with many characters are tried first; the others follow by name.
_PREFERRED = re.compile(
    r"NotoSans(CJK|SC|Mono CJK)?-Regular|SourceHanSans|wqy|DroidSansFallback|NotoSans\w*-Regular", re.I
)
_SLANTED = re.compile(r"bold|italic|oblique|black|light|thin|medium|condensed", re.I)

_UNDATED: dict[Form, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # matplotlib writes these, although XML forbids them
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure that `draw` makes, with the name of its file, and a title and caption, also for screen readers."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


@contextmanager
def style() -> Iterator[None]:
    """Apply the style of reports within a `with` block, regardless of the user's own matplotlib settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, STYLE))
        yield


def encode(figure: Figure, form: Form, name: str = "figure") -> tuple[bytes, str]:
    """Return the bytes of a figure's file, and the characters that it has no glyphs for.

    For an SVG, these are the characters for which a PDF would have none. name: unique within the HTML page that the SVG
    is for; the ids in the SVG begin with a hash of it.
    """
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)  # the missing characters are returned
        missing = _prepare(figure)
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # computed once, because it is slow and the same for every form
        buffer = BytesIO()
        back = "white" if form == "png" else "none"
        figure.savefig(buffer, format=form, metadata=_UNDATED[form], dpi=200 if form == "png" else 72, facecolor=back)
    if form == "svg":
        return _minify(buffer.getvalue(), name).encode(), missing
    return buffer.getvalue(), missing


def inline(svg: bytes, label: str) -> str:
    """Return an SVG file of `encode` as an HTML element, without a background, in the colour of the page's text."""
    root = ElementTree.fromstring(svg)
    root.remove(root[0])  # the white behind it
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode").replace(INK, "currentColor")


def fonts_for(text: Iterable[str]) -> tuple[list[str], str]:
    """Return installed font families that together have the characters, DejaVu Sans first, and those that none has."""
    wanted = {character for character in "".join(text) if character.isprintable() and not character.isspace()}
    families = list(STYLE["font.family"])
    wanted -= _characters(font_manager.findfont(families[0]))
    for path in _installed() if wanted else ():
        found = wanted & _characters(path)
        if found:
            families.append(_family(path))
            wanted -= found
        if not wanted:
            break
    return families, "".join(sorted(wanted))


def missing_glyphs(characters: str) -> str:
    """Return a warning that names the characters, at most 20 of them."""
    shown = characters if len(characters) <= 20 else f"{characters[:20]} and {len(characters) - 20} more"
    return f"no installed font has {shown}: PDF and PNG figures show boxes there; install one, such as Noto Sans CJK"


def _prepare(figure: Figure) -> str:
    """Give every text the fonts that the figure needs; return the characters without a glyph."""
    texts = [each for each in figure.findobj(Text) if isinstance(each, Text)]
    families, missing = fonts_for(each.get_text() for each in texts)
    for each in texts:
        each.set_fontfamily(families)
    return missing


@cache
def _installed() -> tuple[str, ...]:
    """Return all font files, the preferred ones first."""
    paths = font_manager.findSystemFonts()
    return tuple(sorted(paths, key=lambda path: (not _PREFERRED.search(path), bool(_SLANTED.search(path)), path)))


@cache
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (RuntimeError, OSError):  # not a font, or one with bitmaps only
        return frozenset()


@cache
def _family(path: str) -> str:
    """Register a font file with matplotlib and return the name of its family."""
    known = [entry.name for entry in font_manager.fontManager.ttflist if entry.fname == path]
    if not known:
        font_manager.fontManager.addfont(path)
        known = [entry.name for entry in font_manager.fontManager.ttflist if entry.fname == path]
    return known[0]


def _minify(svg: bytes, name: str) -> str:
    """Return matplotlib's SVG at a third of the size.

    Fonts and styles are defined once, unused ids are removed, coordinates are rounded to a tenth of a point.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(_NOT_XML.sub("\ufffd", svg.decode()))
    for tag in ("metadata", "defs"):
        for child in root.findall(f"{{{_SVG}}}{tag}"):
            if tag == "metadata" or child.find(f"{{{_SVG}}}style") is not None:
                root.remove(child)
    root.set("font-family", FAMILIES)
    root.set("stroke-linejoin", "round")
    root.set("fill", INK)
    # Ids and classes belong to the whole HTML page, which has many figures.
    prefix = f"f{crc32(name.encode()) & 0xFFFFF:05x}"
    _rename_ids(root, prefix)
    for element in root.iter():
        _shorten_numbers(element)
    _merge_uses(root)
    _flatten(root)
    sheet = ElementTree.Element(f"{{{_SVG}}}style")
    sheet.text = _replace_styles(root, prefix)
    root.insert(0, sheet)
    root.insert(0, ElementTree.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#fff"}))
    return ElementTree.tostring(root, encoding="unicode")


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    """Rename the ids that something refers to, to PREFIX-1, PREFIX-2, ..., and remove the others."""
    names: dict[str, str] = {}

    def new(old: str) -> str:
        return names.setdefault(old, f"{prefix}-{len(names) + 1}")

    link = f"{{{_LINK}}}href"
    for element in root.iter():
        for key, value in element.attrib.items():
            element.set(key, _REFERENCE.sub(lambda match: f"url(#{new(match[1])})", value))
        if element.get(link, "").startswith("#"):
            element.set(link, f"#{new(element.get(link, '')[1:])}")
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in names:
            element.set("id", names[old])


def _shorten_numbers(element: ElementTree.Element) -> None:
    if element.text is not None and not element.text.strip():
        element.text = None
    element.tail = None
    for key in {"d", "x", "y"} & element.attrib.keys():
        short = _NUMBER.sub(lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), element.get(key, ""))
        element.set(key, re.sub(r"(?<!M) ?L ", " ", re.sub(r"\s+", " ", short)).replace("M ", "M").strip())
    if element.tag == f"{{{_SVG}}}text":
        _shorten_text(element)
    if "style" in element.attrib:
        kept = [part.replace(": ", ":") for part in element.get("style", "").split("; ") if part]
        element.set("style", ";".join(kept))


def _shorten_text(element: ElementTree.Element) -> None:
    style = element.attrib.pop("style", "")
    for key, value in re.findall(r"(font-size|font-weight|text-anchor|fill|opacity): ([^;]+)", style):
        if value not in (INK, "start"):  # the root has this colour, and start is the default
            element.set(key, value.removesuffix("px"))
    place = element.get("transform", "")
    if re.match(r"rotate\(-?0 ", place) or not place:
        element.attrib.pop("transform", None)
    else:
        element.set("transform", re.sub(r"\d+\.\d+", lambda match: f"{float(match[0]):.1f}", place))


def _merge_uses(root: ElementTree.Element) -> None:
    """Move a marker's style from its uses to its definition, if it is the same in all uses."""
    uses: dict[str, list[ElementTree.Element]] = {}
    for use in root.iter(f"{{{_SVG}}}use"):
        uses.setdefault(use.get(f"{{{_LINK}}}href", ""), []).append(use)
    for marker in root.iter(f"{{{_SVG}}}path"):
        styles = {use.get("style", "") for use in uses.get(f"#{marker.get('id')}", [])}
        if len(styles) == 1:
            both = ";".join(filter(None, [marker.get("style", ""), styles.pop()])).split(";")
            marker.set(
                "style",
                ";".join(f"{key}:{value}" for key, value in (part.split(":", 1) for part in dict.fromkeys(both))),
            )
            for use in uses[f"#{marker.get('id')}"]:
                del use.attrib["style"]


def _replace_styles(root: ElementTree.Element, prefix: str) -> str:
    """Replace style attributes by classes; return the style sheet that defines them."""
    names: dict[str, str] = {}
    for element in root.iter():
        style = element.attrib.pop("style", "")
        if style:
            element.set("class", names.setdefault(style, f"{prefix}{len(names)}"))
    return "".join(f".{name}{{{style}}}" for style, name in names.items())


def _flatten(element: ElementTree.Element) -> None:
    """Replace each group without attributes by its children."""
    for place in reversed(range(len(element))):
        child = element[place]
        _flatten(child)
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            element.remove(child)
            for grandchild in reversed(list(child)):
                element.insert(place, grandchild)


def shorten(text: str, longest: int = 24) -> str:
    """Return the text, shortened with … to at most `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
