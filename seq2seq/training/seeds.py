"""Seeds of random draws, one for each use, derived from the seed of the run."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, epoch: int, use: str) -> int:
    """Return a seed in [0, 2³²) for one epoch and one use (a side, a process), independent of every other."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}/{use}".encode()).digest()[:4], "little")
