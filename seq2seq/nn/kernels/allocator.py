"""What libraries below torch are told about memory: glibc's allocator to keep it, oneDNN to keep less."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST = 32 << 20  # bytes; glibc refuses a larger mmap threshold
_KEEP = 1 << 30  # bytes
KERNELS = 256  # shapes


def tune_memory() -> bool:
    """Make freed tensors' pages stay with the process; True where that was possible (Linux with glibc).

    By default glibc maps every large tensor afresh and unmaps it when freed, so each one pays for page faults. The
    price is that the process does not shrink after its peak. 2026-11-22, a training step of 128 x 16 tokens, GRU 400,
    two threads: 4,210 to 4,650 tokens/s.

    oneDNN compiles kernels for each shape of a product that it meets, which take 0.5 to 2 MB, and remembers 1,024
    shapes. It is told to remember fewer, unless the environment says how many. They lie between what a step leaves
    free, which then is of less use: what helps is to have few shapes, and to make their kernels where a step begins
    (`seq2seq.nn.kernels.products`). 2026-11-26 and 27, 60 training steps with products of bfloat16, GB: 2.4; 64 shapes
    remembered 2.0; with products in pieces 1.8, and 1.8 to 1.9 with 256 shapes (180 steps: 2.4,
    2.0 before). Neither malloc_trim every 10 steps, nor free
    places of the kernels' own size made before all else, nor kernels from a thread whose memory is apart (0.8 of the
    speed, as its own threads then wait beside these), nor sizes rounded up changed as much.
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
