"""The phrasebook: one small abstract grammar, linearised in English, German and Chinese, with gold word alignments."""

from .corpus import Sizes, generate, held_out
from .examples import LANGUAGES, PAIRS, Example, features_of, linearise

__all__ = ["LANGUAGES", "PAIRS", "Example", "Sizes", "features_of", "generate", "held_out", "linearise"]
