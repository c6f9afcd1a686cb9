"""Which history is given and which truth is asked for: the windows of every protocol, read from the data's folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.adapters.folder import Entry, FolderSource
from aiops.series import FloatArray, Frame, Series

DAY, WEEK = timedelta(days=1), timedelta(days=7)
FIVE_MINUTES, HOUR = timedelta(minutes=5), timedelta(hours=1)
HISTORY = 28 * DAY
SHORTEST_SERIES = 21 * DAY
CUTOFFS = 4
M4, M4_HORIZON = "m4_hourly", 48


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One forecast that is asked for.

    Attributes:
        group: The dataset that the series is of.
        history: What may be used.
        truth: What came after, shape ``[horizon]``; NaN where nothing was observed.
    """

    group: str
    history: Series
    truth: FloatArray

    @property
    def series_id(self) -> str:
        """Whose forecast it is."""
        return self.history.key.series_id


def day_ahead(source: FolderSource) -> list[Window]:
    """Return the windows of a day of 5-minute steps: four a series, 672 steps apart, the last at its end."""
    return [
        window
        for entry, series in read(source)
        if series.step == FIVE_MINUTES and entry.metadata["kind"] != "counter" and _length(series) >= SHORTEST_SERIES
        for window in _windows(entry, series, horizon=DAY // FIVE_MINUTES, stride=672, history=HISTORY // FIVE_MINUTES)
    ]


def week_ahead(source: FolderSource) -> list[Window]:
    """Return the windows of a week of hours, a week apart, for hourly series and for finer ones by their hourly means.

    The hours of M4 are left out: they have a protocol of their own.
    """
    found: list[Window] = []
    for entry, series in read(source):
        if entry.metadata["dataset"] == M4 or entry.metadata["kind"] == "counter" or HOUR % series.step:
            continue
        if _length(series) >= SHORTEST_SERIES:
            hours = hourly(series)
            found += _windows(entry, hours, horizon=WEEK // HOUR, stride=WEEK // HOUR, history=len(hours))
    return found


def m4(source: FolderSource) -> list[Window]:
    """Return the competition's windows: the last 48 hours out, all before them in."""
    return [
        Window(group=M4, history=part(series, 0, len(series) - M4_HORIZON), truth=series.values[-M4_HORIZON:])
        for _, series in read(source, M4)
    ]


def hourly(series: Series) -> Series:
    """Return the means of whole hours; of fewer points where some are missing, NaN where all are."""
    size = HOUR // series.step
    if size == 1:
        return series
    first = -int(series.stamps()[0] // series.step.total_seconds()) % size
    blocks = series.values[first : first + (len(series) - first) // size * size].reshape(-1, size)
    seen = ~np.isnan(blocks)
    means = np.where(seen, blocks, 0.0).sum(axis=1) / np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
    return Series(key=series.key, start=series.start + first * series.step, step=HOUR, values=means, unit=series.unit)


def batches(windows: Sequence[Window]) -> Iterator[tuple[list[int], Frame]]:
    """Yield windows that one frame can hold: same step, same time of the cutoff, one window a series.

    Histories may differ in length: what a shorter one lacks at its start is NaN.
    """
    by_grid: dict[tuple[object, ...], list[int]] = {}
    for index, window in enumerate(windows):
        by_grid.setdefault((window.history.step, window.history.end, len(window.truth)), []).append(index)
    for indices in by_grid.values():
        yield indices, Frame.of([windows[index].history for index in indices])


def _windows(entry: Entry, series: Series, *, horizon: int, stride: int, history: int) -> Iterator[Window]:
    for back in range(CUTOFFS):
        end = len(series) - horizon - back * stride
        if end < SHORTEST_SERIES // series.step - horizon - (CUTOFFS - 1) * stride or end < horizon:
            continue
        known = part(series, max(end - history, 0), end)
        yield Window(group=entry.metadata["dataset"], history=known, truth=series.values[end : end + horizon])


def part(series: Series, first: int, last: int) -> Series:
    """Return the points from ``first`` to before ``last``."""
    return Series(
        key=series.key,
        start=series.start + first * series.step,
        step=series.step,
        values=series.values[first:last],
        unit=series.unit,
    )


def _length(series: Series) -> timedelta:
    return len(series) * series.step


def read(source: FolderSource, dataset: str | None = None) -> Iterator[tuple[Entry, Series]]:
    """Return the series of one dataset, or of all, with what the index says of them."""
    entries = [entry for entry in source.entries() if dataset in (None, entry.metadata["dataset"])]
    return zip(entries, source.read(entries).series, strict=True)
