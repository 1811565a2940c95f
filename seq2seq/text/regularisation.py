"""Random segmentations of a text for training: BPE-dropout and subword regularisation.

SentencePiece can sample too, but it seeds its generator with the thread's address besides the seed, so the same seed
gives another result in the next process, and a resumed training would not be a continuation (found with 0.2.3). Here a
result depends on the texts, the amount and the seed, and on nothing else.
"""

from __future__ import annotations

import heapq
import math
import random
from abc import ABC, abstractmethod
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from seq2seq.text.sentencepiece_model import BYTE, NORMAL, SPACE, USER_DEFINED, ModelDescription, WordSplitter

_CACHED_WORDS = 2**17
_UNKNOWN_PENALTY = 10.0  # an unknown character costs this much more than the worst piece, as in SentencePiece


class Sampler(ABC):
    """A source of random segmentations; words and user-defined symbols are cut one by one, as when encoding."""

    def __init__(self, model: ModelDescription, unknown: int) -> None:
        self._unknown = unknown
        self._ids = {piece.text: id_ for id_, piece in enumerate(model.pieces) if piece.type == NORMAL}
        self._scores = {piece.text: piece.score for piece in model.pieces if piece.type == NORMAL}
        self._symbols = {piece.text: id_ for id_, piece in enumerate(model.pieces) if piece.type == USER_DEFINED}
        self._bytes = [id_ for id_, piece in enumerate(model.pieces) if piece.type == BYTE]  # in the order of the bytes
        across_words = any(SPACE in text[1:] for text in self._ids)  # only models trained elsewhere have such pieces
        self._splitter = WordSplitter(model, across_words)

    def sample(self, normalized: Sequence[str], amount: float, seed: int) -> list[list[int]]:
        """Return one random segmentation, as ids, of each text that the model has normalised already."""
        cut = self._cutter(amount, random.Random(seed))
        return [self._sample_text(text, cut) for text in normalized]

    def sample_with_ends(
        self, normalized: Sequence[str], amount: float, seed: int
    ) -> list[tuple[list[int], list[int]]]:
        """Return what `sample` does, and for each id the number of characters up to its end.

        Of a character spelt in bytes, the last byte alone ends after it.
        """
        cut, found = self._cutter(amount, random.Random(seed)), list[tuple[list[int], list[int]]]()
        for text in normalized:
            ends = list[int]()
            found.append((self._sample_text(text, cut, ends), ends))
        return found

    @abstractmethod
    def _cutter(self, amount: float, generator: random.Random) -> Callable[[str], list[str]]:
        """Return a function from a word to its pieces that takes its random numbers from the generator."""

    def _sample_text(self, text: str, cut: Callable[[str], list[str]], ends: list[int] | None = None) -> list[int]:
        ids: list[int] = []
        end = 0
        for word in self._splitter.split(text):
            if word in self._symbols:
                ids.append(self._symbols[word])
                end = end if ends is None else _end_ids(ends, len(ids), end, word)
                continue
            for piece in cut(word):
                if (id_ := self._ids.get(piece)) is not None:
                    ids.append(id_)
                elif self._bytes:
                    ids.extend(self._bytes[byte] for byte in piece.encode("utf-8"))
                elif not ids or ids[-1] != self._unknown:  # SentencePiece writes neighbouring unknowns as one
                    ids.append(self._unknown)
                end = end if ends is None else _end_ids(ends, len(ids), end, piece)
        return ids


def _end_ids(ends: list[int], ids: int, start: int, text: str) -> int:
    """Add the ends of the newest of `ids` ids, which stand for a text that begins at `start`; return its end. Without
    a new id, the last one is longer.
    """
    if len(ends) == ids:
        ends.pop()
    ends += [start] * (ids - len(ends) - 1)
    ends.append(start + len(text))
    return ends[-1]


class _Merging(NamedTuple):
    pieces: list[str]
    merges: int


class _Drops:
    """Tosses of a coin that says "drop" with a given probability.

    The number of tosses up to the next drop is drawn at once, so that a word without a drop costs no random number.
    """

    def __init__(self, probability: float, generator: random.Random) -> None:
        self._random = generator.random
        self._log_keep = math.log1p(-probability) if probability < 1 else -math.inf
        self._draw()

    def _draw(self) -> None:
        tosses = math.log(1.0 - self._random()) / self._log_keep if self._log_keep else math.inf
        self.before_next = int(min(tosses, 1e18))

    def toss(self) -> bool:
        """Return whether this merge is dropped."""
        if self.before_next:
            self.before_next -= 1
            return False
        self._draw()
        return True


class DropoutSampler(Sampler):
    """BPE-dropout (Provilkov et al. 2020): each merge is skipped with probability `amount` when its turn comes.

    As in SentencePiece, a skipped merge gets no second chance until a neighbour changes.
    """

    def __init__(self, model: ModelDescription, unknown: int) -> None:
        super().__init__(model, unknown)
        self._merged_fully = lru_cache(_CACHED_WORDS)(lambda word: self._merge(word, None))

    def _cutter(self, amount: float, generator: random.Random) -> Callable[[str], list[str]]:
        drops = _Drops(amount, generator)

        def cut(word: str) -> list[str]:
            plain = self._merged_fully(word)
            if drops.before_next >= plain.merges:
                drops.before_next -= plain.merges
                return plain.pieces
            return self._merge(word, drops).pieces

        return cut

    def _merge(self, word: str, drops: _Drops | None) -> _Merging:
        """Merge neighbours, best score first, leftmost first among equals; consumed parts become empty strings."""
        parts = list(word)
        left, right = list(range(-1, len(parts) - 1)), list(range(1, len(parts) + 1))
        queue: list[tuple[float, int, int, str]] = []
        merges = 0

        def offer(first: int, second: int) -> None:
            if first >= 0 and second < len(parts):
                merged = parts[first] + parts[second]
                if (score := self._scores.get(merged)) is not None:
                    heapq.heappush(queue, (-score, first, second, merged))

        for second in range(1, len(parts)):
            offer(second - 1, second)
        while queue:
            _, first, second, merged = heapq.heappop(queue)
            if not parts[first] or not parts[second] or len(parts[first]) + len(parts[second]) != len(merged):
                continue  # one of the two has been merged with another since
            if drops is not None and drops.toss():
                continue
            merges += 1
            parts[first], parts[second] = merged, ""
            right[first] = right[second]
            if right[first] < len(parts):
                left[right[first]] = first
            offer(left[first], first)
            offer(first, right[first])
        return _Merging([part for part in parts if part], merges)


class _Arrivals(NamedTuple):
    """The pieces that end at one position of a word: where each starts, and the running sum of their weights."""

    starts: list[int]
    cumulative: list[float]


class LatticeSampler(Sampler):
    """Subword regularisation (Kudo 2018): P(segmentation) is proportional to the product of P(piece) ** `amount`.

    The draw is exact over all segmentations: sums of weights forward, one random number per piece backward.
    """

    def __init__(self, model: ModelDescription, unknown: int) -> None:
        super().__init__(model, unknown)
        self._unknown_score = min(self._scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self._prefixes = {text[:end] for text in self._ids for end in range(1, len(text) + 1)}
        self._arrivals_of = lru_cache(_CACHED_WORDS)(self._arrivals)

    def _cutter(self, amount: float, generator: random.Random) -> Callable[[str], list[str]]:
        def cut(word: str) -> list[str]:
            arrivals = self._arrivals_of(word, amount)
            pieces: list[str] = []
            end = len(word)
            while end:
                starts, cumulative = arrivals[end - 1]
                draw = generator.random() * cumulative[-1]
                start = starts[bisect(cumulative, draw, 0, len(starts) - 1)]
                pieces.append(word[start:end])
                end = start
            return pieces[::-1]

        return cut

    def _arrivals(self, word: str, amount: float) -> list[_Arrivals]:
        """Return for each position after the first the pieces that end there, weighted by all that leads to them."""
        ways: list[list[tuple[int, float]]] = [[] for _ in word]
        log_sums = [0.0]  # of the weights of all segmentations of word[:position]
        result = []
        for start in range(len(word)):
            for end, score in self._pieces_from(word, start):
                ways[end - 1].append((start, log_sums[start] + amount * score))
            highest = max(log_weight for _, log_weight in ways[start])
            total, cumulative = 0.0, []
            for _, log_weight in ways[start]:
                total += math.exp(log_weight - highest)
                cumulative.append(total)
            log_sums.append(highest + math.log(total))
            result.append(_Arrivals([begin for begin, _ in ways[start]], cumulative))
        return result

    def _pieces_from(self, word: str, start: int) -> Iterator[tuple[int, float]]:
        """Yield end and score of every piece that begins at `start`, always including the single character."""
        yield start + 1, self._scores.get(word[start], self._unknown_score)
        for end in range(start + 2, len(word) + 1):
            part = word[start:end]
            if part not in self._prefixes:
                return
            if part in self._scores:
                yield end, self._scores[part]
