"""How likely a limit is reached within a week, within four, and when: the early warning of a capacity plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.fleet.maximum import steps_to
from aiops.series import FloatArray, Frame, Series

WINDOWS = (timedelta(days=7), timedelta(days=28))
INTERVAL = (0.1, 0.5, 0.9)
"""Chances of the dates of an interval: early, as likely as not, late."""

_CHANCES = np.array([0.01, *np.arange(0.05, 0.96, 0.05).round(2), 0.99])
_STEP = timedelta(hours=1)
_LEAST = timedelta(days=14)
"""On the development traces, with less history, one in five things came true of which the chance was said to be nil."""


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
        history: Demand, of a step that divides an hour or is one; NaN marks gaps. Nothing after its end is known.
        limit: In its unit.

    Raises:
        DataError: If its step does not divide an hour, or it is shorter than two weeks.
    """
    if history.end - history.start < _LEAST:
        raise DataError(f"{history.key}: {history.end - history.start} of history is too short: give two weeks or more")
    hourly = _hourly(history)
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


def _date(hourly: Series, steps: FloatArray, chance: float) -> datetime | None:
    step = float(steps[int(np.flatnonzero(np.isclose(_CHANCES, chance))[0])])
    return hourly.end + int(step - 1) * _STEP if np.isfinite(step) else None


def _hourly(series: Series) -> Series:
    """Return the highest value of each hour, counted back from the end; NaN where nothing is known."""
    if _STEP % series.step:
        raise DataError(f"{series.key}: a step of {series.step} does not divide an hour")
    size = _STEP // series.step
    count = len(series) // size
    blocks = series.values[len(series) - count * size :].reshape(count, size)
    known = ~np.isnan(blocks)
    highest = np.where(known.any(axis=1), np.where(known, blocks, -np.inf).max(axis=1), np.nan)
    return Series(key=series.key, start=series.end - count * _STEP, step=_STEP, values=highest, unit=series.unit)
