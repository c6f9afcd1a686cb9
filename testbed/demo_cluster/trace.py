"""What is played: the steepest two hours of a real trace, or of the generated fleet where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aiops import wiring
from aiops.adapters.clock import SystemClock
from aiops.demo import fleet
from aiops.errors import ConfigError, DataError
from aiops.series import FloatArray, Series, SeriesKey
from aiops.series.grid import floor
from aiops.settings import Settings
from aiops.usecases.backtest import CAPACITY, number_in

LENGTH = timedelta(hours=2)
HISTORY = timedelta(days=15)
AFTERWARDS = timedelta(hours=1)
"""Of the trace, beyond the two hours: what the rollback is shown on."""

_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(weeks=1)
Span = tuple[datetime, datetime]
_SMOOTH = 10  # minutes whose mean counts when steepness is judged: one odd minute is not a climb


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Demand, and which two hours of it are scored.

    Attributes:
        name: The trace.
        origin: Where it comes from, as a sentence.
        demand: Minute by minute: two weeks and a day before ``start``, an hour after the end.
        start: Begin of the scored time, in the recent past.
        capacity_per_replica: What one replica serves.
        climb: How far the smoothed demand climbs within the two hours, in replicas.
        unit: Of the demand.
    """

    name: str
    origin: str
    demand: Series
    start: datetime
    capacity_per_replica: float
    climb: float

    @property
    def end(self) -> datetime:
        """End of the scored time."""
        return self.start + LENGTH

    def at(self, instant: datetime) -> float:
        """Return the demand at an instant: each value holds for its minute."""
        return float(self.demand.values[(instant - self.demand.start) // self.demand.step])


def choose(data: Path | None, name: str | None, now: datetime) -> Trace:
    """Return the steepest two hours of the named trace, or of all in the folder; of the generated fleet without one.

    Raises:
        ConfigError: If there is no such trace.
        DataError: If no trace has two weeks of history before two whole hours.
    """
    if data is None:
        if name is not None:
            raise ConfigError(f"--trace {name} needs a folder of traces: set AIOPS_DATA_DIR")
        return _generated(now)
    request = wiring.Request(source=str(data / "workload"), query=name)
    reading = wiring.read(request, Settings.from_environment(), SystemClock())
    found: list[Trace] = []
    for series in reading.telemetry.series:
        said = reading.metadata.get(series.key, {})
        capacity, first, last = (number_in(said, column) for column in (CAPACITY, "eval_start", "eval_end"))
        if series.step != _MINUTE or capacity is None:
            continue
        begin = series.start if first is None else datetime.fromtimestamp(first, UTC)
        end = series.end if last is None else datetime.fromtimestamp(last, UTC)
        # The rules of the data: what is before this time is history, and only within it may decisions be shown.
        trace = _steepest(series, capacity, series.key.series_id, "a real trace", begin, end)
        if trace is not None:
            found.append(trace)
    if not found:
        raise DataError(f"{data / 'workload'}: no one-minute trace has two weeks of history before two whole hours")
    return _moved(max(found, key=lambda each: each.climb), now)


def steepest(values: FloatArray, length: int, smooth: int) -> tuple[int, float]:
    """Find the stretch within which smoothed values climb most.

    Args:
        values: Shape ``[n]``. A stretch with a NaN is none.
        length: Of the stretch, in steps.
        smooth: How many steps a mean is taken over.

    Returns:
        Where the stretch begins, such that the climb lies in its middle, and how high the climb is; (0, NaN) if there
        is no whole stretch.
    """
    best, climb = 0, np.nan
    if len(values) < length:
        return best, float(climb)
    means = sliding_window_view(values, smooth).mean(axis=1)
    room = length - smooth
    for top in range(len(means)):
        before = means[max(top - room, 0) : top + 1][::-1]
        foot = top - int(np.argmin(before)) if not np.isnan(before).any() else top  # the last one, where several are
        middle = (foot + top + smooth) // 2
        first = min(max(middle - length // 2, 0), len(values) - length)
        if (np.isnan(climb) or means[top] - means[foot] > climb) and not np.isnan(values[first : first + length]).any():
            best, climb = first, means[top] - means[foot]
    return best, float(climb)


def _steepest(
    series: Series, capacity: float, name: str, origin: str, begin: datetime, end: datetime, avoid: Sequence[Span] = ()
) -> Trace | None:
    begin = max(begin, series.start + HISTORY)
    end = min(end, series.end) - AFTERWARDS
    first, last = (begin - series.start) // series.step, (end - series.start) // series.step
    if last <= first:
        return None
    values = series.values.copy()
    for begins, ends in avoid:
        from_step = max((begins - AFTERWARDS - series.start) // series.step, 0)
        values[from_step : (ends - series.start) // series.step] = np.nan
    at, climb = steepest(values[first:last], LENGTH // series.step, _SMOOTH)
    if np.isnan(climb):
        return None
    start = series.start + (first + at) * series.step
    demand = series.between(start - HISTORY, start + LENGTH + AFTERWARDS)
    scored = (start - demand.start) // series.step
    played = np.concatenate([demand.values[:scored], np.nan_to_num(demand.values[scored:])])  # gaps of the last hour
    return Trace(
        name=name,
        origin=origin,
        demand=Series(key=demand.key, start=demand.start, step=demand.step, values=played),
        start=start,
        capacity_per_replica=capacity,
        climb=climb / capacity,
    )


def _moved(trace: Trace, now: datetime) -> Trace:
    """Move a trace by whole weeks, so that it ends within the week before ``now``: weekdays and hours stay."""
    by = (now - trace.demand.end) // _WEEK * _WEEK
    start = floor(trace.demand.start, _MINUTE) + by
    demand = Series(key=trace.demand.key, start=start, step=_MINUTE, values=trace.demand.values)
    return Trace(
        name=trace.name,
        origin=f"{trace.origin} of {trace.start:%d %B %Y}, moved to last week",
        demand=demand,
        start=floor(trace.start, _MINUTE) + by,
        capacity_per_replica=trace.capacity_per_replica,
        climb=trace.climb,
    )


def _generated(now: datetime) -> Trace:
    made = fleet.generate(now)
    values = made.row(made.scaled)
    series = Series(
        key=SeriesKey.of("generated"), start=made.frame.start, step=made.frame.step, values=_without_gaps(values)
    )
    name = f"generated {dict(made.scaled.labels).get('service', 'service')}"
    trace = _steepest(
        series,
        made.capacity_per_replica,
        name,
        "generated, because AIOPS_DATA_DIR names no traces; outside of the incidents that were put into it",
        series.start,
        series.end,
        [(each.start, each.end) for each in made.incidents if each.key == made.scaled],
    )
    if trace is None:
        raise DataError("the generated fleet has no two whole hours")
    return trace


def _without_gaps(values: FloatArray) -> FloatArray:
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known])
