"""Who plays in the demo: the generated fleet, or the series of a folder moved to the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.demo.fleet import Incident, generate
from aiops.errors import DataError
from aiops.series import Frame, Series, SeriesKey
from aiops.series.grid import floor
from aiops.usecases.backtest import CAPACITY, number_in
from aiops.wiring import Reading

LOADED = "demo:load"
"""Metric name of a folder's series in the demo's Prometheus; their own name becomes the label ``series_id``."""

_MOST = 12
_WEEK = timedelta(weeks=1)
_HISTORY = timedelta(weeks=4)
_SHORTEST = timedelta(days=4)
_PEAK_REPLICAS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast:
    """What the demo runs on.

    Attributes:
        origin: Where it comes from, in words.
        frame: All series, ending now.
        query: PromQL that finds them all.
        scaled: The series that drives the scaling loop.
        capacity_per_replica: What one replica of that workload serves.
        incidents: Troubles whose truth is known; empty for a folder.
    """

    origin: str
    frame: Frame
    query: str
    scaled: SeriesKey
    capacity_per_replica: float
    incidents: tuple[Incident, ...] = ()

    @property
    def scaled_query(self) -> str:
        """PromQL that finds the scaled series alone."""
        return self.scaled.series_id


def generated(end: datetime, seed: int = 7) -> Cast:
    """Return the generated fleet as it looks at ``end``."""
    fleet = generate(end, seed=seed)
    return Cast(
        origin="a generated fleet with known incidents",
        frame=fleet.frame,
        query='{__name__=~"service:.+"}',
        scaled=fleet.scaled,
        capacity_per_replica=fleet.capacity_per_replica,
        incidents=fleet.incidents,
    )


def from_folder(reading: Reading, folder: str, end: datetime) -> Cast:
    """Return up to twelve series of a folder, moved by whole weeks so that they end within the week before ``end``.

    The finest grid that a series of four days has is taken, and series on other grids are left out. The scaled one is
    the first whose index names a ``capacity_per_replica``; without any, the one with the highest 99th percentile, and a
    capacity that lets that need 40 replicas.

    Raises:
        DataError: If no series has four days of data, or none has demand.
    """
    long = [each for each in reading.telemetry.series if len(each) * each.step >= _SHORTEST]
    if not long:
        raise DataError(f"{folder}: no series is {_SHORTEST.days} days long; the demo needs history to learn from")
    step = min(each.step for each in long)
    chosen = [_moved(each, end) for each in long if each.step == step][:_MOST]
    said = {each.key: number_in(reading.metadata.get(each.key, {}), CAPACITY) for each in chosen}
    peaks = {each.key: float(np.nanquantile(each.values, 0.99)) for each in chosen}
    highest = max(chosen, key=lambda each: peaks[each.key])
    scaled = next((each for each in chosen if said[each.key]), highest)
    capacity = said[scaled.key] or peaks[scaled.key] / _PEAK_REPLICAS
    if capacity <= 0:
        raise DataError(f"{folder}: {scaled.key} has no demand that a replica could serve; choose another folder")
    latest = max(each.end for each in chosen)
    frame = Frame.of([_named(each.between(latest - _HISTORY, latest)) for each in chosen])
    return Cast(
        origin=f"{len(chosen)} series of {folder}, moved by whole weeks to end now",
        frame=frame,
        query=LOADED,
        scaled=_named(scaled).key,
        capacity_per_replica=capacity,
    )


def _moved(series: Series, end: datetime) -> Series:
    start = floor(series.start, series.step) + (end - series.end) // _WEEK * _WEEK
    return Series(key=series.key, start=start, step=series.step, values=series.values, unit=series.unit)


def _named(series: Series) -> Series:
    key = SeriesKey.of(LOADED, {"series_id": series.key.series_id})
    return Series(key=key, start=series.start, step=series.step, values=series.values, unit=series.unit)
