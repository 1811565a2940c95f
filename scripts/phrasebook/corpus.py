"""Splits: which sentences go where, and the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from .clauses import PLAIN
from .examples import LANGUAGES, PAIRS, Example, Feature, features_of, linearise
from .noise import noised
from .nouns import ANIMALS, PEOPLE, THINGS, table
from .sentences import Sentences

# No sentence outside `long` has more words than this (Chinese: segmented words); a long one has more in each language.
LIMIT = {"en": 18, "de": 18, "zh": 18}
CONSTRUCTIONS_OF_VERBS = ("question", "negation", "modal", "subordinate", "relative")
CONSTRUCTIONS_OF_NOUNS = ("question", "negation", "subordinate", "relative", "numeral")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sentences per split."""

    train: int = 100_000
    validation: int = 1000
    test: int = 1000
    long: int = 500
    recombined: int = 1000


def held_out(seed: int, pairs: int = 40) -> frozenset[Feature]:
    """The (lexeme, construction) combinations that only `recombined` may contain: half of verbs, half of nouns."""
    rng = Random(f"{seed}/held-out")
    verbs = [verb.name for verb in PLAIN if verb.kind in ("act", "event") and verb.objects]
    nouns = [noun.name for text in (PEOPLE, ANIMALS, THINGS) for noun in table(text)]
    of_verbs = zip(
        rng.sample(sorted(set(verbs)), pairs // 2), rng.choices(CONSTRUCTIONS_OF_VERBS, k=pairs // 2), strict=True
    )
    of_nouns = zip(rng.sample(nouns, pairs // 2), rng.choices(CONSTRUCTIONS_OF_NOUNS, k=pairs // 2), strict=True)
    return frozenset([*of_verbs, *of_nouns])


def is_short(example: Example) -> bool:
    """Whether every language stays within the limit of ordinary splits."""
    return all(len(example.tagged[language]) <= limit for language, limit in LIMIT.items())


def is_long(example: Example) -> bool:
    """Whether every language is beyond the limit, and not beyond all reason."""
    return all(limit < len(example.tagged[language]) <= 45 for language, limit in LIMIT.items())


def generate(seed: int, count: int, split: str = "train", *, avoid: set[str] | None = None) -> Iterator[Example]:
    """Yield `count` examples of a split, no text twice in any language; skip texts in `avoid`, and add to it.

    Each split has its own stream, so the first lines of one do not depend on the size of another.
    """
    forbidden = held_out(seed)
    seen = set() if avoid is None else avoid
    stream = Sentences.seeded(f"{seed}/{split}")
    while count:
        tree = stream.draw_long() if split == "long" else stream.draw()
        features = features_of(tree)
        if features.isdisjoint(forbidden) == (split == "recombined"):
            continue
        example = linearise(tree, features)
        if not (is_long if split == "long" else is_short)(example):
            continue
        texts = [example.text(language) for language in LANGUAGES]
        if not seen.isdisjoint(texts):
            continue
        seen.update(texts)
        count -= 1
        yield example


def write_corpus(output: Path, seed: int, sizes: Sizes, noise_rate: float, report: Report) -> None:
    """Write all splits; the small ones come first so that train can avoid their sentences."""
    output.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for split in ("test", "validation", "long", "recombined"):
        examples = list(generate(seed, getattr(sizes, split), split, avoid=seen))
        write_split(output, split, examples)
        report(f"{split}: {len(examples)} sentences")
        if split == "test":
            for language in LANGUAGES:
                lines = noised(examples, language, noise_rate, seed)
                write_lines(output / f"noisy.{language}", lines)
            report(f"noisy: test with {noise_rate:.0%} of the words changed")
    write_split(output, "train", generate(seed, sizes.train, "train", avoid=seen))
    report(f"train: {sizes.train} sentences")


def write_split(output: Path, split: str, examples: Iterator[Example] | list[Example]) -> None:
    """Text, Chinese words and alignments of one split."""
    columns: dict[str, list[str]] = {
        name: [] for name in (*LANGUAGES, "zh-words", *(f"{a}-{b}.align" for a, b in PAIRS))
    }
    for example in examples:
        for language in LANGUAGES:
            columns[language].append(example.text(language))
        columns["zh-words"].append(" ".join(example.words("zh")))
        for a, b in PAIRS:
            columns[f"{a}-{b}.align"].append(" ".join(f"{i}-{j}" for i, j in example.alignment(a, b)))
    for name, lines in columns.items():
        write_lines(output / f"{split}.{name}", lines)


def write_lines(path: Path, lines: list[str]) -> None:
    """Write under a temporary name, then rename: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    temporary.replace(path)
