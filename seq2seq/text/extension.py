"""Extension of a trained tokenizer by pieces of new text; every old piece keeps its id, and its place in a text.

The new pieces join neighbours of the old segmentation, so a text is cut as before, but for neighbours that are joined:
a text without new pieces is cut as it was. For bpe, new pieces score below all old ones, so that old merges come first
(Sennrich et al. 2016, continued). For unigram, a new piece scores what the best old cut of its string does, and a
little more, so that it wins over that cut and over nothing else.
"""

from __future__ import annotations

import heapq
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from seq2seq.config import TokenizerConfig
from seq2seq.errors import InputError
from seq2seq.text.sentencepiece_model import NORMAL, SPACE, USER_DEFINED, Piece, append_pieces
from seq2seq.text.special_tokens import UNK
from seq2seq.text.tokenizer import Tokenizer, TokenizerPair

_LONGEST = 16  # characters of a new piece, as in SentencePiece's training
_FEWEST = 2  # occurrences of a new piece that joins others
_NEVER_PIECES = {SPACE, "\u2585", "\0", " "}  # characters that SentencePiece keeps for itself
_LOWEST = -(2**24)  # below it, float32 does not hold every whole number
_BONUS = 0.02  # nats for each border that a new unigram piece closes: above the rounding of a long text's score


def check_extendable(tokenizers: TokenizerPair, config: TokenizerConfig, name: str) -> None:
    """Refuse tokenizers that cannot be extended to tokenizer.vocabulary_size. Raises InputError, with their `name`."""
    for tokenizer in {tokenizers.source, tokenizers.target}:
        size = tokenizer.vocabulary_size
        if config.vocabulary_size <= size:
            raise InputError(
                f"tokenizer.vocabulary_size = {config.vocabulary_size}: the tokenizer of {name} has {size} pieces "
                "already; with extend it is the size in the end, so raise it, or leave extend out"
            )
        pieces = [piece for piece in tokenizer.description.pieces if piece.type == NORMAL]
        if any(SPACE in piece.text[1:] for piece in pieces):
            raise InputError(
                f"tokenizer.extend: the pieces of {name} hold spaces inside or at their ends, where no words can be "
                "told apart; leave extend out"
            )
        if tokenizer.kind == "bpe" and min(piece.score for piece in pieces) - config.vocabulary_size < _LOWEST:
            raise InputError(
                f"tokenizer.extend: the scores of the pieces of {name} leave no room below them; leave extend out"
            )


def extend_pair(
    old: TokenizerPair,
    source: Iterable[str],
    target: Iterable[str],
    config: TokenizerConfig,
    tags: Sequence[str] = (),
) -> TokenizerPair:
    """Return the tokenizers with further pieces of the two sides of a text, each up to tokenizer.vocabulary_size.

    tags: further symbols of the source.
    """
    tagged = config.model_copy(update={"symbols": list(dict.fromkeys([*config.symbols, *tags]))})
    if old.joint:
        both = extend(old.source, [*source, *target], tagged)
        return TokenizerPair(both, both, joint=True)
    return TokenizerPair(extend(old.source, source, tagged), extend(old.target, target, config), joint=False)


def extend(old: Tokenizer, texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Return the tokenizer with further pieces of the texts after its own; the same texts give the same pieces.

    First come the symbols that it lacks, then characters (words for kind "word"), the frequent ones first, then for bpe
    and unigram the most frequent neighbours, joined one after the other. Fewer than asked for where the texts have
    fewer. Raises InputError where the symbols alone are too many.
    """
    lines = list(texts)
    symbols = [Piece(symbol, 0.0, USER_DEFINED) for symbol in config.symbols if symbol not in old.pieces]
    room = config.vocabulary_size - old.vocabulary_size - len(symbols)
    if room < 0:
        raise InputError(
            f"tokenizer.vocabulary_size = {config.vocabulary_size}: there are {old.vocabulary_size} pieces already and "
            f"{len(symbols)} new symbols and tags; raise it"
        )
    old = _append(old, symbols)
    lowest = min((piece.score for piece in old.description.pieces if piece.type == NORMAL), default=0.0)
    lacking = _lacking_words(old, lines) if old.kind == "word" else _lacking_characters(old, lines)
    first = _most_frequent(lacking, config.character_coverage if old.kind != "word" else 1.0)[:room]
    steps = 1.0 if old.kind == "bpe" else 0.0
    spelling = _append(old, [Piece(text, lowest - steps * (place + 1), NORMAL) for place, text in enumerate(first)])
    if old.kind in ("char", "word"):
        return spelling
    joined = _join(_words(spelling, lines), set(spelling.pieces), room - len(first))
    if old.kind == "bpe":
        return _append(
            spelling, [Piece(text, lowest - len(first) - place - 1, NORMAL) for place, text in enumerate(joined)]
        )
    scores = [piece.score for piece in spelling.description.pieces]
    cuts = cut_strings(spelling, joined)
    return _append(
        spelling,
        [
            Piece(text, sum(scores[id_] for id_ in cut) + _BONUS * (len(cut) - 1), NORMAL)
            for text, cut in zip(joined, cuts, strict=True)
        ],
    )


def cut_strings(tokenizer: Tokenizer, strings: Sequence[str]) -> list[list[int]]:
    """Return the ids of each string, in which "▁" stands for a space; none is put before it. None is empty: what the
    tokenizer does not know is the unknown piece.
    """
    return [tokenizer.encode_inside(each.replace(SPACE, " ")) or [UNK] for each in strings]


def _append(tokenizer: Tokenizer, pieces: Sequence[Piece]) -> Tokenizer:
    if not pieces:
        return tokenizer
    return Tokenizer.from_bytes(append_pieces(tokenizer.model_bytes, pieces), "the tokenizer just extended")


def _lacking_words(old: Tokenizer, lines: list[str]) -> tuple[Counter[str], int]:
    known = {*old.pieces, *_NEVER_PIECES}
    words = Counter(word for text in old.normalise_batch(lines) for word in old.split_words(text))
    return Counter({word: count for word, count in words.items() if word not in known}), words.total()


def _lacking_characters(old: Tokenizer, lines: list[str]) -> tuple[Counter[str], int]:
    known = {*old.pieces, *_NEVER_PIECES}
    characters = Counter[str]()
    for text in old.normalise_batch(lines):
        characters.update(text)
    return Counter({each: count for each, count in characters.items() if each not in known}), characters.total()


def _most_frequent(lacking: tuple[Counter[str], int], coverage: float) -> list[str]:
    """Return what is lacking, the most frequent first, until the rest is at most 1 - coverage of the text."""
    counts, total = lacking
    found, left = [], counts.total()
    for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if left <= (1 - coverage) * total:
            break
        found.append(text)
        left -= count
    return found


def _words(tokenizer: Tokenizer, lines: list[str]) -> Counter[tuple[str, ...]]:
    """Return how often each word, as the tokenizer cuts it, occurs; symbols, bytes and unknown characters end one."""
    pieces = [piece.text if piece.type == NORMAL else "" for piece in tokenizer.description.pieces]
    words = Counter[tuple[str, ...]]()
    for ids in tokenizer.encode_batch(lines):
        word: list[str] = []
        for piece in (pieces[id_] for id_ in ids):
            if not piece or piece.startswith(SPACE):
                words[tuple(word)] += 1
                word = []
            if piece:
                word.append(piece)
        words[tuple(word)] += 1
    return words


def _join(words: Counter[tuple[str, ...]], known: set[str], room: int) -> list[str]:
    """Return at most `room` new pieces: again and again the most frequent two neighbours, which are then joined."""
    sequences, counts = [list(word) for word in words], list(words.values())
    totals, places = Counter[str](), defaultdict[str, set[int]](set)

    def count(index: int, sign: int) -> set[str]:
        found = [first + second for first, second in pairwise(sequences[index])]
        for joint in found:
            totals[joint] += sign * counts[index]
            places[joint].add(index)
        return set(found)

    for index in range(len(sequences)):
        count(index, 1)
    queue = [(-total, joint) for joint, total in totals.items() if _is_wanted(joint, known)]
    heapq.heapify(queue)
    joined = list[str]()
    while queue and len(joined) < room:
        total, joint = heapq.heappop(queue)
        if joint in known:
            continue
        if -total != totals[joint]:  # it was counted before others were joined
            heapq.heappush(queue, (-totals[joint], joint))
            continue
        if -total < _FEWEST:
            break
        joined.append(joint)
        known.add(joint)
        changed = set[str]()
        for index in places.pop(joint):
            count(index, -1)
            sequences[index] = _join_in(sequences[index], joint)
            changed |= count(index, 1)
        for each in changed:
            if _is_wanted(each, known):
                heapq.heappush(queue, (-totals[each], each))
    return joined


def _join_in(sequence: list[str], joint: str) -> list[str]:
    found: list[str] = []
    skipped = False
    for first, second in pairwise([*sequence, ""]):
        if skipped:
            skipped = False
        elif second and first + second == joint:
            found.append(joint)
            skipped = True
        else:
            found.append(first)
    return found


def _is_wanted(joint: str, known: set[str]) -> bool:
    """Return whether a string may be a new piece: short, and of letters, of digits or of signs alone."""
    if joint in known or len(joint) > _LONGEST:
        return False
    classes = {unicodedata.category(each)[0] for each in joint.removeprefix(SPACE)}
    return classes <= {"L", "M"} or classes <= {"N"} or not classes & {"L", "M", "N"}
