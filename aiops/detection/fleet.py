"""The fleet detector, the default: how many alerts a week would a threshold at this point give, for this series."""

from __future__ import annotations

import numpy as np

from aiops.detection.calibration import RAREST
from aiops.detection.detector import Cells, Points
from aiops.errors import ConfigError
from aiops.series import FloatArray

_TABLES = 11  # five views, above and below; and the joint rarity
_CELL = np.dtype(
    [
        ("seen", "f8"),
        ("forecast_seen", "f8"),
        ("first", "f8"),  # stamps, and the smallest distance between two of them
        ("at", "f8"),
        ("step", "f8"),
        ("short", "f8"),  # means of the last three, the last 15, and the last three days' points
        ("quarter", "f8"),
        ("slow", "f8"),
        ("level", "f8"),  # what is left beside the time of day, and its mean over five points
        ("smooth", "f8"),
        ("offset", "f8"),  # by how much the forecast has been off
        ("surprises", "f8"),  # points in a row that were far off
        ("size", "f8"),  # mean absolute value
        ("scale", "f8", (7,)),
        ("total", "f4", (_TABLES,)),  # points
        ("cut", "f4", (_TABLES,)),  # where the tail starts, the events beyond, and how far they reach
        ("beyond", "f4", (_TABLES,)),
        ("spread", "f4", (_TABLES,)),
        ("peak", "i2", (_TABLES,)),
        ("top", "i2", (_TABLES,)),  # the highest bin of late, and when it was reached
        ("counted", "i4", (_TABLES,)),
        ("top_seen", "f8", (_TABLES,)),
        ("events", "f4", (_TABLES, 96)),
        ("slots", "f8", (96,)),
        ("slot_seen", "f4", (96,)),
    ]
)
_PRIOR_POINTS = 50.0


class FleetDetector:
    """Several views of a point, each made comparable by the series' own past; two of them have to find it odd.

    **Views.** Distance from the mean of about three points, of about 15 points, from level and time of day, the mean of
    that distance over about five points, and from the forecast where there is one. Each is divided by its usual size
    (mean absolute distance of about three days, surprises clipped, at least ``floor_ratio`` of the mean value).

    **Calibration.** For each view, above and below, a decayed table of how often each multiple was exceeded. What is
    counted are events, not points: an excursion that lasts counts once. Beyond the top events a power law continues it
    (Hill's estimator, with a prior of ten events). Events rarer than ten a week teach at a tenth: most of them are
    trouble. Every view says: -log10(alerts a week that a threshold here would give). The second largest of these is
    calibrated once more in the same way. So a rarity has the same meaning for a series of minutes and one of hours.

    Its raw score is 1 / (share of normal points), from events: ``Scorer`` takes it as it is.

    About 5.9 kB a series.

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
        # floor, clip, events of the tail: at least, and as a share; prior of its spread; what teaches at a tenth;
        # least spread
        self._settings = np.array([floor_ratio, 6.0, 8.0, 0.1, 10.0, 6.0, -1.0, 1.5])
        self._final = np.array([floor_ratio, 6.0, 4.0, 0.05, 20.0, 6.9, -0.3, 1.5])

    @property
    def memory_points(self) -> int:
        """Four weeks of minutes."""
        return 40_320

    def start(self, n: int) -> Cells:
        """Return the state of ``n`` series: one record each; the tables hold the prior."""
        from aiops.detection.fleet_kernel import BINS, BINS_A_DECADE, LOWEST

        cells = np.zeros(n, _CELL)
        multiples = 10.0 ** (LOWEST + np.arange(BINS) / BINS_A_DECADE)
        prior = _PRIOR_POINTS / (1.0 + (multiples / 2.0) ** 3)
        cells["events"][:, :-1] = prior
        cells["total"][:, :-1] = _PRIOR_POINTS
        cells["top_seen"] = -1e9
        floor, share = self._settings[2], self._settings[3]
        cut = int(np.flatnonzero(prior >= floor + share * prior[0])[-1])
        beyond, hill, spread = prior[cut], self._settings[4], self._settings[5]
        cells["cut"][:, :-1] = cut
        cells["beyond"][:, :-1] = beyond
        cells["spread"][:, :-1] = (prior[cut + 1 :].sum() + 0.5 * beyond + hill * spread) / (beyond + hill)
        return cells

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
        found: FloatArray = 10.0 ** -np.minimum(self._advance(state, points, learning=True)[0], 300.0)
        return found

    def replay(self, at: FloatArray, values: FloatArray) -> FloatArray:
        """Return ``alerts_a_week`` of the points ``[n]`` of one series, one after the other, from nothing known."""
        state = self.start(1)
        points = Points.unforecast(np.zeros(len(values), dtype=np.int64), at, values)
        return self.alerts_a_week(state, points)

    def skip(self, state: Cells, points: Points) -> None:
        """Do nothing: levels and scales are about what is normal."""

    def interval(self, state: Cells, points: Points, raw: FloatArray) -> FloatArray:
        """Return what is most likely, and the values on both sides of it whose raw score would be ``raw``.

        It would be, if the points before had been as expected: so an incident does not move what is shown as normal.
        """
        from aiops.detection.fleet_kernel import bounds

        found = np.empty((3, len(points.rows)))
        bounds(
            state,
            points.rows,
            points.at,
            points.expected,
            1.0 / raw,
            self.warm_up,
            self._settings,
            found,
        )
        return found

    def _advance(self, state: Cells, points: Points, *, learning: bool) -> FloatArray:
        from aiops.detection.fleet_kernel import advance

        found = np.empty((2, len(points.rows)))
        advance(
            state,
            points.rows,
            points.at,
            points.values,
            points.expected,
            self.warm_up,
            self._settings,
            self._final,
            learning,
            found,
        )
        return found

    @staticmethod
    def _raw(found: FloatArray) -> FloatArray:
        raw: FloatArray = 1.0 / np.maximum(found[1], RAREST)
        return raw
