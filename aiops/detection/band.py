"""A forecast as detectors see it: what was expected, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """A forecast in the order of the watched series: what detectors are told of it.

    Attributes:
        start: First stamp that it speaks of.
        end: First stamp that it does not speak of any more.
        step: Grid.
        values: Expected, lower, upper; shape ``[horizon, 3, n]``; NaN for series that it does not have.
        models: One a watched series; empty where it has none.
    """

    start: datetime
    end: datetime
    step: timedelta
    values: FloatArray
    models: tuple[str, ...]

    @classmethod
    def of(cls, forecast: Forecast, rows: Mapping[SeriesKey, int]) -> Band:
        """Read a forecast: its median (its mean, if it has none) and its outermost quantiles.

        Args:
            rows: Row of each watched series; other series of the forecast are left out.
        """
        middle = np.flatnonzero(np.isclose(forecast.levels, 0.5))
        expected = forecast.values[:, middle[0]] if len(middle) else forecast.mean
        values = np.full((forecast.horizon, 3, len(rows)), np.nan)
        models = [""] * len(rows)
        for source, key in enumerate(forecast.keys):
            if key in rows:
                values[:, 0, rows[key]] = expected[source]
                values[:, 1, rows[key]] = forecast.values[source, 0]
                values[:, 2, rows[key]] = forecast.values[source, -1]
                models[rows[key]] = forecast.models[source]
        return cls(
            start=forecast.start,
            end=forecast.start + forecast.horizon * forecast.step,
            step=forecast.step,
            values=values,
            models=tuple(models),
        )

    def at(self, stamp: datetime) -> FloatArray:
        """Return expected, lower and upper of one stamp, shape ``[3, n]``."""
        found: FloatArray = self.values[(stamp - self.start) // self.step]
        return found
