"""What the C library does with memory that tensors no longer need."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
BLOCK = 1 << 30


def keep_freed_memory() -> bool:
    """
    Have glibc keep what is freed for the next tensor; return whether this C library can be told.

    By itself it gives blocks of the size of activations back to the system, so that each step asks for all of its pages
    anew, and has them cleared. `benchmarks/training.py` measures what that costs.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        option = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return False
    return bool(option(_MMAP_THRESHOLD, BLOCK)) and bool(option(_TRIM_THRESHOLD, 2 * BLOCK - 1))
