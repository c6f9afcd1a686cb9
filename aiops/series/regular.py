"""From rows with stamps to a regular grid, and from one grid to another window of the same step."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series.grid import FloatArray, from_epoch
from aiops.series.key import SeriesKey
from aiops.series.series import Series

_ROUNDING = 0.02  # share of a step by which the usual distance of rows may miss a whole second, and mean it
_TOLERANCE = 1e-6  # share of a step by which a stamp may miss its grid point
_MOST_POINTS_A_ROW = 100
_MOST_POINTS_ANYWAY = 10_000


def regularize(
    key: SeriesKey, stamps: FloatArray, values: FloatArray, *, step: timedelta | None = None, unit: str = ""
) -> tuple[Series, int]:
    """Put rows on a regular grid; what has no row is NaN.

    The grid goes through the first stamp if most stamps fit it then, whatever its phase; else (stamps that jitter) it
    starts at a whole multiple of the step, and each stamp falls into the step that holds it. Of several rows in one
    step the first is kept.

    Args:
        stamps: Seconds since the epoch, in order, shape ``[n]``.
        values: Observations, shape ``[n]``.
        step: Spacing of the grid; the usual distance of the rows if None.

    Returns:
        The series, and how many rows were dropped because their step already had one.

    Raises:
        DataError: If no step can be told, the rows are much closer than ``step``, or a stray stamp makes the grid
            absurdly long.
    """
    distances = np.diff(stamps)
    distances = distances[distances > 0]
    usual = float(np.median(distances)) if len(distances) else None
    if usual is None and step is None:
        raise DataError("all rows have one timestamp: a series needs at least two to have a step")
    spacing = step.total_seconds() if step is not None else _whole(usual or 0.0)
    if usual is not None and spacing > 1.5 * usual:
        raise DataError(
            f"the index says one row every {spacing:g} s, the rows come every {usual:g} s: correct step_s, or "
            f"aggregate the rows first"
        )
    origin = float(stamps[0])
    off_grid = (stamps - origin) / spacing
    if np.mean(np.abs(off_grid - np.rint(off_grid)) < _TOLERANCE) <= 0.5:
        origin = float(np.floor(origin / spacing) * spacing)
    position = np.floor((stamps - origin) / spacing + _TOLERANCE).astype(np.int64)
    length = int(position[-1]) + 1
    if length > _MOST_POINTS_A_ROW * len(stamps) + _MOST_POINTS_ANYWAY:
        raise DataError(
            f"{len(stamps)} rows spread over {length} steps of {spacing:g} s, from {from_epoch(stamps[0]).isoformat()} "
            f"to {from_epoch(stamps[-1]).isoformat()}: is a timestamp wrong?"
        )
    first_rows = np.unique(position, return_index=True)[1]
    grid = np.full(length, np.nan)
    grid[position[first_rows]] = values[first_rows]
    series = Series(key=key, start=from_epoch(origin), step=timedelta(seconds=spacing), values=grid, unit=unit)
    return series, len(stamps) - len(first_rows)


def place(series: Series, start: datetime, end: datetime, step: timedelta) -> Series:
    """Return the series on the grid start, start + step, ... of stamps before ``end``; what it lacks is NaN.

    A point between two stamps of the grid gets the later one: at the earlier one it was not known yet.

    Raises:
        DataError: If the step of the series is another one.
    """
    if series.step != step:
        raise DataError(
            f"{series.key} has a step of {series.step.total_seconds():g} s and not of {step.total_seconds():g} s"
        )
    values = np.full(max(-((start - end) // step), 0), np.nan)
    first = -((start - series.start) // step)  # column of the first point; negative if it is before the window
    source = series.values[max(-first, 0) : max(len(values) - first, 0)]
    begin = max(first, 0)
    values[begin : begin + len(source)] = source
    return Series(key=series.key, start=start, step=step, values=values, unit=series.unit)


def _whole(seconds: float) -> float:
    """Return the step that people meant: whole seconds if nearly so, else whole milliseconds."""
    nearest = round(seconds)
    return float(nearest) if abs(seconds - nearest) <= _ROUNDING * seconds else round(seconds, 3)
