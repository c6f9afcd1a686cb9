"""What a detector says of a point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aiops.errors import DataError
from aiops.series import SeriesKey


class View(StrEnum):
    """What a point is compared with, in the order in which the fleet detector keeps them."""

    SHORT = "the last 3 points"
    QUARTER = "the last 15 points"
    SEASON = "the last hour and the time of day"
    DAILY = "three days and the time of day"
    SLOW = "three days"
    FORECAST = "the forecast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one view by itself says of a point.

    Attributes:
        view: Which.
        alerts_a_week: That a threshold here would give, by this view alone: the fewer, the odder.
        above: Whether the point is above what the view expects.
    """

    view: View
    alerts_a_week: float
    above: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyScore:
    """How odd one point is, calibrated to its own series.

    Attributes:
        key: Which series.
        at: Stamp of the point.
        observed: Its value.
        expected: What was most likely; NaN where the detector has no such idea.
        lower: Lower end of the interval of normal values; NaN where unknown.
        upper: Upper end of it; NaN where unknown.
        value: In [0, 1]: 0.999 means that about one point in a thousand looks so odd in normal times, for every
            detector and every series.
        detector: Name in the catalog.
        warming_up: Whether the detector has seen too little to be heard; ``value`` is 0 then.
        contributions: What its views say alone, the oddest first; empty if it has none, or the point is not odd.
    """

    key: SeriesKey
    at: datetime
    observed: float
    expected: float
    lower: float
    upper: float
    value: float
    detector: str
    warming_up: bool
    contributions: tuple[Contribution, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise DataError(f"{self.key}: a score lies in [0, 1], got {self.value}")
