"""Memory that this process holds and does not use."""

from __future__ import annotations

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Give free memory back to the system. Chunks leave holes of all sizes behind, in which the
    large arrays of the next phase find no place: a third of the peak, where this is not done.
    Numpy's memory only goes back where the C library can be asked (glibc)."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.pythonapi, "malloc_trim", None)
    if trim is not None:
        trim(0)
