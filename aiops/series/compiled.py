"""Machine code for loops that NumPy cannot express, without paying for Numba before the first use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


@cache
def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` compiled by Numba; the machine code is kept on disk beside its file for the next process.

    It may call compiled functions of files in the same folder: a change in any of them has it compiled anew. (Numba
    itself looks at the function's own file only, and would go on using the old code of what it calls.)
    """
    from numba import njit

    made: Any = njit(cache=True, nogil=True)(function)
    return _watched(made, function)


def machine_code(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of a module that is imported only when its machine code is used: as ``compiled``.

    It may call others of its kind. A division by zero gives what floating point says, not an exception.
    """
    from numba import njit

    made: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    return _watched(made, function)


def _watched(made: Any, function: Callable[P, R]) -> Callable[P, R]:
    made._cache._cache_file._source_stamp = digest_of_sources(Path(function.__code__.co_filename).parent)
    return cast("Callable[P, R]", made)


@cache
def digest_of_sources(folder: Path) -> str:
    """Return the digest of all Python files in a folder: it differs after any change of the code."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
