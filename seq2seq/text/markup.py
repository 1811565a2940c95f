"""Inline markup of translators' files: an XML element's content as text and tags, and back.

The element names are those of TMX 1.4, XLIFF 1.2 and XLIFF 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

InlineTags = Literal["strip", "keep"]

_CODES = {"bpt", "ept", "ph", "it", "ut", "x", "bx", "ex", "sc", "ec", "sm", "em", "cp"}  # whose content is no text
_BREAKS = {"lb", "x-html-br", "xlf:lb"}  # kinds of codes that stand for a line break
_SPACE = re.compile(r"[ \t\r\n]+")
_XML = "http://www.w3.org/XML/1998/namespace"


class Tag(NamedTuple):
    """An inline tag. xml: as the file has it. kept, stripped: what stands for it in text with and without tags."""

    xml: str
    kept: str
    stripped: str


class UnknownEntity(ValueError):
    """An entity that XML itself does not define; the message is its name."""


def inline_parts(element: Any) -> list[str | Tag]:
    """Return the content of an lxml element as stretches of text and tags, in order.

    Raises UnknownEntity where the text has one, since what it stands for is not known.
    """
    return list(_parts(element))


def _parts(element: Any) -> Iterator[str | Tag]:
    if element.text:
        yield element.text
    for child in element:
        if child.tag is etree.Entity:
            raise UnknownEntity(child.text)
        if isinstance(child.tag, str):  # neither a comment nor a processing instruction
            yield from _element_parts(child)
        if child.tail:
            yield child.tail


def _element_parts(element: Any) -> Iterator[str | Tag]:
    if etree.QName(element).localname in _CODES:
        native = "".join(text for text in element.itertext() if isinstance(text, str))
        breaks = (element.get("ctype") or element.get("subType") or element.get("type")) in _BREAKS
        whole = etree.tostring(element, encoding="unicode", with_tail=False)
        yield Tag(whole, native if native.strip() else _written(element, "/>"), " " if breaks else "")
        return
    inside = list(_parts(element))
    if element.get("mtype") == "protected" or element.get("translate") == "no":
        whole = etree.tostring(element, encoding="unicode", with_tail=False)
        opening, closing = _written(element, ">"), f"</{_name(element)}>"
        yield Tag(whole, f"{opening}{join_parts(inside, 'keep')}{closing}", join_parts(inside, "strip"))
        return
    opening = _written(element, ">")
    yield Tag(opening, opening, "")
    yield from inside
    closing = f"</{_name(element)}>"
    yield Tag(closing, closing, "")


def _name(element: Any) -> str:
    local = etree.QName(element).localname
    return f"{element.prefix}:{local}" if element.prefix else local


def _written(element: Any, end: str) -> str:
    """Return the opening tag as it is written, without declarations of namespaces."""
    prefixes = {uri: prefix for prefix, uri in element.nsmap.items() if prefix} | {_XML: "xml"}
    attributes = []
    for name, value in element.attrib.items():
        qualified = etree.QName(name)
        prefix = prefixes.get(qualified.namespace)
        attributes.append(f" {f'{prefix}:' if prefix else ''}{qualified.localname}={quoteattr(value)}")
    return f"<{_name(element)}{''.join(attributes)}{end}"


def join_parts(parts: Sequence[str | Tag], tags: InlineTags) -> str:
    """Return stretches of text and tags as one text, with the tags or without."""
    return "".join(part if isinstance(part, str) else part.kept if tags == "keep" else part.stripped for part in parts)


def one_line(text: str) -> str:
    """Return a text of several lines on one, with single spaces, as XML reads it unless told otherwise."""
    return _SPACE.sub(" ", text).strip(" ")


def set_parts(element: Any, parts: Sequence[str | Tag]) -> bool:
    """Replace the content of an lxml element; return False, with nothing replaced, where the tags do not nest."""
    inner = "".join(escape(part) if isinstance(part, str) else part.xml for part in parts)
    spaces = "".join(
        f" xmlns{f':{prefix}' if prefix else ''}={quoteattr(uri)}" for prefix, uri in element.nsmap.items()
    )
    try:
        made = etree.fromstring(f"<x{spaces}>{inner}</x>")
    except etree.XMLSyntaxError:
        return False
    for child in list(element):
        element.remove(child)
    element.text = made.text
    element.extend(list(made))
    return True
