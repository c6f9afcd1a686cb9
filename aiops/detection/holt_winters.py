"""How far a point is from what level, trend and time of day lead one to expect: River's Holt-Winters, its residual."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.detection.own_unit import OwnUnit
from aiops.errors import ConfigError
from aiops.series import FloatArray

_DAY_SECONDS = 86_400.0
_DAY_POINTS = range(24, 2881)  # lengths of a day that are learnt: steps from an hour to half a minute
_CLIP = 6.0  # usual distances; the n-th larger one in a row teaches as if it were n times so large
_UNCLIPPED = 30  # points before which a usual distance is no measure of anything
_LEAST = 1e-3  # units that a usual distance is taken for at least


@dataclass(slots=True)
class Smoother:
    """A model of River's, and how far it usually was off.

    Attributes:
        model: River's ``HoltWinters`` of placed values.
        scale: Mean distance of a value from what was expected, surprises clipped; in units.
        seen: Values learnt.
        surprises: Clipped ones in a row.
    """

    model: Any
    scale: float = 0.0
    seen: int = 0
    surprises: int = 0

    def expected(self, missing: int) -> float:
        """Return what the next value is expected to be, or the one after some that are missing."""
        season = self.model.season
        now = season[-self.model.seasonality + missing % self.model.seasonality] if season else 0.0
        return float(self.model.level[-1] + self.model.trend[-1] + now)

    def learn(self, value: float, missing: int, memory: int) -> None:
        """Take in a value; what is missing before it moves nothing but the time of day."""
        if missing and self.model.season:
            while len(self.model.season) > self.model.seasonality:
                self.model.season.popleft()
            self.model.season.rotate(-missing)
        expected = self.expected(0)
        residual = value - expected
        limit = _CLIP * max(self.scale, _LEAST) * (self.surprises + 1)
        if self.seen >= _UNCLIPPED and abs(residual) > limit:
            self.surprises += 1
            residual = math.copysign(limit, residual)
        else:
            self.surprises = 0
        self.model.learn_one(expected + residual)
        self.seen += 1
        self.scale += max(1.0 / memory, 1.0 / self.seen) * (abs(residual) - self.scale)


@dataclass(slots=True)
class Smoothed:
    """What was learnt of one series.

    Attributes:
        own: Its unit.
        plain: Level and trend; None until there is a unit.
        daily: Level, trend and time of day; None until there was a day.
        day: Placed values of the first day, one a step, until ``daily`` is made of them.
        last: Stamp of the last value.
        step: Least time between two values; seconds.
    """

    own: OwnUnit = field(default_factory=OwnUnit)
    plain: Smoother | None = None
    daily: Smoother | None = None
    day: list[float] = field(default_factory=list)
    last: float = math.nan
    step: float = math.inf

    def begin(self, plain: Smoother) -> None:
        """Forget everything but the unit and the step."""
        self.plain, self.daily = plain, None
        self.day.clear()

    def missing(self, at: float) -> int:
        """Return how many steps have no value between the last one and a stamp."""
        return max(round((at - self.last) / self.step) - 1, 0) if self.step < math.inf else 0


class HoltWintersDetector:
    """Residual of Holt-Winters over its usual size: additive, with the time of day once there was a day of points.

    For series with a daily shape and no forecast of a registry. The first day, and series whose steps are longer than
    an hour or shorter than half a minute, have level and trend only. Gaps move the time of day and nothing else.
    Surprises beyond six usual residuals teach as if they were so large, and more if they go on.

    River begins an additive season with ratios instead of differences, and divides by a level that may be zero; here
    the first day is put in place as what it is.

    About five microseconds a point.

    Args:
        level_rate: How much of a residual the level takes over.
        trend_rate: How much of a change of the level the trend takes over.
        season_rate: How much of a residual the time of day takes over.
        memory: Points that the usual size looks back on, as the mean age of an exponential mean.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If a rate is not between 0 and 1, or ``memory`` or ``warm_up`` not positive.
    """

    name = "holt-winters"

    def __init__(
        self,
        *,
        level_rate: float = 0.2,
        trend_rate: float = 0.01,
        season_rate: float = 0.2,
        memory: int = 1440,
        warm_up: int = 60,
    ) -> None:
        if not 0 < min(level_rate, trend_rate, season_rate) <= max(level_rate, trend_rate, season_rate) < 1:
            raise ConfigError(
                "holt-winters: rates lie between 0 and 1, "
                f"got level_rate {level_rate}, trend_rate {trend_rate}, season_rate {season_rate}"
            )
        if min(memory, warm_up) <= 0:
            raise ConfigError(f"holt-winters: memory and warm_up must be positive, got {memory} and {warm_up}")
        self.level_rate = level_rate
        self.trend_rate = trend_rate
        self.season_rate = season_rate
        self.memory = memory
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """A week of minutes: the first day is put in place, the others are smoothed into it."""
        return 10_080

    def start(self, n: int) -> list[Smoothed]:
        """Return the state of ``n`` series: an object each."""
        return [Smoothed() for _ in range(n)]

    def score(self, state: list[Smoothed], points: Points) -> FloatArray:
        """Return the size of the residual over its usual size, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, row in enumerate(points.rows):
            each, value = state[row], float(points.values[index])
            expected, scale = self._expected(each, float(points.at[index]))
            if not math.isnan(value) and not math.isnan(expected):
                found[index] = abs(each.own.placed(value) - expected) / scale
        return found

    def learn(self, state: list[Smoothed], points: Points) -> None:
        """Smooth each point into what is expected; a gap teaches nothing."""
        for row, at, value in zip(points.rows, points.at.tolist(), points.values.tolist(), strict=True):
            if math.isnan(value):
                continue
            each = state[row]
            if at > each.last:
                each.step = min(each.step, at - each.last)
            missing = each.missing(at)
            new_unit, placed = each.own.learn(value)
            if new_unit:
                each.begin(Smoother(self._plain(placed[0])))
            for one in placed:
                assert each.plain is not None  # noqa: S101 - placed values come with it
                each.plain.learn(one, 0, self.memory)
            if placed and not new_unit:  # those that waited for a unit have no time of day any more
                self._learn_daily(each, placed[0], missing)
            each.last = at

    def skip(self, state: list[Smoothed], points: Points) -> None:
        """Do nothing: the time of day goes by the stamps, and what is expected is about what is normal."""

    def interval(self, state: list[Smoothed], points: Points, raw: FloatArray) -> FloatArray:
        """Return what is expected, and what is ``raw`` usual residuals from it; shape ``[3, m]``."""
        found = np.full((3, len(points.rows)), np.nan)
        for index, row in enumerate(points.rows):
            expected, scale = self._expected(state[row], float(points.at[index]))
            if not math.isnan(expected):
                ends = (expected, expected - raw[index] * scale, expected + raw[index] * scale)
                found[:, index] = [state[row].own.value(end) for end in ends]
        return found

    def _expected(self, each: Smoothed, at: float) -> tuple[float, float]:
        """Return what is expected and the usual distance from it, in units; NaN while warming up."""
        speaks = each.plain
        if each.daily is not None and each.daily.seen >= each.daily.model.seasonality:
            speaks = each.daily
        if speaks is None or speaks.seen < self.warm_up:
            return math.nan, math.nan
        return speaks.expected(each.missing(at)), max(speaks.scale, _LEAST)

    def _learn_daily(self, each: Smoothed, value: float, missing: int) -> None:
        if each.daily is not None:
            each.daily.learn(value, missing, self.memory)
            return
        points = round(_DAY_SECONDS / each.step) if each.step > 0 else 0
        if points not in _DAY_POINTS:
            return
        before = each.day[-1] if each.day else value
        gap = min(missing, points) + 1
        each.day += [before + (value - before) * step / gap for step in range(1, gap + 1)]
        if len(each.day) >= points:
            each.daily = Smoother(self._daily(each.day[-points:]))
            each.day.clear()

    def _plain(self, first: float) -> Any:
        model = _rivers(self.level_rate, self.trend_rate)
        model.learn_one(first)
        model.learn_one(first)
        return model

    def _daily(self, day: list[float]) -> Any:
        model = _rivers(self.level_rate, self.trend_rate, self.season_rate, seasonality=len(day))
        for _ in day:  # begun in a way that divides by one, and then told what the day was
            model.learn_one(1.0)
        mean = sum(day) / len(day)
        model.level[-1] = mean
        model.season.clear()
        model.season.extend(value - mean for value in day)
        return model


def _rivers(*rates: float, seasonality: int = 0) -> Any:
    from river import time_series

    made: Any = time_series.HoltWinters  # it has no types
    return made(*rates, seasonality=seasonality)
