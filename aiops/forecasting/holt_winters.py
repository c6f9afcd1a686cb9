"""Holt-Winters, online: a level that follows minutes or hours, plus a daily season learned over days.

Additive and without Holt's trend: on minute-by-minute request rates every trend that we tried, damped or not, made
the quantile losses of the next minutes worse; over a day it makes them worse still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.errors import ConfigError
from aiops.series import FloatArray, Frame, Series, epoch_seconds
from aiops.series.compiled import compiled

DAY = timedelta(days=1)
CLIP = 4.0
"""A surprise teaches the season at most this many times the mean absolute surprise: one outage is not a habit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoltWinters:
    """Level plus daily season, updated at each observation; a gap changes nothing.

    With y observed in slot s of the day::

        level   += a (y - season[s] - level)        a from level_memory
        mean    += b (y - season[s] - mean)         b from one day
        season[s] += g clip(y - mean - season[s])   g = 1 / visits of the slot, at least season_rate

    The level is what is extrapolated, the slow mean is what the season is measured against: a season measured against
    a level that follows within minutes would take weeks to form. It is a point forecast of each step of a path, and
    of the peak of the next window.

    Attributes:
        level_memory: In how much time the level forgets 63 % of the past. Three minutes suits the peak of the next few
            minutes; a path of a day wants hours.
        season_rate: Share of a surprise that a slot learns, in (0, 1].

    Reference:
        Winters (1960), "Forecasting Sales by Exponentially Weighted Moving Averages", Management Science 6(3).
    """

    level_memory: timedelta
    season_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.level_memory <= timedelta(0) or not 0 < self.season_rate <= 1:
            raise ConfigError(f"level_memory must be positive and season_rate in (0, 1], got {self!r}")

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        return "holt-winters"

    def point(self, history: Frame, horizon: int) -> FloatArray:
        """Forecast as ``PointForecaster`` says."""
        return np.array([self._path(row, horizon) for row in history.rows()]).reshape(len(history.keys), horizon)

    def peaks(self, series: Series, first: int, last: int, window: int) -> FloatArray:
        """Forecast as ``PeakForecaster`` says."""
        peaks = np.full(last + 1, np.nan)
        self._walk(series, last + 1, window, peaks)
        return peaks[first:]

    def _path(self, series: Series, horizon: int) -> FloatArray:
        level, season = self._walk(series, len(series), 0, np.empty(len(series)))
        slots = (_first_slot(series) + len(series) + np.arange(horizon)) % len(season)
        return np.asarray(level + season[slots], dtype=np.float64)

    def _walk(self, series: Series, n: int, window: int, peaks: FloatArray) -> tuple[float, FloatArray]:
        season = np.zeros(_slots(series.step))
        level = compiled(_smooth)(
            series.values[:n],
            _first_slot(series),
            -math.expm1(-(series.step / self.level_memory)),
            -math.expm1(-(series.step / DAY)),
            self.season_rate,
            CLIP,
            window,
            season,
            peaks,
        )
        return level, season


def _slots(step: timedelta) -> int:
    """Steps in a day; one slot, which is no season, where they are not whole."""
    return 1 if DAY % step or step >= DAY else DAY // step


def _first_slot(series: Series) -> int:
    return int(epoch_seconds(series.start) // series.step.total_seconds()) % _slots(series.step)


def _smooth(
    values: FloatArray,
    first_slot: int,
    level_rate: float,
    mean_rate: float,
    season_rate: float,
    clip: float,
    window: int,
    season: FloatArray,
    peaks: FloatArray,
) -> float:
    """Walk over ``values`` once, filling ``season`` and, where ``window`` > 0, ``peaks``; return the last level.

    Compiled. ``season`` has shape ``[slots]`` and holds zeros; ``peaks[t]`` is the highest forecast of
    t+1 .. t+window.
    """
    slots = len(season)
    visits = np.zeros(slots)
    level = mean = np.nan
    usual_surprise = 0.0
    seen = 0
    for t in range(len(values)):
        slot = (first_slot + t) % slots
        y = values[t]
        if not np.isnan(y):
            if seen == 0:
                level = mean = y
            seen += 1
            visits[slot] += 1
            level += level_rate * (y - season[slot] - level)
            mean += max(mean_rate, 1.0 / seen) * (y - season[slot] - mean)
            surprise = y - mean - season[slot]
            # On the first visit the slow mean is still young: the slot waits for its second.
            if slots > 1 and visits[slot] > 1:
                limit = clip * usual_surprise
                season[slot] += max(season_rate, 1.0 / visits[slot]) * min(max(surprise, -limit), limit)
            usual_surprise += max(mean_rate, 1.0 / seen) * (abs(surprise) - usual_surprise)
        if window > 0 and seen > 0:
            highest = season[(slot + 1) % slots]
            for ahead in range(2, window + 1):
                highest = max(highest, season[(slot + ahead) % slots])
            peaks[t] = level + highest
    return level
