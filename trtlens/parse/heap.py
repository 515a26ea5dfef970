"""Freed memory goes back to the system.

In: nothing. Out: nothing but a smaller process. Next: build_log/reader.py calls it between blocks of a large log, whose columns grow in turns:
the C library keeps the holes that they leave, 70 to 150 MB after 2 GB of log.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _trim() -> Any:
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim  # glibc alone has it
    except (OSError, AttributeError, TypeError):
        return None


def give_back() -> None:
    """Return freed memory to the system, where the C library can. Takes about 10 ms."""
    trim = _trim()
    if trim is not None:
        trim(0)
