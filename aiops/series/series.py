"""One metric on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series.grid import FloatArray, require_step, require_utc, stamps
from aiops.series.key import SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One metric on a regular grid.

    Attributes:
        key: Metric name and labels.
        start: Stamp of the first point. Timezone-aware, UTC.
        step: Grid spacing; positive.
        values: Observations, shape ``[n]``, float64. NaN marks a missing point; never infinite.
        unit: Base unit such as ``"requests/second"``; empty if unknown.

    Raises:
        DataError: If the grid is not UTC, the step not positive, or the values are not ``[n]`` finite-or-NaN numbers.
    """

    key: SeriesKey
    start: datetime
    step: timedelta
    values: FloatArray
    unit: str = ""

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_step(self.step)
        if self.values.ndim != 1 or self.values.dtype != np.float64:
            raise DataError(f"{self.key}: values must be float64 [n], got {self.values.dtype} {self.values.shape}")
        if np.isinf(self.values).any():
            raise DataError(f"{self.key}: values must be finite or NaN, found an infinity")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def end(self) -> datetime:
        """When the last value is known: its stamp plus one step; equals ``start`` if there are no points."""
        return self.start + len(self.values) * self.step

    def stamps(self) -> FloatArray:
        """Return the stamps in seconds since the epoch, shape ``[n]``."""
        return stamps(self.start, self.step, len(self.values))

    def known_at(self, now: datetime) -> Series:
        """Return the points that are known at ``now``: those whose step has ended."""
        return self.between(self.start, now - self.step + timedelta.resolution)

    def between(self, start: datetime, end: datetime) -> Series:
        """Return the points with ``start <= stamp < end``."""
        first = min(max(-((self.start - start) // self.step), 0), len(self.values))
        last = min(max(-((self.start - end) // self.step), first), len(self.values))
        return Series(
            key=self.key,
            start=self.start + first * self.step,
            step=self.step,
            values=self.values[first:last],
            unit=self.unit,
        )
