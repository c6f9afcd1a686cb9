"""A ForecastSource in this process: it reads the history itself and fits a model of the catalog at each question.

For the demo and for tests; the operator asks the service, whose image carries the model libraries.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.fleet.exhaustion import Exhaustion, exhaustion
from aiops.forecasting.forecaster import WindowForecaster
from aiops.ports import LimitQuery, MetricSource, Peak, PeakQuery
from aiops.series import Series
from aiops.series.grid import floor


class LocalForecasts:
    """Forecasts from what a source says at the moment of the question.

    Args:
        source: Where history is read.
        forecaster: Makes a model from its name.
    """

    def __init__(self, source: MetricSource, forecaster: Callable[[str], WindowForecaster] = window_forecaster) -> None:
        self._source = source
        self._forecaster = forecaster
        self._made: dict[str, WindowForecaster] = {}

    async def peak(self, asked: PeakQuery, now: datetime) -> Peak:
        """Return the forecast that can be made at ``now``; see ``ports.ForecastSource``."""
        model = self._made.get(asked.model) or self._forecaster(asked.model)
        self._made[asked.model] = model
        series = await self._history(asked, now)
        value = await asyncio.to_thread(_peak, series, model, asked, now)
        seen = np.flatnonzero(~np.isnan(series.values))
        if not math.isfinite(value) or not len(seen):
            raise DataError(f"{series.key} has too little history for a forecast by {asked.model}")
        return Peak(value=value, cutoff=series.start + int(seen[-1]) * series.step, model=asked.model)

    async def exhaustion(self, asked: LimitQuery, now: datetime) -> Exhaustion:
        """Return when the limit is reached; see ``ports.ForecastSource``."""
        return await asyncio.to_thread(exhaustion, await self._history(asked, now), asked.limit)

    async def _history(self, asked: PeakQuery | LimitQuery, now: datetime) -> Series:
        end = floor(now, asked.step)
        found = (await self._source.range(asked.query, end - asked.history, end, asked.step)).series
        if len(found) != 1:
            raise DataError(f"{asked.query!r} returns {len(found)} series, and a forecast is of one")
        return found[0]


def _peak(series: Series, model: WindowForecaster, asked: PeakQuery, now: datetime) -> float:
    # The window starts now, its first step where the series ends: up to a step earlier.
    steps = -(-(now + asked.window - series.end) // series.step)
    last = np.array([len(series) - 1])
    return float(model.window_maximum(series, last, steps, np.array([asked.level]))[0, 0])
