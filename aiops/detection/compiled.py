"""Loops over points, made fast."""

from __future__ import annotations

import functools
from collections.abc import Callable


@functools.cache
def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function compiled by numba: on first use, then kept on disk, so that the next process only loads it.

    Compiled loops go over points one by one without fast-math, so that a series gets the same bits in any batch.
    """
    from numba import njit

    fast: Callable[..., None] = njit(cache=True, nogil=True)(function)
    return fast
