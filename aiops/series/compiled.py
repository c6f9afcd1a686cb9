"""Machine code for loops that NumPy cannot express, without paying for Numba before the first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


@cache
def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` compiled by Numba; the machine code is kept on disk beside its file for the next process."""
    from numba import njit

    return cast("Callable[P, R]", njit(cache=True, nogil=True)(function))
