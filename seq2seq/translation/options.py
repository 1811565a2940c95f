"""Options of a search: the keywords of callers, and the settings made from them and the model's config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

from seq2seq.bounds import LARGEST_BEAM, LARGEST_MIN_LENGTH
from seq2seq.config import SearchConfig
from seq2seq.errors import InputError, WrongType, nearest
from seq2seq.search.penalty import PENALTIES, LengthPenalty
from seq2seq.search.rules import GREEDY, GROUPED, Rules
from seq2seq.text.arguments import check_bool, check_choice, check_integer, check_number, list_sentences
from seq2seq.translation.constraints import iter_constraints

MAX_SOURCE_LENGTH = 1000  # pieces
BATCH_SIZE = 200  # sentences
BATCH_TOKENS = 4096  # pieces of the source, or of the longer side of pairs
SEARCH_ALONE = (
    "beam_size",
    "shortlist",
    "diverse_groups",
    "diversity",
    "constraints",
)  # keywords that sampling does not have
STEERING = (
    "avoid",
    "no_repeat_ngram",
    "repetition_penalty",
    "prefixes",
    "constraints",
    "diverse_groups",
    "diversity",
)  # keywords that exported models do not have


class SearchKeywords(TypedDict, total=False):
    """The keywords of `translate` and its relatives, for type checkers; `sample` takes all but SEARCH_ALONE.

    For a keyword that is left out or None, the model's config or the default above counts.
    """

    beam_size: int | None  # live hypotheses; 1 is greedy search
    length_penalty: str | None  # 'average', 'gnmt' or 'none'
    length_alpha: float | None  # exponent of the penalty
    no_repeat_ngram: int | None  # no n-gram of so many pieces twice in a translation
    repetition_penalty: float | None  # factor of the log-probability of pieces already written, 1 or more
    prefixes: Iterable[str] | None  # how each translation begins; "" leaves it to the model
    constraints: Iterable[Iterable[str]] | None  # strings that each translation must have; [] leaves it to the model
    avoid: Iterable[str] | None  # strings that no translation has outside its prefix
    diverse_groups: int | None  # groups of the beam, each of which avoids what those before it write
    diversity: float | None  # nats that a piece loses for each time that an earlier group chose it
    min_length: int | None  # least number of pieces, the end not counted
    max_length: int | None  # most pieces, the end counted; by default it depends on the length of the source
    max_source_length: int | None  # most pieces of a source that are read; the rest is cut off, and `truncated` is set
    batch_size: int | None  # most sentences in a batch
    batch_tokens: int | None  # most source pieces in a batch, padding counted
    shortlist: bool | None  # choose among the tokens that the model's shortlist allows each sentence; False: among all
    int8: bool | None  # weights in 8-bit integers, on a CPU; False: in the precision of the model
    tag: str | None  # symbol that the model reads before each source, one that it was trained with; None: none


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "length_penalty": lambda name, value: check_choice(name.replace("_", " "), value, PENALTIES),
    "length_alpha": check_number,
    "repetition_penalty": check_number,
    "diversity": check_number,
    "avoid": lambda name, value: check_avoid(list_sentences(value, "string to avoid")),
    "prefixes": lambda name, value: tuple(list_sentences(value, "prefix")),
    "constraints": lambda name, value: tuple(iter_constraints(value)),
    "int8": check_bool,
    "tag": lambda name, value: value,  # checked with the model (translation/tags.py)
    "shortlist": check_bool,
    "min_length": partial(check_integer, minimum=0, maximum=LARGEST_MIN_LENGTH),
    "beam_size": partial(check_integer, minimum=1, maximum=LARGEST_BEAM),
}
_COUNT = partial(check_integer, minimum=1)


def check_avoid(strings: Sequence[str]) -> tuple[str, ...]:
    """Return the strings without the white space around them; raise InputError for a blank one."""
    if blank := next((number for number, each in enumerate(strings, start=1) if not each.strip()), None):
        raise InputError(f"string to avoid {blank} is blank, and would be in every translation; leave it out")
    return tuple(each.strip() for each in strings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The complete settings of a search or of sampling."""

    slots: int  # hypotheses of a sentence at a time: the beam, or the samples
    penalty: LengthPenalty
    min_length: int
    max_length: int | None
    ratio: float
    offset: int
    max_source_length: int
    batch_size: int
    batch_tokens: int
    shortlist: bool
    int8: bool
    tag: str | None  # read before each source
    rules: Rules  # of all sentences
    prefixes: tuple[str, ...] | None  # of each sentence
    constraints: tuple[tuple[str, ...], ...] | None  # of each sentence
    avoid: tuple[str, ...]  # of all sentences
    steering: tuple[str, ...]  # those of STEERING that were given

    @classmethod
    def of(cls, search: SearchConfig, keywords: Mapping[str, Any], samples: int | None = None) -> SearchOptions:
        """Make the settings from keywords, and from the config where a keyword is missing.

        samples: number of samples to draw for each sentence; None for a search. Raises InputError for wrong types,
        unknown keywords and values out of range.
        """
        allowed = [key for key in SearchKeywords.__annotations__ if samples is None or key not in SEARCH_ALONE]
        if unknown := min(keywords.keys() - set(allowed), default=None):
            raise WrongType(f"unknown option {unknown!r}; {nearest(unknown, allowed)}")
        given = {key: _READERS.get(key, _COUNT)(key, value) for key, value in keywords.items() if value is not None}
        kind = given.get("length_penalty", search.length_penalty)
        if kind == "none" and "length_alpha" in given:
            raise InputError("length_alpha has no effect with length_penalty 'none'; use 'average' or 'gnmt'")
        if "diversity" in given and given.get("diverse_groups", 1) == 1:
            raise InputError("diversity has no effect without diverse_groups of 2 or more")
        return cls(
            slots=samples or given.get("beam_size", search.beam_size),
            penalty=LengthPenalty(kind, given.get("length_alpha", search.length_alpha)),
            min_length=given.get("min_length", search.min_length),
            max_length=given.get("max_length"),
            ratio=search.max_length_ratio,
            offset=search.max_length_offset,
            max_source_length=given.get("max_source_length", MAX_SOURCE_LENGTH),
            batch_size=given.get("batch_size", BATCH_SIZE),
            batch_tokens=given.get("batch_tokens", BATCH_TOKENS),
            shortlist=given.get("shortlist", False),
            int8=given.get("int8", False),
            tag=given.get("tag"),
            rules=Rules(
                no_repeat_ngram=given.get("no_repeat_ngram", 0),
                repetition_penalty=given.get("repetition_penalty", 1.0),
                groups=given.get("diverse_groups", 1),
                diversity=given.get("diversity", 0.5),
            ),
            prefixes=given.get("prefixes"),
            constraints=given.get("constraints"),
            avoid=given.get("avoid", ()),
            steering=tuple(name for name in STEERING if name in given),
        )

    def __post_init__(self) -> None:
        self.rules.check_beam(self.slots)
        if self.constraints is not None and self.rules.groups > 1:
            raise InputError(GROUPED)
        if self.constraints is not None and self.slots < 2:
            raise InputError(GREEDY)
        if self.max_length is not None and self.max_length <= self.min_length:
            limits = f"max_length {self.max_length} leaves no room for min_length {self.min_length}"
            raise InputError(f"{limits} and the end; it must be {self.min_length + 1} or more")

    def longest(self, pieces: int, prefix: int = 0, constraints: int = 0) -> int:
        """Return the most pieces, the end counted, for the translation of a sentence of `pieces` pieces.

        It never cuts a prefix, of `prefix` pieces. A maximum by the source's length leaves room for the constraints, of
        `constraints` pieces, and for more than the end.
        """
        if self.max_length is not None:
            return max(self.max_length, prefix + 1)
        given = prefix + constraints
        most = int(self.ratio * pieces) + self.offset
        return max(most, given + self.offset if given else 0, given + 1, self.min_length + 1)

    def check_nbest(self, n_best: int) -> None:
        """Raise InputError for a number of translations below 1 or above the beam size."""
        if check_integer("n_best", n_best, 1) > self.slots:
            limit = f"n-best must lie between 1 and the beam size {self.slots}"
            raise InputError(f"{limit}, given {n_best}; raise the beam size")
