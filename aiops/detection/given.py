"""A raw score that was found elsewhere: what judges several series at once, so that one calibration serves all."""

from __future__ import annotations

import numpy as np

from aiops.detection.detector import Cells, Points
from aiops.series import FloatArray


class GivenDetector:
    """Takes the value of a point for its raw score.

    It is no choice of the catalog: the series that it watches is one that we make, of the oddity of a service.

    Args:
        name: Of who found the score.
    """

    memory_points = 40_320

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series: there is none."""
        return np.zeros(n, np.uint8)

    def score(self, state: Cells, points: Points) -> FloatArray:
        """Return the values, ``[m]``; NaN for a gap."""
        del state
        return points.values.copy()

    def learn(self, state: Cells, points: Points) -> None:
        """Do nothing: whoever found the score has learnt."""

    def skip(self, state: Cells, points: Points) -> None:
        """Do nothing."""

    def interval(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        """Return NaN: a service has no value that people could expect."""
        del state, raw
        return np.full((3, len(points.rows)), np.nan)
