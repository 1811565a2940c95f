"""A derivation with its three texts, their words, and the gold links between them."""

from __future__ import annotations

from dataclasses import dataclass

from . import chinese, english, german
from .surface import Word, finish, links
from .tree import Both, Clause, Coordinated, Joined, NounPhrase, Quality, Tree

LANGUAGES = ("en", "de", "zh")
PAIRS = (("en", "de"), ("en", "zh"), ("de", "zh"))
Feature = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """One line of the corpus in all three languages."""

    tree: Tree
    tagged: dict[str, list[Word]]
    features: frozenset[Feature]

    def words(self, language: str) -> list[str]:
        """The units of alignment: whitespace words, for Chinese the segmentation."""
        return [text for text, _ in self.tagged[language]]

    def text(self, language: str) -> str:
        """The natural text; Chinese has no spaces."""
        return ("" if language == "zh" else " ").join(self.words(language))

    def alignment(self, source: str, target: str) -> list[tuple[int, int]]:
        """Gold links as (source word, target word)."""
        return links(self.tagged[source], self.tagged[target])


def linearise(tree: Tree, features: frozenset[Feature]) -> Example:
    """The texts of a derivation."""
    question = isinstance(tree, Clause) and bool(tree.asked)
    mark = "?" if question else "."
    tagged = {
        "en": finish(english.sentence(tree), mark),
        "de": finish(german.sentence(tree), mark),
        "zh": finish(chinese.sentence(tree), "？" if question else "。", comma="，"),
    }
    return Example(tree, tagged, features)


def features_of(tree: Tree) -> frozenset[Feature]:
    """The (lexeme, construction) pairs of a derivation: which verb or noun stands in which kind of clause."""
    found: set[Feature] = set()
    _collect(tree, frozenset(), found)
    return frozenset(found)


def _collect(node: object, around: frozenset[str], found: set[Feature]) -> None:
    """Walk the tree; a clause adds its constructions to those around it, but a clause inside starts afresh."""
    match node:
        case Joined():
            _collect(node.main, around, found)
            _collect(node.side, around | {"subordinate"}, found)
        case Coordinated():
            _collect(node.first, around | {"coordination"}, found)
            _collect(node.second, around | {"coordination"}, found)
        case Clause():
            inside = around | _constructions(node)
            found.update((node.verb.name, name) for name in inside)
            for part in (node.subject, node.object, node.recipient, node.companion, node.predicate):
                if part is not None:
                    _collect(part, inside, found)
            if node.says:
                _collect(node.says, frozenset({"subordinate"}), found)
        case NounPhrase():
            inside = around | _shape(node)
            found.update((node.noun.name, name) for name in inside)
            if node.relative:
                _collect(node.relative, frozenset({"relative"}), found)
            if isinstance(node.owner, NounPhrase):
                _collect(node.owner, around, found)
        case Both():
            _collect(node.left, around, found)
            _collect(node.right, around, found)
        case Quality():
            found.update((node.adjective.english, name) for name in around)
            if node.than:
                _collect(node.than, around, found)


def _shape(phrase: NounPhrase) -> set[str]:
    marks = {"numeral"} if phrase.determiner in ("number", "these", "how-many") else set()
    marks |= {"plural"} if phrase.number == 0 else set()
    marks |= {"attribute"} if phrase.adjective else set()
    return marks | ({"relative-head"} if phrase.relative else set())


def _constructions(clause: Clause) -> set[str]:
    marks = {"question"} if clause.asked else set()
    marks |= {"negation"} if clause.negated else set()
    return marks | {clause.tense}
