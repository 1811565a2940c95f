"""A figure as a file: SVG whose text stays text, PDF with its fonts in it, PNG. The same figure gives the same bytes.

No script is left out silently: what a PDF or PNG has no glyph for is returned to the caller, who tells the user. An SVG
leaves the choice of a font to who shows it, from a list.
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
"""Text and axes; in a page they take the colour of its text, so that they show on a dark one."""

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
"""Okabe and Ito (2008), "Color Universal Design", without black and yellow."""

GREY = "#8c8c8c"
WIDTH = 7.2
"""Inches, as a page has."""

# Who shows an SVG takes the first that it has, character by character.
FAMILIES = (
    "'DejaVu Sans','Noto Sans','Segoe UI',Arial,'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC',"
    "'Hiragino Sans GB','Microsoft YaHei','WenQuanYi Micro Hei','Noto Sans Arabic','Noto Sans Hebrew',"
    "'Noto Sans Devanagari','Noto Sans Thai',sans-serif"
)
# Fonts that have most, and upright; the others follow by name.
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
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # which matplotlib writes all the same
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure still to be drawn, the name of its file and the sentences under it, which are for the blind, too."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


@contextmanager
def style() -> Iterator[None]:
    """Draw within it, so that nothing of the user's own matplotlib settings shows."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, STYLE))
        yield


def encode(figure: Figure, form: Form, name: str = "figure") -> tuple[bytes, str]:
    """A figure's file, and the characters that it has no glyphs for (of an SVG: that a PDF would have none for).

    name: unique in the page that an SVG is for; its ids begin with it.
    """
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)  # told by what is returned
        missing = _prepare(figure)
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # found once, for it is slow, and the same for every form
        buffer = BytesIO()
        back = "white" if form == "png" else "none"
        figure.savefig(buffer, format=form, metadata=_UNDATED[form], dpi=200 if form == "png" else 72, facecolor=back)
    if form == "svg":
        return _small(buffer.getvalue(), name).encode(), missing
    return buffer.getvalue(), missing


def inline(svg: bytes, label: str) -> str:
    """An SVG file of `encode` as an element of an HTML page: without a background, in the colour of the page's text."""
    root = ElementTree.fromstring(svg)
    root.remove(root[0])  # the white behind it
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode").replace(INK, "currentColor")


def fonts_for(text: Iterable[str]) -> tuple[list[str], str]:
    """Installed families that together have the characters, DejaVu Sans first, and the characters that none has."""
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
    """A warning that names them."""
    shown = characters if len(characters) <= 20 else f"{characters[:20]} and {len(characters) - 20} more"
    return f"no installed font has {shown}: PDF and PNG figures show boxes there; install one, such as Noto Sans CJK"


def _prepare(figure: Figure) -> str:
    """Give every text the fonts that the figure needs. Returns what has no glyph."""
    texts = [each for each in figure.findobj(Text) if isinstance(each, Text)]
    families, missing = fonts_for(each.get_text() for each in texts)
    for each in texts:
        each.set_fontfamily(families)
    return missing


@cache
def _installed() -> tuple[str, ...]:
    """Font files, the ones to take first first."""
    paths = font_manager.findSystemFonts()
    return tuple(sorted(paths, key=lambda path: (not _PREFERRED.search(path), bool(_SLANTED.search(path)), path)))


@cache
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (RuntimeError, OSError):  # a font that is none, or has bitmaps only
        return frozenset()


@cache
def _family(path: str) -> str:
    """Its name, known to matplotlib from now on."""
    known = [entry.name for entry in font_manager.fontManager.ttflist if entry.fname == path]
    if not known:
        font_manager.fontManager.addfont(path)
        known = [entry.name for entry in font_manager.fontManager.ttflist if entry.fname == path]
    return known[0]


def _small(svg: bytes, name: str) -> str:
    """What matplotlib wrote, at a third of the size: fonts and styles said once, no unused ids, a tenth of a point."""
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
    prefix = f"f{crc32(name.encode()) & 0xFFFFF:05x}"  # a page has many figures, and ids and classes are the page's
    _rename(root, prefix)
    for element in root.iter():
        _shorten(element)
    _merge_uses(root)
    _flatten(root)
    sheet = ElementTree.Element(f"{{{_SVG}}}style")
    sheet.text = _classes(root, prefix)
    root.insert(0, sheet)
    root.insert(0, ElementTree.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#fff"}))
    return ElementTree.tostring(root, encoding="unicode")


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that something refers to, as PREFIX-1, PREFIX-2, ..."""
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


def _shorten(element: ElementTree.Element) -> None:
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
        if value not in (INK, "start"):  # said by the root, and by SVG
            element.set(key, value.removesuffix("px"))
    place = element.get("transform", "")
    if re.match(r"rotate\(-?0 ", place) or not place:
        element.attrib.pop("transform", None)
    else:
        element.set("transform", re.sub(r"\d+\.\d+", lambda match: f"{float(match[0]):.1f}", place))


def _merge_uses(root: ElementTree.Element) -> None:
    """Give a marker its look where it is defined, if it looks the same wherever it is used."""
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


def _classes(root: ElementTree.Element, prefix: str) -> str:
    """Turn styles into classes; returns the sheet that tells what they mean."""
    names: dict[str, str] = {}
    for element in root.iter():
        style = element.attrib.pop("style", "")
        if style:
            element.set("class", names.setdefault(style, f"{prefix}{len(names)}"))
    return "".join(f".{name}{{{style}}}" for style, name in names.items())


def _flatten(element: ElementTree.Element) -> None:
    """Replace each group that says nothing by what it holds."""
    for place in reversed(range(len(element))):
        child = element[place]
        _flatten(child)
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            element.remove(child)
            for grandchild in reversed(list(child)):
                element.insert(place, grandchild)


def cut(text: str, longest: int = 24) -> str:
    """A word or a name that a figure has room for."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
