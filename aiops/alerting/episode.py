"""Odd points of one series in a row, and what they look like: a spike, a shift, a trend, a missing season."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from aiops.detection.score import AnomalyScore, Contribution, View

_UNMOVED: Final = 10.0  # a view that calls a point so much more common than two others do has not seen what they saw


class Kind(StrEnum):
    """What an anomaly looks like."""

    SPIKE = "spike"
    DROP = "drop"
    SHIFT = "shift"
    SILENCE = "silence"
    PATTERN = "pattern"
    TREND = "trend"
    SEASON = "missing season"


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Odd points of one series in a row.

    Attributes:
        points: Odd points so far.
        first: The first of them.
        worst: The oddest of them; of equally odd ones that which is farthest from what was expected. Scores end at one
            in a billion, which many points of a long incident reach.
    """

    points: int
    first: AnomalyScore
    worst: AnomalyScore

    @property
    def since(self) -> datetime:
        """Stamp of the first odd point."""
        return self.first.at

    def and_then(self, score: AnomalyScore) -> Episode:
        """Return the episode with one odd point more."""
        odder = (score.value, _distance(score)) > (self.worst.value, _distance(self.worst))
        return replace(self, points=self.points + 1, worst=score if odder else self.worst)

    def kind(self, shift_after: int) -> Kind:
        """Return what it looks like: a shift once it has lasted ``shift_after`` points.

        A pattern is what a detector found odd although nothing was expected, or the value is within what was. How the
        series came there, the views of the first odd point say.
        """
        crept = _crept(self.first.contributions)
        if crept is not None:
            return crept
        worst = self.worst
        if math.isnan(worst.expected) or worst.lower <= worst.observed <= worst.upper:
            return Kind.PATTERN
        if self.points >= shift_after:
            return Kind.SHIFT
        return Kind.SPIKE if worst.observed > worst.expected else Kind.DROP


def _distance(score: AnomalyScore) -> float:
    """Return the distance from what was expected; 0 if nothing was."""
    return 0.0 if math.isnan(score.expected) else abs(score.observed - score.expected)


def _crept(said: tuple[Contribution, ...]) -> Kind | None:
    """Return what is odd about a point that is near the points before it, as the fleet detector's views see it.

    Odd for the time of day only, the series stayed where it should have left: a season is missing. Far from three days,
    it went away little by little. None if it jumped, or there are no views.
    """
    if len(said) < 2:
        return None
    rates = {each.view: each.alerts_a_week for each in said}
    unmoved = _UNMOVED * said[1].alerts_a_week  # two views have to agree
    if rates.get(View.SHORT, 0.0) < unmoved:
        return None
    by_the_clock = max(rates.get(View.DAILY, math.inf), rates.get(View.SEASON, math.inf)) < unmoved
    if rates.get(View.SLOW, math.inf) < unmoved:
        return Kind.TREND
    return Kind.SEASON if by_the_clock and rates.get(View.QUARTER, math.inf) >= unmoved else None
