"""Seasonal naive: the value at the same time one period ago. What every other forecaster has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.errors import ConfigError
from aiops.forecasting.window import latest
from aiops.series import FloatArray, Frame

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonalNaive:
    """Repeats the last period. A value that is missing there is taken a period earlier, and so on.

    What no period holds is the latest observed value.

    Attributes:
        period: Length of the season; at least one step of what is forecast, else the latest value is repeated.
        name: Name in the catalog, tables and reports.
    """

    period: timedelta = DAY
    name: str = "seasonal-naive"

    def __post_init__(self) -> None:
        if self.period <= timedelta(0):
            raise ConfigError(f"period must be positive, got {self.period!r}")

    def point(self, history: Frame, horizon: int) -> FloatArray:
        """Forecast as ``PointForecaster`` says."""
        period = max(round(self.period / history.step), 1)
        n = history.length
        result = np.full((len(history.keys), horizon), np.nan)
        if n == 0:
            return result
        phase = np.arange(horizon) % period
        for back in range(1, -(-n // period) + 1):
            column = n - back * period + phase
            known = np.where(column >= 0, history.values[:, np.maximum(column, 0)], np.nan)
            result = np.where(np.isnan(result), known, result)
            if not np.isnan(result).any():
                return result
        return np.where(np.isnan(result), latest(history.values)[:, -1:], result)
