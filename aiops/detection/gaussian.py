"""How many standard deviations a point is from the mean of the latest: River's rolling normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.detector import Points
from aiops.detection.own_unit import FIRST, OwnUnit
from aiops.errors import ConfigError
from aiops.series import FloatArray

_LEAST = 1e-3  # units that a standard deviation is taken for at least


@dataclass(slots=True)
class Rolling:
    """What was learnt of one series.

    Attributes:
        normal: River's ``Rolling(Gaussian)``, which has no types; of placed values. None until there is a unit.
        own: Its unit.
    """

    normal: Any = None
    own: OwnUnit = field(default_factory=OwnUnit)

    def mean_and_deviation(self) -> tuple[float, float]:
        """Return both in units; sums that are taken back leave rounding errors, and a variance below zero."""
        sigma = self.normal.sigma
        return float(self.normal.mu), max(sigma, _LEAST) if isinstance(sigma, float) else _LEAST


class GaussianDetector:
    """Distance from the mean of the latest points, in their standard deviations.

    A plain yardstick, for series without a season whose values are about normally distributed. River's
    ``GaussianScorer`` with a window ends with a TypeError once rounding makes a variance negative, and saturates where
    its distribution function does; this keeps its window, and asks it for mean and deviation only.

    About five microseconds a point.

    Args:
        window: Points that are looked back on.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If ``warm_up`` is below 30, or the window below that.
    """

    name = "gaussian"

    def __init__(self, *, window: int = 240, warm_up: int = 60) -> None:
        if not FIRST <= warm_up <= window:
            raise ConfigError(f"gaussian: {FIRST} <= warm_up <= window is needed, got {warm_up} and {window}")
        self.window = window
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """The window, and as much again for gaps."""
        return 2 * self.window

    def start(self, n: int) -> list[Rolling]:
        """Return the state of ``n`` series: an object each."""
        return [Rolling() for _ in range(n)]

    def score(self, state: list[Rolling], points: Points) -> FloatArray:
        """Return standard deviations from the mean, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, (row, value) in enumerate(zip(points.rows, points.values.tolist(), strict=True)):
            if self._knows(state[row]) and not math.isnan(value):
                mean, deviation = state[row].mean_and_deviation()
                found[index] = abs(state[row].own.placed(value) - mean) / deviation
        return found

    def learn(self, state: list[Rolling], points: Points) -> None:
        """Take in one observation for each row; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if math.isnan(value):
                continue
            each = state[row]
            new_unit, placed = each.own.learn(value)
            if new_unit:
                each.normal = self._empty()
            for one in placed:
                each.normal.update(one)

    def skip(self, state: list[Rolling], points: Points) -> None:
        """Do nothing: mean and deviation are about what is normal."""

    def interval(self, state: list[Rolling], points: Points, raw: FloatArray) -> FloatArray:
        """Return the mean, and what is ``raw`` standard deviations from it; shape ``[3, m]``."""
        found = np.full((3, len(points.rows)), np.nan)
        for index, row in enumerate(points.rows):
            each = state[row]
            if self._knows(each):
                mean, deviation = each.mean_and_deviation()
                ends = (mean, mean - raw[index] * deviation, mean + raw[index] * deviation)
                found[:, index] = [each.own.value(end) for end in ends]
        return found

    def _empty(self) -> Any:
        from river import proba, utils

        return utils.Rolling(proba.Gaussian, window_size=self.window)

    def _knows(self, each: Rolling) -> bool:
        return each.normal is not None and each.normal.n_samples >= self.warm_up
