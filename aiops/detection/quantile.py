"""How far outside its usual quantiles a point is: River's rolling quantiles, a filter that says by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.detection.own_unit import FIRST, OwnUnit
from aiops.errors import ConfigError
from aiops.series import FloatArray

_LEAST = 1e-3  # units that the distance of a quantile from the median is taken for at least


@dataclass(slots=True)
class Quantiles:
    """What was learnt of one series.

    Attributes:
        own: Its unit.
        rolling: River's ``RollingQuantile`` of placed values: low, median, high; empty until there is a unit.
        seen: Values in them, at most a window.
    """

    own: OwnUnit = field(default_factory=OwnUnit)
    rolling: tuple[Any, ...] = ()
    seen: int = 0

    def band(self) -> tuple[float, float, float]:
        """Return the median, and how far from it the low and the high quantile are; in units."""
        low, median, high = (float(each.get()) for each in self.rolling)
        return median, max(median - low, _LEAST), max(high - median, _LEAST)


class QuantileDetector:
    """Distance from the median of the latest points, over the distance of their low or high quantile from it.

    For series whose values are skewed or have heavy tails on one side: each side has its own measure, no distribution
    is assumed, and a few outliers move nothing. River's ``QuantileFilter`` asks whether a score is above a quantile of
    scores, yes or no, and forgets nothing; here the score is by how much, within a window.

    About three microseconds a point.

    Args:
        level: Quantile above and, mirrored, below.
        window: Points that are looked back on: a day of minutes by default.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If ``warm_up`` is below 30, the window below that, or the level not between one half and one.
    """

    name = "quantile"

    def __init__(self, *, level: float = 0.99, window: int = 1440, warm_up: int = 100) -> None:
        if not (FIRST <= warm_up <= window and 0.5 < level < 1):
            raise ConfigError(
                f"quantile: {FIRST} <= warm_up <= window and 0.5 < level < 1 are needed, "
                f"got {warm_up}, {window} and {level}"
            )
        self.level = level
        self.window = window
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """The window, and as much again for the calibration."""
        return 2 * self.window

    def start(self, n: int) -> list[Quantiles]:
        """Return the state of ``n`` series: an object each."""
        return [Quantiles() for _ in range(n)]

    def score(self, state: list[Quantiles], points: Points) -> FloatArray:
        """Return the distance from the median in that of the quantile, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, (row, value) in enumerate(zip(points.rows, points.values.tolist(), strict=True)):
            each = state[row]
            if each.seen >= self.warm_up and not math.isnan(value):
                median, below, above = each.band()
                distance = each.own.placed(value) - median
                found[index] = distance / above if distance > 0 else -distance / below
        return found

    def learn(self, state: list[Quantiles], points: Points) -> None:
        """Take in one observation for each row; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if math.isnan(value):
                continue
            each = state[row]
            new_unit, placed = each.own.learn(value)
            if new_unit:
                each.rolling, each.seen = self._empty(), 0
            for one in placed:
                for quantile in each.rolling:
                    quantile.update(one)
            each.seen = min(each.seen + len(placed), self.window)

    def skip(self, state: list[Quantiles], points: Points) -> None:
        """Do nothing: quantiles are about what is normal."""

    def interval(self, state: list[Quantiles], points: Points, raw: FloatArray) -> FloatArray:
        """Return the median, and what is ``raw`` distances of the quantiles from it; shape ``[3, m]``."""
        found = np.full((3, len(points.rows)), np.nan)
        for index, row in enumerate(points.rows):
            each = state[row]
            if each.seen >= self.warm_up:
                median, below, above = each.band()
                ends = (median, median - raw[index] * below, median + raw[index] * above)
                found[:, index] = [each.own.value(end) for end in ends]
        return found

    def _empty(self) -> tuple[Any, ...]:
        from river.stats import RollingQuantile

        return tuple(RollingQuantile(level, self.window) for level in (1 - self.level, 0.5, self.level))
