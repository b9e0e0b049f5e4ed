"""Has a program that runs by itself give memory back as soon as it is free; in a program of others nothing is changed."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

_ARENAS = -8  # M_ARENA_MAX of mallopt(3)
MOST_ARENAS = 2


def keep_small() -> None:
    """Has Arrow and the C library keep little of what is free.

    Each of a run's threads would have an arena of its own, with what its largest answer needed, and Arrow's own allocator keeps
    as much again: without both, a first load of 100,000 time entries takes 320 MB instead of 410, in the same time
    (`benchmarks/speed.py`).
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only GNU's has arenas
        if mallopt:
            mallopt(_ARENAS, MOST_ARENAS)
