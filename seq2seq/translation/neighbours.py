"""Nearest states: at which words of its training text was a model in the state in which it is at this word?

Similar states are what a model takes for the same case (Seq2Seq-Vis, Strobelt et al. 2018), so the pairs they come from
say what a decision was learnt from. A source piece has the encoder's state; a target piece has the state from which the
output layer predicts it. Similarity is the cosine. The search compares with every known state, so it misses none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.bounds import LARGEST_STATES, MOST_STATES
from seq2seq.checkpoint.known_states import KnownStates, read_states
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.errors import InputError, require
from seq2seq.nn.masking import length_mask
from seq2seq.text.arguments import check_choice, check_integer, check_pairs, list_sentences
from seq2seq.translation.forcing import check_finite, evaluation_mode, forced_batches
from seq2seq.translation.lexicon import encode_pairs
from seq2seq.translation.options import MAX_SOURCE_LENGTH
from seq2seq.translation.tags import tag_ids

Side = Literal["source", "target"]
MOST_NEIGHBOURS = 1000
_BLOCK = 8192  # states that are put into the index at a time, as float32


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A piece of a pair of the training text, in whose state the model was nearly as at the piece in question."""

    similarity: float  # cosine, at most 1
    side: Side
    source: str
    target: str
    source_pieces: list[str]
    target_pieces: list[str]
    position: int  # of the piece, among the pieces of its side, from 0; their number is the end


class PairSample:
    """A sample of pairs in which every pair is as likely as every other, within a number of pieces on either side.

    Each pair gets a random number, and those with the lowest stay; so the sample needs one reading of a text of any
    length, and no more memory than it has pieces.
    """

    def __init__(self, loaded: LoadedModel, most: int = MOST_STATES, seed: int = 1, tag: str | None = None) -> None:
        """Begin an empty sample. most: pieces of each side. Raises InputError for values out of range."""
        self._loaded, self._tag = loaded, tag
        self._most = check_integer("most", most, 1, LARGEST_STATES)
        self._generator = np.random.default_rng(check_integer("seed", seed, 0))
        self._heap: list[tuple[float, int, str, str, int, int]] = []  # -random, number, both sides, pieces of both
        self._pieces = [0, 0]
        tag_ids([loaded], tag)
        self.read = self.left_out = 0

    def add(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Add pairs. Those with a blank side, or over 1,000 pieces on one, are left out and counted.

        Raises InputError, as `Translator.score` does, for items that are no sentences and for unequal numbers.
        """
        sources, targets = list_sentences(sources, "source"), list_sentences(targets, "target")
        check_pairs(sources, targets)
        for source, target in zip(sources, targets, strict=True):
            drawn = float(self._generator.random())
            self.read += 1
            if not (ids := encode_pairs(self._loaded, [source], [target], self._tag)):
                self.left_out += 1
                continue
            sizes = len(ids[0][0]), len(ids[0][1])
            heapq.heappush(self._heap, (-drawn, self.read, source.strip(), target.strip(), *sizes))
            self._pieces = [self._pieces[0] + sizes[0], self._pieces[1] + sizes[1]]
            while max(self._pieces) > self._most and len(self._heap) > 1:
                gone = heapq.heappop(self._heap)
                self._pieces = [self._pieces[0] - gone[4], self._pieces[1] - gone[5]]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of the sample, in the order in which they came."""
        return [(source, target) for _, _, source, target, _, _ in sorted(self._heap, key=lambda each: each[1])]


def states_of_pairs(
    loaded: LoadedModel, pairs: Sequence[tuple[str, str]], tag: str | None = None
) -> Iterator[tuple[int, KnownStates]]:
    """Yield the states at all pieces of pairs, ends left out, batch by batch, each with the number of pairs so far.

    Places count the given pairs, whose text is in every item. Raises InputError as `tag_ids` does, and for a pair with
    a blank side or over 1,000 pieces on one.
    """
    ids = encode_pairs(loaded, [source for source, _ in pairs], [target for _, target in pairs], tag)
    if len(ids) != len(pairs):
        raise InputError("a pair has a blank side, or more than 1,000 pieces on one; leave it out")
    lines = ["\n".join(pair[side].replace("\n", " ") for pair in pairs) for side in (0, 1)]
    texts = [np.frombuffer(each.encode(), np.uint8) for each in lines]
    return _read(loaded, ids, len(tag_ids([loaded], tag)), texts)


def _read(
    loaded: LoadedModel, ids: Sequence[tuple[list[int], list[int]]], tags: int, texts: Sequence[NDArray[np.uint8]]
) -> Iterator[tuple[int, KnownStates]]:
    """Read pairs of ids, sources with `tags` ids of tags before them, as `states_of_pairs` does."""
    network, done = loaded.model, 0
    device = next(network.parameters()).device
    with evaluation_mode([network]):
        for rows, batch in forced_batches([source for source, _ in ids], [target for _, target in ids]):
            here = batch.to(device)
            encoded = network.encoder(network.source_embedding(here.source), here.source_lengths)
            forced = network.force_on(here.target_input, network.decoder.start(encoded))
            check_finite(forced.outputs)
            numbers = torch.tensor(rows, device=device)
            source = _select(encoded.states, here.source_lengths - 1, numbers, tags)
            target = _select(forced.outputs, here.target_lengths - 1, numbers, 0)
            done += len(rows)
            yield done, KnownStates(source[0], target[0], source[1], target[1], *texts)


def join_states(parts: Iterable[KnownStates]) -> KnownStates:
    """Return the states of all batches together, in the order of the pairs. Raises InputError where there is none."""
    given = list(parts)
    if not given:
        raise InputError("no pair with two sides to learn states from; an index is built from the training text")
    sides = []
    for side in get_args(Side):
        places = np.concatenate([getattr(part, f"{side}_places") for part in given])
        order = np.lexsort((places[:, 1], places[:, 0]))
        sides.append((np.concatenate([getattr(part, f"{side}_states") for part in given])[order], places[order]))
    (source, source_places), (target, target_places) = sides
    return KnownStates(source, target, source_places, target_places, given[0].sources, given[0].targets)


def _select(
    states: torch.Tensor, lengths: torch.Tensor, numbers: torch.Tensor, first: int
) -> tuple[NDArray[np.float16], NDArray[np.int32]]:
    """Return the states [batch, positions, dim] from position `first` on, at length 1, and the place of each."""
    real = length_mask(lengths, states.shape[1])
    real[:, :first] = False
    row, position = real.nonzero(as_tuple=True)
    chosen = torch.nn.functional.normalize(states[row, position].float(), dim=-1)
    places = torch.stack([numbers[row], position - first], dim=1)
    return chosen.cpu().numpy().astype(np.float16), places.int().cpu().numpy()


class Neighbours:
    """The known states of a model, ready to be searched."""

    def __init__(self, loaded: LoadedModel, states: KnownStates) -> None:
        """Prepare the search. Raises InputError for states that do not fit the model, and where faiss is missing."""
        require("the index of states", "faiss")
        self._loaded, self._states = loaded, states
        self._texts = [bytes(each).decode().split("\n") for each in (states.sources, states.targets)]
        self._indexes = {"source": self._index("source"), "target": self._index("target")}

    @classmethod
    def load(cls, loaded: LoadedModel) -> Neighbours:
        """Read the states in the directory of a model. Raises InputError as `read_states` does."""
        return cls(loaded, read_states(loaded.directory, loaded.files))

    def _index(self, side: str) -> Any:
        import faiss

        states, places = getattr(self._states, f"{side}_states"), getattr(self._states, f"{side}_places")
        if len(states) != len(places) or (places[:, 0] >= min(map(len, self._texts))).any() or (places < 0).any():
            raise InputError(f"{self._loaded.directory}: its index of states is damaged; build it again")
        kind = faiss.ScalarQuantizer.QT_fp16  # exact for states of 16 bits
        index = faiss.IndexScalarQuantizer(states.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        for begin in range(0, len(states), _BLOCK):
            index.add(np.ascontiguousarray(states[begin : begin + _BLOCK], dtype=np.float32))
        return index

    def find(
        self,
        source: str,
        target: str | Sequence[str],
        side: Side,
        position: int,
        count: int = 10,
        *,
        tag: str | None = None,
    ) -> list[Neighbour]:
        """Return the pieces nearest to one piece of a pair, the nearest first; of each pair the nearest piece alone.

        target: a text, or its pieces as a translation has them. position: the number of the piece on its side, from 0.
        count: at most so many. tag: what the model reads before the source. Raises InputError for a position that is
        not there, a side that is none, pieces that are not in the vocabulary, a blank text, and numbers out of range.
        """
        check_choice("side", side, get_args(Side))
        check_integer("count", count, 1, MOST_NEIGHBOURS)
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        own = self._own_states(source, target, side, tag)
        if not 0 <= check_integer("position", position, 0) < len(own):
            raise InputError(f"position {position} is none of the {len(own)} pieces of the {side}, counted from 0")
        index = self._indexes[side]
        if own.shape[1] != index.d:
            raise InputError(f"{self._loaded.directory}: its index of states is of another model; build it again")
        found = list[Neighbour]()
        seen = set[int]()
        most = min(8 * count, index.ntotal)
        while True:
            similarities, numbers = index.search(own[position : position + 1].astype(np.float32), most)
            for similarity, number in zip(similarities[0].tolist(), numbers[0].tolist(), strict=True):
                pair, place = getattr(self._states, f"{side}_places")[number].tolist()
                if pair not in seen and len(found) < count:
                    seen.add(pair)
                    found.append(self._neighbour(similarity, side, pair, place))
            if len(found) == count or most == index.ntotal:
                return found
            most = min(8 * most, index.ntotal)

    def _own_states(self, source: str, target: str | Sequence[str], side: Side, tag: str | None) -> NDArray[np.float16]:
        """Return the states at the pieces of one side of a pair."""
        if isinstance(target, str):
            found = join_states(part for _, part in states_of_pairs(self._loaded, [(source, target)], tag))
        else:
            known = {piece: number for number, piece in enumerate(self._loaded.tokenizers.target.pieces)}
            if lacking := next((piece for piece in target if piece not in known), None):
                raise InputError(
                    f"{lacking!r:.80} is no piece of the target vocabulary; give the pieces of a translation"
                )
            tags = tag_ids([self._loaded], tag)
            ids = [*tags, *self._loaded.tokenizers.source.encode(source)], [known[piece] for piece in target]
            if not source.strip() or not all(1 <= len(each) <= MAX_SOURCE_LENGTH for each in ids):
                raise InputError("a side is blank, or has more than 1,000 pieces")
            text = np.zeros(0, np.uint8)
            found = join_states(part for _, part in _read(self._loaded, [ids], len(tags), [text, text]))
        states: NDArray[np.float16] = getattr(found, f"{side}_states")
        return states

    def _neighbour(self, similarity: float, side: Side, pair: int, place: int) -> Neighbour:
        source, target = (texts[pair] for texts in self._texts)
        tokenizers = self._loaded.tokenizers
        read = tokenizers.source.to_pieces(tokenizers.source.encode(source))
        written = tokenizers.target.to_pieces(tokenizers.target.encode(target))
        return Neighbour(min(1.0, similarity), side, source, target, read, written, place)
