"""Forecasts of what was read, each series from its own cutoffs on; what cannot be forecast is named and left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.forecast import Forecast
from aiops.forecasting.forecaster import PathForecaster
from aiops.series import FloatArray, Frame, Series, SeriesKey
from aiops.series.counter import increase

COUNTER = "counter"
NEVER_NEGATIVE = ("rate", "count", COUNTER)
"""Kinds, as an index calls them, of which a negative value is an error of measurement."""
LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
BATCH = 64
"""Series in one frame: few enough to show progress, and for their rows to fit into memory."""
MOST_STEPS = 10_000
"""Longest horizon: more steps than anyone plans by; a finer series wants to be aggregated first."""

Skipped = tuple[str, str]
Cutoffs = Mapping[SeriesKey, Sequence[datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        horizon: How far to forecast.
        history: Most history that a forecast is made from.
        cutoffs: Last observations that may be used, by series; None means the end of each series.
        levels: Quantile levels.
    """

    horizon: timedelta
    history: timedelta = timedelta(days=28)
    cutoffs: Cutoffs | None = None
    levels: tuple[float, ...] = LEVELS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """Forecasts of one grid and cutoff.

    Attributes:
        forecast: One row a series; none is missing.
        cutoffs: The cutoff that was asked for, a row; it may lie between two stamps of the grid.
    """

    forecast: Forecast
    cutoffs: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    history: Series
    cutoff: datetime


def forecast_all(
    series: Sequence[Series],
    metadata: Mapping[SeriesKey, Mapping[str, str]],
    ask: Ask,
    forecaster: PathForecaster,
) -> Iterator[Made | Skipped]:
    """Forecast every series from every cutoff; series of one grid and cutoff together.

    A counter (``kind`` in the index) is forecast as its increase a step. Negative values of a kind that has none are
    taken as missing.

    Yields:
        Forecasts, and (series id, reason) of each series and cutoff that has none.
    """
    by_grid: dict[tuple[timedelta, datetime], list[_Job]] = {}
    for each in series:
        prepared = _prepared(each, metadata.get(each.key, {}).get("kind", ""))
        cutoffs = [each.end - each.step] if ask.cutoffs is None else ask.cutoffs.get(each.key, ())
        for cutoff in dict.fromkeys(cutoffs):
            try:
                job = _job(prepared, cutoff, ask)
            except DataError as error:
                yield each.key.series_id, str(error)
            else:
                by_grid.setdefault((each.step, job.history.end), []).append(job)
    for (step, _), jobs in by_grid.items():
        for batch in _batches(jobs):
            yield from _forecast(batch, ask.horizon // step, ask, forecaster)


def _batches(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Yield jobs by ``BATCH``, each series once a batch: two cutoffs of one series may fall into one step."""
    batch: dict[SeriesKey, _Job] = {}
    for job in jobs:
        if len(batch) == BATCH or job.history.key in batch:
            yield list(batch.values())
            batch = {}
        batch[job.history.key] = job
    if batch:
        yield list(batch.values())


def _prepared(series: Series, kind: str) -> Series:
    values = series.values
    if kind in NEVER_NEGATIVE and (values < 0).any():
        values = np.where(values < 0, np.nan, values)
    cleaned = Series(key=series.key, start=series.start, step=series.step, values=values, unit=series.unit)
    return increase(cleaned) if kind == COUNTER else cleaned


def _job(series: Series, cutoff: datetime, ask: Ask) -> _Job:
    """Cut the history of one forecast.

    Raises:
        DataError: If the horizon does not fit the step, or nothing was observed in the history.
    """
    steps = ask.horizon // series.step
    if not 1 <= steps <= MOST_STEPS:
        raise DataError(
            f"a horizon of {ask.horizon} is {steps} steps of {series.step.total_seconds():g} s: give one of 1 to "
            f"{MOST_STEPS} steps, or aggregate the series first"
        )
    if cutoff < series.start:
        raise DataError(f"the cutoff {cutoff.isoformat()} is before its first row at {series.start.isoformat()}")
    last = (cutoff - series.start) // series.step
    if last >= len(series) + ask.history // series.step:
        raise DataError(
            f"the cutoff {cutoff.isoformat()} is more than the history of {ask.history} after its last row at "
            f"{(series.end - series.step).isoformat()}"
        )
    first = max(last + 1 - max(ask.history // series.step, 1), 0)
    values: FloatArray = np.full(last + 1 - first, np.nan)
    known = series.values[first : last + 1]
    values[: len(known)] = known
    seen = int(np.count_nonzero(~np.isnan(values)))
    if seen < 2:
        raise DataError(
            f"too short: {seen} values in the {ask.history} before the cutoff {cutoff.isoformat()}, at least 2 needed"
        )
    start = series.start + first * series.step
    return _Job(
        history=Series(key=series.key, start=start, step=series.step, values=values, unit=series.unit), cutoff=cutoff
    )


def _forecast(jobs: Sequence[_Job], horizon: int, ask: Ask, forecaster: PathForecaster) -> Iterator[Made | Skipped]:
    made = forecaster.forecast(Frame.of([job.history for job in jobs]), horizon, np.array(ask.levels))
    finite = np.asarray(np.isfinite(made.mean).all(axis=1) & np.isfinite(made.values).all(axis=(1, 2)))
    for job, fine in zip(jobs, finite.tolist(), strict=True):
        if not fine:
            reason = f"too short: no error of {forecaster.name} is known before the cutoff {job.cutoff.isoformat()}"
            yield job.history.key.series_id, reason
    rows = np.flatnonzero(finite).tolist()
    if rows:
        yield Made(
            forecast=Forecast(
                keys=tuple(made.keys[row] for row in rows),
                cutoff=made.cutoff,
                step=made.step,
                mean=made.mean[rows],
                levels=made.levels,
                values=made.values[rows],
                units=tuple(made.units[row] for row in rows),
                models=tuple(made.models[row] for row in rows),
            ),
            cutoffs=tuple(jobs[row].cutoff for row in rows),
        )
