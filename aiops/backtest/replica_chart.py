"""One day of a replay as a picture: replicas needed, asked for and ready, with the worst moments marked."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.charts import Axis, Band, Line, Mark, TimeChart, Tone
from aiops.backtest.hpa import SYNC
from aiops.backtest.outcome import ScalingOutcome
from aiops.series import FloatArray
from aiops.series.duration import duration_text

_MOST_MARKS = 12


def replica_chart(outcome: ScalingOutcome, begin: datetime, end: datetime) -> TimeChart:
    """Plot needed, ready, floor and oracle replicas of one replay between two instants."""
    first = max((begin - outcome.start) // SYNC, 0)
    last = min(-((outcome.start - end) // SYNC), len(outcome.demand))
    part = slice(first, last)
    needed = np.where(np.isnan(outcome.demand[part]), np.nan, outcome.needed[part])
    ready = outcome.track.ready[part].astype(np.float64)
    lines = [
        Line(name="Oracle", values=outcome.oracle[part].astype(np.float64), tone=Tone.ORANGE, steps=True, dashed=True),
        Line(name="Ready", values=ready, tone=Tone.BLUE, steps=True),
    ]
    if outcome.turns:
        floor = outcome.track.floors[part].astype(np.float64)
        lines.insert(1, Line(name="Floor from the forecast", values=floor, tone=Tone.GREEN, steps=True))
    bands = [Band(name="Needed to serve all demand", lower=np.zeros(len(needed)), upper=needed, tone=Tone.GREY)]
    start = outcome.start + first * SYNC
    marks = _misses(start, needed, ready)
    if marks:
        bands.append(Band(name="Missing", lower=ready, upper=needed, tone=Tone.RED))
    return TimeChart(
        title=f"{outcome.name}: replicas needed and ready",
        axis=Axis(label="Replicas"),
        start=start,
        step=SYNC,
        lines=tuple(lines),
        bands=tuple(bands),
        marks=marks,
        caption="The red triangles mark the times at which most replicas were missing."
        if marks
        else "At no time was a replica missing.",
    )


def _misses(start: datetime, needed: FloatArray, ready: FloatArray) -> tuple[Mark, ...]:
    """Mark the worst moment of each of the worst stretches without enough ready replicas."""
    missing = np.nan_to_num(np.maximum(needed - ready, 0.0))
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], np.sign(missing), [0.0]])))
    worst = [
        (float(missing[first:last].sum()), int(first + missing[first:last].argmax()), int(last - first))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]
    return tuple(
        Mark(
            at=start + at * SYNC,
            value=float(needed[at]),
            text=f"{start + at * SYNC:%H:%M}: {ready[at]:.0f} ready of {needed[at]:.0f} needed, "
            f"short for {duration_text(steps * SYNC)}",
        )
        for _, at, steps in sorted(worst, reverse=True)[:_MOST_MARKS]
    )


def worst_day(outcome: ScalingOutcome) -> tuple[datetime, datetime]:
    """Return the 24 hours in which most replicas were missing; the last 24 if none ever were."""
    day = timedelta(days=1) // SYNC
    n = len(outcome.demand)
    if n <= day:
        return outcome.start, outcome.end
    missing = np.where(np.isnan(outcome.demand), 0.0, np.maximum(outcome.needed - outcome.track.ready, 0))
    until = np.concatenate([[0.0], np.cumsum(missing)])
    within = until[day:] - until[:-day]
    best = np.flatnonzero(within == within.max())
    # Many windows hold the same moments: the middle one shows what came before and after.
    first = int(best[len(best) // 2]) if within.max() > 0 else n - day
    return outcome.start + first * SYNC, outcome.start + (first + day) * SYNC
