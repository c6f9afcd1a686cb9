"""The fleet forecaster: what the catalog calls ``fleet``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.conformal import require_request
from aiops.forecasting.fleet.calendar import Calendar, Clock
from aiops.forecasting.fleet.learned import LEAST_POINTS, Learned, constant, learn, observed, refitted
from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, Frame, SeriesKey

DAY = timedelta(days=1)
PERCENT = 100.0
NEARLY_FULL = 99.0

_Made = tuple[FloatArray, FloatArray]
"""Path ``[horizon]`` and quantiles ``[q, horizon]`` of one series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A PathForecaster for every series of a fleet: milliseconds a series, calibrated by its own past.

    Some sixty closed forms (``pool``) are tried at 14 daily and three recent origins of the series' own history.
    Each step is forecast by the middle of the best of them, weighted by how wrong they were in that band of the horizon
    (``rolling``). The errors that combinations weighted by the *other* days made give the quantiles (``spread``), a
    little wider where the latest half day was harder to forecast than usual, and narrower where it was easier; wider,
    too, more than a day ahead. No quantile falls below 0 where history never did, nor above 100 where history looks
    like a percentage.

    The point (``mean``) estimates the median: what telemetry wants, whose means are made by a few spikes.

    Attributes:
        calendar: Whose time of day, weekends and holidays the series keep.
    """

    calendar: Calendar = field(default_factory=Calendar)

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        return "fleet" if self.calendar == Calendar() else f"fleet@{self.calendar}"

    def forecast(self, history: Frame, horizon: int, levels: FloatArray) -> Forecast:
        """Forecast as ``PathForecaster`` says."""
        require_request(history, horizon, levels)
        clock = self.calendar.clock(history.start, history.step, history.length, horizon)
        return _forecast(history, horizon, levels, [_full(row, clock, levels) for row in history.values])

    def fit(self, history: Frame, horizon: int, levels: FloatArray) -> Fit:
        """Backtest every series, and keep what it taught: on the nights after, ``Fit.forecast`` makes the pool only."""
        require_request(history, horizon, levels)
        clock = self.calendar.clock(history.start, history.step, history.length, horizon)
        kept: dict[SeriesKey, Kept] = {}
        for key, row in zip(history.keys, history.values, strict=True):
            if observed(row) >= LEAST_POINTS and constant(row) is None:
                learned = learn(row, clock)
                kept[key] = Kept(learned=learned, offsets=_offsets(learned, clock.day, levels))
        return Fit(
            cutoff=history.cutoff,
            step=history.step,
            horizon=horizon,
            levels=levels,
            kept=kept,
            calendar=self.calendar,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What is kept of one series: what its backtest taught, and its quantiles minus its path, ``[q, horizon]``."""

    learned: Learned
    offsets: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Weights and quantiles of a fleet, from a full backtest, to be used again for a few nights.

    Attributes:
        cutoff: Stamp of the last observation that the backtest used.
        step: Grid spacing.
        horizon: Steps that are forecast.
        levels: Quantile levels, shape ``[q]``.
        kept: By series; one that was constant or silent is not among them.
        calendar: Of the forecaster.
    """

    cutoff: datetime
    step: timedelta
    horizon: int
    levels: FloatArray
    kept: dict[SeriesKey, Kept]
    calendar: Calendar

    def forecast(self, history: Frame) -> Forecast:
        """Forecast a later history: the pool is made anew, weights and offsets of the quantiles are kept.

        A series of which nothing is kept is backtested in full, and all are where clocks were changed since, or will
        be within the horizon: what was kept belongs to another hour of the day.

        Raises:
            DataError: If the step differs, or the cutoff is not a whole number of days later: offsets belong to times
                of day.
        """
        later = history.cutoff - self.cutoff
        if history.step != self.step or later < timedelta(0) or later % DAY:
            raise DataError(
                f"a fit of {self.cutoff.isoformat()} in steps of {self.step} cannot forecast from "
                f"{history.cutoff.isoformat()} in steps of {history.step}: give a cutoff that is whole "
                "days later, or fit anew"
            )
        clock = self.calendar.clock(history.start, history.step, history.length, self.horizon)
        ends = (each + self.horizon * self.step for each in (self.cutoff, history.cutoff))
        changed = len({self.calendar.offset(at) for at in (self.cutoff, history.cutoff, *ends)}) > 1
        made: list[_Made | None] = []
        for key, row in zip(history.keys, history.values, strict=True):
            kept = self.kept.get(key)
            if kept is None or changed or observed(row) < LEAST_POINTS:
                made.append(_full(row, clock, self.levels))
            else:
                path = refitted(row, kept.learned, clock)
                made.append((path, path + kept.offsets))
        return _forecast(history, self.horizon, self.levels, made)


def steps_of_a_day(step: timedelta) -> int:
    """Return the steps of a day, at least 1; where they are not whole, the nearest number."""
    return max(round(DAY / step), 1)


def possible(forecasts: FloatArray, values: FloatArray, unit: str) -> FloatArray:
    """Return forecasts as the series can be: within its bounds, and in whole numbers where it never was in others."""
    within = np.clip(forecasts, *bounds(values, unit))
    known = values[~np.isnan(values)]
    return np.round(within) if (known == np.round(known)).all() else within


def bounds(values: FloatArray, unit: str) -> tuple[float, float]:
    """Return what no quantile may pass: 0 where history never was below; 100 where it looks like a percentage."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0:
        return -np.inf, np.inf
    full = high <= PERCENT and (unit == "percent" or high >= NEARLY_FULL)
    return 0.0, PERCENT if full else np.inf


def _full(values: FloatArray, clock: Clock, levels: FloatArray) -> _Made | None:
    """Backtest and forecast one series; None if it cannot be forecast."""
    if observed(values) < LEAST_POINTS:
        return None
    only = constant(values)
    if only is not None:
        horizon = len(clock.ahead)
        return np.full(horizon, only), np.full((len(levels), horizon), only)
    learned = learn(values, clock)
    return learned.path, learned.path + _offsets(learned, clock.day, levels)


def _offsets(learned: Learned, day: int, levels: FloatArray) -> FloatArray:
    from aiops.forecasting.fleet.spread import narrowing, spread

    offsets = np.empty((len(levels), len(learned.path)))
    spread(learned.errors, day, levels, np.zeros(len(learned.path)), offsets)
    offsets *= np.outer(narrowing(levels), learned.stretch)
    # The combination is the median already, even where it erred to one side only.
    offsets[levels <= 0.5] = np.minimum(offsets[levels <= 0.5], 0.0)
    offsets[levels >= 0.5] = np.maximum(offsets[levels >= 0.5], 0.0)
    return offsets


def _forecast(history: Frame, horizon: int, levels: FloatArray, made: list[_Made | None]) -> Forecast:
    """Bound and sort what was made of each series; NaN for what was not."""
    n = len(history.keys)
    mean = np.full((n, horizon), np.nan)
    values = np.full((n, len(levels), horizon), np.nan)
    for row, each in enumerate(made):
        if each is not None and np.isfinite(each[0]).all() and np.isfinite(each[1]).all():
            known, unit = history.values[row], history.units[row]
            mean[row] = possible(each[0], known, unit)
            values[row] = np.sort(possible(each[1], known, unit), axis=0)
    return Forecast(
        keys=history.keys,
        cutoff=history.cutoff,
        step=history.step,
        mean=mean,
        levels=levels,
        values=values,
        units=history.units,
        models=tuple("" if np.isnan(row).any() else "fleet" for row in mean),
    )
