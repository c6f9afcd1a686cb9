"""The ledger: for each day, what was asked, what was left unmet, and the replica-hours that were paid for.

One function for a replay and for the record of a real day: it needs demand, the replicas that existed and those that
were ready, and nothing about how they came to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from aiops.errors import DataError
from aiops.series import FloatArray, from_epoch
from aiops.series.grid import require_step, require_utc, stamps

_DAY = timedelta(days=1)


class Entry(NamedTuple):
    """One UTC day of one workload under one scaler. Time whose demand is unknown counts in none of the sums.

    Attributes:
        day: Midnight at which the day begins; its first and last day may be parts of days.
        demand: Demand times hours.
        unmet: What was above the ready capacity, times hours.
        replica_hours: Pods that existed, serving or starting, times hours.
    """

    day: datetime
    demand: float
    unmet: float
    replica_hours: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What was there, step by step.

    Attributes:
        start: Stamp of the first step, UTC.
        step: Length of a step.
        demand: Demand that held for each step, shape ``[n]``; NaN is unknown.
        replicas: Pods that existed, serving or starting, shape ``[n]``.
        ready: Pods that served, shape ``[n]``.
        capacity_per_replica: Demand that one ready pod serves.

    Raises:
        DataError: If the shapes disagree, or the capacity is not positive.
    """

    start: datetime
    step: timedelta
    demand: FloatArray
    replicas: FloatArray
    ready: FloatArray
    capacity_per_replica: float

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_step(self.step)
        if not self.demand.shape == self.replicas.shape == self.ready.shape:
            raise DataError(
                f"a ledger needs one value a step each: {self.demand.shape} of demand, {self.replicas.shape} of "
                f"replicas, {self.ready.shape} ready"
            )
        if not 0 < self.capacity_per_replica < np.inf:
            raise DataError(f"a replica has to serve something, got a capacity of {self.capacity_per_replica}")


def unmet(record: Record) -> FloatArray:
    """Return the demand above the ready capacity at each step, shape ``[n]``; 0 where demand is unknown."""
    short = record.demand - record.ready * record.capacity_per_replica
    return np.asarray(np.maximum(np.nan_to_num(short, nan=0.0), 0.0))


def ledger(record: Record) -> tuple[Entry, ...]:
    """Return the sums of each UTC day that the record touches, in order."""
    day_seconds = _DAY.total_seconds()
    days = (stamps(record.start, record.step, len(record.demand)) // day_seconds).astype(np.int64)
    if not len(days):
        return ()
    known = ~np.isnan(record.demand)
    hours = record.step / timedelta(hours=1)
    columns = (
        np.where(known, record.demand, 0.0),
        unmet(record),
        np.where(known, record.replicas, 0.0),
    )
    sums = [np.bincount(days - days[0], weights=column) * hours for column in columns]
    return tuple(
        Entry(from_epoch((int(days[0]) + index) * day_seconds), *(float(column[index]) for column in sums))
        for index in range(len(sums[0]))
    )
