"""Whether values have kept to one side of their mean: the test of Page and Hinkley, asked how near it is to its end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from aiops.detection.detector import Points
from aiops.detection.own_unit import FIRST, OwnUnit
from aiops.errors import ConfigError
from aiops.series import FloatArray


@dataclass(slots=True)
class Sums:
    """What was learnt of one series; of placed values, since the last change.

    Attributes:
        own: Its unit.
        count: How many.
        mean: Their mean.
        rising: Faded sum of what each was above the mean then, less the slack.
        falling: The same, with the slack added.
        lowest: Least value of ``rising``.
        highest: Largest value of ``falling``.
        seen: Points since there is a unit.
        changed: Whether a change was found at the last point.
    """

    own: OwnUnit = field(default_factory=OwnUnit)
    count: int = 0
    mean: float = 0.0
    rising: float = 0.0
    falling: float = 0.0
    lowest: float = math.inf
    highest: float = -math.inf
    seen: int = 0
    changed: bool = False

    def begin(self) -> None:
        """Forget everything but the unit and how much was seen."""
        self.count, self.mean, self.rising, self.falling = 0, 0.0, 0.0, 0.0
        self.lowest, self.highest, self.changed = math.inf, -math.inf, False


class PageHinkleyDetector:
    """The statistic of the test of Page and Hinkley over its threshold: how long, and how far, on one side of the mean.

    It adds up how far values lie above (and below) their mean beyond a slack, and compares the sum with the least it
    ever was. At the threshold there was a change: it begins anew. The raw score counts at points that lie on that side
    by themselves, and falls to zero at others: so it ends with what it reports, although an open incident teaches
    nothing. River's ``PageHinkley`` answers yes or no and keeps the sums to itself; this says yes at the same points
    (tests), and how near it is at all others.

    For slow drifts of a level; of no use where level and season move all day. About three microseconds a point.

    Args:
        slack: How far from the mean is nothing to count, in units of the series' usual distance.
        threshold: Sum at which there was a change, in these units.
        fading: Share of the sum that is left after a point.
        fewest: Points after a change before there can be another.
        warm_up: Points before the first opinion.

    Raises:
        ConfigError: If a number is not positive, ``fading`` is above one, or ``warm_up`` below 30.

    Reference:
        Page (1954), "Continuous inspection schemes", Biometrika 41.
    """

    name = "page-hinkley"

    def __init__(
        self,
        *,
        slack: float = 0.5,
        threshold: float = 50.0,
        fading: float = 0.9999,
        fewest: int = 30,
        warm_up: int = 60,
    ) -> None:
        if min(slack, threshold, fewest) <= 0 or not 0 < fading <= 1 or warm_up < FIRST:
            raise ConfigError(
                "page-hinkley: slack, threshold and fewest must be positive, fading in (0, 1] and warm_up at least "
                f"{FIRST}, got {slack}, {threshold}, {fewest}, {fading} and {warm_up}"
            )
        self.slack = slack
        self.threshold = threshold
        self.fading = fading
        self.fewest = fewest
        self.warm_up = warm_up

    @property
    def memory_points(self) -> int:
        """A week of minutes, most of it for the calibration."""
        return 10_080

    def start(self, n: int) -> list[Sums]:
        """Return the state of ``n`` series: an object each."""
        return [Sums() for _ in range(n)]

    def score(self, state: list[Sums], points: Points) -> FloatArray:
        """Return the statistic over the threshold, ``[m]``; NaN for a gap or while warming up."""
        found = np.full(len(points.rows), np.nan)
        for index, (row, value) in enumerate(zip(points.rows, points.values.tolist(), strict=True)):
            each = state[row]
            if each.seen >= self.warm_up and not math.isnan(value):
                found[index] = 0.0 if each.changed else self._near(each, each.own.placed(value))
        return found

    def learn(self, state: list[Sums], points: Points) -> None:
        """Add one observation for each row to its sums, or begin anew after a change; a gap teaches nothing."""
        for row, value in zip(points.rows, points.values.tolist(), strict=True):
            if math.isnan(value):
                continue
            each = state[row]
            new_unit, placed = each.own.learn(value)
            if new_unit:
                each.begin()
                each.seen = 0
            for one in placed:
                if each.changed:
                    each.begin()
                each.count += 1
                each.mean, each.rising, each.falling = self._after(each, one, each.count)
                each.lowest = min(each.lowest, each.rising)
                each.highest = max(each.highest, each.falling)
                most = max(each.rising - each.lowest, each.highest - each.falling)
                each.changed = each.count >= self.fewest and most > self.threshold
            each.seen += len(placed)

    def skip(self, state: list[Sums], points: Points) -> None:
        """Do nothing: the sums are about what is normal."""

    def interval(self, state: list[Sums], points: Points, raw: FloatArray) -> FloatArray:
        """Return NaN: a drift is no matter of one value."""
        del state, raw
        return np.full((3, len(points.rows)), np.nan)

    def _after(self, each: Sums, value: float, count: int) -> tuple[float, float, float]:
        """Return mean and sums once a value has been added to them."""
        mean = each.mean + (value - each.mean) / count
        aside = value - mean
        return mean, self.fading * each.rising + aside - self.slack, self.fading * each.falling + aside + self.slack

    def _near(self, each: Sums, value: float) -> float:
        mean, rising, falling = self._after(each, value, each.count + 1)
        aside = (value - mean) / self.slack
        above = max(rising - each.lowest, 0.0) * min(max(aside, 0.0), 1.0)
        below = max(each.highest - falling, 0.0) * min(max(-aside, 0.0), 1.0)
        return max(above, below) / self.threshold
