"""The ledger of a running workload: what was done each day, and what the plain HPA and the oracle would have done.

Read from Prometheus afterwards, where the operator's metrics are the record: nothing has to be kept by anybody, a
restart loses nothing, and the oracle gets its hindsight. In mode Shadow it says what the floor would have been worth
before anyone switches it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from aiops import telemetry
from aiops.backtest.cluster import Cluster, Workload
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.ledger import Entry, Record, ledger
from aiops.errors import DataError
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.series import FloatArray, Series

DONE = "done"
PLAIN = "plain HPA"
FLOOR = "HPA with the floor"
DIRECT = "replicas as decided"
ORACLE = "oracle"

Read = Callable[[str], Sequence[Series]]
"""What a source answers to a query: all on one grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One PredictiveScaler and the cluster that its alternatives are played on.

    Attributes:
        namespace: Where it is.
        name: What it is called.
        spec: What it says: demand, capacity, bounds.
        hpa_target: Share of a replica's capacity that the HPA aims at.
        startup_delay: From creation of a pod to ready.
    """

    namespace: str
    name: str
    spec: PredictiveScalerSpec
    hpa_target: float
    startup_delay: timedelta


def read_ledger(watched: Watched, read: Read) -> dict[str, tuple[Entry, ...]]:
    """Return the days of each: what was done, the plain HPA, what was decided, the oracle; all over the same time.

    What was decided is in it where the operator wrote it down all along or for a part; before, it is the plain HPA's.
    The latest steps, as long as a pod takes to start, are left out: only then is it known what the oracle would do.

    Raises:
        ConfigError: If the HPA or a length cannot be.
        DataError: If demand or replicas cannot be read, or nothing is left of them.
    """
    spec = watched.spec
    demand = _one(read(spec.load.query), f"demand ({spec.load.query})")
    found = {
        metric: _one(read(_query(watched, metric)), metric)
        for metric in (telemetry.SCALER_CURRENT, telemetry.SCALER_READY, telemetry.SCALER_DESIRED)
    }
    return ledger_of(
        watched,
        demand,
        replicas=_on(demand, found[telemetry.SCALER_CURRENT]),
        ready=_on(demand, found[telemetry.SCALER_READY]),
        decided=_on(demand, found[telemetry.SCALER_DESIRED]),
    )


def ledger_of(
    watched: Watched, demand: Series, *, replicas: FloatArray, ready: FloatArray, decided: FloatArray
) -> dict[str, tuple[Entry, ...]]:
    """Return the days of each from what was there at each step of the demand, shape ``[n]``; NaN is unknown.

    Args:
        watched: What it is about.
        demand: Demand, from its first known value on.
        replicas: Pods that existed.
        ready: Pods that served.
        decided: Floors, or replicas in mode Direct.

    Raises:
        ConfigError: If the HPA or a length cannot be.
        DataError: If nothing is left when the latest steps are taken off.
    """
    spec = watched.spec
    workload = Workload(
        demand=demand,
        capacity_per_replica=spec.load.capacity_per_replica,
        startup_delay=watched.startup_delay,
    )
    fine = workload.syncs_per_step
    there, serving, asked = (np.repeat(each, fine) for each in (replicas, ready, decided))
    seen = ~np.isnan(workload.fine) & ~np.isnan(there) & ~np.isnan(serving)
    kept = len(seen) - workload.delay
    if kept < 1 or not seen[:kept].any():
        raise DataError(
            f"{watched.namespace}/{watched.name}: demand, replicas and ready replicas are never known together: "
            "does Prometheus scrape the operator, and is the time long enough?"
        )
    # Time of which one of them is unknown counts for nobody.
    judged = np.where(seen, workload.fine, np.nan)[:kept]
    least = spec.bounds.min_replicas
    hpa = Hpa(target=watched.hpa_target, min_replicas=least, max_replicas=spec.bounds.max_replicas)
    direct = spec.mode.applies and spec.hpa is None
    floors = np.where(np.isnan(asked), least, np.ceil(asked)).astype(np.int64)
    first = max(int(np.ceil(there[seen][0])), 1)

    def played(scaler: Hpa | None, floor: np.ndarray) -> Record:
        cluster = Cluster(workload, scaler, replicas=first)
        cluster.follow(floor)
        return record(cluster.track.replicas, cluster.track.ready)

    def record(existed: np.ndarray, served: np.ndarray) -> Record:
        return Record(
            start=demand.start,
            step=SYNC,
            demand=judged,
            replicas=np.asarray(existed[:kept], dtype=np.float64),
            ready=np.asarray(served[:kept], dtype=np.float64),
            capacity_per_replica=spec.load.capacity_per_replica,
        )

    records = {
        DONE: record(np.nan_to_num(there), np.nan_to_num(serving)),
        PLAIN: played(hpa, np.full(len(floors), least)),
        DIRECT if direct else FLOOR: played(None if direct else hpa, floors),
        ORACLE: record(workload.oracle, workload.needed),
    }
    return {who: ledger(each) for who, each in records.items()}


def rows(found: Mapping[str, Sequence[Entry]]) -> list[dict[str, object]]:
    """Return one row a day and one of sums: unmet demand in percent, and replica-hours, of each."""
    days = [list(each) for each in zip(*found.values(), strict=True)]
    table = [_row(f"{entries[0].day:%Y-%m-%d}", dict(zip(found, entries, strict=True))) for entries in days]
    total = {
        who: entries[0]._replace(
            demand=sum(each.demand for each in entries),
            unmet=sum(each.unmet for each in entries),
            replica_hours=sum(each.replica_hours for each in entries),
        )
        for who, entries in found.items()
    }
    return [*table, _row("(all)", total)]


def _row(day: str, entries: Mapping[str, Entry]) -> dict[str, object]:
    row: dict[str, object] = {"day": day, "demand_hours": next(iter(entries.values())).demand}
    for who, entry in entries.items():
        if who != ORACLE:
            row[f"{who}, unmet %"] = 100 * entry.unmet / entry.demand if entry.demand else 0.0
        row[f"{who}, replica-hours"] = entry.replica_hours
    return row


def _query(watched: Watched, metric: str) -> str:
    return f'{metric}{{namespace="{watched.namespace}",name="{watched.name}"}}'


def _one(found: Sequence[Series], what: str) -> Series:
    if len(found) != 1:
        said = f"{len(found)} series: write a query that returns one" if found else "nothing"
        raise DataError(f"{what}: Prometheus has {said}")
    known = np.flatnonzero(~np.isnan(found[0].values))
    if not len(known):
        raise DataError(f"{what}: every value is missing")
    series = found[0]
    return replace(series, start=series.start + int(known[0]) * series.step, values=series.values[known[0] :])


def _on(grid: Series, series: Series) -> FloatArray:
    """Return the values of a series on the grid of another one of the same step; NaN where it has none."""
    values = np.full(len(grid), np.nan)
    offset = (series.start - grid.start) // grid.step
    first, last = max(offset, 0), min(offset + len(series), len(grid))
    if last > first:
        values[first:last] = series.values[first - offset : last - offset]
    return values
