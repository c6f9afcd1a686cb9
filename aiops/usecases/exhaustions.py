"""When a series reaches a limit: its history is read for the one answer, and forgotten."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError, UpstreamUnavailableError
from aiops.forecasting.fleet.exhaustion import Exhaustion, exhaustion
from aiops.ports import Clock, LimitQuery, MetricSource
from aiops.series import SeriesKey
from aiops.series.grid import floor
from aiops.usecases.reachable import Reachable

_HOUR = timedelta(hours=1)
_NEWS = timedelta(days=1)
"""A series that gave nothing for so long may have ended: nobody can say what comes."""


class Exhaustions:
    """Answers one question after the other: nobody waits for them, and other calls have to be answered meanwhile.

    Args:
        source: Where queries are read.
        clock: The time.
        prometheus: Told whether the source answers.
    """

    def __init__(self, source: MetricSource, clock: Clock, prometheus: Reachable) -> None:
        self._source = source
        self._clock = clock
        self._prometheus = prometheus
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="exhaustion")

    async def of(self, asked: LimitQuery, now: datetime) -> tuple[SeriesKey, Exhaustion]:
        """Return which series it is, and how likely and when it reaches the limit.

        Raises:
            DataError: If the query gives several series, or not enough to tell.
            UpstreamError: If its history could not be read.
        """
        end = floor(now, max(_HOUR, asked.step))
        async with self._turn:
            try:
                found = (await self._source.range(asked.query, end - asked.history, end, asked.step)).series
            except UpstreamUnavailableError as error:
                self._prometheus.failed(self._clock.now(), str(error))
                raise
            self._prometheus.answered(self._clock.now())
            if len(found) != 1:
                raise DataError(
                    f"the query {asked.query!r} gives {len(found)} series, such as {found[0].key} and {found[1].key}: "
                    "sum them up, or select one"
                )
            (series,) = found
            if np.isnan(series.between(end - _NEWS, end).values).all():
                raise DataError(f"{series.key}: no value of it is known from the day before {end.isoformat()}")
            work = asyncio.get_running_loop().run_in_executor(self._thread, exhaustion, series, asked.limit)
            return series.key, await work
