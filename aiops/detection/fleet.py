"""The fleet detector, the default: how many alerts a week would a threshold at this point give, for this series."""

from __future__ import annotations

import numpy as np

from aiops.detection.calibration import RAREST
from aiops.detection.detector import Cells, Points
from aiops.detection.fleet_record import RECORD, TABLES
from aiops.errors import ConfigError
from aiops.series import FloatArray

_PRIOR_POINTS = 50.0


class FleetDetector:
    """Several views of a point, each made comparable by the series' own past; two of them have to find it odd.

    **Views.** Distance from the mean of about three points, of about 15 points, from level and time of day, from the
    mean of three days, from that and the time of day, and from the forecast where there is one. Each is divided by its
    usual size (mean absolute distance of about three days, surprises clipped, at least ``floor_ratio`` of the mean
    value).

    **Calibration.** For each view, above and below, a decayed table of how often each multiple was exceeded. What is
    counted are events, not points: an excursion that lasts counts once. Beyond the top events a power law continues it
    (Hill's estimator, with a prior of ten events). Events rarer than one in 300 points teach at a tenth: most of them
    are trouble. Every view says how many alerts a week a threshold here would give. The second smallest of these is
    calibrated once more in the same way. So a rarity has the same meaning for a series of minutes and one of hours.

    Its raw score is 1 / (share of normal points), from events: ``Scorer`` takes it as it is.

    **Values.** A value that was not seen for three months is up to ten times as rare, but not rarer than once in ten
    weeks for that alone.

    4 kB a series.

    Args:
        warm_up: Points of a series before the detector has an opinion.
        floor_ratio: Share of the mean absolute value that is the least usual distance.

    Raises:
        ConfigError: If an argument is not positive, or ``warm_up`` below 20.

    Reference:
        Hill (1975), "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3.
    """

    name = "fleet"

    def __init__(self, *, warm_up: int = 30, floor_ratio: float = 0.01) -> None:
        if warm_up < 20 or floor_ratio <= 0:
            raise ConfigError(
                f"fleet: warm_up must be at least 20 and floor_ratio positive, got {warm_up} and {floor_ratio}"
            )
        self.warm_up = warm_up
        self.floor_ratio = floor_ratio

    @property
    def memory_points(self) -> int:
        """Four weeks of minutes."""
        return 40_320

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series: one record each; the tables hold the prior."""
        from aiops.detection.fleet_tables import OF_VIEWS, prior, refit

        first = np.zeros(1, RECORD)
        first["top_seen"] = -1_000_000_000
        first["events"][:, :-1] = prior(_PRIOR_POINTS)
        first["total"][:, :-1] = _PRIOR_POINTS
        for table in range(TABLES - 1):
            refit(first[0], table, OF_VIEWS)
        return np.repeat(first, n)

    def score(self, state: Cells, points: Points) -> FloatArray:
        """Return 1 / (share of normal points), in [1, 1e9], shape ``[m]``; NaN for a gap or while warming up."""
        return self._raw(self._advance(state, points, learning=False))

    def learn(self, state: Cells, points: Points) -> None:
        """Take in one observation for each row; a gap teaches nothing."""
        self._advance(state, points, learning=True)

    def step(self, state: Cells, points: Points) -> FloatArray:
        """Return what ``score`` does, and learn: in one pass."""
        return self._raw(self._advance(state, points, learning=True))

    def alerts_a_week(self, state: Cells, points: Points) -> FloatArray:
        """Return how many alerts a week a threshold at each point would give, ``[m]``, and learn.

        Comparable between series of any step. NaN for a gap or while warming up.
        """
        found: FloatArray = self._advance(state, points, learning=True)[0]
        return found

    def replay(self, at: FloatArray, values: FloatArray) -> FloatArray:
        """Learn the points ``[n]`` of one series, one after the other, from nothing known.

        Returns:
            ``alerts_a_week`` of each, and how odd it is by itself, in decades: the mean of what its views say alone
            (-log10 of theirs, each from -2.5 to 2), and half of how sparse such values are; shape ``[2, n]``.
        """
        state = self.start(1)
        points = Points.unforecast(np.zeros(len(values), dtype=np.int64), at, values)
        return self._advance(state, points, learning=True, figures=3)[::2]

    def skip(self, state: Cells, points: Points) -> None:
        """Do nothing: levels and scales are about what is normal."""

    def interval(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        """Return what is most likely, and the values on both sides of it whose raw score would be ``raw``.

        It would be, if the points before had been as expected: so an incident does not move what is shown as normal.
        """
        from aiops.detection.fleet_bounds import bounds

        found = np.empty((3, len(points.rows)))
        bounds(
            state,
            points.rows,
            points.at,
            points.expected,
            1.0 / raw,
            self.warm_up,
            self.floor_ratio,
            found,
        )
        return found

    def _advance(self, state: Cells, points: Points, *, learning: bool, figures: int = 2) -> FloatArray:
        from aiops.detection.fleet_kernel import advance

        found: FloatArray = np.empty((figures, len(points.rows)))
        advance(
            state,
            points.rows,
            points.at,
            points.values,
            points.expected,
            self.warm_up,
            self.floor_ratio,
            learning,
            found,
        )
        return found

    @staticmethod
    def _raw(found: FloatArray) -> FloatArray:
        raw: FloatArray = 1.0 / np.maximum(found[1], RAREST)
        return raw
