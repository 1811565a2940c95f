"""From linearised words to text: punctuation, capitals, and the links between two texts."""

from __future__ import annotations

from collections import defaultdict

# A word and the keys of the abstract nodes it expresses. COMMA hangs on to the word before.
Word = tuple[str, tuple[int, ...]]
COMMA: Word = (",", ())


def finish(words: list[Word], end: str, *, comma: str = ",") -> list[Word]:
    """Attach punctuation to the word before it, so that a unit of alignment is what whitespace delimits."""
    done: list[Word] = []
    for word in words:
        if word is COMMA:
            if done and not done[-1][0].endswith(comma):
                done[-1] = (done[-1][0] + comma, done[-1][1])
        else:
            done.append(word)
    text, keys = done[-1]
    done[-1] = (text.rstrip(comma) + end, keys)
    first = done[0][0]
    done[0] = (first[0].upper() + first[1:], done[0][1])
    return done


def links(source: list[Word], target: list[Word]) -> list[tuple[int, int]]:
    """The gold alignment: pairs of positions whose words share a key."""
    positions = defaultdict(list)
    for index, (_, keys) in enumerate(target):
        for node in keys:
            positions[node].append(index)
    found = {(i, j) for i, (_, keys) in enumerate(source) for node in keys for j in positions.get(node, ())}
    return sorted(found)
