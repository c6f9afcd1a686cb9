"""Instants and grids: the one place where datetimes meet numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aiops.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_seconds(at: datetime) -> float:
    """Return seconds since 1970-01-01 UTC; exact for whole microseconds."""
    return (at - _EPOCH) / timedelta(seconds=1)


def from_epoch(seconds: float) -> datetime:
    """Return the UTC instant ``seconds`` after 1970-01-01."""
    return _EPOCH + timedelta(seconds=float(seconds))


def stamps(start: datetime, step: timedelta, n: int) -> FloatArray:
    """Return the stamps of a grid in seconds since the epoch, shape ``[n]``."""
    return np.asarray(epoch_seconds(start) + np.arange(n) * step.total_seconds(), dtype=np.float64)


def floor(at: datetime, step: timedelta) -> datetime:
    """Return the last whole multiple of ``step`` since 1970 that is not after ``at``: exact, and the same for everyone.

    What a live reader may use at ``at`` ends there: the steps before it have ended, the one that it begins has not.
    """
    return at - (at - _EPOCH) % step


def require_utc(at: datetime, name: str) -> None:
    """Raise DataError unless ``at`` is timezone-aware UTC."""
    if at.utcoffset() != timedelta(0):
        raise DataError(f"{name} must be timezone-aware UTC, got {at!r}")


def require_step(step: timedelta) -> None:
    """Raise DataError unless ``step`` is positive."""
    if step <= timedelta(0):
        raise DataError(f"step must be positive, got {step}")
