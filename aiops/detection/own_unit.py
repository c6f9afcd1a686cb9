"""A unit for each series, taken from its own first values: what a library computes with then fits into a double."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = 30
"""Values of a series that give it its unit."""

_FARTHEST: Final = 1e6  # units; beyond, sums of squares would forget what is near


@dataclass(slots=True)
class OwnUnit:
    """Where a series lies, and how far its values usually are from there.

    Sums and squares of values such as 1e17 or 1e308 overflow, or leave nothing but rounding. So detectors that hand
    values to a library place them first: in units from an origin, a million of them at most. Where as many values as
    gave the unit were farther than that, the unit was wrong (a service that had not begun yet): they give a new one.

    Attributes:
        origin: Median of the values that gave the unit.
        unit: Their median distance from it, or the mean one where that is zero; NaN until there is one.
        waiting: Values that wait for a unit.
    """

    origin: float = 0.0
    unit: float = math.nan
    waiting: list[float] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether there is a unit."""
        return not math.isnan(self.unit)

    def placed(self, value: float) -> float:
        """Return a value in units from the origin."""
        far = (0.25 * value - 0.25 * self.origin) / (0.25 * self.unit)  # quarters: no difference overflows
        return min(max(far, -_FARTHEST), _FARTHEST)

    def value(self, placed: float) -> float:
        """Return the value that is placed there."""
        return self.origin + self.unit * float(placed)  # NumPy would warn of an infinite one

    def learn(self, value: float) -> tuple[bool, list[float]]:
        """Take in a value.

        Returns:
            Whether there is a new unit, so that what was learnt in the old one is worth nothing; and the values to
            learn now, placed: none while there is no unit, all that waited when there is, and one each afterwards.
        """
        if self.known and abs(self.placed(value)) < _FARTHEST:
            return False, [self.placed(value)]
        self.waiting.append(value)
        if len(self.waiting) < FIRST:
            return False, [self.placed(value)] if self.known else []
        self._settle()
        first = [self.placed(each) for each in self.waiting]
        self.waiting.clear()
        return True, first

    def _settle(self) -> None:
        """Medians are values, and the mean is one of small parts: no sum overflows."""
        self.origin = sorted(self.waiting)[FIRST // 2]
        distances = sorted(abs(0.25 * value - 0.25 * self.origin) for value in self.waiting)
        usual = 4.0 * distances[FIRST // 2] or sum(4.0 / FIRST * each for each in distances)
        self.unit = min(max(usual, 1e-9 * abs(self.origin), 1e-300), 1e308)
