"""The data-quality verdict of one series: can it be trusted, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from aiops.series.series import Series

STALE_STEPS = 5
"""A series without a value in so many steps before the end of the range that was asked for is stale."""


class Defect(StrEnum):
    """What is wrong with a series."""

    GAPPY = "gappy"
    DUPLICATES = "duplicates"
    CONSTANT = "constant"
    TOO_SHORT = "too short"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a series is called defective.

    Attributes:
        gap_ratio: Largest share of missing points.
        min_points: Fewest observed points.
        stale_after: Longest silence before ``now``; None switches the check off (history has no "now").
    """

    gap_ratio: float = 0.2
    min_points: int = 60
    stale_after: timedelta | None = None

    @classmethod
    def of_range(cls, step: timedelta) -> Limits:
        """Return the limits for what a range query answers: silent for ``STALE_STEPS`` at its end is stale."""
        return cls(stale_after=STALE_STEPS * step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What was found in one series.

    Attributes:
        points: Observed points.
        gap_ratio: Share of missing points between first and last grid point, in [0, 1].
        duplicates: Input rows dropped because their step already had a value.
        last_seen: Stamp of the last observed point; None if there is none.
        defects: What is beyond the limits; empty for a series to trust.
    """

    points: int
    gap_ratio: float
    duplicates: int
    last_seen: datetime | None
    defects: tuple[Defect, ...]

    @property
    def usable(self) -> bool:
        """Whether the series can be forecast at all: long enough, and not stale."""
        return Defect.TOO_SHORT not in self.defects and Defect.STALE not in self.defects


def assess(
    series: Series, *, now: datetime | None = None, duplicates: int = 0, limits: Limits | None = None
) -> Quality:
    """Judge one series.

    Args:
        series: What was read, on its grid.
        now: Against which staleness is measured; None leaves staleness out.
        duplicates: Rows that the reader dropped before the grid was made.
        limits: From where on to complain; the defaults of ``Limits`` if None.
    """
    limits = limits or Limits()
    seen = np.flatnonzero(~np.isnan(series.values))
    gap_ratio = 1.0 - len(seen) / len(series) if len(series) else 1.0
    last_seen = series.start + int(seen[-1]) * series.step if len(seen) else None
    found = {
        Defect.GAPPY: gap_ratio > limits.gap_ratio,
        Defect.DUPLICATES: duplicates > 0,
        Defect.CONSTANT: len(seen) > 1 and series.values[seen].min() == series.values[seen].max(),
        Defect.TOO_SHORT: len(seen) < limits.min_points,
        Defect.STALE: now is not None
        and limits.stale_after is not None
        and (last_seen is None or now - (last_seen + series.step) > limits.stale_after),
    }
    return Quality(
        points=len(seen),
        gap_ratio=gap_ratio,
        duplicates=duplicates,
        last_seen=last_seen,
        defects=tuple(defect for defect, is_there in found.items() if is_there),
    )
