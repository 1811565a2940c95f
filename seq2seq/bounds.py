"""Bounds of numbers that the command line, a config and Python all take: the same everywhere, and said once.

A model directory may come from a stranger, whose config sets the defaults of a search. So its bounds are those of a
search that ends, with what it keeps in memory; a sentence that needs more is none. Nothing heavy is imported here.
"""

LARGEST_BEAM = 1024  # live hypotheses of a sentence, each of which has a row of the vocabulary's size
LARGEST_MIN_LENGTH = 1000  # pieces that a translation can be made to have
LARGEST_LENGTH_OFFSET = 1000  # pieces that a translation may have beside those by the length of its source
LARGEST_LENGTH_RATIO = 100  # pieces of a translation for one of its source
LARGEST_ALPHA = 10  # exponent of a length penalty; beyond that, long hypotheses overflow
LARGEST_COUNT = 1_000_000  # of anything that is counted in sentences or pieces, and that the user alone asks for
