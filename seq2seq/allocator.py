"""glibc's allocator, told to keep memory."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST = 32 << 20  # bytes; glibc refuses a larger mmap threshold
_KEEP = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Make freed tensors' pages stay with the process; True where that was possible (Linux with glibc).

    By default glibc maps every large tensor afresh and unmaps it when freed, so each one pays for page faults. The
    price is that the process does not shrink after its peak. 2026-11-22, a training step of 128 x 16 tokens, GRU 400,
    two threads: 4,210 to 4,650 tokens/s.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wishes = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEEP), (_TOP_PAD, 64 << 20))
    accepted = [mallopt(option, value) == 1 for option, value in wishes]
    return all(accepted)
