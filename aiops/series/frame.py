"""Many series on one grid: what the core works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series.grid import FloatArray, require_step, require_utc, stamps
from aiops.series.key import SeriesKey
from aiops.series.series import Series


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Many series on one grid; one series is a batch of one.

    Attributes:
        keys: One key a row, distinct.
        start: Stamp of the first column. Timezone-aware, UTC.
        step: Grid spacing; positive.
        values: Observations, shape ``[n_series, n]``, float64. NaN marks a missing point; never infinite.
        units: One unit a row; empty if unknown.

    Raises:
        DataError: If a shape, a key or the grid is wrong.
    """

    keys: tuple[SeriesKey, ...]
    start: datetime
    step: timedelta
    values: FloatArray
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_step(self.step)
        if self.values.ndim != 2 or self.values.dtype != np.float64 or len(self.values) != len(self.keys):
            raise DataError(
                f"values must be float64 of shape [{len(self.keys)} series, n], "
                f"got {self.values.dtype} {self.values.shape}"
            )
        if np.isinf(self.values).any():
            raise DataError("values must be finite or NaN, found an infinity")
        if len(set(self.keys)) != len(self.keys):
            twice = sorted({str(key) for key in self.keys if self.keys.count(key) > 1})
            raise DataError(f"each series may appear once, found twice: {', '.join(twice[:3])}")
        if not self.units:
            object.__setattr__(self, "units", ("",) * len(self.keys))
        if len(self.units) != len(self.keys):
            raise DataError(f"units must have one entry a series, got {len(self.units)} for {len(self.keys)}")

    @classmethod
    def of(cls, series: Sequence[Series]) -> Frame:
        """Put series on their common grid, from the earliest start to the latest end; what a series lacks is NaN.

        Raises:
            DataError: If there are none, or their steps or the phases of their grids differ.
        """
        if not series:
            raise DataError("a frame needs at least one series")
        step = series[0].step
        start = min(each.start for each in series)
        end = max(each.end for each in series)
        for each in series:
            if each.step != step or (each.start - start) % step:
                raise DataError(f"{each.key} is not on the grid of {series[0].key}: resample one of them first")
        values = np.full((len(series), (end - start) // step), np.nan)
        for row, each in enumerate(series):
            first = (each.start - start) // step
            values[row, first : first + len(each)] = each.values
        return cls(
            keys=tuple(each.key for each in series),
            start=start,
            step=step,
            values=values,
            units=tuple(each.unit for each in series),
        )

    @property
    def length(self) -> int:
        """Number of points a series."""
        return int(self.values.shape[1])

    @property
    def end(self) -> datetime:
        """When the last column is known: its stamp plus one step."""
        return self.start + self.length * self.step

    @property
    def cutoff(self) -> datetime:
        """Stamp of the last column: the cutoff of a forecast made from all of this frame."""
        return self.end - self.step

    def stamps(self) -> FloatArray:
        """Return the stamps in seconds since the epoch, shape ``[n]``."""
        return stamps(self.start, self.step, self.length)

    def row(self, index: int) -> Series:
        """Return one row as a Series."""
        return Series(
            key=self.keys[index],
            start=self.start,
            step=self.step,
            values=self.values[index],
            unit=self.units[index],
        )

    def rows(self) -> Iterator[Series]:
        """Yield every row as a Series."""
        return (self.row(index) for index in range(len(self.keys)))

    def select(self, rows: Sequence[int]) -> Frame:
        """Return the given rows, in the given order."""
        return Frame(
            keys=tuple(self.keys[row] for row in rows),
            start=self.start,
            step=self.step,
            values=self.values[list(rows)],
            units=tuple(self.units[row] for row in rows),
        )

    def columns(self, first: int, last: int) -> Frame:
        """Return the columns ``first <= column < last``."""
        return Frame(
            keys=self.keys,
            start=self.start + first * self.step,
            step=self.step,
            values=self.values[:, first:last],
            units=self.units,
        )
