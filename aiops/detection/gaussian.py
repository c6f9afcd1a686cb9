"""How many standard deviations a point is from the mean of the latest: River's rolling normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.errors import ConfigError
from aiops.series import FloatArray

_FIRST = 30  # values that give a series its unit
_FARTHEST = 1e6  # units; beyond, sums of squares would forget what is near
_LEAST = 1e-3  # units that a standard deviation is taken for at least


@dataclass(slots=True)
class Rolling:
    """What was learnt of one series.

    Attributes:
        normal: River's ``Rolling(Gaussian)``, which has no types; of values in units from the origin.
        first: Values that wait for a unit.
        origin: Their median.
        unit: Their median distance from it.
    """

    normal: Any
    first: list[float] = field(default_factory=list)
    origin: float = 0.0
    unit: float = math.nan

    def placed(self, value: float) -> float:
        """Return a value in units from the origin, no farther than sums of squares can bear."""
        far = (0.25 * value - 0.25 * self.origin) / (0.25 * self.unit)  # quarters: no difference overflows
        return min(max(far, -_FARTHEST), _FARTHEST)

    def mean_and_deviation(self) -> tuple[float, float]:
        """Return both in units; sums that are taken back leave rounding errors, and a variance below zero."""
        sigma = self.normal.sigma
        return float(self.normal.mu), max(sigma, _LEAST) if isinstance(sigma, float) else _LEAST


class GaussianDetector:
    """Distance from the mean of the latest points, in their standard deviations.

    A plain yardstick, for series without a season whose values are about normally distributed. River's
    ``GaussianScorer`` with a window ends with a TypeError once rounding makes a variance negative, and saturates where
    its distribution function does; this keeps its window, and asks it for mean and deviation only.

    About ten microseconds a point.

    Args:
        window: Points that are looked back on.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If ``warm_up`` is below 30, or the window below that.
    """

    name = "gaussian"

    def __init__(self, *, window: int = 240, warm_up: int = 60) -> None:
        if not _FIRST <= warm_up <= window:
            raise ConfigError(f"gaussian: {_FIRST} <= warm_up <= window is needed, got {warm_up} and {window}")
        self.window = window
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """The window, and as much again for gaps."""
        return 2 * self.window

    def start(self, n: int) -> list[Rolling]:
        """Return the state of ``n`` series: an object each."""
        from river import proba, utils

        return [Rolling(utils.Rolling(proba.Gaussian, window_size=self.window)) for _ in range(n)]

    def score(self, state: list[Rolling], points: Points) -> FloatArray:
        """Return standard deviations from the mean, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, (row, value) in enumerate(zip(points.rows, points.values.tolist(), strict=True)):
            if self._knows(state[row]) and not math.isnan(value):
                mean, deviation = state[row].mean_and_deviation()
                found[index] = abs(state[row].placed(value) - mean) / deviation
        return found

    def learn(self, state: list[Rolling], points: Points) -> None:
        """Take in one observation for each row; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            own = state[row]
            if math.isnan(value):
                continue
            if math.isnan(own.unit):
                own.first.append(value)
                if len(own.first) == _FIRST:
                    _settle(own)
            else:
                own.normal.update(own.placed(value))

    def skip(self, state: list[Rolling], points: Points) -> None:
        """Do nothing: mean and deviation are about what is normal."""

    def interval(self, state: list[Rolling], points: Points, raw: FloatArray) -> FloatArray:
        """Return the mean, and what is ``raw`` standard deviations from it; shape ``[3, m]``."""
        found = np.full((3, len(points.rows)), np.nan)
        for index, row in enumerate(points.rows):
            own = state[row]
            if self._knows(own):
                mean, deviation = own.mean_and_deviation()
                ends = (mean, mean - raw[index] * deviation, mean + raw[index] * deviation)
                found[:, index] = [own.origin + own.unit * each for each in ends]
        return found

    def _knows(self, own: Rolling) -> bool:
        return not math.isnan(own.unit) and own.normal.n_samples >= self.warm_up


def _settle(own: Rolling) -> None:
    """Give a series its unit, and learn what has waited for it. Medians are values: no sum overflows."""
    own.origin = sorted(own.first)[_FIRST // 2]
    distances = sorted(abs(0.25 * value - 0.25 * own.origin) for value in own.first)
    own.unit = min(max(4.0 * distances[_FIRST // 2], 1e-9 * abs(own.origin), 1e-300), 1e308)
    for value in own.first:
        own.normal.update(own.placed(value))
    own.first.clear()
