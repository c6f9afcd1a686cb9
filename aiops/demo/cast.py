"""Who plays in the demo: the generated fleet, or the series of a folder moved to the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.demo.fleet import Incident, generate
from aiops.errors import DataError
from aiops.series import Frame, Series, SeriesKey
from aiops.series.grid import floor
from aiops.wiring import Reading

LOADED = "demo:load"
"""Metric name of a folder's series in the demo's Prometheus; their own name becomes the label ``series_id``."""

_MOST = 12
_WEEK = timedelta(weeks=1)
_HISTORY = timedelta(weeks=4)


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

    The finest grid that at least one series has is taken, and series on other grids are left out. The scaled one is the
    first whose index names a ``capacity_per_replica``; without any, the first, with a capacity that lets its 99th
    percentile need 40 replicas.

    Raises:
        DataError: If no series has two days of data.
    """
    long = [each for each in reading.telemetry.series if len(each) * each.step >= timedelta(days=2)]
    if not long:
        raise DataError(f"{folder}: no series is two days long; the demo needs history to learn from")
    step = min(each.step for each in long)
    chosen = [_moved(each, end) for each in long if each.step == step][:_MOST]
    capacities = {
        key: meta["capacity_per_replica"] for key, meta in reading.metadata.items() if "capacity_per_replica" in meta
    }
    scaled = next((each for each in chosen if each.key in capacities), chosen[0])
    known = capacities.get(scaled.key)
    capacity = float(known) if known else float(np.nanquantile(scaled.values, 0.99)) / 40
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
