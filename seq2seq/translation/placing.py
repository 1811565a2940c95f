"""The place of placeholders in a translation, by attention.

A tag or an entity is cut out of the source. What is likely to be a word, such as %s or a URL, gives way to a stand-in:
a name that the model copies, or else a character that every vocabulary here reads as unknown. The target words that
looked at the stand-in give way to the placeholder; without such words it is put into a gap, as a tag is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.text.tokenizer import TokenizerPair
from seq2seq.text.words import Span
from seq2seq.translation.translation import Translation

UNKNOWN = "▅"  # U+2585, which no tokenizer of this package knows
_CANDIDATES = 64  # names that are tried as stand-ins
_SHARPNESS = 3  # attention is raised to this power: of 1 to 4, measured to place best on the phrasebook
_OWN = 0.2  # attention on a stand-in from which on a word is its translation

_CJK = "[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"  # written without spaces
_UNIT = re.compile(rf"{_CJK}|(?:(?!{_CJK})\w)+")
_NAME = re.compile("▁([A-ZÀ-ÖØ-Þ][^\\W\\d_]{2,})")
# Tags that may stand within a word; what is left of a word cut at any other placeholder is two words.
_INLINE = re.compile(r"(?:</?(?:a|b|i|u|s|em|strong|span|sub|sup|small|mark|font|g|pc|hi|mrk|bpt|ept)\b[^<>]*>)+")
_WORDLESS = re.compile(r"(?:<[^<>]*>|<!--.*?-->|&#?\w+;|\s)+", re.DOTALL)  # tags and entities


class Group(NamedTuple):
    """Neighbouring placeholders with nothing but spaces between them.

    spans: of the placeholders in `text`. place: of the stand-in in the plan's text; empty where the group was cut out.
    before, after: the characters around the group in the source; "" at its ends.
    """

    text: str
    spans: list[Span]
    place: Span
    before: str
    after: str


class Plan(NamedTuple):
    """A text as the model reads it, without its placeholders."""

    text: str
    groups: list[Group]


def candidate_names(tokenizers: TokenizerPair) -> list[str]:
    """Return words that may be names, which a model may copy: capitalised, and one piece in both vocabularies."""
    known = set(tokenizers.source.pieces)
    matches = (_NAME.fullmatch(piece) for piece in tokenizers.target.pieces if piece in known)
    return [match[1] for match in matches if match and match[1][1:].islower()][:_CANDIDATES]


def plan_text(text: str, spans: Sequence[Span], stand_in: str | None) -> Plan:
    """Cut the placeholders out of a text, or put the stand-in in place of those that may be words (None: of none)."""
    runs: list[list[Span]] = []
    for span in spans:
        if runs and not text[runs[-1][-1][1] : span[0]].strip():
            runs[-1].append(span)
        else:
            runs.append([span])
    kept, groups, done = "", list[Group](), 0
    for run in runs:
        start, end = run[0][0], run[-1][1]
        kept += text[done:start]
        done, whole, after = end, text[start:end], text[end : end + 1]
        before = text[start - 1 : start] if start else ""
        if stand_in is not None and not _WORDLESS.fullmatch(whole):
            kept += " " if kept[-1:].isalnum() else ""
            place = len(kept), len(kept) + len(stand_in)
            kept += stand_in + (" " if after.isalnum() else "")
        else:
            if after.isspace() and (before.isspace() or not kept):  # of two spaces that meet, one stays
                done += 1
            glued = kept[-1:].isalnum() and after.isalnum() and not _INLINE.fullmatch(whole)
            kept += " " if glued else ""
            place = (len(kept.rstrip()),) * 2
        groups.append(Group(whole, [(one - start, other - start) for one, other in run], place, before, after))
    return Plan(kept + text[done:], groups)


class Placed(NamedTuple):
    """A translation with the groups put in. lost: the groups whose place was not read or written."""

    text: str
    spans: list[Span]
    lost: list[Group]


def put_back(plan: Plan, translation: Translation, tokenizers: TokenizerPair) -> Placed:
    """Return the translation of a plan's text with its groups, and the spans of the placeholders in their order."""
    tags = int(bool(translation.tag))
    ((_, source),) = tokenizers.source.encode_spans([plan.text])
    source = source[: len(translation.source_pieces) - tags]
    target = tokenizers.target.decode_spans(translation.tokens)[1]
    weights = _sharpened(translation, tags + len(source), len(target))[:, tags:]
    gaps = choose_gaps(translation.text, weights, source, target, [group.place[0] for group in plan.groups])
    places = [
        _own_words(translation.text, weights, source, target, group.place) or (gap, gap)
        for group, gap in zip(plan.groups, gaps, strict=True)
    ]
    end, lost = len(translation.text), list[Group]()
    for number, (group, place) in enumerate(zip(plan.groups, places, strict=True)):
        unread = translation.truncated and group.place[0] >= source[-1][1]
        unwritten = not translation.finished and place == (end, end) and group.place[0] <= source[-1][0]
        if unread or unwritten:
            places[number] = (end, end)
            lost.append(group)
        elif any(place[0] < other and one < place[1] for one, other in places[:number]):
            places[number] = (gaps[number],) * 2  # its words are another's
    return Placed(*_joined(translation.text, plan.groups, places), lost)


def _sharpened(translation: Translation, read: int, written: int) -> NDArray[np.float64]:
    """Return attention [written, read] in which the largest weights of a row count more; each row had summed to 1."""
    powers = np.asarray(translation.weights[:written], dtype=np.float64) ** _SHARPNESS
    sharp: NDArray[np.float64] = (powers / np.maximum(powers.sum(axis=1, keepdims=True), 1e-300))[:, :read]
    return sharp


def choose_gaps(
    text: str, weights: NDArray[np.float64], source: Sequence[Span], target: Sequence[Span], cuts: Sequence[int]
) -> list[int]:
    """Return the offset in the translation `text` that stands for each offset of `cuts` in its source.

    weights: attention [written, read]. source, target: the spans of the pieces that were read and written. A gap costs
    the attention on the source after the cut by pieces written before the gap, and the attention on the source before
    the cut by pieces written after it; the first of the cheapest gaps between words is chosen. So a later cut never
    gets an earlier gap, and tags stay nested.
    """
    offsets = [*(start for start, _ in target), len(text)]
    offsets = [place + len(text[place:]) - len(text[place:].lstrip()) for place in offsets]
    middles = np.array([(start + end) / 2 for start, end in source])
    inside = np.array([_is_inside_word(text, place) for place in offsets])
    found = []
    for cut in cuts:
        before, after = weights[:, middles < cut].sum(axis=1), weights[:, middles >= cut].sum(axis=1)
        costs = np.zeros(len(offsets))
        costs[1:] += np.cumsum(after)
        costs[:-1] += np.cumsum(before[::-1])[::-1]
        # Sums in other orders differ in their last digits, which must not decide.
        found.append(offsets[int(np.where(inside, np.inf, costs.round(9)).argmin())])
    return found


def _is_inside_word(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place + 1]
    return 0 < place < len(text) and all(map(str.isalnum, around)) and not re.search(_CJK, around)


def _own_words(
    text: str, weights: NDArray[np.float64], source: Sequence[Span], target: Sequence[Span], place: Span
) -> Span | None:
    """Return the span of the target words that are the translation of what stands at `place`; None without any."""
    looked_at = np.array([end > place[0] and start < place[1] for start, end in source])
    units, shares = [match.span() for match in _UNIT.finditer(text)], list[float]()
    for one, other in units:
        rows = [row for row, (start, end) in enumerate(target) if end > one and start < other]
        shares.append(float(weights[rows][:, looked_at].sum(axis=1).mean()) if rows else 0.0)
    if place[0] == place[1] or max(shares, default=0.0) < _OWN:
        return None
    first = last = int(np.argmax(shares))
    while first > 0 and shares[first - 1] >= _OWN:
        first -= 1
    while last + 1 < len(units) and shares[last + 1] >= _OWN:
        last += 1
    return units[first][0], units[last][1]


def _joined(text: str, groups: Sequence[Group], places: Sequence[Span]) -> tuple[str, list[Span]]:
    """Return the text with the groups at their places, spaced as in the source, and the spans of the placeholders."""
    made, done, ends = "", 0, dict[int, list[Span]]()
    for number in sorted(range(len(groups)), key=lambda number: (places[number], number)):
        group, (start, end) = groups[number], places[number]
        made += text[done:start]
        spaced = made[-1:].isspace() or text[end : end + 1].isspace()
        made = made.rstrip()
        done = end + len(text[end:]) - len(text[end:].lstrip())
        made += " " if made and _is_spaced(group.before, made[-1:], spaced, group.text, opening=True) else ""
        ends[number] = [(len(made) + one, len(made) + other) for one, other in group.spans]
        made += group.text
        follows = text[done : done + 1]
        made += " " if _starts_word(follows) and _is_spaced(group.after, follows, spaced, group.text) else ""
    return made + text[done:], [span for number in range(len(groups)) for span in ends[number]]


def _is_spaced(source: str, target: str, spaced: bool, group: str, *, opening: bool = False) -> bool:
    """Return whether a space belongs between a group and its neighbour, given the neighbours in source and target.

    Where the source has a letter there, the group sticks to it; but of tags cut out of a word, the word's other side.
    """
    if not source or source.isspace():
        return True
    if source.isalnum():
        return spaced and bool(_INLINE.match(group)) and (group[1] != "/") == opening
    return spaced and target.isalnum()


def _starts_word(follows: str) -> bool:
    return bool(follows) and follows not in ".,;:!?…)]}»”’%。，、！？；："
