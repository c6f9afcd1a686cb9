"""How likely a limit is reached within a week, within four, and when: the early warning of a capacity plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.fleet.maximum import steps_to
from aiops.series import FloatArray, Frame, Series
from aiops.series.coarse import block_maxima

WINDOWS = (timedelta(days=7), timedelta(days=28))
INTERVAL = (0.1, 0.5, 0.9)
"""Chances of the dates of an interval: early, as likely as not, late."""

_CHANCES = np.array([0.01, *np.arange(0.05, 0.96, 0.05).round(2), 0.99])
_STEP = timedelta(hours=1)
_LEAST = timedelta(days=14)
"""With less history, chances that are said to be nil come true far more often than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion:
    """When the demand of one series reaches a limit.

    Attributes:
        limit: The limit, in the unit of the series.
        chances: Of reaching it within each of ``WINDOWS`` after the end of the history, in steps of 0.05; 0 is less
            than 0.01, and 0.99 is that or more.
        dates: By when it is reached with a chance of ``INTERVAL``; None: not within the longest window.
    """

    limit: float
    chances: tuple[float, ...]
    dates: tuple[datetime | None, ...]


def exhaustion(history: Series, limit: float) -> Exhaustion:
    """Tell when a limit is reached, from the highest value of each hour of the history.

    Args:
        history: Demand, of a step that divides an hour or is one; NaN marks gaps, and counts as no history at either
            end. Nothing after its end is known.
        limit: In its unit.

    Raises:
        DataError: If its step is longer than an hour or does not divide one, or it is shorter than two weeks.
    """
    history = _observed(history)
    if history.end - history.start < _LEAST:
        raise DataError(f"{history.key}: {history.end - history.start} of history is too short: give two weeks or more")
    if history.step > _STEP:
        raise DataError(f"{history.key}: a step of {history.step} is longer than an hour")
    hourly = block_maxima(history, _STEP)
    steps = steps_to(Frame.of([hourly]), WINDOWS[-1] // _STEP, np.array([limit]), _CHANCES)[0]
    if np.isnan(steps).any():
        raise DataError(f"{history.key}: too little is known of it to tell when a limit is reached")
    within = [_CHANCES[steps <= window // _STEP] for window in WINDOWS]
    return Exhaustion(
        limit=limit,
        chances=tuple(float(each[-1]) if len(each) else 0.0 for each in within),
        dates=tuple(_date(hourly, steps, chance) for chance in INTERVAL),
    )


def surest(found: Sequence[Exhaustion]) -> list[int]:
    """Return the order in which a planner wants to read: the likeliest within the first window first, then the next."""
    return sorted(range(len(found)), key=lambda row: tuple(-chance for chance in found[row].chances))


def _observed(history: Series) -> Series:
    """Return it from the first value to the last: what was asked for and is not there is no past without demand."""
    seen = np.flatnonzero(~np.isnan(history.values))
    if not len(seen):
        raise DataError(f"{history.key}: not one value of it is known")
    first, last = int(seen[0]), int(seen[-1])
    return history.between(history.start + first * history.step, history.start + (last + 1) * history.step)


def _date(hourly: Series, steps: FloatArray, chance: float) -> datetime | None:
    step = float(steps[int(np.flatnonzero(np.isclose(_CHANCES, chance))[0])])
    return hourly.end + int(step - 1) * _STEP if np.isfinite(step) else None
