"""Upper bounds of numbers that the command line, a config and Python all take, defined once so that they agree.

A model directory may come from a stranger, and its config sets the defaults of a search. So the bounds are such that
every search within them ends and its state fits into memory; a sentence that needs more is not a sentence. This module
imports nothing.
"""

LARGEST_BEAM = 1024  # live hypotheses of a sentence; each needs a row of the size of the vocabulary
LARGEST_MIN_LENGTH = 1000  # pieces
LARGEST_LENGTH_OFFSET = 1000  # pieces, beside those that the length of the source allows
LARGEST_LENGTH_RATIO = 100  # pieces of a translation per piece of its source
LARGEST_ALPHA = 10  # exponent of a length penalty; beyond that, long hypotheses overflow
LARGEST_REPETITION_PENALTY = 100  # factor of log-probabilities; beyond that, sums overflow in half precision
LARGEST_DIVERSITY = 1000  # nats; far more than any log-probability of a piece
LARGEST_CONSTRAINTS = 1000  # pieces of all constraints of a sentence, each of which asks for a bank of the beam
LARGEST_EDITS = 1000  # of the attention of a sentence's steps, each of which has a weight for every source piece
LARGEST_TOP = 1000  # most probable pieces of a step that are told
LARGEST_STATES = 20_000_000  # of each side in an index; of 1,024 units they are 40 GB
MOST_STATES = 200_000  # of these, where nothing else is asked for
LARGEST_COUNT = 1_000_000  # sentences or pieces, for numbers that only the user sets
