"""A MetricSource over series that are already in memory, and what every source of whole series shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import numpy as np

from aiops.errors import DataError, NoSeriesError
from aiops.ports import Telemetry
from aiops.series import Series, SeriesKey
from aiops.series.grid import require_step, require_utc
from aiops.series.quality import Limits, assess
from aiops.series.regular import place


class MemorySource:
    """Answers from the series that it was given.

    Args:
        series: What there is, each on a grid of its own.
    """

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = tuple(series)

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        """Return the series whose id is ``query``, or matches it as a pattern such as ``*``, within the range.

        A series of another step is skipped, with the reason.

        Raises:
            DataError: If no series matches, or none has a value in the range.
        """
        chosen = [each for each in self._series if matches(query, each.key)]
        return window(query, chosen, start, end, step)


def matches(pattern: str, key: SeriesKey) -> bool:
    """Return whether ``pattern`` is this series' id, or a pattern of file names that fits it."""
    return pattern == key.series_id or fnmatchcase(key.series_id, pattern)


def window(query: str, found: Sequence[Series], start: datetime, end: datetime, step: timedelta) -> Telemetry:
    """Put what matched a query on the grid that was asked for.

    Raises:
        DataError: If nothing matched, or nothing of it is in the range.
    """
    require_utc(start, "start")
    require_utc(end, "end")
    require_step(step)
    if not found:
        raise NoSeriesError(f"query {query!r} matches nothing: it is the id of a series, or a pattern such as '*'")
    placed, skipped = [], []
    for each in sorted(found, key=lambda series: series.key):
        try:
            part = place(each, start, end, step)
        except DataError as error:
            skipped.append((each.key.series_id, str(error)))
            continue
        if not np.isnan(part.values).all():
            placed.append(part)
    if not placed and skipped:
        raise DataError(f"nothing that matches {query!r} can be used: {skipped[0][1]}")
    if not placed:
        begin, finish = min(each.start for each in found), max(each.end for each in found)
        raise NoSeriesError(
            f"query {query!r} matches nothing from {start.isoformat()} to {end.isoformat()}: the data go from "
            f"{begin.isoformat()} to {finish.isoformat()}"
        )
    return Telemetry(
        series=tuple(placed),
        qualities=tuple(assess(each, now=end, limits=Limits.of_range(step)) for each in placed),
        skipped=tuple(skipped),
    )
