"""The real traces: read from their folder, or pushed through a real Prometheus and read back."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from pydantic import AnyHttpUrl

from aiops.adapters.folder import FolderSource
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.backtest.replay import Case
from aiops.series import Series, SeriesKey, from_epoch
from aiops.settings import PrometheusSettings

WEEK = timedelta(weeks=1)
METRIC = "benchmark_demand"


def cases(folder: Path, step: timedelta = timedelta(minutes=1)) -> list[Case]:
    """Return every trace of ``folder`` that has this step, with the window that its index says is scored."""
    source = FolderSource(folder)
    entries = [entry for entry in source.entries() if entry.step == step]
    return [
        Case(
            name=entry.name,
            history=series,
            capacity_per_replica=float(entry.metadata["capacity_per_replica"]),
            start=from_epoch(float(entry.metadata["eval_start"])),
            end=from_epoch(float(entry.metadata["eval_end"])),
        )
        for entry, series in zip(entries, source.read(entries).series, strict=True)
    ]


def shifted_to(case: Case, now: datetime) -> Case:
    """Return the case moved by whole weeks, so that its demand ends within the week before ``now``.

    Hours and weekdays stay what they were, and so does everything that learns from them.
    """
    weeks = (now - case.history.end) // WEEK
    history = case.history
    return Case(
        name=case.name,
        history=Series(
            key=SeriesKey.of(METRIC, {"trace": case.name}),
            start=history.start + weeks * WEEK,
            step=history.step,
            values=history.values,
            unit=history.unit,
        ),
        capacity_per_replica=case.capacity_per_replica,
        start=case.start + weeks * WEEK,
        end=case.end + weeks * WEEK,
        startup_delay=case.startup_delay,
    )


def through_prometheus(found: Sequence[Case], url: str) -> Iterator[Case]:
    """Push every case into a Prometheus, shifted to end now; yield it as read back.

    Raises:
        AssertionError: If what comes back is not, value for value, what the folder holds.
    """
    settings = PrometheusSettings(url=AnyHttpUrl(url))
    writer, source = RemoteWriter(settings), PrometheusSource(settings)
    now = datetime.now(UTC)
    for case in found:
        pushed = shifted_to(case, now)
        writer.write([pushed.history])
        query = f'{METRIC}{{trace="{case.name}"}}'
        grid = pushed.history
        (back,) = asyncio.run(source.range(query, grid.start, grid.end, grid.step)).series
        if back.start != grid.start or not np.array_equal(back.values, case.history.values, equal_nan=True):
            raise AssertionError(f"{case.name}: Prometheus gave back other values than the folder holds")
        yield Case(
            name=case.name,
            history=back,
            capacity_per_replica=pushed.capacity_per_replica,
            start=pushed.start,
            end=pushed.end,
            startup_delay=pushed.startup_delay,
        )
